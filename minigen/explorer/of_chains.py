"""Diffusion of pictures: each step of a short chain is shown as a guess of what it leads to."""

from __future__ import annotations

from typing import Any

from minigen import Tensor
from minigen.explorer.answers import picture
from minigen.explorer.controls import Slider, Text
from minigen.explorer.view import View, class_of, seed_of
from minigen.explorer.worker import Show
from minigen.models.diffusion import ddim
from minigen.training.trained import DrawingDiffusion
from minigen.training.trained_kinds import Phrases

MOST_STEPS = 10
MOST_GUIDANCE = 10.0


class OfDiffusion(View[DrawingDiffusion]):
    """DDIM with η = 0, by which a picture is a function of its noise.

    Args:
        trained: the model.
    """

    sees = (
        "The first guess is the mean of all that the noise may become; each step decides more of"
        " it. Between two noises the picture changes step by step, too."
    )

    def __init__(self, trained: DrawingDiffusion):
        super().__init__(trained)
        most = min(MOST_STEPS, len(trained.model.schedule))
        if trained.classes:
            self.controls.append(class_of("class", "class", trained.classes))
        if isinstance(trained, Phrases):
            self.controls.append(Text("phrase", "phrase", "three red sevens", longest=40))
        if self.controls:
            guidance = min(trained.settings.guidance, MOST_GUIDANCE)
            self.controls.append(Slider("guidance", "guidance w", 0.0, MOST_GUIDANCE, guidance))
        self.controls += [
            Slider("steps", "steps of DDIM", 1, most, most, whole=True),
            seed_of("first", "noise"),
            seed_of("second", "second noise", 1),
            Slider("between", "from the noise to the second", 0.0, 1.0, 0.0),
        ]

    def draw(self, values: dict[str, Any], show: Show) -> None:
        """The guess of each step, the last of which is the picture."""
        trained, steps = self.trained, values["steps"]
        ends = (trained.noise(1, values[name]) for name in ("first", "second"))
        noise = trained.between(*ends, values["between"])
        labels = None
        if trained.classes:
            labels = [values["class"]]
        elif "phrase" in values:
            labels = [values["phrase"]]
        told = None if labels is None else trained.labels_for(labels, 1)

        def each(t: int, x: Tensor, guess: Tensor) -> Tensor:
            caption = f"step {steps - t} of {steps}"
            show({"picture": picture(trained.unit(guess.numpy())), "caption": caption})
            return x

        chain = trained.model.respaced(steps)
        ddim(chain, noise, told, guidance=values.get("guidance", 0.0), each=each)
