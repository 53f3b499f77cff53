"""Element by element, in pieces that stay in cache: large arrays are read from memory once, however
many NumPy calls a formula takes.

NumPy's `where` and masked copies take 4 ns an element when the mask is irregular (mispredicted
branches). Arithmetic with the mask takes a seventh of that.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.backend import Array, memory_order
from minigen.kernels import limits, memory, threads


def spread(value: Callable[..., Array]) -> Callable[..., Array]:
    """Make `value`, of each element by itself, take large arrays in pieces that threads share out.

    It is for formulas of several NumPy calls; for a single call the copies eat up the gain. The
    result is laid out in memory as the last array is.
    """

    @functools.wraps(value)
    def apply(*arrays: Array, **options: Any) -> Array:
        like = arrays[-1]
        if not isinstance(like, np.ndarray) or like.size <= limits.now.piece:
            return value(*arrays, **options)
        if any(np.shape(a) != like.shape for a in arrays):
            return value(*arrays, **options)  # something is broadcast

        def formula(*pieces: Array) -> None:
            pieces[-1][...] = value(*pieces[:-1], **options)

        return _in_pieces(formula, *arrays)

    return apply


def _in_pieces(formula: Callable[..., None], *arrays: Array) -> Array:
    """`formula(*pieces, out)` on matching pieces of arrays of one shape, spread over threads.

    Returns an array of the first one's dtype and the last one's memory layout.
    """
    like, dtype = arrays[-1], arrays[0].dtype
    if not isinstance(like, np.ndarray):
        y = np.empty_like(like, dtype)
        formula(*arrays, y)
        return y
    y = memory.empty_like(like, dtype)
    if y.size <= limits.now.piece and all(a.strides == like.strides for a in arrays[:-1]):
        formula(*arrays, y)
        return y
    flat = [_flat(a, y) for a in (*arrays, y)]
    threads.in_pieces(
        lambda i, j: formula(*[a[i:j] for a in flat]), y.size, 1, limits.now.of_a_pass * y.size
    )
    return y


def _flat(a: Array, y: Array) -> Array:
    """The elements of `a` in the order in which those of `y` follow each other in memory: a view of
    it, or of a copy."""
    if a.size and not any(a.strides):  # one number, as the gradient of a sum is
        return np.broadcast_to(a[(0,) * a.ndim], a.size)
    if [step // a.itemsize for step in a.strides] != [step // y.itemsize for step in y.strides]:
        copy = memory.empty_like(y, a.dtype)
        np.copyto(copy, a)
        a = copy
    return a.ravel(order="K")


def total(x: Array) -> Array:
    """The sum of all elements; those of pieces are added in their order."""
    if not (x.size and x.transpose(memory_order(x.strides)).flags.c_contiguous):
        return x.sum()
    flat = x.ravel(order="K")
    sums = threads.in_pieces(
        lambda i, j: np.add.reduce(flat[i:j]), x.size, 1, limits.now.of_a_sum * x.size
    )
    return np.add.reduce(sums)


def relu(x: Array) -> Array:
    """x where it is positive, else 0."""
    if x.dtype.kind != "f" or x.size < limits.now.clipped:
        return np.maximum(x, 0)
    return x.clip(0.0, math.inf)  # NumPy's loop for this one takes a third of the time


def leaky_relu(x: Array, slope: float) -> Array:
    """x where it is positive, else slope·x."""
    # One of the two is the answer: the larger one for a slope up to 1.
    if slope == 0:  # 0·(−∞) is NaN
        return relu(x)
    choose = np.maximum if slope <= 1 else np.minimum
    if x.size <= limits.now.piece:
        return choose(x, x * slope)

    def formula(x: Array, y: Array) -> None:
        choose(x, np.multiply(x, slope, out=y), out=y)

    return _in_pieces(formula, x)


def gate(g: Array, y: Array, slope: float) -> Array:
    """g where y is positive, else slope·g."""

    bits = f"i{g.itemsize}"
    one, low = np.array([1, slope], g.dtype).view(bits)

    def formula(g: Array, y: Array, out: Array) -> None:
        chosen = out.view(bits)
        chosen[...] = np.negative((y > 0).view("i1"))  # all bits or none
        if slope == 0:  # 0 for an infinite g too
            chosen &= g.view(bits)
            return
        chosen &= one ^ low
        chosen ^= low  # the bits of 1 or of the slope
        out *= g

    return _in_pieces(formula, g, y)


def dropout(x: Array, mask: Array, scale: float) -> Array:
    """scale·x where the mask is true, else 0, of an infinite x too."""
    bits = f"i{x.itemsize}"

    def formula(x: Array, mask: Array, y: Array) -> None:
        chosen = y.view(bits)
        chosen[...] = np.negative(mask.view("i1"))  # all bits or none
        chosen &= x.view(bits)
        y *= scale

    return _in_pieces(formula, x, mask)
