"""What is said of a name that is PyTorch's and not minigen's, or nobody's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

Known = Callable[[], Iterable[str]]


class Missing(AttributeError):
    """That there is no such attribute, and which one comes near it. That is looked for only where
    the message is read: `hasattr`, which asks often, throws it away.

    Args:
        message: without the hint.
        name: of the attribute.
        known: the names that there are.
        shown: how the near one is written.
    """

    def __init__(
        self, message: str, name: str = "", known: Known = tuple, shown: str = "{}", obj: Any = None
    ):
        super().__init__(message, name=name, obj=obj)
        self._known, self._shown = known, shown

    def __str__(self) -> str:
        alike = lambda name: name[0].isupper() == self.name[:1].isupper()  # a class for a class
        public = {name.lower(): name for name in sorted(self._known(), key=alike) if name[0] != "_"}
        near = get_close_matches(self.name.lower(), public, 1, 0.8)
        hint = f"; did you mean {self._shown.format(public[near[0]])}?" if near else ""
        return f"{super().__str__()}{hint}"


def missing(name: str, known: Known, owner: str = "") -> AttributeError:
    """The error for `owner.name`, which names what of the `known` comes near it."""
    if name.startswith("__"):  # Python's own questions, such as `copy` and `inspect` ask
        return AttributeError(name)
    prefix = f"{owner}." if owner else ""
    return Missing(f"minigen has no {prefix}{name}", name, known, f"{prefix}{{}}")


def missing_from(names: dict[str, Any], owner: str = "") -> Callable[[str], Any]:
    """A module's `__getattr__`, of its `globals()`."""

    def __getattr__(name: str) -> Any:
        raise missing(name, lambda: names.get("__all__", names), owner)

    return __getattr__
