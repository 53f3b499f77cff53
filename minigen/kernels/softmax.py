"""Softmax along an axis. Sums along rows are products with ones, since BLAS adds several numbers at
a time; NumPy's maximum of each row takes as long as all the rest, and is only needed where e^input
would overflow or vanish."""

from __future__ import annotations

import numpy as np

from minigen.backend import Array
from minigen.kernels import limits, memory, pixels, threads

# e^60 can be added up in float32. Below a sum of 1 shares would vanish that are not so small.
HIGHEST, LEAST = 60.0, 1.0


@np.errstate(under="ignore")
def softmax(input: Array, dim: int) -> Array:
    """e^input / Σ e^input along axis `dim`"""
    rows = isinstance(input, np.ndarray) and dim == input.ndim - 1 and input.flags.c_contiguous
    if not rows or input.size < limits.now.by_pieces:
        e = np.exp(input - highest(input, dim))
        e /= _over(np.add, e, dim)
        return e
    y = memory.empty_like(input)
    rows, out = (a.reshape(-1, input.shape[dim]) for a in (input, y))

    def work(first: int, last: int) -> None:
        _of_rows(rows[first:last], out[first:last])

    threads.in_pieces(work, *rows.shape, limits.now.of_a_pass * input.size)
    return y


@threads.single_threaded_blas()
def _of_rows(rows: Array, out: Array) -> None:
    ones = np.ones(rows.shape[1], rows.dtype)
    if rows.max() <= HIGHEST:
        sums = np.exp(rows, out=out) @ ones
        if sums.min() >= LEAST:
            out /= sums[:, None]
            return
    np.subtract(rows, rows.max(axis=1, keepdims=True), out=out)
    np.exp(out, out=out)
    out /= (out @ ones)[:, None]


def log_softmax(input: Array, dim: int) -> Array:
    """input − log Σ e^input along axis `dim`"""
    y = input - highest(input, dim)
    y -= np.log(_over(np.add, np.exp(y), dim))
    return y


def highest(input: Array, dim: int) -> Array:
    """The largest element along `dim`, 0 if there is none."""
    return _over(np.maximum if input.size else np.add, input, dim)


def _over(ufunc: np.ufunc, x: Array, dim: int) -> Array:
    """Its sums or maxima, as arrays' methods give them, which take 2 µs more."""
    if isinstance(x, np.ndarray):
        if ufunc is np.add and x.ndim and x.shape[dim] > limits.now.by_pieces:
            sums = pixels.sum_along(x, (dim % x.ndim,))
            if sums is not None:
                return np.expand_dims(sums, dim)
        return ufunc.reduce(x, dim, None, None, True)
    return (x.max if ufunc is np.maximum else x.sum)(axis=dim, keepdims=True)
