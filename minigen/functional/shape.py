"""Moving elements about: each operation's pullback moves them back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigen.backend import Array, namespace
from minigen.functional.arguments import axis, refuse, sizes
from minigen.operation import operation
from minigen.tensor import Tensor


@operation(input=lambda g, shape: _reshape(g, to=shape), view=True)
def _reshape(input: Array, *, to: tuple[int, ...]) -> Array:
    return input.reshape(to)


def reshape(input: Tensor, *shape: int) -> Tensor:
    """The same elements, in row-major order, in another shape; one −1 is worked out.

    Raises:
        ValueError: the number of elements would change.
    """
    return _reshape(input, to=sizes("reshape", shape))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes from `start_dim` to `end_dim`, both included.

    Raises:
        IndexError: there is no such axis.
        ValueError: `start_dim` comes after `end_dim`.
    """
    first = axis("flatten", start_dim, input.ndim)
    last = axis("flatten", end_dim, input.ndim)
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    merged = math.prod(input.shape[first : last + 1])
    return _reshape(input, to=(*input.shape[:first], merged, *input.shape[last + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split the axis `dim` into axes of the lengths `sizes`.

    Raises:
        IndexError: there is no such axis.
        ValueError: the lengths do not multiply to that of the axis.
    """
    dim = axis("unflatten", dim, input.ndim)
    return _reshape(input, to=(*input.shape[:dim], *sizes, *input.shape[dim + 1 :]))


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Drop the axes of length 1, all or those in `dim`."""
    dims = range(input.ndim) if dim is None else dim if isinstance(dim, Sequence) else [dim]
    dims = {axis("squeeze", d, input.ndim) for d in dims}
    return _reshape(
        input, to=tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in dims)
    )


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert an axis of length 1 at `dim`."""
    dim = axis("unsqueeze", dim, input.ndim + 1)
    return _reshape(input, to=(*input.shape[:dim], 1, *input.shape[dim:]))


@operation(
    input=lambda g, dims: _permute(g, dims=tuple(np.argsort(dims).tolist())),
    view=True,
)
def _permute(input: Array, *, dims: tuple[int, ...]) -> Array:
    return input.transpose(dims)


def permute(input: Tensor, *dims: int) -> Tensor:
    """View the input with its axes in the order `dims`.

    Raises:
        ValueError: `dims` does not name every axis once.
    """
    order = [axis("permute", d, input.ndim) for d in sizes("permute", dims)]
    if sorted(order) != list(range(input.ndim)):
        raise ValueError(f"permute: dims {dims} must name each of {input.ndim} axes once")
    return _permute(input, dims=tuple(order))


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """View the input with two axes exchanged.

    Raises:
        IndexError: there is no such axis.
    """
    a, b = (axis("transpose", d, input.ndim) for d in (dim0, dim1))
    order = list(range(input.ndim))
    if order:
        order[a], order[b] = order[b], order[a]
    return _permute(input, dims=tuple(order))


def _cat_pullback(g: Tensor, dim: int, lengths: list[int], needs: list[bool]) -> list[Any]:
    ends = np.cumsum(lengths).tolist()
    before = (slice(None),) * dim
    return [
        _index(g, key=(*before, slice(end - length, end))) if need else None
        for end, length, need in zip(ends, lengths, needs, strict=True)
    ]


@operation(joint=_cat_pullback)
def _cat(*tensors: Array, dim: int, lengths: list[int]) -> Array:
    return np.concatenate(tensors, axis=dim)


def cat(tensors: Sequence[Tensor], dim: int = 0, *, out: None = None) -> Tensor:
    """Join tensors along the existing axis `dim`; their other axes must agree.

    Raises:
        ValueError: there are no tensors, or their shapes do not fit.
    """
    refuse("cat", out=out)
    if not len(tensors):
        raise ValueError("cat: expected at least one tensor, got none")
    dim = axis("cat", dim, tensors[0].ndim)
    dtype = np.result_type(*[t.dtype for t in tensors])
    tensors = [t if t.dtype == dtype else t.to(dtype) for t in tensors]
    if any(t.ndim <= dim for t in tensors):
        raise ValueError(f"cat: shapes {[t.shape for t in tensors]} do not all have an axis {dim}")
    return _cat(*tensors, dim=dim, lengths=[t.shape[dim] for t in tensors])


def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: None = None) -> Tensor:
    """Join tensors of one shape along a new axis `dim`."""
    return cat([unsqueeze(t, dim) for t in tensors], axis("stack", dim, tensors[0].ndim + 1))


@operation(input=lambda g, key, shape: _index_add(g, key=key, size=shape), view=True)
def _index(input: Array, *, key: Any) -> Array:
    return input[key]


@operation(input=lambda g, key: _index(g, key=key))
def _index_add(input: Array, *, key: Any, size: tuple[int, ...]) -> Array:
    """Zeros of `size` to which the input is added at `key`; where places repeat it adds up."""
    xp = namespace(input)
    y = xp.zeros(size, input.dtype)
    parts = key if isinstance(key, tuple) else (key,)
    if any(hasattr(k, "dtype") for k in parts):
        xp.add.at(y, key, input)
    else:
        y[key] = input
    return y


def _raw_key(key: Any) -> Any:
    """An index without tensors: they become their arrays, lists become arrays too."""
    if isinstance(key, tuple):
        return tuple(_raw_key(k) for k in key)
    if isinstance(key, Tensor):
        return key.data
    return np.asarray(key) if isinstance(key, list) else key


def index(input: Tensor, key: Any) -> Tensor:
    """`input[key]`, with integers, slices, `None`, `...`, arrays or tensors of integers, and masks.

    Slices give views; gradients of elements taken twice add up.

    Raises:
        IndexError: the index is out of range or has too many axes.
    """
    return _index(input, key=_raw_key(key))


@operation(input=lambda g, index, shape, dim: _scatter_add(g, index, dim=dim, size=shape))
def _gather(input: Array, index: Array, *, dim: int) -> Array:
    return np.take_along_axis(input, index, axis=dim)


@operation(input=lambda g, index, dim: _gather(g, index, dim=dim))
def _scatter_add(input: Array, index: Array, *, dim: int, size: tuple[int, ...]) -> Array:
    xp = namespace(input)
    y = xp.zeros(size, input.dtype)
    places = list(xp.ogrid[tuple(slice(n) for n in index.shape)])
    places[dim] = index
    xp.add.at(y, tuple(places), input)
    return y


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Pick elements along one axis: y[i, j] = input[index[i, j], j] for `dim` = 0.

    Shapes: index has the input's number of axes and, but for `dim`, its lengths; y has the
    index's shape.

    Raises:
        TypeError: the index holds no integers.
        ValueError, IndexError: the shapes do not fit, an index is out of range.
    """
    refuse("gather", sparse_grad=sparse_grad)
    if index.dtype.kind not in "iu":
        raise TypeError(f"gather: index must hold integers, not {index.dtype}")
    return _gather(input, index, dim=axis("gather", dim, input.ndim))


def contiguous(input: Tensor) -> Tensor:
    """The input itself where its memory is in row-major order, else a copy that is."""
    return _contiguous(input)


@operation(input=lambda g: g, view=True)
def _contiguous(input: Array) -> Array:
    return namespace(input).ascontiguousarray(input)
