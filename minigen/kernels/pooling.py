"""Which pixel of each window is the largest."""

from __future__ import annotations

from minigen.backend import Array, namespace

Pair = tuple[int, int]


def argmax_of_windows(
    x: Array, kernel: Pair, size: Pair, stride: Pair, padding: Pair, dilation: Pair
) -> Array:
    """For x (N, C, H, W), the places of the maxima as indices into H·W: int64 (N, C, *size).

    The first one of equals in row-major order; a NaN wins, as in PyTorch. Padding never wins.
    """
    xp = namespace(x)
    n, c, h, w = x.shape
    last = [
        (o - 1) * s + (k - 1) * d + 1
        for o, s, k, d in zip(size, stride, kernel, dilation, strict=True)
    ]
    height, width = (max(n_ + 2 * p, e) for n_, p, e in zip((h, w), padding, last, strict=True))
    frame = xp.full((n, height, width, c), -xp.inf, x.dtype)
    inside = xp.zeros((height, width), bool)
    top, left = padding
    frame[:, top : top + h, left : left + w] = x.transpose(0, 2, 3, 1)
    inside[top : top + h, left : left + w] = True
    best = place = None
    for r in range(kernel[0]):
        for s in range(kernel[1]):
            rows = slice(
                r * dilation[0], r * dilation[0] + (size[0] - 1) * stride[0] + 1, stride[0]
            )
            cols = slice(
                s * dilation[1], s * dilation[1] + (size[1] - 1) * stride[1] + 1, stride[1]
            )
            value = frame[:, rows, cols]
            y = xp.arange(size[0])[:, None] * stride[0] + r * dilation[0] - top
            z = xp.arange(size[1]) * stride[1] + s * dilation[1] - left
            here = (y * w + z)[:, :, None]
            if best is None:
                best = value.copy()
                place = xp.where(inside[rows, cols][:, :, None], here, -1)
                place = xp.broadcast_to(place, value.shape).copy()
                continue
            better = ((value > best) | (value != value) | (place < 0)) & inside[rows, cols][
                :, :, None
            ]
            best = xp.where(better, value, best)
            place = xp.where(better, here, place)
    return place.transpose(0, 3, 1, 2)
