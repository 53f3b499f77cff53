"""Sums of each channel, and a number for each, of images whose channels lie together in memory.

NumPy's inner loop goes along the last axis, and wants it long: with 16 channels it takes four times
as long as with 1,024. So 64 pixels make a row (`limits.together`), or what their number can be
divided by.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from minigen.backend import Array, memory_order
from minigen.kernels import limits, memory
from minigen.kernels.threads import LOCKED, in_pieces, single_threaded_blas


def of_images(x: Array) -> Array:
    """Images (N, C, …) as (N, …, C), the order that they have in memory."""
    pixels = x.transpose(0, *range(2, x.ndim), 1)
    if pixels.flags.c_contiguous:
        return pixels
    y = memory.empty(pixels.shape, x.dtype)
    few = x.shape[1] <= limits.now.planar

    def some(i: int, j: int) -> None:
        if not few:
            y[i:j] = pixels[i:j]
            return
        for channel in range(x.shape[1]):  # NumPy's inner loop would go along the few channels
            y[i:j, ..., channel] = x[i:j, channel]

    in_pieces(some, len(x), x[:1].size, limits.now.of_a_pass * x.size)
    return y


def as_images(pixels: Array) -> Array:
    """(N, …, C) as images (N, C, …): a view."""
    return pixels.transpose(0, pixels.ndim - 1, *range(1, pixels.ndim - 1))


def assign(to: Array, x: Array) -> None:
    """to[...] = x, both (…, C): all channels of a pixel as one item if they lie side by side: NumPy
    copies short items in a tenth to nine tenths of the time of their numbers."""
    channels = x.shape[-1]
    size = channels * x.itemsize
    together = x.strides[-1] == to.strides[-1] == x.itemsize
    if together and x.itemsize < size <= limits.now.item and x.size > LOCKED * channels:
        to, x = to.view(_item(size)), x.view(_item(size))  # of which `LOCKED` counts
    np.copyto(to, x)


_item = functools.lru_cache(256)(lambda size: np.dtype((np.void, size)))


def rows(pixels: Array) -> Array:
    """(…, C) as a matrix of rows, each of several pixels with their channels: a view, if it can
    be one."""
    count, channels = math.prod(pixels.shape[:-1]), pixels.shape[-1]
    long = in_a_row(count, channels, limits.now.row)
    together = max(math.gcd(count, limits.now.together), long)
    return pixels.reshape(count // together, together * channels)


@functools.lru_cache(256)
def in_a_row(pixels: int, channels: int, long: int) -> int:
    """How many of these pixels make a row: as many as make it `long`, but not so many that what
    stands beside the rows costs as much as they do."""
    together = 1
    for n in range(1, math.isqrt(pixels) + 1):
        if pixels % n == 0:
            together = n
            if n * channels >= long:
                break
    return together


def repeated(values: Array, row: int) -> Array:
    """(C,) once for each pixel of a row of so many numbers."""
    return np.broadcast_to(values, (row // len(values), len(values))).ravel()


@functools.lru_cache(64)
def ones(count: int, dtype: np.dtype) -> Array:
    """So many ones, which nobody may write: rows · ones are the rows' sums."""
    found = np.ones(count, dtype)
    found.flags.writeable = False
    return found


def sum_of(block: Array, channels: int) -> Array:
    """(…, C), over the pixels of rows (…, rows, numbers): products with ones, since BLAS adds
    several rows at a time."""
    with single_threaded_blas():
        of_rows = ones(block.shape[-2], block.dtype)
        # `dot` gives up the interpreter's lock, `matmul` not always (see blas.py).
        row = of_rows.dot(block) if block.ndim == 2 else of_rows @ block
        return sum_of_row(row, channels)


def sum_of_row(row: Array, channels: int) -> Array:
    """(…, C), over the pixels of a row (…, numbers), inside `single_threaded_blas`."""
    pixels = row.shape[-1] // channels
    if pixels == 1:
        return row
    return ones(pixels, row.dtype) @ row.reshape(*row.shape[:-1], pixels, channels)


def sum_over(images: Array) -> Array:
    """The sums of the channels (C,) of images (N, C, …)."""
    channels = images.shape[1]
    if not images.size:
        return np.zeros(channels, images.dtype)
    pixels = rows(of_images(images))
    cost = limits.now.of_a_pass * images.size
    sums = in_pieces(lambda i, j: sum_of(pixels[i:j], channels), *pixels.shape, cost)
    return np.add.reduce(sums)


def sum_along(x: Array, axes: tuple[int, ...]) -> Array | None:
    """The sums over axes that lie side by side in memory, by products with ones; None where they do
    not, or where so many products of their own would not pay."""
    order = memory_order(x.strides)
    # One number after the other is added to those along the innermost axis. So float32 loses digits
    # of a long sum, and of a count above 2²⁴ everything: parts of it are added up, then those.
    inner = order[-1] if order else None
    steps = {axis: x.shape[axis] for axis in axes if axis != inner}
    cuts = -(-math.prod(steps.values()) // limits.now.by_pieces)
    if cuts > 1:
        longest = max(steps, key=steps.__getitem__)
        parts = np.array_split(x, min(cuts, steps[longest]), longest)
        sums = [(sum_along(part, axes), part) for part in parts]
        return np.add.reduce([part.sum(axes) if s is None else s for s, part in sums])
    last, places = x.transpose(order), sorted(map(order.index, axes))
    if not (places and last.flags.c_contiguous and places[-1] - places[0] < len(places)):
        return None
    first, end = places[0], places[-1] + 1
    count, after = math.prod(last.shape[first:end]), math.prod(last.shape[end:])
    if count > limits.now.by_pieces or (after > 1 and count * after < limits.now.row):
        return None
    block = last.reshape(-1, count, after)
    with single_threaded_blas():
        of_count = ones(count, x.dtype)
        sums = block[:, :, 0].dot(of_count) if after == 1 else of_count @ block
    kept = [axis for axis in order if axis not in axes]
    return sums.reshape([x.shape[axis] for axis in kept]).transpose(np.argsort(kept))


def add(pixels: Array, values: Array) -> None:
    """pixels (…, C) += values (C,)"""
    if pixels.size and pixels.flags.c_contiguous:
        pixels = rows(pixels)
        values = repeated(values, pixels.shape[1])
    pixels += values
