"""Methods that write into a tensor's memory. They are not recorded: the tape only notes that the
memory changed, and a pullback that still needs the old values refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigen import backend
from minigen.backend import (
    Generator,
    as_array,
    device_of,
    is_array,
    require_writable,
    to_device,
)
from minigen.functional.pointwise import add, div, mul, sub
from minigen.functional.shape import split_key
from minigen.tensor import Tensor, increment_version, is_grad_enabled, no_grad


def _writable(name: str, tensor: Tensor, *others: Any) -> Any:
    """The raw array to write into."""
    wants = [tensor, *(t for t in others if isinstance(t, Tensor))]
    if is_grad_enabled() and any(t.requires_grad for t in wants):
        raise RuntimeError(
            f"{name}: writing in place is not recorded, so it is refused where a gradient is "
            "required; make a new tensor, or write inside `with minigen.no_grad():`"
        )
    require_writable(name, tensor._data)
    return tensor._data


def _raw(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value._data
    return as_array(value) if is_array(value) else value


def copy_(self: Tensor, other: Any) -> Tensor:
    """Overwrite with `other` (broadcast, converted to this dtype and device)."""
    array = _writable("copy_", self, other)
    source = other._data if isinstance(other, Tensor) else as_array(other)
    if source.shape != array.shape and source.ndim > array.ndim:
        raise ValueError(f"copy_: {source.shape} does not broadcast to {array.shape}")
    array[...] = to_device(source, device_of(array))
    increment_version(self)
    return self


def fill_(self: Tensor, value: float) -> Tensor:
    """Overwrite every element with `value`."""
    _writable("fill_", self, value)[...] = _raw(value)
    increment_version(self)
    return self


def zero_(self: Tensor) -> Tensor:
    """Overwrite every element with 0."""
    return fill_(self, 0)


def _in_place(name: str, symbol: str, function: Callable[..., Tensor]) -> Any:
    def method(self: Tensor, other: Any, **options: Any) -> Tensor:
        array, value = _writable(name, self, other), _raw(other)
        if options:  # alpha or rounding_mode
            with no_grad():
                y = function(self, other, **options)
            if not np.can_cast(y.dtype, self.dtype, "same_kind"):
                raise TypeError(f"{name}: {self.dtype} cannot hold the result, {y.dtype}")
            return copy_(self, y)
        if symbol == "+":
            array += value
        elif symbol == "-":
            array -= value
        elif symbol == "*":
            array *= value
        else:
            array /= value
        increment_version(self)
        return self

    method.__name__ = name
    method.__doc__ = (
        f"self {symbol}= other, in the tensor's own memory; not recorded. Options are those of "
        f"`{function.__name__}`."
    )
    return method


add_, sub_ = _in_place("add_", "+", add), _in_place("sub_", "-", sub)
mul_, div_ = _in_place("mul_", "*", mul), _in_place("div_", "/", div)


def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with numbers from N(mean, std²)."""
    stream = generator or backend.default_generator
    return copy_(self, stream.normal(self.shape, self.dtype, self.device) * std + mean)


def uniform_(
    self: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with numbers from U[low, high)."""
    stream = generator or backend.default_generator
    return copy_(self, stream.uniform(self.shape, self.dtype, self.device) * (high - low) + low)


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """`self[key] = value`; not recorded."""
    views, copies = split_key(key, self.device)
    _writable("setitem", self, value)[views][copies or ...] = _raw(value)
    increment_version(self)
