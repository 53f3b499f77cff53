"""Each operation of the table, on arrays of any shape, against onnxruntime."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import Tensor, nn
from minigen import functional as F
from minigen.export.arithmetic import SAME
from minigen.export.file import MOST, Part, as_onnx, differences
from minigen.export.recording import Input
from minigen.export.table import TABLE
from minigen.export.trace import trace
from minigen.functional.pointwise import weighted

pytest.importorskip("onnx", reason="ONNX files need the package onnx")
pytest.importorskip("onnxruntime", reason="to run ONNX files needs the package onnxruntime")

length, flag = st.integers(1, 4), st.booleans()
shapes = st.lists(length, min_size=0, max_size=3).map(tuple)
RANGES = {
    "log": (0.1, 2), "sqrt": (0.1, 2), "rsqrt": (0.1, 2), "reciprocal": (0.5, 2),
    "acosh": (1.1, 3), "root": (0.1, 2), "tan": (-1, 1), "pow": (0.1, 2), "div": (0.5, 2),
}  # fmt: skip
UNARY = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "exp",
    "floor",
    "log",
    "neg",
    "reciprocal",
    "relu",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "silu",
    "gelu",
    "clone",
    "contiguous",
]
BINARY = [
    "add",
    "sub",
    "mul",
    "div",
    "pow",
    "maximum",
    "minimum",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
]
LOGICAL = ("logical_and", "logical_or", "logical_xor")


def case(function, *shapes, low=-1.0, high=1.0):
    """A function of a batch of arrays of these shapes, of numbers within these bounds."""
    names = "xyz"
    inputs = [Input(n, s, "", "uniform", low, high) for n, s in zip(names, shapes, strict=False)]
    return function, inputs


def numbers(*shape, seed=0):
    """A constant."""
    return Tensor(np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32))


@st.composite
def unary(draw, name):
    return case(getattr(F, name), draw(shapes), **_range(name))


def _range(name):
    low, high = RANGES.get(name, (-0.9, 0.9))
    return {"low": low, "high": high}


@st.composite
def binary(draw, name):
    """With another array, which broadcasts, or a number; or integers with floats."""
    f, shape = getattr(F, name), draw(shapes)
    other = tuple(n if draw(flag) else 1 for n in shape)
    kind = draw(st.sampled_from(["array", "number", "constant", "integers"]))
    if kind == "integers":
        return case(lambda x: f((x > 0).to("int64") + 1, x).to("float32"), shape, **_range(name))
    if kind == "array":
        return case(lambda x, y: f(x, y).to("float32"), shape, other, **_range(name))
    y = 0.5 if kind == "number" else numbers(*other).abs() + 0.5
    return case(lambda x: f(x, y).to("float32"), shape, **_range(name))


@st.composite
def logical(draw, name):
    shape = draw(shapes)
    return case(lambda x, y: getattr(F, name)(x > 0, y > 0.1).to("float32"), shape, shape)


@st.composite
def over_axes(draw, f, least=1):
    shape = draw(st.lists(length, min_size=least, max_size=3).map(tuple))
    axes = st.lists(st.integers(1, len(shape)), min_size=1, max_size=len(shape), unique=True)
    dims, keep = draw(axes), draw(flag)
    return case(lambda x: f(x, dims, keepdim=keep), shape)


@st.composite
def along(draw, f):
    shape = draw(st.lists(length, min_size=1, max_size=3).map(tuple))
    dim = draw(st.integers(1, len(shape)))
    return case(lambda x: f(x, dim), shape)


@st.composite
def normalised(draw):
    kind = draw(st.sampled_from(["batch", "group", "layer", "instance"]))
    groups, each, affine = draw(length), draw(length), draw(flag)
    c = groups * each
    pixels = draw(st.lists(st.integers(2, 4), min_size=kind == "instance", max_size=2).map(tuple))
    weight, bias = (numbers(c), numbers(c, seed=1)) if affine else (None, None)
    if kind == "layer":
        shape = (*pixels, c)
        return case(lambda x: F.layer_norm(x, (c,), weight, bias, 0.1), shape)
    f = {
        "batch": lambda x: F.batch_norm(x, None, None, weight, bias, True, eps=0.1),
        "group": lambda x: F.group_norm(x, groups, weight, bias, 0.1),
        "instance": lambda x: F.instance_norm(x, None, None, weight, bias, eps=0.1),
    }[kind]
    return case(f, (c, *(pixels or (2,) * (kind == "batch"))))


@st.composite
def linear(draw):
    lead, n, m = draw(shapes), draw(length), draw(length)
    bias = numbers(m) if draw(flag) else None
    return case(lambda x: F.linear(x, numbers(m, n), bias), (*lead, n))


@st.composite
def product(draw):
    n, k, m = draw(length), draw(length), draw(length)
    if draw(flag):
        return case(lambda x: x @ numbers(k, m), (n, k))
    return case(lambda x, y: x @ y, (n, k), (k, m))


@st.composite
def convolved(draw, transposed):
    groups, a, b, r, s = (draw(length) for _ in range(5))
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    padding = draw(st.integers(0, 1))
    shape = (groups * a, 7, 8 if dilation == 1 else 9)
    bias = numbers(groups * b) if draw(flag) else None
    if not transposed:
        weight = numbers(groups * b, a, min(r, 3), min(s, 3))
        f = lambda x: F.conv2d(x, weight, bias, stride, padding, dilation, groups)
        return case(f, shape)
    extra = draw(st.integers(0, stride - 1))
    weight = numbers(groups * a, b, min(r, 3) + 1, min(s, 3) + 1)
    f = lambda x: F.conv_transpose2d(x, weight, bias, stride, padding, extra, groups, dilation)
    return case(f, shape)


@st.composite
def pooled(draw, f, most):
    k, ceil = draw(st.integers(2, most)), draw(flag)
    stride, padding = draw(st.integers(1, k)), draw(st.integers(0, k // 2))
    return case(lambda x: f(x, k, stride, padding, ceil_mode=ceil), (draw(length), 7, 8))


@st.composite
def mixed(draw):
    size = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    mode = draw(st.sampled_from(["nearest", "bilinear", "reflect"]))
    if mode == "reflect":
        return case(lambda x: F.pad(x, (1, 2, 0, 1), "reflect"), (2, 4, 5))
    return case(lambda x: F.interpolate(x, size, mode=mode), (2, 4, 5))


@st.composite
def reshaped(draw):
    a, b = draw(length), draw(length)
    to = draw(st.sampled_from([lambda n: (n * a, b), lambda n: (n, a * b), lambda n: (a, n, b)]))
    return case(lambda x: x.reshape(*to(len(x))), (a, b))


@st.composite
def permuted(draw):
    shape = draw(shapes)
    dims = draw(st.permutations(range(len(shape) + 1)))
    return case(lambda x: x.permute(*dims), shape)


@st.composite
def joined(draw, f):
    shape = draw(st.lists(length, min_size=1, max_size=2).map(tuple))
    dim = draw(st.integers(1, len(shape)))
    return case(lambda x, y: f([x, numbers(*y.shape[1:]).expand(*y.shape), y], dim), shape, shape)


@st.composite
def indexed(draw):
    """By integers, slices of any step, None and ..., but all of the batch."""
    entry = st.one_of(
        st.integers(-2, 1),
        st.builds(slice, st.none() | st.integers(-2, 1), st.none() | st.integers(2, 4),
                  st.none() | st.integers(1, 2)),
        st.none(),
    )  # fmt: skip
    key = draw(st.lists(entry, max_size=3).filter(lambda key: sum(k is not None for k in key) < 3))
    end = draw(st.sampled_from([(), (...,), (..., None), (..., -1)]))
    return case(lambda x: x[(slice(None), *key, *end)], (3, 4, 3))


@st.composite
def expanded(draw):
    a, b = draw(length), draw(length)
    return case(lambda x: x[:, None].expand(len(x), b, *x.shape[1:]), (a,))


CASES = {
    **{name: unary(name) for name in UNARY},
    **{name: binary(name) for name in BINARY},
    **{name: logical(name) for name in LOGICAL},
    "logical_not": shapes.map(lambda s: case(lambda x: F.logical_not(x > 0).to("float32"), s)),
    "contiguous": shapes.map(lambda s: case(lambda x: x.contiguous(), s)),
    "root": over_axes(F.std).filter(lambda c: 1 not in c[1][0].shape),
    "var": st.sampled_from([0, 1]).flatmap(
        lambda c: over_axes(lambda x, d, keepdim: F.var(x, d, keepdim=keepdim, correction=c))
    ).filter(lambda c: 1 not in c[1][0].shape),
    "sum": over_axes(F.sum),
    "mean": over_axes(F.mean),
    "amax": over_axes(F.amax),
    "amin": over_axes(F.amin),
    "logsumexp": over_axes(F.logsumexp),
    "norm": over_axes(lambda x, d, keepdim: F.norm(x, 2, d, keepdim)),
    "softmax": along(F.softmax),
    "log_softmax": along(F.log_softmax),
    "leaky_relu": shapes.map(lambda s: case(lambda x: F.leaky_relu(x, 0.3), s)),
    "elu": shapes.map(lambda s: case(lambda x: F.elu(x, 0.7), s)),
    "softplus": st.tuples(shapes, st.sampled_from([0.5, 20.0])).map(
        lambda c: case(lambda x: F.softplus(x, 2.0, c[1]), c[0])
    ),
    "hardtanh": shapes.map(lambda s: case(lambda x: F.hardtanh(x, -0.5, 0.2), s)),
    "clamp": st.tuples(shapes, st.none() | st.just(-0.5)).map(
        lambda c: case(lambda x: x.clamp(c[1], 0.3), c[0])
    ),
    "where": shapes.map(lambda s: case(lambda x, y: F.where(x > 0, y, 2.0), s, s)),
    "weighted": shapes.map(lambda s: case(lambda x, y: weighted(F.relu(x), y), s, s)),
    "dropout": shapes.map(lambda s: case(lambda x: F.dropout(x, 0.3), s)),
    "cast": shapes.map(lambda s: case(lambda x: (3 * x).to("int64").to("float32"), s)),
    "normalization": normalised(),
    "linear": linear(),
    "matmul": product(),
    "einsum": st.just(case(lambda x, y: F.einsum("nij,njk->nk", x, y), (2, 3), (3, 4))),
    "conv2d": convolved(False),
    "conv2d_input": convolved(True),
    "max_pool": pooled(F.max_pool2d, 3),
    "sum_windows": pooled(F.avg_pool2d, 3),
    "divide_each": pooled(F.avg_pool2d, 3),
    "mix": mixed(),
    "pad": st.tuples(*[st.integers(-1, 2)] * 4).map(
        lambda pad: case(lambda x: F.pad(x, pad, value=0.5), (3, 4))
    ),
    "reshape": reshaped(),
    "expand": expanded(),
    "permute": permuted(),
    "transpose": st.just(case(lambda x: x.transpose(-1, -2), (2, 3))),
    "cat": joined(F.cat),
    "stack": joined(F.stack),
    "flip": st.lists(st.integers(1, 2), unique=True).map(
        lambda dims: case(lambda x: x.flip(dims), (2, 3))
    ),
    "triangle": st.tuples(st.integers(-1, 1), flag).map(
        lambda c: case(lambda x: (x.triu if c[1] else x.tril)(c[0]), (3, 3))
    ),
    "in_rows": st.just(case(lambda x: F.pixel_shuffle(x, 2), (4, 2, 2))),
    "embedding": st.just(case(lambda x: F.embedding((x > 0).to("int64"), numbers(2, 3)), (2,))),
    "gather": st.just(
        case(lambda x, y: F.gather(x, 1, (y > 0).to("int64")), (2, 3), (1, 3))
    ),
    "index": indexed(),
}  # fmt: skip


def test_each_operation_of_the_table_has_its_case():
    assert CASES.keys() == TABLE.keys() >= SAME.keys()


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_onnxruntime_computes_what_the_engine_computes(name, data):
    function, inputs = data.draw(CASES[name])
    part = Part(name, nn.Module(), function, inputs, {"result": ""})
    assert name in [step.operation.name for step in trace(function, inputs, {}).steps]
    found = differences(part, as_onnx(part).model.SerializeToString(), (1, 3))
    assert max(found.values()) <= MOST


def test_what_is_true_infinite_or_empty_can_be_compared():
    given = [Input("x", (3,), "")]
    for function in (lambda x: x > 0, lambda x: x + np.inf, lambda x: x[:, 1:1]):
        part = Part("part", nn.Identity(), function, given, {"y": ""})
        assert set(differences(part, as_onnx(part).model.SerializeToString()).values()) == {0.0}
