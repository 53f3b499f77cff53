"""Train a StyleGAN on digits in colours, clothes, drawings, emoji, CIFAR-10, or your own pictures.

Each layer of the generator is told a style of its own (Karras et al. 2019, 2020): the first layers
decide what is coarse, the last what is fine. By default the digits of MNIST are each in one of six
colours, so that there are two factors to be told apart. With --conditional both networks are told
the class; where pictures are few, --augment makes more of them without showing in those drawn. The
defaults take a quarter of an hour of one core.

The run folder gets pictures of the same codes as training goes on (samples/ and samples.gif), and
at the end mixing.png, coarse styles of the row and fine ones of the column, from layer --border on;
truncation.png, from the opposite of a style over the mean of all to the style itself; noise.png,
the same styles with other noise, and where it changes the picture; walk.gif, the way between codes
in w and, below, in z; nearest.png, drawn pictures above the training pictures that are nearest to
them. demos/evaluate.py measures what these pictures show.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import itertools

import numpy as np

import minigen
from minigen import Generator, Tensor, data, training
from minigen.display import progress
from minigen.metrics import slerp
from minigen.models import stylegan as S
from minigen.models.networks import evaluating
from minigen.training import by_heart
from minigen.training.builders.stylegan import build, flags

COLUMNS = 8  # of the pictures
FRAMES = 12  # of the walk from one code to the next


def build_to_draw(args: argparse.Namespace, channels: int, size: int, classes: int) -> S.StyleGAN:
    """The same, if it has both coarse layers and fine ones.

    Raises:
        DataError: no layer is fine.
    """
    gan = build(args, channels, size, classes)
    if args.border >= (layers := gan.generator.styles_count):
        raise data.DataError(
            f"--border {args.border}: of {size} × {size} pixels the layers are 0 to {layers - 1},"
            " and one at least has to be fine"
        )
    return gan


def codes(
    args: argparse.Namespace, gan: S.StyleGAN, count: int, seed: int, classes: list[int]
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """z that does not draw from the stream of the training, and labels if there are classes, of
    which each comes in turn."""
    z = gan.sample_noise(count, Generator(seed))
    if not classes:
        return z, ()
    return z, (Tensor(np.resize(np.asarray(classes, np.int64), count), device=args.device),)


def mixed(coarse: Tensor, fine: Tensor, border: int) -> Tensor:
    """Styles (N, layers, style), from layer `border` on the fine ones."""
    return minigen.cat([coarse[:, :border], fine[:, border:]], 1)


def draw_mixing(
    run: training.Run, args: argparse.Namespace, gan: S.StyleGAN, classes: list[int]
) -> None:
    """mixing.png: to the left and above, pictures of codes; inside, coarse layers have the styles
    of the row, fine ones those of the column."""
    generator, n = gan.generator, COLUMNS
    z, labels = codes(args, gan, 2 * n, args.seed + 3, classes)
    styles = generator.styles(generator.mapping(z, *labels))
    rows = minigen.repeat_interleave(styles[:n], n, 0)
    columns = minigen.cat([styles[n:]] * n)
    pure = generator.synthesis(styles).numpy()
    inside = generator.synthesis(mixed(rows, columns, args.border)).numpy()
    rows = {"fine styles of": np.concatenate([np.ones_like(pure[:1]), pure[n:]])}
    for i in range(n):
        row = pure[i : i + 1], inside[n * i : n * (i + 1)]
        rows[f"coarse styles of {i + 1}"] = np.concatenate(row)
    columns = ["pure", *"ABCDEFGH"[:n]]
    training.save_image(
        run.path("mixing.png"), training.named_rows(rows, columns=columns), scale=2,
        caption="Drawn pictures, none real. The top row and the left column are pictures of one"
        " code each. Every other has the coarse styles of the one at the left of its row, and from"
        f" layer {args.border} on the fine styles of the one above its column. In a good model it"
        " has the shape of the former and the colours and strokes of the latter.",
    )  # fmt: skip


def draw_truncation(
    run: training.Run, args: argparse.Namespace, gan: S.StyleGAN, classes: list[int]
) -> None:
    """truncation.png: w̄ + ψ·(w − w̄) for ψ from −1 to 1."""
    generator = gan.generator
    z, labels = codes(args, gan, COLUMNS, args.seed + 4, classes)
    w = generator.mapping(z, *labels)
    rows = {
        f"psi = {psi:g}".replace("-", "−"): generator.synthesis(generator.styles(w, psi)).numpy()
        for psi in (-1, -0.7, -0.35, 0, 0.35, 0.7, 1)
    }
    training.save_image(
        run.path("truncation.png"), training.named_rows(rows), scale=2,
        caption="Drawn pictures, none real, one code in each column. At psi = 1 the style is the"
        " code's own, at 0 the mean of all styles, the same in all columns but for noise, below 0"
        " the opposite. In a good model pictures change smoothly, and opposite ones differ in what"
        " can be named, as the colour.",
    )  # fmt: skip


def draw_noise(
    run: training.Run, args: argparse.Namespace, gan: S.StyleGAN, classes: list[int]
) -> None:
    """noise.png: three pictures with seven drawings of noise, and the standard deviation over a
    hundred, white where it is 0.2 of all grey levels or more."""
    generator = gan.generator
    z, labels = codes(args, gan, 3, args.seed + 5, classes)
    styles = generator.styles(generator.mapping(z, *labels))
    noise = generator.draw_noise(100, Generator(args.seed + 6))
    rows = {}
    for i in range(len(z)):
        same = styles[i : i + 1].expand(len(noise[0]), -1, -1)
        made = generator.synthesis(same, noise).numpy()
        deviation = 5 * made.std(0) - 1  # pictures go from −1 to 1
        rows[f"picture {i + 1}"] = np.concatenate([made[: COLUMNS - 1], deviation[None]])
    columns = [*(str(i + 1) for i in range(COLUMNS - 1)), "std"]
    training.save_image(
        run.path("noise.png"), training.named_rows(rows, columns=columns), scale=2,
        caption="Drawn pictures, none real: in each row the same styles with seven drawings of"
        " noise. The last column is each pixel's standard deviation over a hundred drawings, black"
        " none, white a fifth of all levels. In a good model noise changes details alone.",
    )  # fmt: skip


def draw_walk(
    run: training.Run, args: argparse.Namespace, gan: S.StyleGAN, classes: list[int]
) -> None:
    """walk.gif: four codes' way in w, straight, and in z, on an arc, past the same three places."""
    generator = gan.generator
    places = [codes(args, gan, 4, args.seed + 7 + i, classes) for i in range(3)]
    frames = []
    for (a, labels), (b, _) in itertools.pairwise([*places, places[0]]):
        ends = generator.mapping(a, *labels), generator.mapping(b, *labels)
        for t in np.arange(FRAMES, dtype=np.float32) / FRAMES:
            arc = Tensor(slerp(a.numpy(), b.numpy(), t), device=args.device)
            ways = {"in w": minigen.lerp(*ends, float(t)), "in z": generator.mapping(arc, *labels)}
            frames.append(
                training.named_rows({
                    name: generator.synthesis(generator.styles(w)).numpy()
                    for name, w in ways.items()
                })
            )  # fmt: skip
    training.save_gif(
        run.path("walk.gif"), frames, 0.1, hold_last=0.1, scale=2,
        caption="Drawn pictures, none real, on the way from code to code past the same places:"
        " above straight in w, the space of styles, below on an arc in z, the noise. In a good"
        " model the way in w is the smoother one.",
    )  # fmt: skip


def draw_all(
    run: training.Run,
    args: argparse.Namespace,
    gan: S.StyleGAN,
    images: data.Images,
    classes: list[int],
) -> None:
    """The pictures of a trained model."""
    with evaluating(gan.generator):
        for draw in progress((draw_mixing, draw_truncation, draw_noise, draw_walk), "pictures"):
            draw(run, args, gan, classes)
        z, labels = codes(args, gan, 3 * by_heart.COLUMNS, args.seed + 10, classes)
        made = gan.generator(z, *labels).numpy()
    by_heart.draw_nearest(run, images, made)


READING = (
    "d_real and d_fake say how probable the discriminator D finds it that real and drawn pictures"
    " are real: near ½ it cannot tell them apart, which is good once D is trained. r1 is the"
    " squared slope of D at real pictures, which its penalty keeps small." + by_heart.READING
)


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()
    panels = {"losses": ["loss_d", "loss_g"], "D's outputs": ["d_real", "d_fake"], "R1": ["r1"]}
    panels |= by_heart.PANEL
    if args.path_weight:
        panels["path length"] = ["path length"]
    training.train_gan(
        build_to_draw, run, args, panels, READING, decay=args.decay, warm_up=True,
        sample_every=max(50, args.steps // 60), draw_all=draw_all,
        watch=by_heart.watched,
    )  # fmt: skip


if __name__ == "__main__":
    main()
