"""Losses, as formulas of their inputs, then reduced: `mean` (default), `sum` or `none`."""

from __future__ import annotations

import math

import numpy as np

from minigen.backend import Array, namespace, on_host
from minigen.functional import moves
from minigen.functional.activation import log_softmax, softplus
from minigen.functional.arguments import out_of_range, refuse, require_floating, warn
from minigen.functional.pointwise import abs, clamp, exp, log, log1p, sigmoid, weighted, where
from minigen.functional.random import ones
from minigen.halves import in_float32
from minigen.kernels import elementwise
from minigen.operation import operation
from minigen.tensor import Tensor, wrap

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy",
    "gaussian_nll_loss", "kl_div", "l1_loss", "mse_loss", "nll_loss", "smooth_l1_loss",
]  # fmt: skip


def _require_reduction(name: str, reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', not {reduction!r}")


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that PyTorch's two older arguments ask for, with a warning, or the given one if
    they are left out."""
    if size_average is None and reduce is None:
        return reduction
    mean = size_average is None or size_average
    reduction = "none" if reduce is not None and not reduce else "mean" if mean else "sum"
    warn(f"size_average and reduce are old names: write reduction={reduction!r}")
    return reduction


def _warn_if_they_broadcast(name: str, input: Tensor, target: Tensor) -> None:
    if isinstance(target, Tensor) and target.shape != input.shape:
        warn(
            f"{name}: input {input.shape} and target {target.shape} differ in shape and broadcast, "
            "which is rarely meant; reshape() one to the other"
        )


def reduced(name: str, loss: Tensor, reduction: str) -> Tensor:
    """The loss, reduced as its function was asked to.

    Raises:
        ValueError: another reduction.
    """
    _require_reduction(name, reduction)
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


@operation(
    elementwise=True,
    g=lambda h, input, target: _error_slope(h, input, target),
    input=lambda h, g: 2 * (h * g),
    target=lambda h, g: -2 * (h * g),
)
def _error_slope(g: Array, input: Array, target: Array) -> Array:
    """2·g·(input − target)"""
    y = input - target
    y *= g
    y *= 2
    return y


@operation(
    elementwise=True,
    input=_error_slope,
    target=lambda g, input, target: _error_slope(g, target, input),
)
def _squared_error(input: Array, target: Array) -> Array:
    """(input − target)²"""
    y = input - target
    y *= y
    return y


@in_float32
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input − target)². Shapes: both the same (or broadcast to each other)."""
    refuse("mse_loss", weight=weight)
    reduction = reduction_of(size_average, reduce, reduction)
    _warn_if_they_broadcast("mse_loss", input, target)
    return reduced("mse_loss", _squared_error(input, target), reduction)


@operation(
    elementwise=True,
    floating=True,
    input=lambda g, input, target: g * (sigmoid(input) - target),
    target=lambda g, input: -g * input,
)
def _bernoulli_nll(input: Array, target: Array) -> Array:
    """−log p(target) under a coin with log-odds `input`: log(1 + eˣ) − target·x, both sides
    without overflow, and exact where it is small: what cancels is subtracted first."""
    y = 0.5 - target  # max(x, 0) − t·x is |x|/2 + (1/2 − t)·x, in passes without a comparison
    y *= input
    z = np.abs(input)
    z *= -0.5
    y -= z
    z *= 2  # −|x|
    y += elementwise.log1p(np.exp(z))
    return y


@in_float32
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """−t·log σ(x) − (1 − t)·log(1 − σ(x)) for logits x and targets t in [0, 1].

    Shapes: input and target the same; weight and pos_weight (which multiplies the first term)
    broadcast to it.

    Raises:
        ValueError: the shapes of input and target differ.
    """
    name = "binary_cross_entropy_with_logits"
    reduction = reduction_of(size_average, reduce, reduction)
    if input.shape != target.shape:
        raise ValueError(f"{name}: input {input.shape} and target {target.shape} must agree")
    if pos_weight is None:
        loss = _bernoulli_nll(input, target)
    else:
        # σ(x) = 1 / (1 + e⁻ˣ), so −log σ(x) = log(1 + e⁻ˣ) = softplus(−x), without the overflow
        # of a σ(x) that is rounded to 0. And 1 − σ(x) is e⁻ˣ·σ(x), so −log of it is x more.
        share = 1 + (pos_weight - 1) * target
        loss = (1 - target) * input + share * softplus(-input, threshold=math.inf)
    return reduced(name, loss if weight is None else loss * weight, reduction)


@in_float32
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−Σ_c t_c · log softmax(input)_c, for a class or for probabilities t.

    Shapes: input (C,) or (N, C, …); target class indices (integers) of that shape without C, or
    probabilities of that shape; weight (C,) scales the classes' terms.

    `mean` divides by the sum of the targets' weights, for probabilities by N. Targets equal to
    `ignore_index` count for nothing; the mean of none is NaN, and its gradient 0. Label smoothing
    mixes the target with the uniform distribution.

    Raises:
        ValueError: shapes do not fit, or the smoothing is no share from 0 to 1.
        IndexError: a target is no class. On a GPU, where looking would mean waiting, its loss is
            NaN instead.
    """
    name = "cross_entropy"
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing must be from 0 to 1, not {label_smoothing}")
    reduction = reduction_of(size_average, reduce, reduction)
    dim, classes, scale = _class_axis(name, input, weight, reduction)
    log_p = log_softmax(input, dim)
    if target.dtype.kind == "f":
        if target.shape != input.shape:
            raise ValueError(
                f"{name}: expected classes, of integers, or probabilities {input.shape}; got "
                f"{target.dtype} {target.shape}"
            )
        soft = target * (1.0 - label_smoothing) + label_smoothing / classes
        loss = -weighted(soft * scale, log_p).sum(dim)
        return reduced(name, loss, reduction)
    return _nll(name, log_p, target, weight, ignore_index, reduction, label_smoothing)


def _nll(
    name: str,
    log_p: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    """−log p of the targets' classes, weighted; and the share `label_smoothing` of it of all."""
    dim, classes, scale = _class_axis(name, log_p, weight, reduction)
    expected = log_p.shape[:dim] + log_p.shape[dim + 1 :]
    if target.dtype.kind not in "iu" or target.shape != expected:
        raise ValueError(
            f"{name}: expected targets of integers {expected}, got {target.dtype} {target.shape}"
        )
    xp = namespace(target._array)
    valid = target._array != ignore_index
    # Where each target counts once, as a rule, nothing is multiplied by how much it counts.
    once = weight is None and on_host(valid) and valid.size > 0 and bool(valid.all())
    index = target if once else wrap(xp.where(valid, target._array, 0))
    counts = None if once else valid.astype(log_p.dtype)
    if not on_host(valid):
        counts[(index._array < 0) | (index._array >= classes)] = math.nan
    elif out_of_range(index._array, classes):
        raise IndexError(f"{name}: targets must be classes from 0 to {classes - 1}")
    index = index.reshape(*expected[:dim], 1, *expected[dim:])
    picked = moves.gather(log_p, index, dim=dim).reshape(expected)
    if once:
        loss = picked * (label_smoothing - 1.0)
        if label_smoothing:
            loss = loss + log_p.sum(dim) * (-label_smoothing / classes)
        return reduced(name, loss, reduction)
    valid = counts = Tensor(counts)
    if weight is not None:
        counts = moves.gather(scale.expand(*log_p.shape), index, dim=dim).reshape(expected) * counts
    loss = weighted(counts * (label_smoothing - 1.0), picked)
    if label_smoothing:
        every = (log_p if weight is None else weighted(scale, log_p)).sum(dim)
        loss = loss + weighted(valid * (-label_smoothing / classes), every)
    if reduction == "mean":
        return _mean_of(loss.sum(), counts.sum())
    return reduced(name, loss, reduction)


@operation(
    elementwise=True,
    total=lambda g, count: g / where(count == 0, math.inf, count),
    count=lambda g, count, y: where(count == 0, 0.0, -g * y / count),
)
def _mean_of(total: Array, count: Array) -> Array:
    """total / count; of nothing NaN, which asks no weight to change: the gradient is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / count * (count / count)  # infinite totals too


def _class_axis(
    name: str, input: Tensor, weight: Tensor | None, reduction: str
) -> tuple[int, int, Tensor | float]:
    """The axis of classes, how many there are, and their weights shaped to meet the input."""
    _require_reduction(name, reduction)
    dim = 0 if input.ndim == 1 else 1
    if input.ndim == 0 or (weight is not None and weight.shape != input.shape[dim : dim + 1]):
        raise ValueError(f"{name}: expected input (N, C, …) and weight (C,), got {input.shape}")
    if weight is None:
        return dim, input.shape[dim], 1.0
    return dim, input.shape[dim], weight.reshape(*[1] * dim, -1, *[1] * (input.ndim - dim - 1))


@in_float32
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input − target|. Shapes: both the same (or broadcast to each other)."""
    refuse("l1_loss", weight=weight)
    reduction = reduction_of(size_average, reduce, reduction)
    _warn_if_they_broadcast("l1_loss", input, target)
    return reduced("l1_loss", abs(input - target), reduction)


@in_float32
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d²/2β for |d| = |input − target| < β, else |d| − β/2 (Girshick 2015).

    Shapes: both the same (or broadcast to each other).

    Raises:
        ValueError: a negative beta.
    """
    name = "smooth_l1_loss"
    reduction = reduction_of(size_average, reduce, reduction)
    if beta < 0:
        raise ValueError(f"{name}: beta must not be negative, not {beta}")
    _warn_if_they_broadcast(name, input, target)
    distance = abs(input - target)
    if beta:
        distance = _rounded_off(distance, beta=float(beta))
    return reduced(name, distance, reduction)


@operation(
    elementwise=True,
    floating=True,
    input=lambda g, input, beta: g * clamp(input, max=beta) * (1 / beta),
)
def _rounded_off(input: Array, *, beta: float) -> Array:
    """d²/2β for a distance d below β, else d − β/2"""
    inner = np.minimum(input, beta)
    return inner * (input - inner * 0.5) * (1 / beta)


def _bce_slope(g: Tensor, input: Tensor, target: Tensor) -> Tensor:
    """(p − t) / (p·(1 − p)), with a denominator of at least 10⁻¹²."""
    return g * (input - target) / clamp((1 - input) * input, min=1e-12)


@operation(
    elementwise=True,
    floating=True,
    input=_bce_slope,
    target=lambda g, input: g * (clamp(log1p(-input), min=-100) - clamp(log(input), min=-100)),
)
def _bce(input: Array, target: Array) -> Array:
    """−t·log p − (1 − t)·log(1 − p), with logarithms of at least −100, as in PyTorch."""
    with np.errstate(divide="ignore"):
        yes, no = np.maximum(np.log(input), -100), np.maximum(np.log1p(-input), -100)
    return (target - 1) * no - target * yes


@in_float32
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """−t·log p − (1 − t)·log(1 − p) for probabilities p and targets t in [0, 1]; logarithms are
    held at −100 or above. Where logits are at hand, `binary_cross_entropy_with_logits` is exact.

    Shapes: input and target the same; weight broadcasts to it.

    Raises:
        ValueError: the shapes differ, or an input or a target is no probability.
    """
    name = "binary_cross_entropy"
    reduction = reduction_of(size_average, reduce, reduction)
    if input.shape != target.shape:
        raise ValueError(f"{name}: input {input.shape} and target {target.shape} must agree")
    # On a GPU, where looking would mean waiting, the logarithm of what is no probability is NaN.
    for what, data in ("inputs", input._array), ("targets", target._array):
        if on_host(data) and data.size and not (data.min() >= 0 and data.max() <= 1):
            low, high = data.min(), data.max()
            raise ValueError(f"{name}: {what} must be probabilities, not {low} to {high}")
    loss = _bce(input, target)
    return reduced(name, loss if weight is None else loss * weight, reduction)


@in_float32
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """−input at the target's class: the negative log-likelihood, for log-probabilities.

    Shapes, weights, `ignore_index` and errors: see `cross_entropy`, which takes logits.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    return _nll("nll_loss", input, target, weight, ignore_index, reduction, 0.0)


@in_float32
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """t·(log t − input): the Kullback–Leibler divergence of log-probabilities `input` from the
    probabilities t = target (or e^target), element by element. Where t is 0 so is the term.

    `batchmean` divides the sum by the length of the first axis, which gives the divergence;
    `mean` divides by the number of elements, which does not.

    Shapes: both the same (or broadcast to each other).
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if log_target:
        loss = weighted(exp(target), target - input)
    else:
        loss = _xlogx(target) - weighted(target, input)
    if reduction == "batchmean":
        return loss.sum() / len(input) if input.ndim else loss.sum()
    return reduced("kl_div", loss, reduction)


@operation(elementwise=True, floating=True, input=lambda g, input: g * (log(input) + 1))
def _xlogx(input: Array) -> Array:
    """x·log x, and 0 at 0."""
    return input * np.log(np.where(input == 0, 1, input))


@in_float32
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """½·(log v + (input − target)²/v), for v = var but at least eps: −log N(target; input, v), but
    for the constant ½·log 2π unless `full`. As in PyTorch, no gradient sees the bound eps.

    Shapes: input and target the same; var broadcasts, or lacks the last axis.

    Raises:
        ValueError: a negative variance, or shapes that do not fit.
    """
    name = "gaussian_nll_loss"
    require_floating(name, input)
    if not isinstance(var, Tensor):
        var = ones(*input.shape, dtype=input.dtype, device=input.device) * var
    if var.shape != input.shape and var.shape == input.shape[:-1]:
        var = var.unsqueeze(-1)
    lengths = zip(var.shape, input.shape, strict=False)
    if var.ndim != input.ndim or any(n not in (1, m) for n, m in lengths):
        raise ValueError(f"{name}: var {var.shape} does not fit input {input.shape}")
    if on_host(var._array) and var._array.size and var._array.min() < 0:
        raise ValueError(f"{name}: a variance is negative: {var._array.min()}")
    # The bound is added as a constant, so that the gradient passes where it binds.
    lift = np.maximum(eps - var._array, 0)
    if not on_host(lift):  # where looking for a negative one would mean waiting
        lift[var._array < 0] = math.nan
    var = var + Tensor(lift)
    difference = input - target
    loss = (log(var) + difference * difference / var) * 0.5
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(name, loss, reduction)
