"""The images that the flags of a run name."""

from __future__ import annotations

from minigen import data
from minigen.data.sets import DIGITS_SIZE, DRAWN
from minigen.training.flags import Settings
from minigen.training.run import Run

CHARACTERS = 80  # of a class's name that are noted


def train_images(run: Run, args: Settings) -> data.Images:
    """The training images of a run. Their shape and their classes are noted in the
    run's config, so that its networks can be built without them.

    Raises:
        DataError: they cannot be had, or are fewer than a batch.
    """
    found = load_images(args)
    run.config["image_shape"] = list(found.images.shape[1:])
    run.config["class_count"] = len(found.classes)
    run.config["class_names"] = [name[:CHARACTERS] for name in found.classes]
    if args.batch_size > len(found):
        raise data.DataError(
            f"--batch-size {args.batch_size:,} is more than the {len(found):,} images of"
            f" {found.name} to train with: take a smaller one"
        )
    return found


def load_images(args: Settings, split: str = "train") -> data.Images:
    """The images of a split that --data and --size name, --limit at most.

    Raises:
        DataError: they cannot be had.
    """
    limit, side = getattr(args, "limit", None), getattr(args, "size", 32)
    # Digits are drawn here, so that few take less time; of the other sets the first are taken.
    drawn = min(limit, DIGITS_SIZE[split]) if limit and args.data in DRAWN else None
    return data.load(args.data, split, side=side, size=drawn).taken(slice(limit))
