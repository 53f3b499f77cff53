"""Convolution for NumPy: copy windows into a small buffer that stays in cache, then one product.

Images are N, H, W, C in memory: a pixel is a row, channels are columns, and a convolution is a
matrix product. Three shapes of loop serve all three maps of the triangle:

    gather     an output pixel collects the input pixels that its taps meet
    scatter    few outputs: first the product, then each tap's plane is shifted and added
    correlate  the weight gradient: windows of one image times pixels of the other

A transposed convolution with stride s is s·s gathers, one for each phase of the output pixels
modulo s: nothing is multiplied by zero.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigen.backend import Array
from minigen.kernels import simple
from minigen.kernels.threads import over_images, scratch

Pair = tuple[int, int]

BUFFER = 1 << 21  # bytes of windows copied at a time: about a core's share of the cache
PLANAR = 4  # up to so many channels in a group, windows are copied as planes
FEW = 8  # at most so many output channels make a product too narrow to gather for


@dataclass(frozen=True)
class Phase:
    """Along one axis: which outputs, and which inputs their taps meet.

    Output `first + i·every` for i < count meets input `start + i·hop + j·skip` at tap `taps[j]`.
    """

    first: int
    every: int
    count: int
    taps: range
    start: int
    hop: int
    skip: int

    def reach(self) -> Pair:
        """The lowest and the highest input index that is met."""
        ends = [self.start + i * self.hop + j * self.skip
                for i in (0, self.count - 1) for j in (0, len(self.taps) - 1)]  # fmt: skip
        return min(ends), max(ends)


@functools.lru_cache(maxsize=4096)
def forward_phases(
    out: int, kernel: int, stride: int, padding: int, dilation: int
) -> tuple[Phase, ...]:
    """A convolution along one axis: a single phase."""
    return (Phase(0, 1, out, range(kernel), -padding, stride, dilation),)


@functools.lru_cache(maxsize=4096)
def transposed_phases(
    out: int, kernel: int, stride: int, padding: int, dilation: int
) -> tuple[Phase, ...]:
    """A transposed convolution along one axis: output y meets input (y + padding − r·dilation) /
    stride at those taps r for which that is whole, which depends on y modulo stride alone."""
    phases = []
    for first in range(min(stride, out)):
        taps = [r for r in range(kernel) if (first + padding - r * dilation) % stride == 0]
        step = stride // math.gcd(stride, dilation)
        if taps:
            start = (first + padding - taps[0] * dilation) // stride
            taps = range(taps[0], taps[-1] + 1, step)
            count = len(range(first, out, stride))
            phases.append(Phase(first, stride, count, taps, start, 1, -step * dilation // stride))
    return tuple(phases)


class Windows:
    """Copies the windows of a few images at a time, ready for a matrix product."""

    def __init__(
        self,
        image: Array,  # (N, H, W, C)
        groups: int,
        phases: tuple[tuple[Phase, ...], tuple[Phase, ...]],
    ):
        self.image, self.groups = image, groups
        _, height, width, channels = image.shape
        self.low, size = [], []
        for axis, length in zip(phases, (height, width), strict=True):
            low = max(0, -min(p.reach()[0] for p in axis))
            self.low.append(low)
            size.append(low + max(length, 1 + max(p.reach()[1] for p in axis)))
        self.whole = size == [height, width]  # no padding: windows may be taken from the image
        self.padded_shape = (*size, channels)
        per_image = max(
            a.count * b.count * len(a.taps) * len(b.taps) for a in phases[0] for b in phases[1]
        )
        self.per_image = per_image * channels
        self.images = max(1, BUFFER // (self.per_image * image.itemsize))
        # With few channels the runs that lie together in memory are rows of pixels, not channels.
        self.planar = channels // groups <= PLANAR

    def chunks(self, first: int, last: int):
        """Ranges of a few images each."""
        for lo in range(first, last, self.images):
            yield lo, min(last, lo + self.images)

    def buffers(self, images: int) -> tuple[Array | None, Array]:
        """What one thread works in: a frame of zeros around some images, and their windows."""
        images, dtype = min(images, self.images), self.image.dtype
        windows = scratch("windows", (images * self.per_image,), dtype)
        if self.whole:
            return None, windows
        frame = scratch("frame", (images, *self.padded_shape), dtype)
        frame[...] = 0
        return frame, windows

    def pad(self, lo: int, hi: int, frame: Array | None) -> Array:
        """Images lo to hi with their margin of zeros."""
        if frame is None:
            return self.image[lo:hi]
        (y, x), (_, height, width, _) = self.low, self.image.shape
        frame[: hi - lo, y : y + height, x : x + width] = self.image[lo:hi]
        return frame[: hi - lo]

    def matrix(self, padded: Array, rows: Phase, columns: Phase, buffer: Array) -> Array:
        """The windows of one phase as (G, images·count·count, taps·taps·C/G)."""
        n, _, _, channels = padded.shape
        groups, sn, sy, sx, sc = self.groups, *padded.strides
        shape = (groups, n, rows.count, columns.count, len(rows.taps), len(columns.taps))
        shape = (*shape, channels // groups)
        strides = (channels // groups * sc, sn, rows.hop * sy, columns.hop * sx)
        strides = (*strides, rows.skip * sy, columns.skip * sx, sc)
        corner = padded[:, self.low[0] + rows.start :, self.low[1] + columns.start :]
        windows = as_strided(corner, shape, strides)
        flat = (groups, math.prod(shape[1:4]), math.prod(shape[4:]))
        if shape == (1, *corner.shape[:3], 1, 1, channels) and rows.hop == columns.hop == 1:
            return corner.reshape(flat)  # a 1×1 filter: pixels are the windows
        buffer = buffer[: math.prod(shape)]
        if self.planar:  # (G, taps, taps, C/G, images, count, count)
            copied = buffer.reshape(groups, *shape[4:], *shape[1:4])
            np.copyto(copied, windows.transpose(0, 4, 5, 6, 1, 2, 3))
            return copied.reshape(groups, flat[2], flat[1]).swapaxes(1, 2)
        copied = buffer.reshape(shape)
        np.copyto(copied, windows)
        return copied.reshape(flat)


def gather(
    x: Array,  # (N, H, W, C)
    w: Array,  # (R, S, G, C/G, O/G)
    size: Pair,
    rows: tuple[Phase, ...],
    columns: tuple[Phase, ...],
    bias: Array | None,
) -> Array:
    """y (N, *size, O): each output pixel collects what its taps meet."""
    n = x.shape[0]
    groups, per_group = w.shape[2], w.shape[4]
    covered = sum(p.count for p in rows) * sum(p.count for p in columns) == size[0] * size[1]
    make = np.empty if covered else np.zeros
    y = make((n, *size, groups * per_group), x.dtype)
    if bias is not None and not covered:
        y += bias
    if not (rows and columns and y.size):
        return y
    windows = Windows(x, groups, (rows, columns))
    matrices = {}
    for a in rows:
        for b in columns:
            taps = w[
                a.taps.start : a.taps.stop : a.taps.step, b.taps.start : b.taps.stop : b.taps.step
            ]
            # (taps, taps, G, C/G, O/G) -> (G, taps·taps·C/G, O/G)
            matrices[a, b] = np.ascontiguousarray(taps.transpose(2, 0, 1, 3, 4)).reshape(
                groups, -1, per_group
            )

    def work(_: int, first: int, last: int) -> None:
        frame, buffer = windows.buffers(last - first)
        for lo, hi in windows.chunks(first, last):
            padded = windows.pad(lo, hi, frame)
            for (a, b), matrix in matrices.items():
                at = y[lo:hi, a.first :: a.every, b.first :: b.every]
                product = windows.matrix(padded, a, b, buffer)
                if groups == a.every == b.every == 1:
                    out = at.reshape(1, -1, per_group)
                    np.matmul(product, matrix, out=out)
                    if bias is not None:
                        out += bias
                    continue
                out = product @ matrix  # (G, images·pixels, O/G)
                out = out.transpose(1, 0, 2).reshape(at.shape)
                if bias is None:
                    at[...] = out
                else:
                    np.add(out, bias, out=at)

    over_images(work, n, n * windows.per_image * len(matrices) * per_group)
    return y


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
    w2 = np.ascontiguousarray(w.transpose(0, 1, 3, 2)).reshape(-1, channels)
    y = np.empty((n, *size, outputs), x.dtype)
    low = [max(0, -min(o)) for o in offsets]
    frame = [
        lo + max(out, max(o) + (length - 1) * step + 1)
        for lo, out, o, length, step in zip(
            low, size, offsets, (height, width), stride, strict=True
        )
    ]

    def work(_: int, first: int, last: int) -> None:
        planes = scratch("windows", (taps_y, taps_x, outputs, height, width), x.dtype)
        total = scratch("frame", (outputs, *frame), x.dtype)
        for i in range(first, last):
            # (R·S·O, C) @ (C, H·W)
            np.matmul(w2, x[i].reshape(-1, channels).T, out=planes.reshape(len(w2), -1))
            total[...] = 0 if bias is None else bias[:, None, None]
            for r, oy in enumerate(offsets[0]):
                for s, ox in enumerate(offsets[1]):
                    top, left = low[0] + oy, low[1] + ox
                    at = total[
                        :,
                        top : top + (height - 1) * stride[0] + 1 : stride[0],
                        left : left + (width - 1) * stride[1] + 1 : stride[1],
                    ]
                    np.add(at, planes[r, s], out=at)
            y[i] = total[:, low[0] : low[0] + size[0], low[1] : low[1] + size[1]].transpose(1, 2, 0)

    over_images(work, n, x.size * len(w2))
    return y


def correlate(
    image: Array,  # (N, H, W, C)
    other: Array,  # (N, OH, OW, O)
    groups: int,
    rows: tuple[Phase, ...],
    columns: tuple[Phase, ...],
) -> Array:
    """(R, S, G, C/G, O/G): windows of `image` times the pixels of `other`, over all images."""
    n, c, o = len(image), image.shape[3] // groups, other.shape[3] // groups
    (row,), (column,) = rows, columns
    shape = (groups, len(row.taps), len(column.taps), c, o)
    if not (other.size and image.size):
        return np.zeros(shape, image.dtype).transpose(1, 2, 0, 3, 4)
    windows = Windows(image, groups, (rows, columns))
    sums: dict[int, Array] = {}

    def work(part: int, first: int, last: int) -> None:
        frame, buffer = windows.buffers(last - first)
        total = None
        for lo, hi in windows.chunks(first, last):
            matrix = windows.matrix(windows.pad(lo, hi, frame), row, column, buffer)
            pixels = other[lo:hi].reshape(-1, groups, o).transpose(1, 0, 2)
            if total is None:
                # (G, taps·C/G, pixels) @ (G, pixels, O/G)
                total = matrix.swapaxes(1, 2) @ pixels
                share = np.empty_like(total)
            else:
                total += np.matmul(matrix.swapaxes(1, 2), pixels, out=share)
        sums[part] = total

    over_images(work, n, n * windows.per_image * o)
    total = functools.reduce(np.add, [sums[part] for part in sorted(sums)])
    return total.reshape(shape).transpose(1, 2, 0, 3, 4)


def _nhwc(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def _nchw(y: Array) -> Array:
    return y.transpose(0, 3, 1, 2)


def _phases(kind, size, kernel, stride, padding, dilation):
    """Rows and columns."""
    return [kind(*axis) for axis in zip(size, kernel, stride, padding, dilation, strict=True)]


def conv2d(
    x: Array, w: Array, bias: Array | None, size: Pair, stride: Pair, padding: Pair, dilation: Pair,
    groups: int,
) -> Array:  # fmt: skip
    """Convolution of x (N, C, H, W) with w (O, C/G, R, S), plus bias (O,), to `size`."""
    if not isinstance(x, np.ndarray):
        y = simple.conv2d(x, w, size, stride, padding, dilation, groups)
        return y if bias is None else y + bias[:, None, None]
    kernel = w.shape[2:]
    if groups == 1 and w.shape[0] <= FEW < x.shape[1] and stride == (1, 1) and x.size:
        # Tap r of output p meets input p − padding + r·dilation: input p adds to p + padding − ….
        offsets = tuple(
            range(p, p - k * d, -d) for p, k, d in zip(padding, kernel, dilation, strict=True)
        )
        return _nchw(scatter(_nhwc(x), w.transpose(2, 3, 1, 0), size, stride, offsets, bias))
    rows, columns = _phases(forward_phases, size, kernel, stride, padding, dilation)
    grouped = w.reshape(groups, -1, *w.shape[1:]).transpose(3, 4, 0, 2, 1)
    return _nchw(gather(_nhwc(x), grouped, size, rows, columns, bias))


def conv2d_input(
    g: Array, w: Array, bias: Array | None, size: Pair, stride: Pair, padding: Pair, dilation: Pair,
    groups: int,
) -> Array:  # fmt: skip
    """Transposed convolution of g (N, O, OH, OW) with w (O, C/G, R, S), plus bias (C,), to
    `size`: the gradient of `conv2d` for its input."""
    if not isinstance(g, np.ndarray):
        y = simple.conv2d_input(g, w, size, stride, padding, dilation, groups)
        return y if bias is None else y + bias[:, None, None]
    kernel = w.shape[2:]
    if groups == 1 and w.shape[1] <= FEW < g.shape[1] and g.size:
        offsets = tuple(
            range(-p, k * d - p, d) for p, k, d in zip(padding, kernel, dilation, strict=True)
        )
        return _nchw(scatter(_nhwc(g), w.transpose(2, 3, 0, 1), size, stride, offsets, bias))
    rows, columns = _phases(transposed_phases, size, kernel, stride, padding, dilation)
    grouped = w.reshape(groups, -1, *w.shape[1:]).transpose(3, 4, 0, 1, 2)
    return _nchw(gather(_nhwc(g), grouped, size, rows, columns, bias))


def conv2d_weight(
    x: Array, g: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """The gradient of `conv2d` for its weight: x (N, C, H, W), g (N, O, OH, OW) ->
    (O, C/G, R, S)."""
    if not isinstance(x, np.ndarray):
        return simple.conv2d_weight(x, g, kernel, stride, padding, dilation, groups)
    if groups == 1 and g.shape[1] <= FEW < x.shape[1] and stride == (1, 1):
        # Unfold the side with fewer channels: windows of g times the pixels of x.
        rows, columns = _phases(transposed_phases, x.shape[2:], kernel, stride, padding, dilation)
        w = correlate(_nhwc(g), _nhwc(x), groups, rows, columns)  # (R, S, 1, O, C)
        return w[:, :, 0].transpose(2, 3, 0, 1)
    rows, columns = _phases(forward_phases, g.shape[2:], kernel, stride, padding, dilation)
    w = correlate(_nhwc(x), _nhwc(g), groups, rows, columns)  # (R, S, G, C/G, O/G)
    return np.ascontiguousarray(w.transpose(2, 4, 3, 0, 1)).reshape(g.shape[1], -1, *kernel)
