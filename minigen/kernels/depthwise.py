"""Convolutions of each channel for itself: filters of one channel, one for each.

There is no product to speak of, since no number is used for several outputs of a pixel. So each
output is summed up where it is, by `einsum`, whose inner loop goes along the channels, and no
window is copied.
"""

from __future__ import annotations

import itertools

import numpy as np

from minigen.backend import Array
from minigen.kernels import limits, memory
from minigen.kernels.blas import is_finite
from minigen.kernels.direct import Windows
from minigen.kernels.problem import Map, Problem
from minigen.kernels.threads import over_images, sum_over_images


def fits(what: Map) -> bool:
    p, empty = what.problem, not (what.rows and what.columns)  # no tap meets a pixel
    return (
        p.groups == p.inputs == p.outputs > 1 and not empty and 0 not in (p.images, *p.size, *p.out)
    )


def cost(what: Map) -> float:
    """A multiply-add for each output takes as long as a sum."""
    return limits.now.of_a_sum * what.collected


def convolve(what: Map, x: Array, w: Array, bias: Array | None) -> Array | None:
    """x (N, H, W, C), w (C, 1, R, S) -> (N, *size, C).

    None where a transposed filter that is not finite may have met zeros of the margin.
    """
    y = memory.empty((len(x), *what.size, what.outputs), x.dtype)
    if not what.covered:
        y[...] = 0 if bias is None else bias
    windows = Windows(what, x, w.nbytes)
    phases = list(itertools.product(what.rows, what.columns))
    # (R, S, C) of each phase
    filters = [np.ascontiguousarray(w[:, 0, a.of_filter(), b.of_filter()].transpose(1, 2, 0))
               for a, b in phases]  # fmt: skip

    def work(_: int, first: int, last: int) -> None:
        frame = windows.frame(last - first)
        for lo, hi, band, padded in windows.shares(first, last, frame):
            for (a, b), taps in zip(phases, filters, strict=True):
                a = a.part(band, windows.bands)
                seen, at = windows.of(padded, a, b)[..., 0], y[lo:hi, a.outputs(), b.outputs()]
                np.einsum("cnyxrs,rsc->nyxc", seen, taps, out=at)
                if bias is not None:
                    at += bias

    over_images(work, len(x) * windows.bands, cost(what))
    if what.transposed:
        w = np.ascontiguousarray(w)
        return y if is_finite(min(y, w, key=np.size)) or is_finite(w) else None
    return y


def correlate(what: Problem, x: Array, g: Array) -> Array:
    """(N, H, W, C), (N, H', W', C) -> (C, 1, R, S)"""
    windows, ((row,), (column,)) = Windows(what.forward, x, 0), (
        what.forward.rows, what.forward.columns)  # fmt: skip

    def work(first: int, last: int) -> Array:
        """(R, S, C) of some images."""
        frame, total = windows.frame(last - first), np.zeros((*what.taps, what.inputs), x.dtype)
        for lo, hi, band, padded in windows.shares(first, last, frame):
            some = row.part(band, windows.bands)
            seen = windows.of(padded, some, column)[..., 0]
            total += np.einsum("cnyxrs,nyxc->rsc", seen, g[lo:hi, some.outputs()])
        return total

    total = sum_over_images(work, len(x) * windows.bands, cost(what.forward))
    return np.ascontiguousarray(total.transpose(2, 0, 1))[:, None]
