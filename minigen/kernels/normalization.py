"""Batch norm's passes over memory: one for the moments, one to normalise, two for the gradients.

Images are N, H, W, C in memory, so a channel is a column of a matrix with a row for each pixel. It
is taken in blocks of rows that stay in cache; what a formula does with a block costs little
besides reading it. Sums over blocks are added in the order of the blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.backend import Array
from minigen.kernels import limits, memory
from minigen.kernels.cuda import normalization as cuda
from minigen.kernels.pixels import as_images, of_images, repeated, rows, sum_of
from minigen.kernels.threads import in_pieces, scratch


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and (biased) variance of each channel of x (N, C, …), each (C,).

    Each block has its own mean, from which its squares are taken; blocks are put together by Chan,
    Golub and LeVeque (1979), equation 2.1: no digits are lost where the mean is large.
    """
    if not isinstance(x, np.ndarray):
        return cuda.moments(x)

    c = x.shape[1]

    def block(x: Array) -> tuple[Array, Array, Array]:
        n = x.size // c
        mean = sum_of(x, c) / n
        centred = np.subtract(x, repeated(mean, x.shape[1]), out=scratch("block", x.shape, x.dtype))
        return np.full_like(mean, n), mean, sum_of(np.square(centred, out=centred), c)

    parts = _over_blocks(block, rows(of_images(x)))
    if len(parts) == 1:
        ((n, mean, squares),) = parts
        return mean, squares / n
    parts = np.array(parts)  # (blocks, 3, C): count, mean, squares
    counts, means, squares = parts.astype(np.float64).transpose(1, 0, 2)
    n = counts.sum(0)
    mean = (counts * means).sum(0) / n
    var = (squares + counts * np.square(means - mean)).sum(0) / n
    return mean.astype(x.dtype), var.astype(x.dtype)


def affine(x: Array, scale: Array, shift: Array) -> Array:
    """x·scale + shift, where scale and shift (C,) belong to the channels of x (N, C, …)."""
    if not isinstance(x, np.ndarray):
        return cuda.affine(x, scale, shift)
    last = of_images(x)
    x_rows, y = rows(last), memory.empty(last.shape, x.dtype)
    scale, shift = (repeated(v, x_rows.shape[1]) for v in (scale, shift))

    def block(x: Array, y: Array) -> None:
        np.multiply(x, scale, out=y)
        y += shift

    _over_blocks(block, x_rows, rows(y))
    return as_images(y)


def batch_norm_gradients(
    g: Array, x: Array, mean: Array, rstd: Array, weight: Array | None
) -> tuple[Array, Array, Array]:
    """The gradients for the input (N, C, …), the weight and the bias (C,), from that of the
    output, g (N, C, …). With x̂ = (x − mean)·rstd over m elements a channel, and γ the weight:

    ∂b = Σ g,   ∂γ = Σ g·x̂,   ∂x = γ·rstd·(g − ∂b/m − x̂·∂γ/m)
    """
    if not isinstance(x, np.ndarray):
        return cuda.batch_norm_gradients(g, x, mean, rstd, weight)
    last, m = of_images(x), x.size // len(mean)
    g_rows, x_rows, y = rows(of_images(g)), rows(last), memory.empty(last.shape, x.dtype)
    wide_mean = repeated(mean, x_rows.shape[1])

    def sums(g: Array, x: Array) -> tuple[Array, Array]:
        centred = np.subtract(x, wide_mean, out=scratch("block", x.shape, x.dtype))
        return sum_of(g, len(mean)), sum_of(np.multiply(centred, g, out=centred), len(mean))

    d_bias, d_weight = np.add.reduce(_over_blocks(sums, g_rows, x_rows), axis=0)
    d_weight *= rstd
    scale = rstd if weight is None else rstd * weight
    slope, offset = -scale * rstd * d_weight / m, -scale * d_bias / m
    scale, slope, offset = (
        repeated(v, x_rows.shape[1]) for v in (scale, slope, offset - slope * mean)
    )

    def block(g: Array, x: Array, y: Array) -> None:
        np.multiply(x, slope, out=y)
        y += offset
        y += np.multiply(g, scale, out=scratch("block", g.shape, g.dtype))

    _over_blocks(block, g_rows, x_rows, rows(y))
    return as_images(y), d_weight, d_bias


def _over_blocks(work: Callable, *arrays: Array) -> list[Any]:
    """`work` on matching blocks of rows; its results in order."""
    rows, width = arrays[0].shape
    cost = limits.now.of_a_pass * rows * width
    return in_pieces(lambda i, j: work(*[a[i:j] for a in arrays]), rows, width, cost)
