"""The settings of a run of demos/latents.py, and the autoencoders and VAEs that they describe."""

from __future__ import annotations

import argparse

from minigen.models import autoencoder as A
from minigen.models import vae as V
from minigen.models.networks import MLPDecoder, MLPEncoder
from minigen.training.command import Parser
from minigen.training.flags import units


def build(args: argparse.Namespace, channels: int, size: int) -> dict[str, A.Autoencoder | V.VAE]:
    """An autoencoder and a VAE of each number of latents, by their names."""
    plain: dict[str, A.Autoencoder | V.VAE] = {}
    probable: dict[str, A.Autoencoder | V.VAE] = {}
    for latent in args.latents:
        sizes = latent, args.hidden, size, channels
        autoencoder = A.Autoencoder(MLPEncoder(*sizes), MLPDecoder(*sizes))
        plain[f"autoencoder {latent}"] = autoencoder.to(args.device)
        probable[f"VAE {latent}"] = V.mlp_vae(*sizes).to(args.device)
    return plain | probable


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(description, name="latents", quick={"epochs": 1, "hidden": [40], "limit": 1000})
    add = parser.add_argument
    parser.add_epochs(5, lr=1e-3)
    parser.add_images(batch_size={"default": 128, "help": "images a step"})
    add("--latents", type=units, nargs="+", default=[2, 20], help="how many, in each pair")
    add("--hidden", type=units, nargs="+", default=[400], help="units of the perceptrons' layers")
    parser.refuse(
        lambda args: len(set(args.latents)) < len(args.latents) or len(args.latents) > 8,
        "--latents: expected up to 8 numbers, each of them once",
    )
    return parser
