"""GANs of images: a code and a class make a picture; StyleGAN's layers have styles of their own."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

import minigen
from minigen import Generator, Tensor, nn
from minigen import functional as F
from minigen.explorer.answers import picture
from minigen.explorer.controls import Slider, Sliders
from minigen.explorer.view import WIDEST, Kind, View, class_of, code, row, seed_of
from minigen.explorer.worker import Show
from minigen.models.biggan import spectral_layers
from minigen.models.networks import evaluating
from minigen.training.trained import DrawingBigGAN, DrawingGAN, DrawingStyleGAN

BATCHES = 2  # of 64 pictures, of which a truncation's statistics are taken: an eighth of a second


class OfGAN(View[Kind]):
    """G(z), or G(z|y), y being a class or what lies between two.

    Args:
        trained: the model.
    """

    sees = "Each slider is a number of the noise z; nobody has told the generator what it is for."

    def __init__(self, trained: DrawingGAN):
        super().__init__(trained)
        prior = trained.model.prior
        edge = WIDEST if prior == "normal" else 1.0
        if trained.classes:
            self.controls = [
                class_of("class", "class", trained.classes),
                class_of("other", "second class", trained.classes, len(trained.classes) > 1),
                Slider("between", "from the class to the second", 0.0, 1.0, 0.0),
            ]
        first = trained.noise(1).numpy()[0]
        self.controls.append(code("z", "noise z", first, edge, drawn=prior))

    def draw(self, values: dict[str, Any], show: Show) -> None:
        show({"picture": picture(self.trained.draw(row(values["z"]), self.labels(values)))})

    def labels(self, values: dict[str, Any]) -> np.ndarray | None:
        """Weights of the classes (1, classes), or none."""
        if not self.trained.classes:
            return None
        weights = np.zeros((1, len(self.trained.classes)), np.float32)
        weights[0, values["class"]] += 1 - values["between"]
        weights[0, values["other"]] += values["between"]
        return weights


class OfStyleGAN(OfGAN[DrawingStyleGAN]):
    """G's layers are told styles between those of two codes, each layer its own share."""

    sees = (
        "Push the first layers towards the second code, and what is coarse becomes that of another"
        " picture; push the last ones, and the colours do."
    )

    def __init__(self, trained: DrawingStyleGAN):
        super().__init__(trained)
        generator = trained.model.generator
        sizes = [layer.constant_noise.shape[-1] for layer in generator.layers]
        names = (*(f"{i + 1}: {size} × {size}" for i, size in enumerate(sizes)), "last colours")
        self.controls += [
            Slider("psi", "truncation ψ: at 0 all pictures are the mean one", -1.0, 1.5, 1.0),
            seed_of("second", "second code", 1),
            Sliders(
                "layers", "layers' styles: at 0 of the first code, at 1 of the second", 0.0, 1.0,
                (0.0,) * generator.styles_count, names=names,
            ),
            seed_of("noise", "layers' noise; at 0 it is always the same"),
        ]  # fmt: skip

    def draw(self, values: dict[str, Any], show: Show) -> None:
        generator, labels = self.trained.model.generator, self.labels(values)
        codes = row(values["z"]), self.trained.noise(1, values["second"])
        styles = [self.trained.styles(z, labels, values["psi"]) for z in codes]
        share = self.trained.tensor(row(values["layers"])).reshape(1, -1, 1)
        seed = values["noise"]
        noise = generator.draw_noise(1, Generator(seed)) if seed else None
        with evaluating(generator):
            images = generator.synthesis(F.lerp(*styles, share), noise)
        show({"picture": picture(self.trained.unit(images.numpy()))})


class OfBigGAN(OfGAN[DrawingBigGAN]):
    """Classes, and what lies between two; z cut off at a truncation."""

    sees = (
        "With a small truncation pictures are plain examples of their class; between two classes"
        " one becomes the other."
    )

    def __init__(self, trained: DrawingBigGAN):
        super().__init__(trained)
        at_first = min(trained.settings.truncation or WIDEST, WIDEST)
        label = f"truncation of z; {WIDEST:g} is all of it"
        self.controls.append(Slider("truncation", label, 0.2, WIDEST, max(at_first, 0.2)))
        fold(trained.model.generator)
        self._standing: dict[float, list[dict[str, Any]]] = {}

    def draw(self, values: dict[str, Any], show: Show) -> None:
        """At first with the statistics of batch norm at hand, where those of this truncation are
        still to be taken."""
        cut, z = round(values["truncation"], 1), np.asarray(values["z"])
        if cut < WIDEST:  # the same quantile of the narrower distribution, as `sample_noise` has it
            z = ndtri(ndtr(-cut) + ndtr(z) * (ndtr(cut) - ndtr(-cut)))
        told = self.trained.tensor(row(z)), self.trained.tensor(self.labels(values))

        def drawn() -> str:
            return picture(self.trained.unit(self.trained.picture(*told).numpy()))

        if cut not in self._standing:
            show({"picture": drawn(), "caption": "taking this truncation's statistics …"})
        self._stand(cut)
        show({"picture": drawn()})

    def _stand(self, cut: float) -> None:
        """Take batch norm's statistics of this truncation, once; of `Trained` they are those of
        eight times as many pictures, for which nobody would wait at a slider."""
        gan = self.trained.model
        norms = [m for m in gan.generator.modules() if isinstance(m, nn.BatchNorm2d)]
        if cut not in self._standing:
            gan.stand(None if cut >= WIDEST else cut, Generator(0), BATCHES)
            self._standing[cut] = copy.deepcopy([norm.state_dict() for norm in norms])
        for norm, state in zip(norms, self._standing[cut], strict=True):
            norm.load_state_dict(state)


@minigen.no_grad()
def fold(generator: Any) -> None:
    """Take W / σ(W) of each layer once: weights stand still here, and σ takes longer to find than a
    picture to draw."""

    def folded(weight: Tensor) -> Tensor:
        return weight

    with evaluating(generator):
        for layer in spectral_layers(generator):
            layer.normed = functools.partial(folded, layer.normed())
