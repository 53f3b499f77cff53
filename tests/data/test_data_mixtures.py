"""Rings, grids and the parabola: where their points lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import Generator
from minigen.data.mixtures import Parabola, grid, ring


def test_centres_are_those_of_the_papers():
    assert np.allclose(ring(4).centres, [[1, 0], [0, 1], [-1, 0], [0, -1]])
    assert np.linalg.norm(ring().centres, axis=1) == pytest.approx(1) and ring().sigma == 0.01
    line = {-4.0, -2.0, 0.0, 2.0, 4.0}
    assert {tuple(c) for c in grid().centres} == {(x, y) for x in line for y in line}


@pytest.mark.parametrize("mixture", [ring(3, sigma=0.1), grid(2, sigma=0.1)])
def test_samples_have_the_modes_shares_and_spread(mixture):
    points = mixture.sample(20_000, Generator(0))
    assert points.shape == (20_000, 2) and points.dtype == np.float32
    offsets = points.array[:, None] - mixture.centres
    nearest = np.linalg.norm(offsets, axis=2).argmin(1)
    share = np.bincount(nearest) / len(points)
    assert share == pytest.approx(1 / len(mixture.centres), abs=0.02)
    own = offsets[np.arange(len(points)), nearest]
    assert own.std(0) == pytest.approx(0.1, rel=0.05) and np.abs(own.mean(0)).max() < 0.01
    again = mixture.sample(20_000, Generator(0))
    assert np.array_equal(points.array, again.array)


@given(st.integers(0, 2**32 - 1))
def test_the_distance_to_the_parabola_is_that_of_its_nearest_point(seed):
    points = np.random.default_rng(seed).uniform(-2, 3, (20, 2))
    t = np.linspace(-1, 1, 20_001)
    nearest = [np.hypot(x - t, y - t * t).min() for x, y in points]
    np.testing.assert_allclose(Parabola().distance(points), nearest, atol=1e-4)


def test_points_of_the_parabola_lie_on_it():
    points = Parabola().sample(1000, Generator(0)).array
    assert Parabola().distance(points).max() < 1e-7
    assert points[:, 0].min() < -0.99 and points[:, 0].max() > 0.99
    assert Parabola().distance([[0, -0.5], [2, 1], [0, 0.3]]) == pytest.approx([0.5, 1, 0.3])


@pytest.mark.parametrize("make", [ring, grid])
def test_a_mixture_of_nothing_is_refused(make):
    with pytest.raises(ValueError, match="1 or more|1 mode or more"):
        make(0)
