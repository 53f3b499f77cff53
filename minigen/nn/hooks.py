"""Backward hooks: what they see and change are the gradients of a module's inputs and outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.backend import Array, namespace
from minigen.operation import operation
from minigen.tape import is_grad_enabled
from minigen.tensor import Tensor

Gradients = tuple[Tensor | None, ...]


class Meeting:
    """The gradients of several tensors, and the function that is given all of them together."""

    def __init__(self, tensors: Sequence[Any], together: Callable[[Gradients], Gradients]):
        recorded = [isinstance(t, Tensor) and t.requires_grad for t in tensors]
        self.places = [i for i, wanted in enumerate(recorded) if wanted and is_grad_enabled()]
        self.together, self.found = together, [None] * len(tensors)

    def part(self, g: Tensor, place: int) -> tuple[None, Tensor]:
        """One more has come. It goes no further: a 0 does, so that the walk comes to the rest."""
        self.found[place] = g
        return None, Tensor(np.zeros((), np.float32))

    def whole(self) -> Gradients:
        """All have come."""
        found, self.found = tuple(self.found), [None] * len(self.found)
        changed = self.together(found)
        return tuple(changed[place] for place in self.places)


# The walk back comes to a node after all that used it: here after the gradients of all tensors.
@operation(exact=True, joint=lambda g, meeting: meeting.whole())
def _hooks(*tensors: Array, meeting: Meeting) -> Array:
    return namespace(tensors[0]).zeros((), np.float32)


@operation(view=True, joint=lambda g, meeting, place: meeting.part(g, place))
def _hooked(input: Array, gate: Array, *, meeting: Meeting, place: int) -> Array:
    return input


def _by_way_of(tensors: Sequence[Any], together: Callable[[Gradients], Gradients]) -> list | None:
    """The same tensors, so recorded that `together` is given the gradients of all at once, None
    of those without, and returns those to go on with; None if no gradient can come."""
    meeting = Meeting(tensors, together)
    if not meeting.places:
        return None
    gate, by_way_of = _hooks(*[tensors[i] for i in meeting.places], meeting=meeting), list(tensors)
    for i in meeting.places:
        by_way_of[i] = _hooked(tensors[i], gate, meeting=meeting, place=i)
    return by_way_of


def _called(
    hooks: Sequence[Callable], module: Any, gradients: Gradients, *others: Any
) -> Gradients:
    """The gradients, as changed by each hook in turn."""
    for hook in list(hooks):
        changed = hook(module, gradients, *others)
        if changed is not None:
            changed = changed if isinstance(changed, tuple | list) else (changed,)
            if len(changed) != len(gradients):
                raise ValueError(
                    f"a backward hook of {type(module).__name__} must return {len(gradients)} "
                    f"gradients or None, not {len(changed)}"
                )
            gradients = tuple(changed)
    return gradients


def watched(
    module: Any, args: tuple, before: Sequence[Callable], after: Sequence[Callable]
) -> tuple[tuple, Callable[[Any], Any]]:
    """Let hooks be called in the backward pass of one forward.

    Args:
        args: the forward's.
        before: called as hook(module, gradients of outputs).
        after: called as hook(module, gradients of inputs, gradients of outputs).

    Returns:
        What the forward is to be given, and a function that its output must go through.
    """
    arrived: Gradients = ()

    def at_inputs(gradients: Gradients) -> Gradients:
        return _called(after, module, gradients, arrived)

    def at_outputs(gradients: Gradients) -> Gradients:
        nonlocal arrived
        arrived = _called(before, module, gradients)
        if inputs is None:
            at_inputs((None,) * len(args))
        return arrived

    def through(output: Any) -> Any:
        if not isinstance(output, Tensor | tuple | list):
            raise TypeError(
                f"{type(module).__name__} has a backward hook, so its output must be a Tensor or "
                f"several in a tuple, not a {type(output).__name__}"
            )
        outputs = _by_way_of([output] if isinstance(output, Tensor) else output, at_outputs)
        if outputs is None:
            return output
        return outputs[0] if isinstance(output, Tensor) else type(output)(outputs)

    inputs = _by_way_of(args, at_inputs)
    return (args if inputs is None else tuple(inputs)), through
