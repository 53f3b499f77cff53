"""log p(x) by importance sampling, and active units."""

import math

import numpy as np
import pytest
from scipy.special import logsumexp

from minigen import Tensor, metrics


def noted(weights):
    """A function that hands out log-weights (k, N), rows in turn, and notes how many at a time."""
    taken, sizes = np.zeros(weights.shape[1], int), []

    def log_weights(images, samples):
        columns = images.array.astype(int)
        rows = taken[columns[0]] + np.arange(samples)
        taken[columns] += samples
        sizes.append(samples * len(columns))
        return Tensor(weights[rows][:, columns])

    return log_weights, sizes


@pytest.mark.parametrize("rows", [1, 3, 8, 40, 1000])
def test_it_is_the_mean_weight_whatever_fits_memory(rows):
    weights = 5 * np.random.default_rng(0).standard_normal((8, 10))
    log_weights, sizes = noted(weights)
    images = Tensor(np.arange(10))
    got = metrics.log_likelihood(log_weights, images, samples=8, rows=rows)
    np.testing.assert_allclose(got, logsumexp(weights, 0) - math.log(8))
    assert max(sizes) <= max(rows, 1) and sum(sizes) == 80


def test_weights_may_differ_by_e_to_the_thousand():
    weights = np.array([[-1000.0, 0.0], [0.0, 1000.0], [-np.inf, -1000.0]])
    for rows in 1, 10:
        log_weights, _ = noted(weights)
        got = metrics.log_likelihood(log_weights, Tensor(np.arange(2)), samples=3, rows=rows)
        np.testing.assert_allclose(got, [-math.log(3), 1000 - math.log(3)])


def test_what_cannot_be_estimated():
    log_weights, _ = noted(np.full((2, 2), np.nan))
    with pytest.raises(ArithmeticError, match="NaN"):
        metrics.log_likelihood(log_weights, Tensor(np.arange(2)), samples=2)
    with pytest.raises(ValueError, match="0 and 2000"):
        metrics.log_likelihood(log_weights, Tensor(np.arange(2)), samples=0)
    with pytest.raises(ValueError, match="2 or more points"):
        metrics.active_units(np.zeros((1, 3)))


def test_a_latent_that_does_not_vary_is_not_active():
    rng = np.random.default_rng(0)
    means = rng.standard_normal((4000, 3)) * [1.0, 0.05, 0.2]
    found = metrics.active_units(means)
    assert found.count == 2
    np.testing.assert_allclose(found.variance, means.var(0))
    assert metrics.active_units(means, threshold=0.001).count == 3
