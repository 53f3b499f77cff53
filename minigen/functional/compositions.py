"""What PyTorch has a name for and other operations say in a line or a few; other names of some."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigen.backend import INT64, Array, namespace
from minigen.functional import moves
from minigen.functional.activation import elu, hardtanh, relu, softmax, softplus
from minigen.functional.arguments import (
    Dims,
    axis,
    lengths,
    refuse,
    require_axes,
    require_floating,
    require_integers,
)
from minigen.functional.arithmetic import add, clamp_min, lerp, scaled
from minigen.functional.convolution import max_pool2d
from minigen.functional.image import adaptive_avg_pool2d, avg_pool2d
from minigen.functional.inplace import assign, changed
from minigen.functional.linear import einsum, matmul
from minigen.functional.loss import reduced, smooth_l1_loss
from minigen.functional.normalization import normalize
from minigen.functional.pointwise import (
    abs,
    ceil,
    clamp,
    exp,
    floor,
    isnan,
    log,
    logical_not,
    round,
    rsqrt,
    sigmoid,
    tanh,
    trunc,
)
from minigen.functional.pointwise import (
    where as chosen,  # which is taken here without ever being `nonzero`
)
from minigen.functional.random import arange, dropout, linspace, ones, rand, tensor, zeros
from minigen.functional.reduction import Extreme, mean, norm, root, sort, sum, var
from minigen.functional.shape import (
    cat,
    chunk,
    flip,
    index,
    index_put,
    index_select,
    permute,
    repeat,
    reshape,
    stack,
    take_along_dim,
    transpose,
)
from minigen.halves import in_float32
from minigen.operation import operation
from minigen.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d", "adaptive_max_pool2d", "addmm", "argwhere", "atleast_1d", "atleast_2d",
    "avg_pool1d", "baddbmm", "bincount", "broadcast_tensors", "bucketize", "cdist", "celu",
    "column_stack", "cosine_embedding_loss", "cosine_similarity", "count_nonzero", "cross",
    "deg2rad", "diag", "diag_embed", "diagonal", "diff", "dist", "dstack", "fliplr", "flipud",
    "frac", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish",
    "hinge_embedding_loss", "histc", "hstack", "huber_loss", "index_copy", "index_fill",
    "is_floating_point", "isclose", "isin", "logit", "logspace", "margin_ranking_loss",
    "max_pool1d", "median", "mish", "movedim", "nan_to_num", "nanmean", "nansum",
    "pairwise_distance", "poisson_nll_loss", "quantile", "rad2deg", "relu6", "repeat_interleave",
    "rms_norm", "rot90", "scaled_dot_product_attention", "searchsorted", "select",
    "soft_margin_loss", "softmin", "softshrink", "softsign", "std_mean", "take", "tanhshrink",
    "tensor_split", "tensordot", "threshold", "tile", "trace", "tril_indices",
    "triplet_margin_loss", "triu_indices", "unique", "var_mean", "vstack", "where",
]  # fmt: skip

ALIASES = {
    "absolute": "abs", "arccos": "acos", "arcsin": "asin", "arctan": "atan", "arctan2": "atan2",
    "clip": "clamp", "concat": "cat", "concatenate": "cat", "divide": "div", "fix": "trunc",
    "ger": "outer", "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le",
    "moveaxis": "movedim", "multiply": "mul", "negative": "neg", "not_equal": "ne",
    "ravel": "flatten", "subtract": "sub", "swapaxes": "transpose", "swapdims": "transpose",
    "true_divide": "div", "upsample": "interpolate",
}  # fmt: skip


# On each element


def frac(input: Tensor) -> Tensor:
    """What `trunc` cuts off, with the input's sign."""
    return input - trunc(input)


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(p / (1 − p)), the opposite of `sigmoid`; with eps, of p between that and 1 − eps."""
    p = input if eps is None else clamp(input, eps, 1 - eps)
    return log(p / (1 - p))


def nan_to_num(
    input: Tensor, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Tensor:
    """The input with NaN and infinities replaced, the latter by the dtype's largest numbers if not
    told otherwise; no gradient passes there."""
    if input.dtype.kind != "f":
        return input.clone()
    ends = np.finfo(input.dtype)
    posinf = float(ends.max) if posinf is None else posinf
    neginf = float(ends.min) if neginf is None else neginf
    y = chosen(isnan(input), nan, input)
    y = chosen(input == math.inf, posinf, y)
    return chosen(input == -math.inf, neginf, y)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Truth values: |input − other| ≤ atol + rtol·|other|.

    Raises:
        TypeError: one is no tensor.
        ValueError: a negative tolerance.
    """
    if rtol < 0 or atol < 0:
        raise ValueError(f"isclose: rtol {rtol} and atol {atol} must not be negative")
    xp = namespace(input._array)
    return Tensor(xp.isclose(input._array, other._array, rtol, atol, equal_nan=equal_nan))


def isin(elements: Tensor, test_elements: Tensor) -> Tensor:
    """Truth values: which of the elements are among the others."""
    return Tensor(namespace(elements._array).isin(elements._array, test_elements._array))


def is_floating_point(input: Tensor) -> bool:
    """Whether it holds floating-point numbers."""
    return input.dtype.kind == "f"


def deg2rad(input: Tensor) -> Tensor:
    """input · π / 180"""
    return input * (math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """input · 180 / π"""
    return input * (180 / math.pi)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(0, input), 6)"""
    return hardtanh(input, 0, 6, inplace)


@in_float32
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """input/6 + 1/2, but at least 0 and at most 1."""
    if inplace:
        return changed("hardsigmoid", hardsigmoid, input)
    return hardtanh(input + 3, 0.0, 6.0) / 6


@in_float32
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """input · hardsigmoid(input) (Howard et al. 2019)."""
    if inplace:
        return changed("hardswish", hardswish, input)
    return input * hardtanh(input + 3, 0.0, 6.0) / 6


@in_float32
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """input · tanh(softplus(input)) (Misra 2019)."""
    if inplace:
        return changed("mish", mish, input)
    return input * tanh(softplus(input))


@in_float32
def softsign(input: Tensor) -> Tensor:
    """input / (1 + |input|)"""
    return input / (1 + abs(input))


@in_float32
def tanhshrink(input: Tensor) -> Tensor:
    """input − tanh(input)"""
    return input - tanh(input)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """The input moved towards 0 by lambd, and 0 where it would pass it.

    Raises:
        ValueError: a negative lambd.
    """
    if lambd < 0:
        raise ValueError(f"softshrink: lambd must not be negative, not {lambd}")
    return chosen(abs(input) > lambd, input - clamp(input, -lambd, lambd), input * 0)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """The input, and 0 where |input| ≤ lambd."""
    return chosen(abs(input) <= lambd, 0, input)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """The input where it is larger than the threshold, else `value`."""
    y = chosen(input <= threshold, value, input).to(input.dtype)
    return assign("threshold", input, y) if inplace else y


@in_float32
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """The input where it is positive, else α·(e^(input/α) − 1) (Barron 2017).

    Raises:
        ZeroDivisionError: an alpha of 0.
    """
    if inplace:
        return changed("celu", celu, input, alpha)
    return elu(input * (1 / alpha)) * alpha


@in_float32
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a · σ(b) for the halves a and b of the axis `dim` (Dauphin et al. 2017).

    Raises:
        ValueError: the axis has no halves.
    """
    if not input.ndim or input.shape[axis("glu", dim, input.ndim)] % 2:
        raise ValueError(f"glu: axis {dim} of {input.shape} has no two halves")
    a, b = chunk(input, 2, dim)
    return a * sigmoid(b)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """`softmax` of −input."""
    return softmax(-input, dim, _stacklevel, dtype)


@in_float32
def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A softmax at temperature tau of logits with Gumbel noise: a choice by their probabilities, as
    far as it can be differentiated; `hard` makes it one, whose gradient is still that of the
    softmax (Jang et al. 2017, Maddison et al. 2017). `eps` changes nothing, as in PyTorch."""
    uniform = clamp(rand(*logits.shape, device=logits.device), 1e-38)  # less than 1 anyway
    y = softmax((logits - log(-log(uniform)).to(logits.dtype)) / tau, dim)
    if not hard:
        return y
    places = y.detach().argmax(dim, keepdim=True)
    choice = zeros(*y.shape, dtype=y.dtype, device=y.device).scatter(dim, places, 1.0)
    return choice - y.detach() + y


# Sums, distances and order


def count_nonzero(input: Tensor, dim: Dims = None, *more: int) -> Tensor:
    """How many elements over the axes `dim` are not 0; they may be several arguments."""
    return sum(input != 0, (dim, *more) if more else dim)


@in_float32
def std_mean(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The pair of `std` and `mean`, with the arguments of `std`."""
    spread, centre = var_mean(input, dim, unbiased, keepdim, correction=correction)
    return root(spread), centre


@in_float32
def var_mean(
    input: Tensor,
    dim: Dims = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """The pair of `var` and `mean`, with the arguments of `var`."""
    spread = var(input, dim, unbiased, keepdim, correction=correction)
    return spread, mean(input, None if isinstance(dim, bool) else dim, keepdim)


def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """`sum`, to which NaN adds nothing."""
    return sum(chosen(isnan(input), 0, input), dim, keepdim, dtype=dtype)


def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """`mean` of what is not NaN."""
    require_floating("nanmean", input)
    count = sum(logical_not(isnan(input)), dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / count.to(dtype or input.dtype)


def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """Each element along `dim` less the one before it, n times; of the input with others joined to
    its ends, if they are given.

    Raises:
        ValueError: there is no axis, or n is negative.
    """
    if not input.ndim or n < 0:
        raise ValueError(f"diff: expected an axis and n ≥ 0, got {input.shape} and {n}")
    dim = axis("diff", dim, input.ndim)
    if not n:
        return input.clone()
    ends = [x for x in (prepend, input, append) if x is not None]
    input = cat(ends, dim) if len(ends) > 1 else input
    for _ in range(n):
        length, before = input.shape[dim], (slice(None),) * dim
        later, earlier = (*before, slice(1, None)), (*before, slice(0, max(length - 1, 0)))
        a, b = input[later], input[earlier]
        input = a ^ b if input.dtype.kind == "b" else a - b
    return input


def _median_pullback(g: Tensor, input: Tensor, y: Tensor) -> Tensor:
    equals = (input == y) | isnan(input)
    return chosen(equals, g / count_nonzero(equals), 0.0)


@operation(exact=True, input=_median_pullback)
def _median(input: Array) -> Array:
    xp = namespace(input)
    if not input.size:
        return xp.full((), math.nan, input.dtype)
    ordered = xp.sort(input, axis=None)
    last = ordered[-1]
    return xp.where(last != last, last, ordered[(input.size - 1) // 2])  # NaN stands last


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element in order, of two the lower, NaN if there is one or none at all; its equals
    share the gradient. Along an axis `dim` the pair (values, indices).

    Raises:
        IndexError: there are no elements along that axis.
    """
    if dim is None:
        return _median(input)
    dim = axis("median", dim, input.ndim)
    if not input.ndim:
        return Extreme(input.clone(), Tensor(np.zeros((), INT64)).to(input.device))
    if not input.shape[dim]:
        raise IndexError(f"median: there is no element to choose from in {input.shape}, dim={dim}")
    n, nans = input.shape[dim], sum(isnan(input), dim, True)  # which are last in order
    middle = chosen(nans > 0, n - nans, (n - 1) // 2)
    values, indices = (take_along_dim(x, middle, dim) for x in sort(input, dim))
    both = (values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))
    return Extreme(*both)


def quantile(
    input: Tensor,
    q: Tensor | float,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """The number below which the share q of the elements along `dim` lies (of all, if it is left
    out), between two elements by `interpolation`; several q make a first axis of the result. NaN if
    there is one.

    Raises:
        TypeError: the input does not hold floating-point numbers.
        ValueError: a q is no share, or another interpolation.
    """
    require_floating("quantile", input)
    rounded = {"linear": None, "lower": floor, "higher": ceil, "nearest": round}
    if interpolation not in (*rounded, "midpoint"):
        raise ValueError(f"quantile: interpolation must be one of {[*rounded, 'midpoint']}")
    shares = q if isinstance(q, Tensor) else tensor(q, dtype=input.dtype)
    if shares.ndim > 1 or not bool(((shares >= 0) & (shares <= 1)).all()):
        raise ValueError(f"quantile: q must be shares from 0 to 1 on one axis at most, not {q}")
    kept = [1] * input.ndim
    if dim is not None and input.ndim:
        dim = axis("quantile", dim, input.ndim)
        kept = [1 if i == dim else n for i, n in enumerate(input.shape)]
    else:
        input, dim = reshape(input, -1), 0
    if not input.shape[dim]:
        raise ValueError(f"quantile: there are no elements along axis {dim} of {input.shape}")
    ordered = movedim(sort(input, dim).values, dim, 0)
    places = reshape(shares.to(input.device), -1) * (len(ordered) - 1)
    if interpolation == "midpoint":
        places = (floor(places) + ceil(places)) / 2
    elif rounded[interpolation] is not None:
        places = rounded[interpolation](places)
    low, high = (f(places.detach()).long() for f in (floor, ceil))
    weight = reshape(places - floor(places), -1, *[1] * (ordered.ndim - 1))
    y = lerp(index_select(ordered, 0, low), index_select(ordered, 0, high), weight)
    y = chosen(isnan(ordered[-1]), ordered[-1], y)
    return reshape(y, *shares.shape, *(kept if keepdim else y.shape[1:]))


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input − other."""
    return norm(input - other, p)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 − x2 + eps along the last axis. Shapes: (…, D) and (…, D) -> (…)."""
    return norm(x1 - x2 + eps, p, -1, keepdim)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "") -> Tensor:
    """The p-norm of the difference of every row of x1 from every row of x2, which `compute_mode`
    does not change.

    Shapes: (…, N, D) and (…, M, D) -> (…, N, M).
    """
    return norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, -1)


@in_float32
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between x1 and x2 along `dim`; norms count as eps at least.

    Shapes: both broadcast; the axis is dropped.
    """
    x1, x2 = broadcast_tensors(x1, x2)
    return sum(normalize(x1, 2.0, dim, eps) * normalize(x2, 2.0, dim, eps), dim)


def searchsorted(
    sorted_sequence: Tensor,
    input: Tensor | float,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: None = None,
) -> Tensor:
    """Where each number would have to be put into an ordered vector: before its equals or, if
    `right`, after them. Of several vectors, along the last axis, each has its own numbers.

    Raises:
        ValueError: shapes do not fit, or another side.
    """
    refuse("searchsorted", sorter=sorter)
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ValueError(f"searchsorted: side must be 'left' or 'right', not {side!r}")
    side, ordered = "right" if right else side or "left", sorted_sequence._array
    values = input._array if isinstance(input, Tensor) else np.asarray(input)
    if ordered.ndim == 1:
        places = namespace(ordered).searchsorted(ordered, values, side)
    elif ordered.shape[:-1] != values.shape[:-1]:
        raise ValueError(f"searchsorted: {values.shape} does not fit {ordered.shape}")
    else:
        rows = [np.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1])) for x in (ordered, values)]
        places = [row.searchsorted(numbers, side) for row, numbers in zip(*rows, strict=True)]
        places = np.reshape(places, values.shape)
    return tensor(places, dtype=np.int32 if out_int32 else INT64)


def bucketize(
    input: Tensor | float, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """`searchsorted`, arguments the other way round: the number of the interval that holds it."""
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each whole number from 0 on occurs, or the sum of its weights."""
    given = None if weights is None else weights._array
    counts = namespace(input._array).bincount(input._array, given, minlength)
    floats = weights is not None and weights.dtype.kind == "f"
    return Tensor(counts.astype(weights.dtype) if floats else counts)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of `bins` equal intervals from min to max, both included; of
    the input's least to its largest where both are equal. Others count for nothing."""
    if min == max and input.numel():
        min, max = input._array.min(), input._array.max()
    if min == max:
        min, max = min - 1, max + 1
    counts, _ = namespace(input._array).histogram(input._array, bins, (float(min), float(max)))
    return Tensor(counts.astype(input.dtype))


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements, or slices along `dim`, in order, `sorted` or not; if asked for, with
    the place of each element among them, and how often each occurs."""
    data, flags = input._array, (return_inverse, return_counts)
    found = namespace(data).unique(data, False, *flags, axis=dim, equal_nan=False)
    if not any(flags):
        return Tensor(found)
    values, *rest = found
    if return_inverse:
        rest[0] = rest[0].reshape(input.shape if dim is None else -1)
    return (Tensor(values), *map(Tensor, rest))


# Shapes and places


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Each, expanded to the shape that all of them have together."""
    shape = np.broadcast_shapes(*(t.shape for t in tensors))
    return tuple(t.expand(*shape) for t in tensors)


def atleast_1d(*tensors: Any) -> Any:
    """The tensor or tensors, with an axis where there was none."""
    return _at_least(tensors, lambda x: x if x.ndim else x.reshape(1))


def atleast_2d(*tensors: Any) -> Any:
    """The tensor or tensors; a vector becomes a row."""
    return _at_least(tensors, lambda x: x if x.ndim > 1 else x.reshape(1, -1))


def _at_least(tensors: tuple, shaped: Any) -> Any:
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return shaped(tensors[0])
    return tuple(map(shaped, tensors[0] if len(tensors) == 1 else tensors))


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """`cat` along the second axis, of vectors along the only one."""
    tensors = atleast_1d(tensors)
    return cat(tensors, 0 if tensors and tensors[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """`cat` along the first axis, of vectors as rows."""
    return cat(atleast_2d(tensors))


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """`cat` along a third axis, which is added where it is missing."""
    return cat([x if x.ndim > 2 else x.unsqueeze(-1) for x in atleast_2d(tensors)], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """`cat` along the second axis, of vectors as columns."""
    return cat([x if x.ndim > 1 else x.reshape(-1, 1) for x in tensors], 1)


def tile(input: Tensor, *dims: int) -> Tensor:
    """`repeat`, which may be told fewer numbers than there are axes: the first stay as they are."""
    counts = lengths("tile", dims)
    return repeat(input, *(1,) * (input.ndim - len(counts)), *counts)


def repeat_interleave(
    input: Tensor,
    repeats: Tensor | int | None = None,
    dim: int | None = None,
    *,
    output_size: int | None = None,
) -> Tensor:
    """Each entry of the axis `dim` as often in a row as `repeats` says, all or each its own; of the
    flattened input if `dim` is left out. Of one tensor alone the places 0, 1, …, each as often as
    it says. `output_size` is found anyway."""
    if repeats is None:
        input, repeats = arange(len(input), device=input.device), input
    if dim is None:
        input, dim = reshape(input, -1), 0
    dim = axis("repeat_interleave", dim, input.ndim)
    counts = repeats.tolist() if isinstance(repeats, Tensor) else repeats
    places = np.repeat(np.arange(input.shape[dim]), counts)
    return index_select(input, dim, Tensor(places).to(input.device))


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of pieces of the axis `dim`: so many, as equal as can be, or cut at these places."""
    dim = axis("tensor_split", dim, input.ndim)
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    places, before = np.arange(input.shape[dim]), (slice(None),) * dim
    parts = [p.tolist() for p in np.array_split(places, indices_or_sections)]
    spans = [slice(p[0], p[-1] + 1) if p else slice(0, 0) for p in parts]
    return tuple(index(input, (*before, span)) for span in spans)


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view of one entry of the axis `dim`, without it."""
    dim = axis("select", dim, input.ndim)
    return input[(*(slice(None),) * dim, index)]


def movedim(input: Tensor, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """A view with the axes `source` moved to the places `destination`; others keep their order.

    Raises:
        ValueError: not as many places as axes, or one is named twice.
    """
    pair = [
        [axis("movedim", d, input.ndim) for d in (x if isinstance(x, Sequence) else [x])]
        for x in (source, destination)
    ]
    if len(pair[0]) != len(pair[1]) or any(len(set(x)) < len(x) for x in pair):
        raise ValueError(f"movedim: {source} cannot be moved to {destination}, one to one")
    order = [d for d in range(input.ndim) if d not in pair[0]]
    for place, d in sorted(zip(*reversed(pair), strict=True)):
        order.insert(place, d)
    return permute(input, *order)


def flipud(input: Tensor) -> Tensor:
    """The first axis in reverse order."""
    return flip(input, (0,))


def fliplr(input: Tensor) -> Tensor:
    """The second axis in reverse order."""
    return flip(input, (1,))


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned k times by 90° from the first of two axes to the second.

    Raises:
        ValueError: there are not two axes.
    """
    if len({axis("rot90", d, input.ndim) for d in dims}) != 2 or len(dims) != 2:
        raise ValueError(f"rot90: dims must name two axes, not {list(dims)}")
    turned = flip(input, dims) if k % 4 in (2, 3) else input
    if k % 2:
        return flip(transpose(turned, *dims), (dims[0],))
    return turned.clone() if turned is input else turned


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonals, `offset` places to the right, of the matrices that two axes span, as the last
    axis: a view, so that what is written into it changes the input.

    Raises:
        ValueError: the two are one.
    """
    dims = [axis("diagonal", d, input.ndim) for d in (dim1, dim2)]
    if dims[0] == dims[1]:
        raise ValueError(f"diagonal: dim1 and dim2 must be two axes, not {dim1} and {dim2}")
    return moves.diagonal(movedim(input, dims, (-2, -1)), offset=offset)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the input's last axis on a diagonal, and 0 elsewhere. Shape: (…, n) -> (…, n +
    |offset|, n + |offset|), with these axes at dim1 and dim2."""
    n = input.shape[-1] + max(offset, -offset)
    rows = [*range(max(-offset, 0), n - max(offset, 0))]
    key = ..., rows, [i + offset for i in rows]
    whole = zeros(*input.shape[:-1], n, n, dtype=input.dtype, device=input.device)
    return movedim(index_put(whole, key, input), (-2, -1), (dim1, dim2))


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A matrix's diagonal, or the matrix with a vector on its diagonal and 0 elsewhere.

    Raises:
        ValueError: neither a vector nor a matrix.
    """
    if input.ndim not in (1, 2):
        raise ValueError(f"diag: expected a vector or a matrix, got {input.shape}")
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    return moves.diagonal(input, offset=diagonal).clone()


def trace(input: Tensor) -> Tensor:
    """The sum of a matrix's diagonal.

    Raises:
        ValueError: it is no matrix.
    """
    if input.ndim != 2:
        raise ValueError(f"trace: expected a matrix, got {input.shape}")
    return sum(diagonal(input))


def logspace(
    start: float, end: float, steps: int, base: float = 10.0, *, dtype: Any = None, **how: Any
) -> Tensor:
    """`base` to the powers of `linspace(start, end, steps)`; whole ones are cut off."""
    powers = base ** linspace(start, end, steps, dtype=np.float64)
    return tensor(powers, dtype=dtype or np.float32, **how)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = INT64, **how: Any) -> Tensor:
    """The places of the lower triangle of a matrix (row, col): rows above columns, (2, count)."""
    return tensor(np.stack(np.tril_indices(row, offset, col)), dtype=dtype, **how)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = INT64, **how: Any) -> Tensor:
    """The places of the upper triangle, likewise."""
    return tensor(np.stack(np.triu_indices(row, offset, col)), dtype=dtype, **how)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """The input where the condition is true, else other; without both the places of what is true,
    one tensor for each axis: `nonzero(condition, as_tuple=True)`."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    return chosen(condition, input, other)


def argwhere(input: Tensor) -> Tensor:
    """The places of all elements that are not 0, one a row."""
    return input.nonzero()


def take(input: Tensor, index: Tensor) -> Tensor:
    """The elements at these places of the flattened input, in the index's shape."""
    require_integers("take", index=index)
    return reshape(input, -1)[index]


def index_fill(input: Tensor, dim: int, index: Tensor, value: Tensor | float) -> Tensor:
    """The input with one number in those entries of the axis `dim` that `index` names."""
    return _with_entries("index_fill", input, dim, index, value)


def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """The input with those of `source` in the entries of the axis `dim` that `index` names."""
    return _with_entries("index_copy", input, dim, index, source)


def _with_entries(name: str, input: Tensor, dim: int, index: Tensor, values: Any) -> Tensor:
    dim = axis(name, dim, input.ndim)
    require_integers(name, index=index)
    if isinstance(values, Tensor) and values.dtype != input.dtype:
        raise TypeError(f"{name}: the input is {input.dtype} and the values {values.dtype}")
    whole = input if input.ndim else reshape(input, 1)
    return reshape(index_put(whole, (*(slice(None),) * dim, index), values), input.shape)


# Products


def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta · input + alpha · mat1 @ mat2"""
    return _weighted_sum("addmm", input, mat1.mm(mat2), beta, alpha)


def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta · input + alpha · bmm(batch1, batch2)"""
    return _weighted_sum("baddbmm", input, batch1.bmm(batch2), beta, alpha)


def _weighted_sum(name: str, a: Tensor, b: Tensor, beta: float, alpha: float) -> Tensor:
    if np.broadcast_shapes(a.shape, b.shape) != b.shape:
        raise ValueError(f"{name}: {a.shape} does not broadcast to the product's {b.shape}")
    if not beta:  # then a NaN in it counts for nothing
        return b * alpha
    return add(scaled(name, b, a, beta), b, alpha=alpha)


def cross(input: Tensor, other: Tensor, dim: int = -1) -> Tensor:
    """The vector products along an axis of length 3; the others broadcast.

    Raises:
        ValueError: an axis has another length.
    """
    a, b = (movedim(x, dim, 0) for x in broadcast_tensors(input, other))
    if len(a) != 3:
        raise ValueError(f"cross: expected an axis {dim} of length 3, got {input.shape}")
    parts = [a[i] * b[j] - a[j] * b[i] for i, j in ((1, 2), (2, 0), (0, 1))]
    return movedim(stack(parts), 0, dim)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2, out: None = None) -> Tensor:
    """Sums of products over so many axes, the last of a and the first of b, or over those that two
    lists name.

    Raises:
        ValueError: the axes do not fit.
    """
    refuse("tensordot", out=out)
    if isinstance(dims, int):
        dims = range(a.ndim - dims, a.ndim), range(dims)
    left = list(string.ascii_letters[: a.ndim])
    right = list(string.ascii_letters[a.ndim : a.ndim + b.ndim])
    for i, j in zip(*dims, strict=True):
        right[j] = left[i]
    rest = [letter for letter in left + right if (left + right).count(letter) == 1]
    return einsum(f"{''.join(left)},{''.join(right)}->{''.join(rest)}", a, b)


@in_float32
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query · keyᵀ · scale + mask) · value (Vaswani et al. 2017); scale is 1/√E if not told
    otherwise. A mask of truth values says what is attended to, one of numbers is added;
    `is_causal` lets each place attend to those up to it. What may attend to nothing gets 0.

    Shapes: (…, L, E), (…, S, E), (…, S, D) -> (…, L, D); the mask broadcasts to (…, L, S).

    Raises:
        ValueError: both a mask and `is_causal`.
    """
    refuse("scaled_dot_product_attention", enable_gqa=enable_gqa)
    if is_causal:
        if attn_mask is not None:
            raise ValueError("scaled_dot_product_attention: give a mask or is_causal, not both")
        square = ones(query.shape[-2], key.shape[-2], dtype=bool, device=query.device)
        attn_mask = square.tril()
    scores = matmul(query, transpose(key, -1, -2))
    scores = scores * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if attn_mask is not None and attn_mask.dtype.kind == "b":
        scores = chosen(attn_mask, scores, -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    shares = softmax(scores, -1) if attn_mask is None else masked_softmax(scores)
    return matmul(dropout(shares, dropout_p), value)


def masked_softmax(scores: Tensor) -> Tensor:
    """`softmax` along the last axis, and 0 where all scores are −∞, as in PyTorch's attention."""
    nothing = (scores == -math.inf).all(-1, keepdim=True)
    if not (scores.is_cuda or nothing.any()):  # a GPU would have to be waited for
        return softmax(scores, -1)
    return chosen(nothing, 0.0, softmax(chosen(nothing, 0.0, scores), -1))


# Layers and losses


@in_float32
def rms_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """The input divided by √(mean of its squares + eps) over its last axes, then scaled (Zhang and
    Sennrich 2019); eps is the dtype's precision if not told otherwise.

    Raises:
        ValueError: they are not its last axes.
    """
    if (
        not normalized_shape
        or tuple(normalized_shape) != input.shape[input.ndim - len(normalized_shape) :]
    ):
        raise ValueError(f"rms_norm: {tuple(normalized_shape)} are not the last of {input.shape}")
    eps = float(np.finfo(input.dtype).eps) if eps is None else eps
    y = input * rsqrt(mean(input * input, range(-len(normalized_shape), 0), True) + eps)
    return y if weight is None else y * weight


def avg_pool1d(
    input: Tensor,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """`avg_pool2d` of images with one row. Shapes: (…, L) -> (…, L')."""
    size, stride, padding = (_one("avg_pool1d", x) for x in (kernel_size, stride, padding))
    window = (1, size), None if stride is None else (1, stride), (0, padding)
    return avg_pool2d(input.unsqueeze(-2), *window, ceil_mode, count_include_pad).squeeze(-2)


def max_pool1d(
    input: Tensor,
    kernel_size: int,
    stride: int | None = None,
    padding: int = 0,
    dilation: int = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`max_pool2d` of images with one row. Shapes: (N, C, L) or (C, L) -> (…, L').

    Raises:
        ValueError: another shape, or several numbers where one is expected.
    """
    size, stride, padding, dilation = (
        _one("max_pool1d", x) for x in (kernel_size, stride, padding, dilation)
    )
    window = (1, size), None if stride is None else (1, stride), (0, padding), (1, dilation)
    if input.ndim not in (2, 3):
        raise ValueError(f"max_pool1d: expected input (N, C, L) or (C, L), got {input.shape}")
    y = max_pool2d(input.unsqueeze(-2), *window, ceil_mode, return_indices)
    return tuple(x.squeeze(-2) for x in y) if return_indices else y.squeeze(-2)


def _one(name: str, value: Any) -> Any:
    """A number that may stand in a list by itself."""
    if not isinstance(value, Sequence):
        return value
    if len(value) != 1:
        raise ValueError(f"{name}: expected one number, not {value}")
    return value[0]


def adaptive_avg_pool1d(input: Tensor, output_size: int) -> Tensor:
    """`adaptive_avg_pool2d` of images with one row. Shapes: (…, L) -> (…, output_size)."""
    return adaptive_avg_pool2d(
        input.unsqueeze(-2), (1, _one("adaptive_avg_pool1d", output_size))
    ).squeeze(-2)


def adaptive_max_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The largest elements of a grid of windows of one size that cover the image.

    Shapes: (…, H, W) -> (…, *output_size).

    Raises:
        NotImplementedError: `output_size` does not divide the image's, so that windows differ.
    """
    wanted = output_size if isinstance(output_size, Sequence) else (output_size, output_size)
    pairs = [(n, m or n) for n, m in zip(input.shape[-2:], wanted, strict=True)]
    if any(n % m for n, m in pairs):
        raise NotImplementedError(
            f"adaptive_max_pool2d: {tuple(wanted)} do not divide {input.shape[-2:]}"
        )
    return max_pool2d(input, tuple(n // m for n, m in pairs))


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: None = None
) -> Tensor:
    """d²/2 for |d| = |input − target| < delta, else delta·(|d| − delta/2) (Huber 1964).

    Raises:
        ValueError: delta is not positive.
    """
    refuse("huber_loss", weight=weight)
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be positive, not {delta}")
    return smooth_l1_loss(input, target, reduction=reduction, beta=delta) * delta


@in_float32
def soft_margin_loss(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """log(1 + e^(−target·input)), for targets −1 and 1.

    Raises:
        ValueError: there are more targets than inputs.
    """
    loss = softplus(target * -input, threshold=math.inf)
    if loss.shape != input.shape:
        raise ValueError(f"soft_margin_loss: input {input.shape}, but target {target.shape}")
    return reduced("soft_margin_loss", loss, reduction)


@in_float32
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, *, reduction: str = "mean"
) -> Tensor:
    """The input where the target is 1, max(0, margin − input) where it is −1."""
    far = chosen(target == 1, 0.0, relu(margin - input))
    loss = far + chosen(target == -1, 0.0, input)
    return reduced("hinge_embedding_loss", loss, reduction)


@in_float32
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """max(0, margin − target·(input1 − input2)): input1 is to be the larger if the target is 1, the
    smaller if it is −1.

    Raises:
        ValueError: one has more axes than another.
    """
    require_axes("margin_ranking_loss", input1, input2, target)
    loss = clamp_min(margin - target * (input1 - input2), 0)
    return reduced("margin_ranking_loss", loss, reduction)


@in_float32
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, *, reduction: str = "mean"
) -> Tensor:
    """1 − cos(input1, input2) where the target is 1, max(0, cos − margin) where it is −1.

    Shapes: (N, D), (N, D), (N,), or without N.

    Raises:
        ValueError: others.
    """
    require_axes("cosine_embedding_loss", input1, input2, target.unsqueeze(-1))
    cos = cosine_similarity(input1, input2, -1)
    loss = chosen(target == 1, 1 - cos, chosen(target == -1, clamp_min(cos - margin, 0), 0.0))
    return reduced("cosine_embedding_loss", loss, reduction)


@in_float32
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + d(anchor, positive) − d(anchor, negative)) for d = `pairwise_distance`; with
    `swap` the negative's distance from the positive counts where that is less. Shapes: (…, D).

    Raises:
        ValueError: the margin is not positive, or one has more axes than another.
    """
    require_axes("triplet_margin_loss", anchor, positive, negative)
    if margin <= 0:
        raise ValueError(f"triplet_margin_loss: margin must be positive, not {margin}")
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = far.minimum(pairwise_distance(positive, negative, p, eps))
    return reduced("triplet_margin_loss", clamp_min(near - far + margin, 0), reduction)


@in_float32
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    *,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    """e^input − target·input, or input − target·log(input + eps) without `log_input`: −log of the
    Poisson distribution's probability, but for log target!, of which `full` adds Stirling's
    approximation where the target is more than 1."""
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        large = chosen(target > 1, target, 1.0)
        term = large * log(large) - large + 0.5 * log(large * (2 * math.pi))
        loss = loss + chosen(target > 1, term, 0.0)
    return reduced("poisson_nll_loss", loss, reduction)
