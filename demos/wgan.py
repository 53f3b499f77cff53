"""Train a Wasserstein GAN on handwritten digits, clothes, or a folder of your own pictures.

With weights clipped (Arjovsky et al. 2017), or, with --penalty 10, with the gradient penalty
(Gulrajani et al. 2017) through convolutions and layer norm. The networks are those of
demos/gan.py. The critic's gap is plotted, its slope, and the gap divided by the slope, which
estimates the Wasserstein distance. With --conditional both networks are told the class. Everything
goes to a run folder, as in demos/dcgan.py.

Two critic steps for each of G's make the most of a few minutes. In a longer run here a clipped
critic went flat (its slope fell to 0): the papers' five are then the safer choice.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

from minigen import training
from minigen.models.wgan import critic_steps
from minigen.training.builders.wgan import build, flags

READING = (
    "gap is the critic's mean output for real images less that for drawn ones, slope its mean slope"
    " between the two, steepest the largest there. distance, gap / slope, estimates their"
    " Wasserstein distance: it should fall as images get better, which losses of other GANs do not."
    " Noise in it is common; a slope that runs away, or a distance that rises for long, is a bad"
    " sign."
)


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()
    panels = {
        "gap of the critic": ["gap"],
        "its slope": ["slope", "steepest"],
        "gap / slope": ["distance"],
    }
    training.train_gan(
        build, run, args, panels, READING, decay=args.decay,
        sample_every=max(50, args.steps // 60),
        batches_a_step=lambda step: critic_steps(step, args.critic_steps, args.warm_up),
    )  # fmt: skip


if __name__ == "__main__":
    main()
