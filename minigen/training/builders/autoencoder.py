"""The settings of a run of demos/autoencoder.py, and the autoencoder that they describe."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from minigen.models import autoencoder as A
from minigen.models.networks import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder, mlp
from minigen.training.command import Parser
from minigen.training.flags import data_set, number, refuse_odd_sides, units

KINDS = ("gaussian", "masking", "salt-and-pepper", "block")
SPIRAL = 20_000  # points


def build(args: argparse.Namespace, channels: int, size: int) -> A.Autoencoder:
    """The autoencoder of these flags, for images (channels, size, size), or for points."""
    if args.data == "spiral":
        layers = 2, 128, 128, args.latent
        model = A.Autoencoder(mlp(*layers), mlp(*reversed(layers)), squash=False)
    elif args.network == "conv":
        sizes = args.latent, args.width, size, channels
        model = A.Autoencoder(ConvEncoder(*sizes), ConvDecoder(*sizes))
    else:
        hidden = args.hidden if args.network == "deep" else []
        sizes = args.latent, hidden, size, channels
        model = A.Autoencoder(MLPEncoder(*sizes), MLPDecoder(*sizes))
    return model.to(args.device)


def spiral(count: int, seed: int) -> np.ndarray:
    """Points (count, 2) of a spiral of one and a half turns."""
    t = np.random.default_rng(seed).random(count) ** 0.5
    angle = 3 * np.pi * t
    return (1.2 * t * np.stack([np.cos(angle), np.sin(angle)])).T.astype(np.float32)


def real(args: argparse.Namespace, count: int, seed: int) -> np.ndarray:
    """Points of the spiral, (count, 2)."""
    return spiral(count, seed)


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(
        description,
        name="autoencoder",
        quick={"epochs": 1, "hidden": [40], "width": 4, "limit": 1000},
    )
    add = parser.add_argument
    parser.add_epochs(10, lr=1e-3)
    parser.add_images(
        data={
            "type": data_set("spiral"),
            "help": "mnist, fashion-mnist, digits, …, a folder of pictures, or spiral: 2-D points",
        },
        limit={"help": "train and test with the first so many only"},
        batch_size={"default": 128, "help": "examples a step"},
    )
    add("--network", choices=("linear", "deep", "conv"), default="deep", help="which age",
        only=("with --data spiral", lambda args: args.data != "spiral"))  # fmt: skip

    def built(network: str) -> Any:
        return lambda args: args.data != "spiral" and args.network == network

    add("--hidden", type=units, nargs="+", default=[500, 250], help="units of its layers",
        only=("without images and --network deep", built("deep")))  # fmt: skip
    add("--width", type=units, default=16, help="channels after the first convolution",
        only=("without images and --network conv", built("conv")))  # fmt: skip
    add("--latent", type=units, default=32, help="numbers that make a code")
    add("--damage", choices=KINDS, help="show damaged images, and ask for clean ones")
    add("--amount", type=number(above=0, most=100), default=0.5,
        only=("without --damage", lambda args: args.damage),
        help="of damage: standard deviation or share")  # fmt: skip
    parser.refuse(
        lambda args: args.damage not in (None, "gaussian") and args.amount > 1,
        "--amount of --damage {damage} is a share, at most 1, not {amount}",
    )
    parser.refuse(
        lambda args: args.data == "spiral" and args.damage == "block",
        "--damage block is for images, not for points of --data spiral",
    )
    parser.refuse(
        lambda args: args.data == "spiral" and args.batch_size > (args.limit or SPIRAL),
        "--batch-size {batch_size} is more than there are points to train with",
    )
    refuse_odd_sides(parser)
    return parser
