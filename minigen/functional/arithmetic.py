"""Sums, quotients and what is made of them, with PyTorch's options; `pointwise.py` has the plain
ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.backend import Array, is_array, on_host
from minigen.functional import pointwise
from minigen.functional.pointwise import clamp, converted, where
from minigen.halves import in_float32
from minigen.operands import result_type
from minigen.operation import operation
from minigen.tensor import Tensor

__all__ = [
    "add", "addcdiv", "addcmul", "clamp_max", "clamp_min", "div", "floor_divide", "fmod", "lerp",
    "masked_fill", "remainder", "sub",
]  # fmt: skip


def add(input: Tensor, other: Tensor | float, *, alpha: float = 1) -> Tensor:
    """input + alpha · other

    Raises:
        TypeError: whole numbers, and an alpha that is none.
    """
    return pointwise.add(input, scaled("add", input, other, alpha))


def sub(input: Tensor, other: Tensor | float, *, alpha: float = 1) -> Tensor:
    """input − alpha · other

    Raises:
        TypeError: whole numbers, and an alpha that is none.
    """
    return pointwise.sub(input, scaled("sub", input, other, alpha))


def scaled(name: str, input: Any, other: Any, alpha: float) -> Any:
    """alpha · other, in the dtype that it has beside `input`. What has no product is left to whom
    it is given to, who says so.

    Raises:
        TypeError: integers, and an alpha that is none.
    """
    if alpha == 1 or not (isinstance(other, Tensor | float | int) or is_array(other)):
        return other
    dtype = result_type(input, other)
    if dtype.kind != "f" and not isinstance(alpha, int):
        raise TypeError(f"{name}: alpha={alpha} is no whole number, and the tensors are {dtype}")
    return converted(other, dtype) * alpha if isinstance(other, Tensor) else other * alpha


@operation(elementwise=True, input=lambda g: g * 0, other=lambda g: g * 0)
def _div_rounded(input: Array, other: Array, *, down: bool) -> Array:
    """How often `other` goes into `input`, rounded down or towards 0; its derivative is 0."""
    kind = _kind_of_quotient("div", input, other)
    if down:
        return np.floor_divide(input, other)
    if kind == "f":
        return np.trunc(input / other)
    return np.floor_divide(input - np.fmod(input, other), other)


def _kind_of_quotient(name: str, input: Any, other: Any) -> str:
    kind = (input if is_array(input) else other).dtype.kind
    if kind == "b":
        raise TypeError(f"{name}: truth values have no quotient to round")
    if kind != "f" and (on_host(other) or not is_array(other)) and not np.all(other):
        raise ZeroDivisionError(f"{name}: an integer divided by 0 cannot be rounded")
    return kind


def div(input: Tensor, other: Tensor | float, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; integers become float32 first. With rounding_mode "floor" or "trunc" the
    quotient is rounded down or towards 0, integers stay integers, and the derivative is 0.

    Raises:
        ValueError: another rounding mode.
        ZeroDivisionError: an integer divided by 0 and rounded.
    """
    if rounding_mode is None:
        return pointwise.div(input, other)
    if rounding_mode not in ("floor", "trunc"):
        raise ValueError(
            f"div: rounding_mode must be None, 'floor' or 'trunc', not {rounding_mode!r}"
        )
    return _div_rounded(input, other, down=rounding_mode == "floor")


def floor_divide(input: Tensor, other: Tensor | float) -> Tensor:
    """`div` rounded down: Python's `//`."""
    return div(input, other, rounding_mode="floor")


@operation(
    elementwise=True,
    input=lambda g: g,
    other=lambda g, input, other: -g * div(input, other, rounding_mode="floor"),
)
def remainder(input: Array, other: Array) -> Array:
    """input − other · ⌊input / other⌋, with the sign of `other`: Python's `%`."""
    _kind_of_quotient("remainder", input, other)
    return np.remainder(input, other)


@operation(
    elementwise=True,
    input=lambda g: g,
    other=lambda g, input, other: -g * div(input, other, rounding_mode="trunc"),
)
def fmod(input: Array, other: Array) -> Array:
    """What is left of input by a quotient rounded towards 0: it has the sign of `input`."""
    _kind_of_quotient("fmod", input, other)
    return np.fmod(input, other)


@in_float32
def lerp(input: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    """input + weight · (end − input): the input for weight 0, the end for 1."""
    return input + weight * (end - input)


@in_float32
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value · tensor1 · tensor2"""
    return input + tensor1 * tensor2 * value


@in_float32
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """input + value · tensor1 / tensor2"""
    return input + tensor1 / tensor2 * value


def clamp_min(input: Tensor, min: Tensor | float) -> Tensor:
    """The input, but no less than `min`."""
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Tensor | float) -> Tensor:
    """The input, but no more than `max`."""
    return clamp(input, max=max)


def masked_fill(input: Tensor, mask: Tensor, value: Tensor | float) -> Tensor:
    """The input, but where the mask is true `value`, in the input's dtype.

    Raises:
        TypeError: the mask holds no truth values.
        ValueError: the value is a tensor with axes.
    """
    if isinstance(value, Tensor) and value.ndim:
        raise ValueError(f"masked_fill: the value must be one number, not {value.shape}")
    return converted(where(mask, value, input), input.dtype)
