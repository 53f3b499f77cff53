"""A tensor: an array, and the node of the tape that made it.

This file knows no operation: `minigen.operation` makes them of functions on arrays, and
`minigen.functional` gives `Tensor` its methods, `minigen.differentiation` its `backward`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.backend import Array, as_array, class_name, device_of, to_device
from minigen.hooks import HookHandle
from minigen.protocols import Protocols
from minigen.seams import Seam, sharers
from minigen.sparse import SparseRows
from minigen.tape import Leaf, Node


class Tensor(Protocols):
    """An array whose history is recorded, so that gradients can flow back through it.

    Args:
        data: an array of NumPy or CuPy, which is shared and keeps its dtype, or numbers: Python
            floats become float32, integers int64.
        requires_grad: record what happens to this tensor.
        dtype, device: where given, convert (`"cpu"`, `"cuda"`, `"cuda:1"`).

    Raises:
        TypeError: `data` is no array of real numbers or truth values.

    The tape notices when a kept array is changed by an optimiser or an in-place method, of this
    tensor or of any other one in the same memory. It cannot see a write through NumPy itself
    (`tensor.array[0] = 1`) or another library: say `increment_version(tensor)` then. Nor does it
    know that two memory maps show one file.
    """

    __slots__ = ("_array", "_node", "_version", "_grad", "_base", "__weakref__")
    __array_ufunc__ = None  # NumPy then leaves `array + tensor` to the tensor
    __hash__ = object.__hash__  # `==` compares elements, yet a tensor can be a key

    _array: Array
    _node: Node | None  # what made this tensor, or its Leaf; None if it requires no gradient
    _version: Any  # the count of changes of the memory, which the engine keeps; else None
    _grad: Tensor | SparseRows | None
    # `_base` is set only if it was taken by index: from what, held weakly, and the key; or of
    # `data`, which is taken from nothing. Last, None or how many sharers of `data` need not follow.

    def __init__(
        self, data: Any, requires_grad: bool = False, dtype: Any = None, device: str | None = None
    ):
        if type(requires_grad) is int:
            raise TypeError("Tensor takes data, not sizes: write zeros(2, 3) or tensor([2, 3])")
        array = as_array(data._array if isinstance(data, Tensor) else data, dtype)
        if device is not None:
            array = to_device(array, device)
        self._array, self._version, self._node, self._grad = array, None, None, None
        if isinstance(data, Tensor):
            same_memory(self, data)
        elif not isinstance(data, list | tuple | float | int):
            held_outside(self)
        if requires_grad:
            self.requires_grad_()

    @property
    def array(self) -> Array:
        """The raw array, of NumPy or CuPy; not a copy."""
        held_outside(self)
        return self._array

    @property
    def data(self) -> Tensor:
        """A tensor without history on the same memory, as `detach()` gives; but where its changes
        in place are recorded, this one changes and does not follow. What is assigned, a tensor or
        an array, becomes this tensor's memory; graphs already recorded keep the old.

        Raises:
            RuntimeError: what is assigned has another shape or dtype, and this is no leaf; or
                integers, and this requires a gradient.
        """
        data = self.detach()
        data._base = (_nothing, None, None, None, sharers(data)[0])
        return data

    @data.setter
    def data(self, data: Any) -> None:
        given = data if isinstance(data, Tensor) else Tensor(data)
        fits = (given.shape, given.dtype) == (self.shape, self.dtype)
        if not (fits or self.is_leaf):
            raise RuntimeError("data of another shape or dtype can only be given to a leaf")
        if self.requires_grad and given.dtype.kind != "f":
            raise RuntimeError(f"data of {given.dtype} cannot require a gradient")
        self._array, self._version = given._array, None
        same_memory(self, given)
        if self.requires_grad and not fits:
            hooks, self._node = self._node.hooks, Leaf(self)
            self._node.hooks = hooks

    @property
    def grad(self) -> Tensor | SparseRows | None:
        """The gradient that `backward` added up here. What is assigned must have this tensor's
        shape, dtype and device, or be None.

        Raises:
            TypeError, ValueError: it has another, or is no tensor.
        """
        return self._grad

    @grad.setter
    def grad(self, gradient: Tensor | SparseRows | None) -> None:
        if gradient is not None:
            if not isinstance(gradient, Tensor | SparseRows):
                raise TypeError(f"grad must be a Tensor or None, not a {class_name(gradient)}")
            given = gradient.shape, gradient.dtype, gradient.device
            if given != (self.shape, self.dtype, self.device):
                raise ValueError(
                    f"grad: the gradient {given[1]} {given[0]} on {given[2]} does not fit the "
                    f"tensor {self.dtype} {self.shape} on {self.device}"
                )
        self._grad = gradient

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype:
        """NumPy's dtype of the elements."""
        return self._array.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._array.ndim

    @property
    def device(self) -> str:
        """`"cpu"`, `"cuda:0"`, …"""
        return device_of(self._array)

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return self._node is None or isinstance(self._node, Leaf)

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made this tensor; None for a leaf."""
        return None if self.is_leaf else self._node

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Record (or no longer record) operations on this leaf; returns the tensor itself.

        Raises:
            RuntimeError: the tensor does not hold floating-point numbers, or is no leaf.
        """
        if not (requires_grad or self.is_leaf):
            raise RuntimeError("only a leaf can stop requiring gradients; detach() this tensor")
        if requires_grad and self.dtype.kind != "f":
            raise RuntimeError(f"only floating-point tensors require gradients, not {self.dtype}")
        if requires_grad != (self._node is not None):
            self._node = Leaf(self) if requires_grad else None
        return self

    def register_hook(self, hook: Callable[[Any], Any]) -> HookHandle:
        """Let `hook` see each gradient of this tensor when it is complete, and replace it by what
        it returns, if that is not None. Call `remove()` of the result to end that.

        Raises:
            RuntimeError: this tensor requires no gradient.
        """
        if self._node is None:
            raise RuntimeError("register_hook: this tensor does not require a gradient")
        if not isinstance(self._node.hooks, list):
            self._node.hooks = []
        return HookHandle(self._node.hooks, hook)

    def detach(self) -> Tensor:
        """A tensor without history that shares this one's memory."""
        detached = wrap(self._array)
        same_memory(detached, self)
        return detached

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array: shared on the CPU, copied from a GPU."""
        return to_device(self.array, "cpu")

    def item(self) -> float | int | bool:
        """The only element, as a Python number.

        Raises:
            ValueError: there is not exactly one element.
        """
        if self._array.size != 1:
            raise ValueError(f"item needs exactly one element; this tensor's shape: {self.shape}")
        return self._array.item()


def _nothing() -> None:
    """What is left of a tensor that is gone."""


def wrap(data: Any) -> Tensor:
    """A tensor around the result of a value function (NumPy returns 0-d results as scalars)."""
    tensor = Tensor.__new__(Tensor)
    tensor._array = data if type(data) is np.ndarray else as_result(data)
    tensor._node = tensor._version = tensor._grad = None
    return tensor


def as_result(data: Any) -> Array:
    """What a value function returned, as an array."""
    return np.asarray(data) if isinstance(data, np.generic) else as_array(data)


@Seam
def same_memory(tensor: Tensor, other: Tensor) -> None:
    """Say that `tensor` was made of `other` and may lie in its memory."""


@Seam
def held_outside(tensor: Tensor) -> None:
    """Say that somebody else holds the tensor's array, and may make other tensors of it."""


@Seam
def increment_version(tensor: Tensor) -> None:
    """Say that the tensor's memory was written, so that a pullback that needs the old values can
    refuse. Optimisers and in-place methods say it; code that writes `tensor.array` should too."""
