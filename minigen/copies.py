"""Copies of tensors: `copy.copy`, `copy.deepcopy` and `pickle`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from minigen.backend import Array, memory_order, to_device
from minigen.tensor import Tensor, same_memory


def _copy(self) -> Tensor:
    """A tensor of its own on the same memory, without the gradient; a leaf if this is one,
    with the same history otherwise."""
    twin = _rebuilt(type(self), self._array, None, self.requires_grad and self.is_leaf)
    same_memory(twin, self)
    if not self.is_leaf:
        twin._node = self._node
    _attributes(twin).update(_attributes(self))
    return twin


def _deepcopy(self, memo: dict[int, Any]) -> Tensor:
    """As in PyTorch with the gradient, if this is no parameter. Tensors that share an array
    share its copy."""
    if not self.is_leaf:
        raise RuntimeError("only leaves can be deep-copied; detach() this tensor first")
    if (array := memo.get(id(self._array))) is None:
        array = memo[id(self._array)] = self._array.copy("K")
    twin = memo[id(self)] = _rebuilt(type(self), array, None, self.requires_grad)
    if self._copies_grad:
        twin._grad = deepcopy(self._grad, memo)
    _attributes(twin).update(deepcopy(_attributes(self), memo))
    return twin


def _reduce(self, protocol: Any) -> tuple:
    """For `pickle`, as in PyTorch: a leaf without gradient arrives, with this one's
    `requires_grad` and on its device. Those that share an array share it there too."""
    array, axes = to_device(self._array, "cpu"), None
    if not array.flags.forc:  # pickle would bring the axes into another order in memory
        axes = memory_order(array.strides)
        array = array.transpose(axes)
    device = None if self.device == "cpu" else self.device
    arguments = (type(self), array, device, self.requires_grad, axes)
    return _rebuilt, arguments, _attributes(self) or None


def _rebuilt(
    kind: type[Tensor], array: Array, device: str | None, requires_grad: bool, axes: Any = None
) -> Tensor:
    """A copy, of any class of tensors; the classes' own constructors take other arguments."""
    if axes is not None:
        array = array.transpose(np.argsort(axes))
    made = Tensor(array, requires_grad and kind is Tensor, device=device)
    if kind is Tensor:
        return made
    tensor = kind.__new__(kind)
    tensor._array, tensor._version, tensor._node, tensor._grad = made._array, None, None, None
    same_memory(tensor, made)
    return tensor.requires_grad_(requires_grad)


def _attributes(tensor: Tensor) -> dict[str, Any]:
    """The attributes that a user's subclass may have."""
    return getattr(tensor, "__dict__", {})


Tensor.__copy__, Tensor.__deepcopy__, Tensor.__reduce_ex__ = _copy, _deepcopy, _reduce
Tensor._copies_grad = True
