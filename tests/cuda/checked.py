"""The launch code of minigen.kernels.cuda on the CPU, every access to memory watched."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import runner
import standin

from minigen.kernels.cuda import convolution, launch, normalization, optim, random

MODULES = (convolution, normalization, optim, random)  # importing them fills launch.KERNELS

# Step 2 of product.cuh, one buffer, is there to be read: no launch chooses it.
STEP_2, WEIGHT_STEP_2 = (
    dataclasses.replace(tiles[-2], name=tiles[-2].name.replace("2>", "1>"))
    for tiles in (convolution.GATHER, convolution.WEIGHT)
)
for tile in (STEP_2, WEIGHT_STEP_2):
    launch.KERNELS[tile.file] += (tile.name,)

needs_compiler = pytest.mark.skipif(runner.COMPILER is None, reason="g++ is not installed")


@functools.cache
def compile_everything() -> None:
    """All kernels at once, on all cores, where they are not compiled yet."""
    files = launch.KERNELS.items()
    runner.compile_all((launch.source(f), names, launch.OPTIONS, True) for f, names in files)


@contextlib.contextmanager
def device(seed: int = 1) -> Iterator[Any]:
    """The stand-in for CuPy, whose kernels are checked and run their threads in an order that
    `seed` shuffles."""
    with standin.installed() as cupy:
        cupy.RawModule = functools.partial(runner.RawModule, check=True, seed=seed)
        yield cupy


def close(ours: Any, exact: np.ndarray, size: np.ndarray | float = 0.0) -> None:
    """Equal within rounding: `exact` is the result in float64, `size` what it would be with all
    terms of its sums positive."""
    ours = ours.get()
    assert ours.shape == exact.shape
    unit = 100 * np.finfo(ours.dtype).eps
    error = np.abs(ours - exact)
    allowed = unit * (np.abs(exact) + size + 1)
    assert (error <= allowed).all(), f"{(error / allowed).max() * 100:.0f} units of rounding"
