"""Train a GAN on handwritten digits, clothes, or a folder of your own pictures.

By default convolutions and dense layers with batch norm, as in InfoGAN (Chen et al. 2016), with its
learning rates; or the multilayer perceptrons of the first paper (Goodfellow et al. 2014) with
--network mlp. What the two minimise is any loss of the table in minigen/models/gan.py, by
--objective. With --conditional the class is given to both networks (Mirza and Osindero 2014),
with --auxiliary to the generator alone, and the discriminator has to tell it (Odena et al. 2017);
each row of the pictures is then one class, or only those of --classes are drawn. Subfolders of your
own folder are its classes. Everything goes to a run folder, as in demos/dcgan.py.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools

from minigen import optim, training
from minigen.models.gan import GAN, LOSSES, AuxiliaryGAN, discriminator_loss
from minigen.models.networks import (
    Conditional,
    DenseConvGenerator,
    DenseConvJudge,
    MLPDiscriminator,
    MLPGenerator,
)
from minigen.training.flags import decay, number, rate, refuse_odd_sides, units, whole

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


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(__doc__, name="gan", quick={"steps": 30, "width": 4, "batch_size": 16})
    add = parser.add_argument
    add("--steps", type=whole(), default=8000, help="training steps in all")
    parser.add_images(limit=None)
    add("--network", choices=("conv", "mlp"), default="conv", help="convolutions or perceptrons")
    add("--conditional", action="store_true", help="G and D are told the class")
    add("--auxiliary", action="store_true", help="D has to tell the class")
    training.add_classes_and_packing(parser)
    add("--objective", choices=tuple(LOSSES), default="non-saturating", help="of D and G")
    add("--smoothing", type=number(least=0, below=0.5), default=0.0,
        only=("with an --objective that is no cross-entropy", has_labels),
        help="of D's labels of real images")  # fmt: skip
    add("--width", type=units, default=16, help="channels; perceptrons have 40 times the units")
    add("--lr", type=rate, default=1e-3, help="learning rate of G")
    add("--lr-ratio", type=number(above=0, most=1000), default=0.2,
        help="D's learning rate, in G's")  # fmt: skip
    add("--decay", type=decay, default=0.995, help="of the average of G's weights that is drawn")
    parser.refuse(
        lambda args: args.conditional and args.auxiliary,
        "--conditional and --auxiliary are two kinds of GAN: leave one of them out",
    )
    refuse_odd_sides(parser)
    return parser


@training.script
def main() -> None:
    args, run = flags().open_run()
    panels = {"losses": ["loss_d", "loss_g"], "D's outputs": ["d_real", "d_fake"]}
    if args.auxiliary:
        panels["cross-entropy of classes"] = ["class_real", "class_fake"]
    every = max(50, args.steps // 60)
    reading = training.ODDS if has_labels(args) else training.SCORES
    training.train_gan(
        build, run, args, panels, reading, decay=args.decay, low=black(args), sample_every=every
    )


if __name__ == "__main__":
    main()
