"""A stand-in for CuPy: NumPy's memory and arithmetic, with CuPy's manners where the two differ.

    with standin.installed() as cupy:
        x = minigen.randn(2, device="cuda")

What minigen does on a GPU then runs without one, and what would fail on one fails here:

- An array of this module is no `numpy.ndarray`. It refuses those as operands, and becomes one only
  by `get()`, `item()`, `float()` and the like, each of which is counted.
- The results of element-wise functions and reductions are in row-major order, whatever the order of
  the operands; `copy`, `astype` and `empty_like` keep an order. NumPy keeps it everywhere.
- A result of one number is a 0-d array and no scalar. Such an array is no index.
- There are the functions and parameters that CuPy has, no others: they are listed in cupy_api.txt,
  which `python tests/cuda/standin.py` writes where CuPy is installed (it needs no GPU for that).
- Indices out of range wrap around. Memory comes from a pool, which may be given a limit. It is full
  of NaN at first. Operands must be on the current device.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import math
import re
import sys
import types
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import runner  # beside this file: runs CUDA source on the CPU
import scipy.special

from minigen import backend

TABLE = Path(__file__).with_name("cupy_api.txt")
PREFIXES = {"ndarray.": np.ndarray, "special.": scipy.special, "": np}
SCALARS = bool | int | float | complex | np.generic
KEEPING_ORDER = {"copy", "astype", "empty_like", "zeros_like", "ones_like", "full_like"}
# Functions that look at values on the host in order to know the size of their result.
WAITING = {"nonzero", "unique", "argwhere", "flatnonzero", "extract", "array_equal", "allclose"}
SCATTERED = ["int32", "int64", "float16", "float32", "float64", "uint32", "uint64"]  # by add.at

CONSTANTS = [
    "bool_", "dtype", "finfo", "float16", "float32", "float64", "iinfo", "inf", "int8", "int16",
    "int32", "int64", "issubdtype", "nan", "newaxis", "pi", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip


@dataclass
class Transfers:
    """What went between host and device, in bytes, one entry a transfer."""

    to_host: list[int] = field(default_factory=list)
    to_device: list[int] = field(default_factory=list)

    def clear(self) -> None:
        self.to_host.clear()
        self.to_device.clear()


transfers = Transfers()
_current = [0]  # the device in use
_cards = [1]  # how many there are


class Device:
    """One of the cards that are not there."""

    compute_capability = "90"

    def __init__(self, device: int | Device | None = None):
        self.id = _current[0] if device is None else int(getattr(device, "id", device))
        if not 0 <= self.id < _cards[0]:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Device) and other.id == self.id

    __hash__ = None

    def __enter__(self) -> Device:
        self._outside = _current[0]
        return self.use()

    def __exit__(self, *_: Any) -> None:
        _current[0] = self._outside

    def use(self) -> Device:
        _current[0] = self.id
        return self

    def synchronize(self) -> None:
        pass

    mem_info = property(lambda self: (1 << 30, 1 << 31))
    attributes = property(lambda self: {"MultiProcessorCount": 4})


class OutOfMemoryError(MemoryError):
    """The pool's limit is reached."""


class MemoryPool:
    """Counts the bytes in use, in blocks of 512 as CuPy's."""

    def __init__(self) -> None:
        self.used, self.limit = 0, 0

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self.limit = size or 0

    def get_limit(self) -> int:
        return self.limit

    def used_bytes(self) -> int:
        return self.used

    def free_all_blocks(self, stream: Any = None) -> None:
        pass

    def take(self, owner: ndarray, size: int) -> None:
        size = -(-size // 512) * 512
        if self.limit and self.used + size > self.limit:
            raise OutOfMemoryError(
                f"Out of memory allocating {size:,} bytes (allocated so far: {self.used:,} bytes, "
                f"limit set to: {self.limit:,} bytes)."
            )
        self.used += size
        weakref.finalize(owner, self._give_back, size)

    def _give_back(self, size: int) -> None:
        self.used -= size


_pool = MemoryPool()


def _raw(x: Any) -> Any:
    """The NumPy array inside, refused where the host's own array came."""
    if isinstance(x, ndarray):
        if x.device.id != _current[0]:
            raise ValueError(
                f"The device where the array resides ({x.device.id}) is different from the current "
                f"device ({_current[0]}). Peer access is unavailable between these devices."
            )
        return x._array
    if isinstance(x, tuple | list):
        return type(x)(map(_raw, x))
    if isinstance(x, np.ndarray):
        raise TypeError(f"Unsupported type {type(x)}")
    return x


def _fresh(array: Any, keep: bool = False) -> ndarray:
    """A new array on the device, in row-major order unless `keep`."""
    array = np.asarray(array) if keep else np.asarray(array, order="C")
    new = ndarray.__new__(ndarray)
    _pool.take(new, array.nbytes)
    new._array, new.base, new.device = array, None, Device()
    return new


def _view(source: ndarray, array: np.ndarray) -> ndarray:
    new = ndarray.__new__(ndarray)
    new._array, new.device = array, source.device
    new.base = source if source.base is None else source.base
    return new


def _result(value: Any, sources: Any, keep: bool = False) -> Any:
    """What NumPy returned, as CuPy would return it."""
    if isinstance(value, tuple | list):
        made = [_result(v, sources, keep) for v in value]
        return type(value)(*made) if hasattr(value, "_fields") else type(value)(made)
    if not isinstance(value, np.ndarray | np.generic):
        return value
    if isinstance(value, np.ndarray):
        for source in sources:
            if isinstance(source, ndarray):
                if source._array is value:
                    return source
                if value.size and np.may_share_memory(source._array, value):
                    return _view(source, value)
        if not value.flags.owndata and not value.flags.c_contiguous:
            value = value.copy(order="K" if keep else "C")
    return _fresh(value, keep)


def _flat(values: Any) -> list:
    found = []
    for v in values:
        found += _flat(v) if isinstance(v, tuple | list) else [v]
    return found


class Ufunc:
    """An element-wise function."""

    def __init__(self, name: str, function: Callable):
        self.__name__, self._function = name, function

    def __call__(self, *args: Any, out: Any = None, **options: Any) -> Any:
        if unknown := set(options) - {"dtype", "casting", "where"}:
            raise TypeError(f"Wrong arguments {unknown}")
        for x in args:
            if not isinstance(x, ndarray | SCALARS):
                raise TypeError(f"Unsupported type {type(x)}")
        if isinstance(out, tuple):
            (out,) = out
        if out is not None:
            if not isinstance(out, ndarray):
                raise TypeError("Output arguments type must be cupy.ndarray")
            options["out"] = _raw(out)
        with np.errstate(all="ignore"):  # a GPU does not warn
            value = self._function(*map(_raw, args), **options)
        return _result(value, [out]) if out is not None else _result(value, [])

    def at(self, a: ndarray, indices: Any, b: Any = None) -> None:
        if self.__name__ not in ("add", "maximum", "minimum"):
            raise NotImplementedError(f"`cupy_{self.__name__}.at` is not supported yet")
        if a.dtype.name not in SCATTERED:
            raise TypeError(f"cupy.add.at only supports {SCATTERED} as data type")
        self._function.at(a._array, _index(a, indices), _raw(b))

    def reduce(self, array: ndarray, axis=0, dtype=None, out=None, keepdims=False) -> Any:
        if self.__name__ not in ("add", "multiply"):
            raise NotImplementedError(f"`cupy_{self.__name__}.reduce` is not supported yet")
        method = array.sum if self.__name__ == "add" else array.prod
        return method(axis, dtype, out, keepdims)

    def outer(self, a: ndarray, b: ndarray, **options: Any) -> Any:
        return self(a.reshape(a.shape + (1,) * b.ndim), b.reshape((1,) * a.ndim + b.shape))


def _index(array: ndarray, key: Any) -> Any:
    """An index in NumPy's terms: arrays unwrapped, and wrapped around."""
    parts = list(key) if isinstance(key, tuple) else [key]
    parts = [asarray(k) if isinstance(k, list | np.ndarray) else k for k in parts]
    taken = sum(
        0 if k is None or k is ... else k.ndim if isinstance(k, ndarray) and k.dtype == bool else 1
        for k in parts
    )
    axis, found = 0, []
    for k in parts:
        if k is ...:
            axis += array.ndim - taken
        elif isinstance(k, ndarray):
            if k.dtype != bool:
                length = array.shape[axis]
                found.append(_raw(k) % length if length else _raw(k))
                axis += 1
                continue
            axis += k.ndim
        elif k is not None:
            axis += 1
        found.append(_raw(k))
    return tuple(found)


class ndarray:
    """An array on the device."""

    __hash__ = None
    __array_priority__ = 100

    def __init__(self, shape: Any, dtype: Any = float, memptr=None, strides=None, order="C"):
        shape, dtype = (shape,) if isinstance(shape, int) else tuple(shape), np.dtype(dtype)
        garbage = np.full(math.prod(shape) * dtype.itemsize, 255, np.uint8)  # floats: NaN
        array = garbage.view(dtype).reshape(shape, order=order)
        _pool.take(self, array.nbytes)
        self._array, self.base, self.device = array, None, Device()

    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    itemsize = property(lambda self: self._array.itemsize)
    nbytes = property(lambda self: self._array.nbytes)
    strides = property(lambda self: self._array.strides)
    T = property(lambda self: self.transpose())
    mT = property(lambda self: self.swapaxes(-1, -2))

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @shape.setter
    def shape(self, shape: Any) -> None:
        self._array.shape = shape

    @property
    def flags(self) -> Any:
        flags = self._array.flags
        return types.SimpleNamespace(
            c_contiguous=flags.c_contiguous,
            f_contiguous=flags.f_contiguous,
            owndata=self.base is None,
        )

    @property
    def data(self) -> Any:
        """Where the memory is; the CPU runner of kernels reads and writes there."""
        return types.SimpleNamespace(ptr=self._array.ctypes.data, device=self.device)

    # To the host

    def get(self, stream=None, order: str = "C", out=None, blocking: bool = True) -> np.ndarray:
        transfers.to_host.append(self.nbytes)
        return np.array(self._array, order="F" if order != "C" and self._only_f() else "C")

    def _only_f(self) -> bool:
        return self.flags.f_contiguous and not self.flags.c_contiguous

    def item(self) -> Any:
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def __array__(self, dtype=None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct "
            "a NumPy array explicitly."
        )

    def __bool__(self) -> bool:
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec)

    # NumPy's protocols

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        cupy = sys.modules["cupy"]
        f = getattr(cupy, ufunc.__name__, None)
        f = f or getattr(sys.modules["cupyx.scipy.special"], ufunc.__name__, None)
        f = getattr(f, method, None)
        if f is None:
            return NotImplemented
        if "out" in options:
            (options["out"],) = options["out"]
        if any(not isinstance(x, ndarray | np.ndarray | SCALARS) for x in inputs):
            return NotImplemented
        return f(*inputs, **options)

    def __array_function__(self, f: Any, kinds: Any, args: Any, options: Any) -> Any:
        names = f.__module__.split(".")[1:] + [f.__name__]
        try:
            ours = functools.reduce(getattr, names, sys.modules["cupy"])
        except AttributeError:
            return NotImplemented
        if any(not issubclass(kind, ndarray | np.ndarray) for kind in kinds):
            return NotImplemented
        return ours(*args, **options)

    # Elements

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[ndarray]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> ndarray:
        parts = key if isinstance(key, tuple) else (key,)
        if not any(isinstance(k, ndarray | np.ndarray | list) for k in parts):
            if not any(k is ... for k in parts):
                parts = (*parts, ...)
            return _view(self, self._array[parts])
        if any(getattr(getattr(k, "dtype", None), "kind", "") == "b" for k in parts):
            transfers.to_host.append(8)  # how many are true
        return _fresh(self._array[_index(self, key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        parts = key if isinstance(key, tuple) else (key,)
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        value = _raw(value) if isinstance(value, ndarray) else np.asarray(value, self.dtype)[()]
        if any(isinstance(k, ndarray | np.ndarray | list) for k in parts):
            key = _index(self, key)
        with np.errstate(all="ignore"):
            self._array[key] = value

    def fill(self, value: Any) -> None:
        self[...] = value

    # Copies and views

    def copy(self, order: str = "C") -> ndarray:
        return _fresh(self._array.copy(order), keep=True)

    def astype(self, dtype, order="K", casting=None, subok=None, copy=True) -> ndarray:
        if not copy and self.dtype == np.dtype(dtype) and order == "K":
            return self
        with np.errstate(all="ignore"):
            return _fresh(self._array.astype(dtype, order), keep=True)

    def view(self, dtype: Any = None, type: Any = None) -> ndarray:
        return _view(self, self._array.view(self.dtype if dtype is None else dtype))

    def __copy__(self) -> ndarray:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> ndarray:
        return self.copy()


def _operator(symbol: str, ufunc: str) -> None:
    def defers(other: Any) -> bool:
        return not isinstance(other, ndarray) and (
            getattr(other, "__array_ufunc__", False) is None or isinstance(other, str)
        )

    def plain(self: ndarray, other: Any) -> Any:
        f = getattr(sys.modules["cupy"], ufunc)
        return NotImplemented if defers(other) else f(self, other)

    def turned(self: ndarray, other: Any) -> Any:
        f = getattr(sys.modules["cupy"], ufunc)
        return NotImplemented if defers(other) else f(other, self)

    def in_place(self: ndarray, other: Any) -> Any:
        f = getattr(sys.modules["cupy"], ufunc)
        return f(self, other, out=self, casting="same_kind")

    setattr(ndarray, f"__{symbol}__", plain)
    if symbol not in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(ndarray, f"__r{symbol}__", turned)
        if symbol != "matmul":
            setattr(ndarray, f"__i{symbol}__", in_place)


for _symbol, _ufunc in {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide",
    "floordiv": "floor_divide", "mod": "remainder", "pow": "power", "matmul": "matmul",
    "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift",
    "rshift": "right_shift", "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal",
    "gt": "greater", "ge": "greater_equal",
}.items():  # fmt: skip
    _operator(_symbol, _ufunc)
for _symbol, _ufunc in {"neg": "negative", "invert": "invert", "abs": "absolute"}.items():
    setattr(ndarray, f"__{_symbol}__", lambda self, f=_ufunc: getattr(sys.modules["cupy"], f)(self))


def _function(name: str, function: Callable, parameters: list[str], first: int = 0) -> Callable:
    """A function of NumPy as CuPy has it: with these parameters, for arrays of the device."""
    anything = any(p.startswith("**") for p in parameters)
    many = [p.startswith("*") for p in parameters]

    def call(*args: Any, **options: Any) -> Any:
        unknown = [] if anything else sorted(set(options) - set(parameters))
        if unknown or (len(args) > len(parameters) and not any(many)):
            raise TypeError(f"{name}() got an unexpected argument: {unknown or args}")
        if name in WAITING:
            transfers.to_host.append(8)
        out = options.pop("out", None)
        given = {k: _raw(v) for k, v in options.items()}
        if out is not None:
            given["out"] = _raw(out)
        with np.errstate(all="ignore"):
            value = function(*map(_raw, args), **given)
        sources = _flat([*args, *options.values(), out])
        return _result(value, sources, keep=name in KEEPING_ORDER)

    call.__name__ = name
    return call


def asarray(obj: Any, dtype=None, order=None, *, copy=None, blocking=False) -> ndarray:
    """An array of the device, sent there if it was one of the host."""
    if isinstance(obj, ndarray):
        if obj.device.id != _current[0]:
            return _fresh(obj._array.copy(order="K"), keep=True)
        return obj if dtype is None else obj.astype(dtype, copy=False)
    if isinstance(obj, tuple | list) and any(isinstance(x, ndarray) for x in _flat(obj)):
        return _fresh(np.array([_raw(x) for x in obj], dtype))
    host = np.asarray(obj, dtype)
    transfers.to_device.append(host.nbytes)
    fortran = host.flags.f_contiguous and not host.flags.c_contiguous
    return _fresh(np.array(host, order="F" if fortran else "C"), keep=True)


def array(obj: Any, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    """A copy on the device."""
    new = asarray(obj, dtype)
    return new.copy("K") if new is obj and copy else new


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    """The array itself if it is in row-major order, else a copy that is."""
    new = asarray(a, dtype)
    return new if new.flags.c_contiguous else new.copy("C")


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Memory full of NaN."""
    return ndarray(shape, dtype, order=order)


def asnumpy(a: Any, stream=None, order: str = "C", out=None, *, blocking: bool = True):
    """On the host."""
    return a.get(order=order) if isinstance(a, ndarray) else np.asarray(a, order=order)


class _Grid:
    """`ogrid` and `mgrid`."""

    def __init__(self, grid: Any):
        self._grid = grid

    def __getitem__(self, key: Any) -> Any:
        return _result(self._grid[key], [])


def table() -> dict[str, list[str]]:
    """What CuPy has: a name, and its parameters or `ufunc`."""
    lines = [line.split() for line in TABLE.read_text().splitlines()]
    return {name: rest for name, *rest in lines}


def _fill_in() -> None:
    """Give `ndarray` the methods of the table that it lacks."""
    for name, parameters in table().items():
        kind, _, method = name.rpartition(".")
        if kind == "ndarray" and method not in vars(ndarray):
            call = _function(method, getattr(np.ndarray, method), ["self", *parameters])
            # A closure, since a plain function in a class becomes a method.
            setattr(ndarray, method, lambda self, *a, _call=call, **o: _call(self, *a, **o))


_fill_in()


def module(cards: int = 1) -> tuple[types.ModuleType, types.ModuleType]:
    """Modules like `cupy` and `cupyx.scipy.special`, on a machine with so many cards."""
    cupy, special = types.ModuleType("cupy"), types.ModuleType("cupyx.scipy.special")
    for name, parameters in table().items():
        kind, _, plain = name.rpartition(".")
        if kind == "ndarray":
            continue
        target, source = (special, scipy.special) if kind else (cupy, np)
        f = getattr(source, plain, None)
        if f is None:  # this SciPy or NumPy is older than CuPy's newest functions
            continue
        made = Ufunc(plain, f) if parameters == ["ufunc"] else _function(plain, f, parameters)
        setattr(target, plain, made)
    cupy.matmul = Ufunc("matmul", np.matmul)
    for made in (asarray, array, ascontiguousarray, empty, asnumpy):
        setattr(cupy, made.__name__, made)
    for name in CONSTANTS:
        setattr(cupy, name, getattr(np, name))
    cupy.ndarray, cupy.ufunc = ndarray, Ufunc
    cupy.ogrid, cupy.mgrid = _Grid(np.ogrid), _Grid(np.mgrid)
    cupy.get_default_memory_pool = lambda: _pool
    cupy.get_array_module = lambda *a: cupy if any(isinstance(x, ndarray) for x in a) else np
    as_strided = lambda x, shape=None, strides=None: _view(
        x, np.lib.stride_tricks.as_strided(x._array, shape, strides)
    )
    tricks = types.SimpleNamespace(as_strided=as_strided)
    norm = _function("norm", np.linalg.norm, ["x", "ord", "axis", "keepdims"])
    cupy.linalg = types.SimpleNamespace(norm=norm)
    cupy.lib = types.SimpleNamespace(stride_tricks=tricks)
    cupy.__version__ = "14.2.0"
    properties = {"name": b"Stand-in", "totalGlobalMem": 1 << 31, "major": 9, "minor": 0}
    runtime = types.SimpleNamespace(
        getDeviceCount=lambda: cards,
        getDevice=lambda: _current[0],
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13000,
        getDeviceProperties=lambda i: properties,
        memGetInfo=lambda: (1 << 30, 1 << 31),
    )
    stream = types.SimpleNamespace(null=types.SimpleNamespace(synchronize=lambda: None, ptr=0))
    cupy.cuda = types.SimpleNamespace(
        Device=Device,
        Stream=stream,
        is_available=lambda: cards > 0,
        runtime=runtime,
        nvrtc=types.SimpleNamespace(getVersion=lambda: (13, 0)),
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        get_current_stream=lambda: stream.null,
    )
    if runner.COMPILER is not None:
        cupy.RawModule = runner.RawModule
    return cupy, special


@contextlib.contextmanager
def installed(cards: int = 1) -> Iterator[types.ModuleType]:
    """Within this context `import cupy` finds the stand-in."""
    cupy, special = module(cards)
    cupyx, scipy_ = types.ModuleType("cupyx"), types.ModuleType("cupyx.scipy")
    cupyx.scipy, scipy_.special = scipy_, special
    modules = {
        "cupy": cupy,
        "cupyx": cupyx,
        "cupyx.scipy": scipy_,
        "cupyx.scipy.special": special,
    }
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    _cards[0], _current[0], _pool.limit = cards, 0, 0
    transfers.clear()
    try:
        yield cupy
    finally:
        _pool.limit, _current[0] = 0, 0
        backend.cuda_in_use.clear()
        for name, found in before.items():
            if found is None:
                del sys.modules[name]
            else:
                sys.modules[name] = found


def described(cupy: Any, special: Any) -> str:
    """The table of a CuPy: its names that NumPy and SciPy have too, with their parameters."""
    lines = []
    for prefix, ours in PREFIXES.items():
        theirs = {"ndarray.": cupy.ndarray, "special.": special, "": cupy}[prefix]
        for name in sorted(n for n in dir(theirs) if not n.startswith("_") and hasattr(ours, n)):
            f = getattr(theirs, name)
            if callable(f) and not inspect.isclass(f) and name != "test":
                lines.append(" ".join([prefix + name, *_parameters(f, cupy)]))
    return "\n".join(lines) + "\n"


def _parameters(f: Any, cupy: Any) -> list[str]:
    if isinstance(f, cupy.ufunc):
        return ["ufunc"]
    try:
        found = [str(p).partition("=")[0].partition(":")[0] for p in
                 inspect.signature(f).parameters.values()]  # fmt: skip
    except (TypeError, ValueError):  # compiled: the first line of its docstring says it
        text = re.match(r"[\w.]+\((.*?)\)", f.__doc__ or "")
        found = text[1].split(",") if text else ["*args", "**kwargs"]
        found = [p.partition("=")[0].split()[-1] for p in found if p.strip() not in ("self", "")]
    return [p for p in found if p != "self"]


def main() -> None:
    import cupy
    import cupyx.scipy.special

    TABLE.write_text(described(cupy, cupyx.scipy.special))
    print(f"{TABLE}: CuPy {cupy.__version__}")


if __name__ == "__main__":
    main()
