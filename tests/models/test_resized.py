"""Convolutions beside a change of size are those that their names say, slopes too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import Tensor, gradcheck
from minigen import functional as F
from minigen.models import resized


def plain_of_doubled(x, weight, bias):
    return F.conv2d(resized.doubled(x), weight, bias, padding=weight.shape[-1] // 2)


def plain_halved(x, weight, bias):
    return F.avg_pool2d(F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2), 2)


@pytest.mark.parametrize("fast, plain", [
    (resized.conv2d_of_doubled, plain_of_doubled),
    (resized.halved_conv2d, plain_halved),
])  # fmt: skip
@given(
    images=st.tuples(*[st.integers(1, 3)] * 2, *[st.integers(2, 7)] * 2),
    outputs=st.integers(1, 3),
    kernel=st.sampled_from([1, 3, 5]),
    biased=st.booleans(),
    seed=st.integers(0, 99),
)
def test_resized_convolutions_are_the_plain_ones(
    fast, plain, images, outputs, kernel, biased, seed
):
    rng = np.random.default_rng(seed)
    shapes = [images, (outputs, images[1], kernel, kernel), *[(outputs,)] * biased]
    given_ = [Tensor(rng.standard_normal(s), requires_grad=True) for s in shapes]
    there = [None] * (not biased)
    y, expected = fast(*given_, *there), plain(*given_, *there)
    np.testing.assert_allclose(y.numpy(), expected.numpy(), atol=1e-12)
    cotangent = Tensor(rng.standard_normal(y.shape))
    y.backward(cotangent)
    slopes = [t.grad.numpy() for t in given_]
    for t in given_:
        t.grad = None
    expected.backward(cotangent)
    for t, slope in zip(given_, slopes, strict=True):
        np.testing.assert_allclose(slope, t.grad.numpy(), atol=1e-11)


def test_resized_convolutions_have_slopes_of_second_order():
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s) for s in [(1, 2, 4, 2), (1, 2, 3, 3), (1,)])
    for fast in (resized.conv2d_of_doubled, resized.halved_conv2d):
        gradcheck(lambda *a, fast=fast: fast(*a).tanh(), [x, w, b], order=2)
