"""The settings of a run of demos/cyclegan.py, the model that they describe, and its data."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable

import numpy as np

from minigen import data, nn, optim
from minigen.models.cyclegan import CycleGAN
from minigen.models.discogan import FORMS, DiscoGAN
from minigen.models.gan import LOSSES
from minigen.models.translators import (
    Changed,
    Mirrored,
    PatchJudge,
    Placed,
    ResNetTranslator,
)
from minigen.training.command import Parser
from minigen.training.flags import is_folder, share, units, weight, whole
from minigen.training.translation import add_contrast, add_domains, load_pairs, load_unpaired


def networks(args: argparse.Namespace, channels: int, size: int) -> list[nn.Module]:
    """Two generators, and the judges of what they make."""
    generators: list[nn.Module] = [
        ResNetTranslator(channels, channels, args.width, args.blocks) for _ in range(2)
    ]
    if args.symmetric:
        generators = [Mirrored(network) for network in generators]
    if args.start != "noise":
        generators = [Changed(network, channels) for network in generators]
    if args.start == "placed":
        generators = [nn.Sequential(Placed(size), network) for network in generators]
    judges = [PatchJudge(channels, 2 * args.width, args.layers, size=size) for _ in range(2)]
    return [network.to(args.device) for network in (*generators, *judges)]


def adam(args: argparse.Namespace) -> Callable[..., optim.Adam]:
    """The optimiser of these flags."""
    return functools.partial(optim.Adam, lr=args.lr, betas=(0.5, 0.999))


def cyclegan(args: argparse.Namespace, channels: int, size: int) -> CycleGAN:
    """The CycleGAN of these flags, for pictures (channels, size, size)."""
    parts = networks(args, channels, size)
    starts = {"starts": [generator[0] for generator in parts[:2]]} if args.start == "placed" else {}
    return CycleGAN(
        *parts,
        **starts,
        loss=args.objective,
        cycle=args.cycle,
        identity=args.identity,
        contrast=args.contrast,
        pool=args.pool,
        seed=args.seed,
        optimiser=adam(args),
    )


def discogan(args: argparse.Namespace, channels: int, size: int) -> DiscoGAN:
    """The DiscoGAN of these flags, likewise."""
    return DiscoGAN(
        *networks(args, channels, size),
        form=args.form,
        reconstruction=args.cycle,
        matching=args.matching,
        loss=args.objective,
        optimiser=adam(args),
    )


MODELS: dict[str, Callable[..., CycleGAN | DiscoGAN]] = {
    "cyclegan": cyclegan,
    "discogan": discogan,
}


def build(args: argparse.Namespace, channels: int, size: int) -> CycleGAN | DiscoGAN:
    """The model of these flags, for pictures (channels, size, size)."""
    return MODELS[args.model](args, channels, size)


def drawn_with(model: CycleGAN | DiscoGAN) -> list[nn.Module]:
    """The networks whose averaged weights draw: there, and back."""
    return model.networks()[:2]


def trained_with(args: argparse.Namespace) -> dict[str, np.ndarray]:
    """What batches are drawn from, by their names in the checkpoint."""
    train = load_unpaired(args, "train")
    return {f"batches {name}": train.images[train.labels == side] for side, name in enumerate("xy")}


def held_out(args: argparse.Namespace, split: str = "validation") -> tuple[data.Domains, bool]:
    """Contents that are not trained with in both domains, and whether they are pairs; those of a
    folder are none: as many of either."""
    if not is_folder(args):
        return load_pairs(args, split), True
    found = load_unpaired(args, split)
    sides = [found.images[found.labels == side] for side in (0, 1)]
    count = min(map(len, sides))
    images = np.stack([side[:count] for side in sides], axis=1)
    return data.Domains(found.name, images, tuple(args.domains), np.arange(count)), False


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(
        description, name="cyclegan",
        quick={"steps": 10, "width": 2, "blocks": 1, "batch_size": 2, "limit": 200},
    )  # fmt: skip
    add = parser.add_argument
    add("--model", choices=tuple(MODELS), default="cyclegan", help="what is trained")
    parser.add_course(2000, lr=1e-3)
    add_domains(parser, batch_size=4)
    add("--width", type=units, default=16, help="channels after the first convolution")
    add("--blocks", type=units, default=3, help="residual ones")
    add("--layers", type=whole(0, 6), default=2,
        help="of the judges, of stride 2: for 1, 2, 3 they see patches of 16, 34, 70")  # fmt: skip
    is_cycle = "with --model discogan", lambda args: args.model == "cyclegan"
    add("--start", choices=("placed", "copy", "noise"),
        default=lambda args: "placed" if args.data == "emoji" and is_cycle[1](args) else "noise",
        help="generators that draw what changes alone: of pictures zoomed and moved, all alike, so"
        " that their mean fits the other domain's, or of copies; or that draw all, as in the paper"
        " (placed for emoji, without --model discogan)")  # fmt: skip
    add("--symmetric", action="store_true",
        help="networks in the generators, after pictures are placed, that make of a mirrored"
        " picture the mirrored one; they take twice the work")  # fmt: skip
    is_disco = "without --model discogan", lambda args: args.model == "discogan"
    add("--objective", choices=tuple(LOSSES),
        default=lambda args: "least-squares" if args.model == "cyclegan" else "non-saturating",
        help="of both GANs (least-squares; non-saturating with --model discogan)")  # fmt: skip
    add("--cycle", type=weight, default=lambda args: 10.0 if args.model == "cyclegan" else 1.0,
        help="λ, the weight of the cycle (10; of squares, with --model discogan, 1)")  # fmt: skip
    add("--identity", type=weight, default=0.0, only=is_cycle,
        help="the weight of the identity's loss, in λ; the authors' code has 0.5")  # fmt: skip
    add_contrast(parser, is_cycle)
    add("--pool", type=whole(0, 10**6), default=50, only=is_cycle,
        help="earlier pictures that judges are shown")  # fmt: skip
    add("--form", choices=FORMS, default="both", only=is_disco,
        help="a GAN there alone, with the way back, with both ways")  # fmt: skip
    add("--matching", type=share, default=0.9, only=is_disco,
        help="the share of feature matching in a GAN's loss")  # fmt: skip
    return parser
