"""Scores of models of points in the plane."""

from __future__ import annotations

import argparse
import functools
import math
from collections.abc import Iterator

import numpy as np

from minigen import Generator, Tensor
from minigen.metrics import Modes, Translated, mode_coverage, translated_modes, wasserstein
from minigen.models import diffusion as D
from minigen.models import flow_matching as FM
from minigen.models.discogan import DiscoGAN
from minigen.models.gan import GAN
from minigen.models.wgan import WGAN
from minigen.training.builders import discogan_modes, mixture_gan, parabola_gan
from minigen.training.builders.diffusion_2d import DATA, MANY, Model, noise_of, walk
from minigen.training.builders.parabola_gan import CURVE
from minigen.training.trained import Trained
from scoring.scores import Scores

SAMPLED = 2500  # of a mixture, as PacGAN's protocol has it
EACH = 2000  # of each mode of A
RANGE = 2.0  # of a parabola's x
SAMPLES = 1000  # of a parabola
FINE = 40  # of Runge and Kutta's, for densities; twice as many from σ = 80 on
POINTS = 10_000  # of which the density is measured
ASSIGNED = 1000  # of which the Wasserstein distance is


def score_of_mixture(args: argparse.Namespace, gan: GAN | WGAN) -> Modes:
    """How well a trained generator covers the modes."""
    mixture, scale = mixture_gan.mixture_of(args)
    made = mixture_gan.sample(gan, scale, args.seed + 2, SAMPLED)
    return mode_coverage(made, mixture.centres, mixture.sigma)


def score_of_modes(args: argparse.Namespace, gan: DiscoGAN) -> Translated:
    """How well a trained generator covers B, and tells the modes of A apart."""
    made = discogan_modes.translated(args, gan, args.seed + 2, EACH)
    return translated_modes(made, discogan_modes.B.centres, discogan_modes.B.sigma)


def score_of_curve(args: argparse.Namespace, gan: GAN) -> dict[str, float]:
    """Mean distance to the curve as a share of the range of x, W1 to true points, and its floor,
    W1 between true points: each the mean over four sets of points, all drawn afresh."""
    made = [parabola_gan.sample(gan, args.seed + 2 + i, SAMPLES) for i in range(4)]
    true = [CURVE.sample(SAMPLES, Generator(1000 + i)).numpy() for i in range(8)]
    return {
        "distance to the curve / range": float(np.mean([*map(CURVE.distance, made)]) / RANGE),
        "W1 to true points": float(np.mean([*map(wasserstein, true[:4], made)])),
        "W1 between true points": float(np.mean([*map(wasserstein, true[:4], true[4:])])),
    }


def off(args: argparse.Namespace, model: Model, count: int, steps: int) -> np.ndarray:
    """log p_true − log p_model of fresh points (count,), in nats; the model is in float64 then.

    Euler's error is out of the question: ways are those of Runge and Kutta, the trace is exact.
    """
    true = DATA[args.data]
    points = true.sample(count, Generator(args.seed + 1000)).numpy().astype(np.float64)
    model.to("float64")
    density = model.log_density if isinstance(model, FM.Flow) else functools.partial(
        D.log_density, model
    )  # fmt: skip
    x = Tensor(points, device=args.device)
    found = [density(x[i : i + 1000], steps=steps).numpy() for i in range(0, count, 1000)]
    return true.log_density(points) - np.concatenate(found)


def score_of_walks(args: argparse.Namespace, model: Model) -> Iterator[dict[str, float]]:
    """How straight ways are, how near points come in few steps, and how far the density is off, as
    it is found."""
    true = DATA[args.data]
    print("  walking, assigning points, and measuring densities …", flush=True)
    noise = noise_of(args, args.seed + 2, ASSIGNED)
    places = walk(model, noise, MANY)
    yield {"squared way, E ‖z₁ − z₀‖²": float(((places[-1] - places[0]) ** 2).sum(1).mean())}
    if isinstance(model, FM.Flow):
        yield {"straightness, E ‖(z₁ − z₀) − ż‖²": FM.straightness(model, noise)}
    real = [true.sample(ASSIGNED, Generator(args.seed + 3 + i)).numpy() for i in range(2)]
    yield {"W1 between true points": wasserstein(*real)}
    for steps in 1, 2, 5, 10, MANY:
        made = walk(model, noise, steps, "euler")[-1]
        yield {f"W1 to true points, Euler {steps}": wasserstein(real[0], made)}
    if hasattr(true, "log_density"):
        fine = FINE if isinstance(model, FM.Flow) else 2 * FINE
        rough, nats = (off(args, model, POINTS, steps) for steps in (fine // 2, fine))
        yield {
            "points": len(nats),
            "log p true − log p model, mean": float(nats.mean()),
            "log p true − log p model, standard error": float(nats.std() / math.sqrt(len(nats))),
            "log p true − log p model, median": float(np.median(nats)),
            "log p true − log p model, 99th percentile": float(np.percentile(nats, 99)),
            "the mean with steps twice as long": float(rough.mean()),
        }


def of_mixture(trained: Trained, scores: Scores) -> None:
    """Modes, high quality, reverse KL of a ring or grid of Gaussians."""
    found = score_of_mixture(trained.settings, trained.model)
    names = "modes covered", "share of points of high quality", "reverse KL of the modes"
    scores.keep(dict(zip(names, found, strict=True)))


def of_modes(trained: Trained, scores: Scores) -> None:
    """Modes covered, modes that share one, and the share within 3σ, of a DiscoGAN of points."""
    found = score_of_modes(trained.settings, trained.model)
    names = "modes covered", "modes of A that share one", "share of points within 3σ"
    scores.keep(dict(zip(names, found, strict=True)))


def of_curve(trained: Trained, scores: Scores) -> None:
    """Distance to the parabola, and Wasserstein distance with its floor."""
    scores.keep(score_of_curve(trained.settings, trained.model))


def of_walks(trained: Trained, scores: Scores) -> None:
    """How many nats a density in the plane is off, and how straight the ways to it are."""
    for found in score_of_walks(trained.settings, trained.model):
        scores.keep(found)
