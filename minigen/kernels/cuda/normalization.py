"""Batch norm's passes over memory on the GPU; normalization.cu draws them. The functions are those
of `minigen.kernels.normalization`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen.backend import Array, namespace
from minigen.kernels.cuda.launch import (
    KERNELS,
    ceil_div,
    contiguous,
    kernel,
    multiprocessors,
    type_name,
)
from minigen.kernels.pixels import as_images

FILE = "normalization.cu"
COLUMNS, ROWS = 32, 8  # blockDim
NAMES = (
    "moments_of_pieces", "moments_of_channels", "affine",
    "gradient_of_pieces", "gradient_of_channels", "gradient_of_input",
)  # fmt: skip
KERNELS[FILE] = tuple(f"{name}<{t}>" for name in NAMES for t in ("float", "double"))
LONGEST = 512  # rows that a thread of a sum walks over before another block takes its share


def _rows(x: Array) -> Array:
    """(N, C, …) as a matrix with a row for each pixel, or for several where channels are few: a
    view if x lies in memory with its channels last."""
    pixels, channels = x.size // x.shape[1], x.shape[1]
    last = contiguous(x.transpose(0, *range(2, x.ndim), 1))
    together = math.gcd(pixels, 64) if channels < COLUMNS else 1
    return last.reshape(pixels // together, channels * together)


def _images(rows: Array, shape: tuple[int, ...]) -> Array:
    """Back to (N, C, …)."""
    return as_images(rows.reshape(shape[0], *shape[2:], shape[1]))


def _run(name: str, like: Array, grid: tuple[int, ...], *args: Any) -> None:
    args = [np.int32(a) if isinstance(a, int) else a for a in args]
    kernel(FILE, f"{name}<{type_name(like)}>")(grid, (COLUMNS, ROWS), tuple(args))


def _pieces(rows: Array) -> tuple[int, int]:
    """Into how many pieces the rows are cut, and the rows of a piece: eight blocks for each
    multiprocessor if there is so much to do."""
    height, width = rows.shape
    wanted = ceil_div(8 * multiprocessors(rows.device.id), ceil_div(width, COLUMNS))
    pieces = min(max(wanted, ceil_div(height, LONGEST * ROWS)), ceil_div(height, 4 * ROWS), 65535)
    piece = ceil_div(height, pieces)
    return ceil_div(height, piece), piece


def _grid(rows: Array) -> tuple[int, int]:
    """The grid of a pass that writes as much as it reads: four rows a thread."""
    height, width = rows.shape
    return ceil_div(width, COLUMNS), min(ceil_div(height, 4 * ROWS), 65535)


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and (biased) variance of each channel of x (N, C, …), each (C,). The same bits every
    time."""
    xp, channels, x = namespace(x), x.shape[1], _rows(x)
    (height, width), (count, piece) = x.shape, _pieces(x)
    parts = xp.empty((count, 3, width), x.dtype)
    mean, var = xp.empty(channels, x.dtype), xp.empty(channels, x.dtype)
    grid = (ceil_div(width, COLUMNS), count)
    _run("moments_of_pieces", x, grid, x, parts, height, width, piece)
    grid = (ceil_div(channels, COLUMNS),)
    _run("moments_of_channels", x, grid, parts, mean, var, count, width, channels)
    return mean, var


def affine(x: Array, scale: Array, shift: Array) -> Array:
    """x·scale + shift, where scale and shift (C,) belong to the channels of x (N, C, …)."""
    xp, shape, x = namespace(x), x.shape, _rows(x)
    y = xp.empty(x.shape, x.dtype)
    scale, shift = contiguous(scale), contiguous(shift)
    if x.size:
        _run("affine", x, _grid(x), x, scale, shift, y, *x.shape, shape[1])
    return _images(y, shape)


def batch_norm_gradients(
    g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
) -> tuple[Array, Array, Array]:
    """The gradients for the input (N, C, …), the weight and the bias (C,), from that of the
    output, g (N, C, …). With x̂ = (x − mean)·rstd over m elements a channel, and γ the weight:

    ∂b = Σ g,   ∂γ = Σ g·x̂,   ∂x = γ·rstd·(g − ∂b/m − x̂·∂γ/m)
    """
    xp, shape, channels = namespace(x), x.shape, x.shape[1]
    g, x = _rows(g), _rows(x)
    mean, rstd = contiguous(mean), contiguous(rstd)
    weight = None if weight is None else contiguous(weight)
    (height, width), (count, piece) = x.shape, _pieces(x)
    parts = xp.empty((count, 2, width), x.dtype)
    d_weight, d_bias = xp.empty(channels, x.dtype), xp.empty(channels, x.dtype)
    dx = xp.empty(x.shape, x.dtype)
    grid = (ceil_div(width, COLUMNS), count)
    _run("gradient_of_pieces", x, grid, g, x, mean, parts, height, width, channels, piece)
    grid = (ceil_div(channels, COLUMNS), 2)
    _run("gradient_of_channels", x, grid, parts, rstd, d_weight, d_bias, count, width, channels)
    args = (g, x, mean, rstd, weight, d_weight, d_bias, dx, height, width, channels)
    _run("gradient_of_input", x, _grid(x), *args)
    return _images(dx, shape), d_weight, d_bias
