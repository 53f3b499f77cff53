"""Points in the plane: the field that they follow from noise to data, a map from place to place, or
the surface of the judge that they are judged by."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minigen
from minigen import Generator, Tensor
from minigen.data.images import require_finite
from minigen.explorer.answers import numbers
from minigen.explorer.controls import Slider
from minigen.explorer.view import WIDEST, Kind, View, code, row, seed_of
from minigen.explorer.worker import Show
from minigen.models import diffusion as D
from minigen.models import ode
from minigen.models.networks import evaluating
from minigen.training.trained_kinds import Plane, PlaneAutoencoder, PlaneDiffusion

POINTS = 200
ARROWS = 17  # a side
HEIGHTS = 41  # a side
WAYS = 40  # points whose ways are drawn
LAST = 0.98  # share of the way; scores at the data itself are infinite
MOST_STEPS = 50
ROOM = 1.25  # how much larger the window is than where real points lie


def window(points: np.ndarray) -> tuple[float, float, float, float]:
    """A square round points (N, 2): left, right, bottom, top."""
    low, high = points.min(0), points.max(0)
    x, y = (low + high) / 2
    half = ROOM * float((high - low).max()) / 2
    return float(x - half), float(x + half), float(y - half), float(y + half)


def grid(extent: Sequence[float], side: int) -> np.ndarray:
    """Points (side², 2) all over a window, row by row from the bottom."""
    x, y = np.linspace(*extent[:2], side), np.linspace(*extent[2:], side)
    return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype(np.float32)


def shortened(arrows: np.ndarray) -> np.ndarray:
    """Arrows (N, 2) in units of the median length, none longer than 2."""
    length = np.linalg.norm(arrows, axis=1, keepdims=True)
    median = max(float(np.median(length)), 1e-12)
    return arrows / np.maximum(length, 1e-12) * np.minimum(length / median, 2)


class OfPlane(View[Kind]):
    """What the views of this file share: a window, and real points in it.

    Args:
        trained: the model.
    """

    shows = "plane"

    def __init__(self, trained: Plane, real: np.ndarray):
        super().__init__(trained)
        self.real = real
        self.extent = window(real)
        self.places = grid(self.extent, ARROWS)

    def answer(self, points: np.ndarray, **more: Any) -> dict[str, Any]:
        """What the page draws, of arrays.

        Raises:
            DataError: points that are not finite.
        """
        require_finite("generated", points, "point")
        arrays = {"points": points, "real": self.real[:POINTS], **more}
        return {"extent": self.extent, **{name: numbers(array) for name, array in arrays.items()}}

    def tensor(self, array: np.ndarray) -> Tensor:
        """An array as the model takes it."""
        return Tensor(np.asarray(array, np.float32), device=self.trained.device)


class OfField(OfPlane[PlaneDiffusion]):
    """A flow, or diffusion along its equation: where points are after a share of the way, and what
    moves them there.

    Args:
        trained: the model.
    """

    sees = (
        "Points follow the arrows from noise to data. With few steps they leave the field's ways,"
        " the more the more these bend."
    )

    def __init__(self, trained: PlaneDiffusion):
        super().__init__(trained, trained.real(1000))
        self.controls = [
            Slider("time", "share of the way from noise to data", 0.0, 1.0, 1.0),
            Slider("steps", "steps of Euler's for all of the way", 1, MOST_STEPS, 20, whole=True),
            seed_of("seed", "noise"),
        ]

    def draw(self, values: dict[str, Any], show: Show) -> None:
        time, stream = values["time"], Generator(values["seed"])
        noise = minigen.randn(POINTS, 2, generator=stream, device=self.trained.device)
        with evaluating(self.trained.model.network):
            ways = self.walked(noise, values["steps"], time)
            field = self.field(self.tensor(self.places), min(time, LAST)).numpy()
        arrows = np.concatenate([self.places, shortened(field)], 1)
        show(self.answer(ways[-1], ways=ways[:, :WAYS].transpose(1, 0, 2), arrows=arrows))

    def walked(self, noise: Tensor, steps: int, time: float) -> np.ndarray:
        """Where points are after each step, up to a share of the way, (steps + 1, N, 2)."""
        model = self.trained.model
        done = np.unique([*np.arange(0, math.floor(steps * time) + 1) / steps, time])
        if self.trained.is_flow:
            return np.stack([z.numpy() for z in ode.path(model.velocity, noise, done, "euler")])
        levels = np.array([self.sigma(share) for share in done])
        wide = np.sqrt(1 + levels**2)  # z = x_0 + σ·ε is so much wider than noise is
        ways = ode.path(model.slope, noise * float(wide[0]), levels, "euler")
        return np.stack([z.numpy() / w for z, w in zip(ways, wide, strict=True)])

    def field(self, x: Tensor, time: float) -> Tensor:
        """The velocity of a flow, or ∇log p of diffusion, (N, 2)."""
        model = self.trained.model
        if self.trained.is_flow:
            return model.velocity(x, time)
        return self.trained.builder.score(model, x, self.sigma(time))

    def sigma(self, time: float) -> float:
        """σ after a share of the way."""
        levels = D.noise_levels(self.trained.model, 101)
        return float(np.interp(time, np.linspace(0, 1, 101), levels))


class OfMap(OfPlane[Plane]):
    """A map from the plane to itself: what an autoencoder makes of points, or DiscoGAN.

    Args:
        trained: the model.
    """

    sees = "An arrow goes from each place to where the model takes it."

    def __init__(self, trained: Plane):
        autoencoder = isinstance(trained, PlaneAutoencoder)
        self._map: Callable[[Tensor], Tensor] = trained.model if autoencoder else trained.model.draw
        super().__init__(
            trained, trained.builder.spiral(1000, 0) if autoencoder else trained.real(1000)
        )
        self.controls = [
            Slider("time", "share of the way", 0.0, 1.0, 1.0),
            Slider("spread", "noise on the points", 0.0, 1.0, 0.2 if autoencoder else 0.0),
            seed_of("seed", "points"),
        ]

    def draw(self, values: dict[str, Any], show: Show) -> None:
        x = self._points(values["seed"])
        noise = np.random.default_rng(values["seed"]).standard_normal(x.shape)
        x = x + values["spread"] * noise
        with minigen.no_grad():
            there, field = (self._map(self.tensor(p)).numpy() for p in (x, self.places))
        arrows = np.concatenate([self.places, shortened(field - self.places)], 1)
        ways = np.stack([x, x + values["time"] * (there - x)])
        show(self.answer(ways[-1], ways=ways[:, :WAYS].transpose(1, 0, 2), arrows=arrows))

    def _points(self, seed: int) -> np.ndarray:
        """What the map is given."""
        builder = self.trained.builder
        if isinstance(self.trained, PlaneAutoencoder):
            return builder.spiral(POINTS, seed)
        return builder.A.sample(POINTS, Generator(seed)).numpy()


class OfPoints(OfPlane[Plane]):
    """A GAN of points: where G puts noise, and how real D finds each place.

    Args:
        trained: the model.
    """

    sees = (
        "The darker, the more real the judge finds a place. The large point is the noise of the"
        " sliders."
    )

    def __init__(self, trained: Plane):
        super().__init__(trained, trained.real(1000))
        gan, builder = trained.model, trained.builder
        mixture = hasattr(builder, "mixture_of")  # its networks see points divided
        self.scale = builder.mixture_of(trained.settings)[1] if mixture else 1.0
        first = gan.sample_noise(1, Generator(0)).numpy()[0]
        self.controls = [
            code("z", "noise z", first, WIDEST, gan.prior),
            Slider("spread", "length of the other points' noise", 0.0, 2.0, 1.0),
            seed_of("seed", "other points' noise"),
        ]
        self.heights = self._heights()

    def draw(self, values: dict[str, Any], show: Show) -> None:
        gan = self.trained.model
        noise = gan.sample_noise(POINTS, Generator(values["seed"])) * values["spread"]
        made, mark = (
            self.scale * gan.draw(z).numpy() for z in (noise, self.tensor(row(values["z"])))
        )
        show(self.answer(made, mark=mark[0], heights=self.heights))

    def _heights(self) -> np.ndarray:
        """How real the judge, the last of the networks, finds each place, from 0 to 1 by rank: rows
        from the bottom."""
        judge = self.trained.model.networks()[-1]
        x = np.tile(grid(self.extent, HEIGHTS) / self.scale, (1, self.trained.model.packing))
        with evaluating(judge):
            found = judge(self.tensor(x)).numpy().reshape(-1)
        return (found.argsort().argsort() / (HEIGHTS**2 - 1)).reshape(HEIGHTS, HEIGHTS)
