"""GANs of images: a code and a class make a picture; StyleGAN's layers have styles of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

import minigen
from minigen import Generator, Tensor, nn
from minigen import functional as F
from minigen.explorer.answers import picture
from minigen.explorer.controls import Choice, Control, Slider, Sliders
from minigen.explorer.view import View
from minigen.explorer.worker import Show
from minigen.models import stylegan
from minigen.models.adversaries import Adversaries
from minigen.models.biggan import BigGAN
from minigen.models.networks import evaluating
from minigen.models.stylegan import StyleGAN

WIDEST = 3.0  # of a number of N(0, 1) on a slider: 99.7 % lie within


def code(name: str, label: str, like: Tensor, prior: str = "normal") -> Sliders:
    """Sliders for a code, which begin at `like`, (1, numbers)."""
    edge = WIDEST if prior == "normal" else 1.0
    value = tuple(like.numpy()[0].clip(-edge, edge).round(2).tolist())
    return Sliders(name, label, -edge, edge, value, prior)


def classes_of(names: Sequence[str], label: str = "class", name: str = "class") -> Choice:
    """A choice of a class."""
    return Choice(name, label, tuple(names))


def row(values: Sequence[float], like: Tensor) -> Tensor:
    """Numbers as a batch of one, of the kind of `like`."""
    return Tensor(np.asarray([values], like.dtype), device=like.device)


def label(value: int, like: Tensor) -> Tensor:
    """A class as a batch of one."""
    return Tensor(np.asarray([value]), device=like.device)


class OfGAN(View):
    """G(z), or G(z|y).

    Args:
        gan: with the weights to draw with.
        classes: their names, if it is told the class.
        low: what is black.
    """

    sees = "Each number of the noise z is a slider; no one has told the generator what it stands for."

    def __init__(self, gan: Adversaries, classes: Sequence[str] = (), low: float = -1.0):
        self.gan, self.low = gan, low
        self.like = next(iter(gan.generator.parameters()))
        z = code("z", "noise z", gan.sample_noise(1, Generator(0)), gan.prior)
        self.controls: list[Control] = [classes_of(classes)] if classes else []
        self.controls.append(z)

    def draw(self, values: dict[str, Any], show: Show) -> None:
        labels = label(values["class"], self.like) if "class" in values else None
        show({"picture": picture(self.gan.draw(row(values["z"], self.like), labels), self.low)})


class OfStyleGAN(OfGAN):
    """G's layers are told styles between those of two codes, each layer its own share."""

    sees = (
        "Push the first layers towards the second code and what is coarse becomes that of another"
        " picture; push the last ones and its colours do."
    )

    def __init__(self, gan: StyleGAN, classes: Sequence[str] = ()):
        super().__init__(gan, classes)
        generator: stylegan.Generator = gan.generator
        sizes = [layer.constant_noise.shape[-1] for layer in generator.layers]
        names = (*(f"{i + 1}: {size} × {size}" for i, size in enumerate(sizes)), "last colours")
        self.controls += [
            Slider("psi", "truncation ψ: 0 is the mean of all pictures", -1.0, 1.5, 1.0),
            Slider("second", "second code, its seed", 0, 999, 1, whole=True),
            Sliders(
                "layers", "layers' styles: 0 of the first code, 1 of the second", 0.0, 1.0,
                (0.0,) * generator.styles_count, names=names,
            ),
            Slider("noise", "noise of layers, its seed; 0 is that of training", 0, 99, 0, True),
        ]  # fmt: skip

    def draw(self, values: dict[str, Any], show: Show) -> None:
        generator: stylegan.Generator = self.gan.generator
        told = [label(values["class"], self.like)] if "class" in values else []
        with evaluating(generator):
            second = self.gan.sample_noise(1, Generator(values["second"]))
            codes = row(values["z"], self.like), second
            first, other = (
                generator.styles(generator.mapping(z, *told), values["psi"]) for z in codes
            )
            share = row(values["layers"], self.like).reshape(1, -1, 1)
            noise = None
            if values["noise"]:
                noise = generator.draw_noise(1, Generator(values["noise"]))
            images = generator.synthesis(F.lerp(first, other, share), noise)
        show({"picture": picture(images)})


class OfBigGAN(OfGAN):
    """Classes, and what lies between two; z cut off at a truncation."""

    sees = (
        "With a small truncation pictures are plain examples of their class; between two classes"
        " one becomes the other."
    )
    BATCHES = 4  # of 64 pictures, of which batch norm's statistics are taken

    def __init__(self, gan: BigGAN, classes: Sequence[str]):
        super().__init__(gan, classes)
        self.controls += [
            classes_of(classes, "second class", "second"),
            Slider("between", "from the class to the second", 0.0, 1.0, 0.0),
            Slider("truncation", f"truncation of z; {WIDEST:g} is all of it", 0.2, WIDEST, WIDEST),
        ]
        self._standing: dict[float, list[dict[str, Tensor]]] = {}
        self._now = 0.0

    def draw(self, values: dict[str, Any], show: Show) -> None:
        """First with the statistics at hand, then with those of this truncation."""
        cut, z = round(values["truncation"], 1), np.asarray(values["z"])
        if cut < WIDEST:  # the same quantile of the narrower distribution, as `sample_noise` has it
            z = ndtri(ndtr(-cut) + ndtr(z) * (ndtr(cut) - ndtr(-cut)))
        labels = [label(values[name], self.like) for name in ("class", "second")]
        generator = self.gan.generator

        def drawn() -> str:
            with evaluating(generator):
                vectors = F.lerp(*map(generator.shared, labels), values["between"])
                return picture(generator.told(row(z, self.like), vectors))

        if cut != self._now:
            if cut not in self._standing:
                show({"picture": drawn(), "caption": "taking batch norm's statistics …"})
            self._stand(cut)
        show({"picture": drawn()})

    def _stand(self, cut: float) -> None:
        """Batch norm's statistics of a truncation, taken once."""
        norms = [m for m in self.gan.generator.modules() if isinstance(m, nn.BatchNorm2d)]
        if cut in self._standing:
            for norm, state in zip(norms, self._standing[cut], strict=True):
                norm.load_state_dict(state)
        else:
            whole = cut >= WIDEST
            self.gan.stand(None if whole else cut, Generator(1), self.BATCHES)
            with minigen.no_grad():
                copies = [{k: v.clone() for k, v in n.state_dict().items()} for n in norms]
            self._standing[cut] = copies
        self._now = cut
