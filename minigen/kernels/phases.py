"""Along one axis of an image: which outputs there are, and which inputs their taps meet."""

from __future__ import annotations

import math
from dataclasses import dataclass

Pair = tuple[int, int]


@dataclass(frozen=True)
class Phase:
    """Output `first + i·every` for i < count meets input `start + i·hop + j·skip` at tap
    `taps[j]`."""

    first: int
    every: int
    count: int
    taps: range
    start: int
    hop: int
    skip: int

    def reach(self) -> Pair:
        """The lowest and the highest input index that is met."""
        last = self.start + (self.count - 1) * self.hop + (len(self.taps) - 1) * self.skip
        return self.start, last

    def part(self, i: int, parts: int) -> Phase:
        """The i-th of several equal shares of the outputs."""
        lo, hi = self.count * i // parts, self.count * (i + 1) // parts
        first, start = self.first + lo * self.every, self.start + lo * self.hop
        return Phase(first, self.every, hi - lo, self.taps, start, self.hop, self.skip)

    def outputs(self) -> slice:
        """Where they are."""
        return slice(self.first, self.first + self.count * self.every, self.every)

    def of_filter(self) -> slice:
        """The taps, along this axis of a filter."""
        stop = None if self.taps.stop < 0 else self.taps.stop
        return slice(self.taps.start, stop, self.taps.step)


def forward_phases(
    out: int, taps: int, stride: int, padding: int, dilation: int
) -> tuple[Phase, ...]:
    """A convolution along one axis: a single phase."""
    return (Phase(0, 1, out, range(taps), -padding, stride, dilation),)


def transposed_phases(
    out: int, taps: int, stride: int, padding: int, dilation: int
) -> tuple[Phase, ...]:
    """A transposed convolution along one axis, one phase for each output modulo the stride.

    Output y meets input (y + padding − r·dilation) / stride at those taps r for which that is
    whole: they depend on y modulo stride alone, and nothing is multiplied by a zero between
    pixels. The last tap comes first, since it meets the first input: so windows are copied in
    memory's order.
    """
    phases = []
    for first in range(min(stride, out)):
        met = [r for r in range(taps) if (first + padding - r * dilation) % stride == 0]
        step = stride // math.gcd(stride, dilation)
        if met:
            start = (first + padding - met[-1] * dilation) // stride
            met = range(met[-1], met[0] - 1, -step)
            count = len(range(first, out, stride))
            phases.append(Phase(first, stride, count, met, start, 1, step * dilation // stride))
    return tuple(phases)


def margins(reaches: list[Pair], lengths: Pair) -> tuple[Pair, Pair]:
    """Along each axis, of these lengths, the zeros before it, and its length with those at both
    ends, if the lowest and the highest index that is met are those of `reaches`."""
    low = tuple(max(0, -lowest) for lowest, _ in reaches)
    axes = zip(low, reaches, lengths, strict=True)
    return low, tuple(before + max(length, last + 1) for before, (_, last), length in axes)
