"""Dropout on the GPU: its mask is the very bits of `minigen.backend.Generator` on the CPU.

They are a function of a seed and the number of the draw, so a mask need not be stored: `dropout` of
the value and of any derivative makes it anew. Normal numbers are not made here: NumPy draws them by
a rejection method, whose steps cannot be counted beforehand.
"""

from __future__ import annotations

import numpy as np

from minigen.backend import Array, namespace
from minigen.kernels.cuda.launch import KERNELS, ceil_div, contiguous, kernel, type_name

FILE, THREADS = "random.cu", 256
KERNELS[FILE] = ("dropout<float>", "dropout<double>")


def dropout(x: Array, p: float, scale: float, seed: int, draw: int) -> Array:
    """scale·x where `minigen.kernels.random.bernoulli` with probability `p` is true, else 0. Images
    (N, C, H, W) are drawn pixel by pixel, as they lie in memory; the result lies in memory in the
    same order."""
    if not 0 <= draw < 2**64:
        raise ValueError(f"the number of a draw must be from 0 to 2^64 - 1, not {draw}")
    images = x.ndim == 4
    x = contiguous(x.transpose(0, 2, 3, 1) if images else x)
    y = namespace(x).empty(x.shape, x.dtype)
    if x.size:
        # Philox takes a key of 128 bits and one word of the counter.
        numbers = [np.uint64(n) for n in (round(p * 2**32), seed % 2**64, seed >> 64, draw)]
        blocks = ceil_div(x.size, 8 * THREADS)
        args = (x, y, np.int64(x.size), *numbers, x.dtype.type(scale))
        kernel(FILE, f"dropout<{type_name(x)}>")((blocks,), (THREADS,), args)
    return y.transpose(0, 3, 1, 2) if images else y
