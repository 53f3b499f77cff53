"""How probable a model with latents finds the data: log p(x) by importance sampling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minigen
from minigen import Tensor
from minigen.display import progress
from minigen.metrics.points import as_points


def log_likelihood(
    log_weights: Callable[[Tensor, int], Tensor],
    images: Tensor,
    samples: int = 5000,
    rows: int = 2000,
) -> np.ndarray:
    """log p(x) ≈ log (1/k)·Σ_i w_i with w = p(x|z)·p(z) / q(z|x) and k latents z ~ q(z|x) for each
    image (Burda et al. 2016, arXiv:1509.00519, equation 8, with k = 5,000 in table 1), in nats.

    Its mean is a lower bound of log p(x), which rises with k, so estimates compare only at the same
    k. Where the images are densities (a Gaussian likelihood) they are no probabilities.

    Args:
        log_weights: (images (N, …), k) -> log w, (k, N), such as `VAE.log_weights`.
        images: (N, …).
        samples: k.
        rows: the most latents that are in memory at a time.

    Returns:
        An estimate for each image, (N,), float64.

    Raises:
        ValueError: no images, or numbers below 1.
        ArithmeticError: a weight is NaN.
    """
    if min(samples, rows, len(images)) < 1:
        raise ValueError(
            f"log_likelihood: expected images, samples and rows, got {len(images)}, {samples} and "
            f"{rows}"
        )
    at_once = max(1, rows // samples)  # images
    total = np.full(len(images), -np.inf)  # log Σ w so far
    with minigen.no_grad():
        for i in progress(range(0, len(images), at_once)):
            part = images[i : i + at_once]
            here = total[i : i + at_once]
            for j in range(0, samples, rows):
                weights = log_weights(part, min(rows, samples - j)).numpy().astype(np.float64)
                if np.isnan(weights).any():
                    raise ArithmeticError("log_likelihood: a weight is NaN: the model has diverged")
                here[...] = np.logaddexp(here, np.logaddexp.reduce(weights, axis=0))
    return total - math.log(samples)


class ActiveUnits(NamedTuple):
    """What `active_units` returns."""

    count: int
    variance: np.ndarray  # of each latent, (latent,)
    threshold: float


def active_units(means: Any, threshold: float = 0.01) -> ActiveUnits:
    """How many latents a model uses: those whose posterior mean has a variance over the data above
    the threshold, Var_x(E[z_u|x]) > 0.01 (Burda et al. 2016, section 5.2). It is 0 for a latent
    that is the same for all images, which a VAE gives up.

    Args:
        means: of q(z|x) for each image, (N, latent), N > 1.

    Raises:
        ValueError: another shape, one image, or numbers that are not finite.
    """
    variance = as_points("means", means, least=2).var(0)
    return ActiveUnits(int((variance > threshold).sum()), variance, threshold)
