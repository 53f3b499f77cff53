"""The settings of a run of demos/biggan.py, and the BigGAN that they describe."""

from __future__ import annotations

import argparse
import functools

import numpy as np

from minigen import Generator, Tensor
from minigen.models import biggan as B
from minigen.models.augment import Augmentation
from minigen.training.adversarial import add_augment, add_rates
from minigen.training.command import Parser
from minigen.training.course import in_parts
from minigen.training.flags import number, refuse_small_sides, units, weight, whole

TRUNCATIONS = (2.0, 1.5, 1.0, 0.8, 0.6, 0.4, 0.3, 0.2)


def build(args: argparse.Namespace, channels: int, size: int, classes: int) -> B.BigGAN:
    """The GAN of these flags, for images (channels, size, size) of so many classes."""
    sizes = channels, args.width, size, classes
    return B.BigGAN(
        B.BigGenerator(*sizes, args.piece, attention=args.attention).to(args.device),
        B.BigJudge(*sizes, attention=args.attention).to(args.device),
        orthogonal=args.orthogonal,
        optimiser=functools.partial(B.ADAM, lr=args.lr),
        discriminator_optimiser=functools.partial(B.ADAM, lr=args.lr_ratio * args.lr),
        augmentation=Augmentation(*args.augment or ()),
    )


def drawn(
    args: argparse.Namespace, gan: B.BigGAN, labels: np.ndarray, truncation: float | None
) -> np.ndarray:
    """Pictures of classes (N,), by the same random numbers for every truncation, and with batch
    norm's statistics of it."""
    gan.stand(truncation, Generator(args.seed + 3))
    z = gan.sample_noise(len(labels), Generator(args.seed + 2), truncation)
    return in_parts(gan.draw, z, Tensor(labels, device=args.device))


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(
        description,
        name="biggan",
        quick={"steps": 20, "width": 4, "piece": 4, "batch_size": 16, "limit": 2000},
        may_change=("steps", "truncation"),
    )
    add = parser.add_argument
    add("--steps", type=whole(), default=10_000, help="training steps in all")
    parser.add_images(batch_size={"default": 32})
    add("--classes", type=whole(0, 10**6), nargs="+", metavar="CLASS",
        help="which are drawn in samples.gif, a row each (all)")  # fmt: skip
    add_augment(parser)
    add("--judge-steps", type=whole(1, 100), default=1, help="steps of D for each of G")
    add("--width", type=units, default=8, help="channels at the full size")
    add("--piece", type=units, default=16, help="numbers in each piece of z")
    add("--attention", action="store_true", help="at half the size")
    add("--orthogonal", type=weight, default=1e-4, help="β, of orthogonal regularisation")
    add("--truncation", type=number(least=0, most=100), help="of the pictures at the end (none)")
    add_rates(parser, 5e-4, ratio=3.0, of_average=0.995)
    refuse_small_sides(parser)
    return parser
