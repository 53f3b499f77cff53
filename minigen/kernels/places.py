"""Elements that an index names along one axis: taken, and added to.

NumPy's indexing with an array for each axis takes 3 to 5 times as long as with one, into the flat
array, which the threads make piece by piece.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from minigen.backend import Array, namespace
from minigen.kernels import limits, memory
from minigen.kernels.threads import in_pieces


def places(index: Array, dim: int) -> tuple[Array, ...]:
    """An index for each axis, which broadcast: `index` along `dim`, and elsewhere its own place."""
    count = namespace(index).arange
    last = index.ndim - 1
    return tuple([
        index if i == dim else count(n).reshape(n, *(1,) * (last - i))
        for i, n in enumerate(index.shape)
    ])  # fmt: skip


def _flat(shape: tuple[int, ...], index: Array, dim: int, use: Callable) -> None:
    """Call `use(first, last, where)` for parts of the index along its first axis, which are in
    cache and no larger than needed; `where` are places in a flat array of `shape`."""
    steps = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    width = math.prod(index.shape[1:])

    def some(first: int, last: int) -> None:
        part = index[first:last]
        if part.size and part.min() < 0:  # counted from the end
            part = np.where(part < 0, part + shape[dim], part)
        where = part * steps[dim]
        rest = np.zeros((1,) * part.ndim, where.dtype)
        for i, n in enumerate(part.shape):
            if i != dim:
                begin = first if i == 0 else 0
                own = np.arange(begin, begin + n) * steps[i]
                rest = rest + own.reshape(n, *(1,) * (part.ndim - 1 - i))
        where += rest
        use(first, last, where)

    # Of pieces along the axis itself several may add to one element.
    if dim == 0:
        some(0, len(index))
    else:
        in_pieces(some, len(index), width, limits.now.of_a_pass * index.size)


def _at_once(x: Array, index: Array) -> bool:
    """Whether a flat array is there to be indexed, and the index is not so short that places in it
    take longer to be found."""
    many = index.ndim > 1 and index.size >= limits.now.row
    return many and isinstance(x, np.ndarray) and x.flags.c_contiguous


def take(x: Array, index: Array, dim: int) -> Array:
    """Along `dim` those elements of x that the index names, and elsewhere its own place."""
    if not _at_once(x, index):
        return x[places(index, dim)]
    y, flat = memory.empty(index.shape, x.dtype), x.reshape(-1)

    def use(first: int, last: int, where: Array) -> None:
        flat.take(where, out=y[first:last], mode="clip")

    _flat(x.shape, index, dim, use)
    return y


def add(x: Array, index: Array, dim: int, size: tuple[int, ...]) -> Array:
    """Zeros of `size` to which x is added at the index along `dim`; where places repeat it adds
    up."""
    xp = namespace(x)
    y = xp.zeros(size, x.dtype)
    if index.shape[dim] == 1:  # nothing is named twice
        y[places(index, dim)] = x
    elif not _at_once(y, index):
        xp.add.at(y, places(index, dim), x)
    else:
        flat = y.reshape(-1)

        def use(first: int, last: int, where: Array) -> None:
            np.add.at(flat, where.reshape(-1), x[first:last].reshape(-1))

        _flat(size, index, dim, use)
    return y
