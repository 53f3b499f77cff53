"""What the files of this room share: whole files, and values as arrays and numbers of the host."""

from typing import Any

import numpy as np

from minigen.files import StrPath as StrPath
from minigen.files import written_whole as written_whole


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
