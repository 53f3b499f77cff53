"""A picture that somebody gives, as a model sees pictures."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image

from minigen.explorer.controls import ValuesError

# Pillow opens these by reading the header alone; of WebP it takes memory for all pixels at once.
FORMATS = ("PNG", "JPEG", "GIF")
MOST_PIXELS = 4_000_000  # 16 MB of memory where each has four bytes


def decoded(content: bytes, channels: int, side: int) -> np.ndarray:
    """An image (1, channels, side, side) from 0 to 1: its middle square, made as small or as large
    as that.

    The header says how large a picture is. It is read first: a file of a kilobyte can hold a
    billion pixels.

    Raises:
        ValuesError: it is no picture, one of too many pixels, or damaged.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=FORMATS)
            width, height = image.size
            if width * height > MOST_PIXELS or not width * height:
                raise ValuesError(
                    f"expected a picture of {MOST_PIXELS:,} pixels at most, got {width:,} ×"
                    f" {height:,}: make it smaller"
                )
            image = image.convert("L" if channels == 1 else "RGB")
    except ValuesError:
        raise
    except Exception as error:  # of damaged files Pillow raises all kinds
        raise ValuesError(
            f"expected a picture, {', '.join(FORMATS)}; this one cannot be read"
        ) from error
    left, top = (max(0, (width - height) // 2), max(0, (height - width) // 2))
    edge = min(width, height)
    image = image.resize(
        (side, side), Image.Resampling.BOX if edge > side else Image.Resampling.BILINEAR,
        (left, top, left + edge, top + edge),
    )  # fmt: skip
    pixels = np.asarray(image, np.float32).reshape(side, side, channels) / 255
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
