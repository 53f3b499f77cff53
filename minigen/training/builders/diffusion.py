"""The settings of a run of demos/diffusion.py, the model that they describe, and how it draws."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable

import numpy as np

import minigen
from minigen import Generator, Tensor
from minigen.models import diffusion as D
from minigen.models.denoiser import Denoiser
from minigen.training.adversarial import add_classes, is_told
from minigen.training.command import Parser
from minigen.training.course import in_parts
from minigen.training.flags import (
    add_binarise,
    cut,
    listed,
    number,
    refuse_odd_sides,
    share,
    units,
    whole,
)

CHAINS = "ddpm", "ddim"  # samplers that take steps of the chain, no more than there are


def by_chain(sampler: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Pictures by a chain of so many steps."""
    return lambda model, steps, *given, **how: sampler(model.respaced(steps), *given, **how)


def by_flow(method: str) -> Callable[..., Tensor]:
    """Pictures by so many steps along the equation, which draws no noise."""
    return lambda model, steps, *given, guidance, generator: D.probability_flow(
        model, *given, steps=steps, method=method, guidance=guidance
    )


SAMPLERS = {
    "ddpm": by_chain(D.ddpm),
    "ddim": by_chain(D.ddim),
    "heun": by_flow("heun"),
    "euler": by_flow("euler"),
}


def build(args: argparse.Namespace, channels: int, size: int, classes: int) -> D.Diffusion:
    """The model of these flags, for images (channels, size, size) of so many classes."""
    network = Denoiser(
        channels,
        2 * channels if args.variance == "learnt" else channels,
        args.width,
        (1, 2, 2)[: 4 - args.patch],  # a patch stands for the first halving
        attention=(3 - args.patch,),
        classes=classes if args.conditional else 0,
        dropout=args.dropout,
        patch=args.patch,
    )
    schedule = D.SCHEDULES[args.schedule](args.chain)
    black_and_white = args.binarise or args.data == "binarized-mnist"
    how = {"predicts": args.predicts, "variance": args.variance}
    how["levels"] = 2 if black_and_white else 256
    return D.Diffusion(network, schedule, **how).to(args.device)


def seen(args: argparse.Namespace, images: Tensor, generator: Generator | None = None) -> Tensor:
    """Images (N, C, H, W) from −1 to 1 as the model is shown them: with --binarise each pixel is
    drawn anew, 1 with a probability that is its grey level, else −1."""
    if not args.binarise:
        return images
    u = minigen.rand(*images.shape, generator=generator, device=images.device)
    return 2 * (2 * u - 1 < images).to(images.dtype) - 1


def draw(
    args: argparse.Namespace,
    model: D.Diffusion,
    x: Tensor,
    labels: Tensor | None,
    sampler: str | None = None,
    steps: int | None = None,
) -> np.ndarray:
    """Pictures (N, C, H, W) of noise, by the flags' sampler and steps if not by others."""
    by = functools.partial(SAMPLERS[sampler or args.sampler], model, steps or args.steps_to_draw)
    stream = Generator(args.seed + 7)  # not that of the training
    by = functools.partial(by, guidance=args.guidance, generator=stream)
    return in_parts(by, x, labels, rows=200)


def sampler_and_steps(text: str) -> str:
    """A flag's kind: a sampler and its steps, "ddim:50"."""
    name, _, steps = text.partition(":")
    if name not in SAMPLERS or not steps.isdecimal() or not 2 <= int(steps) <= 10**5:
        raise argparse.ArgumentTypeError(
            f"expected {listed(tuple(SAMPLERS))} and 2 to 100,000 steps, as ddim:50,"
            f" got {cut(text)}"
        )
    return text


def drawn_by(how: str, args: argparse.Namespace) -> tuple[str, int]:
    """A sampler and its steps; of a chain no more than there are."""
    name, _, steps = how.partition(":")
    return name, min(int(steps), args.chain) if name in CHAINS else int(steps)


def noise_of(args: argparse.Namespace, seed: int, shape: tuple[int, ...]) -> Tensor:
    """N(0, I) that does not draw from the stream of the training."""
    return minigen.randn(*shape, generator=Generator(seed), device=args.device)


def add_chain(parser: Parser, steps_to_draw: int, help: str) -> None:
    """Add the flags of a chain of T steps and its U-Net: --steps-to-draw, with this default and
    help, --chain and --width."""
    add = parser.add_argument
    add("--steps-to-draw", type=whole(2, 10**5), default=steps_to_draw, help=help)
    add("--chain", type=whole(2, 10**5), default=1000, help="steps of the chain, T")
    add("--width", type=units, default=16, help="channels of the first level")
    parser.refuse(
        lambda args: getattr(args, "sampler", "ddim") in CHAINS and args.steps_to_draw > args.chain,
        "--steps-to-draw {steps_to_draw}: the --chain has {chain} alone",
    )
    parser.refuse(lambda args: args.width % 2 > 0, "--width must be even, not {width}")


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    shown = ("sampler", "steps_to_draw", "guidance")
    parser = Parser(
        description,
        name="diffusion",
        quick={"steps": 30, "width": 4, "batch_size": 16, "steps_to_draw": 5, "chain": 40},
        may_change=("steps", *shown),
    )
    add = parser.add_argument
    parser.add_course(10_000, lr=2e-3, fall=1.0, of_average=0.999)
    parser.add_images()
    add("--conditional", action="store_true", help="the network is told the class")
    add_classes(parser)
    add("--guidance", type=number(least=0, most=100), default=0.0,
        only=("without --conditional", is_told),
        help="w, how much plainer the class is than the network says")  # fmt: skip
    add("--sampler", choices=tuple(SAMPLERS), default="ddim", help="how pictures are drawn")
    add_chain(parser, 50, "in how many steps")
    add("--schedule", choices=tuple(D.SCHEDULES), default="cosine", help="how noise comes in")
    add("--predicts", choices=tuple(D.PREDICTIONS), default="velocity", help="what it says")
    add("--variance", choices=D.VARIANCES, default="small", help="of a step back")
    add_binarise(parser)
    add("--patch", type=whole(1, 2), default=1,
        help="pixels a side that are one place: with 2 a third of the time a step")  # fmt: skip
    add("--dropout", type=share, default=0.0, help="in each block")
    refuse_odd_sides(parser)
    return parser
