"""Train a deep convolutional GAN on handwritten digits.

The discriminator is shown real digits and generated ones and learns to tell them apart; the
generator is moved to where the discriminator takes its digits for real. Everything goes to a run
folder: digits from the same noise as training goes on (samples/ and samples.gif), the curves of
losses and of D's outputs (curves.png, metrics.jsonl), config.json and checkpoint.npz.
"""

from __future__ import annotations

import argparse
import functools

import minigen
from minigen import data, optim, training
from minigen.models.gan import GAN, ConvDiscriminator, ConvGenerator


def build(args: argparse.Namespace, channels: int, size: int, classes: int) -> GAN:
    """The GAN of these flags, for images (channels, size, size)."""
    gan = GAN(
        ConvGenerator(channels, args.width, size=size).to(args.device),
        ConvDiscriminator(channels, min(args.width, 64), size=size, dropout=0.2).to(args.device),
        optimiser=functools.partial(optim.Adam, lr=args.lr, betas=(0.5, 0.999)),
    )
    # Two time scales (Heusel et al. 2017): G learns more from a D that is a little ahead.
    gan.discriminator_optimiser.param_groups[0]["lr"] = 2 * args.lr
    return gan


@training.script
def main() -> None:
    parser = training.Parser(
        __doc__, name="dcgan", quick={"steps": 30, "width": 16, "batch_size": 16}
    )
    add = parser.add_argument
    add("--steps", type=int, default=1500, help="training steps in all")
    add("--data", default="auto", help="mnist, fashion-mnist, digits (drawn on the spot), or auto")
    add("--batch-size", type=int, default=64, help="real images a step, and as many generated ones")
    add("--width", type=int, default=64, help="channels of G; D has as many, up to 64")
    add("--lr", type=float, default=5e-4, help="learning rate of G; D's is twice that")
    args, run = parser.open_run()

    minigen.manual_seed(args.seed)
    images = data.load(args.data)
    batches = data.Batches(images.scaled(), batch_size=args.batch_size, seed=args.seed)
    gan = build(args, *images.images.shape[1:3], len(images.classes))
    panels = {"losses": ["loss_d", "loss_g"], "D's outputs": ["d_real", "d_fake"]}
    training.train_gan(gan, run, args, images, batches, judge=gan.discriminator, panels=panels)


if __name__ == "__main__":
    main()
