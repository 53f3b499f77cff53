"""Tables of vectors, and integers as vectors."""

from __future__ import annotations

import math

from minigen.backend import INT64, Array, namespace, on_host
from minigen.functional import moves
from minigen.functional.arguments import out_of_range, refuse, require_integers
from minigen.functional.pointwise import converted, eq, where
from minigen.operation import operation
from minigen.sparse import SparseRows
from minigen.tape import is_grad_enabled
from minigen.tensor import Tensor

__all__ = ["embedding", "one_hot"]


def _embedding_pullback(g: Tensor, rows: Array, shape, padding_idx, sparse) -> Tensor | SparseRows:
    """Each vector's gradient is added to the row that it came from."""
    rows, g = rows.reshape(-1), g.reshape(rows.size, shape[1])
    real = None if padding_idx is None else rows != padding_idx
    if not sparse:
        if real is not None:  # adding zeros waits for no GPU, leaving rows out would
            g = where(real[:, None], g, 0.0)
        return moves.index_add(g, key=rows, size=shape)
    if is_grad_enabled():
        raise NotImplementedError(
            "embedding: sparse=True has gradients of first order only; leave it out where a "
            "gradient is to be differentiated"
        )
    g = g.array
    return SparseRows(rows, g, shape) if real is None else SparseRows(rows[real], g[real], shape)


@operation(weight=_embedding_pullback, exact=True)
def _embedding(weight: Array, rows: Array, *, padding_idx: int | None, sparse: bool) -> Array:
    y = weight[rows]
    if not on_host(weight):  # CuPy counts on from the start where a row is out of range
        y[(rows < 0) | (rows >= len(weight))] = math.nan
    return y


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of a table.

    Shapes: input (…) of integers, weight (rows, dim) -> (…, dim).

    Args:
        padding_idx: a row that collects no gradient.
        sparse: give the weight's gradient as `SparseRows`, of first order only, which costs as
            much as the rows that were looked up and not as the whole table.

    Raises:
        TypeError: the input holds no integers.
        ValueError: the weight is no table, or `padding_idx` none of its rows.
        IndexError: there is no such row. On a GPU, where looking would mean waiting, it is NaN.
    """
    refuse("embedding", max_norm=max_norm, scale_grad_by_freq=scale_grad_by_freq)
    require_integers("embedding", input=input)
    if weight.ndim != 2:
        raise ValueError(f"embedding: expected weight (rows, dim), got {weight.shape}")
    count, rows = weight.shape[0], input.array
    if out_of_range(rows, count):
        wrong = rows.min() if rows.min() < 0 else rows.max()
        raise IndexError(f"embedding: expected rows from 0 to {count - 1}, got {wrong}")
    if padding_idx is not None:
        if not -count <= padding_idx < count:
            raise ValueError(f"embedding: padding_idx {padding_idx} of a table of {count} rows")
        padding_idx %= count
    return _embedding(weight, rows, padding_idx=padding_idx, sparse=sparse)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Integers (…) as vectors of zeros with a 1 in their place: int64 (…, num_classes), with as
    many classes as the largest needs where that is left out.

    Raises:
        TypeError: the tensor holds no integers.
        ValueError: one is negative or no class, or the number of classes cannot be told.
    """
    require_integers("one_hot", tensor=tensor)
    data = tensor._array
    if num_classes == -1:
        if not data.size:
            raise ValueError("one_hot: num_classes must be given for an empty tensor")
        num_classes = int(data.max()) + 1
    if out_of_range(data, num_classes):  # on a GPU what is no class is a vector of zeros
        raise ValueError(f"one_hot: {data.min()} to {data.max()}, but {num_classes} classes")
    classes = namespace(data).arange(num_classes)
    return converted(eq(moves.reshape(tensor, to=(*tensor.shape, 1)), classes), INT64)
