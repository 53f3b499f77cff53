"""Convolutions that scatter: each input pixel is multiplied by all taps at once, and the products
are added to the outputs that they belong to. That is for filters of few outputs, whose windows
would be large beside the products, and for images of few pixels, whose windows would be mostly
margin.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from minigen.backend import Array
from minigen.kernels import memory
from minigen.kernels.simple import Pair
from minigen.kernels.threads import over_images, scratch, single_threaded_blas

BUFFER = 1 << 19  # bytes of products at a time


def scatter(
    x: Array,  # (N, H, W, C)
    w: Array,  # (R, S, C, O)
    size: Pair,
    stride: Pair,
    offsets: tuple[range, range],
    bias: Array | None,
) -> Array:
    """y (N, *size, O): input pixel p adds its product with tap r to p·stride + offsets[r]."""
    n, height, width, channels = x.shape
    taps_y, taps_x, _, outputs = w.shape
    w2 = np.ascontiguousarray(w.transpose(0, 1, 3, 2)).reshape(taps_y * taps_x * outputs, channels)
    y = memory.empty((n, *size, outputs), x.dtype)
    low, frame = _frame(size, (height, width), stride, offsets)

    # Small images go several at a time: a call of NumPy's costs more than adding a small plane.
    together = max(1, BUFFER // (len(w2) * height * width * x.itemsize))

    @single_threaded_blas()
    def work(_: int, first: int, last: int) -> None:
        for lo in range(first, last, together):
            hi = min(last, lo + together)
            planes = scratch("windows", (taps_y, taps_x, outputs, hi - lo, height, width), x.dtype)
            total = scratch("frame", (outputs, hi - lo, *frame), x.dtype)
            # (R·S·O, C) @ (C, images·H·W)
            pixels = x[lo:hi].reshape((hi - lo) * height * width, channels)
            np.matmul(w2, pixels.T, out=planes.reshape(len(w2), len(pixels)))
            total[...] = 0 if bias is None else bias[:, None, None, None]
            for r, s, rows, columns in _places(low, (height, width), stride, offsets):
                at = total[:, :, rows, columns]
                np.add(at, planes[r, s], out=at)
            inner = total[:, :, low[0] : low[0] + size[0], low[1] : low[1] + size[1]]
            y[lo:hi] = inner.transpose(1, 2, 3, 0)

    over_images(work, n, x.size * len(w2))
    return y


def scatter_pixels(
    x: Array,  # (N, H, W, C)
    w: Array,  # (C, O, R, S)
    size: Pair,
    stride: Pair,
    offsets: tuple[range, range],
    bias: Array | None,
) -> Array:
    """y (N, *size, O), as `scatter`, of few pixels to many channels: the filters, which are larger
    than the images, are taken as they are, and threads share them out."""
    n, height, width, channels = x.shape
    outputs = w.shape[1]
    taps = w.shape[2:]
    y = memory.empty((n, *size, outputs), x.dtype)
    low, frame = _frame(size, (height, width), stride, offsets)
    pixels = x.reshape(n * height * width, channels)

    @single_threaded_blas()
    def work(_: int, first: int, last: int) -> None:
        some = w[:, first:last].reshape(channels, (last - first) * math.prod(taps))
        planes = scratch("windows", (n, height, width, last - first, *taps), x.dtype)
        # (pixels, C) @ (C, O·R·S); BLAS takes ten times as long as a product of C = 1 needs
        times = np.multiply if channels == 1 else np.matmul
        times(pixels, some, out=planes.reshape(len(pixels), some.shape[1]))
        inner = y[..., first:last]
        total = inner
        if frame != size:
            total = scratch("frame", (n, *frame, last - first), x.dtype)
        total[...] = 0 if bias is None else bias[first:last]
        if height == width == 1:  # each tap has an output of its own
            rows, columns = (
                slice(lo + o.start, lo + o.stop, o.step) for lo, o in zip(low, offsets, strict=True)
            )
            total[:, rows, columns] += planes[:, 0, 0].transpose(0, 2, 3, 1)
        else:
            for r, s, rows, columns in _places(low, (height, width), stride, offsets):
                at = total[:, rows, columns]
                np.add(at, planes[..., r, s], out=at)
        if total is not inner:
            inner[...] = total[:, low[0] : low[0] + size[0], low[1] : low[1] + size[1]]

    over_images(work, outputs, x.size * outputs * math.prod(taps))
    return y


def _frame(
    size: Pair, shape: Pair, stride: Pair, offsets: tuple[range, range]
) -> tuple[Pair, Pair]:
    """The margin before the output, and the size with margins, of all that pixels are added to."""
    low, frame = [], []
    for out, length, step, o in zip(size, shape, stride, offsets, strict=True):
        low.append(max(0, -min(o)))
        frame.append(low[-1] + max(out, max(o) + (length - 1) * step + 1))
    return tuple(low), tuple(frame)


def _places(
    low: Pair, shape: Pair, stride: Pair, offsets: tuple[range, range]
) -> Iterator[tuple[int, int, slice, slice]]:
    """For each tap, where in the frame the pixels of an image are added."""
    for r, oy in enumerate(offsets[0]):
        for s, ox in enumerate(offsets[1]):
            rows, columns = (
                slice(lo + o, lo + o + (length - 1) * step + 1, step)
                for lo, o, length, step in zip(low, (oy, ox), shape, stride, strict=True)
            )
            yield r, s, rows, columns
