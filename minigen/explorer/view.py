"""What every kind of model has for the page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from minigen.explorer.controls import Choice, Control, Slider, Sliders
from minigen.explorer.worker import Show
from minigen.training.trained import Trained

Kind = TypeVar("Kind", bound=Trained)
WIDEST = 3.0  # of a number of N(0, 1) on a slider: 99.7 % lie within
SEEDS = 999


class View(Generic[Kind]):
    """A trained model, what can be moved, and what it then looks like.

    Args:
        trained: the model.

    Attributes:
        controls: what can be moved.
        shows: what the page is to show: "picture", "plane" or "words".
        sees: one sentence of what to see.
        takes: channels and side of the pictures that can be given; None for none.
    """

    shows = "picture"
    sees = ""

    def __init__(self, trained: Kind):
        self.trained = trained
        self.controls: list[Control] = []
        self.takes: tuple[int, int] | None = None

    def about(self) -> dict[str, Any]:
        """For the page, beside the controls. Of the run's folder the last name is told, for the
        others may be its owner's."""
        trained = self.trained
        steps = f", after {trained.step:,} steps" if trained.step else ""
        return {
            "title": Path(trained.name).resolve().name if trained.run else trained.name,
            "notes": f"a model of demos/{trained.demo}.py{steps}",
            "sees": self.sees,
            "shows": self.shows,
            "takes": self.takes is not None,
        }

    def draw(self, values: dict[str, Any], show: Show) -> None:
        """Show what these values, which are checked, give: one answer, or several, the best one
        last."""
        raise NotImplementedError

    def given(self, images: np.ndarray) -> dict[str, Any]:
        """What a picture (1, C, H, W), from 0 to 1, gives: an answer, in which `values` are those
        to go on with."""
        raise NotImplementedError


def code(name: str, label: str, like: np.ndarray, edge: float = WIDEST, drawn: str = "") -> Sliders:
    """Sliders for a code, from −edge to edge, which begin at `like`, (numbers,)."""
    value = tuple(np.asarray(like, float).clip(-edge, edge).round(2).tolist())
    return Sliders(name, label, -edge, edge, value, drawn)


def seed_of(name: str, label: str, value: int = 0) -> Slider:
    """A slider for the seed of a random stream."""
    return Slider(name, f"{label}, its seed", 0, SEEDS, value, whole=True)


def class_of(name: str, label: str, classes: Sequence[str], value: int = 0) -> Choice:
    """A choice of a class."""
    return Choice(name, label, tuple(classes), int(value))


def row(values: Sequence[float]) -> np.ndarray:
    """Numbers as a batch of one."""
    return np.asarray([values], np.float32)
