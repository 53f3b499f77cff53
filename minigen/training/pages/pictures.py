"""Pictures of a run, as a page carries them: few, and each within a number of bytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

MOST_FRAMES = 30
MOST_FIGURES = 8
# Of a picture: 30 and 8 of them, as text by a third longer, and 250 kB of curves are below 2 MB.
FRAME_BYTES, FIGURE_BYTES = 36_000, 24_000
PIXELS = 16_000_000  # of one that is decoded


class Picture(NamedTuple):
    """A picture as an address that holds all of it."""

    src: str
    width: int  # of the original, in pixels
    height: int
    squares: bool  # each pixel is to be shown as a square
    said: str  # what is to be seen, if the file says so; see `save_image`


class Pictures:
    """Pictures from files, which are read anew only when a file has changed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], Picture | None] = {}

    def of(self, paths: Mapping[Path, int]) -> dict[Path, Picture]:
        """Those pictures that can be read, by their files, each of at most so many bytes. What is
        not asked for is forgotten."""
        before, self._known = self._known, {}
        found = {}
        for path, most in paths.items():
            try:
                stat = path.stat()
            except OSError:  # it went meanwhile
                continue
            key = str(path), stat.st_mtime_ns, stat.st_size
            self._known[key] = before[key] if key in before else packed(path, most)
            if (picture := self._known[key]) is not None:
                found[path] = picture
        return found


def frames_of(folder: Path) -> dict[int, Path]:
    """The samples that a run has drawn, by their step, in its order."""
    found = {int(p.stem): p for p in (folder / "samples").glob("*.png") if p.stem.isdecimal()}
    return dict(sorted(found.items()))


def thinned(items: Sequence[int], most: int = MOST_FRAMES) -> list[int]:
    """At most so many, the first and the last among them. Every second one is left out, again and
    again as they become more, so that what is kept now was kept before."""
    stride = 1
    while -(-len(items) // stride) > most - 1:
        stride *= 2
    some = list(items[::stride])
    return some if not some or some[-1] == items[-1] else [*some, items[-1]]


def packed(path: Path, most: int = FRAME_BYTES) -> Picture | None:
    """A PNG file as a picture of at most so many bytes: as it is if it is small enough, else with
    pixels that stand for squares as one each, and then with losses or smaller; None of a file that
    holds no picture, or one of too many pixels."""
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            width, height = image.size
            said = str(image.info.get("Description", ""))
            if width * height > PIXELS:
                return None
            if len(content) <= most:
                return Picture(_address("PNG", content), width, height, False, said)
            pixels = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    except (OSError, ValueError, SyntaxError):  # what Pillow says of a damaged file
        return None
    small = without_squares(pixels)
    kind, content = _fitting(Image.fromarray(small), len(content), most)
    return Picture(_address(kind, content), width, height, small is not pixels, said)


def without_squares(pixels: np.ndarray) -> np.ndarray:
    """Pixels (H, W, …) of an image that was enlarged by a power of 2, as they were."""
    while min(pixels.shape[:2]) >= 64 and not any(side % 2 for side in pixels.shape[:2]):
        small = np.ascontiguousarray(pixels[::2, ::2])
        if not (np.repeat(np.repeat(small, 2, 0), 2, 1) == pixels).all():
            break
        pixels = small
    return pixels


def _fitting(image: Image.Image, before: int, most: int) -> tuple[str, bytes]:
    """An image in at most so many bytes, and their format; it took so many before."""
    content = _written(image, "PNG") if before < 4 * most else b""  # else it takes time for nothing
    if 0 < len(content) <= most:
        return "PNG", content
    while True:
        for quality in 90, 75, 60, 45, 30:
            content = _written(image, "JPEG", quality=quality)
            if len(content) <= most or min(image.size) < 16:
                return "JPEG", content
        image = image.reduce(2)


def _written(image: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(content).decode()}"
