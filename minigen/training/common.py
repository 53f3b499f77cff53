"""What the files of this room share: whole files, JSON, and values as arrays and numbers of the
host."""

import json
import reprlib
import sys
from typing import Any

import numpy as np

from minigen.files import StrPath as StrPath
from minigen.files import written_whole as written_whole


class RunError(Exception):
    """A run folder that cannot be made, opened, read or written."""


def read_json(content: bytes) -> Any:
    """What JSON text holds.

    Raises:
        ValueError: it is no JSON, or is nested or numbered beyond what Python reads.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:  # Python's own advice is for programmers
        if "sys.set_int_max_str_digits" in str(error):
            raise ValueError("a number in it has thousands of digits") from None
        raise


def write_json(path: StrPath, value: Any) -> None:
    """Write numbers by their names as JSON that people can read.

    Raises:
        OSError: the file cannot be written; an older one stays as it was.
    """
    with written_whole(path) as file:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        # Of a name that is no text, such as a folder's, half a pair is JSON's own escape.
        file.write(text.encode("utf-8", "backslashreplace") + b"\n")


def is_step(value: Any) -> bool:
    """Whether a value, from a file perhaps, is a whole number from 0 to 2⁶³ − 1."""
    return type(value) is int and 0 <= value < 2**63


def is_finite(value: Any) -> bool:
    """Whether a value from a file is a number that a finite float can hold."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def short(value: Any) -> str:
    """A value from a file, for a message of one line."""
    said = " ".join(reprlib.repr(value).split())
    return said if len(said) <= 60 else f"{said[:60]}…"


def as_array(value: Any) -> np.ndarray:
    """Give the value as a NumPy array; whatever has a `numpy()` method, a Tensor say, is asked."""
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)


def holds_nan(state: Any, name: str = "state") -> str | None:
    """Where a state, of dicts, lists and arrays, holds NaN, as the network of a run that diverged
    does: "state['generator']['0.weight']", the first such place, or None."""
    if isinstance(state, dict | list):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        return next(filter(None, (holds_nan(v, f"{name}[{key!r}]") for key, v in items)), None)
    if not hasattr(state, "dtype"):
        return None
    array = as_array(state)
    return name if array.dtype.kind == "f" and np.isnan(array).any() else None


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
