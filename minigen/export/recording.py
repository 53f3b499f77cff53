"""A network is run, and an onlooker writes down what it computes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import minigen
from minigen.backend import Array, drawing_from
from minigen.engine.calls import Onlooker, onlookers
from minigen.engine.versions import version_of
from minigen.operation import Operation
from minigen.tensor import Tensor


class ExportError(ValueError):
    """A network that cannot be told as one list of operations, or written in ONNX; says why."""


class Input(NamedTuple):
    """Something that a network is given, along the axis of the batch.

    Attributes:
        name: of it.
        shape: of one example.
        what: what it is, in words.
        kind: how such numbers are drawn: "normal", N(0, 1); "uniform", from `low` to `high`;
            "whole", from 0 to one less than `high`; "mask", true with probability `high`.
        low, high: see there.
        batched: whether the axis of the batch comes in front.
    """

    name: str
    shape: tuple[int, ...]
    what: str
    kind: str = "normal"
    low: float = -1.0
    high: float = 1.0
    batched: bool = True

    def example(self, batch: int, seed: int) -> np.ndarray:
        """Numbers to try a network on."""
        random = np.random.default_rng(seed)
        shape = (batch, *self.shape) if self.batched else self.shape
        if self.kind == "normal":
            return random.standard_normal(shape, np.float32)
        if self.kind == "whole":
            return random.integers(0, int(self.high), shape)
        return random.uniform(self.low, self.high, shape).astype(np.float32)


class Call(NamedTuple):
    """An operation as it ran, on arrays and numbers."""

    operation: Operation
    inputs: list[Any]
    options: dict[str, Any]
    output: Array


class Recorder(Onlooker):
    """Writes down what this thread computes."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._thread = threading.get_ident()
        self._changes: dict[int, int] = {}  # by array, how often it had been changed at first

    def computed(self, operation: Any, inputs: Sequence, options: dict, output: Tensor) -> None:
        """Called after each operation."""
        if threading.get_ident() == self._thread:
            for x in (*inputs, output):
                self.require_unchanged(operation.name, x)
            arrays = [x._array if isinstance(x, Tensor) else x for x in inputs]
            self.calls.append(Call(operation, arrays, dict(options), output._array))

    def require_unchanged(self, where: str, x: Any) -> None:
        """Refuse a tensor that was changed since it was first seen: no operation tells how.

        Raises:
            ExportError: it was.
        """
        if isinstance(x, Tensor):
            count = version_of(x)[0][0]
            if self._changes.setdefault(id(x._array), count) != count:
                raise ExportError(
                    f"{where}: a tensor {x.shape} was changed in place, which is no operation: give"
                    " layers inplace=False, and write y = y + 1 for y += 1"
                )


class Run(NamedTuple):
    """The calls that a function made of its inputs, and what it returned."""

    inputs: list[Array]
    calls: list[Call]
    outputs: list[Array]


def run(function: Callable[..., Any], inputs: Sequence[np.ndarray], seed: int = 0) -> Run:
    """A run of a function of tensors, of which the tape keeps nothing; `seed` is that of what it
    draws by chance."""
    recorder = Recorder()
    onlookers.append(recorder)
    try:
        with minigen.no_grad(), drawing_from(minigen.Generator(seed)):
            outputs = function(*map(Tensor, inputs))
    finally:
        onlookers.remove(recorder)
    outputs = outputs if isinstance(outputs, tuple | list) else [outputs]
    for y in outputs:
        recorder.require_unchanged("the output", y)
    return Run(list(inputs), recorder.calls, [y._array for y in outputs])
