"""The settings of a run of demos/dcgan.py, and the GAN that they describe."""

from __future__ import annotations

import argparse
import functools

from minigen import optim
from minigen.models.gan import GAN
from minigen.models.networks import (
    ConvDiscriminator,
    ConvGenerator,
    DenseConvGenerator,
    DenseConvJudge,
)
from minigen.training.adversarial import ONE_IMAGE
from minigen.training.command import Parser
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


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(description, name="dcgan", quick={"steps": 30, "width": 4, "batch_size": 16})
    add = parser.add_argument
    add("--steps", type=whole(), default=4500, help="training steps in all")
    parser.add_images(size=None, limit=None)
    add("--network", choices=("dense", "plain"), default="dense", help="with dense layers or not")
    add("--width", type=units, default=lambda args: 16 if args.network == "dense" else 64,
        help="channels (16, or 64 of plain networks)")  # fmt: skip
    add("--lr", type=rate, default=lambda args: 1e-3 if args.network == "dense" else 5e-4,
        help="learning rate of G (1e-3, or 5e-4 of plain networks)")  # fmt: skip
    parser.refuse(lambda args: args.network == "dense" and args.batch_size < 2, ONE_IMAGE)
    return parser
