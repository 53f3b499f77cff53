"""Which numbers a file must hold, and how they are called."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from minigen.export.trace import Network, Step, Value

SMALL = 64  # numbers; so few are worth no operation


def stored(network: Network, others: Collection[str] = ()) -> dict[Value, str]:
    """The constants that a file must hold, each with its name, so that all steps can be done.

    What is made of constants alone is done beforehand, and only the result is stored: a weight is
    divided by its spectral norm, say, and has the name of the weight. But what is large and can be
    made of what is stored anyway is left to be done, or a file would be larger than its weights.
    No name is among the `others`, or such as the writer gives to what is calculated.
    """
    used = [
        x
        for step in network.steps
        if not step.fixed
        for x in step.inputs
        if isinstance(x, Value) and x.fixed
    ]
    used += [y for y in network.outputs if y.fixed]
    kept: dict[Value, str] = {}
    for value in sorted(dict.fromkeys(used), key=lambda x: isinstance(x, Step)):
        if value.array.size <= SMALL or not made_of(value, kept):
            kept[value] = _own_name(value, {*kept.values(), *others})
    return kept


def made_of(value: Value, kept: Mapping[Value, str]) -> bool:
    """Whether steps lead from what is kept to a constant value."""
    if value in kept:
        return True
    if not isinstance(value, Step):
        return value.array.size <= SMALL
    return all(made_of(x, kept) for x in value.inputs if isinstance(x, Value))


def _own_name(value: Value, taken: set[str]) -> str:
    """The name of the parameter of the same size of which it was made, or one of its own."""
    while isinstance(value, Step):
        sources = [
            x for x in value.inputs if isinstance(x, Value) and x.array.size == value.array.size
        ]
        if not sources:
            break
        value = sources[0]
    name, count = value.name, 1
    while name in taken or re.fullmatch(r"[vn]\d+", name):
        name, count = f"{value.name}_{count}", count + 1
    return name
