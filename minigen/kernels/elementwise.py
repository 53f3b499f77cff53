"""Element by element, in pieces that stay in cache: large arrays are read from memory once, however
many NumPy calls a formula takes.

NumPy's `where` and masked copies take 4 ns an element when the mask is irregular (mispredicted
branches). Arithmetic with the mask takes a seventh of that.
"""

from __future__ import annotations

import math

import numpy as np

from minigen.backend import Array, memory_order
from minigen.kernels import limits, threads
from minigen.kernels.pieces import formula


def total(x: Array) -> Array:
    """The sum of all elements; those of pieces are added in their order."""
    if not (x.size and x.transpose(memory_order(x.strides)).flags.c_contiguous):
        return x.sum()
    flat = x.ravel(order="K")
    sums = threads.in_pieces(
        lambda i, j: np.add.reduce(flat[i:j]), x.size, 1, limits.now.of_a_sum * x.size
    )
    return np.add.reduce(sums)


@formula(1)
def relu(x: Array, y: Array) -> None:
    """y = x where it is positive, else 0"""
    if x.dtype.kind != "f" or x.size < limits.now.clipped:
        np.maximum(x, 0, out=y)
    else:
        np.clip(x, 0.0, math.inf, out=y)  # NumPy's loop for this one takes a third of the time


@formula(2)
def leaky_relu(x: Array, y: Array, slope: float) -> None:
    """y = x where it is positive, else slope·x"""
    if slope == 0:  # 0·(−∞) is NaN
        np.maximum(x, 0, out=y)
        return
    # One of the two is the answer: the larger one for a slope up to 1.
    choose = np.maximum if slope <= 1 else np.minimum
    choose(x, np.multiply(x, slope, out=y), out=y)


@formula(4)
def gate(g: Array, y: Array, out: Array, slope: float) -> None:
    """out = g where y is positive, else slope·g"""
    bits = f"i{g.itemsize}"
    chosen = out.view(bits)
    chosen[...] = np.negative((y > 0).view("i1"))  # all bits or none
    if slope == 0:  # 0 for an infinite g too
        chosen &= g.view(bits)
        return
    one, low = np.array([1, slope], g.dtype).view(bits)
    chosen &= one ^ low
    chosen ^= low  # the bits of 1 or of the slope
    out *= g


@formula(3)
def dropout(x: Array, mask: Array, y: Array, scale: float) -> None:
    """y = scale·x where the mask is true, else 0, of an infinite x too"""
    bits = f"i{x.itemsize}"
    chosen = y.view(bits)
    chosen[...] = np.negative(mask.view("i1"))  # all bits or none
    chosen &= x.view(bits)
    y *= scale
