"""Seams: where `minigen.engine` takes hold of the idea to make it faster or safer. The plain
function stands where it is used, and works alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class Seam:
    """A function that another may stand in for, which gives the same numbers. A decorator.

    Attributes:
        plain: the function as it is written here.
        now: the one that is called.
    """

    def __init__(self, plain: Callable):
        self.plain = self.now = plain
        functools.update_wrapper(self, plain)

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.now(*args, **options)

    def fill(self, other: Callable) -> Callable:
        """Call `other` from now on. A decorator, too."""
        self.now = other
        return other


@Seam
def sharers(tensor: Any) -> tuple[int, bool]:
    """How many other tensors, made of this one or the other way round, are alive in its memory, and
    whether arrays outside may lie there. Without the engine nobody knows."""
    return 0, False


@Seam
def observed(what: Any, f: Callable, /, *args: Any, **options: Any) -> Any:
    """`f(*args, **options)`, the value of an operation or the step of an optimiser: `what`."""
    return f(*args, **options)
