"""The group of processes, and what it can do with tensors."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Protocol

from minigen import backend as devices
from minigen.backend import Array
from minigen.tensor import Tensor, increment_version

TIMEOUT = 20.0  # seconds that a message may take; see `mpi`
# How many processes there are, as launchers tell each of them: MPICH and Intel's, Open MPI, Slurm.
SIZES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")


class ReduceOp:
    """What becomes of several ranks' numbers."""

    SUM, MAX, MIN = "sum", "max", "min"


class Work(Protocol):
    """What was begun and may not be done yet."""

    def wait(self) -> None:
        """Return when it is done."""


class Backend(Protocol):
    """How messages are sent. All arrays are contiguous, and all ranks call in one order."""

    name: str
    rank: int
    size: int

    def all_reduce(self, array: Array, op: str, lane: Any = None) -> Work: ...

    def broadcast(self, array: Array, src: int) -> Work: ...

    def lane(self) -> Any:
        """A way of its own for a row of messages: their order beside others' plays no part."""

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, in order, on all ranks."""

    def barrier(self, patient: bool = False) -> None: ...

    def fail(self, line: str) -> None:
        """End all ranks, with one line."""

    def close(self) -> None: ...


_group: list[Backend] = []  # the one there is
_apart = [False]


def launched() -> bool:
    """Whether a launcher, such as mpiexec, started this process as one of several."""
    sizes = (os.environ.get(name, "") for name in SIZES)
    return any(size.isdecimal() and int(size) > 1 for size in sizes)


def is_available() -> bool:
    """Whether there is mpi4py to make a group with."""
    return find_spec("mpi4py") is not None


def is_initialized() -> bool:
    """Whether there is a group."""
    return bool(_group)


def init_process_group(backend: str = "mpi", timeout: float = TIMEOUT) -> None:
    """Make the group of all processes that the launcher started; all have to call this.

    The cores that ranks of one machine share are dealt out: each kernel uses its rank's part of
    them, if MINIGEN_THREADS does not say how many threads.

    Args:
        backend: "mpi", or "nccl", between NVIDIA's cards.
        timeout: seconds that a rank waits for the others before all are ended.

    Raises:
        RuntimeError: there is a group already; mpi4py, MPI or NCCL is missing or unfit; the ranks
            are of different versions.
        ValueError: another backend, or no positive timeout.
    """
    if _group:
        raise RuntimeError("init_process_group: there is a group already")
    if backend not in ("mpi", "nccl"):
        raise ValueError(f"init_process_group: backend must be 'mpi' or 'nccl', not {backend!r}")
    if not timeout > 0:
        raise ValueError(f"init_process_group: timeout must be above 0 seconds, not {timeout}")
    from minigen.distributed.mpi import MPI  # here, since it imports mpi4py

    made: Backend = MPI(timeout)
    if backend == "nccl":
        from minigen.distributed.nccl import NCCL

        made = NCCL(made)
    _group.append(made)


def destroy_process_group() -> None:
    """Leave the group, when all ranks have come to this."""
    if _group:
        _group[0].close()
        _group.clear()


def get_backend() -> str:
    """The group's backend.

    Raises:
        RuntimeError: there is no group.
    """
    return the_group().name


def get_rank() -> int:
    """This process's number, from 0 on; 0 without a group, or apart from it."""
    return _group[0].rank if _group and not _apart[0] else 0


def get_world_size() -> int:
    """How many processes there are; 1 without a group, or apart from it."""
    return _group[0].size if _group and not _apart[0] else 1


def go_apart(apart: bool = True) -> None:
    """Do what follows as if alone, while the others wait in their next message; or come back."""
    _apart[0] = apart


def the_group() -> Backend:
    """The group.

    Raises:
        RuntimeError: there is none.
    """
    if not _group:
        raise RuntimeError("there is no group of processes: call init_process_group() first")
    return _group[0]


@contextmanager
def in_place(other: Backend) -> Iterator[None]:
    """Let another group stand in the place of the one there is, if any, during a block."""
    before = _group[:], _apart[0]
    _group[:], _apart[0] = [other], False
    try:
        yield
    finally:
        _group[:], _apart[0] = before


class _Done:
    def wait(self) -> None:
        """There is nothing to wait for."""


def all_reduce(tensor: Tensor, op: str = ReduceOp.SUM, async_op: bool = False) -> Work | None:
    """Replace every rank's tensor, in place and unrecorded, by the sum of all (or MAX, MIN).

    Returns:
        With `async_op` what to wait for, before the tensor is used.

    Raises:
        ValueError: another op.
    """
    if op not in ("sum", "max", "min"):
        raise ValueError(f"all_reduce: op must be ReduceOp.SUM, MAX or MIN, not {op!r}")
    return _in_place("all_reduce", tensor, async_op, lambda x: the_group().all_reduce(x, op))


def broadcast(tensor: Tensor, src: int = 0, async_op: bool = False) -> Work | None:
    """Replace every rank's tensor, in place and unrecorded, by that of rank `src`.

    Returns:
        With `async_op` what to wait for, before the tensor is used.

    Raises:
        ValueError: there is no such rank.
    """
    if not 0 <= src < get_world_size():
        raise ValueError(f"broadcast: there is no rank {src} of {get_world_size()}")
    return _in_place("broadcast", tensor, async_op, lambda x: the_group().broadcast(x, src))


class _WrittenBack:
    """A message of a copy, since MPI sends what lies in a row."""

    def __init__(self, work: Work, copy: Array, array: Array):
        self._work, self._copy, self._array = work, copy, array

    def wait(self) -> None:
        """Return when the array holds what came."""
        self._work.wait()
        self._array[...] = self._copy


def _in_place(name: str, tensor: Tensor, async_op: bool, send: Any) -> Work | None:
    array = tensor._array
    devices.require_writable(name, array)
    work: Work = _Done()
    if get_world_size() > 1:
        copy = devices.namespace(array).ascontiguousarray(array)
        work = send(copy)
        if copy is not array:
            work = _WrittenBack(work, copy, array)
        increment_version(tensor)
    if async_op:
        return work
    work.wait()
    return None


def barrier() -> None:
    """Return when all ranks have come to this."""
    if _group:
        _group[0].barrier()


def all_gather_object(value: Any) -> list[Any]:
    """Every rank's value, in order, on all ranks. It is pickled."""
    return _group[0].gather(value) if _group else [value]


def broadcast_object(value: Any, src: int = 0) -> Any:
    """The value of rank `src`, on all ranks. It is pickled."""
    given = value if get_rank() == src else None
    return all_gather_object(given)[src]
