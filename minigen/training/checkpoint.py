"""Checkpoints: a nested state of arrays and plain values in one .npz file, exactly as it was.

The file is a zip archive of `structure.json`, `0.npy`, `1.npy`, ...: the structure stands in JSON
and names the arrays by number. Arrays and JSON are all there is, so loading never runs code.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from minigen.serialization import read_array, write_array
from minigen.training.common import StrPath, as_array, read_json, short, written_whole

FORMAT = "minigen checkpoint"
VERSION = 1
STRUCTURE = "structure.json"


class CheckpointError(ValueError):
    """A checkpoint file that cannot be read, or does not fit."""


def save_checkpoint(path: StrPath, state: dict[str, Any]) -> None:
    """Write a nested state to one .npz file.

    `load_checkpoint` gives it back with dtypes, shapes, types and the order of keys unchanged;
    only a Tensor comes back as the array of its values. Equal states give equal files.

    Args:
        path: the file; the folder must exist, a file of that name is replaced.
        state: dicts with str keys, any keys, and lists, nested at will. Leaves are arrays of any
            dtype but objects, NumPy numbers, whatever has a `numpy()` method, int, float, bool,
            str and None.

    Raises:
        TypeError: a leaf or a key of another type; names where in the state it stands.
        OSError: the file cannot be written; an older one stays as it was.
    """
    arrays: list[np.ndarray] = []
    header = {"format": FORMAT, "version": VERSION, "state": _encode(state, arrays, "state")}
    with written_whole(path) as file, ZipFile(file, "w") as archive:
        with archive.open(STRUCTURE, "w") as entry:
            entry.write(json.dumps(header).encode())
        for number, array in enumerate(arrays):
            write_array(archive, str(number), array)


def load_checkpoint(path: StrPath) -> dict[str, Any]:
    """Read back what `save_checkpoint` wrote.

    Raises:
        CheckpointError: the file is missing, unreadable, damaged or cut short, no checkpoint, or
            of a format version that this code does not know.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            looks_like_zip = file.read(4) == b"PK\x03\x04"
    except FileNotFoundError:
        raise CheckpointError(
            f"there is no checkpoint {path}: give the file that a run has saved"
        ) from None
    except OSError as error:
        raise CheckpointError(
            f"cannot read the checkpoint {path}: {error.strerror}; give a file you may read"
        ) from error

    if not looks_like_zip:
        raise _foreign(path, "this is no .npz file at all")
    try:
        with ZipFile(path) as archive:
            return _state(archive, path)
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file makes zipfile, json and NumPy raise all kinds
        raise CheckpointError(
            f"the checkpoint {path} is damaged or cut short ({error}): copy it again from where it"
            " came, or delete it and start anew"
        ) from error


def _foreign(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path} is no {FORMAT}: expected an .npz file from save_checkpoint, but {reason}"
    )


def _state(archive: ZipFile, path: Path) -> dict[str, Any]:
    """The state in an archive; one that is damaged raises errors of all kinds.

    Raises:
        CheckpointError: it is whole, but of another kind or version.
    """
    if STRUCTURE not in archive.namelist():
        raise _foreign(path, f"it holds no {STRUCTURE}")
    header = read_json(archive.read(STRUCTURE))
    if not isinstance(header, dict) or not header.keys() >= {"format", "version", "state"}:
        raise ValueError(f"{STRUCTURE} lacks format, version or state")
    if header["format"] != FORMAT:
        raise _foreign(path, f"it calls itself {short(header['format'])}")
    if header["version"] != VERSION:
        raise CheckpointError(
            f"{path} has format version {short(header['version'])}, but this minigen reads"
            f" version {VERSION}: load it with the minigen that saved it"
        )
    state = _decode(header["state"], lambda number: read_array(archive, str(number)))
    if not isinstance(state, dict):
        raise ValueError(f"its state should be a dict, but is a {type(state).__name__}")
    return state


def _encode(value: Any, arrays: list[np.ndarray], where: str) -> Any:
    """Give the JSON for `value`; its arrays go to the end of `arrays`."""
    if type(value) is np.ndarray or hasattr(value, "numpy") or isinstance(value, np.generic):
        array = as_array(value)
        if not _is_kept(array.dtype):
            raise TypeError(
                f"{where} has dtype {array.dtype}, which an .npy file without pickles cannot hold:"
                " convert it to numbers"
            )
        arrays.append(array)
        return {"scalar" if isinstance(value, np.generic) else "array": len(arrays) - 1}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [_encode(item, arrays, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if type(key) is not str:
                raise TypeError(
                    f"{where} has the key {key!r} of type {type(key).__name__}: keys must be str"
                )
        items = {key: _encode(item, arrays, f"{where}[{key!r}]") for key, item in value.items()}
        return {"dict": items}  # wrapped, so that no dict can be mistaken for an array's number
    raise TypeError(
        f"{where} is of type {type(value).__name__}: a checkpoint holds arrays, Tensors, int,"
        " float, bool, str, None, lists, and dicts with str keys"
    )


def _is_kept(dtype: np.dtype) -> bool:
    """Whether an .npy file keeps this dtype: not objects, nor dtypes from outside NumPy."""
    if dtype.hasobject or dtype.kind == "T":
        return False
    return np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype)) == dtype


def _decode(node: Any, array: Callable[[int], np.ndarray]) -> Any:
    """Undo `_encode`; `array(number)` reads one array."""
    if isinstance(node, list):
        return [_decode(item, array) for item in node]
    if not isinstance(node, dict):
        return node
    match node:
        case {"dict": dict(items)} if len(node) == 1:
            return {key: _decode(item, array) for key, item in items.items()}
        case {"array": int(number)} if len(node) == 1:
            return array(number)
        case {"scalar": int(number)} if len(node) == 1 and array(number).ndim == 0:
            return array(number)[()]
    raise ValueError(f"unknown entry {short(', '.join(node))}")
