"""Tensors and the tape: what was recorded, and walking back over it.

Nodes link to nodes and never to tensors, so that only what pullbacks need stays in memory. What is
kept carries the version of its memory, and is handed to a pullback as a tensor; with
`create_graph` as one that is part of the graph, so that a gradient can be differentiated again.

A leaf's gradient is needed by nothing else: another thread may compute it while the walk goes on.

This file knows no operation: `minigen.operation` makes them of functions on arrays, and
`minigen.functional` holds them and gives `Tensor` its methods.
"""

from __future__ import annotations

import functools
import inspect
import math
import sys
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from minigen.backend import (
    BOOL,
    FLOAT32,
    INT64,
    Array,
    as_array,
    class_name,
    cuda_in_use,
    device_of,
    memory_order,
    threads,
    to_device,
)
from minigen.kernels.memory import held_alone
from minigen.kernels.threads import Task, offer
from minigen.sparse import SparseRows
from minigen.versions import increment, shared_cell

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


class _GradMode:
    enabled: bool

    def __new__(cls, function: Callable | None = None) -> Any:
        mode = super().__new__(cls)
        return mode if function is None else mode(function)

    def __enter__(self) -> None:
        _mode.outside.append(_mode.enabled)
        _mode.enabled = self.enabled

    def __exit__(self, *_: Any) -> None:
        _mode.enabled = _mode.outside.pop()

    def __call__(self, function: Callable) -> Callable:
        """The decorated function."""
        if isinstance(function, type) or not callable(function):
            raise TypeError(
                f"{type(self).__name__} decorates functions, not {function!r}; of a class decorate "
                "the methods, such as __init__"
            )
        if inspect.isgeneratorfunction(function):

            def decorated(*args: Any, **kwargs: Any) -> Any:
                return (yield from self._driven(function(*args, **kwargs)))

        elif inspect.iscoroutinefunction(function):

            async def decorated(*args: Any, **kwargs: Any) -> Any:
                return await self._awaited(function(*args, **kwargs))

        elif inspect.isasyncgenfunction(function):

            async def decorated(*args: Any, **kwargs: Any) -> Any:
                inner = function(*args, **kwargs)
                go_on, sent = inner.asend, None
                while True:
                    try:
                        value = await self._awaited(go_on(sent))
                    except StopAsyncIteration:
                        return
                    try:
                        go_on, sent = inner.asend, (yield value)
                    except GeneratorExit:
                        await self._awaited(inner.aclose())
                        raise
                    except BaseException as error:
                        go_on, sent = inner.athrow, error

        else:

            def decorated(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return function(*args, **kwargs)

        return functools.wraps(function)(decorated)

    def _driven(self, inner: Any) -> Generator:
        """A generator, or what `await` waits for, with this mode on while it runs and off while
        it waits."""
        go_on, sent = inner.send, None
        while True:
            try:
                with self:
                    value = go_on(sent)
            except StopIteration as end:
                return end.value
            try:
                go_on, sent = inner.send, (yield value)
            except GeneratorExit:
                with self:
                    inner.close()
                raise
            except BaseException as error:
                go_on, sent = inner.throw, error

    _awaited = types.coroutine(_driven)


class no_grad(_GradMode):
    """Record nothing inside this context (or decorated function), in this thread. A decorated
    generator or coroutine records nothing while it runs; whoever waits for it is not concerned.

    Raises:
        TypeError: what is decorated is a class.
    """

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

    The tape notices when a kept array is changed by an optimiser or an in-place method, of this
    tensor or of any other one in the same memory. It cannot see a write through NumPy itself
    (`tensor.data[0] = 1`) or another library: say `increment_version(tensor)` then. Nor does it
    know that two memory maps show one file.
    """

    __slots__ = ("_data", "_node", "_version", "_grad", "__weakref__")
    __array_ufunc__ = None  # NumPy then leaves `array + tensor` to the tensor
    __hash__ = object.__hash__  # `==` compares elements, yet a tensor can be a key

    _data: Array
    _node: Node | None  # what made this tensor, or its Leaf; None if it requires no gradient
    _version: list[Any] | None  # shared by all tensors that view the same memory
    _grad: Tensor | SparseRows | None

    def __init__(
        self, data: Any, requires_grad: bool = False, dtype: Any = None, device: str | None = None
    ):
        given = data._data if isinstance(data, Tensor) else data
        array = as_array(given, dtype)
        if device is not None:
            array = to_device(array, device)
        self._data, self._version, self._node, self._grad = array, None, None, None
        if given is not data:
            self._version = _cell(data) if array is given else None
        elif not isinstance(data, list | tuple | float | int):
            self._version = shared_cell(array)
        if requires_grad:
            self.requires_grad_()

    @property
    def data(self) -> Array:
        """The raw array. Assigning another one rebinds it; graphs already recorded keep the old."""
        self._version = shared_cell(self._data, self._version)
        return self._data

    @data.setter
    def data(self, array: Any) -> None:
        given = array if isinstance(array, Tensor) else Tensor(array)
        array = given._data
        same = array.shape == self.shape and array.dtype == self.dtype
        self._data, self._version = array, _cell(given)
        if not same and self._node is not None:
            if not self.is_leaf:
                raise RuntimeError("data of another shape or dtype can only be given to a leaf")
            self._node = Leaf(self)

    @property
    def grad(self) -> Tensor | SparseRows | None:
        """The gradient that `backward` added up here. What is assigned must have this tensor's
        shape, dtype and device, or be None."""
        return self._grad

    @grad.setter
    def grad(self, gradient: Tensor | SparseRows | None) -> None:
        if gradient is not None:
            if not isinstance(gradient, Tensor | SparseRows):
                raise TypeError(f"grad must be a Tensor or None, not a {class_name(gradient)}")
            values = gradient._data if isinstance(gradient, Tensor) else gradient.values
            given = gradient.shape, gradient.dtype, device_of(values)
            if given != (self.shape, self.dtype, self.device):
                raise ValueError(
                    f"grad: the gradient {given[1]} {given[0]} on {given[2]} does not fit the "
                    f"tensor {self.dtype} {self.shape} on {self.device}"
                )
        self._grad = gradient

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
        return to_device(self.data, "cpu")

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

    def __copy__(self) -> Tensor:
        """A tensor of its own on the same memory, without the gradient; a leaf if this is one,
        with the same history otherwise."""
        twin = _rebuilt(type(self), self._data, None, self.requires_grad and self.is_leaf)
        twin._version = _cell(self)
        if not self.is_leaf:
            twin._node = self._node
        _attributes(twin).update(_attributes(self))
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """As in PyTorch with the gradient, if this is no parameter. Tensors that share an array
        share its copy."""
        if not self.is_leaf:
            raise RuntimeError("only leaves can be deep-copied; detach() this tensor first")
        if (array := memo.get(id(self._data))) is None:
            array = memo[id(self._data)] = self._data.copy("K")
        twin = memo[id(self)] = _rebuilt(type(self), array, None, self.requires_grad)
        if self._copies_grad:
            twin._grad = deepcopy(self._grad, memo)
        _attributes(twin).update(deepcopy(_attributes(self), memo))
        return twin

    def __reduce_ex__(self, protocol: Any) -> tuple:
        """For `pickle`, as in PyTorch: a leaf without gradient arrives, with this one's
        `requires_grad` and on its device. Those that share an array share it there too."""
        array, axes = to_device(self._data, "cpu"), None
        if not array.flags.forc:  # pickle would bring the axes into another order in memory
            axes = memory_order(array.strides)
            array = array.transpose(axes)
        device = None if self.device == "cpu" else self.device
        arguments = (type(self), array, device, self.requires_grad, axes)
        return _rebuilt, arguments, _attributes(self) or None

    _copies_grad = True

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
    tensor._node = tensor._version = tensor._grad = None
    return tensor


def _rebuilt(
    kind: type[Tensor], array: Array, device: str | None, requires_grad: bool, axes: Any = None
) -> Tensor:
    """A copy, of any class of tensors; the classes' own constructors take other arguments."""
    if axes is not None:
        array = array.transpose(np.argsort(axes))
    made = Tensor(array, requires_grad and kind is Tensor, device=device)
    if kind is Tensor:
        return made
    tensor = kind.__new__(kind)
    tensor._data, tensor._version, tensor._node, tensor._grad = made._data, _cell(made), None, None
    return tensor.requires_grad_(requires_grad)


def _attributes(tensor: Tensor) -> dict[str, Any]:
    """The attributes that a user's subclass may have."""
    return getattr(tensor, "__dict__", {})


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
    increment(_cell(tensor))


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
        # Place of an input, or OUTPUT -> (array, version cell, version, whether it was no tensor).
        self.kept = kept
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
        for place, (data, cell, version, raw) in self.kept.items():
            if cell is not None:
                if cell[0] != version:
                    raise RuntimeError(
                        f"{self.name}: {operation.place_name(place)} {data.dtype} {data.shape}, "
                        "which its pullback needs, was changed in place after it was used; "
                        "clone() it before, or change it after backward()"
                    )
                if not raw:
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
    if tensor._grad is not None:
        tensor._grad = _sum(tensor._grad, gradient)
    elif (
        isinstance(gradient, SparseRows)
        or _holders(gradient) == _SOLE
        and (gradient._data.base is None or held_alone(gradient._data))
        and 0 not in gradient._data.strides  # an expanded one would be written several times
    ):
        tensor._grad = gradient
    else:
        tensor._grad = gradient.clone()


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
