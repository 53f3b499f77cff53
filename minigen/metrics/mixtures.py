"""Which modes of a mixture a model covers, and how well its samples sit in them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import rel_entr

from minigen.metrics.points import as_points


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
    if points.shape[1] != centres.shape[1]:
        raise ValueError(
            f"mode_coverage: points have {points.shape[1]} coordinates, centres {centres.shape[1]}"
        )
    if not sigma > 0 or not within > 0:
        raise ValueError(
            f"mode_coverage: sigma and within must be above 0, not {sigma} and {within}"
        )
    distance = cdist(points, centres)  # (N, K)
    nearest = distance.argmin(1)
    good = distance.min(1) <= within * sigma
    share = np.bincount(nearest, minlength=len(centres)) / len(points)
    return Modes(
        covered=len(np.unique(nearest[good])),
        high_quality=float(good.mean()),
        reverse_kl=float(rel_entr(share, 1 / len(centres)).sum()),
    )
