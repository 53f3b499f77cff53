"""Random numbers of one process's batch, dealt out: rank r's samples get the numbers that one
process would draw for them in the whole batch.

So noise, masks and mixing weights differ between ranks, and N ranks compute what one process
computes. A rank passes over the numbers of the ranks before it. Uniform numbers and masks are had
from any place of the stream; NumPy makes normal ones one after the other, so that to pass over them
is to draw them: that grows with the number of ranks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from minigen import backend
from minigen.backend import Array, Generator
from minigen.distributed import group


@contextmanager
def dealing(rows: int, *streams: Generator) -> Iterator[None]:
    """Deal out what is drawn from the default stream, and from others, during a block.

    Args:
        rows: samples of this rank's part of a batch.
    """
    dealt = {id(stream) for stream in (backend.default_generator, *streams)}

    def part(stream: Generator, shape: tuple[int, ...], run: Callable[[int, int], Array]) -> Array:
        size = group.get_world_size()
        batches = groups(shape, rows) if size > 1 and id(stream) in dealt else None
        if not batches:
            return backend.dealt.plain(stream, shape, run)
        mine = math.prod(shape) // batches
        whole = size * mine  # numbers of a whole batch
        numbers = run(group.get_rank() * mine, (batches - 1) * whole + mine)
        parts = [numbers[b * whole :][:mine] for b in range(batches)]
        return (parts[0] if batches == 1 else np.concatenate(parts)).reshape(shape)

    filled = {backend.dealt: part, backend.place: _place, backend.mean_of_all: mean_of_all}
    before = {seam: seam.now for seam in filled}
    try:
        for seam, other in filled.items():
            seam.fill(other)
        yield
    finally:
        for seam, other in before.items():
            seam.fill(other)


def _place(rows: int) -> tuple[int, int]:
    return group.get_rank() * rows, group.get_world_size() * rows


def mean_of_all(array: Array) -> Array:
    """The mean of all ranks' arrays."""
    if group.get_world_size() == 1:
        return array
    mean = backend.namespace(array).ascontiguousarray(array / group.get_world_size())
    group.the_group().all_reduce(mean, group.ReduceOp.SUM).wait()
    return mean.reshape(array.shape)


def groups(shape: tuple[int, ...], rows: int) -> int | None:
    """How many times a shape holds numbers for a whole batch, one batch after the other: an array
    (3·rows, …) or (3, rows, …) three times. Another first axis is a batch of that many samples, a
    half of it, say. None for a single number for all; with one sample a rank it looks like a
    batch, and is dealt out."""
    before = 1
    for length in shape[:2]:
        if length and length % rows == 0:
            return before * (length // rows)
        before *= length
    return None if math.prod(shape[:1]) == 1 else 1
