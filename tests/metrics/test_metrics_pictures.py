"""Errors of pairs, and how alike two sets of pictures are."""

import numpy as np
import pytest

from minigen.metrics import pictures as P

rng = np.random.default_rng(0)


def test_errors_are_means_over_pixels_or_over_some():
    made, truth = rng.random((2, 4, 3, 5, 5))
    where = rng.random((4, 5, 5)) < 0.4
    where[3] = False
    assert P.absolute_error(made, truth) == pytest.approx(abs(made - truth).mean((1, 2, 3)))
    over = P.squared_error(made, truth, where)
    for i in range(3):
        assert over[i] == pytest.approx(((made - truth)[i][:, where[i]] ** 2).mean())
    assert np.isnan(over[3])


def test_ink_is_what_is_no_background_in_any_hand():
    white = np.ones((3, 3, 6, 6))
    one, two = white.copy(), 0 * white
    one[:, 1, 2, 2] = 0.5
    two[0, :, 3, 3] = 1
    found = P.ink(one, two)
    assert found[0, 2, 2] and found[0, 3, 3] and found[1, 2, 2] and found.sum() == 4


def test_the_partner_is_nearest_or_not():
    truth = rng.random((6, 3, 4, 4))
    assert P.retrieval(truth + 0.01, truth) == 1
    assert P.retrieval(np.roll(truth, 1, axis=0), truth) == 0
    assert P.retrieval(truth[[0, 0, 0, 3, 4, 5]], truth) == pytest.approx(4 / 6)
    assert P.retrieval(np.zeros((6, 2)), np.ones((6, 2))) == pytest.approx(1 / 6)


def test_the_kernel_distance_is_that_of_the_definition_and_unbiased():
    x, y = rng.standard_normal((7, 4)), rng.standard_normal((5, 4)) + 0.5

    def k(a, b):
        return (a @ b / 4 + 1) ** 3

    within = [
        np.mean([k(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j])
        for s in (x, y)
    ]
    across = np.mean([k(a, b) for a in x for b in y])
    assert P.kernel_distance(x, y) == pytest.approx(sum(within) - 2 * across)
    samples = rng.standard_normal((300, 2, 8, 4))
    found = np.array([P.kernel_distance(*pair) for pair in samples])
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(len(found)) and found.min() < 0
    assert P.kernel_distance(rng.standard_normal((50, 4)), rng.standard_normal((50, 4)) + 2) > 5
    with pytest.raises(ValueError, match="real: expected 2 or more points, got 1"):
        P.kernel_distance(x[:1], y)


def test_histograms_are_alike_or_apart():
    a = rng.random(1000)
    assert P.histogram_distance(a, a[::-1], 0, 1) == 0
    assert P.histogram_distance(a * 0.4, a * 0.4 + 0.5, 0, 1) == pytest.approx(1)
    assert P.histogram_distance(np.r_[a * 0.01, a * 0.01 + 0.5], a * 0.01, 0, 1) == pytest.approx(
        0.5
    )


def test_steepness_and_colours():
    slope = np.zeros((1, 3, 4, 4))
    slope[:] = 0.1 * np.arange(4) + 0.2 * np.arange(4)[:, None]
    assert P.gradient_magnitude(slope) == pytest.approx(np.hypot(0.1, 0.2))
    # Published for sRGB's primaries and a grey under D65.
    known = {
        (1, 1, 1): (100, 0, 0), (0, 0, 0): (0, 0, 0), (1, 0, 0): (53.24, 80.09, 67.20),
        (0, 1, 0): (87.73, -86.18, 83.18), (0, 0, 1): (32.30, 79.19, -107.86),
        (128 / 255, 128 / 255, 128 / 255): (53.59, 0, 0),
    }  # fmt: skip
    for rgb, expected in known.items():
        found = P.lab(np.array(rgb, float)[None, :, None, None]).ravel()
        assert found == pytest.approx(expected, abs=0.05)


def test_a_gain_is_in_its_own_standard_errors_and_none_of_one_family():
    rng = np.random.default_rng(0)
    apart = rng.standard_normal(400) + 0.5
    error = apart.std() / 20
    assert P.paired_gain(apart + 0.1, np.full(400, 0.1)) == pytest.approx(
        apart.mean() / error, rel=0.1
    )
    for few in np.array([0.3]), np.full(7, 0.3):
        assert np.isnan(P.paired_gain(few, few - 0.1 * np.ones_like(few)))
