"""Threads.

Images are spread over Python threads (NumPy gives up the interpreter lock inside its loops). BLAS
is held at one thread for every product, whatever its size: so the bits of a product depend on its
factors, and not on what other threads do meanwhile. That limit belongs to the whole process, so it
is counted: the first thread to enter sets it, the last one to leave restores what was found.
"""

from __future__ import annotations

import contextlib
import contextvars
import ctypes
import functools
import itertools
import math
import os
import queue
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import get_ident
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import LibController, ThreadpoolController

from minigen import backend
from minigen.kernels import limits

# A call of NumPy's with a result of so many numbers, or fewer, keeps the interpreter's lock
# (NPY_BEGIN_THREADS_THRESHOLDED in its source).
LOCKED = 500


@functools.cache  # looking for them takes 200 µs
def blas_libraries() -> list[LibController]:
    """NumPy's BLAS, or whichever are there where NumPy brings none of its own."""
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    # In a wheel it lies in numpy.libs or numpy/.dylibs.
    own = [lib for lib in found if any("numpy" in part for part in Path(lib.filepath).parts[-3:-1])]
    return own or found


class _Switch(NamedTuple):
    """How many threads a BLAS has, and how it is told."""

    count: Callable[[], int | None]
    limit: Callable[[int], Any]


def _openblas(library: LibController, of_a_thread: bool) -> _Switch | None:
    """OpenBLAS's own functions; None if they have no name that is known here.

    threadpoolctl takes five times as long to call them, and from its version 3.7 on sets the limit
    of one thread alone. `PyDLL` keeps the interpreter lock, since they return at once.
    """
    names = ("omp_get_max_threads", "omp_set_num_threads")
    affixes = [("", "")]
    if not of_a_thread:
        names = ("openblas_get_num_threads", "openblas_set_num_threads")
        affixes = itertools.product(("scipy_", ""), ("64_", "_64", ""))
    with contextlib.suppress(OSError):
        loaded = ctypes.PyDLL(library.filepath)
        for before, after in affixes:
            with contextlib.suppress(AttributeError):
                return _Switch(*(getattr(loaded, before + name + after) for name in names))
    return None


def _switches() -> tuple[list[_Switch], list[_Switch]]:
    """The switches of the whole process, and those of the thread that calls them: an OpenBLAS
    built with OpenMP has a limit for each thread."""
    of_process, of_thread = [], []
    for library in blas_libraries():
        openblas = library.internal_api == "openblas"
        own = openblas and getattr(library, "threading_layer", None) == "openmp"
        switch = _openblas(library, own) if openblas else None
        if switch is None:
            switch = _Switch(lambda library=library: library.num_threads, library.set_num_threads)
        (of_thread if own else of_process).append(switch)
    return of_process, of_thread


_lock = threading.Lock()
_inside: list[int] = []  # the threads that hold the limit, each as often as it has entered
_found: list[tuple[_Switch, int]] = []  # what is to be restored
_of_process, _of_thread = _switches()


class single_threaded_blas:
    """Hold NumPy's BLAS at one thread, in a block or, as a decorator, in a function; both may
    overlap, from any number of threads. It takes about 1 µs. What other code sets meanwhile does
    not last."""

    __slots__ = ()

    def __call__(self, f: Callable) -> Callable:
        @functools.wraps(f)
        def held(*args: Any, **options: Any) -> Any:
            with self:  # one serves all calls: it has no state
                return f(*args, **options)

        return held

    def __enter__(self) -> None:
        with _lock:
            if not _inside:
                _hold(_of_process, _found)
            _inside.append(get_ident())
        if _of_thread:
            _own.found = [*getattr(_own, "found", ()), []]
            _hold(_of_thread, _own.found[-1])

    def __exit__(self, *_: Any) -> None:
        if _of_thread:
            _restore(_own.found.pop())
        with _lock:
            _inside.remove(get_ident())
            if not _inside:
                _restore(_found)


def _hold(switches: list[_Switch], found: list[tuple[_Switch, int]]) -> None:
    for switch in switches:
        count = switch.count()
        if count != 1 and count is not None:  # None: it does not say
            found.append((switch, count))
            switch.limit(1)


def _restore(found: list[tuple[_Switch, int]]) -> None:
    while found:
        switch, count = found.pop()
        switch.limit(count)


_own = threading.local()


def _forget_threads() -> None:
    """Threads do not survive a fork: the child makes its own when it needs them, and keeps no limit
    that one of them held."""
    global _lock, _tasks
    _lock, _tasks = threading.Lock(), queue.SimpleQueue()
    _workers.clear()
    _inside[:] = [thread for thread in _inside if thread == get_ident()]
    if not _inside:
        _restore(_found)


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
    never waits for work that nobody has begun. Two locks hand it over and back, in a third of the
    time that an executor of the standard library takes: that counts where the work takes 100 µs."""

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
            helping: take other tasks while waiting.

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
        """Leave that core to the thread that offers a task and goes on working there.

        The system puts a thread that it wakes on the core of the one that woke it: on two cores
        both took turns on one, while the other was idle.
        """
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


def over_images(work: Callable[[int, int, int], None], count: int, cost: float) -> None:
    """Call `work(part, first, last)` on consecutive ranges of `count` images, one range a thread:
    equal ones, but for what the caller does before the others have begun. Each range has an image
    or more; of no images there is no call.

    The ranges depend on the arguments and the number of threads alone, so that sums over them,
    added in the order of `part`, come out the same each time.

    Args:
        cost: multiply-adds in all.
    """
    parts = min(backend.threads(), count)
    if parts <= 1 or cost < limits.now.alone:
        if count:
            work(0, 0, count)
        return
    bounds = _bounds(count, parts, min(0.5, limits.now.ahead / max(cost, 1.0)))
    # In the caller's context: what NumPy does about overflow, and whether operations are recorded.
    tasks = [
        Task(contextvars.copy_context().run, work, i, bounds[i], bounds[i + 1])
        for i in range(parts)
    ]
    with single_threaded_blas():  # so that the products within only count
        offer(tasks[1:])
        errors = []
        for task in tasks:
            try:
                task.finish()
            except BaseException as error:
                errors.append(error)
    for error in errors:
        raise error


def bands(images: int, least: int, most: int, threads: int) -> int:
    """Into how many bands images are cut that one each would not do for: so many at least that
    threads get as many as each other, unless they have many."""
    step = threads // math.gcd(images, threads)
    even = -(-least // step) * step
    return even if least > 1 and images * least < 8 * threads and even <= most else min(least, most)


def _bounds(count: int, parts: int, ahead: float) -> list[int]:
    """Where `parts` ranges of `count` images begin and end, the first one with the share `ahead`
    more than the others: one image each, and of the rest what rounding gives."""
    shares = (ahead + (1 - ahead) * i / parts for i in range(1, parts))
    return [0, *(i + round((count - parts) * s) for i, s in enumerate(shares, start=1)), count]


def sum_over_images(work: Callable[[int, int], Any], count: int, cost: float) -> Any:
    """The sum of the arrays `work(first, last)` for ranges as those of `over_images`, added in the
    order of the ranges."""
    shares: dict[int, Any] = {}

    def some(part: int, first: int, last: int) -> None:
        shares[part] = work(first, last)

    over_images(some, count, cost)
    return functools.reduce(np.add, [shares[part] for part in sorted(shares)])


def ranges(count: int, parts: int) -> list[tuple[int, int]]:
    """Of `count` things, one after the other, (first, last) of so many equal parts: their lengths
    differ by 1 at most."""
    return [(count * i // parts, count * (i + 1) // parts) for i in range(parts)]


def in_pieces(
    work: Callable[[int, int], Any],
    count: int,
    width: int,
    cost: float,
    piece: int | None = None,
) -> list[Any]:
    """What `work(first, last)` returns on consecutive ranges of `count` rows of `width` elements,
    each small enough to stay in cache, as many a thread; in the order of the ranges.

    A NumPy call gives up the interpreter lock and has to wait for it afterwards, so that pieces
    must not be too small either.

    Args:
        cost: multiply-adds in all.
        piece: elements, if not as many as `limits.piece`.
    """
    if not count:
        return []
    piece = limits.now.piece if piece is None else piece
    parts = min(backend.threads(), count) if cost >= limits.now.alone else 1
    total = min(count, parts * max(1, -(-count * width // (parts * piece))))
    if total == 1:
        return [work(0, count)]
    results: list[Any] = [None] * total
    bounds = ranges(count, total)

    def some(_: int, first: int, last: int) -> None:
        for i in range(first, last):
            results[i] = work(*bounds[i])

    over_images(some, total, cost)
    return results
