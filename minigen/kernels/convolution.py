"""Convolution for NumPy: the three maps of the triangle, and the ways to compute them.

Images are N, H, W, C in memory: a pixel is a row, channels are columns, and a convolution is a
matrix product. With planes of C, H, W each product would need a transposed copy; and the channels
of one tap, which lie together, are copied as a whole.

    gather        an output pixel collects the input pixels that its taps meet      direct.py
    few outputs   first the product, then each tap's plane is shifted and added     scatter.py
    few pixels    the same with filters that are larger than the images             scatter.py
    windows of x  the weight gradient: windows of one image times pixels of the     direct.py
    windows of g  other
    winograd      images and weights with fewer multiplications                     winograd.py

A transposed convolution with stride s is s·s gathers, one for each phase of the output pixels
modulo s: nothing is multiplied by zero.
"""

from __future__ import annotations

import numpy as np

from minigen.backend import Array
from minigen.kernels import direct, scatter, winograd
from minigen.kernels.cuda import convolution as cuda
from minigen.kernels.pixels import as_images, of_images
from minigen.kernels.problem import Problem
from minigen.kernels.ways import cheapest

IMAGES = (
    direct.GATHER, scatter.FEW_OUTPUTS, scatter.FEW_PIXELS, winograd.GATHER, direct.PLAIN
)  # fmt: skip
WEIGHTS = direct.OF_X, direct.OF_G, winograd.WEIGHT


def conv2d(x: Array, w: Array, bias: Array | None, problem: Problem) -> Array:
    """Convolution of x (N, C, H, W) with w (O, C/G, R, S), plus bias (O,)."""
    if not isinstance(x, np.ndarray):
        return cuda.conv2d(x, w, bias, problem)
    return as_images(cheapest(IMAGES, problem.forward, of_images(x), w, bias))


def conv2d_input(g: Array, w: Array, bias: Array | None, problem: Problem) -> Array:
    """Transposed convolution of g (N, O, H', W') with w (O, C/G, R, S), plus bias (C,): the
    gradient of `conv2d` for its input."""
    if not isinstance(g, np.ndarray):
        return cuda.conv2d_input(g, w, bias, problem)
    return as_images(cheapest(IMAGES, problem.transposed, of_images(g), w, bias))


def conv2d_weight(x: Array, g: Array, problem: Problem) -> Array:
    """The gradient of `conv2d` for its weight: x (N, C, H, W), g (N, O, H', W') ->
    (O, C/G, R, S)."""
    if not isinstance(x, np.ndarray):
        return cuda.conv2d_weight(x, g, problem)
    return cheapest(WEIGHTS, problem, of_images(x), of_images(g))
