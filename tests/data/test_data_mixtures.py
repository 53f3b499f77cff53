"""Rings, grids, boards and curves: where their points lie, and how densely."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import Generator
from minigen.data.mixtures import Checkerboard, Parabola, grid, moons, ring, swiss_roll


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


@pytest.mark.parametrize("source", [ring(3, 1.0, 0.3), Checkerboard()])
def test_densities_sum_to_one_and_are_those_of_the_samples(source):
    line = (np.arange(400) + 0.5) / 80 - 2.5  # between the board's lines
    p = np.exp(source.log_density(np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)))
    assert p.sum() / 80**2 == pytest.approx(1, abs=1e-6)
    points = source.sample(40_000, Generator(0)).array
    assert points.shape == (40_000, 2) and points.dtype == np.float32
    counts, *_ = np.histogram2d(*points.T, bins=10, range=[[-2.5, 2.5]] * 2)
    expected = p.reshape(10, 40, 10, 40).sum((1, 3)).T / 80**2 * 40_000
    assert (abs(counts - expected) < 5 * np.sqrt(expected) + 1).all()
    assert source.log_density(points).min() > -20


def test_moons_and_the_roll_are_curves_with_noise():
    for curve in moons(0.0), swiss_roll(0.0):
        points = curve.sample(2000, Generator(0)).array
        again = curve.sample(2000, Generator(0)).array
        np.testing.assert_array_equal(points, again)
        assert abs(points.mean(0)).max() < 0.25 and abs(points).max() < 1.6
    x, y = moons(0.0).sample(2000, Generator(0)).array.T
    on_first = np.isclose(np.hypot(x + 0.5, y + 0.25), 1) & (y > -0.251)
    on_second = np.isclose(np.hypot(x - 0.5, y - 0.25), 1) & (y < 0.251)
    assert (on_first | on_second).all() and 900 < on_first.sum() < 1100
    radius = np.linalg.norm(swiss_roll(0.0).sample(2000, Generator(0)).array, axis=1)
    assert radius.min() >= 0.5 and radius.max() <= 1.5 and radius.std() > 0.25
    clean, noisy = (swiss_roll(s).sample(20_000, Generator(1)).array for s in (0.0, 0.2))
    assert (noisy - clean).std() == pytest.approx(0.2, rel=0.02) and math.isfinite(noisy.sum())
