"""Models that are given a picture: translators make others of it, a classifier reads it."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.explorer.answers import picture
from minigen.explorer.view import Kind, View
from minigen.explorer.worker import Show
from minigen.training.trained_kinds import Reading, Translating

TOLD = 5  # classes, the most probable ones


class OfPicture(View[Kind]):
    """What has nothing to show before a picture is given.

    Args:
        trained: the model.
    """

    def __init__(self, trained: Kind):
        super().__init__(trained)
        self.takes = trained.image_shape[:2]

    def draw(self, values: dict[str, Any], show: Show) -> None:
        """Nothing, before a picture is given."""


class OfTranslation(OfPicture[Translating]):
    """A picture, and what becomes of it in each domain."""

    sees = "Give a picture: what the model makes of it is shown, in each of its domains."

    def given(self, images: np.ndarray) -> dict[str, Any]:
        """Translations, side by side."""
        domains = self.trained.domains or (None,)
        made = np.concatenate([self.trained.translate(images, to) for to in domains])
        caption = ", ".join(self.trained.domains) or "translated"
        shown = {"picture": picture(made, columns=len(made)), "caption": caption}
        return {"given": picture(images), **shown}


class OfReading(OfPicture[Reading]):
    """A picture, and how probable each class is."""

    sees = "Give a picture: the classifier says what it takes it for."

    def given(self, images: np.ndarray) -> dict[str, Any]:
        """The most probable classes."""
        probable = self.trained.read(images)[0]
        best = np.argsort(-probable)[:TOLD]
        said = ", ".join(f"{self.trained.class_names[i]} {probable[i]:.0%}" for i in best)
        return {"picture": picture(images), "caption": said}
