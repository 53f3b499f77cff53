"""Activation functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen.backend import FLOAT32, Array
from minigen.functional.arguments import axis, require_floating, warn
from minigen.functional.inplace import changed
from minigen.functional.pointwise import clamp, converted, exp, expm1, sigmoid, tanh, where
from minigen.halves import in_float32
from minigen.kernels import elementwise
from minigen.kernels import softmax as kernel
from minigen.operation import operation
from minigen.tensor import Tensor

__all__ = [
    "elu", "gelu", "hardtanh", "leaky_relu", "log_softmax", "logsigmoid", "prelu", "relu", "selu",
    "silu", "softmax", "softplus",
]  # fmt: skip


@operation(elementwise=True, g=lambda h, like, slope: _gate(h, like, slope=slope))
def _gate(g: Array, like: Array, *, slope: float) -> Array:
    """g where `like` > 0, slope·g elsewhere: linear in g, and constant in `like` almost
    everywhere."""
    return elementwise.gate(g, like, slope=slope)


# y has the sign of its input for a slope ≥ 0, and the layer above keeps y anyway.
@operation(elementwise=True, input=lambda g, y: _gate(g, y, slope=0.0))
def _relu(input: Array) -> Array:
    return elementwise.relu(input)


@operation(elementwise=True, floating=True, input=lambda g, y, slope: _gate(g, y, slope=slope))
def _leaky_relu(input: Array, *, slope: float) -> Array:
    return elementwise.leaky_relu(input, slope=slope)


@operation(
    elementwise=True,
    g=lambda h, output, alpha: _elu_slope(h, output, alpha=alpha),
    output=lambda h, g, output: where(output < 0, h * g, 0.0),  # 0 at 0, as in PyTorch
)
def _elu_slope(g: Array, output: Array, *, alpha: float) -> Array:
    """g where the output is positive, else g·(output + α), which is g·α·eˣ"""
    return elementwise.elu_slope(g, output, alpha=alpha)


@in_float32  # its slope needs more digits of the output than float16 has
@operation(elementwise=True, floating=True, input=lambda g, y, alpha: _elu_slope(g, y, alpha=alpha))
def _elu(input: Array, *, alpha: float) -> Array:
    return elementwise.elu(input, alpha=alpha)


def _silu_curvature(h: Tensor, g: Tensor, input: Tensor) -> Tensor:
    """σ·(1 − σ)·(2 + x·(1 − 2σ))"""
    s = sigmoid(input)
    return h * g * s * (1 - s) * (2 + input * (1 - 2 * s))


@operation(
    elementwise=True,
    g=lambda h, input, output: _silu_slope(h, input, output),
    input=_silu_curvature,
)
def _silu_slope(g: Array, input: Array, output: Array) -> Array:
    """g·σ·(1 + x·(1 − σ)). The output, x·σ, gives σ without another exponential; that it follows x
    is a part of the curvature."""
    return elementwise.silu_slope(g, input, output)


@in_float32  # its slope needs more digits of the output than float16 has
@operation(elementwise=True, floating=True, input=lambda g, input, y: _silu_slope(g, input, y))
def _silu(input: Array) -> Array:
    return elementwise.silu(input)


def _gelu_curvature(h: Tensor, g: Tensor, input: Tensor) -> Tensor:
    """φ(x)·(2 − x²)"""
    square = input * input
    return h * g * (2 - square) * exp(square * -0.5) * (1 / math.sqrt(2 * math.pi))


@operation(
    elementwise=True,
    g=lambda h, input, output: _gelu_slope(h, input, output),
    input=_gelu_curvature,
)
def _gelu_slope(g: Array, input: Array, output: Array) -> Array:
    """g·(Φ(x) + x·φ(x)), for Φ the distribution function of N(0, 1) and φ its density. The output,
    x·Φ, gives Φ, as above."""
    return elementwise.gelu_slope(g, input, output)


@operation(elementwise=True, floating=True, input=lambda g, input, y: _gelu_slope(g, input, y))
def _gelu(input: Array) -> Array:
    return elementwise.gelu(input)


@operation(elementwise=True, g=lambda h, like, low, high: _inside(h, like, low=low, high=high))
def _inside(g: Array, like: Array, *, low: float, high: float) -> Array:
    """g where `like` lies between the bounds, 0 elsewhere."""
    return elementwise.inside(g, like, low=low, high=high)


@operation(
    elementwise=True, floating=True, input=lambda g, y, low, high: _inside(g, y, low=low, high=high)
)
def _hardtanh(input: Array, *, low: float, high: float) -> Array:
    return np.clip(input, low, high)


@operation(
    elementwise=True,
    g=lambda h, input: _times_sigmoid(h, input),
    input=lambda h, g, input: h * _times_sigmoid(g, input) * sigmoid(-input),
)
def _times_sigmoid(g: Array, input: Array) -> Array:
    """g·σ(input)"""
    return elementwise.times_sigmoid(g, input)


@operation(elementwise=True, floating=True, input=lambda g, input: _times_sigmoid(g, -input))
def logsigmoid(input: Array) -> Array:
    """log σ(input), without overflow."""
    return elementwise.logsigmoid(input)


def _softplus_pullback(g: Tensor, input: Tensor, beta: float, threshold: float) -> Tensor:
    if beta == 1 and threshold >= 20 and input.dtype == FLOAT32:
        return _times_sigmoid(g, input)  # the slope is 1 beyond 17
    z = input * beta
    return where(z > threshold, g, _times_sigmoid(g, z))


@operation(elementwise=True, floating=True, input=_softplus_pullback)
def _softplus(input: Array, *, beta: float, threshold: float) -> Array:
    z = input if beta == 1 else input * beta
    y = elementwise.softplus(z)
    if beta == 1 and threshold >= 20 and input.dtype == FLOAT32:
        return y  # which is the input itself beyond 17: e^−17 is less than half a last digit of it
    if beta != 1:
        y /= beta
    return elementwise.select(z > threshold, input, y) if math.isfinite(threshold) else y


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, input). Shape: that of the input. The derivative at 0 is 0, as in PyTorch."""
    return changed("relu", _relu, input) if inplace else _relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """input where it is positive, else negative_slope · input (Maas et al. 2013).

    Shape: that of the input. The derivative at 0 is negative_slope, as in PyTorch.
    """
    if inplace:
        return changed("leaky_relu", leaky_relu, input, negative_slope)
    if negative_slope < 0:
        return where(input > 0, input, input * negative_slope)
    return _leaky_relu(input, slope=float(negative_slope))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """input where it is positive, else weight · input (He et al. 2015).

    Shapes: input (N, C, …), weight (C,); or any, and a weight of one number.

    Raises:
        ValueError: they do not fit.
    """
    if weight.numel() == 1:
        slope = weight.reshape(())
    elif weight.shape == input.shape[1:2]:
        slope = weight.reshape(-1, *[1] * (input.ndim - 2))
    else:
        raise ValueError(
            f"prelu: expected a weight of one number or {input.shape[1:2]}, got {weight.shape}"
        )
    return where(input > 0, input, input * slope)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta·input)) / beta, and the input itself where beta·input > threshold.

    Shape: that of the input.
    """
    return _softplus(input, beta=float(beta), threshold=float(threshold))


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """input where it is positive, else α·(e^input − 1) (Clevert et al. 2016)."""
    if inplace:
        return changed("elu", elu, input, alpha)
    if alpha < 0:  # the output's sign is not the input's
        return where(input > 0, input, expm1(clamp(input, max=0.0)) * alpha)
    return _elu(input, alpha=float(alpha))


@in_float32
def _selu(input: Tensor) -> Tensor:
    return _elu(input, alpha=1.6732632423543772) * 1.0507009873554805


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """λ·elu(input, α), which keeps mean 0 and variance 1 through layers (Klambauer et al. 2017)."""
    return changed("selu", _selu, input) if inplace else _selu(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """input·σ(input), also called swish (Elfwing et al. 2018)."""
    return changed("silu", _silu, input) if inplace else _silu(input)


@in_float32
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """input·Φ(input), for Φ the distribution function of N(0, 1) (Hendrycks and Gimpel 2016), or
    with approximate="tanh" their approximation of it.

    Raises:
        ValueError: another approximation.
    """
    if approximate == "none":
        return _gelu(input)
    if approximate != "tanh":
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', not {approximate!r}")
    inner = (input + input * input * input * 0.044715) * math.sqrt(2 / math.pi)
    return input * ((tanh(inner) + 1) * 0.5)  # which no large input overflows


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """The input between its bounds, and its nearer bound outside. The gradient at a bound is 0, as
    in PyTorch (that of `clamp` is not).

    Raises:
        ValueError: the bounds are the wrong way round.
    """
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is more than max_val {max_val}")
    if inplace:
        return changed("hardtanh", hardtanh, input, min_val, max_val)
    if input.dtype.kind in "iu":
        return clamp(input, int(min_val), int(max_val))
    return _hardtanh(input, low=float(min_val), high=float(max_val))


def _softmax_curvature(h: Tensor, g: Tensor, shares: Tensor, dim: int) -> Tensor:
    mean, change = ((x * shares).sum(dim, keepdim=True) for x in (g, h))
    return h * (g - mean) - g * change


# Linear in g, and its own transpose.
@operation(g=lambda h, shares, dim: _softmax_slope(h, shares, dim=dim), shares=_softmax_curvature)
def _softmax_slope(g: Array, shares: Array, *, dim: int) -> Array:
    """y·(g − Σ g·y) along axis `dim`, for y the shares."""
    return kernel.softmax_slope(g, shares, dim)


@operation(input=lambda g, y, dim: _softmax_slope(g, y, dim=dim))
def _softmax(input: Array, *, dim: int) -> Array:
    return kernel.softmax(input, dim)


def _usual_dim(name: str, ndim: int) -> int:
    """The axis that PyTorch takes where none is named."""
    dim = 0 if ndim in (0, 1, 3) else 1
    warn(f"{name}: no dim was given; write dim={dim} if that is meant")
    return dim


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """e^input / Σ e^input along axis `dim`, of the input in that `dtype`; without `dim`, which
    warns, along axis 0 of 0, 1 or 3 axes and else 1. Shape: that of the input."""
    input = input if dtype is None else converted(input, dtype)
    require_floating("softmax", input)
    dim = _usual_dim("softmax", input.ndim) if dim is None else dim
    return _softmax(input, dim=axis("softmax", dim, input.ndim))


@operation(
    g=lambda h, logs, dim: h - (h * logs.exp()).sum(dim, keepdim=True),
    logs=lambda h, g, logs, dim: -h * logs.exp() * g.sum(dim, keepdim=True),
)
def _log_softmax_slope(g: Array, logs: Array, *, dim: int) -> Array:
    """g − e^y·Σ g along axis `dim`, for y the logarithms."""
    return kernel.log_softmax_slope(g, logs, dim)


@operation(input=lambda g, y, dim: _log_softmax_slope(g, y, dim=dim))
def _log_softmax(input: Array, *, dim: int) -> Array:
    return kernel.log_softmax(input, dim)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """input − log Σ e^input along axis `dim`, of the input in that `dtype`, without overflow.
    Shape, and what is done without `dim`: as in `softmax`."""
    input = input if dtype is None else converted(input, dtype)
    require_floating("log_softmax", input)
    dim = _usual_dim("log_softmax", input.ndim) if dim is None else dim
    return _log_softmax(input, dim=axis("log_softmax", dim, input.ndim))
