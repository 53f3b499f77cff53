"""What the demos share that turn pictures into pictures: their data, the loop, pictures with rows
that are named."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

import minigen
from minigen import Tensor, data, distributed, nn, optim
from minigen import functional as F
from minigen.data import Batches, DataError, Domains, Images
from minigen.data.emoji import FILE, HANDS
from minigen.data.glyphs import FONTS
from minigen.data.layouts import MissingSplitError
from minigen.data.local import at_hand
from minigen.data.tasks import from_levels, task_input
from minigen.data.variants import VARIANTS
from minigen.models.adversaries import Parts
from minigen.training.command import Parser, finish
from minigen.training.course import begin, draw_course, falling
from minigen.training.figures import named_rows, save_image
from minigen.training.flags import (
    Condition,
    Settings,
    cut,
    data_set,
    is_folder,
    units,
    weight,
    whole,
)
from minigen.training.loop import Loop
from minigen.training.run import Run

SIDES = ("A", "B")
LETTERS = {"train": 4000, "validation": 500, "test": 500}  # that are drawn
SHOWN = 10  # contents in a picture
CHECKED = 150  # held-out contents that are looked at while training
SHIFT = 2  # pixels by which a picture is moved at most
# The domains of each set, the first two of which are taken; of others, grey images in variants.
DOMAINS = {
    "emoji": HANDS,
    "glyphs": ("plain", "serif", *(font for font in FONTS if font not in ("plain", "serif"))),
    "facades": SIDES,
}
IN_VARIANTS = ("white", "inverted", *(v for v in VARIANTS if v not in ("white", "inverted")))
MIRRORED = ("emoji", "facades")  # sets of which a picture may be mirrored; letters may not
T = TypeVar("T")


def emoji_or(other: str) -> str:
    """Emoji where they are at hand, else another data set, by its name or "auto"."""
    try:
        at_hand("emoji", FILE, "")
    except DataError:
        return data.resolved(other)
    return "emoji"


def domains_of(args: Settings) -> tuple[str, ...]:
    """The domains that there are of the data set."""
    name = args.data or emoji_or("glyphs")  # flags are checked before their defaults are there
    return SIDES if is_folder(args) else DOMAINS.get(name, IN_VARIANTS)


def domain(text: str) -> str:
    """A flag's kind: a domain of any data set."""
    if text not in {name for names in (*DOMAINS.values(), IN_VARIANTS) for name in names}:
        raise argparse.ArgumentTypeError(f"expected a domain that --help names, got {cut(text)}")
    return text


def add_domains(parser: Parser, *, batch_size: int = 16) -> None:
    """Add the flags of pictures in two domains: --data, --domains, --size, --limit, --batch-size
    and --augment."""
    add = parser.add_argument
    add("--data", type=data_set(*DOMAINS), default=lambda args: emoji_or("glyphs"),
        help="emoji, glyphs (letters, drawn on the spot), facades, a set of images, or your own"
        " folder: see above (emoji if at hand, else glyphs)")  # fmt: skip
    add("--domains", type=domain, nargs="+", metavar="DOMAIN",
        default=lambda args: [*domains_of(args)[:2]],
        help="from which to which: noto twemoji; plain, serif, bold, slanted, 'bold serif', 'thin"
        " serif'; A B of folders, facades; white, inverted, red, green, blue, turned of images (the"
        " first two)")  # fmt: skip
    add("--size", type=whole(4, 4096), default=32, help="side of the pictures, in pixels",
        only=("without a folder of pictures or facades",
              lambda args: is_folder(args) or args.data == "facades"))  # fmt: skip
    add("--limit", type=whole(2, 10**7), help="train with so many contents only")
    add("--batch-size", type=units, default=batch_size, help="pictures a step, of each domain")
    add("--augment", choices=("none", "shift", "mirror", "flip"),
        default=lambda args: "mirror" if is_folder(args) or args.data in MIRRORED else "shift",
        help="shift by up to 2 pixels, mirror at random, or both, flip (mirror; letters, images:"
        " shift)")  # fmt: skip
    parser.refuse(
        lambda args: args.domains is not None and len({*args.domains}) != 2,
        "--domains: expected two of them, from which to which",
    )
    parser.refuse(
        lambda args: args.domains is not None and bool({*args.domains} - {*domains_of(args)}),
        "--domains: the data set has others, see --help",
    )
    parser.refuse(lambda args: args.size % 4 > 0, "--size: expected a multiple of 4, not {size}")


def add_contrast(parser: Parser, only: Condition | None = None) -> None:
    """Add --contrast and --others, which `others` looks at."""
    add = parser.add_argument
    add("--contrast", type=weight, default=0.0, only=only,
        help="the weight of a loss by which a picture is to be nearer to its own truth, or without"
        " pairs to what it is made of, than to others")  # fmt: skip
    add("--others", type=whole(1, 10**6), default=1500,
        only=("without --contrast", lambda args: args.contrast > 0),
        help="how many of those to train with, beside the batch's; they take memory")  # fmt: skip


def others(args: Settings, levels: np.ndarray, own: np.ndarray, step: int) -> np.ndarray:
    """What a made picture is told from in a step, (M, C, H, W) from −1 to 1: beside `own`
    (N, C, H, W), of this rank's batch, those of the other ranks' batches and, as chance has it, on
    all ranks alike, `args.others` of those to train with, maybe their own, which does no harm.

    Args:
        levels: of all pictures to train with.
    """
    found = distributed.all_gather_object(own)
    del found[distributed.get_rank()]
    drawn = np.random.default_rng((args.seed, step)).permutation(len(levels))[: args.others]
    return np.concatenate([*found, from_levels(levels[drawn])])


def load_pairs(args: Settings, split: str) -> Domains:
    """The contents of a split, each in both of `args.domains`, in this order.

    Args:
        split: "train", "validation" or "test". Of a folder that has one of the latter two alone, it
            is taken for both.

    Raises:
        DataError: they cannot be had.
    """
    names = tuple(args.domains)
    if args.data == "emoji":
        found = data.emoji(split)
    elif args.data == "glyphs":
        found = data.glyphs(LETTERS[split], split, names)
    elif args.data == "facades":
        found = data.facades(split, args.size)
    elif is_folder(args):
        found = _held_out(split, lambda part: data.aligned(args.data, part, args.size))
    else:
        found = _of_set(args, split, lambda images: data.variants(images, names))
    columns = [found.domains.index(name) for name in names]
    return _limited(args, split, replace(found, images=found.images[:, columns], domains=names))


def load_truths(args: Settings, split: str) -> Domains:
    """The contents of a split in one domain, where the input is made from the picture itself: the
    latter of `args.domains`, or all pictures of a folder or set of images.

    Raises:
        DataError: they cannot be had.
    """

    def plain(images: Images) -> Domains:
        return Domains(images.name, images.images[:, None], SIDES[1:], np.arange(len(images)))

    if args.data in DOMAINS:
        pairs = load_pairs(args, split)
        return replace(pairs, images=pairs.images[:, 1:], domains=pairs.domains[1:])
    if is_folder(args):
        found = plain(data.folder(args.data, args.size)).split(split)
    else:
        found = _of_set(args, split, plain)
    return _limited(args, split, found)


def load_unpaired(args: Settings, split: str) -> Images:
    """Pictures of both of `args.domains`, the classes, in this order, of which none are pairs.

    Raises:
        DataError: they cannot be had.
    """
    if not is_folder(args):
        return load_pairs(args, split).unpaired()
    found = _held_out(split, lambda part: data.unaligned(args.data, part, args.size))
    labels = found.labels if args.domains[0] == SIDES[0] else 1 - found.labels
    return Images(found.name, found.images, labels, tuple(args.domains))


def _of_set(args: Settings, split: str, made: Callable[[Images], Domains]) -> Domains:
    """Of a set of images with a test split of its own."""
    tested = split == "test"
    found = made(data.load(args.data, "test" if tested else "train"))
    return found if tested else found.split(split)


def _held_out(split: str, load: Callable[[str], T]) -> T:
    """A split of a folder; where it has no such held-out one, the other. One that is there and
    damaged is not passed over."""
    try:
        return load(split)
    except MissingSplitError:
        if split == "validation":
            return load("test")
        if split == "train":
            raise
    try:
        return load("validation")
    except MissingSplitError:
        return load("test")  # which says what is missing


def _limited(args: Settings, split: str, found: Domains) -> Domains:
    """So many contents to train with, whole families of them but the last, as chance has it."""
    if split != "train" or args.limit is None:
        return found
    names, which = np.unique(found.families, return_inverse=True)
    place = np.random.default_rng(0).permutation(len(names))[which]
    return found.taken(np.sort(np.argsort(place, kind="stable")[: args.limit]))


def inputs_and_truths(
    task: str, pictures: np.ndarray, holes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Float32 from −1 to 1 of levels (N, D, C, H, W): what is given, and what is to be made of it.

    Args:
        task: of minigen.data.tasks.
        holes: (N, 2), see `task_input`.
    """
    truth = pictures[:, -1]
    if task == "style":
        return from_levels(pictures[:, 0]), from_levels(truth)
    return task_input(task, truth, holes), from_levels(truth)


def augmented(args: Settings, pictures: np.ndarray) -> np.ndarray:
    """Levels (N, …, H, W), each picture shifted and mirrored at random, all domains alike, as
    `args.augment` says. What comes in at the border is what was there."""
    if args.augment == "none":
        return pictures
    chance, moved = F.rand(len(pictures), 3).numpy(), pictures.copy()
    if args.augment != "mirror":
        border = [(0, 0)] * (pictures.ndim - 2) + [(SHIFT, SHIFT)] * 2
        wide = np.pad(pictures, border, mode="edge")
        h, w = pictures.shape[-2:]
        for i, (down, right) in enumerate((chance[:, :2] * (2 * SHIFT + 1)).astype(int)):
            moved[i] = wide[i, ..., down : down + h, right : right + w]
    if args.augment != "shift":
        mirrored = chance[:, 2] < 0.5
        moved[mirrored] = moved[mirrored][..., ::-1]
    return moved


SHOWN_ROWS = (
    "In each column a real picture that was never trained on, and what the networks made of it; the"
    " true rows are real too, what should have been made. Good are made rows that look like the"
    " true ones, or where there are none, like real pictures with the given one's content."
)


def train_translator(
    run: Run,
    args: Settings,
    model: Parts,
    *,
    generators: Sequence[nn.Module],
    batches: Mapping[str, Batches],
    step: Callable[[int], Mapping[str, Tensor]],
    rows: Callable[[], Mapping[str, Any]],
    check: Callable[[], Mapping[str, float]],
    panels: Mapping[str, Sequence[str]],
    what: str,
    reading: str,
    shown: str = SHOWN_ROWS,
    networks: Sequence[tuple[nn.Module, Sequence[int]]] = (),
) -> None:
    """Train what turns pictures into pictures, and fill its run folder: held-out pictures as
    training goes on (samples/ and samples.gif), drawn with the generators' weights averaged over
    some steps, the curves (curves.png), and the checkpoint.

    Args:
        run: the run folder.
        args: the flags, of `Parser.add_course` too.
        model: the networks and their optimisers.
        generators: those of them whose weights are averaged.
        batches: what `step` draws from, by names for the checkpoint.
        step: a training step, by its number from 1 on; gives what is logged.
        rows: pictures from −1 to 1, (N, C, H, W), by the name of their row; drawn now.
        check: held-out figures, logged with each picture.
        panels: for `plot_metrics`.
        what: it is trained with.
        reading: how to read the curves.
        shown: how to read the pictures.
        networks: to be printed, each with the shape of one input.
    """
    average = optim.ExponentialMovingAverage(nn.ModuleList(generators), args.decay, True)
    state = {"model": model, "average": average, **batches, "random": minigen.default_generator}
    loop = Loop(run, steps=args.steps, state=state, log_every=10)
    begin(run, what, *networks)
    course = functools.partial(draw_course, run, panels, shown, reading)
    loop.at_save(functools.partial(course, seconds_per_frame=0.25))
    schedules = [falling(o, args.lr, loop.steps, loop.step, args.fall) for o in model.optimisers()]

    @loop.at_every(max(50, args.steps // 40))
    def picture(i: int) -> None:
        with average.average_parameters():
            grid = named_rows(rows())
            run.log(i, check())
        save_image(run.path("samples", f"{i:06d}.png"), grid, scale=2)

    for i in loop:
        loop.log(step(i))
        for schedule in schedules:
            schedule.step()
        average.update()
    finish(loop, "samples.gif", reading=reading)
