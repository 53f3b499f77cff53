"""Normalisation over a batch."""

from __future__ import annotations

import numpy as np

from minigen.backend import Array
from minigen.operation import operation
from minigen.tensor import Tensor, increment_version, is_grad_enabled


def _other_axes(ndim: int) -> tuple[int, ...]:
    """All axes but that of the channels."""
    return (0, *range(2, ndim))


def _channels(values: Tensor | Array, ndim: int) -> Tensor | Array:
    """(C,) as (1, C, 1, …), to meet a tensor of `ndim` axes."""
    return values.reshape(1, -1, *[1] * (ndim - 2))


def _batch_norm_pullback(
    g: Tensor, input: Tensor, weight: Tensor | None, mean: Array, rstd: Array, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """With x̂ = (x − mean)·rstd over m elements a channel, and γ the weight:

    ∂b = Σ g,   ∂γ = Σ g·x̂,   ∂x = γ·rstd·(g − ∂b/m − x̂·∂γ/m)
    """
    axes, m = _other_axes(g.ndim), g._data.size // g.shape[1]
    if is_grad_enabled():  # a second derivative: mean and variance are functions of the input
        centred = input - input.mean(axes, keepdim=True)
        rstd_ = ((centred * centred).mean(axes, keepdim=True) + eps) ** -0.5
    else:
        centred = input - Tensor(_channels(mean, g.ndim))
        rstd_ = Tensor(_channels(rstd, g.ndim))
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
    y = input * _channels(scale, input.ndim)
    y += _channels(shift, input.ndim)
    return y


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and (biased) variance of each channel. Sums are taken image by image first: adding
    millions of float32 numbers one after the other would lose digits."""
    inner = tuple(range(2, x.ndim))
    mean = x.mean(axis=inner).mean(axis=0)
    centred = x - _channels(mean, x.ndim)
    return mean, np.square(centred, out=centred).mean(axis=inner).mean(axis=0)


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
    in place by the share `momentum` (towards the unbiased variance, as in PyTorch). Otherwise the
    running ones are used.

    Raises:
        ValueError: shapes do not fit; a single value for each channel when training; no running
            statistics when not training.
    """
    if input.ndim < 2:
        raise ValueError(f"batch_norm: expected input (N, C, …), got {input.shape}")
    c, ndim = input.shape[1], input.ndim
    named = {
        "running_mean": running_mean,
        "running_var": running_var,
        "weight": weight,
        "bias": bias,
    }
    for name, t in named.items():
        if t is not None and t.shape != (c,):
            raise ValueError(f"batch_norm: expected {name} {(c,)}, got {t.shape}")
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError(
                "batch_norm: without training, running_mean and running_var are needed"
            )
        scale = (running_var + eps) ** -0.5
        scale = scale if weight is None else scale * weight
        shift = -running_mean * scale if bias is None else bias - running_mean * scale
        return input * _channels(scale, ndim) + _channels(shift, ndim)
    count = input._data.size // max(c, 1)
    if count <= 1:
        raise ValueError(
            f"batch_norm: more than one value for each channel is needed when training, not "
            f"{input.shape}"
        )
    mean, var = _moments(input._data)
    for running, batch in ((running_mean, mean), (running_var, var * (count / (count - 1)))):
        if running is not None:
            running._data *= 1 - momentum
            running._data += momentum * batch
            increment_version(running)
    rstd = 1 / np.sqrt(var + eps)
    return _batch_norm(input, weight, bias, mean=mean, rstd=rstd, eps=eps)
