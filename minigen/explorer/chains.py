"""Diffusion of images: each step of a short chain is shown as a guess of the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import minigen
from minigen import Generator, Tensor
from minigen.explorer.answers import picture
from minigen.explorer.controls import Control, Slider
from minigen.explorer.images import classes_of, label
from minigen.explorer.view import View
from minigen.explorer.worker import Show
from minigen.models.diffusion import Diffusion, ddim

MOST_STEPS = 10  # of a chain, of which each picture is a function of its noise


class OfDiffusion(View):
    """DDIM from noise on, η = 0.

    Args:
        model: with the weights to draw with.
        shape: of a picture, (channels, height, width).
        classes: their names, if it is told the class.
        guidance: w at first.
    """

    sees = (
        "The first guess is the mean of all that the noise may become; each step decides more of"
        " it. Between two noises pictures change step by step, too."
    )

    def __init__(
        self,
        model: Diffusion,
        shape: Sequence[int],
        classes: Sequence[str] = (),
        guidance: float = 0.0,
    ):
        self.model, self.shape = model, tuple(shape)
        self.like = next(iter(model.parameters()))
        most = min(MOST_STEPS, len(model.schedule))
        self.controls: list[Control] = [classes_of(classes)] if classes else []
        if classes:
            guidance = min(guidance, 10.0)
            self.controls.append(Slider("guidance", "guidance w", 0.0, 10.0, guidance))
        self.controls += [
            Slider("steps", "steps of DDIM", 1, most, most, whole=True),
            Slider("first", "noise, its seed", 0, 999, 0, whole=True),
            Slider("second", "second noise, its seed", 0, 999, 1, whole=True),
            Slider("between", "from the noise to the second", 0.0, 1.0, 0.0),
        ]

    def noise(self, values: dict[str, Any]) -> Tensor:
        """On an arc between two noises, along which all are as long as noise is."""
        angle = values["between"] * math.pi / 2
        ends = (
            minigen.randn(
                1, *self.shape, generator=Generator(values[name]), dtype=self.like.dtype,
                device=self.like.device,
            )
            for name in ("first", "second")
        )  # fmt: skip
        return math.cos(angle) * next(ends) + math.sin(angle) * next(ends)

    def draw(self, values: dict[str, Any], show: Show) -> None:
        """The guess of each step, the last of which is the picture."""
        chain = self.model.respaced(values["steps"])
        told = [label(values["class"], self.like)] if "class" in values else []

        def each(t: int, x: Tensor, guess: Tensor) -> Tensor:
            done = values["steps"] - t
            show({"picture": picture(guess), "caption": f"step {done} of {values['steps']}"})
            return x

        ddim(chain, self.noise(values), *told, guidance=values.get("guidance", 0.0), each=each)
