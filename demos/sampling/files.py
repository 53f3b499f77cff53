"""Where pictures go: one grid, a file each, an array, an animation."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from minigen import training
from minigen.display import progress
from minigen.files import written_whole
from minigen.training.video import save_mp4

ARRAYS, MOVING = (".npy", ".npz"), (".gif", ".mp4")
COLUMNS = 10  # of rows that stand beside one another
SCALE = 2  # each pixel becomes a square of this side
MANY = 5000  # pictures of which a grid takes seconds
SECONDS = 0.08  # that a frame of an animation stands


def ending(path: str) -> str:
    """That of a file's name, in small letters."""
    return os.path.splitext(path)[1].lower()


def rows_of_classes(
    made: np.ndarray, labels: np.ndarray | None, asked: Sequence[str]
) -> np.ndarray:
    """A grid of pictures (N, C, H, W) in rows, of a class or phrase each, with its name, if they
    are of several."""
    kinds = [] if labels is None else [*dict.fromkeys(labels.tolist())]
    if len(kinds) < 2:
        return training.image_grid(made, low=0)
    rows = [(asked[kind], made[labels == kind]) for kind in kinds]
    columns = max(len(row) for _, row in rows)
    return training.named_rows([(name, filled(row, columns)) for name, row in rows], low=0)


def filled(row: np.ndarray, columns: int) -> np.ndarray:
    """A row of pictures made full by white ones."""
    white = np.ones((columns - len(row), *row.shape[1:]), row.dtype)
    return np.concatenate([row, white])


def write(
    args: argparse.Namespace,
    pictures: np.ndarray,
    labels: np.ndarray | None = None,
    names: Sequence[str] = (),
    asked: Sequence[str] = (),
    caption: str = "",
) -> str:
    """Write pictures (N, C, H, W) from 0 to 1 as the flags --out and --single say.

    Args:
        labels: of the pictures, a row of the grid each, kept in an .npz.
        names: of the single files; numbers if there are none.
        asked: what each label stands for.
        caption: of the grid.

    Returns:
        Where they are.
    """
    if args.single:
        return write_single(args.single, pictures, names)
    if ending(args.out) in ARRAYS:
        return write_array(args.out, pictures, labels)
    if len(pictures) > MANY:
        print(f"writing {args.out} …", flush=True)
    grid = rows_of_classes(pictures, labels, asked)
    training.save_image(args.out, grid, SCALE, caption=caption)
    return args.out


def beside(path: str, rows: Mapping[str, np.ndarray], caption: str) -> str:
    """Write pictures by their names below one another, some columns at a time."""
    count = len(next(iter(rows.values())))
    named = {
        f"{name} {i + 1} on" if count > COLUMNS else name: filled(
            pictures[i : i + COLUMNS], COLUMNS
        )
        for i in range(0, count, COLUMNS)
        for name, pictures in rows.items()
    }
    training.save_image(path, training.named_rows(named, low=0), SCALE, caption=caption)
    return path


def write_single(folder: str, pictures: np.ndarray, names: Sequence[str] = ()) -> str:
    """A PNG of each picture, at its own size."""
    os.makedirs(folder, exist_ok=True)
    for i in progress(range(len(pictures)), "pictures"):
        picture, name = pictures[i], names[i] if names else f"{i:05d}"
        levels = (picture.transpose(1, 2, 0) * 255).round().astype(np.uint8)
        levels = levels[..., 0] if len(picture) == 1 else levels
        training.save_image(Path(folder, f"{name}.png"), levels)
    return folder


def write_array(path: str, pictures: np.ndarray, labels: np.ndarray | None = None) -> str:
    """An .npy of the pictures, or an .npz of `pictures` and, if there are any, `labels`."""
    with written_whole(path) as file:
        if ending(path) == ".npy":
            np.save(file, pictures)
        else:
            np.savez(file, pictures=pictures, **({} if labels is None else {"labels": labels}))
    return path


def write_moving(path: str, frames: Sequence[np.ndarray], caption: str) -> str:
    """An animation of grids, a GIF or an MP4 by the file's name; a film has no caption."""
    if ending(path) == ".mp4":
        save_mp4(path, frames, SECONDS, SCALE)
    else:
        how = {"hold_last": SECONDS, "scale": SCALE, "caption": caption}
        training.save_gif(path, frames, SECONDS, **how)
    return path
