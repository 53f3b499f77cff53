"""The Fréchet distance between two sets of features, each taken as a Gaussian."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.kernels.threads import single_threaded_blas
from minigen.metrics.points import as_numbers, as_pair


@single_threaded_blas()
def frechet_distance(real: Any, generated: Any) -> float:
    """d² = ‖μ₁ − μ₂‖² + Tr(C₁ + C₂ − 2·(C₁·C₂)^½) of the means μ and covariances C of the features
    of real and of generated images (Fréchet 1957; Dowson and Landau 1982; as the "FID" of Heusel et
    al. 2017, arXiv:1706.08500, equation 6, where the features are those of Inception).

    Comparable only with distances in the same features, of the same preprocessing, between as many
    samples: it is biased upwards by their small number, so its value between two sets of real
    images, the floor, belongs beside it. It is never comparable with a published FID unless the
    features are Inception's. It sees means and covariances and nothing else.

    Args:
        real, generated: features, (N, d) and (M, d), two rows or more.

    Raises:
        ValueError: fewer rows, values that are not finite, or features of different length.
    """
    real, generated = as_pair(real, generated, least=2)
    moments = [
        (x.mean(0), np.cov(x, rowvar=False).reshape(x.shape[1], -1)) for x in (real, generated)
    ]
    return gaussian_frechet_distance(*moments[0], *moments[1])


@single_threaded_blas()
def gaussian_frechet_distance(mean1: Any, cov1: Any, mean2: Any, cov2: Any) -> float:
    """The same of two Gaussians: means (d,) and covariances (d, d).

    Tr (C₁·C₂)^½ is the sum of the singular values of √C₁·√C₂, which stays exact where a covariance
    is singular, as it is of fewer samples than features.

    Raises:
        ValueError: a covariance with an eigenvalue clearly below 0.
    """
    root1, root2 = _root(cov1), _root(cov2)
    cross = np.linalg.svd(root1 @ root2, compute_uv=False).sum()
    apart = np.sum((as_numbers(mean1) - as_numbers(mean2)) ** 2)
    distance = apart + np.trace(cov1) + np.trace(cov2) - 2 * cross
    return max(float(distance), 0.0)  # rounding can push 0 below it


def _root(cov: Any) -> np.ndarray:
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(as_numbers(cov))
    if values[0] < -1e-8 * max(values[-1], 0):
        raise ValueError(f"this is no covariance: it has the eigenvalue {values[0]:.3g}")
    return vectors * np.sqrt(values.clip(0)) @ vectors.T
