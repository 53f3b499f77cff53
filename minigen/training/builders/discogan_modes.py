"""The settings of a run of demos/discogan_modes.py, and the DiscoGAN that they describe."""

from __future__ import annotations

import argparse
import functools

import numpy as np

import minigen
from minigen import Generator, Tensor, data, optim
from minigen.models.discogan import FORMS, DiscoGAN, PointJudge
from minigen.models.networks import mlp
from minigen.training.command import Parser
from minigen.training.flags import rate, units, weight, whole

SIGMA = 0.05
A, B = data.ring(5, sigma=SIGMA), data.ring(10, sigma=SIGMA)


def build(args: argparse.Namespace) -> DiscoGAN:
    """The networks of these flags: three linear layers make a generator, five a discriminator."""
    generators = [mlp(2, args.width, args.width, 2) for _ in range(2)]
    judges = [PointJudge(2, [args.width] * 4) for _ in range(2)]
    return DiscoGAN(
        *(network.to(args.device) for network in (*generators, *judges)),
        form=args.form,
        reconstruction=args.reconstruction,
        optimiser=functools.partial(optim.Adam, lr=args.lr, betas=(0.0, 0.9)),
    )


def translated(args: argparse.Namespace, gan: DiscoGAN, seed: int, count: int) -> np.ndarray:
    """G_AB of `count` points of each mode of A, (5, count, 2), drawn apart from the training."""
    noise = minigen.randn(len(A.centres), count, 2, generator=Generator(seed)) * A.sigma
    points = noise + Tensor(A.centres[:, None].astype(np.float32))
    return gan.draw(points.reshape(-1, 2).to(args.device)).numpy().reshape(points.shape)


def points(args: argparse.Namespace, gan: DiscoGAN, count: int, seed: int) -> np.ndarray:
    """G_AB of points of all modes of A, mode after mode, (count, 2)."""
    each = -(-count // len(A.centres))
    return translated(args, gan, seed, each).reshape(-1, 2)[:count]


def real(args: argparse.Namespace, count: int, seed: int) -> np.ndarray:
    """Points of B, (count, 2)."""
    return B.sample(count, Generator(seed)).numpy()


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(description, name="discogan_modes", quick={"steps": 100, "width": 16})
    add = parser.add_argument
    add("--steps", type=whole(), default=40_000, help="training steps in all")
    add("--form", choices=FORMS, default="both", help="a GAN, with one reconstruction, with both")
    add("--reconstruction", type=weight, default=20.0,
        only=("with --form gan", lambda args: args.form != "gan"),
        help="λ, the weight of a reconstruction")  # fmt: skip
    add("--batch-size", type=units, default=128, help="points of A a step, and as many of B")
    add("--width", type=units, default=64, help="units in each hidden layer")
    add("--lr", type=rate, default=1e-3, help="learning rate; falls to 0 in the second half")
    return parser
