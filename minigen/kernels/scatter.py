"""Convolutions that scatter: each input pixel is multiplied by all taps at once, and the products
are added to the outputs that they belong to. That is for filters of few outputs, whose windows
would be large beside the products, and for images of few pixels, whose windows would be mostly
margin.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np

from minigen.backend import Array
from minigen.kernels import limits, memory
from minigen.kernels.blas import is_finite
from minigen.kernels.phases import Pair, margins
from minigen.kernels.problem import Map
from minigen.kernels.threads import over_images, single_threaded_blas


def scatter(what: Map, x: Array, w: Array, bias: Array | None) -> Array | None:
    """x (N, H, W, I), w (O, I, R, S), or for a transposed convolution (I, O, R, S) ->
    (N, *size, O): input pixel p adds its product with tap r to p·stride + offsets[r].

    None for filters of `conv2d` that are not finite: what they would make of the margin is left
    out.
    """
    margin = not what.transposed and any(what.problem.padding)
    if margin and not is_finite(np.ascontiguousarray(w)):
        return None
    (n, height, width, channels), outputs, (taps_y, taps_x) = x.shape, what.outputs, w.shape[2:]
    by_tap = w.transpose((2, 3, 1, 0) if what.transposed else (2, 3, 0, 1))  # (R, S, O, I)
    w2 = np.ascontiguousarray(by_tap).reshape(taps_y * taps_x * outputs, channels)
    y = memory.empty((n, *what.size, outputs), x.dtype)
    low, frame, inner = _frame(what)

    # Small images go several at a time: a call of NumPy's costs more than adding a small plane.
    # Large ones go some rows at a time.
    per_row = len(w2) * width * x.itemsize
    at_a_time = max(1, limits.now.products_at_a_time // per_row)
    together, band = max(1, at_a_time // height), min(height, at_a_time)

    @single_threaded_blas()
    def work(_: int, first: int, last: int) -> None:
        for lo in range(first, last, together):
            hi = min(last, lo + together)
            total = memory.empty((outputs, hi - lo, *frame), x.dtype)
            total[...] = 0 if bias is None else bias[:, None, None, None]
            for top in range(0, height, band):
                some = x[lo:hi, top : top + band]
                planes = memory.empty((taps_y, taps_x, outputs, *some.shape[:3]), x.dtype)
                # (R·S·O, I) @ (I, images·H·W)
                pixels = some.reshape(planes[0, 0, 0].size, channels)
                np.matmul(w2, pixels.T, out=planes.reshape(len(w2), len(pixels)))
                for r, s, rows, columns in _places(what, low):
                    from_top = slice(rows.start + top * rows.step, rows.stop, rows.step)
                    at = total[:, :, from_top, columns][:, :, : some.shape[1]]
                    np.add(at, planes[r, s], out=at)
            y[lo:hi] = total[:, :, inner[0], inner[1]].transpose(1, 2, 3, 0)

    over_images(work, n, x.size * len(w2))
    return y


def scatter_pixels(what: Map, x: Array, w: Array, bias: Array | None) -> Array:
    """x (N, H, W, I), w (I, O, R, S) -> (N, *size, O), as `scatter`, of few pixels to many
    channels: the filters, which are larger than the images, are taken as they are, and threads
    share them out."""
    n, height, width, channels = x.shape
    outputs, taps = w.shape[1], w.shape[2:]
    y = memory.empty((n, *what.size, outputs), x.dtype)
    frame, blocks, (top, left) = _blocks(what)
    pixels = x.reshape(n * height * width, channels)

    @single_threaded_blas()
    def work(_: int, first: int, last: int) -> None:
        some = w[:, first:last].reshape(channels, (last - first) * math.prod(taps))
        planes = memory.empty((n, height, width, last - first, *taps), x.dtype)
        # (pixels, I) @ (I, O·R·S); BLAS takes ten times as long as a product of I = 1 needs
        times = np.multiply if channels == 1 else np.matmul
        times(pixels, some, out=planes.reshape(len(pixels), some.shape[1]))
        inner = y[..., first:last]
        total = inner
        if frame != what.size:
            total = memory.empty((n, *frame, last - first), x.dtype)
        total[...] = 0 if bias is None else bias[first:last]
        for (some_rows, y0, sy, ys), (some_columns, x0, sx, xs) in itertools.product(*blocks):
            at = total[:, y0 : y0 + height * sy, x0 : x0 + width * sx]
            if sy == sx == 1:
                np.add(at, planes[..., some_rows.start, some_columns.start], out=at)
                continue
            at = at.reshape(n, height, sy, width, sx, last - first)[:, :, ys, :, xs]
            found = planes[..., some_rows, some_columns].transpose(0, 1, 4, 2, 5, 3)
            np.add(at, found, out=at)
        if total is not inner:
            inner[...] = total[:, top, left]

    over_images(work, outputs, x.size * outputs * math.prod(taps))
    return y


@functools.lru_cache(maxsize=1024)
def _frame(what: Map) -> tuple[Pair, Pair, list[slice]]:
    """The margin before the output, and the size with margins, of all that pixels are added to;
    where in it the output is."""
    axes = zip(what.source, what.problem.stride, what.offsets, strict=True)
    reaches = [(min(to), max(to) + (length - 1) * step) for length, step, to in axes]
    low, frame = margins(reaches, what.size)
    return low, frame, [slice(a, a + n) for a, n in zip(low, what.size, strict=True)]


@functools.lru_cache(maxsize=1024)
def _blocks(what: Map) -> tuple[Pair, list[list[tuple[slice, int, int, slice]]], list[slice]]:
    """What all pixels are added to, as `_frame` has it, in blocks of a stride that each pixel has
    for itself: taps that meet the same block are added at once. For such taps along each axis:
    which they are, where the first block begins, how long one is, and what they meet in it."""
    low, frame, inner = _frame(what)
    axes, sizes = [], []
    for lo, taps, length, step, size in zip(
        low, what.offsets, what.source, what.problem.stride, frame, strict=True
    ):
        step = step if length > 1 else len(taps) * taps.step
        count = max(1, step // taps.step)
        axes.append([])
        for first in range(0, len(taps), count):
            some = taps[first : first + count]
            met = slice(0, len(some) * taps.step, taps.step)
            axes[-1].append((slice(first, first + len(some)), lo + some[0], step, met))
            size = max(size, lo + some[0] + length * step)
        sizes.append(size)
    return tuple(sizes), axes, inner


@functools.lru_cache(maxsize=1024)
def _places(what: Map, low: Pair) -> list[tuple[int, int, slice, slice]]:
    """For each tap, where in the frame the pixels of an image are added."""
    places = []
    for r, oy in enumerate(what.offsets[0]):
        for s, ox in enumerate(what.offsets[1]):
            axes = zip(low, (oy, ox), what.source, what.problem.stride, strict=True)
            rows, columns = (
                slice(lo + o, lo + o + (length - 1) * step + 1, step)
                for lo, o, length, step in axes
            )
            places.append((r, s, rows, columns))
    return places
