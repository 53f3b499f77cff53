"""The layouts in which pictures to translate lie in folders: pairs side by side or in two folders,
and two domains without pairs. (A folder for each of several domains is `folder`'s.)

A split is a folder `train`, `val` (or `valid`, `validation`) or `test`. The sides A and B are
folders `trainA` and `trainB`, `A/train` and `B/train`, or `train/A` and `train/B`. Where no split
has a folder, all pictures are dealt (see minigen.data.domains.dealt).
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from minigen.data.domains import SPLITS, Domains, dealt
from minigen.data.download import obtained
from minigen.data.folder import as_pixels, middle, opened, pictures_in, read
from minigen.data.images import DataError, Images, reason

SIDES = ("A", "B")
FOLDERS = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}
# CMP's facades (Tyleček and Šára 2013) in Isola et al.'s layout. No checksum is published, so the
# length decides, as servers gave it, and how many pictures each split has.
FACADES = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/"
FACADES_FILE, FACADES_LENGTH = "facades.tar.gz", 30_168_306
FACADES_COUNTS = {"train": 400, "validation": 100, "test": 106}
LARGEST = 1 << 20  # bytes of a picture among the facades
NARROWEST = 1.9  # a pair's width in its height: most photographs have 1.78 at most


class MissingSplitError(DataError):
    """A folder has other splits than the one that is wanted."""


def aligned(
    path: str | Path,
    split: str = "train",
    side: int = 32,
    *,
    grey: bool | None = None,
    seed: int = 0,
) -> Domains:
    """Load pairs of pictures as the domains "A" and "B", each pair a family of its own.

    Either a picture holds both, A in its left half and B in its right, as in facades, maps and
    edges2shoes, which makes it twice as wide as high, or wider; or A and B are folders in which
    partners have one name, but for its ending. The largest square in the middle of each becomes
    side × side pixels, so partners may differ in size but not in their aspect ratio. Pictures that
    cannot be read are named on stderr, and skipped with their partners; see `folder` for what is
    read, and for `grey`.

    Args:
        split: "train", "validation" or "test".
        seed: of the split, where it has no folder.

    Raises:
        DataError: a folder or side is missing or without pictures, or partners are, or partners
            have another aspect ratio, or pictures are too narrow for two side by side.
        ValueError: a side below 1 pixel, or another split.
    """
    places, dealing = _places(path, split, side)
    pairs = _side_by_side(places[0], side) if len(places) == 1 else _partners(*places, side)
    pixels = as_pixels(pairs, grey)
    pairs = Domains(str(path), pixels, SIDES, np.arange(len(pixels)))
    return pairs.split(split, seed) if dealing else pairs


def unaligned(
    path: str | Path,
    split: str = "train",
    side: int = 32,
    *,
    grey: bool | None = None,
    seed: int = 0,
) -> Images:
    """Load pictures of two domains that are no pairs, of the classes "A" and "B": first all of A.

    Arguments, and what is read, are as for `aligned`, but that partners are not looked for.

    Raises:
        DataError: a folder or side is missing, or one has no pictures that can be read.
        ValueError: a side below 1 pixel, or another split.
    """
    places, dealing = _places(path, split, side)
    if len(places) == 1:
        raise DataError(f"{places[0]}: expected folders of A and of B, found neither")
    parts = []
    for root in places:
        images, _ = read(root, lambda picture: middle(picture, side))
        rows = np.arange(len(images))
        taken = dealt(rows, split, seed, of=str(root)) if dealing else rows >= 0
        parts.append([image for image, one in zip(images, taken, strict=True) if one])
    labels = np.repeat(np.arange(len(SIDES)), [len(part) for part in parts])
    return Images(str(path), as_pixels(sum(parts, []), grey), labels, SIDES)


def refuse_splits(name: str, classes: Iterable[str]) -> None:
    """Refuse folders that are splits of a data set where a folder of each class is expected.

    Raises:
        DataError: all of them are.
    """
    found = sorted(classes)
    if {*found} <= {part for parts in FOLDERS.values() for part in parts}:
        raise DataError(
            f"{name}: expected a folder of each class, found the splits {' and '.join(found)}: give"
            " one of these folders"
        )


def facades(split: str = "train", side: int = 32, *, download: bool = True) -> Domains:
    """Load 400, 100 or 106 photographs of facades, "A", and what an architect drew into them, "B".

    The file is looked for, downloaded and kept as MNIST's are; it is read where it lies, and
    nothing is unpacked to the disk.

    Raises:
        DataError: the file is missing, damaged, or cannot be downloaded.
        ValueError: a side below 1 pixel, or another split.
    """
    _require(split, side)
    file = obtained("facades", FACADES_FILE, [FACADES], _other_length, download)
    name = re.compile(rf"(\./)?facades/({'|'.join(FOLDERS[split])})/(\d+)\.jpg")
    found = {}
    try:
        with tarfile.open(file, "r:gz") as archive:
            for entry in archive:
                named = name.fullmatch(entry.name)
                if named and entry.isfile() and entry.size <= LARGEST:
                    picture = opened(archive.extractfile(entry))
                    found[int(named[3])] = _halves(picture, side)
    except Exception as error:  # tarfile, zlib and Pillow raise all kinds, of damaged files
        raise DataError(f"{file}: cannot be read: {reason(error)}") from error
    if len(found) != FACADES_COUNTS[split]:
        raise DataError(
            f"{file}: expected {FACADES_COUNTS[split]} pictures to {split} with, found"
            f" {len(found)}: it is damaged or another one"
        )
    pixels = as_pixels([found[number] for number in sorted(found)], grey=False)
    return Domains("facades", pixels, SIDES, np.arange(len(pixels)))


def _require(split: str, side: int) -> None:
    if split not in SPLITS:
        raise ValueError(f"expected a split of {', '.join(SPLITS)}, got {split!r}")
    if side < 1:
        raise ValueError(f"expected a side of 1 pixel or more, got {side}")


def _places(path: str | Path, split: str, side: int) -> tuple[tuple[Path, ...], bool]:
    """The folder in which a split lies, or those of its sides, and whether it must be dealt."""
    _require(split, side)
    path = Path(path)
    if not os.path.isdir(path):  # Path's own raises, of names too long
        raise DataError(f"{path}: there is no such folder of pictures")
    for name in FOLDERS[split]:
        if places := _found(path, name):
            return places, False
    there = [name for names in FOLDERS.values() for name in names if any(_folders(path, name))]
    if there:
        wanted = FOLDERS[split][0]
        raise MissingSplitError(
            f"{path}: expected folders {wanted}A and {wanted}B, or a folder {wanted}, as there are"
            f" for {' and '.join(there)}"
        )
    return _found(path, "") or (path,), True


def _found(path: Path, name: str) -> tuple[Path, ...]:
    """The folders of A and B of a split, or the one that holds both, or none; "" is no split."""
    one, *sides = _folders(path, name)
    for pair in zip(sides[::2], sides[1::2], strict=True):
        if all(pair):
            return pair
        if any(pair):
            here = pair[0] or pair[1]
            raise DataError(f"{path}: expected folders of A and B, found {here} alone")
    return (one,) if one and name else ()


def _folders(path: Path, name: str) -> list[Path | None]:
    """A split's folder, and those of A and B in each of three layouts, None where there is none."""
    sides = [f"{name}{{}}", f"{{}}/{name}", f"./{name}/{{}}"]
    places = [path / name, *(path / each.format(side) for each in sides for side in SIDES)]
    return [place if place.is_dir() else None for place in places]


def _halves(picture: Image.Image, side: int) -> np.ndarray:
    """The left and the right half of a picture, (2, side, side, 3)."""
    width, height = picture.size
    half = max(width // 2, 1)
    left, right = (0, 0, half, height), (width - half, 0, width, height)
    return np.stack([middle(picture.crop(box), side) for box in (left, right)])


def _side_by_side(root: Path, side: int) -> list[np.ndarray]:
    """The pairs (2, side, side, 3) of a folder of pictures that hold both. Where most are too
    narrow for two they are photographs, say, of which the halves would be no pair."""
    seen, files = read(root, lambda picture: (picture.size, _halves(picture, side)))
    narrow = [i for i, ((width, height), _) in enumerate(seen) if width < NARROWEST * height]
    if 2 * len(narrow) > len(seen):
        width, height = seen[narrow[0]][0]
        raise DataError(
            f"{root}: expected pictures that hold A and B side by side, twice as wide as high;"
            f" {len(narrow)} of {len(seen)} are narrower, such as {files[narrow[0]]} with {width} ×"
            f" {height} pixels: put partners in folders A and B, under one name"
        )
    return [pair for _, pair in seen]


def _partners(a: Path, b: Path, side: int) -> list[np.ndarray]:
    """The pairs (2, side, side, 3) of what has the same name in two folders."""
    names = []
    for root in (a, b):
        here = [file.relative_to(root).with_suffix("") for file in pictures_in(root)]
        if len(here) != len(set(here)):
            twice = next(name for name in sorted(here) if here.count(name) > 1)
            raise DataError(f"{root}: {twice} is the name of two pictures: which is the partner?")
        names.append(set(here))
    for root, other, alone in ((a, b, names[0] - names[1]), (b, a, names[1] - names[0])):
        if alone:
            raise DataError(
                f"{root}: pictures without one of the same name in {other}: {len(alone)}, such as"
                f" {min(alone)}"
            )
    seen = []
    for root in (a, b):
        images, files = read(root, lambda picture: (middle(picture, side), picture.size))
        keys = [file.relative_to(root).with_suffix("") for file in files]
        seen.append(dict(zip(keys, images, strict=True)))
    pairs = []
    for name in sorted(seen[0].keys() & seen[1].keys()):
        (left, (w, h)), (right, (w2, h2)) = seen[0][name], seen[1][name]
        if 2 * abs(w * h2 - w2 * h) > max(w + h, w2 + h2):  # more than sizes were rounded by
            raise DataError(
                f"{name}: expected partners of one aspect ratio, got {w} × {h} pixels in {a} and"
                f" {w2} × {h2} in {b}"
            )
        pairs.append(np.stack([left, right]))
    if not pairs:
        raise DataError(f"{a}: expected partners in {b}, found none of which both can be read")
    return pairs


def _other_length(content: BinaryIO) -> str | None:
    """What is wrong with a file that should be the facades', if anything."""
    length = content.seek(0, os.SEEK_END)
    if length != FACADES_LENGTH:
        return f"expected {FACADES_LENGTH:,} bytes, got {length:,}"
    return None
