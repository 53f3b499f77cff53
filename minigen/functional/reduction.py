"""Sums over axes, and their mirror image: expanding along axes.

Each is the pullback of the other.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigen.backend import INT64, Array, namespace
from minigen.functional.arguments import Dims, axes, axis, refuse, require_floating, sizes
from minigen.functional.pointwise import _cast, abs, exp, maximum, minimum, sign, where
from minigen.functional.shape import cat, take_along_dim
from minigen.operation import operation
from minigen.tensor import Tensor


@operation(input=lambda g, shape, dims: _expand(g.reshape(_kept(shape, dims)), shape=shape))
def _sum(input: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    return input.sum(axis=dims, keepdims=keepdim)


@operation(input=lambda g, shape: g.sum_to_size(shape), view=True)
def _expand(input: Array, *, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(input, shape)


def _count(shape: tuple[int, ...], dims: tuple[int, ...]) -> float:
    """How many elements a mean is over; NaN for none, which makes it NaN."""
    return math.prod([shape[d] for d in dims]) or math.nan


@operation(
    input=lambda g, shape, dims: _expand(
        (g / _count(shape, dims)).reshape(_kept(shape, dims)), shape=shape
    )
)
def _mean(input: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    return input.sum(axis=dims, keepdims=keepdim) / _count(input.shape, dims)


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
    require_floating("mean", input)
    return _mean(input, dims=axes("mean", dim, input.ndim), keepdim=keepdim)


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


def broadcast_to(input: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`expand` under its other name."""
    return expand(input, *shape)


def _centred(input: Tensor, dims: tuple[int, ...]) -> Tensor:
    return input - mean(input, dims, keepdim=True)


def _freedom(shape: tuple[int, ...], dims: tuple[int, ...], correction: float) -> float:
    n = math.prod(shape[d] for d in dims) - correction
    return n if n > 0 else 0


def _var_pullback(g: Tensor, input: Tensor, shape, dims, correction) -> Tensor:
    """2·(x − mean) / (n − correction)"""
    n = _freedom(shape, dims, correction)
    return g.reshape(_kept(shape, dims)) * (_centred(input, dims) * (2 / n if n else math.nan))


@operation(input=_var_pullback)
def _var(input: Array, *, dims: tuple[int, ...], correction: float, keepdim: bool) -> Array:
    centred = input - _mean.operation.value(input, dims=dims, keepdim=True)
    total = np.square(centred, out=centred).sum(axis=dims, keepdims=keepdim)
    n = _freedom(input.shape, dims, correction)
    return total / n if n else total * math.nan


@operation(input=lambda g, y: where(y == 0, 0.0, g / (2 * where(y == 0, 1.0, y))))
def _root(input: Array) -> Array:
    """The square root, with derivative 0 at 0."""
    return np.sqrt(input)


def var(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    out: None = None,
) -> Tensor:
    """The variance over the axes `dim`: Σ (x − mean)² / (n − correction), with correction 1 if not
    told otherwise; NaN where n does not exceed it.

    Raises:
        TypeError: the input does not hold floating-point numbers.
    """
    refuse("var", out=out)
    require_floating("var", input)
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return _var(input, dims=axes("var", dim, input.ndim), correction=correction, keepdim=keepdim)


def std(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    out: None = None,
) -> Tensor:
    """The standard deviation, √`var`; where it is 0 its derivative is taken as 0."""
    return _root(var(input, dim, unbiased, keepdim, correction=correction, out=out))


def _extreme_pullback(g: Tensor, input: Tensor, y: Tensor, shape, dims) -> Tensor:
    """Shared equally among the places where the input is extreme."""
    kept = _kept(shape, dims)
    winners = (input == y.reshape(kept)).to(g.dtype)
    return winners * (g.reshape(kept) / winners.sum(dims, keepdim=True))


@operation(input=_extreme_pullback)
def _amax(input: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    return input.max(axis=dims, keepdims=keepdim)


@operation(input=_extreme_pullback)
def _amin(input: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    return input.min(axis=dims, keepdims=keepdim)


def amax(input: Tensor, dim: Dims = (), keepdim: bool = False, *, out: None = None) -> Tensor:
    """The largest element over the axes `dim`; equals share the gradient.

    Raises:
        ValueError: there are no elements.
    """
    refuse("amax", out=out)
    return _amax(input, dims=axes("amax", dim, input.ndim), keepdim=keepdim)


def amin(input: Tensor, dim: Dims = (), keepdim: bool = False, *, out: None = None) -> Tensor:
    """The smallest element over the axes `dim`; equals share the gradient.

    Raises:
        ValueError: there are no elements.
    """
    refuse("amin", out=out)
    return _amin(input, dims=axes("amin", dim, input.ndim), keepdim=keepdim)


class Extreme(NamedTuple):
    """What `max` and `min` along an axis return."""

    values: Tensor
    indices: Tensor


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest element along `dim` is (int64), the first of equals; of the flattened
    input if `dim` is left out."""
    return _place("argmax", input, dim, keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest element along `dim` is (int64), the first of equals; of the flattened
    input if `dim` is left out."""
    return _place("argmin", input, dim, keepdim)


def _place(name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    data = input.data
    if dim is not None:
        dim = axis(name, dim, input.ndim) if input.ndim else None
    place = np.asarray if isinstance(data, np.ndarray) else namespace(data).asarray
    return Tensor(place(getattr(data, name)(axis=dim, keepdims=keepdim), INT64))


def _extreme(name: str, input: Tensor, dim: Any, keepdim: bool, out: None) -> Tensor | Extreme:
    refuse(name, out=out)
    if dim is None:
        return (amax if name == "max" else amin)(input)
    if isinstance(dim, Tensor):
        return (maximum if name == "max" else minimum)(input, dim)
    places = _place(f"arg{name}", input, dim, keepdim=True)
    values = take_along_dim(input, places, dim) if input.ndim else input
    if not keepdim:
        values, places = values.squeeze(dim), places.squeeze(dim)
    return Extreme(values, places)


def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, out: None = None) -> Any:
    """The largest element; along an axis `dim` the pair (values, indices), with the gradient going
    to the first of equals; of two tensors `max(a, b)`, `maximum`."""
    return _extreme("max", input, dim, keepdim, out)


def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, out: None = None) -> Any:
    """The smallest element; along an axis `dim` the pair (values, indices), with the gradient going
    to the first of equals; of two tensors `min(a, b)`, `minimum`."""
    return _extreme("min", input, dim, keepdim, out)


def _logsumexp_pullback(g: Tensor, input: Tensor, y: Tensor, shape, dims) -> Tensor:
    """g · softmax(x), and 0 where every x is −∞."""
    kept = _kept(shape, dims)
    y = y.reshape(kept)
    return g.reshape(kept) * exp(input - where(y == -math.inf, 0.0, y))


@operation(input=_logsumexp_pullback)
def _logsumexp(input: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    top = input.max(axis=dims, keepdims=True, initial=-math.inf)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # the logarithm of an empty sum is −∞
        y = np.log(np.exp(input - top).sum(axis=dims, keepdims=True)) + top
    return y if keepdim else y.squeeze(dims)


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False, *, out: None = None) -> Tensor:
    """log Σ e^input over the axes `dim`, without overflow."""
    refuse("logsumexp", out=out)
    require_floating("logsumexp", input)
    return _logsumexp(input, dims=axes("logsumexp", dim, input.ndim), keepdim=keepdim)


def _safe(y: Tensor) -> Tensor:
    """y, and 1 where it is 0: what is divided by it there is to become 0."""
    return where(y == 0, 1.0, y)


def _norm_pullback(g: Tensor, input: Tensor, y: Tensor, shape, dims, p) -> Tensor:
    """sign(x)·|x|^(p − 1) / y^(p − 1), and 0 where y is 0."""
    kept = _kept(shape, dims)
    g, y = g.reshape(kept), y.reshape(kept)
    if p == 2:
        return input * (where(y == 0, 0.0, g) / _safe(y))
    size = abs(input)
    power = sign(input) * where(size == 0, 0.0, _safe(size) ** (p - 1))
    return power * (where(y == 0, 0.0, g) / _safe(y) ** (p - 1))


@operation(input=_norm_pullback)
def _norm(input: Array, *, dims: tuple[int, ...], keepdim: bool, p: float) -> Array:
    if p == 2:
        return np.sqrt(np.square(input).sum(axis=dims, keepdims=keepdim))
    return (np.abs(input) ** p).sum(axis=dims, keepdims=keepdim) ** (1 / p)


def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    out: None = None,
    dtype: None = None,
) -> Tensor:
    """(Σ |input|^p)^(1/p) over the axes `dim`, all of them if left out; "fro" is p = 2. Its
    gradient at 0 is taken as 0, as in PyTorch.

    Raises:
        NotImplementedError: the nuclear norm.
    """
    refuse("norm", out=out, dtype=dtype)
    require_floating("norm", input)
    if p == "nuc":
        raise NotImplementedError("norm: p='nuc' is not supported")
    p, dims = 2.0 if p in ("fro", None) else float(p), axes("norm", dim, input.ndim)
    if p == math.inf:
        return _amax(abs(input), dims=dims, keepdim=keepdim)
    if p == -math.inf:
        return _amin(abs(input), dims=dims, keepdim=keepdim)
    if p == 0:
        return sum((input != 0).to(input.dtype), dims or None, keepdim)
    if p == 1:
        return _sum(abs(input), dims=dims, keepdim=keepdim)
    return _norm(input, dims=dims, keepdim=keepdim, p=p)


def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: None = None
) -> Tensor:
    """The product along `dim`, or of all elements.

    It multiplies the two halves of the axis, then their halves, so that its derivatives are those
    of products of two numbers, right where elements are 0 too.
    """
    refuse("prod", dtype=dtype)
    if input.dtype.kind != "f":
        input = _cast(input, to=INT64)
    shape, keep_all = input.shape, dim is None and keepdim
    if dim is None:
        input, dim, keepdim = input.reshape(-1), 0, False
    dim = axis("prod", dim, input.ndim)
    if not input.ndim:
        return input.clone()
    before = (slice(None),) * dim
    if not input.shape[dim]:
        return _sum(input, dims=(dim,), keepdim=keepdim) + 1  # an empty product is 1, and constant
    while (n := input.shape[dim]) > 1:
        half = n // 2
        pairs = input[(*before, slice(0, half))] * input[(*before, slice(half, 2 * half))]
        input = cat([pairs, input[(*before, slice(2 * half, n))]], dim) if n % 2 else pairs
    y = input if keepdim else input.squeeze(dim)
    return y.reshape([1] * len(shape)) if keep_all else y


@operation(input=lambda g, dim, reverse: _cumsum(g, dim=dim, reverse=not reverse))
def _cumsum(input: Array, *, dim: int, reverse: bool) -> Array:
    if not reverse:
        return input.cumsum(axis=dim)
    turned = np.flip(input, dim)
    return np.flip(turned.cumsum(axis=dim), dim)


def cumsum(input: Tensor, dim: int, *, dtype: None = None, out: None = None) -> Tensor:
    """The sum of all elements up to each one along `dim`."""
    refuse("cumsum", dtype=dtype, out=out)
    if input.dtype.kind != "f":
        input = _cast(input, to=INT64)
    dim = axis("cumsum", dim, input.ndim)
    return _cumsum(input, dim=dim, reverse=False) if input.ndim else input.clone()
