"""Random numbers made on the GPU: the very bits of `minigen.backend.Generator` on the CPU.

They are a function of a seed and the number of the draw, so a mask need not be kept: `dropout` of
the value and of any derivative makes it anew. Normal numbers are not made here: NumPy draws them by
a rejection method, whose steps cannot be counted beforehand.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.backend import Array, namespace
from minigen.kernels.cuda.launch import KERNELS, ceil_div, contiguous, cupy, kernel, type_name

FILE, THREADS = "random.cu", 256
KERNELS[FILE] = (
    "bernoulli",
    "dropout<float>",
    "dropout<double>",
    "uniform_float",
    "uniform_double",
)


def _key(seed: int, draw: int) -> list[Any]:
    """What Philox is given: a key of 128 bits and one word of the counter."""
    if not 0 <= draw < 2**64:
        raise ValueError(f"the number of a draw must be from 0 to 2^64 - 1, not {draw}")
    return [np.uint64(n) for n in (seed % 2**64, seed >> 64, draw)]


def _run(name: str, size: int, at_a_time: int, *args: Any) -> None:
    if size:
        blocks = ceil_div(ceil_div(size, at_a_time), THREADS)
        kernel(FILE, name)((blocks,), (THREADS,), args)


def bernoulli(shape: tuple[int, ...], p: float, seed: int, draw: int) -> Array:
    """An array of truth values, each true with probability `p` (to within 2⁻³²)."""
    y = cupy().empty(shape, np.bool_)
    threshold = np.uint64(round(p * 2**32))
    _run("bernoulli", y.size, 8, y, np.int64(y.size), threshold, *_key(seed, draw))
    return y


def uniform(shape: tuple[int, ...], dtype: Any, seed: int, draw: int) -> Array:
    """An array of U[0, 1), float32 or float64."""
    y = cupy().empty(shape, dtype)
    name = f"uniform_{type_name(y)}"
    _run(name, y.size, 8 if y.itemsize == 4 else 4, y, np.int64(y.size), *_key(seed, draw))
    return y


def dropout(x: Array, p: float, scale: float, seed: int, draw: int) -> Array:
    """scale·x where `bernoulli` with probability `p` is true, else 0. Images (N, C, H, W) are drawn
    pixel by pixel, as they lie in memory; the result lies in memory in the same order."""
    images = x.ndim == 4
    x = contiguous(x.transpose(0, 2, 3, 1) if images else x)
    y = namespace(x).empty(x.shape, x.dtype)
    threshold = np.uint64(round(p * 2**32))
    args = (np.int64(x.size), threshold, *_key(seed, draw), x.dtype.type(scale))
    _run(f"dropout<{type_name(x)}>", x.size, 8, x, y, *args)
    return y.transpose(0, 3, 1, 2) if images else y
