"""Normalisation: to mean 0 and variance 1, over a batch, an example or parts of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from minigen.backend import Array
from minigen.functional.arguments import Dims, refuse, require_floating
from minigen.functional.linear import same_dtype
from minigen.functional.pointwise import clamp
from minigen.functional.reduction import mean, norm, var
from minigen.halves import in_float32
from minigen.kernels import normalization as kernels
from minigen.modes import no_grad
from minigen.operation import operation
from minigen.tape import is_grad_enabled
from minigen.tensor import Tensor, increment_version, wrap

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "normalize"]


def _channels(values: Tensor, ndim: int) -> Tensor:
    """(C,) as (1, C, 1, …), to meet a tensor of `ndim` axes."""
    return values.reshape(1, -1, *[1] * (ndim - 2))


def _normalization_pullback(
    g: Tensor, input: Tensor, weight: Tensor | None, parts, size, batch, eps, moments
) -> tuple[Tensor, Tensor | None, Tensor]:
    """With x̂ = (x − mean)·rstd over m elements, y = γ·x̂ + b and rstd = (var + ε)^−½:

    ∂b = Σ g,   ∂γ = Σ g·x̂,   ∂x = rstd·(γ·g − mean(γ·g) − x̂·mean(γ·g·x̂))

    The first two are read off y. When x changes by dx, its spread changes too, by
    d var = 2·mean((x − mean)·dx), and so d rstd = −½·rstd³·d var = −rstd²·mean(x̂·dx). In all

    dx̂ = rstd·(dx − mean dx) + (x − mean)·d rstd = rstd·(dx − mean dx − x̂·mean(x̂·dx)).

    As a matrix this is symmetric. So its transpose, which takes γ·g to ∂x, is the same formula with
    γ·g for dx.
    """
    if not is_grad_enabled():
        flat = None if weight is None else weight._array
        found = kernels.gradients_in(parts, g._array, input._array, flat, *moments, size)
        return tuple(wrap(d) for d in found)
    # For a second derivative mean and variance are functions of the input.
    shape, x, g = input.shape, input.reshape(parts), g.reshape(parts)
    pixels = tuple(range(3, len(parts)))
    over = (*((0,) if batch else ()), 2, *pixels)
    centred = x - x.mean(over, keepdim=True)
    rstd = ((centred * centred).mean(over, keepdim=True) + eps) ** -0.5
    normal = centred * rstd
    d_bias, d_weight = g.sum((0, *pixels)), (g * normal).sum((0, *pixels))
    g = g if weight is None else g * weight.reshape(*parts[1:3], *[1] * len(pixels))
    inner = g - g.mean(over, keepdim=True) - normal * (g * normal).mean(over, keepdim=True)
    found = rstd * inner, d_weight, d_bias
    shapes = shape, size, size
    return tuple(d.reshape(shape) for d, shape in zip(found, shapes, strict=True))


@operation(joint=_normalization_pullback)
def _normalization(
    input: Array, weight: Array | None, bias: Array | None,
    *, parts: tuple[int, ...], size: tuple[int, ...], batch: bool, eps: float, moments: list,
) -> Array:  # fmt: skip
    """(input − mean)·rstd·weight + bias, with weight and bias of one `size`.

    The input is seen in `parts`, (N, groups, channels of a group, …). Each group has its mean and
    variance, in each example or in the `batch`; they are left in `moments`, for the pullback.
    """
    y, found = kernels.normalized_in(parts, input, weight, bias, eps, batch, size)
    moments[:] = [found]
    return y


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
    n, c = _examples_and_channels("batch_norm", input, weight, bias, **running)
    if not training:
        _require_running("batch_norm", "training", running)
        return _with_running(input, running_mean, running_var, weight, bias, eps)
    if (count := input.numel() // max(c, 1)) == 1:
        raise ValueError(
            f"batch_norm: more than one value for each channel is needed when training, not "
            f"{input.shape}"
        )
    moments: list = []
    y = _normalization(
        input, weight, bias,
        parts=(n, c, 1, *input.shape[2:]), size=(c,), batch=True, eps=eps, moments=moments,
    )  # fmt: skip
    move_running(running_mean, running_var, moments[0], count, momentum)
    return y


def move_running(
    running_mean: Tensor | None,
    running_var: Tensor | None,
    moments: kernels.Moments,
    count: int,
    momentum: float,
) -> None:
    """Move running statistics in place by the share `momentum` towards those of a batch with so
    many values a channel."""
    mean, var, _ = moments
    unbiased = var * (count / max(count - 1, 1))
    for seen, batch in ((running_mean, mean), (running_var, unbiased)):
        if seen is not None and count:
            statistic = seen._array
            statistic *= 1 - momentum
            statistic += momentum * batch[0]
            increment_version(seen)


def count_batch(seen: Tensor) -> None:
    """Add 1 to a count of batches, in place."""
    count = seen._array
    count += 1
    increment_version(seen)


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
    require_floating("layer_norm", input)
    dtype = input.dtype
    for name, t in ("weight", weight), ("bias", bias):
        if t is not None and t.shape != shape:
            raise ValueError(f"layer_norm: expected {name} {shape}, got {t.shape}")
        if t is not None and t.dtype is not dtype:
            same_dtype("layer_norm", input=input, weight=weight, bias=bias)
    parts = math.prod(input.shape[:lead]), 1, math.prod(shape)
    return _normalization(
        input, weight, bias, parts=parts, size=shape, batch=False, eps=eps, moments=[]
    )


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
    parts = n, num_groups, c // num_groups, *input.shape[2:]
    return _normalization(
        input, weight, bias, parts=parts, size=(c,), batch=False, eps=eps, moments=[]
    )


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
    n, c = _examples_and_channels(name, input, weight, bias, **running)
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
    parts = n, c, 1, *input.shape[2:]
    return _normalization(
        input, weight, bias, parts=parts, size=(c,), batch=False, eps=eps, moments=[]
    )


def _examples_and_channels(
    name: str, input: Tensor, weight: Tensor | None, bias: Tensor | None, **others: Tensor | None
) -> tuple[int, int]:
    require_floating(name, input)
    if input.ndim < 2:
        raise ValueError(f"{name}: expected input (N, C, …), got {input.shape}")
    named = {**others, "weight": weight, "bias": bias}
    channels, dtype = input.shape[1:2], input.dtype
    for what, t in named.items():
        if t is not None and t.shape != channels:
            raise ValueError(f"{name}: expected {what} {channels}, got {t.shape}")
        if t is not None and t.dtype is not dtype:
            same_dtype(name, input=input, **named)
    return input.shape[:2]


@in_float32
def normalize(
    input: Tensor, p: float = 2.0, dim: Dims = 1, eps: float = 1e-12, out: None = None
) -> Tensor:
    """The input divided by its p-norm over `dim`, or by eps where that is larger."""
    refuse("normalize", out=out)
    return input / clamp(norm(input, p, dim, keepdim=True), min=eps)
