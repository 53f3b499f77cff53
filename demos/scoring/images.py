"""Generated images beside real ones, in the features of a classifier of their data set."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

import minigen
from minigen import data, metrics, training
from minigen.models.features import Judge, feature_classifier, fit, read, untrained
from minigen.training.trained import Trained
from scoring.scores import Scores


@functools.cache
def loaded(name: str, side: int, split: str) -> data.Images:
    """Images of which several runs mostly are."""
    return data.load(name, split, side=side)


def load(args: argparse.Namespace, split: str = "train") -> data.Images:
    """All images of a split of a run's data set."""
    return loaded(args.data, getattr(args, "size", 32), split)


class RealFeatures(NamedTuple):
    """What generated images are measured against."""

    judge: Judge
    test: np.ndarray  # features of test images, (N, 64)
    floor: np.ndarray  # of training images, as many
    floor_prdc: metrics.PRDC | None  # of one against the other; None of too few images


@functools.cache
def real_features(train: data.Images, test: data.Images, count: int, device: str) -> RealFeatures:
    """The features of `count` real images of each split, which are the same for all runs."""
    judge = feature_classifier(train, device)
    print(f"features: those of {judge}", flush=True)
    rng = np.random.default_rng(0)  # a folder's pictures are sorted by class
    some, others = (s.scaled()[rng.permutation(len(s))[:count]] for s in (train, test))
    floor, real = (read(judge.model, x).features for x in (some, others))
    found = metrics.prdc(real, floor) if count > 5 else None
    return RealFeatures(judge, real, floor, found)


def in_features(
    train: data.Images,
    test: data.Images,
    made: np.ndarray,
    device: str,
    scores: Scores,
    by: str = "",
    asked: np.ndarray | None = None,
) -> None:
    """Score generated images (N, C, H, W), from −1 to 1, and the classes asked for (N,), if any.
    `by` says how they were drawn, where a run is scored several times.

    Raises:
        DataError: there is no such classifier, or it knows nothing.
    """
    count = len(made)
    real = real_features(train, test, count, device)
    fake = read(real.judge.model, made.astype(np.float32))

    def keep(found: Mapping[str, float]) -> None:
        scores.keep({by + name: value for name, value in found.items()})

    keep({
        "accuracy of the classifier": real.judge.accuracy,
        "accuracy of the classifier, by chance": real.judge.chance,
        "images": count,
        "Fréchet distance": metrics.frechet_distance(real.test, fake.features),
        "Fréchet distance, floor": metrics.frechet_distance(real.test, real.floor),
    })  # fmt: skip
    if real.floor_prdc:
        near = metrics.prdc(real.test, fake.features)._asdict()
        for name, least in real.floor_prdc._asdict().items():
            keep({name: near[name], f"{name}, floor": least})
    if len(train.classes) > 1:
        found = metrics.class_coverage(fake.labels, len(train.classes))
        of_data = metrics.class_coverage(train.labels, len(train.classes)).entropy
        keep({
            "classes covered": found.covered,
            "class entropy": found.entropy,
            "class entropy, of the data": of_data,
        })  # fmt: skip
    if asked is not None:
        keep({"read as the class asked for": float((fake.labels == asked).mean())})
    if asked is not None and scores.flags.teach:
        name = f"accuracy of a classifier of {count:,} {{}} images on test images"
        keep({name.format("made"): accuracy_after(made, asked, test, device)})
        keep({name.format("real"): accuracy_after_real(train, test, count, device)})


def accuracy_after(images: np.ndarray, labels: np.ndarray, test: data.Images, device: str) -> float:
    """The share of test images that a classifier reads rightly which saw these images alone."""
    minigen.manual_seed(0)
    model = untrained(images, len(test.classes)).to(device)
    fit(model, images.astype(np.float32), labels)
    return float((read(model, test.scaled()).labels == test.labels).mean())


@functools.cache
def accuracy_after_real(train: data.Images, test: data.Images, count: int, device: str) -> float:
    """The same of `count` training images, once for all that is drawn."""
    some = np.random.default_rng(1).permutation(len(train))[:count]
    return accuracy_after(train.scaled()[some], train.labels[some], test, device)


def same_images(trained: Trained) -> tuple[data.Images, data.Images]:
    """All training and test images of a run: the same, by the first of them, that it was trained
    with.

    Raises:
        RunError: they are others.
        DataError: they cannot be had.
    """
    train, test = load(trained.settings), load(trained.settings, "test")

    def mark(low: float) -> str:
        first = train.taken(slice(1)).scaled(low=low)
        return data.Batches(first, batch_size=1).state_dict()["data"].rpartition(":")[2]

    try:
        trained_with = trained.state["batches"]["data"].partition(":")[2][:8]
    except (KeyError, TypeError, AttributeError):
        trained_with = ""
    if trained_with not in (mark(0), mark(-1)):
        raise training.RunError(
            f"{trained.name} was trained with other images than those of {train.name} here:"
            " see to it that they are the same, and that data in config.json names them"
        )
    return train, test
