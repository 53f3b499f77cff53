"""Softmax along an axis. Sums along rows are products with ones, since BLAS adds several numbers at
a time; NumPy's maximum of each row takes as long as all the rest, and is only needed where e^input
would overflow or vanish."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigen.backend import Array, memory_order
from minigen.kernels import elementwise, limits, memory, pixels, threads

# e^60 can be added up in float32. Below a sum of 1 shares would vanish that are not so small.
HIGHEST, LEAST = 60.0, 1.0
NEAR = 30.0  # from −30 to 30 nothing vanishes, whatever the sum


def softmax(input: Array, dim: int) -> Array:
    """e^input / Σ e^input along axis `dim`"""
    few = _has_rows(input, dim) and 0 < input.size <= limits.now.unshared
    if few and input.item(input.argmin()) >= -NEAR and input.item(input.argmax()) <= NEAR:
        e = np.exp(input)
        e /= _sums(e)
        return e
    y = _by_rows(_of_rows, dim, input)
    if y is None:
        with np.errstate(under="ignore"):
            y = np.exp(input - highest(input, dim))
            y /= _sum(y, dim)
    return y


def _by_rows(work: Callable[..., None], dim: int, *arrays: Array) -> Array | None:
    """What `work(*rows, out)` writes, given some rows along the axis of each array, as the last one
    has them in memory; None where it has none, or so few numbers that a formula is as fast."""
    last = arrays[-1]
    if type(last) is not np.ndarray or not last.ndim or last.size < limits.now.by_pieces:
        return None
    order = memory_order(last.strides)
    if order[-1] != dim or not last.transpose(order).flags.c_contiguous:
        return None
    y = memory.empty_like(last)
    rows = [np.ascontiguousarray(a.transpose(order)).reshape(-1, last.shape[dim]) for a in arrays]
    rows.append(y.transpose(order).reshape(-1, last.shape[dim]))

    @threads.single_threaded_blas()
    @np.errstate(under="ignore")
    def some(i: int, j: int) -> None:
        work(*(a[i:j] for a in rows))

    threads.in_pieces(some, *rows[0].shape, limits.now.of_a_pass * last.size)
    return y


def _of_rows(rows: Array, out: Array) -> None:
    if not rows.max() <= HIGHEST:
        _of_any_rows(rows, out)
        return
    sums = _sums(np.exp(rows, out=out))[:, 0]
    low = np.flatnonzero(~(sums >= LEAST))  # few, such as the first rows under a causal mask
    sums[low] = 1
    out /= sums[:, None]
    if low.size:
        out[low] = _of_any_rows(rows[low], np.empty((low.size, rows.shape[1]), rows.dtype))


def _of_any_rows(rows: Array, out: Array) -> Array:
    np.subtract(rows, highest(rows, 1), out=out)
    np.exp(out, out=out)
    out /= _sums(out)
    return out


def softmax_slope(g: Array, y: Array, dim: int) -> Array:
    """y·(g − Σ g·y) along axis `dim`"""
    d = _by_rows(_slope_of_rows, dim, g, y)
    return y * (g - _sum(g * y, dim)) if d is None else d


def _slope_of_rows(g: Array, y: Array, out: Array) -> None:
    np.subtract(g, _sums(np.multiply(g, y, out)), out)
    out *= y


def log_softmax_slope(g: Array, y: Array, dim: int) -> Array:
    """g − e^y·Σ g along axis `dim`"""
    d = _by_rows(_log_slope_of_rows, dim, g, y)
    if d is not None:
        return d
    with np.errstate(under="ignore"):
        e = np.exp(y)
        e *= _sum(g, dim)
    return g - e


def _log_slope_of_rows(g: Array, y: Array, out: Array) -> None:
    np.exp(y, out=out)
    out *= _sums(g)
    np.subtract(g, out, out=out)


def log_softmax(input: Array, dim: int) -> Array:
    """input − log Σ e^input along axis `dim`"""
    y = _by_rows(_log_of_rows, dim, input)
    if y is not None:
        return y
    few = _has_rows(input, dim) and 0 < input.size <= limits.now.unshared
    y = input - (input[input.argmax()] if few and input.ndim == 1 else highest(input, dim))
    if few and y.item(y.argmin()) >= -NEAR:
        sums = _sums(np.exp(y))
    else:
        with np.errstate(under="ignore"):
            sums = _sum(np.exp(y), dim)
    y -= np.log(sums)
    return y


def _log_of_rows(rows: Array, out: Array) -> None:
    np.subtract(rows, highest(rows, 1), out=out)  # so that no logarithm of a share is above 0
    out -= np.log(_sums(np.exp(out)))


def _has_rows(x: Array, dim: int) -> bool:
    """Whether the numbers along the axis lie side by side."""
    return type(x) is np.ndarray and dim == x.ndim - 1 and x.flags.c_contiguous


def _sums(e: Array) -> Array:
    """Along the last axis, of few numbers: `dot` takes a third of the time of a reduction. That of
    a single axis is a number, by which NumPy divides in half the time."""
    length = e.shape[-1]
    if e.ndim == 1:
        return e.dot(pixels.ones(length, e.dtype))
    rows, most = e.reshape(-1, length), limits.now.by_pieces
    if length <= most:
        sums = rows.dot(pixels.ones(length, e.dtype))
    else:  # of long ones float32 would lose digits
        parts = [rows[:, i : i + most] for i in range(0, length, most)]
        parts = [part.dot(pixels.ones(part.shape[1], e.dtype)) for part in parts]
        sums = np.sum(parts, 0, np.float64).astype(e.dtype)
    return sums.reshape(*e.shape[:-1], 1)


def highest(input: Array, dim: int) -> Array:
    """The largest element along `dim`, 0 if there is none."""
    if input.size > limits.now.unshared and _has_rows(input, dim):
        rows = input.reshape(-1, input.shape[-1])
        # NumPy finds the place of a row's maximum in less than half the time of the maximum.
        return rows[np.arange(len(rows)), rows.argmax(1)].reshape(*input.shape[:-1], 1)
    return elementwise.over(np.maximum if input.size else np.add, input, dim, True)


def _sum(x: Array, dim: int) -> Array:
    """Along the axis, which stays."""
    long = x.ndim and x.shape[dim] > limits.now.by_pieces
    if not long and x.size and _has_rows(x, dim):
        with threads.single_threaded_blas():
            return _sums(x)
    if long and isinstance(x, np.ndarray):
        sums = pixels.sum_along(x, (dim % x.ndim,))
        if sums is not None:
            return np.expand_dims(sums, dim)
    return elementwise.over(np.add, x, dim, True)
