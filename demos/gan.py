"""Train a GAN on handwritten digits, clothes, or a folder of your own pictures.

By default convolutions and dense layers with batch norm, as in InfoGAN (Chen et al. 2016), with its
learning rates; or the multilayer perceptrons of the first paper (Goodfellow et al. 2014) with
--network mlp. What the two minimise is any loss of the table in minigen/models/gan.py, by
--objective. With --conditional the class is given to both networks (Mirza and Osindero 2014),
with --auxiliary to the generator alone, and the discriminator has to tell it (Odena et al. 2017);
each row of the pictures is then one class, or only those of --classes are drawn. Subfolders of your
own folder are its classes. Everything goes to a run folder, as in demos/dcgan.py.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

from minigen import training
from minigen.training.builders.gan import black, build, flags, has_labels


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()
    panels = {"losses": ["loss_d", "loss_g"], "D's outputs": ["d_real", "d_fake"]}
    if args.auxiliary:
        panels["cross-entropy of classes"] = ["class_real", "class_fake"]
    every = max(50, args.steps // 60)
    reading = training.ODDS if has_labels(args) else training.SCORES
    training.train_gan(
        build, run, args, panels, reading, decay=args.decay, low=black(args), sample_every=every
    )


if __name__ == "__main__":
    main()
