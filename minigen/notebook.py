"""What a notebook shows, which asks an object for `_repr_html_` or `_repr_png_`: of tensors their
numbers and, where they may be images, a picture; of profiles their table."""

from __future__ import annotations

import base64
import html
import io
import math
from typing import Any

import numpy as np

from minigen.drawing import Picture
from minigen.profile import Profile
from minigen.tensor import Tensor
from minigen.tiles import tiled

SMALLEST, MOST = 8, 64  # pixels of a side from which on it is an image; images that are shown


def picture(tensor: Tensor) -> Picture | None:
    """The images (N, C, H, W) or (C, H, W) that a tensor of floats may hold, C of 1 or 3, the first
    64 of them from their least to their largest value; None where it holds others."""
    from PIL import Image  # here, since a notebook alone needs it

    images = tensor.detach().numpy()
    images = images[None] if images.ndim == 3 else images
    if images.ndim != 4 or images.shape[1] not in (1, 3) or min(images.shape[2:]) < SMALLEST:
        return None
    images = images[:MOST]
    if images.dtype.kind != "f" or not images.size or not np.isfinite(images).all():
        return None
    low, high = (float(end) for end in (images.min(), images.max()))
    levels = np.rint((images.astype(np.float64) - low) * (255 / ((high - low) or 1)))
    framed = np.pad(levels, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=255).astype(np.uint8)
    grid = tiled(framed, math.ceil(math.sqrt(len(framed))), 0, 255).transpose(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(grid.squeeze(2 if grid.shape[2] == 1 else ())).save(file, format="PNG")
    return Picture(file.getvalue())


def _html(text: str, shown: Picture | None = None) -> str:
    encoded = base64.b64encode(shown.png).decode() if shown else ""
    image = f'<img src="data:image/png;base64,{encoded}"/>' if shown else ""
    return f"{image}<pre>{html.escape(text)}</pre>"


def _of_tensor(self: Any) -> str:
    return _html(repr(self), picture(self))


Tensor._repr_html_ = _of_tensor
Profile._repr_html_ = lambda self: _html(self.table())
