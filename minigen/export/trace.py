"""What a trained network is: a list of operations.

A network is run once, and an onlooker writes down each operation: what it is, of what, with which
options. Python's loops, classes and conditions are gone then. What is left is all that another
program needs to do the same.

It is run twice, on batches of different sizes and other numbers. What both runs have in common is
the network. Where they differ in a length, it must be a multiple of the batch size; where they
differ in a number, that was drawn by chance inside, or Python read it off the inputs, and the list
would be true of these inputs alone: that is refused. So each number comes from one of these:

    an input       what the caller gives; masks of dropout too, so that all chance is outside
    a constant     a parameter, under its name in the state dict, or else what both runs share
    a step         an operation of others
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigen.backend import Array, is_array
from minigen.export.recording import Call, ExportError, Input, Run, run
from minigen.operation import Operation
from minigen.tensor import Tensor

BATCHES = (4, 6)  # of the two runs; each has divisors, for what is done in groups
FOUND_INSIDE = ("max_pool", 1)  # an input that follows from the other: where pixels are largest
CHANCE = ("dropout", 1)  # and one that is drawn as the operation is called


@dataclasses.dataclass(frozen=True)
class Many:
    """A length of so many times the batch size."""

    times: int


def common(a: Any, b: Any) -> Any:
    """What two runs agree on, of an option: lengths that grow with the batch become `Many`.

    Raises:
        ExportError: they do not agree.
    """
    if type(a) is int and type(b) is int and a != b:
        times, rest = divmod(a, BATCHES[0])
        if rest or times * BATCHES[1] != b:
            raise ExportError(f"is {a} for a batch of {BATCHES[0]} and {b} for {BATCHES[1]}")
        return Many(times)
    if isinstance(a, tuple | list) and type(a) is type(b) and len(a) == len(b):
        return type(a)([common(x, y) for x, y in zip(a, b, strict=True)])
    if isinstance(a, slice) and isinstance(b, slice):
        return slice(*common((a.start, a.stop, a.step), (b.start, b.stop, b.step)))
    if dataclasses.is_dataclass(a) and type(a) is type(b):
        names = [field.name for field in dataclasses.fields(a)]
        return type(a)(*[common(getattr(a, n), getattr(b, n)) for n in names])
    if is_array(a) and is_array(b):
        same = a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    else:
        same = type(a) is type(b) and (a is b or a == b)
    if not same:
        raise ExportError("is not the same for other inputs")
    return a


@dataclasses.dataclass(eq=False)
class Value:
    """Where numbers come from, and what they were in the first run.

    Attributes:
        array: these numbers.
        shape: with `Many` for lengths that grow with the batch.
        name: in the file; of a constant that of the parameter, of a step that of its operation.
    """

    array: Array
    shape: tuple[int | Many, ...]
    name: str

    @property
    def fixed(self) -> bool:
        """Whether it is the same whatever the inputs are."""
        return False


class Given(Value):
    """An input."""


class Constant(Value):
    """Numbers of the network's own."""

    @property
    def fixed(self) -> bool:
        """It is."""
        return True


@dataclasses.dataclass(eq=False)
class Repeated(Value):
    """One row for each example, all the same: such as F.zeros(len(x)).

    Attributes:
        row: that row.
    """

    row: Array = None


@dataclasses.dataclass(eq=False)
class Step(Value):
    """An operation: of what, and with which options.

    Attributes:
        operation: the engine's.
        inputs: values, numbers and None.
    """

    operation: Operation = None
    inputs: Sequence[Any] = ()
    _options: Sequence[Mapping[str, Any]] = ()

    @property
    def fixed(self) -> bool:
        """Whether all that it is made of is, and it has no axis of the batch."""
        made_of = [x for x in self.inputs if isinstance(x, Value)]
        batched = any(isinstance(n, Many) for n in self.shape)
        return not batched and all(x.fixed for x in made_of)

    def option(self, name: str) -> Any:
        """An option of the operation, with `Many` for what grows with the batch.

        Raises:
            ExportError: it depends on the inputs in another way.
        """
        try:
            return common(*[options[name] for options in self._options])
        except ExportError as error:
            raise ExportError(f"{self.operation.name}: its {name} {error}") from None


class Network(NamedTuple):
    """A network as a list of operations.

    Attributes:
        inputs: in the order of the function's parameters, masks of dropout after them.
        given: what they are.
        steps: each after those whose results it takes.
        outputs: what it gives.
    """

    inputs: list[Given]
    given: list[Input]
    steps: list[Step]
    outputs: list[Value]


def trace(
    function: Callable[..., Any], inputs: Sequence[Input], weights: Mapping[str, Tensor]
) -> Network:
    """The operations by which the function makes its outputs of its inputs.

    Args:
        function: of tensors, one for each input -> a tensor or several.
        inputs: what they are.
        weights: the state dict, for the constants' names.

    Raises:
        ExportError: it is no such list; see above.
    """
    first, second = (
        run(function, [x.example(n, seed=10 * n + i) for i, x in enumerate(inputs)], seed=n)
        for n in BATCHES
    )
    return _Comparison(first, second, inputs, weights).network()


class _Comparison:
    """Two runs, and what both have in common."""

    def __init__(
        self, first: Run, second: Run, inputs: Sequence[Input], weights: Mapping[str, Tensor]
    ):
        self.first, self.second = first, second
        self.names = {id(w._array): name for name, w in weights.items()}
        self.values: dict[int, Value] = {}  # by the first run's array, which the run keeps alive
        self.partners: dict[int, int] = {}  # of arrays of the first run, those of the second
        self.unnamed: dict[tuple, Constant] = {}  # by what they hold
        self.inputs: list[Given] = []
        self.given: list[Input] = []
        for x, a, b in zip(inputs, first.inputs, second.inputs, strict=True):
            self._given(x, a, b)

    def network(self) -> Network:
        """All steps that lead to the outputs."""
        names = [[call.operation.name for call in r.calls] for r in (self.first, self.second)]
        if names[0] != names[1]:
            raise ExportError(
                "the network computes other things for other inputs or another batch size, so that"
                " it is no list of operations"
            )
        steps = [
            self._step(i, a, b)
            for i, (a, b) in enumerate(zip(self.first.calls, self.second.calls, strict=True))
        ]
        outputs = [
            self._value(a, b, "the output")
            for a, b in zip(self.first.outputs, self.second.outputs, strict=True)
        ]
        return Network(self.inputs, self.given, needed(steps, outputs), outputs)

    def _given(self, x: Input, a: Array, b: Array) -> Given:
        given = Given(a, common(a.shape, b.shape), x.name)
        self._learn(given, a, b)
        self.inputs.append(given)
        self.given.append(x)
        return given

    def _mask(self, call: Call, a: Array, b: Array) -> Given:
        kept = 1 / call.options["scale"]
        count = sum(x.kind == "mask" for x in self.given)
        what = f"a mask of dropout: true with probability {kept:g}, each by itself"
        return self._given(Input(f"mask_{count}", a.shape[1:], what, "mask", high=kept), a, b)

    def _learn(self, value: Value, a: Array, b: Array) -> None:
        self.values[id(a)], self.partners[id(a)] = value, id(b)

    def _step(self, place: int, a: Call, b: Call) -> Step:
        of = a.operation.name
        pairs = enumerate(zip(a.inputs, b.inputs, strict=True))
        inputs = [self._input(a, i, x, y) for i, (x, y) in pairs]
        shape = common(a.output.shape, b.output.shape)
        step = Step(a.output, shape, f"{of}_{place}", a.operation, inputs, [a.options, b.options])
        self._learn(step, a.output, b.output)
        return step

    def _input(self, call: Call, place: int, a: Any, b: Any) -> Any:
        """An operation's input: a value, a number, or None."""
        of = call.operation.name
        if is_array(a):
            if (of, place) == FOUND_INSIDE:
                return None
            return self._mask(call, a, b) if (of, place) == CHANCE else self._value(a, b, of)
        try:
            number = common(a, b)
        except ExportError as error:
            raise ExportError(f"{of}: a number in it {error}") from None
        if isinstance(number, Many):
            raise ExportError(f"{of}: a number in it grows with the batch; use mean(), not len(x)")
        return number

    def _value(self, a: Array, b: Array, where: str) -> Value:
        """Where the arrays come from that both runs have here."""
        known = self.values.get(id(a))
        if known is not None:
            if self.partners[id(a)] != id(b):
                raise ExportError(f"{where}: it is made of other things for other inputs")
            return known
        value = self._constant(a, b, where)
        self._learn(value, a, b)
        return value

    def _constant(self, a: Array, b: Array, where: str) -> Value:
        name = self.names.get(id(a), f"constant_{len(self.values)}")
        if a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
            if id(a) in self.names:
                return Constant(a, a.shape, name)
            key = a.dtype, a.shape, a.tobytes()
            return self.unnamed.setdefault(key, Constant(a, a.shape, name))
        if a.ndim and a.shape[1:] == b.shape[1:]:
            rows = np.concatenate([a, b])
            if (rows == rows[:1]).all() and len(a) * BATCHES[1] == len(b) * BATCHES[0]:
                return Repeated(a, common(a.shape, b.shape), name, rows[0])
        raise ExportError(
            f"{where}: numbers of shape {a.shape} are others for other inputs, though no operation"
            " made them: they are drawn inside, or read off an array; make them an input"
        )


def needed(steps: Sequence[Step], outputs: Iterable[Value]) -> list[Step]:
    """The steps on whose results the outputs depend, in their order."""
    wanted = set(outputs)
    for step in reversed(steps):
        if step in wanted:
            wanted.update(x for x in step.inputs if isinstance(x, Value))
    return [step for step in steps if step in wanted]
