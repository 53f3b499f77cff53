"""Operations: a named value, and its pullbacks.

A pullback turns the gradient of a loss with respect to the output into the gradient with respect to
one input. Value and pullback stand side by side:

    @operation(input=lambda g, y: g * y)
    def exp(input):
        return np.exp(input)

The value is computed on raw arrays. A pullback is written with operations on tensors, so a
gradient can be differentiated again. What a pullback names is what the tape keeps for it: here
the output `y` and not the input.

What else can be said of an operation, each with an example:

    elementwise    x + y: inputs broadcast, and take one dtype. The pullback is that of one number,
                   g; the tape sums it over the axes along which an input was repeated.
    floating       exp: of integers there is no other result than one in floating point, so they
                   become float32 first.
    view           reshape: the output may lie in the input's memory. Who changes one in place
                   changes the other, and the tape counts it for both; if the change is recorded,
                   it is refused instead (`functional/inplace.py`).
    exact          flip: elements move and none is computed, so float16 needs no wider numbers.
    joint          batch norm: all three gradients need the same two sums over the batch, so one
                   function returns all three.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from minigen.halves import is_half, of_halves
from minigen.operands import explained, plain, promoted
from minigen.seams import Seam
from minigen.sparse import SparseRows
from minigen.tape import Node, is_grad_enabled
from minigen.tensor import Tensor, same_memory, wrap

# What a pullback can name beside inputs and options: the output, the shape and the dtype of the
# gradient that it returns, and, if joint, which gradients are wanted.
RESERVED = {"y", "shape", "dtype", "needs"}


class Operation:
    """A named value and its pullbacks; made by the decorator `operation`, and called on tensors.

    Attributes:
        name: for errors, profiles and drawings.
        value: the function on arrays.
        inputs, options: the names of its positional and of its keyword-only parameters.
        variadic: whether one name, `*tensors`, stands for all inputs.
        pullbacks: for each input that has one, by name: the pullback and what it takes after g.
        signature: of the inputs.
        joint: instead of `pullbacks`, one for all inputs, and what it takes.
        flops: what counts them, and what it takes after y.
        elementwise, each, floating, view, exact: see `operation`.
    """

    def __init__(
        self,
        value: Callable,
        pullbacks: dict[str, Callable],
        joint: Callable | None = None,
        flops: Callable | None = None,
        elementwise: bool = False,
        each: bool = False,
        floating: bool = False,
        view: bool = False,
        exact: bool = False,
    ):
        self.name, self.value = value.__name__.strip("_"), value
        self.elementwise, self.each = elementwise, each or elementwise
        self.floating, self.view, self.exact = floating, view, exact or view
        parameters = inspect.signature(value).parameters.values()
        positional = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
        self.options = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        self.inputs = [p.name for p in positional]
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in positional)
        self.signature = inspect.Signature(positional)
        for name in (RESERVED | operation.__kwdefaults__.keys()) & {*self.inputs}:
            raise TypeError(
                f"{self.name}: an input cannot be called {name!r}, which means another thing to "
                "its pullbacks or to `operation`; give the input another name"
            )
        for name in pullbacks.keys() - {*self.inputs}:
            raise TypeError(f"{self.name}: a pullback for {name!r}, which is no input of the value")
        self.pullbacks = {n: (f, self._names(f)) for n, f in pullbacks.items()}
        self.joint, self.flops = [f and (f, self._names(f)) for f in (joint, flops)]

    def _names(self, pullback: Callable) -> list[str]:
        """What a pullback takes after g, or flops after y."""
        names = list(inspect.signature(pullback).parameters)[1:]
        for name in set(names) - {*self.inputs, *self.options, *RESERVED}:
            raise TypeError(
                f"{self.name}: a pullback (or flops) takes {name!r}; it can take the inputs "
                f"{self.inputs}, the options {self.options}, y, shape and dtype (needs, if joint)"
            )
        return names

    def __call__(self, *inputs: Any, **options: Any) -> Tensor:
        """The value on tensors, recorded if one of them requires a gradient."""
        inputs = [plain(x) for x in self._in_order(inputs, options)]
        if self.elementwise:
            inputs = promoted(self, inputs)
        arrays = [x._array if isinstance(x, Tensor) else x for x in inputs]
        op = self if self.exact or not any(is_half(x) for x in arrays) else of_halves(self)
        try:
            y = wrap(compute(op, arrays, options))
        except Exception as error:
            raise explained(self, error, arrays, options) from error
        if self.view:
            same_memory(y, inputs[0])
        if is_grad_enabled():
            nodes = [
                x._node if isinstance(x, Tensor) and self.differentiable(i) else None
                for i, x in enumerate(inputs)
            ]
            if any(node is not None for node in nodes):
                y._node = Node(op, nodes, self._kept(inputs, nodes, y), options, y)
        return y

    def _in_order(self, inputs: Sequence[Any], options: dict[str, Any]) -> Sequence[Any]:
        """The inputs; those given by name are taken from the options."""
        named = {name: options.pop(name) for name in self.inputs if name in options}
        try:
            bound = self.signature.bind(*inputs, **named)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None
        bound.apply_defaults()
        return bound.args

    def differentiable(self, place: int) -> bool:
        """Whether the input at this place has a pullback."""
        return self.joint is not None or self.inputs[place] in self.pullbacks

    def name_of(self, place: int) -> str:
        """The name of the input at this place."""
        return self.inputs[0 if self.variadic else place]

    def needed(self, differentiated: Sequence[str]) -> set[str]:
        """What the pullbacks for these inputs name."""
        used = [self.joint] if self.joint else [self.pullbacks[name] for name in differentiated]
        return {name for _, names in used for name in names}

    def _kept(self, inputs: Sequence[Any], nodes: Sequence[Node | None], y: Tensor) -> dict:
        """What the pullbacks need; by name, or by place where one name stands for all inputs."""
        names = self._keys(inputs)
        needed = self.needed([n for n, node in zip(names, nodes, strict=True) if node is not None])
        if self.variadic and self.inputs[0] in needed:
            needed.update(names)
        named = [*zip(names, inputs, strict=True), ("y", y)]
        return {name: save(x) for name, x in named if name in needed}

    def _keys(self, inputs: Sequence[Any]) -> Sequence[Any]:
        """The inputs' names, or places if one name stands for all."""
        return range(len(inputs)) if self.variadic else self.inputs

    def pull(self, node: Node, g: Any, wanted: set[Node]) -> list[tuple[Node, Any]]:
        """The wanted ones among the inputs' nodes, each with what its pullback makes of g."""
        g = wrap(g.to_dense()) if isinstance(g, SparseRows) else g
        names = self.restored(node)
        if self.joint:
            names["needs"] = [parent in wanted for parent in node.inputs]
            pullback, parameters = self.joint
            gradients = pullback(g, *[names[p] for p in parameters])
            pairs = zip(node.inputs, gradients, strict=True)
            return [(p, self.fitted(h, p)) for p, h in pairs if p in wanted and h is not None]
        pairs = []
        for name, parent in zip(self.inputs, node.inputs, strict=True):
            if parent in wanted:
                pullback, parameters = self.pullbacks[name]
                names["shape"], names["dtype"] = parent.shape, parent.dtype
                h = pullback(g, *[names[p] for p in parameters])
                pairs.append((parent, self.fitted(h, parent)))
        return pairs

    def restored(self, node: Node) -> dict[str, Any]:
        """What the node has kept, by name, as tensors; its options too."""
        if node.kept is None:
            raise RuntimeError(
                f"{self.name}: what its pullback needs was freed by an earlier backward; pass "
                "retain_graph=True to that one"
            )
        names = {name: restore(saved, self, name) for name, saved in node.kept.items()}
        if is_grad_enabled():  # the gradient is to be differentiated, too
            nodes = dict(zip(self._keys(node.inputs), node.inputs, strict=True)) | {"y": node}
            for name, x in names.items():
                if isinstance(x, Tensor):
                    x._node = nodes[name]
        if self.variadic:
            names[self.inputs[0]] = tuple([x for name, x in names.items() if name != "y"])
        return names | node.options

    def fitted(self, h: Any, parent: Node) -> Tensor | SparseRows:
        """What a pullback returned, checked; summed over the axes where its input broadcast."""
        if not isinstance(h, Tensor | SparseRows):
            raise TypeError(f"{self.name}: a pullback returned a {type(h).__name__}, not a Tensor")
        if h.shape != parent.shape and self.elementwise:
            h = h.sum_to_size(parent.shape)
        if h.shape != parent.shape or h.dtype != parent.dtype:
            raise RuntimeError(
                f"{self.name}: a pullback returned {h.dtype} {h.shape} for an input of "
                f"{parent.dtype} {parent.shape}; if inputs may broadcast, say elementwise=True"
            )
        return h


@Seam
def compute(op: Operation, arrays: Sequence[Any], options: dict[str, Any]) -> Any:
    """The value on arrays."""
    return op.value(*arrays, **options)


@Seam
def save(x: Any) -> tuple:
    """What is kept of an input or an output: array or other value, whether it was a tensor."""
    return (x._array, True) if isinstance(x, Tensor) else (x, False)


@Seam
def restore(saved: tuple, op: Operation, name: Any) -> Any:
    """What was saved of the operation's input or output `name`: a tensor, if it was one."""
    value, was_tensor = saved
    return wrap(value) if was_tensor else value


@Seam
def callable_of(op: Operation) -> Callable[..., Tensor]:
    """The function that users call."""
    return lambda *inputs, **options: op(*inputs, **options)


def operation(
    *,
    elementwise: bool = False,
    each: bool = False,
    floating: bool = False,
    view: bool = False,
    exact: bool = False,
    joint: Callable | None = None,
    flops: Callable | None = None,
    **pullbacks: Callable,
) -> Callable[[Callable], Callable[..., Tensor]]:
    """Make an operation on tensors of a function on arrays.

    The decorated function takes arrays, its inputs, as positional parameters and whatever else it
    needs, its options, as keyword-only ones. It must not change its inputs.

    Args:
        pullbacks: for each differentiable input, by its name, a function `(g, …) -> Tensor` from
            the gradient with respect to the output to that with respect to the input, written
            with operations on tensors. After `g` it names what it needs: inputs, options, the
            output `y`, or the `shape` and `dtype` that its result must have. The gradient of a leaf
            may be computed in another thread.
        joint: instead, one function that returns a gradient (or None) for every input, where they
            share work or one name stands for all, as `*tensors` of `cat`; `needs` tells it which
            are wanted.
        flops: for `minigen.profile` a function `(y, …) -> int` of the output's array and the
            inputs and options that it names: how many multiplications and additions. Without it
            one counts for each element of the largest array, and none if `exact`.
        elementwise: inputs broadcast and promote as in PyTorch; gradients are summed over the
            axes along which an input was broadcast. That the value can do it is not enough.
        each: the value works on each element by itself, as it does if `elementwise`: on a GPU its
            result then lies in memory as its inputs do. For what has no pullback, such as `==`.
        floating: integers become float32 first.
        view: the output may share memory with the first input.
        exact: the value only moves or chooses elements, as a view does. Any other operation on
            float16 computes in float32, value and pullbacks.

    Raises:
        TypeError: a pullback for no input, or one that takes a name which is not there; an input
            with a name that means something else in a pullback.
    """

    def define(value: Callable) -> Callable[..., Tensor]:
        op = Operation(value, pullbacks, joint, flops, elementwise, each, floating, view, exact)
        apply = functools.wraps(value)(callable_of(op))
        apply.operation = op
        return apply

    return define
