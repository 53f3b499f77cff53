"""Recycled memory: never that of an array which somebody still holds."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.kernels import memory


@pytest.fixture(autouse=True)
def no_buffers(monkeypatch, limits_set):
    """Nothing to recycle at first, and small arrays are recycled too."""
    monkeypatch.setattr(memory, "_buffers", [])
    monkeypatch.setattr(memory, "_KEPT", 0)
    limits_set(recycled=64)


def address(a):
    return a.__array_interface__["data"][0]


def test_memory_is_used_again_once_nobody_holds_a_view_of_it():
    first = memory.empty((10, 20), np.float32)
    place = address(first)
    view = first[2:].T[::3, 1]
    del first
    second = memory.empty((10, 20), np.float32)
    assert address(second) != place
    assert np.shares_memory(memory._buffers[0].memory, view)
    del view
    assert address(memory.empty((5, 40), np.float32)) == place
    assert len(memory._buffers) == 2


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 600)), max_size=60))
def test_no_two_arrays_share_memory(steps):
    """Arrays made and dropped in any order hold what was written to them."""
    held = {}
    for i, (slot, size) in enumerate(steps):
        held.pop(slot, None)
        a = memory.empty((size,), np.float64)
        a[...] = i
        held[slot] = (i, a[::2])
        for value, view in held.values():
            assert (view == value).all()


def test_several_threads_at_once():
    def work(seed):
        rng = np.random.default_rng(seed)
        for i in range(300):
            a = memory.empty((rng.integers(50, 400),), np.float32)
            a[...] = seed * 1000 + i
            view = a[3:]
            del a
            if not (view == seed * 1000 + i).all():
                wrong.append((seed, i))

    wrong = []
    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def test_what_is_not_asked_for_again_goes_back(limits_set):
    limits_set(patience=5)
    memory.empty((1000,), np.float32)
    kept = memory.empty((5000,), np.float32)
    for _ in range(8):
        memory.empty((100,), np.float32)
    assert sorted(b.memory.size for b in memory._buffers) == [400, kept.nbytes]


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 3, 1, 2), (3, 2, 1, 0)])
def test_the_layout_is_that_of_the_pattern(axes):
    pattern = np.zeros((3, 4, 5, 6), np.float32).transpose(axes)
    found = memory.empty_like(pattern, np.float64)
    expected = np.empty_like(pattern, np.float64)
    assert (found.shape, found.strides, found.dtype) == (
        expected.shape,
        expected.strides,
        expected.dtype,
    )


def test_who_holds_memory_alone():
    a = memory.empty((30, 10), np.float32)
    assert memory.held_alone(a) and memory.held_alone(np.ones(3))
    view = a[3:]
    assert not memory.held_alone(a) and not memory.held_alone(view)
    del view
    assert memory.held_alone(a)
    whole = np.ones(30)
    view = whole[3:]
    assert not memory.held_alone(view)
    del whole
    assert memory.held_alone(view)
    assert not memory.held_alone(np.frombuffer(bytearray(8))[:])  # another library's: who knows


def test_the_c_library_keeps_what_is_small_enough(monkeypatch):
    monkeypatch.setattr(memory, "_KEPT", 4000)
    small, large = memory.empty((999,), np.float32), memory.empty((1000,), np.float32)
    assert small.base is None and [b.memory.size for b in memory._buffers] == [large.nbytes]
