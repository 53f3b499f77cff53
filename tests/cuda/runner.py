"""CUDA C++ kernels on the CPU, with the interface of `cupy.RawModule`: for tests without a GPU.

    module = RawModule(code=source, name_expressions=["twice<float>"], check=True)
    module.get_function("twice<float>")((blocks,), (256,), (x, y, np.int32(n)))

g++ compiles the very source that NVRTC compiles for a GPU; cuda_on_cpu.h gives the words of CUDA a
meaning and cuda_on_cpu.cpp runs the threads as fibers. With `check`, every access to memory is
watched for bounds, races, uninitialised shared memory and alignment, every barrier for divergence;
a fault raises `CudaError` with the line. Without, the same is several times faster.

Arguments are what CuPy takes: arrays (anything with `.data.ptr` and `.nbytes`, or NumPy's), None
for a null pointer, scalars of NumPy, and 0-d structured arrays for structs. Where CuPy would pass
anything on, the runner compares with the kernel's parameters, so a Python int (64 bits) or an
array of another type is an error.
"""

from __future__ import annotations

import concurrent.futures
import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
HEADER, RUNTIME = HERE / "cuda_on_cpu.h", HERE / "cuda_on_cpu.cpp"
COMPILER = shutil.which("g++")
COMMON = ["-std=gnu++17", "-fPIC", "-fvisibility=hidden", "-w"]
PLAIN = ["-O2", "-fno-strict-aliasing"]
CHECKED = [
    "-O1", "-g1", "-gdwarf-4", "-fno-strict-aliasing", "-fsanitize=thread,bounds,alignment,null",
    "-ftrivial-auto-var-init=pattern",  # a variable that nobody set is no zero
]  # fmt: skip


class CudaError(RuntimeError):
    """A kernel that does not compile, or that did something wrong."""


class RawModule:
    """The kernels `name_expressions` of the CUDA source `code`.

    Args:
        code: the source, in one piece.
        name_expressions: the kernels, template instances as C++ names them.
        options: those that start with -D are used.
        check: watch every access to memory.
        seed: of the order in which threads run.
    """

    def __init__(
        self,
        *,
        code: str,
        name_expressions: Iterable[str],
        options: Sequence[str] = (),
        check: bool = False,
        seed: int = 1,
        **_: Any,
    ):
        self.names, self.check, self.seed = list(name_expressions), check, seed
        self.path = compiled(code, tuple(self.names), tuple(options), check)
        self.library = ctypes.CDLL(str(self.path))
        self.library.last_message.restype = ctypes.c_char_p

    def get_function(self, name: str) -> Kernel:
        """A kernel, by the name given in `name_expressions`."""
        return Kernel(self, name)

    def located(self, message: str) -> str:
        """A message with the line of source in place of the address of the instruction."""
        text, _, address = message.partition(" pc=")
        if address in ("", "0") or not shutil.which("addr2line"):
            return text
        found = subprocess.run(
            ["addr2line", "-e", str(self.path), address], capture_output=True, text=True
        )
        place = found.stdout.rsplit("/", 1)[-1].split()[0]
        return f"{text} at {place}"


class Kernel:
    """One kernel, called like CuPy's.

    Attributes:
        parameters: what it takes, as `describe` in cuda_on_cpu.h writes it.
        max_dynamic_shared_size_bytes: as in CUDA, more than 48 KiB must be asked for.
    """

    def __init__(self, module: RawModule, name: str):
        self.module, self.name, index = module, name, module.names.index(name)
        self.max_dynamic_shared_size_bytes = 48 << 10
        self._launch = getattr(module.library, f"launch_{index}")
        signature = getattr(module.library, f"signature_{index}")
        signature.restype = ctypes.c_char_p
        self.parameters = signature().decode().split()

    def __call__(
        self, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], *, shared_mem: int = 0
    ) -> None:
        library = self.module.library
        if shared_mem > self.max_dynamic_shared_size_bytes:
            raise CudaError(
                f"{self.name}: {shared_mem} bytes of shared memory, but at most "
                f"{self.max_dynamic_shared_size_bytes} were asked for"
            )
        if len(args) != len(self.parameters):
            raise TypeError(f"{self.name} takes {self.parameters}, not {len(args)} arguments")
        library.setup(self.module.seed, self.module.check)
        values = [
            self._value(*each) for each in zip(range(len(args)), args, self.parameters, strict=True)
        ]
        pointers = (ctypes.c_void_p * len(args))(*[v.ctypes.data for v in values])
        sizes = [(ctypes.c_uint * 3)(*(*size, 1, 1, 1)[:3]) for size in (grid, block)]
        if self._launch(*sizes, ctypes.c_size_t(shared_mem), pointers):
            message = library.last_message().decode(errors="replace")
            raise CudaError(f"{self.name}: {self.module.located(message)}")

    def _value(self, k: int, arg: Any, parameter: str) -> np.ndarray:
        """The bytes of one argument, after a look at whether they fit the parameter."""
        pointer = "*" in parameter
        if arg is None and pointer:
            return np.zeros((), np.uintp)
        is_array = hasattr(arg, "nbytes") and not isinstance(arg, np.generic)
        if pointer and is_array and (getattr(arg, "ndim", 0) or hasattr(arg.data, "ptr")):
            if arg.dtype.str[1:] != parameter.rpartition("*")[2]:
                raise TypeError(
                    f"{self.name}: argument {k} holds {arg.dtype}, the kernel wants {parameter}"
                )
            if not arg.flags.c_contiguous:
                raise TypeError(f"{self.name}: argument {k} is not contiguous")
            address = arg.data.ptr if hasattr(arg.data, "ptr") else arg.ctypes.data
            self.module.library.pass_array(
                ctypes.c_void_p(address), ctypes.c_size_t(arg.nbytes), not parameter.startswith("c")
            )
            return np.array(address, np.uintp)
        value = np.ascontiguousarray(arg)
        kind = "s" if value.dtype.names else value.dtype.kind
        if pointer or f"{kind}{value.nbytes}" != parameter:
            raise TypeError(
                f"{self.name}: argument {k} is {kind}{value.nbytes} ({arg!r}), the kernel wants "
                f"{parameter}"
            )
        return value


@functools.cache
def compiled(code: str, names: tuple[str, ...], options: tuple[str, ...], check: bool) -> Path:
    """The shared library with these kernels, compiled once for each source.

    Raises:
        CudaError: g++ is missing, or refuses the source; its words.
    """
    # C++ knows no array whose size is given at launch.
    code = re.sub(
        r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+)?(\w+)\s+(\w+)\[\];",
        r"\1* \2 = (\1*)cuda_on_cpu::dynamic_shared();",
        code,
    )
    exports = "".join(f"\nEXPORT_KERNEL({i}, {name})" for i, name in enumerate(names))
    code = f'#line 1 "kernel.cu"\n{code}\n{exports}\n'
    flags = [*COMMON, *(CHECKED if check else PLAIN), *[o for o in options if o.startswith("-D")]]

    def build(folder: Path, out: Path) -> None:
        (folder / "kernel.cpp").write_text(code)
        made = folder / "kernel.o"
        _run("g++", *flags, "-include", HEADER, "-c", folder / "kernel.cpp", "-o", made)
        _run("g++", "-shared", "-o", out, made, _runtime())  # without the flags: no libtsan

    return once("kernel.so", [code, HEADER.read_text(), RUNTIME.read_text(), *flags], build)


def compile_all(jobs: Iterable[tuple[str, tuple[str, ...], tuple[str, ...], bool]]) -> None:
    """`compiled` for each, several at a time."""
    if COMPILER is None:
        return
    _runtime()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda job: compiled(*job), jobs))


@functools.cache
def _runtime() -> Path:
    flags = [*COMMON, "-O2"]

    def build(folder: Path, out: Path) -> None:
        _run("g++", *flags, "-c", RUNTIME, "-o", out)

    return once("runtime.o", [HEADER.read_text(), RUNTIME.read_text(), *flags], build)


def _run(*command: Any) -> str:
    if COMPILER is None:
        raise CudaError("g++ is not installed")
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode:
        raise CudaError(done.stderr)
    return done.stderr


def once(name: str, ingredients: Sequence[str], build: Callable[[Path, Path], None]) -> Path:
    """The file that `build(folder, out)` makes of these ingredients, kept between runs."""
    key = hashlib.sha256("\0".join(ingredients).encode()).hexdigest()[:24]
    out = cache() / f"{key}-{name}"
    if not out.exists():
        with tempfile.TemporaryDirectory(dir=out.parent) as folder:
            made = Path(folder) / name
            build(Path(folder), made)
            os.replace(made, out)  # whole or not at all, whoever else compiles the same
    return out


def cache() -> Path:
    """Where compiled kernels are kept: a folder of this user's own."""
    folder = Path(tempfile.gettempdir()) / f"cuda-on-cpu-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
