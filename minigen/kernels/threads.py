"""Threads and their working memory.

Images are spread over Python threads (NumPy gives up the interpreter lock inside its loops). While
they run, BLAS is held at one thread, since each of them calls it by itself. That limit belongs to
the whole process, so it is counted: the first thread to enter sets it, the last one to leave
restores what was found.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import LibController, ThreadpoolController

from minigen import backend

_lock = threading.Lock()
_inside = 0
_found: list[tuple[LibController, int]] = []  # each BLAS, and how many threads it had
_idle: list[_Worker] = []


@functools.cache  # looking for them takes 200 µs
def _blas_libraries() -> list[LibController]:
    return ThreadpoolController().select(user_api="blas").lib_controllers


class single_threaded_blas:
    """Hold BLAS at one thread; contexts may overlap, from any number of threads."""

    def __enter__(self) -> None:
        global _inside
        with _lock:
            if not _inside:
                # Library by library: threadpoolctl's own limits take three times as long.
                _found[:] = [(library, library.num_threads) for library in _blas_libraries()]
                for library, _ in _found:
                    library.set_num_threads(1)
            _inside += 1

    def __exit__(self, *_: Any) -> None:
        global _inside
        with _lock:
            _inside -= 1
            if not _inside:
                for library, count in _found:
                    library.set_num_threads(count)


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
    """Threads do not survive a fork: the child makes its own when it needs them."""
    global _lock, _inside
    _lock, _inside = threading.Lock(), 0
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def _current_core() -> int | None:
    """The core that this thread runs on, where the system says so."""
    return None if _sched_getcpu is None else _sched_getcpu()


try:
    _sched_getcpu = ctypes.CDLL(None).sched_getcpu
except (AttributeError, OSError, TypeError):  # not Linux
    _sched_getcpu = None


class _Worker(threading.Thread):
    """A thread that waits for work. Two locks hand it over and back: a third of the time that an
    executor of the standard library takes, which counts where the work takes 100 µs."""

    def __init__(self) -> None:
        super().__init__(name="minigen", daemon=True)
        self._start, self._done = threading.Lock(), threading.Lock()
        self._start.acquire(), self._done.acquire()
        self._off: int | None = None
        self.start()

    def begin(self, work: Callable[..., None], *args: int) -> None:
        """Start `work(*args)`."""
        self._task = work, args
        self._keep_off_the_callers_core()
        self._start.release()

    def _keep_off_the_callers_core(self) -> None:
        """A thread that is woken after a rest is put on the core of the one that wakes it, which
        goes on working there: on two cores both then took turns on one."""
        core = _current_core()
        if core != self._off and core is not None:
            self._off = core
            with contextlib.suppress(OSError, ValueError):  # there may be no other core
                os.sched_setaffinity(self.native_id, os.sched_getaffinity(0) - {core})

    def end(self) -> BaseException | None:
        """Wait for it; the error that it ended with."""
        self._done.acquire()
        error, self._error = self._error, None
        return error

    def run(self) -> None:
        while True:
            self._start.acquire()
            (work, args), self._task, self._error = self._task, None, None
            try:
                work(*args)
            except BaseException as error:
                self._error = error
            del work, args  # they hold arrays
            self._done.release()


def _worker() -> _Worker:
    """One that is idle. A caller has it to himself, so that calls may be nested or overlap."""
    try:
        return _idle.pop()
    except IndexError:
        return _Worker()


QUIET = 1e6  # multiply-adds for which BLAS does not wake its own threads
ALONE = 4e6  # multiply-adds that are not worth waking another thread for: 80 µs
AHEAD = 2.5e6  # multiply-adds that the caller does while the others wake up: 50 µs


def over_images(work: Callable[[int, int, int], None], count: int, cost: float) -> None:
    """Call `work(part, first, last)` on consecutive ranges of `count` images, one range a thread:
    equal ones, but for what the caller does before the others have begun.

    The ranges depend on the arguments and the number of threads alone, so that sums over them,
    added in the order of `part`, come out the same each time.

    Args:
        cost: multiply-adds in all.
    """
    parts = min(backend.threads(), count)
    if cost < QUIET:
        work(0, 0, count)
        return
    if parts <= 1 or cost < ALONE:
        with single_threaded_blas():
            work(0, 0, count)
        return
    ahead = count * min(AHEAD / cost, 0.5)
    bounds = [0, *(round(ahead + (count - ahead) * i / parts) for i in range(1, parts + 1))]
    workers = [_worker() for _ in range(1, parts)]
    with single_threaded_blas():
        for i, worker in enumerate(workers, start=1):
            worker.begin(work, i, bounds[i], bounds[i + 1])
        try:
            work(0, bounds[0], bounds[1])
        finally:
            errors = [worker.end() for worker in workers]
            _idle.extend(workers)
    for error in filter(None, errors):
        raise error


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
