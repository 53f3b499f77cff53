"""Losses, as formulas of their inputs, then reduced: `mean` (default), `sum` or `none`."""

from __future__ import annotations

import numpy as np

from minigen.backend import Array, namespace
from minigen.functional.activation import log_softmax, softplus
from minigen.functional.arguments import refuse
from minigen.functional.pointwise import sigmoid
from minigen.functional.shape import _gather
from minigen.operation import operation
from minigen.tensor import Tensor


def _reduced(name: str, loss: Tensor, reduction: str) -> Tensor:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', not {reduction!r}")
    return {"mean": loss.mean, "sum": loss.sum, "none": lambda: loss}[reduction]()


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input − target)². Shapes: both the same (or broadcast to each other)."""
    refuse("mse_loss", size_average=size_average, reduce=reduce, weight=weight)
    difference = input - target
    return _reduced("mse_loss", difference * difference, reduction)


@operation(
    elementwise=True,
    input=lambda g, input, target: g * (sigmoid(input) - target),
    target=lambda g, input: -g * input,
)
def _bernoulli_nll(input: Array, target: Array) -> Array:
    """−log p(target) under a coin with log-odds `input`: log(1 + eˣ) − target·x, both sides
    without overflow."""
    y = np.log1p(np.exp(-np.abs(input)))
    y += np.maximum(input, 0)
    y -= input * target
    return y


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
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
    refuse(name, size_average=size_average, reduce=reduce)
    if input.shape != target.shape:
        raise ValueError(f"{name}: input {input.shape} and target {target.shape} must agree")
    if pos_weight is None:
        loss = _bernoulli_nll(input, target)
    else:
        # −log σ(x) = log(1 + e⁻ˣ) and −log(1 − σ(x)) = x + log(1 + e⁻ˣ)
        share = 1 + (pos_weight - 1) * target
        loss = (1 - target) * input + share * softplus(-input, threshold=float("inf"))
    return _reduced(name, loss if weight is None else loss * weight, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """−Σ_c t_c · log softmax(input)_c, for a class or for probabilities t.

    Shapes: input (C,) or (N, C, …); target class indices (integers) of that shape without C, or
    probabilities of that shape; weight (C,) scales the classes' terms.

    `mean` divides by the sum of the targets' weights, for probabilities by N. Targets equal to
    `ignore_index` count for nothing. Label smoothing mixes the target with the uniform
    distribution.

    Raises:
        ValueError: shapes do not fit.
        IndexError: a target is no class.
    """
    name = "cross_entropy"
    refuse(name, size_average=size_average, reduce=reduce)
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{name}: reduction must be 'mean', 'sum' or 'none', not {reduction!r}")
    dim = 0 if input.ndim == 1 else 1
    if input.ndim == 0 or (weight is not None and weight.shape != input.shape[dim : dim + 1]):
        raise ValueError(f"{name}: expected input (N, C, …) and weight (C,), got {input.shape}")
    classes = input.shape[dim]
    log_p = log_softmax(input, dim)
    scale = 1.0
    if weight is not None:
        scale = weight.reshape(*[1] * dim, -1, *[1] * (input.ndim - dim - 1))
    uniform = (log_p * scale).sum(dim) * (-label_smoothing / classes) if label_smoothing else 0.0
    if target.dtype.kind == "f":
        if target.shape != input.shape:
            raise ValueError(f"{name}: probabilities {target.shape} for an input {input.shape}")
        loss = (log_p * target * scale).sum(dim) * (label_smoothing - 1.0) + uniform
        if reduction == "mean":
            return loss.sum() / (loss._data.size // (1 if dim == 0 else 1) or 1)
        return _reduced(name, loss, reduction)
    if target.dtype.kind not in "iu" or target.shape != input.shape[:dim] + input.shape[dim + 1 :]:
        raise ValueError(
            f"{name}: expected targets of integers {input.shape[:dim] + input.shape[dim + 1 :]}, "
            f"got {target.dtype} {target.shape}"
        )
    xp = namespace(target.data)
    valid = target.data != ignore_index
    index = xp.where(valid, target.data, 0)
    if index.size and (index.min() < 0 or index.max() >= classes):
        raise IndexError(f"{name}: targets must be classes from 0 to {classes - 1}")
    place = xp.expand_dims(index, dim)
    valid = Tensor(valid.astype(log_p.dtype))
    counts = valid if weight is None else _gather(scale.expand(*input.shape), place, dim=dim)
    counts = counts if weight is None else counts.squeeze(dim) * valid
    picked = _gather(log_p, place, dim=dim).squeeze(dim)
    loss = picked * counts * (label_smoothing - 1.0) + uniform * valid
    if reduction == "mean":
        return loss.sum() / counts.sum()
    return _reduced(name, loss, reduction)
