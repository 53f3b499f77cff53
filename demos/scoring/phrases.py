"""Scores of a model that draws what phrases say."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np

from minigen import data, training
from minigen.data import phrases as P
from minigen.models import diffusion as D
from minigen.models.features import feature_classifier, read
from minigen.training.builders.phrases import draw
from minigen.training.trained import Trained
from scoring.scores import Scores

PICTURES = 900  # of each split, that are scored at most


def judge_of(args: argparse.Namespace) -> Callable[[np.ndarray], np.ndarray]:
    """What reads the digit of cells (M, 14, 14), from 0 to 1: a classifier of small digits."""
    train = training.load_images(args)

    def framed(cells: np.ndarray) -> np.ndarray:
        return np.pad(cells[:, None], ((0, 0), (0, 0), (1, 1), (1, 1)))

    levels = (framed(P.small(train)) * 255).round().astype(np.uint8)
    halves = data.Images(f"{train.name}, halved", levels, train.labels, train.classes)
    judge = feature_classifier(halves, args.device)
    print(f"digits are read by {judge}", flush=True)
    return lambda cells: read(judge.model, 2 * framed(cells) - 1).labels


def score(
    args: argparse.Namespace, model: D.Diffusion, count: int = PICTURES
) -> Iterator[dict[str, float]]:
    """The shares of pictures of each split whose number, colour, digit, and all three are right, as
    they are found, and of real pictures made from test images. Standard errors are over phrases,
    for pictures of one fail together."""
    judge, rng = judge_of(args), np.random.default_rng(args.seed + 2)
    real = P.PhrasePictures(training.load_images(args, "test"))
    for split in P.SPLITS:
        combos = P.combinations(split)
        asked = np.repeat(combos, -(-min(count, PICTURES) // len(combos)), 0)
        for name, pictures in (
            (f"{split} phrases, real pictures", real.draw(asked, rng)),
            (f"{split} phrases", draw(args, model, asked, args.seed + 3)),
        ):
            right = P.read_combinations(pictures, judge) == asked
            right = np.column_stack([right, right.all(1)])
            of_phrases = right.reshape(len(combos), -1, 4).mean(1)
            errors = of_phrases.std(0, ddof=1) / np.sqrt(len(combos))
            for part, mean, error in zip(
                ("number", "colour", "digit", "all"), right.mean(0), errors, strict=True
            ):
                yield {f"{name}, {part}": mean, f"{name}, {part}, error": error}


def of_phrases(trained: Trained, scores: Scores) -> None:
    """How many pictures show what a phrase asks for, one of training and one held out of it."""
    args = trained.settings
    trained.restored(data.PhrasePictures(training.load_images(args)), "pictures")
    for found in score(args, trained.model, scores.flags.images):
        scores.keep(found)
