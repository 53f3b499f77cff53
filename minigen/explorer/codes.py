"""Autoencoders, variational or not: a code makes a picture, and a picture a code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minigen
from minigen import Generator, Tensor
from minigen import functional as F
from minigen.explorer.answers import numbers, picture
from minigen.explorer.controls import Control, Plane, Sliders
from minigen.explorer.images import WIDEST, classes_of, code, label, row
from minigen.explorer.view import View
from minigen.explorer.worker import Show
from minigen.models.vae import VAE

SIDE = 11  # pictures a side, all over the plane


class OfCodes(View):
    """A decoder, and an encoder.

    Args:
        encode: images (N, C, H, W) from 0 to 1 -> codes (N, latent).
        decode: codes -> images from 0 to 1; with classes, labels (N,) too.
        code: the sliders of a code.
        like: a tensor of the model's.
        seen: channels and side of pictures.
        classes: their names, if both are told the class.
    """

    sees = (
        "Click into the plane, or move a latent: the decoder says what a place in the latent space"
        " looks like. A picture of your own becomes a place, from which you can go on."
    )

    def __init__(
        self,
        encode: Callable[..., Tensor],
        decode: Callable[..., Tensor],
        code: Sliders,
        like: Tensor,
        seen: tuple[int, int],
        classes: Sequence[str] = (),
    ):
        self._encode, self._decode, self.like, self.seen = encode, decode, like, seen
        self.code = code
        self.controls: list[Control] = [classes_of(classes)] if classes else []
        if len(code.value) > 1:
            self.controls.append(Plane("plane", "latent plane", code.name, len(code.value)))
        self.controls.append(code)

    def draw(self, values: dict[str, Any], show: Show) -> None:
        """The picture, and then, if wanted, those all over the plane."""
        z = row(values[self.code.name], self.like)
        told = [label(values["class"], self.like)] if "class" in values else []
        across, up, wanted = values.get("plane", (0, 0, 0))
        with minigen.no_grad():
            show({"picture": picture(self._decode(z, *told).clamp(0, 1), low=0)})
            if wanted:
                many = np.repeat(z.numpy(), SIDE * SIDE, 0)
                # Where the middles of the pictures lie, the upper ones being larger.
                line = self.code.most * (np.arange(SIDE) + 0.5 - SIDE / 2) / (SIDE / 2)
                many[:, across], many[:, up] = np.tile(line, SIDE), np.repeat(-line, SIDE)
                told = [y.expand(len(many)) for y in told]
                made = self._decode(Tensor(many, device=z.device), *told).clamp(0, 1)
                show({"plane": picture(made, 0, SIDE)})

    def encode(self, images: np.ndarray) -> dict[str, Any]:
        x = Tensor(images, device=self.like.device).to(self.like.dtype)
        told = [label(0, self.like)] if "class" in {c.name for c in self.controls} else []
        with minigen.no_grad():
            z = self._encode(x, *told).clamp(self.code.least, self.code.most)
        return {"values": {self.code.name: numbers(z.numpy()[0])}, "given": picture(images, low=0)}


def of_vae(model: VAE, seen: tuple[int, int], classes: Sequence[str] = ()) -> OfCodes:
    """A picture becomes the mean of q(z|x)."""
    like = next(iter(model.parameters()))
    z = code("z", "latents z", F.randn(1, model.latent, generator=Generator(0)))
    return OfCodes(lambda *x: model.encode(*x)[0], model.decode, z, like, seen, classes)


def of_autoencoder(model: Any, latent: int, seen: tuple[int, int], edge: float) -> OfCodes:
    """Codes from −edge to edge, which no prior holds together."""
    like = next(iter(model.parameters()))
    z = Sliders("z", "code z", -edge, edge, (0.0,) * latent)
    return OfCodes(model.encoder, model.decode, z, like, seen)
