"""The table: how each of the engine's operations is written in ONNX.

Most have a counterpart (`SAME`). The others are written with several nodes, by the same formula as
in `minigen/functional`; weights keep the layout of their state dict.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.backend import is_array
from minigen.export.recording import ExportError
from minigen.export.trace import Many, Step
from minigen.export.writer import FIRST, LAST, Way, Writer, end_padding

SAME = {  # elementwise, or whatever takes the same inputs and no options
    "abs": "Abs", "acos": "Acos", "acosh": "Acosh", "add": "Add", "asin": "Asin",
    "asinh": "Asinh", "atan": "Atan", "atanh": "Atanh", "ceil": "Ceil", "cos": "Cos",
    "cosh": "Cosh", "div": "Div", "eq": "Equal", "erf": "Erf", "exp": "Exp", "floor": "Floor",
    "ge": "GreaterOrEqual", "gt": "Greater", "le": "LessOrEqual", "log": "Log",
    "logical_and": "And", "logical_not": "Not", "logical_or": "Or", "logical_xor": "Xor",
    "lt": "Less", "matmul": "MatMul", "maximum": "Max", "minimum": "Min", "mul": "Mul",
    "neg": "Neg", "pow": "Pow", "reciprocal": "Reciprocal", "relu": "Relu", "root": "Sqrt",
    "sigmoid": "Sigmoid", "sign": "Sign", "sin": "Sin", "sinh": "Sinh", "sqrt": "Sqrt",
    "sub": "Sub", "tan": "Tan", "tanh": "Tanh", "where": "Where",
}  # fmt: skip
UNCHANGED = ("clone", "contiguous", "in_rows")  # but for where it lies in memory
TABLE: dict[str, Way] = {}


def _same(kind: str) -> Way:
    return lambda w, step: w.node(kind, *w.alike(step), name=step.name)


TABLE |= {name: _same(kind) for name, kind in SAME.items()}
TABLE |= {name: lambda w, step: w.name(step.inputs[0]) for name in UNCHANGED}


def way(*names: str) -> Callable[[Way], Way]:
    """The decorated function writes the operations of these names."""

    def enter(function: Way) -> Way:
        TABLE.update(dict.fromkeys(names, function))
        return function

    return enter


# On each element


@way("ne")
def _ne(w: Writer, step: Step) -> str:
    return w.node("Not", w.node("Equal", *w.alike(step)), name=step.name)


@way("rsqrt")
def _rsqrt(w: Writer, step: Step) -> str:
    return w.node("Reciprocal", w.node("Sqrt", *w.alike(step)), name=step.name)


@way("cast")
def _cast(w: Writer, step: Step) -> str:
    return w.node("Cast", *w.names(step), name=step.name, to=w.kind(step.option("to")))


@way("leaky_relu")
def _leaky_relu(w: Writer, step: Step) -> str:
    return w.node("LeakyRelu", *w.alike(step), name=step.name, alpha=step.option("slope"))


@way("elu")
def _elu(w: Writer, step: Step) -> str:
    return w.node("Elu", *w.alike(step), name=step.name, alpha=step.option("alpha"))


@way("silu")
def _silu(w: Writer, step: Step) -> str:
    (x,) = w.alike(step)
    return w.node("Mul", x, w.node("Sigmoid", x), name=step.name)


@way("gelu")
def _gelu(w: Writer, step: Step) -> str:
    """x·Φ(x), with Φ(x) = (1 + erf(x / √2)) / 2"""
    (x,), number = w.alike(step), _numbers_of(w, step)
    twice = w.node("Add", w.node("Erf", w.node("Mul", x, number(math.sqrt(0.5)))), number(1.0))
    return w.node("Mul", w.node("Mul", x, number(0.5)), twice, name=step.name)


@way("softplus")
def _softplus(w: Writer, step: Step) -> str:
    (x,), number, beta = w.alike(step), _numbers_of(w, step), step.option("beta")
    z = w.node("Mul", x, number(beta))
    y = w.node("Div", w.node("Softplus", z), number(beta))
    beyond = w.node("Greater", z, number(step.option("threshold")))
    return w.node("Where", beyond, x, y, name=step.name)


@way("clamp", "hardtanh")
def _clamp(w: Writer, step: Step) -> str:
    number = _numbers_of(w, step)
    bounds = [step.option(name) for name in ("low", "high")]
    return w.node(
        "Clip", *w.names(step), *["" if math.isinf(b) else number(b) for b in bounds],
        name=step.name,
    )  # fmt: skip


@way("weighted")
def _weighted(w: Writer, step: Step) -> str:
    """Nothing where the weight is 0, whatever the input is."""
    (weight, x), zero = w.alike(step), _numbers_of(w, step)(0)
    none = w.node("Equal", weight, zero)
    return w.node("Where", none, zero, w.node("Mul", weight, x), name=step.name)


@way("dropout")
def _dropout(w: Writer, step: Step) -> str:
    (x, mask), number = w.names(step), _numbers_of(w, step)
    kept = w.node("Mul", x, number(step.option("scale")))
    return w.node("Where", mask, kept, number(0.0), name=step.name)


@way("divide_each")
def _divide_each(w: Writer, step: Step) -> str:
    by = np.asarray(step.option("by"), step.array.dtype)
    return w.node("Div", *w.names(step), w.numbers(by), name=step.name)


def _numbers_of(w: Writer, step: Step) -> Callable[[float], str]:
    """What stores a number in the dtype of the step's result."""
    return lambda number: w.numbers(number, step.array.dtype)


# Over axes


@way("sum")
def _sum(w: Writer, step: Step) -> str:
    return _reduced(w, step, "ReduceSum", w.name(step.inputs[0]), step.name)


@way("mean", "amax", "amin", "logsumexp")
def _over(w: Writer, step: Step) -> str:
    kinds = {"amax": "ReduceMax", "amin": "ReduceMin", "logsumexp": "ReduceLogSumExp"}
    kind = kinds.get(step.operation.name, "ReduceMean")
    return _reduced(w, step, kind, w.name(step.inputs[0]), step.name)


@way("norm")
def _norm(w: Writer, step: Step) -> str:
    if step.option("p") != 2:
        raise ExportError(f"norm: of order {step.option('p')} is not written, only of 2")
    return _reduced(w, step, "ReduceL2", w.name(step.inputs[0]), step.name)


@way("var")
def _var(w: Writer, step: Step) -> str:
    """Σ (x − mean)² / (n − correction)"""
    dims, x = step.option("dims"), w.name(step.inputs[0])
    lengths = [step.inputs[0].shape[d] for d in dims]
    if any(isinstance(n, Many) for n in lengths):
        raise ExportError("var: over the batch it is not written")
    count = math.prod(lengths)
    centred = w.node("Sub", x, w.node("ReduceMean", x, axes=dims or None, keepdims=1))
    total = _reduced(w, step, "ReduceSum", w.node("Mul", centred, centred))
    freedom = _numbers_of(w, step)(count - step.option("correction"))
    return w.node("Div", total, freedom, name=step.name)


def _reduced(w: Writer, step: Step, kind: str, x: str, name: str | None = None) -> str:
    """x reduced over the step's axes, all of which a tensor without axes has none of."""
    dims, keep = step.option("dims"), int(step.option("keepdim"))
    if not dims:
        return w.node("Identity" if kind != "ReduceL2" else "Abs", x, name=name)
    if kind == "ReduceSum":  # whose axes are an input since opset 13
        return w.node(kind, x, w.integers(*dims), name=name, keepdims=keep)
    return w.node(kind, x, name=name, axes=dims, keepdims=keep)


@way("softmax")
def _softmax(w: Writer, step: Step) -> str:
    return w.node("Softmax", *w.names(step), name=step.name, axis=step.option("dim"))


@way("log_softmax")
def _log_softmax(w: Writer, step: Step) -> str:
    return w.node("LogSoftmax", *w.names(step), name=step.name, axis=step.option("dim"))


@way("normalization")
def _normalization(w: Writer, step: Step) -> str:
    """(x − mean) / √(var + ε)·weight + bias, of parts (N, groups, channels of a group, …)."""
    x, weight, bias = w.names(step)
    _, groups, channels, *pixels = step.option("parts")
    of_each = [groups * channels, *[1] * len(pixels)]  # to meet (N, channels, pixels …)
    if step.option("batch"):
        y = _by_batch(w, step, x)
    elif channels == 1 and pixels:  # each channel by itself
        given = x, weight or _many(w, step, groups, 1), bias or _many(w, step, groups, 0)
        return w.node("InstanceNormalization", *given, name=step.name, epsilon=step.option("eps"))
    else:
        y = _in_groups(w, step, x, groups)
    for kind, name in ("Mul", weight), ("Add", bias):
        if name:
            y = w.node(kind, y, w.reshaped(name, of_each) if pixels else name)
    return y


def _by_batch(w: Writer, step: Step, x: str) -> str:
    """Mean and variance of each channel over the batch and its pixels."""
    over = [i for i in range(len(step.shape)) if i != 1]
    centred = w.node("Sub", x, w.node("ReduceMean", x, axes=over))
    variance = w.node("ReduceMean", w.node("Mul", centred, centred), axes=over)
    deviation = w.node("Sqrt", w.node("Add", variance, _numbers_of(w, step)(step.option("eps"))))
    return w.node("Div", centred, deviation)


def _in_groups(w: Writer, step: Step, x: str, groups: int) -> str:
    """Mean and variance of each group in each example: of (N, groups, all that is in a group)."""
    lead, *_ = step.option("parts")
    inside = math.prod(step.option("parts")[1:]) // groups
    x = w.reshaped(x, (lead, groups, inside))
    given = x, _many(w, step, groups, 1), _many(w, step, groups, 0)
    y = w.node("InstanceNormalization", *given, epsilon=step.option("eps"))
    return w.reshaped(y, step.shape)


def _many(w: Writer, step: Step, count: int, number: float) -> str:
    """So many times the same number."""
    return w.numbers(np.full(count, number), step.array.dtype)


# Products


@way("linear")
def _linear(w: Writer, step: Step) -> str:
    x, weight, bias = w.names(step)
    if len(step.shape) == 2:
        given = [x, weight, *([bias] if bias else [])]
        return w.node("Gemm", *given, name=step.name, transB=1)
    name = None if bias else step.name
    y = w.node("MatMul", x, w.node("Transpose", weight, perm=[1, 0]), name=name)
    return w.node("Add", y, bias, name=step.name) if bias else y


@way("einsum")
def _einsum(w: Writer, step: Step) -> str:
    equation = f"{','.join(step.option('terms'))}->{step.option('result')}"
    return w.node("Einsum", *w.names(step), name=step.name, equation=equation)


@way("conv2d")
def _conv2d(w: Writer, step: Step) -> str:
    return _convolution(w, step, "Conv")


@way("conv2d_input")
def _conv2d_input(w: Writer, step: Step) -> str:
    p = step.option("problem")
    axes = zip(p.size, p.out, p.taps, p.stride, p.padding, p.dilation, strict=True)
    extra = [n - ((m - 1) * s - 2 * q + d * (k - 1) + 1) for n, m, k, s, q, d in axes]
    return _convolution(w, step, "ConvTranspose", output_padding=extra)


def _convolution(w: Writer, step: Step, kind: str, **more: Any) -> str:
    p = step.option("problem")
    given = [name for name in w.names(step) if name]
    return w.node(
        kind, *given, name=step.name, kernel_shape=p.taps, strides=p.stride,
        pads=p.padding * 2, dilations=p.dilation, group=p.groups, **more,
    )  # fmt: skip


# Windows and pixels


@way("max_pool")
def _max_pool(w: Writer, step: Step) -> str:
    window, stride, padding, dilation = step.option("windows")
    pads = _pads(step, window, stride, padding, dilation)
    return w.node(
        "MaxPool", w.name(step.inputs[0]), name=step.name, kernel_shape=window, strides=stride,
        pads=pads, dilations=dilation,
    )  # fmt: skip


@way("sum_windows")
def _sum_windows(w: Writer, step: Step) -> str:
    """Means, times the number of pixels in a window."""
    window, stride, padding = step.option("geometry")
    mean = w.node(
        "AveragePool", *w.names(step), kernel_shape=window, strides=stride,
        pads=_pads(step, window, stride, padding, (1, 1)), count_include_pad=1,
    )  # fmt: skip
    return w.node("Mul", mean, _numbers_of(w, step)(math.prod(window)), name=step.name)


def _pads(step: Step, *geometry: tuple[int, int]) -> list[int]:
    """Before and behind both axes, so that as many windows fit as the step has."""
    along = zip(step.inputs[0].shape[2:], step.shape[2:], *geometry, strict=True)
    return [*geometry[2], *(end_padding(*axis) for axis in along)]


@way("mix")
def _mix(w: Writer, step: Step) -> str:
    """Entries of an axis by their places, or else sums of them as a product with a matrix."""
    axis, by, x = step.option("axis"), step.option("by"), w.name(step.inputs[0])
    if len(by.rows) == by.shape[0] and np.all(by.weights == 1) and np.all(np.diff(by.rows) == 1):
        return w.node("Gather", x, w.integers(*by.columns.tolist()), name=step.name, axis=axis)
    matrix = np.zeros(by.shape[::-1], step.array.dtype)
    np.add.at(matrix, (by.columns, by.rows), by.weights)
    order = [i for i in range(len(step.shape)) if i != axis] + [axis]
    mixed = w.node("MatMul", w.node("Transpose", x, perm=order), w.numbers(matrix))
    return w.node("Transpose", mixed, name=step.name, perm=np.argsort(order).tolist())


@way("pad")
def _pad(w: Writer, step: Step) -> str:
    pads = w.integers(*step.option("before"), *step.option("after"))
    value = _numbers_of(w, step)(step.option("value"))
    return w.node("Pad", *w.names(step), pads, value, name=step.name)


# Shapes and places


@way("reshape")
def _reshape(w: Writer, step: Step) -> str:
    return w.reshaped(w.name(step.inputs[0]), step.shape, step.name)


@way("expand")
def _expand(w: Writer, step: Step) -> str:
    return w.node("Expand", *w.names(step), w.shape(step.shape), name=step.name)


@way("permute")
def _permute(w: Writer, step: Step) -> str:
    return w.node("Transpose", *w.names(step), name=step.name, perm=step.option("dims"))


@way("transpose")
def _transpose(w: Writer, step: Step) -> str:
    order = [*range(len(step.shape))]
    i, j = step.option("dim0"), step.option("dim1")
    order[i], order[j] = order[j], order[i]
    return w.node("Transpose", *w.names(step), name=step.name, perm=order)


@way("cat")
def _cat(w: Writer, step: Step) -> str:
    return w.node("Concat", *w.names(step), name=step.name, axis=step.option("dim"))


@way("stack")
def _stack(w: Writer, step: Step) -> str:
    dim = step.option("dim")
    parts = [w.node("Unsqueeze", x, w.integers(dim)) for x in w.names(step)]
    return w.node("Concat", *parts, name=step.name, axis=dim)


@way("flip")
def _flip(w: Writer, step: Step) -> str:
    dims = step.option("dims")
    if not dims:
        return w.name(step.inputs[0])
    each = [w.integers(*[n] * len(dims)) for n in (LAST, FIRST, -1)]
    starts, ends, steps = each
    x = w.name(step.inputs[0])
    return w.node("Slice", x, starts, ends, w.integers(*dims), steps, name=step.name)


@way("triangle")
def _triangle(w: Writer, step: Step) -> str:
    upper, k = int(step.option("upper")), w.numbers(step.option("k"), np.int64)
    return w.node("Trilu", *w.names(step), k, name=step.name, upper=upper)


@way("embedding")
def _embedding(w: Writer, step: Step) -> str:
    return w.node("Gather", *w.names(step), name=step.name, axis=0)


@way("gather")
def _gather(w: Writer, step: Step) -> str:
    return w.node("GatherElements", *w.names(step), name=step.name, axis=step.option("dim"))


@way("index")
def _index(w: Writer, step: Step) -> str:
    """Slices of all axes first; then those at one place are dropped, and new ones put in."""
    key, x = step.option("key"), step.inputs[0]
    slices, dropped, new, axis, out = [], [], [], 0, 0
    for k in _whole(key if isinstance(key, tuple) else (key,), len(x.shape)):
        if k is None:
            new.append(out)
        elif isinstance(k, int):
            slices.append((axis, k, k + 1 if k != -1 else LAST, 1))
            dropped.append(axis)
        elif isinstance(k, slice) and not any(isinstance(n, Many) for n in _ends(k)):
            slices += [] if k == slice(None) else [(axis, *_ends(k))]
        else:
            raise ExportError("index: what it takes depends on the batch, or is an array")
        axis, out = axis + (k is not None), out + (not isinstance(k, int))
    y = w.name(x)
    if slices:
        axes, starts, ends, steps = map(list, zip(*slices, strict=True))
        y = w.node("Slice", y, *(w.integers(*n) for n in (starts, ends, axes, steps)))
    y = w.node("Squeeze", y, w.integers(*dropped)) if dropped else y
    return w.node("Unsqueeze", y, w.integers(*new)) if new else y


def _whole(key: tuple, ndim: int) -> list[Any]:
    """A key with a slice in place of each axis that `...` stands for."""
    if any(is_array(k) for k in key):
        raise ExportError("index: by arrays it is not written")
    rest = [slice(None)] * (ndim - sum(k is not None and k is not ... for k in key))
    place = next((i for i, k in enumerate(key) if k is ...), len(key))
    return [*key[:place], *rest, *key[place + 1 :]]


def _ends(k: slice) -> tuple[int, int, int]:
    """First place, last, and step of a slice, as ONNX has them."""
    step = 1 if k.step is None else k.step
    first, last = (0, LAST) if step > 0 else (LAST, FIRST)
    return first if k.start is None else k.start, last if k.stop is None else k.stop, step
