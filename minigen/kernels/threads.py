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
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from threadpoolctl import LibController, ThreadpoolController

from minigen import backend

_lock = threading.Lock()
_inside = 0
_found: list[tuple[LibController, int]] = []  # each BLAS, and how many threads it had


@functools.cache  # looking for them takes 200 µs
def _blas_libraries() -> list[LibController]:
    return ThreadpoolController().select(user_api="blas").lib_controllers


def _take_turns() -> None:
    """Tell threadpoolctl that whichever thread comes next may set limits: from 3.7 on it heeds only
    the first one that ever did, lest threads undo what others set."""
    for library in _blas_libraries():
        if forget := getattr(library, "clear_controlling_thread", None):
            forget(force=True)


class single_threaded_blas:
    """Hold BLAS at one thread; contexts may overlap, from any number of threads."""

    def __enter__(self) -> None:
        global _inside
        with _lock:
            if not _inside:
                _take_turns()
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
                _take_turns()
                for library, count in _found:
                    library.set_num_threads(count)
                _take_turns()


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
    global _lock, _inside, _tasks
    _lock, _inside, _tasks = threading.Lock(), 0, queue.SimpleQueue()
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


def _current_core() -> int | None:
    """The core that this thread runs on, where the system says so."""
    return None if _sched_getcpu is None else _sched_getcpu()


try:
    _sched_getcpu = ctypes.CDLL(None).sched_getcpu
except (AttributeError, OSError, TypeError):  # not Linux
    _sched_getcpu = None


class Task:
    """Work for whoever comes first: a worker, or the thread that cannot go on without it, which
    never waits for work that nobody has begun. Two locks hand it over and back: a third of the time
    that an executor of the standard library takes, which counts where the work takes 100 µs."""

    def __init__(self, work: Callable[..., Any], *args: Any):
        self._work: tuple[Callable[..., Any], tuple] | None = (work, args)
        self._result: Any = None
        self._error: BaseException | None = None
        self._begun, self._done = threading.Lock(), threading.Lock()
        self._done.acquire()

    def run(self) -> None:
        """Do it, unless somebody has begun."""
        if not self._begun.acquire(blocking=False):
            return
        (work, args), self._work = self._work, None
        try:
            self._result = work(*args)
        except BaseException as error:
            self._error = error
        del work, args  # they hold arrays
        self._done.release()

    def finish(self, helping: bool = False) -> Any:
        """Do it, or wait for whoever has begun. Only the first call gets the result.

        Args:
            helping: take other tasks while waiting. They may use this thread's `scratch`.

        Raises:
            Exception: the one that the work ended with.
        """
        self.run()
        while helping and self._done.locked():
            try:
                _tasks.get_nowait().run()
            except queue.Empty:
                break
        self._done.acquire()
        result, self._result = self._result, None
        error, self._error = self._error, None
        if error is not None:
            raise error
        return result


_tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
_workers: list[_Worker] = []


def offer(tasks: Iterable[Task]) -> None:
    """Let workers begin with these tasks as soon as they are idle; whoever offers a task also
    finishes it."""
    with _lock:
        while len(_workers) < backend.threads() - 1:
            _workers.append(_Worker())
    core, own = _current_core(), threading.current_thread()
    for worker in tuple(_workers):
        if worker is not own:
            worker.keep_off(core)
    for task in tasks:
        _tasks.put(task)


class _Worker(threading.Thread):
    """A thread that does one task after the other."""

    def __init__(self) -> None:
        super().__init__(name="minigen", daemon=True)
        self._off: int | None = None
        self.start()

    def keep_off(self, core: int | None) -> None:
        """Leave that core to the one that offers a task: a thread that is woken after a rest is put
        on the core of the one that wakes it, which goes on working there, so that on two cores both
        took turns on one."""
        if core != self._off and core is not None:
            self._off = core
            with contextlib.suppress(OSError, ValueError):  # there may be no other core
                os.sched_setaffinity(self.native_id, os.sched_getaffinity(0) - {core})

    def run(self) -> None:
        tasks = _tasks
        while True:
            task = tasks.get()
            with _lock:
                if superfluous := len(_workers) >= backend.threads():
                    _workers.remove(self)
            if superfluous:  # the user has lowered the limit
                tasks.put(task)
                return
            task.run()
            del task  # it may hold an error, which holds arrays


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
    tasks = [Task(work, i, bounds[i], bounds[i + 1]) for i in range(1, parts)]
    with single_threaded_blas():
        offer(tasks)
        errors = []
        for task in [Task(work, 0, bounds[0], bounds[1]), *tasks]:
            try:
                task.finish()
            except BaseException as error:
                errors.append(error)
    for error in errors:
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
