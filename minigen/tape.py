"""The tape: which operation made what of what, and the way back over it.

A recorded operation is a node that links to the nodes of its inputs; nodes link to nodes and never
to tensors, so that only what pullbacks need stays in memory. On the way back each operation turns
the gradient of its output into gradients of its inputs, its pullbacks; what reaches a node along
several paths is added up. That is the chain rule, and all of it:

    gradient of a node = Σ over the operations that used it: pullback(gradient of their output)

Nothing here knows what a gradient is, but that two of them can be added.
"""

from __future__ import annotations

import contextvars
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any


class Node:
    """One recorded operation."""

    __slots__ = ("operation", "inputs", "kept", "options", "shape", "dtype", "hooks", "origin")

    def __init__(
        self,
        operation: Any,
        inputs: Sequence[Node | None],
        kept: dict | None,
        options: dict[str, Any],
        output: Any,
    ):
        self.operation = operation
        self.inputs = inputs  # the node of each; None of what requires no gradient
        self.kept = kept  # what the pullbacks need, by name; None once it is freed
        self.options = options
        self.shape = output.shape
        self.dtype = output.dtype
        self.hooks: Sequence[Callable] = ()
        # `origin`, where the user's code recorded it, is set only where somebody looks on.

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.operation.name


class Leaf(Node):
    """Where the tape ends: a tensor that the user made. It is held weakly, so that neither a graph
    nor a gradient keeps a tensor alive that nobody else holds."""

    __slots__ = ("tensor",)
    name = "leaf"

    def __init__(self, tensor: Any):
        super().__init__(None, (), {}, {}, tensor)
        self.tensor, self.hooks = weakref.ref(tensor), []


class Sums(dict):
    """The sum of the gradients that have reached each node so far, made by `plus`.

    Attributes:
        leaves_last: whether leaves are taken after all other nodes, or each as soon as it can be.
    """

    leaves_last = True

    def __init__(self, plus: Callable[[Any, Any], Any]):
        self.plus = plus

    def add(self, node: Node, gradient: Any) -> None:
        """One more."""
        self[node] = self.plus(self[node], gradient) if node in self else gradient

    def take(self, node: Node) -> Any:
        """The sum, which is not kept any longer; None if nothing has reached the node."""
        return self.pop(node, None)

    def pass_on(self, node: Node, gradient: Any, wanted: set[Node]) -> None:
        """Add what the operation's pullbacks make of the gradient of its output."""
        for parent, share in node.operation.pull(node, gradient, wanted):
            self.add(parent, share)


def walk_back(
    sums: Sums,
    arrive: Callable[[Node, Any], None],
    targets: Iterable[Node] | None = None,
    retain: bool = False,
) -> None:
    """From the nodes in `sums` back to the targets, or to every leaf.

    Args:
        sums: the gradients to begin with.
        arrive: called with each target and its gradient, once that is complete.
        targets: any nodes.
        retain: keep what the pullbacks need, for another walk.
    """
    order = after_their_uses(sums, sums.leaves_last)
    if targets is None:
        targets, wanted = {n for n in order if type(n) is Leaf}, set(order)
    else:
        targets = set(targets)
        wanted = leading_to(targets, order)
    for node in order:
        gradient = sums.take(node)
        if gradient is None or node not in wanted:
            continue
        for hook in tuple(node.hooks):
            changed = hook(gradient)
            gradient = gradient if changed is None else changed
        if node in targets:
            arrive(node, gradient)
        if not wanted.isdisjoint(node.inputs):
            sums.pass_on(node, gradient, wanted)
            if node.kept and not retain:
                node.kept = None


def after_their_uses(roots: Iterable[Node], leaves_last: bool = True) -> list[Node]:
    """All nodes that lead to the roots, each after every node that uses it, and leaves last if
    not told otherwise.

    A node's gradient is complete when every node that uses it has given its share, so that each is
    walked once. This is Kahn's algorithm (1962): count how often each node is used, and take those
    that nothing left uses. Both loops hold their own stack: a recursive search would go as deep as
    the graph, and Python's stack ends after 1,000 calls. Gradients are added in this order, so
    that it decides their bits.
    """
    uses = dict.fromkeys(roots, 0)
    stack = list(uses)
    while stack:
        for parent in stack.pop().inputs:
            if parent is not None:
                if parent not in uses:
                    uses[parent] = 0
                    stack.append(parent)
                uses[parent] += 1
    ready, order, leaves = [node for node, count in uses.items() if not count], [], []
    while ready:
        node = ready.pop()
        (leaves if leaves_last and type(node) is Leaf else order).append(node)
        for parent in node.inputs:
            if parent is not None:
                uses[parent] -= 1
                if not uses[parent]:
                    ready.append(parent)
    return order + leaves


def leading_to(targets: Iterable[Node], order: Sequence[Node]) -> set[Node]:
    """The targets and all nodes from which the walk back comes to one."""
    wanted = set(targets)
    for node in reversed(order):
        if not wanted.isdisjoint(node.inputs):
            wanted.add(node)
    return wanted


# Whether operations are recorded, and what `mode` was in the context around this one. Each thread
# and each task of asyncio has its own.
mode: contextvars.ContextVar[tuple] = contextvars.ContextVar("mode", default=(True, ()))


class recording:
    """A context in which operations are recorded, or are not."""

    def __init__(self, enabled: bool):
        self.enabled = enabled

    def __enter__(self) -> None:
        mode.set((self.enabled, mode.get()))

    def __exit__(self, *_: Any) -> None:
        mode.set(mode.get()[1])


def is_grad_enabled() -> bool:
    """Whether operations are recorded now, in this thread."""
    return mode.get()[0]
