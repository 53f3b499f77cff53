"""Nodes of an ONNX graph, as the table asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from minigen.export.constants import stored
from minigen.export.recording import ExportError
from minigen.export.trace import Many, Network, Repeated, Step, Value
from minigen.operands import result_type
from minigen.tensor import Tensor

FIRST, LAST = -(1 << 62), 1 << 62  # places before the first one and behind the last one
Way = Callable[["Writer", Step], str]  # how an operation is written: gives its result's name


class Ways(dict[str, Way]):
    """Ways by the names of the operations."""

    def of(self, *names: str) -> Callable[[Way], Way]:
        """The decorated function writes the operations of these names."""

        def enter(way: Way) -> Way:
            self.update(dict.fromkeys(names, way))
            return way

        return enter


def onnx_package() -> Any:
    """The package `onnx`.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "an .onnx file needs the package onnx, which is not installed: pip install onnx"
        ) from error
    return onnx


class Writer:
    """Writes a network down as nodes, each after those that it takes something from.

    Args:
        network: what is written.
        table: how, by the operations' names.
        outputs: names that those who call will give.

    Attributes:
        nodes: what was written so far.
        arrays: the numbers that are stored, by name.
    """

    def __init__(self, network: Network, table: Mapping[str, Way], outputs: Iterable[str] = ()):
        self.onnx = onnx_package()
        self.network, self.table = network, table
        self.nodes: list[Any] = []
        self.arrays: dict[str, np.ndarray] = {}
        self._names: dict[Value, str] = {x: x.name for x in network.inputs}
        self._numbers: dict[tuple, str] = {}
        self._batch = ""
        for value, name in stored(network, [*self._names.values(), *outputs]).items():
            self.arrays[name], self._names[value] = value.array, name
        for step in network.steps:
            if not step.fixed:
                self.name(step)

    def node(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """One more node; its result's name."""
        place = str(len(self.nodes))  # some runtimes want each node to have a name
        name = name or f"v{place}"
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(self.onnx.helper.make_node(kind, inputs, [name], place, **given))
        return name

    def name(self, x: Any, dtype: Any = None) -> str:
        """The name of a value, of a number in that dtype, or, of None, of nothing."""
        if x is None:
            return ""
        if not isinstance(x, Value):
            return self.numbers(np.asarray(x, dtype))
        if x not in self._names:
            self._names[x] = self._written(x)
        name = self._names[x]
        return name if dtype in (None, x.array.dtype) else self.cast(name, dtype)

    def names(self, step: Step) -> list[str]:
        """Those of a step's inputs."""
        return [self.name(x) for x in step.inputs]

    def alike(self, step: Step) -> list[str]:
        """Those of a step's inputs that have a say in its dtype, all in the same; the others'
        as they are."""
        operation, inputs = step.operation, step.inputs
        say = [i for i in range(len(inputs)) if not operation.elementwise or
               operation.differentiable(i)]  # fmt: skip
        given = [inputs[i] for i in say]
        dtype = result_type(*[Tensor(x.array) if isinstance(x, Value) else x for x in given])
        if operation.floating and dtype.kind != "f":
            dtype = np.dtype(np.float32)
        return [self.name(x, dtype if i in say else None) for i, x in enumerate(inputs)]

    def numbers(self, array: Any, dtype: Any = None) -> str:
        """The name of stored numbers; of equal ones the same."""
        array = np.asarray(array, dtype)
        key = array.dtype, array.shape, array.tobytes()
        if key not in self._numbers:
            self._numbers[key] = name = f"n{len(self._numbers)}"
            self.arrays[name] = array
        return self._numbers[key]

    def number(self, step: Step, number: Any) -> str:
        """The name of a number in the dtype of a step's result."""
        return self.numbers(number, step.array.dtype)

    def integers(self, *numbers: int) -> str:
        """The name of a vector of them."""
        return self.numbers(numbers, np.int64)

    def kind(self, dtype: Any) -> int:
        """ONNX's number for a dtype."""
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def cast(self, name: str, dtype: Any) -> str:
        """The same in another dtype."""
        return self.node("Cast", name, to=self.kind(dtype))

    def batch(self) -> str:
        """The batch size, a vector of one number, read off the first input that has the axis."""
        if not self._batch:
            given = next((x for x in self.network.inputs if Many(1) in x.shape[:1]), None)
            if given is None:
                raise ExportError("no input has the axis of the batch in front")
            self._batch = self.node("Shape", given.name, start=0, end=1)
        return self._batch

    def shape(self, lengths: Sequence[int | Many]) -> str:
        """A vector of lengths, some of which may grow with the batch."""
        if not any(isinstance(n, Many) for n in lengths):
            return self.integers(*lengths)
        parts, fixed = [], []
        for n in lengths:
            if not isinstance(n, Many):
                fixed.append(n)
                continue
            parts += [self.integers(*fixed)] if fixed else []
            fixed = []
            batch = self.batch()
            if n.times != 1:
                batch = self.node("Mul", batch, self.integers(n.times))
            parts.append(batch)
        parts += [self.integers(*fixed)] if fixed else []
        return parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=0)

    def reshaped(self, name: str, lengths: Sequence[int | Many]) -> str:
        """The same elements in another shape."""
        many = [n for n in lengths if isinstance(n, Many)]
        if len(many) == 1 and 0 not in lengths:  # which can be worked out
            shape = self.integers(*[-1 if isinstance(n, Many) else n for n in lengths])
        else:
            shape = self.shape(lengths)
        return self.node("Reshape", name, shape)

    def _written(self, x: Value) -> str:
        """The name of a value that has none yet."""
        if isinstance(x, Repeated):
            return self.node("Expand", self.numbers(x.row[None]), self.shape(x.shape))
        if not isinstance(x, Step):
            return self.numbers(x.array)
        of = x.operation.name
        if of not in self.table:
            raise ExportError(
                f"the network uses the operation {of!r}, which minigen/export/table.py does not"
                " say how to write in ONNX"
            )
        if x.array.dtype == np.float16:
            raise ExportError(f"{of}: float16 is not written; convert the network to float32")
        return self.table[of](self, x)


def end_padding(n: int, out: int, window: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Entries behind an axis of length n so that `out` windows fit."""
    return max((out - 1) * stride + dilation * (window - 1) + 1 - n - padding, 0)
