"""Train pix2pix: pictures from pictures, learnt from pairs (Isola et al. 2017).

The --task says what is given:

    style      a picture in another hand: emoji of Noto to those of Twemoji, letters of one font to
               another's, photographs of facades from plans of them (--data facades --domains B A)
    edges      where colours jump: pictures from sketches
    colour     how light it is: old photographs coloured
    enlarge    8 × 8 pixels of 32 × 32
    inpaint    all but a hole of half its sides, which colours of its border fill, and what stands
               across, as far as the picture is symmetric

For the last three the generator adds to what is given: to grey what leaves it as light as it was,
to broken pictures in their holes alone. With both squares are learnt in place of L1, for such
pictures are measured by squares.

Your own folder is of pairs for style: pictures that hold both side by side, or folders A and B of
the same names (each in train, val and test if you like); for the other tasks it is any folder of
pictures. The run folder gets held-out pictures as training goes on (samples/ and samples.gif): what
was given, what was made, what is true; the curves, config.json and checkpoint.npz.

With --adversarial 0 there is no judge, and L1, or squares, alone; with --l1 0 neither.
demos/evaluate.py measures the run on test pictures, beside copies, the nearest training picture,
and other ways without a network.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools
from collections.abc import Callable, Mapping

import numpy as np

import minigen
from minigen import Generator, Tensor, data, nn, optim, training
from minigen.data.tasks import LUMA, TASKS, planes
from minigen.metrics.pictures import absolute_error
from minigen.models.gan import LOSSES
from minigen.models.pix2pix import DISTANCES, Pix2Pix
from minigen.models.translators import Changed, PatchJudge, UNet, halvings
from minigen.training.flags import share, units, weight, whole
from minigen.training.translation import CHECKED, SHOWN

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
    network = UNet(given, channels, args.width, size, depth, args.norm, args.dropout)
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
        optimiser=functools.partial(optim.Adam, lr=args.lr, betas=(0.5, 0.999)),
    )


def drawn_with(model: Pix2Pix) -> list[nn.Module]:
    """The networks whose averaged weights draw."""
    return [model.generator]


def load(args: argparse.Namespace, split: str = "train") -> data.Domains:
    """The pictures of a split: pairs for the task "style", else true pictures alone."""
    return (training.load_pairs if args.task == "style" else training.load_truths)(args, split)


def trained_with(args: argparse.Namespace) -> dict[str, np.ndarray]:
    """What batches are drawn from, by their names in the checkpoint."""
    return {"batches": load(args).images}


def held_out(args: argparse.Namespace, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and truths of pictures that are not trained with; the holes are always the same."""
    holes = np.random.default_rng(0).random((len(pictures), 2))
    return training.inputs_and_truths(args.task, pictures, holes)


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
    parts = training.by_parts(
        lambda part: model.draw(part, noise, stream), x, rows=4 * args.batch_size
    )
    made = np.empty_like(parts)
    made[order] = parts
    return made


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(
        __doc__, name="pix2pix", quick={"steps": 20, "width": 4, "batch_size": 4, "limit": 200}
    )
    add = parser.add_argument
    add("--task", choices=TASKS, default="style", help="what is given; see above")
    training.add_course(parser, steps=1000, lr=2e-3)
    training.add_domains(parser)
    add("--start", choices=("copy", "noise"),
        default=lambda args: "copy" if args.task in MENDED else "noise",
        help="a generator that draws what changes alone, and so starts near a copy, or all, as in"
        " the paper (copy for colour, enlarge, inpaint)")  # fmt: skip
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
    add("--adversarial", type=weight, default=1.0, help="the weight of the GAN's loss")
    judged = "with --adversarial 0", lambda args: args.adversarial > 0
    add("--objective", choices=tuple(LOSSES), default="non-saturating", only=judged,
        help="of generator and judge")  # fmt: skip
    add("--layers", type=whole(0, 6), default=1, only=judged,
        help="of the judge, of stride 2: for 1, 2, 3 it sees patches of 16, 34, 70")  # fmt: skip
    parser.refuse(
        lambda args: args.l1 == args.adversarial == 0,
        "--l1 0 and --adversarial 0 leave nothing to learn from: leave one of them out",
    )
    return parser


READING = (
    "held-out error is the mean distance, from 0 to 1, of what is made of held-out pictures from"
    " the truth: where it rises while the distance to training pictures falls, these are learnt by"
    " heart. evaluate says what copying, or the nearest training picture, would get."
)


@training.script
def main() -> None:
    args, run = flags().open_run()

    minigen.manual_seed(args.seed)
    train, held = load(args), load(args, "validation")
    training.refuse_small(args, **{"to train with": len(train)})
    channels, size = train.images.shape[2:4]
    run.config["image_shape"] = [channels, size, size]
    batches = data.Batches(train.images, batch_size=args.batch_size, seed=args.seed)
    model = build(args, channels, size)
    stream = batches.forever()

    def step(_: int) -> Mapping[str, Tensor]:
        pictures = training.augmented(args, next(stream)[0])
        holes = minigen.rand(len(pictures), 2).numpy() if args.task == "inpaint" else None
        seen = training.inputs_and_truths(args.task, pictures, holes)
        return model.step(*(Tensor(x, device=args.device) for x in seen))

    some = np.random.default_rng(0).permutation(len(held))[:CHECKED]
    x, y = held_out(args, held.taken(some).images)

    def rows() -> Mapping[str, np.ndarray]:
        made = draw(args, model, x)
        return {"input": x[:SHOWN, : y.shape[1]], "made": made[:SHOWN], "truth": y[:SHOWN]}

    def check() -> Mapping[str, float]:
        error = absolute_error(draw(args, model, x) / 2, y / 2)
        return {"held-out error": held.taken(some).family_mean(error)}

    what = f"{len(train):,} pictures of {train.name}, {args.task}"
    if args.task == "style":
        what = f"{len(train):,} pairs of {train.name}, {args.domains[0]} to {args.domains[1]}"
    panels = {"apart": [args.distance], "held-out error": ["held-out error"]}
    networks = [(model.generator, x.shape[1:])]
    if args.adversarial:
        panels |= {"losses": ["loss_d", "loss_g"], "the judge's outputs": ["d_real", "d_fake"]}
        networks.append((model.judge, (x.shape[1] + channels, size, size)))
    training.train_translator(
        run, args, model, generators=drawn_with(model), batches={"batches": batches}, step=step,
        rows=rows, check=check, panels=panels, networks=networks,
        what=what, reading=READING,
    )  # fmt: skip


if __name__ == "__main__":
    main()
