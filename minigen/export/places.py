"""How what moves or chooses numbers is written in ONNX: windows, pixels, shapes, places."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen.backend import is_array
from minigen.export.recording import ExportError
from minigen.export.trace import Many, Step
from minigen.export.writer import FIRST, LAST, Ways, Writer, end_padding

WAYS = Ways()
UNCHANGED = ("clone", "contiguous", "in_rows")  # but for where it lies in memory
WAYS |= {name: lambda w, step: w.name(step.inputs[0]) for name in UNCHANGED}


# Windows and pixels


@WAYS.of("max_pool")
def _max_pool(w: Writer, step: Step) -> str:
    window, stride, padding, dilation = step.option("windows")
    pads = _pads(step, window, stride, padding, dilation)
    return w.node(
        "MaxPool", w.name(step.inputs[0]), kernel_shape=window, strides=stride,
        pads=pads, dilations=dilation,
    )  # fmt: skip


@WAYS.of("sum_windows")
def _sum_windows(w: Writer, step: Step) -> str:
    """Means, times the number of pixels in a window."""
    window, stride, padding = step.option("geometry")
    mean = w.node(
        "AveragePool", *w.names(step), kernel_shape=window, strides=stride,
        pads=_pads(step, window, stride, padding, (1, 1)), count_include_pad=1,
    )  # fmt: skip
    return w.node("Mul", mean, w.number(step, math.prod(window)))


def _pads(step: Step, *geometry: tuple[int, int]) -> list[int]:
    """Before and behind both axes, so that as many windows fit as the step has."""
    along = zip(step.inputs[0].shape[2:], step.shape[2:], *geometry, strict=True)
    return [*geometry[2], *(end_padding(*axis) for axis in along)]


@WAYS.of("mix")
def _mix(w: Writer, step: Step) -> str:
    """Entries of an axis by their places, or else sums of them as a product with a matrix."""
    axis, by, x = step.option("axis"), step.option("by"), w.name(step.inputs[0])
    if len(by.rows) == by.shape[0] and np.all(by.weights == 1) and np.all(np.diff(by.rows) == 1):
        return w.node("Gather", x, w.integers(*by.columns.tolist()), axis=axis)
    matrix = np.zeros(by.shape[::-1], step.array.dtype)
    np.add.at(matrix, (by.columns, by.rows), by.weights)
    order = [i for i in range(len(step.shape)) if i != axis] + [axis]
    mixed = w.node("MatMul", w.node("Transpose", x, perm=order), w.numbers(matrix))
    return w.node("Transpose", mixed, perm=np.argsort(order).tolist())


@WAYS.of("pad")
def _pad(w: Writer, step: Step) -> str:
    pads = w.integers(*step.option("before"), *step.option("after"))
    value = w.number(step, step.option("value"))
    return w.node("Pad", *w.names(step), pads, value)


# Shapes and places


@WAYS.of("reshape")
def _reshape(w: Writer, step: Step) -> str:
    return w.reshaped(w.name(step.inputs[0]), step.shape)


@WAYS.of("expand")
def _expand(w: Writer, step: Step) -> str:
    return w.node("Expand", *w.names(step), w.shape(step.shape))


@WAYS.of("permute")
def _permute(w: Writer, step: Step) -> str:
    return w.node("Transpose", *w.names(step), perm=step.option("dims"))


@WAYS.of("transpose")
def _transpose(w: Writer, step: Step) -> str:
    order = [*range(len(step.shape))]
    i, j = step.option("dim0"), step.option("dim1")
    order[i], order[j] = order[j], order[i]
    return w.node("Transpose", *w.names(step), perm=order)


@WAYS.of("cat")
def _cat(w: Writer, step: Step) -> str:
    return w.node("Concat", *w.names(step), axis=step.option("dim"))


@WAYS.of("stack")
def _stack(w: Writer, step: Step) -> str:
    dim = step.option("dim")
    parts = [w.node("Unsqueeze", x, w.integers(dim)) for x in w.names(step)]
    return w.node("Concat", *parts, axis=dim)


@WAYS.of("flip")
def _flip(w: Writer, step: Step) -> str:
    dims = step.option("dims")
    if not dims:
        return w.name(step.inputs[0])
    each = [w.integers(*[n] * len(dims)) for n in (LAST, FIRST, -1)]
    starts, ends, steps = each
    x = w.name(step.inputs[0])
    return w.node("Slice", x, starts, ends, w.integers(*dims), steps)


@WAYS.of("triangle")
def _triangle(w: Writer, step: Step) -> str:
    upper, k = int(step.option("upper")), w.numbers(step.option("k"), np.int64)
    return w.node("Trilu", *w.names(step), k, upper=upper)


@WAYS.of("embedding")
def _embedding(w: Writer, step: Step) -> str:
    return w.node("Gather", *w.names(step), axis=0)


@WAYS.of("gather")
def _gather(w: Writer, step: Step) -> str:
    return w.node("GatherElements", *w.names(step), axis=step.option("dim"))


@WAYS.of("index")
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
