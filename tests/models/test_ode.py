"""Ways along a field: their order of exactness, and the densities on them."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.stats import multivariate_normal

from minigen import Tensor
from minigen.models import ode

seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("method, order", [("euler", 1), ("heun", 2), ("runge-kutta", 4)])
def test_the_error_falls_with_its_power_of_the_step(method, order):
    """dz/dt = z·cos t, of which z = e^(sin t) is the way; back again too."""
    for first, last in (0.0, 2.0), (2.0, 0.0):
        start = Tensor(np.array([[math.exp(math.sin(first))]]))
        errors = []
        for steps in 16, 32, 64:
            times = np.linspace(first, last, steps + 1)
            found = ode.end(lambda z, t: z * math.cos(t), start, times, method).item()
            errors.append(abs(found - math.exp(math.sin(last))))
        for a, b in itertools.pairwise(errors):
            assert math.log2(a / b) == pytest.approx(order, abs=0.3)


@given(seeds, st.integers(1, 3))
def test_the_divergence_is_the_trace(seed, d):
    rng = np.random.default_rng(seed)
    a, z = rng.standard_normal((2, d, d)), rng.standard_normal((4, d))
    v, trace = ode.divergence(lambda z, t: (z @ Tensor(a[0])).sin() * t, Tensor(z), 2.0)
    np.testing.assert_allclose(v.array, 2 * np.sin(z @ a[0]))
    expected = [2 * np.trace(np.cos(row @ a[0]) * a[0]) for row in z]
    np.testing.assert_allclose(trace.array, expected, atol=1e-9)
    assert not v.requires_grad and not trace.requires_grad


@given(seeds)
def test_a_linear_field_turns_one_gaussian_into_another(seed):
    """z_1 = e^A·z_0 has the covariance e^A·e^Aᵀ."""
    rng = np.random.default_rng(seed)
    a, points = 0.5 * rng.standard_normal((2, 2)), rng.standard_normal((5, 2))
    found = ode.log_density(
        lambda z, t: z @ Tensor(a.T), Tensor(points), np.linspace(1, 0, 17), ode.log_normal
    )
    turned = expm(a)
    expected = multivariate_normal(cov=turned @ turned.T).logpdf(points)
    np.testing.assert_allclose(found.array, expected, atol=2e-4)


def test_the_gaussian_and_what_is_no_method():
    z = np.random.default_rng(0).standard_normal((4, 3))
    expected = multivariate_normal(np.zeros(3), 4 * np.eye(3)).logpdf(z)
    np.testing.assert_allclose(ode.log_normal(Tensor(z), 2.0).array, expected)
    with pytest.raises(ValueError, match="euler, heun, runge-kutta, not 'simpson'"):
        ode.end(lambda z, t: z, Tensor(z), [0.0, 1.0], "simpson")
