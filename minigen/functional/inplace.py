"""Methods that write into a tensor's memory. They are not recorded: the tape only notes that the
memory changed, and a pullback that still needs the old values refuses."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen import backend
from minigen.backend import (
    Array,
    Generator,
    as_array,
    device_of,
    is_array,
    on_host,
    require_fit,
    require_writable,
    to_device,
)
from minigen.functional.arithmetic import add, div, sub
from minigen.functional.pointwise import mul
from minigen.functional.shape import split_key
from minigen.modes import no_grad
from minigen.tape import is_grad_enabled
from minigen.tensor import Tensor, increment_version


def _writable(name: str, tensor: Tensor, *others: Any) -> Any:
    """The raw array to write into."""
    wants = [tensor, *(t for t in others if isinstance(t, Tensor))]
    if is_grad_enabled() and any(t.requires_grad for t in wants):
        raise RuntimeError(
            f"{name}: writing in place is not recorded, so it is refused where a gradient is "
            "required; make a new tensor, or write inside `with minigen.no_grad():`"
        )
    require_writable(name, tensor.array)
    return tensor.array


def _single(name: str, array: Array) -> Array:
    """The array, if no two of its elements share memory, as those of an expanded one do."""
    steps = zip(array.strides, array.shape, strict=True)
    if array.size and any(step == 0 and n > 1 for step, n in steps):
        raise RuntimeError(
            f"{name}: several elements of this tensor {array.shape} are one number in memory, as "
            "after expand(); clone() it first"
        )
    return array


def _raw(name: str, value: Any, dtype: Any) -> Any:
    """The value, which an array of `dtype`, if that is given, can hold if it is a number."""
    value = value.array if isinstance(value, Tensor) else value
    if not isinstance(value, float | int):
        value = as_array(value)
    number = value.item() if is_array(value) and not value.ndim and on_host(value) else value
    if dtype is not None and isinstance(number, float | int):
        require_fit(name, number, dtype)
    return value


def copy_(self: Tensor, other: Any) -> Tensor:
    """Overwrite with `other` (broadcast, converted to this dtype and device)."""
    array = _single("copy_", _writable("copy_", self, other))
    source = other.array if isinstance(other, Tensor) else as_array(other)
    if source.shape != array.shape and source.ndim > array.ndim:
        raise ValueError(f"copy_: {source.shape} does not broadcast to {array.shape}")
    array[...] = to_device(source, device_of(array))
    increment_version(self)
    return self


def fill_(self: Tensor, value: float) -> Tensor:
    """Overwrite every element with `value`."""
    _writable("fill_", self, value)[...] = _raw("fill_", value, self.dtype)
    increment_version(self)
    return self


def zero_(self: Tensor) -> Tensor:
    """Overwrite every element with 0."""
    return fill_(self, 0)


def _in_place(name: str, write: Callable, function: Callable[..., Tensor]) -> Any:
    def method(self: Tensor, other: Any, **options: Any) -> Tensor:
        array = _single(name, _writable(name, self, other))
        value = _raw(name, other, array.dtype if array.dtype.kind in "iu" else None)
        if options:  # alpha or rounding_mode
            with no_grad():
                y = function(self, other, **options)
            if not np.can_cast(y.dtype, self.dtype, "same_kind"):
                raise TypeError(f"{name}: {self.dtype} cannot hold the result, {y.dtype}")
            return copy_(self, y)
        try:
            write(array, value)
        except TypeError as error:  # NumPy's speaks of casting rules
            raise TypeError(f"{name}: {array.dtype} cannot hold the result") from error
        increment_version(self)
        return self

    method.__name__ = name
    method.__doc__ = (
        f"`{function.__name__}` in the tensor's own memory, with its options; not recorded."
    )
    return method


add_, sub_ = _in_place("add_", operator.iadd, add), _in_place("sub_", operator.isub, sub)
mul_, div_ = _in_place("mul_", operator.imul, mul), _in_place("div_", operator.itruediv, div)


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
    array = _single("setitem", _writable("setitem", self, value)[views])
    array[copies or ...] = _raw("setitem", value, array.dtype)
    increment_version(self)
