"""A folder of the user's own pictures as a data set."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from minigen.data.images import DataError, Images

ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
SHOWN = 5  # unreadable files that are named


def folder(
    path: str | Path,
    side: int = 32,
    *,
    grey: bool | None = None,
    split: str | None = None,
    size: int | None = None,
) -> Images:
    """Load every picture in a folder and its subfolders, in the order of their names.

    A picture of any size becomes the largest square in its middle, resized to side × side. The
    folder's subfolders name the classes; pictures that lie in the folder itself are of the class
    "". Files that are no pictures by their ending are passed over; pictures that cannot be read
    are named on stderr and skipped.

    Args:
        path: the folder.
        side: of the images, in pixels.
        grey: make them grey, (N, 1, side, side), or coloured, (N, 3, side, side); by default
            coloured, if any picture is.
        split: "test" takes every tenth picture, "train" the others.
        size: take the first so many, or as many as there are; by default all.

    Raises:
        DataError: no such folder, or no pictures in it that can be read.
        ValueError: a side below 1.
    """
    path = Path(path)
    if side < 1:
        raise ValueError(f"folder: expected a side of 1 pixel or more, got {side}")
    if not path.is_dir():
        raise DataError(f"{path}: there is no such folder of pictures")
    files = sorted(f for f in path.rglob("*") if f.suffix.lower() in ENDINGS and f.is_file())
    images, kinds, broken = [], [], []
    for file in files:
        try:
            images.append(_square(file, side))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            broken.append(f"{file} ({error or type(error).__name__})")
        else:
            parent = file.parent.relative_to(path).parts
            kinds.append(parent[0] if parent else "")
    if broken:
        more = f"\n  and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        names = "\n  ".join(broken[:SHOWN])
        print(f"skipped {len(broken)} unreadable pictures:\n  {names}{more}", file=sys.stderr)
    if not images:
        raise DataError(
            f"{path}: expected pictures ({', '.join(sorted(ENDINGS))}), found none that can be read"
        )
    pixels = np.stack(images).transpose(0, 3, 1, 2)  # (N, 3, side, side)
    coloured = (pixels != pixels[:, :1]).any()
    if grey or (grey is None and not coloured):
        weights = np.array([0.299, 0.587, 0.114])  # of ITU-R BT.601, as Pillow's
        pixels = np.rint(np.einsum("nchw,c->nhw", pixels, weights))[:, None].astype(np.uint8)
    classes = sorted(set(kinds))
    labels = np.array([classes.index(kind) for kind in kinds], np.int64)
    tenth = np.arange(len(labels)) % 10 == 9
    taken = np.flatnonzero({None: tenth | True, "train": ~tenth, "test": tenth}[split])
    if not len(taken):
        raise DataError(f"{path}: expected 1 or more pictures to {split} with, got 0")
    taken = taken[:size]
    return Images(str(path), pixels[taken], labels[taken], tuple(classes))


def _square(file: Path, side: int) -> np.ndarray:
    """The middle of a picture as uint8 (side, side, 3), turned as its camera was held; what is
    transparent becomes white."""
    with Image.open(file) as picture:
        picture = ImageOps.exif_transpose(picture)
        if picture.mode.startswith("I") or picture.mode == "F":  # 16 bits and more a pixel
            levels = np.asarray(picture, np.float64)
            top = max(levels.max(), 1.0)
            picture = Image.fromarray(np.rint(levels.clip(0) * (255 / top)).astype(np.uint8))
        if picture.has_transparency_data:
            picture = Image.alpha_composite(
                Image.new("RGBA", picture.size, "white"), picture.convert("RGBA")
            )
        square = ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.LANCZOS)
        return np.asarray(square)
