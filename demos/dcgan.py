"""Train a deep convolutional GAN on handwritten digits: the best digits that three minutes of two
cores can give. demos/gan.py has more of everything.

The discriminator is shown real digits and generated ones and learns to tell them apart; the
generator is moved to where the discriminator takes its digits for real. By default they are those
of InfoGAN, with dense layers and batch norm (Chen et al. 2016); with --network plain, convolutions
alone. Everything goes to a run folder: digits from the same noise as training goes on (samples/ and
samples.gif), the curves of losses and of D's outputs (curves.png, metrics.jsonl), config.json and
checkpoint.npz.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

from minigen import training
from minigen.training.builders.dcgan import build, flags


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()
    panels = {"losses": ["loss_d", "loss_g"], "D's outputs": ["d_real", "d_fake"]}
    training.train_gan(build, run, args, panels, training.ODDS)


if __name__ == "__main__":
    main()
