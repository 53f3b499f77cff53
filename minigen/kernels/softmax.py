"""Softmax along an axis. Sums along rows are products with ones, since BLAS adds several numbers at
a time; NumPy's maximum of each row takes as long as all the rest, and is only needed where e^input
would overflow or vanish."""

from __future__ import annotations

import numpy as np

from minigen.backend import Array
from minigen.kernels import elementwise, limits, memory, pixels, threads

# e^60 can be added up in float32. Below a sum of 1 shares would vanish that are not so small.
HIGHEST, LEAST = 60.0, 1.0
NEAR = 30.0  # from −30 to 30 nothing vanishes, whatever the sum


def softmax(input: Array, dim: int) -> Array:
    """e^input / Σ e^input along axis `dim`"""
    rows = _has_rows(input, dim)
    few = rows and 0 < input.size <= limits.now.unshared
    if few and input.item(input.argmin()) >= -NEAR and input.item(input.argmax()) <= NEAR:
        e = np.exp(input)
        e /= _sums(e)
        return e
    return _softmax(input, dim, rows)


@np.errstate(under="ignore")
def _softmax(input: Array, dim: int, rows: bool) -> Array:
    if not rows or input.size < limits.now.by_pieces:
        e = np.exp(input - highest(input, dim))
        e /= _sum(e, dim)
        return e
    y = memory.empty_like(input)
    rows, out = (a.reshape(-1, input.shape[dim]) for a in (input, y))

    def work(first: int, last: int) -> None:
        _of_rows(rows[first:last], out[first:last])

    threads.in_pieces(work, *rows.shape, limits.now.of_a_pass * input.size)
    return y


@threads.single_threaded_blas()
def _of_rows(rows: Array, out: Array) -> None:
    if not rows.max() <= HIGHEST:
        _of_any_rows(rows, out)
        return
    sums = np.exp(rows, out=out).dot(pixels.ones(rows.shape[1], rows.dtype))
    low = np.flatnonzero(~(sums >= LEAST))  # few, such as the first rows under a causal mask
    sums[low] = 1
    out /= sums[:, None]
    if low.size:
        out[low] = _of_any_rows(rows[low], np.empty((low.size, rows.shape[1]), rows.dtype))


def _of_any_rows(rows: Array, out: Array) -> Array:
    np.subtract(rows, highest(rows, 1), out=out)
    np.exp(out, out=out)
    out /= out.dot(pixels.ones(rows.shape[1], rows.dtype))[:, None]
    return out


def softmax_slope(g: Array, y: Array, dim: int) -> Array:
    """y·(g − Σ g·y) along axis `dim`"""
    if not _has_rows(y, dim) or not y.size:
        return y * (g - _sum(g * y, dim))
    d = memory.empty_like(y)
    g, rows, out = (np.ascontiguousarray(a).reshape(-1, y.shape[dim]) for a in (g, y, d))

    def work(first: int, last: int) -> None:
        some = slice(first, last)
        with threads.single_threaded_blas():
            sums = _sums(np.multiply(g[some], rows[some], out[some]))
        np.subtract(g[some], sums, out[some])
        out[some] *= rows[some]

    threads.in_pieces(work, *rows.shape, limits.now.of_a_pass * y.size)
    return d


def log_softmax_slope(g: Array, y: Array, dim: int) -> Array:
    """g − e^y·Σ g along axis `dim`"""
    with np.errstate(under="ignore"):
        e = np.exp(y)
        e *= _sum(g, dim)
    return g - e


def log_softmax(input: Array, dim: int) -> Array:
    """input − log Σ e^input along axis `dim`"""
    few = _has_rows(input, dim) and 0 < input.size <= limits.now.unshared
    y = input - (input[input.argmax()] if few and input.ndim == 1 else highest(input, dim))
    if few and y.item(y.argmin()) >= -NEAR:
        sums = _sums(np.exp(y))
    else:
        with np.errstate(under="ignore"):
            sums = _sum(np.exp(y), dim)
    y -= np.log(sums)
    return y


def _has_rows(x: Array, dim: int) -> bool:
    """Whether the numbers along the axis lie side by side."""
    return type(x) is np.ndarray and dim == x.ndim - 1 and x.flags.c_contiguous


def _sums(e: Array) -> Array:
    """Along the last axis, of few numbers: `dot` takes a third of the time of a reduction. That of
    a single axis is a number, by which NumPy divides in half the time."""
    length = e.shape[-1]
    if e.ndim == 1:
        return e.dot(pixels.ones(length, e.dtype))
    sums = e.reshape(-1, length).dot(pixels.ones(length, e.dtype))
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
