"""Precision, recall, density and coverage: fidelity and variety by nearest neighbours. And which
picture is the nearest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from minigen.display import progress
from minigen.kernels.product import matmul
from minigen.metrics.points import as_pair

ROWS = 100  # of a matrix of distances that are there at a time


class PRDC(NamedTuple):
    """What `prdc` returns."""

    precision: float
    recall: float
    density: float
    coverage: float


def prdc(real: Any, generated: Any, k: int = 5) -> PRDC:
    """How real and generated features (N, d) and (M, d) lie among each other.

    The ball of a point reaches to the k-th nearest other point of its own set, that one included.

    - precision: the share of generated points in the ball of some real point;
    - recall: the share of real points in the ball of some generated one (Kynkäänniemi et al. 2019,
      arXiv:1904.06991, equations 1 and 2);
    - density: how many real balls a generated point is in, on average, divided by k. It may exceed
      1, and about 1 is expected of two samples of one distribution;
    - coverage: the share of real points whose ball holds a generated point (Naeem et al. 2020,
      arXiv:2002.09797, equations 3 and 4).

    Precision and recall of two samples of one distribution are not 1: below ½ in 1,000 dimensions
    (Naeem et al., table 1). All four depend on the features, on k, and on the numbers of points,
    and compare only where these are equal: the papers take k = 3 and 5, and 10,000 to 50,000
    images in the features of VGG-16.

    Raises:
        ValueError: k + 1 or fewer points, k below 1, values that are not finite, or features of
            different length.
    """
    if k < 1:
        raise ValueError(f"prdc: k must be 1 or more, not {k}")
    real, generated = as_pair(real, generated, least=k + 1)
    # Near 0 the distances below lose the fewest digits.
    centre = real.mean(0)
    real, generated = real - centre, generated - centre
    real_radius, radius = _radii(real, k), _radii(generated, k)  # squared

    in_a_real_ball = balls = recalled = covered = 0
    for rows in _chunks(generated):
        d = _squared_distances(generated[rows], real)  # (rows, N)
        inside = d <= real_radius
        in_a_real_ball += inside.any(1).sum()
        balls += inside.sum()
    for rows in _chunks(real):
        d = _squared_distances(real[rows], generated)  # (rows, M)
        recalled += (d <= radius).any(1).sum()
        covered += (d.min(1) <= real_radius[rows]).sum()
    return PRDC(
        precision=float(in_a_real_ball / len(generated)),
        recall=float(recalled / len(real)),
        density=float(balls / (k * len(generated))),
        coverage=float(covered / len(real)),
    )


def nearest(pictures: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The place of the known picture that is nearest to each picture, by squared distance, (N,); of
    equally near ones the first. 1,000 known ones, which may be bytes, are compared at a time, for
    memory's sake."""
    flat = pictures.reshape(len(pictures), -1)
    best, chosen = np.full(len(pictures), np.inf), np.zeros(len(pictures), int)
    for i in progress(range(0, len(known), 1000)):
        part = known[i : i + 1000].reshape(-1, flat.shape[1]).astype(flat.dtype, copy=False)
        apart = np.square(part).sum(1) - 2 * flat @ part.T  # and |x|², the same for all
        place, least = apart.argmin(1), apart.min(1)
        chosen, best = np.where(least < best, i + place, chosen), np.minimum(least, best)
    return chosen


def _radii(points: np.ndarray, k: int) -> np.ndarray:
    """The squared distance of each point to its k-th nearest other one."""
    radii = [
        np.partition(_squared_distances(points[rows], points), k, axis=1)[:, k]  # [0] is itself
        for rows in _chunks(points)
    ]
    return np.concatenate(radii)


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """‖a − b‖² = ‖a‖² + ‖b‖² − 2·a·b of each row of one with each of the other.

    By products, a third of `cdist`'s time for 64 coordinates, and less for more of them. What is
    lost to rounding counts as 0, so that equal points are at distance 0.
    """
    size = (a * a).sum(1)[:, None] + (b * b).sum(1)
    d = size - 2 * matmul(a, b.T)
    d[d < 1e-13 * size] = 0
    return d


def _chunks(points: np.ndarray) -> Iterable[slice]:
    return progress([slice(i, i + ROWS) for i in range(0, len(points), ROWS)])
