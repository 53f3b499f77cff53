"""What is said of a name that is PyTorch's and not minigen's, or nobody's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any


def missing(name: str, known: Iterable[str], owner: str = "") -> AttributeError:
    """The error for `owner.name`, which names what of the `known` comes near it."""
    if name.startswith("__"):  # Python's own questions, such as `copy` and `inspect` ask
        return AttributeError(name)
    prefix = f"{owner}." if owner else ""
    public = {known_name.lower(): known_name for known_name in known if known_name[0] != "_"}
    near = get_close_matches(name.lower(), public, 1, 0.8)
    hint = f"; did you mean {prefix}{public[near[0]]}?" if near else ""
    return AttributeError(f"minigen has no {prefix}{name}{hint}", name=name)


def missing_from(names: dict[str, Any], owner: str = "") -> Callable[[str], Any]:
    """A module's `__getattr__`, of its `globals()`."""

    def __getattr__(name: str) -> Any:
        raise missing(name, names.get("__all__", names), owner)

    return __getattr__
