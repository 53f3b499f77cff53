"""Train a GAN of multilayer perceptrons to draw points on the curve y = x², −1 ≤ x ≤ 1.

The generator has never seen the formula, only points. samples.gif shows its points over the true
curve, the discriminator's surface, D(x) from 0.4 (light) to 0.6 (dark), and both losses. At the end
it prints how far the points are from the curve on average, and the Wasserstein-1 distance between
generated and true points beside the floor, the distance between two sets of true points.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from scoring.plane import score_of_curve

import minigen
from minigen import Tensor, training
from minigen import functional as F
from minigen.models.gan import GAN
from minigen.training.builders.parabola_gan import CURVE, build, flags, sample
from minigen.training.plane import draw_lines, draw_points, draw_surface, frame

EXTENT = (-1.4, 1.4, -0.5, 1.6)
FRAMES = 40  # of the animation


def draw(gan: GAN, records: Sequence[dict], args: argparse.Namespace, axes: Any) -> None:
    """Points over the curve, D's surface, and the losses."""

    def probability(plane: np.ndarray) -> np.ndarray:
        with minigen.no_grad():
            return F.sigmoid(gan.discriminator(Tensor(plane, device=args.device))).numpy()

    x = np.linspace(-1, 1, 200)
    made = sample(gan, args.seed + 1, 500)
    draw_points(axes[0], np.stack([x, x * x], 1), made, EXTENT, "G(z)")
    draw_surface(axes[1], probability, EXTENT, levels=np.linspace(0.4, 0.6, 21))
    draw_points(axes[1], np.stack([x, x * x], 1), made[:0], EXTENT, "D(x)")
    draw_lines(axes[2], records, ("loss_d", "loss_g"), args.steps)


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

    minigen.manual_seed(args.seed)
    gan = build(args)
    loop = training.Loop(
        run,
        steps=args.steps,
        state={"gan": gan, "random": minigen.default_generator},
        log_every=max(1, args.steps // 300),
        save_every=max(500, args.steps // 10),
    )
    training.begin(run, "points of a parabola", (gan.generator, (gan.noise,)))
    shown = (
        "On the left points that the generator G draws of noise z, over the true curve; in the"
        " middle how probable the discriminator D finds it that a point is real, from 0.4, white,"
        " to 0.6, dark; on the right the losses of both. Good are orange points all along the blue"
        " curve; D is then one grey."
    )

    @loop.at_every(max(10, args.steps // FRAMES))
    def picture(step: int) -> None:
        panels = functools.partial(draw, gan, run.metrics(), args)
        training.save_image(run.path("samples", f"{step:06d}.png"), frame(panels, 3, 2.6))

    how = {"seconds_per_frame": 0.1, "colours": 64}
    loop.at_save(functools.partial(training.draw_course, run, {}, shown, **how))
    schedules = [training.falling(o, args.lr, loop.steps, loop.step) for o in gan.optimisers()]
    for _ in loop:
        loop.log(gan.step(CURVE.sample(args.batch_size).to(args.device)))
        for schedule in schedules:
            schedule.step()

    print("measuring the distance to the curve …", flush=True)
    found = ", ".join(f"{name} {value:.4f}" for name, value in score_of_curve(args, gan).items())
    reading = (
        "The distance to the curve is in its range's units: below 0.005 is good. W1, how far mass"
        " has to be moved, cannot get below that between two sets of true points."
    )
    training.finish(loop, "samples.gif", found, reading)


if __name__ == "__main__":
    main()
