"""What is made of pictures, points of the plane, and words."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from minigen import training
from minigen.data import DataError
from minigen.data.folder import as_pixels, middle, read
from minigen.training.plane import draw_points, frame
from minigen.training.trained_kinds import Pix2Pix, Plane, PlaneDiffusion, Translating, Words
from sampling.files import ARRAYS, ending, write, write_array
from sampling.pictures import COLUMNS, blank_after

POINTS, REAL = 1500, 1500
NEAR = 10  # words
RESTRICT = 30_000  # of the most frequent words: vectors of rare ones are mostly noise


def of_inputs(args: argparse.Namespace, model: Translating) -> None:
    """Pictures of a folder, and what is made of them: to each domain, or that of --to.

    Raises:
        DataError: there are none that can be read.
    """
    channels, side, _ = model.image_shape
    found, files = read(Path(args.inputs), lambda picture: middle(picture, side))
    images = as_pixels(found, channels == 1)[: args.count].astype(np.float32) / 255
    if isinstance(model, Pix2Pix):
        ways: tuple[str | None, ...] = (None,)
    else:
        ways = (args.to,) if args.to else model.domains
    made = {f"to {to}" if to else "made": model.translate(images, to) for to in ways}
    names = [file.stem for file in files]
    if len({*names}) < len(names):
        names = [f"{i:05d} {name}" for i, name in enumerate(names)]
    if args.single:
        for way, pictures in made.items():
            ends = [name if len(made) == 1 else f"{name} {way}" for name in names]
            write(args, pictures, names=ends)
        where = args.single
    elif ending(args.out) in ARRAYS:
        where = write_array(args.out, np.concatenate([*made.values()]))
    else:
        where = beside(args.out, given(model, images) | made)
    print(f"{len(images)} pictures of {args.inputs}, {', '.join(made)}: {where}")


def given(model: Translating, images: np.ndarray) -> dict[str, np.ndarray]:
    """The rows of what a model is given."""
    rows = {"picture": images}
    if isinstance(model, Pix2Pix) and model.settings.task != "style":
        seen = (model.inputs(images) + 1) / 2
        channels = images.shape[1] if seen.shape[1] >= images.shape[1] else 1
        rows["given"] = seen[:, :channels].clip(0, 1).astype(np.float32)
    return rows


def beside(path: str, rows: dict[str, np.ndarray]) -> str:
    """Pictures by their names below one another, some columns at a time."""
    count = len(next(iter(rows.values())))
    named = {
        f"{name} {i // COLUMNS + 1}" if count > COLUMNS else name: blank_after(
            pictures[i : i + COLUMNS]
        )
        for i in range(0, count, COLUMNS)
        for name, pictures in rows.items()
    }
    training.save_image(
        path, training.named_rows(named, low=0), scale=2,
        caption="Given pictures, and below each what was made of it.",
    )  # fmt: skip
    return path


def of_plane(args: argparse.Namespace, model: Plane) -> None:
    """Points over true ones, or an array of them."""
    how = {"steps": args.steps} if isinstance(model, PlaneDiffusion) and args.steps else {}
    points = model.points(args.count or POINTS, args.seed, **how)
    if ending(args.out) in ARRAYS:
        where = write_array(args.out, points)
    else:
        real = model.real(REAL, args.seed + 1)
        low, high = real.min(0), real.max(0)
        edge = 0.15 * (high - low).max()
        extent = (low[0] - edge, high[0] + edge, low[1] - edge, high[1] + edge)
        title = f"{len(points):,} points of {model.demo}, step {model.step:,}"

        def draw(axes: Any) -> None:
            draw_points(axes[0], real, points, extent, title)

        caption = "Real points, and points that the model has drawn."
        training.save_image(args.out, frame(draw, size=5.0), caption=caption)
        where = args.out
    print(f"{len(points):,} points: {where}")


def of_words(args: argparse.Namespace, model: Words) -> None:
    """Neighbours of words, and an analogy, with their cosines.

    Raises:
        DataError: a word has no vector.
    """
    count = args.count or NEAR
    try:
        for word in args.near or ():
            show(word, model.model.most_similar(word, count=count, restrict=RESTRICT))
        if args.analogy:
            a, b, c = args.analogy
            found = model.model.most_similar([b, c], [a], count=count, restrict=RESTRICT)
            show(f"{a} is to {b} as {c} is to", found)
    except (KeyError, ValueError) as error:
        raise DataError(error.args[0]) from None


def show(asked: str, found: list[tuple[str, float]]) -> None:
    """Print words with their cosines."""
    print(f"{asked}: " + ", ".join(f"{word} {cosine:.2f}" for word, cosine in found))
