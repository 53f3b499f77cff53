"""Element by element, in pieces that stay in cache: large arrays are read from memory once, however
many NumPy calls a formula takes.

NumPy's `where` and masked copies take 4 ns an element when the mask is irregular (mispredicted
branches). Arithmetic with the mask takes a seventh of that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigen.backend import Array
from minigen.kernels.threads import over_images

PIECE = 1 << 15  # elements


def in_pieces(formula: Callable[..., None], *arrays: Array) -> Array:
    """`formula(*pieces, out)` on matching pieces of arrays of one shape, spread over threads.

    Returns an array of the first one's dtype and memory layout.
    """
    y = np.empty_like(arrays[0])  # keeps the order of axes in memory
    if y.size <= PIECE or not isinstance(y, np.ndarray):
        formula(*arrays, y)
        return y
    flat = [a.ravel(order="K") for a in (*arrays, y)]
    alike = all(_order(a) == _order(y) for a in arrays)
    if not (alike and np.may_share_memory(flat[-1], y)):
        formula(*arrays, y)
        return y

    def work(_: int, first: int, last: int) -> None:
        for i in range(first * PIECE, min(last * PIECE, y.size), PIECE):
            formula(*[a[i : i + PIECE] for a in flat])

    over_images(work, -(-y.size // PIECE), 4.0 * y.size)
    return y


def _order(a: Array) -> tuple[int, ...]:
    """Steps in elements, so that masks compare with numbers."""
    return tuple(step // a.itemsize for step in a.strides)


def leaky_relu(x: Array, slope: float) -> Array:
    """x where it is positive, else slope·x."""
    # One of the two is the answer: the larger one for a slope up to 1.
    choose = np.maximum if slope <= 1 else np.minimum
    if x.size <= PIECE:
        return choose(x, x * slope)

    def formula(x: Array, y: Array) -> None:
        choose(x, np.multiply(x, slope, out=y), out=y)

    return in_pieces(formula, x)


def gate(g: Array, y: Array, slope: float) -> Array:
    """g where y is positive, else slope·g."""

    bits = f"i{g.itemsize}"

    def formula(g: Array, y: Array, out: Array) -> None:
        positive = y > 0
        if slope == 0:  # all bits or none: 0 for an infinite g too
            np.bitwise_and(g.view(bits), -positive.astype(bits), out=out.view(bits))
            return
        factor = positive.astype(g.dtype)
        factor = np.maximum(factor, slope) if slope <= 1 else factor * (1 - slope) + slope
        np.multiply(g, factor, out=out)

    return in_pieces(formula, g, y)


def dropout(x: Array, mask: Array, scale: float) -> Array:
    """scale·x where the mask is true, else 0."""

    def formula(x: Array, mask: Array, y: Array) -> None:
        np.multiply(x, mask, out=y)
        y *= scale

    return in_pieces(formula, x, mask)
