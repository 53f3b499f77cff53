"""Train a GAN on a ring of 8 or a grid of 25 Gaussians, where what it misses can be counted.

GAN, WGAN and WGAN-GP, with packing (PacGAN) if wished: --model, --packing. It prints how many of
the modes 2,500 samples cover, which share of them is within 3σ of a mode, and the reverse
Kullback-Leibler divergence over the modes, and draws samples.gif: the generated points over the
real ones, and the contours of the discriminator or critic; samples.png has four frames of it.

Mode collapse on purpose: with --collapse the discriminator learns a tenth as fast, and both with
momentum, β₁ = 0.5. All noise is then drawn as nearly one point: where D finds real points at the
moment is the best place for every sample at once. G gathers there, D slowly learns to refuse it,
and G moves on to the next mode. It wins each round, and never draws two modes at a time.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools
from typing import Any

import numpy as np
from scoring.plane import score_of_mixture

import minigen
from minigen import Generator, Tensor, nn, training
from minigen.training.builders.mixture_gan import build, flags, mixture_of, sample
from minigen.training.plane import draw_points, draw_surface, frame

FRAMES = 40  # of the animation


READING = {
    "gan": "The losses stay near those of a D that cannot tell, 1.39 and 0.69, and say little about"
    " the points.",
    "wgan": "distance, the critic's gap over its slope, falls to near 0 as points come to lie where"
    " real ones do.",
}
MODES = (
    "All modes and a high quality near that of real points, 98.9 %, are good; the reverse KL is 0"
    " where all modes get the same share."
)


def draw(args: argparse.Namespace, gan: Any, judge: nn.Module, axes: Any) -> None:
    """Generated points over real ones, and the contours of the judge."""
    mixture, scale = mixture_of(args)
    edge = 1.4 * scale
    extent = (-edge, edge, -edge, edge)

    def judged(plane: np.ndarray) -> np.ndarray:
        x = Tensor(np.tile(plane / scale, (1, args.packing)), device=args.device)
        with minigen.no_grad():
            return judge(x).numpy()

    draw_surface(axes[0], judged, extent)
    real = mixture.sample(1000, Generator(args.seed + 1)).numpy()
    draw_points(axes[0], real, sample(gan, scale, args.seed + 2, 1000), extent)


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

    minigen.manual_seed(args.seed)
    mixture, scale = mixture_of(args)
    gan = build(args)
    generator, judge = gan.networks()
    batches = 1 if args.model == "gan" else args.critic_steps

    loop = training.Loop(
        run,
        steps=args.steps,
        state={"gan": gan, "random": minigen.default_generator},
        save_every=max(500, args.steps // 10),
    )
    training.begin(run, f"{len(mixture.centres)} Gaussians", (generator, (args.noise,)))

    names = ["loss_d", "loss_g"] if args.model == "gan" else ["gap", "slope", "distance"]
    reading = READING["gan" if args.model == "gan" else "wgan"]
    shown = (
        "Real and generated points in the plane. The darker the ground, the more real the judge"
        " takes a point there to be; shades go from the least to the most of each picture. Good are"
        " orange points on all blue modes, which they then cover, and few between."
    )

    @loop.at_every(max(10, args.steps // FRAMES))
    def picture(step: int) -> None:
        drawn = frame(functools.partial(draw, args, gan, judge), size=3.0)
        training.save_image(run.path("samples", f"{step:06d}.png"), drawn)

    @loop.at_save
    def show() -> None:
        panels = {"losses" if args.model == "gan" else "critic": names}
        frames = training.draw_course(run, panels, shown, reading, seconds_per_frame=0.15)
        training.save_strip(run.path("samples.png"), frames, shown)

    rates = args.lr, args.lr / 10 if args.collapse else args.lr
    schedules = [
        training.falling(optimiser, rate, loop.steps, loop.step)
        for optimiser, rate in zip(gan.optimisers(), rates, strict=True)
    ]
    for _ in loop:
        points = [mixture.sample(args.batch_size) / scale for _ in range(batches)]
        loop.log(gan.step(*(x.to(args.device) for x in points)))
        for schedule in schedules:
            schedule.step()

    found = score_of_mixture(args, gan)
    training.finish(
        loop,
        "samples.gif",
        f"{found.covered} of {len(mixture.centres)} modes, {found.high_quality:.1%} of high"
        f" quality, reverse KL {found.reverse_kl:.4f}",
        f"{MODES} {reading}",
    )


if __name__ == "__main__":
    main()
