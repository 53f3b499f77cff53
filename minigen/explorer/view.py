"""What every kind of model has for the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigen.explorer.controls import Control
from minigen.explorer.worker import Show


class View:
    """A model, what can be moved, and what it then looks like.

    Attributes:
        controls: what can be moved.
        shows: what the page is to show: "picture", "plane" or "words".
        sees: one sentence of what to see.
        seen: channels and side of pictures that the model encodes; None if it encodes none.
        title, notes: of the run, for the top of the page.
    """

    controls: Sequence[Control] = ()
    shows = "picture"
    sees = ""
    seen: tuple[int, int] | None = None
    title = ""
    notes = ""

    def about(self) -> dict[str, Any]:
        """For the page, beside the controls."""
        return {
            "title": self.title,
            "notes": self.notes,
            "sees": self.sees,
            "shows": self.shows,
            "encodes": self.seen is not None,
        }

    def draw(self, values: dict[str, Any], show: Show) -> None:
        """Show what these values, which are checked, give: one answer, or several, the best one
        last."""
        raise NotImplementedError

    def encode(self, images: np.ndarray) -> dict[str, Any]:
        """Values of images (1, C, H, W), from 0 to 1, and what the model sees of them."""
        raise NotImplementedError
