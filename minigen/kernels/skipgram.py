"""Negative sampling as small matrix products: the hot path of word2vec.

A text is cut into tiles of TILE words. The words of a tile and those that its windows reach, its
halo, are gathered once; all their scores are one small matrix product, of which a band is used.
Noise words are drawn for a tile and shared by its words (Ji et al. 2016, arXiv:1604.04661), and
weighted so that each pair of words sees `negative` of them. The loss of a tile is then

    Σ_ij W_ij · −log σ(S_ij),    S = C·Kᵀ + b,    with the gradient G = −∂/∂S = W · σ(−S)

where C holds what predicts (centre words, or means of contexts) and K what is predicted (context
words, or centre words) and below it the noise words, negated: −log σ(−s) is the loss of a noise
word. W says which scores count, and how much.

Everything here takes a text with a halo at each end, so that tiles of a long text see their
neighbours; −1 in it is no word. Arrays of NumPy and CuPy are taken alike.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from minigen.backend import Array, namespace, on_host
from minigen.kernels.threads import single_threaded_blas

try:
    # y += A·x for a matrix A of columns. The public product makes a new array of a whole table.
    from scipy.sparse._sparsetools import csc_matvecs
except ImportError:  # a SciPy that keeps it elsewhere
    csc_matvecs = None

TILE = 16  # words


class Rows(NamedTuple):
    """What a batch does to a table: `values` (n, dim) are to be added to `rows` (n,), in which
    rows may be named several times. −1 is no row; its values are 0."""

    rows: Array
    values: Array


class Result(NamedTuple):
    """The loss's negative gradient, and the loss where it was asked for.

    Attributes:
        w_in, w_out: changes of both tables.
        bias: (n,) for the rows of `w_out`, or None.
        loss: the sum over all pairs and their noise, or None.
        pairs: how many pairs of a word and one that it predicts there are.
    """

    w_in: Rows
    w_out: Rows
    bias: Array | None
    loss: Array | None
    pairs: Array | None


@functools.lru_cache(maxsize=16)
def _bands(window: int, dtype: np.dtype) -> np.ndarray:
    """(TILE·window, TILE + 2·window): row i·window + r − 1 is 1 where word i of a tile sees its
    halo if its window reaches r words to each side."""
    i = np.arange(TILE)[:, None, None]
    reach = np.arange(1, window + 1)[:, None]
    distance = abs(np.arange(TILE + 2 * window) - window - i)
    band = (distance > 0) & (distance <= reach)
    return band.reshape(TILE * window, -1).astype(dtype)


@functools.lru_cache(maxsize=16)
def _skipgram_weights(window: int, share: float, shared: int, dtype: np.dtype) -> np.ndarray:
    """`_bands`, and beside it the weight of each noise word: `share` for each word in sight."""
    band = _bands(window, dtype)
    noise = np.repeat(share * band.sum(1, keepdims=True), shared, axis=1)
    return np.concatenate([band, noise], axis=1).astype(dtype)


@functools.lru_cache(maxsize=16)
def _cbow_weights(share: float, shared: int, dtype: np.dtype) -> np.ndarray:
    """(TILE, TILE + shared): each context predicts its own word, and not the noise."""
    return np.concatenate([np.eye(TILE), np.full((TILE, shared), share)], axis=1).astype(dtype)


def cut(text: Array, window: int) -> tuple[Array, Array]:
    """The words (tiles, TILE) and the halos (tiles, TILE + 2·window) of a text that has `window`
    more words at each end. Views."""
    strided = namespace(text).lib.stride_tricks.as_strided
    step = text.strides[0]
    tiles = (len(text) - 2 * window) // TILE
    halo = strided(text, (tiles, TILE + 2 * window), (TILE * step, step))
    return halo[:, window : window + TILE], halo


@single_threaded_blas()
def skipgram(
    text: Array,
    reach: Array,
    noise: Array,
    w_in: Array,
    w_out: Array,
    bias: Array | None = None,
    *,
    window: int,
    negative: float,
    with_loss: bool = False,
) -> Result:
    """Each word predicts the words around it: loss and gradients of one batch.

    Args:
        text: rows of the tables, (window + tiles·TILE + window,); −1 is no word.
        reach: how many words to each side a word sees, 1 to `window`, (tiles·TILE,).
        noise: rows of `w_out`, (tiles, shared).
        w_in, w_out: tables, (words, dim).
        bias: (words,), added to the scores of what is predicted.
        window: the largest reach.
        negative: noise words for each pair.
        with_loss: compute the loss too.
    """
    xp = namespace(w_in)
    words, halo = cut(text, window)
    share = negative / noise.shape[1]
    table = xp.asarray(_skipgram_weights(window, share, noise.shape[1], w_in.dtype))
    weights = table.take(_band_rows(xp, reach, window), axis=0)  # (tiles, TILE, halo + shared)
    if _any_missing(text):
        width = halo.shape[1]
        band = weights[:, :, :width]
        band *= ((words >= 0)[:, :, None] & (halo >= 0)[:, None, :]).astype(band.dtype)
        weights[:, :, width:] = share * band.sum(2, keepdims=True)

    c = _rows_of(w_in, words)
    keys = xp.concatenate([halo, noise], axis=1)
    d_c, d_keys, d_bias, loss = _core(c, keys, noise.shape[1], w_out, bias, weights, with_loss)
    pairs = weights[:, :, : halo.shape[1]].sum() if with_loss else None
    return Result(_flat(words, d_c), _flat(keys, d_keys), d_bias, loss, pairs)


@single_threaded_blas()
def cbow(
    text: Array,
    reach: Array,
    noise: Array,
    w_in: Array,
    w_out: Array,
    bias: Array | None = None,
    *,
    window: int,
    negative: float,
    with_loss: bool = False,
) -> Result:
    """The mean of the words around it predicts each word. The arguments are those of `skipgram`."""
    xp = namespace(w_in)
    words, halo = cut(text, window)
    shared = noise.shape[1]
    pool = xp.asarray(_bands(window, w_in.dtype)).take(_band_rows(xp, reach, window), axis=0)
    weights = xp.asarray(_cbow_weights(negative / shared, shared, w_in.dtype))
    if _any_missing(text):
        pool *= (halo >= 0)[:, None, :].astype(pool.dtype)
        predicted = (words >= 0) & (pool.any(axis=2))
        weights = weights * predicted[:, :, None].astype(pool.dtype)
    pool /= xp.maximum(pool.sum(2, keepdims=True), 1)  # (tiles, TILE, halo), rows sum to 1

    context = _rows_of(w_in, halo)
    c = pool @ context  # (TILE, halo) @ (halo, dim)
    keys = xp.concatenate([words, noise], axis=1)
    d_c, d_keys, d_bias, loss = _core(c, keys, shared, w_out, bias, weights, with_loss)
    d_context = pool.transpose(0, 2, 1) @ d_c  # (halo, TILE) @ (TILE, dim)
    pairs = None
    if with_loss:
        pairs = xp.broadcast_to(weights, (*c.shape[:2], weights.shape[-1]))[:, :, :TILE].sum()
    return Result(_flat(halo, d_context), _flat(keys, d_keys), d_bias, loss, pairs)


def _flat(rows: Array, values: Array) -> Rows:
    """Those of all tiles, one after the other."""
    return Rows(rows.reshape(-1), values.reshape(-1, values.shape[-1]))


def _rows_of(table: Array, rows: Array) -> Array:
    """Rows of a table; −1 gives some row, since its weight is 0."""
    if on_host(table):
        return table.take(rows, axis=0, mode="clip")  # the quickest of NumPy's ways
    return table.take(rows, axis=0)  # CuPy has no other


def _any_missing(text: Array) -> bool:
    """Whether −1 is in the text; on a GPU, which is not waited for, it may be."""
    return not on_host(text) or bool((text < 0).any())


def _band_rows(xp, reach: Array, window: int) -> Array:
    """The row of `_bands` for each word, (tiles, TILE)."""
    return reach.reshape(len(reach) // TILE, TILE) + xp.arange(-1, TILE * window - 1, window)


def _core(
    c: Array,
    keys: Array,
    shared: int,
    w_out: Array,
    bias: Array | None,
    weights: Array,
    with_loss: bool,
) -> tuple[Array, Array, Array | None, Array | None]:
    """What C, (tiles, TILE, dim), and the rows `keys` of `w_out`, (tiles, n), of which the last
    `shared` are noise, should change by; the change of the bias, and the loss."""
    xp = namespace(c)
    k = _rows_of(w_out, keys)
    noise = k[:, -shared:]
    xp.negative(noise, out=noise)
    s = c @ k.transpose(0, 2, 1)  # (TILE, dim) @ (dim, n)
    if bias is not None:
        b = _rows_of(bias, keys)[:, None, :]
        b[:, :, -shared:] *= -1
        s += b
    loss = (weights * xp.logaddexp(0, -s)).sum() if with_loss else None
    g = xp.exp(s, out=s)  # G = W / (1 + exp(S)); an infinite exp(S) gives the right 0
    g += 1
    xp.divide(weights, g, out=g)
    d_c = g @ k  # (TILE, n) @ (n, dim)
    d_keys = g.transpose(0, 2, 1) @ c  # (n, TILE) @ (TILE, dim)
    noise = d_keys[:, -shared:]
    xp.negative(noise, out=noise)
    d_bias = None
    if bias is not None:
        d_bias = g.sum(1)
        d_bias[:, -shared:] *= -1
        d_bias = d_bias.reshape(-1)
    return d_c, d_keys, d_bias, loss


MOST_STEPS = 8  # of one row in a batch, at full length


class Damping:
    """Smaller steps for rows that a batch changes many times.

    A batch adds up steps that were all computed at one point. A few of them are fine. Where a text
    repeats one word a hundred times, or a small vocabulary is drawn as noise over and over, their
    sum overshoots and training diverges. So all steps of such a row are divided until they
    come to `MOST_STEPS`, with those towards its neighbours and those away from noise divided alike.
    """

    def __init__(self, table: Array):
        xp = namespace(table)
        self._steps = xp.zeros(len(table), table.dtype)
        self._rows = xp.zeros(0, np.int64)

    def count(self, words: Array, noise: Array, negative: float) -> None:
        """Take up the words (n,) of the next batch and its noise (tiles, shared)."""
        xp = namespace(words)
        self._steps[self._rows] = 0
        # Every word of a tile takes a step away from each of its noise words, with the weight
        # negative / shared: so many steps, all in all, does a noise word take.
        weights = xp.full(words.size + noise.size, 1, self._steps.dtype)
        weights[words.size :] = TILE * negative / noise.shape[1]
        # A −1 in the text, which is no word, is counted for the table's last row: a rare word's,
        # which a few steps more do not slow down.
        self._rows = xp.concatenate([words, noise.reshape(-1)])
        xp.add.at(self._steps, self._rows, weights)

    def __call__(self, rows: Array, rate: float) -> Array:
        """The learning rate for each of these rows."""
        xp = namespace(rows)
        steps = xp.maximum(_rows_of(self._steps, rows), MOST_STEPS)
        return xp.divide(rate * MOST_STEPS, steps, dtype=steps.dtype)


def add_rows(table: Array, rows: Array, values: Array, scale: float | Array) -> None:
    """table[rows] += scale·values in place, where rows may be named several times.

    Args:
        scale: one for all, or one for each row, (n,).

    It holds no lock: several threads that add to the same table at once may, rarely, lose a part of
    each other's changes, which stochastic gradient descent bears (Recht et al. 2011).
    """
    if isinstance(table, np.ndarray) and csc_matvecs is not None and table.flags.c_contiguous:
        count, dim = values.shape
        rows = np.maximum(rows, 0, dtype=np.int64)  # that of no row adds zeros
        one_a_column = np.arange(count + 1)
        factors = np.full(count, scale, table.dtype) if np.ndim(scale) == 0 else scale
        csc_matvecs(
            len(table), count, dim, one_a_column, rows, factors, values.reshape(-1),
            table.reshape(-1),
        )  # fmt: skip
    else:
        xp = namespace(table)
        scale = scale if np.ndim(scale) == 0 else scale[:, None]
        xp.add.at(table, xp.maximum(rows, 0), values * scale)
