"""Sums over axes, and their mirror image: expanding along axes.

Each is the pullback of the other.
"""

from __future__ import annotations

import math

import numpy as np

from minigen.backend import INT64, Array
from minigen.functional.arguments import Dims, axes, refuse, sizes
from minigen.functional.pointwise import _cast
from minigen.operation import operation
from minigen.tensor import Tensor


@operation(input=lambda g, shape, dims: _expand(g.reshape(_kept(shape, dims)), shape=shape))
def _sum(input: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    return input.sum(axis=dims, keepdims=keepdim, dtype=input.dtype)


@operation(input=lambda g, shape: g.sum_to_size(shape), view=True)
def _expand(input: Array, *, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(input, shape)


def _kept(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    """The shape after a sum that keeps its axes with length 1."""
    return tuple(1 if i in dims else n for i, n in enumerate(shape))


def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: None = None, out: None = None
) -> Tensor:
    """The sum over the axes `dim` (all of them if left out); truth values and integers are
    summed as int64.

    Shape: the input's without those axes, or with length 1 there if `keepdim`.
    """
    refuse("sum", dtype=dtype, out=out)
    if input.dtype.kind != "f":
        input = _cast(input, to=INT64)
    return _sum(input, dims=axes("sum", dim, input.ndim), keepdim=keepdim)


def mean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: None = None, out: None = None
) -> Tensor:
    """The mean over the axes `dim` (all of them if left out).

    Shape: the input's without those axes, or with length 1 there if `keepdim`.

    Raises:
        TypeError: the input does not hold floating-point numbers.
    """
    refuse("mean", dtype=dtype, out=out)
    if input.dtype.kind != "f":
        raise TypeError(f"mean: needs floating-point numbers, not {input.dtype}; convert with to()")
    dims = axes("mean", dim, input.ndim)
    count = math.prod(input.shape[d] for d in dims)
    total = _sum(input, dims=dims, keepdim=keepdim)
    return total / count if count else total * math.nan


def expand(input: Tensor, *size: int) -> Tensor:
    """View the input with axes of length 1 repeated up to `size`, and new axes in front; −1
    leaves an axis as it is. Nothing is copied.

    Raises:
        ValueError: an axis that is not of length 1 would change.
    """
    shape = sizes("expand", size)
    lead = len(shape) - input.ndim
    shape = tuple(
        input.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(shape)
    )
    return _expand(input, shape=shape)


def sum_to_size(input: Tensor, *size: int) -> Tensor:
    """Sum over leading axes and over those that have length 1 in `size`: the mirror image of
    broadcasting.

    Raises:
        ValueError: `size` does not broadcast to the input's shape.
    """
    shape = sizes("sum_to_size", size)
    lead = input.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, input.shape[lead:], strict=True)):
        raise ValueError(f"sum_to_size: {input.shape} cannot be summed to {shape}")
    dims = tuple(
        i for i, m in enumerate(input.shape) if i < lead or (shape[i - lead] == 1 and m != 1)
    )
    total = _sum(input, dims=dims, keepdim=True) if dims else input
    return total.reshape(shape) if lead else total
