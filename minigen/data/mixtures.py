"""Points in the plane whose distribution is known, so that one can count what a model misses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minigen import functional as F
from minigen.backend import Generator
from minigen.tensor import Tensor


@dataclass(frozen=True, eq=False)
class Mixture:
    """Equally probable Gaussians of one standard deviation `sigma`, round `centres`, (K, 2)."""

    centres: np.ndarray
    sigma: float

    def sample(self, count: int, generator: Generator | None = None) -> Tensor:
        """`count` points, (count, 2) in float32, from `generator` or the default stream."""
        share = F.rand(count, generator=generator, dtype="float64").array
        which = (share * len(self.centres)).astype(np.int64)
        noise = F.randn(count, 2, generator=generator)
        return noise * self.sigma + Tensor(self.centres[which].astype(np.float32))


def ring(modes: int = 8, radius: float = 1.0, sigma: float = 0.01) -> Mixture:
    """Gaussians evenly on a circle round 0; as here the "2D-ring" of VEEGAN and PacGAN.

    Raises:
        ValueError: fewer than one mode.
    """
    if modes < 1:
        raise ValueError(f"ring: expected 1 mode or more, got {modes}")
    angle = 2 * np.pi * np.arange(modes) / modes
    return Mixture(radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), sigma)


def grid(side: int = 5, spacing: float = 2.0, sigma: float = 0.05) -> Mixture:
    """Gaussians on a square grid of side × side round 0; as here the "2D-grid" of VEEGAN and
    PacGAN.

    Raises:
        ValueError: a side below 1.
    """
    if side < 1:
        raise ValueError(f"grid: expected a side of 1 or more, got {side}")
    line = spacing * (np.arange(side) - (side - 1) / 2)
    return Mixture(np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2), sigma)


class Parabola:
    """Points (x, x²) with x ~ U(−1, 1)."""

    def sample(self, count: int, generator: Generator | None = None) -> Tensor:
        """`count` points, (count, 2) in float32, from `generator` or the default stream."""
        x = F.rand(count, 1, generator=generator) * 2 - 1
        return F.cat([x, x * x], 1)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """How far each of the points (N, 2) is from the curve: (N,).

        The nearest of 401 points of the curve, moved along it by Newton's method to where
        d/dt ½‖(t, t²) − (x, y)‖² = 2t³ + (1 − 2y)·t − x is 0, or to an end of the curve.
        """
        x, y = np.asarray(points, np.float64).T
        start = np.linspace(-1, 1, 401)
        t = start[((x[:, None] - start) ** 2 + (y[:, None] - start**2) ** 2).argmin(1)]
        for _ in range(8):
            slope = np.maximum(6 * t**2 + 1 - 2 * y, 0.1)  # positive at a minimum
            t = np.clip(t - (2 * t**3 + (1 - 2 * y) * t - x) / slope, -1, 1)
        return np.hypot(x - t, y - t * t)
