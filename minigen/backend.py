"""NumPy or CuPy: whose array is this, moving it, and the streams of random numbers.

The data decides: an array's type picks the library, call by call, so that both work in one
process. Nothing here imports CuPy before a user asks for a GPU. NumPy's functions hand CuPy's
arrays on to CuPy, so most code above this file needs to know neither name.
"""

from __future__ import annotations

import functools
import math
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigen.seams import Seam

Array = Any  # numpy.ndarray or cupy.ndarray

FLOAT16, FLOAT32, FLOAT64 = (np.dtype(f"f{size}") for size in (2, 4, 8))
INT64, BOOL = np.dtype(np.int64), np.dtype(np.bool_)

# What tensors hold, each once: an equal dtype may be another object, which takes longer to compare.
DTYPES = {
    np.dtype(f"{kind}{size}"): np.dtype(f"{kind}{size}")
    for kind, sizes in {"b": "1", "i": "1248", "u": "1248", "f": "248"}.items()
    for size in sizes
}
INSTEAD = {  # of what tensors do not hold, by the letters of NumPy's kinds
    "f": "convert it by astype(np.float64)",
    "c": "take its .real or .imag",
    "M": "convert it by astype(np.int64)",
    "m": "convert it by astype(np.int64)",
    "V": "take one field of it, data['name']",
}

OLDEST = (7, 5)  # compute capability: the kernels are compiled and tested from there on

# CuPy, once it is in use: until then this is empty, and nobody has to ask where an array is.
cuda_in_use: list[Any] = []


class DeviceError(RuntimeError):
    """Operands on different devices, or a device that is not to be had."""


class OutOfMemoryError(DeviceError, MemoryError):
    """A card has less memory free than was asked for."""


def _cupy() -> Any:
    """CuPy if somebody has imported it already, else None (50 ns; importing it takes a second)."""
    return sys.modules.get("cupy")


def is_array(value: Any) -> bool:
    """Whether `value` is an array of NumPy or CuPy (0-d arrays too, NumPy's scalars not)."""
    if isinstance(value, np.ndarray):
        return True
    cupy = _cupy()
    if cupy is None or not isinstance(value, cupy.ndarray):
        return False
    if not cuda_in_use:
        cuda_in_use.append(cupy)
    return True


def class_name(value: Any) -> str:
    """The name of a value's class, with its library where that has a Tensor too."""
    kind = type(value)
    return f"{kind.__module__}.{kind.__name__}" if kind.__name__ == "Tensor" else kind.__name__


def on_host(array: Array) -> bool:
    """Whether the values of `array` can be looked at without waiting for a GPU."""
    return isinstance(array, np.ndarray | np.generic)


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


def is_writable(array: Array) -> bool:
    """Whether the memory may be written; CuPy's always may."""
    return not isinstance(array, np.ndarray) or array.flags.writeable


def require_writable(who: str, array: Array) -> None:
    """Nothing, if the memory may be written.

    Raises:
        ValueError: it may not.
    """
    if not is_writable(array):
        raise ValueError(
            f"{who}: {array.dtype} {array.shape} lies in memory that cannot be written, as bytes, "
            "broadcast and expanded arrays do; take a copy of it, by copy() or clone()"
        )


class Device(str):
    """A device by its name, as all of minigen takes it: "cpu", "cuda" or "cuda:1".

    Raises:
        ValueError: minigen has no such device. Whether this machine has it shows where it is used.
    """

    def __new__(cls, type: str | int, index: int | None = None) -> Device:
        name = f"cuda:{type}" if isinstance(type, int) else str(type)
        kind, _, number = name.partition(":")
        number = number if index is None else str(index)
        named = f"{kind}:{number}" if number else name
        if not (named in ("cpu", "cpu:0", "cuda") or kind == "cuda" and number.isdecimal()):
            raise ValueError(f"device must be 'cpu', 'cuda' or 'cuda:N', not {named!r}")
        return str.__new__(cls, "cpu" if kind == "cpu" else named)

    @property
    def type(self) -> str:
        """`"cpu"` or `"cuda"`."""
        return self.partition(":")[0]

    @property
    def index(self) -> int | None:
        """The card's number, if one is named."""
        return int(self.partition(":")[2]) if ":" in self else None


CPU = Device("cpu")
_of_number = functools.cache(functools.partial(Device, "cuda"))


def device_of(array: Array) -> Device:
    """`"cpu"`, or `"cuda:0"` and so on."""
    return CPU if isinstance(array, np.ndarray) else _of_number(array.device.id)


def require_cuda(index: int = 0) -> Any:
    """Import CuPy, or say in one sentence what is missing and what to install.

    Raises:
        DeviceError: CuPy, the driver, the card or the compiler of kernels is missing or too old.
    """
    who = f"device='cuda:{index}'" if index else "device='cuda'"
    try:
        import cupy
    except ModuleNotFoundError as error:
        raise DeviceError(
            f"{who} needs CuPy, which is not installed: pip install 'minigen[cuda13]' (or "
            "'minigen[cuda12]' for a driver of CUDA 12)"
        ) from error
    except Exception as error:  # a broken installation fails in many ways
        raise DeviceError(
            f"{who}: CuPy is installed but does not load ({_first_line(error)}): install it anew"
        ) from error
    if problem := _missing(cupy, index):
        raise DeviceError(f"{who}: {problem}")
    return cupy


def _missing(cupy: Any, index: int) -> str | None:
    """What keeps CuPy from working on card `index`."""
    runtime = cupy.cuda.runtime
    if not cupy.cuda.is_available():
        driver, built_for = runtime.driverGetVersion() // 1000, runtime.runtimeGetVersion() // 1000
        if not driver:
            return "there is no NVIDIA driver: install one from https://www.nvidia.com/drivers"
        if driver < built_for:
            return (
                f"the NVIDIA driver knows CUDA up to {driver}, this CuPy is built for {built_for}: "
                f"update the driver, or pip install 'minigen[cuda{driver}]'"
            )
        return "there is a driver, but no NVIDIA card that it can use"
    if index >= (count := runtime.getDeviceCount()):
        return f"this machine has {count} card(s), from cuda:0"
    digits = cupy.cuda.Device(index).compute_capability  # "75", "120"
    capability = int(digits[:-1]), int(digits[-1])
    if capability < OLDEST:
        return (
            f"the card has compute capability {capability[0]}.{capability[1]}, but the kernels "
            f"need {OLDEST[0]}.{OLDEST[1]} (Turing, 2018) or newer: use a newer card, or the CPU"
        )
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:  # CuPy's versions raise different ones
        major = runtime.runtimeGetVersion() // 1000
        return (
            f"NVRTC, CUDA's compiler library, does not load ({_first_line(error)}): "
            f"pip install 'cupy-cuda{major}x[ctk]'"
        )
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


_card: list[Any] = [None, 0]  # CuPy, and the card that this process works on


def _card_of(device: str) -> int | None:
    """The number of the card that `device` names, −1 if it names just any; None for the CPU."""
    device = device if isinstance(device, Device) else Device(device)
    if device.type == "cpu":
        return None
    return -1 if device.index is None else device.index


def _use_card(index: int) -> tuple[Any, int]:
    """CuPy with that card as its current one; −1 is the one in use, or the first."""
    chosen = _card[1] if _card[0] is not None and _card[0] is _cupy() else None
    wanted = (chosen or 0) if index < 0 else index
    cupy = require_cuda(wanted)
    if chosen is not None and wanted != chosen:
        raise DeviceError(
            f"device='cuda:{wanted}': this process works on cuda:{chosen}, and on one card only; "
            f"use that one, or start another process for cuda:{wanted}"
        )
    _card[:] = cupy, wanted
    cuda_in_use[:] = [cupy]
    cupy.cuda.Device(wanted).use()
    return cupy, wanted


def require_device(device: str) -> None:
    """Nothing, if `device` can be used. Errors: see `to_device`."""
    card = _card_of(device)
    if card is not None:
        _use_card(card)


def to_device(array: Array, device: str) -> Array:
    """`array` on `device` (`"cpu"`, `"cuda"` or `"cuda:1"`), itself if it is there already. Its
    axes keep their order in memory.

    Raises:
        DeviceError: the device cannot be used, with the reason.
        OutOfMemoryError: it has too little memory free.
        ValueError: `device` is not the name of a device.
    """
    if isinstance(array, np.generic):  # as NumPy returns arrays without axes
        array = np.asarray(array)
    card = _card_of(device)
    if card is None:
        if isinstance(array, np.ndarray):
            return array
        return in_memory_order(lambda a: a.get(), array)
    cupy, card = _use_card(card)
    if not isinstance(array, np.ndarray) and array.device.id == card:
        return array
    try:
        return in_memory_order(cupy.asarray, array)
    except MemoryError as error:
        what = f"moving an array {array.dtype} {array.shape} to cuda:{card}"
        raise out_of_memory(what, error) from error


def full(shape: tuple[int, ...], value: float, dtype: Any, device: str = "cpu") -> Array:
    """An array of `value`, made on `device`. Errors: see `to_device`."""
    card = _card_of(device)
    if card is None:
        return np.full(shape, value, dtype)
    try:
        return _use_card(card)[0].full(shape, value, dtype)
    except MemoryError as error:
        raise out_of_memory(f"making an array {np.dtype(dtype)} {shape}", error) from error


def out_of_memory(what: str, error: MemoryError) -> MemoryError:
    """The error of a full card in terms of what was done; one of the host stays what it is."""
    cupy = _cupy()
    if cupy is None or not isinstance(error, cupy.cuda.memory.OutOfMemoryError):
        return MemoryError(f"{what}: {error}")
    free, total = (f"{n / 2**20:,.0f} MiB" for n in cupy.cuda.Device().mem_info)
    return OutOfMemoryError(
        f"{what}: {error} The card has {free} of {total} free beside what this process holds; "
        "take smaller batches or a smaller model, or end what else runs on the card"
    )


def memory_order(strides: Sequence[int]) -> list[int]:
    """The axes of an array with these strides, as they lie in memory: those first whose steps are
    the longest."""
    return sorted(range(len(strides)), key=lambda i: -abs(strides[i]))


def in_memory_order(f: Callable[..., Array], *arrays: Any, **options: Any) -> Array:
    """`f(*arrays)`, for an `f` of each element, laid out in memory as the first array of the
    result's shape is (expanded ones aside).

    CuPy's element-wise functions, unlike NumPy's, return results in row-major order. So they are
    given views with the axes in the order in which they lie in memory, and their result is viewed
    with the axes put back: an image (N, C, H, W) is worked on as the N, H, W, C that it is.
    """
    found = [a for a in arrays if is_array(a)]
    shape = found[0].shape
    if any(a.shape != shape for a in found):
        shape = np.broadcast_shapes(*[a.shape for a in found])
    own = (a.strides for a in found if a.shape == shape)
    strides = next((s for s in own if all(s) or not all(shape)), ())
    axes = memory_order(strides)
    if axes == sorted(axes):
        return f(*arrays, **options)

    def turned(a: Any) -> Any:
        if not is_array(a) or not a.ndim:
            return a
        return a[(None,) * (len(axes) - a.ndim)].transpose(axes)

    back = sorted(range(len(axes)), key=axes.__getitem__)
    return f(*map(turned, arrays), **options).transpose(back)


def as_dtype(dtype: Any, source: str = "") -> np.dtype:
    """`dtype` as tensors have it: in this machine's byte order.

    Raises:
        TypeError: no tensor holds it.
    """
    dtype = np.dtype(dtype)
    known = DTYPES.get(dtype) or DTYPES.get(dtype.newbyteorder("="))
    if known is None:
        instead = INSTEAD.get(dtype.kind)
        raise TypeError(
            f"a tensor holds real numbers or truth values, not {dtype}{source}"
            + (f"; {instead}" if instead else "")
        )
    return known


def as_array(data: Any, dtype: Any = None) -> Array:
    """`data` as an array of NumPy's or CuPy's own class; Python floats become float32, integers
    int64, but lists that hold an array or number of float64 stay float64. An array is shared,
    unless it is of another byte order or not aligned.

    Raises:
        TypeError: `data` holds something else than real numbers and truth values, or `dtype` does;
            entries of a masked array are masked.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    array = data
    if type(data) is not np.ndarray:
        if isinstance(data, np.ndarray | np.generic) or not is_array(data):
            array = _made_array(data, wanted)
        elif data.dtype in DTYPES:  # CuPy's
            return data if wanted is None else data.astype(wanted, copy=False)
    known = DTYPES.get(array.dtype)
    if known is not array.dtype:
        if known is None:
            array = array.astype(as_dtype(array.dtype, f" (made of a {class_name(data)})"))
        else:
            array = array.view(known)
    if not array.flags.aligned:
        array = array.copy("K")
    return array if wanted is None else array.astype(wanted, copy=False)


def _made_array(data: Any, dtype: np.dtype | None) -> np.ndarray:
    """An array of NumPy's of anything else."""
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise TypeError(
            f"a tensor has no mask, but {np.ma.count_masked(data)} entries of this array are "
            "masked; fill them, data.filled(0)"
        )
    numbers = not (isinstance(data, np.ndarray | np.generic) or hasattr(data, "__array__"))
    try:
        if numbers and dtype is not None and dtype.kind in "iu":
            array, whole = np.asarray(data), np.asarray(data, dtype)  # which refuses integers alone
            if array.dtype.kind == "f" and array.size:
                require_fit("tensor", array.min().item(), dtype)
                require_fit("tensor", array.max().item(), dtype)
            return whole
        array = np.asarray(data)
    except Exception as error:  # objects with `__array__` raise all kinds
        what = "a rectangular array of numbers" if numbers else "an array of numbers"
        raise TypeError(
            f"a tensor needs {what}: {_first_line(error)} (made of a {class_name(data)})"
        ) from error
    if numbers and dtype is None and array.dtype == FLOAT64 and not _holds_float64(data):
        return array.astype(FLOAT32)
    return array


def _holds_float64(data: Any) -> bool:
    """Whether an array or number of that dtype is among nested numbers, which Python's own have
    not."""
    if isinstance(data, list | tuple):
        pythons = {*map(type, data)} <= {float, int, bool}  # which takes a tenth of the time
        return not pythons and any(map(_holds_float64, data))
    return hasattr(data, "dtype") and data.dtype == FLOAT64


def require_fit(name: str, value: Any, dtype: Any) -> None:
    """Refuse a number that an array of `dtype` cannot hold: NumPy would let it wrap around, or
    become infinite.

    Raises:
        ValueError: names the operation `name`, and what it can hold.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        low, high = -float(np.finfo(dtype).max), float(np.finfo(dtype).max)
        fits = low <= value <= high or isinstance(value, float) and not math.isfinite(value)
    elif dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        fits = low - 1 < value < high + 1  # what is behind the point is cut off; NaN does not fit
    else:
        return
    if not fits:
        raise ValueError(
            f"{name}: {value} is no {dtype}, which holds {low} to {high}; convert the tensor with "
            "to() first, or take another number"
        )


_tf32 = [False]


def allow_tf32(enabled: bool = True) -> None:
    """Let convolutions on a GPU use its TF32 tensor cores: several times as fast, with factors
    rounded to 10 bits of mantissa (float32 has 23) and sums in float32. Off if not told otherwise.

    Raises:
        TypeError: `enabled` is neither True nor False.
    """
    if not isinstance(enabled, bool):
        raise TypeError(f"allow_tf32: expected True or False, not {enabled!r}")
    _tf32[0] = enabled


def tf32_allowed() -> bool:
    """What `allow_tf32` was told."""
    return _tf32[0]


MOST_THREADS = 4096


def limit_threads(count: int) -> None:
    """Let the kernels use `count` threads; as long as nobody says it, the environment's
    `MINIGEN_THREADS`, or every core this process may use.

    Raises:
        ValueError: `count` is not from 1 to 4,096.
    """
    if not 1 <= count <= MOST_THREADS:
        raise ValueError(f"the number of threads must be from 1 to {MOST_THREADS:,}, not {count}")
    _threads[0] = count


def threads() -> int:
    """How many threads the kernels use."""
    return _threads[0]


def _default_threads() -> int:
    if text := os.environ.get("MINIGEN_THREADS"):
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_THREADS):
            raise ValueError(
                f"MINIGEN_THREADS: expected a whole number from 1 to {MOST_THREADS:,}, got "
                f"{text[:24]!r}"
            )
        return int(text)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_threads = [_default_threads()]


class Generator:
    """Random numbers as a function of a key and a counter (Philox 4×64, Salmon et al. 2011).

    Draw number d under seed s is the stream of Philox with key s and counter d·2⁶⁴: two integers
    are the whole state, so a checkpoint can hold it, and the same numbers can be had again.
    """

    def __init__(self, seed: int = 0):
        self._lock = threading.Lock()
        self.manual_seed(seed)

    def __getstate__(self) -> dict[str, int]:
        return self.state_dict()  # a copy draws the same numbers; a lock cannot be copied

    def __setstate__(self, state: dict[str, int]) -> None:
        self._lock = threading.Lock()
        self.load_state_dict(state)

    def manual_seed(self, seed: int) -> Generator:
        """Start again from `seed`.

        Raises:
            ValueError: it is no whole number from 0 to 2^128 − 1.
        """
        if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**128:
            raise ValueError(f"a seed is a whole number from 0 to 2^128 - 1, not {seed!r}")
        self.seed, self.draws = int(seed), 0
        return self

    def state_dict(self) -> dict[str, int]:
        """The state: seed and number of draws so far."""
        return {"seed": self.seed, "draws": self.draws}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken.

        Raises:
            ValueError: seed or draws are no numbers that a stream can have.
        """
        seed, draws = int(state["seed"]), int(state["draws"])
        if not 0 <= draws < 2**128:
            raise ValueError(f"expected 0 to 2^128 - 1 draws, got {draws}")
        self.manual_seed(seed)
        self.draws = draws

    def reserve(self) -> tuple[int, int]:
        """The seed, and the number of a draw that is nobody else's: all that a kernel needs in
        order to make the numbers by itself."""
        if self is default_generator and _instead.stream is not None:
            return _instead.stream.reserve()
        with self._lock:
            draw, self.draws = self.draws, self.draws + 1
            return self.seed, draw

    def normal(self, shape: tuple[int, ...], dtype: Any = FLOAT32, device: str = "cpu") -> Array:
        """An array of N(0, 1)."""
        seed, draw = self.reserve()

        def run(first: int, count: int) -> Array:
            # NumPy makes them by rejection: none can be had without those before it.
            stream = np.random.Generator(np.random.Philox(key=seed, counter=draw << 64))
            return stream.standard_normal(first + count, drawn_as(dtype))[first:]

        numbers = dealt(self, shape, run)
        return to_device(numbers.astype(dtype, copy=False), device)

    def uniform(self, shape: tuple[int, ...], dtype: Any = FLOAT32, device: str = "cpu") -> Array:
        """An array of U[0, 1)."""
        seed, draw = self.reserve()
        a_count = 32 // np.dtype(drawn_as(dtype)).itemsize  # numbers of a count, which is 32 bytes

        def run(first: int, count: int) -> Array:
            counts, before = divmod(first, a_count)
            bits = np.random.Philox(key=seed, counter=(draw << 64) + counts)
            return np.random.Generator(bits).random(before + count, drawn_as(dtype))[before:]

        numbers = dealt(self, shape, run)
        if np.dtype(dtype) == np.float16:  # as many bits as it holds: none is rounded up to 1
            numbers = (np.floor(numbers * 2048) / 2048).astype(dtype)
        return to_device(numbers, device)


@Seam
def dealt(stream: Generator, shape: tuple[int, ...], run: Callable[[int, int], Array]) -> Array:
    """Numbers from the stream. `run(first, count)` gives a draw's numbers first, first + 1, …; one
    of several processes takes its samples' part of those of the whole batch."""
    return run(0, math.prod(shape)).reshape(shape)


@Seam
def place(rows: int) -> tuple[int, int]:
    """How many rows of the whole batch lie before this process's `rows`, and how many there are."""
    return 0, rows


@Seam
def mean_of_all(array: Array) -> Array:
    """The array; of several processes that train one model, the mean of theirs."""
    return array


def drawn_as(dtype: Any) -> Any:
    """The dtype in which random numbers are drawn: NumPy draws none of 16 bits."""
    return FLOAT32 if np.dtype(dtype) == np.float16 else dtype


default_generator = Generator()


def stream_of(generator: Generator | None) -> Generator:
    """The stream that was given, or the default one.

    Raises:
        TypeError: something else was given.
    """
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"generator must be a minigen.Generator or None, not {generator!r}")
    return generator


class _Instead(threading.local):
    stream: Generator | None = None


_instead = _Instead()


@contextmanager
def drawing_from(stream: Generator) -> Iterator[None]:
    """Let `stream` stand for the default one, in this thread."""
    before, _instead.stream = _instead.stream, stream
    try:
        yield
    finally:
        _instead.stream = before


def manual_seed(seed: int) -> Generator:
    """Seed the default stream, which dropout, `randn` and initialisation draw from."""
    return default_generator.manual_seed(seed)
