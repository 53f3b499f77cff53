"""Train a GAN on handwritten digits, clothes, or a folder of your own pictures.

By default convolutions and dense layers with batch norm, as in InfoGAN (Chen et al. 2016), with its
learning rates; or the multilayer perceptrons of the first paper (Goodfellow et al. 2014) with
--network mlp. With --conditional the class is given to both networks (Mirza and Osindero 2014),
with --auxiliary to the generator alone, and the discriminator has to tell it (Odena et al. 2017);
each row of the pictures is then one class, or only those of --classes are drawn. Subfolders of your
own folder are its classes. Everything goes to a run folder, as in demos/dcgan.py.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools

import minigen
from minigen import data, optim, training
from minigen.models.gan import (
    GAN,
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
    gan = GAN(
        generator.to(args.device),
        discriminator.to(args.device),
        noise=NOISE,
        objective=args.objective,
        smoothing=args.smoothing,
        packing=args.packing,
        auxiliary=args.auxiliary,
        optimiser=functools.partial(optim.Adam, lr=args.lr, betas=(0.5, 0.999)),
    )
    gan.discriminator_optimiser.param_groups[0]["lr"] = args.lr_ratio * args.lr
    return gan


def black(args: argparse.Namespace) -> float:
    """What is black in the generator's images: the perceptron ends in a sigmoid, the other in a
    hyperbolic tangent."""
    return 0.0 if args.network == "mlp" else -1.0


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
    add("--objective", choices=("non-saturating", "minimax"), default="non-saturating", help="of G")
    add("--smoothing", type=number(least=0, below=0.5), default=0.0,
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

    minigen.manual_seed(args.seed)
    images = training.train_images(run, args)
    classes = training.chosen_classes(args, images)
    labels = [images.labels] if classes else []
    batches = data.Batches(
        images.scaled(low=black(args)), *labels, batch_size=args.batch_size, seed=args.seed
    )
    gan = build(args, *images.images.shape[1:3], len(images.classes))
    panels = {"losses": ["loss_d", "loss_g"], "D's outputs": ["d_real", "d_fake"]}
    if args.auxiliary:
        panels["cross-entropy of classes"] = ["class_real", "class_fake"]
    training.train_gan(
        gan, run, args, images, batches,
        judge=gan.discriminator, panels=panels, classes=classes, low=black(args),
        decay=args.decay,
        sample_every=max(50, args.steps // 60),
    )  # fmt: skip


if __name__ == "__main__":
    main()
