"""Optimal transport: SciPy's value in one dimension, every assignment tried, and duality."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance

from minigen.metrics import optimal_assignment, optimal_plan, optimal_prices, wasserstein

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(1, 30))
def test_in_one_dimension_it_is_scipys(seed, count):
    a, b = np.random.default_rng(seed).standard_normal((2, count))
    assert wasserstein(a[:, None], b[:, None]) == pytest.approx(wasserstein_distance(a, b))


@given(seeds, st.integers(1, 5))
def test_no_assignment_is_cheaper(seed, count):
    a, b = np.random.default_rng(seed).standard_normal((2, count, 2))
    cost = cdist(a, b)
    least = min(
        cost[range(count), order].mean()
        for order in map(list, itertools.permutations(range(count)))
    )
    assert wasserstein(a, b) == pytest.approx(least)
    squares = cost**2
    order = optimal_assignment(a, b)
    assert sorted(order) == list(range(count))
    assert squares[range(count), order].sum() == pytest.approx(
        min(squares[range(count), o].sum() for o in map(list, itertools.permutations(order)))
    )


def test_identical_sets_in_another_order_and_a_shift():
    a = np.random.default_rng(0).standard_normal((50, 3))
    assert wasserstein(a, a[::-1]) == 0
    assert wasserstein(a, a + [3, 0, 4]) == pytest.approx(5)


@given(seeds, st.integers(1, 6), st.integers(1, 6))
def test_primal_and_dual_meet(seed, n, m):
    """For a general cost, negative ones too."""
    rng = np.random.default_rng(seed)
    p, q, cost = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m)), rng.normal(size=(n, m))
    plan, prices = optimal_plan(p, q, cost), optimal_prices(p, q, cost)
    assert plan.value == pytest.approx(prices.value, abs=1e-9)
    assert (plan.plan * cost).sum() == pytest.approx(plan.value, abs=1e-9)
    np.testing.assert_allclose(plan.plan.sum(1), p, atol=1e-9)
    np.testing.assert_allclose(plan.plan.sum(0), q, atol=1e-9)
    slack = cost - prices.f[:, None] - prices.g
    assert (plan.plan >= -1e-12).all() and (slack > -1e-9).all()
    assert np.abs(slack * plan.plan).max() < 1e-9  # mass moves only where the prices are tight


@given(seeds)
def test_on_a_line_it_is_scipys_and_the_dual_is_a_lipschitz_function(seed):
    rng = np.random.default_rng(seed)
    places = np.sort(rng.uniform(-3, 3, 7))
    p, q = rng.dirichlet(np.ones(7), size=2)
    metric = np.abs(places[:, None] - places)
    prices = optimal_prices(p, q, metric)
    assert prices.value == pytest.approx(wasserstein_distance(places, places, p, q))
    # Where f(x) = min over y of c(x, y) − g(y), f is 1-Lipschitz and E_p f − E_q f is as large.
    f = (metric - prices.g).min(1)
    assert (np.abs(f[:, None] - f) <= metric + 1e-9).all()
    assert f @ p - f @ q == pytest.approx(prices.value)


@pytest.mark.parametrize("a, b, reason", [
    (np.zeros((3, 2)), np.zeros((4, 2)), "3 and 4 points"),
    (np.zeros((0, 2)), np.zeros((0, 2)), "got 0"),
    (np.zeros((3, 2)), np.full((3, 2), np.inf), "infinity"),
])  # fmt: skip
def test_sets_that_cannot_be_assigned_are_refused(a, b, reason):
    with pytest.raises(ValueError, match=reason):
        wasserstein(a, b)


@pytest.mark.parametrize("p, q, cost, reason", [
    ([1.0], [1.0], [[1.0, 2.0]], r"costs \(n, m\)"),
    ([0.5, 0.6], [1.0], [[1.0], [2.0]], "p must be probabilities"),
    ([1.0], [1.5, -0.5], [[1.0, 2.0]], "q must be probabilities"),
    ([1.0], [1.0], [[np.nan]], "finite costs"),
])  # fmt: skip
def test_what_is_no_transport_problem_is_refused(p, q, cost, reason):
    for solve in (optimal_plan, optimal_prices):
        with pytest.raises(ValueError, match=reason):
            solve(p, q, cost)
