"""A trained model and what it can do: what `minigen.training.load` gives.

    Trained                 a model, its run and its settings; whoever asks it for what it does not
                            do is told so in a line
    Drawing                 pictures of noise: GANs, autoencoders, diffusion, each in a class below
    in trained_kinds.py     what does something else: translates pictures, draws what phrases say or
                            points of the plane, knows words, reads pictures

Pictures are (N, C, H, W), from 0, black, to 1, whatever the model's own range is.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigen
from minigen import Generator, Tensor, nn
from minigen import functional as F
from minigen.metrics.paths import slerp
from minigen.models.autoencoder import DiagonalGaussian
from minigen.models.networks import Conditional, evaluating
from minigen.training.common import RunError
from minigen.training.course import by_parts, in_parts
from minigen.training.images import load_images
from minigen.training.trained_base import Trained as Trained

FITTED = 5000  # training images to whose codes a Gaussian is fitted


class Drawing(Trained):
    """What draws pictures of noise."""

    does = "draws pictures from noise"

    def draw(self, noise: Any, labels: Any = None, **options: Any) -> np.ndarray:
        """See `Trained.draw`; `options` are those that the class names. Without labels a model that
        needs some draws all classes in turn.

        Raises:
            RunError: labels of a model that is told none, or no class of it; another option.
        """
        for name in options.keys() - {*self.options}:
            self.cannot(f"draw by {name}")
        z, told = self.tensor(noise), self.labels_for(labels, len(noise))
        return self.unit(self.drawn(z, told, **options))

    def drawn(self, z: Tensor, labels: Tensor | None, **options: Any) -> np.ndarray:
        """Pictures in the model's own range."""
        raise NotImplementedError

    def unit(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures from 0 to 1 of those in the model's own range."""
        return from_black(pictures)

    def tensor(self, numbers: Any) -> Tensor:
        """Numbers as the model takes them."""
        if isinstance(numbers, Tensor):
            return numbers
        return Tensor(np.asarray(numbers, np.float32), device=self.device)

    def labels_for(self, labels: Any, count: int) -> Tensor | None:
        """Labels as the model takes them; see `draw`."""
        known = len(self.classes)
        if labels is None:
            return self.tensor_of_labels(np.arange(count) % known) if known else None
        found = np.asarray(labels.numpy() if isinstance(labels, Tensor) else labels)
        if not known:
            self.cannot("be told a class, for it was trained without")
        if found.dtype.kind == "f":
            fits = found.shape == (count, known)
        else:
            fits = found.shape == (count,) and (found >= 0).all() and (found < known).all()
        if not fits:
            self.cannot(f"draw these classes: expected {count} of 0 to {known - 1}")
        return self.tensor_of_labels(found)

    def tensor_of_labels(self, labels: np.ndarray) -> Tensor:
        dtype = np.float32 if labels.dtype.kind == "f" else np.int64
        return Tensor(labels.astype(dtype), device=self.device)

    def between(self, first: Any, second: Any, share: float) -> Tensor:
        """The noise that lies that share of the way from one (N, …) to another, on an arc, along
        which all is as long as noise is."""
        a, b = (self.tensor(x).numpy() for x in (first, second))
        arc = slerp(a.reshape(len(a), -1), b.reshape(len(b), -1), share)
        return self.tensor(arc.reshape(a.shape))


class DrawingGAN(Drawing):
    """The generator of a GAN of images."""

    part = "gan"

    def averaged(self) -> nn.Module:
        return self.model.generator

    @property
    def classes(self) -> tuple[str, ...]:
        told = isinstance(self.model.generator, Conditional)
        return self.class_names if told else ()

    @property
    def latents(self) -> int:
        return self.model.noise

    def noise(self, count: int, seed: int = 0) -> Tensor:
        return self.model.sample_noise(count, Generator(seed))

    def drawn(self, z: Tensor, labels: Tensor | None) -> np.ndarray:
        return in_parts(self.picture, z, labels)

    def picture(self, z: Tensor, *labels: Tensor) -> Tensor:
        """G(z), or G(z|y)."""
        if not labels or labels[0].ndim == 1:
            return self.model.draw(z, *labels)
        with evaluating(self.model.generator):
            return self.model.generator.network(F.cat([z, *labels], 1))

    @property
    def low(self) -> float:
        """What is black in the generator's images."""
        return self.builder.black(self.settings) if hasattr(self.builder, "black") else -1.0

    def unit(self, pictures: np.ndarray) -> np.ndarray:
        return from_black(pictures, self.low)


class DrawingBigGAN(DrawingGAN):
    """BigGAN's generator. `truncation` τ cuts the noise off (see `BigGAN.sample_noise`), and takes
    batch norm's statistics of such noise; without one it is the run's."""

    options = ("truncation",)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.class_names

    def noise(self, count: int, seed: int = 0, truncation: float | None = None) -> Tensor:
        truncation = self.settings.truncation if truncation is None else truncation
        return self.model.sample_noise(count, Generator(seed), truncation)

    def drawn(
        self, z: Tensor, labels: Tensor | None, truncation: float | None = None
    ) -> np.ndarray:
        self.stand(self.settings.truncation if truncation is None else truncation)
        return super().drawn(z, labels)

    def stand(self, truncation: float | None) -> None:
        """Take batch norm's statistics of noise of this truncation, once for each."""
        known = self.__dict__.setdefault("_stood", {})
        norms = [m for m in self.model.generator.modules() if isinstance(m, nn.BatchNorm2d)]
        if truncation not in known:
            self.model.stand(truncation, Generator(self.settings.seed + 3))
            known[truncation] = copy.deepcopy([norm.state_dict() for norm in norms])
        for norm, state in zip(norms, known[truncation], strict=True):
            norm.load_state_dict(state)

    def picture(self, z: Tensor, *labels: Tensor) -> Tensor:
        if labels[0].ndim == 1:
            return self.model.draw(z, *labels)
        generator = self.model.generator
        with evaluating(generator):
            return generator.told(z, labels[0] @ generator.shared.weight)


class DrawingStyleGAN(DrawingGAN):
    """StyleGAN's generator. `truncation` ψ draws styles to the mean of all (1: not at all)."""

    options = ("truncation",)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.class_names if self.settings.conditional else ()

    def styles(self, noise: Any, labels: Any = None, truncation: float = 1.0) -> Tensor:
        """A style for each layer, (N, layers, style), of noise (N, latents)."""
        return self._styles(self.tensor(noise), self.labels_for(labels, len(noise)), truncation)

    def _styles(self, z: Tensor, labels: Tensor | None, truncation: float) -> Tensor:
        generator = self.model.generator
        with minigen.no_grad(), evaluating(generator):
            return generator.styles(self.code(z, labels), truncation)

    def code(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """w (N, style); between classes what lies between theirs."""
        mapping = self.model.generator.mapping
        if labels is None or labels.ndim == 1:
            return mapping(z, labels)
        parts = []
        for c in np.flatnonzero(labels.numpy().any(0)):
            same = F.full((len(z),), int(c), dtype="int64", device=self.device)
            parts.append(labels[:, int(c), None] * mapping(z, same))
        return sum(parts[1:], parts[0])

    def of_styles(self, styles: Tensor) -> np.ndarray:
        """Pictures of styles (N, layers, style)."""
        with evaluating(self.model.generator):
            return self.unit(by_parts(self.model.generator.synthesis, styles, 200))

    def drawn(self, z: Tensor, labels: Tensor | None, truncation: float = 1.0) -> np.ndarray:
        styles = self._styles(z, labels, truncation)
        with evaluating(self.model.generator):
            return by_parts(self.model.generator.synthesis, styles, 200)


class DrawingVAE(Drawing):
    """A VAE: decodes latents, and encodes pictures."""

    does = "draws pictures from latents, and encodes them"

    def built(self) -> Any:
        return self.builder.build(self.settings, *self.image_shape[:2])

    def averaged(self) -> nn.Module | None:
        return self.model if "average" in self.state else None

    @property
    def latents(self) -> int:
        return self.model.latent

    def noise(self, count: int, seed: int = 0) -> Tensor:
        return F.randn(count, self.latents, generator=Generator(seed), device=self.device)

    def drawn(self, z: Tensor, labels: Tensor | None) -> np.ndarray:
        return by_parts(self.model.decode, z)

    def unit(self, pictures: np.ndarray) -> np.ndarray:
        return from_black(pictures, 0.0)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """The means of q(z|x), (N, latents), of pictures (N, C, H, W)."""
        return by_parts(lambda x: self.model.encode(x)[0], self.tensor(images))


class DrawingAutoencoder(DrawingVAE):
    """An autoencoder of pictures: decodes codes, and encodes pictures. Its noise is of the Gaussian
    that is nearest to the codes of training images, which have to be at hand."""

    def averaged(self) -> None:
        return None

    @property
    def latents(self) -> int:
        return self.settings.latent

    def noise(self, count: int, seed: int = 0) -> Tensor:
        """Codes (count, latents).

        Raises:
            DataError: the training images cannot be had.
        """
        images = load_images(self.settings).scaled(low=0)[:FITTED]
        codes = self.encode(images)
        codes = codes + 1e-6 * np.random.default_rng(0).standard_normal(codes.shape)
        gaussian = DiagonalGaussian.fitted(codes.astype(np.float32)).to(self.device)
        with minigen.no_grad():
            return gaussian.sample(count, Generator(seed))

    def encode(self, images: np.ndarray) -> np.ndarray:
        """The codes (N, latents) of pictures (N, C, H, W)."""
        return by_parts(self.model.encoder, self.tensor(images))


class DrawingDiffusion(Drawing):
    """A diffusion model of pictures, drawn by `sampler`, in so many `steps`, with `guidance`; what
    is not given is as the run has it."""

    options = ("sampler", "steps", "guidance")

    def averaged(self) -> nn.Module:
        return self.model

    @property
    def classes(self) -> tuple[str, ...]:
        return self.class_names if self.settings.conditional else ()

    def noise(self, count: int, seed: int = 0) -> Tensor:
        return F.randn(count, *self.image_shape, generator=Generator(seed), device=self.device)

    def drawn(
        self,
        z: Tensor,
        labels: Tensor | None,
        sampler: str | None = None,
        steps: int | None = None,
        guidance: float | None = None,
    ) -> np.ndarray:
        sampler, steps = sampler or self.settings.sampler, steps or self.settings.steps_to_draw
        if sampler in self.builder.CHAINS and steps > len(self.model.schedule):
            raise RunError(
                f"{self.name}: the chain has {len(self.model.schedule)} steps alone, not {steps}"
            )
        how = vars(self.settings) | ({} if guidance is None else {"guidance": guidance})
        args = argparse.Namespace(**how)
        return self.builder.draw(args, self.model, z, labels, sampler, steps)


def from_black(pictures: np.ndarray, low: float = -1.0) -> np.ndarray:
    """Pictures from 0 to 1, float32, of those in which `low` is black and 1 white."""
    return ((pictures - low) / (1 - low)).clip(0, 1).astype(np.float32)


def classes_in_rows(classes: Sequence[int], count: int) -> np.ndarray:
    """Labels (count,), so many of each class in a row."""
    return np.repeat(np.asarray(classes, np.int64), -(-count // len(classes)))[:count]
