"""Random tensors, and dropout. Every number is a function of the stream's seed and counter."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen import backend
from minigen.backend import FLOAT32, Array, Generator, as_array, to_device
from minigen.functional.arguments import refuse, sizes
from minigen.operation import operation
from minigen.tensor import Tensor


def tensor(
    data: Any, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of the data (`Tensor(data)` shares an array)."""
    data = data.data if isinstance(data, Tensor) else data
    return Tensor(as_array(data, dtype).copy(), requires_grad, device=device)


def _filled(name: str, size: tuple, value: float, dtype: Any, device: str, grad: bool) -> Tensor:
    array = np.full(sizes(name, size), value, dtype or FLOAT32)
    return Tensor(to_device(array, device), grad)


def zeros(
    *size: int, dtype: Any = None, device: str = "cpu", requires_grad: bool = False
) -> Tensor:
    """A tensor of zeros (float32 if not told otherwise)."""
    return _filled("zeros", size, 0, dtype, device, requires_grad)


def ones(*size: int, dtype: Any = None, device: str = "cpu", requires_grad: bool = False) -> Tensor:
    """A tensor of ones (float32 if not told otherwise)."""
    return _filled("ones", size, 1, dtype, device, requires_grad)


def randn(
    *size: int,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of independent N(0, 1) numbers (float32 or float64)."""
    stream = generator or backend.default_generator
    return Tensor(stream.normal(sizes("randn", size), dtype or FLOAT32, device), requires_grad)


def rand(
    *size: int,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of independent numbers from U[0, 1) (float32 or float64)."""
    stream = generator or backend.default_generator
    return Tensor(stream.uniform(sizes("rand", size), dtype or FLOAT32, device), requires_grad)


@operation(input=lambda g, mask, scale: _dropout(g, mask, scale=scale))
def _dropout(input: Array, mask: Array, *, scale: float) -> Array:
    y = input * scale
    y *= mask
    return y


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element set to 0 with probability p, the others divided by 1 − p (Srivastava et al.
    2014); the input itself when not training. Shape: that of the input.

    Raises:
        ValueError: p is no probability.
    """
    refuse("dropout", inplace=inplace)
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be a probability from 0 to 1, not {p}")
    if not training or p == 0:
        return input
    shape = input.shape
    if input.ndim == 4:  # drawn pixel by pixel, as images lie in memory
        n, c, h, w = shape
        mask = backend.default_generator.bernoulli((n, h, w, c), 1 - p, input.device)
        mask = mask.transpose(0, 3, 1, 2)
    else:
        mask = backend.default_generator.bernoulli(shape, 1 - p, input.device)
    return _dropout(input, mask, scale=1 / (1 - p) if p < 1 else 0.0)
