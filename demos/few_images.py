"""Do made pictures help where real ones are few? N digits are all there is, and what they teach.

A classifier learns from N labelled images, as many of each class; from these shifted and turned;
from these and as many pictures in each batch that a generator made; and from both. The generators,
conditional, learn from the same N alone: a GAN, a VAE, a diffusion model. All four classifiers take
as many steps. What counts is the share of test images that they read rightly, over several draws of
the N, and the difference that made pictures make on the same draw. The last kind, "leak", is the
model of digits in this package, which has seen all 60,000 training images: what it adds it does not
make of N images, and nobody who has but N images has it.

How long generators and classifiers train is fixed beforehand. It was chosen with --held-out, which
draws from, and tests with, other images: the last sixth of the training images, halved.

Each cell of the table is kept in the run folder as it is done; Ctrl-C stops after one, and --resume
goes on, also with more --draws. The folder gets table.md and the made pictures of the first draw.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.ndimage import affine_transform
from scipy.stats import t as student

import minigen
from minigen import Tensor, data, optim, training
from minigen.display import progress
from minigen.models import classifier as C
from minigen.models import diffusion as D
from minigen.models import digits
from minigen.models import vae as V
from minigen.models.denoiser import Denoiser
from minigen.models.gan import GAN
from minigen.models.networks import Conditional, DenseConvGenerator, DenseConvJudge
from minigen.training.flags import number, one_of, units, whole

SIZES = (50, 200, 1000)
BATCH = 32
Draw = Callable[[Tensor], Tensor]  # pictures (N, 1, 28, 28), from −1 to 1, of classes (N,)


def few(images: data.Images, count: int, draw: int) -> data.Images:
    """`count` images, as many of each class, the draw of this number.

    Raises:
        DataError: the classes do not divide `count`, or one has too few images.
    """
    kinds = len(images.classes)
    each = count // kinds
    if count % kinds or np.bincount(images.labels, minlength=kinds).min() < each:
        raise data.DataError(
            f"{images.name}: {count} images, as many of each of {kinds} classes, are not there"
        )
    rng = np.random.default_rng([draw, count])
    order = rng.permutation(len(images))
    rows = np.concatenate([order[images.labels[order] == kind][:each] for kind in range(kinds)])
    return images.taken(rows)


def batches(some: data.Images, size: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of images and labels without end, drawn with replacement: there may be fewer."""
    rng, x = np.random.default_rng(seed), some.scaled()
    while True:
        rows = rng.integers(len(some), size=size)
        yield x[rows], some.labels[rows]


def by_gan(some: data.Images, args: argparse.Namespace) -> Draw:
    """A conditional GAN, its generator's weights averaged."""
    noise, kinds, width = 32, len(some.classes), args.width
    model = GAN(
        Conditional(DenseConvGenerator(1, width, noise + kinds), kinds).to(args.device),
        Conditional(DenseConvJudge(1 + kinds, width), kinds).to(args.device),
        noise=noise,
        optimiser=functools.partial(optim.Adam, lr=1e-3, betas=(0.5, 0.999)),
        discriminator_optimiser=functools.partial(optim.Adam, lr=2e-4, betas=(0.5, 0.999)),
    )
    average = optim.ExponentialMovingAverage(model.generator, 0.99, use_buffers=True)
    for x, y in shown(some, args, args.gan_steps):
        model.step((x, y))
        average.update()
    average.copy_to()
    return lambda labels: model.draw(model.sample_noise(len(labels)), labels)


def by_vae(some: data.Images, args: argparse.Namespace) -> Draw:
    """A conditional VAE."""
    model = V.mlp_vae(4, (16 * args.width,), classes=len(some.classes)).to(args.device)
    optimiser = optim.Adam(model.parameters(), lr=1e-3)
    for x, y in shown(some, args, args.vae_steps):
        V.step(model, optimiser, (x + 1) / 2, y)
    return lambda labels: 2 * model.sample(len(labels), None, labels) - 1


def by_diffusion(some: data.Images, args: argparse.Namespace) -> Draw:
    """A conditional diffusion model, drawn by few steps of DDIM."""
    kinds = len(some.classes)
    network = Denoiser(1, None, args.width, (1, 2), attention=(), classes=kinds, patch=2)
    model = D.Diffusion(network, D.cosine(1000), predicts="velocity").to(args.device)
    optimiser = optim.Adam(model.parameters(), lr=3e-3)
    average = optim.ExponentialMovingAverage(model, 0.99, warm_up=True)
    schedule = training.falling(optimiser, 3e-3, args.diffusion_steps, share=1)
    for x, y in shown(some, args, args.diffusion_steps):
        D.step(model, optimiser, x, y)
        schedule.step()
        average.update()
    average.copy_to()
    chain = model.respaced(8)
    return lambda labels: D.ddim(chain, noise_for(labels), labels)


def leaked(some: data.Images, args: argparse.Namespace) -> Draw:
    """The model of digits that ships, which has seen all 60,000 training images."""
    model = digits.load(args.device)
    return lambda labels: digits.draw(model, labels)


MAKERS = {"gan": by_gan, "vae": by_vae, "diffusion": by_diffusion, "leak": leaked}


# What a cell measures: without pictures that were made, and with those of a kind.
WITHOUT = ("real", "real, turned")
WITH = ("real + made", "real + made, turned")


class Cell(NamedTuple):
    """A place in the table: of which draw, of how many images, and who makes pictures, if any."""

    draw: int
    count: int
    kind: str


def cells(args: argparse.Namespace) -> list[Cell]:
    """All of them, draw after draw, so that more draws are more cells at the end."""
    kinds = ("", *args.models)
    return [Cell(d, n, k) for d in range(args.draws) for n in args.images for k in kinds]


def measured(
    cell: Cell, train: data.Images, test: data.Images, args: argparse.Namespace
) -> tuple[dict[str, float], data.Images | None]:
    """The accuracies of a cell and the CPU seconds of its pictures, and the pictures."""
    some = few(train, cell.count, cell.draw)
    if not cell.kind:
        names, made, sets, found = WITHOUT, None, [some], {}
    else:
        minigen.manual_seed(args.seed + cell.draw)
        began = time.process_time()
        made = made_by(cell.kind, some, args)
        found = {"seconds": time.process_time() - began}
        names, sets = WITH, [some, made]
    own = args.seed + cell.draw
    for name, turn in zip(names, (False, True), strict=True):
        found[name] = accuracy(sets, turn, test, args, own)
    return found, made


class Paired(NamedTuple):
    """The mean of differences on equal draws, its standard error, and what they say."""

    mean: float
    error: float
    verdict: str


def paired(a: np.ndarray, b: np.ndarray) -> Paired:
    """a − b of each draw, (draws,) each; the verdict is Student's, at five per cent."""
    apart = np.asarray(a) - np.asarray(b)
    if len(apart) < 2:
        return Paired(float(apart.mean()), float("nan"), "one draw")
    mean, error = apart.mean(), apart.std(ddof=1) / np.sqrt(len(apart))
    if abs(mean) <= student.ppf(0.975, len(apart) - 1) * error:
        return Paired(mean, error, "no difference seen")
    return Paired(mean, error, "helps" if mean > 0 else "harms")


def table(found: dict[Cell, dict[str, float]], kinds: Sequence[str]) -> str:
    """Of what is done, in Markdown: means over draws ± standard errors, in per cent."""
    head = (
        "N", "made by", "draws", *WITHOUT, *WITH, "made adds", "made adds, turned",
        "verdict, turned", "CPU seconds",
    )  # fmt: skip
    rows = [head, ["---"] * len(head)]
    for count in sorted({cell.count for cell in found}):
        for kind in kinds:
            draws = [c.draw for c in found if c.count == count and c.kind == kind]
            if not draws:
                continue

            def of(name: str, kind: str, draws: list[int] = draws, count: int = count) -> Any:
                return np.array([found[Cell(d, count, kind)][name] for d in draws])

            plain, made = [of(n, "") for n in WITHOUT], [of(n, kind) for n in WITH]
            gains = [paired(b, a) for a, b in zip(plain, made, strict=True)]
            means = [f"{100 * x.mean():.1f}" for x in (*plain, *made)]
            shown = [f"{100 * g.mean:+.1f} ± {100 * g.error:.1f}" for g in gains]
            shown = [text.removesuffix(" ± nan") for text in shown]  # of one draw
            seconds = f"{of('seconds', kind).mean():.0f}"
            rows.append([
                str(count), kind, str(len(draws)), *means, *shown, gains[1].verdict, seconds,
            ])  # fmt: skip
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if any(cell.kind == "leak" for cell in found):
        lines += ["", LEAK]
    return "\n".join(lines)


LEAK = (
    "Warning: the generator of the rows leak has seen all 60,000 images. What it adds is those, and"
    " no gain of made pictures."
)


def noise_for(labels: Tensor) -> Tensor:
    """x_T for pictures of these classes."""
    return minigen.randn(len(labels), 1, 28, 28, device=labels.device)


def shown(some: data.Images, args: argparse.Namespace, steps: int) -> Iterator[tuple[Tensor, ...]]:
    """Batches of so many steps."""
    stream = batches(some, BATCH, args.seed)
    for _ in progress(range(steps), "steps"):
        yield tuple(Tensor(part, device=args.device) for part in next(stream))


def made_by(kind: str, some: data.Images, args: argparse.Namespace) -> data.Images:
    """Pictures, as many of each class, by a generator that learns from these images alone."""
    draw = MAKERS[kind](some, args)
    labels = training.rows_of(range(len(some.classes)), args.made, args.device)
    pictures = training.by_parts(draw, labels)
    levels = np.rint((pictures.clip(-1, 1) + 1) * 127.5).astype(np.uint8)
    return data.Images(kind, levels, labels.numpy(), some.classes)


def turned(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Images (N, 1, H, W), each turned about its middle by 15 degrees at most, and shifted by two
    pixels at most."""
    angles = np.deg2rad(rng.uniform(-15, 15, len(images)))
    shifts = rng.uniform(-2, 2, (len(images), 2))
    middle = (np.array(images.shape[2:]) - 1) / 2
    found = np.empty_like(images)
    for image, angle, shift, out in zip(images, angles, shifts, found, strict=True):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        affine_transform(
            image[0], turn, middle - turn @ (middle + shift), order=1, cval=-1, output=out[0]
        )
    return found


def accuracy(
    sets: list[data.Images],
    turn: bool,
    test: data.Images,
    args: argparse.Namespace,
    seed: int = 0,
) -> float:
    """The share of test images that a classifier reads rightly which has learnt from these sets, an
    equal part of each batch from each of them, maybe turned."""
    minigen.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = C.Classifier(1, len(test.classes), args.width).to(args.device)
    optimiser = optim.Adam(model.parameters(), lr=2e-3)
    schedule = training.falling(optimiser, 2e-3, args.steps, share=1)
    streams = [batches(some, BATCH // len(sets), seed) for some in sets]
    for _ in progress(range(args.steps), "steps"):
        parts = zip(*(next(stream) for stream in streams), strict=True)
        x, y = (np.concatenate(part) for part in parts)
        x = turned(x, rng) if turn else x
        C.step(model, optimiser, Tensor(x, device=args.device), Tensor(y, device=args.device))
        schedule.step()
    tested = Tensor(test.scaled(), device=args.device), Tensor(test.labels, device=args.device)
    return C.evaluate(model, *tested)


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(
        __doc__,
        name="few_images",
        quick={
            "images": [50], "draws": 2, "models": ["vae"], "steps": 30, "vae_steps": 30, "made": 100
        },
        may_change=("draws", "minutes"),
    )  # fmt: skip
    add = parser.add_argument
    add("--data", choices=("mnist", "fashion-mnist", "digits", "auto"), default="auto",
        help="the images; auto is mnist if at hand")  # fmt: skip
    add("--images", type=whole(10, 10**4), nargs="+", default=list(SIZES), metavar="N",
        help="how many there are, as many of each class")  # fmt: skip
    add("--draws", type=whole(1, 1000), default=5, help="of each N")
    add("--models", type=one_of(*MAKERS), nargs="+", default=list(MAKERS),
        help="who makes pictures: gan, vae, diffusion, leak")  # fmt: skip
    add("--minutes", type=number(above=0, most=10**5),
        help="begin no cell after so many minutes; --resume goes on")  # fmt: skip
    add("--made", type=whole(10, 10**5), default=500, help="pictures that each generator makes")
    add("--steps", type=whole(), default=300, help="of each classifier")
    add("--gan-steps", type=whole(), default=1500, help="training steps of a GAN")
    add("--vae-steps", type=whole(), default=2000, help="of a VAE")
    add("--diffusion-steps", type=whole(), default=1500, help="of a diffusion model")
    add("--width", type=units, default=8, help="channels of all networks' first layers")
    add("--held-out", action="store_true", help="draw and test where settings are chosen")
    parser.refuse(
        lambda args: any(len({*x}) < len(x) for x in (args.images, args.models)),
        "--images and --models: expected each of them once",
    )
    parser.refuse(
        lambda args: "leak" in args.models and args.data not in ("mnist", "auto"),
        "--models: the model that ships, leak, is of mnist: leave it out",
    )
    return parser


def split(args: argparse.Namespace) -> tuple[data.Images, data.Images]:
    """Images to draw from and to test with: the training images but the last sixth, and the test
    images; or the halves of that sixth."""
    train = data.load(args.data)
    first, middle = len(train) * 5 // 6, len(train) * 11 // 12
    if not args.held_out:
        return train.taken(slice(first)), data.load(args.data, "test")
    return train.taken(slice(first, middle)), train.taken(slice(middle, None))


def draw_made(path: Path, cell: Cell, made: data.Images) -> None:
    """Ten made pictures of each class, a row each."""
    pictures = made.scaled()
    rows = {name: pictures[made.labels == kind][:10] for kind, name in enumerate(made.classes)}
    learnt = f"which learnt from {cell.count:,} real ones"
    if cell.kind == "leak":
        learnt = "the model that ships, which learnt from all 60,000 real ones"
    training.save_image(
        path, training.named_rows(rows), scale=2,
        caption=f"Pictures made by {cell.kind}, {learnt}, a class in each row; none of them is"
        " real. Good ones are of their row's class and could be real, and no two are alike: only"
        " such can teach a classifier.",
    )  # fmt: skip


@training.script
def main() -> None:
    args, run = flags().open_run()
    if args.data != "mnist" and "leak" in args.models:
        print(f"no rows leak, for the model that ships is of mnist, not of {args.data}")
        args.models = run.config["models"] = [kind for kind in args.models if kind != "leak"]
    if not args.models:
        raise data.DataError("--models: nobody is left to make pictures")
    train, test = split(args)
    for count in args.images:  # before hours of work
        few(train, count, draw=0)
    todo = cells(args)
    loop = training.Loop(run, steps=len(todo), state={}, log_every=1, save_every=1)
    training.begin(
        run, f"{len(train):,} images of {train.name} to draw from, {len(test):,} to test"
    )

    @loop.at_save
    def show() -> None:
        done = {todo[record.pop("step") - 1]: record for record in run.metrics()}
        run.path("table.md").write_text(table(done, args.models) + "\n", encoding="utf-8")

    for step in loop:
        cell = todo[step - 1]
        found, made = measured(cell, train, test, args)
        loop.log(found)
        if made and cell.draw == 0:
            draw_made(run.path("made", f"{cell.count}-{cell.kind}.png"), cell, made)
        if args.minutes and loop.seconds > 60 * args.minutes:
            loop.steps = step  # the last one, for now
    print((run.folder / "table.md").read_text(encoding="utf-8"))
    reading = (
        "Accuracies are of real test images, in per cent; ± is a standard error over draws. The"
        " verdict is on what made pictures add to turned ones, by Student's t at five per cent."
    )
    if "leak" in args.models:
        reading += " The leak is a warning: its generator has seen all training images."
    training.finish(loop, "table.md", reading=reading, then=["gan.py", "--conditional"])
    if not loop.interrupted and loop.step < len(todo):
        print(f"to go on: {training.resume_command(run)} --minutes {2 * args.minutes:g}")


if __name__ == "__main__":
    main()
