"""Messages between NVIDIA's cards by NCCL, through `cupyx.distributed`; what lies on the host, and
all that is said beside, goes by MPI.

Nothing here has run on a card yet: its tests stand a double in the place of NCCL.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from minigen.backend import Array, DeviceError, namespace, require_cuda
from minigen.distributed.mpi import MPI


class _Queued:
    """What a stream of the card does after what was asked of it before, and before what follows."""

    def wait(self) -> None:
        """There is nothing to wait for: the card keeps the order."""


class NCCL:
    """A group of which each rank has a card of its own: rank r of its machine the r-th.

    Args:
        mpi: the group of the same ranks.

    Raises:
        DeviceError: CuPy, a card or NCCL is missing.
    """

    name = "nccl"

    def __init__(self, mpi: MPI):
        self._mpi, self.rank, self.size = mpi, mpi.rank, mpi.size
        here = os.uname().nodename
        card = mpi.gather(here)[: mpi.rank].count(here)
        cupy = require_cuda(card)
        cupy.cuda.Device(card).use()
        try:
            from cupyx.distributed import init_process_group
        except ImportError as error:
            raise DeviceError(f"backend='nccl' needs CuPy with NCCL ({error})") from error
        self._nccl = init_process_group(mpi.size, mpi.rank, backend="nccl", use_mpi=True)

    def all_reduce(self, array: Array, op: str, lane: Any = None) -> Any:
        """Begin to replace the array by the sum of all, or what else `op` says."""
        if namespace(array) is np:
            return self._mpi.all_reduce(array, op, lane)
        self._nccl.all_reduce(array, array, op)
        return _Queued()

    def broadcast(self, array: Array, src: int) -> Any:
        """Begin to replace the array by that of rank `src`."""
        if namespace(array) is np:
            return self._mpi.broadcast(array, src)
        self._nccl.broadcast(array, src)
        return _Queued()

    @property
    def patient(self) -> bool:
        """Whether the next wait, which is MPI's, may be long."""
        return self._mpi.patient

    @patient.setter
    def patient(self, patient: bool) -> None:
        self._mpi.patient = patient

    def __getattr__(self, name: str) -> Any:  # what is said beside
        return getattr(self._mpi, name)
