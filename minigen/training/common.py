"""What the files of this room share: whole files, and values as arrays and numbers of the host."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

StrPath = str | os.PathLike[str]


@contextmanager
def written_whole(path: StrPath) -> Iterator[BinaryIO]:
    """Open a binary file that takes its place at `path` only when the block ends without an error.

    It is written beside `path`, so the renaming stays within one file system. After an error,
    Ctrl-C included, whatever stood at `path` still stands there and nothing lies beside it.

    Raises:
        OSError: the file cannot be written; names `path`, not the file beside it.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        file = open(beside, "xb")  # noqa: SIM115 - closed below, before it is renamed
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with file:
            yield file
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def as_array(value: Any) -> np.ndarray:
    """Give the value as a NumPy array; whatever has a `numpy()` method, a Tensor say, is asked."""
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)


def as_number(name: str, value: Any) -> float:
    """Give the one number that `value` holds: a Python or NumPy number, or a 0-d Tensor.

    Raises:
        ValueError: it is no number, or not a single one; the message calls it `name`.
    """
    array = as_array(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name!r} should be one number, but it has shape {array.shape} and dtype"
            f" {array.dtype}: log its mean, for example"
        )
    return float(array.item())
