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

import argparse
import functools

from minigen import optim, training
from minigen.models.gan import GAN
from minigen.models.networks import (
    ConvDiscriminator,
    ConvGenerator,
    DenseConvGenerator,
    DenseConvJudge,
)
from minigen.training.flags import rate, units, whole


def build(args: argparse.Namespace, channels: int, size: int, classes: int) -> GAN:
    """The GAN of these flags, for images (channels, size, size)."""
    # Two time scales (Heusel et al. 2017): one of the two learns faster, which depends on how
    # strong they are.
    if args.network == "dense":
        ratio = 0.2
        generator = DenseConvGenerator(channels, args.width, size=size)
        discriminator = DenseConvJudge(channels, args.width, size)
    else:
        ratio = 2
        generator = ConvGenerator(channels, args.width, size=size)
        discriminator = ConvDiscriminator(channels, min(args.width, 64), size=size, dropout=0.2)
    adam = functools.partial(optim.Adam, betas=(0.5, 0.999))
    return GAN(
        generator.to(args.device),
        discriminator.to(args.device),
        optimiser=functools.partial(adam, lr=args.lr),
        discriminator_optimiser=functools.partial(adam, lr=ratio * args.lr),
    )


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(
        __doc__, name="dcgan", quick={"steps": 30, "width": 4, "batch_size": 16}
    )
    add = parser.add_argument
    add("--steps", type=whole(), default=4500, help="training steps in all")
    parser.add_images(size=None, limit=None)
    add("--network", choices=("dense", "plain"), default="dense", help="with dense layers or not")
    add("--width", type=units, default=lambda args: 16 if args.network == "dense" else 64,
        help="channels (16, or 64 of plain networks)")  # fmt: skip
    add("--lr", type=rate, default=lambda args: 1e-3 if args.network == "dense" else 5e-4,
        help="learning rate of G (1e-3, or 5e-4 of plain networks)")  # fmt: skip
    return parser


@training.script
def main() -> None:
    args, run = flags().open_run()
    panels = {"losses": ["loss_d", "loss_g"], "D's outputs": ["d_real", "d_fake"]}
    training.train_gan(build, run, args, panels, training.ODDS)


if __name__ == "__main__":
    main()
