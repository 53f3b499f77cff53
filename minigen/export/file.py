"""The file: a network's nodes and weights in ONNX, and whether it does what the engine does."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minigen.backend import Array
from minigen.display import progress
from minigen.export.recording import Input, run
from minigen.export.table import TABLE
from minigen.export.trace import CHANCE, Many, Value, trace
from minigen.export.writer import Writer, onnx_package
from minigen.nn import Module

OPSET, IR = 17, 8  # of 2022: what reads ONNX reads these
CHECKED = (1, 3, 16)  # batch sizes
MOST = 1e-5  # of the largest number that comes out, by which others may differ


class Part(NamedTuple):
    """What is passed on of a model.

    Attributes:
        name: such as "generator".
        network: whose weights these are.
        function: of tensors, one for each input -> a tensor or several.
        inputs: what it is given.
        outputs: what comes out, in words, by name.
        notes: sentences for who uses it.
        metadata: what else it takes to use it, as JSON, by name.
    """

    name: str
    network: Module
    function: Callable[..., Any]
    inputs: Sequence[Input]
    outputs: Mapping[str, str]
    notes: Sequence[str] = ()
    metadata: Mapping[str, str] = {}


class Written(NamedTuple):
    """A part in ONNX.

    Attributes:
        model: an `onnx.ModelProto`, which the package's checker has looked through.
        inputs: the part's, and masks of dropout after them.
    """

    model: Any
    inputs: Sequence[Input]


def as_onnx(part: Part) -> Written:
    """A part in ONNX.

    Raises:
        ExportError: it cannot be written so.
        ImportError: the package `onnx` is not installed.
    """
    onnx = onnx_package()
    network = trace(part.function, part.inputs, short_names(part.network.state_dict()))
    writer = Writer(network, TABLE, part.outputs)
    for name, value in zip(part.outputs, network.outputs, strict=True):
        writer.node("Identity", writer.name(value), name=name)

    def described(name: str, value: Value) -> Any:
        lengths = [_symbol(n) if isinstance(n, Many) else n for n in value.shape]
        kind = writer.kind(value.array.dtype)
        return onnx.helper.make_tensor_value_info(name, kind, lengths)

    graph = onnx.helper.make_graph(
        writer.nodes,
        part.name,
        [described(x.name, x) for x in network.inputs],
        [described(n, y) for n, y in zip(part.outputs, network.outputs, strict=True)],
        [_tensor(name, array) for name, array in writer.arrays.items()],
    )
    opset = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(
        graph, opset_imports=opset, ir_version=IR, producer_name="minigen"
    )
    onnx.helper.set_model_props(model, dict(part.metadata))
    onnx.checker.check_model(model)
    return Written(model, network.given)


def short_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state dict whose names lack what all of them begin with, up to a dot: in the file of a
    small network that counts."""
    shared = os.path.commonprefix([*state]).rpartition(".")[0] if len(state) > 1 else ""
    return {name.removeprefix(f"{shared}.") if shared else name: x for name, x in state.items()}


def _symbol(length: Many) -> str:
    return "batch" if length.times == 1 else f"{length.times}*batch"


def _tensor(name: str, array: np.ndarray) -> Any:
    return onnx_package().numpy_helper.from_array(np.ascontiguousarray(array), name)


def differences(part: Part, content: bytes, batches: Sequence[int] = CHECKED) -> dict[int, float]:
    """How far what onnxruntime makes of a file is from what the engine makes, of the largest number
    that comes out, by batch size; of the worst of several outputs.

    Raises:
        ImportError: the package `onnxruntime` is not installed.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    found = {}
    for batch in progress(batches, "batches"):
        inputs = [x.example(batch, seed=batch + i) for i, x in enumerate(part.inputs)]
        own = run(part.function, inputs, seed=batch)
        masks = [call.inputs[1] for call in own.calls if call.operation.name == CHANCE[0]]
        names = [x.name for x in session.get_inputs()]
        made = session.run(None, dict(zip(names, [*inputs, *masks], strict=True)))
        found[batch] = max(_share(a, b) for a, b in zip(made, own.outputs, strict=True))
    return found


def _share(made: Array, own: Array) -> float:
    """How far numbers are from others, of the largest of these; equal ones are so, also infinite
    ones."""
    a, b = made.astype(np.float64), own.astype(np.float64)
    apart = np.abs(np.subtract(a, b, where=a != b, out=np.zeros_like(a)))
    return float(apart.max(initial=0) / max(np.abs(b).max(initial=0), 1e-30))


def weights_size(part: Part) -> int:
    """Bytes of the network's parameters and buffers."""
    return sum(w.array.nbytes for w in part.network.state_dict().values())
