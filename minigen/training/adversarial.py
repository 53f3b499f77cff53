"""What the demos of image GANs share: the loop, pictures of the same noise, curves."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import minigen
from minigen import Generator, Tensor, nn, optim
from minigen.data import Batches, DataError, Images
from minigen.training.command import finish
from minigen.training.figures import image_grid, plot_metrics, save_gif, save_image
from minigen.training.flags import Flags, units, whole
from minigen.training.loop import Loop
from minigen.training.run import Run

COLUMNS = 8  # of the grid of samples


def train_gan(
    gan: Any,
    run: Run,
    args: argparse.Namespace,
    images: Images,
    batches: Batches,
    *,
    judge: nn.Module,
    panels: Mapping[str, Sequence[str]],
    batches_a_step: Callable[[int], int] = lambda step: 1,
    classes: Sequence[int] = (),
    decay: float = 0.98,
    low: float = -1.0,
    sample_every: int = 50,
) -> Loop:
    """Train a GAN of images, and fill its run folder: samples from the same noise as training goes
    on (samples/ and samples.gif), drawn with G's weights averaged over some steps, the curves of
    the metrics (curves.png), and the checkpoint.

    Args:
        gan: has a `step` on batches of real images, or of images and labels, `draw`, and a state
            that a checkpoint can hold: a `GAN` or `WGAN`.
        run: the run folder.
        args: the flags `steps`, `seed` and `device`.
        images: the data set, for its name and the shape of its images.
        batches: of it, scaled; with labels if the GAN is conditional.
        judge: the discriminator or critic, to be printed.
        panels: for `plot_metrics`.
        batches_a_step: how many batches a step takes, by its number.
        classes: those to be drawn, a row of the grid each, if the GAN is conditional.
        decay: of G's weight average.
        low: what is black in the generator's images; 1 is white.
        sample_every: steps between two grids.

    Returns:
        The loop, whose `interrupted` says whether it was ended by a signal.
    """
    average = optim.ExponentialMovingAverage(gan.generator, decay=decay, use_buffers=True)
    noise, labels = fixed_noise(gan, args.seed + 1, COLUMNS * (len(classes) or 8), classes)
    loop = Loop(
        run,
        steps=args.steps,
        state={
            "gan": gan,
            "average": average,
            "batches": batches,
            "random": minigen.default_generator,
        },
        log_every=10,
    )
    for network, shape in (gan.generator, (gan.noise,)), (judge, images.images.shape[1:]):
        if not classes:  # with labels a network has two inputs, which `summary` does not know
            channels = gan.packing if network is judge else 1
            print(nn.summary(network, (shape[0] * channels, *shape[1:])))
    print(f"{len(images):,} images of {images.name}; the run folder is {run.folder}")

    @loop.at_save
    def draw() -> None:
        frames = sorted(run.path("samples").glob("*.png"))
        if frames:  # a signal may come before the first step
            save_gif(run.path("samples.gif"), frames, seconds_per_frame=0.25, hold_last=2)
        plot_metrics(run.path("curves.png"), run.metrics(), panels)

    stream = batches.forever()
    for step in loop:
        real = [
            tuple(Tensor(x, device=args.device) for x in next(stream))
            for _ in range(batches_a_step(step))
        ]
        loop.log(gan.step(*(batch if len(batch) == 2 else batch[0] for batch in real)))
        average.update()
        if loop.every(sample_every) or step == 1:
            with average.average_parameters():
                samples = gan.draw(noise, labels)
            grid = image_grid(samples, columns=COLUMNS, low=low)
            save_image(run.path("samples", f"{step:06d}.png"), grid, scale=2)

    finish(loop, "samples.gif")
    return loop


def fixed_noise(
    gan: Any, seed: int, count: int, classes: Sequence[int] = ()
) -> tuple[Tensor, Tensor | None]:
    """Noise, (count, noise), that does not draw from the stream of the training, and labels: so
    many of each class in a row, or None without classes."""
    like = next(iter(gan.generator.parameters()))
    draw = minigen.randn if gan.prior == "normal" else minigen.rand
    z = draw(count, gan.noise, generator=Generator(seed)).to(like.device)
    z = z if gan.prior == "normal" else z * 2 - 1
    if not classes:
        return z, None
    rows = np.repeat(np.asarray(classes, np.int64), -(-count // len(classes)))[:count]
    return z, Tensor(rows, device=like.device)


def is_told(args: argparse.Namespace) -> bool:
    """Whether these are the flags of a GAN that is told the class, or has to tell it."""
    return args.conditional or getattr(args, "auxiliary", False)


def add_classes_and_packing(parser: Flags) -> None:
    """Add the flags --classes, which `chosen_classes` reads, and --packing."""
    parser.add_argument(
        "--classes", type=whole(0, 10**6), nargs="+", metavar="CLASS",
        only=("without --conditional", is_told),
        help="which are drawn, a row each (all)",
    )  # fmt: skip
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


def chosen_classes(args: argparse.Namespace, images: Images) -> list[int]:
    """The classes to be drawn: none without labels, and all if the flag is not given.

    Raises:
        DataError: one is no class of the data set.
    """
    if not is_told(args):
        return []
    if len(images.classes) < 2:
        raise DataError(f"{images.name} has one class, so there is none to tell a GAN")
    chosen, known = args.classes, range(len(images.classes))
    if wrong := [c for c in chosen or () if c not in known]:
        raise DataError(f"--classes: {images.name} has the classes 0 to {known[-1]}, not {wrong}")
    return chosen or list(known)
