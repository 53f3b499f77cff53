"""What is made of pictures, points of the plane, and words."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from minigen import training
from minigen.data.folder import as_pixels, middle, read
from minigen.data.vectors import FREQUENT, answering
from minigen.training.plane import draw_points, frame
from minigen.training.trained_kinds import (
    Latents,
    Pix2Pix,
    Plane,
    PlaneDiffusion,
    Reading,
    Translating,
    Words,
)
from sampling.files import ARRAYS, COLUMNS, beside, ending, write, write_array

POINTS, REAL = 1500, 1500
NEAR = 10  # words


def of_inputs(args: argparse.Namespace, model: Translating) -> None:
    """Pictures of a folder, and what is made of them: to each domain, or that of --to.

    Raises:
        DataError: there are none that can be read.
    """
    images, files = pictures_of(args.inputs, model)
    images = images[: args.count]
    if isinstance(model, Pix2Pix):
        ways: tuple[str | None, ...] = (None,)
    else:
        ways = (args.to,) if args.to else model.domains
    made = {f"made {to}" if to else "made": model.translate(images, to) for to in ways}
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
        where = beside(
            args.out, given(model, images) | made,
            f"Given pictures, and below each what a model of {model.demo} has made of it. A good"
            f" one keeps what the picture is of, and could be taken for one of where it leads to.",
        )  # fmt: skip
    print(f"{len(images)} pictures of {args.inputs}, {', '.join(made)}: {where}")


def of_models(args: argparse.Namespace, model: Latents) -> None:
    """Pictures that each of several models draws, or with --reconstruct test images and what each
    makes of them, a row or more each.

    Raises:
        DataError: the run's data cannot be had.
    """
    count, rows = args.count or COLUMNS, {}
    if args.reconstruct:
        rows["real"] = training.load_images(model.settings, "test").scaled(low=0)[:count]
    for name, one in model.each().items():
        codes = one.encode(rows["real"]) if args.reconstruct else one.noise(count, args.seed)
        rows[name] = one.draw(codes)
    if args.single:
        for name, pictures in rows.items():
            write(args, pictures, names=[f"{name} {i:05d}" for i in range(len(pictures))])
        where = args.single
    elif ending(args.out) in ARRAYS:
        labels = np.repeat(np.arange(len(rows)), len(next(iter(rows.values()))))
        where = write_array(args.out, np.concatenate([*rows.values()]), labels)
    else:
        caption = (
            "Pictures that each model has drawn, none of them real: an autoencoder of the Gaussian"
            " nearest to its codes, a VAE of the standard one. Good ones could be real."
        )
        if args.reconstruct:
            caption = (
                "Real test images, and what each model makes of their codes, as many numbers as its"
                " name says: the more alike, the better."
            )
        where = beside(args.out, rows, caption)
    print(f"{', '.join(rows)}: {where}")


def of_readings(args: argparse.Namespace, model: Reading) -> None:
    """What a classifier reads in the pictures of a folder, and how sure it is.

    Raises:
        DataError: there are none that can be read.
    """
    images, files = pictures_of(args.inputs, model)
    for file, shares in zip(files, model.read(images[: args.count]), strict=False):
        best = int(shares.argmax())
        print(f"{file.name}: {model.class_names[best]}, {shares[best]:.1%}")


def pictures_of(folder: str, model: Translating | Reading) -> tuple[np.ndarray, list[Path]]:
    """The pictures of a folder as a model takes them, from 0 to 1, and their files.

    Raises:
        DataError: there are none that can be read.
    """
    channels, side, _ = model.image_shape
    found, files = read(Path(folder), lambda picture: middle(picture, side))
    return as_pixels(found, channels == 1).astype(np.float32) / 255, files


def given(model: Translating, images: np.ndarray) -> dict[str, np.ndarray]:
    """The rows of what a model is given."""
    rows = {"given": images}
    if isinstance(model, Pix2Pix) and model.settings.task != "style":
        seen = (model.inputs(images) + 1) / 2
        channels = images.shape[1] if seen.shape[1] >= images.shape[1] else 1
        rows["of it, seen"] = seen[:, :channels].clip(0, 1).astype(np.float32)
    return rows


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

        caption = (
            "Real points, and points that the model has drawn. Good are orange points where the"
            " blue ones are, as dense as they, and none between."
        )
        training.save_image(args.out, frame(draw, size=5.0), caption=caption)
        where = args.out
    print(f"{len(points):,} points: {where}")


def of_words(args: argparse.Namespace, model: Words) -> None:
    """Neighbours of words, and an analogy, with their cosines.

    Raises:
        DataError: a word has no vector.
    """
    count = args.count or NEAR
    with answering():
        for word in args.near or ():
            show(word, model.model.most_similar(word, count=count, restrict=FREQUENT))
        if args.analogy:
            a, b, c = args.analogy
            found = model.model.analogy(a, b, c, count, FREQUENT)
            show(f"{a} is to {b} as {c} is to", found)


def show(asked: str, found: list[tuple[str, float]]) -> None:
    """Print words with their cosines."""
    print(f"{asked}: " + ", ".join(f"{word} {cosine:.2f}" for word, cosine in found))
