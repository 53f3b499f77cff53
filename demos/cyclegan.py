"""Train CycleGAN (Zhu et al. 2017), or DiscoGAN by --model discogan (Kim et al. 2017): pictures
from pictures, learnt without pairs.

Two generators lead from one domain to the other and back; what comes back has to be what went. By
default emoji of Noto become those of Twemoji, and the other way; the two are shown disjoint halves
of the families, so there is not one pair; generators start from pictures that are zoomed and moved,
all alike, so that the mean picture fits the other domain's. Letters in two fonts (--data glyphs),
digits and their negatives (--data mnist --domains white inverted), or your own folder of trainA,
trainB, testA and testB. With --contrast 3 what is made of a picture is to be nearer to it than to
others.

The run folder gets held-out pictures as training goes on (samples/ and samples.gif): a row of what
was given, of what was made of it, of the truth where it is known, and of what came back. The loss
of the cycle alone says little: pictures may come back although what was made of them is wrong.
demos/evaluate.py measures both.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np

import minigen
from minigen import Tensor, data, training
from minigen.data.tasks import from_levels
from minigen.metrics.baselines import best_place
from minigen.metrics.pictures import absolute_error
from minigen.training.builders.cyclegan import build, drawn_with, flags, held_out, trained_with
from minigen.training.translation import CHECKED, SHOWN, SHOWN_ROWS, others

READING = (
    "held-out cycle is how far pictures that went there and back are from themselves, from 0 to 1."
    " It gets small even where the pictures between are wrong: held-out error, the distance to the"
    " truth where it is known, says how good they are. The losses are the judges' and the"
    " generators'; of the latter {parts} are the parts without the judges. x is {x}, y {y}."
)
TOLD = " contrast falls as made pictures get nearer to what they are made of than to others."


def start_placed(model: Any, sides: Mapping[str, np.ndarray]) -> None:
    """Let the generators begin with what moves and zooms one domain's mean picture to the other's,
    which needs no pairs."""
    x_mean, y_mean = (from_levels(s.mean(0, keepdims=True)) for s in sides.values())
    there, back = drawn_with(model)
    there[0].place(*best_place(x_mean, y_mean))
    back[0].place(*best_place(y_mean, x_mean))


def panels_of(args: argparse.Namespace) -> dict[str, list[str]]:
    """The curves, by the names of their panels."""
    cycle = ["reconstruction", "matching"]
    if args.model == "cyclegan":
        cycle = ["cycle_x", "cycle_y", *(["identity"] if args.identity else [])]
    panels = {"losses": ["loss_d", "loss_g"], "cycle": cycle}
    if args.contrast:
        panels["told from others"] = ["contrast"]
    return panels | {"held-out": ["held-out cycle", "held-out error"]}


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

    minigen.manual_seed(args.seed)
    sides, (a, b) = trained_with(args), args.domains
    counts = dict(zip((a, b), map(len, sides.values()), strict=True))
    training.fit_batches(run, args, {f"pictures of {name}": n for name, n in counts.items()})
    channels, size = sides["batches x"].shape[1:3]
    run.config["image_shape"] = [channels, size, size]
    batches = {
        name: data.Batches(images, batch_size=args.batch_size, seed=2 * args.seed + i)
        for i, (name, images) in enumerate(sides.items())
    }
    model = build(args, channels, size)
    if args.start == "placed":
        start_placed(model, sides)
    streams = [each.forever() for each in batches.values()]

    def step(i: int) -> Mapping[str, Tensor]:
        seen = [from_levels(training.augmented(args, next(s)[0])) for s in streams]
        if args.contrast:
            seen += [others(args, *pair, i) for pair in zip(sides.values(), seen, strict=True)]
        return model.step(*(Tensor(pictures, device=args.device) for pictures in seen))

    held, paired = held_out(args)
    held = held.taken(np.random.default_rng(0).permutation(len(held))[:CHECKED])
    x, y = (Tensor(from_levels(held.images[:, i]), device=args.device) for i in (0, 1))

    def rows() -> Mapping[str, Any]:
        shown: dict[str, Any] = {}
        for given, seen, there, made, true, back in (
            (a, x, model.draw, b, y, model.draw_back),
            (b, y, model.draw_back, a, x, model.draw),
        ):
            shown |= {f"given {given}": seen[:SHOWN], f"made {made}": there(seen[:SHOWN])}
            if paired:
                shown[f"true {made}"] = true[:SHOWN]
            shown[f"{given} again"] = back(shown[f"made {made}"])
        return shown

    def check() -> Mapping[str, float]:
        made = training.by_parts(model.draw, x)
        again = training.by_parts(model.draw_back, Tensor(made, device=args.device))
        errors = {"held-out cycle": again - x.numpy()}
        if paired:
            errors["held-out error"] = made - y.numpy()
        return {k: held.family_mean(absolute_error(e / 2, 0 * e)) for k, e in errors.items()}

    panels, reading = panels_of(args), READING
    parts = panels["cycle"]
    if args.contrast:
        parts, reading = [*parts, "contrast"], reading + TOLD
    shape = channels, size, size
    training.train_translator(
        run, args, model, generators=drawn_with(model), batches=batches, step=step,
        rows=rows, check=check, panels=panels,
        networks=[(model.networks()[i], shape) for i in (0, 2)],  # one generator, one judge
        shown=SHOWN_ROWS + " Again is what came back of the made ones, and should be the given.",
        what=f"{counts[a]:,} pictures of {a} and {counts[b]:,} of {b}, of {held.name}",
        reading=reading.format(parts=" and ".join(parts), x=a, y=b),
    )  # fmt: skip


if __name__ == "__main__":
    main()
