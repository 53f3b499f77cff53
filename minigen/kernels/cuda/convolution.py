"""The convolution triangle on a GPU: which kernel, which tile, how many blocks.

Every map is a gather or a correlation (tile.cuh draws both):

    conv2d         gather                     conv2d_simple.cu    float64, and the oracle
    conv2d_input   gather, s² phases          conv2d_tile.cu      fp32
    conv2d_weight  correlation over pixels    conv2d_weight.cu    fp32
                                              conv2d_few.cu       1 to 8 outputs, 1 to 4 inputs
                                              conv2d_tf32.cu      tensor cores, if allowed

Arrays are CuPy's, shapes PyTorch's, images lie channels-last in memory; see
`minigen.kernels.convolution`, which has the same functions for NumPy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.backend import Array, namespace, tf32_allowed
from minigen.kernels.cuda.launch import (
    KERNELS,
    ceil_div,
    compute_capability,
    contiguous,
    kernel,
    multiprocessors,
    type_name,
)
from minigen.kernels.phases import Pair
from minigen.kernels.pixels import as_images
from minigen.kernels.problem import Problem

# The structs of geometry.cuh.
AXIS = np.dtype(
    [(n, "i4") for n in ("in", "out", "taps", "stride", "padding", "dilation", "tap_step")]
)
CONV = np.dtype(
    [(n, "i4") for n in ("images", "groups", "C", "K")]
    + [("rows", AXIS), ("cols", AXIS), ("transposed", "i4")]
)

FEW_OUTPUTS, FEW_INPUTS = 8, 4  # channels of a group, up to which a path of its own is taken
FEW_DEPTH = 192  # products for each output, up to which all of them fit in shared memory
SHARED = 48 << 10  # bytes of shared memory that a block has without asking
THREADS = 256


@dataclass(frozen=True)
class Tile:
    """What a block of threads makes at a time, and how well it keeps the card busy.

    `speed` is the share of the arithmetic peak that such tiles can reach, relative to the largest:
    a small tile reads more of shared memory for each multiply-add.
    """

    file: str
    name: str
    height: int
    width: int
    threads: int
    vector: int
    speed: float
    shared: int = 0


def _tiles(file: str, base: str, *tiles: tuple) -> tuple[Tile, ...]:
    made = []
    for (bm, bn, bk, tm, tn, vector), speed in tiles:
        name = f"{base}<{bm}, {bn}, {bk}, {tm}, {tn}, {vector}, 2>"  # two buffers
        made.append(Tile(file, name, bm, bn, bm // tm * (bn // tn), vector, speed))
    return tuple(made)


GATHER = _tiles(
    "conv2d_tile.cu",
    "conv2d_tile",
    ((128, 128, 8, 8, 8, 4), 1.0),
    ((128, 64, 16, 8, 4, 4), 0.9),
    ((64, 64, 16, 4, 4, 4), 0.75),
    ((64, 64, 16, 4, 4, 1), 0.6),
)
WEIGHT = _tiles(
    "conv2d_weight.cu",
    "conv2d_weight",
    ((128, 128, 8, 8, 8, 4), 1.0),
    ((64, 64, 16, 4, 4, 4), 0.75),
    ((64, 64, 16, 4, 4, 1), 0.6),
)


def _tensor_tiles(base: str, margins: Pair, *tiles: tuple) -> tuple[Tile, ...]:
    """Of conv2d_tf32.cu: margins are what its rows of A and B in shared memory are longer."""
    made = []
    for (bm, bn, wm, wn, stages), speed in tiles:
        a = bm * (16 + margins[0]) if base == "conv2d_tf32" else 16 * (bm + margins[0])
        shared = 4 * stages * (a + 16 * (bn + margins[1]))
        name, threads = f"{base}<{bm}, {bn}, {wm}, {wn}, {stages}>", bm // wm * (bn // wn) * 32
        made.append(Tile("conv2d_tf32.cu", name, bm, bn, threads, 4, speed, shared))
    return tuple(made)


GATHER_TF32, WEIGHT_TF32 = (
    _tensor_tiles(base, margins, ((128, 128, 64, 32, 3), 1.0), ((64, 64, 32, 32, 3), 0.6))
    for base, margins in (("conv2d_tf32", (4, 8)), ("conv2d_weight_tf32", (8, 8)))
)
# How many outputs the path for few of them adds up at a time, and for how many pixels.
FEW = ((1, 8), (3, 8), (8, 4))

KERNELS["conv2d_simple.cu"] = (
    "conv2d_simple<float>",
    "conv2d_simple<double>",
    "conv2d_weight_simple<double>",
)
KERNELS["conv2d_tile.cu"] = tuple(t.name for t in GATHER)
KERNELS["conv2d_weight.cu"] = (*[t.name for t in WEIGHT], "conv2d_weight_sum")
KERNELS["conv2d_tf32.cu"] = tuple(t.name for t in (*GATHER_TF32, *WEIGHT_TF32))
KERNELS["conv2d_few.cu"] = (
    *[f"conv2d_few_outputs<{k}, {pixels}, {v}>" for k, pixels in FEW for v in (1, 4)],
    *[f"conv2d_few_inputs<{v}>" for v in (1, 4)],
)


def tap_step(stride: int, dilation: int, transposed: bool) -> int:
    """How many taps apart those of one phase are."""
    return stride // math.gcd(stride, dilation) if transposed else 1


def _conv(x: Array, y: tuple[int, ...], problem: Problem, transposed: bool) -> Any:
    """The struct of a gather from x (N, H, W, C) to an array of shape y (N, H', W', K)."""
    p, groups = np.zeros((), CONV), problem.groups
    stride, dilation = problem.stride, problem.dilation
    p["images"], p["groups"], p["transposed"] = x.shape[0], groups, transposed
    p["C"], p["K"] = x.shape[3] // groups, y[3] // groups
    steps = [tap_step(*each, transposed) for each in zip(stride, dilation, strict=True)]
    sides = (x.shape[1:3], y[1:3], problem.taps, stride, problem.padding, dilation, steps)
    p["rows"], p["cols"] = zip(*sides, strict=True)
    return p


def _nhwc(x: Array) -> Array:
    return contiguous(x.transpose(0, 2, 3, 1))


def _check_size(name: str, *arrays: Array) -> None:
    """Kernels count pixels in 32 bits."""
    for array in arrays:
        if array.size >= 2**31:
            raise ValueError(
                f"{name}: an array {array.shape} has {array.size} elements; the CUDA kernels count "
                "up to 2^31 - 1. Split the batch"
            )


def _fitting(
    fp32: tuple[Tile, ...], tf32: tuple[Tile, ...], c: int, k: int, device: int
) -> tuple[Tile, ...]:
    """The tiles that can: tensor cores where they are allowed, there and fed by whole pieces."""
    vector = 1 if c % 4 or k % 4 else 4
    if tf32_allowed() and vector == 4 and compute_capability(device) >= 80:
        return tf32
    return tuple(t for t in fp32 if t.vector == vector)


def _best(tiles: tuple[Tile, ...], pixels: int, channels: int, parts: int, cards: int) -> Tile:
    """The tile that is done first: every multiprocessor works on its share of the blocks, and a
    block takes as long as its tile is large."""

    def time(tile: Tile) -> float:
        blocks = ceil_div(pixels, tile.height) * ceil_div(channels, tile.width) * parts
        return ceil_div(blocks, cards) * tile.height * tile.width / tile.speed

    return min(tiles, key=time)


def _gather(
    x: Array,  # (N, H, W, C), contiguous
    w: Array,  # (G, R, S, C/G, K/G), contiguous
    bias: Array | None,
    size: Pair,
    problem: Problem,
    transposed: bool,
) -> Array:
    """y (N, *size, K): each output pixel collects what its taps meet."""
    groups, per_group = problem.groups, w.shape[4]
    y = namespace(x).empty((x.shape[0], *size, groups * per_group), x.dtype)
    _check_size("conv2d", x, y)
    if not y.size:
        return y
    p = _conv(x, y.shape, problem, transposed)
    steps = problem.stride if transposed else (1, 1)
    parts = groups * math.prod(min(s, n) for s, n in zip(steps, size, strict=True))
    # The first phase has the most pixels.
    pixels = x.shape[0] * math.prod(ceil_div(n, s) for s, n in zip(steps, size, strict=True))
    tile = gather_tile(p, problem.taps, pixels, parts, x)
    if tile.file == "conv2d_simple.cu":  # pixels and channels are counted as one
        grid = (ceil_div(pixels * per_group, THREADS), 1, parts)
    else:
        grid = (ceil_div(pixels, tile.height), ceil_div(per_group, tile.width), parts)
    bias = None if bias is None else contiguous(bias)
    _launch(tile, grid, (x, w, bias, y, p))
    return y


def _launch(tile: Tile, grid: tuple[int, int, int], args: tuple) -> None:
    if max(grid[1:]) > 65535:
        raise ValueError(f"{tile.name}: {grid} blocks; CUDA takes at most 65535 along y and z")
    run = kernel(tile.file, tile.name)
    if tile.shared > SHARED:
        run.max_dynamic_shared_size_bytes = tile.shared
    run(grid, (tile.threads,), args, shared_mem=tile.shared)


def gather_tile(p: Any, taps: Pair, pixels: int, parts: int, x: Array) -> Tile:
    """The kernel for a gather, as the tile that a block of it makes."""
    c, k, device = int(p["C"]), int(p["K"]), x.device.id
    # The most products that an output of any phase adds up.
    steps = [int(p[axis]["tap_step"]) for axis in ("rows", "cols")]
    depth = c * math.prod(ceil_div(n, step) for n, step in zip(taps, steps, strict=True))
    if x.dtype != np.float32 or (k <= FEW_OUTPUTS and depth < 32):
        # A thread for each output; also what a depthwise convolution wants.
        return Tile("conv2d_simple.cu", f"conv2d_simple<{type_name(x)}>", 1, 1, THREADS, 1, 1.0)
    if k <= FEW_OUTPUTS:
        most, at_a_time = next(few for few in FEW if k <= few[0])
        name = f"conv2d_few_outputs<{most}, {at_a_time}, {4 if c % 4 == 0 and k == most else 1}>"
        return Tile("conv2d_few.cu", name, 8 * at_a_time, most, THREADS, 1, 1.0)
    if c <= FEW_INPUTS and depth <= FEW_DEPTH:
        name = f"conv2d_few_inputs<{1 if k % 4 else 4}>"
        return Tile("conv2d_few.cu", name, 64, 64, THREADS, 1, 1.0, depth * 64 * 4)
    fitting = _fitting(GATHER, GATHER_TF32, c, k, device)
    return _best(fitting, pixels, k, parts, multiprocessors(device))


def conv2d(x: Array, w: Array, bias: Array | None, problem: Problem) -> Array:
    """Convolution of x (N, C, H, W) with w (O, C/G, R, S), plus bias (O,)."""
    groups = problem.groups
    # (O, C/G, R, S) -> (G, R, S, C/G, O/G)
    grouped = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    packed = contiguous(grouped.transpose(0, 3, 4, 2, 1))
    return as_images(_gather(_nhwc(x), packed, bias, problem.out, problem, False))


def conv2d_input(g: Array, w: Array, bias: Array | None, problem: Problem) -> Array:
    """Transposed convolution of g (N, O, OH, OW) with w (O, C/G, R, S), plus bias (C,): the
    gradient of `conv2d` for its input."""
    size, groups = problem.size, problem.groups
    if groups == 1 and g.shape[2:] == (1, 1) and problem.padding == (0, 0) and size == w.shape[2:]:
        return as_images(_from_one_pixel(g, w, bias))
    # (O, C/G, R, S) -> (G, R, S, O/G, C/G)
    grouped = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    packed = contiguous(grouped.transpose(0, 3, 4, 1, 2))
    return as_images(_gather(_nhwc(g), packed, bias, size, problem, True))


def _from_one_pixel(g: Array, w: Array, bias: Array | None) -> Array:
    """One pixel grows to the size of the filter, the first layer of a DCGAN: a 1×1 filter with
    R·S·C outputs, where a gather would find 1 of R·S taps inside the image."""
    n, (o, c, rows, cols) = g.shape[0], w.shape
    packed = contiguous(w.transpose(0, 2, 3, 1)).reshape(1, 1, 1, o, rows * cols * c)
    if bias is not None:
        bias = contiguous(namespace(bias).broadcast_to(bias, (rows * cols, c))).reshape(-1)
    one = (1, 1)
    pixel = Problem.of((n, o, *one), (packed.shape[4], o, *one), one, one, (0, 0), one, 1)
    y = _gather(contiguous(g).reshape(n, 1, 1, o), packed, bias, one, pixel, False)
    return y.reshape(n, rows, cols, c)


def conv2d_weight(x: Array, g: Array, problem: Problem) -> Array:
    """The gradient of `conv2d` for its weight: x (N, C, H, W), g (N, O, OH, OW) ->
    (O, C/G, R, S). The same bits every time."""
    swapped = (
        problem.groups == 1 and problem.outputs <= FEW_OUTPUTS < problem.inputs
        and problem.stride == (1, 1) and x.dtype == np.float32
    )  # fmt: skip
    if swapped:  # unfold the side with fewer channels: windows of g times the pixels of x
        x, g = g, x
    return _correlate(_nhwc(x), _nhwc(g), problem, swapped)


def _correlate(x: Array, dy: Array, problem: Problem, swapped: bool) -> Array:
    """Windows of x (N, H, W, C) times the pixels of dy (N, OH, OW, K) -> (K, C/G, *taps), or
    (C, K/G, *taps) if `swapped`."""
    xp, groups, taps = namespace(x), problem.groups, problem.taps
    _check_size("conv2d_weight", x, dy)
    p = _conv(x, dy.shape, problem, swapped)
    c, k, pixels = int(p["C"]), int(p["K"]), math.prod(dy.shape[:3])
    depth = math.prod(taps) * c
    shape = (c, k, *taps) if swapped else (groups * k, c, *taps)  # swapped: one group
    if not x.size or not dy.size:
        return xp.zeros(shape, x.dtype)
    if x.dtype != np.float32:
        w = xp.empty((groups, *taps, c, k), x.dtype)
        run = kernel("conv2d_simple.cu", f"conv2d_weight_simple<{type_name(x)}>")
        run((ceil_div(depth * k, THREADS), 1, groups), (THREADS,), (x, dy, w, p))
        return contiguous(w.transpose(0, 4, 3, 1, 2)).reshape(shape)
    tile, pieces, piece = weight_plan(c, k, depth, pixels, groups, x.device.id)
    sums = xp.empty((pieces, groups, *taps, c, k), x.dtype)
    grid = (ceil_div(depth, tile.height), ceil_div(k, tile.width), pieces * groups)
    _launch(tile, grid, (x, dy, sums, p, np.int32(piece)))
    w = xp.empty(shape, x.dtype)
    run = kernel("conv2d_weight.cu", "conv2d_weight_sum")
    counts = [np.int32(n) for n in (pieces, groups, math.prod(taps), c, k, swapped)]
    run((ceil_div(w.size, THREADS),), (THREADS,), (sums, w, *counts))
    return w


def weight_plan(
    c: int, k: int, depth: int, pixels: int, groups: int, device: int
) -> tuple[Tile, int, int]:
    """The tile, how many pieces the pixels are cut into, and the pixels in a piece."""

    def waste(tile: Tile) -> float:  # the work of all tiles, those beyond the edges included
        area = ceil_div(depth, tile.height) * tile.height * ceil_div(k, tile.width) * tile.width
        return area / tile.speed

    tile = min(_fitting(WEIGHT, WEIGHT_TF32, c, k, device), key=waste)
    blocks = ceil_div(depth, tile.height) * ceil_div(k, tile.width) * groups
    cards = multiprocessors(device)
    # Four blocks for each multiprocessor, but no piece so short that its sum costs more than it.
    pieces = max(1, min(ceil_div(4 * cards, blocks), pixels // 256, 65535 // groups))
    piece = ceil_div(pixels, pieces)
    return tile, ceil_div(pixels, piece), piece
