"""Sums over windows of an image, patches of it, and the mirror image of both."""

from __future__ import annotations

import numpy as np

from minigen.backend import Array, namespace
from minigen.kernels.simple import Pair, taps


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


def reach(size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Pair:
    """How far windows that give an output of `size` reach into the padded input."""
    return tuple(
        (n - 1) * s + (k - 1) * d + 1
        for n, k, s, d in zip(size, kernel, stride, dilation, strict=True)
    )


def sum_windows(x: Array, size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """(N, C, H, W) -> (N, C, *size): the sum over each window."""
    xp = padded(x, padding, reach(size, kernel, stride, (1, 1)))
    y = image(x, (*x.shape[:2], *size))
    for _, _, rows, columns in taps(size, kernel, stride, (1, 1)):
        y += xp[:, :, rows, columns]
    return y


def spread_windows(g: Array, size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """(N, C, OH, OW) -> (N, C, *size): each value added to every pixel of its window."""
    far = reach(g.shape[2:], kernel, stride, (1, 1))
    sides = [max(n + 2 * p, r) for n, p, r in zip(size, padding, far, strict=True)]
    xp = image(g, (*g.shape[:2], *sides))
    for _, _, rows, columns in taps(g.shape[2:], kernel, stride, (1, 1)):
        xp[:, :, rows, columns] += g
    return cropped(xp, padding, size)


def patches(
    x: Array, size: Pair, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair
) -> Array:
    """(N, C, H, W) -> (N, C·R·S, pixels of size): the windows as columns."""
    n, c = x.shape[:2]
    xp = padded(x, padding, reach(size, kernel, stride, dilation))
    y = namespace(x).empty((n, c, *kernel, *size), x.dtype)
    for r, s, rows, columns in taps(size, kernel, stride, dilation):
        y[:, :, r, s] = xp[:, :, rows, columns]
    return y.reshape(n, c * kernel[0] * kernel[1], size[0] * size[1])


def add_patches(
    g: Array, shape: Pair, size: Pair, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair
) -> Array:
    """(N, C·R·S, pixels of size) -> (N, C, *shape): columns added where they were taken from."""
    n, c = g.shape[0], g.shape[1] // (kernel[0] * kernel[1])
    columns_of = g.reshape(n, c, *kernel, *size)
    far = reach(size, kernel, stride, dilation)
    sides = [max(m + 2 * p, r) for m, p, r in zip(shape, padding, far, strict=True)]
    xp = image(g, (n, c, *sides))
    for r, s, rows, columns in taps(size, kernel, stride, dilation):
        xp[:, :, rows, columns] += columns_of[:, :, r, s]
    return cropped(xp, padding, shape)


def place(x: Array, before: list[int], after: list[int], value: float) -> Array:
    """x with `before` and `after` entries of `value` around each axis; negative ones crop it."""
    shape = [n + b + a for n, b, a in zip(x.shape, before, after, strict=True)]
    y = image(x, shape, value) if x.ndim == 4 else namespace(x).full(shape, value, x.dtype)
    into, out_of = [], []
    for n, m, b, a in zip(shape, x.shape, before, after, strict=True):
        into.append(slice(max(b, 0), n - max(a, 0)))
        out_of.append(slice(max(-b, 0), m - max(-a, 0)))
    y[tuple(into)] = x[tuple(out_of)]
    return y


def resize_matrix(out: int, length: int, ratio: float, mode: str, align: bool) -> Array:
    """(out, length): resizing along one axis is this matrix times the input.

    Each output takes the nearest input, or two of them weighted by distance.
    """
    to = np.arange(out)
    matrix = np.zeros((out, length))
    if mode == "nearest":
        matrix[to, np.minimum(np.floor(to * ratio).astype(int), length - 1)] = 1
        return matrix
    if align:
        at = to * ((length - 1) / (out - 1) if out > 1 else 0.0)
    else:
        at = np.maximum((to + 0.5) * ratio - 0.5, 0)
    low = np.minimum(at.astype(int), length - 1)
    weight = at - low
    np.add.at(matrix, (to, low), 1 - weight)
    np.add.at(matrix, (to, np.minimum(low + 1, length - 1)), weight)
    return matrix


def average_matrix(out: int, length: int) -> Array:
    """(out, length): output i is the mean of the inputs from ⌊i·length/out⌋ to
    ⌈(i + 1)·length/out⌉."""
    matrix = np.zeros((out, length))
    for i in range(out):
        first, last = i * length // out, -(-(i + 1) * length // out)
        matrix[i, first:last] = 1 / (last - first)
    return matrix
