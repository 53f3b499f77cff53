"""A short run of tests/sweep_threads.py, and batches of nothing."""

import numpy as np
import pytest
from sweep_threads import sweep

import minigen
from minigen import Tensor
from minigen import functional as F


def test_random_layers_in_any_number_of_threads_are_the_plain_ones():
    assert not sweep(count=60, seed=0)


@pytest.mark.parametrize(
    ("call", "inputs", "shape"),
    [
        (F.conv2d, [(0, 3, 5, 5), (4, 3, 2, 3)], (0, 4, 4, 3)),
        (F.conv2d, [(2, 0, 5, 5), (4, 0, 2, 3), (4,)], (2, 4, 4, 3)),
        (F.conv2d, [(2, 3, 5, 5), (0, 3, 2, 3)], (2, 0, 4, 3)),
        (F.conv_transpose2d, [(0, 3, 5, 5), (3, 4, 2, 3)], (0, 4, 6, 7)),
        (F.conv_transpose2d, [(2, 0, 5, 5), (0, 4, 2, 3), (4,)], (2, 4, 6, 7)),
        (F.conv_transpose2d, [(2, 9, 5, 5), (9, 0, 2, 3)], (2, 0, 6, 7)),
        (lambda x: F.max_pool2d(x, 2), [(0, 3, 4, 6)], (0, 3, 2, 3)),
        (lambda x: F.max_pool2d(x, 2), [(2, 0, 4, 6)], (2, 0, 2, 3)),
        (lambda x: F.unfold(x, 2), [(0, 3, 4, 5)], (0, 12, 12)),
        (lambda x: F.unfold(x, 2), [(2, 0, 4, 5)], (2, 0, 12)),
        (lambda x: F.fold(x, (4, 5), 2), [(0, 12, 12)], (0, 3, 4, 5)),
        (lambda x: F.pixel_shuffle(x, 2), [(2, 4, 0, 3)], (2, 1, 0, 6)),
        (lambda x: F.pixel_unshuffle(x, 2), [(2, 0, 2, 6)], (2, 0, 1, 3)),
        (lambda x, w: F.linear(x, w), [(2, 3, 0), (4, 0)], (2, 3, 4)),
        (
            lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
            [(0, 3, 4, 4), (3,), (3,)], (0, 3, 4, 4),
        ),
    ],
)  # fmt: skip
def test_of_nothing_comes_nothing(call, inputs, shape):
    """Its gradients are 0; a bias remains."""
    inputs = [Tensor(np.ones(s), requires_grad=True) for s in inputs]
    y = call(*inputs)
    assert y.shape == shape
    np.testing.assert_array_equal(y.numpy(), float(len(inputs) == 3))
    gradients = minigen.grad(y.sum(), inputs[:2])
    for x, g in zip(inputs, gradients, strict=False):
        np.testing.assert_array_equal(g.numpy(), np.zeros(x.shape))


def test_a_filter_without_taps_is_refused():
    with pytest.raises(ValueError, match="conv2d: a filter needs taps"):
        F.conv2d(F.zeros(2, 3, 5, 5), F.zeros(4, 3, 0, 3))
