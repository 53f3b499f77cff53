"""The settings of a run of demos/vae.py, the VAE that they describe, and what it is shown."""

from __future__ import annotations

import argparse

from minigen import Generator, Tensor, data, nn
from minigen import functional as F
from minigen.models import vae as V
from minigen.models.autoencoder import checked_images
from minigen.models.networks import glorot
from minigen.training.command import Parser
from minigen.training.flags import (
    add_binarise,
    decay,
    number,
    refuse_odd_sides,
    share,
    units,
    weight,
    whole,
)
from minigen.training.images import load_images


def build(args: argparse.Namespace, channels: int, size: int) -> V.VAE:
    """The VAE of these flags, for images (channels, size, size)."""
    gaussian = args.likelihood == "gaussian"
    likelihood = V.Gaussian(0.05, learnt=True) if gaussian else V.Bernoulli()
    if args.network == "conv":
        model = V.conv_vae(args.latent, args.width, size, channels, likelihood)
    else:
        activation = {"relu": nn.ReLU, "tanh": nn.Tanh}[args.activation]
        model = V.mlp_vae(args.latent, args.hidden, size, channels, activation, likelihood)
        if args.activation == "tanh":
            glorot(model)
    return model.to(args.device)


def seen(args: argparse.Namespace, images: Tensor, generator: Generator | None = None) -> Tensor:
    """Images (N, C, H, W) from 0 to 1 as the model is shown them, drawn anew with each call.

    Binarised, each pixel is 1 with a probability that is its grey level, else 0. For a Gaussian
    likelihood noise fills the gaps between the 256 levels, so that a density is a bound of their
    probability (Theis et al. 2016, arXiv:1511.01844, section 3.1).
    """
    if not args.binarise and args.likelihood != "gaussian":
        return images
    u = F.rand(*images.shape, generator=generator, device=images.device)
    return (u < images).to(images.dtype) if args.binarise else (255 * images + u) / 256


def test_images(args: argparse.Namespace) -> tuple[data.Images, Tensor]:
    """The test set, and its images as they are measured."""
    test = load_images(args, "test")
    images = Tensor(checked_images(test.scaled(low=0)), device=args.device)
    return test, seen(args, images, Generator(1000))


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(
        description,
        name="vae",
        quick={"epochs": 1, "hidden": [40], "width": 4, "limit": 1000},
        may_change=("epochs", "every"),
    )
    add = parser.add_argument
    parser.add_epochs(10, lr=1e-3, help="learning rate of Adam")
    parser.add_images(batch_size={"default": 128, "help": "images a step"})
    add("--network", choices=("mlp", "conv"), default="mlp", help="perceptrons or convolutions")
    perceptron = "with --network conv", lambda args: args.network == "mlp"
    add("--hidden", type=units, nargs="+", default=[400], only=perceptron,
        help="units of the perceptron's layers")  # fmt: skip
    add("--activation", choices=("relu", "tanh"), default="relu", only=perceptron,
        help="between these layers")  # fmt: skip
    add("--width", type=units, default=32, help="channels after the first convolution",
        only=("without --network conv", lambda args: args.network == "conv"))  # fmt: skip
    add("--latent", type=units, default=20, help="numbers that make z")
    add("--likelihood", choices=("bernoulli", "gaussian"), default="bernoulli", help="p(x|z)")
    add_binarise(parser)
    add("--samples", type=whole(1, 10**5), default=1,
        help="latents an image: above 1 the bound of the IWAE")  # fmt: skip
    one = "with --samples above 1", lambda args: args.samples == 1
    add("--beta", type=weight, default=1.0, only=one, help="weight of the KL")
    add("--warm-up", type=share, default=0.0, only=one,
        help="share of the steps in which the KL comes in")  # fmt: skip
    add("--capacity", type=number(least=0, most=1e6), only=one,
        help="nats that the KL is raised to, over the first half")  # fmt: skip
    add("--fall", type=share, default=0.3, help="share of the steps in which --lr falls to 0")
    add("--average", type=decay, default=0.0, help="decay of the weights' average that is tested")
    add("--every", type=whole(1, 10**6), default=1, help="epochs between two tests and pictures")
    refuse_odd_sides(parser)
    parser.refuse(
        lambda args: args.binarise and args.likelihood == "gaussian",
        "--binarise makes pixels black or white, for --likelihood bernoulli: leave one of them out",
    )
    return parser
