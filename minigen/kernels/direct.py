"""Gather and correlate: copy windows into a small buffer that stays in cache, then one product.

gather     an output pixel collects the input pixels that its taps meet
correlate  the weight gradient: windows of one image times pixels of the other
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigen import backend
from minigen.backend import Array
from minigen.kernels import limits, memory, simple
from minigen.kernels.blas import in_pieces_pays, is_finite, multiply
from minigen.kernels.phases import Phase, margins
from minigen.kernels.pixels import add as add_to_pixels
from minigen.kernels.pixels import as_images, of_images
from minigen.kernels.problem import Map, Problem
from minigen.kernels.threads import over_images, scratch, single_threaded_blas, sum_over_images


class Windows:
    """Copies the windows of a few images at a time, ready for a matrix product."""

    def __init__(self, what: Map, image: Array, filters: int):
        """Of images (N, H, W, C), to be multiplied by filters of so many bytes."""
        self.image, self.groups, rows, columns = image, what.problem.groups, what.rows, what.columns
        channels = image.shape[3]
        self.pixels = len(image) * math.prod(sum(p.count for p in axis) for axis in (rows, columns))
        reaches = [
            (min(p.reach()[0] for p in axis), max(p.reach()[1] for p in axis))
            for axis in (rows, columns)
        ]
        self.low, size = margins(reaches, image.shape[1:3])
        self.whole = size == image.shape[1:3]  # windows may be taken from the image itself
        self.padded_shape = (*size, channels)
        per_image = max(
            a.count * b.count * len(a.taps) * len(b.taps) for a in rows for b in columns
        )
        self.per_image = per_image * channels
        # BLAS copies the filters once for each product: large ones should meet many windows.
        at_a_time = max(limits.now.windows_at_a_time, filters)
        self.images = max(1, round(at_a_time / (self.per_image * image.itemsize)))
        # With fewer pixels than outputs each thread takes some of the filters and all images:
        # otherwise each of them would copy all filters.
        self.by_filters = self.groups == 1 and self.pixels < what.outputs
        # Few images are cut into bands of rows, so that each thread has some; large ones, so that
        # windows stay in cache, and are not several times as large as all images.
        large = self.per_image * image.itemsize // at_a_time
        bands = 1 if self.by_filters else max(large, -(-backend.threads() // len(image)))
        self.bands = min(max(bands, 1), *(p.count for p in rows))
        self.at_once = channels * max(
            -(-a.count // self.bands) * b.count * len(a.taps) * len(b.taps)
            for a in rows
            for b in columns
        )
        # With few channels the runs that lie together in memory are rows of pixels, not channels.
        self.planar = channels // self.groups <= limits.now.planar

    def shares(
        self, first: int, last: int, frame: Array | None
    ) -> Iterator[tuple[int, int, int, Array]]:
        """Of the work that is `bands` for each image: ranges of a few images, which band, and the
        images with their margin."""
        if self.bands == 1:
            for lo in range(first, last, self.images):
                hi = min(last, lo + self.images)
                yield lo, hi, 0, self._pad(lo, hi, frame)
            return
        padded, before = None, -1
        for i in range(first, last):
            lo, band = divmod(i, self.bands)
            if lo != before:
                padded, before = self._pad(lo, lo + 1, frame), lo
            yield lo, lo + 1, band, padded

    def buffers(self, images: int) -> tuple[Array | None, Array]:
        """What one thread works in: a frame of zeros around some images, and their windows."""
        count = min(images, self.images) * self.at_once
        return self.frame(images), scratch("windows", (count,), self.image.dtype)

    def frame(self, images: int) -> Array | None:
        """Zeros where the margin of some images is; none where they have no margin."""
        if self.whole:
            return None
        frame = scratch("frame", (min(images, self.images), *self.padded_shape), self.image.dtype)
        (y, x), (_, height, width, _) = self.low, self.image.shape
        frame[:, :y] = frame[:, y + height :] = 0
        frame[:, :, :x] = frame[:, :, x + width :] = 0
        return frame

    def _pad(self, lo: int, hi: int, frame: Array | None) -> Array:
        """Images lo to hi with their margin of zeros."""
        if frame is None:
            return self.image[lo:hi]
        (y, x), (_, height, width, _) = self.low, self.image.shape
        frame[: hi - lo, y : y + height, x : x + width] = self.image[lo:hi]
        return frame[: hi - lo]

    def of(self, padded: Array, rows: Phase, columns: Phase) -> Array:
        """The windows of one phase, (G, images, count, count, taps, taps, C/G): a view."""
        n, _, _, channels = padded.shape
        groups, sn, sy, sx, sc = self.groups, *padded.strides
        shape = (groups, n, rows.count, columns.count, len(rows.taps), len(columns.taps))
        shape = (*shape, channels // groups)
        strides = (channels // groups * sc, sn, rows.hop * sy, columns.hop * sx)
        strides = (*strides, rows.skip * sy, columns.skip * sx, sc)
        corner = padded[:, self.low[0] + rows.start :, self.low[1] + columns.start :]
        return as_strided(corner, shape, strides)

    def matrix(self, padded: Array, rows: Phase, columns: Phase, buffer: Array) -> Array:
        """The same as a matrix, (G, images·count·count, taps·taps·C/G)."""
        windows, groups = self.of(padded, rows, columns), self.groups
        shape = windows.shape
        flat = (groups, math.prod(shape[1:4]), math.prod(shape[4:]))
        if groups == shape[4] == shape[5] == 1 and windows[0, :, :, :, 0, 0].flags.c_contiguous:
            return windows.reshape(flat)  # a 1×1 filter: pixels are the windows
        buffer = buffer[: math.prod(shape)]
        if self.planar:  # (G, taps, taps, C/G, images, count, count)
            copied = buffer.reshape(groups, *shape[4:], *shape[1:4])
            np.copyto(copied, windows.transpose(0, 4, 5, 6, 1, 2, 3))
            return copied.reshape(groups, flat[2], flat[1]).swapaxes(1, 2)
        copied = buffer.reshape(shape)
        np.copyto(copied, windows)
        return copied.reshape(flat)


def gather(what: Map, x: Array, w: Array, bias: Array | None) -> Array | None:
    """x (N, H, W, I), w (O, I/G, R, S), or for a transposed convolution (I, O/G, R, S) ->
    (N, *size, O): each output pixel collects what its taps meet.

    None where a transposed filter that is not finite may have met zeros of the margin, which are no
    pixels of x.
    """
    groups = what.problem.groups
    grouped = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    # (G, O/G, I/G, R, S), or (G, I/G, O/G, R, S) -> (G, O/G, R, S, I/G)
    order = (0, 2, 3, 4, 1) if what.transposed else (0, 1, 3, 4, 2)
    y = collect(what, x, grouped.transpose(order), bias)
    if what.transposed:
        w = np.ascontiguousarray(w)
        return y if is_finite(min(y, w, key=np.size)) or is_finite(w) else None
    return y


def collect(what: Map, x: Array, w: Array, bias: Array | None) -> Array:
    """x (N, H, W, I), w (G, O/G, R, S, I/G) -> (N, *size, O): what the taps of each output pixel
    meet, padding or not."""
    n, rows, columns = len(x), what.rows, what.columns
    groups, per_group = w.shape[:2]
    y = memory.empty((n, *what.size, what.outputs), x.dtype)
    some = bool(rows and columns and y.size and x.size)
    if not (what.covered and some):
        y[...] = 0 if bias is None else bias
    if not some:
        return y
    windows = Windows(what, x, w.nbytes)

    def work(matrices: dict, y: Array, bias: Array | None, first: int, last: int) -> None:
        frame, buffer = windows.buffers(last - first)
        for lo, hi, band, padded in windows.shares(first, last, frame):
            for (a, b), matrix in matrices.items():
                a = a.part(band, windows.bands)
                at = y[lo:hi, a.outputs(), b.outputs()]
                whole = groups == a.every == b.every == 1
                _product(windows.matrix(padded, a, b, buffer), matrix, bias, at, whole)

    def some_filters(_: int, first: int, last: int) -> None:
        part = slice(first, last)
        matrices = _matrices(what, w[:, part], windows.pixels)
        work(matrices, y[..., part], None if bias is None else bias[part], 0, n)

    cost = n * windows.per_image * len(rows) * len(columns) * per_group
    if windows.by_filters:
        over_images(some_filters, per_group, cost)
    else:
        matrices = _matrices(what, w, windows.pixels)
        some_images = lambda _, first, last: work(matrices, y, bias, first, last)
        over_images(some_images, n * windows.bands, cost)
    return y


def _product(windows: Array, filters: Array, bias: Array | None, at: Array, whole: bool) -> None:
    """at (images, count, count, O) ← windows (G, images·pixels, depth) @ filters
    (G, depth, O/G) + bias; `whole` says that its pixels are rows of one matrix in memory."""
    if whole:
        out = at.reshape(1, math.prod(at.shape[:3]), at.shape[3])
        multiply(windows, filters, out)
        if bias is not None:
            add_to_pixels(out, bias)
        return
    # (G, images·pixels, O/G)
    out = scratch("product", (*windows.shape[:2], filters.shape[2]), at.dtype)
    multiply(windows, filters, out)
    out = out.transpose(1, 0, 2).reshape(at.shape)
    if bias is None:
        at[...] = out
    else:
        np.add(out, bias, out=at)


def _matrices(what: Map, w: Array, pixels: int) -> dict[tuple[Phase, Phase], Array]:
    """The filters w (G, O/G, R, S, I/G) of each phase, (G, taps·taps·I/G, O/G), for so many pixels
    of the output: row by row where BLAS then takes them in pieces, otherwise copied along the axis
    whose neighbours are nearer in memory."""
    groups, per_group = w.shape[:2]
    matrices = {}
    for a, b in itertools.product(what.rows, what.columns):
        taps = w[:, :, a.of_filter(), b.of_filter()]
        depth = math.prod(taps.shape[2:])
        in_pieces = in_pieces_pays(pixels, depth, per_group, turned=False)
        worth_turning = in_pieces and pixels >= limits.now.turned_from
        if w.strides[4] < w.strides[1] and not worth_turning:
            rows = np.ascontiguousarray(taps).reshape(groups, per_group, depth)
            matrices[a, b] = rows.swapaxes(1, 2)
        else:
            turned = np.ascontiguousarray(taps.transpose(0, 2, 3, 4, 1))
            matrices[a, b] = turned.reshape(groups, depth, per_group)
    return matrices


def correlate(what: Map, image: Array, other: Array) -> Array:
    """(N, H, W, C), (N, H', W', O) -> (G, O/G, R, S, C/G): windows of `image` times the pixels of
    `other`, over all images; `what` is a map from the one's shape to the other's, of a single
    phase."""
    n, groups = len(image), what.problem.groups
    c, o, (row,), (column,) = what.inputs // groups, what.outputs // groups, what.rows, what.columns
    shape = (groups, o, len(row.taps), len(column.taps), c)
    if not (other.size and image.size):
        return np.zeros(shape, image.dtype)
    windows = Windows(what, image, math.prod(shape) * image.itemsize)
    # BLAS likes the second factor row by row, and is slow where the last side is short.
    depth = math.prod(shape[2:])
    tall = windows.planar and o > limits.now.few
    wide = depth >= o and not tall and not in_pieces_pays(depth, windows.pixels, o, turned=False)

    def work(other: Array, first: int, last: int) -> Array:
        """(G, O/G, taps·C/G) of some images."""
        frame, buffer = windows.buffers(last - first)
        total = None
        for lo, hi, band, padded in windows.shares(first, last, frame):
            some = row.part(band, windows.bands)
            matrix = windows.matrix(padded, some, column, buffer)
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
    if not windows.by_filters:
        some_images = lambda first, last: work(other, first, last)
        return sum_over_images(some_images, n * windows.bands, cost).reshape(shape)
    # In the order of the weight, which is as large as all the rest.
    w = np.empty((groups, o, c, *shape[2:4]), image.dtype).transpose(0, 1, 3, 4, 2)

    def some_filters(_: int, first: int, last: int) -> None:
        some = work(other[..., first:last], 0, n)
        w[:, first:last] = some.reshape(1, last - first, *shape[2:])

    over_images(some_filters, o, cost)
    return w


def windows_of_x(what: Problem, x: Array, g: Array) -> Array:
    """(O, C/G, R, S) from images N, H, W, C."""
    w = correlate(what.forward, x, g)  # (G, O/G, R, S, C/G)
    shape = (what.outputs, what.inputs // what.groups, *what.taps)
    return np.ascontiguousarray(w.transpose(0, 1, 4, 2, 3)).reshape(shape)


def windows_of_g(what: Problem, x: Array, g: Array) -> Array | None:
    """The same from windows of g. None where the result or g is not finite: the zeros of g's margin
    were multiplied, and those of x's were not."""
    w = correlate(what.transposed, g, x)  # (1, C, R, S, O), last tap first
    w = np.ascontiguousarray(w[0, :, ::-1, ::-1].transpose(3, 0, 1, 2))
    return w if is_finite(w) and is_finite(g) else None


@single_threaded_blas()
def plainly(what: Map, x: Array, w: Array, bias: Array | None) -> Array:
    """y (N, *size, O) by the simple kernels, whatever the numbers are."""
    kernel = simple.conv2d_input if what.transposed else simple.conv2d
    y = kernel(as_images(x), w, what.problem)
    return of_images(y if bias is None else y + bias[:, None, None])
