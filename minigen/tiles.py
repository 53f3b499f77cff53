"""Several images laid out as one."""

from __future__ import annotations

import math

import numpy as np


def tiled(images: np.ndarray, columns: int, padding: int, fill: float) -> np.ndarray:
    """Images (N, C, H, W) in rows, left to right, top to bottom: (C, rows·(H + padding) + padding,
    columns·(W + padding) + padding), with `fill` around and between them. Of fewer images than
    columns there are as many columns."""
    count, channels, height, width = images.shape
    columns = min(columns, count)
    rows, down, across = math.ceil(count / columns), height + padding, width + padding
    shape = (channels, rows * down + padding, columns * across + padding)
    grid = np.full(shape, fill, images.dtype)
    for i, image in enumerate(images):
        top, left = i // columns * down + padding, i % columns * across + padding
        grid[:, top : top + height, left : left + width] = image
    return grid
