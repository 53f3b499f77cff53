"""Normalisation over a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from minigen.backend import FLOAT16, FLOAT32, Array
from minigen.functional.arguments import Dims, refuse, require_floating
from minigen.functional.linear import same_dtype
from minigen.functional.pointwise import clamp
from minigen.functional.reduction import mean, norm, var
from minigen.halves import in_float32
from minigen.kernels import normalization as kernels
from minigen.modes import no_grad
from minigen.operation import operation
from minigen.tape import is_grad_enabled
from minigen.tensor import Tensor, increment_version

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "normalize"]


def _other_axes(ndim: int) -> tuple[int, ...]:
    """All axes but that of the channels."""
    return (0, *range(2, ndim))


def _channels(values: Tensor, ndim: int) -> Tensor:
    """(C,) as (1, C, 1, …), to meet a tensor of `ndim` axes."""
    return values.reshape(1, -1, *[1] * (ndim - 2))


def _batch_norm_pullback(
    g: Tensor, input: Tensor, weight: Tensor | None, mean: Array, rstd: Array, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """With x̂ = (x − mean)·rstd over m elements a channel, y = γ·x̂ + b and rstd = (var + ε)^−½:

    ∂b = Σ g,   ∂γ = Σ g·x̂,   ∂x = γ·rstd·(g − ∂b/m − x̂·∂γ/m)

    The first two are read off y. When x changes by dx, its spread changes too, by
    d var = 2·mean((x − mean)·dx), and so d rstd = −½·rstd³·d var = −rstd²·mean(x̂·dx). In all

    dx̂ = rstd·(dx − mean dx) + (x − mean)·d rstd = rstd·(dx − mean dx − x̂·mean(x̂·dx)).

    As a matrix this is symmetric. So its transpose, which takes γ·g to ∂x, is the same formula with
    γ·g for dx, and its means are ∂b/m and ∂γ/m.
    """
    if not is_grad_enabled():
        arrays = kernels.batch_norm_gradients(
            g._array, input._array, mean, rstd, None if weight is None else weight._array
        )
        d_input, d_weight, d_bias = map(Tensor, arrays)
        return d_input, None if weight is None else d_weight, d_bias
    # For a second derivative mean and variance are functions of the input.
    axes, m = _other_axes(g.ndim), g.numel() // g.shape[1]
    centred = input - input.mean(axes, keepdim=True)
    rstd_ = ((centred * centred).mean(axes, keepdim=True) + eps) ** -0.5
    normal = centred * rstd_
    d_bias, d_weight = g.sum(axes, keepdim=True), (g * normal).sum(axes, keepdim=True)
    scale = rstd_ if weight is None else rstd_ * _channels(weight, g.ndim)
    d_input = scale * (g - d_bias / m - normal * (d_weight / m))
    return d_input, None if weight is None else d_weight.reshape(-1), d_bias.reshape(-1)


@operation(joint=_batch_norm_pullback)
def _batch_norm(
    input: Array, weight: Array | None, bias: Array | None, *, mean: Array, rstd: Array, eps: float
) -> Array:
    scale = rstd if weight is None else rstd * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return kernels.affine(input, scale, shift)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel shifted and scaled to mean 0 and variance 1, then by weight and bias
    (Ioffe and Szegedy 2015).

    Shapes: input (N, C, …); running_mean, running_var, weight and bias (C,).

    When training, mean and variance are the batch's own, and the running ones move towards them
    in place by the share `momentum` (towards the unbiased variance, as in PyTorch); an empty batch
    leaves them as they are. Otherwise the running ones are used.

    Raises:
        ValueError: shapes do not fit; a single value for each channel when training; no running
            statistics when not training.
        TypeError: dtypes differ, or are not of floating-point numbers.
    """
    running = {"running_mean": running_mean, "running_var": running_var}
    _, c = _examples_and_channels("batch_norm", input, weight, bias, **running)
    if not training:
        _require_running("batch_norm", "training", running)
        return _with_running(input, running_mean, running_var, weight, bias, eps)
    if not input.numel():
        return _channelwise(input, weight, bias)
    count = input.numel() // c
    if count == 1:
        raise ValueError(
            f"batch_norm: more than one value for each channel is needed when training, not "
            f"{input.shape}"
        )
    data = input._array
    mean, var = kernels.moments(data.astype(FLOAT32) if data.dtype == FLOAT16 else data)
    for seen, batch in ((running_mean, mean), (running_var, var * (count / (count - 1)))):
        if seen is not None:
            statistic = seen.array
            statistic *= 1 - momentum
            statistic += momentum * batch
            increment_version(seen)
    rstd = 1 / np.sqrt(var + eps)
    return _batch_norm(input, weight, bias, mean=mean, rstd=rstd, eps=eps)


def _require_running(name: str, otherwise: str, running: dict[str, Tensor | None]) -> None:
    if any(t is None for t in running.values()):
        raise ValueError(f"{name}: without {otherwise}, {' and '.join(running)} are needed")


@in_float32
def _with_running(
    input: Tensor, mean: Tensor, var: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    scale = (var + eps) ** -0.5
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return input * _channels(scale, input.ndim) + _channels(shift, input.ndim)


def _standardize_pullback(g: Tensor, input: Tensor, y: Tensor, dims, eps) -> Tensor:
    """rstd·(g − mean g − y·mean(g·y)), as for batch norm, where rstd is a function of the input."""
    centred = input - input.mean(dims, keepdim=True)
    rstd = ((centred * centred).mean(dims, keepdim=True) + eps) ** -0.5
    return rstd * (g - g.mean(dims, keepdim=True) - y * (g * y).mean(dims, keepdim=True))


@operation(input=_standardize_pullback)
def _standardize(input: Array, *, dims: tuple[int, ...], eps: float) -> Array:
    """Mean 0 and variance 1 (but for eps) over the axes `dims`."""
    n = math.prod([input.shape[d] for d in dims]) or 1
    y = input - input.sum(axis=dims, keepdims=True) / n
    y /= np.sqrt(np.square(y).sum(axis=dims, keepdims=True) / n + eps)
    return y


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


@in_float32
def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Each example shifted and scaled to mean 0 and variance 1 over its last axes, then by weight
    and bias (Ba et al. 2016).

    Shapes: input (…, *normalized_shape), weight and bias normalized_shape.

    Raises:
        ValueError: shapes do not fit.
    """
    shape = tuple(normalized_shape)
    lead = input.ndim - len(shape)
    if not shape or lead < 0 or input.shape[lead:] != shape:
        raise ValueError(f"layer_norm: the last axes of {input.shape} are not {shape}")
    for name, t in {"weight": weight, "bias": bias}.items():
        if t is not None and t.shape != shape:
            raise ValueError(f"layer_norm: expected {name} {shape}, got {t.shape}")
    require_floating("layer_norm", input)
    return _affine(_standardize(input, dims=tuple(range(lead, input.ndim)), eps=eps), weight, bias)


@in_float32
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Groups of channels of each example shifted and scaled to mean 0 and variance 1, then each
    channel by weight and bias (Wu and He 2018).

    Shapes: input (N, C, …), weight and bias (C,).

    Raises:
        ValueError: the groups do not divide the channels, or shapes do not fit.
    """
    n, c = _examples_and_channels("group_norm", input, weight, bias)
    if num_groups < 1 or c % num_groups:
        raise ValueError(f"group_norm: {num_groups} groups do not divide {c} channels")
    grouped = input.reshape(n, num_groups, c // num_groups, *input.shape[2:])
    y = _standardize(grouped, dims=tuple(range(2, grouped.ndim)), eps=eps).reshape(input.shape)
    return _channelwise(y, weight, bias)


@in_float32
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Each channel of each example shifted and scaled to mean 0 and variance 1 over its pixels,
    then by weight and bias (Ulyanov et al. 2016).

    Shapes: input (N, C, …); running_mean, running_var, weight and bias (C,).

    Running statistics, where given, move in place by the share `momentum` towards the examples'
    mean and unbiased variance, averaged over the examples; without `use_input_stats` they are used
    instead, and stay.

    Raises:
        ValueError: shapes do not fit, there is one pixel, or no running statistics where they are
            to be used.
        TypeError: dtypes differ, or are not of floating-point numbers.
    """
    name, running = "instance_norm", {"running_mean": running_mean, "running_var": running_var}
    _examples_and_channels(name, input, weight, bias, **running)
    if not use_input_stats:
        _require_running(name, "use_input_stats", running)
        return _with_running(input, running_mean, running_var, weight, bias, eps)
    axes, pixels = tuple(range(2, input.ndim)), math.prod(input.shape[2:])
    if pixels == 1:
        raise ValueError(f"{name}: more than one pixel is needed, not {input.shape}")
    with no_grad():
        for seen, moment in ((running_mean, mean), (running_var, var)):
            if seen is not None and input.numel():
                seen.mul_(1 - momentum).add_(moment(input, axes).mean(0), alpha=momentum)
    return _channelwise(_standardize(input, dims=axes, eps=eps), weight, bias)


def _examples_and_channels(
    name: str, input: Tensor, weight: Tensor | None, bias: Tensor | None, **others: Tensor | None
) -> tuple[int, int]:
    require_floating(name, input)
    if input.ndim < 2:
        raise ValueError(f"{name}: expected input (N, C, …), got {input.shape}")
    named = {**others, "weight": weight, "bias": bias}
    for what, t in named.items():
        if t is not None and t.shape != input.shape[1:2]:
            raise ValueError(f"{name}: expected {what} {input.shape[1:2]}, got {t.shape}")
    same_dtype(name, input=input, **named)
    return input.shape[:2]


def _channelwise(y: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    return _affine(
        y,
        None if weight is None else _channels(weight, y.ndim),
        None if bias is None else _channels(bias, y.ndim),
    )


@in_float32
def normalize(
    input: Tensor, p: float = 2.0, dim: Dims = 1, eps: float = 1e-12, out: None = None
) -> Tensor:
    """The input divided by its p-norm over `dim`, or by eps where that is larger."""
    refuse("normalize", out=out)
    return input / clamp(norm(input, p, dim, keepdim=True), min=eps)
