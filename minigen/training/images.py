"""The images that the flags of a run name."""

from __future__ import annotations

from collections.abc import Mapping

from minigen import data, distributed
from minigen.data.layouts import refuse_splits
from minigen.data.sets import DIGITS_SIZE, DRAWN
from minigen.training.flags import Settings
from minigen.training.ranks import rows
from minigen.training.run import Run

CHARACTERS = 80  # of a class's name that are noted


def train_images(run: Run, args: Settings) -> data.Images:
    """The training images of a run, and its batches fitted to them. Their shape and their classes
    are noted in the run's config, so that its networks can be built without them.

    Raises:
        DataError: they cannot be had, or are fewer than a batch.
    """
    found = load_images(args)
    run.config["image_shape"] = list(found.images.shape[1:])
    run.config["class_count"] = len(found.classes)
    run.config["class_names"] = [name[:CHARACTERS] for name in found.classes]
    fit_batches(run, args, {f"images of {found.name} to train with": len(found)})
    return found


def require_classes(images: data.Images, least: int = 2) -> None:
    """Refuse images of fewer classes, and of a folder whose subfolders are no classes.

    Raises:
        DataError: they are.
    """
    if len(images.classes) < least:
        raise data.DataError(f"{images.name} has one class, so there is none to tell")
    refuse_splits(images.name, images.classes)


def fit_batches(run: Run, args: Settings, counts: Mapping[str, int]) -> None:
    """Refuse batches that are larger than the data; --quick takes smaller ones, if it was not told
    how large, but of two on each rank, or batch norm would have nothing to compare.

    Args:
        counts: how many there are, by what they are.

    Raises:
        DataError: there are fewer than a batch.
    """
    ranks = distributed.get_world_size()
    what, count = min(counts.items(), key=lambda item: item[1])
    whole, step = ranks * args.batch_size, ranks * getattr(args, "packing", 1)
    if whole <= count:
        return
    if not getattr(args, "quick_batches", False) or count < 2 * step:
        raise data.DataError(
            f"--batch-size {whole:,} is more than the {count:,} {what}: take a smaller one"
        )
    run.config["batch_size"] = whole = count - count % step
    args.batch_size = whole // ranks
    rows[:] = [args.batch_size]
    print(f"--quick: a batch is {whole:,}, for there are {count:,} {what}")


def load_images(args: Settings, split: str = "train") -> data.Images:
    """The images of a split that --data and --size name, --limit at most.

    Raises:
        DataError: they cannot be had.
    """
    limit, side = getattr(args, "limit", None), getattr(args, "size", 32)
    # Digits are drawn here, so that few take less time; of the other sets the first are taken.
    drawn = min(limit, DIGITS_SIZE[split]) if limit and args.data in DRAWN else None
    return data.load(args.data, split, side=side, size=drawn).taken(slice(limit))
