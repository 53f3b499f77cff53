"""Reading the files of PyTorch's `torch.save` without PyTorch, and without running what they say.

Such a file is a zip archive of a pickle and the tensors' bytes. A pickle may ask for any function
of any module to be called. Here it gets the few that tensors are rebuilt with, by name, and is
refused where it asks for another.
"""

from __future__ import annotations

import io
import math
import pickle
from collections import OrderedDict
from typing import Any
from zipfile import ZipFile

import numpy as np

from minigen.tensor import Tensor

CONVERT = (
    "in PyTorch 1.6 or newer save the tensors alone, torch.save(model.state_dict(), path), or take "
    "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
)
STORAGES = {
    "Double": "<f8", "Float": "<f4", "Half": "<f2", "BFloat16": "<u2", "Long": "<i8", "Int": "<i4",
    "Short": "<i2", "Char": "i1", "Byte": "u1", "Bool": "?",
}  # fmt: skip
CALLS = {
    "collections.OrderedDict": OrderedDict,
    "torch.Size": tuple,
    "torch._utils._rebuild_parameter": lambda data, *_: data,
    "torch._utils._rebuild_tensor_v2": lambda *given: _tensor(*given[:4]),
}


class ForeignError(ValueError):
    """The file is PyTorch's and holds more than tensors and plain values."""


def is_older(content: bytes) -> bool:
    """Whether it is a bare pickle, as PyTorch wrote before it wrote archives."""
    return content[:1] == b"\x80" and content[1:2] in b"\2\3\4\5"


def pickle_in(archive: ZipFile) -> str | None:
    """The name of the pickle in an archive of PyTorch's, None in others."""
    return next((name for name in archive.namelist() if name.endswith("/data.pkl")), None)


class Reader(pickle.Unpickler):
    """Reads the pickle of that name; `load()` gives what was saved, with tensors on the CPU.

    Raises:
        ForeignError: it asks for more than tensors, dicts, lists, numbers and strings.
        Exception: of any kind, where the file is damaged.
    """

    def __init__(self, archive: ZipFile, name: str):
        super().__init__(io.BytesIO(archive.read(name)))
        self.archive, self.folder = archive, name.removesuffix("data.pkl")
        order = f"{self.folder}byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise ForeignError(f"its numbers are big-endian; {CONVERT}")

    def find_class(self, module: str, name: str) -> Any:
        """What stands for `module.name`: the dtype of a storage, or a function."""
        if module == "torch" and (kind := STORAGES.get(name.removesuffix("Storage"))):
            return kind
        asked = f"{module}.{name}"
        if asked not in CALLS:
            raise ForeignError(f"it asks for {asked}, so it holds more than tensors; {CONVERT}")
        return lambda *given: CALLS[asked](*given)  # a new one, which a pickle may change at will

    def persistent_load(self, pid: tuple) -> np.ndarray:
        """The numbers of a storage, `("storage", dtype, key, …)`."""
        _, kind, key, *_ = pid
        numbers = np.frombuffer(self.archive.read(f"{self.folder}data/{key}"), kind)
        return widened(numbers) if kind == STORAGES["BFloat16"] else numbers


def widened(bfloats: np.ndarray) -> np.ndarray:
    """bfloat16, whose bits came as whole numbers, in float32: it is the upper half of one."""
    return (bfloats.astype("<u4") << 16).view("<f4")


def _tensor(storage: np.ndarray, offset: int, size: tuple, steps: tuple) -> Tensor:
    """A copy of a part of a storage; never more numbers than that has."""
    count = math.prod(size)
    last = offset + sum((n - 1) * step for n, step in zip(size, steps, strict=True))
    if min(offset, *size, *steps, 0) < 0 or count > storage.size or count and last >= storage.size:
        raise ForeignError(
            f"a tensor {tuple(size)} with steps {steps} is expanded, or not all of it is in the "
            "file; save it after contiguous()"
        )
    strides = [step * storage.itemsize for step in steps]
    return Tensor(np.lib.stride_tricks.as_strided(storage[offset:], size, strides).copy("K"))
