"""Pooling by averages, resizing, padding and patches: linear maps, and their mirror images.

Shapes are PyTorch's, (N, C, H, W), but in memory the order is N, H, W, C: a pixel is a row of its
channels, so that a convolution is a matrix product of rows (`kernels/convolution.py`) and what
reads pixels side by side, as all of these do, moves whole rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from minigen.backend import Array, namespace, require_fit
from minigen.functional import moves
from minigen.functional.arguments import Pair, pair, refuse, require_floating, windows_along
from minigen.halves import in_float32
from minigen.kernels import windows
from minigen.operation import operation
from minigen.tensor import Tensor

__all__ = [
    "adaptive_avg_pool2d", "avg_pool2d", "fold", "interpolate", "pad", "pixel_shuffle",
    "pixel_unshuffle", "unfold",
]  # fmt: skip


@operation(
    input=lambda g, shape, geometry: _add_windows(g, size=shape[2:], geometry=geometry),
    flops=lambda y, geometry: y.size * math.prod(geometry[0]),
)
def _sum_windows(input: Array, *, size: tuple, geometry: tuple) -> Array:
    return windows.sum_windows(input, size, *geometry)


@operation(
    g=lambda h, shape, geometry: _sum_windows(h, size=shape[2:], geometry=geometry),
    flops=lambda y, g, geometry: g.size * math.prod(geometry[0]),
)
def _add_windows(g: Array, *, size: tuple, geometry: tuple) -> Array:
    return windows.add_windows(g, size, *geometry)


def batched(name: str, input: Tensor, ndim: int, axes: str) -> tuple[Tensor, bool]:
    """The input with a batch axis in front, and whether that was missing.

    Raises:
        ValueError: it has neither `ndim` axes nor one less.
    """
    if input.ndim not in (ndim, ndim - 1):
        raise ValueError(f"{name}: expected input ({axes}), with or without N, got {input.shape}")
    return (input, False) if input.ndim == ndim else (input.unsqueeze(0), True)


def windows_of(
    name: str, shape: Sequence[int], kernel_size: Pair, stride: Pair, padding: Pair,
    dilation: Pair, ceil_mode: bool = False,
) -> tuple[tuple[int, int], ...]:  # fmt: skip
    """How many windows there are along each axis; their kernel, stride, padding and dilation.

    Raises:
        ValueError: one of these is no size, or a window is larger than the input.
    """
    geometry = (
        pair(name, "kernel_size", kernel_size, 1),
        pair(name, "stride", stride, 1),
        pair(name, "padding", padding, 0),
        pair(name, "dilation", dilation, 1),
    )
    size = []
    for n, k, s, p, d in zip(shape, *geometry, strict=True):
        out = windows_along(n + (s - 1 if ceil_mode else 0), k, s, p, d)
        if ceil_mode and (out - 1) * s >= n + p:  # would start in the padding on the right
            out -= 1
        size.append(out)
    if min(size) < 1:
        raise ValueError(f"{name}: the window {geometry[0]} is larger than the input {(*shape,)}")
    return tuple(size), *geometry


def pool_windows(
    name: str, shape: Sequence[int], kernel_size: Pair, stride: Pair | None, *rest: Any
) -> tuple[tuple[int, int], ...]:
    """`windows_of`, which lie side by side without a stride, and none half in the padding.

    Raises:
        ValueError: the padding is more than half of a window.
    """
    steps = kernel_size if stride in (None, ()) else stride
    size, window, stride, padding, dilation = windows_of(name, shape, kernel_size, steps, *rest)
    if any(2 * p > k for p, k in zip(padding, window, strict=True)):
        raise ValueError(f"{name}: padding {padding} is more than half of the window {window}")
    return size, window, stride, padding, dilation


@operation(input=lambda g, by: _divide_each(g, by=by))
def _divide_each(input: Array, *, by: Array | float) -> Array:
    return np.divide(input, by, out=np.empty_like(input))  # in the input's memory layout


@in_float32
def avg_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window.

    Shapes: (N, C, H, W) or (C, H, W), with sizes as for `max_pool2d`. Zeros of the padding count
    unless `count_include_pad` is false; `divisor_override` replaces the number of pixels.

    Raises:
        ValueError: shapes do not fit, or padding is more than half a window.
    """
    name = "avg_pool2d"
    require_floating(name, input)
    input, single = batched(name, input, 4, "N, C, H, W")
    if divisor_override == 0:
        raise ValueError(f"{name}: divisor_override must not be 0")
    shape = input.shape[2:]
    size, *geometry, _ = pool_windows(name, shape, kernel_size, stride, padding, 1, ceil_mode)
    total = _sum_windows(input, size=size, geometry=tuple(geometry))
    counts = []
    for n, out, k, s, p in zip(shape, size, *geometry, strict=True):
        start = np.arange(out) * s - p
        end = np.minimum(start + k, n + p)
        if not count_include_pad:
            start, end = np.maximum(start, 0), np.minimum(end, n)
        counts.append(end - start)
    divisor = (
        np.multiply.outer(*counts) if divisor_override is None else np.float64(divisor_override)
    )
    if divisor.min() == divisor.max():
        by = float(divisor.min())
    else:
        by = namespace(input._array).asarray(divisor, input.dtype)
    y = _divide_each(total, by=by)
    return y.squeeze(0) if single else y


@operation(input=lambda g, axis, by: _mix(g, axis=axis, by=by.transposed))
def _mix(input: Array, *, axis: int, by: windows.Mixture) -> Array:
    return windows.mix(input, axis, by)


def _mixed(input: Tensor, each: Sequence[windows.Mixture]) -> Tensor:
    """The last axes, each replaced by sums of its entries."""
    # Last the axes that get longer, and of these first the one along which pixels are small.
    growth = [by.shape[0] / max(by.shape[1], 1) for by in each]
    for i in sorted(range(len(each)), key=lambda i: (growth[i], -i if growth[i] > 1 else i)):
        input = _mix(input, axis=i + 2, by=each[i])
    return input


@in_float32
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over a grid of `output_size` windows that cover the image, as equal as they can be;
    None leaves an axis as it is.

    Shapes: (N, C, H, W) or (C, H, W) -> the same with H, W replaced by `output_size`.

    Raises:
        ValueError: `output_size` is neither a number nor two, or there are no pixels.
    """
    name = "adaptive_avg_pool2d"
    require_floating(name, input)
    input, single = batched(name, input, 4, "N, C, H, W")
    wanted = output_size if isinstance(output_size, Sequence) else (output_size, output_size)
    if len(wanted) != 2:
        raise ValueError(f"{name}: output_size must be an integer or a pair, not {output_size!r}")
    wanted = tuple(n if m is None else m for m, n in zip(wanted, input.shape[2:], strict=True))
    size = pair(name, "output_size", wanted, 1)
    if 0 in input.shape[2:]:
        raise ValueError(f"{name}: no pixels to take the mean of in {input.shape}")
    (n, c, h, w), (rows, columns) = input.shape, size
    if h % rows or w % columns:
        y = _mixed(input, [windows.averaging(*n) for n in zip(size, (h, w), strict=True)])
    elif size == (1, 1):
        y = input.mean((2, 3), keepdim=True)
    else:  # windows side by side
        y = input.reshape(n, c, rows, h // rows, columns, w // columns).mean((3, 5))
    return y.squeeze(0) if single else y


@in_float32
def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize images to `size`, or by `scale_factor`.

    Shapes: (N, C, H, W) with mode "nearest" or "bilinear", (N, C, L) with "nearest" or "linear",
    (N, C, D, H, W) with "nearest". Pixels are squares with their values at the middle, or with
    `align_corners` points, the outer ones of which stay in place. Nearest to output i is input
    ⌊i·n/out⌋, exactly, where PyTorch may round to a neighbour.

    Raises:
        ValueError: not one of size and scale_factor is given, or the mode does not fit the shape.
        TypeError: integers, between which there is nothing to take.
        NotImplementedError: another mode, antialias.
    """
    name = "interpolate"
    refuse(name, antialias=antialias)
    if mode not in ("nearest", "linear", "bilinear"):
        raise NotImplementedError(f"{name}: mode={mode!r} is not supported")
    if input.ndim not in {"nearest": (3, 4, 5), "linear": (3,), "bilinear": (4,)}[mode]:
        raise ValueError(f"{name}: mode {mode!r} does not fit an input of shape {input.shape}")
    if align_corners is not None and mode == "nearest":
        raise ValueError(f"{name}: align_corners does not go with mode 'nearest'")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{name}: give either size or scale_factor")
    if mode != "nearest":
        require_floating(name, input)
    lengths = input.shape[2:]
    sizes, ratios = _new_lengths(name, lengths, size, scale_factor)
    if recompute_scale_factor:
        ratios = [Fraction(n, out) for n, out in zip(lengths, sizes, strict=True)]
    each = zip(sizes, lengths, ratios, strict=True)
    return _mixed(input, [windows.resizing(*one, mode, bool(align_corners)) for one in each])


def _new_lengths(
    name: str, lengths: Sequence[int], size: Any, scale_factor: Any
) -> tuple[list[int], list[Fraction]]:
    """The lengths of the axes of pixels, and how many old pixels go into a new one."""
    given = scale_factor if size is None else size
    given = list(given) if isinstance(given, Sequence) else [given] * len(lengths)
    sizes = given
    if size is None:
        sizes = [int(np.floor(n * scale)) for n, scale in zip(lengths, given, strict=True)]
    if min(sizes) < 1 or min(lengths) < 1:
        raise ValueError(f"{name}: cannot make {tuple(sizes)} pixels of {tuple(lengths)}")
    if size is None:  # the simple fraction that the number was, such as 2/3, or as good as it
        return sizes, [1 / Fraction(scale).limit_denominator(1 << 20) for scale in given]
    return sizes, [Fraction(n, out) for n, out in zip(lengths, sizes, strict=True)]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(…, C·r², H, W) -> (…, C, H·r, W·r): channels become pixels (Shi et al. 2016).

    Raises:
        ValueError: the channels are no multiple of r².
    """
    r, (*lead, c, h, w) = upscale_factor, input.shape
    if r < 1 or c % (r * r):
        raise ValueError(f"pixel_shuffle: {c} channels do not divide by {r}² (shape {input.shape})")
    n, c = math.prod(lead), c // (r * r)
    # As pixels with their channels, which lie side by side.
    x = moves.in_rows(input.reshape(n, c, r, r, h, w).permute(0, 4, 2, 5, 3, 1))
    return x.reshape(n, h * r, w * r, c).permute(0, 3, 1, 2).reshape(*lead, c, h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(…, C, H·r, W·r) -> (…, C·r², H, W): pixels become channels, undoing `pixel_shuffle`.

    Raises:
        ValueError: height or width is no multiple of r.
    """
    r, (*lead, c, h, w) = downscale_factor, input.shape
    if r < 1 or h % r or w % r:
        raise ValueError(f"pixel_unshuffle: {h}×{w} pixels do not divide by {r}")
    x = input.reshape(math.prod(lead), c, h // r, r, w // r, r).permute(0, 1, 3, 5, 2, 4)
    return moves.in_rows(x).reshape(*lead, c * r * r, h // r, w // r)


def _padded_back(g: Tensor, before: list[int], after: list[int]) -> Tensor:
    return _pad(g, before=[-b for b in before], after=[-a for a in after], value=0)


@operation(input=_padded_back, exact=True)
def _pad(input: Array, *, before: list[int], after: list[int], value: float) -> Array:
    return windows.reframed(input, before, after, value)


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """More entries around the last axes: `pad` = (left, right), (left, right, top, bottom), ….

    constant: of `value` (0). reflect: mirrored at the outer entries, which are not repeated.
    replicate: the outer entries again. circular: the entries from the other end. Negative numbers
    crop.

    Raises:
        ValueError: an odd number of sizes, too many of them, more than can be mirrored, or a value
            that the input's dtype cannot hold.
        NotImplementedError: another mode.
    """
    if len(pad) % 2 or len(pad) // 2 > input.ndim:
        raise ValueError(f"pad: {tuple(pad)} are no pairs for the last axes of {input.shape}")
    rest = input.ndim - len(pad) // 2
    before = [0] * rest + list(pad[::2])[::-1]
    after = [0] * rest + list(pad[1::2])[::-1]
    if any(n + b + a < 0 for n, b, a in zip(input.shape, before, after, strict=True)):
        raise ValueError(f"pad: {tuple(pad)} crops more than there is of {input.shape}")
    if mode == "constant":
        require_fit("pad", value or 0, input.dtype)
        return _pad(input, before=before, after=after, value=value or 0)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad: mode={mode!r} is not supported")
    if value is not None:
        raise ValueError(f"pad: value goes with mode 'constant', not {mode!r}")
    source = input
    for axis, (n, b, a) in enumerate(zip(input.shape, before, after, strict=True)):
        if not (b or a):
            continue
        most = {"reflect": n - 1, "replicate": math.inf, "circular": n}[mode]
        if not n or max(b, a) > most:
            raise ValueError(f"pad: {mode} by {b} and {a} does not fit an axis of length {n}")
        entries = np.arange(-b, n + a)
        if mode == "reflect":  # a triangle wave: 0 … n−1 and back
            entries = n - 1 - np.abs(n - 1 - np.abs(entries))
        elif mode == "replicate":
            entries = entries.clip(0, n - 1)
        else:  # what was cropped does not come round again
            first, last = max(-b, 0), n - max(-a, 0)
            entries = first + (entries - first) % max(last - first, 1)
        input = _taken(input, axis, windows.taking(entries, n))
    return input.clone() if input is source else input


def _taken(input: Tensor, axis: int, by: windows.Mixture) -> Tensor:
    """The entries of an axis that a mixture of single ones names."""
    if axis >= 2:
        return _mix(input, axis=axis, by=by)
    lead, (n, *rest) = input.shape[:axis], input.shape[axis:]
    y = _mix(input.reshape(math.prod(lead), 1, n, math.prod(rest)), axis=2, by=by)
    return y.reshape(*lead, by.shape[0], *rest)


@operation(
    input=lambda g, shape, size, geometry: _add_patches(
        g, shape_=shape[2:], size=size, geometry=geometry
    ),
    exact=True,
)
def _patches(input: Array, *, size: tuple, geometry: tuple) -> Array:
    return windows.patches(input, size, *geometry)


@operation(g=lambda h, size, geometry: _patches(h, size=size, geometry=geometry))
def _add_patches(g: Array, *, shape_: tuple, size: tuple, geometry: tuple) -> Array:
    return windows.add_patches(g, shape_, size, *geometry)


def unfold(
    input: Tensor, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1
) -> Tensor:
    """The windows of an image as columns.

    Shapes: (N, C, H, W) or (C, H, W) -> (N, C·R·S, windows) or without N.
    """
    input, single = batched("unfold", input, 4, "N, C, H, W")
    found = windows_of("unfold", input.shape[2:], kernel_size, stride, padding, dilation)
    size, window, steps, margin, gaps = found
    y = _patches(input, size=size, geometry=(window, gaps, margin, steps))
    return y.squeeze(0) if single else y


def fold(
    input: Tensor,
    output_size: Pair,
    kernel_size: Pair,
    dilation: Pair = 1,
    padding: Pair = 0,
    stride: Pair = 1,
) -> Tensor:
    """Columns added up where `unfold` takes them from.

    Shapes: (N, C·R·S, windows) or without N -> (N, C, *output_size).

    Raises:
        ValueError: the columns are not those of an image of that size.
    """
    input, single = batched("fold", input, 3, "N, C·R·S, windows")
    shape = pair("fold", "output_size", output_size, 1)
    found = windows_of("fold", shape, kernel_size, stride, padding, dilation)
    size, window, steps, margin, gaps = found
    taps = math.prod(window)
    if input.shape[1] % taps or input.shape[2] != size[0] * size[1]:
        raise ValueError(
            f"fold: an image {shape} has columns (N, C·{taps}, {size[0] * size[1]}), got "
            f"{input.shape}"
        )
    y = _add_patches(input, shape_=shape, size=size, geometry=(window, gaps, margin, steps))
    return y.squeeze(0) if single else y
