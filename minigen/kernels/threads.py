"""Threads and their working memory.

Images are spread over Python threads (NumPy gives up the interpreter lock inside its loops). While
they run, BLAS is held at one thread, since each of them calls it by itself. That limit belongs to
the whole process, so it is counted: the first thread to enter sets it, the last one to leave
restores what was found.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from minigen import backend

_lock = threading.Lock()
_inside = 0
_limit = None
_controller: ThreadpoolController | None = None
_pool: ThreadPoolExecutor | None = None
_pool_size = 0


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS at one thread; contexts may overlap, from any number of threads."""
    global _inside, _limit, _controller
    with _lock:
        if _controller is None:
            _controller = ThreadpoolController()  # 200 µs: made once
        if _inside == 0:
            _limit = _controller.limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _limit.restore_original_limits()


_own = threading.local()


def scratch(name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """This thread's working memory of that name, uninitialised, kept from call to call: memory
    fresh from the system costs a page fault every 4 KB. It is good until the next call with the
    same name in the same thread."""
    size = math.prod(shape) * dtype.itemsize
    held = getattr(_own, name, None)
    if held is None or held.nbytes < size:
        held = np.empty(size, np.uint8)
        setattr(_own, name, held)
    return held[:size].view(dtype).reshape(shape)


def _forget_threads() -> None:
    """Threads do not survive a fork: the child makes its own pool when it needs one."""
    global _lock, _pool, _inside
    _lock, _pool, _inside = threading.Lock(), None, 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


QUIET = 1e6  # multiply-adds for which BLAS does not wake its own threads
ALONE = 4e6  # multiply-adds that are not worth waking another thread for: 80 µs


def over_images(work: Callable[[int, int, int], None], count: int, cost: float) -> None:
    """Call `work(part, first, last)` on equal ranges of `count` images, one range a thread.

    The ranges depend on the number of threads and nothing else, so that sums over them, added in
    the order of `part`, come out the same each time.

    Args:
        cost: multiply-adds in all.
    """
    global _pool, _pool_size
    parts = min(backend.threads(), count)
    if cost < QUIET:
        work(0, 0, count)
        return
    if parts <= 1 or cost < ALONE:
        with single_threaded_blas():
            work(0, 0, count)
        return
    with _lock:
        if _pool is None or _pool_size < parts:
            _pool, _pool_size = ThreadPoolExecutor(parts, "minigen"), parts
        pool = _pool
    bounds = [count * i // parts for i in range(parts + 1)]
    with single_threaded_blas():
        futures = [pool.submit(work, i, bounds[i], bounds[i + 1]) for i in range(1, parts)]
        try:
            work(0, bounds[0], bounds[1])
        finally:
            for future in futures:
                future.result()


PIECE = 1 << 18  # elements: some arrays of float32 fit the cache, and threads seldom meet


def in_pieces(work: Callable[[int, int], Any], count: int, width: int, cost: float) -> list[Any]:
    """What `work(first, last)` returns on consecutive ranges of `count` rows of `width` elements,
    each small enough to stay in cache, as many a thread; in the order of the ranges.

    A NumPy call gives up the interpreter lock and has to wait for it afterwards, so that pieces
    must not be too small either.
    """
    if not count:
        return []
    parts = min(backend.threads(), count) if cost >= ALONE else 1
    total = min(count, parts * max(1, -(-count * width // (parts * PIECE))))
    results: list[Any] = [None] * total

    def some(_: int, first: int, last: int) -> None:
        for i in range(first, last):
            results[i] = work(count * i // total, count * (i + 1) // total)

    over_images(some, total, cost)
    return results
