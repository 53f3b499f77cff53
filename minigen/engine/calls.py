"""Calls that are out of the ordinary: somebody looks on, or arrays lie on a GPU."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.backend import cuda_in_use, in_memory_order
from minigen.kernels.pieces import spread
from minigen.operands import mixture, named_arrays
from minigen.operation import Operation, compute
from minigen.seams import observed
from minigen.tape import Node
from minigen.tensor import Tensor

# Who looks on (`minigen.anomaly`, `minigen.profile`); nobody, as a rule.
onlookers: list[Onlooker] = []


class Onlooker:
    """Is told of everything that is computed, in every thread, while it is among `onlookers`."""

    def entered(self, what: Any) -> None:
        """The value of this operation, the pullbacks of this node or the step of this optimiser
        is about to be computed."""

    def left(self, what: Any) -> None:
        """That is done, or it raised an error."""

    def computed(self, operation: Any, inputs: Sequence, options: dict, output: Tensor) -> None:
        """This operation gave this output."""

    def pulled(self, node: Node, g: Tensor, parent: Node, gradient: Any) -> None:
        """The pullbacks of this node made of `g` this gradient for one of its inputs."""


@observed.fill
def observed_by_all(what: Any, f: Callable, /, *args: Any, **options: Any) -> Any:
    """`f(*args, **options)`, with whoever looks on told when it begins and ends."""
    told = tuple(onlookers)
    for onlooker in told:
        onlooker.entered(what)
    try:
        return f(*args, **options)
    finally:
        for onlooker in reversed(told):
            onlooker.left(what)


def tell(event: str, *what: Any) -> None:
    """Everybody of this event, one of the methods of `Onlooker`."""
    for onlooker in tuple(onlookers):
        getattr(onlooker, event)(*what)


@compute.fill
def compute_on_one_device(op: Operation, arrays: Sequence[Any], options: dict[str, Any]) -> Any:
    """The value on arrays, of which all are on one device."""
    value = op.value
    if op.each:
        value = spread(value)
    if cuda_in_use:
        # Not left to CuPy: it would copy an index to the GPU without a word.
        kinds = set(map(type, arrays))
        for x in options.values():
            kinds.update(map(type, x if type(x) is tuple else (x,)))
        if {np.ndarray, cuda_in_use[0].ndarray} <= kinds:
            raise mixture(op.name, named_arrays(op, arrays, options))
        if op.each:
            value = functools.partial(in_memory_order, value)
    return observed_by_all(op, value, *arrays, **options)


def told(op: Operation, inputs: Sequence[Any], options: dict[str, Any]) -> Tensor:
    """The operation, with whoever looks on told of its result."""
    y = op(*inputs, **options)
    tell("computed", op, inputs, options, y)
    return y
