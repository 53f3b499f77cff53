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

import argparse
import functools

import minigen
from minigen import data, optim, training
from minigen.models.gan import (
    GAN,
    ConvDiscriminator,
    ConvGenerator,
    DenseConvGenerator,
    DenseConvJudge,
)


def build(args: argparse.Namespace, channels: int, size: int, classes: int) -> GAN:
    """The GAN of these flags, for images (channels, size, size)."""
    # Two time scales (Heusel et al. 2017): one of the two learns faster, which depends on how
    # strong they are.
    if args.network == "dense":
        width, lr, ratio = args.width or 16, args.lr or 1e-3, 0.2
        generator = DenseConvGenerator(channels, width, size=size)
        discriminator = DenseConvJudge(channels, width, size)
    else:
        width, lr, ratio = args.width or 64, args.lr or 5e-4, 2
        generator = ConvGenerator(channels, width, size=size)
        discriminator = ConvDiscriminator(channels, min(width, 64), size=size, dropout=0.2)
    gan = GAN(
        generator.to(args.device),
        discriminator.to(args.device),
        optimiser=functools.partial(optim.Adam, lr=lr, betas=(0.5, 0.999)),
    )
    gan.discriminator_optimiser.param_groups[0]["lr"] = ratio * lr
    return gan


@training.script
def main() -> None:
    parser = training.Parser(
        __doc__, name="dcgan", quick={"steps": 30, "width": 4, "batch_size": 16}
    )
    add = parser.add_argument
    add("--steps", type=int, default=4500, help="training steps in all")
    add("--data", default="auto", help="mnist, fashion-mnist, digits (drawn on the spot), or auto")
    add("--batch-size", type=int, default=64, help="real images a step, and as many generated ones")
    add("--network", choices=("dense", "plain"), default="dense", help="with dense layers or not")
    add("--width", type=int, help="channels (default: 16, and 64 of plain networks)")
    add("--lr", type=float, help="learning rate of G (default: 1e-3, and 5e-4 of plain networks)")
    args, run = parser.open_run()

    minigen.manual_seed(args.seed)
    images = data.load(args.data)
    batches = data.Batches(images.scaled(), batch_size=args.batch_size, seed=args.seed)
    gan = build(args, *images.images.shape[1:3], len(images.classes))
    panels = {"losses": ["loss_d", "loss_g"], "D's outputs": ["d_real", "d_fake"]}
    training.train_gan(
        gan, run, args, images, batches, judge=gan.discriminator, panels=panels, decay=0.995
    )


if __name__ == "__main__":
    main()
