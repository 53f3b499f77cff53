"""Convolutions of each channel for itself: filters of one channel, one for each.

There is no product to speak of, since no number is used for several outputs of a pixel. So each
output is summed up where it is, by `einsum`, whose inner loop goes along the channels, and no
window is copied.
"""

from __future__ import annotations

import numpy as np

from minigen.backend import Array
from minigen.kernels import limits, memory
from minigen.kernels.blas import is_finite
from minigen.kernels.direct import windows_of
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
    windows = windows_of(what, x, w.nbytes)
    # (R, S, C) of each phase
    filters = [np.ascontiguousarray(w[:, 0, a, b].transpose(1, 2, 0)) for a, b in windows.filters]

    def work(_: int, first: int, last: int) -> None:
        frame = windows.frame(last - first, x.dtype)
        for lo, hi, places, padded in windows.shares(x, first, last, frame):
            for place, taps in zip(places, filters, strict=True):
                seen, at = windows.of(padded, place)[..., 0], y[lo:hi, place.rows, place.columns]
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
    windows = windows_of(what.forward, x, 0)

    def work(first: int, last: int) -> Array:
        """(R, S, C) of some images."""
        frame = windows.frame(last - first, x.dtype)
        total = np.zeros((*what.taps, what.inputs), x.dtype)
        for lo, hi, (place,), padded in windows.shares(x, first, last, frame):
            seen = windows.of(padded, place)[..., 0]
            total += np.einsum("cnyxrs,nyxc->rsc", seen, g[lo:hi, place.rows])
        return total

    total = sum_over_images(work, len(x) * windows.bands, cost(what.forward))
    return np.ascontiguousarray(total.transpose(2, 0, 1))[:, None]
