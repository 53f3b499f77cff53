"""Ties, kinks and extremes as in PyTorch; running statistics; dropout; what is no gradient's."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from operations import adapted, both, convolved, convolved_by_name, pooled, surrounded

import minigen
from minigen import Tensor, grad
from minigen.testing import arrays, shapes

try:
    import torch
    import torch.nn.functional
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")


class Torch:
    """PyTorch's functions in one place, as minigen's are."""

    def __getattr__(self, name):
        functional = torch.nn.functional
        return getattr(functional if hasattr(functional, name) else torch, name)


def both_gradients(f, *values):
    """Value and gradients of f(library, *tensors) here and in PyTorch."""
    ours = [Tensor(v.copy(), requires_grad=True) for v in values]
    theirs = [torch.from_numpy(v.copy()).requires_grad_() for v in values]
    with np.errstate(all="ignore"):
        y = f(minigen, *ours)
        found = grad(y.sum(), ours)
    z = f(Torch(), *theirs)
    expected = torch.autograd.grad(z.sum(), theirs)
    pairs = zip([y, *found], [z, *expected], strict=True)
    return [(a.numpy(), b.numpy(force=True)) for a, b in pairs]


SIGNS = [-1.0, -0.0, 0.0, 1.0]
KINKS = {
    "relu": (lambda m, x: m.relu(x), SIGNS),
    "leaky_relu": (lambda m, x: m.leaky_relu(x, 0.2), SIGNS),
    "leaky_relu with 0": (lambda m, x: m.leaky_relu(x, 0.0), SIGNS),
    "elu": (lambda m, x: m.elu(x, 0.5), SIGNS),
    "selu": (lambda m, x: m.selu(x), SIGNS),
    "hardtanh": (lambda m, x: m.hardtanh(x), [-2.0, -1.0, 0.0, 1.0]),
    "clamp": (lambda m, x: m.clamp(x, -1.0, 1.0), [-2.0, -1.0, 0.0, 1.0]),
    "softplus": (lambda m, x: m.softplus(x, 1, 2.0), [1.9, 2.0, 2.1]),
    "abs": (lambda m, x: m.abs(x), SIGNS),
    "sign": (lambda m, x: m.sign(x), SIGNS),
    "sqrt": (lambda m, x: m.sqrt(x), [0.0, 4.0]),
    "sqrt of relu": (lambda m, x: m.sqrt(m.relu(x)), [-1.0, 0.0, 4.0]),
    "log": (lambda m, x: m.log(x), [0.0, 1.0]),
    "division by 0": (lambda m, x: 1.0 / x, [0.0, 2.0]),
    "power 0": (lambda m, x: x**0, [0.0, 2.0]),
    "power 1": (lambda m, x: x**1, [0.0, 2.0]),
    "power 2": (lambda m, x: x**2, [0.0, -2.0]),
    "power 3": (lambda m, x: x**3, [0.0, -2.0]),
    "power 1/2": (lambda m, x: x**0.5, [0.0, 4.0]),
    "power of 0": (lambda m, x: 0.0**x, [0.0, 1.0, 2.0]),
    "0 to powers": (lambda m, x: m.pow(x * 0, x), [0.0, 1.0, 2.0]),
    "powers of tensors": (lambda m, x: m.pow(x, 1 - x), [0.0, 1.0, 2.0]),
    "maximum": (lambda m, x: m.maximum(x, m.relu(x)), SIGNS),
    "minimum": (lambda m, x: m.minimum(x, 0 * x), SIGNS),
    "amax": (lambda m, x: m.amax(x, 0), [1.0, 3.0, 3.0]),
    "amin": (lambda m, x: m.amin(x, 0), [1.0, 1.0, 3.0]),
    "max": (lambda m, x: m.max(x), [1.0, 3.0, 3.0]),
    "max along an axis": (lambda m, x: m.max(x, 0)[0], [1.0, 3.0, 3.0]),
    "min along an axis": (lambda m, x: m.min(x, 0)[0], [1.0, 1.0, 3.0]),
    "max_pool2d": (lambda m, x: m.max_pool2d(x.reshape(1, 1, 2, 3), 2, 1), [1.0, 2, 2, 2, 2, 0]),
    "norm": (lambda m, x: m.norm(x), [0.0, 0.0]),
    "norm 1": (lambda m, x: m.norm(x, 1), [0.0, 2.0]),
    "norm 3": (lambda m, x: m.norm(x, 3), [0.0, 2.0]),
    "norm inf": (lambda m, x: m.norm(x, math.inf), [2.0, -2.0, 1.0]),
    "std": (lambda m, x: m.std(x), [2.0, 2.0]),
    "prod": (lambda m, x: m.prod(x), [2.0, 0.0, 3.0]),
    "prod of zeros": (lambda m, x: m.prod(x), [0.0, 5.0, 0.0]),
    "logsumexp": (lambda m, x: m.logsumexp(x, 0), [-math.inf, 1.0]),
    "softmax": (lambda m, x: m.softmax(x, 0), [-math.inf, 1.0, 2.0]),
    "log_softmax": (lambda m, x: m.log_softmax(x, 0), [1.0, 1.0, 800.0]),
}


@needs_torch
@pytest.mark.parametrize("name", KINKS)
def test_ties_and_kinks_are_pytorchs(name):
    f, values = KINKS[name]
    for a, b in both_gradients(f, np.array(values)):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


TAKEN = {  # without PyTorch: the gradients of some
    "relu": [0, 0, 0, 1],
    "leaky_relu": [0.2, 0.2, 0.2, 1],
    "hardtanh": [0, 0, 1, 0],
    "clamp": [0, 1, 1, 1],
    "abs": [-1, 0, 0, 1],
    "power 0": [0, 0],
    "maximum": [0, 0.5, 0.5, 1],
    "minimum": [1, 0.5, 0.5, 0],
    "amax": [0, 0.5, 0.5],
    "amin": [0.5, 0.5, 0],
    "max along an axis": [0, 1, 0],
    "min along an axis": [1, 0, 0],
    "max_pool2d": [0, 2, 0, 0, 0, 0],
    "norm": [0, 0],
    "norm 1": [0, 1],
    "norm inf": [0.5, -0.5, 0],
    "std": [0, 0],
    "prod": [0, 6, 0],
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_taken_for_the_gradient_at_ties_and_kinks(name):
    f, values = KINKS[name]
    x = Tensor(np.array(values), requires_grad=True)
    np.testing.assert_allclose(grad(f(minigen, x).sum(), x)[0].array, TAKEN[name])


EXTREME = np.array([-1e4, -100.0, -20.0, 0.0, 20.0, 100.0, 1e4], np.float32)
BOUNDED = {
    "sigmoid": lambda m, x: m.sigmoid(x),
    "logsigmoid": lambda m, x: m.logsigmoid(x),
    "tanh": lambda m, x: m.tanh(x),
    "softplus": lambda m, x: m.softplus(x),
    "elu": lambda m, x: m.elu(x),
    "silu": lambda m, x: m.silu(x),
    "gelu": lambda m, x: m.gelu(x),
    "softmax": lambda m, x: m.softmax(x, 0),
    "log_softmax": lambda m, x: m.log_softmax(x, 0),
    "logsumexp": lambda m, x: m.logsumexp(x, 0),
    "real": lambda m, x: m.binary_cross_entropy_with_logits(x, 0 * x + 1, reduction="none"),
    "fake": lambda m, x: m.binary_cross_entropy_with_logits(x, 0 * x, reduction="none"),
}


@needs_torch
@pytest.mark.parametrize("name", BOUNDED)
def test_nothing_overflows(name):
    for a, b in both_gradients(BOUNDED[name], EXTREME):
        assert np.isfinite(a).all()
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8)


def test_small_losses_are_exact():
    """Where the discriminator is sure and right: its loss is far below 1, and not 0."""
    x = np.linspace(-40, 40, 81, dtype=np.float32)
    loss = minigen.binary_cross_entropy_with_logits
    for target, sign in ((0.0, 1.0), (1.0, -1.0)):
        y = loss(Tensor(x), Tensor(np.full(81, target, np.float32)), reduction="none")
        np.testing.assert_allclose(y.array, np.logaddexp(0, sign * x.astype(float)), rtol=1e-6)


# Values that no gradient can vouch for, and that NumPy can


@given(arrays(shapes(1)))
def test_axes_are_numpys(x):
    for name in ("sum", "mean", "prod", "amax", "amin", "argmax", "argmin", "cumsum", "flip"):
        for dim in range(-x.ndim, x.ndim):
            ours, theirs = getattr(minigen, name), getattr(np, name)
            y = ours(Tensor(x), [dim] if name == "flip" else dim)
            np.testing.assert_allclose(y.array, theirs(x, dim), rtol=1e-12, atol=1e-12)
            if name not in ("cumsum", "flip"):
                y, z = ours(Tensor(x), dim, keepdim=True), theirs(x, dim, keepdims=True)
                np.testing.assert_allclose(y.array, z, rtol=1e-12, atol=1e-12, strict=True)


def test_axes_and_sizes_of_one_list_may_be_several_arguments():
    x = Tensor(np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(x.flip(0, 1).array, np.flip(x.array))
    np.testing.assert_array_equal(x.broadcast_to(4, 2, 3).array, x.broadcast_to((4, 2, 3)).array)


def test_pairs_are_for_height_and_width():
    x, weight = minigen.ones(1, 1, 12, 12), minigen.ones(1, 1, 2, 2)
    for how, size in (
        ({"stride": (2, 3)}, (6, 4)),
        ({"padding": (1, 0)}, (13, 11)),
        ({"dilation": (3, 1)}, (9, 11)),
    ):
        assert minigen.conv2d(x, weight, **how).shape[2:] == size
        assert minigen.max_pool2d(x, 2, **{"stride": 1, **how}).shape[2:] == size


@given(surrounded(False))
def test_padding_is_numpys(call):
    (x, (left, right, top, bottom)), how = call.args, call.options
    mode = {"replicate": "edge", "circular": "wrap"}.get(how["mode"], how["mode"])
    fill = {} if how["value"] is None else {"constant_values": how["value"]}
    expected = np.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)], mode, **fill)
    y = minigen.pad(Tensor(x), (left, right, top, bottom), **how)
    np.testing.assert_array_equal(y.array, expected)


@given(adapted())
def test_adaptive_windows_are_means_that_cover_the_image(call):
    x, size = call.args
    rows, columns = (
        [slice(math.floor(i * n / m), math.ceil((i + 1) * n / m)) for i in range(m or n)]
        for m, n in ((m or n, n) for m, n in zip(both(size), x.shape[2:], strict=True))
    )
    expected = [[x[:, :, r, c].mean((2, 3)) for c in columns] for r in rows]
    y = minigen.adaptive_avg_pool2d(Tensor(x), size)
    np.testing.assert_allclose(y.array.transpose(2, 3, 0, 1), expected)


@given(convolved(False), convolved(True))
def test_a_bias_is_added_to_every_pixel(plain, transposed):
    for f, call in ((minigen.conv2d, plain), (minigen.conv_transpose2d, transposed)):
        x, weight = map(Tensor, call.args[:2])
        y = f(x, weight, None, **call.options).array
        bias = np.arange(y.shape[1]) + 1.0
        z = f(x, weight, Tensor(bias), **call.options).array
        np.testing.assert_allclose(z, y + bias[:, None, None], atol=1e-12)


@given(convolved_by_name())
def test_the_odd_zero_of_same_is_at_the_end(call):
    x, weight = call.args
    ends = [((k - 1) // 2, k // 2) for k in weight.shape[2:]]
    padded = np.pad(x, [(0, 0), (0, 0), *ends])
    y = minigen.conv2d(Tensor(x), Tensor(weight), padding="same")
    np.testing.assert_allclose(y.array, minigen.conv2d(Tensor(padded), Tensor(weight)).array)


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_of_an_embedding_add_up_but_for_the_padding(sparse):
    table = Tensor(np.ones((3, 2)), requires_grad=True)
    minigen.embedding(Tensor([0, 1, 0]), table, padding_idx=1, sparse=sparse).sum().backward()
    found = table.grad.to_dense() if sparse else table.grad.array
    assert found.tolist() == [[2, 2], [0, 0], [0, 0]]


# Batch normalisation's running statistics


@given(
    arrays(shapes(2, 4, 2, 4)), st.sampled_from([0.1, 0.3, 1.0]), st.booleans(),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_batch_norm_is_its_formula(x, momentum, training, weighted, biased):
    c, axes = x.shape[1], (0, *range(2, x.ndim))
    over = lambda values: values.reshape(-1, *[1] * (x.ndim - 2))
    mean, var, weight, bias = np.linspace([-1, 0.5, -2, 0], [1, 2, 3, 4], c).T.copy()
    running = Tensor(mean.copy()), Tensor(var.copy())
    learnt = Tensor(weight) if weighted else None, Tensor(bias) if biased else None
    for _ in range(2):
        y = minigen.batch_norm(Tensor(x), *running, *learnt, training, momentum, 1e-3)
        m, v = (x.mean(axes), x.var(axes)) if training else (mean, var)
        if training:
            mean = (1 - momentum) * mean + momentum * m
            var = (1 - momentum) * var + momentum * x.var(axes, ddof=1)
        z = (x - over(m)) / np.sqrt(over(v) + 1e-3)
        z = z * (over(weight) if weighted else 1) + (over(bias) if biased else 0)
        np.testing.assert_allclose(y.array, z, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose([t.array for t in running], [mean, var], rtol=1e-12, atol=1e-12)
        if not training and x.ndim > 2:
            y = minigen.instance_norm(Tensor(x), *running, *learnt, False, eps=1e-3)
            np.testing.assert_allclose(y.array, z, rtol=1e-9, atol=1e-9)


def test_the_running_variance_is_unbiased_and_the_normalising_one_is_not():
    x, var = Tensor([[1.0], [3.0]]), minigen.zeros(1)
    y = minigen.batch_norm(x, None, var, training=True, momentum=1.0, eps=0.0)
    assert var.array.tolist() == [2.0]  # (1 + 1) / (2 - 1)
    np.testing.assert_allclose(y.array, [[-1.0], [1.0]])


def test_batch_norm_far_from_zero_in_float32():
    x = np.random.default_rng(0).standard_normal((64, 3, 16, 16)) + 300
    exact = (x - x.mean((0, 2, 3), keepdims=True)) / x.std((0, 2, 3), keepdims=True)
    y = minigen.batch_norm(Tensor(x.astype(np.float32)), None, None, training=True)
    assert np.abs(y.array - exact).max() < 1e-3


def test_statistics_that_change_spoil_no_graph():
    """The batch's own statistics, not the running ones, are what the pullback needs."""
    x = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    running = Tensor(np.zeros(2)), Tensor(np.ones(2))
    y = minigen.batch_norm(x, *running, training=True)
    z = minigen.batch_norm(x, *running, training=True)
    (y * y * z).sum().backward()
    evaluated = minigen.batch_norm(x, *running)
    running[0].zero_()
    before, x.grad = x.grad, None
    (evaluated * evaluated).sum().backward()  # evaluated: nothing of it is kept but the scale
    for g in (before, x.grad):
        assert g is not None and np.isfinite(g.array).all()


@pytest.mark.engine
def test_statistics_that_move_are_noticed_where_they_are_needed():
    mean, var = Tensor(np.zeros(2)), Tensor(np.ones(2))
    w = Tensor(np.ones(2), requires_grad=True)
    products = (w * mean).sum(), (w * var).sum()
    minigen.batch_norm(Tensor(np.arange(6.0).reshape(3, 2)), mean, var, training=True)
    for y in products:
        with pytest.raises(RuntimeError, match="changed in place"):
            y.backward()


# Dropout


@given(st.sampled_from([0.1, 0.5, 0.9]), st.sampled_from([(40, 50), (2, 10, 10, 10)]))
def test_dropout_keeps_a_share_and_the_mean(p, shape):
    minigen.manual_seed(1)
    x = Tensor(np.full(shape, 3.0), requires_grad=True)
    y = minigen.dropout(x, p)
    kept = y.array != 0
    np.testing.assert_allclose(y.array[kept], 3 / (1 - p))
    assert abs(kept.mean() - (1 - p)) < 0.05
    (g,) = grad(y.sum(), x)
    np.testing.assert_allclose(g.array, kept / (1 - p))  # the same mask
    minigen.manual_seed(1)
    layout = np.ascontiguousarray(np.moveaxis(x.array, 1, -1))
    again = minigen.dropout(Tensor(np.moveaxis(layout, -1, 1)), p)
    np.testing.assert_array_equal(again.array, y.array)  # however it lies in memory
    assert (minigen.dropout(x, p).array != y.array).any()  # and another one next time


def test_dropout_at_the_ends():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert minigen.dropout(x, 0.7, training=False) is x
    assert minigen.dropout(x, 0.0) is x
    y = minigen.dropout(x, 1.0)
    assert y.array.tolist() == grad(y.sum(), x)[0].array.tolist() == [0, 0]


# Places and truth values


@needs_torch
@given(arrays(shapes(1)), st.integers(-4, 3), st.booleans())
def test_argmax_and_argmin(x, dim, keepdim):
    theirs = torch.from_numpy(np.array(x))
    for name in ("argmax", "argmin"):
        ours = getattr(minigen, name)
        assert ours(Tensor(x)).item() == getattr(torch, name)(theirs).item()
        if -x.ndim <= dim < x.ndim:
            y, z = ours(Tensor(x), dim, keepdim), getattr(torch, name)(theirs, dim, keepdim)
            np.testing.assert_array_equal(y.array, z.numpy())
            assert y.dtype == np.int64


def test_windows_lie_side_by_side_and_none_begins_in_the_margin_on_the_right():
    x = Tensor(np.arange(1.0, 26.0).reshape(1, 1, 5, 5))
    assert minigen.max_pool2d(x, 2).numpy().tolist() == [[[[7, 9], [17, 19]]]]
    assert minigen.avg_pool2d(x, (2, 5)).numpy().tolist() == [[[[5.5], [15.5]]]]
    rounded_up = minigen.max_pool2d(x, 2, ceil_mode=True)
    assert rounded_up.numpy().tolist() == [[[[7, 9, 10], [17, 19, 20], [22, 24, 25]]]]
    for pool in (minigen.max_pool2d, minigen.avg_pool2d):
        assert pool(x[..., :3, :3], 2, padding=1, ceil_mode=True).shape == (1, 1, 2, 2)


@needs_torch
@given(pooled(), st.booleans())
def test_the_places_of_max_pool2d(call, whole):
    (x, kernel, stride), how = call.args, call.options
    x = np.round(x) if whole else np.array(x)  # ties
    y, places = minigen.max_pool2d(Tensor(x), kernel, stride, **how, return_indices=True)
    z, expected = torch.nn.functional.max_pool2d(
        torch.from_numpy(x), kernel, both(stride or kernel), **how, return_indices=True
    )
    np.testing.assert_array_equal(y.array, z.numpy())
    np.testing.assert_array_equal(places.array, expected.numpy())
    assert places.dtype == np.int64 and not places.requires_grad


def test_truth_values_and_bits():
    a, b = Tensor([True, True, False]), Tensor([True, False, False])
    assert (a & b).array.tolist() == [True, False, False]
    assert (a | b).array.tolist() == [True, True, False]
    assert (~a).array.tolist() == minigen.logical_not(a).array.tolist() == [False, False, True]
    n = Tensor([6, 3])
    assert (n & 3).array.tolist() == [2, 3]
    assert (8 | n).array.tolist() == [14, 11]
    assert (~n).array.tolist() == [-7, -4]
    with pytest.raises(TypeError, match="bitwise_and"):
        Tensor([1.0]) & Tensor([1.0])
    found = minigen.isfinite(Tensor([1.0, math.inf, -math.inf, math.nan]))
    assert found.array.tolist() == [True, False, False, False]


def x(*shape, dtype=np.float32):
    return Tensor(np.arange(math.prod(shape)).reshape(shape).astype(dtype))


HALF, INTS = minigen.float16, {"dtype": np.int32}
# What PyTorch's own samples ask for (tests/opinfo.py has them all), and the right value.
ASKED = {
    "add of a share": (lambda: minigen.add(x(3), x(3), alpha=0.5), [0, 1.5, 3]),
    "sub of a multiple": (lambda: minigen.sub(x(3), 1, alpha=2), [-2, -1, 0]),
    "a share of integers, beside doubles": (
        lambda: minigen.add(x(2, dtype=float), x(2, dtype=int), alpha=0.1), np.array([0, 1.1]),
    ),
    "add_ of a share": (lambda: x(3).add_(x(3), alpha=-2), [0, -1, -2]),
    "rounded down": (lambda: minigen.div(x(4) - 2, 2, rounding_mode="floor"), [-1, -1, 0, 0]),
    "rounded to 0": (lambda: minigen.div(x(4) - 2, 2, rounding_mode="trunc"), [-1, 0, 0, 0]),
    "integers rounded down": (
        lambda: minigen.div(Tensor([-7, 7]), 2, rounding_mode="floor"), [-4, 3],
    ),
    "integers rounded to 0": (
        lambda: minigen.div(Tensor([-7, 7]), 2, rounding_mode="trunc"), [-3, 3],
    ),
    "a sum in another dtype": (lambda: x(3, dtype=np.int32).sum(dtype=np.int32), np.int32(3)),
    "a mean of integers": (lambda: x(4, dtype=int).mean(dtype=float), np.float64(1.5)),
    "a product in another dtype": (lambda: (x(2) + 2).prod(dtype=int), np.int64(6)),
    "running sums in another dtype": (lambda: x(3).cumsum(0, dtype=float), np.array([0, 1.0, 3])),
    "softmax in another dtype": (lambda: x(1).softmax(0, dtype=float), np.array([1.0])),
    "log_softmax in another dtype": (lambda: x(1).log_softmax(0, dtype=float), np.array([0.0])),
    "a norm in another dtype": (lambda: (x(2) * 5).norm(dtype=float), np.float64(5)),
    "a logarithm of sums of integers": (lambda: x(1, dtype=int).logsumexp(0), np.float32(0)),
    "var of all, biased": (lambda: x(2).var(False), 0.25),
    "var of nothing": (lambda: x(0).var(correction=-1), math.nan),
    "gather of fewer rows": (lambda: x(3, 2).gather(0, Tensor([[2]])), [[4]]),
    "gather of nothing": (lambda: x(3).gather(0, Tensor(np.zeros((2, 0), int))), np.zeros((2, 0))),
    "gather without axes": (lambda: (x() + 7).gather(0, Tensor([0, 0])), [7, 7]),
    "index_select without axes": (lambda: (x() + 7).index_select(0, Tensor([0])), 7),
    "index_add without axes": (lambda: x().index_add(0, Tensor([0]), x() + 7, alpha=2), 14),
    "cat with (0,)": (lambda: minigen.cat([x(0), x(2, 1), x(2, 2)], 1), [[0, 0, 1], [1, 2, 3]]),
    "a sum of bytes by einsum": (
        lambda: minigen.einsum("i->", x(3, dtype=np.uint8) + 200), np.int64(603),
    ),
    "chunk of nothing": (lambda: len(x(0).chunk(3)), 3),
    "unflatten of nothing": (lambda: x(0, 6).unflatten(1, (-1, 3)), np.zeros((0, 2, 3))),
    "cropped and mirrored": (lambda: minigen.pad(x(1, 4), (-2, 1), "reflect"), [[2, 3, 2]]),
    "cropped and repeated": (lambda: minigen.pad(x(1, 4), (-4, 2), "replicate"), [[3, 3]]),
    "around": (lambda: minigen.pad(x(1, 3), (1, 2), "circular"), [[2, 0, 1, 2, 0, 1]]),
    "cropped and around": (lambda: minigen.pad(x(1, 4), (-2, 1), "circular"), [[2, 3, 2]]),
    "hardtanh of integers": (lambda: minigen.hardtanh(x(3, dtype=int) - 2), np.array([-1, -1, 0])),
    "sign of truth values": (lambda: minigen.sign(Tensor([True, False])), [True, False]),
    "clamp by NaN": (lambda: x(2).clamp(Tensor([math.nan, 0])), [math.nan, 1]),
    "integers by fractions": (lambda: minigen.arange(0.9, 3.9, 1.9, dtype=int), [0, 1, 2]),
    "like another tensor": (lambda: x(2).to(x(1, dtype=float)), np.array([0.0, 1.0])),
    "a copy": (lambda: x(2).to(np.float32, copy=True), [0, 1]),
    "halves": (lambda: minigen.rand(9, dtype=HALF).dtype == minigen.randn(9, dtype=HALF).dtype, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_what_pytorchs_samples_ask_for(name):
    f, expected = ASKED[name]
    y = f()
    y = y.numpy() if isinstance(y, Tensor) else np.asarray(y)
    np.testing.assert_allclose(y, expected, rtol=1e-12 if y.dtype == np.float64 else 1e-6)
    assert y.shape == np.shape(expected)
    if isinstance(expected, np.ndarray | np.generic) and y.size:
        assert y.dtype == expected.dtype


@pytest.mark.parametrize("half", [np.float16, "float16", np.dtype("float16")])
def test_numbers_of_16_bits_are_below_1(half):
    numbers = minigen.rand(100_000, dtype=half).numpy()
    assert numbers.dtype == np.float16 and numbers.max() < 1
    assert minigen.randn(3, dtype=half).dtype == np.float16


def test_numbers_are_tensors_without_axes_though_numpy_makes_scalars_of_them():
    assert Tensor(3.0).var(correction=0).item() == 0 and math.isnan(Tensor(3.0).std().item())
    assert minigen.rand((), dtype=np.float16).shape == ()
    assert -2 <= minigen.nn.init.trunc_normal_(Tensor(0.5)).item() <= 2


def test_a_copy_is_one_and_no_copy_is_the_tensor_itself():
    given = x(3)
    assert given.to(np.float32) is given
    assert given.to("cpu", np.float32, False, True) is not given
    assert not np.shares_memory(given.to(np.float32, copy=True).numpy(), given.numpy())


def test_running_statistics_of_examples_are_averaged_over_them():
    images = Tensor(np.array([[[0.0, 2.0]], [[4.0, 8.0]]]))  # means 1 and 6, variances 2 and 8
    mean, var = Tensor(np.array([1.0])), Tensor(np.array([1.0]))
    y = minigen.instance_norm(images, mean, var, momentum=0.5, eps=0.0)
    np.testing.assert_allclose(y.numpy(), [[[-1, 1]], [[-1, 1]]])
    np.testing.assert_allclose([mean.item(), var.item()], [(1 + 3.5) / 2, (1 + 5) / 2])
    y = minigen.instance_norm(images, mean, var, use_input_stats=False, eps=0.0)
    np.testing.assert_allclose(y.numpy(), (images.numpy() - 2.25) / np.sqrt(3))
    minigen.instance_norm(Tensor(np.zeros((2, 1, 0))), mean, var)  # nothing was seen
    assert (mean.item(), var.item()) == (2.25, 3)


def test_an_embedding_of_no_numbers_has_a_gradient():
    table = Tensor(np.zeros((4, 0)), requires_grad=True)
    minigen.embedding(Tensor([1, 2]), table).sum().backward()
    assert table.grad.shape == (4, 0)


@pytest.mark.parametrize("lead", [(), (2,), (2, 3)])
def test_channels_become_pixels_row_by_row(lead):
    x = np.arange(math.prod(lead) * 18 * 20.0).reshape(*lead, 18, 4, 5)
    y = minigen.pixel_shuffle(Tensor(x), 3)
    assert y.shape == (*lead, 2, 12, 15)
    for c, i, j in np.ndindex(2, 3, 3):
        found = y.numpy()[..., c, i::3, j::3]
        np.testing.assert_array_equal(found, x[..., 9 * c + 3 * i + j, :, :])
    np.testing.assert_array_equal(minigen.pixel_unshuffle(y, 3).numpy(), x)


def test_one_hot_has_a_one_at_the_place_of_each_class():
    y = minigen.functional.one_hot(Tensor([2, 0]), 3)
    assert y.dtype == np.int64 and y.numpy().tolist() == [[0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("pair", [[1, 3], (np.int64(1), np.int64(3)), (1, np.int32(3))])
def test_a_pair_is_height_and_width_whatever_it_is_made_of(pair):
    images = x(1, 2, 6, 6)
    expected = minigen.avg_pool2d(images, (1, 3))
    assert minigen.avg_pool2d(images, pair).shape == expected.shape == (1, 2, 6, 2)
    w = x(2, 2, 3, 3)
    padded = minigen.conv2d(images, w, padding=(1, 3))
    np.testing.assert_array_equal(minigen.conv2d(images, w, padding=pair).array, padded.array)


@pytest.mark.parametrize("name", ["bitwise_and", "bitwise_or", "bitwise_xor"])
def test_bits_of_a_tensor_with_axes_keep_its_dtype(name):
    bytes_, number = minigen.tensor([1, 255], dtype=np.uint8), minigen.tensor(300)
    for pair in ((bytes_, number), (number, bytes_)):
        found = getattr(minigen, name)(*pair)
        exact = getattr(np, name)(np.int64([1, 255]), 300)  # whose low eight bits are kept
        assert found.dtype == np.uint8 and found.tolist() == (exact % 256).tolist()
