"""Pictures of noise: grids, ways between noises and between classes, and what latents do."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigen import training
from minigen.data import phrases
from minigen.display import Bar
from minigen.training.trained import Drawing, DrawingVAE, classes_in_rows
from minigen.training.trained_kinds import Phrases
from sampling.files import COLUMNS, beside, write, write_moving

COUNT, MOVING = 64, 16  # pictures in all
EACH = 8  # of each of several classes or phrases
PLACES, FRAMES = 3, 12  # noises that a way goes through, and frames from one to the next
ROWS = 10  # of traversals
REACH = 2.5  # standard deviations of a latent to either side
USED = 500  # noises by which a latent's mean and deviation are known

Noise = Any


def options_of(args: argparse.Namespace, model: Drawing) -> dict[str, Any]:
    """What the flags say of how it draws."""
    given = {name: getattr(args, name) for name in model.options}
    return {name: value for name, value in given.items() if value is not None}


def noise_of(args: argparse.Namespace, model: Drawing, count: int, seed: int) -> Noise:
    """Noise, cut off where the model's noise is."""
    cut = {"truncation": args.truncation} if model.demo == "biggan" else {}
    return model.noise(count, seed, **cut)


def of_noise(args: argparse.Namespace, model: Drawing) -> None:
    """So many pictures, a row or more of each class or phrase."""
    names = args.phrase or some_phrases() if isinstance(model, Phrases) else model.classes
    kinds = args.classes or range(len(names))
    count = args.count or (EACH * len(kinds) if len(kinds) > 1 else COUNT)
    labels = asked = classes_in_rows(kinds, count) if names else None
    if isinstance(model, Phrases):
        asked = [names[i] for i in labels]
    began = time.perf_counter()
    made = model.draw(noise_of(args, model, count, args.seed), asked, **options_of(args, model))
    seconds = time.perf_counter() - began
    by = ", ".join(f"{name} {value}" for name, value in how_drawn(args, model).items())
    where = write(args, made, labels, asked=names, caption=caption_of(model, labels, names))
    print(f"{count} pictures in {seconds:.1f} s{f' ({by})' if by else ''}: {where}")


def some_phrases() -> list[str]:
    """A few of those that there are to train with, of all kinds."""
    every = phrases.combinations("train")
    chosen = np.linspace(0, len(every) - 1, EACH).round().astype(int)
    return [phrases.phrase_of(every[i]) for i in chosen]


def caption_of(model: Drawing, labels: np.ndarray | None, names: Sequence[str]) -> str:
    """What a grid of drawn pictures shows."""
    kinds = [] if labels is None else [names[kind] for kind in dict.fromkeys(labels.tolist())]
    of = f", all asked for as “{kinds[0]}”" if len(kinds) == 1 else ""
    of = ", in each row what its name says" if len(kinds) > 1 else of
    return (
        f"Pictures that a model of {model.demo} has drawn{of}; none of them is real. Good ones"
        f" could be, and no two are alike."
    )


def how_drawn(args: argparse.Namespace, model: Drawing) -> dict[str, Any]:
    """How it draws, by the flags or else as the run does."""
    own = {"steps": "steps_to_draw"}
    found = {name: getattr(model.settings, own.get(name, name), None) for name in model.options}
    found |= options_of(args, model)
    return {name: value for name, value in found.items() if value is not None}


def of_way(args: argparse.Namespace, model: Drawing) -> None:
    """An animation: each picture of a grid goes from noise to noise and back to where it began; or,
    with several --class, from class to class with the noise that it has."""
    count, options = args.count or MOVING, options_of(args, model)
    classes = args.classes or []
    places = len(classes) if len(classes) > 1 else PLACES
    noises = [noise_of(args, model, count, args.seed + i) for i in range(PLACES)]
    frames, columns = [], math.ceil(math.sqrt(count))
    total = places * FRAMES
    with Bar(total=total, unit=" frames", disable=None, leave=False) as bar:
        for i in range(total):
            here, there, share = i // FRAMES, (i // FRAMES + 1) % places, i % FRAMES / FRAMES
            if len(classes) > 1:
                noise = noises[0]
                labels = np.zeros((count, len(model.classes)), np.float32)
                labels[:, classes[here]] += 1 - share
                labels[:, classes[there]] += share
            else:
                noise = model.between(noises[here], noises[there], share)
                labels = np.full(count, classes[0]) if classes else None  # the one that is named
            made = model.draw(noise, labels, **options)
            frames.append(training.image_grid(made, columns, low=0))
            bar.update(1)
    what = "class to class, with the noise that it has" if len(classes) > 1 else "noise to noise"
    caption = (
        f"Pictures that a model of {model.demo} has drawn, none real: each goes from {what}, and"
        " back to where it began. In a good model the way is smooth, and all on it could be real."
    )
    print(f"{total} frames of {count} pictures: {write_moving(args.out, frames, caption)}")


def of_reconstructions(args: argparse.Namespace, model: DrawingVAE) -> None:
    """Test images above what the model makes of them.

    Raises:
        DataError: the run's data cannot be had.
    """
    count = args.count or COLUMNS
    images = training.load_images(model.settings, "test").scaled(low=0)[:count]
    made = model.draw(model.encode(images))
    error = float(np.square(made - images, dtype=np.float64).mean())
    if args.single or not args.out.lower().endswith(".png"):
        where = write(args, made)
    else:
        where = beside(
            args.out, {"real": images, "made": made},
            "Real test images, and below each what the model makes of its code: the more alike the"
            " two, the better.",
        )  # fmt: skip
    print(f"{len(made)} test images again, squared error of a pixel {error:.4f}: {where}")


def of_traversals(args: argparse.Namespace, model: DrawingVAE) -> None:
    """A row for each latent, those first that change most: it alone goes through its values."""
    some = model.noise(USED, args.seed).numpy()
    mean, deviation = some.mean(0), some.std(0)
    steps = np.linspace(-REACH, REACH, COLUMNS, dtype=np.float32)
    z = np.tile(some[0], (model.latents, COLUMNS, 1))
    for unit in range(model.latents):
        z[unit, :, unit] = mean[unit] + steps * deviation[unit]
    made = model.draw(z.reshape(-1, model.latents))
    made = made.reshape(model.latents, COLUMNS, *model.image_shape)
    order = np.argsort(-made.var(1).mean((1, 2, 3)))[:ROWS]
    rows = {f"latent {unit}": made[unit] for unit in order}
    training.save_image(
        args.out,
        training.named_rows(rows, low=0, columns=[f"{step:.1f}" for step in steps]),
        scale=2,
        caption="Made pictures: in each row one latent is so many standard deviations from its mean"
        " as its column says, and all others stay. The latents that change a picture most come"
        " first. A row that changes in one way, as slant or thickness, is a latent with a meaning.",
    )
    print(
        f"the {len(order)} latents of {model.latents} that change a picture most, each from"
        f" {-REACH:g} to {REACH:g} standard deviations: {args.out}"
    )
