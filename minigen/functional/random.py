"""Random tensors, and dropout. Every number is a function of the stream's seed and counter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen import backend
from minigen.backend import FLOAT32, Array, Generator, as_array, on_host, require_fit, to_device
from minigen.functional.arguments import lengths, require_floating
from minigen.functional.inplace import assign
from minigen.functional.pointwise import weighted
from minigen.kernels import elementwise, random
from minigen.kernels.cuda import random as cuda_random
from minigen.operation import operation
from minigen.tensor import Tensor, wrap

__all__ = [
    "arange", "dropout", "dropout2d", "eye", "full", "full_like", "ones", "ones_like", "rand",
    "rand_like", "randn", "randn_like", "tensor", "zeros", "zeros_like",
]  # fmt: skip


def tensor(
    data: Any, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of the data (`Tensor(data)` shares an array)."""
    data = data.array if isinstance(data, Tensor) else data
    array = as_array(data, dtype).copy()
    return _made(array if device is None else to_device(array, device), requires_grad)


def _made(array: Array, requires_grad: bool) -> Tensor:
    """A tensor of an array that nobody else has."""
    y = wrap(as_array(array))
    return y.requires_grad_() if requires_grad else y


def _filled(name: str, size: tuple, value: float, dtype: Any, device: str, grad: bool) -> Tensor:
    require_fit(name, value, dtype or FLOAT32)
    return _made(backend.full(lengths(name, size), value, dtype or FLOAT32, device), grad)


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
    """A tensor of independent N(0, 1) numbers (float32 if not told otherwise)."""
    stream = generator or backend.default_generator
    return _made(stream.normal(lengths("randn", size), dtype or FLOAT32, device), requires_grad)


def rand(
    *size: int,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of independent numbers from U[0, 1) (float32 if not told otherwise)."""
    stream = generator or backend.default_generator
    return _made(stream.uniform(lengths("rand", size), dtype or FLOAT32, device), requires_grad)


@operation(input=lambda g, mask, scale: _dropout(g, mask, scale=scale))
def _dropout(input: Array, mask: Array, *, scale: float) -> Array:
    return elementwise.dropout(input, mask, scale)


@operation(input=lambda g, keep, scale, seed, draw: _dropout_drawn(
    g, keep=keep, scale=scale, seed=seed, draw=draw))  # fmt: skip
def _dropout_drawn(input: Array, *, keep: float, scale: float, seed: int, draw: int) -> Array:
    """On a GPU the mask is drawn as it is used, for any derivative anew: none is kept."""
    return cuda_random.dropout(input, keep, scale, seed, draw)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element set to 0 with probability p, the others divided by 1 − p (Srivastava et al.
    2014); the input itself when not training. Shape: that of the input.

    Raises:
        ValueError: p is no probability.
        TypeError: the input does not hold floating-point numbers.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be a probability from 0 to 1, not {p}")
    require_floating("dropout", input)
    if not training or p == 0:
        return input
    shape, scale = input.shape, 1 / (1 - p) if p < 1 else 0.0
    seed, draw = backend.default_generator.reserve()
    if not on_host(input.array):
        y = _dropout_drawn(input, keep=1 - p, scale=scale, seed=seed, draw=draw)
    elif input.ndim == 4:  # drawn pixel by pixel, as images lie in memory
        n, c, h, w = shape
        mask = random.bernoulli((n, h, w, c), 1 - p, seed, draw).transpose(0, 3, 1, 2)
        y = _dropout(input, mask, scale=scale)
    else:
        y = _dropout(input, random.bernoulli(shape, 1 - p, seed, draw), scale=scale)
    return assign("dropout", input, y) if inplace else y


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Whole channels set to 0 with probability p, the others divided by 1 − p (Tompson et al.
    2015). Shapes: (N, C, …).

    Raises:
        ValueError: p is no probability, or the input has no channels.
        TypeError: the input does not hold floating-point numbers.
    """
    if input.ndim < 2:
        raise ValueError(f"dropout2d: expected input (N, C, …), got {input.shape}")
    whole = ones(*input.shape[:2], *[1] * (input.ndim - 2), dtype=input.dtype, device=input.device)
    mask = dropout(whole, p, training)
    y = input if mask is whole else weighted(mask, input)
    return assign("dropout2d", input, y) if inplace else y


def full(
    size: Sequence[int],
    fill_value: float,
    *,
    dtype: Any = None,
    device: str = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of `fill_value`; if not told otherwise float32 for a float, int64 for an integer.

    Raises:
        ValueError: the dtype cannot hold it.
    """
    if isinstance(fill_value, Tensor | np.generic):
        fill_value = fill_value.item()
    dtype = dtype or as_array(fill_value).dtype
    return _filled("full", (size,), fill_value, dtype, device, requires_grad)


def arange(
    start: float,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: Any = None,
    device: str = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """The numbers from `start` (0 if one number is given) up to but without `end`: int64 if all are
    integers, else float32, if not told otherwise.

    Raises:
        ValueError: step is 0 or leads away from `end`, or the dtype cannot hold the numbers.
    """
    start, end = (0, start) if end is None else (start, end)
    if not all(math.isfinite(x) for x in (start, end, step)):
        raise ValueError(f"arange: from {start} to {end} by {step} is no finite number of numbers")
    if step == 0 or (end - start) * step < 0:
        raise ValueError(f"arange: step {step} does not lead from {start} to {end}")
    if dtype is None:
        dtype = as_array(start + end + step).dtype
    dtype = np.dtype(dtype)
    if dtype.kind in "iu":  # each number is cut to a whole one first, as in PyTorch
        count = math.ceil((end - start) / step)
        if dtype == np.int64:
            count = math.ceil((int(end) - int(start)) / int(step))
        values = int(start) + int(step) * np.arange(count)
        for extreme in values[[0, -1]] if values.size else ():
            require_fit("arange", extreme.item(), dtype)
        values = values.astype(dtype)
    else:
        values = np.arange(start, end, step).astype(dtype)
    return _made(to_device(values, device), requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: str = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """The matrix (n, m or n) with ones on its diagonal."""
    lengths("eye", (n, n if m is None else m))
    return _made(to_device(np.eye(n, m, dtype=dtype or FLOAT32), device), requires_grad)


def _like(factory: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same with the shape, dtype and device of another tensor."""

    def like(input: Tensor, *args: Any, dtype: Any = None, device: str | None = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
        made = {"dtype": dtype or input.dtype, "device": device or input.device}
        return factory(input.shape, *args, **made, requires_grad=requires_grad)

    like.__name__ = f"{factory.__name__}_like"
    like.__doc__ = f"`{factory.__name__}` with the shape, dtype and device of `input`."
    return like


zeros_like, ones_like, full_like = _like(zeros), _like(ones), _like(full)
rand_like, randn_like = _like(rand), _like(randn)
