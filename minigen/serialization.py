"""Weights in files: named arrays to .npz and .safetensors and back, exactly as they were.

Both formats hold arrays and nothing else, so that loading runs no code. PyTorch users read and
write .safetensors with `safetensors.torch`, and .npz with `np.load` and `np.savez`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from minigen.backend import as_array, class_name, is_array, to_device
from minigen.files import StrPath, written_whole
from minigen.tensor import Tensor


def save(obj: Mapping[str, Any], path: StrPath) -> None:
    """Write named tensors or arrays to one .npz or .safetensors file, to be read by `load`.

    Args:
        obj: a state dict, or dicts nested at will, whose leaves are tensors and arrays; the names
            inside `{"critic": {"weight": w}}` become "critic.weight".
        path: its ending says which format; a file of that name is replaced.

    Raises:
        TypeError: a leaf is no tensor and no array of numbers, or a key no str; names it.
        ValueError: two leaves come to have the same name, or `path` has another ending.
        ImportError: .safetensors, and the package `safetensors` is not installed.
        OSError: the file cannot be written; an older one stays as it was.
    """
    ending = _ending(path)
    arrays: dict[str, np.ndarray] = {}
    for name, array in _flat(obj, ""):
        if name in arrays:
            raise ValueError(f"save: two arrays would be named {name!r}: rename one")
        arrays[name] = array
    if ending == ".npz":
        with written_whole(path) as file, ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                write_array(archive, name, array)
    else:
        content = _safetensors().save(
            {name: np.asarray(array, order="C") for name, array in arrays.items()}
        )
        with written_whole(path) as file:
            file.write(content)


def load(path: StrPath) -> dict[str, Tensor]:
    """Read a .npz or .safetensors file of named arrays, for `module.load_state_dict(load(path))`.

    Returns:
        The tensors by their names, on the CPU, with the dtypes and shapes that the file has. (A
        .safetensors file keeps no order of its names.)

    Raises:
        ValueError: the file is damaged, cut short or of another kind, holds what no tensor can,
            or `path` has another ending.
        ImportError: .safetensors, and the package `safetensors` is not installed.
        OSError: the file is missing or cannot be read.
    """
    ending = _ending(path)
    package = _safetensors() if ending == ".safetensors" else None
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise type(error)(
            error.errno, f"load: {error.strerror}; give a file that save has written", str(path)
        ) from None
    try:
        arrays = _from_npz(content) if package is None else package.load(content)
    except Exception as error:  # zipfile, NumPy and safetensors raise all kinds
        raise ValueError(
            f"load: {path} is damaged, cut short or no {ending} file of numbers "
            f"({type(error).__name__}: {error}); save or copy it again"
        ) from error
    tensors = {}
    for name, array in arrays.items():
        try:
            tensors[name] = Tensor(array)
        except TypeError:
            raise ValueError(
                f"load: {path}: {name!r} holds {array.dtype}, which no tensor can"
            ) from None
    return tensors


def _flat(value: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays in nested dicts, by dotted names."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str) or not key:
                raise TypeError(f"save: names are str with a letter at least; {key!r} is none")
            yield from _flat(item, f"{name}.{key}" if name else key)
        return
    array = value.array if isinstance(value, Tensor) else value
    if not name or not is_array(array):
        what = getattr(array, "dtype", class_name(array))
        raise TypeError(
            f"save: {name or 'obj'} is a {what}; give a dict of tensors or arrays of numbers, "
            "such as module.state_dict()"
        )
    try:
        yield name, to_device(as_array(array), "cpu")
    except TypeError as error:
        raise TypeError(f"save: {name} is a {array.dtype}: {error}") from None


def write_array(archive: ZipFile, name: str, array: np.ndarray) -> None:
    """Add an array to an .npz file that is being written."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array(entry, array, allow_pickle=False)


def read_array(archive: ZipFile, name: str) -> np.ndarray:
    """An array of an .npz file; one that is damaged raises errors of all kinds."""
    # All bytes at once, so that the checksum is verified before they are interpreted.
    return np.lib.format.read_array(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)


def _from_npz(content: bytes) -> dict[str, np.ndarray]:
    with ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        if others := [name for name in names if not name.endswith(".npy")]:
            raise ValueError(f"{others[0]!r} is no array; a checkpoint needs load_checkpoint")
        arrays = [name.removesuffix(".npy") for name in names]
        return {name: read_array(archive, name) for name in arrays}


def _ending(path: StrPath) -> str:
    ending = Path(path).suffix.lower()
    if ending not in (".npz", ".safetensors"):
        raise ValueError(f"{path}: expected a name that ends in .npz or .safetensors")
    return ending


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "a .safetensors file needs the package safetensors, which is not installed: "
            "pip install safetensors, or use .npz"
        ) from error
    return safetensors.numpy
