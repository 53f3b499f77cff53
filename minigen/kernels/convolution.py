"""Convolution for NumPy: copy windows into a small buffer that stays in cache, then one product.

Images are N, H, W, C in memory: a pixel is a row, channels are columns, and a convolution is a
matrix product. Three shapes of loop serve all three maps of the triangle:

    gather     an output pixel collects the input pixels that its taps meet
    scatter    few outputs: first the product, then each tap's plane is shifted and added,
               in `scatter.py`
    correlate  the weight gradient: windows of one image times pixels of the other

A transposed convolution with stride s is s·s gathers, one for each phase of the output pixels
modulo s: nothing is multiplied by zero. With many channels `winograd.py` gathers and correlates
with fewer multiplications.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigen import backend
from minigen.backend import Array
from minigen.kernels import memory, simple, winograd
from minigen.kernels.blas import is_finite, multiply, pays
from minigen.kernels.cuda import convolution as cuda
from minigen.kernels.pixels import add as add_to_pixels
from minigen.kernels.pixels import as_images, of_images
from minigen.kernels.scatter import scatter, scatter_pixels
from minigen.kernels.simple import Pair
from minigen.kernels.threads import over_images, scratch, single_threaded_blas

BUFFER = 1 << 21  # bytes of windows copied at a time: about a core's share of the cache
PLANAR = 4  # up to so many channels in a group, windows are copied as planes
MANY = 512  # pixels, for which filters are worth copying in any order
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

    def part(self, i: int, parts: int) -> Phase:
        """The i-th of several equal shares of the outputs."""
        lo, hi = self.count * i // parts, self.count * (i + 1) // parts
        first, start = self.first + lo * self.every, self.start + lo * self.hop
        return Phase(first, self.every, hi - lo, self.taps, start, self.hop, self.skip)

    def outputs(self) -> slice:
        """Where they are."""
        return slice(self.first, self.first + self.count * self.every, self.every)


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
    stride at those taps r for which that is whole, which depends on y modulo stride alone. The
    last tap comes first, since it meets the first input: so windows are copied in memory's order.
    """
    phases = []
    for first in range(min(stride, out)):
        taps = [r for r in range(kernel) if (first + padding - r * dilation) % stride == 0]
        step = stride // math.gcd(stride, dilation)
        if taps:
            start = (first + padding - taps[-1] * dilation) // stride
            taps = range(taps[-1], taps[0] - 1, -step)
            count = len(range(first, out, stride))
            phases.append(Phase(first, stride, count, taps, start, 1, step * dilation // stride))
    return tuple(phases)


class Windows:
    """Copies the windows of a few images at a time, ready for a matrix product."""

    def __init__(
        self,
        image: Array,  # (N, H, W, C)
        groups: int,
        phases: tuple[tuple[Phase, ...], tuple[Phase, ...]],
        outputs: int,
        filters: int,
    ):
        self.image, self.groups = image, groups
        _, height, width, channels = image.shape
        self.pixels = len(image) * math.prod(sum(p.count for p in axis) for axis in phases)
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
        # BLAS copies the filters once for each product: large ones should meet many windows.
        self.images = max(1, round(max(BUFFER, filters) / (self.per_image * image.itemsize)))
        # Where there are few images, threads share out the rows of each; where there are few
        # pixels even, the filters, which each thread would have to copy.
        self.few = groups == 1 and self.pixels < outputs
        rows = min(p.count for p in phases[0])
        self.bands = 1 if self.few else min(rows, -(-backend.threads() // len(image)))
        # With few channels the runs that lie together in memory are rows of pixels, not channels.
        self.planar = channels // groups <= PLANAR

    def shares(self, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        """Of the work that is `bands` for each image: ranges of a few images, and which band."""
        if self.bands > 1:
            yield from ((i // self.bands, i // self.bands + 1, i % self.bands)
                        for i in range(first, last))  # fmt: skip
            return
        for lo in range(first, last, self.images):
            yield lo, min(last, lo + self.images), 0

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
    w: Array,  # (G, O/G, R, S, C/G)
    size: Pair,
    rows: tuple[Phase, ...],
    columns: tuple[Phase, ...],
    bias: Array | None,
) -> Array:
    """y (N, *size, O): each output pixel collects what its taps meet."""
    n = x.shape[0]
    groups, per_group = w.shape[:2]
    covered = sum(p.count for p in rows) * sum(p.count for p in columns) == size[0] * size[1]
    y = memory.empty((n, *size, groups * per_group), x.dtype)
    some = bool(rows and columns and y.size and x.size)
    if not (covered and some):
        y[...] = 0 if bias is None else bias
    if not some:
        return y
    windows = Windows(x, groups, (rows, columns), groups * per_group, w.nbytes)

    def work(w: Array, y: Array, bias: Array | None, first: int, last: int) -> None:
        matrices = _matrices(w, rows, columns, windows.pixels) if windows.few else whole
        frame, buffer = windows.buffers(last - first)
        for lo, hi, band in windows.shares(first, last):
            padded = windows.pad(lo, hi, frame)
            for (a, b), matrix in matrices.items():
                a = a.part(band, windows.bands)
                at = y[lo:hi, a.outputs(), b.outputs()]
                product = windows.matrix(padded, a, b, buffer)
                if groups == a.every == b.every == 1:
                    out = at.reshape(1, math.prod(at.shape[:3]), at.shape[3])
                    multiply(product, matrix, out)
                    if bias is not None:
                        add_to_pixels(out, bias)
                    continue
                # (G, images·pixels, O/G)
                out = scratch("product", (*product.shape[:2], matrix.shape[2]), y.dtype)
                multiply(product, matrix, out)
                out = out.transpose(1, 0, 2).reshape(at.shape)
                if bias is None:
                    at[...] = out
                else:
                    np.add(out, bias, out=at)

    def some_filters(_: int, first: int, last: int) -> None:
        part = slice(first, last)
        work(w[:, part], y[..., part], None if bias is None else bias[part], 0, n)

    def some_images(_: int, first: int, last: int) -> None:
        work(w, y, bias, first, last)

    cost = n * windows.per_image * len(rows) * len(columns) * per_group
    if windows.few:
        over_images(some_filters, per_group, cost)
    else:
        whole = _matrices(w, rows, columns, windows.pixels)
        over_images(some_images, n * windows.bands, cost)
    return y


def _matrices(
    w: Array, rows: tuple[Phase, ...], columns: tuple[Phase, ...], pixels: int
) -> dict[tuple[Phase, Phase], Array]:
    """The filters w (G, O/G, R, S, C/G) of each phase, (G, taps·taps·C/G, O/G), for so many pixels
    of the output: row by row where BLAS then takes them in pieces, otherwise copied along the axis
    whose neighbours are nearer in memory."""
    groups, per_group = w.shape[:2]
    matrices = {}
    for a in rows:
        for b in columns:
            taps = w[:, :, _slice(a.taps), _slice(b.taps)]
            depth = math.prod(taps.shape[2:])
            in_pieces = pays(pixels, depth, per_group, turned=False)
            if w.strides[4] < w.strides[1] and not (in_pieces and pixels >= MANY):
                matrix = np.ascontiguousarray(taps).reshape(groups, per_group, depth)
                matrix = matrix.swapaxes(1, 2)
            else:
                matrix = np.ascontiguousarray(taps.transpose(0, 2, 3, 4, 1))
                matrix = matrix.reshape(groups, depth, per_group)
            matrices[a, b] = matrix
    return matrices


def _slice(taps: range) -> slice:
    return slice(taps.start, None if taps.stop < 0 else taps.stop, taps.step)


def correlate(
    image: Array,  # (N, H, W, C)
    other: Array,  # (N, OH, OW, O)
    groups: int,
    rows: tuple[Phase, ...],
    columns: tuple[Phase, ...],
) -> Array:
    """(G, O/G, R, S, C/G): windows of `image` times the pixels of `other`, over all images."""
    n, c, o = len(image), image.shape[3] // groups, other.shape[3] // groups
    (row,), (column,) = rows, columns
    shape = (groups, o, len(row.taps), len(column.taps), c)
    if not (other.size and image.size):
        return np.zeros(shape, image.dtype)
    filters = math.prod(shape) * image.itemsize
    windows = Windows(image, groups, (rows, columns), other.shape[3], filters)
    # BLAS likes the second factor row by row, and is slow where the last side is short.
    wide = math.prod(shape[2:]) >= o and not (windows.planar and o > FEW)

    def work(other: Array, first: int, last: int) -> Array:
        """(G, O/G, taps·C/G) of some images."""
        frame, buffer = windows.buffers(last - first)
        total = None
        for lo, hi, band in windows.shares(first, last):
            some = row.part(band, windows.bands)
            matrix = windows.matrix(windows.pad(lo, hi, frame), some, column, buffer)
            pixels = other[lo:hi, some.outputs()]
            pixels = pixels.reshape(matrix.shape[1], groups, pixels.shape[3] // groups)
            pixels = pixels.transpose(1, 2, 0)
            a, b = (pixels, matrix) if wide else (matrix.swapaxes(1, 2), pixels.swapaxes(1, 2))
            # (G, O/G, pixels) @ (G, pixels, taps·C/G), or its mirror image
            if total is None:
                total = np.empty((*a.shape[:2], b.shape[2]), image.dtype)
                multiply(a, b, total)
                share = np.empty_like(total)
            else:
                multiply(a, b, share)
                total += share
        return total if wide else total.swapaxes(1, 2)

    cost = n * windows.per_image * o
    if windows.few:
        # In the order of the weight, which is as large as all the rest.
        w = np.empty((groups, o, c, *shape[2:4]), image.dtype).transpose(0, 1, 3, 4, 2)

        def some_filters(_: int, first: int, last: int) -> None:
            some = work(other[..., first:last], 0, n)
            w[:, first:last] = some.reshape(1, last - first, *shape[2:])

        over_images(some_filters, o, cost)
        return w
    sums: dict[int, Array] = {}

    def some_images(part: int, first: int, last: int) -> None:
        sums[part] = work(other, first, last)

    over_images(some_images, n * windows.bands, cost)
    return functools.reduce(np.add, [sums[part] for part in sorted(sums)]).reshape(shape)


def _phases(kind, size, kernel, stride, padding, dilation):
    """Rows and columns."""
    return [kind(*axis) for axis in zip(size, kernel, stride, padding, dilation, strict=True)]


def _grouped(w: Array, groups: int) -> Array:
    """w (O, C/G, R, S) as (G, O/G, C/G, R, S)."""
    return w.reshape(groups, w.shape[0] // groups, *w.shape[1:])


def _products(phases: tuple[Phase, ...]) -> int:
    """How many taps the outputs have along one axis."""
    return sum(p.count * len(p.taps) for p in phases)


def conv2d(
    x: Array, w: Array, bias: Array | None, size: Pair, stride: Pair, padding: Pair, dilation: Pair,
    groups: int,
) -> Array:  # fmt: skip
    """Convolution of x (N, C, H, W) with w (O, C/G, R, S), plus bias (O,), to `size`."""
    if not isinstance(x, np.ndarray):
        return cuda.conv2d(x, w, bias, size, stride, padding, dilation, groups)
    kernel = w.shape[2:]
    # Taps that meet the margin multiply zeros, which only a filter of finite numbers may skip.
    skips = not any(padding) or is_finite(np.ascontiguousarray(w))
    some = groups == 1 and x.size and w.size
    if some and w.shape[0] <= FEW < x.shape[1] and stride == (1, 1) and skips:
        # Tap r of output p meets input p − padding + r·dilation: input p adds to p + padding − ….
        offsets = tuple(
            range(p, p - k * d, -d) for p, k, d in zip(padding, kernel, dilation, strict=True)
        )
        return as_images(
            scatter(of_images(x), w.transpose(2, 3, 1, 0), size, stride, offsets, bias)
        )
    rows, columns = _phases(forward_phases, size, kernel, stride, padding, dilation)
    image = of_images(x)
    y = None
    if groups == 1 and winograd.pays(image.shape, w.shape[0], size, rows, columns):
        y = winograd.gather(image, w, size, rows, columns, bias, transposed=False)
    if y is None:
        grouped = _grouped(w, groups).transpose(0, 1, 3, 4, 2)
        y = gather(image, grouped, size, rows, columns, bias)
    return as_images(y)


def conv2d_input(
    g: Array, w: Array, bias: Array | None, size: Pair, stride: Pair, padding: Pair, dilation: Pair,
    groups: int,
) -> Array:  # fmt: skip
    """Transposed convolution of g (N, O, OH, OW) with w (O, C/G, R, S), plus bias (C,), to
    `size`: the gradient of `conv2d` for its input."""
    if not isinstance(g, np.ndarray):
        return cuda.conv2d_input(g, w, bias, size, stride, padding, dilation, groups)
    kernel = w.shape[2:]
    rows, columns = _phases(transposed_phases, size, kernel, stride, padding, dilation)
    # Of the taps that a gather would multiply, so many meet an input; the others meet the margin.
    met = math.prod(g.shape[2:]) * math.prod(kernel)
    offsets = tuple(
        range(-p, k * d - p, d) for p, k, d in zip(padding, kernel, dilation, strict=True)
    )
    some = groups == 1 and g.size and w.size
    if some and w.shape[1] <= FEW < g.shape[1]:
        return as_images(
            scatter(of_images(g), w.transpose(2, 3, 0, 1), size, stride, offsets, bias)
        )
    image = of_images(g)
    padding_mostly = 2 * met < _products(rows) * _products(columns)
    if some and (padding_mostly or g.size < g.shape[1] ** 2):
        return as_images(scatter_pixels(image, w, size, stride, offsets, bias))
    if groups == 1 and winograd.pays(image.shape, w.shape[1], size, rows, columns):
        y = winograd.gather(image, w, size, rows, columns, bias, transposed=True)
        if y is not None:
            return as_images(y)
    y = gather(image, _grouped(w, groups).transpose(0, 2, 3, 4, 1), size, rows, columns, bias)
    w = np.ascontiguousarray(w)
    if is_finite(min(y, w, key=np.size)) or is_finite(w):
        return as_images(y)
    # Taps that meet no pixel have multiplied zeros of the margin.
    with single_threaded_blas():
        images = simple.conv2d_input(g, w, size, stride, padding, dilation, groups)
    return images if bias is None else images + bias[:, None, None]


def conv2d_weight(
    x: Array, g: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Array:
    """The gradient of `conv2d` for its weight: x (N, C, H, W), g (N, O, OH, OW) ->
    (O, C/G, R, S)."""
    if not isinstance(x, np.ndarray):
        return cuda.conv2d_weight(x, g, kernel, stride, padding, dilation, groups)
    if groups == 1 and g.shape[1] <= FEW < x.shape[1] and stride == (1, 1) and x.size:
        # Unfold the side with fewer channels: windows of g times the pixels of x.
        rows, columns = _phases(transposed_phases, x.shape[2:], kernel, stride, padding, dilation)
        pixels = of_images(g)
        w = correlate(
            pixels, of_images(x), groups, rows, columns
        )  # (1, C, R, S, O), last tap first
        w = np.ascontiguousarray(w[0, :, ::-1, ::-1].transpose(3, 0, 1, 2))
        if is_finite(w) and is_finite(pixels):  # margins of g, and not of x, have multiplied zeros
            return w
    rows, columns = _phases(forward_phases, g.shape[2:], kernel, stride, padding, dilation)
    image = of_images(x)
    if groups == 1 and winograd.pays(image.shape, g.shape[1], g.shape[2:], rows, columns):
        w = winograd.correlate(image, of_images(g), kernel, rows, columns)
        if w is not None:
            return w
    w = correlate(image, of_images(g), groups, rows, columns)  # (G, O/G, R, S, C/G)
    shape = (g.shape[1], x.shape[1] // groups, *kernel)
    return np.ascontiguousarray(w.transpose(0, 1, 4, 2, 3)).reshape(shape)
