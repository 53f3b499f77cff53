"""What a picture says of itself: a line above it, and a text below of what is to be seen."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIZE, NARROWEST = 12, 360  # of letters, and of a picture with a text, in pixels
WIDE = 80  # a picture's width over the size of its letters, at most, so that a wide one is readable


def told(image: Image.Image, title: str, caption: str) -> Image.Image:
    """The image with a line above and a text below it, if there are any."""
    if not title and not caption:
        return image
    width = max(image.width, NARROWEST)
    size = max(SIZE, width // WIDE)
    line, margin = round(1.4 * size), size // 2
    below = [*_lines(caption, width - 2 * margin, size)] if caption else []
    top = line + margin if title else 0
    height = top + image.height + (line * len(below) + 2 * margin if below else 0)
    whole = Image.new(image.mode, (width, height), "white")
    whole.paste(image, (0, top))
    write = functools.partial(ImageDraw.Draw(whole).text, font=font(size), fill="black")
    write((margin, margin // 2), title)
    for i, text in enumerate(below):
        write((margin, top + image.height + margin + line * i), text)
    return whole


@functools.cache
def font(size: int = SIZE) -> ImageFont.FreeTypeFont:
    """matplotlib's own, which has Greek letters and signs; found without the time of its import."""
    folder = Path(importlib.util.find_spec("matplotlib").origin).parent
    return ImageFont.truetype(str(folder / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _lines(text: str, width: int, size: int) -> Iterator[str]:
    """A text in lines that are no wider than so many pixels, if its words are not."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font(size).getlength(longer) > width:
            yield line
            longer = word
        line = longer
    yield line
