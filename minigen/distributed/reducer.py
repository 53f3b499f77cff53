"""Gradients averaged over all ranks, in buckets, while the walk back goes on.

A bucket is some parameters' gradients in a row: one message for many of them, since each costs its
latency. A bucket is sent when the gradients of all its parameters have arrived, but never before
the bucket in front of it, whatever finishes first: all ranks send in one order, that of the
parameters, from the last one on, for the walk comes to the last layer first. At the end of the walk
what has not arrived is sent as zeros, and all is waited for.

MPI moves a message on when it is asked about it, not by itself; with one thread a rank there is
nothing that the walk could be beside of. So all that is claimed for the buckets is one message for
many gradients; whether there is more to gain depends on the network between the machines.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any
from weakref import WeakValueDictionary

from minigen import differentiation
from minigen.backend import Array, device_of, memory_order, namespace
from minigen.distributed import group
from minigen.kernels import memory
from minigen.optim.optimizer import exact
from minigen.sparse import SparseRows
from minigen.tensor import Tensor, wrap

BUCKET = 1 << 20  # bytes of a bucket, if no parameter is larger


class Bucket:
    """Parameters whose gradients travel together; after them, for each parameter, how many ranks
    had a gradient for it."""

    def __init__(self, parameters: list[Tensor]):
        self.parameters = parameters
        self._ends = [0, *itertools.accumulate(p._array.size for p in parameters)]
        self._orders = [memory_order(p._array.strides) for p in parameters]
        self.waiting: set[int] = set()
        self.flat: Array = None
        self._work: Any = None

    def empty(self) -> None:
        """Begin anew, in fresh memory: gradients of the last time lie in the old one."""
        first = self.parameters[0]._array
        length, dtype = self._ends[-1] + len(self.parameters), exact(first.dtype)
        make = memory.empty if device_of(first) == "cpu" else namespace(first).empty
        self.flat = make((length,), dtype)
        self.waiting = set(range(len(self.parameters)))

    def take(self, i: int) -> None:
        """The gradient of parameter i, zero if there is none, divided by the number of ranks."""
        gradient, part = self.parameters[i]._grad, self._part(i)
        if isinstance(gradient, SparseRows):
            raise NotImplementedError(
                "DistributedDataParallel: a row-sparse gradient is not averaged; leave sparse=True "
                "out of its embedding"
            )
        if gradient is None:
            part[...] = 0
        else:
            xp = namespace(part)
            xp.multiply(gradient._array, part.dtype.type(1 / group.get_world_size()), out=part)
        self.flat[i - len(self.parameters)] = gradient is not None
        self.waiting.discard(i)

    def send(self, lane: Any) -> None:
        """Begin to sum over all ranks."""
        self._work = group.the_group().all_reduce(self.flat, group.ReduceOp.SUM, lane)

    def arrive(self) -> None:
        """Wait for the sums, which become the gradients."""
        self._work.wait()
        had = self.flat[-len(self.parameters) :].tolist()
        for i, p in enumerate(self.parameters):
            if had[i]:
                p._grad = wrap(self._part(i).astype(p.dtype, copy=False))
        self.flat = self._work = None

    def _part(self, i: int) -> Array:
        """Where the gradient of parameter i lies, in the order of the parameter's memory."""
        shape, axes = self.parameters[i]._array.shape, self._orders[i]
        part = self.flat[self._ends[i] : self._ends[i + 1]].reshape([shape[a] for a in axes])
        return part.transpose(sorted(range(len(axes)), key=axes.__getitem__))


class Reducer:
    """Averages the gradients that `backward` adds to parameters; those that `grad` returns are
    nobody's, and stay as they are. A walk that reaches none of the parameters sends nothing.

    Each rank has to walk back as often as all others. What is averaged is `p.grad` as it stands at
    the end of a walk, so several walks of which only the last one is averaged add up.

    Args:
        parameters: in the same order on all ranks.
        bucket: bytes of a bucket.

    Attributes:
        on: whether walks are averaged now.
        number: of several that a walk reaches, in which order they are finished.
    """

    def __init__(self, parameters: Iterable[Tensor], bucket: int = BUCKET):
        self.on, self._began, self.number = True, False, next(_numbers)
        self.buckets: list[Bucket] = []
        if group.get_world_size() == 1:
            return
        self._place: dict[int, tuple[Bucket, int]] = {}
        self._next = 0
        unique = {id(p): p for p in parameters if p.requires_grad}
        for parameters in _cut([*unique.values()][::-1], bucket):
            self.buckets.append(Bucket(parameters))
            for i, p in enumerate(parameters):
                self._place[id(p)] = self.buckets[-1], i
                if id(p) in _of:
                    raise ValueError("a parameter's gradient is averaged by another one already")
        self._lane = group.the_group().lane()
        for p in unique:
            _of[p] = self
        differentiation.arrived.fill(_arrived)
        differentiation.finished.fill(_finished)

    def take(self, parameter: Tensor) -> None:
        """One whose gradient of this walk is complete."""
        if not self._began:
            self._began, self._next = True, 0
            for bucket in self.buckets:
                bucket.empty()
            _begun.append(self)
        bucket, i = self._place[id(parameter)]
        bucket.take(i)
        self._send(lambda bucket: not bucket.waiting)

    def finish(self) -> None:
        """Send what is left, and put the averages in their places."""
        for bucket in self.buckets:
            for i in tuple(bucket.waiting):
                bucket.take(i)
        self._send(lambda bucket: True)
        for bucket in self.buckets:
            bucket.arrive()
        self._began = False

    def _send(self, ready: Any) -> None:
        while self._next < len(self.buckets) and ready(self.buckets[self._next]):
            self.buckets[self._next].send(self._lane)
            self._next += 1


_of: WeakValueDictionary[int, Reducer] = WeakValueDictionary()  # by a parameter's id
_begun: list[Reducer] = []  # in this walk
_numbers = itertools.count()


def _arrived(tensor: Tensor) -> None:
    reducer = _of.get(id(tensor))
    if reducer is not None and reducer.on and group.get_world_size() > 1:
        reducer.take(tensor)


def _finished() -> None:
    done, _begun[:] = sorted(_begun, key=lambda reducer: reducer.number), []
    for reducer in done:
        reducer.finish()


def _cut(parameters: list[Tensor], most: int) -> list[list[Tensor]]:
    """Parameters in their order, a new list where they get too large or are of another kind."""
    cut: list[list[Tensor]] = []
    size, kind = math.inf, None
    for p in parameters:
        own = p.dtype, p.device
        size += p._array.nbytes
        if size > most or own != kind:
            cut.append([])
            size, kind = p._array.nbytes, own
        cut[-1].append(p)
    return cut
