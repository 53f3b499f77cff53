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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, ClassVar, NoReturn

import numpy as np

import minigen
from minigen import Generator, Tensor, nn, optim
from minigen import functional as F
from minigen.metrics.paths import slerp
from minigen.models.autoencoder import DiagonalGaussian
from minigen.models.networks import Conditional, evaluating
from minigen.training.checkpoint import CheckpointError
from minigen.training.common import RunError, holds_nan
from minigen.training.course import by_parts
from minigen.training.flags import Settings
from minigen.training.images import load_images
from minigen.training.run import Run

MISFITS = (ValueError, TypeError, KeyError, IndexError, AttributeError)
FITTED = 5000  # training images to whose codes a Gaussian is fitted


@dataclass(kw_only=True, eq=False)
class Trained:
    """The model of a run, with the averaged weights where the run has them, and all that is needed
    to use it.

    Attributes:
        name: the run's folder, or "digits".
        run: the run; None of the model that ships.
        demo: whose run it is.
        settings: all of them, checked.
        builder: the module of minigen/training/builders.
        device: where the model is.
        step: how many steps it was trained.
        state: what the checkpoint holds, by its names.
        model: the model, in classes of minigen/models; of several networks a dict.
        image_shape: (C, H, W) of its pictures; () of what makes none.
        class_names: of the data set.
    """

    name: str
    run: Run | None
    demo: str
    settings: Settings
    builder: ModuleType
    device: str
    step: int = 0
    state: Mapping[str, Any] = field(default_factory=dict, repr=False)
    model: Any = None
    image_shape: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()

    part: ClassVar[str] = "model"  # its name in the checkpoint
    has_images: ClassVar[bool] = True  # whether config.json gives their shape
    does: ClassVar[str] = "has networks alone"  # what it can do, for messages
    options: ClassVar[tuple[str, ...]] = ()  # what its `draw` takes besides

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that it can be asked for; () if it is told none."""
        return ()

    @property
    def latents(self) -> int:
        """How many numbers it draws from, if it draws from a vector; else 0."""
        return 0

    def cannot(self, what: str) -> NoReturn:
        """Say that this is not what it does.

        Raises:
            RunError: always.
        """
        raise RunError(f"{self.name}: a run of {self.demo} {self.does}: it cannot {what}")

    def noise(self, count: int, seed: int = 0, **options: Any) -> Tensor:
        """What pictures are drawn from, (count, …)."""
        self.cannot("draw pictures from noise")

    def draw(self, noise: Any, labels: Any = None, **options: Any) -> np.ndarray:
        """Pictures of noise (N, …), and of classes (N,), or what lies between classes, by weights
        of each, floats (N, classes)."""
        self.cannot("draw pictures from noise")

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Of what pictures (N, C, H, W) would be drawn: (N, latents)."""
        self.cannot("encode pictures")

    def translate(self, images: np.ndarray, to: str | None = None) -> np.ndarray:
        """What is made of pictures (N, C, H, W), in one of `domains`, if there are several."""
        self.cannot("translate pictures")

    def points(self, count: int, seed: int = 0, **options: Any) -> np.ndarray:
        """Points of the plane, (count, 2)."""
        self.cannot("draw points")

    # How it is loaded

    def built(self) -> Any:
        """The model of the settings, untrained."""
        return self.builder.build(self.settings, *self.image_shape[:2], len(self.class_names))

    def averaged(self) -> nn.Module | None:
        """The networks of whose weights the run has an average; None of a run without."""
        return None

    def restore(self) -> None:
        """Give the model its trained weights.

        Raises:
            CheckpointError: there are none, or they are of another model.
        """
        self.restored(self.model, self.part)
        if (source := self.averaged()) is not None:
            average = optim.ExponentialMovingAverage(source, 0)
            self.restored(average, "average")
            average.copy_to()

    def restored(self, item: Any, part: str) -> None:
        """Give something the state that the checkpoint has under a name.

        Raises:
            CheckpointError: it has none, or of another model than config.json describes.
        """
        if holds_nan(self.state.get(part)):
            raise CheckpointError(
                f"{self.name}: the checkpoint's {part} holds NaN, for its training"
                " has diverged: start a new run, with a smaller learning rate for example"
            )
        try:
            item.load_state_dict(self.state[part])
        except MISFITS as error:
            raise CheckpointError(
                f"{self.name}: the checkpoint's {part} is not of the model that config.json"
                f" describes: {' '.join(str(error).split())}"
            ) from error


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
        return ((pictures + 1) / 2).clip(0, 1).astype(np.float32)

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
        return ((pictures - self.low) / (1 - self.low)).clip(0, 1).astype(np.float32)


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
            known[truncation] = [norm.state_dict() for norm in norms]
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
        return pictures.clip(0, 1).astype(np.float32)

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


def in_parts(
    function: Callable[..., Tensor], z: Tensor, labels: Tensor | None, rows: int = 500
) -> np.ndarray:
    """What a function gives for z (N, …) and the labels, if any; see `by_parts`."""

    def some(places: Tensor) -> Tensor:
        return function(z[places], *([] if labels is None else [labels[places]]))

    return by_parts(some, Tensor(np.arange(len(z)), device=z.device), rows)


def classes_in_rows(classes: Sequence[int], count: int) -> np.ndarray:
    """Labels (count,), so many of each class in a row."""
    return np.repeat(np.asarray(classes, np.int64), -(-count // len(classes)))[:count]
