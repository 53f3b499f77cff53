"""Normalisation's passes over memory: for the mean, for what lies about it with its squares, and to
scale that; two for the gradients.

Arrays come in parts: (N, G, K, …), examples, groups of channels, the channels of a group, pixels.
Each group has its moments, in each example (layer, group and instance norm) or in the whole batch.
Arrays are taken in blocks that stay in cache; what a formula does with a block costs little besides
reading it. Each pass goes over the whole: threads that did all of them for a part each would wait
for one another's small calls. Sums over blocks are added in the order of the blocks. Those of a
block's rows are products with ones: BLAS adds several at a time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minigen import backend
from minigen.backend import Array
from minigen.kernels import limits, memory
from minigen.kernels.cuda import normalization as cuda
from minigen.kernels.elementwise import number
from minigen.kernels.pixels import in_a_row, ones, sum_of, sum_of_row
from minigen.kernels.threads import in_pieces, single_threaded_blas

# So many standard deviations a mean may be off 0 where a sum is not taken about it.
NEAR = 100.0


class Moments(NamedTuple):
    """Those of each group, (N, G), or (1, G) of a batch."""

    mean: Array
    var: Array  # the biased one
    rstd: Array  # (var + eps)^−½


Shared = Callable[..., Any] | None  # what makes all processes' statistics of one's


def normalized_in(
    parts: tuple[int, ...], x: Array, weight: Array | None, bias: Array | None, eps: float,
    batch: bool, size: tuple[int, ...], shared: Shared = None,
) -> tuple[Array, Moments]:  # fmt: skip
    """`normalized`, for x of any shape, seen in parts, weight and bias of one `size`."""
    order = _order(x, parts, len(size))
    if order is not None:
        x, weight, bias = _laid_out(order, x, weight, bias)
    weight = None if weight is None else weight.ravel()
    bias = None if bias is None else bias.ravel()
    y, moments = normalized(x.reshape(parts), weight, bias, eps, batch, shared)
    y = y.reshape(x.shape)
    return y if order is None else _put_back(order, y), moments


def gradients_in(
    parts: tuple[int, ...], g: Array, x: Array, weight: Array | None, moments: Moments,
    size: tuple[int, ...], shared: Shared = None,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """`gradients`, for g and x of any shape, seen in parts, the weight of that `size`."""
    order = _order(x, parts, len(size))
    if order is not None:
        g, x, weight = _laid_out(order, g, x, weight)
    flat = None if weight is None else weight.ravel()
    d_x, *others = gradients(g.reshape(parts), x.reshape(parts), flat, moments, shared)
    if order is None:
        return d_x.reshape(x.shape), *(d.reshape(size) for d in others)
    turned = x.shape[x.ndim - len(size) :]
    others = [np.ascontiguousarray(_put_back(order, d.reshape(turned))) for d in others]
    return _put_back(order, d_x.reshape(x.shape)), *others


def _order(x: Array, parts: tuple[int, ...], last: int) -> list[int] | None:
    """The axes as they lie in memory, where that is another order than the shape's, if a layer is
    all of the `last` ones: then it does not matter which comes first, and nothing is copied."""
    if len(parts) != 3 or parts[1] > 1 or type(x) is not np.ndarray or x.flags.c_contiguous:
        return None
    lead = x.ndim - last
    order = [*range(lead), *(axis for axis in backend.memory_order(x.strides) if axis >= lead)]
    return order if x.transpose(order).flags.c_contiguous else None


def _laid_out(order: list[int], *arrays: Array | None) -> tuple[Array | None, ...]:
    """Each with its last axes in that order."""
    lead = [len(order) - a.ndim if a is not None else 0 for a in arrays]
    return tuple(
        a if a is None else a.transpose([axis - n for axis in order if axis >= n])
        for a, n in zip(arrays, lead, strict=True)
    )


def _put_back(order: list[int], y: Array) -> Array:
    """What was laid out in that order, with its axes where they were."""
    n = len(order) - y.ndim
    axes = [axis - n for axis in order if axis >= n]
    return y.transpose(sorted(range(y.ndim), key=axes.__getitem__))


def normalized(
    x: Array, weight: Array | None, bias: Array | None, eps: float, batch: bool,
    shared: Shared = None,
) -> tuple[Array, Moments]:  # fmt: skip
    """(x − mean)·rstd·weight + bias, for x in parts, weight and bias (G·K,); and the moments. If a
    batch is `shared` with other processes, that makes the whole one's mean and variance of these.
    """
    if not x.size:
        return x.copy(), Moments(*[x.sum((0, *range(2, x.ndim)))[None]] * 3)
    if not isinstance(x, np.ndarray):
        if batch and shared is None:
            return _batch_on_gpu(x, weight, bias, eps)
        return normalized_by_formula(x, weight, bias, eps, batch, shared)
    if not batch and math.prod(x.shape[3:]) == 1:
        y, moments = _normalized_rows(x.reshape(x.shape[:3]), weight, bias, eps)
        return y.reshape(x.shape), moments
    if x.size < limits.now.by_blocks:
        return normalized_by_formula(x, weight, bias, eps, batch, shared)
    units, k = _Units(x, batch), x.shape[2]
    y, mean, var = units.centred()
    own, (mean, var) = mean, (mean, var) if shared is None else shared(mean, var)
    rstd = 1 / np.sqrt(var + eps)
    scale, shift = _repeated(rstd, k), bias
    scale = scale if weight is None else scale * weight
    if own is not mean:
        off = _repeated(own - mean, k) * scale
        shift = off if bias is None else off + bias
    return units.affine(y, scale, shift), Moments(mean, var, rstd)


def gradients(
    g: Array, x: Array, weight: Array | None, moments: Moments, shared: Shared = None
) -> tuple[Array, Array, Array]:
    """The gradients for the input, the weight and the bias (G·K,), from that of the output, g, in
    parts as x is. With x̂ = (x − mean)·rstd, of m elements a group, and γ the weight:

    ∂b = Σ g,   ∂γ = Σ g·x̂,   ∂x = rstd·(γ·g − Σ γ·g/m − x̂·Σ γ·g·x̂/m)

    If a batch is `shared`, that makes the processes' mean of both sums in the last.
    """
    (mean, _, rstd), k = moments, x.shape[2]
    batch = len(mean) < len(x)
    if not x.size:
        return x.copy(), *(g.sum((0, *range(3, x.ndim))).ravel() for _ in range(2))
    if not isinstance(x, np.ndarray):
        if not batch or shared is not None:
            return gradients_by_formula(g, x, weight, moments, shared)
        images = (len(x), -1, *x.shape[3:])
        g, x_ = g.reshape(images), x.reshape(images)
        d_x, *others = cuda.batch_norm_gradients(g, x_, mean.ravel(), rstd.ravel(), weight)
        return d_x.reshape(x.shape), *others
    if not batch and math.prod(x.shape[3:]) == 1:
        d_x, *others = _gradients_of_rows(
            *(a.reshape(x.shape[:3]) for a in (g, x)), weight, mean, rstd
        )
        return d_x.reshape(x.shape), *others
    if x.size < limits.now.by_blocks:
        return gradients_by_formula(g, x, weight, moments, shared)
    units, m = _Units(x, batch), x.size // mean.size
    near = not units.planes and bool(np.abs(mean * rstd).max() <= NEAR)
    g, mean, rstd = units.like(g), _repeated(mean, k), _repeated(rstd, k)
    found = units.sums(g, mean, near)
    found[1] *= rstd
    scale = rstd if weight is None else rstd * weight
    means = _sum_in_groups(scale * (found if shared is None else shared(found)), k)
    means /= -m
    of_g, slope = _repeated(means, k)
    slope *= rstd
    d_bias, d_weight = np.add.reduce(found, axis=1)
    return units.combine(g, scale, slope, of_g - slope * mean), d_weight, d_bias


def _repeated(values: Array, k: int) -> Array:
    """(…, G) as (…, G·K)."""
    return values if k == 1 else values.repeat(k, axis=-1)


def _sum_in_groups(values: Array, k: int) -> Array:
    """(…, G·K) as (…, G)."""
    return values if k == 1 else np.add.reduce(values.reshape(*values.shape[:-1], -1, k), axis=-1)


class _Units:
    """An array in parts, seen as (units, rows, numbers of a row).

    A unit is an example, or the batch; in a row are several pixels with their channels, since
    NumPy wants rows to be long. Where images lie as planes in memory, a plane is a unit and a row.
    """

    def __init__(self, x: Array, batch: bool):
        self.parts, self.batch = x.shape, batch
        self._channels_last = 0, *range(3, x.ndim), 1, 2
        (n, g, self.k), pixels = x.shape[:3], math.prod(x.shape[3:])
        last = x.transpose(self._channels_last)
        self.planes = x.flags.c_contiguous and not last.flags.c_contiguous
        self.channels = g * self.k
        if self.planes:
            self.shape = n * self.channels, 1, pixels
        else:
            units = 1 if batch else n
            rows = n * pixels // units
            together = in_a_row(rows, self.channels, limits.now.row)
            # Of few rows what stands beside them, thrice, would be as large as they are.
            rows //= together if rows >= 4 * together else 1
            self.shape = units, rows, x.size // (units * rows)
        self.x = self.like(x)
        self.cost = limits.now.of_a_pass * x.size

    @property
    def blocks(self) -> int:
        """Into how many blocks each unit is cut."""
        threads = backend.threads() if self.cost >= limits.now.alone else 1
        blocks = threads * -(-self.x.size // (threads * limits.now.piece))
        return min(self.shape[1], -(-blocks // self.shape[0]))

    def like(self, x: Array) -> Array:
        """Another array in the same parts, as units."""
        x = x if self.planes else x.transpose(self._channels_last)
        return np.ascontiguousarray(x).reshape(self.shape)

    def _in_parts(self, y: Array) -> Array:
        """Units as an array in parts: a view."""
        if self.planes:
            return y.reshape(self.parts)
        n, g, k, *pixels = self.parts
        last = len(self.parts) - 2
        return y.reshape(n, *pixels, g, k).transpose(0, last, last + 1, *range(1, last))

    def _wide(self, values: Array) -> Array:
        """(N, C), or (1, C) of a batch, beside the rows of each unit: for all blocks at once, since
        threads would wait for one another to do it for each."""
        numbers = self.shape[2]
        if self.planes:
            return np.broadcast_to(values, (self.parts[0], self.channels)).reshape(-1, 1, 1)
        if numbers == self.channels:
            return values[:, None]
        return values[:, None].repeat(numbers // self.channels, 1).reshape(-1, 1, numbers)

    def _over_blocks(self, work: Callable[[tuple], Any]) -> list[Any]:
        """What `work(i)` returns for all blocks, in order: `x[i]` is a block or, of several units,
        some."""
        if self.x.size <= limits.now.piece and self.cost < limits.now.alone:
            return [work((slice(None),))]
        (units, rows, _), n = self.shape, self.blocks

        def some(first: int, last: int) -> list[Any]:
            if n == 1:
                return [work((slice(first, last),))]
            found = []
            for unit, part in (divmod(i, n) for i in range(first, last)):
                block = slice(part * rows // n, (part + 1) * rows // n)
                found.append(work((slice(unit, unit + 1), block)))
            return found

        pieces = in_pieces(some, units * n, self.x.size // (units * n), self.cost)
        return list(itertools.chain.from_iterable(pieces))

    def _sum(self, block: Array) -> Array:
        """The sum of each channel: (units, C), or of planes (units,)."""
        if self.planes:
            return np.add.reduce(block, axis=(1, 2))  # of constants, too, exact to a last digit
        if len(block) == 1:
            return sum_of(block[0], self.channels)[None]
        return sum_of(block, self.channels)

    def _sum_of_products(self, a: Array, b: Array) -> Array:
        """The sum of a·b, alike."""
        # `einsum` adds one product after the other, and loses a digit of many.
        if self.planes or a.shape[1] > limits.now.row:
            return self._sum(a * b)
        return sum_of_row(np.einsum("urc,urc->uc", a, b), self.channels)

    def _totals(self, work: Callable[[tuple], Array]) -> Array:
        """The sums (…, units, C), or of planes (…, units), that `work(i)` finds in all blocks,
        added up: (…, N, C), or (…, 1, C) of a batch."""

        def held(i: tuple) -> Array:
            with single_threaded_blas():
                return work(i)

        first, *others = self._over_blocks(held)
        axis = first.ndim - (1 if self.planes else 2)
        found = np.concatenate([first, *others], axis) if others else first
        # What is added up: blocks of a unit, or planes of a batch.
        return np.add.reduce(found.reshape(*first.shape[:axis], self._sets, -1, self.channels), -2)

    @property
    def _sets(self) -> int:
        """How many sets of examples have moments of their own: N, or 1 of a batch."""
        return 1 if self.batch else self.parts[0]

    def centred(self) -> tuple[Array, Array, Array]:
        """x − mean, as units, with mean and (biased) variance of each group, (N, G), or (1, G) of a
        batch. No digits are lost where the mean is large."""
        m = number(self.x.size // (self._sets * self.channels // self.k), self.x.dtype)
        mean = _sum_in_groups(self._totals(lambda i: self._sum(self.x[i])), self.k) / m
        wide, y = self._wide(_repeated(mean, self.k)), memory.empty(self.shape, self.x.dtype)

        def squares(i: tuple) -> Array:
            out = np.subtract(self.x[i], wide[i[0]], out=y[i])
            return self._sum_of_products(out, out)

        return y, mean, _sum_in_groups(self._totals(squares), self.k) / m

    def sums(self, g: Array, mean: Array, near: bool) -> Array:
        """Σ g and Σ g·(x − mean) of each channel: (2, N, C), or (2, 1, C) of a batch. Where the
        mean is `near` 0, the latter is Σ g·x − mean·Σ g, which needs no centred block."""
        wide = None if near else self._wide(mean)

        def block(i: tuple) -> Array:
            x = self.x[i] if near else np.subtract(self.x[i], wide[i[0]])
            return np.array([self._sum(g[i]), self._sum_of_products(g[i], x)])

        found = self._totals(block)
        if near:
            found[1] -= mean * found[0]
        return found

    def affine(self, y: Array, scale: Array, shift: Array | None) -> Array:
        """y·scale + shift in the place of y, units; scale and shift are (N, C), or (1, C) of a
        batch, or (C,). In parts."""
        if shift is not None:
            shift = self._wide(np.broadcast_to(shift, scale.shape))
        scale = self._wide(scale)

        def block(i: tuple) -> None:
            out = y[i]
            out *= scale[i[0]]
            if shift is not None:
                out += shift[i[0]]

        self._over_blocks(block)
        return self._in_parts(y)

    def combine(self, g: Array, scale: Array, slope: Array, offset: Array) -> Array:
        """g·scale + x·slope + offset, each (N, C), or (1, C) of a batch, in parts."""
        scale, slope, offset = map(self._wide, (scale, slope, offset))
        y = memory.empty(self.shape, self.x.dtype)

        def block(i: tuple) -> None:
            units = i[0]
            out = np.multiply(self.x[i], slope[units], out=y[i])
            out += offset[units]
            out += g[i] * scale[units]

        self._over_blocks(block)
        return self._in_parts(y)


# Without pixels, as in layer norm: each group of an example is a row, what is known of it a column


def _normalized_rows(
    x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Moments]:
    n, groups, k = x.shape
    x = np.ascontiguousarray(x).reshape(n * groups, k)
    y = memory.empty(x.shape, x.dtype)
    if groups > 1:
        weight, bias = (v if v is None else v.reshape(groups, k) for v in (weight, bias))

    def block(i: int, j: int) -> tuple[Array, Array, Array]:
        rows = slice(i * groups, j * groups)
        with single_threaded_blas():
            return _normalize_rows(x[rows], groups, weight, bias, eps, y[rows])

    if x.size <= limits.now.unshared:
        found = [_normalize_rows(x, groups, weight, bias, eps, y)]
    else:
        found = in_pieces(block, n, groups * k, limits.now.of_a_pass * x.size, _piece(groups * k))
    whole = found[0] if len(found) == 1 else map(np.concatenate, zip(*found, strict=True))
    return y.reshape(n, groups, k), Moments(*(v.reshape(n, groups) for v in whole))


def _piece(width: int) -> int:
    """How many numbers a piece has: of long examples so many that what there is once for each
    piece, the weight that is read and the sums over examples, costs little beside them."""
    return max(limits.now.piece, limits.now.rows_a_piece * width)


def _normalize_rows(
    x: Array, groups: int, weight: Array | None, bias: Array | None, eps: float, y: Array
) -> tuple[Array, Array, Array]:
    """Rows x into y, and their moments as columns; with `dot`, the quickest sum to call."""
    k = number(x.shape[1], x.dtype)
    column = ones(x.shape[1], x.dtype)[:, None]
    mean = x.dot(column)
    mean /= k
    np.subtract(x, mean, y)
    if x.shape[1] <= limits.now.by_pieces:
        var = np.square(y).dot(column)
    else:  # the squares would take much memory
        var = np.array([[row.dot(row)] for row in y])
    var /= k
    rstd = var + number(eps, x.dtype)
    np.sqrt(rstd, rstd)
    np.reciprocal(rstd, rstd)
    y *= rstd
    y = y if groups == 1 else y.reshape(-1, groups, x.shape[1])
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    return mean, var, rstd


def _gradients_of_rows(
    g: Array, x: Array, weight: Array | None, mean: Array, rstd: Array
) -> tuple[Array, Array, Array]:
    n, groups, k = x.shape
    g, x = (np.ascontiguousarray(a).reshape(n * groups, k) for a in (g, x))
    mean, rstd = (v.reshape(n * groups, 1) for v in (mean, rstd))
    y = memory.empty(x.shape, x.dtype)
    scale = ones(k, x.dtype)[:, None] if weight is None else weight.reshape(groups, k).T
    across = weight is not None and groups > 1

    def means(a: Array) -> Array:
        """Of each row, once the weight has scaled it."""
        if across:
            total = np.einsum("ngk,kg->ng", a.reshape(-1, groups, k), scale).reshape(-1, 1)
        else:
            total = a.dot(scale)
        total /= k
        return total

    def sums(a: Array) -> Array:
        """Over the examples: (G·K,)."""
        a = a.reshape(-1, groups * k)
        return np.ones(len(a), a.dtype).dot(a)

    def block(i: int, j: int) -> tuple[Array, Array]:
        rows = slice(i * groups, j * groups)
        out, of_g, r = y[rows], g[rows], rstd[rows]
        normal = np.subtract(x[rows], mean[rows])
        normal *= r
        with single_threaded_blas():
            np.multiply(of_g, normal, out=out)
            found = sums(out), sums(of_g)
            of_normal, constant = means(out), means(of_g)
        if weight is None:
            np.subtract(of_g, constant, out=out)
        else:
            wide = (-1, groups, k)
            np.multiply(of_g.reshape(wide), scale.T, out=out.reshape(wide))
            out -= constant
        normal *= of_normal
        out -= normal
        out *= r
        return found

    found = in_pieces(block, n, groups * k, limits.now.of_a_pass * x.size, _piece(groups * k))
    d_weight, d_bias = found[0] if len(found) == 1 else np.add.reduce(found, axis=0)
    return y.reshape(n, groups, k), d_weight, d_bias


# CuPy's arrays: batch norm has kernels


def _batch_on_gpu(
    x: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Moments]:
    images = x.reshape(len(x), -1, *x.shape[3:])
    mean, var = cuda.moments(images)
    rstd = 1 / np.sqrt(var + eps)
    scale = rstd if weight is None else rstd * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    y = cuda.affine(images, scale, shift).reshape(x.shape)
    return y, Moments(mean[None], var[None], rstd[None])


def normalized_by_formula(
    x: Array, weight: Array | None, bias: Array | None, eps: float, batch: bool,
    shared: Shared = None,
) -> tuple[Array, Moments]:  # fmt: skip
    """`normalized`, on any arrays."""
    axes = (*((0,) if batch else ()), *range(2, x.ndim))
    count = math.prod([x.shape[i] for i in axes])
    mean = x.sum(axes, keepdims=True) / count
    centred = x - mean
    var = (centred * centred).sum(axes, keepdims=True) / count
    if shared is not None:
        mean, var = shared(mean, var)
        centred = x - mean
    rstd = 1 / np.sqrt(var + eps)
    y = centred * rstd
    wide = (*x.shape[1:3], *[1] * (x.ndim - 3))
    y = y if weight is None else y * weight.reshape(wide)
    y = y if bias is None else y + bias.reshape(wide)
    return y, Moments(*[v.reshape(-1, x.shape[1]) for v in (mean, var, rstd)])


def gradients_by_formula(
    g: Array, x: Array, weight: Array | None, moments: Moments, shared: Shared = None
) -> tuple[Array, Array, Array]:
    """`gradients`, on any arrays."""
    ones = [1] * (x.ndim - 3)
    mean, _, rstd = (v.reshape(*v.shape, 1, *ones) for v in moments)
    axes = (*((0,) if len(mean) < len(x) else ()), *range(2, x.ndim))
    pixels, count = (0, *range(3, x.ndim)), x.size // mean.size
    normal = (x - mean) * rstd
    d_weight, d_bias = (v.sum(pixels).ravel() for v in (g * normal, g))
    scaled = g if weight is None else g * weight.reshape(*x.shape[1:3], *ones)
    constant, of_normal = (v.sum(axes, keepdims=True) / count for v in (scaled, scaled * normal))
    if shared is not None:
        constant, of_normal = shared(np.stack([constant, of_normal]))
    return rstd * (scaled - constant - normal * of_normal), d_weight, d_bias
