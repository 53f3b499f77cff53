"""Tensors and the tape: what was recorded, and walking back over it.

Nodes link to nodes and never to tensors, so that only what pullbacks need stays in memory. What is
kept carries the version of its memory, and is handed to a pullback as a tensor; with
`create_graph` as one that is part of the graph, so that a gradient can be differentiated again.

A leaf's gradient is needed by nothing else: another thread may compute it while the walk goes on.

This file knows no operation: `minigen.operation` makes them of functions on arrays, and
`minigen.functional` holds them and gives `Tensor` its methods.
"""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from minigen.backend import (
    BOOL,
    FLOAT32,
    INT64,
    Array,
    as_array,
    cuda_in_use,
    device_of,
    threads,
    to_device,
)
from minigen.kernels.memory import held_alone
from minigen.kernels.threads import Task, offer
from minigen.sparse import SparseRows

OUTPUT = -1  # the place of an operation's output among what its node keeps


class _Mode(threading.local):
    """Whether operations are recorded, for each thread its own."""

    def __init__(self) -> None:
        self.enabled = True
        self.outside: list[bool] = []  # of each context that this thread is inside of


_mode = _Mode()

# Who looks on (`minigen.anomaly`, `minigen.profile`); nobody, as a rule.
_onlookers: list[Onlooker] = []


class Onlooker:
    """Is told of everything that is computed, in every thread, while it is among `_onlookers`."""

    def entered(self, what: Any) -> None:
        """The value of this operation, the pullbacks of this node or the step of this optimiser
        is about to be computed."""

    def left(self, what: Any) -> None:
        """That is done, or it raised an error."""

    def computed(self, operation: Any, inputs: Sequence, options: dict, output: Tensor) -> None:
        """This operation gave this output."""

    def pulled(self, node: Node, g: Tensor, parent: Node, gradient: Tensor | SparseRows) -> None:
        """The pullbacks of this node made of `g` this gradient for one of its inputs."""


def _observed(what: Any, f: Callable, /, *args: Any, **options: Any) -> Any:
    """`f(*args, **options)`, with whoever looks on told when it begins and ends."""
    onlookers = tuple(_onlookers)
    for onlooker in onlookers:
        onlooker.entered(what)
    try:
        return f(*args, **options)
    finally:
        for onlooker in reversed(onlookers):
            onlooker.left(what)


class _GradMode(contextlib.ContextDecorator):
    enabled: bool

    def __enter__(self) -> None:
        _mode.outside.append(_mode.enabled)
        _mode.enabled = self.enabled

    def __exit__(self, *_: Any) -> None:
        _mode.enabled = _mode.outside.pop()

    def _recreate_cm(self) -> _GradMode:
        return type(self)()  # a decorated function may recurse, and run in many threads


class no_grad(_GradMode):
    """Record nothing inside this context (or decorated function), in this thread."""

    enabled = False


class enable_grad(_GradMode):
    """Record inside this context (or decorated function) again, in this thread."""

    enabled = True


def is_grad_enabled() -> bool:
    """Whether operations are recorded now, in this thread."""
    return _mode.enabled


class Tensor:
    """An array whose history is recorded, so that gradients can flow back through it.

    Args:
        data: an array of NumPy or CuPy, which is shared and keeps its dtype, or numbers: Python
            floats become float32, integers int64.
        requires_grad: record what happens to this tensor.
        dtype, device: where given, convert (`"cpu"`, `"cuda"`, `"cuda:1"`).

    Raises:
        TypeError: `data` is no array of real numbers or truth values.

    The tape notices when a kept array is changed by an optimiser or an in-place method. It cannot
    see a write through NumPy itself (`tensor.data[0] = 1`): say `increment_version(tensor)` then.
    """

    __slots__ = ("_data", "_node", "_version", "grad", "__weakref__")
    __array_ufunc__ = None  # NumPy then leaves `array + tensor` to the tensor
    __hash__ = object.__hash__  # `==` compares elements, yet a tensor can be a key

    _data: Array
    _node: Node | None  # what made this tensor, or its Leaf; None if it requires no gradient
    _version: list[int] | None  # shared by all tensors that view the same memory
    grad: Tensor | SparseRows | None

    def __init__(
        self, data: Any, requires_grad: bool = False, dtype: Any = None, device: str | None = None
    ):
        self._version = None
        if isinstance(data, Tensor):
            data, self._version = data._data, _cell(data)
        array = as_array(data, dtype)
        if device is not None:
            array = to_device(array, device)
        if array is not data:
            self._version = None
        self._data, self._node, self.grad = array, None, None
        if requires_grad:
            self.requires_grad_()

    @property
    def data(self) -> Array:
        """The raw array. Assigning another one rebinds it; graphs already recorded keep the old."""
        return self._data

    @data.setter
    def data(self, array: Any) -> None:
        array = as_array(array._data if isinstance(array, Tensor) else array)
        same = array.shape == self.shape and array.dtype == self.dtype
        self._data, self._version = array, None
        if not same and self._node is not None:
            if not self.is_leaf:
                raise RuntimeError("data of another shape or dtype can only be given to a leaf")
            self._node = Leaf(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._data.shape

    @property
    def dtype(self) -> np.dtype:
        """NumPy's dtype of the elements."""
        return self._data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def device(self) -> str:
        """`"cpu"`, `"cuda:0"`, …"""
        return device_of(self._data)

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return self._node is None or isinstance(self._node, Leaf)

    @property
    def grad_fn(self) -> Node | None:
        """The node of the operation that made this tensor; None for a leaf."""
        return None if self.is_leaf else self._node

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Record (or no longer record) operations on this leaf; returns the tensor itself.

        Raises:
            RuntimeError: the tensor does not hold floating-point numbers, or is no leaf.
        """
        if not self.is_leaf:
            if requires_grad:
                return self
            raise RuntimeError("only a leaf can stop requiring gradients; detach() this tensor")
        if requires_grad and self.dtype.kind != "f":
            raise RuntimeError(f"only floating-point tensors require gradients, not {self.dtype}")
        if requires_grad != (self._node is not None):
            self._node = Leaf(self) if requires_grad else None
        return self

    def detach(self) -> Tensor:
        """A tensor without history that shares this one's memory."""
        detached = _wrap(self._data)
        detached._version = _cell(self)
        return detached

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array: shared on the CPU, copied from a GPU."""
        return to_device(self._data, "cpu")

    def item(self) -> float | int | bool:
        """The only element, as a Python number.

        Raises:
            ValueError: there is not exactly one element.
        """
        if self._data.size != 1:
            raise ValueError(f"item() needs exactly one element; this tensor's shape: {self.shape}")
        return self._data.item()

    def backward(
        self,
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
        if inputs is not None:
            inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
            targets = {_required_node(t, f"backward: inputs[{i}]"): t for i, t in enumerate(inputs)}
        else:
            targets = None
        _propagate([self], [gradient], targets, retain_graph, create_graph, _accumulate)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise RuntimeError("only leaves can be deep-copied; detach() this tensor first")
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy._data, copy._version, copy._node, copy.grad = self._data.copy("K"), None, None, None
        return copy.requires_grad_(self.requires_grad)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a 0-d tensor has no length")
        return self.shape[0]

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype.kind not in "iub":
            raise TypeError(f"only integers can be an index, not {self.dtype}")
        return int(self.item())

    def __repr__(self) -> str:
        body = np.array2string(self.numpy(), separator=", ", prefix="tensor(")
        notes = "" if self.dtype in (FLOAT32, INT64, BOOL) else f", dtype={self.dtype}"
        notes += "" if self.device == "cpu" else f", device={self.device!r}"
        if self._node is not None:
            notes += ", requires_grad=True" if self.is_leaf else f", grad_fn=<{self._node.name}>"
        return f"tensor({body}{notes})"


def _wrap(data: Any) -> Tensor:
    """A tensor around the result of a value function (NumPy returns 0-d results as scalars)."""
    tensor = _new_tensor(Tensor)
    tensor._data = data if type(data) is np.ndarray else _array(data)
    tensor._node = tensor._version = tensor.grad = None
    return tensor


_new_tensor = Tensor.__new__


def _array(data: Any) -> Array:
    return np.asarray(data) if isinstance(data, np.generic) else as_array(data)


def _cell(tensor: Tensor) -> list[int]:
    """The counter of changes to this tensor's memory, made when it is first asked for."""
    if tensor._version is None:
        tensor._version = [0]
    return tensor._version


def increment_version(tensor: Tensor) -> None:
    """Say that the tensor's memory was written, so that a pullback that needs the old values can
    refuse. Optimisers and in-place methods say it; code that writes `tensor.data` should too."""
    _cell(tensor)[0] += 1


class Node:
    """One recorded operation: its inputs' nodes, and what its pullbacks keep."""

    __slots__ = ("operation", "inputs", "kept", "options", "shape", "dtype", "origin")

    def __init__(
        self,
        operation: Any,
        inputs: Sequence[Node | None],
        kept: dict[int, tuple] | None,
        options: dict[str, Any],
        data: Array,
    ):
        self.operation = operation
        self.inputs = inputs
        self.kept = kept  # place of an input, or OUTPUT -> (array, version cell, version)
        self.options = options
        self.shape = data.shape
        self.dtype = data.dtype
        # `origin`, where the user's code recorded it, is set only where somebody looks on.

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.operation.name

    def pull(
        self, g: Tensor, wanted: set[Node] | None, create_graph: bool, may_wait: bool = False
    ) -> Iterable:
        """Gradients for the inputs, in order; None where there is nothing to compute, and a task
        where another thread may do it while this one walks on, if gradients `may_wait`."""
        operation = self.operation
        if self.kept is None:
            raise RuntimeError(
                f"{self.name}: what its pullback needs was freed by an earlier backward; pass "
                "retain_graph=True to that one"
            )
        options = self.options
        names = {"y": None, **options} if options else {"y": None}
        for place, (data, cell, version) in self.kept.items():
            if cell is not None:
                if cell[0] != version:
                    raise RuntimeError(
                        f"{self.name}: {operation.place_name(place)} {data.dtype} {data.shape}, "
                        "which its pullback needs, was changed in place after it was used; "
                        "clone() it before, or change it after backward()"
                    )
                data = _wrap(data)
                data._version = cell
                if create_graph:
                    data._node = self if place == OUTPUT else self.inputs[place]
            if operation.variadic:
                name = operation.place_name(place)
                names[name] = (*names.get(name, ()), data)
            else:
                names[operation.place_names[place]] = data
        if operation.joint is not None:
            names["needs"] = [
                p is not None and (wanted is None or p in wanted) for p in self.inputs
            ]
            pullback, parameters = operation.joint
            return pullback(g, *[names[p] for p in parameters])
        gradients = []
        for parent, entry in zip(self.inputs, operation.pullbacks, strict=True):
            if parent is None or not (wanted is None or parent in wanted):
                gradients.append(None)
                continue
            pullback, parameters = entry
            if parameters:
                names["shape"], names["dtype"] = parent.shape, parent.dtype
            arguments = [names[p] for p in parameters]
            if may_wait and type(parent) is Leaf and _can_wait(parent, g):
                task = Task(no_grad()(pullback), g, *arguments)
                offer([task])
                gradients.append(task)
            else:
                gradients.append(pullback(g, *arguments))
        return gradients


class Leaf(Node):
    """Where the tape ends: a tensor that the user made. It holds the tensor weakly, so that
    neither a graph nor a `grad` keeps a tensor alive that nobody else holds."""

    __slots__ = ("tensor",)
    name = "leaf"

    def __init__(self, tensor: Tensor):
        super().__init__(None, (), {}, {}, tensor._data)
        self.tensor = weakref.ref(tensor)


# Multiply-adds for which another thread is left to compute the gradient of a leaf: fewer are not
# worth waking it, more are better shared out among all threads.
LEAST_LATE, MOST_LATE = 4e6, 2e8
SMALL = 1024  # numbers in a gradient, of which nothing that takes so long is made
LATE = 2  # such gradients at a time: each holds in memory what it is made of


def _can_wait(leaf: Leaf, g: Tensor) -> bool:
    """Whether another thread should compute the leaf's gradient while this one walks on."""
    # As many as for the weight (outputs, inputs, …) of a layer whose output g belongs to.
    cost = g._data.size * math.prod(leaf.shape[1:])
    return LEAST_LATE <= cost <= MOST_LATE and type(g._data) is np.ndarray


def _required_node(tensor: Tensor, who: str) -> Node:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{who} must be a Tensor, not {type(tensor).__name__}")
    if tensor._node is None:
        raise RuntimeError(f"{who} does not require a gradient; no recorded operation made it")
    return tensor._node


def _covector(output: Tensor, gradient: Any, who: str) -> Tensor:
    """The gradient to start from, checked."""
    if gradient is None:
        if output._data.size != 1:
            raise ValueError(
                f"{who}: a gradient must be given for an output of shape {output.shape}; it can "
                "be left out only for a single element"
            )
        return _wrap(np.ones_like(output._data))
    if not isinstance(gradient, Tensor):
        gradient = Tensor(gradient, dtype=output.dtype)
    if gradient.shape != output.shape or gradient.dtype != output.dtype:
        raise ValueError(
            f"{who}: the gradient is {gradient.dtype} {gradient.shape}, the output "
            f"{output.dtype} {output.shape}; they must agree"
        )
    return gradient


def _sorted(roots: Iterable[Node]) -> list[Node]:
    """All nodes that lead to the roots, each after every node that uses it."""
    uses: dict[Node, int] = {}
    stack = list(dict.fromkeys(roots))
    uses.update((root, 0) for root in stack)
    while stack:
        for parent in stack.pop().inputs:
            if parent is not None:
                if parent not in uses:
                    uses[parent] = 0
                    stack.append(parent)
                uses[parent] += 1
    ready, order = [node for node, count in uses.items() if not count], []
    while ready:
        node = ready.pop()
        order.append(node)
        for parent in node.inputs:
            if parent is not None:
                uses[parent] -= 1
                if not uses[parent]:
                    ready.append(parent)
    return order


def _propagate(
    outputs: Sequence[Tensor],
    covectors: Sequence[Tensor | None],
    targets: dict[Node, Tensor] | None,
    retain_graph: bool | None,
    create_graph: bool,
    arrive: Callable[[Tensor, Tensor], None],
) -> None:
    """Carry covectors from the outputs back to the targets (None: to every leaf).

    `arrive(tensor, gradient)` is called once for each target, when its gradient is complete: for
    leaves in the end.
    """
    retain_graph = create_graph if retain_graph is None else retain_graph
    gradients: dict[Node, Tensor] = {}
    before, _mode.enabled = _mode.enabled, create_graph
    try:
        for i, (output, covector) in enumerate(zip(outputs, covectors, strict=True)):
            node = _required_node(output, f"output {i}")
            _add(gradients, node, _covector(output, covector, f"output {i}"))
        order = _sorted(gradients)
        wanted = None
        if targets is not None:  # skip whatever leads to no target
            wanted = set()
            for node in reversed(order):
                if node in targets or not wanted.isdisjoint(node.inputs):
                    wanted.add(node)
        late: deque[tuple[Node, Node, Task]] = deque()
        # Of leaves alone, which nothing else needs. Onlookers could not tell to which node another
        # thread's work belongs.
        may_wait = threads() > 1 and not (create_graph or _onlookers)
        for node in order:
            if node not in gradients or type(node) is Leaf:
                continue
            g = gradients.pop(node)
            if isinstance(g, SparseRows):
                g = _wrap(g.to_dense())
            if targets is not None and node in targets:
                arrive(targets[node], g)
            if wanted is not None and wanted.isdisjoint(node.inputs):
                continue
            pulled = (
                _observed(node, node.pull, g, wanted, create_graph)
                if _onlookers
                else node.pull(g, wanted, create_graph, may_wait and g._data.size >= SMALL)
            )
            for parent, h in zip(node.inputs, pulled, strict=True):
                if parent is None or h is None:
                    continue
                if type(h) is Task:
                    late.append((node, parent, h))
                    if len(late) > LATE:
                        _add_late(gradients, *late.popleft())
                    continue
                if not (
                    type(h) is Tensor
                    and h._data.shape == parent.shape
                    and h._data.dtype is parent.dtype
                ):
                    h = _fitted(h, node, parent)
                if _onlookers:
                    for onlooker in tuple(_onlookers):
                        onlooker.pulled(node, g, parent, h)
                _add(gradients, parent, h)
            if node.kept and not retain_graph:
                node.kept = None
            pulled = h = None  # or `_accumulate` would not find a gradient in sole hands
        for one in late:
            _add_late(gradients, *one)
        for node in order:
            if type(node) is Leaf and node in gradients:
                g = gradients.pop(node)
                leaf = node.tensor() if targets is None else targets.get(node)
                if leaf is not None and leaf._node is not None:  # not frozen since
                    arrive(leaf, g)
    finally:
        _mode.enabled = before


def _add(gradients: dict[Node, Tensor], node: Node, g: Tensor) -> None:
    before = gradients.get(node)
    gradients[node] = g if before is None else _sum(before, g)


def _add_late(gradients: dict[Node, Tensor], node: Node, parent: Node, task: Task) -> None:
    g = task.finish(helping=True)
    _add(gradients, parent, _fitted(g, node, parent))


def _sum(a: Tensor | SparseRows, b: Tensor | SparseRows) -> Tensor | SparseRows:
    """Row-sparse gradients stay so among themselves, and become dense where they meet others."""
    if type(a) is type(b) is Tensor and not (_mode.enabled or _onlookers or cuda_in_use):
        return _wrap(a._data + b._data)  # `a + b`, with nobody to tell
    if isinstance(a, SparseRows) == isinstance(b, SparseRows):
        return a + b
    return _wrap(a.add_to(b._data)) if isinstance(a, SparseRows) else _wrap(b.add_to(a._data))


def _fitted(g: Any, node: Node, parent: Node) -> Tensor:
    """What a pullback returned, checked; summed over the axes along which its input broadcast."""
    if not isinstance(g, Tensor | SparseRows):
        raise TypeError(f"{node.name}: a pullback returned a {type(g).__name__}, not a Tensor")
    if g.shape != parent.shape and node.operation.elementwise:
        g = g.sum_to_size(parent.shape)
    if g.shape != parent.shape or g.dtype != parent.dtype:
        raise RuntimeError(
            f"{node.name}: a pullback returned {g.dtype} {g.shape} for an input of "
            f"{parent.dtype} {parent.shape}; they must agree"
        )
    return g


def _accumulate(tensor: Tensor, gradient: Tensor) -> None:
    """Add to `tensor.grad`. The first gradient becomes it, copied if anybody else holds it."""
    data = tensor._data
    if gradient.shape != data.shape or gradient.dtype != data.dtype:
        raise RuntimeError(
            f"backward: a gradient {gradient.dtype} {gradient.shape} for a tensor that was given "
            f"other data since, {tensor.dtype} {tensor.shape}"
        )
    if tensor.grad is not None:
        tensor.grad = _sum(tensor.grad, gradient)
    elif (
        isinstance(gradient, SparseRows)
        or _holders(gradient) == _SOLE
        and (gradient._data.base is None or held_alone(gradient._data))
        and 0 not in gradient._data.strides  # an expanded one would be written several times
    ):
        tensor.grad = gradient
    else:
        tensor.grad = gradient.clone()


def _holders(tensor: Tensor) -> tuple[int, int]:
    return sys.getrefcount(tensor), sys.getrefcount(tensor._data)


def _holders_of_a_fresh_one() -> tuple[int, int]:
    def arrive(tensor: None, gradient: Tensor) -> tuple[int, int]:
        return _holders(gradient)

    g = _wrap(np.zeros(1))
    return arrive(None, g)


_SOLE = _holders_of_a_fresh_one()


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the outputs' sum (weighted by `grad_outputs`) with respect to the inputs.

    Args:
        outputs, inputs: tensors; an input may be any tensor of the graph, not only a leaf.
        grad_outputs: a covector for each output; may be left out for outputs of one element.
        retain_graph: keep what the pullbacks need (default: `create_graph`).
        create_graph: record the computation of the gradients, so that they can be differentiated.
        allow_unused: None for an input that the outputs do not depend on, and no error.

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
    nodes = [_required_node(t, f"grad: inputs[{i}]") for i, t in enumerate(inputs)]
    found: dict[Node | None, Tensor] = {}

    def arrive(tensor: Tensor, gradient: Tensor) -> None:
        found[tensor._node] = gradient

    targets = dict(zip(nodes, inputs, strict=True))
    _propagate(outputs, grad_outputs, targets, retain_graph, create_graph, arrive)
    for i, node in enumerate(nodes):
        if node not in found and not allow_unused:
            raise RuntimeError(
                f"grad: the outputs do not depend on inputs[{i}]; pass allow_unused=True to get "
                "None for it"
            )
    return tuple(found.get(node) for node in nodes)
