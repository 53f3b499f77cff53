"""Optimisers' steps on the GPU, in place, one launch for each parameter; the kernels are in
optim.cu."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.backend import FLOAT32, FLOAT64, Array, namespace, on_host
from minigen.kernels.cuda.launch import (
    KERNELS,
    ceil_div,
    contiguous,
    kernel,
    multiprocessors,
    type_name,
)

FILE, THREADS = "optim.cu", 256
NAMES = ("adam", "sgd_rows", "adam_rows", "sum_rows")
KERNELS[FILE] = tuple(f"{name}<{t}>" for name in NAMES for t in ("float", "double"))


def takes(*arrays: Array) -> bool:
    """Whether the arrays are on a GPU, and such as these kernels can update."""
    return all(
        not on_host(a) and a.dtype in (FLOAT32, FLOAT64) and a.flags.c_contiguous for a in arrays
    )


def _in_place(name: str, *arrays: Array) -> None:
    """Refuse arrays of which a kernel would write a copy."""
    for array in arrays:
        if not array.flags.c_contiguous:
            raise ValueError(
                f"{name}: an array {array.shape} with strides {array.strides} cannot be updated in "
                "place; parameters must lie in C order (numpy.ascontiguousarray)"
            )


def _run(name: str, like: Array, blocks: int, *args: Any) -> None:
    kernel(FILE, f"{name}<{type_name(like)}>")((blocks,), (THREADS,), args)


def adam(
    p: Array, g: Array, m: Array, v: Array, rate: float, betas: tuple[float, float], eps: float,
    weight_decay: float = 0.0, maximize: bool = False,
) -> None:  # fmt: skip
    """One step: g ← ±g + weight_decay·p, and

    m ← β₁·m + (1 − β₁)·g,   v ← β₂·v + (1 − β₂)·g²,   p ← p − rate·m / (√v + eps)

    with both corrections in `rate` and `eps`, as `minigen.optim.Adam` puts them there. All arrays
    have p's shape and dtype; p, m and v are changed in place.

    Raises:
        ValueError: p, m or v does not lie in memory in C order.
    """
    _in_place("Adam", p, m, v)
    real = p.dtype.type
    numbers = (1 - betas[0], betas[1], 1 - betas[1], rate, eps, weight_decay)
    args = (np.int64(p.size), *map(real, numbers), np.int32(maximize))
    # Enough threads to keep the card busy; they come back for the rest.
    blocks = min(ceil_div(p.size, 2 * THREADS), 16 * multiprocessors(p.device.id))
    if p.size:
        _run("adam", p, blocks, p, contiguous(g), m, v, *args)


def sgd_rows(table: Array, rows: Array, values: Array, rate: float) -> None:
    """table[rows] += rate·values, in place: table (n, dim), rows (u,) int64, each named once and
    inside the table, values (u, dim)."""
    _in_place("SGD", table)
    if values.size:
        args = (contiguous(rows), contiguous(values), *_sizes(values), table.dtype.type(rate))
        _run("sgd_rows", table, ceil_div(values.size, THREADS), table, *args)


def adam_rows(
    table: Array, m: Array, v: Array, rows: Array, values: Array, rate: float,
    betas: tuple[float, float], eps: float, maximize: bool = False,
) -> None:  # fmt: skip
    """A step of `minigen.optim.SparseAdam` for the rows `rows` (u,) int64, each named once, of the
    table and of its mean and mean square, in place: values (u, dim) is the gradient."""
    _in_place("SparseAdam", table, m, v)
    if values.size:
        real = table.dtype.type
        numbers = map(real, (1 - betas[0], 1 - betas[1], rate, eps))
        args = (contiguous(rows), contiguous(values), *_sizes(values), *numbers, np.int32(maximize))
        _run("adam_rows", table, ceil_div(values.size, THREADS), table, m, v, *args)


def sum_rows(values: Array, slots: Array, count: int) -> Array:
    """(count, dim): row u is the sum of those values (n, dim) whose slot (n,), int64, is u. The
    same bits every time, which adding by atomics would not give."""
    xp = namespace(values)
    sums = xp.empty((count, *values.shape[1:]), values.dtype)
    if sums.size:
        order = xp.argsort(slots)
        args = (contiguous(values), contiguous(slots[order]), order, sums)
        size, dim = _sizes(sums)
        blocks = ceil_div(sums.size, THREADS)
        _run("sum_rows", values, blocks, *args, size, np.int64(len(slots)), dim)
    return sums


def _sizes(values: Array) -> tuple[Any, Any]:
    """How many numbers, and how many in a row."""
    return np.int64(values.size), np.int32(values.size // len(values))
