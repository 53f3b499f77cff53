"""How often memory was changed: one count for all tensors that lie in it.

Tensors that are made of one another share their count without asking. But arrays come in from
outside and go out: of one array, or of views of it, a user may make several tensors. The count of
such an array is found here, by the array that owns the memory; and by address, since NumPy does
not know the owner of what comes from a buffer, a memory map or another library.

A count is a list of one number. Once its memory is known here, the list holds that as well.
"""

from __future__ import annotations

import os
import threading
import weakref
from bisect import bisect_right
from collections import deque

import numpy as np

from minigen.backend import Array, is_array

Cell = list  # of the count, and of the `_Memory` if outsiders know the array


class _Memory:
    """Addresses that owners from outside cover together, and the counts of the tensors there."""

    __slots__ = ("first", "last", "owners", "cells")

    def __init__(self, first: int, last: int):
        self.first, self.last = first, last
        self.owners: list[_Owner] = []
        self.cells: list[Cell] = []


class _Owner(weakref.ref):
    """An array that no other one known to NumPy lies in. It is held weakly, and so are its
    addresses: they may belong to another array afterwards."""

    __slots__ = ("key", "first", "last", "memory")
    key: int
    first: int
    last: int
    memory: _Memory


_owners: dict[int, _Owner] = {}  # by the id of the array
_memories: list[_Memory] = []  # by address; no two overlap
_ends: list[int] = []  # their last addresses, to be searched
_gone: deque[_Owner] = deque()  # their arrays are no more
_lock = threading.Lock()


def owner_of(array: Array) -> Array:
    """The array that owns this one's memory, or the last one before memory of another kind."""
    base = array.base
    while base is not None and is_array(base):
        array, base = base, base.base
    return array


def shared_cell(array: Array, cell: Cell | None = None) -> Cell:
    """The count for an array that a user holds; where its tensor had one, that one, which from now
    on also counts the changes made through other arrays."""
    if cell is not None and len(cell) > 1:
        return cell
    owner = owner_of(array)
    if not owner.size:
        return [0] if cell is None else cell
    found = _owners.get(id(owner))
    memory = (_registered(owner) if found is None or found() is not owner else found).memory
    if cell is None:
        if memory.cells:
            return memory.cells[0]
        cell = [0]
    cell.append(memory)
    memory.cells.append(cell)
    return cell


def increment(cell: Cell) -> None:
    """The memory was changed."""
    if len(cell) == 1:
        cell[0] += 1
    else:
        for one in cell[1].cells:
            one[0] += 1


def forget(owner: Array) -> None:
    """The memory begins a new life: nothing that was counted before matters."""
    found = _owners.pop(id(owner), None)
    if found is not None:
        _gone.append(found)


def _registered(owner: Array) -> _Owner:
    new = _Owner(owner, _gone.append)  # which may be called at any time, so that it does no more
    new.key, (new.first, new.last) = id(owner), _addresses(owner)
    with _lock:
        while _gone:
            _remove(_gone.popleft())
        i = end = bisect_right(_ends, new.first)
        while end < len(_memories) and _memories[end].first < new.last:
            end += 1
        memory = _Memory(new.first, new.last)
        for other in _memories[i:end]:  # none, as a rule
            memory.first = min(memory.first, other.first)
            memory.last = max(memory.last, other.last)
            memory.owners += other.owners
            memory.cells += other.cells
        for known in memory.owners:
            known.memory = memory
        for cell in memory.cells:
            cell[1] = memory
        new.memory = memory
        memory.owners.append(new)
        _memories[i:end], _ends[i:end] = [memory], [memory.last]
        _owners[new.key] = new
    return new


def _remove(owner: _Owner) -> None:
    if _owners.get(owner.key) is owner:
        del _owners[owner.key]
    memory = owner.memory
    memory.owners = [o for o in memory.owners if o is not owner]
    i = bisect_right(_ends, memory.first)
    if memory.owners:
        memory.first = min(o.first for o in memory.owners)
        memory.last = _ends[i] = max(o.last for o in memory.owners)
    elif i < len(_memories) and _memories[i] is memory:
        del _memories[i], _ends[i]
        for cell in memory.cells:
            del cell[1:]
        memory.cells = []


def _addresses(owner: Array) -> tuple[int, int]:
    """The first one, and the one after the last."""
    if not isinstance(owner, np.ndarray):
        return owner.data.ptr, owner.data.ptr + max(owner.nbytes, 1)
    return np.lib.array_utils.byte_bounds(owner)


def _new_lock() -> None:
    """A fork may happen while another thread holds the lock."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)
