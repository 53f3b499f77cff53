"""The shapes of a convolution in one object, and what follows from them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from minigen.kernels.phases import Pair, Phase, forward_phases, transposed_phases


@dataclass(frozen=True)
class Problem:
    """The shapes of y = conv2d(x, w), which the three maps of the triangle share: x (N, C, H, W),
    w (O, C/groups, R, S) and y (N, O, H', W').

    Attributes:
        images: N.
        inputs, outputs: channels, C and O.
        size: (H, W); the last rows and columns may meet no tap.
        out: (H', W').
        taps: (R, S).
        stride, padding, dilation: along both axes.
        groups: of channels.
    """

    images: int
    inputs: int
    outputs: int
    size: Pair
    out: Pair
    taps: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int

    @staticmethod
    @functools.lru_cache(maxsize=4096)
    def of(x: tuple[int, ...], w: tuple[int, ...], out: Pair, *geometry: Any) -> Problem:
        """That of an input and a weight of these shapes, the same object each time; `geometry`
        is stride, padding, dilation and groups."""
        return Problem(x[0], x[1], w[0], x[2:], out, w[2:], *geometry)

    @functools.cached_property
    def forward(self) -> Map:
        """conv2d: output p meets input p·stride − padding + r·dilation at tap r."""
        phases = self._phases(forward_phases, self.out)
        return Map(self, False, self.inputs, self.outputs, self.size, self.out, *phases)

    @functools.cached_property
    def transposed(self) -> Map:
        """conv2d_input, the transposed convolution, which maps the other way."""
        phases = self._phases(transposed_phases, self.size)
        return Map(self, True, self.outputs, self.inputs, self.out, self.size, *phases)

    def _phases(self, kind: Callable, size: Pair) -> list[tuple[Phase, ...]]:
        axes = zip(size, self.taps, self.stride, self.padding, self.dilation, strict=True)
        return [kind(*axis) for axis in axes]


@dataclass(frozen=True, eq=False)
class Map:
    """One of the two maps of a problem from images (N, *source, inputs) to images
    (N, *size, outputs), channels last.

    Attributes:
        transposed: whether it is `conv2d_input`, whose input is the problem's output.
        rows, columns: the phases of its outputs.
    """

    problem: Problem
    transposed: bool
    inputs: int
    outputs: int
    source: Pair
    size: Pair
    rows: tuple[Phase, ...]
    columns: tuple[Phase, ...]

    @property
    def plain(self) -> bool:
        """Whether there is something to compute, in one group."""
        p = self.problem
        return p.groups == 1 and 0 not in (p.images, *p.size, *p.out, p.inputs, p.outputs)

    @functools.cached_property
    def pixels(self) -> int:
        """Those of all images that are read."""
        return self.problem.images * math.prod(self.source)

    @functools.cached_property
    def collected(self) -> int:
        """Multiply-adds, if each output collects what its taps meet, the margin's zeros too."""
        taps = (sum(p.count * len(p.taps) for p in axis) for axis in (self.rows, self.columns))
        return self.problem.images * math.prod(taps) * self._channels

    @functools.cached_property
    def scattered(self) -> int:
        """Multiply-adds, if each pixel meets all taps, those beyond the output too."""
        return self.pixels * math.prod(self.problem.taps) * self._channels

    @property
    def _channels(self) -> int:
        return self.inputs * self.outputs // self.problem.groups

    @functools.cached_property
    def offsets(self) -> tuple[range, range]:
        """Along both axes, at each tap: input p of a transposed convolution adds to output
        p·stride + r·dilation − padding; one of `conv2d` with stride 1 to p − r·dilation + padding.
        """
        p, sign = self.problem, 1 if self.transposed else -1
        axes = zip(p.padding, p.taps, p.dilation, strict=True)
        return tuple(range(-sign * p, sign * (k * d - p), sign * d) for p, k, d in axes)

    @functools.cached_property
    def covered(self) -> bool:
        """Whether each output meets a tap."""
        axes = zip((self.rows, self.columns), self.size, strict=True)
        return all(sum(p.count for p in axis) == length for axis, length in axes)
