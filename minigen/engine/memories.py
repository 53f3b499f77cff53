"""How often memory was changed: one count for all tensors that lie in it.

Tensors that are made of one another share their count without asking. But arrays come in from
outside and go out: of one array, or of views of it, a user may make several tensors. The count of
such an array is found here, by the array that owns the memory; and by address, since NumPy does
not know the owner of what comes from a buffer, a memory map or another library.

A count is a list of one number. Once an array of its memory is known here, the list also holds a
list of all counts that are increased together, of which there is one as a rule.
"""

from __future__ import annotations

import os
import threading
import weakref
from bisect import bisect_right
from collections import deque

import numpy as np

from minigen.backend import Array, is_array
from minigen.kernels.memory import told_of_new_lives

Cell = list


class _Owner(weakref.ref):
    """An array that owns its memory, as far as NumPy knows. It is held weakly. When it is gone, its
    addresses are forgotten, since they may become another array's."""

    __slots__ = ("key", "cells", "first", "last", "region")
    key: int
    cells: list[Cell]  # shared with the owners in the same region
    first: int
    last: int
    region: _Region | None


class _Region:
    """Addresses that owners cover together."""

    __slots__ = ("first", "last", "owners")

    def __init__(self, owners: list[_Owner]):
        self.owners = owners
        self.first = min(owner.first for owner in owners)
        self.last = max(owner.last for owner in owners)


_owners: dict[int, _Owner] = {}  # by the id of the array
_gone: deque[_Owner] = deque()  # their arrays are no more
# By address; no two overlap. There are none until an array comes whose memory is not NumPy's own.
_regions: list[_Region] = []
_ends: list[int] = []  # their last addresses, to be searched
_by_address = [False]
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
    cells = (_registered(owner) if found is None or found() is not owner else found).cells
    if cell is None:
        if cells:
            return cells[0]
        cell = [0]
    cell.append(cells)
    cells.append(cell)
    return cell


def increment(cell: Cell) -> None:
    """The memory was changed."""
    if len(cell) == 1:
        cell[0] += 1
    else:
        for one in cell[1]:
            one[0] += 1


def forget(owner: Array) -> None:
    """The memory begins a new life: nothing that was counted before matters."""
    found = _owners.pop(id(owner), None)
    if found is not None:
        _gone.append(found)


told_of_new_lives.append(forget)


def _registered(array: Array) -> _Owner:
    with _lock:
        while _gone:
            _remove(_gone.popleft())
        found = _owners.get(id(array))
        if found is not None and found() is array:  # by another thread
            return found
        new = _Owner(array, _gone.append)  # which may be called at any time, so it does no more
        new.key, new.cells, new.region = id(array), [], None
        _owners[new.key] = new
        if _by_address[0]:
            _place(new, array)
        elif array.base is not None:
            _by_address[0] = True
            for owner in list(_owners.values()):
                if owner.region is None and (known := owner()) is not None:
                    _place(owner, known)
    return new


def _place(owner: _Owner, array: Array) -> None:
    owner.first, owner.last = _addresses(array)
    i = end = bisect_right(_ends, owner.first)
    together = [owner]
    while end < len(_regions) and _regions[end].first < owner.last:
        together += _regions[end].owners
        end += 1
    region = _Region(together)
    _regions[i:end], _ends[i:end] = [region], [region.last]
    lists = {id(o.cells): o.cells for o in together}
    cells = [cell for one in lists.values() for cell in one]
    for cell in cells:
        cell[1] = cells
    for o in together:
        o.cells, o.region = cells, region


def _remove(owner: _Owner) -> None:
    if _owners.get(owner.key) is owner:
        del _owners[owner.key]
    region, owner.region = owner.region, None
    if region is not None:
        i = bisect_right(_ends, region.first)
        left = [o for o in region.owners if o is not owner]
        if left:
            _regions[i] = region = _Region(left)
            _ends[i] = region.last
            for o in left:
                o.region = region
            return
        del _regions[i], _ends[i]
    for cell in owner.cells:  # or they would hold each other
        del cell[1:]
    owner.cells.clear()


def _addresses(owner: Array) -> tuple[int, int]:
    """The first one, and the one after the last."""
    if not isinstance(owner, np.ndarray):
        return owner.data.ptr, owner.data.ptr + max(owner.nbytes, 1)
    if owner.flags.forc:
        return (first := owner.ctypes.data), first + owner.nbytes
    return np.lib.array_utils.byte_bounds(owner)


def _new_lock() -> None:
    """A fork may happen while another thread holds the lock."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)
