"""Masks of random truth values, drawn by several threads: each goes on from a counter of its own.

Philox 4×64 (Salmon et al. 2011) makes 256 bits of a key and a counter, so that any part of a stream
can be had without what comes before it: here eight 32-bit numbers a count.
"""

from __future__ import annotations

import math

import numpy as np

from minigen.backend import Array
from minigen.kernels import limits, memory, threads


def bernoulli(shape: tuple[int, ...], p: float, seed: int, draw: int, before: int = 0) -> Array:
    """An array of truth values, each true with probability `p` (to within 2⁻³²): element i is
    true if the i-th half of a 64-bit number of the stream, low half first, is below p·2³². The
    stream's first `before` halves are passed over."""
    counts, left = divmod(before, 8)
    size, threshold = left + math.prod(shape), round(p * 2**32)
    if threshold == 2**32:  # which 32 bits do not hold
        return np.ones(shape, bool)
    true = memory.empty((size,), bool)

    def work(first: int, last: int) -> None:
        stream = np.random.Philox(key=seed, counter=(draw << 64) + counts + first)
        bits = stream.random_raw(4 * (last - first)).view(np.uint32)
        piece = true[8 * first : 8 * last]
        np.less(bits[: len(piece)], np.uint32(threshold), out=piece)

    threads.in_pieces(work, -(-size // 8), 8, limits.now.of_a_draw * size)
    return true[left:].reshape(shape)
