"""How long a sum over all ranks takes: the α–β model.

A message between two ranks takes α + n·β: its latency, and for each of n bytes what the bandwidth
says. A library of MPI sums short messages in ⌈log₂ N⌉ rounds of exchanging all of it with another
rank, long ones by halves: first each rank sums its part of the message, then all tell each other
theirs (Thakur, Rabenseifner and Gropp 2005, sections 4.4 and 4.5):

    T = ⌈log₂ N⌉·(α + n·β)        or        T = 2·⌈log₂ N⌉·α + 2·(N − 1)/N·n·β

Whichever takes less is taken. A ring has 2·(N − 1) for 2·⌈log₂ N⌉, and the same bytes. β holds all
that is done for a byte: sending it, and adding it up.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from minigen.distributed import group

LONG = 1 << 20  # bytes of the long message that is measured: a bucket's


@dataclass(frozen=True)
class Network:
    """What two ranks' messages take.

    Attributes:
        latency: α, seconds.
        bandwidth: 1/β, bytes a second.
    """

    latency: float
    bandwidth: float

    def all_reduce(self, size: float, ranks: int) -> float:
        """Seconds in which so many bytes are summed over so many ranks."""
        rounds = math.ceil(math.log2(ranks))
        whole = size / self.bandwidth
        by_halves = 2 * rounds * self.latency + 2 * (ranks - 1) / ranks * whole
        return min(rounds * (self.latency + whole), by_halves)

    def shared(self, ranks: int) -> Network:
        """What is left of the bandwidth where so many send at once."""
        return Network(self.latency, self.bandwidth / ranks)


def measured() -> Network:
    """That of this group, of two ranks or more; all have to call this."""
    ranks = group.get_world_size()
    rounds = math.ceil(math.log2(ranks))
    latency = seconds_of(8, 400) / rounds
    whole = seconds_of(LONG, 40)
    if ranks > 2:  # by halves
        bandwidth = 2 * (ranks - 1) / ranks * LONG / max(whole - 2 * rounds * latency, 1e-9)
    else:
        bandwidth = LONG / max(whole - latency, 1e-9)
    return Network(latency, bandwidth)


def seconds_of(size: int, times: int) -> float:
    """The median of how long so many bytes take, as this rank sees it, averaged over ranks."""
    array, took = np.zeros(size // 8), []
    for _ in range(times):
        began = time.perf_counter()
        group.the_group().all_reduce(array, group.ReduceOp.SUM).wait()
        took.append(time.perf_counter() - began)
    mean = np.array([np.median(took)]) / group.get_world_size()
    group.the_group().all_reduce(mean, group.ReduceOp.SUM).wait()
    return float(mean[0])
