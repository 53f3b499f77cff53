"""Matrix products as BLAS likes them: in pieces, or transposed.

BLAS copies both factors into an order that it likes before it multiplies. OpenBLAS's kernels for
AVX-512 leave that out for products of up to a million multiply-adds, and in such pieces products
with a narrow factor take 5 to 40 % less time. Other kernels would only copy the second factor anew
for each piece.

Rows of a dense layer's few inputs times rows of its weights, x·Wᵀ, take up to twice as long as
W·xᵀ, whose result is copied: BLAS likes the long side first.

And NumPy's `matmul` keeps the interpreter's lock while its result has up to 500 numbers, however
long their sums are: all other threads wait then. `dot` gives it up.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np

from minigen.backend import Array
from minigen.kernels import limits
from minigen.kernels.limits import Limits
from minigen.kernels.threads import LOCKED, blas_libraries, single_threaded_blas

LINE = 64  # bytes of a cache line, and of a register of AVX-512
UNCOPIED = ("SkylakeX", "Cooperlake", "SapphireRapids")


@functools.cache
def takes_pieces() -> bool:
    """Whether NumPy's BLAS has such kernels."""
    return any(getattr(lib, "architecture", None) in UNCOPIED for lib in blas_libraries())


def in_pieces_pays(m: int, k: int, n: int, turned: bool) -> bool:
    """Whether a product (m, k) @ (k, n) takes less time in pieces: where a factor is so narrow that
    to copy it is much of the work."""
    if not takes_pieces():
        return False
    if turned:
        few = limits.now.turned_rows
        if m <= few:
            return m < few or k <= 32 * few or n < 4 * few
        return m <= 4 * few and k >= 8 * few and m * k <= 64 * few**2
    some = limits.now.piece_columns
    return n <= some or n % some == 0 and k <= limits.now.piece_most


def transposed_pays(m: int, k: int, n: int) -> bool:
    """Whether (m, k) @ (k, n), the second factor column by column, takes longer than its transpose
    and a copy of the result: not if BLAS copies no factor, nor if the sums are short."""
    most = limits.now.turned_rows * (4 if takes_pieces() else 1)
    return 1 < m <= min(most, n, k // 4) and m * k * n > limits.now.piece_products


def pieces(m: int, k: int, n: int, turned: bool) -> tuple[int, int, int]:
    """How much of m, k and n the pieces of a product (m, k) @ (k, n) have, if k is worth splitting;
    `turned` says that the second factor lies column by column."""
    at = limits.now
    some, most, columns = at.piece_rows, at.piece_products, at.piece_columns
    if turned:
        rows = m if m <= some else at.turned_rows // 2 or 1
        width = min(n, max(1, at.turned_numbers // rows))
    else:
        rows = m if m <= 2 * some else some
        whole = n <= columns or rows * columns * k <= most
        width = min(n, columns if whole else columns // 2 or 1)
    inner = max(1, k // max(1, -(-rows * k * width // most)))
    if not turned:
        rows = min(m, max(rows, most // (inner * width) // some * some))
    return rows, inner, width


def sums_in_pieces(m: int, k: int, n: int) -> bool:
    """Whether the sums of a product (m, k) @ (k, n) may be cut into pieces."""
    return in_pieces_pays(m, k, n, False) and pieces(m, k, n, False)[1] < k


@single_threaded_blas()
def multiply(a: Array, b: Array, out: Array) -> None:
    """out (…, m, n) ← a (…, m, k) @ b (…, k, n), by one thread."""
    (m, k), n = a.shape[-2:], b.shape[-1]
    turned = b.strides[-1] != b.itemsize
    inner, cuts = 0, ()
    if takes_pieces() and (not turned or b.strides[-2] == b.itemsize):
        inner, cuts = _cuts(out.size // (m * n or 1), m, k, n, turned, limits.now)
    if not cuts:
        if turned and transposed_pays(m, k, n):
            transposed = np.empty((*out.shape[:-2], n, m), out.dtype)
            _matmul(b.swapaxes(-1, -2), a.swapaxes(-1, -2), transposed)
            out[...] = transposed.swapaxes(-1, -2)
        else:
            _matmul(a, b, out)
        return
    if not turned and m >= 4 * limits.now.piece_columns and (b.ctypes.data | b.strides[-2]) % LINE:
        lines = aligned(b.shape, b.dtype)
        lines[...], b = b, lines
    lead, parts = out.shape[:-2], k // inner
    whole = parts * inner
    products = out[..., None, :, :]
    if parts > 1:
        products = np.empty((*lead, parts, m, n), out.dtype)
    a_parts = a[..., :whole].reshape(*a.shape[:-1], parts, inner).swapaxes(-2, -3)
    b_parts = b[..., :whole, :].reshape(*b.shape[:-2], parts, inner, n)
    for some_rows, height, some_columns, breadth in cuts:
        _multiply_cut(
            a_parts[..., some_rows, :],
            b_parts[..., some_columns],
            products[..., some_rows, some_columns],
            height,
            breadth,
        )
    if parts > 1:
        np.sum(products, axis=-3, out=out)
    if whole < k:
        rest = np.empty(out.shape, out.dtype)
        _matmul(a[..., whole:], b[..., whole:, :], rest)
        out += rest


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """An uninitialised array whose rows begin where cache lines do, as NumPy's seldom do: a factor
    that is taken uncopied is read by lines, for each of which two are touched otherwise."""
    (*lead, n), numbers = shape, LINE // dtype.itemsize
    rows, wide = math.prod(lead), n + -n % numbers
    whole = np.empty((rows + 1) * wide, dtype)
    first = -whole.ctypes.data % LINE // dtype.itemsize
    return whole[first : first + rows * wide].reshape(*lead, wide)[..., :n]


def _matmul(a: Array, b: Array, out: Array) -> None:
    """`np.matmul`, or `dot` for each matrix, where other threads would wait for it."""
    long = a.shape[-1] * out.shape[-2] * out.shape[-1] > limits.now.unshared
    if out.size > LOCKED or not long:
        np.matmul(a, b, out=out)
        return
    for i in np.ndindex(out.shape[:-2]):
        out[i] = a[i].dot(b[i])


@single_threaded_blas()
def is_finite(x: Array) -> bool:
    """Whether every number of a contiguous array is finite, by the sum of their squares: the
    quickest look at all of them. Squares of large numbers overflow, so that a no may be wrong; a
    yes never is."""
    flat = x.reshape(x.size)
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(flat.dot(flat))


def unless_spoiled(y: Array, w: Array) -> Array | None:
    """y, or None where a transposed filter that is not finite may have met zeros of the margin,
    which are no pixels."""
    w = np.ascontiguousarray(w)
    return y if is_finite(min(y, w, key=np.size)) or is_finite(w) else None


@functools.lru_cache(maxsize=4096)
def _cuts(count: int, m: int, k: int, n: int, turned: bool, now: Limits) -> tuple[int, tuple]:
    """How much of k the pieces of `count` products (m, k) @ (k, n) have, and where they lie: (rows,
    how many a piece has, columns, how many). None where the whole is as fast: each piece costs some
    of NumPy's time."""
    if (
        m * k * n <= now.piece_products
        or count * m * k * n <= 3 * now.piece_products
        or (turned and k < now.piece_depth)
        or not in_pieces_pays(m, k, n, turned)
    ):
        return 0, ()
    rows, inner, width = pieces(m, k, n, turned)
    if inner < min(k, now.piece_depth):
        return 0, ()
    return inner, tuple((*r, *c) for r in _cut(m, rows) for c in _cut(n, width))


def _cut(length: int, piece: int) -> Iterator[tuple[slice, int]]:
    """The part that pieces fill, and the rest, each with the length of its pieces."""
    whole = length // piece * piece
    yield slice(0, whole), piece
    if whole < length:
        yield slice(whole, length), length - whole


def _multiply_cut(a: Array, b: Array, out: Array, rows: int, columns: int) -> None:
    """out (…, m, n) ← a (…, m, k) @ b (…, k, n), which m / rows by n / columns pieces fill."""
    (*lead, m, k), n = a.shape, b.shape[-1]
    np.matmul(
        a.reshape(*lead, m // rows, 1, rows, k),
        b.reshape(*b.shape[:-1], n // columns, columns).swapaxes(-2, -3)[..., None, :, :, :],
        out=out.reshape(*out.shape[:-2], m // rows, rows, n // columns, columns).swapaxes(-2, -3),
    )
