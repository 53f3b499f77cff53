"""What operations are given: tensors, arrays, numbers; their dtype, and errors that name them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigen.backend import (
    BOOL,
    FLOAT32,
    INT64,
    DeviceError,
    as_array,
    class_name,
    device_of,
    is_array,
    on_host,
    out_of_memory,
    require_fit,
)
from minigen.tensor import Tensor


def result_type(*operands: Any) -> np.dtype:
    """The dtype of an operation on these tensors, arrays and numbers, by PyTorch's rules.

    Truth values < integers < floats. Within a kind the largest dtype wins, but only among
    operands of the highest rank: tensors with axes before 0-d tensors before Python numbers
    (NumPy's scalars count as those). A lower rank matters only if it is of a higher kind.
    """
    ranks: list[np.dtype | None] = [None, None, None]
    for x in operands:
        if isinstance(x, Tensor) or is_array(x):
            rank, dtype = (0 if x.ndim else 1), x.dtype
        else:
            rank = 2
            dtype = BOOL if isinstance(x, bool | np.bool_) else FLOAT32
            if dtype is FLOAT32 and isinstance(x, int | np.integer):
                dtype = INT64
        before = ranks[rank]
        ranks[rank] = dtype if before is None else _promote_types(before, dtype)
    result = None
    for dtype in ranks:
        if dtype is not None and (result is None or _kind(dtype) > _kind(result)):
            result = dtype if result is None else _promote_types(result, dtype)
    return result


def _kind(dtype: np.dtype) -> int:
    return {"b": 0, "u": 1, "i": 1, "f": 2}[dtype.kind]


def _promote_types(a: np.dtype, b: np.dtype) -> np.dtype:
    """Like NumPy's, but an integer takes the type of the float that it meets."""
    if _kind(a) != _kind(b):
        return a if _kind(a) > _kind(b) else b
    return np.promote_types(a, b)


def plain(x: Any) -> Any:
    """NumPy's scalars as numbers, arrays of any class as those of `as_array`."""
    if isinstance(x, np.generic):
        return x.item()
    return as_array(x) if is_array(x) else x


def a_tensor_not(value: Any) -> str:
    """What a value should be, which is none, and how to make one."""
    return f"a Tensor, not {class_name(value)}; minigen.tensor(…) makes one of numbers"


def promoted(op: Any, inputs: Sequence[Any]) -> list[Any]:
    """Inputs of one dtype; numbers stay numbers, which never promote.

    Raises:
        TypeError: none is a tensor, or one is neither that nor a number.
    """
    if not any(isinstance(x, Tensor) for x in inputs):
        raise TypeError(f"{op.name}: {op.inputs[0]} must be {a_tensor_not(inputs[0])}")
    for name, x in zip(op.inputs, inputs, strict=False):
        if not (isinstance(x, Tensor | float | int) or is_array(x)):
            raise TypeError(f"{op.name}: {name} is a {class_name(x)}, not a Tensor or a number")
    # An input without a pullback, such as the condition of `where`, has no say in the dtype.
    dtype = result_type(*[x for i, x in enumerate(inputs) if op.differentiable(i)])
    if op.floating and dtype.kind != "f":
        dtype = FLOAT32
    same = []
    for i, x in enumerate(inputs):
        if dtype.kind in "iu" and op.differentiable(i):
            _require_fit(op.name, x, dtype)
        if op.differentiable(i) and not isinstance(x, float | int) and x.dtype != dtype:
            x = x.to(dtype) if isinstance(x, Tensor) else x.astype(dtype)
        same.append(x)
    return same


def _require_fit(name: str, x: Any, dtype: np.dtype) -> None:
    """Refuse a number, or an array without axes, that wrapped around would meet other integers."""
    if isinstance(x, float | int):
        require_fit(name, x, dtype)
    elif not x.ndim and x.dtype != dtype:
        data = x._array if isinstance(x, Tensor) else x
        if on_host(data):  # a GPU is not waited for
            require_fit(name, data.item(), dtype)


def named_arrays(op: Any, arrays: Sequence[Any], options: dict) -> list[tuple[str, Any]]:
    """The arrays among the arguments of an operation, with their parameters' names."""
    found = [(op.inputs[min(i, len(op.inputs) - 1)], x) for i, x in enumerate(arrays)]
    for name, x in options.items():
        found += [(name, part) for part in (x if isinstance(x, tuple) else (x,))]
    return [(n, x) for n, x in found if is_array(x)]


def mixture(name: str, arrays: Sequence[tuple[str, Any]]) -> DeviceError | None:
    """The error if these operands of the operation `name` are not all on one device."""
    devices: dict[str, str] = {}
    for which, x in arrays:
        devices.setdefault(device_of(x), which)
    if len(devices) < 2:
        return None
    (a, first), (b, second) = list(devices.items())[:2]
    return DeviceError(
        f"{name}: {first} is on {a} and {second} on {b}; move one, for example {first}.to({b!r})"
    )


def explained(op: Any, error: Exception, arrays: Sequence[Any], options: dict) -> Exception:
    """The error of a value function, in terms of the operation and its operands."""
    for key in options.keys() - set(op.options):
        return NotImplementedError(f"{op.name}: argument {key!r} is not supported")
    named = named_arrays(op, arrays, options)
    if error_of_devices := mixture(op.name, named):
        return error_of_devices
    if isinstance(error, DeviceError) or not isinstance(
        error, ValueError | TypeError | IndexError | MemoryError | OverflowError
    ):
        return error
    if str(error).startswith(f"{op.name}:"):
        return error
    shown = [f"{n} {x.dtype} {tuple(x.shape)}" for n, x in named]
    values = int | float | str | tuple
    shown += [
        f"{k}={v!r}"
        for k, v in options.items()
        if isinstance(v, values) and len(repr(v)) < 40 and "array(" not in repr(v)
    ]
    operands = ", ".join(shown)
    if isinstance(error, MemoryError):
        return out_of_memory(f"{op.name}({operands})", error)
    known = (k for k in (IndexError, ValueError, TypeError) if isinstance(error, k))
    return next(known, ValueError)(f"{op.name}({operands}): {error}")
