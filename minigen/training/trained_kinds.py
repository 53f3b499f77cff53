"""Trained models that do something else than to draw pictures of noise: see trained.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import minigen
from minigen import Generator, Tensor, nn
from minigen import functional as F
from minigen.data import phrases as P
from minigen.models.autoencoder import DiagonalGaussian
from minigen.models.flow_matching import Flow
from minigen.models.vae import VAE
from minigen.training.course import by_parts
from minigen.training.flags import Settings
from minigen.training.trained import (
    DrawingAutoencoder,
    DrawingDiffusion,
    DrawingVAE,
    Trained,
    from_black,
)


@dataclass(kw_only=True, eq=False)
class Phrases(DrawingDiffusion):
    """Pictures of what phrases say; `labels` are combinations (N, 3) of minigen.data.phrases, or
    phrases themselves."""

    image_shape: tuple[int, ...] = (3, P.SIDE, P.SIDE)

    has_images = False  # in config.json are those of single digits
    does = "draws what phrases say"
    options = ("steps", "guidance")

    def built(self) -> Any:
        words = self.builder.own_words(self.settings, self.run)
        return self.builder.build(self.settings, words)

    @property
    def classes(self) -> tuple[str, ...]:
        return ()

    def labels_for(self, labels: Any, count: int) -> Tensor:
        if labels is None:
            every = P.combinations("train")
            labels = every[np.arange(count) * 7 % len(every)]  # the first ones are much alike
        if isinstance(labels[0], str):
            labels = [P.combination_of(phrase) for phrase in labels]
        return Tensor(P.words_of(np.asarray(labels)), device=self.device)

    def drawn(
        self, z: Tensor, labels: Tensor, steps: int | None = None, guidance: float | None = None
    ) -> np.ndarray:
        steps = self.settings.steps_to_draw if steps is None else steps
        if steps > len(self.model.schedule):
            self.cannot(f"draw in {steps} steps, for its chain has {len(self.model.schedule)}")
        guidance = self.settings.guidance if guidance is None else guidance
        return self.builder.drawn(self.model, z, labels, steps, guidance)


class Translating(Trained):
    """Pictures made of pictures: the base of those below."""

    does = "makes pictures of pictures"

    @property
    def domains(self) -> tuple[str, ...]:
        """What can be asked for; () if there is but one way."""
        return ()

    def built(self) -> Any:
        return self.builder.build(self.settings, *self.image_shape[:2])

    def averaged(self) -> nn.Module:
        return nn.ModuleList(self.builder.drawn_with(self.model))

    def translate(self, images: np.ndarray, to: str | None = None) -> np.ndarray:
        to = to or (self.domains[-1] if self.domains else None)
        if to is not None and to not in self.domains:
            there = f", but to {', '.join(self.domains)}" if self.domains else ""
            self.cannot(f"translate to {to}{there}")
        made = self.translated(2 * np.asarray(images, np.float32) - 1, to)
        return from_black(made)

    def translated(self, images: np.ndarray, to: str | None) -> np.ndarray:
        """Pictures from −1 to 1 of such pictures."""
        raise NotImplementedError


class Pix2Pix(Translating):
    """pix2pix: of pictures as its --task has them. Of whole pictures, the inputs of the other tasks
    than style are made first: sketches, lightness, holes, …"""

    def inputs(self, images: np.ndarray) -> np.ndarray:
        """What the task gives of whole pictures (N, C, H, W) from 0 to 1: (N, C', H, W), from −1 to
        1."""
        levels = (np.asarray(images) * 255).round().astype(np.uint8)
        return self.builder.held_out(self.settings, levels[:, None])[0]

    def translate(self, images: np.ndarray, to: str | None = None) -> np.ndarray:
        if to is not None:
            self.cannot(f"be told where to ({to})")
        made = self.builder.draw(self.settings, self.model, self.inputs(images))
        return from_black(made)


class CycleGAN(Translating):
    """CycleGAN and DiscoGAN: there, to the second of its domains, and back."""

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.settings.domains)

    def translated(self, images: np.ndarray, to: str | None) -> np.ndarray:
        there = to == self.domains[1]
        function = self.model.draw if there else self.model.draw_back
        return by_parts(function, Tensor(images, device=self.device), 100)


class StarGAN(Translating):
    """StarGAN: to any of its domains."""

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.settings.domains)

    def translated(self, images: np.ndarray, to: str | None) -> np.ndarray:
        domains = np.full(len(images), self.domains.index(to))
        return self.builder.translated(self.settings, self.model, images, domains)


class Plane(Trained):
    """Points of the plane by a GAN of few layers."""

    part = "gan"
    has_images = False
    does = "draws points of the plane"

    def built(self) -> Any:
        return self.builder.build(self.settings)

    def real(self, count: int, seed: int = 0) -> np.ndarray:
        """True points, (count, 2), to be compared with."""
        return self.builder.real(self.settings, count, seed)

    def points(self, count: int, seed: int = 0) -> np.ndarray:
        return self.builder.points(self.settings, self.model, count, seed)


class PlaneDiffusion(Plane):
    """Points that walk from noise to data: a flow, or diffusion. `steps` and `method` are those of
    `walk`, see there."""

    part = "model"

    def averaged(self) -> nn.Module:
        return self.model

    @property
    def latents(self) -> int:
        return 2

    def walk(self, noise: Any, steps: int = 20, method: str = "heun") -> np.ndarray:
        """Where points (N, 2) of noise are on their way, (steps + 1, N, 2)."""
        x = noise if isinstance(noise, Tensor) else Tensor(np.asarray(noise, np.float32))
        return self.builder.walk(self.model, x.to(self.device), steps, method)

    @property
    def is_flow(self) -> bool:
        """Whether it is a flow, not diffusion."""
        return isinstance(self.model, Flow)

    def points(
        self, count: int, seed: int = 0, steps: int = 20, method: str = "heun"
    ) -> np.ndarray:
        noise = F.randn(count, 2, generator=Generator(seed), device=self.device)
        return self.walk(noise, steps, method)[-1]


class PlaneAutoencoder(Plane):
    """An autoencoder of points: those that it makes of codes from the Gaussian that is nearest to
    the codes of the spiral."""

    part = "model"

    def built(self) -> Any:
        return self.builder.build(self.settings, 1, 1)

    @property
    def latents(self) -> int:
        return self.settings.latent

    def points(self, count: int, seed: int = 0) -> np.ndarray:
        spiral = Tensor(self.builder.spiral(2000, 0), device=self.device)
        gaussian = DiagonalGaussian.fitted(by_parts(self.model.encoder, spiral)).to(self.device)
        with minigen.no_grad():
            return self.model.decode(gaussian.sample(count, Generator(seed))).numpy()


class Words(Trained):
    """Vectors of words: the model is a `Vectors` of minigen/data/vectors.py."""

    has_images = False
    does = "knows words"

    def built(self) -> None:
        """Its file of vectors is all that it needs."""

    def restore(self) -> None:
        self.model = self.builder.vectors_of(self.run.folder)


class Reading(Trained):
    """A classifier of pictures."""

    does = "reads pictures"

    def read(self, images: np.ndarray) -> np.ndarray:
        """How probable each class is, (N, classes), of pictures (N, C, H, W)."""

        def probable(x: Tensor) -> Tensor:
            return F.softmax(self.model(x), 1)

        self.model.eval()
        return by_parts(
            probable, Tensor(2 * np.asarray(images, np.float32) - 1, device=self.device)
        )


class Latents(Trained):
    """Several autoencoders and VAEs, by their names."""

    does = "compares several models"

    def built(self) -> Any:
        return self.builder.build(self.settings, *self.image_shape[:2])

    def restore(self) -> None:
        for name, model in self.model.items():
            self.restored(model, name)

    def each(self) -> dict[str, DrawingVAE]:
        """Each of the models, as one that draws, by its name."""
        shared = ("name", "run", "demo", "builder", "device", "image_shape", "class_names")
        common = {field: getattr(self, field) for field in shared}
        return {
            name: (DrawingVAE if isinstance(model, VAE) else DrawingAutoencoder)(
                model=model,
                settings=Settings(**vars(self.settings) | {"latent": int(name.split()[-1])}),
                **common,
            )
            for name, model in self.model.items()
        }
