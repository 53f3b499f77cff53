"""What the demos of GANs share: the loop, pictures of the same noise, curves."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import minigen
from minigen import Generator, Tensor, optim
from minigen.data import Batches, DataError, Images
from minigen.models.adversaries import Adversaries
from minigen.models.augment import POLICIES
from minigen.models.gan import AuxiliaryGAN
from minigen.training.command import finish
from minigen.training.common import as_array
from minigen.training.course import begin, draw_course
from minigen.training.figures import image_grid, named_rows, save_image
from minigen.training.flags import Flags, decay, number, rate, units, whole
from minigen.training.images import require_classes, train_images
from minigen.training.loop import Loop
from minigen.training.run import Run

COLUMNS = 8  # of the grid of samples
# Said of flags that leave batch norm nothing to compare.
ONE_IMAGE = "--batch-size {batch_size} is one image, or pack: batch norm compares two or more"
ODDS = (
    "d_real and d_fake say how probable the discriminator D finds it that real and drawn images are"
    " real. Near ½ it cannot tell them apart, which is good once D is trained; 1 and 0 for long"
    " mean that D has won, and that the generator G learns little. The losses do not say how"
    " good the images are."
)
SCORES = (
    "d_real and d_fake are the discriminator D's scores of real and of drawn images: the nearer"
    " they are to each other, the less it can tell them apart, which is good once D is trained."
    " The losses, of D and of the generator G, do not say how good the images are."
)


def train_gan(
    build: Callable[..., Adversaries],
    run: Run,
    args: argparse.Namespace,
    panels: Mapping[str, Sequence[str]],
    reading: str,
    *,
    batches_a_step: Callable[[int], int] = lambda step: 1,
    decay: float = 0.995,
    warm_up: bool = False,
    low: float = -1.0,
    sample_every: int = 50,
    told: bool | None = None,
    watch: Callable[..., Callable[[Adversaries], Mapping[str, float]]] | None = None,
    draw_all: Callable[..., object] | None = None,
) -> None:
    """Train a GAN of images, and fill its run folder: samples from the same noise as training goes
    on (samples/ and samples.gif), drawn with G's weights averaged over some steps, the curves of
    the metrics (curves.png), and the checkpoint.

    Args:
        build: the GAN of the flags, for images (channels, size, size) of so many classes.
        run: the run folder.
        args: the flags.
        panels: for `plot_metrics`.
        reading: how to read them, in a sentence or two.
        batches_a_step: how many batches a step takes, by its number.
        decay, warm_up: of G's weight average.
        low: what is black in the generator's images; 1 is white.
        sample_every: steps between two grids.
        told: whether the networks are told the class, if the flags do not say; even if there is
            but one.
        watch: called with the flags, the training images and whether D is told the class, gives
            what says of the GAN what is logged with each grid, the first one included.
        draw_all: draws whatever a finished run has besides: called with run, flags, the GAN, whose
            G then has the averaged weights, the training images, and the classes to be drawn.
    """
    minigen.manual_seed(args.seed)
    images = train_images(run, args)
    classes = chosen_classes(args, images, told)
    labelled = [images.labels] if classes else []
    batches = Batches(images.scaled(low=low), *labelled, batch_size=args.batch_size, seed=args.seed)
    gan = build(args, *images.images.shape[1:3], len(images.classes))
    average = optim.ExponentialMovingAverage(gan.generator, decay, True, warm_up)
    state = {"gan": gan, "average": average, "batches": batches}
    state["random"] = minigen.default_generator
    loop = Loop(run, steps=args.steps, state=state, log_every=10)
    begin(run, f"{len(images):,} images of {images.name}", *networks_of(gan, images, classes))

    shown = samples_caption(classes if len(images.classes) > 1 else ())
    loop.at_save(
        functools.partial(draw_course, run, panels, shown, reading, seconds_per_frame=0.25)
    )
    loop.at_every(sample_every)(sampler(run, args, gan, average, images, classes, low))
    if watch:
        seen = watch(args, images, bool(classes))
        loop.at_every(sample_every)(lambda step: run.log(step, seen(gan)))

    stream = batches.forever()
    for step in loop:
        real = [next(stream) for _ in range(batches_a_step(step))]
        loop.log(gan.step(*(tuple(Tensor(x, device=args.device) for x in xy) for xy in real)))
        average.update()
    if draw_all and not loop.interrupted:
        with average.average_parameters():
            draw_all(run, args, gan, images, classes)
    finish(loop, "samples.gif", reading=reading)


def networks_of(gan: Adversaries, images: Images, classes: Sequence[int]) -> list[tuple[Any, ...]]:
    """Both networks, each with the shape of its input, and where it is told the class with the
    shapes and dtypes of both: what `summary` takes."""
    channels, *sides = images.images.shape[1:]
    generator, judge = gan.networks()
    shape, told = (channels * gan.packing, *sides), [None, np.int64]
    if not classes:
        return [(generator, (gan.noise,)), (judge, shape)]
    asked = isinstance(gan, AuxiliaryGAN)  # whose judge is not told the class
    of_judge = (judge, shape) if asked else (judge, [shape, ()], told)
    return [(generator, [(gan.noise,), ()], told), of_judge]


def samples_caption(classes: Sequence[int], source: str = "the same noise at each step") -> str:
    """What drawn pictures show, a class in each row, if there are any."""
    kinds, told = (", a class in each row", " of their row's class") if classes else ("", "")
    return (
        f"Drawn pictures, none of them real, from {source}{kinds}, by weights averaged over some"
        f" steps. Good ones could be taken for real pictures{told}, and no two are alike."
    )


def sampler(
    run: Run,
    args: argparse.Namespace,
    gan: Adversaries,
    average: optim.ExponentialMovingAverage,
    images: Images,
    classes: Sequence[int],
    low: float,
) -> Callable[[int], None]:
    """What draws the same noise by G's averaged weights, as samples/STEP.png: a row for each of
    several classes."""
    names = [images.classes[kind] for kind in classes] if len(images.classes) > 1 else []
    noise, labels = fixed_noise(gan, args.seed + 1, COLUMNS * (len(names) or 8), classes)

    def sample(step: int) -> None:
        with average.average_parameters():
            grid = class_grid(gan.draw(noise, labels), COLUMNS, names, low)
        save_image(run.path("samples", f"{step:06d}.png"), grid, scale=2)

    return sample


def fixed_noise(
    gan: Adversaries, seed: int, count: int, classes: Sequence[int] = ()
) -> tuple[Tensor, Tensor | None]:
    """Noise, (count, noise), that does not draw from the stream of the training, and labels: so
    many of each class in a row, or None without classes."""
    z = gan.sample_noise(count, Generator(seed))
    return z, rows_of(classes, count, z.device)


def class_grid(
    images: Any, columns: int, names: Sequence[str] = (), low: float = -1.0
) -> np.ndarray:
    """A grid of images (N, C, H, W), or with the names of classes a row for each, as many in all;
    see `image_grid`."""
    if not names:
        return image_grid(images, columns, low=low)
    return named_rows(zip(names, np.split(as_array(images), len(names)), strict=True), low=low)


def rows_of(classes: Sequence[int], count: int, device: str) -> Tensor | None:
    """Labels (count,), so many of each class in a row, or None without classes. Where they do not
    divide the count, the first have one more than the others."""
    if not classes:
        return None
    each = np.full(len(classes), count // len(classes))
    each[: count % len(classes)] += 1
    return Tensor(np.repeat(np.asarray(classes, np.int64), each), device=device)


def is_told(args: argparse.Namespace) -> bool:
    """Whether these are the flags of a GAN that is told the class, or has to tell it."""
    return getattr(args, "conditional", False) or getattr(args, "auxiliary", False)


def add_classes(parser: Flags) -> None:
    """Add the flag --classes, which `chosen_classes` reads."""
    parser.add_argument(
        "--classes", type=whole(0, 10**6), nargs="+", metavar="CLASS",
        only=("without --conditional", is_told),
        help="which are drawn, a row each (all)",
    )  # fmt: skip


def add_rates(
    parser: Flags, lr: float, ratio: float | None, of_average: float, of: str = "G"
) -> None:
    """Add the flags --lr, --lr-ratio and --decay, with these defaults; without a ratio one rate is
    both networks'."""
    add = parser.add_argument
    add("--lr", type=rate, default=lr, help=f"learning rate of {of}")
    if ratio:
        add("--lr-ratio", type=number(above=0, most=1000), default=ratio,
            help="D's learning rate, in G's")  # fmt: skip
    add("--decay", type=decay, default=of_average,
        help="of the average of G's weights that is drawn")  # fmt: skip


def add_augment(parser: Flags) -> None:
    """Add the flag --augment: the policies of an `Augmentation`."""
    parser.add_argument(
        "--augment", choices=tuple(POLICIES), nargs="+", help="what D sees is changed so (none)"
    )


def add_classes_and_packing(parser: Flags) -> None:
    """Add the flags --classes and --packing."""
    add_classes(parser)
    parser.add_argument(
        "--packing", type=units, default=1, help="images that are judged at a time (PacGAN)"
    )
    parser.refuse(
        lambda args: is_told(args) and args.packing > 1,
        "--packing is for a GAN that is not told the class: leave one of them out",
    )
    refuse_broken_packs(parser)


def refuse_broken_packs(parser: Flags) -> None:
    """Refuse a batch that --packing does not divide."""
    parser.refuse(
        lambda args: args.batch_size % args.packing > 0,
        "--packing {packing} needs a --batch-size that is a multiple of it, not {batch_size}",
    )


def chosen_classes(args: argparse.Namespace, images: Images, told: bool | None = None) -> list[int]:
    """The classes to be drawn: none without labels, and all if the flag is not given.

    Args:
        told: whether there are labels, if the flags do not say, even of one class.

    Raises:
        DataError: one is no class of the data set, or there are none to tell.
    """
    if not (is_told(args) if told is None else told):
        return []
    require_classes(images, 1 if told else 2)
    chosen, known = args.classes, range(len(images.classes))
    if wrong := [c for c in chosen or () if c not in known]:
        raise DataError(f"--classes: {images.name} has the classes 0 to {known[-1]}, not {wrong}")
    return chosen or list(known)
