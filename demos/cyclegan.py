"""Train CycleGAN (Zhu et al. 2017), or DiscoGAN by --model discogan (Kim et al. 2017): pictures
from pictures, learnt without pairs.

Two generators lead from one domain to the other and back; what comes back has to be what went. By
default emoji of Noto become those of Twemoji, and the other way; the two are shown disjoint halves
of the families, so there is not one pair; generators start from pictures that are zoomed and moved,
all alike, so that the mean picture fits the other domain's. Letters in two fonts (--data glyphs),
digits and their negatives (--data mnist --domains white inverted), or your own folder of trainA,
trainB, testA and testB.

The run folder gets held-out pictures as training goes on (samples/ and samples.gif): a row of what
was given, of what was made of it, of the truth where it is known, and of what came back. The loss
of the cycle alone says little: pictures may come back although what was made of them is wrong.
demos/evaluate.py measures both.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import minigen
from minigen import Tensor, data, nn, optim, training
from minigen.data.tasks import from_levels
from minigen.metrics.baselines import best_place
from minigen.metrics.pictures import absolute_error
from minigen.models.cyclegan import CycleGAN
from minigen.models.discogan import FORMS, DiscoGAN
from minigen.models.gan import LOSSES
from minigen.models.translators import Changed, PatchJudge, Placed, ResNetTranslator
from minigen.training.flags import share, units, weight, whole
from minigen.training.translation import CHECKED, SHOWN, has_folder


def networks(args: argparse.Namespace, channels: int, size: int) -> list[nn.Module]:
    """Two generators, and the judges of what they make."""
    generators: list[nn.Module] = [
        ResNetTranslator(channels, channels, args.width, args.blocks) for _ in range(2)
    ]
    if args.start != "noise":
        generators = [Changed(network, channels) for network in generators]
    if args.start == "placed":
        generators = [nn.Sequential(Placed(size), network) for network in generators]
    judges = [PatchJudge(channels, 2 * args.width, args.layers, size=size) for _ in range(2)]
    return [network.to(args.device) for network in (*generators, *judges)]


def adam(args: argparse.Namespace) -> Callable[..., optim.Adam]:
    """The optimiser of these flags."""
    return functools.partial(optim.Adam, lr=args.lr, betas=(0.5, 0.999))


def cyclegan(args: argparse.Namespace, channels: int, size: int) -> CycleGAN:
    """The CycleGAN of these flags, for pictures (channels, size, size)."""
    return CycleGAN(
        *networks(args, channels, size),
        loss=args.objective,
        cycle=args.cycle,
        identity=args.identity,
        pool=args.pool,
        seed=args.seed,
        optimiser=adam(args),
    )


def discogan(args: argparse.Namespace, channels: int, size: int) -> DiscoGAN:
    """The DiscoGAN of these flags, likewise."""
    return DiscoGAN(
        *networks(args, channels, size),
        form=args.form,
        reconstruction=args.cycle,
        matching=args.matching,
        loss=args.objective,
        optimiser=adam(args),
    )


MODELS: dict[str, Callable[..., CycleGAN | DiscoGAN]] = {
    "cyclegan": cyclegan,
    "discogan": discogan,
}


def build(args: argparse.Namespace, channels: int, size: int) -> CycleGAN | DiscoGAN:
    """The model of these flags, for pictures (channels, size, size)."""
    return MODELS[args.model](args, channels, size)


def drawn_with(model: CycleGAN | DiscoGAN) -> list[nn.Module]:
    """The networks whose averaged weights draw: there, and back."""
    return model.networks()[:2]


def trained_with(args: argparse.Namespace) -> dict[str, np.ndarray]:
    """What batches are drawn from, by their names in the checkpoint."""
    train = training.load_unpaired(args, "train")
    return {f"batches {name}": train.images[train.labels == side] for side, name in enumerate("xy")}


def held_out(args: argparse.Namespace, split: str = "validation") -> tuple[data.Domains, bool]:
    """Contents that are not trained with in both domains, and whether they are pairs; those of a
    folder are none: as many of either."""
    if not has_folder(args):
        return training.load_pairs(args, split), True
    found = training.load_unpaired(args, split)
    sides = [found.images[found.labels == side] for side in (0, 1)]
    count = min(map(len, sides))
    images = np.stack([side[:count] for side in sides], axis=1)
    return data.Domains(found.name, images, tuple(args.domains), np.arange(count)), False


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(
        __doc__, name="cyclegan",
        quick={"steps": 10, "width": 2, "blocks": 1, "batch_size": 2, "limit": 200},
    )  # fmt: skip
    add = parser.add_argument
    add("--model", choices=tuple(MODELS), default="cyclegan", help="what is trained")
    training.add_course(parser, steps=2000, lr=1e-3)
    training.add_domains(parser, batch_size=4)
    add("--width", type=units, default=16, help="channels after the first convolution")
    add("--blocks", type=units, default=3, help="residual ones")
    add("--layers", type=whole(0, 6), default=2,
        help="of the judges, of stride 2: for 1, 2, 3 they see patches of 16, 34, 70")  # fmt: skip
    is_cycle = "with --model discogan", lambda args: args.model == "cyclegan"
    add("--start", choices=("placed", "copy", "noise"),
        default=lambda args: "placed" if args.data == "emoji" and is_cycle[1](args) else "noise",
        help="generators that draw what changes alone: of pictures zoomed and moved, all alike, so"
        " that their mean fits the other domain's, or of copies; or that draw all, as in the paper"
        " (placed for emoji, without --model discogan)")  # fmt: skip
    is_disco = "without --model discogan", lambda args: args.model == "discogan"
    add("--objective", choices=tuple(LOSSES),
        default=lambda args: "least-squares" if args.model == "cyclegan" else "non-saturating",
        help="of both GANs (least-squares; non-saturating with --model discogan)")  # fmt: skip
    add("--cycle", type=weight, default=lambda args: 10.0 if args.model == "cyclegan" else 1.0,
        help="λ, the weight of the cycle (10; of squares, with --model discogan, 1)")  # fmt: skip
    add("--identity", type=weight, default=0.0, only=is_cycle,
        help="the weight of the identity's loss, in λ; the authors' code has 0.5")  # fmt: skip
    add("--pool", type=whole(0, 10**6), default=50, only=is_cycle,
        help="earlier pictures that judges are shown")  # fmt: skip
    add("--form", choices=FORMS, default="both", only=is_disco,
        help="a GAN there alone, with the way back, with both ways")  # fmt: skip
    add("--matching", type=share, default=0.9, only=is_disco,
        help="the share of feature matching in a GAN's loss")  # fmt: skip
    return parser


READING = (
    "held-out cycle is how far pictures that went there and back are from themselves. It gets small"
    " even where the pictures between are wrong: the error to the truth, where it is known, says"
    " how good they are."
)


@training.script
def main() -> None:
    args, run = flags().open_run()

    minigen.manual_seed(args.seed)
    sides, (a, b) = trained_with(args), args.domains
    counts = dict(zip((a, b), map(len, sides.values()), strict=True))
    training.refuse_small(args, **{f"of {name}": count for name, count in counts.items()})
    channels, size = sides["batches x"].shape[1:3]
    run.config["image_shape"] = [channels, size, size]
    batches = {
        name: data.Batches(images, batch_size=args.batch_size, seed=2 * args.seed + i)
        for i, (name, images) in enumerate(sides.items())
    }
    model = build(args, channels, size)
    if args.start == "placed":
        x_mean, y_mean = (from_levels(s.mean(0, keepdims=True)) for s in sides.values())
        there, back = drawn_with(model)
        there[0].place(*best_place(x_mean, y_mean))  # without pairs
        back[0].place(*best_place(y_mean, x_mean))
    streams = [each.forever() for each in batches.values()]

    def tensor(pictures: np.ndarray) -> Tensor:
        return Tensor(from_levels(pictures), device=args.device)

    def step(_: int) -> Mapping[str, Tensor]:
        return model.step(*(tensor(training.augmented(args, next(s)[0])) for s in streams))

    held, paired = held_out(args)
    held = held.taken(np.random.default_rng(0).permutation(len(held))[:CHECKED])
    x, y = (tensor(held.images[:, side]) for side in (0, 1))

    def rows() -> Mapping[str, Any]:
        shown: dict[str, Any] = {}
        for given, seen, there, made, true, back in (
            (a, x, model.draw, b, y, model.draw_back),
            (b, y, model.draw_back, a, x, model.draw),
        ):
            shown |= {given: seen[:SHOWN], f"made {made}": there(seen[:SHOWN])}
            if paired:
                shown[f"true {made}"] = true[:SHOWN]
            shown[f"{given} again"] = back(shown[f"made {made}"])
        return shown

    def check() -> Mapping[str, float]:
        made = training.by_parts(model.draw, x)
        again = training.by_parts(model.draw_back, Tensor(made, device=args.device))
        errors = {"held-out cycle": again - x.numpy()}
        if paired:
            errors["held-out error"] = made - y.numpy()
        return {k: held.family_mean(absolute_error(e / 2, 0 * e)) for k, e in errors.items()}

    panels = {
        "losses": ["loss_d", "loss_g"],
        "cycle": ["cycle_x", "cycle_y", *(["identity"] if args.identity else [])]
        if args.model == "cyclegan"
        else ["reconstruction", "matching"],
        "held-out": ["held-out cycle", "held-out error"],
    }
    shape = channels, size, size
    training.train_translator(
        run, args, model, generators=drawn_with(model), batches=batches, step=step,
        rows=rows, check=check, panels=panels,
        networks=[(model.networks()[i], shape) for i in (0, 2)],  # one generator, one judge
        what=f"{counts[a]:,} pictures of {a} and {counts[b]:,} of {b}, of {held.name}",
        reading=READING,
    )  # fmt: skip


if __name__ == "__main__":
    main()
