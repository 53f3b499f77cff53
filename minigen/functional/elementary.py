"""Functions of each element that few models need, each with its derivative; as `pointwise.py`."""

from __future__ import annotations

import math

import numpy as np

from minigen.backend import Array, is_array, special
from minigen.functional.pointwise import cos, exp, log, rsqrt, sigmoid, where
from minigen.operands import result_type
from minigen.operation import operation
from minigen.tensor import Tensor

__all__ = [
    "acos", "acosh", "asin", "asinh", "atan2", "atanh", "cosh", "erfc", "erfinv", "exp2",
    "logaddexp", "sinc", "sinh", "xlogy",
]  # fmt: skip


@operation(elementwise=True, floating=True, input=lambda g, input: g * rsqrt(1 - input * input))
def asin(input: Array) -> Array:
    """The angle in radians, between −π/2 and π/2, whose sine the input is."""
    return np.arcsin(input)


@operation(elementwise=True, floating=True, input=lambda g, input: -g * rsqrt(1 - input * input))
def acos(input: Array) -> Array:
    """The angle in radians, between 0 and π, whose cosine the input is."""
    return np.arccos(input)


@operation(elementwise=True, floating=True, input=lambda g, input: g * cosh(input))
def sinh(input: Array) -> Array:
    """The hyperbolic sine."""
    return np.sinh(input)


@operation(elementwise=True, floating=True, input=lambda g, input: g * sinh(input))
def cosh(input: Array) -> Array:
    """The hyperbolic cosine."""
    return np.cosh(input)


@operation(elementwise=True, floating=True, input=lambda g, input: g * rsqrt(input * input + 1))
def asinh(input: Array) -> Array:
    """The number whose hyperbolic sine the input is."""
    return np.arcsinh(input)


@operation(elementwise=True, floating=True, input=lambda g, input: g * rsqrt(input * input - 1))
def acosh(input: Array) -> Array:
    """The number of at least 0 whose hyperbolic cosine the input is."""
    return np.arccosh(input)


@operation(elementwise=True, floating=True, input=lambda g, input: g / (1 - input * input))
def atanh(input: Array) -> Array:
    """The number whose hyperbolic tangent the input is."""
    return np.arctanh(input)


def _turn(g: Tensor, input: Tensor, other: Tensor) -> Tensor:
    """g / (input² + other²), and 0 at the origin, as in PyTorch."""
    square = input * input + other * other
    return where(square == 0, 0.0, g / where(square == 0, 1.0, square))


@operation(
    elementwise=True,
    floating=True,
    input=lambda g, input, other: _turn(g * other, input, other),
    other=lambda g, input, other: _turn(-g * input, input, other),
)
def atan2(input: Array, other: Array) -> Array:
    """The angle in radians, between −π and π, of the point with x = other and y = input."""
    return np.arctan2(input, other)


@operation(
    elementwise=True,
    floating=True,
    input=lambda g, input: g * exp(input * -input) * (-2 / math.sqrt(math.pi)),
)
def erfc(input: Array) -> Array:
    """1 − erf(input), exact where that is small."""
    return special(input).erfc(input)


@operation(
    elementwise=True, floating=True, input=lambda g, y: g * exp(y * y) * (math.sqrt(math.pi) / 2)
)
def erfinv(input: Array) -> Array:
    """The number whose `erf` the input is."""
    return special(input).erfinv(input)


@operation(elementwise=True, floating=True, input=lambda g, y: g * y * math.log(2))
def exp2(input: Array) -> Array:
    """2 to the power of input."""
    return np.exp2(input)


@operation(
    elementwise=True,
    floating=True,
    input=lambda g, input, other: g * sigmoid(input - other),
    other=lambda g, input, other: g * sigmoid(other - input),
)
def logaddexp(input: Array, other: Array) -> Array:
    """log(e^input + e^other), without overflow."""
    return np.logaddexp(input, other)


def _sinc_pullback(g: Tensor, input: Tensor, y: Tensor) -> Tensor:
    """(cos πx − sinc x) / x, and 0 at 0, as in PyTorch."""
    slope = (cos(input * math.pi) - y) / where(input == 0, 1.0, input)
    return g * where(input == 0, 0.0, slope)


@operation(elementwise=True, floating=True, input=_sinc_pullback)
def sinc(input: Array) -> Array:
    """sin(π·input) / (π·input), and 1 at 0."""
    return np.sinc(input)


@operation(
    elementwise=True,
    floating=True,
    input=lambda g, input, other: where((input == 0) & (other <= 0), 0.0, g * log(other)),
    other=lambda g, input, other: g * input / other,
)
def xlogy(input: Array, other: Array) -> Array:
    """input · log(other), and 0 where the input is 0, unless other is NaN."""
    functions = special(input if is_array(input) else other)
    # Of an array and a number SciPy makes float64.
    return functions.xlogy(input, other).astype(result_type(input, other), copy=False)
