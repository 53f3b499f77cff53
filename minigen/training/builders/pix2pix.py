"""The settings of a run of demos/pix2pix.py, the model that they describe, and its data."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable

import numpy as np

from minigen import Generator, Tensor, data, nn, optim
from minigen.data.tasks import LUMA, TASKS, planes
from minigen.models.gan import LOSSES
from minigen.models.pix2pix import DISTANCES, Pix2Pix
from minigen.models.translators import Blended, Changed, PatchJudge, UNet, halvings
from minigen.training.command import Parser
from minigen.training.course import by_parts
from minigen.training.flags import share, units, weight, whole
from minigen.training.translation import (
    add_contrast,
    add_domains,
    inputs_and_truths,
    load_pairs,
    load_truths,
)

MENDED = ("colour", "enlarge", "inpaint")  # tasks whose inputs are pictures that lack something


def as_light(change: Tensor, light: Tensor) -> Tensor:
    """What of a change of colours (N, 3, H, W) leaves a picture as light as it was."""
    weights = Tensor(LUMA, dtype=change.dtype, device=change.device).reshape(3, 1, 1)
    return change - (change * weights).sum(1, keepdim=True)


def in_the_hole(change: Tensor, broken: Tensor) -> Tensor:
    """What of it lies where the last channel of a broken picture is 1, not −1."""
    return change * (broken[:, -1:] + 1) / 2


# What of a change inputs leave open that tell the rest of a picture exactly.
OPEN: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"colour": as_light, "inpaint": in_the_hole}


class Within(nn.Module):
    """What of f(x) the input x leaves open.

    Args:
        network: f.
        left: of OPEN.
    """

    def __init__(self, network: nn.Module, left: Callable[[Tensor, Tensor], Tensor]):
        super().__init__()
        self.network, self.left = network, left

    def forward(self, input: Tensor) -> Tensor:
        """As f's."""
        return self.left(self.network(input), input)


def build(args: argparse.Namespace, channels: int, size: int) -> Pix2Pix:
    """The model of these flags, for pictures (channels, size, size)."""
    given = planes(args.task, channels)
    depth = min(args.depth, max(halvings(size), 1))
    drawn = channels + 1 if args.start == "blend" else channels
    network = UNet(given, drawn, args.width, size, depth, args.norm, args.dropout)
    if args.start == "blend":
        network = Blended(network)
    if args.start == "copy":
        within = args.task in OPEN
        network = Within(network, OPEN[args.task]) if within else network
        network = Changed(network, channels, scale=2.0 if within else 1.0)
    generator = network.to(args.device)
    judge = None
    if args.adversarial:
        judge = PatchJudge(given + channels, args.width, args.layers, size=size).to(args.device)
    return Pix2Pix(
        generator,
        judge,
        loss=args.objective,
        weight=args.l1,
        adversarial=args.adversarial,
        distance=args.distance,
        contrast=args.contrast,
        optimiser=functools.partial(optim.Adam, lr=args.lr, betas=(0.5, 0.999)),
    )


def drawn_with(model: Pix2Pix) -> list[nn.Module]:
    """The networks whose averaged weights draw."""
    return [model.generator]


def load(args: argparse.Namespace, split: str = "train") -> data.Domains:
    """The pictures of a split: pairs for the task "style", else true pictures alone."""
    return (load_pairs if args.task == "style" else load_truths)(args, split)


def trained_with(args: argparse.Namespace) -> dict[str, np.ndarray]:
    """What batches are drawn from, by their names in the checkpoint."""
    return {"batches": load(args).images}


def held_out(args: argparse.Namespace, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and truths of pictures that are not trained with; the holes are always the same."""
    holes = np.random.default_rng(0).random((len(pictures), 2))
    return inputs_and_truths(args.task, pictures, holes)


def draw(
    args: argparse.Namespace, model: Pix2Pix, inputs: np.ndarray, noise: bool | None = None
) -> np.ndarray:
    """Pictures made of inputs, with dropout if these flags say so, always the same, in batches that
    are mixed: a norm of the batch sees in them what it saw in training.

    Args:
        noise: dropout or not, whatever the flags say.
    """
    order = np.random.default_rng(1).permutation(len(inputs))
    x = Tensor(inputs[order], device=args.device)
    noise = not args.quiet if noise is None else noise
    stream = Generator(args.seed)  # the training's own goes on as if nothing had been drawn
    parts = by_parts(lambda part: model.draw(part, noise, stream), x, rows=4 * args.batch_size)
    made = np.empty_like(parts)
    made[order] = parts
    return made


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(
        description, name="pix2pix", quick={"steps": 20, "width": 4, "batch_size": 4, "limit": 200}
    )
    add = parser.add_argument
    add("--task", choices=TASKS, default="style", help="what is given; see above")
    parser.add_course(1000, lr=2e-3)
    add_domains(parser)
    add("--start", choices=("copy", "blend", "noise"),
        default=lambda args: "copy" if args.task in MENDED else "noise",
        help="a generator that draws what changes alone, and so starts near a copy; that draws over"
        " the picture, as much of each pixel as it likes; or all, as in the paper (copy for colour,"
        " enlarge, inpaint)")  # fmt: skip
    add("--width", type=units, default=32, help="channels after the first convolutions")
    add("--depth", type=whole(1, 8), default=4,
        help="halvings at most; 8 for down to one pixel, as in the paper: then the two lowest"
        " convolutions have most of the weights")  # fmt: skip
    add("--norm", choices=("batch", "running", "instance"), default="batch",
        help="of the generator: of the batch, when drawing too; or running statistics then; or of"
        " each picture")  # fmt: skip
    add("--dropout", type=share, default=0.0,
        help="in the lowest blocks up: the only noise, ½ in the paper")  # fmt: skip
    add("--quiet", action="store_true", help="draw without dropout")
    add("--l1", type=weight, default=100.0, help="λ, the weight of L1, or of --distance mse")
    add("--distance", choices=tuple(DISTANCES),
        default=lambda args: "mse" if args.task in OPEN else "l1",
        help="l1, as in the paper, or mean squared error (l1; mse for colour, inpaint)",
    )  # fmt: skip
    add_contrast(parser)
    add("--adversarial", type=weight, default=1.0, help="the weight of the GAN's loss")
    judged = "with --adversarial 0", lambda args: args.adversarial > 0
    add("--objective", choices=tuple(LOSSES), default="non-saturating", only=judged,
        help="of generator and judge")  # fmt: skip
    add("--layers", type=whole(0, 6), default=1, only=judged,
        help="of the judge, of stride 2: for 1, 2, 3 it sees patches of 16, 34, 70")  # fmt: skip
    parser.refuse(
        lambda args: args.start == "blend" and args.task != "style",
        "--start blend is for --task style, whose inputs are whole pictures",
    )
    parser.refuse(
        lambda args: args.l1 == args.adversarial == args.contrast == 0,
        "--l1 0 and --adversarial 0 leave nothing to learn from: leave one of them out",
    )
    return parser
