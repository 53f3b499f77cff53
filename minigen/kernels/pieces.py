"""Work on each element by itself, shared out: threads take parts of large arrays, and a formula of
several NumPy calls goes through them in pieces that stay in cache, so that they are read from
memory once.

Whether a function is one call that can write its result where it belongs (a ufunc, or a formula of
`elementwise.py`) is found out by calling it with stand-ins for the arrays. Any other function's
result is copied from the cache.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen import backend
from minigen.backend import Array, memory_order
from minigen.kernels import limits, memory, threads


class _Call:
    """What a function would do."""

    def __init__(self, function: Callable, inputs: Sequence, options: dict, passes: int):
        self.function, self.inputs, self.options, self.passes = function, inputs, options, passes

    def write(self, inputs: Sequence, y: Array) -> None:
        """Do it on these inputs; by name, since `np.maximum` warns of a third that is not named."""
        if type(self.function) is np.ufunc:
            self.function(*inputs, out=y)
        else:
            self.function(*inputs, y, **self.options)


class StandIn(np.lib.mixins.NDArrayOperatorsMixin):
    """In the place of an array: a ufunc that is called with it says so, and does nothing."""

    __slots__ = ("array", "dtype", "size", "errors")

    def __init__(self, array: Array, errors: dict):
        self.array, self.dtype, self.size, self.errors = array, array.dtype, array.size, errors

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        numbers = float | int | np.generic
        plain = all(isinstance(x, StandIn | numbers) or x.ndim == 0 for x in inputs)
        if not plain or method != "__call__" or options or np.geterr() != self.errors:
            return NotImplemented
        return _Call(ufunc, inputs, {}, 1)


def formula(passes: int) -> Callable[[Callable], Callable[..., Array]]:
    """Make `f(*arrays, out, **options)` a function that returns `out`, an array of the first one's
    dtype and the last one's memory layout.

    Args:
        passes: how many times as long it takes as an addition.
    """

    def define(f: Callable[..., None]) -> Callable[..., Array]:
        @functools.wraps(f)
        def apply(*arrays: Any, **options: Any) -> Array:
            last = arrays[-1]
            if type(last) is np.ndarray:
                if last.size > limits.now.piece:
                    return spread(apply)(*arrays, **options)
            elif isinstance(last, StandIn):
                return _Call(f, arrays, options, passes)
            y = np.empty_like(last, arrays[0].dtype)
            f(*arrays, y, **options)
            return y

        return apply

    return define


def spread(value: Callable[..., Array], passes: int = 4) -> Callable[..., Array]:
    """`value`, which works on each element by itself, for large arrays: in pieces and by threads.

    The result is laid out in memory as the last array of its shape is.

    Args:
        passes: how many times as long it takes as an addition, if it is not one call.
    """

    @functools.wraps(value)
    def apply(*arrays: Any, **options: Any) -> Array:
        large = [a for a in arrays if isinstance(a, np.ndarray) and a.ndim]
        if not any(a.size > limits.now.piece for a in large):
            return value(*arrays, **options)
        shape = large[0].shape
        if any(a.shape != shape for a in large):
            try:
                shape = np.broadcast_shapes(*[a.shape for a in large])
            except ValueError:
                return value(*arrays, **options)  # which says what is wrong
        like = [a for a in large if a.shape == shape]
        if not like:
            return value(*arrays, **options)
        written = [a for a in like if 0 not in a.strides]
        call = _asked(value, arrays, options)
        empty = [np.empty(0, a.dtype) if _is_cut(a) else a for a in arrays]
        dtype = (
            value(*empty, **options).dtype
            if call is None or type(call.function) is np.ufunc
            else call.inputs[0].dtype
        )
        y = memory.empty_like((written or like)[-1], dtype)
        if call is None:

            def work(*pieces: Any) -> None:
                pieces[-1][...] = value(*pieces[:-1], **options)

            call = _Call(work, arrays, {}, passes)
        if y.size * max(1, call.passes // 4) > limits.now.shared:
            _share_out(call, y)
        else:
            call.write(call.inputs, y)
        return y

    return apply


def add_to(y: Array, x: Array) -> None:
    """y += x, of one shape."""
    if y.size > limits.now.shared:
        _share_out(_Call(np.add, (y, x), {}, 1), y)
    else:
        np.add(y, x, out=y)


def _is_cut(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.ndim > 0


def _asked(value: Callable, arrays: Sequence[Any], options: dict) -> _Call | None:
    """The one call that the value is, if it is one."""
    errors = np.geterr()
    try:
        call = value(*[StandIn(a, errors) if _is_cut(a) else a for a in arrays], **options)
    except Exception:
        return None
    if type(call) is not _Call:
        return None
    call.inputs = [x.array if isinstance(x, StandIn) else x for x in call.inputs]
    return call


def _share_out(call: _Call, y: Array) -> None:
    """Let the call write into y."""
    order = memory_order(y.strides)
    cut = [_is_cut(x) for x in (*call.inputs, y)]
    views = [
        (x if x.shape == y.shape else np.broadcast_to(x, y.shape)).transpose(order) if c else x
        for x, c in zip((*call.inputs, y), cut, strict=True)
    ]
    arrays = _repeated(_merged([v for v, c in zip(views, cut, strict=True) if c]))

    def work(*pieces: Array) -> None:
        some = iter(pieces)
        *inputs, out = [next(some) if c else v for v, c in zip(views, cut, strict=True)]
        call.write(inputs, out)

    piece = y.size if call.passes == 1 else limits.now.piece
    _run(work, arrays, limits.now.of_a_pass * call.passes * y.size, piece)


def _run(work: Callable[..., None], arrays: list[Array], cost: float, piece: int) -> None:
    """`work(*pieces)`, along the first axis, or along the next if it is short."""
    count, *rest = arrays[-1].shape
    if rest and count < 2 * backend.threads():
        for i in range(count):
            _run(work, [a[i] for a in arrays], cost / count, piece)
    else:
        threads.in_pieces(
            lambda i, j: work(*[a[i:j] for a in arrays]), count, math.prod(rest), cost, piece
        )


def _merged(arrays: list[Array]) -> list[Array]:
    """The same elements with as few axes as all of these arrays can have without a copy."""
    shape = arrays[-1].shape
    axes = [axis for axis, n in enumerate(shape) if n > 1]
    lengths: list[int] = []
    for before, axis in zip([None, *axes], axes, strict=False):
        n = shape[axis]
        if lengths and all(a.strides[before] == n * a.strides[axis] for a in arrays):
            lengths[-1] *= n
        else:
            lengths.append(n)
    return [a.reshape(lengths or (1,)) for a in arrays]


def _repeated(arrays: list[Array]) -> list[Array]:
    """Rows, among them such as are the same row again and again, as fewer and longer rows: NumPy's
    inner loop wants them long."""
    if arrays[-1].ndim != 2:
        return arrays
    count, width = arrays[-1].shape
    together = math.gcd(count, limits.now.together)
    same = [a.strides[0] == 0 for a in arrays]
    longer = together * width
    if (
        together == 1
        or longer > limits.now.piece
        or not all(s or a.flags.c_contiguous for a, s in zip(arrays, same, strict=True))
    ):
        return arrays
    shape = (count // together, longer)
    return [
        np.broadcast_to(np.broadcast_to(a[0], (together, width)).ravel(), shape)
        if s
        else a.reshape(shape)
        for a, s in zip(arrays, same, strict=True)
    ]
