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
from scoring.plane import score_of_modes

import minigen
from minigen import Tensor, training
from minigen import functional as F
from minigen.models.discogan import DiscoGAN
from minigen.training.builders.discogan_modes import A, B, build, flags, translated
from minigen.training.plane import draw_clusters, draw_surface, frame

FRAMES = 40  # of the animation
EXTENT = (-1.4, 1.4, -1.4, 1.4)


def draw(args: argparse.Namespace, gan: DiscoGAN, axes: Any) -> None:
    """Translated points by their mode of A, over the contours of D_B."""

    def judged(plane: np.ndarray) -> np.ndarray:
        with minigen.no_grad():
            return F.sigmoid(gan.judge_b(Tensor(plane, device=args.device))).numpy()

    # From 0 to 1: log-odds grow without end far from all points, and would take all the shades.
    draw_surface(axes[0], judged, EXTENT, np.linspace(0, 1, 13))
    points = translated(args, gan, args.seed + 1, 200)
    draw_clusters(axes[0], points, B.centres, EXTENT)


READING = (
    "The losses stay near those of judges that cannot tell. The reconstruction is how far points"
    " are from themselves after the way there and back: it falls even where modes are left out."
)


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

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
        "Points of A's five modes, A1 to A5, translated to B, whose ten real modes are the crosses."
        " The darker the ground, the more probable B's judge finds it that a point there is real,"
        " from 0, white, to 1; far from all points that means nothing. Good are points on all ten"
        " crosses, no cross with two colours, and none between."
    )

    @loop.at_every(max(10, args.steps // FRAMES))
    def picture(step: int) -> None:
        drawn = frame(functools.partial(draw, args, gan), size=3.0)
        training.save_image(run.path("samples", f"{step:06d}.png"), drawn)

    @loop.at_save
    def show() -> None:
        frames = training.draw_course(run, panels, shown, READING, seconds_per_frame=0.15)
        training.save_strip(run.path("samples.png"), frames, shown)

    schedules = [
        training.falling(optimiser, args.lr, loop.steps, loop.step)
        for optimiser in gan.optimisers()
    ]
    for _ in loop:
        a, b = (mixture.sample(args.batch_size).to(args.device) for mixture in (A, B))
        loop.log(gan.step(a, b))
        for schedule in schedules:
            schedule.step()

    found = score_of_modes(args, gan)
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
