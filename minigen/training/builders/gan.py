"""The settings of a run of demos/gan.py, and the GAN that they describe."""

from __future__ import annotations

import argparse
import functools

from minigen import optim
from minigen.models.gan import GAN, LOSSES, AuxiliaryGAN, discriminator_loss
from minigen.models.networks import (
    Conditional,
    DenseConvGenerator,
    DenseConvJudge,
    MLPDiscriminator,
    MLPGenerator,
)
from minigen.training.adversarial import ONE_IMAGE, add_classes_and_packing, add_rates
from minigen.training.command import Parser
from minigen.training.flags import number, refuse_odd_sides, units, whole

NOISE = 100


def build(args: argparse.Namespace, channels: int, size: int, classes: int) -> GAN:
    """The GAN of these flags, for images (channels, size, size) of so many classes."""
    told = classes if args.conditional or args.auxiliary else 0  # numbers that say the class
    judged = channels * args.packing
    outputs = 1 + classes if args.auxiliary else 1
    if args.network == "mlp":
        generator = MLPGenerator(NOISE + told, 40 * args.width, size, channels)
        discriminator = MLPDiscriminator(
            8 * args.width, 5, size, judged, classes if args.conditional else 0, outputs
        )
    else:
        generator = DenseConvGenerator(channels, args.width, NOISE + told, size)
        planes = classes if args.conditional else 0
        discriminator = DenseConvJudge(judged + planes, args.width, size, outputs=outputs)
    if told:
        generator = Conditional(generator, classes)
    if args.conditional:
        discriminator = Conditional(discriminator, classes, flat=args.network == "mlp")
    loss = LOSSES[args.objective]
    if args.smoothing:
        smoothed = functools.partial(discriminator_loss, smoothing=args.smoothing)
        loss = loss._replace(discriminator=smoothed)
    adam = functools.partial(optim.Adam, betas=(0.5, 0.999))
    return (AuxiliaryGAN if args.auxiliary else GAN)(
        generator.to(args.device),
        discriminator.to(args.device),
        noise=NOISE,
        loss=loss,
        packing=args.packing,
        optimiser=functools.partial(adam, lr=args.lr),
        discriminator_optimiser=functools.partial(adam, lr=args.lr_ratio * args.lr),
    )


def black(args: argparse.Namespace) -> float:
    """What is black in the generator's images: the perceptron ends in a sigmoid, the other in a
    hyperbolic tangent."""
    return 0.0 if args.network == "mlp" else -1.0


def has_labels(args: argparse.Namespace) -> bool:
    """Whether the loss is a cross-entropy, whose labels of real images can be smoothed."""
    return LOSSES[args.objective].discriminator is discriminator_loss


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(description, name="gan", quick={"steps": 30, "width": 4, "batch_size": 16})
    add = parser.add_argument
    add("--steps", type=whole(), default=8000, help="training steps in all")
    parser.add_images(limit=None)
    add("--network", choices=("conv", "mlp"), default="conv", help="convolutions or perceptrons")
    add("--conditional", action="store_true", help="G and D are told the class")
    add("--auxiliary", action="store_true", help="D has to tell the class")
    add_classes_and_packing(parser)
    add("--objective", choices=tuple(LOSSES), default="non-saturating", help="of D and G")
    add("--smoothing", type=number(least=0, below=0.5), default=0.0,
        only=("with an --objective that is no cross-entropy", has_labels),
        help="of D's labels of real images")  # fmt: skip
    add("--width", type=units, default=16, help="channels; perceptrons have 40 times the units")
    add_rates(parser, 1e-3, ratio=0.2, of_average=0.995)
    parser.refuse(
        lambda args: args.conditional and args.auxiliary,
        "--conditional and --auxiliary are two kinds of GAN: leave one of them out",
    )
    parser.refuse(
        lambda args: args.network == "conv" and args.batch_size < 2 * args.packing, ONE_IMAGE
    )
    refuse_odd_sides(parser)
    return parser
