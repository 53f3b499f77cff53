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
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from minigen import backend
from minigen.backend import Array
from minigen.kernels import limits, memory
from minigen.kernels.blas import is_finite, multiply
from minigen.kernels.phases import Pair, Phase, margins
from minigen.kernels.problem import Map, Problem
from minigen.kernels.threads import over_images, scratch, single_threaded_blas, sum_over_images

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


@dataclass(frozen=True)
class Strand:
    """Along one axis, taps that meet each input of a sequence: output i meets input
    `origin + (i + q)·hop` at tap `taps[q]`."""

    origin: int
    hop: int
    taps: tuple[int, ...]


@functools.lru_cache(maxsize=4096)
def strands(phase: Phase) -> tuple[Strand, ...]:
    """Those of a phase; none where they do not have two or three taps each."""
    many = phase.hop // phase.skip  # taps j and j + many meet inputs that are one hop apart
    if phase.hop % phase.skip or len(phase.taps) % many or len(phase.taps) // many not in SCHEMES:
        return ()
    return tuple(
        Strand(phase.start + first * phase.skip, phase.hop, tuple(phase.taps[first::many]))
        for first in range(many)
    )


def fits(what: Map) -> bool:
    """Whether all phases along an axis have strands, and these are alike but for where they
    begin."""
    if not (what.plain and what.covered):
        return False
    for axis in (what.rows, what.columns):
        kinds = {(len(s), len(s[0].taps) if s else 0) for s in map(strands, axis)}
        if len(kinds) != 1 or kinds == {(0, 0)}:
            return False
    return True


def cost(what: Map) -> float:
    """Of a map that fits, and of its weight gradient."""
    strands_of = [strands(axis[0]) for axis in (what.rows, what.columns)]
    taps = [len(s[0].taps) for s in strands_of]
    y, x = (len(SCHEMES[t].b) for t in taps)
    inputs = math.prod(map(len, strands_of)) * what.inputs
    tiles = what.problem.images * math.prod(
        sum((p.count + 1) // 2 for p in axis) for axis in (what.rows, what.columns)
    )
    filters = y * x * inputs * what.outputs  # numbers, and multiply-adds of a tile
    # Additions, a tile: one for each of the 2·y numbers of B·d (other columns are the neighbours')
    # and y·x of B·d·Bᵀ; one less than taps for each of 2·x of A·m and 4 of A·m·Aᵀ. G: once a phase.
    sums = (2 * y + y * x) * inputs + (2 * x * (taps[0] - 1) + 4 * (taps[1] - 1)) * what.outputs
    sums = tiles * sums + len(what.rows) * len(what.columns) * filters
    # Threads take whole images: where there are fewer, count as if one thread took them all.
    busy = what.problem.images >= backend.threads()
    return (tiles * filters + limits.now.addition * sums) * (1 if busy else backend.threads())


def combine(coefficients: Sequence[float], terms: Sequence[Array], out: Array) -> None:
    """out ← Σ coefficient·term, with coefficients 0, 1 and −1."""
    terms = [(c, t) for c, t in zip(coefficients, terms, strict=True) if c]
    (sign, first), *rest = sorted(terms, key=lambda term: -term[0])
    if not rest:
        np.copyto(out, first) if sign > 0 else np.negative(first, out=out)
    for sign, term in rest:
        (np.add if sign > 0 else np.subtract)(first, term, out=out)
        first = out


class Tiles:
    """B·d·Bᵀ for the tiles of some images at a time, (places, tiles, strands·C).

    Args:
        image: (N, H, W, C).
        rows, columns: phases, whose tiles must be alike but for where they begin.
        extra: numbers that a tile needs beside, of a product for example.
        filters: bytes of the transformed filters.
    """

    def __init__(
        self,
        image: Array,
        rows: tuple[Phase, ...],
        columns: tuple[Phase, ...],
        extra: int,
        filters: int,
    ):
        self.image = image
        self.strands = [{p: strands(p) for p in axis} for axis in (rows, columns)]
        first = [next(iter(axis.items())) for axis in self.strands]
        self.schemes = [SCHEMES[len(s[0].taps)] for _, s in first]
        self.places = [len(scheme.b) for scheme in self.schemes]
        self.hop = first[1][1][0].hop
        # Phases may differ by one output; then the last tile of some is half empty.
        self.count = [max((p.count + 1) // 2 for p in axis) for axis in self.strands]
        self.per_tile = math.prod(len(s) for _, s in first) * image.shape[3]
        reaches = []
        for axis, count, places in zip(self.strands, self.count, self.places, strict=True):
            along = [s for some in axis.values() for s in some]
            reach = (2 * (count - 1) + places - 1) * along[0].hop
            origins = [s.origin for s in along]
            reaches.append((min(origins), max(origins) + reach))
        self.low, size = margins(reaches, image.shape[1:3])
        # Every 2·hop-th column lies side by side: those that neighbouring tiles have at one place.
        self.residues = 2 * self.hop
        self.padded_shape = (size[0], self.residues, -(-size[1] // self.residues), image.shape[3])
        numbers = math.prod(self.places) * (self.per_tile + extra)
        bytes_per_row = self.count[1] * numbers * image.itemsize
        # BLAS copies the filters once for each product: large ones should meet many rows of tiles.
        together = max(1, max(limits.now.tiles_at_a_time, filters) // bytes_per_row)
        self.images = max(1, together // self.count[0])
        self.bands = -(-self.count[0] // together)

    def shares(self, first: int, last: int) -> Iterator[tuple[slice, Pair, Array]]:
        """Which images, which of their rows of tiles, and these images with their margin
        (images, rows, residues, columns, C)."""
        (top, left), height = self.low, self.image.shape[1]
        shape = (min(last - first, self.images), *self.padded_shape)
        frame = scratch("frame", shape, self.image.dtype)
        frame[...] = 0
        for lo in range(first, last, self.images):
            hi = min(last, lo + self.images)
            for residue in range(self.residues):
                begin = (residue - left) % self.residues
                some = self.image[lo:hi, :, begin :: self.residues]
                at = (begin + left) // self.residues
                frame[: hi - lo, top : top + height, residue, at : at + some.shape[2]] = some
            for i in range(self.bands):
                share = self.count[0] * i // self.bands, self.count[0] * (i + 1) // self.bands
                yield slice(lo, hi), share, frame[: hi - lo]

    def rows(self, padded: Array, phase: Phase, share: Pair) -> Array:
        """B·d along rows, (strands, places, images, tiles, residues, columns, C)."""
        strands, scheme, places = self.strands[0][phase], self.schemes[0], self.places[0]
        count = share[1] - share[0]
        shape = (len(strands), places, len(padded), count, *padded.shape[2:])
        rows = scratch("rows", shape, padded.dtype)
        for i, strand in enumerate(strands):
            step = 2 * strand.hop
            corner = self.low[0] + strand.origin + share[0] * step
            starts = [corner + u * strand.hop for u in range(places)]
            terms = [padded[:, s : s + (count - 1) * step + 1 : step] for s in starts]
            for place, coefficients in enumerate(scheme.b):
                combine(coefficients, terms, rows[i, place])
        return rows

    def matrix(self, rows: Array, phase: Phase) -> Array:
        """B·d·Bᵀ of one phase, (places, images·tiles, strands·C)."""
        strands, scheme, places = self.strands[1][phase], self.schemes[1], self.places[1]
        (n, height), width, channels = rows.shape[2:4], self.count[1], rows.shape[-1]
        shape = (rows.shape[1], places, n, height, width, len(rows), len(strands), channels)
        tiles = scratch("windows", shape, rows.dtype)
        for j, strand in enumerate(strands):
            terms = []
            for u in range(places):
                at, residue = divmod(self.low[1] + strand.origin + u * strand.hop, self.residues)
                columns = rows[:, :, :, :, residue, at : at + width]
                # (strands, places, images, height, width, C) -> (…, width, strands, C)
                terms.append(columns.transpose(1, 2, 3, 4, 0, 5))
            for place, coefficients in enumerate(scheme.b):
                combine(coefficients, terms, tiles[:, place, :, :, :, :, j])
        return tiles.reshape(rows.shape[1] * places, n * height * width, -1)


def _some_outputs(phase: Phase, share: Pair) -> slice:
    """Where those of some tiles are."""
    first, last = (phase.first + phase.every * min(phase.count, 2 * t) for t in share)
    return slice(first, last, phase.every)


def _to_tiles(rows: Phase, columns: Phase, taps: Pair, dtype: np.dtype) -> Array:
    """G ⊗ G for one pair of phases: (places·strands, R·S) times a filter (R·S) is what the tiles
    are multiplied by."""
    along = []
    for phase, count in (rows, taps[0]), (columns, taps[1]):
        some = strands(phase)
        matrix = np.zeros((len(SCHEMES[len(some[0].taps)].g), len(some), count))
        for i, strand in enumerate(some):
            matrix[:, i, list(strand.taps)] = SCHEMES[len(strand.taps)].g
        along.append(matrix)
    # (places, strands, R) × (places, strands, S) -> (places, places, strands, strands, R, S)
    whole = np.einsum("pir,qjs->pqijrs", *along)
    return whole.reshape(-1, taps[0] * taps[1]).astype(dtype)


def transformed_filters(what: Map, w: Array) -> Array:
    """G·g·Gᵀ of filters w (O, I, R, S), or (I, O, R, S) for a transposed convolution, whose phases
    have one strand each: (phases, places, strands·I, O)."""
    phases = [(a, b) for a in what.rows for b in what.columns]
    # (phases·places·strands, R·S)
    to_tiles = np.concatenate([_to_tiles(a, b, w.shape[2:], w.dtype) for a, b in phases])
    flat = w.reshape(*w.shape[:2], math.prod(w.shape[2:])).swapaxes(1, 2)
    filters = memory.empty((len(w), len(to_tiles), w.shape[1]), w.dtype)

    @single_threaded_blas()
    @np.errstate(over="ignore", invalid="ignore")
    def transform(_: int, first: int, last: int) -> None:
        np.matmul(to_tiles, flat[first:last], out=filters[first:last])

    over_images(transform, len(w), filters.size * to_tiles.shape[1])
    if what.transposed:
        return filters.reshape(len(w), len(phases), -1, w.shape[1]).transpose(1, 2, 0, 3)
    places = math.prod(len(SCHEMES[len(strands(p)[0].taps)].b) for p in phases[0])
    return filters.reshape(len(w), len(phases), places, -1).transpose(1, 2, 3, 0)


def convolve(what: Map, x: Array, w: Array, bias: Array | None) -> Array | None:
    """x (N, H, W, I), w (O, I, R, S), or for a transposed convolution (I, O, R, S) ->
    (N, *size, O), or None where not all of it is finite."""
    n, outputs = x.shape[0], what.outputs
    y = memory.empty((n, *what.size, outputs), x.dtype)
    filters = transformed_filters(what, w)
    tiles = Tiles(x, what.rows, what.columns, outputs, filters.nbytes // len(filters))
    places = math.prod(tiles.places)
    spoiled: list[slice] = []

    @np.errstate(over="ignore", invalid="ignore")
    def work(_: int, first: int, last: int) -> None:
        for images, share, padded in tiles.shares(first, last):
            which = iter(filters)
            for a in what.rows:
                half = tiles.rows(padded, a, share)
                for b in what.columns:
                    matrix = tiles.matrix(half, b)
                    shape = (*tiles.places, len(padded), share[1] - share[0], tiles.count[1])
                    product = scratch("product", (*shape, outputs), y.dtype)
                    # (places, tiles, strands·I) @ (places, strands·I, O)
                    multiply(matrix, next(which), product.reshape(places, -1, outputs))
                    if bias is not None:
                        product[1, 1] += bias  # all four outputs of a tile have it as a term
                    out = y[images, _some_outputs(a, share), b.outputs()]
                    _add_up(product, tiles.schemes, out)
            if share[1] == tiles.count[0] and not is_finite(y[images]):
                spoiled.append(images)
            if spoiled:
                return

    over_images(work, n, x.size * places * outputs)
    return None if spoiled else y


def _add_up(product: Array, schemes: Sequence[Scheme], out: Array) -> None:
    """out (images, H, W, O) ← A·m·Aᵀ of m (places, places, images, tiles, tiles, O)."""
    column = scratch("column", product.shape[1:], product.dtype)
    for i, from_rows in enumerate(schemes[0].a):
        combine(from_rows, product, column)
        for j, from_columns in enumerate(schemes[1].a):
            at = out[:, i::2, j::2]  # one output less where the last tile is half empty
            combine(from_columns, column[:, :, : at.shape[1], : at.shape[2]], at)


def _take_apart(g: Array, schemes: Sequence[Scheme]) -> Array:
    """Aᵀ·g·A of pixels g (images, H, W, O): (places, images·tiles, O). The mirror image of
    `_add_up`."""
    n, *size, outputs = g.shape
    even = [length + length % 2 for length in size]
    if even != size:
        whole = scratch("frame of pixels", (n, *even, outputs), g.dtype)
        whole[:, size[0] :] = 0
        whole[:, :, size[1] :] = 0
        whole[:, : size[0], : size[1]] = g
        g = whole
    (y, x), (height, width) = schemes, (length // 2 for length in even)
    half = scratch("column", (len(y.b), n, height, 2 * width, outputs), g.dtype)
    tiles = scratch("product", (len(y.b), len(x.b), n, height, width, outputs), g.dtype)
    for place, to_rows in enumerate(zip(*y.a, strict=True)):
        combine(to_rows, (g[:, 0::2], g[:, 1::2]), half[place])
    for place, to_columns in enumerate(zip(*x.a, strict=True)):
        combine(to_columns, (half[:, :, :, 0::2], half[:, :, :, 1::2]), tiles[:, place])
    return tiles.reshape(len(y.b) * len(x.b), -1, outputs)


def correlate(what: Problem, image: Array, other: Array) -> Array | None:
    """(N, H, W, C), (N, H', W', O) -> (O, C, R, S), or None where not all of it is finite: the
    mirror image of `convolve`, of which each step is linear in the filters."""
    n, channels, outputs = len(image), what.inputs, what.outputs
    (row,), (column,) = what.forward.rows, what.forward.columns
    to_tiles = _to_tiles(row, column, what.taps, image.dtype)  # (places·strands, R·S)
    shape = (outputs, len(to_tiles), channels)
    tiles = Tiles(image, (row,), (column,), outputs, math.prod(shape) * image.itemsize)
    places = math.prod(tiles.places)

    @np.errstate(over="ignore", invalid="ignore")
    def work(first: int, last: int) -> Array:
        total = None
        for images, share, padded in tiles.shares(first, last):
            matrix = tiles.matrix(tiles.rows(padded, row, share), column)
            pixels = _take_apart(other[images, _some_outputs(row, share)], tiles.schemes)
            some = memory.empty(shape, image.dtype)
            # (places, O, tiles) @ (places, tiles, strands·C)
            by_place = some.reshape(outputs, places, matrix.shape[2]).swapaxes(0, 1)
            multiply(pixels.swapaxes(1, 2), matrix, by_place)
            total = some if total is None else np.add(total, some, out=total)
        return total

    with np.errstate(over="ignore", invalid="ignore"), single_threaded_blas():
        total = sum_over_images(work, n, image.size * places * outputs)
        # (O, C, places·strands) @ (places·strands, R·S)
        w = np.matmul(total.swapaxes(1, 2), to_tiles).reshape(outputs, channels, *what.taps)
    return w if is_finite(w) else None
