"""The last rank of a group whose others are made up: what it would send is noted, not sent.

So one process finds out what a rank of a thousand does in a step: what it computes, and how many
messages of which size it waits for. The last one has most to do, for it passes over the noise of
all before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from minigen.backend import Array


class Rehearsal:
    """The group, see `group.Backend`. Sums come back as what was sent.

    Args:
        size: how many ranks there are said to be.
        seconds: of a message of so many bytes; it is on its way for so long, one message after the
            other.

    Attributes:
        sent: the bytes of each message, in order.
    """

    name, patient = "rehearsal", False

    def __init__(self, size: int, seconds: Callable[[int], float] = lambda size: 0.0):
        self.size, self.rank, self._seconds = size, size - 1, seconds
        self._free = 0.0  # when the last message is through
        self.sent: list[int] = []

    def all_reduce(self, array: Array, op: str, lane: Any = None) -> Arriving:
        """Note a message."""
        self.sent.append(array.nbytes)
        self._free = max(self._free, time.perf_counter()) + self._seconds(array.nbytes)
        return Arriving(self._free)

    def broadcast(self, array: Array, src: int) -> Arriving:
        """Note a message."""
        return self.all_reduce(array, "max")

    def lane(self) -> None:
        """There is one way for all."""

    def gather(self, value: Any) -> list[Any]:
        """The value, of as many ranks."""
        return [value] * self.size

    def barrier(self, patient: bool = False) -> None:
        """All are there."""

    def fail(self, line: str) -> None:
        """End with one line."""
        raise SystemExit(line)

    def close(self) -> None:
        """There is nothing to leave."""


class Arriving:
    """A message that is through at a time."""

    def __init__(self, when: float):
        self._when = when

    def wait(self) -> None:
        """Return when it is through."""
        time.sleep(max(0.0, self._when - time.perf_counter()))
