"""How what computes numbers is written in ONNX: on each element, over axes, products.

Most operations have a counterpart (`SAME`). The others are written with several nodes, by the same
formula as in `minigen/functional`; weights keep the layout of their state dict.
"""

from __future__ import annotations

import math

import numpy as np

from minigen.export.recording import ExportError
from minigen.export.trace import Many, Step
from minigen.export.writer import Way, Ways, Writer

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
WAYS = Ways()


def _same(kind: str) -> Way:
    return lambda w, step: w.node(kind, *w.alike(step))


WAYS |= {name: _same(kind) for name, kind in SAME.items()}


# On each element


@WAYS.of("ne")
def _ne(w: Writer, step: Step) -> str:
    return w.node("Not", w.node("Equal", *w.alike(step)))


@WAYS.of("rsqrt")
def _rsqrt(w: Writer, step: Step) -> str:
    return w.node("Reciprocal", w.node("Sqrt", *w.alike(step)))


@WAYS.of("cast")
def _cast(w: Writer, step: Step) -> str:
    return w.node("Cast", *w.names(step), to=w.kind(step.option("to")))


@WAYS.of("leaky_relu")
def _leaky_relu(w: Writer, step: Step) -> str:
    return w.node("LeakyRelu", *w.alike(step), alpha=step.option("slope"))


@WAYS.of("elu")
def _elu(w: Writer, step: Step) -> str:
    return w.node("Elu", *w.alike(step), alpha=step.option("alpha"))


@WAYS.of("silu")
def _silu(w: Writer, step: Step) -> str:
    (x,) = w.alike(step)
    return w.node("Mul", x, w.node("Sigmoid", x))


@WAYS.of("gelu")
def _gelu(w: Writer, step: Step) -> str:
    """x·Φ(x), with Φ(x) = (1 + erf(x / √2)) / 2"""
    (x,) = w.alike(step)
    erf = w.node("Erf", w.node("Mul", x, w.number(step, math.sqrt(0.5))))
    twice = w.node("Add", erf, w.number(step, 1.0))
    return w.node("Mul", w.node("Mul", x, w.number(step, 0.5)), twice)


@WAYS.of("softplus")
def _softplus(w: Writer, step: Step) -> str:
    (x,), beta = w.alike(step), step.option("beta")
    z = w.node("Mul", x, w.number(step, beta))
    y = w.node("Div", w.node("Softplus", z), w.number(step, beta))
    beyond = w.node("Greater", z, w.number(step, step.option("threshold")))
    return w.node("Where", beyond, x, y)


@WAYS.of("clamp", "hardtanh")
def _clamp(w: Writer, step: Step) -> str:
    bounds = [step.option(name) for name in ("low", "high")]
    return w.node(
        "Clip", *w.names(step), *["" if math.isinf(b) else w.number(step, b) for b in bounds],
    )  # fmt: skip


@WAYS.of("weighted")
def _weighted(w: Writer, step: Step) -> str:
    """Nothing where the weight is 0, whatever the input is."""
    (weight, x), zero = w.alike(step), w.number(step, 0)
    none = w.node("Equal", weight, zero)
    return w.node("Where", none, zero, w.node("Mul", weight, x))


@WAYS.of("dropout")
def _dropout(w: Writer, step: Step) -> str:
    x, mask = w.names(step)
    kept = w.node("Mul", x, w.number(step, step.option("scale")))
    return w.node("Where", mask, kept, w.number(step, 0.0))


@WAYS.of("divide_each")
def _divide_each(w: Writer, step: Step) -> str:
    by = np.asarray(step.option("by"), step.array.dtype)
    return w.node("Div", *w.names(step), w.numbers(by))


# Over axes


@WAYS.of("sum")
def _sum(w: Writer, step: Step) -> str:
    return _reduced(w, step, "ReduceSum", w.name(step.inputs[0]))


@WAYS.of("mean", "amax", "amin", "logsumexp")
def _over(w: Writer, step: Step) -> str:
    kinds = {"amax": "ReduceMax", "amin": "ReduceMin", "logsumexp": "ReduceLogSumExp"}
    kind = kinds.get(step.operation.name, "ReduceMean")
    return _reduced(w, step, kind, w.name(step.inputs[0]))


@WAYS.of("norm")
def _norm(w: Writer, step: Step) -> str:
    if step.option("p") != 2:
        raise ExportError(f"norm: of order {step.option('p')} is not written, only of 2")
    return _reduced(w, step, "ReduceL2", w.name(step.inputs[0]))


@WAYS.of("var")
def _var(w: Writer, step: Step) -> str:
    """Σ (x − mean)² / (n − correction)"""
    dims, x = step.option("dims"), w.name(step.inputs[0])
    lengths = [step.inputs[0].shape[d] for d in dims]
    if any(isinstance(n, Many) for n in lengths):
        raise ExportError("var: over the batch it is not written")
    count = math.prod(lengths)
    centred = w.node("Sub", x, w.node("ReduceMean", x, axes=dims or None, keepdims=1))
    total = _reduced(w, step, "ReduceSum", w.node("Mul", centred, centred))
    freedom = w.number(step, count - step.option("correction"))
    return w.node("Div", total, freedom)


def _reduced(w: Writer, step: Step, kind: str, x: str) -> str:
    """x reduced over the step's axes, all of which a tensor without axes has none of."""
    dims, keep = step.option("dims"), int(step.option("keepdim"))
    if not dims:
        return w.node("Identity" if kind != "ReduceL2" else "Abs", x)
    if kind == "ReduceSum":  # whose axes are an input since opset 13
        return w.node(kind, x, w.integers(*dims), keepdims=keep)
    return w.node(kind, x, axes=dims, keepdims=keep)


@WAYS.of("softmax")
def _softmax(w: Writer, step: Step) -> str:
    return w.node("Softmax", *w.names(step), axis=step.option("dim"))


@WAYS.of("log_softmax")
def _log_softmax(w: Writer, step: Step) -> str:
    return w.node("LogSoftmax", *w.names(step), axis=step.option("dim"))


@WAYS.of("normalization")
def _normalization(w: Writer, step: Step) -> str:
    """(x − mean) / √(var + ε)·weight + bias, of parts (N, groups, channels of a group, …)."""
    x, weight, bias = w.names(step)
    _, groups, channels, *pixels = step.option("parts")
    of_each = [groups * channels, *[1] * len(pixels)]  # to meet (N, channels, pixels …)
    if step.option("batch"):
        y = _by_batch(w, step, x)
    elif channels == 1 and pixels:  # each channel by itself
        given = x, weight or _many(w, step, groups, 1), bias or _many(w, step, groups, 0)
        return w.node("InstanceNormalization", *given, epsilon=step.option("eps"))
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
    deviation = w.node("Sqrt", w.node("Add", variance, w.number(step, step.option("eps"))))
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


@WAYS.of("linear")
def _linear(w: Writer, step: Step) -> str:
    x, weight, bias = w.names(step)
    if len(step.shape) == 2:
        given = [x, weight, *([bias] if bias else [])]
        return w.node("Gemm", *given, transB=1)
    y = w.node("MatMul", x, w.node("Transpose", weight, perm=[1, 0]))
    return w.node("Add", y, bias) if bias else y


@WAYS.of("einsum")
def _einsum(w: Writer, step: Step) -> str:
    equation = f"{','.join(step.option('terms'))}->{step.option('result')}"
    return w.node("Einsum", *w.names(step), equation=equation)


@WAYS.of("conv2d")
def _conv2d(w: Writer, step: Step) -> str:
    return _convolution(w, step, "Conv")


@WAYS.of("conv2d_input")
def _conv2d_input(w: Writer, step: Step) -> str:
    p = step.option("problem")
    axes = zip(p.size, p.out, p.taps, p.stride, p.padding, p.dilation, strict=True)
    extra = [n - ((m - 1) * s - 2 * q + d * (k - 1) + 1) for n, m, k, s, q, d in axes]
    return _convolution(w, step, "ConvTranspose", tuple(extra))


USUAL = {
    "strides": (1, 1), "pads": (0, 0, 0, 0), "dilations": (1, 1), "group": 1,
    "output_padding": (0, 0),
}  # fmt: skip


def _convolution(w: Writer, step: Step, kind: str, extra: tuple[int, ...] = (0, 0)) -> str:
    p = step.option("problem")
    given = [name for name in w.names(step) if name]
    how = dict(zip(USUAL, (p.stride, p.padding * 2, p.dilation, p.groups, extra), strict=True))
    # What ONNX takes for granted is left out: of a small network it would be 2 % of the file.
    return w.node(kind, *given, **{k: v for k, v in how.items() if v != USUAL[k]})
