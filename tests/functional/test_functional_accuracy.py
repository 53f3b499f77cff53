"""How far values and gradients in float32 are from those in float64, for every operation.

The error is counted in roundings: one is as large as the last digit of the result or of the largest
input, or as what the result changes by if every input is off by its own last digit, whichever is
most. So an operation need not be better than its condition, and what cancels may leave a rounding.

    PYTHONPATH=tests python tests/functional/test_functional_accuracy.py

prints how many roundings each operation is off.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from operations import OPERATIONS, Call, Entry, draws

import minigen
from minigen import Tensor

EPS = float(np.finfo(np.float32).eps)
COUNT = 12  # calls of each operation
USUAL = 4.0  # roundings that a value or gradient may be off
MORE = {  # two numbers standardised are ±1: nearly all of their gradients cancels
    "layer_norm": 128.0,
    "instance_norm": 128.0,
}


def results(call: Call, entry: Entry, dtype: Any, shift: int = 0) -> list[np.ndarray]:
    """Outputs, and gradients of their products with random covectors, computed in this dtype.

    Inputs and covectors are numbers that float32 has, or if `shift` seeds it, those off by EPS.
    """
    rng = np.random.default_rng(shift)

    def given(a: np.ndarray, _: bool = True) -> np.ndarray:
        if a.dtype.kind != "f":
            return a
        off = EPS * rng.choice([-1.0, 1.0], a.shape) if shift else 0.0
        return np.asarray(a.astype(np.float32).astype(np.float64) * (1 + off)).astype(dtype)

    call = call.map(given)
    leaves = [Tensor(a, requires_grad=True) for a in call.leaves()]
    minigen.manual_seed(0)
    outputs = call.of_leaves(entry.on(minigen, Tensor))(*leaves)
    normal = np.random.default_rng(0).standard_normal
    pairs = [(y, Tensor(given(normal(y.shape)))) for y in outputs if y.requires_grad]
    gradients: tuple = ()
    if pairs:
        y, u = zip(*pairs, strict=True)
        gradients = minigen.grad(y, leaves, u, allow_unused=True)
    return [x.numpy() for x in [*outputs, *gradients] if x is not None]


def roundings(call: Call, entry: Entry) -> float:
    """The largest error of a result in float32, in roundings; of integers, any is infinite."""
    worst = 0.0
    size = max((float(np.abs(a).max(initial=0)) for a in call.leaves()), default=0.0)
    exact = results(call, entry, np.float64)
    others = [results(call, entry, np.float64, shift) for shift in (1, 2, 3)]
    for i, found in enumerate(results(call, entry, np.float32)):
        true = exact[i].astype(np.float64)
        error = np.abs(found - true)
        if not np.any(error):
            continue
        changes = [np.abs(other[i] - true).max() for other in others]
        digit = EPS * max(size, np.abs(true).max())
        rounding = max(digit, *changes) if found.dtype.kind == "f" else 0.0
        worst = max(worst, float(error.max() / rounding) if rounding else np.inf)
    return worst


@pytest.mark.parametrize("entry", OPERATIONS, ids=lambda entry: entry.name)
def test_float32_is_as_accurate_as_its_inputs(entry):
    worst = max(roundings(call, entry) for call in draws(entry, COUNT))
    assert worst <= MORE.get(entry.name, USUAL)


def main() -> None:
    worst = {e.name: max(roundings(call, e) for call in draws(e, COUNT)) for e in OPERATIONS}
    for name, count in sorted(worst.items(), key=lambda item: -item[1]):
        print(f"{name:34}{count:8.2f}")


if __name__ == "__main__":
    main()
