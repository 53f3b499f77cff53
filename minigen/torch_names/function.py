"""Functions with a gradient of their own, as `torch.autograd.Function` writes them.

New programs write `minigen.operation` instead, which says once what this finds out at each call.
"""

from __future__ import annotations

from typing import Any

from minigen.functional import zeros_like
from minigen.modes import no_grad
from minigen.operation import Operation
from minigen.tensor import Tensor


class Context:
    """What `forward` leaves for `backward`: any attributes, and tensors.

    Attributes:
        needs_input_grad: for each argument of `apply`, whether its gradient is wanted.
    """

    def __init__(self, needs: tuple[bool, ...]):
        self.needs_input_grad = needs
        self._saved: tuple[Tensor | None, ...] = ()
        self._linked: dict[int, Tensor] = {}  # what the tape gives back for a saved one, by its id
        self._without: set[int] = set()
        self._materialized = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs and outputs, through which gradients of the gradient flow, or others."""
        self._saved = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was saved."""
        return tuple(self._linked.get(id(t), t) for t in self._saved)

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """These outputs require no gradient."""
        self._without = {id(y) for y in outputs}

    def set_materialize_grads(self, value: bool) -> None:
        """Whether gradients that are not there are zeros, and not None."""
        self._materialized = value

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
        """`forward(ctx, *args)`, or `forward(*args)` where there is a `setup_context`: a tensor or
        several. Nothing within is recorded."""
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
            TypeError: `forward` returns something else than tensors.
            RuntimeError: in the walk back: `backward` returns too few gradients, or too many.
        """
        ctx = Context(tuple(isinstance(x, Tensor) and x.requires_grad for x in args))
        with no_grad():
            if cls.setup_context is Function.setup_context:
                made = cls.forward(ctx, *args)
            else:
                made = cls.forward(*args)
                cls.setup_context(ctx, args, made)
        outputs = made if isinstance(made, tuple) else (made,)
        if not all(isinstance(y, Tensor) for y in outputs):
            raise TypeError(f"{cls.__name__}.forward: expected a tensor or a tuple of tensors")
        results = tuple(_recorded(cls, ctx, args, outputs, i) for i in range(len(outputs)))
        return results if isinstance(made, tuple) else results[0]


def _recorded(
    cls: type[Function], ctx: Context, args: tuple, outputs: tuple[Tensor, ...], place: int
) -> Tensor:
    """One output, with `backward` for its pullback. A gradient is linear in those of all outputs:
    it is the sum of what is made of each, beside zeros for the others."""
    made = outputs[place]
    given = {i: x for i, x in enumerate(args) if isinstance(x, Tensor)}
    if id(made) in ctx._without:
        return made.detach()

    def value(*inputs: Any) -> Any:
        shared = any(made is x for x in args)
        return made._array.copy() if shared else made._array

    def pullback(g: Tensor, inputs: tuple[Tensor, ...], y: Tensor, needs: list[bool]) -> list:
        ids = [id(x) for x in (*given.values(), made)]
        ctx._linked = dict(zip(ids, (*inputs, y), strict=True))
        empty = [zeros_like(other) if ctx._materialized else None for other in outputs]
        found = cls.backward(ctx, *empty[:place], g, *empty[place + 1 :])
        ctx._linked = {}
        found = found if isinstance(found, tuple | list) else (found,)
        if len(found) != len(args):
            raise RuntimeError(
                f"{cls.__name__}.backward: expected {len(args)} gradients, one for each argument of"
                f" forward, or None, got {len(found)}"
            )
        return [found[i] for i in given]

    value.__name__ = cls.__name__
    return Operation(value, {}, joint=pullback, exact=True)(*given.values())
