"""From a .cu file to a function that can be called, and how many threads to call it with."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from minigen.backend import Array

HERE = Path(__file__).parent
OPTIONS = ("-std=c++17",)

# The kernels of each file, template instances as C++ names them: what is compiled when the first
# of a file is used, and what the tests run.
KERNELS: dict[str, tuple[str, ...]] = {}


@functools.cache
def source(file: str) -> str:
    """The text of a .cu file with its own headers put in: compilers at run time see one text. What
    they say of a line still names the right file."""
    lines = [f'#line 1 "{file}"']
    for number, line in enumerate((HERE / file).read_text(encoding="utf-8").splitlines(), 1):
        if header := re.fullmatch(r'#include "(.+)"', line):
            lines += [source(header[1]), f'#line {number + 1} "{file}"']
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def cupy() -> Any:
    """CuPy, which whoever wants something of a GPU has imported."""
    return sys.modules["cupy"]


def kernel(file: str, name: str) -> Any:
    """A kernel of a file, on the current device."""
    library = cupy()
    return _kernel(file, name, library.cuda.Device().id, library)


@functools.cache
def _kernel(file: str, name: str, device: int, library: Any) -> Any:
    return _module(file, device, library).get_function(name)


@functools.cache
def _module(file: str, device: int, library: Any) -> Any:
    return library.RawModule(code=source(file), options=OPTIONS, name_expressions=KERNELS[file])


def multiprocessors(device: int) -> int:
    """How many groups of cores a card has; each runs a few blocks at a time."""
    return _card(device, cupy())[0]


def compute_capability(device: int) -> int:
    """75 for sm_75, and so on."""
    return _card(device, cupy())[1]


@functools.cache
def _card(device: int, library: Any) -> tuple[int, int]:
    card = library.cuda.Device(device)
    return card.attributes["MultiProcessorCount"], int(card.compute_capability)


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)


def contiguous(array: Array) -> Array:
    """The array itself if it is in C order without gaps, and starts where 16 bytes can be read at
    once, else a copy. A slice of an array may start anywhere."""
    if not array.flags.c_contiguous:
        return cupy().ascontiguousarray(array)
    return array if array.data.ptr % 16 == 0 else array.copy()


def type_name(array: Array) -> str:
    """The array's type in C++.

    Raises:
        TypeError: there are no kernels for it.
    """
    names = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
    if array.dtype not in names:
        raise TypeError(f"the CUDA kernels take float32 and float64, not {array.dtype}")
    return names[array.dtype]
