"""Scores of diffusion models of images."""

from __future__ import annotations

import math
import time

from minigen import Generator, Tensor, training
from minigen.models.diffusion import Diffusion, bound, ddim, ddim_encode
from minigen.training.builders.diffusion import draw, drawn_by, noise_of, seen
from minigen.training.course import in_parts
from minigen.training.trained import Trained
from scoring.images import in_features, same_images
from scoring.scores import Scores


def of_diffusion(trained: Trained, scores: Scores) -> None:
    """The bound of a diffusion model on test images, in bits a dimension; and of pictures that it
    draws, by each --draw, their Fréchet distance, class and time."""
    args, model, flags = trained.settings, trained.model, scores.flags
    train, test = same_images(trained)
    some = slice(flags.likelihood_images or 500)
    x = Tensor(test.scaled()[some], device=args.device)
    x = seen(args, x, Generator(args.seed + 3))
    told = Tensor(test.labels[some], device=args.device) if args.conditional else None
    print(f"  measuring the bound of {len(x):,} images …", flush=True)
    found = bound(model, x, told, strata=60, generator=Generator(args.seed + 1))
    units = {"bits a dimension": 1.0}
    if model.levels == 2:
        units["nats"] = math.log(2) * math.prod(x.shape[1:])
    scores.keep({
        "images of the bound": len(x),
        "bits a dimension, prior": found.prior.mean(),
        "bits a dimension, steps": found.steps.mean(),
        "bits a dimension, first step": found.first.mean(),
    })  # fmt: skip
    for name, unit in units.items():
        total = unit * found.total
        scores.keep({f"{name}, bound": total.mean()})
        if len(total) > 1:  # of one image nobody knows
            standard_error = total.std(ddof=1) / math.sqrt(len(total))
            scores.keep({f"{name}, standard error": standard_error})
    count = min(flags.images, len(train), len(test))
    classes = list(range(len(train.classes))) if args.conditional else []
    noise = noise_of(args, args.seed + 2, (count, *x.shape[1:]))
    labels = training.rows_of(classes, count, args.device)
    draws = flags.draw or [f"{args.sampler}:{args.steps_to_draw}"]
    for sampler, steps in dict.fromkeys(drawn_by(how, args) for how in draws):
        began = time.perf_counter()
        made = draw(args, model, noise, labels, sampler, steps)
        by = f"{sampler}:{steps}: " if len(draws) > 1 else ""  # of a short chain all it has
        scores.keep({f"{by}seconds for a drawn image": (time.perf_counter() - began) / count})
        if sampler == "ddim":
            off = round_trip_error(model.respaced(steps), x, told)
            scores.keep({f"{by}encoded and decoded, squared error of a pixel, 0 to 1": off})
        asked = None if labels is None else labels.numpy()
        in_features(train, test, made, args.device, scores, by, asked)


def round_trip_error(model: Diffusion, images: Tensor, labels: Tensor | None) -> float:
    """Mean squared error of images (N, C, H, W) that were encoded by DDIM and decoded, a dimension,
    of black as 0 and white as 1; no guess is clipped, or the way back would be another."""
    model.clip = False

    def back(some: Tensor, *told: Tensor) -> Tensor:
        return ddim(model, ddim_encode(model, some, *told), *told)

    again = in_parts(back, images, labels)
    return float(((again - images.numpy()) ** 2).mean() / 4)
