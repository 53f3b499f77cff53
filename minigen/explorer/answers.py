"""What the page is sent: pictures, and JSON that holds no markup."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
from PIL import Image

from minigen.training.figures import image_grid

# A name may hold what ends a script or begins a tag. Escaped, JSON is the same to every reader and
# harmless wherever it is put.
ESCAPED = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&'\u2028\u2029"})


def to_json(value: Any) -> bytes:
    """JSON in one line, in which names of runs, files and classes can open no tag."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(ESCAPED).encode()


def picture(images: np.ndarray, columns: int | None = None) -> str:
    """Images (N, C, H, W) from 0 to 1 as a PNG in the address of an image; a single one has no
    margin.

    Raises:
        DataError: values that are not finite.
    """
    grid = image_grid(images, columns, 0 if len(images) == 1 else 1, low=0)
    file = io.BytesIO()
    Image.fromarray(grid).save(file, format="PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def numbers(array: np.ndarray, digits: int = 3) -> list[Any]:
    """An array as lists, rounded to so many digits after the point."""
    return np.asarray(array, np.float64).round(digits).tolist()
