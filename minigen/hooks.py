"""Hooks: functions that users hang on tensors and modules."""

from __future__ import annotations

from collections.abc import Callable


class HookHandle:
    """A function that is called, until `remove()`, after those that were hung up before it; one
    whose attribute `last` is true comes after all others."""

    def __init__(self, hooks: list[Callable], hook: Callable):
        self._hooks: list[Callable] | None = hooks
        self._hook = hook
        hooks.append(hook)
        hooks.sort(key=lambda hook: getattr(hook, "last", False))

    def remove(self) -> None:
        """Call it no longer; a second time does nothing."""
        if self._hooks is not None:
            self._hooks.remove(self._hook)
            self._hooks = None
