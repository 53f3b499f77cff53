"""Points in the plane walk from noise to data: flow matching and diffusion, where all can be seen.

8 Gaussians, a checkerboard, moons or a swiss roll, by --data; --model flow (straight paths) or
diffusion. The density of the first two is known, and that of a model too, by the divergence of the
field that its points follow: at the end it is printed how many nats it is off, the mean over fresh
points of log p_true − log p_model, which is 0 for a perfect model and else above. Pictures in the
run folder: samples.gif as training goes on, walk.gif from noise to data, paths.png (the ways, by
Euler's steps: one, two, five, many), scores.png (∇log p at five times).

    python demos/diffusion_2d.py --data checkerboard
    python demos/diffusion_2d.py --transport           pairs noise and data within each batch
    python demos/diffusion_2d.py --reflow runs/RUN     trains anew on the pairs that a run made

Both make ways straighter, so that fewer steps do.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from scoring.plane import FINE, POINTS, off

import minigen
from minigen import Generator, Tensor, optim, training
from minigen.display import progress
from minigen.models import diffusion as D
from minigen.models import flow_matching as FM
from minigen.models.networks import evaluating
from minigen.training.builders.diffusion_2d import (
    DATA,
    MANY,
    Model,
    build,
    flags,
    noise_of,
    score,
    walk,
)
from minigen.training.common import short
from minigen.training.plane import draw_points, frame
from minigen.training.run import CHECKPOINT

EDGE = 2.4  # of the pictures
EXTENT = (-EDGE, EDGE, -EDGE, EDGE)
FRAMES = 30  # of an animation


def score_at(model: Model, x: Tensor, done: float) -> Tensor:
    """∇log p of the points after that share of the way, (N, 2)."""
    if isinstance(model, FM.Flow):
        # x_t − t·v is E[x_0|x_t], and −x_0 / (1 − t) the score of a line.
        return (done * model.velocity(x, done) - x) / (1 - done)
    return score(model, x, float(D.noise_levels(model, MANY)[round(done * MANY)]))  # as in `walk`


def draw_ways(args: argparse.Namespace, model: Model, axes: Any) -> None:
    """Ways of the same noise by one, two, five and many steps of Euler's."""
    noise = noise_of(args, args.seed + 1, 300)
    real = DATA[args.data].sample(1500, Generator(args.seed + 4)).numpy()
    for panel, steps in zip(axes, (1, 2, 5, MANY), strict=True):
        places = walk(model, noise, steps, "euler")
        panel.plot(*places[:, :100].transpose(2, 0, 1), color="#888888", linewidth=0.4, alpha=0.7)
        draw_points(
            panel, real, places[-1], EXTENT, f"{steps} step{'s' * (steps > 1)} of Euler's method"
        )


def draw_scores(args: argparse.Namespace, model: Model, places: np.ndarray, axes: Any) -> None:
    """∇log p on a grid at five times, and the points there; the longest arrows are cut."""
    line = np.linspace(-EDGE, EDGE, 19)[1:-1]
    grid = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2).astype(np.float32)
    like = next(iter(model.parameters()))
    real = DATA[args.data].sample(400, Generator(args.seed + 4)).numpy()
    for panel, done in zip(axes, (0.05, 0.4, 0.7, 0.85, 0.95), strict=True):
        with evaluating(model.network):
            slopes = score_at(model, Tensor(grid, device=like.device), done).numpy()
        length = np.linalg.norm(slopes, axis=1, keepdims=True) + 1e-12
        slopes = slopes / length * np.minimum(length, np.median(length) * 2)
        points = places[round(done * MANY), :600]
        draw_points(panel, real, points, EXTENT, f"{done:.0%} of the way")
        panel.quiver(*grid.T, *slopes.T, color="#555555", width=0.004)


def draw_walk(run: training.Run, args: argparse.Namespace, places: np.ndarray) -> None:
    """walk.gif: where the points are, from noise to data."""
    real = DATA[args.data].sample(1500, Generator(args.seed + 4)).numpy()
    frames, count = [], min(FRAMES, 1 + args.steps // 20)  # few of a quick run
    for i in progress(np.linspace(0, MANY, count).round().astype(int), "frames"):
        draw = functools.partial(
            draw_points,
            real=real,
            made=places[i],
            extent=EXTENT,
            title=f"{i / MANY:.0%} of the way",
        )
        frames.append(run.path("walk", f"{i:04d}.png"))
        training.save_image(frames[-1], frame(lambda axes, draw=draw: draw(axes[0]), size=3.0))
    training.save_gif(
        run.path("walk.gif"), frames, seconds_per_frame=0.1,
        caption="Generated points on their way from noise, at 0 %, to where real points should be,"
        " at 100 %. Good are orange points that end on the blue ones, as dense as they are.",
    )  # fmt: skip


def draw_all(run: training.Run, args: argparse.Namespace, model: Model) -> None:
    """The pictures of a trained model."""
    places = walk(model, noise_of(args, args.seed + 1, 1500), MANY)
    for name, panels, drawn, caption in (
        ("paths", 4, functools.partial(draw_ways, args, model),
         "Points generated from the same noise by few steps and by many; grey lines are the ways"
         " of 100 of them. Good are orange points on the blue ones, by few steps already: straight"
         " ways get there in few, curved ones need many."),
        ("scores", 5, functools.partial(draw_scores, args, model, places),
         "Generated points at five times between noise and data, real ones, and arrows of ∇ log p,"
         " which show where the model thinks that generated points are denser then; long ones are"
         " cut short. In a good model they lead to the middle at first, and to the real points in"
         " the end."),
    ):  # fmt: skip
        training.save_image(run.path(f"{name}.png"), frame(drawn, panels, 3.0), caption=caption)
    draw_walk(run, args, places)


def teacher(args: argparse.Namespace) -> FM.Flow:
    """The flow of the run that --reflow names, with its averaged weights.

    Raises:
        RunError: it is no finished run of a flow of the same data and sizes.
        CheckpointError: its checkpoint is damaged.
    """
    run = training.Run.read(args.reflow)
    of = flags().settings_of(run)
    for name in ("data", "model", "width", "depth"):
        if (theirs := getattr(of, name)) != (own := getattr(args, name)):
            raise training.RunError(f"{run.folder} has --{name} {theirs}, and this run {own}")
    model = build(args)
    average = optim.ExponentialMovingAverage(model, args.decay, warm_up=True)
    saved = training.load_checkpoint(run.folder / CHECKPOINT)
    try:
        average.load_state_dict(saved["state"]["average"])
        done = saved["step"]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise training.CheckpointError(
            f"{run.folder}: the checkpoint is not of the flow that config.json describes:"
            f" {short(str(error))}"
        ) from error
    if done != of.steps:
        raise training.RunError(
            f"{run.folder} has done {done} of {of.steps} steps: --resume it to its end first"
        )
    average.copy_to()
    return model


def trained(
    args: argparse.Namespace,
    model: Model,
    optimiser: optim.Adam,
    pairs: tuple[Tensor, Tensor] | None,
) -> Mapping[str, Tensor]:
    """What a training step says, of the step of the model that is asked for.

    Args:
        pairs: noise and what --reflow's run made of it.
    """
    if pairs:
        rows = minigen.randint(0, args.pairs, (args.batch_size,), device=args.device)
        return FM.step(model, optimiser, pairs[1][rows], noise=pairs[0][rows])
    x = DATA[args.data].sample(args.batch_size).to(args.device)
    if args.model == "flow":
        return FM.step(model, optimiser, x, transport=args.transport)
    return D.step(model, optimiser, x)


LOSS = "Most of the loss is noise that nobody could predict, so it soon stops falling."
PAIRED = (
    "Each point has its own noise here, so the loss may fall to near 0, which it is where ways are"
    " straight and do not cross."
)
NATS = (
    " Nats off are the mean of log p_true − log p_model at true points: 0 is the truth, below 0.05"
    " is good."
)


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()
    if args.reflow:
        run.config["reflow"] = args.reflow = os.path.abspath(args.reflow)

    minigen.manual_seed(args.seed)
    true, pairs = DATA[args.data], None
    model = teacher(args) if args.reflow else build(args)
    if args.reflow:
        noise = noise_of(args, args.seed + 5, args.pairs)
        pairs = noise, FM.made_pairs(model, noise)
    optimiser = optim.Adam(model.parameters(), lr=args.lr)
    average = optim.ExponentialMovingAverage(model, args.decay, warm_up=True)
    state = {"model": model, "optimiser": optimiser, "average": average}
    state["random"] = minigen.default_generator
    loop = training.Loop(run, steps=args.steps, state=state, save_every=max(500, args.steps // 10))
    training.begin(run, f"points of {args.data}")
    shown = (
        "Real points, and points generated from the same noise each time, in 20 steps of Heun's"
        " method. Good are orange points where the blue ones are, as dense as they, and none"
        " between."
    )
    loss = PAIRED if args.reflow or args.transport else LOSS
    course = functools.partial(training.draw_course, run, {"loss": ["loss"]}, shown, loss)
    loop.at_save(functools.partial(course, seconds_per_frame=0.1))

    def draw(axes: Any) -> None:
        made = walk(model, noise_of(args, args.seed + 1, 1500), 20)[-1]
        real = true.sample(1500, Generator(args.seed + 4)).numpy()
        draw_points(axes[0], real, made, EXTENT)

    @loop.at_every(max(10, args.steps // FRAMES))
    def picture(step: int) -> None:
        with average.average_parameters():
            drawn = frame(draw, size=3.0)
        training.save_image(run.path("samples", f"{step:06d}.png"), drawn)

    schedule = training.falling(optimiser, args.lr, loop.steps, loop.step, args.fall)
    for _ in loop:
        loop.log(trained(args, model, optimiser, pairs))
        schedule.step()
        average.update()

    if loop.interrupted:
        return training.finish(loop, "samples.gif")
    average.copy_to()
    draw_all(run, args, model)
    said = ""
    if hasattr(true, "log_density"):
        print("measuring how far off the density is …", flush=True)
        nats = off(args, model, POINTS // 10, FINE)
        said = f"{nats.mean():.3f} nats off, median {np.median(nats):.3f}, of {len(nats):,} points"
    return training.finish(loop, "walk.gif", said, loss + NATS)


if __name__ == "__main__":
    main()
