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

import argparse
import functools

from minigen import optim, training
from minigen.models.networks import Conditional, DenseConvGenerator, DenseConvJudge
from minigen.models.wgan import WGAN, critic_steps
from minigen.training.flags import decay, number, rate, refuse_odd_sides, units, whole

NOISE = 100


def build(args: argparse.Namespace, channels: int, size: int, classes: int) -> WGAN:
    """The WGAN of these flags, for images (channels, size, size) of so many classes."""
    told = classes if args.conditional else 0  # numbers that say the class
    generator = DenseConvGenerator(channels, args.width, NOISE + told, size)
    norm = "batch" if args.penalty is None else "layer"
    critic = DenseConvJudge(channels * args.packing + told, args.width, size, norm)
    if told:
        generator, critic = Conditional(generator, classes), Conditional(critic, classes)
    return WGAN(
        generator.to(args.device),
        critic.to(args.device),
        noise=NOISE,
        packing=args.packing,
        clip=args.clip if args.penalty is None else None,
        penalty=args.penalty,
        optimiser=functools.partial(optim.RMSprop, lr=args.lr)
        if args.penalty is None
        else functools.partial(optim.Adam, lr=args.lr, betas=(0.0, 0.9)),
    )


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(
        __doc__, name="wgan", quick={"steps": 20, "width": 4, "batch_size": 16, "critic_steps": 2}
    )
    add = parser.add_argument
    add("--steps", type=whole(), default=3000, help="generator steps in all")
    parser.add_images(
        limit=None, batch_size={"default": 32, "help": "real images in a critic step"}
    )
    positive = number(above=0, most=1e6)
    add("--clip", type=positive, default=0.02, help="bound of the critic's weights",
        only=("with --penalty", lambda args: args.penalty is None))  # fmt: skip
    add("--penalty", type=positive, help="weight λ of the gradient penalty, instead of clipping")
    add("--critic-steps", type=whole(1, 1000), default=2,
        help="critic steps for each generator step")  # fmt: skip
    add("--warm-up", action="store_true", help="100 of them at first and now and then")
    add("--conditional", action="store_true", help="both networks are told the class")
    training.add_classes_and_packing(parser)
    add("--width", type=units, default=16, help="channels of both networks")
    add("--lr", type=rate, default=1e-3, help="learning rate")
    add("--decay", type=decay, default=0.995, help="of the average of G's weights that is drawn")
    refuse_odd_sides(parser)
    return parser


READING = (
    "The critic's gap between real and drawn images, over its slope, estimates their Wasserstein"
    " distance: it falls as images get better, which losses of other GANs do not. Noise in it is"
    " common; a slope that runs away, or a distance that rises for long, is not."
)


@training.script
def main() -> None:
    args, run = flags().open_run()
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
