"""Normalisation's kernels, in small blocks and by threads, against the formulas."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.kernels import limits, normalization
from minigen.testing import arrays, shapes


@st.composite
def problems(draw):
    """g and x (N, G, K, …), each with a memory layout of its own, weight and bias (G·K,) or None,
    eps, and whether moments are the batch's."""
    shape = draw(shapes(3, 5, 1, 4))
    shape = (shape[0], shape[1], 1, *shape[3:]) if (batch := draw(st.booleans())) else shape
    last = (0, *range(3, len(shape)), 1, 2)
    back = sorted(range(len(shape)), key=last.__getitem__)
    g, x = (
        draw(arrays([shape[i] for i in last])).transpose(back)
        if draw(st.booleans())
        else draw(arrays(shape))
        for _ in range(2)
    )
    weight, bias = (draw(st.none() | arrays((shape[1] * shape[2],))) for _ in range(2))
    return g, x, weight, bias, draw(st.sampled_from([1e-3, 1.0])), batch


@pytest.mark.usefixtures("three_threads")
@given(problems(), st.integers(1, 30), st.integers(1, 30))
def test_the_kernels_are_the_formulas(problem, piece, row):
    g, x, *rest = problem
    expected, moments = normalization.normalized_by_formula(x, *rest)
    exact = expected, *moments, *normalization.gradients_by_formula(g, x, rest[0], moments)
    with limits.use(alone=0, piece=piece, row=row, by_blocks=1):
        y, moments = normalization.normalized(x, *rest)
        found = y, *moments, *normalization.gradients(g, x, rest[0], moments)
    for ours, theirs in zip(found, exact, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@given(shapes(2, 4, 1, 4), st.data())
def test_a_layer_is_normalised_in_the_order_that_it_has_in_memory(shape, data):
    lead = data.draw(st.integers(1, len(shape) - 1))
    size, parts = shape[lead:], (math.prod(shape[:lead]), 1, math.prod(shape[lead:]))
    order = [*range(lead), *data.draw(st.permutations(range(lead, len(shape))))]
    back = sorted(range(len(shape)), key=order.__getitem__)
    drawn = [data.draw(arrays(shape)) for _ in range(2)]
    g, x = (np.ascontiguousarray(a.transpose(order)).transpose(back) for a in drawn)
    # Numbers that all differ, for arrays that are drawn hardly do.
    weight, bias = (np.arange(1.0, 1 + math.prod(size)).reshape(size) * k for k in (1, -3))
    weight, bias = (data.draw(st.sampled_from([some, None])) for some in (weight, bias))

    def both(g, x):
        y, moments = normalization.normalized_in(parts, x, weight, bias, 1e-3, False, size)
        return y, *normalization.gradients_in(parts, g, x, weight, moments, size)

    found = both(g, x)
    for ours, theirs in zip(found, both(*drawn), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    assert all(a.transpose(order).flags.c_contiguous for a in found[:2])
    assert all(a.flags.c_contiguous for a in found[2:])


def test_sums_far_from_zero_are_taken_about_the_mean():
    rng = np.random.default_rng(0)
    g, x = rng.standard_normal((2, 16, 32, 32, 8, 1), np.float32).transpose(0, 1, 4, 5, 2, 3)
    ones = np.ones(8, np.float32)
    g -= g.mean((3, 4), keepdims=True)  # so that it does not matter how exact the mean is

    def d_weight(g, x):
        return normalization.gradients(
            g, x, ones, normalization.normalized(x, ones, ones, 1e-5, False)[1]
        )[1]

    x += np.float32(1e4)  # which has two digits behind the point
    np.testing.assert_allclose(d_weight(g, x), d_weight(g.astype(float), x.astype(float)), 0, 0.01)


@pytest.mark.parametrize("batch", [True, False])
def test_float32_keeps_its_digits_far_from_zero_and_images_their_layout(batch):
    rng = np.random.default_rng(0)
    g, x = rng.standard_normal((2, 16, 32, 32, 8, 1), np.float32).transpose(0, 1, 4, 5, 2, 3)
    ones = np.ones(8, np.float32)

    def results(g, x):
        y, moments = normalization.normalized(x, ones, ones, 1e-5, batch)
        return y, normalization.gradients(g, x, ones, moments)[0], *moments

    found = results(g, x + np.float32(100))
    exact = results(g.astype(float), (x + np.float32(100)).astype(float))
    for a, b in zip(found, exact, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    for a in found[:2]:
        assert a.transpose(0, 3, 4, 1, 2).flags.c_contiguous


def test_the_mean_of_planes_is_exact_to_some_last_digits():
    x = np.full((16, 8, 1, 64, 64), 1234.567, np.float32)
    y, moments = normalization.normalized(x, None, None, 1e-5, True)
    last_digit = np.spacing(x.max())
    np.testing.assert_allclose(moments.mean, x.max(), rtol=0, atol=2 * last_digit)
    assert np.abs(y).max() <= 2 * last_digit / math.sqrt(1e-5)
