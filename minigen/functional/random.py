"""Random tensors, and dropout. Every number is a function of the stream's seed and counter."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen import backend
from minigen.backend import (
    FLOAT32,
    FLOAT64,
    INT64,
    Array,
    Generator,
    as_array,
    on_host,
    require_fit,
    to_device,
)
from minigen.functional.arguments import SEQUENCES, lengths, require_floating
from minigen.functional.inplace import assign
from minigen.functional.pointwise import weighted
from minigen.kernels import elementwise, random
from minigen.kernels.cuda import random as cuda_random
from minigen.operation import operation
from minigen.tape import recording
from minigen.tensor import Tensor, wrap

__all__ = [
    "arange", "as_tensor", "bernoulli", "dropout", "dropout2d", "empty", "empty_like", "eye",
    "from_numpy", "full", "full_like", "is_tensor", "linspace", "multinomial", "normal", "ones",
    "ones_like", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm",
    "tensor", "zeros", "zeros_like",
]  # fmt: skip


def tensor(
    data: Any, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with a copy of the data (`Tensor(data)` shares an array)."""
    data = data._array if isinstance(data, Tensor) else data
    array = as_array(data, dtype).copy()
    return _made(array if device is None else to_device(array, device), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: str | None = None) -> Tensor:
    """A tensor on the data's memory where that is possible, or the tensor itself; with its history,
    if it has one."""
    data = data if isinstance(data, Tensor) else Tensor(data)
    return data.to(dtype=dtype, device=device)


def is_tensor(obj: Any) -> bool:
    """Whether it is a tensor."""
    return isinstance(obj, Tensor)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor on the array's memory: who writes into one changes the other.

    Raises:
        TypeError: it is no array of NumPy.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected an array of NumPy, got {type(ndarray).__name__}")
    return Tensor(ndarray)


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


def empty(*size: int, **how: Any) -> Tensor:
    """A tensor to be overwritten: `zeros`, where PyTorch's holds anything."""
    return zeros(*size, **how)


def randn(
    *size: int,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of independent N(0, 1) numbers (float32 if not told otherwise)."""
    stream = backend.stream_of(generator)
    return _made(stream.normal(lengths("randn", size), dtype or FLOAT32, device), requires_grad)


def rand(
    *size: int,
    generator: Generator | None = None,
    dtype: Any = None,
    device: str = "cpu",
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of independent numbers from U[0, 1) (float32 if not told otherwise)."""
    stream = backend.stream_of(generator)
    return _made(stream.uniform(lengths("rand", size), dtype or FLOAT32, device), requires_grad)


def randint(
    low: Any = 0, high: Any = None, size: Any = None, *,
    generator: Generator | None = None, dtype: Any = None, **how: Any,
) -> Tensor:  # fmt: skip
    """A tensor of independent whole numbers, each from `low` to `high` − 1 with equal probability
    (int64 if not told otherwise): `randint(high, size)` or `randint(low, high, size)`.

    Raises:
        ValueError: there is no such number, or the dtype cannot hold it.
        TypeError: no size is given.
    """
    if isinstance(high, SEQUENCES):
        high, size = None, high
    low, high = (0, int(low)) if high is None else (int(low), int(high))
    if size is None:
        raise TypeError("randint: no size was given; write randint(low, high, size)")
    if not low < high:
        raise ValueError(f"randint: no whole number is from {low} to below {high}")
    for bound in (low, high - 1):
        require_fit("randint", bound, dtype or INT64)
    stream = backend.stream_of(generator)
    steps = stream.uniform(lengths("randint", (size,)), FLOAT64) * (high - low)
    return tensor(low + np.asarray(steps).astype(INT64), dtype=dtype, **how)


def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = None, **how: Any
) -> Tensor:
    """The whole numbers from 0 to n − 1 in random order (int64 if not told otherwise)."""
    stream = backend.stream_of(generator)
    order = stream.uniform(lengths("randperm", (n,)), FLOAT64).argsort(kind="stable")
    return tensor(order, dtype=dtype or INT64, **how)


def normal(
    mean: Tensor | float, std: Tensor | float = 1.0, size: Sequence[int] | None = None, **how: Any
) -> Tensor:
    """Independent numbers from N(mean, std²), of a shape for two numbers, or for each element of
    tensors, which broadcast and get no gradient. What else can be said is as in `randn`.

    Raises:
        TypeError: two numbers, and no size.
        ValueError: a negative std.
    """
    tensors = [x.detach() for x in (mean, std) if isinstance(x, Tensor)]
    if not isinstance(std, Tensor) and std < 0:
        raise ValueError(f"normal: std must not be negative, not {std}")
    if size is None and not tensors:
        raise TypeError("normal: two numbers need a size: normal(mean, std, size)")
    if tensors:
        size = np.broadcast_shapes(*[x.shape for x in tensors])
        how = {"dtype": tensors[0].dtype, "device": tensors[0].device} | how
    y = randn(size, **how)
    with recording(False):
        return y.copy_(y * std + mean)


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that the input is, else 0, in the input's dtype.

    Raises:
        ValueError: an input is no probability.
    """
    require_floating("bernoulli", input)
    return empty_like(input).bernoulli_(input, generator=generator)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Places (int64) drawn with the input's probabilities, which need not add up to 1; without
    replacement none twice.

    Shapes: input (C,) or (N, C) -> (num_samples,) or (N, num_samples).

    Raises:
        ValueError: another shape, probabilities that are none, or too few to draw that many.
    """
    require_floating("multinomial", input)
    p = np.asarray(to_device(input._array, "cpu"), FLOAT64)
    if input.ndim not in (1, 2):
        raise ValueError(f"multinomial: expected probabilities (C,) or (N, C), got {input.shape}")
    if not (np.isfinite(p).all() and (p >= 0).all()):
        raise ValueError("multinomial: a probability is negative, infinite or NaN")
    positive = (p > 0).sum(-1).min(initial=p.shape[-1])
    if num_samples < 1 or positive < (1 if replacement else num_samples):
        raise ValueError(f"multinomial: {num_samples} of {positive} places that have a probability")
    stream = backend.stream_of(generator)
    if replacement:
        ends = p.cumsum(-1)
        u = stream.uniform((*p.shape[:-1], num_samples), FLOAT64) * ends[..., -1:]
        drawn = (u[..., None] >= ends[..., None, :]).sum(-1)
    else:  # of clocks with these rates those that ring first
        with np.errstate(divide="ignore", invalid="ignore"):
            rings = -np.log1p(-stream.uniform(p.shape, FLOAT64)) / p
        drawn = np.where(p > 0, rings, math.inf).argsort(-1, kind="stable")[..., :num_samples]
    return tensor(drawn, dtype=INT64, device=input.device)


@operation(input=lambda g, mask, scale: _dropout(g, mask, scale=scale))
def _dropout(input: Array, mask: Array, *, scale: float) -> Array:
    return elementwise.dropout(input, mask, scale=scale)


@operation(input=lambda g, keep, scale, seed, draw: _dropout_drawn(
    g, keep=keep, scale=scale, seed=seed, draw=draw))  # fmt: skip
def _dropout_drawn(input: Array, *, keep: float, scale: float, seed: int, draw: int) -> Array:
    """On a GPU the mask is drawn as it is used, for any derivative anew: none is kept."""
    return cuda_random.dropout(input, keep, scale, seed, draw)


def _mask(shape: tuple[int, ...], keep: float, seed: int, draw: int) -> Array:
    def run(first: int, count: int) -> Array:
        return random.bernoulli((count,), keep, seed, draw, first)

    return backend.dealt(backend.default_generator, shape, run)


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
    if not on_host(input._array) and backend.dealt.now is backend.dealt.plain:
        y = _dropout_drawn(input, keep=1 - p, scale=scale, seed=seed, draw=draw)
    else:
        if input.ndim == 4:  # drawn pixel by pixel, as images lie in memory
            n, c, h, w = shape
            mask = _mask((n, h, w, c), 1 - p, seed, draw).transpose(0, 3, 1, 2)
        else:
            mask = _mask(shape, 1 - p, seed, draw)
        y = _dropout(input, to_device(mask, input.device), scale=scale)
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


def linspace(start: float, end: float, steps: int, *, dtype: Any = None, **how: Any) -> Tensor:
    """`steps` numbers at equal distances from `start` to `end`, both included (float32 if not told
    otherwise). For whole ones both ends are cut off first, and what is between them after, counted
    from the nearer end, as in PyTorch."""
    (count,), dtype = lengths("linspace", (steps,)), np.dtype(dtype or FLOAT32)
    start, end = float(start), float(end)
    values = np.linspace(start, end, count)
    if dtype.kind in "iu" and count > 1:
        start, end, places = int(start), int(end), np.arange(count)
        step = (end - start) / (count - 1)
        values = np.where(places < count // 2, start + step * places, end - step * places[::-1])
    return tensor(values.astype(dtype), **how)


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


def randint_like(input: Tensor, low: int, high: int | None = None, **how: Any) -> Tensor:
    """`randint` with the shape, dtype and device of `input`."""
    how = {"dtype": input.dtype, "device": input.device} | how
    return randint(*((0, low) if high is None else (low, high)), input.shape, **how)


zeros_like, ones_like, full_like = _like(zeros), _like(ones), _like(full)
rand_like, randn_like, empty_like = _like(rand), _like(randn), _like(empty)
