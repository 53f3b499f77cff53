"""Functions with a gradient of their own, as `torch.autograd.Function` writes them.

New programs write `minigen.operation` instead, which says once what this finds out at each call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from minigen.functional import cat, zeros_like
from minigen.modes import no_grad
from minigen.operation import Operation, restore, save
from minigen.sparse import SparseRows
from minigen.tape import Node, is_grad_enabled
from minigen.tensor import Tensor, wrap


class Context:
    """What `forward` leaves for `backward`: any attributes, and tensors.

    Attributes:
        needs_input_grad: for each argument of `apply`, whether its gradient is wanted.
        saved_tensors: in `backward`, what was saved.
    """

    def __init__(self, needs: tuple[bool, ...]):
        self.needs_input_grad = needs
        self.saved_tensors: tuple[Tensor | None, ...] = ()
        self.without: tuple[Tensor, ...] = ()
        self.materialized = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs and outputs, through which gradients of the gradient flow, or others. None of
        them may change in place before `backward`."""
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """These outputs require no gradient."""
        self.without = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """Whether gradients of outputs that have none are zeros, and not None."""
        self.materialized = value

    def mark_dirty(self, *inputs: Tensor) -> None:
        """Nothing is changed in place here.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("mark_dirty: minigen's Function changes no input in place")


class Function:
    """A function and its gradient; subclasses define both, and are called by `apply`.

        class Double(Function):
            @staticmethod
            def forward(ctx, x):
                return x * 2

            @staticmethod
            def backward(ctx, g):
                return g * 2

    If `backward` is made of operations on tensors, gradients of any order follow.
    """

    @staticmethod
    def forward(*args: Any, **options: Any) -> Any:
        """`forward(ctx, *args)`, or `forward(*args)` where there is a `setup_context`: a tensor, or
        a tuple of tensors and other values. Nothing within is recorded."""
        raise NotImplementedError("a Function defines forward")

    @staticmethod
    def setup_context(ctx: Context, inputs: tuple, output: Any) -> None:
        """Leave for `backward` what it needs, if `forward` does not."""

    @staticmethod
    def backward(ctx: Context, *gradients: Any) -> Any:
        """From the gradients with respect to the outputs those with respect to all arguments, None
        for what has none."""
        raise NotImplementedError("a Function defines backward")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """The function of these arguments.

        Raises:
            TypeError: `forward` returns neither a tensor nor a tuple.
            RuntimeError: in the walk back: `backward` returns too few gradients, or too many; or
                what was saved has changed.
        """
        needs = [isinstance(x, Tensor) and x.requires_grad for x in args]
        ctx = Context(tuple(needs))
        with no_grad():
            if cls.setup_context is Function.setup_context:
                made = cls.forward(ctx, *args)
            else:
                made = cls.forward(*args)
                cls.setup_context(ctx, args, made)
        if not isinstance(made, Tensor | tuple):
            raise TypeError(f"{cls.__name__}.forward: expected a tensor or a tuple")
        outputs = made if isinstance(made, tuple) else (made,)
        results = [y.detach() if isinstance(y, Tensor) else y for y in outputs]
        if any(needs) and is_grad_enabled():
            call = _Call(cls, ctx, args, outputs)
            for i, y in (call.record(args, outputs) if call.flowing else {}).items():
                results[i] = y
        return tuple(results) if isinstance(made, tuple) else results[0]


def _place(x: Any, among: Sequence[Any]) -> int | None:
    return next((i for i, other in enumerate(among) if other is x), None)


class _Call(Operation):
    """One call of a Function, as an operation on its tensors. Of several outputs the tape knows one
    tensor, their numbers in a row, of which the outputs are parts: so their gradients come
    together."""

    def __init__(self, cls: type[Function], ctx: Context, args: tuple, outputs: tuple):
        super().__init__(lambda *tensors: None, {})
        self.name, self.function, self.ctx, self.arguments = cls.__name__, cls, ctx, len(args)
        self.places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        self.flowing, self.others = [], [None] * len(outputs)  # gradients that nothing brings
        for i, y in enumerate(outputs):
            if isinstance(y, Tensor) and y.dtype.kind == "f" and _place(y, ctx.without) is None:
                self.flowing.append(i)
            elif isinstance(y, Tensor) and ctx.materialized:
                self.others[i] = zeros_like(y)
        self.likes = [(outputs[i].shape, outputs[i].dtype) for i in self.flowing]

    def record(self, args: tuple, outputs: tuple) -> dict[int, Tensor]:
        """The outputs through which gradients flow, by place, with their history."""
        saved, self.ctx.saved_tensors = self.ctx.saved_tensors, ()
        inputs, flowing = [args[i] for i in self.places], [outputs[i] for i in self.flowing]
        # Which input or output each saved one is.
        self.roles = [(_place(t, inputs), _place(t, flowing)) for t in saved]
        y = flowing[0].detach()
        if len(flowing) > 1:
            y = cat([y.detach().reshape(-1) for y in flowing])
        kept: dict[Any, tuple] = {i: save(t) for i, t in enumerate(saved)}
        if any(output is not None for _, output in self.roles):
            kept["y"] = save(y)
        y._node = Node(self, [x._node for x in inputs], kept, {}, y)
        return dict(zip(self.flowing, self.parts(y), strict=True))

    def parts(self, y: Tensor) -> list[Tensor]:
        """The outputs whose numbers are in y."""
        if len(self.likes) == 1:
            return [y]
        pieces = zip(
            y.split([math.prod(shape) for shape, _ in self.likes]), self.likes, strict=True
        )
        return [piece.reshape(shape).to(dtype) for piece, (shape, dtype) in pieces]

    def restored(self, node: Node) -> dict[Any, Any]:
        """What was saved, by place, with its history if the gradient is differentiated, too."""
        if node.kept is None:
            return super().restored(node)  # which says that it was freed
        found = {name: restore(saved, self, name) for name, saved in node.kept.items()}
        if not is_grad_enabled():
            return found
        outputs = []
        if "y" in found:
            found["y"]._node = node
            outputs = self.parts(found["y"])
        for i, (of_input, of_output) in enumerate(self.roles):
            if of_input is not None:
                found[i]._node = node.inputs[of_input]
            elif of_output is not None:
                found[i] = outputs[of_output]
        return found

    def pull(self, node: Node, g: Any, wanted: set[Node]) -> list[tuple[Node, Any]]:
        """What `backward` makes of the gradients of the outputs."""
        g = wrap(g.to_dense()) if isinstance(g, SparseRows) else g
        saved, gradients = self.restored(node), list(self.others)
        for i, part in zip(self.flowing, self.parts(g), strict=True):
            nothing = not self.ctx.materialized and not part.any().item()
            gradients[i] = None if nothing else part
        self.ctx.saved_tensors = tuple(saved[i] for i in range(len(self.roles)))
        try:
            found = self.function.backward(self.ctx, *gradients)
        finally:
            self.ctx.saved_tensors = ()
        found = found if isinstance(found, tuple | list) else (found,)
        if len(found) < self.arguments or any(h is not None for h in found[self.arguments :]):
            raise RuntimeError(
                f"{self.name}.backward: expected {self.arguments} gradients, one for each argument "
                f"of forward, or None, got {len(found)}"
            )
        pairs = zip(node.inputs, (found[i] for i in self.places), strict=True)
        return [(p, self.fitted(h, p)) for p, h in pairs if p in wanted and h is not None]

    def fitted(self, h: Any, parent: Node) -> Any:
        """A gradient, summed to the input's shape and in its dtype."""
        if isinstance(h, Tensor):
            h = h.sum_to_size(parent.shape) if h.shape != parent.shape else h
            h = h.to(parent.dtype) if h.dtype != parent.dtype else h
        return super().fitted(h, parent)
