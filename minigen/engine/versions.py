"""Changes in place, noticed: tensors in one piece of memory share a count of its changes, and what
a pullback keeps carries the count of the time when it was kept.

Tensors hold the count in a list of one, which those that are made of one another share and nobody
else holds: Python's own count of references to that list is the number of such tensors alive.
"""

from __future__ import annotations

import sys
from typing import Any

from minigen.backend import Array, is_array
from minigen.engine.memories import Cell, increment, owner_of, shared_cell
from minigen.operation import Operation, restore, save
from minigen.seams import sharers
from minigen.tensor import Tensor, held_outside, increment_version, same_memory, wrap


def version_of(t: Tensor) -> list[Cell]:
    """The count of changes of this tensor's memory, made when it is first asked for."""
    if t._version is None:
        t._version = [[0]]
    return t._version


@increment_version.fill
def count_change(t: Tensor) -> None:
    """The tensor's memory was written."""
    increment(version_of(t)[0])


@held_outside.fill
def count_with_others(t: Tensor) -> None:
    """Count changes that are made through other tensors on the same array, too."""
    if t._version is None:
        t._version = [shared_cell(t._array)]
    elif len(t._version[0]) == 1:
        shared_cell(t._array, t._version[0])


@same_memory.fill
def share_count(t: Tensor, other: Any) -> None:
    """Let both count together, if they do lie in one memory."""
    if isinstance(other, Tensor) and _views(t._array, other._array):
        t._version = version_of(other)


@sharers.fill
def sharers_by_reference(t: Tensor) -> tuple[int, bool]:
    """Other tensors alive in this one's memory, and whether somebody has its array."""
    version = t._version
    if version is None:
        return 0, False
    return sys.getrefcount(version) - _ALONE, len(version[0]) > 1


def _views(array: Array, other: Array) -> bool:
    base = array.base
    if base is None:
        return array is other
    if array is other or base is other or base is other.base:
        return True
    return owner_of(array) is owner_of(other)


@save.fill
def save_with_count(x: Any) -> tuple:
    """Array or other value, whether it was a tensor, the count of changes, and what it was then."""
    if isinstance(x, Tensor):
        cell = version_of(x)[0]
        return x._array, True, cell, cell[0]
    if is_array(x):
        cell = shared_cell(x)
        return x, False, cell, cell[0]
    return x, False, None, 0


@restore.fill
def restore_unchanged(saved: tuple, op: Operation, name: Any) -> Any:
    """A tensor, if it was one.

    Raises:
        RuntimeError: its memory was changed since it was saved.
    """
    value, was_tensor, cell, before = saved
    if cell is not None and cell[0] != before:
        name = op.inputs[0] if op.variadic else name
        raise RuntimeError(
            f"{op.name}: {name} {value.dtype} {value.shape}, which its pullback needs, was "
            "changed in place after it was used; clone() it before, or change it after backward()"
        )
    if was_tensor:
        value = wrap(value)
        value._version = [cell]
    return value


_ALONE = 0  # references to the list of a tensor that shares it with nobody: Pythons differ
_probe = wrap(0.0)
version_of(_probe)
_ALONE = sharers_by_reference(_probe)[0]
