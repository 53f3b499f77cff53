"""What the metrics of this room take: sets of points, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.backend import FLOAT64, as_array
from minigen.data.images import require_finite


def as_numbers(values: Any, dtype: Any = FLOAT64) -> np.ndarray:
    """A tensor, an array or numbers as a plain array.

    Raises:
        TypeError: they are no real numbers, or masked.
    """
    return as_array(values.numpy() if hasattr(values, "numpy") else values, dtype)


def as_points(name: str, points: Any, least: int = 1) -> np.ndarray:
    """A tensor or array of points, (N, d), as float64.

    Args:
        name: what the error message calls them.
        least: how many there must be.

    Raises:
        ValueError: another shape, or fewer points.
        DataError: values that are not finite; it is a ValueError, too.
        TypeError: as `as_numbers`.
    """
    array = as_numbers(points)
    if array.ndim != 2 or not array.shape[1]:
        raise ValueError(f"{name}: expected points (N, d), got shape {array.shape}")
    if len(array) < least:
        raise ValueError(f"{name}: expected {least} or more points, got {len(array)}")
    require_finite(name, array, "point")
    return array


def as_pair(a: Any, b: Any, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """The real and the generated points, (N, d) and (M, d).

    Raises:
        ValueError: as `as_points`, and where d differs.
    """
    a, b = as_points("real", a, least), as_points("generated", b, least)
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"real points have {a.shape[1]} coordinates and generated ones {b.shape[1]}: "
            "both must come from the same features"
        )
    return a, b
