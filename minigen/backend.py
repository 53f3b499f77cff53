"""NumPy or CuPy: whose array is this, moving it, and the streams of random numbers.

The data decides: an array's type picks the library, call by call, so that both work in one
process. Nothing here imports CuPy before a user asks for a GPU. NumPy's functions hand CuPy's
arrays on to CuPy, so most code above this file needs to know neither name.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray or cupy.ndarray

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
INT64, BOOL = np.dtype(np.int64), np.dtype(np.bool_)


class DeviceError(RuntimeError):
    """Operands on different devices, or a device that is not to be had."""


def _cupy() -> Any:
    """CuPy if somebody has imported it already, else None (50 ns; importing it takes a second)."""
    return sys.modules.get("cupy")


def is_array(value: Any) -> bool:
    """Whether `value` is an array of NumPy or CuPy (0-d arrays too, NumPy's scalars not)."""
    if isinstance(value, np.ndarray):
        return True
    cupy = _cupy()
    return cupy is not None and isinstance(value, cupy.ndarray)


def namespace(array: Array) -> Any:
    """The module, `numpy` or `cupy`, that owns `array`."""
    return np if isinstance(array, np.ndarray | np.generic) else _cupy()


def special(array: Array) -> Any:
    """SciPy's special functions for `array`, or CuPy's."""
    if isinstance(array, np.ndarray | np.generic):
        import scipy.special  # here, since it takes longer to import than all the rest

        return scipy.special
    import cupyx.scipy.special

    return cupyx.scipy.special


def device_of(array: Array) -> str:
    """`"cpu"`, or `"cuda:0"` and so on."""
    return "cpu" if isinstance(array, np.ndarray) else f"cuda:{array.device.id}"


def require_cuda(index: int = 0) -> Any:
    """Import CuPy, or say in one sentence what is missing.

    Raises:
        DeviceError: CuPy, the driver or the card is missing.
    """
    try:
        import cupy
    except ImportError as error:
        raise DeviceError(
            "device='cuda' needs CuPy, which is not installed: pip install cupy-cuda12x "
            "(or cupy-cuda13x for CUDA 13)"
        ) from error
    if not cupy.cuda.is_available():
        raise DeviceError("device='cuda': CuPy is installed but finds no NVIDIA card and driver")
    if index >= (count := cupy.cuda.runtime.getDeviceCount()):
        raise DeviceError(f"device='cuda:{index}': this machine has {count} card(s), from cuda:0")
    return cupy


def to_device(array: Array, device: str) -> Array:
    """`array` on `device` (`"cpu"`, `"cuda"` or `"cuda:1"`), itself if it is there already.

    Raises:
        DeviceError: the device cannot be used, with the reason.
        ValueError: `device` is not the name of a device.
    """
    name, _, index = str(device).partition(":")
    if name == "cpu" and not index:
        return array if isinstance(array, np.ndarray) else array.get(order="A")
    if name != "cuda" or not (index == "" or index.isdecimal()):
        raise ValueError(f"device must be 'cpu', 'cuda' or 'cuda:N', not {device!r}")
    cupy = require_cuda(int(index or 0))
    with cupy.cuda.Device(int(index or 0)):
        return cupy.asarray(array)


def as_array(data: Any, dtype: Any = None) -> Array:
    """`data` as an array: shared where it is one; Python floats become float32, integers int64.

    Raises:
        TypeError: `data` holds something else than real numbers and truth values.
    """
    array = data
    if not is_array(data):
        try:
            array = np.asarray(data)
        except ValueError as error:
            raise TypeError(f"a tensor needs a rectangular array of numbers: {error}") from error
        if dtype is None and array.dtype == FLOAT64 and not isinstance(data, np.generic):
            array = array.astype(FLOAT32)
    for kind in (array.dtype, np.dtype(dtype or array.dtype)):
        if kind.kind not in "fiub":
            raise TypeError(
                f"a tensor holds real numbers or truth values, not {kind} "
                f"(made of a {type(data).__name__})"
            )
    return array if dtype is None else array.astype(dtype, copy=False)


def limit_threads(count: int) -> None:
    """Let the kernels use `count` threads (default: every core this process may use)."""
    if count < 1:
        raise ValueError(f"the number of threads must be at least 1, not {count}")
    _threads[0] = count


def threads() -> int:
    """How many threads the kernels use."""
    return _threads[0]


_threads = [
    len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
]


class Generator:
    """Random numbers as a function of a key and a counter (Philox 4×64, Salmon et al. 2011).

    Draw number d under seed s is the stream of Philox with key s and counter d·2⁶⁴: two integers
    are the whole state, so a checkpoint can hold it, and the same numbers can be had again.
    """

    def __init__(self, seed: int = 0):
        self._lock = threading.Lock()
        self.manual_seed(seed)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`, a whole number ≥ 0."""
        if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**128:
            raise ValueError(f"a seed is a whole number from 0 to 2^128 - 1, not {seed!r}")
        self.seed, self.draws = int(seed), 0
        return self

    def state_dict(self) -> dict[str, int]:
        """The state: seed and number of draws so far."""
        return {"seed": self.seed, "draws": self.draws}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken."""
        self.manual_seed(int(state["seed"]))
        self.draws = int(state["draws"])

    def _next(self) -> np.random.Generator:
        with self._lock:
            counter, self.draws = self.draws << 64, self.draws + 1
        return np.random.Generator(np.random.Philox(key=self.seed, counter=counter))

    def normal(self, shape: tuple[int, ...], dtype: Any = FLOAT32, device: str = "cpu") -> Array:
        """An array of N(0, 1)."""
        return to_device(self._next().standard_normal(shape, dtype), device)

    def uniform(self, shape: tuple[int, ...], dtype: Any = FLOAT32, device: str = "cpu") -> Array:
        """An array of U[0, 1)."""
        return to_device(self._next().random(shape, dtype), device)

    def bernoulli(self, shape: tuple[int, ...], p: float, device: str = "cpu") -> Array:
        """An array of truth values, each true with probability `p` (to within 2⁻³²)."""
        size = int(np.prod(shape, dtype=int))
        bits = self._next().bit_generator.random_raw((size + 1) // 2).view(np.uint32)[:size]
        # A threshold of 2³² does not fit 32 bits; p = 1 is every element.
        threshold = round(p * 2**32)
        true = bits < np.uint32(threshold) if threshold < 2**32 else np.ones(size, bool)
        return to_device(true.reshape(shape), device)


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default stream, which dropout, `randn` and initialisation draw from."""
    return default_generator.manual_seed(seed)
