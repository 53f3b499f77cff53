"""How evenly a generator's pictures change on a way between two codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.metrics.points import as_pair


def slerp(a: np.ndarray, b: np.ndarray, t: np.ndarray | float) -> np.ndarray:
    """From rows a (N, d), t = 0, to rows b, t = 1 (t a number, or (N, 1)), by equal angles on the
    sphere, where z ~ N(0, I) lies (Shoemake 1985): what is midway on the chord is too short for a
    z. Gives unit vectors times the length that lies between those of a and b. A row of zeros, which
    has no direction, takes the other's."""
    dtype, a, b = a.dtype, a.astype(np.float64), b.astype(np.float64)
    lengths = [np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b)]
    a, b = (x / np.where(length > 0, length, 1) for x, length in zip((a, b), lengths, strict=True))
    a, b = np.where(lengths[0] > 0, a, b), np.where(lengths[1] > 0, b, a)
    angle = np.arccos(np.clip((a * b).sum(1, keepdims=True), -1, 1))
    across = b - a * np.cos(angle)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    turned = a * np.cos(t * angle) + across * np.sin(t * angle)
    return (turned * (lengths[0] + t * (lengths[1] - lengths[0]))).astype(dtype)


def path_length(first: Any, second: Any, epsilon: float) -> float:
    """E [d² / ε²], d the distance of the features of a picture, `first` (N, d), from those of the
    picture ε further on its way, `second`: perceptual path length (Karras et al. 2019,
    arXiv:1812.04948, section 4.1; without the 1 % at each end, rounded down, as their code does).

    A way is straight and even in the features if its length is their distance from end to end,
    which is the shortest. The paper takes LPIPS and ε = 1e-4; in float32 that small a step drowns
    in rounding. A length compares with those in the same features alone. A generator that draws
    one picture has 0: look at it beside the Fréchet distance, and divide it by the mean of d²
    between two random pictures.

    Raises:
        ValueError: no such features, or ε is not above 0.
    """
    first, second = as_pair(first, second, least=1)
    if first.shape != second.shape or not epsilon > 0:
        raise ValueError(
            f"path_length: expected as many features of both and ε above 0, got {first.shape},"
            f" {second.shape} and {epsilon}"
        )
    d = np.square(second - first).sum(1) / epsilon**2
    low, high = (np.quantile(d, q, method=end) for q, end in ((0.01, "lower"), (0.99, "higher")))
    return float(d[(low <= d) & (d <= high)].mean())
