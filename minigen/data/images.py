"""What a set of labelled images is, and the one error raised when it cannot be had."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


class DataError(ValueError):
    """Raised when a data set is missing, damaged, or cannot be downloaded, and where numbers are
    not finite."""


def reason(error: BaseException) -> str:
    """What an error says, or if it says nothing, of what kind it is."""
    return str(error) or type(error).__name__


def require_finite(name: str, rows: np.ndarray, one: str) -> None:
    """Refuse images or points (N, …) that are not finite.

    Args:
        name: what the error message calls them.
        one: what it calls one of them, "image" say.

    Raises:
        DataError: some hold NaN or infinity.
    """
    broken = np.flatnonzero(~np.isfinite(rows).all(axis=tuple(range(1, rows.ndim))))
    if broken.size:
        raise DataError(
            f"{name}: {broken.size} of {len(rows)} {one}s hold NaN or infinity, {one} {broken[0]}"
            " first: whatever made them has diverged"
        )


@dataclass(frozen=True, eq=False)
class Images:
    """A named set of labelled images, whole bytes in the order of their file.

    `images` is uint8 (N, 1, 28, 28), or (N, C, H, W) of a folder of pictures, `labels` int64 (N,),
    and `classes[label]` names a class.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def scaled(self, low: float = -1.0, high: float = 1.0) -> np.ndarray:
        """Return the images as float32 (N, C, H, W), with 0..255 mapped linearly to low..high."""
        return np.linspace(low, high, 256, dtype=np.float32)[self.images]

    def taken(self, rows: np.ndarray | slice) -> Images:
        """Return some of them: `rows` are their places, or True where one is taken."""
        return replace(self, images=self.images[rows], labels=self.labels[rows])
