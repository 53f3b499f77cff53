"""What a training step did, beside the slope of a loss by finite differences."""

import functools

import numpy as np
import pytest

import minigen
from minigen import Tensor, optim

SGD = functools.partial(optim.SGD, lr=1.0)  # a step is the gradient itself


def weights(*networks):
    return [p for network in networks for p in network.parameters()]


def taken(parameters):
    return [p.numpy().copy() for p in parameters]


def put(parameters, values):
    with minigen.no_grad():
        for p, value in zip(parameters, values, strict=True):
            p.copy_(Tensor(value))


def steeper(*networks):
    """Weights in float64 of which no gradient is near 0, as those of N(0, 0.02²) are."""
    with minigen.no_grad():
        for network in networks:
            network.to("float64")
            for p in network.parameters():
                p.copy_(minigen.randn(*p.shape, dtype="float64") * 0.3)


def told(made, truths, temperature=0.05):
    """−log of how probable it is that each picture belongs to its own truth, the first N of all
    (M, …): by softmax of −distance², a mean over the N."""
    apart = ((made[:, None] - truths) ** 2).mean((2, 3, 4))
    near = np.exp(-(apart - apart.min(1, keepdims=True)) / temperature)
    return -np.log(np.diagonal(near) / near.sum(1)).mean()


def assert_descended(parameters, before, loss, eps=1e-8):
    """The step from `before` to what the parameters are now was minus the slope of `loss`, a
    function of them, along random directions; in so short a step hardly a ReLU or |·| bends."""
    after, rng = taken(parameters), np.random.default_rng(0)
    for _ in range(3):
        v = [rng.standard_normal(w.shape) for w in before]
        went = sum(((b - a) * d).sum() for a, b, d in zip(after, before, v, strict=True))
        ends = []
        for sign in 1, -1:
            put(parameters, [w + sign * eps * d for w, d in zip(before, v, strict=True)])
            ends.append(loss())
        slope = (ends[0] - ends[1]) / (2 * eps)
        assert abs(slope) > 1e-3
        assert float(went) == pytest.approx(float(slope), rel=1e-5, abs=1e-6)
    put(parameters, after)
