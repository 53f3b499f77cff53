"""The course of a run, as all demos take it: what is said first, passes over the data, learning
rates that fall, and what is drawn as it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import minigen
from minigen import Tensor, nn
from minigen.data import Batches
from minigen.display import progress
from minigen.optim.lr_scheduler import LambdaLR
from minigen.optim.optimizer import Optimizer
from minigen.training.common import StrPath
from minigen.training.figures import plot_metrics, save_gif, save_image
from minigen.training.flags import Settings
from minigen.training.loop import Loop, Stateful
from minigen.training.run import Run


def begin(run: Run, what: str, *networks: tuple[Any, ...]) -> None:
    """Print networks, layer by layer, and what a run is trained with.

    Args:
        what: such as "60,000 images of mnist".
        networks: each with what else `nn.summary` takes, such as the shape of one input.
    """
    for network in networks:
        print(nn.summary(*network))
    print(f"{what}; the run folder is {run.folder}")


def loop_of_epochs(
    run: Run, args: Settings, batches: Batches, state: Mapping[str, Stateful]
) -> Loop:
    """A loop of `args.epochs` passes over batches.

    Args:
        state: all that changes from step to step, but for the batches and the default stream of
            random numbers.
    """
    steps = args.epochs * len(batches)
    streams = {"batches": batches, "random": minigen.default_generator}
    return Loop(run, steps=steps, state={**state, **streams}, save_every=max(500, steps // 10))


def falling(
    optimiser: Optimizer, rate: float, steps: int, done: int = 0, share: float = 0.5
) -> LambdaLR:
    """A schedule: the learning rate is `rate` at first, and falls in a line to 0 in the last steps.

    It is a formula of the step's number, so a run that is resumed for more steps falls later.

    Args:
        done: steps that were done before, by a run that goes on.
        share: of the steps, in which it falls: 1 for all, 0 for none.
    """

    def factor(step: int) -> float:
        return min(1.0, (1 - step / steps) / share) if share else 1.0

    for group in optimiser.param_groups:
        group["initial_lr"] = rate  # the checkpoint of a run has the rate that it came to
    return LambdaLR(optimiser, factor, last_epoch=done - 1)


def draw_course(
    run: Run,
    panels: Mapping[str, Sequence[str]],
    samples: str = "",
    curves: str = "",
    **options: Any,
) -> list[Path]:
    """Draw the course of a run: samples.gif of the frames in samples/, whose names are their steps,
    and curves.png, if there are panels.

    Args:
        samples, curves: the captions of the two.
        options: for `save_gif`.

    Returns:
        The frames, none where a signal came before the first step, and none of another size than
        the last one, which an older version drew.
    """
    frames = sorted((run.folder / "samples").glob("*.png"))
    sizes = [_size(frame) for frame in frames]
    frames = [frame for frame, size in zip(frames, sizes, strict=True) if size == sizes[-1]]
    if frames:
        titles = [f"step {int(frame.stem):,}" for frame in frames]
        save_gif(run.path("samples.gif"), frames, titles=titles, caption=samples, **options)
    if panels:
        plot_metrics(run.path("curves.png"), run.metrics(), panels, caption=curves)
    return frames


def _size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def save_strip(path: StrPath, frames: Sequence[Path], caption: str) -> None:
    """Write four frames of a course side by side, or fewer if there are no more, the first and the
    last among them.

    Args:
        frames: image files whose names are their steps; without any, nothing is written.
        caption: what is to be seen.
    """
    if frames:
        chosen = [frames[i] for i in sorted({*np.linspace(0, len(frames) - 1, 4).astype(int)})]
        strip = np.concatenate([np.asarray(Image.open(each)) for each in chosen], axis=1)
        steps = ", ".join(f"{int(each.stem):,}" for each in chosen)
        save_image(path, strip, title=f"from left to right steps {steps}", caption=caption)


def by_parts(function: Callable[[Tensor], Tensor], x: Tensor, rows: int = 500) -> np.ndarray:
    """What a function gives for the rows of x, some rows at a time and unrecorded, so that memory
    does not grow with their number."""
    with minigen.no_grad():
        starts = progress(range(0, len(x), rows))
        parts = [function(x[i : i + rows]).numpy() for i in starts]
    return np.concatenate(parts)


def in_parts(
    function: Callable[..., Tensor], z: Tensor, labels: Tensor | None, rows: int = 500
) -> np.ndarray:
    """What a function gives for z (N, …) and the labels (N, …), if any; see `by_parts`."""

    def some(places: Tensor) -> Tensor:
        return function(z[places], *([] if labels is None else [labels[places]]))

    return by_parts(some, Tensor(np.arange(len(z)), device=z.device), rows)
