"""Gradients: `tensor.backward()` and `grad(outputs, inputs)`, the two ways to walk back.

Who owns what, when a tensor's memory is written, without being recorded, or replaced:

| | owner | `t.add_(…)`, `t.data -= …`, `t[0] = …` | `t.data = other` |
| --- | --- | --- | --- |
| array | tensors share it | the same one, other values | that of `other`, shared |
| views, `t.detach()`, `t.data` | | see the new values | keep the old array |
| what graphs keep | their nodes | the array; a pullback refuses | the old array and its values |
| count of changes | the memory | one more | that of `other` |
| node | the tensor | stays | stays; a new leaf if shape or dtype differ |
| hooks | the node | stay | stay |
| `grad` | the tensor | stays | stays |

A change in place that is recorded gives the tensor the array and the node of the result, as
`t = t + x` would; hooks stay with the old node, `grad` with the tensor (`functional/inplace.py`).

Where a loss does not depend on an input the gradient is None, never zeros: of what is compared,
counted or converted to whole numbers, of `argmax`, and of inputs that PyTorch gives zeros for, as
`norm(p=0)`'s. What is rounded, or the sign of something, does depend on it, with derivative 0.

`requires_grad_(False)` takes a leaf's node away, and its hooks with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minigen.seams import Seam
from minigen.sparse import SparseRows, plus
from minigen.tape import Node, Sums, recording, walk_back
from minigen.tensor import Tensor, wrap


def backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradient of this tensor with respect to every leaf to that leaf's `grad`.

    Args:
        gradient: the covector, of this tensor's shape; 1 for a single element if left out.
        retain_graph: keep what the pullbacks need, for another backward
            (default: `create_graph`).
        create_graph: record the gradient's own computation, so that it can be differentiated.
        inputs: accumulate into these tensors only.

    Raises:
        RuntimeError: nothing here requires a gradient; what the graph kept was freed; a kept
            array was changed in place.
        ValueError: `gradient` is missing, or of another shape or dtype.
    """
    backward_of([self], [gradient], retain_graph, create_graph, inputs)


def backward_of(
    tensors: Sequence[Tensor],
    gradients: Sequence[Tensor | None],
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """`backward` of several tensors, each with its covector, in one walk."""
    given = None
    if inputs is not None:
        inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        given = {_node_of(t, f"backward: inputs[{i}]"): t for i, t in enumerate(inputs)}

    def arrive(node: Node, gradient: Any) -> None:
        tensor = node.tensor() if given is None else given[node]
        if tensor is not None and tensor._node is not None:  # neither lost nor frozen since
            accumulate(tensor, gradient)
            arrived(tensor)

    _walk(tensors, gradients, given, retain_graph, create_graph, arrive)
    finished()


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the outputs' sum (weighted by `grad_outputs`) with respect to the inputs.

    Args:
        outputs, inputs: tensors; an input may be any tensor of the graph, not only a leaf.
        grad_outputs: a covector for each output; may be left out for outputs of one element.
        retain_graph: keep what the pullbacks need (default: `create_graph`).
        create_graph: record the computation of the gradients, so that they can be differentiated.
        only_inputs: True, which changes nothing: PyTorch once had another choice.
        allow_unused: None for an input that the outputs do not depend on, and no error.
        materialize_grads: zeros for it.

    Returns:
        A tuple with a gradient for each input, of its shape. No `grad` attribute is touched.

    Raises:
        RuntimeError: an input requires no gradient or is not used; what the graph kept was freed
            or changed in place.
        ValueError: a covector is missing, or of another shape or dtype.
    """
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if grad_outputs is None or isinstance(grad_outputs, Tensor):
        grad_outputs = [grad_outputs] * (len(outputs) if grad_outputs is None else 1)
    if len(grad_outputs) != len(outputs):
        raise ValueError(f"grad: {len(grad_outputs)} grad_outputs for {len(outputs)} outputs")
    nodes = [_node_of(t, f"grad: inputs[{i}]") for i, t in enumerate(inputs)]
    found: dict[Node, Any] = {}
    _walk(outputs, grad_outputs, nodes, retain_graph, create_graph, found.__setitem__)
    for i, node in enumerate(nodes):
        if node not in found and materialize_grads:
            found[node] = wrap(np.zeros_like(inputs[i]._array))
        elif node not in found and not allow_unused:
            raise RuntimeError(
                f"grad: the outputs do not depend on inputs[{i}]; pass allow_unused=True to get "
                "None for it"
            )
    return tuple(found.get(node) for node in nodes)


def _walk(
    outputs: Sequence[Tensor],
    covectors: Sequence[Any],
    targets: Iterable[Node] | None,
    retain_graph: bool | None,
    create_graph: bool,
    arrive: Callable[[Node, Any], None],
) -> None:
    with recording(create_graph):
        sums = empty_sums()
        for i, (output, covector) in enumerate(zip(outputs, covectors, strict=True)):
            node = _node_of(output, f"output {i}")
            sums.add(node, _covector(output, covector, f"output {i}"))
        walk_back(sums, arrive, targets, create_graph if retain_graph is None else retain_graph)


def _node_of(tensor: Tensor, who: str) -> Node:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{who} must be a Tensor, not {type(tensor).__name__}")
    if tensor._node is None:
        raise RuntimeError(f"{who} does not require a gradient; no recorded operation made it")
    return tensor._node


def _covector(output: Tensor, gradient: Any, who: str) -> Tensor:
    """The gradient to start from, checked."""
    if gradient is None:
        if output._array.size != 1:
            raise ValueError(
                f"{who}: a gradient must be given for an output of shape {output.shape}; it can "
                "be left out only for a single element"
            )
        return wrap(np.ones_like(output._array))
    if not isinstance(gradient, Tensor):
        gradient = Tensor(gradient, dtype=output.dtype)
    if gradient.shape != output.shape or gradient.dtype != output.dtype:
        raise ValueError(
            f"{who}: the gradient is {gradient.dtype} {gradient.shape}, the output "
            f"{output.dtype} {output.shape}; they must agree"
        )
    return gradient


@Seam
def empty_sums() -> Sums:
    """What a walk back begins with: no sum of gradients, which are tensors or row-sparse."""
    return Sums(plus)


@Seam
def accumulate(tensor: Tensor, gradient: Tensor | SparseRows) -> None:
    """Add to `tensor.grad`; the first gradient is copied, since others may hold it.

    Raises:
        RuntimeError: the tensor has another shape or dtype than when it was used.
    """
    if (gradient.shape, gradient.dtype) != (tensor.shape, tensor.dtype):
        raise RuntimeError(
            f"backward: a gradient {gradient.dtype} {gradient.shape} for a tensor that was given "
            f"other data since, {tensor.dtype} {tensor.shape}"
        )
    if tensor._grad is not None:
        gradient = plus(tensor._grad, gradient)
    elif isinstance(gradient, Tensor):
        gradient = gradient.clone()
    tensor._grad = gradient


@Seam
def arrived(tensor: Tensor) -> None:
    """What else is done when `backward` has added to a tensor's `grad`: nothing, alone."""


@Seam
def finished() -> None:
    """What else is done at the end of `backward`: nothing, alone."""


Tensor.backward = backward
