"""The Fréchet distance against closed forms, and against SciPy's matrix square root."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from minigen import Tensor
from minigen.metrics import frechet_distance, gaussian_frechet_distance

seeds = st.integers(0, 2**32 - 1)


def covariance(rng, d):
    a = rng.standard_normal((d, d))
    return a @ a.T / d


@given(seeds, st.integers(1, 6))
def test_it_is_the_formula_with_scipys_square_root(seed, d):
    rng = np.random.default_rng(seed)
    mean1, mean2 = rng.standard_normal((2, d))
    cov1, cov2 = covariance(rng, d), covariance(rng, d)
    expected = np.sum((mean1 - mean2) ** 2) + np.trace(cov1 + cov2 - 2 * sqrtm(cov1 @ cov2).real)
    assert gaussian_frechet_distance(mean1, cov1, mean2, cov2) == pytest.approx(expected, abs=1e-6)


@given(seeds)
def test_commuting_covariances_have_a_closed_form(seed):
    """For N(μ, diag s²) it is ‖μ₁ − μ₂‖² + ‖s₁ − s₂‖²."""
    rng = np.random.default_rng(seed)
    (m1, m2), (s1, s2) = rng.standard_normal((2, 4)), rng.uniform(0, 2, (2, 4))
    distance = gaussian_frechet_distance(m1, np.diag(s1**2), m2, np.diag(s2**2))
    assert distance == pytest.approx(np.sum((m1 - m2) ** 2) + np.sum((s1 - s2) ** 2))


@given(seeds, st.integers(2, 30))
def test_a_shift_of_the_same_points_costs_its_square(seed, count):
    """Also of fewer points than features, whose covariance is singular."""
    rng = np.random.default_rng(seed)
    points, shift = rng.standard_normal((count, 8)), rng.standard_normal(8)
    assert frechet_distance(points, points) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(points, points + shift) == pytest.approx(shift @ shift)


def test_samples_of_gaussians_come_near_the_closed_form():
    rng = np.random.default_rng(0)
    a = rng.normal(0, 1, (20_000, 3)).astype("f")
    b = rng.normal([1, 0, 0], [1, 2, 0.5], (20_000, 3)).astype("f")
    assert frechet_distance(Tensor(a), b) == pytest.approx(1 + 1 + 0.25, abs=0.1)


def test_one_feature_is_enough():
    assert frechet_distance([[0.0], [2.0]], [[3.0], [5.0]]) == pytest.approx(9)


@pytest.mark.parametrize("real, generated, reason", [
    ([[1.0, 2.0]], [[1.0, 2.0], [3.0, 4.0]], "2 or more points, got 1"),
    ([[1.0, 2.0], [3.0, 4.0]], [[1.0], [2.0]], "2 coordinates and generated ones 1"),
    ([1.0, 2.0], [1.0, 2.0], r"shape \(2,\)"),
    ([[1.0, 2.0], [3.0, np.nan]], [[1.0, 2.0], [3.0, 4.0]], "point 1 first"),
])  # fmt: skip
def test_what_has_no_distance_is_refused(real, generated, reason):
    with pytest.raises(ValueError, match=reason):
        frechet_distance(real, generated)


def test_a_matrix_that_is_no_covariance_is_refused():
    with pytest.raises(ValueError, match="no covariance"):
        gaussian_frechet_distance([0, 0], np.diag([1.0, -1.0]), [0, 0], np.eye(2))
