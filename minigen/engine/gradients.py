"""Sums of gradients that cost as little as they can: those of leaves may be computed by another
thread, sums lie where a gradient lay that nobody else holds, and the first one becomes a tensor's
`grad` without a copy."""

from __future__ import annotations

import math
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen import differentiation
from minigen.backend import Array, cuda_in_use, threads
from minigen.engine.calls import Onlooker, observed_by_all, onlookers, tell
from minigen.engine.versions import restore_unchanged
from minigen.kernels import limits
from minigen.kernels.memory import held_alone
from minigen.kernels.pieces import add_to, spread
from minigen.kernels.threads import Task, offer
from minigen.operation import Operation
from minigen.sparse import SparseRows, plus
from minigen.tape import Leaf, Node, Sums, is_grad_enabled, recording
from minigen.tensor import Tensor, wrap


class Gradients(Sums):
    """The same sums. A leaf's gradient is needed by nothing else: another thread may compute it
    while the walk goes on. It is a `Task` then, and whatever comes for the same leaf waits in line
    behind it, so that the sum is that of the plain walk to the last bit."""

    def __init__(self) -> None:
        super().__init__(plus)
        # Where no thread works on leaves, what waits for them (`arrived`) gets them early.
        arrived = differentiation.arrived
        self.leaves_last = threads() > 1 or arrived.now is arrived.plain
        self._line: deque[tuple[Node, Any]] = deque()
        # Onlookers could not tell to which node another thread's work belongs.
        self._may_wait = threads() > 1 and not (is_grad_enabled() or onlookers)

    def add(self, node: Node, gradient: Any) -> None:
        """One more."""
        if type(gradient) is Task or (self._line and node in [n for n, _ in self._line]):
            self._line.append((node, gradient))
            if len(self._line) > limits.now.late_at_once:
                self._next()
        else:
            self._add_now(node, gradient)

    def _next(self) -> None:
        node, gradient = self._line.popleft()
        if type(gradient) is Task:
            gradient = gradient.finish(helping=True)
        self._add_now(node, gradient)

    def _add_now(self, node: Node, gradient: Any) -> None:
        before = self.pop(node, None)
        if before is not None:
            alone = _holders(before) == _HELD_ONCE
            gradient = _plus(before, gradient, alone)
        self[node] = gradient

    def take(self, node: Node) -> Any:
        """The sum; None if nothing has reached the node."""
        if type(node) is Leaf:
            while self._line:
                self._next()
        return self.pop(node, None)

    def pass_on(self, node: Node, gradient: Any, wanted: set[Node]) -> None:
        """Add what the operation's pullbacks make of the gradient of its output."""
        if type(gradient) is SparseRows:
            gradient = wrap(gradient.to_dense())
        op = node.operation
        if onlookers:
            for parent, share in observed_by_all(node, op.pull, node, gradient, wanted):
                tell("pulled", node, gradient, parent, share)
                self.add(parent, share)
        elif op.variadic or node.kept is None:
            for parent, share in op.pull(node, gradient, wanted):
                self.add(parent, share)
        elif not (getattr(op, "places", False) and self._add_there(node, gradient)):
            self._pass_on(node, gradient, wanted)

    def _add_there(self, node: Node, g: Tensor) -> bool:
        """Whether g, the gradient of a part of what has a sum already, was added to it: otherwise
        each part would bring zeros as large as the whole."""
        (parent,), key = node.inputs, node.options["key"]
        if parent not in self or self._line or is_grad_enabled() or cuda_in_use:
            return False
        if any(hasattr(k, "dtype") for k in (key if type(key) is tuple else (key,))):
            return False  # places may repeat
        total = self.pop(parent)
        mine = type(total) is Tensor and _holders(total) == _HELD_ONCE
        if mine := mine and _may_be_written(total, total):
            add_to(total._array[key], g._array)
        self[parent] = total
        return mine

    def _pass_on(self, node: Node, g: Tensor, wanted: set[Node]) -> None:
        """`Operation.pull`, with the bodies of what it calls in the place of the calls."""
        op, recorded = node.operation, is_grad_enabled()
        names = dict(node.options)
        for name, saved in node.kept.items():
            x = names[name] = restore_unchanged(saved, op, name)
            if recorded and saved[1]:
                x._node = node if name == "y" else node.inputs[op.inputs.index(name)]
        if op.joint:
            names["needs"] = [parent in wanted for parent in node.inputs]
            pullback, parameters = op.joint
            shares = pullback(g, *[names[p] for p in parameters])
            for parent, h in zip(node.inputs, shares, strict=True):
                if parent in wanted and h is not None:
                    self.add(parent, h if _fits(h, parent) else op.fitted(h, parent))
            return
        may_wait = self._may_wait and g._array.size >= limits.now.late_numbers
        for name, parent in zip(op.inputs, node.inputs, strict=True):
            if parent not in wanted:
                continue
            pullback, parameters = op.pullbacks[name]
            arguments = []
            if parameters:
                names["shape"], names["dtype"] = parent.shape, parent.dtype
                arguments = [names[p] for p in parameters]
            if may_wait and type(parent) is Leaf and _worth_it(parent, g):
                h = Task(_late_share, op, parent, pullback, g, *arguments)
                offer([h])
            else:
                h = _in_pieces(op, pullback, g, arguments)
                h = h if _fits(h, parent) else op.fitted(h, parent)
            self.add(parent, h)


differentiation.empty_sums.fill(Gradients)


def _fits(x: Any, to: Node | Array) -> bool:
    """Whether it is a tensor of that shape and dtype."""
    return type(x) is Tensor and x._array.shape == to.shape and x._array.dtype is to.dtype


def _in_pieces(op: Operation, pullback: Callable, g: Tensor, arguments: list[Any]) -> Any:
    """What the pullback makes of g. That of an operation on each element is a formula of such
    operations: for large arrays it is evaluated piece by piece, in the cache, instead of one
    operation after the other on the whole."""
    if (
        not op.elementwise
        or g._array.size <= limits.now.shared
        or is_grad_enabled()
        or type(g._array) is not np.ndarray
        or (calls := _calls(pullback, g, *arguments)) < 2
    ):
        return pullback(g, *arguments)
    given = [g, *arguments]
    tensors = [isinstance(x, Tensor) for x in given]

    def of_arrays(*arrays: Array) -> Array:
        rest = iter(arrays)
        some = [wrap(next(rest)) if t else x for x, t in zip(given, tensors, strict=True)]
        return pullback(*some)._array

    arrays = [x._array for x, t in zip(given, tensors, strict=True) if t]
    return wrap(spread(of_arrays, calls)(*arrays))


_known: dict[Callable, int] = {}


def _calls(pullback: Callable, *given: Any) -> int:
    """How many operations the pullback consists of, found out on empty arrays; 0 if it is none of
    operations on each element."""
    found = _known.get(pullback)
    if found is None:
        counter = _Counter()
        empty = [wrap(np.empty(0, x.dtype)) if isinstance(x, Tensor) else x for x in given]
        onlookers.append(counter)
        try:
            h = pullback(*empty)
            found = counter.count if type(h) is Tensor and h.shape == (0,) else 0
        except Exception:
            found = 0
        finally:
            onlookers.remove(counter)
        if len(_known) > 1000:
            _known.clear()
        _known[pullback] = found
    return found


class _Counter(Onlooker):
    """Counts the operations of this thread, all of which must be of each element."""

    def __init__(self) -> None:
        self.count, self.thread = 0, threading.get_ident()

    def computed(self, operation: Any, inputs: Sequence, options: dict, output: Tensor) -> None:
        if threading.get_ident() == self.thread:
            self.count += 1 if operation.each else -1000


def _worth_it(leaf: Leaf, g: Tensor) -> bool:
    """Whether another thread should compute the leaf's share of g."""
    # If the leaf is a layer's weight (outputs, inputs, …), and g the gradient of its output: each
    # number of g is multiplied by all numbers that fed its output.
    cost = g._array.size * math.prod(leaf.shape[1:])
    return limits.now.late_from <= cost <= limits.now.late_to and type(g._array) is np.ndarray


def _late_share(op: Operation, leaf: Leaf, pullback: Callable, g: Tensor, *arguments: Any) -> Any:
    with recording(False):  # the other thread's own setting is another one
        return op.fitted(pullback(g, *arguments), leaf)


def _plus(a: Any, b: Tensor | SparseRows, alone: bool) -> Tensor | SparseRows:
    """Their sum; if the caller alone holds `a`, in its memory."""
    if type(a) is type(b) is Tensor and not (is_grad_enabled() or onlookers or cuda_in_use):
        if not (alone and _may_be_written(a, b)):
            return wrap(a._array + b._array)  # `a + b` would ask first whether somebody looks on
        add_to(a._array, b._array)
        return a
    return plus(a, b)


def _may_be_written(a: Tensor, b: Tensor) -> bool:
    """Whether a sum of both can lie where `a` does, which one tensor alone holds."""
    x, y = a._array, b._array
    return (
        type(x) is np.ndarray
        and x.shape == y.shape
        and x.dtype == y.dtype
        and x.flags.writeable
        and 0 not in x.strides  # an expanded one would be written several times
        and held_alone(x)
    )


@differentiation.accumulate.fill
def accumulate_without_copy(tensor: Tensor, gradient: Tensor | SparseRows) -> None:
    """Add to `tensor.grad`. The first gradient becomes it, copied if anybody else holds it."""
    before, array = tensor._grad, tensor._array
    if not (_fits(gradient, array) and (before is None or _fits(before, array))):
        differentiation.accumulate.plain(tensor, gradient)
    elif before is not None:
        tensor._grad = None
        alone = _holders(before) == _HELD_ONCE
        tensor._grad = _plus(before, gradient, alone)
    elif _holders(gradient) == _SOLE and _may_be_written(gradient, gradient):
        tensor._grad = gradient
    else:
        differentiation.accumulate.plain(tensor, gradient)


def _holders(gradient: Tensor | SparseRows) -> tuple[int, int]:
    return sys.getrefcount(gradient), sys.getrefcount(getattr(gradient, "_array", None))


def _holders_of_one_held_once() -> tuple[int, int]:
    """Of a tensor that one name alone holds."""
    fresh = wrap(np.empty(0))
    return _holders(fresh)


_HELD_ONCE = _holders_of_one_held_once()


def _holders_of_a_fresh_one() -> tuple[int, int]:
    """Of a gradient that only the walk back holds, and lets go: how many it has when it arrives."""
    found = []

    def look(tensor: Tensor, gradient: Tensor) -> None:
        found.append(_holders(gradient))

    before, differentiation.accumulate.now = differentiation.accumulate.now, look
    try:
        Tensor(1.0, requires_grad=True).backward()
    finally:
        differentiation.accumulate.now = before
    return found[0]


_SOLE = _holders_of_a_fresh_one()
