"""Which pixel of each window is the largest; pixels taken from there, and put there."""

from __future__ import annotations

import math

import numpy as np

from minigen.backend import Array, namespace, on_host
from minigen.kernels import limits, memory
from minigen.kernels import places as along
from minigen.kernels.phases import Pair
from minigen.kernels.threads import in_pieces


def argmax_of_windows(
    x: Array, window: Pair, size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """For x (N, C, H, W), the places of the maxima as indices into H·W: int64 (N, C, *size).

    The first one of equals in row-major order; a NaN wins, as in PyTorch. Padding never wins.
    """
    geometry = window, size, stride, padding, dilation
    if not on_host(x):
        return _argmax(x, *geometry)
    n, c = x.shape[:2]
    places = memory.empty((n, *size, c), np.int64).transpose(0, 3, 1, 2)

    def some(first: int, last: int) -> None:
        images = x[first:last]
        if c <= limits.now.planar:  # each plane an image: NumPy's inner loop goes along its rows
            images = np.ascontiguousarray(images).reshape(-1, 1, *x.shape[2:])
        found = _argmax(images, *geometry)
        places[first:last] = found.reshape(last - first, c, *size)

    taps = math.prod(window)
    width = math.prod(places.shape[1:])  # what is worked on: of each tap as many pixels
    in_pieces(some, n, width, limits.now.of_a_pass * taps * places.size)
    return places


def _argmax(
    x: Array, window: Pair, size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """The same, at once."""
    xp = namespace(x)
    n, c, h, w = x.shape
    pixels = x.transpose(0, 2, 3, 1)
    steps = [xp.arange(o) * s - p for o, s, p in zip(size, stride, padding, strict=True)]
    reach = [(o - 1) * s + 1 for o, s in zip(size, stride, strict=True)]
    last = [r + (k - 1) * d for r, k, d in zip(reach, window, dilation, strict=True)]
    padded = any(padding) or last[0] > h or last[1] > w
    if padded:
        height, width = (max(m + p, e) for m, p, e in zip((h, w), padding, last, strict=True))
        least = -xp.inf if x.dtype.kind == "f" else xp.iinfo(x.dtype).min
        frame = xp.full((n, height, width, c), least, x.dtype)
        frame[:, padding[0] : padding[0] + h, padding[1] : padding[1] + w] = pixels
        pixels = frame
    taps = [(r, s) for r in range(window[0]) for s in range(window[1])]
    kind = xp.uint8 if len(taps) <= 256 else xp.uint32
    nan = not on_host(x) or bool(xp.isnan(x).any())  # a GPU is not waited for
    best, tap = xp.empty((n, *size, c), x.dtype), xp.zeros((n, *size, c), kind)
    seen = xp.zeros((*size, 1), bool)  # has a window met a pixel that is not padding?
    for i, (r, s) in enumerate(taps):
        top, left = r * dilation[0], s * dilation[1]
        value = pixels[:, top : top + reach[0] : stride[0], left : left + reach[1] : stride[1]]
        if i == 0:
            best[...] = value
        better = value > best
        if nan:
            better |= xp.isnan(value)
        if padded:  # any pixel wins over padding, −∞ too
            y, z = (o + t for o, t in zip(steps, (top, left), strict=True))
            inside = ((y >= 0) & (y < h))[:, None, None] & ((z >= 0) & (z < w))[:, None]
            better |= inside & ~seen
            seen |= inside
        # Arithmetic, since masked copies stumble over irregular masks.
        xp.maximum(best, value, out=best)
        xp.maximum(tap, better * tap.dtype.type(i), out=tap)
    down, right = (xp.arange(k) * d for k, d in zip(window, dilation, strict=True))
    offsets = (down[:, None] * w + right).reshape(-1)
    corner = steps[0][:, None] * w + steps[1]  # of each window's first tap
    return (offsets[tap] + corner[:, :, None]).transpose(0, 3, 1, 2)


def take_pixels(x: Array, places: Array) -> Array:
    """Of x (N, C, H, W) what is at these places (N, C, H', W') in H·W."""
    n, c, *size = places.shape
    # A pixel is a row, and from these numbers are taken channel by channel.
    rows = along.take(_rows(x), _rows(places), 1)
    return rows.reshape(n, *size, c).transpose(0, 3, 1, 2)


def put_pixels(g: Array, places: Array, size: Pair) -> Array:
    """Zeros (N, C, *size) to which g (N, C, H', W') is added at these places."""
    n, c = places.shape[:2]
    rows = along.add(_rows(g), _rows(places), 1, (n, math.prod(size), c))
    return rows.reshape(n, *size, c).transpose(0, 3, 1, 2)


def _rows(x: Array) -> Array:
    """(N, C, H, W) as (N, H·W, C)."""
    n, c, h, w = x.shape
    return x.transpose(0, 2, 3, 1).reshape(n, h * w, c)
