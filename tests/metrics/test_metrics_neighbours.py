"""Precision, recall, density and coverage against loops, published values, degenerate sets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.metrics import neighbours as module
from minigen.metrics import prdc


def slowly(real, fake, k):
    """The definitions, point by point."""

    def inside(point, others, radii):
        return [np.linalg.norm(point - o) <= r for o, r in zip(others, radii, strict=True)]

    def radii(points):
        return [sorted(np.linalg.norm(points - p, axis=1))[k] for p in points]

    real_radii, fake_radii = radii(real), radii(fake)
    in_real = [inside(p, real, real_radii) for p in fake]
    return (
        np.mean([any(row) for row in in_real]),
        np.mean([any(inside(p, fake, fake_radii)) for p in real]),
        np.mean([sum(row) for row in in_real]) / k,
        np.mean(np.any(in_real, axis=0)),
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 4))
def test_it_is_the_slow_version(seed, k, d):
    rng = np.random.default_rng(seed)
    real = rng.standard_normal((20, d)) + 100  # far from 0, where squares lose digits
    fake = rng.standard_normal((15, d)) * rng.uniform(0.2, 2) + 100
    np.testing.assert_allclose(prdc(real, fake, k), slowly(real, fake, k))


def test_chunks_of_rows_make_no_difference(monkeypatch):
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((50, 3)), rng.standard_normal((41, 3))
    whole = prdc(real, fake)
    monkeypatch.setattr(module, "ROWS", 7)
    assert prdc(real, fake) == whole


def test_two_samples_of_one_gaussian_in_many_dimensions():
    """A few points as in table 1 of Naeem et al. 2020 (N(0, I) in 1,000 dimensions, k = 5),
    whose figures for 10,000 are .477, .471, 1.056 and .974; here each is the slow version's."""
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((2, 120, 1000))
    result = prdc(real, fake)
    np.testing.assert_allclose(result, slowly(real, fake, 5))
    assert 0.5 < result.density < 1.6 and result.coverage > 0.9


def test_points_of_one_set_and_far_away():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((40, 2))
    same = prdc(points, points)
    assert same.precision == same.recall == same.coverage == 1 and same.density >= 1
    assert prdc(points, points + 1000) == (0, 0, 0, 0)
    one_mode = prdc(np.repeat([[0.0, 0], [9, 9]], 10, 0), np.zeros((10, 2)), k=3)
    assert one_mode.precision == 1 and one_mode.recall == one_mode.coverage == 0.5


@pytest.mark.parametrize("real, fake, k, reason", [
    (np.zeros((1, 2)), np.zeros((9, 2)), 5, "real: expected 6 or more points, got 1"),
    (np.zeros((9, 2)), np.zeros((5, 2)), 5, "generated: expected 6 or more points, got 5"),
    (np.zeros((9, 2)), np.full((9, 2), np.nan), 5, "9 of 9 points hold NaN"),
    (np.zeros((9, 2)), np.zeros((9, 3)), 5, "coordinates"),
    (np.zeros((9, 2)), np.zeros((9, 2)), 0, "k must be 1 or more"),
])  # fmt: skip
def test_what_has_no_neighbours_is_refused(real, fake, k, reason):
    with pytest.raises(ValueError, match=reason):
        prdc(real, fake, k)
