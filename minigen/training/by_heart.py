"""Whether a GAN knows its training pictures by heart: what D thinks of them and of others, and what
G draws beside the nearest of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigen import Tensor
from minigen.data import Images
from minigen.metrics.neighbours import nearest
from minigen.models.adversaries import Adversaries
from minigen.models.networks import evaluating
from minigen.training.course import in_parts
from minigen.training.figures import named_rows, save_image
from minigen.training.flags import Settings
from minigen.training.images import load_images
from minigen.training.run import Run

COLUMNS = 10  # of nearest.png
WATCHED = 512  # pictures of each split whose scores are logged
PANEL = {"D's scores of training and test pictures": ["d_train", "d_test"]}
READING = (
    " d_train and d_test are D's scores, before any sigmoid, of training pictures and of test"
    " pictures, which it never learns from: the first far above the second means that it knows its"
    " training pictures by heart. --augment is the remedy."
)


def watched(
    args: Settings, train: Images, labelled: bool
) -> Callable[[Adversaries], dict[str, float]]:
    """What gives D's mean score of training pictures, and of test pictures, which it never learns
    from, as they are: without augmentation.

    Args:
        labelled: whether D is told the class.
    """
    shown = []
    for images in train, load_images(args, "test"):
        some = np.random.default_rng(0).permutation(len(images))[:WATCHED]  # folders are sorted
        part = images.taken(some)
        told = Tensor(part.labels, device=args.device) if labelled else None
        shown.append((Tensor(part.scaled(), device=args.device), told))

    def watch(gan: Adversaries) -> dict[str, float]:
        with evaluating(gan.discriminator):
            train, test = (
                float(in_parts(gan.discriminator, *some, rows=128).mean()) for some in shown
            )
        return {"d_train": train, "d_test": test}

    return watch


def draw_nearest(run: Run, images: Images, made: np.ndarray) -> None:
    """nearest.png: pictures drawn (N, C, H, W), from −1 to 1, and below each the nearest of the
    training pictures."""
    beside = images.images[nearest((made + 1) * 127.5, images.images)]
    beside, rows = beside / np.float32(127.5) - 1, {}
    for i in range(0, len(made), COLUMNS):
        rows[f"drawn {i // COLUMNS + 1}"] = made[i : i + COLUMNS]
        rows[f"nearest {i // COLUMNS + 1}"] = beside[i : i + COLUMNS]
    save_image(
        run.path("nearest.png"), named_rows(rows), scale=2,
        caption="Drawn pictures, and below each the real training picture that is nearest to it in"
        " pixels: a pair that is the same was learnt by heart. Good are drawn ones that could be"
        " real and are no copies.",
    )  # fmt: skip
