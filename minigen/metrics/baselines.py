"""What no network is needed for, to measure translations against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree


def colour_table(
    given: np.ndarray, truth: np.ndarray, levels: int = 32
) -> Callable[[np.ndarray], np.ndarray]:
    """A translation of colours alone, pixel by pixel, fitted on pairs: what pixels of a colour
    become in the mean.

    Args:
        given: uint8 (N, C, H, W).
        truth: their partners, of the same shape.
        levels: into which each channel is divided, so that like colours are one.

    Returns:
        Pictures as `given` -> float64 from 0 to 1, of the same shape. A colour that `given` has not
        is shifted as the nearest one is that it has.
    """
    channels = given.shape[1]

    def cells(pictures: np.ndarray) -> np.ndarray:
        """Each pixel's colour, (N·H·W, C), from 0 to levels - 1."""
        return np.moveaxis(pictures, 1, -1).reshape(-1, channels).astype(np.int64) * levels // 256

    shift = np.moveaxis(truth.astype(np.float64) - given, 1, -1).reshape(-1, channels)
    seen, which = np.unique(cells(given), axis=0, return_inverse=True)
    counts = np.bincount(which)
    sums = [np.bincount(which, shift[:, c]) for c in range(channels)]
    shifts, nearest = np.stack(sums, axis=1) / counts[:, None], cKDTree(seen)

    def translated(pictures: np.ndarray) -> np.ndarray:
        colours, places = np.unique(cells(pictures), axis=0, return_inverse=True)
        change = shifts[nearest.query(colours)[1]][places]
        n, c, h, w = pictures.shape
        moved = pictures + np.moveaxis(change.reshape(n, h, w, c), -1, 1)
        return (moved / 255).clip(0, 1)

    return translated
