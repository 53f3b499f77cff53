"""Changes in place, noticed: tensors in one piece of memory share a count of its changes, and what
a pullback keeps carries the count of the time when it was kept."""

from __future__ import annotations

from typing import Any

from minigen.backend import Array, is_array
from minigen.engine.memories import Cell, increment, owner_of, shared_cell
from minigen.operation import Operation, restore, save
from minigen.tensor import Tensor, held_outside, increment_version, same_memory, wrap


def cell_of(t: Tensor) -> Cell:
    """The count of changes of this tensor's memory, made when it is first asked for."""
    if t._version is None:
        t._version = [0]
    return t._version


@increment_version.fill
def count_change(t: Tensor) -> None:
    """The tensor's memory was written."""
    increment(cell_of(t))


@held_outside.fill
def count_with_others(t: Tensor) -> None:
    """Count changes that are made through other tensors on the same array, too."""
    cell = t._version
    if cell is None or len(cell) == 1:
        t._version = shared_cell(t._array, cell)


@same_memory.fill
def share_count(t: Tensor, other: Any) -> None:
    """Let both count together, if they do lie in one memory."""
    if isinstance(other, Tensor) and _views(t._array, other._array):
        t._version = cell_of(other)


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
        cell = cell_of(x)
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
        value._version = cell
    return value
