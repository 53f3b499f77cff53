"""Train a small BigGAN on digits, clothes, sketches, emoji, CIFAR-10, or your own pictures.

Residual networks are told the class: G by batch norm in each block, beside a piece of the noise, D
by a projection (Brock et al. 2019; see minigen/models/biggan.py). Each row of samples.gif is one
class. With --augment colour translation cutout the discriminator sees all pictures, real and made,
changed at random, which is the remedy where there are few (Zhao et al. 2020); how much higher it
scores training pictures than test pictures, which is how much it has learnt by heart, is plotted in
curves.png.

At the end the run folder gets, drawn with averaged weights: truncation.png, the same noise cut off
at 2 down to 0.2, with batch norm's statistics of each; classes.png, the same noise in each column's
class; interpolation.png, from class to class; nearest.png, drawn pictures above the training
pictures that are nearest to them. demos/evaluate.py measures them over truncation.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools
from typing import Any

import numpy as np
from translation_scores import nearest

from minigen import Generator, Tensor, training
from minigen import functional as F
from minigen.models import biggan as B
from minigen.models.augment import POLICIES, Augmentation
from minigen.models.networks import evaluating
from minigen.training.flags import decay, is_folder, number, one_of, rate, units, weight, whole

COLUMNS = 10  # of the pictures at the end
TRUNCATIONS = (2.0, 1.5, 1.0, 0.8, 0.6, 0.4, 0.3, 0.2)
WATCHED = 500  # pictures of each split whose scores are logged


def build(args: argparse.Namespace, channels: int, size: int, classes: int) -> B.BigGAN:
    """The GAN of these flags, for images (channels, size, size) of so many classes."""
    sizes = channels, args.width, size, classes
    return B.BigGAN(
        B.BigGenerator(*sizes, args.piece, attention=args.attention).to(args.device),
        B.BigJudge(*sizes, attention=args.attention).to(args.device),
        orthogonal=args.orthogonal,
        optimiser=functools.partial(B.ADAM, lr=args.lr),
        discriminator_optimiser=functools.partial(B.ADAM, lr=args.lr_ratio * args.lr),
        augmentation=Augmentation(*args.augment or ()),
    )


def watched(args: argparse.Namespace) -> Any:
    """What logs D's mean score of training pictures, and of test pictures, which it never learns
    from."""
    shown = []
    for split in "train", "test":
        images = training.load_images(args, split)
        some = np.random.default_rng(0).permutation(len(images))[:WATCHED]  # folders are sorted
        shown.append((images.scaled()[some], images.labels[some]))

    def watch(gan: B.BigGAN) -> dict[str, float]:
        with evaluating(gan.discriminator):
            train, test = (
                gan.discriminator(*(Tensor(a, device=args.device) for a in pair)).mean().item()
                for pair in shown
            )
        return {"d_train": train, "d_test": test}

    return watch


def drawn(
    args: argparse.Namespace, gan: B.BigGAN, labels: np.ndarray, truncation: float | None
) -> np.ndarray:
    """Pictures of classes (N,), by the same random numbers for every truncation, and with batch
    norm's statistics of it."""
    gan.stand(truncation, Generator(args.seed + 3))
    z = gan.sample_noise(len(labels), Generator(args.seed + 2), truncation)
    told = Tensor(labels, device=args.device)
    rows = Tensor(np.arange(len(labels)), device=args.device)
    return training.by_parts(lambda i: gan.draw(z[i], told[i]), rows)


def singular_values(gan: B.BigGAN) -> dict[str, float]:
    """By SVD, the largest ones of G's weights: of those in use, which are to be 1, the one that is
    farthest from it; the same had u and v been kept from the training; and without σ."""

    def largest(weight: Tensor) -> float:
        matrix = weight.detach().flatten(1).numpy()
        return float(np.linalg.svd(matrix, compute_uv=False)[0])

    layers, farthest = B.spectral_layers(gan.generator), {}
    for name, training_mode in ("in use", False), ("by u and v of the training", True):
        gan.generator.train(training_mode)
        values = [largest(layer.normed()) for layer in layers]
        farthest[f"singular value {name}"] = max(values, key=lambda value: abs(value - 1))
    plain = [largest(layer.weight) for layer in layers]
    return {
        **farthest,
        "singular value without σ, least": min(plain),
        "singular value without σ, largest": max(plain),
    }


def draw_truncations(run: training.Run, args: argparse.Namespace, gan: B.BigGAN) -> None:
    """truncation.png: the same random numbers, cut off ever nearer to 0, and not at all."""
    labels = np.arange(COLUMNS) % gan.generator.shared.num_embeddings
    rows = {
        f"within {truncation:g}" if truncation else "all of z": drawn(args, gan, labels, truncation)
        for truncation in (None, *TRUNCATIONS)
    }
    training.save_image(
        run.path("truncation.png"), training.named_rows(rows), scale=2,
        caption="Drawn pictures, a class in each column. Downwards the same noise is cut off ever"
        " nearer to 0: pictures get plainer and more alike.",
    )  # fmt: skip


def draw_classes(
    run: training.Run, args: argparse.Namespace, gan: B.BigGAN, names: tuple[str, ...]
) -> None:
    """classes.png: in each row one class, in each column one z; interpolation.png: in each row one
    z, from one class to the next."""
    count = min(len(names), 20)
    z = gan.sample_noise(COLUMNS, Generator(args.seed + 1), args.truncation)
    rows = [
        (names[c], gan.draw(z, F.full((COLUMNS,), c, dtype="int64", device=args.device)).numpy())
        for c in range(count)
    ]
    training.save_image(
        run.path("classes.png"), training.named_rows(rows), scale=2,
        caption="Drawn pictures: a class in each row, one noise in each column. What stays the same"
        " down a column, such as slant and thickness, is the noise's.",
    )  # fmt: skip
    share = Tensor(np.linspace(0, 1, COLUMNS, dtype=np.float32)[:, None], device=args.device)
    rows = []
    with evaluating(gan.generator):
        vectors = gan.generator.shared.weight
        for i in range(count):
            there = (i + 1) % len(names)
            between = F.lerp(vectors[i], vectors[there], share)
            same = z[i % COLUMNS].expand(COLUMNS, gan.noise)
            name = f"{names[i][:12]} to {names[there][:12]}"
            rows.append((name, gan.generator.told(same, between).numpy()))
    training.save_image(
        run.path("interpolation.png"), training.named_rows(rows), scale=2,
        caption="Drawn pictures: in each row one noise, and from left to right the way from one"
        " class's vector to the next one's.",
    )  # fmt: skip


def draw_nearest(run: training.Run, args: argparse.Namespace, gan: B.BigGAN) -> None:
    """nearest.png: pictures drawn, and below each the training picture that is nearest."""
    labels = np.arange(3 * COLUMNS) % gan.generator.shared.num_embeddings
    made = drawn(args, gan, labels, args.truncation)
    images = training.load_images(args).scaled()
    beside, rows = images[nearest(made, images)], {}
    for i in range(0, len(made), COLUMNS):
        rows[f"drawn {i // COLUMNS + 1}"] = made[i : i + COLUMNS]
        rows[f"nearest {i // COLUMNS + 1}"] = beside[i : i + COLUMNS]
    training.save_image(
        run.path("nearest.png"), training.named_rows(rows), scale=2,
        caption="Rows of drawn pictures, each above the real training pictures that are nearest to"
        " them in pixels: a pair that is the same was learnt by heart.",
    )  # fmt: skip


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(
        __doc__,
        name="biggan",
        quick={"steps": 20, "width": 4, "piece": 4, "batch_size": 16, "limit": 2000},
        may_change=("steps", "truncation"),
    )
    add = parser.add_argument
    add("--steps", type=whole(), default=8000, help="training steps in all")
    parser.add_images(batch_size={"default": 32})
    add("--classes", type=whole(0, 10**6), nargs="+", metavar="CLASS",
        help="which are drawn in samples.gif, a row each (all)")  # fmt: skip
    add("--augment", type=one_of(*POLICIES), nargs="+", metavar="POLICY",
        help="what D sees is changed by: colour translation cutout (nothing)")  # fmt: skip
    add("--judge-steps", type=whole(1, 100), default=1, help="steps of D for each of G")
    add("--width", type=units, default=16, help="channels at the full size")
    add("--piece", type=units, default=16, help="numbers in each piece of z")
    add("--attention", action="store_true", help="at half the size")
    add("--orthogonal", type=weight, default=1e-4, help="β, of orthogonal regularisation")
    add("--truncation", type=number(least=0, most=100), help="of the pictures at the end (none)")
    add("--lr", type=rate, default=1e-3, help="learning rate of G")
    add("--lr-ratio", type=number(above=0, most=1000), default=1.0,
        help="D's learning rate, in G's")  # fmt: skip
    add("--decay", type=decay, default=0.995, help="of the average of G's weights that is drawn")
    parser.refuse(
        lambda args: is_folder(args) and (args.size < 8 or args.size % 2),
        "--size: expected an even number, 8 or more, not {size}",
    )
    return parser


def draw_all(
    run: training.Run, args: argparse.Namespace, gan: B.BigGAN, classes: list[int]
) -> None:
    """The pictures of a trained model."""
    draw_truncations(run, args, gan)
    gan.stand(args.truncation, Generator(args.seed + 3))
    draw_classes(run, args, gan, training.load_images(args).classes)
    draw_nearest(run, args, gan)


READING = (
    "d_real and d_fake are D's scores, which the hinge loss drives above 1 and below −1: loss_d"
    " near 0 means that D has won, near 2 that it cannot tell. d_train far above d_test means that"
    " D knows its training pictures by heart: --augment is the remedy."
)


@training.script
def main() -> None:
    args, run = flags().open_run()
    panels = {
        "losses": ["loss_d", "loss_g"],
        "D's scores": ["d_real", "d_fake"],
        "D's scores without augmentation": ["d_train", "d_test"],
    }
    training.train_gan(
        build, run, args, panels, READING, decay=args.decay, warm_up=True, told=True,
        sample_every=max(50, args.steps // 60), watch=watched(args), draw_all=draw_all,
        batches_a_step=lambda step: args.judge_steps,
    )  # fmt: skip


if __name__ == "__main__":
    main()
