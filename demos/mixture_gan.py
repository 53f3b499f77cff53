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

import minigen
from minigen import Generator, Tensor, data, nn, optim, training
from minigen.metrics import Modes, mode_coverage
from minigen.models.gan import GAN
from minigen.models.networks import mlp
from minigen.models.wgan import WGAN
from minigen.training.flags import number, rate, units, whole
from minigen.training.plane import draw_points, draw_surface, frame

SAMPLES = 2500  # as PacGAN's protocol has it
FRAMES = 40  # of the animation


def mixture_of(args: argparse.Namespace) -> tuple[data.Mixture, float]:
    """The mixture, and its largest coordinate, by which the networks see it divided."""
    mixture = {"ring": data.ring, "grid": data.grid}[args.data]()
    return mixture, float(np.abs(mixture.centres).max())


def build(args: argparse.Namespace) -> GAN | WGAN:
    """The networks of these flags: three hidden layers each."""
    hidden = [args.width] * 3
    generator = mlp(args.noise, *hidden, 2)
    judge = mlp(2 * args.packing, *hidden, 1, activation=functools.partial(nn.LeakyReLU, 0.2))
    shared = {"noise": args.noise, "packing": args.packing}
    betas = (0.5, 0.999) if args.collapse else (0.0, 0.9)
    adam = functools.partial(optim.Adam, lr=args.lr, betas=betas)
    generator, judge = generator.to(args.device), judge.to(args.device)
    if args.model == "gan":
        return GAN(generator, judge, optimiser=adam, **shared)
    if args.model == "wgan-gp":
        return WGAN(generator, judge, penalty=args.penalty, optimiser=adam, **shared)
    rms = functools.partial(optim.RMSprop, lr=args.lr)
    return WGAN(generator, judge, clip=args.clip, optimiser=rms, **shared)


def sample(gan: GAN | WGAN, scale: float, seed: int, count: int = SAMPLES) -> np.ndarray:
    """Generated points (count, 2), by noise that does not draw from the stream of the training."""
    return gan.draw(gan.sample_noise(count, Generator(seed))).numpy() * scale


def score(args: argparse.Namespace, gan: GAN | WGAN) -> Modes:
    """How well a trained generator covers the modes."""
    mixture, scale = mixture_of(args)
    return mode_coverage(sample(gan, scale, args.seed + 2), mixture.centres, mixture.sigma)


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


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(__doc__, name="mixture_gan", quick={"steps": 100, "width": 32})
    add = parser.add_argument
    add("--steps", type=whole(), default=12000, help="training steps in all")
    add("--data", choices=("ring", "grid"), default="ring", help="8 or 25 Gaussians")
    add("--model", choices=("gan", "wgan", "wgan-gp"), default="gan", help="which")
    add("--packing", type=units, default=1, help="points that the judge sees at a time (PacGAN)")
    add("--collapse", action="store_true", help="show mode collapse")
    add("--batch-size", type=units, default=256, help="real points a step, and as many generated")
    add("--width", type=units, default=128, help="units in each of three hidden layers")
    add("--noise", type=units, default=2, help="numbers that make z")
    add("--lr", type=rate, default=1e-3, help="learning rate; falls to 0 in the second half")
    add("--critic-steps", type=whole(1, 1000), default=5,
        only=("with --model gan", lambda args: args.model != "gan"),
        help="of a WGAN for each generator step")  # fmt: skip
    positive = number(above=0, most=1e6)
    for name, default, model, help in (
        ("--clip", 0.1, "wgan", "bound of the weights"),
        ("--penalty", 0.1, "wgan-gp", "λ"),
    ):
        only = f"without --model {model}", lambda args, model=model: args.model == model
        add(name, type=positive, default=default, only=only, help=f"{help} of --model {model}")
    training.refuse_broken_packs(parser)
    return parser


@training.script
def main() -> None:
    args, run = flags().open_run()

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
        "Real and generated points in the plane. The greyer it is, the more real the judge takes a"
        " point there to be: grey rings round the modes show a judge that still tells them apart."
    )

    def picture(step: int) -> None:
        drawn = frame(functools.partial(draw, args, gan, judge), size=3.0)
        training.save_image(run.path("samples", f"{step:06d}.png"), drawn)

    @loop.at_save
    def show() -> None:
        panels = {args.model: names}
        frames = training.draw_course(run, panels, shown, reading, seconds_per_frame=0.15)
        training.save_strip(run.path("samples.png"), frames, shown)

    if loop.step == 0:
        picture(0)

    rates = args.lr, args.lr / 10 if args.collapse else args.lr
    schedules = [
        training.falling(optimiser, rate, loop.steps, loop.step)
        for optimiser, rate in zip(gan.optimisers(), rates, strict=True)
    ]
    for step in loop:
        points = [mixture.sample(args.batch_size) / scale for _ in range(batches)]
        loop.log(gan.step(*(x.to(args.device) for x in points)))
        for schedule in schedules:
            schedule.step()
        if loop.every(max(10, args.steps // FRAMES)):
            picture(step)

    found = score(args, gan)
    training.finish(
        loop,
        "samples.gif",
        f"{found.covered} of {len(mixture.centres)} modes, {found.high_quality:.1%} of high"
        f" quality, reverse KL {found.reverse_kl:.4f}",
        f"{MODES} {reading}",
    )


if __name__ == "__main__":
    main()
