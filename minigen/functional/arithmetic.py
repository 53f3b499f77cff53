"""Sums, differences and quotients with PyTorch's options; `pointwise.py` has the plain ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.backend import Array, is_array, on_host
from minigen.functional import pointwise
from minigen.functional.pointwise import converted
from minigen.operands import result_type
from minigen.operation import operation
from minigen.tensor import Tensor

__all__ = ["add", "div", "sub"]


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
    """alpha · other, in the dtype that it has beside `input`."""
    if alpha == 1:
        return other
    dtype = result_type(input, other)
    if dtype.kind != "f" and not isinstance(alpha, int):
        raise TypeError(f"{name}: alpha={alpha} is no whole number, and the tensors are {dtype}")
    return converted(other, dtype) * alpha if isinstance(other, Tensor) else other * alpha


@operation(elementwise=True, input=lambda g: g * 0, other=lambda g: g * 0)
def _div_rounded(input: Array, other: Array, *, down: bool) -> Array:
    """How often `other` goes into `input`, rounded down or towards 0; its derivative is 0."""
    kind = (input if is_array(input) else other).dtype.kind
    if kind == "b":
        raise TypeError("div: truth values have no quotient to round")
    if kind != "f" and (on_host(other) or not is_array(other)) and not np.all(other):
        raise ZeroDivisionError("div: an integer divided by 0 cannot be rounded")
    if down:
        return np.floor_divide(input, other)
    if kind == "f":
        return np.trunc(input / other)
    return np.floor_divide(input - np.fmod(input, other), other)


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
