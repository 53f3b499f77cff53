"""Divergences of densities on a line, by numerical integration."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import rel_entr, xlogy

from minigen.metrics.points import as_numbers


def jensen_shannon(p: Any, q: Any, x: Any) -> float:
    """JSD(p, q) = ½·KL(p ‖ m) + ½·KL(q ‖ m) with m = (p + q) / 2, in nats: 0 of equals, log 2 where
    nowhere are both above 0 (Lin 1991), by the trapezoidal rule.

    Only as exact as the grid is fine and wide; not its square root, the Jensen–Shannon distance.

    Args:
        p, q: the densities at the places x, (n,).
        x: ascending, (n,).

    Raises:
        ValueError: densities below 0 or not finite, or lengths that differ.
    """
    p, q, x = _densities(p, q, x)
    m = (p + q) / 2
    return float(np.trapezoid(rel_entr(p, m) + rel_entr(q, m), x) / 2)


def discriminator_value(p: Any, q: Any, x: Any, d: Any) -> float:
    """V(D, G) = ∫ p·log D + q·log(1 − D) of a discriminator with the values d at x (Goodfellow et
    al. 2014, equation 3), by the trapezoidal rule. Its maximum over D is at D* = p / (p + q), where
    it is 2·JSD(p, q) − log 4 (theorem 1).

    Raises:
        ValueError: as `jensen_shannon`, or values outside [0, 1].
    """
    p, q, x = _densities(p, q, x)
    d = as_numbers(d)
    if d.shape != x.shape or not ((d >= 0) & (d <= 1)).all():
        raise ValueError(f"d: expected {x.shape} probabilities, got {d.shape}: {d}")
    return float(np.trapezoid(xlogy(p, d) + xlogy(q, 1 - d), x))


def _densities(p: Any, q: Any, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    p, q, x = map(as_numbers, (p, q, x))
    if x.ndim != 1 or p.shape != x.shape or q.shape != x.shape or not (np.diff(x) > 0).all():
        raise ValueError(
            f"expected densities at ascending places (n,), got {p.shape}, {q.shape} at {x.shape}"
        )
    for name, density in ("p", p), ("q", q):
        if not (np.isfinite(density) & (density >= 0)).all():
            raise ValueError(f"{name}: a density must be finite and nowhere below 0")
    return p, q, x
