"""Sums over axes, and their mirror image: expanding along axes.

Each is the pullback of the other.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigen.backend import FLOAT32, FLOAT64, INT64, Array, namespace, on_host
from minigen.functional import moves
from minigen.functional.arguments import Dims, axes, axis, refuse, require_floating, sizes
from minigen.functional.pointwise import abs, converted, exp, maximum, minimum, nothing, sign, where
from minigen.functional.shape import cat, take_along_dim
from minigen.halves import in_float32
from minigen.kernels import elementwise, limits, pixels
from minigen.operation import operation
from minigen.tensor import Tensor

__all__ = [
    "all", "allclose", "amax", "amin", "any", "argmax", "argmin", "argsort", "broadcast_to",
    "cumprod", "cumsum", "equal", "expand", "logsumexp", "max", "mean", "min", "norm", "numel",
    "prod", "sort", "std", "sum", "sum_to_size", "topk", "var",
]  # fmt: skip


@operation(input=lambda g, shape, dims: _expand(_with_ones(g, shape, dims), shape=shape))
def _sum(input: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    few = type(input) is np.ndarray and 0 < input.size <= limits.now.unshared
    if few and input.ndim == len(dims) == 1 and input.dtype.kind == "f":
        total = input.dot(pixels.ones(input.size, input.dtype))  # takes a third of the time
        return total.reshape(1) if keepdim else total
    large = input.size >= limits.now.by_pieces and on_host(input)
    if large and input.dtype.kind == "f" and not keepdim:
        if dims == (0, 2, 3) and input.ndim == 4:  # the gradient of a bias
            return pixels.sum_over(input)
        if len(dims) == input.ndim:
            return elementwise.total(input)
    if large and input.dtype in (FLOAT32, FLOAT64):
        y = pixels.sum_along(input, dims)
        if y is not None:
            return y.reshape(_shape_with_ones(input.shape, dims)) if keepdim else y
    return elementwise.over(np.add, input, dims, keepdim)


@operation(input=lambda g, shape: g.sum_to_size(shape), view=True)
def _expand(input: Array, *, shape: tuple[int, ...]) -> Array:
    y = np.broadcast_to(input, shape)
    if type(y) is np.ndarray and input.flags.writeable:  # of which NumPy is not sure
        y.flags.writeable = True
    return y


def _count(shape: tuple[int, ...], dims: tuple[int, ...]) -> float:
    """How many elements a mean is over; NaN for none, which makes it NaN."""
    return math.prod([shape[d] for d in dims]) or math.nan


@operation(
    input=lambda g, shape, dims: _expand(
        _with_ones(g / _count(shape, dims), shape, dims), shape=shape
    )
)
def _mean(input: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    return _sum.operation.value(input, dims=dims, keepdim=keepdim) / _count(input.shape, dims)


def _shape_with_ones(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[int, ...]:
    """The shape after a sum that keeps its axes with length 1."""
    lengths = list(shape)
    for d in dims:
        lengths[d] = 1
    return tuple(lengths)


def _with_ones(g: Tensor, shape: tuple[int, ...], dims: tuple[int, ...]) -> Tensor:
    """g with the axes of length 1 that a sum over `dims` dropped, or has kept already."""
    to = _shape_with_ones(shape, dims)
    return g if g.shape == to else moves.reshape(g, to=to)


def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None, out: None = None
) -> Tensor:
    """The sum over the axes `dim` (all of them if left out), of the input in that `dtype`; truth
    values and integers are summed as int64 if not told otherwise.

    Shape: the input's without those axes, or with length 1 there if `keepdim`.
    """
    if out is not None:
        refuse("sum", out=out)
    if dtype is not None or input._array.dtype.kind != "f":
        input = converted(input, dtype or INT64)
    y = _sum(input, dims=axes("sum", dim, input._array.ndim), keepdim=keepdim)
    return y if dtype is None else converted(y, dtype)  # NumPy adds small integers as large ones


def mean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None, out: None = None
) -> Tensor:
    """The mean over the axes `dim` (all of them if left out), of the input in that `dtype`.

    Shape: the input's without those axes, or with length 1 there if `keepdim`.

    Raises:
        TypeError: the input does not hold floating-point numbers.
    """
    if out is not None:
        refuse("mean", out=out)
    if dtype is not None:
        input = converted(input, dtype)
    require_floating("mean", input)
    return _mean(input, dims=axes("mean", dim, input.ndim), keepdim=keepdim)


def expand(input: Tensor, *size: int) -> Tensor:
    """View the input with axes of length 1 repeated up to `size`, and new axes in front; −1
    leaves an axis as it is. Nothing is copied, so to write into the result is refused where several
    of its elements are one number in memory.

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
    shape, lengths = sizes("sum_to_size", size), input.shape
    if shape == lengths and (shape or input.dtype.kind == "f"):
        return input
    if input.dtype.kind != "f":
        input = converted(input, INT64)
    lead = len(lengths) - len(shape)
    dims = list(range(lead))
    for i, n in enumerate(shape, lead):
        if lead < 0 or n not in (1, lengths[i]):
            raise ValueError(f"sum_to_size: {lengths} cannot be summed to {shape}")
        if n != lengths[i]:
            dims.append(i)
    total = _sum(input, dims=tuple(dims), keepdim=not lead)
    return total if total.shape == shape else moves.reshape(total, to=shape)


def broadcast_to(input: Tensor, *size: int) -> Tensor:
    """`expand` under its other name."""
    return expand(input, *size)


def _centred(input: Tensor, dims: tuple[int, ...]) -> Tensor:
    return input - mean(input, dims, keepdim=True)


def _freedom(count: float, correction: float) -> float:
    return count - correction if count > correction else 0


def _var_pullback(g: Tensor, input: Tensor, shape, dims, correction) -> Tensor:
    """2·(x − mean) / (n − correction)"""
    n = _freedom(_count(shape, dims), correction)
    return _with_ones(g, shape, dims) * (_centred(input, dims) * (2 / n if n else math.nan))


@operation(input=_var_pullback)
def _var(input: Array, *, dims: tuple[int, ...], correction: float, keepdim: bool) -> Array:
    # From all elements a number is subtracted in half the time that an array takes.
    keep, count, add_up = len(dims) < input.ndim, _count(input.shape, dims), _sum.operation.value
    centred = input - add_up(input, dims=dims, keepdim=keep) / count
    centred *= centred  # in its memory, or a new number if there is no axis
    total, n = add_up(centred, dims=dims, keepdim=keepdim), _freedom(count, correction)
    return total / n if n else total * math.nan


@operation(input=lambda g, y: where(y == 0, 0.0, g / (2 * where(y == 0, 1.0, y))))
def root(input: Array) -> Array:
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
    if out is not None:
        refuse("var", out=out)
    require_floating("var", input)
    if isinstance(dim, bool):  # `x.var(False)`
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    dims = axes("var", dim, input._array.ndim)
    return _var(input, dims=dims, correction=correction, keepdim=keepdim)


@in_float32
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
    return root(var(input, dim, unbiased, keepdim, correction=correction, out=out))


def _extreme_pullback(g: Tensor, input: Tensor, y: Tensor, shape, dims) -> Tensor:
    """Shared equally among the places where the input is extreme, NaN being more so than all."""
    winners = (input == _with_ones(y, shape, dims)) | (input != input)
    count = winners.to(g.dtype).sum(dims, keepdim=True)
    return where(winners, _with_ones(g, shape, dims) / count, 0.0)


@operation(input=_extreme_pullback)
def _amax(input: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    return elementwise.largest(input, dims, keepdim)


@operation(input=_extreme_pullback)
def _amin(input: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    return elementwise.over(np.minimum, input, dims, keepdim)


def amax(input: Tensor, dim: Dims = (), keepdim: bool = False, *, out: None = None) -> Tensor:
    """The largest element over the axes `dim`; equals share the gradient.

    Raises:
        ValueError: there are no elements.
    """
    if out is not None:
        refuse("amax", out=out)
    return _amax(input, dims=axes("amax", dim, input.ndim), keepdim=keepdim)


def amin(input: Tensor, dim: Dims = (), keepdim: bool = False, *, out: None = None) -> Tensor:
    """The smallest element over the axes `dim`; equals share the gradient.

    Raises:
        ValueError: there are no elements.
    """
    if out is not None:
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


def _place(which: str, input: Tensor, dim: int | None, keepdim: bool, name: str = "") -> Tensor:
    data, name = input._array, name or which
    if dim is not None:
        dim = axis(name, dim, input.ndim) if input.ndim or axis(name, dim, 0) else None
    if not (data.size if dim is None else data.shape[dim]):
        raise IndexError(f"{name}: there is no element to choose from in {input.shape}, dim={dim}")
    as_array = np.asarray if isinstance(data, np.ndarray) else namespace(data).asarray
    return Tensor(as_array(getattr(data, which)(axis=dim, keepdims=keepdim), INT64))


def _extreme(name: str, input: Tensor, dim: Any, keepdim: bool, out: None) -> Tensor | Extreme:
    refuse(name, out=out)
    if dim is None:
        return (amax if name == "max" else amin)(input)
    if isinstance(dim, Tensor):
        return (maximum if name == "max" else minimum)(input, dim)
    places = _place(f"arg{name}", input, dim, True, name)
    values = take_along_dim(input, places, dim) if input.ndim else input.clone()
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


@operation()
def _holds(input: Array, *, every: bool, dims: tuple[int, ...], keepdim: bool) -> Array:
    y = getattr(input != 0, "all" if every else "any")(axis=dims, keepdims=keepdim)
    return y.astype(np.uint8) if input.dtype == np.uint8 else y  # as in PyTorch


def all(input: Tensor, dim: Dims = None, keepdim: bool = False, *, out: None = None) -> Tensor:
    """Truth values: whether all elements over the axes `dim` are true, or not 0."""
    refuse("all", out=out)
    return _holds(input, every=True, dims=axes("all", dim, input.ndim), keepdim=keepdim)


def any(input: Tensor, dim: Dims = None, keepdim: bool = False, *, out: None = None) -> Tensor:
    """Truth values: whether an element over the axes `dim` is true, or not 0."""
    refuse("any", out=out)
    return _holds(input, every=False, dims=axes("any", dim, input.ndim), keepdim=keepdim)


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether |input − other| ≤ atol + rtol·|other| for all elements."""
    options = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan}
    return bool(np.allclose(input._array, other._array, **options))


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape and equal elements."""
    return input.shape == other.shape and bool(all(input == other))


def numel(input: Tensor) -> int:
    """How many elements it has."""
    return math.prod(input.shape)


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Extreme:
    """The pair (values, indices): the elements in order along `dim`, and where they stood. Equal
    elements keep their order, `stable` or not; NaN counts as the largest."""
    dim = axis("sort", dim, input.ndim)
    if not input.ndim:
        return Extreme(input.clone(), Tensor(np.zeros((), INT64)).to(input.device))
    data = np.flip(input._array, dim) if descending else input._array
    places = data.argsort(axis=dim, kind="stable") if on_host(data) else data.argsort(axis=dim)
    if descending:
        places = input.shape[dim] - 1 - np.flip(places, dim)
    indices = Tensor(places)
    return Extreme(moves.gather(input, indices, dim=dim), indices)


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Where the elements in order along `dim` stood: the indices of `sort`."""
    return sort(input.detach(), dim, descending, stable).indices


def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> Extreme:
    """The pair (values, indices) of the k largest or smallest elements along `dim`, in order,
    `sorted` or not.

    Raises:
        ValueError: there are not as many.
    """
    dim = axis("topk", dim, input.ndim)
    if not 0 <= k <= (input.shape[dim] if input.ndim else 1):
        raise ValueError(f"topk: k={k} elements of {input.shape}, dim={dim}")
    first = (*(slice(None),) * dim, slice(k)) if input.ndim else ()
    return Extreme(*[moves.index(x, key=(*first, ...)) for x in sort(input, dim, largest)])


def _logsumexp_pullback(g: Tensor, input: Tensor, y: Tensor, shape, dims) -> Tensor:
    """g · softmax(x), and 0 where every x is −∞."""
    y = _with_ones(y, shape, dims)
    return _with_ones(g, shape, dims) * exp(input - where(y == -math.inf, 0.0, y))


@operation(input=_logsumexp_pullback)
def _logsumexp(input: Array, *, dims: tuple[int, ...], keepdim: bool) -> Array:
    if input.size:
        top = input.max(axis=dims, keepdims=True)
    else:  # CuPy's `max` has no initial value
        top = input.sum(axis=dims, keepdims=True) - math.inf
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # the logarithm of an empty sum is −∞
        y = np.log(np.exp(input - top).sum(axis=dims, keepdims=True)) + top
    return y if keepdim else y.squeeze(dims)


def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False, *, out: None = None) -> Tensor:
    """log Σ e^input over the axes `dim`, without overflow; integers become float32 first."""
    refuse("logsumexp", out=out)
    if input.dtype.kind != "f":
        input = converted(input, FLOAT32)
    return _logsumexp(input, dims=axes("logsumexp", dim, input.ndim), keepdim=keepdim)


def _safe(y: Tensor) -> Tensor:
    """y, and 1 where it is 0: what is divided by it there is to become 0."""
    return where(y == 0, 1.0, y)


def _norm_pullback(g: Tensor, input: Tensor, y: Tensor, shape, dims, p) -> Tensor:
    """sign(x)·|x|^(p − 1) / y^(p − 1), and 0 where y is 0."""
    g, y = _with_ones(g, shape, dims), _with_ones(y, shape, dims)
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


@operation(elementwise=True, input=nothing)
def _counted(input: Array) -> Array:
    return (input != 0).astype(input.dtype)


def norm(
    input: Tensor,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    out: None = None,
    dtype: Any = None,
) -> Tensor:
    """(Σ |input|^p)^(1/p) over the axes `dim`, all of them if left out, of the input in that
    `dtype`; "fro" is p = 2. Its gradient at 0 is taken as 0, as in PyTorch.

    Raises:
        NotImplementedError: the nuclear norm.
    """
    refuse("norm", out=out)
    input = converted(input, dtype)
    require_floating("norm", input)
    if p == "nuc":
        raise NotImplementedError("norm: p='nuc' is not supported")
    p, dims = 2.0 if p in ("fro", None) else float(p), axes("norm", dim, input.ndim)
    if p == math.inf:
        return _amax(abs(input), dims=dims, keepdim=keepdim)
    if p == -math.inf:
        return _amin(abs(input), dims=dims, keepdim=keepdim)
    if p == 0:
        return _sum(_counted(input), dims=dims, keepdim=keepdim)
    if p == 1:
        return _sum(abs(input), dims=dims, keepdim=keepdim)
    return _norm(input, dims=dims, keepdim=keepdim, p=p)


def _halves(input: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor | None]:
    """The two halves of an axis, and what is left over of an odd length."""
    n, before = input.shape[dim], (slice(None),) * dim
    half = n // 2
    parts = (slice(0, half), slice(half, 2 * half))
    a, b = (moves.index(input, key=(*before, part, ...)) for part in parts)
    return a, b, moves.index(input, key=(*before, slice(2 * half, n), ...)) if n % 2 else None


def _prod_pullback(g: Tensor, input: Tensor, shape: tuple[int, ...], dim: int) -> Tensor:
    """g times the product of all other elements, without a division: right where elements are 0
    too, as often as it is differentiated. The two halves of the axis are multiplied, then their
    halves; on the way back what was multiplied by the one gets the other."""
    levels = []
    while input.shape[dim] > 1:
        levels.append(_halves(input, dim))
        a, b, left_over = levels[-1]
        input = a * b if left_over is None else cat([a * b, left_over], dim)
    others = _with_ones(g, shape, (dim,))
    if not shape[dim]:
        return _expand(others, shape=shape)
    for a, b, left_over in reversed(levels):
        if left_over is None:
            others = cat([others * b, others * a], dim)
        else:
            pairs, alone = others.split([a.shape[dim], 1], dim)
            others = cat([pairs * b, pairs * a, alone], dim)
    return others


@operation(input=_prod_pullback)
def _prod(input: Array, *, dim: int, keepdim: bool) -> Array:
    return elementwise.over(np.multiply, input, dim, keepdim)


def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The product along `dim`, or of all elements, of the input in that `dtype`; truth values and
    integers are multiplied as int64 if not told otherwise."""
    if dtype is not None or input._array.dtype.kind != "f":
        input = converted(input, dtype or INT64)
    if dim is None:
        y = _prod(input.reshape(-1), dim=0, keepdim=False)
        y = y.reshape([1] * input.ndim) if keepdim else y
    else:
        dim = axis("prod", dim, ndim := input._array.ndim)
        y = _prod(input, dim=dim, keepdim=keepdim) if ndim else input.clone()
    return y if dtype is None else converted(y, dtype)


def _to_add_up(name: str, input: Tensor, dim: int, dtype: Any, out: None) -> tuple[Tensor, int]:
    """The input in the dtype that the result has, and the axis."""
    if out is not None:
        refuse(name, out=out)
    if dtype is not None or input._array.dtype.kind != "f":
        input = converted(input, dtype or INT64)
    return input, axis(name, dim, input._array.ndim)


@operation(input=lambda g, dim, reverse: _cumsum(g, dim=dim, reverse=not reverse))
def _cumsum(input: Array, *, dim: int, reverse: bool) -> Array:
    if reverse:
        return np.flip(_cumsum.operation.value(np.flip(input, dim), dim=dim, reverse=False), dim)
    host = type(input) is np.ndarray
    return np.add.accumulate(input, dim) if host else input.cumsum(axis=dim)


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, out: None = None) -> Tensor:
    """The sum of all elements up to each one along `dim`, of the input in that `dtype`; truth
    values and integers are summed as int64 if not told otherwise."""
    input, dim = _to_add_up("cumsum", input, dim, dtype, out)
    if not input.ndim:
        return input.clone()
    y = _cumsum(input, dim=dim, reverse=False)
    return y if dtype is None else converted(y, dtype)


@in_float32
def _cumprod(input: Tensor, dim: int) -> Tensor:
    """Each element times those up to 1, 2, 4, … places before it, which need no division on the way
    back: right where elements are 0 too, as often as it is differentiated."""
    step, before = 1, (slice(None),) * dim
    while step < input.shape[dim]:
        first, later, earlier = (
            moves.index(input, key=(*before, part, ...))
            for part in (slice(step), slice(step, None), slice(-step))
        )
        input, step = cat([first, later * earlier], dim), 2 * step
    return input


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, out: None = None) -> Tensor:
    """The product of all elements up to each one along `dim`, of the input in that `dtype`; truth
    values and integers are multiplied as int64 if not told otherwise."""
    input, dim = _to_add_up("cumprod", input, dim, dtype, out)
    y = _cumprod(input, dim) if input.ndim else input
    return input.clone() if y is input else y
