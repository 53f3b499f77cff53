"""At the edges, values and gradients are PyTorch's: huge logits, infinities, zeros, one element,
none, no axes, ties."""

import math
import operator

import numpy as np
import pytest

import minigen
from minigen import Tensor

torch = pytest.importorskip("torch")
TF = pytest.importorskip("torch.nn.functional")

BIG, INF, ZEROS = [1e4, -1e4, 0.0], -math.inf, np.zeros((3, 2))
SURE, WRONG = [0.0, 1.0, 0.5], [1.0, 0.0, 0.5]
BCE = operator.attrgetter("binary_cross_entropy_with_logits")
FACES = [[1e4, 0.0, -1e4], [1e4, 0.0, -1e4]]

# What is called on both libraries (t makes an integer tensor of each), and its arguments.
EDGES = {
    "bce with logits": (lambda m, t, x, y: BCE(m)(x, y), BIG, [0.0, 1.0, 0.5]),
    "bce": (lambda m, t, x, y: m.binary_cross_entropy(x, y.detach()), SURE, WRONG),
    "cross entropy": (lambda m, t, x: m.cross_entropy(x, t([0, 1])), FACES),
    "softmax": (lambda m, t, x: m.softmax(x, 0) ** 2, BIG),
    "log_softmax of −inf": (lambda m, t, x: m.log_softmax(x, 0)[1:], [INF, 1.0, 2.0]),
    "logsumexp of one": (lambda m, t, x: x.logsumexp(0), [3.0]),
    "logsumexp of no axes": (lambda m, t, x: x.logsumexp(0), 2.0),
    "var of one": (lambda m, t, x: x.var(), [3.0]),
    "var of no axes": (lambda m, t, x: x.var(correction=0), 3.0),
    "std of equals": (lambda m, t, x: x.std(), [3.0, 3.0]),
    "norm of zeros": (lambda m, t, x: x.norm(), ZEROS),
    "3-norm of zeros": (lambda m, t, x: x.norm(3, 0), ZEROS),
    "1.5-norm with a zero": (lambda m, t, x: x.norm(1.5), [0.0, 1.0, -2.0]),
    "normalize zeros": (lambda m, t, x: m.normalize(x, dim=0), ZEROS),
    "sum of nothing": (lambda m, t, x: x.sum(), np.zeros((0, 3))),
    "mean of nothing": (lambda m, t, x: x.mean(), np.zeros((0, 3))),
    "prod of nothing": (lambda m, t, x: x.prod(0), np.zeros((0, 3))),
    "softmax of nothing": (lambda m, t, x: m.softmax(x, 0), np.zeros((0, 3))),
    "no rows": (lambda m, t, x, y: x @ y, np.zeros((0, 3)), np.ones((3, 2))),
    "no columns": (lambda m, t, x, y: x @ y, np.zeros((2, 0)), np.ones((0, 2))),
    "no images": (lambda m, t, x, w: m.conv2d(x, w), np.zeros((0, 2, 5, 5)), np.ones((3, 2, 3, 3))),
    "no axes": (lambda m, t, x: x.exp().sum() + x.mean() + x.cumsum(0) + x.prod() + x.amax(), 0.3),
    "sigmoid": (lambda m, t, x: x.sigmoid(), BIG),
    "logsigmoid": (lambda m, t, x: m.logsigmoid(x), BIG),
    "softplus": (lambda m, t, x: m.softplus(x), BIG),
    "gelu": (lambda m, t, x: m.gelu(x), BIG),
    "silu": (lambda m, t, x: m.silu(x), BIG),
    "elu": (lambda m, t, x: m.elu(x), BIG),
    "kl_div at 0": (
        lambda m, t, x, y: m.kl_div(x, y.detach(), reduction="sum"), np.log([0.5, 0.5]), [0.0, 1.0],
    ),
    "powers of 0": (lambda m, t, x, y: x**y, [0.0, 0.0, 2.0], [0.0, 2.0, 0.0]),
    "amax of equals": (lambda m, t, x: x.amax(), [1.0, 1.0, 0.0]),
    "max of equals": (lambda m, t, x: x.max(), [1.0, 1.0, 0.0]),
    "max of equals on an axis": (lambda m, t, x: x.max(0)[0], [1.0, 1.0, 0.0]),
    "clamp at its bounds": (lambda m, t, x: x.clamp(0, 1), [0.0, 1.0, 0.5]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # NumPy says where infinities meet
@pytest.mark.parametrize("name", EDGES)
def test_edges_are_pytorchs(name):
    f, *arrays = EDGES[name]
    ours = [Tensor(np.array(a), requires_grad=True) for a in arrays]
    theirs = [torch.tensor(np.array(a), requires_grad=True) for a in arrays]
    y, z = f(minigen, Tensor, *ours), f(TF, torch.tensor, *theirs)
    np.testing.assert_allclose(y.array, z.detach().numpy(), rtol=1e-8)
    y.sum().backward()
    z.sum().backward()
    for x, w in zip(ours, theirs, strict=True):
        if w.grad is None:
            assert x.grad is None
            continue
        np.testing.assert_allclose(x.grad.array, w.grad.numpy(), rtol=1e-8)
