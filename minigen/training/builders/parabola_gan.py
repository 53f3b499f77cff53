"""The settings of a run of demos/parabola_gan.py, and the GAN that they describe."""

from __future__ import annotations

import argparse
import functools

import numpy as np

from minigen import Generator, data, nn, optim
from minigen.models.gan import GAN
from minigen.models.networks import mlp
from minigen.training.command import Parser
from minigen.training.flags import rate, units, whole

CURVE = data.Parabola()


def build(args: argparse.Namespace) -> GAN:
    """Three hidden layers in each network."""
    hidden = [args.width] * 3
    return GAN(
        mlp(2, *hidden, 2).to(args.device),
        mlp(2, *hidden, 1, activation=functools.partial(nn.LeakyReLU, 0.2)).to(args.device),
        noise=2,
        optimiser=functools.partial(optim.Adam, lr=args.lr, betas=(0.0, 0.9)),
    )


def sample(gan: GAN, seed: int, count: int) -> np.ndarray:
    """Generated points (count, 2), by noise that does not draw from the stream of the training."""
    return gan.draw(gan.sample_noise(count, Generator(seed))).numpy()


def points(args: argparse.Namespace, gan: GAN, count: int, seed: int) -> np.ndarray:
    """Generated points (count, 2)."""
    return sample(gan, seed, count)


def real(args: argparse.Namespace, count: int, seed: int) -> np.ndarray:
    """Points of the curve, (count, 2)."""
    return CURVE.sample(count, Generator(seed)).numpy()


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(description, name="parabola_gan", quick={"steps": 60, "width": 16})
    add = parser.add_argument
    add("--steps", type=whole(), default=6000, help="training steps in all")
    add("--batch-size", type=units, default=256, help="true points a step, and as many generated")
    add("--width", type=units, default=64, help="units in each of three hidden layers")
    add("--lr", type=rate, default=1e-3, help="learning rate; falls to 0 in the second half")
    return parser
