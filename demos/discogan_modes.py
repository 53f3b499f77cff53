"""Five clusters in the plane translated to ten: what a GAN and one reconstruction get wrong, and
DiscoGAN right (Kim et al. 2017, section 3.1 and figure 4).

Domain A is a ring of 5 Gaussians, B one of 10. No point of A belongs to one of B, so many answers
are right: those that cover B, and put no two clusters of A on one of B. The paper shows a picture.
Here it is counted too, with 2,000 points of each cluster of A: the modes of B that 1 % of all
samples are in, or more; the modes of A that share one of them; and the share of samples within 3σ
of a mode. --form gan has G_AB and D_B alone, one also G_BA and the way from A to B and back, both
is DiscoGAN. samples.gif colours each translated point by its cluster in A, over the contours of
D_B, with crosses where B's clusters are; samples.png has four frames of it.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools
from typing import Any

import numpy as np

import minigen
from minigen import Generator, Tensor, data, optim, training
from minigen.metrics import Translated, translated_modes
from minigen.models.discogan import FORMS, DiscoGAN, PointJudge
from minigen.models.networks import mlp
from minigen.training.flags import rate, units, weight, whole
from minigen.training.plane import draw_clusters, draw_surface, frame

SIGMA = 0.05
A, B = data.ring(5, sigma=SIGMA), data.ring(10, sigma=SIGMA)
SAMPLES = 2000  # of each mode of A
FRAMES = 40  # of the animation
EXTENT = (-1.4, 1.4, -1.4, 1.4)


def build(args: argparse.Namespace) -> DiscoGAN:
    """The networks of these flags: three linear layers make a generator, five a discriminator."""
    generators = [mlp(2, args.width, args.width, 2) for _ in range(2)]
    judges = [PointJudge(2, [args.width] * 4) for _ in range(2)]
    return DiscoGAN(
        *(network.to(args.device) for network in (*generators, *judges)),
        form=args.form,
        reconstruction=args.reconstruction,
        optimiser=functools.partial(optim.Adam, lr=args.lr, betas=(0.0, 0.9)),
    )


def translated(args: argparse.Namespace, gan: DiscoGAN, seed: int, count: int) -> np.ndarray:
    """G_AB of `count` points of each mode of A, (5, count, 2), drawn apart from the training."""
    noise = minigen.randn(len(A.centres), count, 2, generator=Generator(seed)) * A.sigma
    points = noise + Tensor(A.centres[:, None].astype(np.float32))
    return gan.draw(points.reshape(-1, 2).to(args.device)).numpy().reshape(points.shape)


def score(args: argparse.Namespace, gan: DiscoGAN) -> Translated:
    """How well a trained generator covers B, and tells the modes of A apart."""
    return translated_modes(translated(args, gan, args.seed + 2, SAMPLES), B.centres, B.sigma)


def draw(args: argparse.Namespace, gan: DiscoGAN, axes: Any) -> None:
    """Translated points by their mode of A, over the contours of D_B."""

    def judged(plane: np.ndarray) -> np.ndarray:
        with minigen.no_grad():
            return gan.judge_b(Tensor(plane, device=args.device)).numpy()

    draw_surface(axes[0], judged, EXTENT)
    points = translated(args, gan, args.seed + 1, 200)
    draw_clusters(axes[0], points, B.centres, EXTENT)


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(__doc__, name="discogan_modes", quick={"steps": 100, "width": 16})
    add = parser.add_argument
    add("--steps", type=whole(), default=40_000, help="training steps in all")
    add("--form", choices=FORMS, default="both", help="a GAN, with one reconstruction, with both")
    add("--reconstruction", type=weight, default=20.0,
        only=("with --form gan", lambda args: args.form != "gan"),
        help="λ, the weight of a reconstruction")  # fmt: skip
    add("--batch-size", type=units, default=128, help="points of A a step, and as many of B")
    add("--width", type=units, default=64, help="units in each hidden layer")
    add("--lr", type=rate, default=1e-3, help="learning rate; falls to 0 in the second half")
    return parser


@training.script
def main() -> None:
    args, run = flags().open_run()

    minigen.manual_seed(args.seed)
    gan = build(args)
    loop = training.Loop(
        run,
        steps=args.steps,
        state={"gan": gan, "random": minigen.default_generator},
        save_every=max(500, args.steps // 10),
    )
    what = f"{len(A.centres)} Gaussians to {len(B.centres)}"
    training.begin(run, what, (gan.to_b, (2,)), (gan.judge_b, (2,)))
    panels = {"losses": ["loss_d", "loss_g"]}
    if args.form != "gan":
        panels["reconstruction"] = ["reconstruction"]

    shown = (
        "Points of A's five modes, A1 to A5, translated to B, whose ten modes are the crosses. Grey"
        " is where B's judge takes points for real."
    )

    def picture(step: int) -> None:
        drawn = frame(functools.partial(draw, args, gan), size=3.0)
        training.save_image(run.path("samples", f"{step:06d}.png"), drawn)

    @loop.at_save
    def show() -> None:
        frames = training.draw_course(run, panels, shown, seconds_per_frame=0.15)
        training.save_strip(run.path("samples.png"), frames, shown)

    if loop.step == 0:
        picture(0)

    schedules = [
        training.falling(optimiser, args.lr, loop.steps, loop.step)
        for optimiser in gan.optimisers()
    ]
    for step in loop:
        a, b = (mixture.sample(args.batch_size).to(args.device) for mixture in (A, B))
        loop.log(gan.step(a, b))
        for schedule in schedules:
            schedule.step()
        if loop.every(max(10, args.steps // FRAMES)):
            picture(step)

    found = score(args, gan)
    training.finish(
        loop,
        "samples.gif",
        f"{found.covered} of {len(B.centres)} modes, {found.sharing} of {len(A.centres)} share one,"
        f" {found.high_quality:.1%} within 3σ",
        "Good are all ten modes of B, no two modes of A that share one, and nearly all points"
        " within three standard deviations of a mode; a GAN alone (--form gan) misses most modes.",
    )


if __name__ == "__main__":
    main()
