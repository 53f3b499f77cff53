"""The settings of a run of demos/mixture_gan.py, and the GAN or WGAN that they describe."""

from __future__ import annotations

import argparse
import functools

import numpy as np

from minigen import Generator, data, nn, optim
from minigen.models.gan import GAN
from minigen.models.networks import mlp
from minigen.models.wgan import WGAN
from minigen.training.adversarial import refuse_broken_packs
from minigen.training.command import Parser
from minigen.training.flags import number, rate, units, whole


def mixture_of(args: argparse.Namespace) -> tuple[data.Mixture, float]:
    """The mixture, and its largest coordinate, by which the networks see it divided."""
    mixture = {"ring": data.ring, "grid": data.grid}[args.data]()
    return mixture, float(np.abs(mixture.centres).max())


def build(args: argparse.Namespace) -> GAN | WGAN:
    """The networks of these flags: three hidden layers each."""
    hidden = [args.width] * 3
    generator = mlp(args.noise, *hidden, 2)
    judge = mlp(2 * args.packing, *hidden, 1, activation=functools.partial(nn.LeakyReLU, 0.2))
    shared = {"noise": args.noise, "packing": args.packing}
    betas = (0.5, 0.999) if args.collapse else (0.0, 0.9)
    adam = functools.partial(optim.Adam, lr=args.lr, betas=betas)
    generator, judge = generator.to(args.device), judge.to(args.device)
    if args.model == "gan":
        return GAN(generator, judge, optimiser=adam, **shared)
    if args.model == "wgan-gp":
        return WGAN(generator, judge, penalty=args.penalty, optimiser=adam, **shared)
    rms = functools.partial(optim.RMSprop, lr=args.lr)
    return WGAN(generator, judge, clip=args.clip, optimiser=rms, **shared)


def sample(gan: GAN | WGAN, scale: float, seed: int, count: int) -> np.ndarray:
    """Generated points (count, 2), by noise that does not draw from the stream of the training."""
    return gan.draw(gan.sample_noise(count, Generator(seed))).numpy() * scale


def points(args: argparse.Namespace, gan: GAN | WGAN, count: int, seed: int) -> np.ndarray:
    """Generated points (count, 2)."""
    return sample(gan, mixture_of(args)[1], seed, count)


def real(args: argparse.Namespace, count: int, seed: int) -> np.ndarray:
    """Points of the mixture, (count, 2)."""
    return mixture_of(args)[0].sample(count, Generator(seed)).numpy()


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(description, name="mixture_gan", quick={"steps": 100, "width": 32})
    add = parser.add_argument
    add("--steps", type=whole(), default=12000, help="training steps in all")
    add("--data", choices=("ring", "grid"), default="ring", help="8 or 25 Gaussians")
    add("--model", choices=("gan", "wgan", "wgan-gp"), default="gan", help="which")
    add("--packing", type=units, default=1, help="points that the judge sees at a time (PacGAN)")
    add("--collapse", action="store_true", help="show mode collapse")
    add("--batch-size", type=units, default=256, help="real points a step, and as many generated")
    add("--width", type=units, default=128, help="units in each of three hidden layers")
    add("--noise", type=units, default=2, help="numbers that make z")
    add("--lr", type=rate, default=1e-3, help="learning rate; falls to 0 in the second half")
    add("--critic-steps", type=whole(1, 1000), default=5,
        only=("with --model gan", lambda args: args.model != "gan"),
        help="of a WGAN for each generator step")  # fmt: skip
    positive = number(above=0, most=1e6)
    for name, default, model, help in (
        ("--clip", 0.1, "wgan", "bound of the weights"),
        ("--penalty", 0.1, "wgan-gp", "λ"),
    ):
        only = f"without --model {model}", lambda args, model=model: args.model == model
        add(name, type=positive, default=default, only=only, help=f"{help} of --model {model}")
    refuse_broken_packs(parser)
    return parser
