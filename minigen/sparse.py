"""Row-sparse gradients: a few rows of a large table, and nothing about the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.backend import Array, as_array, device_of, namespace
from minigen.kernels.cuda import optim as cuda
from minigen.kernels.rows import add_at


class SparseRows:
    """An array that is zero but for some rows: what `embedding(sparse=True)` gives as gradient.

    Args:
        rows: which, int64 (n,); rows named several times are summed into one.
        values: theirs, (n, …).
        shape: of the whole array.

    Attributes:
        rows: ascending, each once.
        values: in the order of `rows`.
    """

    def __init__(self, rows: Array, values: Array, shape: tuple[int, ...]):
        rows, values = as_array(rows), as_array(values)
        xp = namespace(values)
        self.shape = shape
        self.rows, places = xp.unique(rows, return_inverse=True)
        if len(self.rows) == len(rows):
            self.values = values[xp.argsort(rows)]
        elif cuda.takes(values):
            self.values = cuda.sum_rows(values, places.reshape(-1), len(self.rows))
        else:
            exact = np.result_type(values, np.float32)  # float16 would round each sum
            total = xp.zeros((len(self.rows), *values.shape[1:]), exact)
            add_at(total, places.reshape(-1), values)
            self.values = total.astype(values.dtype, copy=False)

    @property
    def dtype(self) -> np.dtype:
        """That of the values."""
        return self.values.dtype

    @property
    def device(self) -> str:
        """Where the values are: `"cpu"`, `"cuda:0"`, …"""
        return device_of(self.values)

    def __add__(self, other: SparseRows) -> SparseRows:
        xp = namespace(self.values)
        rows = xp.concatenate([self.rows, other.rows])
        return SparseRows(rows, xp.concatenate([self.values, other.values]), self.shape)

    def add_to(self, dense: Array) -> Array:
        """A copy of `dense` with the rows added."""
        y = dense.copy()
        y[self.rows] += self.values  # each row is named once
        return y

    def to_dense(self) -> Array:
        """The whole array."""
        return self.add_to(namespace(self.values).zeros(self.shape, self.dtype))

    def __repr__(self) -> str:
        return f"SparseRows({len(self.rows)} rows of {self.shape}, {self.dtype})"


def plus(a: Any, b: Any) -> Any:
    """The sum of two gradients, tensors or row-sparse: these stay so among themselves, and become
    dense where they meet tensors."""
    if isinstance(a, SparseRows) == isinstance(b, SparseRows):
        return a + b
    rows, tensor = (a, b) if isinstance(a, SparseRows) else (b, a)
    return type(tensor)(rows.add_to(tensor.array))
