"""What no network is needed for, to measure translations against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree


def _cells(pictures: np.ndarray, levels: int) -> np.ndarray:
    """The cell of each pixel's colour, (N, H, W), of uint8 (N, C, H, W): a number whose digits are
    the channels, from 0 to levels - 1 each."""
    places = levels ** np.arange(pictures.shape[1])
    return np.moveaxis(pictures, 1, -1).astype(np.int64) * levels // 256 @ places


def colour_reader(
    pictures: np.ndarray, labels: np.ndarray, levels: int = 16, prior: float = 0.5
) -> Callable[[np.ndarray], np.ndarray]:
    """A classifier by colours alone: naive Bayes of how many pixels have each colour. It needs no
    training, and knows a tone by the few pixels of a face that has no other.

    The pixels of a colour count as log(1 + count), so that a large background is not all.

    Args:
        pictures: uint8 (N, C, H, W).
        labels: their classes (N,), from 0.
        levels: into which each channel is divided, so that like colours are one.
        prior: added to the count of each colour in each class.

    Returns:
        Pictures as `pictures` -> their likeliest classes (M,).
    """

    def counts(given: np.ndarray) -> np.ndarray:
        rows = np.arange(len(given)).reshape(-1, 1, 1)
        size = len(given), levels ** given.shape[1]
        cells = rows * size[1] + _cells(given, levels)
        found = np.bincount(cells.ravel(), minlength=size[0] * size[1])
        return np.log1p(found.reshape(size))

    sums = np.full((int(labels.max()) + 1, levels ** pictures.shape[1]), prior)
    np.add.at(sums, labels, counts(pictures))
    log_p = np.log(sums / sums.sum(1, keepdims=True))
    return lambda given: np.einsum("nc,kc->nk", counts(given), log_p).argmax(1)


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
    places = levels ** np.arange(channels)

    def cells(pictures: np.ndarray) -> np.ndarray:
        return _cells(pictures, levels).ravel()

    def channels_of(cells: np.ndarray) -> np.ndarray:
        """Colours as (…, C), from 0 to levels - 1."""
        return cells[:, None] // places % levels

    shift = np.moveaxis(truth.astype(np.float64) - given, 1, -1).reshape(-1, channels)
    seen, which = np.unique(cells(given), return_inverse=True)
    counts = np.bincount(which)
    sums = [np.bincount(which, shift[:, c]) for c in range(channels)]
    shifts, nearest = np.stack(sums, axis=1) / counts[:, None], cKDTree(channels_of(seen))

    def translated(pictures: np.ndarray) -> np.ndarray:
        colours, which = np.unique(cells(pictures), return_inverse=True)
        change = shifts[nearest.query(channels_of(colours))[1]][which]
        n, c, h, w = pictures.shape
        moved = pictures + np.moveaxis(change.reshape(n, h, w, c), -1, 1)
        return (moved / 255).clip(0, 1)

    return translated


def best_place(given: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A translation that zooms and moves pictures, all alike, and does nothing else: as makes the
    least mean absolute error on pairs. Drawings of two hands differ in their margins.

    Args:
        given: pictures (N, C, H, W); 500 of them are enough. Without pairs, the mean of all.
        truth: their partners, of the same shape.

    Returns:
        A and B, (H, H) and (W, W): a picture's channel X becomes A·X·Bᵀ, by cubic interpolation, so
        that edges overshoot; at the border stands what was there.
    """

    def placed(place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _cubic(given.shape[2], *place[::2]), _cubic(given.shape[3], *place[1::2])

    def apart(place: np.ndarray) -> float:
        rows, columns = placed(place)
        return abs(rows @ given @ columns.T - truth).mean()

    # A simplex of the zooms' logarithms, down and across, and of the ways in pixels.
    start = np.concatenate([np.zeros((1, 4)), np.diag([0.05, 0.05, 1, 1])])
    options = {"initial_simplex": start, "xatol": 1e-3, "fatol": 1e-6}
    return placed(minimize(apart, start[0], method="Nelder-Mead", options=options).x)


def _cubic(side: int, zoom: float, way: float) -> np.ndarray:
    """The matrix (side, side) by which a column of pixels is zoomed by e^zoom and moved by a way:
    of each new pixel, how much of each old one it is (cubic convolution, Keys 1981, equation 15),
    which blurs less than what is linear between two."""
    new, middle = np.arange(side), (side - 1) / 2
    at = (new - middle - way)[:, None] * np.exp(-zoom) + middle
    old = np.floor(at) + np.arange(-1, 3)
    far, matrix = abs(at - old), np.zeros((side, side))
    near = 1 + far**2 * (1.5 * far - 2.5)
    weights = np.where(far < 1, near, 2 - far * (4 - far * (2.5 - far / 2)))
    np.add.at(matrix, (new[:, None], old.clip(0, side - 1).astype(int)), weights)
    return matrix
