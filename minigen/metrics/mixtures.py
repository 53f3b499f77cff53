"""Which modes of a mixture a model covers, and how well its samples sit in them; which modes of
another mixture it translates to which."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import rel_entr

from minigen.metrics.points import as_numbers, as_points


class Modes(NamedTuple):
    """What `mode_coverage` returns."""

    covered: int  # modes with at least one high-quality sample
    high_quality: float  # share of samples within `within` standard deviations of a mode
    reverse_kl: float  # KL(generated ‖ real) over the modes, in nats


def mode_coverage(points: Any, centres: Any, sigma: float, within: float = 3.0) -> Modes:
    """Modes covered, share of high-quality samples, and reverse KL, of samples from a mixture of
    equally probable Gaussians: the protocol of VEEGAN (Srivastava et al. 2017, section 5) and
    PacGAN (Lin et al. 2018, section 4.1).

    Each sample belongs to the mode whose centre is nearest. It is of high quality within 3σ of it
    (exact samples in the plane are with probability 1 − e^(−9/2) = 98.9 %); a mode is covered if
    it has a sample of high quality. With p_k the share of the samples that belong to mode k, all
    counted, KL = Σ p_k log(K·p_k).

    Not comparable where the number of samples differs (more samples hit more modes; the papers take
    2,500 and 1,000), nor with a KL of histograms over the plane.

    Args:
        points: samples, (N, d).
        centres: of the Gaussians, (K, d).
        sigma: their standard deviation.
        within: the radius of high quality, in standard deviations.

    Raises:
        ValueError: shapes that do not fit, values that are not finite, sigma not above 0.
    """
    points, centres = as_points("points", points), as_points("centres", centres)
    good, nearest = _in_modes("mode_coverage", points, centres, sigma, within)
    share = np.bincount(nearest, minlength=len(centres)) / len(points)
    return Modes(
        covered=len(np.unique(nearest[good])),
        high_quality=float(good.mean()),
        reverse_kl=float(rel_entr(share, 1 / len(centres)).sum()),
    )


class Translated(NamedTuple):
    """What `translated_modes` returns."""

    covered: int  # modes that enough samples are in
    sharing: int  # source modes of which enough samples are in a mode that another is in, too
    high_quality: float  # share of samples within `within` standard deviations of a mode


def translated_modes(
    points: Any, centres: Any, sigma: float, within: float = 3.0, least: float = 0.01
) -> Translated:
    """Modes covered, source modes that share one, and the share of high-quality samples, of what a
    model made of samples of another mixture: what figure 4 of DiscoGAN (Kim et al. 2017) shows, in
    numbers of this project.

    A sample is in a mode if it is within 3σ of its centre, and there is none nearer. Enough are
    `least` of all samples, 1 %, so that the few that lie on the way from one mode to another are
    not counted.

    Args:
        points: translated samples of S source modes, n of each, (S, n, d).
        centres: of the target's Gaussians, (K, d).
        sigma: their standard deviation.
        within: the radius of high quality, in standard deviations.
        least: the share of all samples that is enough.

    Raises:
        ValueError: shapes that do not fit, values that are not finite, sigma not above 0.
    """
    points = as_numbers(points)
    if points.ndim != 3:
        raise ValueError(f"translated_modes: expected points (S, n, d), got {points.shape}")
    flat = as_points("points", points.reshape(-1, points.shape[2]))
    centres = as_points("centres", centres)
    good, nearest = _in_modes("translated_modes", flat, centres, sigma, within)
    source = np.repeat(np.arange(len(points)), points.shape[1])
    counts = np.zeros((len(points), len(centres)))
    np.add.at(counts, (source[good], nearest[good]), 1)
    reached = counts >= least * len(flat)  # (S, K)
    contested = reached.sum(0) > 1
    return Translated(
        covered=int((counts.sum(0) >= least * len(flat)).sum()),
        sharing=int(reached[:, contested].any(1).sum()),
        high_quality=float(good.mean()),
    )


def _in_modes(
    name: str, points: np.ndarray, centres: np.ndarray, sigma: float, within: float
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each of the points (N, d) is of high quality, and its nearest mode: (N,) both."""
    if points.shape[1] != centres.shape[1]:
        raise ValueError(
            f"{name}: points have {points.shape[1]} coordinates, centres {centres.shape[1]}"
        )
    if not sigma > 0 or not within > 0:
        raise ValueError(f"{name}: sigma and within must be above 0, not {sigma} and {within}")
    distance = cdist(points, centres)  # (N, K)
    return distance.min(1) <= within * sigma, distance.argmin(1)
