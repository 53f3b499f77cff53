"""Perceptual path length, and ways on the sphere."""

import numpy as np
import pytest

from minigen import Tensor
from minigen.metrics import path_length, slerp


def test_the_path_length_of_a_known_speed():
    rng = np.random.default_rng(0)
    first, way = rng.standard_normal((2, 500, 4))
    way *= 3 / np.linalg.norm(way, axis=1, keepdims=True)
    for epsilon in 1e-1, 1e-3:
        assert path_length(first, first + epsilon * way, epsilon) == pytest.approx(9, rel=1e-6)
    assert path_length(Tensor(first), Tensor(first), 0.1) == 0
    wild = first + 0.1 * way
    wild[0] += 1e6  # one in 500 is not looked at
    assert path_length(first, wild, 0.1) == pytest.approx(9)
    with pytest.raises(ValueError, match="as many features"):
        path_length(first, first[:3], 0.1)
    with pytest.raises(ValueError, match="above 0"):
        path_length(first, first, 0)


@pytest.mark.parametrize("count", [1, 2, 3, 50, 201])
def test_of_any_number_of_ways_one_in_a_hundred_at_each_end_is_left_out(count):
    """Of few none is, and of two not both."""
    d = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    out = int((count - 1) * 0.01)
    expected = np.arange(1.0 + out, count - out + 1).mean()
    assert path_length(np.zeros((count, 1)), np.sqrt(d)[:, None], 1.0) == pytest.approx(expected)


def test_a_way_on_the_sphere_has_one_speed():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 20, 64)).astype(np.float32)
    places = np.stack([slerp(a, b, t) for t in np.linspace(0, 1, 11)])
    assert places.dtype == np.float32
    np.testing.assert_allclose(places[0], a, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(places[-1], b, rtol=1e-4, atol=1e-5)
    lengths = np.linalg.norm(places, axis=2, keepdims=True)
    np.testing.assert_allclose(np.diff(lengths, 2, axis=0), 0, atol=1e-4)
    unit = places / lengths
    cosines = (unit[1:] * unit[:-1]).sum(2)
    np.testing.assert_allclose(cosines, cosines[:1].repeat(10, 0), atol=1e-5)
    np.testing.assert_allclose(slerp(a, 2 * a, 0.5), 1.5 * a, rtol=1e-5)  # no angle
    nothing = np.zeros_like(a)  # has no direction of its own
    for t in 0, 0.25, 1:
        np.testing.assert_allclose(slerp(a, nothing, t), (1 - t) * a, rtol=1e-5)
        np.testing.assert_allclose(slerp(nothing, a, t), t * a, rtol=1e-5)
        assert (slerp(nothing, nothing, t) == 0).all()
    each = slerp(a, b, np.full((20, 1), 0.5, np.float32))
    np.testing.assert_allclose(each, places[5], rtol=1e-5, atol=1e-5)
