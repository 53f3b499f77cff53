"""Modes of a mixture and classes of images, counted."""

import math

import numpy as np
import pytest

from minigen import Generator, Tensor
from minigen.data.mixtures import grid, ring
from minigen.metrics import class_coverage, mode_coverage, translated_modes


@pytest.mark.parametrize("mixture, count", [(ring(), 8), (grid(), 25)])
def test_real_samples_cover_all_modes(mixture, count):
    points = mixture.sample(50_000, Generator(0))
    covered, high_quality, reverse_kl = mode_coverage(points, mixture.centres, mixture.sigma)
    assert covered == count and reverse_kl < 1e-3
    assert high_quality == pytest.approx(1 - math.exp(-4.5), abs=2e-3)  # of a Rayleigh variable


def test_a_collapsed_model_is_found_out():
    mixture = ring(4, sigma=0.1)
    points = np.repeat(mixture.centres[:1], 100, axis=0)
    assert mode_coverage(points, mixture.centres, 0.1) == (1, 1.0, pytest.approx(math.log(4)))
    points[:50] = mixture.centres[1] + [0, 0.5]  # nearest to mode 1, but 5σ away
    assert mode_coverage(points, mixture.centres, 0.1) == (1, 0.5, pytest.approx(math.log(2)))
    assert mode_coverage(points, mixture.centres, 0.1, within=6) == (
        2,
        1,
        pytest.approx(math.log(2)),
    )
    assert mode_coverage(points[:1], mixture.centres, 0.1).covered == 0  # one point is enough


def test_the_reverse_kl_is_that_of_the_shares():
    centres, shares = np.eye(3), np.array([0.5, 0.3, 0.2])
    points = np.repeat(centres, (shares * 10).astype(int), axis=0)
    expected = (shares * np.log(3 * shares)).sum()
    assert mode_coverage(points, centres, 0.1).reverse_kl == pytest.approx(expected)


@pytest.mark.parametrize("points, centres, sigma, reason", [
    ([[0.0, np.nan]], [[0.0, 0.0]], 1, "diverged"),
    ([[0.0, 0.0]], [[0.0]], 1, "coordinates"),
    ([[0.0]], [[0.0]], 0, "above 0"),
    (np.zeros((0, 2)), [[0.0, 0.0]], 1, "got 0"),
])  # fmt: skip
def test_points_without_modes_are_refused(points, centres, sigma, reason):
    with pytest.raises(ValueError, match=reason):
        mode_coverage(points, centres, sigma)


def test_classes_are_counted_and_weighed():
    assert class_coverage(np.arange(10), 10) == (10, pytest.approx(math.log(10)))
    assert class_coverage(Tensor([3, 3, 3]), 10) == (1, 0.0)
    labels = np.repeat([0, 1, 2], [500, 497, 3])  # 3 of 1,000 are misread ones
    assert class_coverage(labels, 4).covered == 2
    assert class_coverage(labels, 4, least=0.001).covered == 3


@pytest.mark.parametrize("labels, reason", [
    ([], "expected whole numbers"), ([0.5], "got float"), ([0, 10], "0 to 10"), ([-1], "-1"),
    ([[1]], r"\(1, 1\)"),
])  # fmt: skip
def test_what_is_no_class_is_refused(labels, reason):
    with pytest.raises(ValueError, match=reason):
        class_coverage(labels, 10)


def test_modes_that_are_translated_to_modes():
    """Of 3 to 4: the first goes to two, the others share one, and few lie on their way."""
    centres = ring(4, sigma=0.1).centres
    points = np.repeat(centres[[0, 2, 2]][:, None], 100, axis=1)
    points[0, :50] = centres[1]
    points[1, :2] = centres[3]  # 2 of 300 are too few to cover it
    points[2, :30] = 0  # nowhere
    points[2, 30:32] = centres[0]  # 2 of 300 do not share it
    assert translated_modes(points, centres, 0.1) == (3, 2, pytest.approx(0.9))
    points[2, 30:32] = centres[2]
    points[1, 2] = centres[3]
    assert translated_modes(Tensor(points), centres, 0.1) == (4, 2, pytest.approx(0.9))
    assert translated_modes(points[:2], centres, 0.1, least=0.02) == (3, 0, 1.0)
    points[2, 30:] = points[0, 30:]  # its own two are the other's, too
    assert translated_modes(points, centres, 0.1).sharing == 2
    with pytest.raises(ValueError, match=r"\(S, n, d\), got \(100, 2\)"):
        translated_modes(points[0], centres, 0.1)
    with pytest.raises(ValueError, match="translated_modes: sigma and within must be above 0"):
        translated_modes(points, centres, 0)
