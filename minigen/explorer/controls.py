"""What can be moved on the page, and values from there checked against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from minigen.training.common import is_finite, short


class ValuesError(ValueError):
    """Values that a page of this program does not send."""


@dataclass(frozen=True)
class Slider:
    """A number from `least` to `most`; a `whole` one has no fraction."""

    name: str
    label: str
    least: float
    most: float
    value: float
    whole: bool = False

    def checked(self, given: Any) -> float:
        """The number that was given.

        Raises:
            ValuesError: it is none, or out of bounds.
        """
        if not is_finite(given) or not self.least <= given <= self.most:
            raise ValuesError(
                f"{self.name}: expected a number from {self.least} to {self.most}, got"
                f" {short(given)}"
            )
        if self.whole and given != int(given):
            raise ValuesError(f"{self.name}: expected a whole number, got {short(given)}")
        return int(given) if self.whole else float(given)


@dataclass(frozen=True)
class Sliders:
    """Numbers from `least` to `most`, with a slider each: a code, or a share for each layer.

    Attributes:
        value: what they are at first.
        drawn: how the page may draw them anew: "normal", "uniform", or "" for not at all.
        names: of each, where they have any.
    """

    name: str
    label: str
    least: float
    most: float
    value: tuple[float, ...]
    drawn: str = ""
    names: tuple[str, ...] = ()

    def checked(self, given: Any) -> list[float]:
        """The numbers that were given.

        Raises:
            ValuesError: they are none, too few or too many, or out of bounds.
        """
        if not isinstance(given, list) or len(given) != len(self.value):
            raise ValuesError(
                f"{self.name}: expected {len(self.value)} numbers, got {short(given)}"
            )
        one = Slider(self.name, self.label, self.least, self.most, 0)
        return [one.checked(number) for number in given]


@dataclass(frozen=True)
class Plane:
    """Two of some sliders' numbers, moved at once in a plane; what is given is which goes across,
    which goes up, and whether pictures all over the plane are wanted, 1 or 0."""

    name: str
    label: str
    of: str
    count: int
    value: tuple[int, int, int] = (0, 1, 1)

    def checked(self, given: Any) -> list[int]:
        """The three numbers that were given.

        Raises:
            ValuesError: they are none.
        """
        if not isinstance(given, list) or [type(n) for n in given] != [int] * 3:
            raise ValuesError(f"{self.name}: expected three whole numbers, got {short(given)}")
        if not all(0 <= n < self.count for n in given[:2]) or given[2] not in (0, 1):
            raise ValuesError(f"{self.name}: expected numbers below {self.count}, got {given}")
        return given


@dataclass(frozen=True)
class Choice:
    """One of several; its value is the place in the list."""

    name: str
    label: str
    options: tuple[str, ...]
    value: int = 0

    def checked(self, given: Any) -> int:
        """The place that was given.

        Raises:
            ValuesError: there is no such place.
        """
        if type(given) is not int or not 0 <= given < len(self.options):
            raise ValuesError(
                f"{self.name}: expected a whole number below {len(self.options)}, got"
                f" {short(given)}"
            )
        return given


@dataclass(frozen=True)
class Text:
    """A line of text of `longest` characters at most."""

    name: str
    label: str
    value: str = ""
    longest: int = 200

    def checked(self, given: Any) -> str:
        """The text that was given.

        Raises:
            ValuesError: it is none, or too long.
        """
        if not isinstance(given, str) or len(given) > self.longest:
            raise ValuesError(
                f"{self.name}: expected {self.longest} characters at most, got {short(given)}"
            )
        return given


Control = Slider | Sliders | Plane | Choice | Text


def checked(controls: Sequence[Control], values: Any) -> dict[str, Any]:
    """Values by the names of the controls; what is not given is as it is at first.

    Raises:
        ValuesError: a value is wrong, or there is no such control.
    """
    if not isinstance(values, Mapping):
        raise ValuesError(f"expected values by name, got {short(values)}")
    known = {control.name: control for control in controls}
    if other := [name for name in values if name not in known]:
        raise ValuesError(f"there is no control {short(other[0])}")
    found = {name: first(control) for name, control in known.items()}
    return found | {name: known[name].checked(value) for name, value in values.items()}


def first(control: Control) -> Any:
    """What a control's value is before anybody moves it."""
    return list(control.value) if isinstance(control.value, tuple) else control.value


def described(control: Control) -> dict[str, Any]:
    """A control for the page."""
    return {"kind": type(control).__name__.lower(), **asdict(control)}
