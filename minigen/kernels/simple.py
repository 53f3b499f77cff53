"""Convolution, slow and obvious: one filter tap at a time. The teacher, and the tests' oracle.

It runs on NumPy and on CuPy. Shapes are PyTorch's: x (N, C, H, W), w (O, C/G, R, S), g and the
output (N, O, OH, OW), with G groups. Output pixel p of a convolution and tap r of its filter meet
input pixel p·stride − padding + r·dilation; all three functions below only say that.
"""

from __future__ import annotations

from minigen.backend import Array, namespace
from minigen.kernels.phases import Pair
from minigen.kernels.problem import Problem


def _padded(x: Array, padding: Pair) -> Array:
    (h, w), (n, c) = padding, x.shape[:2]
    shape = (n, c, x.shape[2] + 2 * h, x.shape[3] + 2 * w)
    padded = namespace(x).zeros(shape, x.dtype)
    padded[:, :, h : h + x.shape[2], w : w + x.shape[3]] = x
    return padded


def taps(size: Pair, window: Pair, stride: Pair, dilation: Pair):
    """For each tap, the slices of the padded input that it meets for an output of `size`."""
    for r in range(window[0]):
        for s in range(window[1]):
            rows, columns = (
                slice(tap * d, tap * d + (out - 1) * step + 1, step)
                for tap, d, out, step in zip((r, s), dilation, size, stride, strict=True)
            )
            yield r, s, rows, columns


def conv2d(x: Array, w: Array, problem: Problem) -> Array:
    """y[n, o, p] = Σ_c Σ_r x[n, c, p·stride − padding + r·dilation] · w[o, c, r]"""
    (n, c), o, size, groups = x.shape[:2], w.shape[0], problem.out, problem.groups
    xp = _padded(x, problem.padding)
    xp = xp.reshape(n, groups, c // groups, *xp.shape[2:])
    wg = w.reshape(groups, o // groups, *w.shape[1:])
    y = namespace(x).zeros((n, groups, o // groups, *size), x.dtype)
    for r, s, rows, columns in taps(size, w.shape[2:], problem.stride, problem.dilation):
        for g in range(groups):
            pixels = xp[:, g, :, rows, columns].reshape(n, c // groups, size[0] * size[1])
            # (O/G, C/G) @ (N, C/G, OH·OW)
            y[:, g] += (wg[g, :, :, r, s] @ pixels).reshape(n, o // groups, *size)
    return y.reshape(n, o, *size)


def conv2d_input(g: Array, w: Array, problem: Problem) -> Array:
    """x[n, c, p·stride − padding + r·dilation] += Σ_o g[n, o, p] · w[o, c, r]

    Where windows overlap their shares are added.
    """
    (n, o, *pixels), size, groups = g.shape, problem.size, problem.groups
    c = w.shape[1] * groups
    gg = g.reshape(n, groups, o // groups, pixels[0] * pixels[1])
    wg = w.reshape(groups, o // groups, *w.shape[1:])
    xp = _padded(namespace(g).zeros((n, c, *size), g.dtype), problem.padding)
    xg = xp.reshape(n, groups, c // groups, *xp.shape[2:])
    for r, s, rows, columns in taps(pixels, w.shape[2:], problem.stride, problem.dilation):
        for i in range(groups):
            # (C/G, O/G) @ (N, O/G, OH·OW)
            share = wg[i, :, :, r, s].T @ gg[:, i]
            xg[:, i, :, rows, columns] += share.reshape(n, c // groups, *pixels)
    (top, left), (height, width) = problem.padding, size
    return xp[:, :, top : top + height, left : left + width]


def conv2d_weight(x: Array, g: Array, problem: Problem) -> Array:
    """w[o, c, r] = Σ_n Σ_p x[n, c, p·stride − padding + r·dilation] · g[n, o, p]"""
    (n, c), (o, *size), groups = x.shape[:2], g.shape[1:], problem.groups
    pixels = size[0] * size[1]
    xp = _padded(x, problem.padding)
    xp = xp.reshape(n, groups, c // groups, *xp.shape[2:])
    gg = g.reshape(n, groups, o // groups, pixels)
    w = namespace(x).zeros((groups, o // groups, c // groups, *problem.taps), x.dtype)
    for r, s, rows, columns in taps(size, problem.taps, problem.stride, problem.dilation):
        for i in range(groups):
            # Σ_n (O/G, OH·OW) @ (OH·OW, C/G)
            window = xp[:, i, :, rows, columns].reshape(n, c // groups, pixels)
            w[i, :, :, r, s] = (gg[:, i] @ window.swapaxes(1, 2)).sum(0)
    return w.reshape(o, c // groups, *problem.taps)
