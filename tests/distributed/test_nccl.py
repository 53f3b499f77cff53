"""Which messages go by NCCL: with a double in its place, for there is no card here. What a card
does with them is not tested."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from minigen.distributed import nccl
from minigen.distributed.nccl import NCCL


class OfACard:
    """An array that is none of NumPy's."""


class Recorder:
    """Notes what is asked of it."""

    def __init__(self, **known):
        self.calls = []
        self.__dict__.update(known)

    def __getattr__(self, name):
        return lambda *args: self.calls.append((name, *args)) or name


@pytest.fixture
def group(monkeypatch):
    mpi = Recorder(rank=2, size=3, patient=False, gather=lambda here: [here, "another", here])
    made = Recorder()
    chosen = []
    cupy = SimpleNamespace(
        cuda=SimpleNamespace(Device=lambda n: SimpleNamespace(use=lambda: chosen.append(n)))
    )
    module = ModuleType("cupyx.distributed")
    module.init_process_group = lambda *a, **k: made.calls.append((a, k)) or made
    monkeypatch.setitem(sys.modules, "cupyx", ModuleType("cupyx"))
    monkeypatch.setitem(sys.modules, "cupyx.distributed", module)
    monkeypatch.setattr(nccl, "require_cuda", lambda n: cupy)
    return NCCL(mpi), mpi, made, chosen


def test_each_rank_of_a_machine_has_a_card_of_its_own(group):
    _, _, made, chosen = group
    assert chosen == [1]  # the second rank on its machine
    assert made.calls == [((3, 2), {"backend": "nccl", "use_mpi": True})]


def test_arrays_of_cards_go_by_nccl_and_all_else_by_mpi(group):
    both, mpi, made, _ = group
    made.calls.clear()
    x, host = OfACard(), np.zeros(2)
    both.all_reduce(x, "sum").wait()
    both.broadcast(x, 1).wait()
    assert made.calls == [("all_reduce", x, x, "sum"), ("broadcast", x, 1)]
    both.all_reduce(host, "max")
    both.broadcast(host, 0)
    both.fail("why")
    assert mpi.calls == [("all_reduce", host, "max", None), ("broadcast", host, 0), ("fail", "why")]
    both.patient = True  # of all waits, and these are MPI's
    assert mpi.patient
