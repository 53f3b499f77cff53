"""Points in the plane whose distribution is known, so that one can count what a model misses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

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

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """log p of points (N, 2), (N,), in nats."""
        apart = np.asarray(points, np.float64)[:, None] - self.centres
        each = -0.5 * (apart**2).sum(2) / self.sigma**2
        return logsumexp(each, 1) - np.log(2 * np.pi * self.sigma**2 * len(self.centres))


class Checkerboard:
    """Points spread evenly over the black squares of a board of 4 × 4, of side 1, round 0."""

    def sample(self, count: int, generator: Generator | None = None) -> Tensor:
        """`count` points, (count, 2) in float32, from `generator` or the default stream."""
        u = F.rand(count, 3, generator=generator, dtype="float64").array
        x = 4 * u[:, 0] - 2
        row = np.floor(x) % 2 + 2 * np.floor(2 * u[:, 1]) - 2  # one of the two in its column
        return Tensor(np.stack([x, row + u[:, 2]], 1).astype(np.float32))

    def log_density(self, points: np.ndarray) -> np.ndarray:
        """log p of points (N, 2), (N,), in nats: −log 8 on black, −∞ elsewhere."""
        points = np.asarray(points, np.float64)
        black = (np.floor(points).sum(1) % 2 == 0) & (abs(points) <= 2).all(1)
        return np.where(black, -np.log(8), -np.inf)


class Curve:
    """Points beside a curve, with noise of standard deviation `sigma`."""

    def __init__(self, curve: Callable[[np.ndarray], np.ndarray], sigma: float):
        self.curve, self.sigma = curve, sigma

    def sample(self, count: int, generator: Generator | None = None) -> Tensor:
        """`count` points, (count, 2) in float32, from `generator` or the default stream."""
        u = F.rand(count, generator=generator, dtype="float64").array
        noise = F.randn(count, 2, generator=generator)
        return noise * self.sigma + Tensor(self.curve(u).astype(np.float32))


def moons(sigma: float = 0.1) -> Curve:
    """Two half circles, each with an end inside the other, as scikit-learn has them, round 0."""

    def curve(u: np.ndarray) -> np.ndarray:
        turn, second = np.pi * (2 * u % 1), u >= 0.5
        x, y = np.cos(turn), np.sin(turn)
        return np.stack(
            [np.where(second, 0.5 - x, x - 0.5), np.where(second, 0.25 - y, y - 0.25)], 1
        )

    return Curve(curve, sigma)


def swiss_roll(sigma: float = 0.05) -> Curve:
    """A spiral of one and a half turns round 0, that of scikit-learn's roll from its end, of radius
    0.5 to 1.5; by u, not by length, so that its inside is denser."""

    def curve(u: np.ndarray) -> np.ndarray:
        turn = 1.5 * np.pi * (1 + 2 * u)
        return (turn / (3 * np.pi))[:, None] * np.stack([np.cos(turn), np.sin(turn)], 1)

    return Curve(curve, sigma)


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
