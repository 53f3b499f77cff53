"""Moving elements about: the operations, each of whose pullbacks moves them back.

Their arguments are right: axes count from 0, indices are arrays. `shape.py` sees to that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.backend import Array, namespace, on_host
from minigen.kernels import places, rows
from minigen.operation import operation
from minigen.tensor import Tensor, wrap


@operation(input=lambda g, shape: reshape(g, to=shape), view=True)
def reshape(input: Array, *, to: tuple[int, ...]) -> Array:
    return input.reshape(to)


@operation(
    input=lambda g, dims: permute(g, dims=tuple(sorted(range(len(dims)), key=dims.__getitem__))),
    view=True,
)
def permute(input: Array, *, dims: tuple[int, ...]) -> Array:
    return input.transpose(dims)


@operation(input=lambda g, dim0, dim1: transpose(g, dim0=dim0, dim1=dim1), view=True)
def transpose(input: Array, *, dim0: int, dim1: int) -> Array:
    return input.swapaxes(dim0, dim1)


@operation(input=lambda g, key, shape: index_add(g, key=key, size=shape), view=True)
def index(input: Array, *, key: Any) -> Array:
    return input[key]


index.operation.places = True  # the pullback puts g at the key: the engine may add it there at once


@operation(input=lambda g, key: index(g, key=key))
def index_add(input: Array, *, key: Any, size: tuple[int, ...]) -> Array:
    """Zeros of `size` to which the input is added at `key`; where places repeat it adds up."""
    xp = namespace(input)
    y = xp.zeros(size, input.dtype)
    parts = key if isinstance(key, tuple) else (key,)
    if any(hasattr(k, "dtype") for k in parts):
        rows.add_at(y, key, input)
    else:
        y[key] = input
    return y


def _on_diagonal(g: Tensor, offset: int, shape: tuple[int, ...]) -> Tensor:
    """Zeros but for g on a diagonal, whose places in a matrix row by row are m + 1 apart."""
    *lead, n, m = shape
    first = offset if offset >= 0 else -offset * m
    key = (..., slice(first, first + g.shape[-1] * (m + 1), m + 1))
    return reshape(index_add(g, key=key, size=(*lead, n * m)), to=shape)


@operation(input=_on_diagonal, view=True)
def diagonal(input: Array, *, offset: int) -> Array:
    y = input.diagonal(offset, -2, -1)
    if on_host(y):  # NumPy, unlike CuPy, lets nobody write into it
        y.flags.writeable = input.flags.writeable
    return y


@operation(
    input=lambda g, key: index_put(g, 0, key=key),
    other=lambda g, key, shape: index_last(g, key=key).sum_to_size(shape),
    exact=True,
)
def index_put(input: Array, other: Array, *, key: tuple[tuple, tuple]) -> Array:
    """A copy of the input with `other` at the key, of which the second part copies."""
    y = input.copy("K")
    y[key[0]][key[1] or ...] = other
    return y


@operation(
    input=lambda g, key, shape: index_put(
        wrap(namespace(g._array).zeros(shape, g.dtype)), g, key=key
    ),
    exact=True,
)
def index_last(input: Array, *, key: tuple[tuple, tuple]) -> Array:
    """The elements at the key, but 0 for those that a later one takes the place of."""
    views, copies = key
    picked = input[views][copies or ...]
    if all(getattr(k, "dtype", np.dtype(bool)).kind == "b" for k in copies):
        return picked
    xp = namespace(input)
    order = xp.arange(picked.size).reshape(picked.shape)
    last = xp.zeros(input.shape, order.dtype)
    last[views][copies] = order
    return xp.where(last[views][copies] == order, picked, xp.zeros((), input.dtype))


@operation(
    input=lambda g, index, shape, dim: scatter_add(g, index, dim=dim, size=shape), exact=True
)
def gather(input: Array, index: Array, *, dim: int) -> Array:
    return places.take(input, index, dim)


@operation(input=lambda g, index, dim: gather(g, index, dim=dim))
def scatter_add(input: Array, index: Array, *, dim: int, size: tuple[int, ...]) -> Array:
    return places.add(input, index, dim, size)


def _cat_pullback(g: Tensor, dim: int, shapes: list[tuple], needs: list[bool]) -> list[Any]:
    lengths = [shape[dim] for shape in shapes]
    ends = np.cumsum(lengths).tolist()
    before = (slice(None),) * dim
    return [
        index(g, key=(*before, slice(end - length, end))) if need else None
        for end, length, need in zip(ends, lengths, needs, strict=True)
    ]


@operation(joint=_cat_pullback, exact=True)
def cat(*tensors: Array, dim: int, shapes: list[tuple]) -> Array:
    if type(tensors[0]) is not np.ndarray and tensors[0].ndim == 4 and not on_host(tensors[0]):
        # NumPy keeps images channels-last; CuPy would return them in row-major order.
        pixels = np.concatenate([x.transpose(0, 2, 3, 1) for x in tensors], (0, 3, 1, 2)[dim])
        return pixels.transpose(0, 3, 1, 2)
    return np.concatenate(tensors, dim)


def _stack_pullback(g: Tensor, dim: int, needs: list[bool]) -> list[Any]:
    before = (slice(None),) * dim
    return [index(g, key=(*before, i, ...)) if need else None for i, need in enumerate(needs)]


@operation(joint=_stack_pullback, exact=True)
def stack(*tensors: Array, dim: int) -> Array:
    first = tensors[0]
    if dim == 0 and type(first) is np.ndarray and first.flags.c_contiguous:
        return np.array(tensors)  # of small ones in a third of the time
    key = (*(slice(None),) * dim, None)
    return np.concatenate([x[key] for x in tensors], axis=dim)  # np.stack takes twice as long


@operation(input=lambda g, dims: flip(g, dims=dims), exact=True)
def flip(input: Array, *, dims: tuple[int, ...]) -> Array:
    turned = [slice(None, None, -1 if d in dims else 1) for d in range(input.ndim)]
    # The axes keep their order in memory.
    return input[tuple(turned)].copy(order="K")


@operation(
    input=lambda g, shifts, dims: roll(g, shifts=tuple(-s for s in shifts), dims=dims), exact=True
)
def roll(input: Array, *, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Array:
    return np.roll(input, shifts, dims)


@operation(input=lambda g, k, upper: triangle(g, k=k, upper=upper), exact=True)
def triangle(input: Array, *, k: int, upper: bool) -> Array:
    """The input, but 0 on the other side of its diagonal k."""
    return (np.triu if upper else np.tril)(input, k)


@operation(input=lambda g: g, view=True)
def contiguous(input: Array) -> Array:
    """The input itself where its memory is in row-major order, else a copy that is."""
    return input if input.flags.c_contiguous else input.copy()


@operation(input=lambda g: g, exact=True)
def in_rows(input: Array) -> Array:
    """A copy in row-major order, which `reshape` need not copy again."""
    return input.copy()
