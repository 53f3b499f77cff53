"""Batch norm's kernels, in small blocks and by threads, against the formula in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.kernels import normalization
from minigen.testing import arrays, shapes


@pytest.fixture
def in_small_blocks(three_threads, limits_set):
    """Three threads, and blocks of a few pixels."""
    limits_set(alone=0, piece=7)


def by_formula(g, x, weight, bias, eps=1e-5):
    """y and the gradients for x, weight and bias."""
    axes = (0, *range(2, x.ndim))
    wide = lambda v: np.reshape(v, (1, -1, *[1] * (x.ndim - 2)))
    mean, var = x.mean(axes), x.var(axes)
    normal = (x - wide(mean)) / np.sqrt(wide(var) + eps)
    d_bias, d_weight, m = g.sum(axes), (g * normal).sum(axes), x.size / len(mean)
    inner = g - wide(d_bias / m) - normal * wide(d_weight / m)
    d_x = wide(weight) / np.sqrt(wide(var) + eps) * inner
    return mean, var, normal * wide(weight) + wide(bias), d_x, d_weight, d_bias


def by_kernels(g, x, weight, bias, eps=1e-5):
    mean, var = normalization.moments(x)
    rstd = 1 / np.sqrt(var + eps)
    y = normalization.affine(x, rstd * weight, bias - mean * rstd * weight)
    return mean, var, y, *normalization.batch_norm_gradients(g, x, mean, rstd, weight)


@st.composite
def problems(draw):
    """g and x (N, C, …), each with a memory layout of its own, weight and bias (C,)."""
    shape = draw(shapes(2, 4, 2, 5))
    g, x = draw(arrays(shape)), draw(arrays(shape))
    return g, x, draw(arrays(shape[1:2])), draw(arrays(shape[1:2]))


@pytest.mark.usefixtures("in_small_blocks")
@given(problems())
def test_the_kernels_are_the_formula(problem):
    for ours, theirs in zip(by_kernels(*problem), by_formula(*problem), strict=True):
        assert ours.shape == theirs.shape
        # Divided by the spread of a channel, which may be √eps.
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_float32_keeps_its_digits_far_from_zero_and_images_their_layout():
    rng = np.random.default_rng(0)
    x = rng.normal(100, 1, (16, 32, 32, 8)).astype(np.float32).transpose(0, 3, 1, 2)
    g = rng.standard_normal((16, 32, 32, 8)).astype(np.float32).transpose(0, 3, 1, 2)
    ones = np.ones(8, np.float32)
    ours = by_kernels(g, x, ones, ones)
    exact = by_formula(*(a.astype(np.float64) for a in (g, x, ones, ones)))
    for a, b in zip(ours[:4], exact[:4], strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    for a in (ours[2], ours[3]):
        assert a.transpose(0, 2, 3, 1).flags.c_contiguous
