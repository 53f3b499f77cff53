"""Where pictures go: one grid, a file each, an array, an animation."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minigen import training
from minigen.files import written_whole
from minigen.training.video import save_mp4

ARRAYS, MOVING = (".npy", ".npz"), (".gif", ".mp4")
SCALE = 2  # each pixel becomes a square of this side
SECONDS = 0.08  # that a frame of an animation stands


def ending(path: str) -> str:
    """That of a file's name, in small letters."""
    return os.path.splitext(path)[1].lower()


def rows_of_classes(made: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """A grid of pictures (N, C, H, W) in rows, of a class each if there are several."""
    told = np.zeros(len(made)) if labels is None else labels
    rows = [made[told == kind] for kind in dict.fromkeys(told.tolist())]
    if len(rows) == 1:
        return training.image_grid(made, low=0)
    columns = max(map(len, rows))
    white = np.ones_like(made[:1])
    padded = [np.concatenate([row, white.repeat(columns - len(row), 0)]) for row in rows]
    return training.image_grid(np.concatenate(padded), columns, low=0)


def write(
    args: argparse.Namespace,
    pictures: np.ndarray,
    labels: np.ndarray | None = None,
    names: Sequence[str] = (),
) -> str:
    """Write pictures (N, C, H, W) from 0 to 1 as the flags --out and --single say.

    Args:
        labels: of the pictures, a row of the grid each, kept in an .npz.
        names: of the single files; numbers if there are none.

    Returns:
        Where they are.
    """
    if args.single:
        return write_single(args.single, pictures, names)
    if ending(args.out) in ARRAYS:
        return write_array(args.out, pictures, labels)
    training.save_image(args.out, rows_of_classes(pictures, labels), SCALE)
    return args.out


def write_single(folder: str, pictures: np.ndarray, names: Sequence[str] = ()) -> str:
    """A PNG of each picture, at its own size."""
    os.makedirs(folder, exist_ok=True)
    for i, picture in enumerate(pictures):
        name = names[i] if names else f"{i:05d}"
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


def write_moving(path: str, frames: Sequence[np.ndarray]) -> str:
    """An animation of grids, a GIF or an MP4 by the file's name."""
    if ending(path) == ".mp4":
        save_mp4(path, frames, SECONDS, SCALE)
    else:
        training.save_gif(path, frames, SECONDS, hold_last=SECONDS, scale=SCALE)
    return path
