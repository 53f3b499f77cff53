"""Winograd's minimal filtering: fewer multiplications for filters of two or three taps.

Two neighbouring outputs of a filter with two taps,

    y0 = d0·g0 + d1·g1          take four products, or these three:
    y1 = d1·g0 + d2·g1          m0 = (d0 − d1)·g0    m1 = d1·(g0 + g1)    m2 = (d2 − d1)·g1
                                y0 = m0 + m1         y1 = m1 + m2

which is y = A·(G·g ⊙ B·d) with matrices of 0, 1 and −1. Along both axes of an image it makes
Y = A·(G·g·Gᵀ ⊙ B·d·Bᵀ)·Aᵀ: nine products for a tile of 2×2 outputs in place of sixteen; with three
taps sixteen in place of 36 (Winograd 1980; Lavin and Gray 2016, arXiv:1509.09308, section 4).
Channels are summed before A, so that ⊙ is a matrix product for each place in the tile.

A filter of 4×4 taps and stride 2 is four filters of 2×2 taps, each on every second pixel of every
second row, added up: strands. Transposed, it has four phases of 2×2 taps.

The sums and differences round, too: errors are about twice those of the direct way. And a pixel
that is infinite or NaN spoils all of its tile, as a sum may that overflows: then neither map gives
a result, and the direct way is taken.

What it costs: the products for the places of all tiles, and the sums for B, G and A. A product does
dozens of multiply-adds in the time that a sum takes to read two numbers from the cache and write
one. So the sums decide: they grow with channels, products with their square, and few channels, or
few tiles for many filters, do not pay.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minigen import backend
from minigen.backend import Array
from minigen.kernels import limits, memory
from minigen.kernels.blas import is_finite, multiply
from minigen.kernels.phases import Pair, Phase
from minigen.kernels.pixels import add as add_to_pixels
from minigen.kernels.pixels import assign
from minigen.kernels.problem import Map, Problem
from minigen.kernels.threads import over_images, single_threaded_blas, sum_over_images

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Scheme:
    """Two outputs of a filter with some taps: y = A·(G·g ⊙ B·d)."""

    a: Matrix  # (2, places)
    g: Matrix  # (places, taps)
    b: Matrix  # (places, places)


SCHEMES = {
    2: Scheme(
        a=((1, 1, 0), (0, 1, 1)),
        g=((1, 0), (1, 1), (0, 1)),
        b=((1, -1, 0), (0, 1, 0), (0, -1, 1)),
    ),
    3: Scheme(
        a=((1, 1, 1, 0), (0, 1, -1, -1)),
        g=((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1)),
        b=((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    ),
}


@functools.lru_cache(maxsize=4096)
def strands(phase: Phase) -> tuple[tuple[int, ...], ...]:
    """The taps of each strand: output i meets input `start + strand·skip + (i + q)·hop` at tap q of
    those. None where they do not have two or three each."""
    many = phase.hop // phase.skip  # taps j and j + many meet inputs that are one hop apart
    if phase.hop % phase.skip or len(phase.taps) % many or len(phase.taps) // many not in SCHEMES:
        return ()
    return tuple(tuple(phase.taps[first::many]) for first in range(many))


def fits(what: Map) -> bool:
    """Whether all phases along an axis have strands, and these are alike but for where they
    begin."""
    if not (what.plain and what.covered):
        return False
    for axis in (what.rows, what.columns):
        kinds = {(len(s), len(s[0]) if s else 0) for s in map(strands, axis)}
        if len(kinds) != 1 or kinds == {(0, 0)}:
            return False
    return True


def cost(what: Map) -> float:
    """Of a map that fits, and of its weight gradient."""
    strands_of = [strands(axis[0]) for axis in (what.rows, what.columns)]
    taps = [len(s[0]) for s in strands_of]
    y, x = (len(SCHEMES[t].b) for t in taps)
    inputs = math.prod(map(len, strands_of)) * what.inputs
    tiles = what.problem.images * math.prod(
        sum((p.count + 1) // 2 for p in axis) for axis in (what.rows, what.columns)
    )
    filters = y * x * inputs * what.outputs  # numbers, and multiply-adds of a tile
    # Additions, a tile: one for each of the 2·y numbers of B·d (other columns are the neighbours')
    # and y·x of B·d·Bᵀ; one less than taps for each of 2·x of A·m and 4 of A·m·Aᵀ. What is copied
    # there and back, 2·y numbers and 4, counts twice, since it is in pieces. G: once a phase.
    sums = (6 * y + y * x) * inputs
    sums += (2 * x * (taps[0] - 1) + 4 * (taps[1] - 1) + 8) * what.outputs
    sums = tiles * sums + len(what.rows) * len(what.columns) * filters
    return tiles * filters + limits.now.addition * sums


@functools.cache
def _steps(coefficients: tuple[float, ...]) -> tuple[int, list[tuple[np.ufunc, int]]]:
    """Of a sum of terms with coefficients 0, 1 and −1: which comes first, and what is done with it
    and which others, or with it alone."""
    first, *rest = sorted(
        (i for i, c in enumerate(coefficients) if c), key=lambda i: -coefficients[i]
    )
    if not rest:
        return first, [(np.positive if coefficients[first] > 0 else np.negative, first)]
    return first, [(np.add if coefficients[i] > 0 else np.subtract, i) for i in rest]


def combine_all(matrix: Matrix, terms: Sequence[Array], out: Array) -> None:
    """out ← matrix·terms, of which each array is in one piece."""
    terms = [term.reshape(-1) for term in terms]
    for coefficients, total in zip(matrix, out.reshape(len(matrix), -1), strict=True):
        first, steps = _steps(coefficients)
        so_far = terms[first]
        for operate, i in steps:
            if operate.nin == 1:
                operate(so_far, total)
            else:
                operate(so_far, terms[i], total)
            so_far = total


class Tiles:
    """B·d·Bᵀ for the tiles of some images at a time, (places, tiles, strands·C).

    NumPy adds at its full speed where all arrays lie in one piece: it copies others to and fro. So
    columns of tiles come first, then rows, images and channels: the columns that tiles have at one
    place are a range, and each sum is one of whole ranges.

    Args:
        image: (N, H, W, C).
        rows, columns: phases, whose tiles must be alike but for where they begin.
        outputs: O, channels that they are multiplied by.
    """

    def __init__(
        self, image: Array, rows: tuple[Phase, ...], columns: tuple[Phase, ...], outputs: int
    ):
        self.image, axes = image, (rows, columns)
        first = [strands(axis[0]) for axis in axes]
        self.strands = [len(s) for s in first]
        self.hop, self.skip = (
            [getattr(axis[0], name) for axis in axes] for name in ("hop", "skip")
        )
        self.schemes = [SCHEMES[len(s[0])] for s in first]
        self.places = [len(scheme.b) for scheme in self.schemes]
        # Phases may differ by one output; then the last tile of some is half empty.
        self.count = [max((p.count + 1) // 2 for p in axis) for axis in axes]
        self.starts = [min(p.start for p in axis) for axis in axes]
        # Inputs that a tile has at any place, whichever the phase.
        self.span = [
            max(p.start for p in axis) - start + places
            for axis, start, places in zip(axes, self.starts, self.places, strict=True)
        ]
        self.per_tile = math.prod(self.strands) * image.shape[3]
        self.in_all = len(image) * math.prod(self.count)
        places = math.prod(self.places) * image.itemsize
        bytes_per_row = self.count[1] * places * (self.per_tile + outputs)
        filters = places * self.per_tile * outputs
        # BLAS copies the filters once for each product: large ones should meet many rows of tiles.
        together = max(1, max(limits.now.tiles_at_a_time, filters) // bytes_per_row)
        self.images = max(1, together // self.count[0])
        few = -(-backend.threads() // len(image))  # images: each thread has some of their rows
        self.bands = min(self.count[0], max(few, -(-self.count[0] // together)))

    def shares(self, first: int, last: int) -> Iterator[tuple[slice, Pair]]:
        """Of the work that is `bands` for each image: which images, and which of their rows of
        tiles."""
        if self.bands == 1:
            for lo in range(first, last, self.images):
                yield slice(lo, min(last, lo + self.images)), (0, self.count[0])
            return
        for i in range(first, last):
            image, band = divmod(i, self.bands)
            share = (self.count[0] * part // self.bands for part in (band, band + 1))
            yield slice(image, image + 1), tuple(share)

    def inputs(self, images: slice, share: Pair) -> Array:
        """The inputs that tiles have along both axes, copied with their margin: (span, 2, columns,
        rows of tiles, images, strands, strands, C), where column i of the tiles begins at 2·i."""
        height, width, channels = self.image.shape[1:]
        (hop, wide), (skip, near), (deep, across) = self.hop, self.skip, self.strands
        tiles, columns = share[1] - share[0], self.count[1] + (self.span[1] - 1) // 2
        top, left = self.starts[0] + 2 * share[0] * hop, self.starts[1]
        n = images.stop - images.start
        reach = (2 * tiles + self.span[0] - 3) * hop + (deep - 1) * skip + 1
        breadth = (2 * columns - 1) * wide + (across - 1) * near + 1
        frame = memory.empty((n, reach, breadth, channels), self.image.dtype)
        (y, seen_y), (x, seen_x) = _seen(top, reach, height), _seen(left, breadth, width)
        frame[:, : y.start] = frame[:, y.stop :] = 0
        frame[:, y, : x.start] = frame[:, y, x.stop :] = 0
        frame[:, y, x] = self.image[images, seen_y, seen_x]
        sn, sy, sx, sc = frame.strides
        shape = (self.span[0], 2, columns, tiles, n, deep, across, channels)
        steps = (hop * sy, wide * sx, 2 * wide * sx, 2 * hop * sy, sn, skip * sy, near * sx, sc)
        copied = memory.empty(shape, frame.dtype)
        assign(copied, as_strided(frame, shape, steps))
        return copied

    def rows(self, inputs: Array, phase: Phase) -> Array:
        """B·d along rows, (places, 2, columns, tiles, images, strands·C)."""
        first, places = phase.start - self.starts[0], self.places[0]
        rows = memory.empty((places, *inputs.shape[1:]), inputs.dtype)
        combine_all(self.schemes[0].b, list(inputs[first : first + places]), rows)
        return rows.reshape(*rows.shape[:5], self.per_tile)

    def matrix(self, rows: Array, phase: Phase) -> Array:
        """B·d·Bᵀ of one phase, (places, tiles, strands·C)."""
        first, (width, places) = phase.start - self.starts[1], (self.count[1], self.places[1])
        tiles = memory.empty((len(rows), places, width, *rows.shape[3:]), rows.dtype)
        at = [divmod(first + u, 2) for u in range(places)]
        for half, whole in zip(rows, tiles, strict=True):
            terms = [half[odd, begin : begin + width] for begin, odd in at]
            combine_all(self.schemes[1].b, terms, whole)
        return tiles.reshape(len(rows) * places, -1, self.per_tile)


def _seen(first: int, count: int, length: int) -> tuple[slice, slice]:
    """Of `count` pixels from `first` on: which of them there are, and where in an image."""
    low = min(max(0, first), length)
    high = max(low, min(length, first + count))
    return slice(low - first, high - first), slice(low, high)


def _to_tiles(rows: Phase, columns: Phase, taps: Pair, dtype: np.dtype) -> Array:
    """G ⊗ G for one pair of phases: (places·strands, R·S) times a filter (R·S) is what the tiles
    are multiplied by."""
    along = []
    for phase, count in (rows, taps[0]), (columns, taps[1]):
        some = strands(phase)
        matrix = np.zeros((len(SCHEMES[len(some[0])].g), len(some), count))
        for i, met in enumerate(some):
            matrix[:, i, list(met)] = SCHEMES[len(met)].g
        along.append(matrix)
    # (places, strands, R) × (places, strands, S) -> (places, places, strands, strands, R, S)
    whole = np.einsum("pir,qjs->pqijrs", *along)
    return whole.reshape(-1, taps[0] * taps[1]).astype(dtype)


def transformed_filters(what: Map, w: Array, tiles: Tiles) -> Array:
    """G·g·Gᵀ of filters w (O, I, R, S), or (I, O, R, S) for a transposed convolution, whose phases
    have one strand each: (phases, places, strands·I, O)."""
    phases = [(a, b) for a in what.rows for b in what.columns]
    # (phases·places·strands, R·S)
    to_tiles = np.concatenate([_to_tiles(a, b, w.shape[2:], w.dtype) for a, b in phases])
    flat = w.reshape(*w.shape[:2], math.prod(w.shape[2:])).swapaxes(1, 2)
    # To have the outputs side by side takes longer, and pays where many tiles are multiplied.
    turned = not what.transposed and tiles.in_all >= limits.now.turned_from
    if turned:
        flat = flat.transpose(2, 1, 0)  # (I, R·S, O)
        filters = memory.empty((len(to_tiles), len(flat), len(w)), w.dtype).swapaxes(0, 1)
    else:
        filters = memory.empty((len(w), len(to_tiles), w.shape[1]), w.dtype)

    @single_threaded_blas()
    @np.errstate(over="ignore", invalid="ignore")
    def transform(_: int, first: int, last: int) -> None:
        np.matmul(to_tiles, flat[first:last], out=filters[first:last])

    over_images(transform, len(flat), filters.size * to_tiles.shape[1])
    places = math.prod(tiles.places)
    if turned:
        return filters.swapaxes(0, 1).reshape(1, places, tiles.per_tile, len(w))
    if what.transposed:
        return filters.reshape(len(w), len(phases), places, w.shape[1]).transpose(1, 2, 0, 3)
    return filters.reshape(len(w), 1, places, tiles.per_tile).transpose(1, 2, 3, 0)


def convolve(what: Map, x: Array, w: Array, bias: Array | None) -> Array | None:
    """x (N, H, W, I), w (O, I, R, S), or for a transposed convolution (I, O, R, S) ->
    (N, *size, O), or None where not all of it is finite."""
    n, outputs = x.shape[0], what.outputs
    y = memory.empty((n, *what.size, outputs), x.dtype)
    tiles = Tiles(x, what.rows, what.columns, outputs)
    filters = transformed_filters(what, w, tiles)
    spoiled: list[slice] = []

    @np.errstate(over="ignore", invalid="ignore")
    def work(_: int, first: int, last: int) -> None:
        for images, share in tiles.shares(first, last):
            inputs, which = tiles.inputs(images, share), iter(filters)
            for a in what.rows:
                rows = tiles.rows(inputs, a)
                for b in what.columns:
                    matrix = tiles.matrix(rows, b)
                    product = memory.empty((*matrix.shape[:2], outputs), y.dtype)
                    # (places, tiles, strands·I) @ (places, strands·I, O)
                    multiply(matrix, next(which), product)
                    if bias is not None:  # all four outputs of a tile have this one as a term
                        add_to_pixels(product[tiles.places[1] + 1], bias)
                    some = _added_up(product, tiles, share)
                    if not is_finite(some):
                        spoiled.append(images)
                    if spoiled:
                        return
                    for at, found in _outputs(y[images], some, (a, b), share):
                        assign(at, found)

    over_images(work, n * tiles.bands, x.size * math.prod(tiles.places) * outputs)
    return None if spoiled else y


def _outputs(
    pixels: Array, of_tiles: Array, phases: tuple[Phase, Phase], share: Pair
) -> Iterator[tuple[Array, Array]]:
    """For each output of a tile, those of all tiles: among pixels (images, H, W, O) and in
    of_tiles (2, 2, columns, rows, images, O), without those beyond the last pixel."""
    shares = share, (0, of_tiles.shape[2])
    for places in itertools.product(range(2), repeat=2):
        axes = (
            slice(
                p.first + (2 * a + i) * p.every,
                p.first + min(2 * b, p.count) * p.every,
                2 * p.every,
            )
            for p, (a, b), i in zip(phases, shares, places, strict=True)
        )
        some = pixels[:, *axes].transpose(2, 1, 0, 3)
        yield some, of_tiles[places][: some.shape[0], : some.shape[1]]


def _added_up(product: Array, tiles: Tiles, share: Pair) -> Array:
    """A·m·Aᵀ of m (places, tiles, O): the outputs (2, 2, columns, rows, images, O)."""
    (y, x), shape = tiles.schemes, product.shape[1:]
    product = product.reshape(*tiles.places, *shape)
    column = memory.empty((2, *product.shape[1:]), product.dtype)
    outputs = memory.empty((2, 2, *shape), product.dtype)
    combine_all(y.a, product, column)
    for half, outputs_of_row in zip(column, outputs, strict=True):
        combine_all(x.a, half, outputs_of_row)
    return outputs.reshape(2, 2, tiles.count[1], share[1] - share[0], -1, shape[1])


def _taken_apart(g: Array, tiles: Tiles, phases: tuple[Phase, Phase], share: Pair) -> Array:
    """Aᵀ·g·A of pixels g (images, H, W, O): (places, tiles, O). The mirror image of
    `_added_up`."""
    (y, x), width, height = tiles.schemes, tiles.count[1], share[1] - share[0]
    outputs = memory.empty((2, 2, width, height, len(g), g.shape[3]), g.dtype)
    if any(p.count % 2 for p in phases):
        outputs[...] = 0  # half-empty tiles
    for some, at in _outputs(g, outputs, phases, share):
        assign(at, some)
    column = memory.empty((2, len(y.b), *outputs.shape[2:]), g.dtype)
    product = memory.empty((len(y.b), len(x.b), *outputs.shape[2:]), g.dtype)
    for j in range(2):
        combine_all(tuple(zip(*y.a, strict=True)), outputs[:, j], column[j])
    for place, whole in enumerate(product):
        combine_all(tuple(zip(*x.a, strict=True)), column[:, place], whole)
    return product.reshape(len(y.b) * len(x.b), -1, g.shape[3])


def correlate(what: Problem, image: Array, other: Array) -> Array | None:
    """(N, H, W, C), (N, H', W', O) -> (O, C, R, S), or None where not all of it is finite: the
    mirror image of `convolve`, of which each step is linear in the filters."""
    n, channels, outputs = len(image), what.inputs, what.outputs
    (row,), (column,) = what.forward.rows, what.forward.columns
    to_tiles = _to_tiles(row, column, what.taps, image.dtype)  # (places·strands, R·S)
    shape = (outputs, len(to_tiles), channels)
    tiles = Tiles(image, (row,), (column,), outputs)
    places = math.prod(tiles.places)

    @np.errstate(over="ignore", invalid="ignore")
    def work(first: int, last: int) -> Array:
        total = None
        for images, share in tiles.shares(first, last):
            matrix = tiles.matrix(tiles.rows(tiles.inputs(images, share), row), column)
            pixels = _taken_apart(other[images], tiles, (row, column), share)
            some = memory.empty(shape, image.dtype)
            # (places, O, tiles) @ (places, tiles, strands·C)
            by_place = some.reshape(outputs, places, matrix.shape[2]).swapaxes(0, 1)
            multiply(pixels.swapaxes(1, 2), matrix, by_place)
            total = some if total is None else np.add(total, some, out=total)
        return total

    with np.errstate(over="ignore", invalid="ignore"), single_threaded_blas():
        total = sum_over_images(work, n * tiles.bands, image.size * places * outputs)
        # (O, C, places·strands) @ (places·strands, R·S)
        w = np.matmul(total.swapaxes(1, 2), to_tiles).reshape(outputs, channels, *what.taps)
    return w if is_finite(w) else None
