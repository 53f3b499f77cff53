"""The settings of a run of demos/stargan.py, the model that they describe, and its data."""

from __future__ import annotations

import argparse
import functools
import os
from dataclasses import replace

import numpy as np

from minigen import Tensor, data, nn, optim
from minigen.data import DataError, Domains, Images
from minigen.data.domains import SPLITS
from minigen.data.emoji import HANDS, TONES
from minigen.data.folder import PRIVATE, printable
from minigen.data.layouts import refuse_splits
from minigen.data.variants import VARIANTS
from minigen.models.stargan import KINDS, StarGAN, StarJudge, translator
from minigen.models.translators import halvings
from minigen.training.command import Parser
from minigen.training.course import by_parts
from minigen.training.flags import data_set, is_folder, number, path, units, weight, whole
from minigen.training.translation import emoji_or

IN_EMOJI = tuple(f"{hand} {tone}" for hand in HANDS for tone in TONES)
LIMIT = 12_000  # grey images to train with
TESTED = 200  # of them to test with


def known_domains(args: argparse.Namespace) -> tuple[str, ...] | None:
    """The domains of the data set; None of a folder, whose subfolders name them."""
    name = args.data or emoji_or("auto")
    return None if os.path.isabs(name) else IN_EMOJI if name == "emoji" else VARIANTS


def default_domains(args: argparse.Namespace) -> tuple[str, ...] | None:
    """Those of them that are taken if none are named: of emoji one hand's."""
    return IN_EMOJI[: len(TONES)] if args.data == "emoji" else known_domains(args)


def changes_shapes(args: argparse.Namespace) -> bool:
    """Whether domains may differ in more than colours: hands, own pictures, turned ones."""
    hands = {name.split(" ")[0] for name in args.domains} & {*HANDS}
    return len(hands) > 1 or "turned" in args.domains or is_folder(args)


def load(args: argparse.Namespace, split: str = "train") -> Domains | Images:
    """The contents of a split in all of `args.domains`; of a folder its pictures, whose classes
    these are.

    Raises:
        DataError: they cannot be had, or are of fewer than two domains.
    """
    if is_folder(args):
        return own(args, split)
    if args.data == "emoji":
        found = data.emoji(split, "tones")
        columns = [found.domains.index(name) for name in args.domains]
        found = replace(found, images=found.images[:, columns], domains=tuple(args.domains))
        return found.taken(slice(args.limit if split == "train" else None))
    images = of_set(args, "test" if split == "test" else "train")
    if images.images.shape[1] != 1:
        raise DataError(f"--data {args.data}: expected emoji, grey images, or a folder of domains")
    held_out = {"train": slice(-TESTED), "validation": slice(-TESTED, None), "test": slice(TESTED)}
    rows = np.arange(len(images))[held_out[split]]
    rows = rows[: args.limit or LIMIT] if split == "train" else rows
    return data.variants(images.taken(rows), tuple(args.domains))


def of_set(args: argparse.Namespace, split: str) -> Images:
    """A split of a set of images; digits are drawn here, so that few take less time."""
    drawn = TESTED + (0 if split == "test" else args.limit or LIMIT)
    return data.load(args.data, split, size=drawn if args.data == "digits" else None)


def own_domains(folder: str) -> list[str]:
    """The subfolders of the user's folder, by their names, as classes have them."""
    names = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    seen = (name for name in names if not name.startswith(".") and name not in PRIVATE)
    return sorted(map(printable, seen))


def own(args: argparse.Namespace, split: str) -> Images:
    """A split of the user's folder: a tenth of each domain to test with, a tenth for validation."""
    if len(args.domains) < 2:
        raise DataError(f"{args.data}: expected a folder for each of two domains or more, found"
                        f" {len(args.domains)}")  # fmt: skip
    refuse_splits(args.data, args.domains)
    there, found, parts = own_domains(args.data), data.folder(args.data, args.size), []
    for name in args.domains:
        if name not in there:
            raise DataError(f"{args.data}: --domains: there is no folder {name}")
        label = found.classes.index(name) if name in found.classes else -1
        rows = np.flatnonzero(found.labels == label)
        if len(rows) < len(SPLITS):
            raise DataError(
                f"{args.data}: expected {len(SPLITS)} pictures or more in the folder {name}, to"
                f" train and to test with, found {len(rows)} that can be read"
            )
        rows = rows[data.dealt(np.arange(len(rows)), split)]
        parts.append(rows[: args.limit] if split == "train" else rows)
    labels = np.repeat(np.arange(len(parts)), [len(rows) for rows in parts])
    return Images(found.name, found.images[np.concatenate(parts)], labels, tuple(args.domains))


def pictures(args: argparse.Namespace, found: Domains | Images) -> Images:
    """What is trained with: pictures whose classes are their domains."""
    if isinstance(found, Images):
        return found
    return found.unpaired() if args.disjoint or args.data != "emoji" else found.pictures()


def build(args: argparse.Namespace, channels: int, size: int) -> StarGAN:
    """The model of these flags, for pictures (channels, size, size)."""
    domains = len(args.domains)
    generator = translator(
        channels, domains, args.width, args.blocks, args.generator, args.layers, args.octaves,
        depth=args.depth, ends=args.ends,
    )  # fmt: skip
    layers, each = min(halvings(size), 3), args.critics == "each"
    judge = StarJudge(channels, domains, args.judge_width, size, layers, each)
    return StarGAN(
        generator.to(args.device),
        judge.to(args.device),
        penalty=args.penalty,
        adversarial=args.adversarial,
        classification=args.classification,
        reconstruction=args.reconstruction,
        optimiser=functools.partial(optim.Adam, lr=args.lr, betas=(0.5, 0.999)),
    )


def translated(
    args: argparse.Namespace, model: StarGAN, inputs: np.ndarray, to: np.ndarray
) -> np.ndarray:
    """Inputs (N, C, H, W) from −1 to 1 as the domains `to` (N,) have them."""

    def draw(rows: Tensor) -> Tensor:
        rows = rows.numpy()
        x, c = Tensor(inputs[rows], device=args.device), Tensor(to[rows], device=args.device)
        return model.draw(x, c)

    return by_parts(draw, Tensor(np.arange(len(inputs))), 100)


def trained_with(args: argparse.Namespace) -> dict[str, tuple[np.ndarray, ...]]:
    """What batches are drawn from, by their names in the checkpoint."""
    seen = pictures(args, load(args))
    return {"batches": (seen.images, seen.labels)}


def drawn_with(model: StarGAN) -> list[nn.Module]:
    """The networks whose averaged weights draw."""
    return [model.generator]


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(
        description, name="stargan",
        quick={"steps": 10, "width": 4, "judge_width": 4, "batch_size": 4, "limit": 40},
    )  # fmt: skip
    add = parser.add_argument
    parser.add_course(5000, lr=2e-3)
    add("--data", type=data_set("emoji"), default=lambda args: emoji_or("auto"),
        help="emoji, a set of grey images, or your own folder with a folder for each domain (emoji"
        " if at hand, else mnist or digits)")  # fmt: skip
    add("--domains", type=lambda name: printable(path(name)), nargs="+", metavar="DOMAIN",
        default=lambda args: [*(default_domains(args) or own_domains(args.data))],
        help="which: 'noto dark', 'twemoji light' …; white, red, green, blue, inverted, turned; or"
        " names of folders (all; of emoji the tones of Noto)")  # fmt: skip
    add("--size", type=whole(4, 4096), default=32, help="side of the pictures, in pixels",
        only=("without a folder of pictures", is_folder))  # fmt: skip
    add("--limit", type=whole(3, 10**7),
        help="train with so many contents only, or pictures of each own domain (all; of images"
        f" {LIMIT:,})")  # fmt: skip
    add("--disjoint", action="store_true",
        only=("without emoji", lambda args: args.data == "emoji"),
        help="each content in one domain alone")  # fmt: skip
    add("--augment", choices=("none", "shift", "flip"),
        default=lambda args: "flip" if is_folder(args) or args.data == "emoji" else "shift",
        help="shift by up to 2 pixels, or flip too (flip; shift of images)")  # fmt: skip
    add("--batch-size", type=units, default=16, help="pictures in a step of each network")
    add("--critic-steps", type=whole(1, 1000), default=1,
        help="of the judge, for each of G's: 5 in the paper")  # fmt: skip
    add("--generator", choices=KINDS,
        default=lambda args: "added" if changes_shapes(args) else "colours",
        help="plain, as in the paper, draws all anew; added adds to the picture; colours too, by"
        " each pixel's colour alone (added; colours where domains differ in these)")  # fmt: skip
    add("--width", type=units, default=lambda args: 128 if args.generator == "colours" else 16,
        help="channels after G's first convolution (16; 128 of colours)")  # fmt: skip
    by_pixels = "without --generator colours", lambda args: args.generator == "colours"
    add("--layers", type=whole(1, 10), default=2, before=3, only=by_pixels,
        help="hidden layers of G, which sees one pixel")  # fmt: skip
    add("--octaves", type=whole(0, 8), default=4, before=0, only=by_pixels,
        help="of waves of a pixel's colour that G is shown beside it")  # fmt: skip
    shaped = "with --generator colours", lambda args: args.generator != "colours"
    add("--blocks", type=units, default=1, only=shaped, help="residual blocks of G: 6 in the paper")
    add("--depth", type=whole(1, 6), default=1, only=shaped,
        help="halvings of the picture in G: 2 there")  # fmt: skip
    add("--ends", type=units, default=3, only=shaped,
        help="side of G's first convolution and of its last: 7 there")  # fmt: skip
    add("--judge-width", type=units, default=32, help="channels after the judge's first one")
    add("--critics", choices=("one", "each"), default="each", before="one",
        help="D_src, the critic in the judge: one, as in the paper, or one for each"
        " domain")  # fmt: skip
    add("--penalty", type=number(above=0, most=1e6), default=10.0,
        help="λ_gp, of the gradient penalty")  # fmt: skip
    add("--adversarial", type=weight,
        default=lambda args: 10.0 if args.generator == "colours" else 4.0,
        help="λ_adv, the weight of the judge's value (4; 10 of colours)")  # fmt: skip
    add("--classification", type=weight, default=1.0, help="λ_cls, the weight of the domain")
    add("--reconstruction", type=weight, default=6.0, help="λ_rec, the weight of the way back")
    refuse_unfit(parser)
    return parser


def refuse_unfit(parser: Parser) -> None:
    """Refuse domains that the data set has not, and pictures or sides that do not fit."""
    parser.refuse(
        lambda args: (
            args.domains is not None
            and not is_folder(args)
            and bool({*args.domains} - {*known_domains(args)})
        ),
        "--domains: the data set has others, see --help",
    )
    parser.refuse(
        lambda args: args.domains is not None and len({*args.domains}) != max(len(args.domains), 2),
        "--domains: expected two or more, each of them once",
    )
    parser.refuse(lambda args: args.size % 4 > 0, "--size: expected a multiple of 4, not {size}")
    parser.refuse(lambda args: args.ends % 2 == 0, "--ends: expected an odd number, not {ends}")
    parser.refuse(
        lambda args: (args.size if is_folder(args) else 28) % 2**args.depth > 0,
        "--depth: these pictures cannot be halved {depth} times",
    )
