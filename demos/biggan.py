"""Train a small BigGAN on digits, clothes, sketches, emoji, CIFAR-10, or your own pictures.

Residual networks are told the class: G by batch norm in each block, beside a piece of the noise, D
by a projection (Brock et al. 2019; see minigen/models/biggan.py). Each row of samples.gif is one
class. With --augment colour translation cutout the discriminator sees all pictures, real and made,
changed at random, which is the remedy where there are few (Zhao et al. 2020); how much higher it
scores training pictures than test pictures, which is how much it has learnt by heart, is plotted in
curves.png.

At the end the run folder gets, drawn with averaged weights: truncation.png, the same noise cut off
at 2 down to 0.2, with batch norm's statistics of each; nearest.png, drawn pictures above the
training pictures that are nearest to them; and of several classes classes.png, a class in each row
and the same noise down each column, and interpolation.png, from class to class. demos/evaluate.py
measures them over truncation.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse

import numpy as np

from minigen import Generator, Tensor, data, training
from minigen import functional as F
from minigen.models import biggan as B
from minigen.models.networks import evaluating
from minigen.training import by_heart
from minigen.training.builders.biggan import TRUNCATIONS, build, drawn, flags

COLUMNS = 10  # of the pictures at the end


def draw_truncations(
    run: training.Run, args: argparse.Namespace, gan: B.BigGAN, names: tuple[str, ...]
) -> None:
    """truncation.png: the same random numbers, cut off ever nearer to 0, and not at all."""
    labels = np.arange(COLUMNS) % gan.generator.shared.num_embeddings
    made = [drawn(args, gan, labels, truncation) for truncation in (None, *TRUNCATIONS)]
    told = [names[c] if len(names) > 1 else f"noise {i}" for i, c in enumerate(labels, 1)]
    rows = [*zip(told, np.stack(made, 1), strict=True)]
    columns = ["all", *(f"±{truncation:g}" for truncation in TRUNCATIONS)]
    training.save_image(
        run.path("truncation.png"), training.named_rows(rows, columns=columns), scale=2,
        caption="Drawn pictures, none real: in each row one class and the same noise, first all of"
        " it, then with no number beyond what stands above the column. As a rule that trades"
        " variety for plainness: to the right pictures get plainer, and more alike.",
    )  # fmt: skip


def draw_classes(
    run: training.Run, args: argparse.Namespace, gan: B.BigGAN, names: tuple[str, ...]
) -> None:
    """classes.png: in each row one class, in each column one z; interpolation.png: in each row one
    z, from one class to the next. Neither of a single class."""
    if len(names) < 2:
        return
    count = min(len(names), 20)
    z = gan.sample_noise(COLUMNS, Generator(args.seed + 1), args.truncation)
    rows = [
        (names[c], gan.draw(z, F.full((COLUMNS,), c, dtype="int64", device=args.device)).numpy())
        for c in range(count)
    ]
    training.save_image(
        run.path("classes.png"), training.named_rows(rows), scale=2,
        caption="Drawn pictures, none real: a class in each row, one noise in each column. Good"
        " ones are of their row's class; what stays the same down a column, as slant or thickness"
        " of digits, is what the noise stands for.",
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
        caption="Drawn pictures, none real: in each row one noise, and from left to right the way"
        " from one class's vector to the next one's. In a good model both ends are of their class,"
        " and the way is smooth.",
    )  # fmt: skip


def draw_all(
    run: training.Run,
    args: argparse.Namespace,
    gan: B.BigGAN,
    images: data.Images,
    classes: list[int],
) -> None:
    """The pictures of a trained model."""
    of_classes = ", classes.png, interpolation.png" if len(images.classes) > 1 else ""
    print(f"drawing truncation.png{of_classes} and nearest.png …", flush=True)
    draw_truncations(run, args, gan, images.classes)
    gan.stand(args.truncation, Generator(args.seed + 3))
    draw_classes(run, args, gan, images.classes)
    labels = np.arange(3 * COLUMNS) % gan.generator.shared.num_embeddings
    by_heart.draw_nearest(run, images, drawn(args, gan, labels, args.truncation))


READING = (
    "d_real and d_fake are the discriminator D's scores of real and drawn pictures, which the hinge"
    " loss drives above 1 and below −1: loss_d near 0 means that D has won, near 2 that it cannot"
    " tell them apart." + by_heart.READING
)


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()
    panels = {"losses": ["loss_d", "loss_g"], "D's scores": ["d_real", "d_fake"]} | by_heart.PANEL
    training.train_gan(
        build, run, args, panels, READING, decay=args.decay, warm_up=True, told=True,
        sample_every=max(50, args.steps // 60), draw_all=draw_all,
        watch=by_heart.watched,
        batches_a_step=lambda step: args.judge_steps,
    )  # fmt: skip


if __name__ == "__main__":
    main()
