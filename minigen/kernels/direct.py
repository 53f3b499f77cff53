"""Gather and correlate: copy windows into a small buffer that stays in cache, then one product.

gather     an output pixel collects the input pixels that its taps meet
correlate  the weight gradient: windows of one image times pixels of the other
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minigen import backend
from minigen.backend import Array
from minigen.kernels import blas, limits, memory, simple
from minigen.kernels.blas import in_pieces_pays, is_finite, multiply
from minigen.kernels.limits import Limits
from minigen.kernels.phases import margins
from minigen.kernels.pixels import add as add_to_pixels
from minigen.kernels.pixels import as_images, assign, of_images
from minigen.kernels.problem import Map, Problem
from minigen.kernels.threads import bands, over_images, single_threaded_blas, sum_over_images


class Place(NamedTuple):
    """The outputs of one pair of phases in one band, and where the windows lie that they see.

    Attributes:
        rows, columns: where these outputs are.
        shape: how many of them along both axes, and their taps.
        offset, strides: in bytes, of the windows (G, images, count, count, taps, taps, C/G).
    """

    rows: slice
    columns: slice
    shape: tuple[int, int, int, int]
    offset: int
    strides: tuple[int, ...]


class Windows:
    """Copies the windows of a few images at a time, ready for a matrix product. All that follows
    from shapes is known before there are images."""

    def __init__(self, what: Map, itemsize: int, filters: int | None, threads: int, now: Limits):
        """Of images (N, H, W, C), to be multiplied by filters of so many bytes; None where they are
        looked at and not copied."""
        rows, columns, channels, n = what.rows, what.columns, what.inputs, what.problem.images
        self.phases, self.groups = list(itertools.product(rows, columns)), what.problem.groups
        self.filters = [(a.of_filter(), b.of_filter()) for a, b in self.phases]
        # Whether the outputs are rows of one matrix in memory.
        self.solid = self.groups == 1 and all(a.every == b.every == 1 for a, b in self.phases)
        self.pixels = n * math.prod(sum(p.count for p in axis) for axis in (rows, columns))
        reaches = [
            (min(p.reach()[0] for p in axis), max(p.reach()[1] for p in axis))
            for axis in (rows, columns)
        ]
        (top, left), size = margins(reaches, what.source)
        (height, width), self.low = what.source, (top, left)
        # Windows may be taken from the images themselves, or from all of them with their margin.
        self.whole = size == what.source
        self.few = not self.whole and n * math.prod(size) * channels * itemsize <= (
            now.margins_at_a_time
        )
        self.inside = slice(None), slice(top, top + height), slice(left, left + width)
        self.padded_shape = (*size, channels)
        self.per_image = channels * max(
            a.count * b.count * len(a.taps) * len(b.taps) for a, b in self.phases
        )
        # BLAS copies the filters once for each product: large ones should meet many windows.
        at_a_time = max(now.windows_at_a_time, filters or 0)
        numbers = math.prod(self.padded_shape) if filters is None else self.per_image
        # And of windows that are large, but few, several images' make a product of a good shape.
        pixels = max(a.count * b.count for a, b in self.phases)
        fitting = round(at_a_time / (numbers * itemsize))
        self.images = max(-(-now.together // pixels), fitting)
        # With fewer pixels than outputs each thread takes some of the filters and all images:
        # otherwise each of them would copy all filters. And windows, which are smaller, are copied
        # before, in the order of the filters: these need no copy then.
        self.by_filters = self.groups == 1 and self.pixels < what.outputs
        # Few images are cut into bands of rows, so that each thread has some; large ones, so that
        # windows stay in cache, and are not several times as large as all images.
        least = max(1, numbers * itemsize // at_a_time, -(-threads // n))
        most = 1 if self.by_filters else min(p.count for p in rows)
        self.bands = bands(n, least, most, threads)
        self.places = [self._places(band, itemsize) for band in range(self.bands)]
        # In which phases a product adds the bias: where a one can stand beside each window, and the
        # sums have no pieces, of which that one would be another.
        per_group, outputs = channels // self.groups, what.outputs // self.groups
        self.ones = []
        for a, b in self.phases:
            depth = per_group * len(a.taps) * len(b.taps)
            beside = not self.by_filters and (self.groups > 1 or depth > per_group)
            self.ones.append(beside and not blas.sums_in_pieces(self.pixels, depth + 1, outputs))
        self.at_a_place = max(
            math.prod(p.shape[:2]) * (channels * math.prod(p.shape[2:]) + self.groups)
            for band in self.places
            for p in band
        )
        # What lies together in memory: the pixels that a row of taps meets, or the channels of one.
        # Where that is little, planes are copied, along rows of outputs.
        together = self.groups == 1 and all(b.skip == 1 for _, b in self.phases)
        taps = max(len(b.taps) for _, b in self.phases) if together else 1
        self.planar = per_group * taps <= now.short_row
        self.copied = now.copied if math.prod(what.problem.taps) > 1 else 0.0

    def cost(self, outputs: int) -> float:
        """Multiply-adds of an image, for so many outputs of a group; copies count as some."""
        return self.per_image * len(self.phases) * (outputs + self.copied)

    def _places(self, band: int, itemsize: int) -> list[Place]:
        """One for each pair of phases."""
        (height, width, channels), (top, left) = self.padded_shape, self.low
        sx, group, places = channels * itemsize, channels // self.groups * itemsize, []
        sy = width * sx
        for a, b in self.phases:
            a = a.part(band, self.bands)
            shape = a.count, b.count, len(a.taps), len(b.taps)
            offset = (top + a.start) * sy + (left + b.start) * sx
            hops = a.hop * sy, b.hop * sx, a.skip * sy, b.skip * sx
            strides = group, height * sy, *hops, itemsize
            places.append(Place(a.outputs(), b.outputs(), shape, offset, strides))
        return places

    def shares(
        self, image: Array, first: int, last: int, frame: Array | None
    ) -> Iterator[tuple[int, int, list[Place], Array]]:
        """Of the work that is `bands` for each image: ranges of a few images, the places of one
        band, and the images with their margin."""
        if self.bands == 1:
            for lo in range(first, last, self.images):
                hi = min(last, lo + self.images)
                yield lo, hi, self.places[0], self._pad(image[lo:hi], frame)
            return
        padded, before = None, -1
        for i in range(first, last):
            lo, band = divmod(i, self.bands)
            if lo != before:
                padded, before = self._pad(image[lo : lo + 1], frame), lo
            yield lo, lo + 1, self.places[band], padded

    def ready(self, image: Array) -> Array:
        """All images with their margin, if they are few. Threads that made short calls for a part
        each would wait for one another: to get the interpreter's lock back takes 20 µs."""
        if not self.few:
            return image
        padded = np.zeros((len(image), *self.padded_shape), image.dtype)
        padded[self.inside] = image
        return padded

    def buffers(self, images: int, dtype: np.dtype) -> tuple[Array | None, Array]:
        """What one thread works in: a frame of zeros around some images, and their windows."""
        count = min(images, self.images) * self.at_a_place
        return self.frame(images, dtype), memory.empty((count,), dtype)

    def frame(self, images: int, dtype: np.dtype) -> Array | None:
        """Zeros where the margin of some images is; none where they need none, or are `ready`."""
        if self.whole or self.few:
            return None
        frame = memory.empty((min(images, self.images), *self.padded_shape), dtype)
        _, rows, columns = self.inside
        frame[:, : rows.start] = frame[:, rows.stop :] = 0
        frame[:, :, : columns.start] = frame[:, :, columns.stop :] = 0
        return frame

    def _pad(self, images: Array, frame: Array | None) -> Array:
        """These images with their margin of zeros."""
        if frame is None:
            return images
        frame = frame[: len(images)]
        frame[self.inside] = images
        return frame

    def of(self, padded: Array, place: Place) -> Array:
        """The windows of one place, (G, images, count, count, taps, taps, C/G): a view."""
        channels = padded.shape[3] // self.groups
        shape = (self.groups, len(padded), *place.shape, channels)
        return np.ndarray(shape, padded.dtype, padded, place.offset, place.strides)

    def at_once(self, image: Array) -> list[tuple[Place, Array]]:
        """The places, each with the matrix of all windows, `by_filters`."""
        n = len(image)
        ((_, _, places, padded),) = self.shares(image, 0, n, self.frame(n, image.dtype))
        size = (n * self.at_a_place,)
        return [(p, self.matrix(padded, p, memory.empty(size, image.dtype))) for p in places]

    def matrix(self, padded: Array, place: Place, buffer: Array, ones: bool = False) -> Array:
        """The same as a matrix, (G, images·count·count, taps·taps·C/G), or with `ones` a column of
        them more; where windows are pixels as they are, there is no room for it."""
        windows = self.of(padded, place)
        groups, n, height, width, *depth = shape = windows.shape
        pixels, depth = n * height * width, math.prod(depth)
        if groups == shape[4] == shape[5] == 1 and windows[0, :, :, :, 0, 0].flags.c_contiguous:
            return windows.reshape(1, pixels, depth)  # a 1×1 filter: pixels are the windows
        if self.by_filters:  # (1, images, count, count, C, taps, taps)
            copied = np.ndarray((*shape[:4], *shape[6:], *shape[4:6]), padded.dtype, buffer)

            def some_channels(_: int, first: int, last: int) -> None:
                for r, s in np.ndindex(shape[4:6]):  # NumPy's inner loop goes along channels
                    copied[..., first:last, r, s] = windows[..., r, s, first:last]

            over_images(some_channels, shape[6], limits.now.copied * copied.size)
            return copied.reshape(1, pixels, depth)
        if self.planar:
            whole = np.ndarray((groups, depth + ones, pixels), padded.dtype, buffer)
            copied = whole[:, :depth].reshape(groups, *shape[4:], *shape[1:4])
            np.copyto(copied, windows.transpose(0, 4, 5, 6, 1, 2, 3))
            whole = whole.swapaxes(1, 2)
        else:
            whole = np.ndarray((groups, pixels, depth + ones), padded.dtype, buffer)
            if windows.strides[5] == shape[6] * windows.itemsize:  # rows of a window lie together
                shape = (*shape[:5], shape[5] * shape[6])
                windows = windows.reshape(shape)
            assign(whole[:, :, :depth].reshape(shape), windows)
        whole[:, :, depth:] = 1
        return whole


_planned = functools.lru_cache(maxsize=1024)(Windows)


def windows_of(what: Map, image: Array, filters: int | None) -> Windows:
    """Of images (N, H, W, C), to be multiplied by filters of so many bytes, or None; the same
    object for the same shapes."""
    return _planned(what, image.itemsize, filters, backend.threads(), limits.now)


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
    return blas.unless_spoiled(y, w) if what.transposed else y


def collect(what: Map, x: Array, w: Array, bias: Array | None) -> Array:
    """x (N, H, W, I), w (G, O/G, R, S, I/G) -> (N, *size, O): what the taps of each output pixel
    meet, padding or not."""
    n, rows, columns = len(x), what.rows, what.columns
    y = memory.empty((n, *what.size, what.outputs), x.dtype)
    some = bool(rows and columns and y.size and x.size)
    if not (what.covered and some):
        y[...] = 0 if bias is None else bias
    if not some:
        return y
    windows = windows_of(what, x, w.nbytes)
    x = windows.ready(x)

    cost = n * windows.cost(w.shape[1])
    if windows.by_filters:
        seen = windows.at_once(x)

        def some_filters(_: int, first: int, last: int) -> None:
            part = slice(first, last)
            filters = _filters_as_they_are(windows, w[:, part])
            for (place, matrix), some in zip(seen, filters, strict=True):
                at = y[:, place.rows, place.columns, part]
                _product(matrix, some, None if bias is None else bias[part], at, False)

        over_images(some_filters, w.shape[1], cost)
        return y
    matrices = _matrices(windows, w, bias)
    ones = [one and bias is not None for one in windows.ones]

    def some_images(_: int, first: int, last: int) -> None:
        frame, buffer = windows.buffers(last - first, x.dtype)
        for lo, hi, places, padded in windows.shares(x, first, last, frame):
            for place, filters, one in zip(places, matrices, ones, strict=True):
                matrix = windows.matrix(padded, place, buffer, one)
                at = y[lo:hi, place.rows, place.columns]
                _product(matrix, filters, None if one else bias, at, windows.solid)

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
    out = memory.empty((*windows.shape[:2], filters.shape[2]), at.dtype)
    multiply(windows, filters, out)
    out = out.transpose(1, 0, 2).reshape(at.shape)
    if bias is not None:
        add_to_pixels(out, bias)
    assign(at, out)


def _matrices(windows: Windows, w: Array, bias: Array | None) -> list[Array]:
    """The filters w (G, O/G, R, S, I/G) of each pair of phases, (G, taps·taps·I/G, O/G): row by row
    where BLAS then takes them in pieces, otherwise copied along the axis whose neighbours are
    nearer in memory. The bias is a row more where there are ones for it."""
    groups, per_group = w.shape[:2]
    matrices, pixels = [], windows.pixels
    for (rows, columns), one in zip(windows.filters, windows.ones, strict=True):
        more = bias is not None and one
        taps = w[:, :, rows, columns]
        depth = math.prod(taps.shape[2:])
        uncopied = in_pieces_pays(pixels, depth, per_group, turned=False)
        uncopied &= pixels >= limits.now.turned_from
        if w.strides[4] < w.strides[1] and not (more or uncopied):
            matrix = np.ascontiguousarray(taps).reshape(groups, per_group, depth).swapaxes(1, 2)
        else:
            matrix = blas.aligned((groups, depth + more, per_group), w.dtype)
            turned = taps.transpose(0, 2, 3, 4, 1)
            matrix[:, :depth].reshape(turned.shape)[...] = turned
            if more:
                matrix[:, depth] = bias.reshape(groups, per_group)
        matrices.append(matrix)
    return matrices


def _filters_as_they_are(windows: Windows, w: Array) -> list[Array]:
    """Filters w (1, O, R, S, I) of each pair of phases, (1, I·taps·taps, O): without a copy if w
    lies as O, I, R, S in memory, and all taps are met in their order."""
    matrices = []
    for rows, columns in windows.filters:
        taps = w[:, :, rows, columns].transpose(0, 1, 4, 2, 3)
        matrices.append(taps.reshape(1, w.shape[1], math.prod(taps.shape[2:])).swapaxes(1, 2))
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
    windows = windows_of(what, image, math.prod(shape) * image.itemsize)
    image = windows.ready(image)
    depth, cost = math.prod(shape[2:]), n * windows.cost(o)
    if windows.by_filters:
        ((_, matrix),) = windows.at_once(image)  # (1, pixels, C·taps)
        w = memory.empty((groups, o, c, *shape[2:4]), image.dtype)
        pixels, flat = other.reshape(1, windows.pixels, o).swapaxes(1, 2), w.reshape(1, o, depth)

        def some_filters(_: int, first: int, last: int) -> None:
            multiply(pixels[:, first:last], matrix, flat[:, first:last])

        over_images(some_filters, o, cost)
        return w.transpose(0, 1, 3, 4, 2)

    # BLAS likes the second factor row by row, and is slow where the last side is short.
    tall = windows.planar and o > limits.now.few
    wide = depth >= o and not tall and not in_pieces_pays(depth, windows.pixels, o, turned=False)

    def some_images(first: int, last: int) -> Array:
        """(G, O/G, taps·C/G) of some images."""
        frame, buffer = windows.buffers(last - first, image.dtype)
        total = memory.empty((groups, o, depth) if wide else (groups, depth, o), image.dtype)
        for i, (lo, hi, (place,), padded) in enumerate(windows.shares(image, first, last, frame)):
            matrix = windows.matrix(padded, place, buffer)
            pixels = other[lo:hi, place.rows]
            pixels = pixels.reshape(matrix.shape[1], groups, pixels.shape[3] // groups)
            pixels = pixels.transpose(1, 2, 0)
            a, b = (pixels, matrix) if wide else (matrix.swapaxes(1, 2), pixels.swapaxes(1, 2))
            # (G, O/G, pixels) @ (G, pixels, taps·C/G), or its mirror image
            out = total if i == 0 else memory.empty(total.shape, total.dtype)
            multiply(a, b, out)
            if i:
                total += out
        return total if wide else total.swapaxes(1, 2)

    return sum_over_images(some_images, n * windows.bands, cost).reshape(shape)


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
