"""Hypothesis strategies for tensors: what our own tests draw their arguments with.

They need `hypothesis`, which `pip install minigen[test]` brings.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, mutually_broadcastable_shapes

from minigen.tensor import Tensor


def shapes(min_dims: int = 0, max_dims: int = 4, min_side: int = 1, max_side: int = 4) -> Any:
    """Shapes, as tuples."""
    return array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side)


@st.composite
def arrays(
    draw: Any,
    shape: Any = None,
    *,
    low: float = -2.0,
    high: float = 2.0,
    away_from: float | None = None,
    layouts: bool = True,
) -> np.ndarray:
    """A float64 array of numbers from [low, high], all different.

    The numbers are drawn by a seed, so that gradients see generic values, and they lie on a grid
    that is jittered and shuffled, so that no two are close and comparisons have no near ties.

    Args:
        shape: a shape or a strategy for one.
        away_from: keep each number at least 0.1 away from this one (a kink).
        layouts: draw the memory layout too: row-major, column-major, channels-last, or strided.
    """
    shape = draw(shapes()) if shape is None else draw(shape) if hasattr(shape, "example") else shape
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = int(np.prod(shape, dtype=int))
    grid = (np.arange(size) + rng.uniform(0.25, 0.75, size)) / max(size, 1)
    values = low + (high - low) * rng.permutation(grid)
    if away_from is not None:
        values += np.where(values < away_from, -0.1, 0.1)
    array = values.reshape(shape)
    return draw(st.sampled_from(_layouts(array))) if layouts else array


def _layouts(array: np.ndarray) -> list[np.ndarray]:
    """The same values in other places of memory."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]) if array.ndim else ())
    if array.ndim:
        wide[..., ::2] = array
    read_only = array.copy()
    read_only.flags.writeable = False
    layouts = [array, read_only]
    if array.ndim:
        layouts += [np.asfortranarray(array), wide[..., ::2]]
    if array.ndim == 4:  # N, H, W, C in memory
        layouts.append(np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2))
    return layouts


def tensors(shape: Any = None, *, requires_grad: bool = True, **options: Any) -> Any:
    """A float64 tensor; see `arrays` for the options."""
    return arrays(shape, **options).map(lambda a: Tensor(a, requires_grad=requires_grad))


def broadcastable(count: int = 2, max_dims: int = 3, max_side: int = 3) -> Any:
    """Tuples of shapes that broadcast against each other."""
    found = mutually_broadcastable_shapes(num_shapes=count, max_dims=max_dims, max_side=max_side)
    return found.map(lambda shapes: shapes.input_shapes)
