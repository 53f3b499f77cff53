"""Sums over windows of an image, patches of it, resizing, and the mirror image of each."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from minigen.backend import Array, namespace, on_host
from minigen.kernels import limits
from minigen.kernels.phases import Pair
from minigen.kernels.simple import taps
from minigen.kernels.threads import in_pieces


def image(x: Array, shape: tuple[int, ...], value: float = 0.0) -> Array:
    """A new array (N, C, H, W) filled with `value`, on the device of `x`, laid out N, H, W, C."""
    n, c, h, w = shape
    return namespace(x).full((n, h, w, c), value, x.dtype).transpose(0, 3, 1, 2)


def padded(x: Array, padding: Pair, reach: Pair) -> Array:
    """x (N, C, H, W) in a frame of zeros, at least `reach` high and wide."""
    (top, left), (n, c, h, w) = padding, x.shape
    if not (top or left) and h >= reach[0] and w >= reach[1]:
        return x
    frame = image(x, (n, c, max(h + 2 * top, reach[0]), max(w + 2 * left, reach[1])))
    frame[:, :, top : top + h, left : left + w] = x
    return frame


def cropped(frame: Array, padding: Pair, size: Pair) -> Array:
    """What is inside the frame."""
    if frame.shape[2:] == tuple(size):
        return frame
    inside = image(frame, (*frame.shape[:2], *size))
    (top, left), (h, w) = padding, size
    inside[...] = frame[:, :, top : top + h, left : left + w]
    return inside


def reach(size: Pair, window: Pair, stride: Pair, dilation: Pair) -> Pair:
    """How far windows that give an output of `size` reach into the padded input."""
    return tuple(
        (n - 1) * s + (k - 1) * d + 1
        for n, k, s, d in zip(size, window, stride, dilation, strict=True)
    )


def sum_windows(x: Array, size: Pair, window: Pair, stride: Pair, padding: Pair) -> Array:
    """(N, C, H, W) -> (N, C, *size): the sum over each window."""
    xp = padded(x, padding, reach(size, window, stride, (1, 1)))
    y = image(x, (*x.shape[:2], *size))

    def some(i: int, j: int) -> None:
        for _, _, rows, columns in taps(size, window, stride, (1, 1)):
            y[i:j] += xp[i:j, :, rows, columns]

    _over_some(some, y, math.prod(window))
    return y


def _over_some(work: Callable[[int, int], None], images: Array, taps: int) -> None:
    """Call `work(first, last)` on ranges of images, of which each tap's pixels are as many as of
    these."""
    if len(images) and on_host(images):
        in_pieces(work, len(images), images[0].size, limits.now.of_a_pass * taps * images.size)
    else:
        work(0, len(images))


def add_windows(g: Array, size: Pair, window: Pair, stride: Pair, padding: Pair) -> Array:
    """(N, C, OH, OW) -> (N, C, *size): each value added to every pixel of its window."""
    far = reach(g.shape[2:], window, stride, (1, 1))
    sides = [max(n + 2 * p, r) for n, p, r in zip(size, padding, far, strict=True)]
    xp = image(g, (*g.shape[:2], *sides))

    def some(i: int, j: int) -> None:
        for _, _, rows, columns in taps(g.shape[2:], window, stride, (1, 1)):
            xp[i:j, :, rows, columns] += g[i:j]

    _over_some(some, g, math.prod(window))
    return cropped(xp, padding, size)


def patches(
    x: Array, size: Pair, window: Pair, dilation: Pair, padding: Pair, stride: Pair
) -> Array:
    """(N, C, H, W) -> (N, C·R·S, pixels of size): the windows as columns."""
    n, c = x.shape[:2]
    xp = padded(x, padding, reach(size, window, stride, dilation))
    y = namespace(x).empty((n, c, *window, *size), x.dtype)

    def some(i: int, j: int) -> None:
        for r, s, rows, columns in taps(size, window, stride, dilation):
            y[i:j, :, r, s] = xp[i:j, :, rows, columns]

    _over_some(some, y[:, :, 0, 0], math.prod(window))
    return y.reshape(n, c * window[0] * window[1], size[0] * size[1])


def add_patches(
    g: Array, shape: Pair, size: Pair, window: Pair, dilation: Pair, padding: Pair, stride: Pair
) -> Array:
    """(N, C·R·S, pixels of size) -> (N, C, *shape): columns added where they were taken from."""
    n, c = g.shape[0], g.shape[1] // (window[0] * window[1])
    columns_of = g.reshape(n, c, *window, *size)
    far = reach(size, window, stride, dilation)
    sides = [max(m + 2 * p, r) for m, p, r in zip(shape, padding, far, strict=True)]
    xp = image(g, (n, c, *sides))

    def some(i: int, j: int) -> None:
        for r, s, rows, columns in taps(size, window, stride, dilation):
            xp[i:j, :, rows, columns] += columns_of[i:j, :, r, s]

    _over_some(some, columns_of[:, :, 0, 0], math.prod(window))
    return cropped(xp, padding, shape)


def reframed(x: Array, before: list[int], after: list[int], value: float) -> Array:
    """x with `before` and `after` entries of `value` around each axis; negative ones crop it."""
    shape = [n + b + a for n, b, a in zip(x.shape, before, after, strict=True)]
    y = image(x, shape, value) if x.ndim == 4 else namespace(x).full(shape, value, x.dtype)
    into, out_of = [], []
    for n, m, b, a in zip(shape, x.shape, before, after, strict=True):
        into.append(slice(max(b, 0), n - max(a, 0)))
        out_of.append(slice(max(-b, 0), m - max(-a, 0)))
    y[tuple(into)] = x[tuple(out_of)]
    return y


@dataclass(eq=False)
class Mixture:
    """A linear map along one axis, as the terms of its sums: `rows[i]` of the result gets
    `weights[i]` times `columns[i]` of the input.

    Only what has a weight is there: as a product with a matrix, the zeros of which would make
    NaN of an infinity, one such pixel would spoil all.

    Attributes:
        shape: lengths of the axis after and before.
    """

    shape: Pair
    rows: Array
    columns: Array
    weights: Array

    @functools.cached_property
    def transposed(self) -> Mixture:
        """The mirror image: the map of gradients."""
        order = np.argsort(self.columns, kind="stable")
        terms = (a[order] for a in (self.columns, self.rows, self.weights))
        return Mixture(self.shape[::-1], *terms)

    @functools.cached_property
    def passes(self) -> list[tuple[Array | slice, Array, Array | None]]:
        """The first terms of all rows, the second of those that have one, and so on: (rows, a
        slice where they follow each other; columns; weights, None for ones)."""
        _, first, count = np.unique(self.rows, return_index=True, return_counts=True)
        found = []
        for i in range(count.max(initial=0)):
            some = first[count > i] + i
            rows, weights = self.rows[some], self.weights[some]
            if rows[-1] - rows[0] == len(rows) - 1:
                rows = slice(int(rows[0]), int(rows[-1]) + 1)
            ones = (weights == 1).all()
            found.append((rows, self.columns[some], None if ones else weights))
        return found


def taking(entries: Array, length: int) -> Mixture:
    """Output i is the input's entry `entries[i]`."""
    return Mixture((len(entries), length), np.arange(len(entries)), entries, np.ones(len(entries)))


def mix(x: Array, axis: int, by: Mixture) -> Array:
    """x (N, C, …) with that axis replaced by sums of its entries."""
    # A pixel is a row, so its channels are taken together.
    pixels, xp = x.transpose(0, *range(2, x.ndim), 1), namespace(x)
    before, after, (count, length) = pixels.shape[: axis - 1], pixels.shape[axis:], by.shape
    lead, width = math.prod(before), math.prod(after)
    pixels, y = pixels.reshape(lead, length, width), xp.empty((lead, count, width), x.dtype)
    # NumPy's inner loop goes along the last axis, and wants it long: each weight once a number.
    terms = []
    for rows, columns, weights in by.passes:
        rows = rows if isinstance(rows, slice) else xp.asarray(rows)
        if weights is not None:
            weights = xp.asarray(np.repeat(weights, width), x.dtype)
        terms.append((rows, xp.asarray(columns), weights))

    def some(first: int, last: int) -> None:
        x, out = pixels[first:last], y[first:last]
        if not (terms and len(terms[0][1]) == count):
            out[...] = 0
        for i, (rows, columns, weights) in enumerate(terms):
            at_once = i == 0 and len(columns) == count
            if at_once and xp is np:
                part = x.take(columns, 1, out=out, mode="clip")  # "raise" would copy it once more
            else:
                part = x.take(columns, 1)
            if weights is not None:
                flat = part.reshape(len(part), -1)
                flat *= weights
            if not at_once:
                out[:, rows] += part  # each row is named once
            elif part is not out:
                out[...] = part

    if lead and on_host(x):
        in_pieces(some, lead, count * width, limits.now.of_a_sum * y.size)
    elif lead:
        some(0, lead)
    y = y.reshape(*before, count, *after)
    return y.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


@functools.lru_cache(maxsize=64)
def resizing(out: int, length: int, ratio: Fraction, mode: str, align: bool) -> Mixture:
    """Each output takes the nearest input, or two of them weighted by distance.

    Points are fractions, and exact: in floating-point numbers 11·(30/22) is less than 15.

    Args:
        ratio: how far apart outputs are, in inputs.
    """
    to = range(out)
    if mode == "nearest":
        low = [min(i * ratio.numerator // ratio.denominator, length - 1) for i in to]
        return Mixture((out, length), np.arange(out), np.array(low, int), np.ones(out))
    if align:
        at = [Fraction(i * (length - 1), max(out - 1, 1)) for i in to]
    else:
        at = [max((i + Fraction(1, 2)) * ratio - Fraction(1, 2), Fraction(0)) for i in to]
    terms = []
    for i, point in enumerate(at):
        low = min(int(point), length - 1)
        high, weight = min(low + 1, length - 1), float(point - int(point))
        shares = {low: 1.0} if low == high or not weight else {low: 1 - weight, high: weight}
        terms += [(i, j, share) for j, share in shares.items()]
    rows, columns, weights = zip(*terms, strict=True)
    return Mixture((out, length), np.array(rows), np.array(columns), np.array(weights))


@functools.lru_cache(maxsize=64)
def averaging(out: int, length: int) -> Mixture:
    """Output i is the mean of the inputs from ⌊i·length/out⌋ to ⌈(i + 1)·length/out⌉."""
    spans = [range(i * length // out, -(-(i + 1) * length // out)) for i in range(out)]
    counts = np.array([len(span) for span in spans])
    rows = np.repeat(np.arange(out), counts)
    return Mixture((out, length), rows, np.concatenate(spans), 1 / counts[rows])
