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
    depthwise     each channel for itself, without a product                        depthwise.py
    simple        tap by tap, if no other way takes the arrays                      simple.py

`minigen.profile` names the way that was taken; `with ways.preferred(name):` takes another.

A transposed convolution with stride s is s·s gathers, one for each phase of the output pixels
modulo s: nothing is multiplied by zero.
"""

from __future__ import annotations

import math

import numpy as np

from minigen.backend import Array
from minigen.kernels import depthwise, direct, limits, scatter, winograd
from minigen.kernels.cuda import convolution as cuda
from minigen.kernels.pixels import as_images, of_images
from minigen.kernels.problem import Map, Problem
from minigen.kernels.ways import Way, cheapest


def _few_outputs(what: Map | Problem) -> bool:
    """Whether a product with a window for each row is too narrow to be worth copying windows."""
    return what.outputs <= limits.now.few < what.inputs


def _few_pixels(what: Map) -> bool:
    """Whether the filters of a transposed convolution, for one tap, are larger than the images."""
    return what.transposed and what.plain and what.pixels < what.inputs


def _cost_of_gather(what: Map) -> float:
    """Products of few columns take as long as of a few more, and those whose filters, to be copied,
    are larger than the images take longer. The windows are copied where there is more than one
    tap."""
    columns = max(1, what.outputs) / what.problem.groups
    windows = what.collected / columns
    copied = limits.now.copied if math.prod(what.problem.taps) > 1 else 0.0
    narrow = limits.now.narrow if _few_pixels(what) else 1
    return windows * (max(columns, limits.now.few) * narrow + copied)


def _scattering(what: Map, row: int) -> float:
    """A number of a product is written, and added where it belongs, by rows of so many."""
    placed = limits.now.placed * (1 + limits.now.begun / max(1, row))
    return what.scattered * (1 + placed / max(1, what.inputs))


def _cost_of_planes(what: Map) -> float:
    """Of many outputs each plane would be large."""
    many = 1 if _few_outputs(what) else limits.now.many_planes
    return _scattering(what, what.source[1]) * many


def _cost_of_windows_of_g(what: Problem) -> float:
    """They are of as many numbers as there are outputs."""
    return what.forward.scattered * (1 + limits.now.copied / max(1, what.inputs))


def _cost_of_pixels(what: Map) -> float:
    """Where pixels are not few, adding what they give takes as long as the product."""
    if _few_pixels(what):
        return what.scattered
    return _scattering(what, what.outputs) * limits.now.many_pixels


def _always(what: Map | Problem) -> bool:
    return True


# conv2d and conv2d_input; of equal costs the first one is taken. To scatter, each tap must have an
# output for a pixel, which in `conv2d` a stride prevents. Filters (I, O, R, S) need no copy there.
IMAGES = (
    Way("gather", _always, _cost_of_gather, direct.gather),
    Way("few outputs", lambda m: m.plain and (m.transposed or m.problem.stride == (1, 1)),
        _cost_of_planes, scatter.scatter),
    Way("few pixels", lambda m: m.plain and m.transposed, _cost_of_pixels, scatter.scatter_pixels),
    Way("winograd", winograd.fits, winograd.cost, winograd.convolve),
    Way("depthwise", depthwise.fits, depthwise.cost, depthwise.convolve),
    Way("simple", _always, lambda m: math.inf, direct.plainly),
)  # fmt: skip
# conv2d_weight. The windows of g are worth it where it has few channels.
WEIGHTS = (
    Way("windows of x", _always, lambda p: _cost_of_gather(p.forward), direct.windows_of_x),
    Way("windows of g", lambda p: p.forward.plain and p.stride == (1, 1),
        _cost_of_windows_of_g, direct.windows_of_g),
    Way("winograd", lambda p: winograd.fits(p.forward), lambda p: winograd.cost(p.forward),
        winograd.correlate),
    Way("depthwise", lambda p: depthwise.fits(p.forward), lambda p: depthwise.cost(p.forward),
        depthwise.correlate),
)  # fmt: skip


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
