"""Features of images: those of a classifier that is trained once for each data set, and kept.

Fréchet distance, precision and recall need features in which near means alike. Published figures
take those of a network trained on ImageNet; here a small classifier is trained on the data set's
own training images, so its numbers compare with each other and with no published ones.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

import minigen
from minigen import Tensor, optim
from minigen.data import Batches, DataError, Images
from minigen.data.download import cache_folder, writing
from minigen.display import Bar, progress
from minigen.models.classifier import Classifier, evaluate, step
from minigen.models.networks import evaluating
from minigen.optim.lr_scheduler import LinearLR

FEATURES = 64
EPOCHS = 5
RECIPE = 3  # to be counted up when what follows changes, so that older weights are not used


class Reading(NamedTuple):
    """What a classifier makes of images."""

    features: np.ndarray  # (N, 64)
    labels: np.ndarray  # (N,), the likeliest class of each


def read(model: Classifier, images: np.ndarray, batch_size: int = 500) -> Reading:
    """The features and the class of images (N, C, H, W) from −1, black, to 1."""
    found, device = [], next(iter(model.parameters())).device
    with evaluating(model):
        for i in progress(range(0, len(images), batch_size)):
            x = model[:-2](Tensor(images[i : i + batch_size], device=device))
            found.append((x.numpy(), model[-2:](x).numpy().argmax(1)))
    features, labels = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Reading(features, labels)


class Judge(NamedTuple):
    """A classifier whose features are used, and what it knows."""

    model: Classifier
    task: str  # what it tells
    accuracy: float  # the share of a tenth of the training images, held out, that it reads rightly
    chance: float  # the share of the commonest answer
    tested: int  # held-out images, at most 5,000

    def __str__(self) -> str:
        return (
            f"a classifier that tells {self.task}: {self.accuracy:.2%} of {self.tested:,} held-out"
            f" images right, by chance {self.chance:.1%}"
        )


def feature_classifier(train: Images, device: str = "cpu", epochs: int = EPOCHS) -> Judge:
    """The classifier of a data set. It is trained on the first call, some minutes, and then kept in
    the cache folder (see `minigen.data.download`).

    Where there are no classes, as in a folder without subfolders, it learns which of four quarter
    turns an image was given (Gidaris et al. 2018, arXiv:1803.07728), which needs no labels.

    Args:
        train: the training images; square, of a side that is a multiple of 4.
        device: where it is trained and to be used.
        epochs: passes over the images; of many classes it takes more.

    Raises:
        DataError: fewer than 20 images, of a side that is no multiple of 4, or the weights cannot
            be kept; or it knows nothing: by chance 5 % of classifiers read as many rightly.
    """
    if train.images.shape[2] % 4:
        raise DataError(
            f"{train.name}: features are of images whose side is a multiple of 4, not"
            f" {train.images.shape[2]}"
        )
    images, labels, classes = _task(train)
    if len(train) < 20:
        raise DataError(f"{train.name}: expected 20 or more images to learn features from")
    # An image is held out with all its turns, so that they are equally frequent there too.
    held_out = np.arange(len(labels)) // (len(labels) // len(train)) % 10 == 9
    before = minigen.default_generator.state_dict()
    try:  # the caller's stream goes on as if nothing had been drawn
        minigen.manual_seed(0)
        model = untrained(images, classes).to(device)
        path = _cached(train, epochs)
        if path.exists():
            model.load_state_dict(minigen.load(path))
        else:
            print(f"training the classifier of {train.name} once; it is kept in {path}")
            fit(model, images[~held_out], labels[~held_out], epochs)
            with writing(path):
                minigen.save(model.state_dict(), path)
    finally:
        minigen.default_generator.load_state_dict(before)
    rest = images[held_out][:5000]
    tested = Tensor(rest, device=device), Tensor(labels[held_out][:5000], device=device)
    told = "quarter turns" if len(train.classes) < 2 else f"the {classes} classes"
    chance = float(np.bincount(labels).max() / len(labels))
    share = evaluate(model, *tested)
    judge = Judge(model, f"{told} of {train.name}", share, chance, len(rest))
    if binom.sf(round(share * len(rest)) - 1, len(rest), chance) > 0.05:
        raise DataError(f"features measure nothing here, for they are those of {judge}")
    return judge


def _task(train: Images) -> tuple[np.ndarray, np.ndarray, int]:
    """Images from −1 to 1, what is to be told of them, and how many answers there are."""
    if len(train.classes) > 1:
        return train.scaled(), train.labels, len(train.classes)
    turns = np.arange(4 * len(train)) % 4
    images = np.repeat(train.scaled(), 4, axis=0)
    for turn in 1, 2, 3:
        images[turns == turn] = np.rot90(images[turns == turn], turn, axes=(2, 3))
    return images, turns, 4


def untrained(images: np.ndarray, classes: int) -> Classifier:
    """The classifier of images (N, C, H, W) before it is trained."""
    channels, size = images.shape[1:3]
    return Classifier(channels, classes, 16, size, FEATURES, dropout=0.25)


def fit(model: Classifier, images: np.ndarray, labels: np.ndarray, epochs: int = EPOCHS) -> None:
    """Train a classifier on images (N, C, H, W) from −1 to 1 and labels (N,), 100 steps or more."""
    device = next(iter(model.parameters())).device
    batches = Batches(images, labels, batch_size=min(64, len(labels)))
    optimiser = optim.Adam(model.parameters(), lr=2e-3)
    stream, steps = batches.forever(), max(epochs * len(batches), 100)
    schedule = LinearLR(optimiser, 1, 0, total_iters=steps)
    for _ in Bar(range(steps), unit=" steps", leave=False, disable=None):
        step(model, optimiser, *(Tensor(x, device=device) for x in next(stream)))
        schedule.step()


def _cached(train: Images, epochs: int) -> Path:
    """Where the weights are kept: named for the data set, and for what its images are."""
    name = re.sub(r"\W+", "-", Path(train.name).name)
    more = f" {epochs}" if epochs != EPOCHS else ""
    content = f"{train.images.shape} {len(train.classes)} {RECIPE}{more}".encode()
    mark = zlib.crc32(train.labels.tobytes(), zlib.crc32(train.images[:1000].tobytes()))
    return cache_folder() / "classifiers" / f"{name}-{zlib.crc32(content, mark):08x}.npz"
