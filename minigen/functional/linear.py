"""Matrix products."""

from __future__ import annotations

import numpy as np

from minigen.backend import Array
from minigen.operation import operation, result_type
from minigen.tensor import Tensor


def _t(x: Tensor) -> Tensor:
    return x.transpose(-1, -2)


# Axes before the last two broadcast, as elementwise operands do; the pullback sums over them.
@operation(
    input=lambda g, other, shape: (g @ _t(other)).sum_to_size(shape),
    other=lambda g, input, shape: (_t(input) @ g).sum_to_size(shape),
)
def _matmul(input: Array, other: Array) -> Array:
    return np.matmul(input, other)


def matmul(input: Tensor, other: Tensor, *, out: None = None) -> Tensor:
    """The matrix product.

    Shapes: (…, n, k) @ (…, k, m) -> (…, n, m), leading axes broadcast; a vector on the left is
    a row, on the right a column, and its axis is dropped from the result.

    Raises:
        ValueError: the inner lengths differ, or an operand has no axis.
    """
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        raise TypeError("matmul: both operands must be Tensors")
    if not input.ndim or not other.ndim:
        raise ValueError(f"matmul: {input.shape} @ {other.shape}: an operand has no axis")
    if input.dtype != other.dtype:
        dtype = result_type(input, other)
        input, other = input.to(dtype), other.to(dtype)
    row, column = input.ndim == 1, other.ndim == 1
    if not (row or column):
        return _matmul(input, other)
    y = _matmul(input.unsqueeze(0) if row else input, other.unsqueeze(1) if column else other)
    return y.squeeze(((-2,) if row else ()) + ((-1,) if column else ()))


def _rows(x: Tensor) -> Tensor:
    """(…, n) as (rows, n)."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


@operation(
    input=lambda g, weight: g @ weight,
    weight=lambda g, input: _t(_rows(g)) @ _rows(input),  # (out, rows) @ (rows, in)
    bias=lambda g, shape: g.sum_to_size(shape),
)
def _linear(input: Array, weight: Array, bias: Array | None) -> Array:
    y = np.matmul(input, weight.T)  # (…, in) @ (in, out)
    if bias is not None:
        y += bias
    return y


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input · weightᵀ + bias.

    Shapes: input (…, in), weight (out, in), bias (out,) -> (…, out).

    Raises:
        ValueError: the shapes do not fit.
        TypeError: the dtypes differ.
    """
    if weight.ndim != 2 or input.ndim < 1 or input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: expected input (…, in) and weight (out, in), got {input.shape} and "
            f"{weight.shape}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: expected bias {weight.shape[:1]}, got {bias.shape}")
    same_dtype("linear", input=input, weight=weight, bias=bias)
    return _linear(input, weight, bias)


def same_dtype(name: str, **tensors: Tensor | None) -> None:
    """Refuse tensors of different dtypes, as PyTorch's layers do.

    Raises:
        TypeError: names two that differ.
    """
    (first, x), *rest = ((n, t) for n, t in tensors.items() if t is not None)
    for other, t in rest:
        if t.dtype != x.dtype:
            raise TypeError(
                f"{name}: {first} is {x.dtype} and {other} is {t.dtype}; convert one with to()"
            )
