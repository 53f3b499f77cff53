"""Results in recycled memory.

Memory fresh from the system costs a page fault every 4 KB when it is first written. For the 51 MB
that a layer of the DCGAN puts out, these take as long as the layer's arithmetic. So the C library
is told not to give back at once what is freed. glibc does so, up to 32 MB an array.

Of what is larger, or of another C library's, buffers are held on to, and a buffer is free again
when nothing but this file refers to it. CPython counts the references anyway: every view of an
array refers to its base, and NumPy makes the array that owns the memory the base of all views of
views.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.backend import memory_order
from minigen.kernels import limits


def _kept_by_c() -> int:
    """Bytes of the smallest array whose memory the C library gives back at once; 0 if it is not
    known to keep any.

    glibc is told to keep freed memory: otherwise the small arrays of a GAN's step cost 1,700 page
    faults, a sixth of its time. Where the user has decided, nothing is said."""
    trim_threshold, mmap_threshold = -1, -3  # of malloc.h
    most = min(limits.now.kept_freed // 2, 32 << 20)  # the most that it takes
    if "MALLOC_TRIM_THRESHOLD_" in os.environ or "GLIBC_TUNABLES" in os.environ:
        return 0
    with contextlib.suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        if mallopt(mmap_threshold, most) and mallopt(trim_threshold, limits.now.kept_freed):
            return most
    return 0


_KEPT = _kept_by_c()


class _Buffer:
    """Memory, and the number of the last request that it served."""

    __slots__ = ("memory", "used")

    def __init__(self, size: int, used: int):
        self.memory, self.used = np.empty(size, np.uint8), used

    def references(self) -> int:
        return sys.getrefcount(self.memory)


# Functions that are called with the memory of a buffer that begins a new life.
told_of_new_lives: list[Callable[[np.ndarray], None]] = []

_ALONE = _Buffer(1, 0).references()
_buffers: list[_Buffer] = []
_lock = threading.Lock()
_requests = 0


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An uninitialised array, in memory that was used before if it is large."""
    global _requests
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < _KEPT or size < limits.now.recycled:
        return np.empty(shape, dtype)
    with _lock:
        _requests += 1
        free = [b for b in _buffers if b.references() == _ALONE]
        # A buffer much larger than what is asked for waits for its own kind.
        fitting = [b for b in free if size <= b.memory.size <= size + size // 4]
        if fitting:
            buffer = min(fitting, key=lambda b: b.memory.size)
        else:
            buffer = _Buffer(size, _requests)
            _buffers.append(buffer)
        for tell in told_of_new_lives:
            tell(buffer.memory)
        buffer.used = _requests
        for b in free:
            if b.used < _requests - limits.now.patience:
                _buffers.remove(b)
        return buffer.memory[:size].view(dtype).reshape(shape)


def empty_like(array: np.ndarray, dtype: Any = None) -> np.ndarray:
    """The same for an array's shape and the order of its axes in memory."""
    if array.nbytes < _KEPT or array.nbytes < limits.now.recycled:
        return np.empty_like(array, dtype)
    if array.flags.c_contiguous:
        return empty(array.shape, dtype or array.dtype)
    order = memory_order(array.strides)
    y = empty(tuple(array.shape[i] for i in order), dtype or array.dtype)
    return y.transpose(np.argsort(order))


def held_alone(array: np.ndarray) -> bool:
    """Whether no other array has a part in its memory."""
    base = array.base
    if base is None:
        return True
    if type(base) is not np.ndarray or base.base is not None:
        return False  # another library's memory
    pooled = any(b.memory is base for b in tuple(_buffers))
    del base  # which would count
    return _views(array) == (_ONE_VIEW if pooled else _ONE_VIEW - 1)


def _views(array: np.ndarray) -> int:
    base = array.base
    return sys.getrefcount(base)


def _views_of_a_lone_one() -> int:
    buffer = _Buffer(1, 0)
    return _views(buffer.memory[:1])


_ONE_VIEW = _views_of_a_lone_one()


def _forget_lock() -> None:
    """A fork may happen while another thread holds the lock."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)
