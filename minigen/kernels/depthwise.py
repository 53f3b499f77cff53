"""Convolutions of each channel for itself: filters of one channel, one for each.

There is no product to speak of, since no number is used for several outputs of a pixel. So each
output is summed up where it is, by `einsum`, and no window is copied. Its inner loop wants to be
long: all channels of all pixels that a tap meets in a row lie side by side, and their weights are
repeated for each pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigen.backend import Array
from minigen.kernels import limits, memory
from minigen.kernels.blas import unless_spoiled
from minigen.kernels.direct import Place, windows_of
from minigen.kernels.phases import Phase
from minigen.kernels.pixels import repeated
from minigen.kernels.problem import Map, Problem
from minigen.kernels.threads import over_images, sum_over_images


def fits(what: Map) -> bool:
    p, empty = what.problem, not (what.rows and what.columns)  # no tap meets a pixel
    return (
        p.groups == p.inputs == p.outputs > 1 and not empty and 0 not in (p.images, *p.size, *p.out)
    )


def cost(what: Map) -> float:
    """Sums take longer than a product, and longer still where channels are so few that rows of them
    are short."""
    return limits.now.of_a_tap * what.collected * (1 + limits.now.short / what.inputs)


def seen(padded: Array, place: Place, row: Phase, column: Phase) -> Iterator[tuple[slice, Array]]:
    """Some columns of taps, and what they meet in images with their margin: (images, count, taps,
    those taps, count·C), a view. Where windows jump, the columns that a tap meets are copied."""
    count, wide, deep, _ = place.shape
    top, left = divmod(place.offset, padded.strides[1])
    padded, left = padded[:, top:], left // padded.strides[2]
    many = column.hop // math.gcd(column.hop, column.skip)  # neighbouring taps meet other columns
    for first in range(min(many, len(column.taps))):
        some = slice(first, None, many)
        pixels = padded[:, :, left + first * column.skip :: column.hop]
        if column.hop > 1:
            pixels = np.ascontiguousarray(pixels)
        sn, sy, sx, sc = pixels.strides
        shape = (len(pixels), count, deep, len(column.taps[some]), wide * pixels.shape[3])
        strides = (sn, row.hop * sy, row.skip * sy, many * column.skip // column.hop * sx, sc)
        yield some, as_strided(pixels, shape, strides)


def convolve(what: Map, x: Array, w: Array, bias: Array | None) -> Array | None:
    """x (N, H, W, C), w (C, 1, R, S) -> (N, *size, C).

    None where a transposed filter that is not finite may have met zeros of the margin.
    """
    y = memory.empty((len(x), *what.size, what.outputs), x.dtype)
    if not what.covered:
        y[...] = 0 if bias is None else bias
    windows = windows_of(what, x, None)
    x = windows.ready(x)
    filters = []  # (R, S, count·C) of each phase
    for (_, column), (of_rows, of_columns) in zip(windows.phases, windows.filters, strict=True):
        filters.append(np.tile(w[:, 0, of_rows, of_columns].transpose(1, 2, 0), column.count))

    def work(_: int, first: int, last: int) -> None:
        frame = windows.frame(last - first, x.dtype)
        for lo, hi, places, padded in windows.shares(x, first, last, frame):
            for place, phases, taps in zip(places, windows.phases, filters, strict=True):
                at = y[lo:hi, place.rows, place.columns]
                alone = phases[1].every == 1  # no other phase's outputs lie between these
                shape = hi - lo, place.shape[0], taps.shape[2]
                total = at.reshape(shape) if alone else memory.empty(shape, x.dtype)
                (some, met), *others = seen(padded, place, *phases)
                np.einsum("nyrsj,rsj->nyj", met, taps[:, some], out=total)
                for some, met in others:
                    total += np.einsum("nyrsj,rsj->nyj", met, taps[:, some])
                if bias is not None:
                    total += repeated(bias, taps.shape[2])
                if not alone:
                    at[...] = total.reshape(at.shape)

    over_images(work, len(x) * windows.bands, cost(what))
    return unless_spoiled(y, w) if what.transposed else y


def correlate(what: Problem, x: Array, g: Array) -> Array:
    """(N, H, W, C), (N, H', W', C) -> (C, 1, R, S)"""
    (row,), (column,) = what.forward.rows, what.forward.columns
    windows, (rows, columns) = windows_of(what.forward, x, None), what.taps
    x = windows.ready(x)

    def work(first: int, last: int) -> Array:
        """(R, S, W'·C) of some images."""
        frame = windows.frame(last - first, x.dtype)
        total = np.zeros((rows, columns, column.count * what.inputs), x.dtype)
        for lo, hi, (place,), padded in windows.shares(x, first, last, frame):
            pixels = g[lo:hi, place.rows].reshape(hi - lo, place.shape[0], -1)
            for taps, met in seen(padded, place, row, column):
                of_taps = total[:, taps]
                for r, s in np.ndindex(of_taps.shape[:2]):
                    of_taps[r, s] += np.einsum("nyj,nyj->j", met[:, :, r, s], pixels)
        return total

    total = sum_over_images(work, len(x) * windows.bands, cost(what.forward))
    by_channel = total.reshape(rows, columns, column.count, what.inputs).sum(2)
    return np.ascontiguousarray(by_channel.transpose(2, 0, 1))[:, None]
