"""Operations on each element: the value, and beside it the derivative.

Inputs broadcast against each other. The tape sums a gradient over the axes along which its input
was broadcast, so the pullbacks here are the formulas of a single number.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen.backend import FLOAT32, Array, as_array, as_dtype, is_array, namespace, require_fit
from minigen.kernels import elementwise
from minigen.operands import result_type
from minigen.operation import operation
from minigen.tensor import Tensor

__all__ = [
    "abs", "atan", "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "ceil", "clamp",
    "clone", "cos", "eq", "erf", "exp", "expm1", "floor", "ge", "gt", "isfinite", "isinf", "isnan",
    "le", "log", "log10", "log1p", "log2", "logical_and", "logical_not", "logical_or",
    "logical_xor", "lt", "maximum", "minimum", "mul", "ne", "neg", "pow", "reciprocal", "round",
    "rsqrt", "sigmoid", "sign", "sin", "sqrt", "square", "tan", "tanh", "trunc",
]  # fmt: skip


@operation(elementwise=True, input=lambda g: g, other=lambda g: g)
def add(input: Array, other: Array) -> Array:
    """input + other"""
    return input + other


@operation(elementwise=True, input=lambda g: g, other=lambda g: -g)
def sub(input: Array, other: Array) -> Array:
    """input − other"""
    return input - other


@operation(elementwise=True, input=lambda g, other: g * other, other=lambda g, input: g * input)
def mul(input: Array, other: Array) -> Array:
    """input · other"""
    return input * other


@operation(
    elementwise=True,
    floating=True,
    input=lambda g, other: g / other,
    other=lambda g, other, y: -g * y / other,
)
def div(input: Array, other: Array) -> Array:
    """input / other; integers become float32 first."""
    return input / other


@operation(elementwise=True, input=lambda g: -g)
def neg(input: Array) -> Array:
    """−input"""
    return -input


@operation(elementwise=True, floating=True, input=lambda g, y: g * y)
def exp(input: Array) -> Array:
    """e to the power of input."""
    return np.exp(input)


@operation(elementwise=True, floating=True, input=lambda g, input: g / input)
def log(input: Array) -> Array:
    """The natural logarithm."""
    return np.log(input)


@operation(elementwise=True, floating=True, input=lambda g, input: g / (1 + input))
def log1p(input: Array) -> Array:
    """log(1 + input), exact for small input."""
    return np.log1p(input)


@operation(elementwise=True, floating=True, input=lambda g, input: g / (input * math.log(2)))
def log2(input: Array) -> Array:
    """The logarithm to base 2."""
    return np.log2(input)


@operation(elementwise=True, floating=True, input=lambda g, input: g / (input * math.log(10)))
def log10(input: Array) -> Array:
    """The logarithm to base 10."""
    return np.log10(input)


@operation(elementwise=True, floating=True, input=lambda g, y: g * (y + 1))
def expm1(input: Array) -> Array:
    """e^input − 1, exact for small input."""
    return np.expm1(input)


@operation(elementwise=True, floating=True, input=lambda g, y: -g * y * y)
def reciprocal(input: Array) -> Array:
    """1 / input; infinite at 0."""
    return np.reciprocal(input)


@operation(elementwise=True, floating=True, input=lambda g, input: g * cos(input))
def sin(input: Array) -> Array:
    """The sine; input in radians."""
    return np.sin(input)


@operation(elementwise=True, floating=True, input=lambda g, input: -g * sin(input))
def cos(input: Array) -> Array:
    """The cosine; input in radians."""
    return np.cos(input)


@operation(elementwise=True, floating=True, input=lambda g, y: g * (1 + y * y))
def tan(input: Array) -> Array:
    """The tangent; input in radians."""
    return np.tan(input)


@operation(elementwise=True, floating=True, input=lambda g, input: g / (1 + input * input))
def atan(input: Array) -> Array:
    """The angle in radians, between −π/2 and π/2, whose tangent the input is."""
    return np.arctan(input)


@operation(elementwise=True, floating=True, input=lambda g, y: g * y**3 * -0.5)
def rsqrt(input: Array) -> Array:
    """1 / √input; infinite at 0."""
    return np.reciprocal(np.sqrt(input))


@operation(
    elementwise=True,
    floating=True,
    input=lambda g, input: g * exp(input * -input) * (2 / math.sqrt(math.pi)),
)
def erf(input: Array) -> Array:
    """The error function 2/√π ∫₀ˣ exp(−t²) dt."""
    return elementwise.erf(input)


@operation(elementwise=True, floating=True, input=lambda g, y: g / (2 * y))
def sqrt(input: Array) -> Array:
    """The square root; its derivative at 0 is infinite."""
    return np.sqrt(input)


@operation(input=lambda g: nothing(g))
def nothing(input: Array) -> Array:
    """The derivative of a constant: 0, of an infinite gradient too."""
    return namespace(input).zeros_like(input)


@operation(elementwise=True, input=nothing)
def sign(input: Array) -> Array:
    """−1, 0 or 1, NaN for NaN (PyTorch: 0); its derivative is 0."""
    return input.copy() if input.dtype.kind == "b" else np.sign(input)


@operation(elementwise=True, input=lambda g, input: g * sign(input))
def abs(input: Array) -> Array:
    """|input|; the derivative at 0 is taken as 0, as in PyTorch."""
    return np.abs(input)


@operation(elementwise=True, input=nothing)
def floor(input: Array) -> Array:
    """The largest whole number that is no larger; its derivative is 0."""
    return np.floor(input) if input.dtype.kind == "f" else input.copy()


@operation(elementwise=True, input=nothing)
def ceil(input: Array) -> Array:
    """The smallest whole number that is no smaller; its derivative is 0."""
    return np.ceil(input) if input.dtype.kind == "f" else input.copy()


@operation(elementwise=True, input=nothing)
def trunc(input: Array) -> Array:
    """The whole part, rounded towards 0; its derivative is 0."""
    return np.trunc(input) if input.dtype.kind == "f" else input.copy()


@operation(elementwise=True, input=nothing)
def round(input: Array, *, decimals: int = 0) -> Array:
    """The nearest number of that many decimals, of two equally near the even one; its derivative
    is 0."""
    if input.dtype.kind != "f":
        return input.copy()
    scale = 10.0 ** math.fabs(decimals)
    return np.rint(input * scale) / scale if decimals > 0 else np.rint(input / scale) * scale


def _share(g: Tensor, larger: Tensor, smaller: Tensor) -> Tensor:
    """g, but 0 where `larger` is less than `smaller`, and half of it at a tie. Where one is NaN
    both get it, as in PyTorch."""
    return where(larger == smaller, g / 2, where(larger < smaller, 0.0, g))


@operation(
    elementwise=True,
    input=lambda g, input, other: _share(g, input, other),
    other=lambda g, input, other: _share(g, other, input),
)
def maximum(input: Array, other: Array) -> Array:
    """The larger of two; at a tie each input gets half of the gradient."""
    return np.maximum(input, other)


@operation(
    elementwise=True,
    input=lambda g, input, other: _share(g, other, input),
    other=lambda g, input, other: _share(g, input, other),
)
def minimum(input: Array, other: Array) -> Array:
    """The smaller of two; at a tie each input gets half of the gradient."""
    return np.minimum(input, other)


@operation(
    elementwise=True,
    input=lambda g, condition: where(condition, g, 0.0),
    other=lambda g, condition: where(condition, 0.0, g),
)
def where(condition: Array, input: Array, other: Array) -> Array:
    """input where the condition is true, else other.

    Raises:
        TypeError: the condition holds no truth values.
    """
    if not is_array(condition) or condition.dtype.kind != "b":
        kind = getattr(condition, "dtype", type(condition).__name__)
        raise TypeError(f"where: condition must be a tensor of truth values, not {kind}")
    if not (hasattr(input, "dtype") or hasattr(other, "dtype")):  # two Python numbers
        input = namespace(condition).asarray(input, as_array(input + other).dtype)
    return elementwise.select(condition, input, other)


@operation(
    elementwise=True, weight=lambda g, input: g * input, input=lambda g, weight: weighted(weight, g)
)
def weighted(weight: Array, input: Array) -> Array:
    """weight · input, and 0 where the weight is 0, whatever the input: what counts for nothing
    spoils nothing."""
    return elementwise.weighted(weight, input)


def _is_nan(bound: Tensor | float) -> Tensor | bool:
    return bound != bound


def clamp(
    input: Tensor, min: Tensor | float | None = None, max: Tensor | float | None = None
) -> Tensor:
    """The input, but no less than `min` and no more than `max`; where the input is at a bound the
    gradient is the input's, as in PyTorch.

    Raises:
        ValueError: both bounds are missing, or the input's dtype cannot hold one.
    """
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must be given")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        y = input if min is None else where((input < min) | _is_nan(min), min, input)
        return y if max is None else where((y > max) | _is_nan(max), max, y)
    if input.dtype.kind != "f" and (isinstance(min, float) or isinstance(max, float)):
        input = _cast(input, to=FLOAT32)
    for bound in (min, max):
        if bound is not None and input.dtype.kind in "iu":
            require_fit("clamp", bound, input.dtype)
    return _clamp(
        input, low=-math.inf if min is None else min, high=math.inf if max is None else max
    )


@operation(
    elementwise=True,
    input=lambda g, input, low, high: where((input >= low) & (input <= high), g, 0.0),
)
def _clamp(input: Array, *, low: float, high: float) -> Array:
    if input.dtype.kind != "f":  # infinities are no integers
        low, high = (None if math.isinf(bound) else bound for bound in (low, high))
    return np.clip(input, low, high)


def _pow_input(g: Tensor, input: Tensor, exponent: Any) -> Tensor:
    """exponent · input^(exponent − 1), and 0 where the exponent is 0, at input 0 too."""
    if isinstance(exponent, int | float):
        return g * (exponent * input ** (exponent - 1)) if exponent else nothing(g)
    zero = (exponent == 0) & ((input == 0) | ~isfinite(input))
    return g * exponent * where(zero, 1.0, input) ** where(zero, 1.0, exponent - 1)


def _pow_exponent(g: Tensor, input: Any, exponent: Tensor, y: Tensor) -> Tensor:
    """input^exponent · log(input), and 0 where 0 is raised to a power ≥ 0."""
    if not isinstance(input, Tensor):
        input = Tensor(input if is_array(input) else namespace(g._array).full((), input, g.dtype))
    zero = (input == 0) & (exponent >= 0)
    return g * y * log(where(zero, 1.0, input))


@operation(elementwise=True, input=_pow_input, exponent=_pow_exponent)
def pow(input: Array, exponent: Array) -> Array:
    """input to the power of exponent."""
    if isinstance(exponent, int | float):
        if exponent == 3:  # NumPy's power takes 60 ns an element
            return input * input * input
        if exponent == 0.5:
            return np.sqrt(input)
    return input**exponent


def square(input: Tensor) -> Tensor:
    """input²"""
    return pow(input, 2)


@operation(each=True)
def eq(input: Array, other: Array) -> Array:
    """Truth values: input = other."""
    return input == other


@operation(each=True)
def ne(input: Array, other: Array) -> Array:
    """Truth values: input ≠ other."""
    return input != other


@operation(each=True)
def lt(input: Array, other: Array) -> Array:
    """Truth values: input < other."""
    return input < other


@operation(each=True)
def le(input: Array, other: Array) -> Array:
    """Truth values: input ≤ other."""
    return input <= other


@operation(each=True)
def gt(input: Array, other: Array) -> Array:
    """Truth values: input > other."""
    return input > other


@operation(each=True)
def ge(input: Array, other: Array) -> Array:
    """Truth values: input ≥ other."""
    return input >= other


@operation(each=True)
def logical_and(input: Array, other: Array) -> Array:
    """Truth values: both."""
    return np.logical_and(input, other)


@operation(each=True)
def logical_or(input: Array, other: Array) -> Array:
    """Truth values: either."""
    return np.logical_or(input, other)


@operation(each=True)
def logical_xor(input: Array, other: Array) -> Array:
    """Truth values: one, but not both."""
    return np.logical_xor(input, other)


@operation(each=True)
def logical_not(input: Array) -> Array:
    """Truth values: not."""
    return np.logical_not(input)


@operation(each=True)
def bitwise_and(input: Array, other: Array) -> Array:
    """Of truth values: both. Of integers: bit by bit."""
    return np.bitwise_and(input, other).astype(result_type(input, other), copy=False)


@operation(each=True)
def bitwise_or(input: Array, other: Array) -> Array:
    """Of truth values: either. Of integers: bit by bit."""
    return np.bitwise_or(input, other).astype(result_type(input, other), copy=False)


@operation(each=True)
def bitwise_xor(input: Array, other: Array) -> Array:
    """Of truth values: one, but not both. Of integers: bit by bit."""
    return np.bitwise_xor(input, other).astype(result_type(input, other), copy=False)


@operation(each=True)
def bitwise_not(input: Array) -> Array:
    """Of truth values: not. Of integers: each bit."""
    return np.bitwise_not(input)


@operation(each=True)
def isfinite(input: Array) -> Array:
    """Truth values: neither infinite nor NaN."""
    return np.isfinite(input)


@operation(each=True)
def isinf(input: Array) -> Array:
    """Truth values: infinite, of either sign."""
    return np.isinf(input)


@operation(each=True)
def isnan(input: Array) -> Array:
    """Truth values: NaN, no number."""
    return np.isnan(input)


@operation(input=lambda g, dtype: _cast(g, to=dtype), view=True)
def _cast(input: Array, *, to: np.dtype) -> Array:
    return as_array(input, to)


def converted(input: Tensor, dtype: Any) -> Tensor:
    """The input in this dtype; None leaves it as it is. To integers no gradient passes."""
    if dtype is None or (dtype := as_dtype(dtype)) is input.dtype:
        return input
    return _cast(input if dtype.kind == "f" else input.detach(), to=dtype)


@operation(input=lambda g: g, exact=True)
def clone(input: Array) -> Array:
    """A copy with the same memory layout."""
    return input.copy(order="K")


@operation(elementwise=True, floating=True, input=lambda g, y: g * y * (1 - y))
def sigmoid(input: Array) -> Array:
    """1 / (1 + e^−input): exact in both tails, and 0 where e^−input is beyond all numbers."""
    return elementwise.sigmoid(input)


@operation(elementwise=True, floating=True, input=lambda g, y: g * (1 - y * y))
def tanh(input: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(input)
