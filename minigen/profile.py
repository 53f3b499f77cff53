"""Where the time goes: operations forward and backward, beside what this machine could do.

A row's roofline (Williams et al. 2009) is the time that its arithmetic would take at the speed of
this machine's own matrix products, or its traffic at the speed of a copy, whichever is longer.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from minigen.backend import Array, device_of, is_array, namespace, threads, to_device
from minigen.engine.calls import Onlooker, onlookers
from minigen.kernels.threads import over_images
from minigen.kernels.ways import told_of_ways
from minigen.operation import Operation
from minigen.tape import Leaf, Node, walk_back
from minigen.tensor import Tensor
from minigen.units import human_bytes, human_seconds

PHASES = ("forward", "backward", "step")
SORTS = ("time", "calls", "flops", "bytes", "kept", "name")
TITLES = (
    "Operation", "Calls", "Time", "Share", "GFLOP", "Moved", "GFLOP/s", "Roofline", "Binds", "Kept"
)  # fmt: skip


@contextlib.contextmanager
def profile() -> Iterator[Profile]:
    """Measure what is computed inside this context, in this thread.

        with minigen.profile() as p:
            loss = model(x)
            loss.backward()
            optimiser.step()
        print(p)  # or p.table(sort="flops"), p.rows, p.flops

    On a GPU each operation is waited for, so that its time is its own: work that would overlap
    does not. Methods that write in place, and random numbers, are not operations: their time
    appears as time outside.
    """
    p = Profile()
    onlookers.append(p)
    told_of_ways.append(p.went)
    start = _now()
    try:
        yield p
    finally:
        onlookers.remove(p)
        told_of_ways.remove(p.went)
        p.seconds += _now() - start - p._own


class Speed(NamedTuple):
    """What a machine can do: matrix products in FLOP/s, and copies in bytes/s, each byte counted
    when read and when written."""

    product: float
    copy: float


@functools.cache
def machine_speed(device: str, dtype: str) -> Speed:
    """The best of several matrix products and copies, measured once in a process (two seconds).

    Products and copies run on as many threads as the kernels.
    """
    n = 1024 if device == "cpu" else 8192
    xp = namespace(to_device(np.zeros(1), device))
    ones = functools.partial(xp.ones, dtype=dtype)
    product = 0.0
    for rows, inner, columns in ((n, n, n), (4 * n, n // 2, n // 2), (4 * n, n, n // 4)):
        a, b, c = ones((rows, inner)), ones((inner, columns)), ones((rows, columns))
        multiply = functools.partial(xp.matmul, a, b, out=c)
        with threadpool_limits(threads(), user_api="blas"):
            product = max(product, 2 * rows * inner * columns / _fastest(multiply))
    a = ones((64, (1 if device == "cpu" else 16) << 18))  # 64 MiB of float32, 1 GiB on a GPU
    b = xp.empty_like(a)

    def copy(part: int = 0, first: int = 0, last: int = len(a)) -> None:
        b[first:last] = a[first:last]

    by_threads = functools.partial(over_images, copy, len(a), a.size)
    return Speed(product, 2 * a.nbytes / _fastest(by_threads if device == "cpu" else copy))


def _fastest(f: Callable[[], object]) -> float:
    best, end = math.inf, _now() + 0.4
    while (start := _now()) < end or best == math.inf:
        f()
        best = min(best, _now() - start)
    return best


def _now() -> float:
    """Seconds on a clock, once the GPU, where there is one in use, has done what it was told."""
    cupy = sys.modules.get("cupy")
    if cupy is not None and _has_device():
        event = cupy.cuda.Event(disable_timing=True)
        event.record()
        event.synchronize()
    return time.perf_counter()


@functools.cache
def _has_device() -> bool:
    return sys.modules["cupy"].cuda.is_available()


@dataclass
class Row:
    """What one operation did in one phase.

    Attributes:
        name: of the operation; in the backward phase of the one that is differentiated, or of one
            that the tape itself needs, such as the sum of two gradients.
        phase: `"forward"`, `"backward"`, or `"step"` for an optimiser.
        calls: how often; backward, how often its pullbacks were called.
        seconds: the time in it, that of its parts included.
        kept: the most bytes that the tape kept for it at once.
        ways: how often convolutions of NumPy arrays were computed in which way, by its name; the
            table shows the names behind the operation's.
        parts: the operations that pullbacks called, each with its own time. They have no other
            row, so nothing is counted twice.
    """

    name: str
    phase: str
    calls: int = 0
    seconds: float = 0.0
    kept: int = 0
    ways: Counter = field(default_factory=Counter)
    parts: dict[str, Row] = field(default_factory=dict)
    _now_kept: int = 0
    # How often it did that much: (FLOPs, bytes, device, dtype) -> calls.
    _work: Counter = field(default_factory=Counter)

    def work(self) -> Iterator[tuple[tuple[int, int, str, str], int]]:
        """What it and its parts did, and how often: ((FLOPs, bytes, device, dtype), calls)."""
        yield from self._work.items()
        for part in self.parts.values():
            yield from part.work()

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        return sum(flops * calls for (flops, *_), calls in self.work())

    @property
    def bytes(self) -> int:
        """Bytes of all inputs and outputs."""
        return sum(moved * calls for (_, moved, *_), calls in self.work())

    def floors(self) -> tuple[float, float]:
        """Seconds of the roofline, where arithmetic binds and where traffic does."""
        product = copy = 0.0
        for (flops, moved, device, dtype), calls in self.work():
            speed = machine_speed(device, dtype)
            a, b = flops / speed.product, moved / speed.copy
            product, copy = (product + a * calls, copy) if a > b else (product, copy + b * calls)
        return product, copy


@dataclass
class _Frame:
    """Something that is being computed."""

    what: Any
    row: Row
    start: float = 0.0
    inner: float = 0.0  # seconds in what it called


@dataclass
class _Piece:
    """A piece of memory that the tape keeps."""

    row: Row | None  # None for a leaf's
    size: int
    arrays: int = 0  # how many show it


class Profile(Onlooker):
    """What `profile()` measured.

    Attributes:
        seconds: from the beginning to the end of the context, without the profile's own.
        kept: the most bytes that the tape kept at once: arrays that pullbacks need, each piece of
            memory once and counted for the operation that kept it first. The arrays of leaves, such
            as parameters, are not counted; nor is what was recorded before the context.
    """

    def __init__(self) -> None:
        self.seconds, self.kept = 0.0, 0
        self._thread = threading.get_ident()
        self._rows: dict[tuple[str, str], Row] = {}
        self._frames: list[_Frame] = []
        self._left: Row | None = None  # that of the operation whose value is just computed
        self._own = 0.0  # seconds spent here
        self._now_kept = 0
        self._pieces: dict[tuple, _Piece] = {}  # of memory, by device, begin and end
        self._arrays: dict[int, weakref.ref] = {}  # those that show them, by id

    @property
    def rows(self) -> list[Row]:
        """One row for each operation and phase, the longest time first."""
        return sorted(self._rows.values(), key=lambda row: -row.seconds)

    @property
    def flops(self) -> int:
        """Multiplications and additions of all rows."""
        return sum(row.flops for row in self._rows.values())

    @property
    def bytes(self) -> int:
        """Bytes of the inputs and outputs of all operations."""
        return sum(row.bytes for row in self._rows.values())

    def floor(self) -> float:
        """Seconds that all this would take on the roofline."""
        return sum(sum(row.floors()) for row in self._rows.values())

    def entered(self, what: Any) -> None:
        """See `Onlooker`."""
        if threading.get_ident() != self._thread:
            return
        name = type(what).__name__ if not isinstance(what, Node | Operation) else what.name
        if self._frames:
            parts = self._frames[0].row.parts
            row = parts.setdefault(name, Row(name, self._frames[0].row.phase))
        else:
            if isinstance(what, Operation):
                phase = "backward" if _in_backward() else "forward"
            else:
                phase = "backward" if isinstance(what, Node) else "step"
            row = self._rows.setdefault((phase, name), Row(name, phase))
        self._frames.append(_Frame(what, row))
        self._frames[-1].start = _now() - self._own

    def left(self, what: Any) -> None:
        """See `Onlooker`."""
        if threading.get_ident() != self._thread:
            return
        now = _now() - self._own
        frame = self._frames.pop()
        seconds, row = now - frame.start, frame.row
        row.calls += 1
        if self._frames:
            self._frames[-1].inner += seconds
            row.seconds += seconds - frame.inner
        else:
            row.seconds += seconds
        self._left = row
        if row.phase == "step" and not self._frames:
            (flops, moved), p = what.work(), what.param_groups[0]["params"][0]
            row._work[flops, moved, p.device, str(p.dtype)] += 1

    def went(self, way: str) -> None:
        """A convolution was computed in this way."""
        if self._frames and threading.get_ident() == self._thread:
            self._frames[-1].row.ways[way] += 1

    def computed(
        self, operation: Any, inputs: Sequence[Any], options: dict[str, Any], output: Tensor
    ) -> None:
        """See `Onlooker`."""
        if threading.get_ident() != self._thread:
            return
        start, row, y = time.perf_counter(), self._left, output._array
        arrays = [x._array if isinstance(x, Tensor) else x for x in inputs]
        if not row.parts:  # what was written with operations is counted there
            flops, moved = work(operation, arrays, options, y)
            row._work[flops, moved, device_of(y), _float_type(y)] += 1
        if output._node is not None:
            self._keep(output._node, row)
        self._own += time.perf_counter() - start

    def _keep(self, node: Node, row: Row) -> None:
        for parent in node.inputs:
            if isinstance(parent, Leaf) and (leaf := parent.tensor()) is not None:
                self._count(leaf._array, None)
        for array in [data for data, *_ in node.kept.values()] + [*node.options.values()]:
            if is_array(array):
                self._count(array, row)

    def _count(self, array: Array, row: Row | None) -> None:
        """Count this array's memory for that row, if it is new here, until nobody holds it."""
        if id(array) in self._arrays:
            return
        region = device_of(array), *_bounds(array)
        piece = self._pieces.get(region)
        if piece is None:
            piece = self._pieces[region] = _Piece(row, region[2] - region[1])
            if row is not None:
                row._now_kept += piece.size
                row.kept = max(row.kept, row._now_kept)
                self._now_kept += piece.size
                self.kept = max(self.kept, self._now_kept)
        piece.arrays += 1
        forget = functools.partial(self._forget, id(array), region)
        self._arrays[id(array)] = weakref.ref(array, forget)

    def _forget(self, identity: int, region: tuple, _: weakref.ref) -> None:
        del self._arrays[identity]
        piece = self._pieces[region]
        piece.arrays -= 1
        if not piece.arrays:
            del self._pieces[region]
            if piece.row is not None:
                piece.row._now_kept -= piece.size
                self._now_kept -= piece.size

    def table(self, sort: str = "time") -> str:
        """The rows as text, by phase, under each pullback the operations that it called.

        A share of the roofline above 100 % means that the arrays were in a cache already.

        Args:
            sort: `"time"`, `"calls"`, `"flops"`, `"bytes"`, `"kept"` (the largest first) or
                `"name"`.

        Raises:
            ValueError: there is no such order.
        """
        if sort not in SORTS:
            raise ValueError(f"sort must be one of {', '.join(SORTS)}, not {sort!r}")
        attribute = "seconds" if sort == "time" else sort

        def ordered(rows: Iterable[Row]) -> list[Row]:
            found = sorted(rows, key=lambda row: getattr(row, attribute))
            return found if sort == "name" else found[::-1]

        lines = []
        for phase in PHASES:
            rows = ordered(row for row in self._rows.values() if row.phase == phase)
            if rows:
                lines.append([phase] + [""] * (len(TITLES) - 1))
            for row in rows:
                lines.append(self._line(row, "  "))
                lines += [self._line(part, "    ") for part in ordered(row.parts.values())]
        widths = [max(map(len, column)) for column in zip(TITLES, *lines, strict=True)]
        text = [
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
            for row in (TITLES, *lines)
        ]
        text.insert(1, "─" * (sum(widths) + 2 * len(widths) - 2))
        inside = sum(row.seconds for row in self._rows.values())
        text.append(
            f"{human_seconds(inside)} of {human_seconds(self.seconds)} in these; "
            f"{self.flops / 1e9:.3g} GFLOP; the tape kept up to {human_bytes(self.kept)}"
        )
        kinds = {kind[2:]: None for row in self._rows.values() for kind, _ in row.work()}
        for device, dtype in kinds:
            speed = machine_speed(device, dtype)
            text.append(
                f"Roofline of {device}, {dtype}: {speed.product / 1e9:.0f} GFLOP/s in matrix "
                f"products, {speed.copy / 1e9:.1f} GB/s in copies"
            )
        return "\n".join(text)

    def _line(self, row: Row, indent: str) -> list[str]:
        product, copy = row.floors()
        known = row.seconds > 0 and product + copy > 0
        return [
            f"{indent}{row.name}{': ' * bool(row.ways)}{', '.join(sorted(row.ways))}",
            f"{row.calls:,}",
            human_seconds(row.seconds),
            f"{row.seconds / self.seconds:.1%}" if self.seconds else "",
            f"{row.flops / 1e9:.3g}",
            human_bytes(row.bytes),
            f"{row.flops / row.seconds / 1e9:.1f}" if known else "",
            f"{(product + copy) / row.seconds:.0%}" if known else "",
            ("products" if product > copy else "copies") if known else "",
            human_bytes(row.kept) if row.kept else "",
        ]

    __str__ = table


def _in_backward() -> bool:
    """Whether the tape is walking back, in this thread."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not walk_back.__code__:
        frame = frame.f_back
    return frame is not None


def _bounds(array: Array) -> tuple[int, int]:
    """Where an array's memory begins and ends."""
    if isinstance(array, np.ndarray):
        return np.lib.array_utils.byte_bounds(array)
    return array.data.ptr, array.data.ptr + array.nbytes


def _float_type(y: Array) -> str:
    """The type whose products bound this one's: integers count as float32."""
    return "float64" if y.dtype == np.float64 else "float32"


def work(operation: Operation, inputs: Sequence[Any], options: dict, y: Array) -> tuple[int, int]:
    """The FLOPs of an operation on arrays that gave the array `y`, and the bytes that it moved.

    A multiplication and an addition are two. What is added as bias is not counted, what meets
    padding is. A view moves nothing; what picks elements reads only those.
    """
    arrays = [x for x in inputs if is_array(x)]
    if arrays and not operation.elementwise and namespace(y).may_share_memory(arrays[0], y):
        return 0, 0
    moved = sum(x.nbytes for x in arrays) + y.nbytes
    if operation.exact:
        return 0, moved - max(arrays[0].size - y.size, 0) * arrays[0].itemsize
    if operation.flops is None:
        return max([y.size, *(x.size for x in arrays)]), moved
    count, names = operation.flops
    given = dict(zip(operation.inputs, [inputs] if operation.variadic else inputs, strict=True))
    return count(y, *[(given | options)[name] for name in names]), moved
