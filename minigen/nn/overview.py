"""A network as a table: its layers, their output shapes and their numbers of parameters."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minigen import backend
from minigen.functional import zeros
from minigen.modes import no_grad
from minigen.nn.module import Module
from minigen.tensor import Tensor

__all__ = ["summary"]

BATCH = 2  # batch norm without running statistics needs more than one image


@dataclass(frozen=True)
class Layer:
    """One line of a summary.

    Attributes:
        name: dotted, as in `named_modules()`; empty for the whole network.
        type: the module's class.
        output: the shape of what it returned last, N for the batch; empty if it was not called.
        parameters: how many it owns, apart from modules inside it and from lines above.
    """

    name: str
    type: str
    output: str
    parameters: int


@dataclass(frozen=True, repr=False)
class Summary:
    """What `summary` found; it prints as a table.

    Attributes:
        layers: the lines, each module before those inside it.
        parameters: how many there are, each counted once.
        trainable: those of them that require gradients.
        bytes: the memory of the parameters.
    """

    layers: tuple[Layer, ...]
    parameters: int
    trainable: int
    bytes: int

    def __repr__(self) -> str:
        rows = [("Layer", "Output shape", "Parameters")]
        for layer in self.layers:
            path = layer.name.split(".") if layer.name else []
            name = "  " * len(path) + (f"{path[-1]}: " if path else "") + layer.type
            rows.append((name, layer.output, f"{layer.parameters:,}" if layer.parameters else ""))
        first, second, third = (max(map(len, column)) for column in zip(*rows, strict=True))
        lines = [f"{a:<{first}}  {b:<{second}}  {c:>{third}}".rstrip() for a, b, c in rows]
        rule = "─" * (first + second + third + 4)
        frozen = self.parameters - self.trainable
        total = (
            f"{self.parameters:,} parameters ({_size(self.bytes)}): {self.trainable:,} trainable, "
            f"{frozen:,} frozen"
        )
        return "\n".join([lines[0], rule, *lines[1:], rule, total])


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.1f} {unit}" if unit != "bytes" else f"{count} bytes"
        count /= 1024
    return f"{count:.1f} GiB"


def _shapes(output: Any) -> str:
    """The shape of a tensor, or those of the tensors in a tuple, list or dict."""
    if isinstance(output, Tensor):
        first = ("N",) if output.shape[:1] == (BATCH,) else output.shape[:1]
        shape = (*first, *output.shape[1:])
        return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, tuple | list):
        return ", ".join(filter(None, map(_shapes, output)))
    return ""


def _call(module: Module, inputs: Sequence[Tensor]) -> dict[Module, str]:
    """Call the module and see what each one inside it returns; leave everything as it was."""
    outputs: dict[Module, str] = {}
    modules = list(module.modules())
    flags = [m.training for m in modules]
    stream = backend.default_generator.state_dict()

    def see(m: Module, args: tuple, output: Any) -> None:
        outputs[m] = _shapes(output)

    handles = [m.register_forward_hook(see) for m in modules]
    try:
        module.eval()
        with no_grad():
            module(*inputs)
    except Exception as error:
        shapes = ", ".join(f"{x.dtype} {x.shape}" for x in inputs)
        error.add_note(f"summary called {type(module).__name__} with zeros: {shapes}")
        raise
    finally:
        for m, training, handle in zip(modules, flags, handles, strict=True):
            m.training = training
            handle.remove()
        backend.default_generator.load_state_dict(stream)
    return outputs


def summary(
    module: Module, input_shape: int | Sequence[int] | list[Sequence[int]], dtype: Any = None
) -> Summary:
    """Lay out a network's layers with output shapes and numbers of parameters; print the result.

        print(nn.summary(G, (100,)))
        print(nn.summary(D, [(1, 28, 28), ()], dtype=[None, np.int64]))    # an image and its class

    The network is called once on zeros, in evaluation mode and unrecorded. Afterwards its flags,
    its buffers and the default random stream are as they were.

    Args:
        module: the network.
        input_shape: the shape of an input without the batch axis; a list of shapes for several
            inputs.
        dtype: of the input (default: that of the first parameter), or a list with one for each.
    """
    several = isinstance(input_shape, list) and not all(isinstance(n, int) for n in input_shape)
    shapes = input_shape if several else [input_shape]
    dtypes = dtype if isinstance(dtype, list) else [dtype] * len(shapes)
    first = next(module.parameters(), None)
    where = "cpu" if first is None else first.device
    inputs = [
        zeros(
            BATCH,
            *((shape,) if isinstance(shape, int) else shape),
            dtype=kind or (first.dtype if first is not None else None),
            device=where,
        )
        for shape, kind in zip(shapes, dtypes, strict=True)
    ]
    outputs = _call(module, inputs)
    layers, seen = [], set()
    for name, m in module.named_modules():
        own = [p for p in m.parameters(recurse=False) if p not in seen]
        seen.update(own)
        count = sum(p.numel() for p in own)
        layers.append(Layer(name, type(m).__name__, outputs.get(m, ""), count))
    return Summary(
        tuple(layers),
        parameters=sum(p.numel() for p in seen),
        trainable=sum(p.numel() for p in seen if p.requires_grad),
        bytes=sum(p.array.nbytes for p in seen),
    )


def _in_a_notebook(self: Module) -> str:
    """A table of the modules inside, and of how many parameters each owns."""
    row = "<tr><td>{}</td><td>{}</td><td>{}</td></tr>".format
    rows = ["<tr><th>Name</th><th>Layer</th><th>Parameters</th></tr>"]
    for name, module in self.named_modules():
        owned = sum(p.numel() for p in module.parameters(recurse=False))
        line = f"{type(module).__name__}({module.extra_repr()})"
        rows.append(row(html.escape(name), html.escape(line), f"{owned:,}" if owned else ""))
    rows.append(row("", "all", f"{sum(p.numel() for p in self.parameters()):,}"))
    return f"<table>{''.join(rows)}</table>"


Module._repr_html_ = _in_a_notebook
