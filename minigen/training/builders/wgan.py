"""The settings of a run of demos/wgan.py, and the WGAN that they describe."""

from __future__ import annotations

import argparse
import functools

from minigen import optim
from minigen.models.networks import Conditional, DenseConvGenerator, DenseConvJudge
from minigen.models.wgan import WGAN
from minigen.training.adversarial import ONE_IMAGE, add_classes_and_packing, add_rates
from minigen.training.command import Parser
from minigen.training.flags import number, refuse_odd_sides, units, whole

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


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(
        description,
        name="wgan",
        quick={"steps": 20, "width": 4, "batch_size": 16, "critic_steps": 2},
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
    add_classes_and_packing(parser)
    add("--width", type=units, default=16, help="channels of both networks")
    add_rates(parser, 1e-3, ratio=None, of_average=0.995, of="both networks")
    parser.refuse(  # with the penalty the generator alone has batch norm
        lambda args: args.batch_size < 2 * (args.packing if args.penalty is None else 1), ONE_IMAGE
    )
    refuse_odd_sides(parser)
    return parser
