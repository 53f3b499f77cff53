"""A folder of the user's own pictures as a data set."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
from PIL import Image, ImageOps

from minigen.data.images import DataError, Images, reason
from minigen.display import progress

ENDINGS = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
# Other kinds by these names are not opened: Pillow would start Ghostscript for PostScript.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# Folders that programs keep for themselves; hidden ones are passed over too.
PRIVATE = {"__MACOSX", "$RECYCLE.BIN", "@eaDir"}
ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")  # modes that may be transparent
SHOWN = 5  # unreadable files that are named
RANGES = (1, 255, 65535)  # of pixels whose type does not say what white is
AT_ONCE = 1 << 20  # pixels that are scaled at a time
T = TypeVar("T")


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
    "". Links to folders are followed, though none in circles. Hidden files and folders, which
    begin with a dot, those that programs keep for themselves, and files that are no pictures by
    their ending are passed over; pictures and folders that cannot be read are named on stderr and
    skipped, and so are pictures of more pixels than Pillow's `Image.MAX_IMAGE_PIXELS`.

    Of an animation the first picture is taken. What is transparent becomes white. White is 65535
    where pixels have 16 bits; where they have 32, it is the least of 1, 255 and 65535 that the
    picture does not exceed by more than half, or else its maximum. NaN is black.

    Args:
        path: the folder.
        side: of the images, in pixels.
        grey: make them grey, (N, 1, side, side), or coloured, (N, 3, side, side); by default
            coloured, if any picture is.
        split: "test" takes every tenth picture, "train" the others.
        size: take the first so many, or as many as there are; by default all.

    Raises:
        DataError: no such folder, or no pictures in it that can be read.
        ValueError: a side below 1, or another split.
    """
    path = Path(path)
    if side < 1:
        raise ValueError(f"folder: expected a side of 1 pixel or more, got {side}")
    if split not in (None, "train", "test"):
        raise ValueError(f"folder: expected the split train or test, or None, got {split!r}")
    if not os.path.isdir(path):  # Path's own raises, of names too long
        raise DataError(f"{path}: there is no such folder of pictures")
    images, files = read(path, lambda picture: middle(picture, side))
    pixels = as_pixels(images, grey)
    classes, labels = np.unique([_kind(file.parent, path) for file in files], return_inverse=True)
    tenth = np.arange(len(labels)) % 10 == 9
    taken = np.flatnonzero({None: tenth | True, "train": ~tenth, "test": tenth}[split])
    if not len(taken):
        raise DataError(f"{path}: expected 1 or more pictures to {split} with, got 0")
    taken = taken[:size]
    return Images(str(path), pixels[taken], labels[taken].astype(np.int64), tuple(classes.tolist()))


def read(root: Path, seen: Callable[[Image.Image], T]) -> tuple[list[T], list[Path]]:
    """Return what is `seen` in each picture below a folder, and its file, in the order of names.

    What cannot be read is named on stderr, and so is a picture of which `seen` raises an error.

    Raises:
        DataError: no pictures that can be read.
    """
    images, files, broken = [], [], []
    found = sorted(_files(root, broken), key=lambda file: file.parts)
    for file in progress(found, "pictures"):
        try:
            images.append(seen(opened(file)))
        except Exception as error:  # Pillow raises all kinds, of damaged files
            broken.append(f"{file} ({reason(error)})")
        else:
            files.append(file)
    if broken:
        more = f"\n  and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        names = "\n  ".join(map(printable, broken[:SHOWN]))
        print(f"skipped {len(broken)} unreadable pictures:\n  {names}{more}", file=sys.stderr)
    if not images:
        raise DataError(
            f"{root}: expected pictures ({', '.join(sorted(ENDINGS))}), found none that can be read"
        )
    return images, files


def pictures_in(root: Path) -> list[Path]:
    """Return the pictures below a folder by their ending, whether they can be read or not."""
    return [*_files(root, [])]


def as_pixels(images: list[np.ndarray], grey: bool | None) -> np.ndarray:
    """Return coloured images (…, H, W, 3) as one array (N, …, C, H, W), grey ones where `grey` is
    true, or None and none is coloured."""
    if grey or (grey is None and all((image == image[..., :1]).all() for image in images)):
        weights = np.array([299, 587, 114])  # thousandths, of ITU-R BT.601, as Pillow's
        images = [((image @ weights + 500) // 1000).astype(np.uint8)[..., None] for image in images]
    return np.moveaxis(np.stack(images), -1, -3)


def _files(root: Path, broken: list[str]) -> Iterator[Path]:
    """The pictures by their ending; what cannot be looked at is added to `broken`.

    A class meets a folder once, however many links lead there, and the root never again.
    """
    met, pending = set(), [root]
    while pending:
        folder = pending.pop()
        try:
            about = folder.stat()
            places = {(kind, about.st_dev, about.st_ino) for kind in ("", _kind(folder, root))}
            entries = [] if places & met else sorted(os.listdir(folder), reverse=True)
        except OSError as error:
            broken.append(f"{folder} ({error.strerror})")
            continue
        met.add((_kind(folder, root), about.st_dev, about.st_ino))
        for name in entries:
            entry = folder / name
            if name.startswith(".") or name in PRIVATE:
                continue
            if os.path.isdir(entry):
                pending.append(entry)
            elif entry.suffix.lower() in ENDINGS:
                if os.path.isfile(entry):
                    yield entry
                else:
                    broken.append(f"{entry} (a link to nothing, or no file)")


def _kind(path: Path, root: Path) -> str:
    """The class of a folder: its first part below the root."""
    return printable("".join(path.relative_to(root).parts[:1]))


def printable(text: str) -> str:
    """With escapes for what a terminal would obey, such as line feeds, and where the file system
    has names that are not in its own encoding."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def middle(picture: Image.Image, side: int) -> np.ndarray:
    """Return the largest square in the middle of a picture, as uint8 (side, side, 3)."""
    return np.asarray(ImageOps.fit(picture, (side, side), Image.Resampling.LANCZOS))


def opened(file: Path | BinaryIO) -> Image.Image:
    """Return a picture in RGB, turned as its camera was held; what is transparent becomes white.

    Raises:
        Exception: of any kind, from Pillow, where it is no picture, or damaged, or too large.
    """
    Image.init()  # or TIFF and WebP are not known yet
    formats = [name for name in FORMATS if name in Image.OPEN]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes, which are limited here, and of odd metadata
        with Image.open(file, formats=formats) as picture:
            most = Image.MAX_IMAGE_PIXELS
            if most and picture.width * picture.height > most:  # before any memory is asked for
                raise ValueError(f"{picture.width} × {picture.height} pixels, more than {most:,}")
            short = picture.mode.startswith("I;16") or picture.format in ("PNG", "PPM")
            picture = ImageOps.exif_transpose(picture)
            if picture.mode.startswith("I") or picture.mode == "F":
                picture = _bytes(picture, 65535 if short and picture.mode != "F" else None)
            # Pillow has an attribute for this, but only from 10.1 on.
            if picture.mode in ALPHA or "transparency" in picture.info:
                picture = Image.alpha_composite(
                    Image.new("RGBA", picture.size, "white"), picture.convert("RGBA")
                )
            return picture.convert("RGB")


def _bytes(picture: Image.Image, white: float | None) -> Image.Image:
    """A grey picture of more than 8 bits a pixel as one of 8; see `folder` for white."""
    levels = np.asarray(picture)
    if white is None:
        most = float(levels.max(where=np.isfinite(levels), initial=0))
        white = next((top for top in RANGES if most <= 1.5 * top), most)
    pixels = np.empty(levels.shape, np.uint8)
    for first in range(0, levels.size, AT_ONCE):
        part = slice(first, first + AT_ONCE)
        level = np.nan_to_num(levels.reshape(-1)[part].astype(np.float64), posinf=white)
        pixels.reshape(-1)[part] = np.rint(level.clip(0, white) * 255 / white)
    return Image.fromarray(pixels)
