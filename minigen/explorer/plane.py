"""Points in the plane: the field that they follow from noise to data, or the surface of the judge
that they are judged by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigen
from minigen import Generator, Tensor
from minigen.data.images import require_finite
from minigen.explorer.answers import numbers
from minigen.explorer.controls import Slider, Sliders
from minigen.explorer.images import code, row
from minigen.explorer.view import View
from minigen.explorer.worker import Show
from minigen.models import diffusion as D
from minigen.models import flow_matching as FM
from minigen.models import ode
from minigen.models.adversaries import Adversaries
from minigen.models.networks import evaluating

POINTS = 400
ARROWS = 17  # a side
HEIGHTS = 41  # a side
WAYS = 40  # points whose ways are drawn
LAST = 0.98  # share of the way; scores at the data itself are infinite
MOST_STEPS = 50

Extent = Sequence[float]  # left, right, bottom, top


def grid(extent: Extent, side: int) -> np.ndarray:
    """Points (side², 2) all over a window, row by row from the bottom."""
    x, y = np.linspace(*extent[:2], side), np.linspace(*extent[2:], side)
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype(np.float32)


class OfField(View):
    """A flow, or diffusion along its equation: where points are after a share of the way, and what
    moves them there.

    Args:
        model: with the weights to draw with.
        extent: the window.
    """

    shows = "plane"
    sees = (
        "Arrows are the field that the points follow. With few steps they leave it, the more the"
        " more it bends."
    )

    def __init__(self, model: FM.Flow | D.Diffusion, extent: Extent):
        self.model, self.extent = model, tuple(extent)
        self.like = next(iter(model.parameters()))
        self.controls = [
            Slider("time", "share of the way from noise to data", 0.0, 1.0, 1.0),
            Slider("steps", "steps of Euler's for all of the way", 1, MOST_STEPS, 20, whole=True),
            Slider("seed", "noise, its seed", 0, 999, 0, whole=True),
        ]

    def draw(self, values: dict[str, Any], show: Show) -> None:
        noise = minigen.randn(
            POINTS, 2, generator=Generator(values["seed"]), dtype=self.like.dtype,
            device=self.like.device,
        )  # fmt: skip
        time = values["time"]
        places = Tensor(grid(self.extent, ARROWS), device=self.like.device).to(self.like.dtype)
        with evaluating(self.model.network):
            ways = self.walked(noise, values["steps"], time)
            field = self.field(places, min(time, LAST)).numpy()
        require_finite("generated", ways[-1], "point")
        arrows = np.concatenate([places.numpy(), shortened(field)], 1)
        show({
            "extent": self.extent,
            "points": numbers(ways[-1]),
            "ways": numbers(ways[:, :WAYS].transpose(1, 0, 2)),
            "arrows": numbers(arrows),
        })  # fmt: skip

    def walked(self, noise: Tensor, steps: int, time: float) -> np.ndarray:
        """Where points are after each step, up to a share of the way, (steps + 1, N, 2)."""
        done = np.unique([*np.arange(0, math.floor(steps * time) + 1) / steps, time])
        if isinstance(self.model, FM.Flow):
            return np.stack([z.numpy() for z in ode.path(self.model.velocity, noise, done, "euler")])
        levels = np.array([self.sigma(share) for share in done])
        wide = np.sqrt(1 + levels**2)  # z = x_0 + σ·ε is so much wider than noise is
        ways = ode.path(self.model.slope, noise * float(wide[0]), levels, "euler")
        return np.stack([z.numpy() / w for z, w in zip(ways, wide, strict=True)])

    def field(self, x: Tensor, time: float) -> Tensor:
        """The velocity of a flow, or ∇log p of diffusion, (N, 2)."""
        if isinstance(self.model, FM.Flow):
            return self.model.velocity(x, time)
        sigma = self.sigma(time)
        wide = math.sqrt(1 + sigma**2)
        return wide * (self.model.denoised(wide * x, sigma) - wide * x) / sigma**2

    def sigma(self, time: float) -> float:
        """σ after a share of the way."""
        levels = D.noise_levels(self.model, 101)
        return float(np.interp(time, np.linspace(0, 1, 101), levels))


def shortened(arrows: np.ndarray) -> np.ndarray:
    """Arrows (N, 2) of which none is longer than twice the median, and that is 1."""
    length = np.linalg.norm(arrows, axis=1, keepdims=True)
    median = max(float(np.median(length)), 1e-12)
    return arrows / np.maximum(length, 1e-12) * np.minimum(length / median, 2)


class OfPoints(View):
    """A GAN of points: where G puts noise, and how real D finds each place.

    Args:
        gan: with the weights to draw with.
        extent: the window, in the units of `scale`.
        scale: by which the networks see points divided.
    """

    shows = "plane"
    sees = (
        "The darker, the more real D finds a place. The large point is the noise of the sliders;"
        " nearer to 0 noise is drawn more alike."
    )

    def __init__(self, gan: Adversaries, extent: Extent, scale: float = 1.0):
        self.gan, self.extent, self.scale = gan, tuple(extent), scale
        self.like = next(iter(gan.generator.parameters()))
        z: Sliders = code("z", "noise z", gan.sample_noise(1, Generator(0)), gan.prior)
        self.controls = [
            z,
            Slider("spread", "of the other points' noise", 0.0, 2.0, 1.0),
            Slider("seed", "noise, its seed", 0, 999, 0, whole=True),
        ]
        self._heights: list[Any] | None = None

    def draw(self, values: dict[str, Any], show: Show) -> None:
        noise = self.gan.sample_noise(POINTS, Generator(values["seed"])) * values["spread"]
        made = self.gan.draw(noise).numpy() * self.scale
        mark = self.gan.draw(row(values["z"], self.like)).numpy()[0] * self.scale
        require_finite("generated", made, "point")
        show({
            "extent": self.extent,
            "points": numbers(made),
            "mark": numbers(mark),
            "heights": self.heights(),
        })  # fmt: skip

    def heights(self) -> list[Any]:
        """How real D, the last of the networks, finds each place, from 0 to 1 by rank: rows from
        the bottom. It does not change, so it is asked once."""
        if self._heights is None:
            judge = self.gan.networks()[-1]
            x = np.tile(grid(self.extent, HEIGHTS) / self.scale, (1, self.gan.packing))
            with evaluating(judge):
                found = judge(Tensor(x, device=self.like.device).to(self.like.dtype)).numpy()
            ranks = found.reshape(-1).argsort().argsort() / (HEIGHTS**2 - 1)
            self._heights = numbers(ranks.reshape(HEIGHTS, HEIGHTS), 2)
        return self._heights
