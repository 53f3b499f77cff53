"""Autoencoders, variational or not: a code makes a picture, and a picture a code."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.explorer.answers import numbers, picture
from minigen.explorer.controls import Plane
from minigen.explorer.view import WIDEST, View, code, row
from minigen.explorer.worker import Show
from minigen.training.trained import DrawingAutoencoder, DrawingVAE

SIDE = 11  # pictures a side, all over the plane
FAR = 10.0  # from 0 do the codes of an autoencoder lie, or less: no prior holds them together


class OfCodes(View[DrawingVAE]):
    """A decoder, and an encoder.

    Args:
        trained: the model.
    """

    sees = (
        "Click into the plane, or move a latent: the decoder draws what lies there. A picture of"
        " your own becomes a place, from which you can go on."
    )

    def __init__(self, trained: DrawingVAE):
        super().__init__(trained)
        if isinstance(trained, DrawingAutoencoder):
            self.code = code("z", "code z", np.zeros(trained.latents), FAR)
        else:
            self.code = code("z", "latents z", trained.noise(1).numpy()[0], WIDEST, "normal")
        if trained.latents > 1:
            self.controls.append(Plane("plane", "latent plane", self.code.name, trained.latents))
        self.controls.append(self.code)
        self.takes = trained.image_shape[:2]

    def draw(self, values: dict[str, Any], show: Show) -> None:
        """The picture, and then, if wanted, those all over the plane."""
        z = row(values[self.code.name])
        show({"picture": picture(self.trained.draw(z))})
        across, up, wanted = values.get("plane", (0, 0, 0))
        if wanted:
            many = np.repeat(z, SIDE * SIDE, 0)
            # Where the middles of the pictures lie; of z_up the largest is the uppermost.
            line = self.code.most * (2 * (np.arange(SIDE) + 0.5) / SIDE - 1)
            many[:, across], many[:, up] = np.tile(line, SIDE), np.repeat(-line, SIDE)
            show({"plane": picture(self.trained.draw(many), columns=SIDE)})

    def given(self, images: np.ndarray) -> dict[str, Any]:
        """The code of a picture, as far as the sliders go."""
        z = self.trained.encode(images)[0].clip(self.code.least, self.code.most)
        return {"values": {self.code.name: numbers(z)}, "given": picture(images)}
