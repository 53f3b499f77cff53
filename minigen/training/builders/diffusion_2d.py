"""The settings of a run of demos/diffusion_2d.py, the flow or diffusion that they describe, and how
its points walk."""

from __future__ import annotations

import argparse
import math

import numpy as np

import minigen
from minigen import Generator, Tensor, data
from minigen.models import diffusion as D
from minigen.models import flow_matching as FM
from minigen.models import ode
from minigen.models.denoiser import PlaneDenoiser
from minigen.models.networks import evaluating
from minigen.training.command import Parser
from minigen.training.flags import number, path, units, whole

DATA = {
    # That of FFJORD (Grathwohl et al. 2019) at half its size: σ is an eighth of the radius.
    "gaussians": data.ring(8, math.sqrt(2), math.sqrt(2) / 8),
    "checkerboard": data.Checkerboard(),
    "moons": data.moons(),
    "swiss-roll": data.swiss_roll(),
}
MANY = 100  # steps of Euler's or Heun's
Model = FM.Flow | D.Diffusion


def build(args: argparse.Namespace) -> Model:
    """The model of these flags."""
    network = PlaneDenoiser(args.width, args.depth)
    if args.model == "flow":
        model: Model = FM.Flow(network, args.late)
    else:
        schedule = D.SCHEDULES[args.schedule](args.chain)
        options = {"predicts": args.predicts, "clip": False, "levels": None}
        model = D.Diffusion(network, schedule, **options)
    return model.to(args.device)


def noise_of(args: argparse.Namespace, seed: int, count: int) -> Tensor:
    """N(0, I), (count, 2), that does not draw from the stream of the training."""
    return minigen.randn(count, 2, generator=Generator(seed), device=args.device)


def walk(model: Model, noise: Tensor, steps: int, method: str = "heun") -> np.ndarray:
    """Where points are on their way from noise to data, (steps + 1, N, 2)."""
    with evaluating(model.network):
        if isinstance(model, FM.Flow):
            times = np.linspace(0, 1, steps + 1)
            return np.stack([z.numpy() for z in ode.path(model.velocity, noise, times, method)])
        levels = D.noise_levels(model, steps)
        wide = np.sqrt(1 + levels**2)
        ways = list(ode.path(model.slope, noise * float(wide[0]), levels, method))
        places = [z.numpy() / w for z, w in zip(ways, wide, strict=True)]
        return np.stack([*places, model.denoised(ways[-1], float(levels[-1])).numpy()])


def score(model: D.Diffusion, x: Tensor, sigma: float) -> Tensor:
    """∇log p at points (N, 2) after noise of σ, which are as wide as noise is, see `walk`."""
    wide = math.sqrt(1 + sigma**2)
    return wide * (model.denoised(wide * x, sigma) - wide * x) / sigma**2


def real(args: argparse.Namespace, count: int, seed: int) -> np.ndarray:
    """Points of the data, (count, 2)."""
    return DATA[args.data].sample(count, Generator(seed)).numpy()


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(
        description, name="diffusion_2d", quick={"steps": 60, "width": 32, "pairs": 1000}
    )
    add = parser.add_argument
    parser.add_course(12_000, lr=2e-3, fall=0.8, of_average=0.999)
    add("--data", choices=tuple(DATA), default="gaussians", help="8 Gaussians, or another")
    add("--model", choices=("flow", "diffusion"), default="flow", help="which")
    flow = "without --model flow", lambda args: args.model == "flow"
    add("--transport", action="store_true", only=flow,
        help="pair noise and data by optimal transport within each batch")  # fmt: skip
    add("--reflow", type=path, metavar="RUN", only=flow,
        help="begin with the flow of this run, and train on the pairs that it makes")  # fmt: skip
    add("--pairs", type=whole(1, 10**8), default=100_000, help="that it makes",
        only=("without --reflow", lambda args: args.reflow is not None))  # fmt: skip
    add("--late", type=number(least=1, most=100), default=2.0, only=flow,
        help="times to train at are 1 − u^LATE: the more often, the nearer to data")  # fmt: skip
    chain = "without --model diffusion", lambda args: args.model == "diffusion"
    add("--predicts", choices=tuple(D.PREDICTIONS), default="velocity", only=chain,
        help="what the network says")  # fmt: skip
    add("--schedule", choices=tuple(D.SCHEDULES), default="cosine", only=chain,
        help="how noise comes in")  # fmt: skip
    add("--chain", type=whole(2, 10**5), default=1000, only=chain, help="steps of the chain")
    add("--batch-size", type=units, default=1024, help="points a step")
    add("--width", type=units, default=256, help="units in each hidden layer")
    add("--depth", type=whole(1, 100), default=3, help="hidden layers")
    parser.refuse(
        lambda args: args.transport and args.reflow,
        "--transport pairs anew what --reflow has paired: leave one of them out",
    )
    return parser
