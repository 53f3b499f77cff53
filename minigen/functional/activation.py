"""Activation functions."""

from __future__ import annotations

import math

import numpy as np

from minigen.backend import Array
from minigen.functional.arguments import axis, refuse
from minigen.functional.pointwise import sigmoid, where
from minigen.operation import operation
from minigen.tensor import Tensor


@operation(
    elementwise=True,
    g=lambda h, y, slope: _gate(h, y, slope=slope),
)
def _gate(g: Array, y: Array, *, slope: float) -> Array:
    """g where y > 0, slope·g elsewhere: linear in g, and constant in y almost everywhere."""
    return g * np.where(y > 0, g.dtype.type(1), g.dtype.type(slope))


# y has the sign of its input for a slope ≥ 0, and the layer above keeps y anyway.
@operation(elementwise=True, input=lambda g, y: _gate(g, y, slope=0.0))
def _relu(input: Array) -> Array:
    return np.maximum(input, 0)


@operation(elementwise=True, input=lambda g, y, slope: _gate(g, y, slope=slope))
def _leaky_relu(input: Array, *, slope: float) -> Array:
    # One of the two is the answer: the larger one for a slope up to 1.
    return (np.maximum if slope <= 1 else np.minimum)(input, input * slope)


def _softplus_pullback(g: Tensor, input: Tensor, beta: float, threshold: float) -> Tensor:
    z = input * beta
    return where(z > threshold, g, g * sigmoid(z))


@operation(elementwise=True, floating=True, input=_softplus_pullback)
def _softplus(input: Array, *, beta: float, threshold: float) -> Array:
    z = input * beta
    y = (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))) / beta
    return np.where(z > threshold, input, y) if math.isfinite(threshold) else y


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(0, input). Shape: that of the input. The derivative at 0 is 0, as in PyTorch."""
    refuse("relu", inplace=inplace)
    return _relu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """input where it is positive, else negative_slope · input (Maas et al. 2013).

    Shape: that of the input. The derivative at 0 is negative_slope, as in PyTorch.
    """
    refuse("leaky_relu", inplace=inplace)
    if negative_slope < 0:
        return where(input > 0, input, input * negative_slope)
    return _leaky_relu(input, slope=float(negative_slope))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + e^(beta·input)) / beta, and the input itself where beta·input > threshold.

    Shape: that of the input.
    """
    return _softplus(input, beta=float(beta), threshold=float(threshold))


def _softmax_pullback(g: Tensor, y: Tensor, dim: int) -> Tensor:
    return y * (g - (g * y).sum(dim, keepdim=True))


@operation(input=_softmax_pullback)
def _softmax(input: Array, *, dim: int) -> Array:
    e = np.exp(input - input.max(axis=dim, keepdims=True, initial=-math.inf))
    return e / e.sum(axis=dim, keepdims=True)


def softmax(input: Tensor, dim: int, _stacklevel: int = 3, dtype: None = None) -> Tensor:
    """e^input / Σ e^input along axis `dim`. Shape: that of the input."""
    refuse("softmax", dtype=dtype)
    return _softmax(input, dim=axis("softmax", dim, input.ndim))


@operation(input=lambda g, y, dim: g - y.exp() * g.sum(dim, keepdim=True))
def _log_softmax(input: Array, *, dim: int) -> Array:
    shifted = input - input.max(axis=dim, keepdims=True, initial=-math.inf)
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


def log_softmax(input: Tensor, dim: int, _stacklevel: int = 3, dtype: None = None) -> Tensor:
    """input − log Σ e^input along axis `dim`, without overflow. Shape: that of the input."""
    refuse("log_softmax", dtype=dtype)
    return _log_softmax(input, dim=axis("log_softmax", dim, input.ndim))
