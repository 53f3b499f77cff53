"""Which classes a model draws, as a classifier reads its images."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import entr

from minigen.metrics.points import as_numbers


class Classes(NamedTuple):
    """What `class_coverage` returns."""

    covered: int  # classes that at least `least` of the images belong to
    entropy: float  # of the classes, in nats; log(count) is the most there can be


def class_coverage(labels: Any, count: int, least: float = 0.01) -> Classes:
    """How many classes are drawn, and how evenly.

    A class is covered if a share of at least `least` of the images is read as one of it, so that
    a few misread images cover nothing. The entropy is −Σ p_k log p_k of the shares p_k.

    It says nothing of how good the images are, and compares only for one classifier: a classifier
    puts whatever it is shown into some class. That of a perfect model is the entropy of the data's
    own labels, not necessarily log(count).

    Args:
        labels: the class of each image, whole numbers from 0 to count − 1, (N,).
        count: how many classes there are.

    Raises:
        ValueError: no labels, or labels of no class.
    """
    labels = as_numbers(labels, None)
    if labels.ndim != 1 or not labels.size or labels.dtype.kind not in "iu":
        raise ValueError(
            f"class_coverage: expected whole numbers (N,), got {labels.dtype} {labels.shape}"
        )
    if labels.min() < 0 or labels.max() >= count:
        raise ValueError(
            f"class_coverage: expected labels from 0 to {count - 1}, got {labels.min()} to "
            f"{labels.max()}"
        )
    share = np.bincount(labels, minlength=count) / len(labels)
    return Classes(int((share >= least).sum()), float(entr(share).sum()))
