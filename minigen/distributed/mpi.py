"""Messages by mpi4py: from one thread, each waited for by a deadline.

A rank that waits asks again and again whether its message is through, and lets others have the
core between: MPI's own wait holds it, which on a machine with more ranks than cores keeps the very
rank from running that is waited for. After NOTE seconds it sends all others a note of what it waits
for, so that, when the deadline is over, those that sent none are known by name.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import minigen
from minigen.backend import Array, limit_threads, namespace, threads
from minigen.distributed.last_words import LastWords

SPINS = 2000  # questions in a row, about a millisecond, before the thread sleeps between them
NAP = 2e-4  # seconds
NOTE = 5.0  # seconds of waiting after which the others are told
PATIENCE = 3600.0  # seconds for a rank that was said to be long
NOTES = 77  # the tag of their messages


class MPI:
    """The group of all ranks that MPI knows.

    Args:
        timeout: seconds that a message may take.

    Raises:
        RuntimeError: mpi4py or MPI is missing, or MPI does not bear calls from a process with
            several threads; the ranks are of different versions.
    """

    name = "mpi"

    def __init__(self, timeout: float):
        rank = next((os.environ[n] for n in RANKS if n in os.environ), "?")
        self._words = LastWords(rank, timeout)
        mpi = self._mpi = _loaded()
        self.comm = mpi.COMM_WORLD.Dup()
        self._notes = mpi.COMM_WORLD.Dup()
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        self.timeout, self.patient, self._calls = timeout, False, 0
        self._heard: dict[int, int] = {}
        self._open, self._before = True, sys.excepthook
        sys.excepthook = self._uncaught
        atexit.register(self.close)
        _share_cores(self)
        self._require_one_version()

    def all_reduce(self, array: Array, op: str, lane: Any = None) -> Work:
        """Begin to replace the array by the sum of all, or what else `op` says."""
        sent = _sendable(array)
        mpi_op = {"sum": self._mpi.SUM, "max": self._mpi.MAX, "min": self._mpi.MIN}[op]
        begin = (lane or self.comm).Iallreduce
        return Work(self, begin(self._mpi.IN_PLACE, sent, mpi_op), "a sum", sent, array)

    def broadcast(self, array: Array, src: int) -> Work:
        """Begin to replace the array by that of rank `src`."""
        sent = _sendable(array)
        return Work(self, self.comm.Ibcast(sent, src), "a broadcast", sent, array)

    def lane(self) -> Any:
        """A communicator: order matters within one alone."""
        return self.comm.Dup()

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, in order."""
        mine = np.frombuffer(pickle.dumps(value), np.uint8)
        sizes = np.zeros(self.size, np.int64)
        sizes[self.rank] = len(mine)
        self.all_reduce(sizes, "sum").wait()
        ends = sizes.cumsum()
        all_of_them = np.empty(ends[-1], np.uint8)
        into = [all_of_them, (sizes, ends - sizes)]
        Work(self, self.comm.Iallgatherv(mine, into), "all ranks' values", None, None).wait()
        parts = np.split(all_of_them, ends[:-1])
        return [pickle.loads(part.tobytes()) for part in parts]

    def barrier(self, patient: bool = False) -> None:
        """Return when all have come, however late if `patient`."""
        self.patient = self.patient or patient
        Work(self, self.comm.Ibarrier(), "all ranks to meet", None, None).wait()

    def wait(self, request: Any, what: str) -> None:
        """Return when a message is through."""
        self._calls += 1
        for _ in range(SPINS):
            if request.Test():
                self.patient = False
                return
            os.sched_yield()
        before, waited, told = time.monotonic(), 0.0, False
        limit = PATIENCE if self.patient else self.timeout
        while not request.Test():
            time.sleep(NAP)
            now = time.monotonic()
            # More than a second is no nap: all were suspended, and the others go on now, too.
            before, waited = now, waited + min(now - before, 1.0)
            if waited > min(NOTE, limit / 4):
                if not told:
                    self._tell()
                told = True
                self._hear()
            if waited > limit + min(NOTE, limit / 4):
                self._overdue(what, waited)
        self.patient = False

    def _tell(self) -> None:
        """Send all others the number of what this rank waits for."""
        mine = np.array([self._calls], np.int64)
        for other in set(range(self.size)) - {self.rank}:
            self._notes.Isend(mine, other, NOTES).Free()
        self._told = mine  # must outlive the message

    def _hear(self) -> None:
        """Take the others' notes."""
        status, note = self._mpi.Status(), np.empty(1, np.int64)
        while self._notes.Iprobe(tag=NOTES, status=status):
            self._notes.Recv(note, status.Get_source(), NOTES)
            self._heard[status.Get_source()] = int(note[0])

    def _overdue(self, what: str, waited: float) -> None:
        here = {r for r, call in self._heard.items() if call >= self._calls} | {self.rank}
        silent = sorted(set(range(self.size)) - here)
        if silent:
            who = f"rank {', '.join(map(str, silent))} did not come"
        else:
            who = "the ranks wait for different things, so no two of their scripts agree"
        if min(here) != self.rank:
            time.sleep(1)  # the first one speaks
        self.fail(f"rank {self.rank} waited {waited:.0f} s for {what}: {who}; all ranks end")

    def fail(self, line: str, status: int = 1) -> None:
        """End all ranks, with this line unless another was said. Files are not closed in order:
        what is written whole stays whole."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._words.say(line)
        # Not MPI's Abort, with which the launcher loses the line. It ends all when one ends like
        # this.
        os._exit(status)

    def close(self) -> None:
        """Leave in order: when all do."""
        if self._open:
            self._open = False
            self.barrier(patient=True)
            self._words.goodbye()
            sys.excepthook = self._before

    def _uncaught(self, kind: type, error: BaseException, trace: Any) -> None:
        """An error ends all ranks, not this one alone: the others would wait for it."""
        if self.rank:
            time.sleep(1)  # what all meet is said by rank 0
        self._before(kind, error, trace)
        self.fail(f"rank {self.rank}: {kind.__name__}: {error}; all ranks end")

    def _require_one_version(self) -> None:
        found = self.gather(versions())
        for other, theirs in enumerate(found):
            for what, value in theirs.items():
                if value != found[0][what]:
                    self.fail(
                        f"rank {other} has {what} {value}, rank 0 has {found[0][what]}: start all "
                        "ranks with the same; all ranks end"
                    )


RANKS = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID")


class Work:
    """A message on its way.

    Args:
        group: whose it is.
        request: MPI's.
        what: for the line, if it never comes.
        sent: what MPI reads and writes, which must outlive it.
        array: what is to hold it in the end; `sent` itself, or of another kind.
    """

    def __init__(self, group: MPI, request: Any, what: str, sent: Any, array: Any):
        self._group, self._request, self._what = group, request, what
        self._sent, self._array = sent, array

    def wait(self) -> None:
        """Return when the array holds what came."""
        self._group.wait(self._request, self._what)
        if self._sent is not self._array:
            xp = namespace(self._array)
            self._array[...] = xp.asarray(self._sent).astype(self._array.dtype)
            self._sent = self._array


def _loaded() -> Any:
    """mpi4py's MPI, begun."""
    try:
        import mpi4py

        mpi4py.rc.thread_level = "serialized"
        from mpi4py import MPI as mpi
    except ImportError as error:
        raise RuntimeError(
            f"several processes need mpi4py and MPI ({error}): pip install 'minigen[mpi]' where "
            "there is an MPI, else 'minigen[mpi-local]', which brings one"
        ) from error
    if mpi.Query_thread() < mpi.THREAD_SERIALIZED:
        raise RuntimeError(
            "this MPI does not bear calls from a process that has several threads "
            "(MPI_THREAD_SERIALIZED): begin MPI with that level, or use another MPI"
        )
    return mpi


def _sendable(array: Array) -> Array:
    """The array, or a copy of a kind that MPI takes: on the host, unless MPI reads cards, and of 32
    bits for 16."""
    sent = array
    if namespace(array) is not np:
        if os.environ.get("MINIGEN_CUDA_AWARE_MPI") == "1":
            namespace(array).cuda.get_current_stream().synchronize()
        else:
            sent = array.get()
    return sent.astype(np.float32) if sent.dtype == np.float16 else sent


def _share_cores(group: MPI) -> None:
    """Give the kernels this rank's part of the cores that it shares with others."""
    if os.environ.get("MINIGEN_THREADS"):
        return
    cores: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    mine = os.uname().nodename, sorted(cores(0)) if cores else os.cpu_count()
    sharing = group.gather(mine).count(mine)
    limit_threads(max(1, threads() // sharing))


def versions() -> dict[str, str]:
    """What must agree between ranks: the code and what it computes with."""
    code = hashlib.sha256()
    for path in sorted(Path(minigen.__file__).parent.rglob("*.py")):
        code.update(path.read_bytes())
    return {
        "minigen": f"{minigen.__version__} ({code.hexdigest()[:8]})",
        "Python": ".".join(map(str, sys.version_info[:2])),
        "NumPy": np.__version__,
    }
