"""A training step of a run's model on made-up examples: what plans for several processes are made
of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigen import Tensor, optim
from minigen.models import autoencoder, classifier, diffusion, vae
from minigen.training import trained as T
from minigen.training import trained_kinds as K
from minigen.training import translation

Step = Callable[[], object]


def practice(trained: T.Trained, count: int) -> tuple[Mapping[str, Any], Step]:
    """What a training loop of the run has for its state, and a step on `count` examples.

    Raises:
        RunError: of a run whose step is not known here.
    """
    known = next((made for kind, made in STEPS.items() if isinstance(trained, kind)), None)
    if known is None:
        trained.cannot("be planned for several processes")
    state = {"model": trained.model}
    if not hasattr(trained.model, "step"):
        state["optimiser"] = optim.Adam(trained.model.parameters(), lr=1e-4)
    step = known(trained, count, **state)
    if (averaged := trained.averaged()) is None:
        return state, step
    state["average"] = average = optim.ExponentialMovingAverage(averaged, 0.99)

    def with_average() -> None:
        step()
        average.update()

    return state, with_average


def pictures(trained: T.Trained, count: int) -> Tensor:
    """Grey noise, (count, C, H, W)."""
    noise = np.random.default_rng(0).random((count, *trained.image_shape), np.float32)
    return Tensor(noise, device=trained.device)


def labels(trained: T.Trained, count: int, classes: int) -> Tensor:
    """All classes in turn, (count,)."""
    return Tensor(np.arange(count) % classes, device=trained.device)


def of_gan(trained: T.DrawingGAN, count: int, model: Any) -> Step:
    batch = pictures(trained, count)
    if trained.classes or getattr(trained.settings, "auxiliary", False):
        batch = batch, labels(trained, count, len(trained.class_names))
    turns = [getattr(trained.settings, name, 1) for name in ("critic_steps", "judge_steps")]
    return lambda: model.step(*[batch] * max(turns))


def of_diffusion(trained: Any, count: int, model: Any, optimiser: Any) -> Step:
    x, told = pictures(trained, count), trained.labels_for(None, count)
    return lambda: diffusion.step(model, optimiser, x, told)


def of_vae(trained: Any, count: int, model: Any, optimiser: Any) -> Step:
    x, samples = pictures(trained, count), trained.settings.samples
    return lambda: vae.step(model, optimiser, x, samples=samples)


def of_autoencoder(trained: Any, count: int, model: Any, optimiser: Any) -> Step:
    x = pictures(trained, count)
    return lambda: autoencoder.step(model, optimiser, x)


def of_classifier(trained: Any, count: int, model: Any, optimiser: Any) -> Step:
    x, y = pictures(trained, count), labels(trained, count, len(trained.class_names))
    return lambda: classifier.step(model, optimiser, x, y)


def others(trained: Any, own: Tensor) -> list[Tensor]:
    """What pictures are told from besides these own ones, if the run does so."""
    if not trained.settings.contrast:
        return []
    levels = np.zeros((trained.settings.others, *trained.image_shape), np.uint8)
    found = translation.others(trained.settings, levels, own.numpy(), 1)
    return [Tensor(found, device=trained.device)]


def of_pix2pix(trained: K.Pix2Pix, count: int, model: Any) -> Step:
    x = trained.inputs(pictures(trained, count).numpy())
    y = trained.builder.draw(trained.settings, model, x)
    x, y = (Tensor(a, device=trained.device) for a in (x, y))
    return lambda: model.step(x, y, *others(trained, y))


def of_cyclegan(trained: Any, count: int, model: Any) -> Step:
    x = pictures(trained, count)
    return lambda: model.step(x, x, *2 * others(trained, x))


def of_stargan(trained: Any, count: int, model: Any) -> Step:
    batch = pictures(trained, count), labels(trained, count, len(trained.domains))
    return lambda: model.step(*[batch] * trained.settings.critic_steps)


STEPS: Mapping[type, Callable[..., Step]] = {
    T.DrawingGAN: of_gan,
    T.DrawingDiffusion: of_diffusion,
    T.DrawingAutoencoder: of_autoencoder,
    T.DrawingVAE: of_vae,
    K.Reading: of_classifier,
    K.Pix2Pix: of_pix2pix,
    K.CycleGAN: of_cyclegan,
    K.StarGAN: of_stargan,
}
