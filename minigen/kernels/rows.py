"""Sums into places that may be named several times, in the order in which they are named."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen.backend import Array, namespace
from minigen.kernels import limits


def add_at(y: Array, key: Any, values: Array) -> None:
    """y[key] += values, as often as a place is named.

    NumPy's `add.at` takes 10 ns an element, and 50 where the key names rows.
    """
    rows = _rows(y, key, values)
    if rows is None:
        namespace(y).add.at(y, key, values)
        return
    width = math.prod(y.shape[1:])
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sums = _sums(values.reshape(len(rows), width), order, first)
    y.reshape(len(y), width)[ordered[first]] += sums


def _sums(values: Array, order: Array, first: Array) -> Array:
    """The sums of the rows of values (m, width) in that order, each from one of `first` to before
    the next. Of many they are a product with a matrix of ones and zeros, which takes a tenth of
    the time."""
    if values.size < limits.now.by_pieces or values.dtype.itemsize < 4:
        return np.add.reduceat(values[order], first, axis=0)
    from scipy import sparse  # only here, since the import takes 14 ms

    ones, ends = np.ones(len(order), values.dtype), np.r_[first, len(order)]
    return sparse.csr_array((ones, order, ends), shape=(len(first), len(order))) @ values


def _rows(y: Array, key: Any, values: Array) -> Array | None:
    """Which rows of y the key names, if it names rows and they are many enough to be sorted."""
    if isinstance(key, tuple):
        key = key[0] if len(key) == 1 else None
    many = isinstance(key, np.ndarray) and key.size >= limits.now.by_sorting
    if not many or key.dtype.kind not in "iu" or not y.flags.c_contiguous or y.ndim < 2:
        return None
    if values.shape != (*key.shape, *y.shape[1:]) or values.dtype != y.dtype:
        return None
    rows = key.reshape(-1)
    return np.where(rows < 0, rows + len(y), rows) if rows.min() < 0 else rows
