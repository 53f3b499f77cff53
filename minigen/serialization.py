"""Weights and checkpoints in files: .npz and .safetensors, and back exactly as they were.

Both formats hold arrays and text and nothing else, so that loading runs no code. Arrays stand in
them under dotted names, for PyTorch's users to read and write by `safetensors.torch`, `np.load` and
`np.savez`. How dicts and lists were nested, and what is no array, stands beside them as JSON.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from minigen import pytorch_files
from minigen.backend import as_array, class_name, is_array, to_device
from minigen.files import StrPath, written_whole
from minigen.pytorch_files import ForeignError
from minigen.tensor import Tensor

STRUCTURE = "structure.json"
KINDS = {"dict": Mapping, "list": list, "tuple": tuple}


def save(
    obj: Any,
    path: StrPath,
    format: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors to one .npz or .safetensors file, to be read by `load`.

    Args:
        obj: a state dict, or dicts, lists and tuples nested at will, as in
            `{"model": model.state_dict(), "optimiser": optimiser.state_dict(), "epoch": 3}`. Leaves
            are tensors, arrays, numbers, strings, truth values and None; keys str or int. In the
            file the array in `{"critic": {"weight": w}}` is named "critic.weight".
        path: its ending says which format; a file of that name is replaced.
        format: ".npz" or ".safetensors", whatever the ending.
        metadata: text by name for the header of .safetensors, which other programs read too.

    Raises:
        TypeError: a leaf or a key is of another kind; names it.
        ValueError: two arrays come to have the same name, a dict or list holds itself, `path` has
            another ending, or there is metadata for .npz.
        ImportError: .safetensors, and the package `safetensors` is not installed.
        OSError: the file cannot be written; an older one stays as it was.
    """
    ending = format or Path(path).suffix.lower()
    if ending not in (".npz", ".safetensors"):
        raise ValueError(f"{path}: expected a name that ends in .npz or .safetensors")
    if metadata and ending == ".npz":
        raise ValueError(f"{path}: metadata goes into .safetensors alone")
    arrays: dict[str, np.ndarray] = {}
    try:
        structure = json.dumps({"version": 1, "state": _encode(obj, "", arrays)})
    except RecursionError:
        raise ValueError(
            f"{path}: a dict, list or tuple holds itself, or they are nested hundreds deep: save "
            "one that does not"
        ) from None
    flat = isinstance(obj, Mapping) and obj.keys() == arrays.keys()
    if ending == ".npz":
        with written_whole(path) as file, ZipFile(file, "w") as archive:
            for name, array in arrays.items():
                write_array(archive, name, array)
            if not flat:
                archive.writestr(STRUCTURE, structure)
    else:
        header = {**(metadata or {}), **({} if flat else {STRUCTURE: structure})}
        content = _safetensors().save(
            {name: np.asarray(array, order="C") for name, array in arrays.items()}, header or None
        )
        with written_whole(path) as file:
            file.write(content)


def load(path: StrPath) -> Any:
    """Read what `save` wrote, as in `module.load_state_dict(load(path))`; any other .npz or
    .safetensors file of arrays; or a file of PyTorch's `torch.save`, if it holds tensors, numbers,
    strings, dicts and lists alone. No code in a file is run.

    Returns:
        What was saved, or a dict of the tensors by their names. Arrays come back as tensors on the
        CPU, with the dtypes and shapes that the file has, bfloat16 as float32. (A .safetensors file
        keeps no order of its names.)

    Raises:
        ValueError: the file is damaged, cut short or of another kind, or holds what no tensor can.
        ImportError: .safetensors, and the package `safetensors` is not installed.
        OSError: the file is missing or cannot be read.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise type(error)(
            error.errno, f"load: {error.strerror}; give a file that save has written", str(path)
        ) from None
    ending = Path(path).suffix.lower()
    if ending == ".safetensors":
        _safetensors()
    try:
        if ending != ".safetensors" and pytorch_files.is_older(content):
            raise ForeignError(f"this is PyTorch's older format; {pytorch_files.CONVERT}")
        return (_from_safetensors if ending == ".safetensors" else _from_zip)(content)
    except ForeignError as error:
        raise ValueError(f"load: {path}: {error}") from None
    except Exception as error:  # zipfile, NumPy and safetensors raise all kinds
        raise ValueError(
            f"load: {path} is damaged, cut short or no {ending or '.npz'} file of numbers "
            f"({type(error).__name__}: {error}); save or copy it again"
        ) from error


def _encode(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """The JSON for `value`; its arrays go to `arrays`, under dotted names."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    for kind, type in KINDS.items():
        if isinstance(value, type):
            items = value.items() if kind == "dict" else enumerate(value)
            return {kind: [[k, _encode(v, _below(name, k), arrays)] for k, v in items]}
    name = name or "value"
    array = value.array if isinstance(value, Tensor) else value
    if not is_array(array):
        raise TypeError(
            f"save: {name} is a {class_name(array)}; expected tensors, arrays, numbers and strings "
            "in dicts and lists; of a module give its state_dict()"
        )
    if name in arrays:
        raise ValueError(f"save: two arrays would be named {name!r}: rename one")
    try:
        arrays[name] = to_device(as_array(array), "cpu")
    except TypeError as error:
        raise TypeError(f"save: {name} is a {array.dtype}: {error}") from None
    return {"array": name}


def _below(name: str, key: Any) -> str:
    if not isinstance(key, str | int) or key == "":
        raise TypeError(f"save: keys are str with a letter at least, or int, not {key!r}")
    return f"{name}.{key}" if name else str(key)


def _decode(node: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(node, dict):
        return node
    ((kind, content),) = node.items()
    if kind == "array":
        return tensors[content]
    items = {key: _decode(item, tensors) for key, item in content}
    return items if kind == "dict" else KINDS[kind](items.values())


def _restored(arrays: dict[str, np.ndarray], structure: str | bytes | None) -> Any:
    tensors = {}
    for name, array in arrays.items():
        try:
            tensors[name] = Tensor(array)
        except TypeError:
            raise ValueError(f"{name!r} holds {array.dtype}, which no tensor can") from None
    if structure is None:
        return tensors
    content = json.loads(structure)
    if "format" in content:
        raise ForeignError("this is a run's checkpoint: read it by training.load_checkpoint")
    return _decode(content["state"], tensors)


def write_array(archive: ZipFile, name: str, array: np.ndarray) -> None:
    """Add an array to an .npz file that is being written."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array(entry, array, allow_pickle=False)


def read_array(archive: ZipFile, name: str) -> np.ndarray:
    """An array of an .npz file; one that is damaged raises errors of all kinds."""
    # All bytes at once, so that the checksum is verified before they are interpreted.
    return np.lib.format.read_array(io.BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)


def _from_safetensors(content: bytes) -> Any:
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    dtypes = {name: x.get("dtype") for name, x in header.items() if name != "__metadata__"}
    for name, dtype in dtypes.items():
        if str(dtype).startswith(("F4", "F6_", "F8")):
            raise ForeignError(f"{name} holds {dtype}, which no tensor can: convert it to F16")
    bfloats = [name for name, dtype in dtypes.items() if dtype == "BF16"]
    if bfloats:  # which NumPy has not: it reads their bits as whole numbers
        header |= {name: {**header[name], "dtype": "U16"} for name in bfloats}
        head = json.dumps(header).encode()
        content = len(head).to_bytes(8, "little") + head + content[end:]
    arrays = _safetensors().load(content)  # which checks the header
    arrays |= {name: pytorch_files.widened(arrays[name]) for name in bfloats}
    return _restored(arrays, header.get("__metadata__", {}).get(STRUCTURE))


def _from_zip(content: bytes) -> Any:
    arrays, structure = {}, None
    with ZipFile(io.BytesIO(content)) as archive:
        if name := pytorch_files.pickle_in(archive):
            return pytorch_files.Reader(archive, name).load()
        for entry in archive.namelist():
            if entry == STRUCTURE:
                structure = archive.read(entry)
            elif entry.endswith(".npy"):
                name = entry.removesuffix(".npy")
                arrays[name] = read_array(archive, name)
            else:
                raise ValueError(f"{entry!r} is no array")
    return _restored(arrays, structure)


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            "a .safetensors file needs the package safetensors, which is not installed: "
            "pip install safetensors, or use .npz"
        ) from error
    return safetensors.numpy
