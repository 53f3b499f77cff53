"""Methods that change a tensor itself.

Where nothing is recorded they write into its memory, and the tape only notes that it changed, so
that a pullback that still needs the old values can refuse. Where something is recorded, the result
is new memory, which the tensor then holds together with the node that made it: what the tape kept
stays valid. Only if the array was handed out, by `numpy()` or `array`, is the result written into
it, so that whoever holds it sees it; then such a pullback refuses here, too. A tensor that was
taken by index, `x[0]`, changes together with `x`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from minigen import backend
from minigen.backend import (
    Array,
    Generator,
    as_array,
    device_of,
    is_array,
    on_host,
    require_fit,
    require_writable,
    to_device,
)
from minigen.functional.arithmetic import add, div, sub
from minigen.functional.pointwise import converted, mul
from minigen.functional.shape import index_put, part_of, split_key
from minigen.seams import sharers
from minigen.tape import is_grad_enabled
from minigen.tensor import Tensor, increment_version


def _recorded(name: str, tensor: Tensor, *others: Any) -> bool:
    """Whether the change is recorded.

    Raises:
        RuntimeError: it ought to be, for the sake of what the tensor was taken from.
    """
    if not is_grad_enabled():
        return False
    for part, whole in pairwise(_and_wholes(tensor)):
        if whole.requires_grad and not part.requires_grad:
            raise RuntimeError(
                f"{name}: this part of a tensor that requires a gradient was taken where nothing "
                "was recorded; take it again, or write inside `with minigen.no_grad():`"
            )
    return any(isinstance(t, Tensor) and t.requires_grad for t in (tensor, *others))


def _whole(part: Tensor) -> Tensor | None:
    """What the tensor was taken from by index, if it still lies there."""
    taken = getattr(part, "_base", None)
    whole = taken and taken[0]()
    return whole if whole is not None and whole._array is taken[1] else None


def is_part(tensor: Tensor) -> bool:
    """Whether the tensor was taken from one by index, that may be gone since."""
    return getattr(tensor, "_base", (None, None))[1] is not None


def _sharers(tensor: Tensor) -> tuple[int, bool]:
    """How many other tensors would have to follow a change, and whether it goes into the memory,
    for others to see: into an array outside, or what this is the `data` of."""
    others, outside = sharers(tensor)
    free = getattr(tensor, "_base", (None,))[-1]
    return (others, outside) if free is None else (others - free, True)


def _and_wholes(tensor: Tensor) -> list[Tensor]:
    """The tensor, and each whole that the one before it is a part of."""
    chain = [tensor]
    while (whole := _whole(chain[-1])) is not None:
        chain.append(whole)
    return chain


def _renew(part: Tensor, whole: Tensor) -> None:
    """Take the part again."""
    y = part_of(whole, *part._base[2:4])
    part._array, part._version, part._node, part._base = y._array, y._version, y._node, y._base


def become(name: str, tensor: Tensor, y: Tensor, *given: Any) -> Tensor:
    """Let the tensor itself be y, which was recorded; what it was taken from by index, too, and
    the parts of that among what y was made of, which are given.

    Raises:
        RuntimeError: it is a leaf that requires a gradient, or part of one; or another tensor
            shares its memory, which could not follow.
        ValueError, TypeError: y has another shape, or a dtype that the tensor's cannot hold.
    """
    if y is tensor:
        return y
    _require_fit(name, tensor, y)
    chain = _and_wholes(tensor)
    parts = {id(t): t for t in given if isinstance(t, Tensor) and t is not tensor}
    parts = [(t, whole) for t in parts.values() if any((whole := _whole(t)) is c for c in chain)]
    if any(t.is_leaf and t.requires_grad for t in chain):
        raise RuntimeError(
            f"{name}: a leaf that requires a gradient is not changed in place; make a new tensor, "
            "or write inside `with minigen.no_grad():`"
        )
    others, outside = _sharers(tensor)
    if others >= len(chain) + len(parts):
        raise RuntimeError(
            f"{name}: another tensor shares this one's memory (a view or detach()) and could not "
            "follow what is recorded; clone() one of them, make a new tensor, or write inside "
            "`with minigen.no_grad():`"
        )
    y = converted(y, tensor.dtype)
    for part, whole in pairwise(chain):
        y = index_put(whole, part._base[3], y)
    whole = chain[-1]
    if outside:
        _single(name, whole._array)[...] = y._array
        increment_version(whole)
    else:
        whole._array, whole._version = y._array, y._version
    whole._node = y._node
    for part, whole in [*((p, w) for w, p in pairwise(chain[::-1])), *parts]:
        _renew(part, whole)
    return tensor


def changed(
    name: str, function: Callable[..., Tensor], tensor: Tensor, *args: Any, **options: Any
) -> Tensor:
    """The tensor itself, once it is what the function makes of it. Where that goes into an array
    outside, it is made of a copy, so that what the pullbacks need is not lost.

    Raises:
        RuntimeError, ValueError, TypeError: see `become`.
    """
    if not _recorded(name, tensor, *args):
        return assign(name, tensor, function(tensor, *args, **options))
    source = tensor.clone() if _sharers(tensor)[1] else tensor
    return become(name, tensor, function(source, *args, **options), *args)


def assign(name: str, tensor: Tensor, y: Tensor) -> Tensor:
    """Let the tensor itself be y, which was made of it: recorded, or written into its memory.

    Raises:
        RuntimeError, ValueError, TypeError: see `become`.
    """
    if y is tensor or _recorded(name, tensor, y):
        return become(name, tensor, y)
    _require_fit(name, tensor, y)
    return copy_(tensor, y)


def _require_fit(name: str, tensor: Tensor, y: Tensor) -> None:
    if y.shape != tensor.shape:
        raise ValueError(f"{name}: a result of {y.shape} does not fit the tensor, {tensor.shape}")
    if not np.can_cast(y.dtype, tensor.dtype, "same_kind"):
        raise TypeError(f"{name}: {tensor.dtype} cannot hold the result, {y.dtype}")


def _single(name: str, array: Array) -> Array:
    """The array, if it can be written and no two of its elements share memory, as those of an
    expanded one do."""
    require_writable(name, array)
    steps = zip(array.strides, array.shape, strict=True)
    if array.size and any(step == 0 and n > 1 for step, n in steps):
        raise RuntimeError(
            f"{name}: several elements of this tensor {array.shape} are one number in memory, as "
            "after expand(); clone() it first"
        )
    return array


def _raw(name: str, value: Any, dtype: Any) -> Any:
    """The value, which an array of `dtype`, if that is given, can hold if it is a number."""
    value = value._array if isinstance(value, Tensor) else value
    if not isinstance(value, float | int):
        value = _numbers(value, dtype)
    number = value.item() if is_array(value) and not value.ndim and on_host(value) else value
    if dtype is not None and isinstance(number, float | int):
        require_fit(name, number, dtype)
    return value


def _numbers(value: Any, dtype: Any) -> Array:
    """The value as an array: Python's numbers as exact as one of `dtype` holds them."""
    exact = isinstance(value, float | int | list | tuple) and dtype is not None
    return as_array(value, dtype if exact and dtype.kind == "f" else None)


def _put(name: str, self: Tensor, key: Any, value: Any) -> Tensor:
    if _recorded(name, self, value):
        tensor = isinstance(value, Tensor)
        number = converted(value, self.dtype) if tensor else _raw(name, value, self.dtype)
        return become(name, self, index_put(self, key, number), value)
    views, copies = split_key(key, self.device)
    array = _single(name, self._array[views])
    _write(name, array, copies or ..., _raw(name, value, array.dtype))
    increment_version(self)
    return self


def _write(name: str, array: Array, key: Any, value: Any) -> None:
    try:
        array[key] = value
    except ValueError:
        raise _misfit(name, value, array[key]) from None


def _misfit(name: str, value: Any, to: Any) -> ValueError:
    return ValueError(f"{name}: {value.shape} does not broadcast to {to.shape}")


def setitem(self: Tensor, key: Any, value: Any) -> None:
    """`self[key] = value`; recorded if `self` or the value is."""
    taken = getattr(value, "_base", None)
    # After `self[key] += 1` Python hands back the part, which changed together with `self`.
    if not (
        taken is not None
        and taken[0]() is self
        and taken[2] is key
        and value._version is self._version is not None
    ):
        _put("setitem", self, key, value)


def copy_(self: Tensor, other: Any) -> Tensor:
    """Overwrite with `other` (broadcast, converted to this dtype and device).

    Raises:
        ValueError: it does not broadcast to this shape.
    """
    if not isinstance(other, Tensor):
        other = Tensor(_numbers(other, self.dtype))
    if other.shape != self.shape and other.ndim > self.ndim:
        raise _misfit("copy_", other, self)
    if _recorded("copy_", self, other):
        return _put("copy_", self, ..., other.to(self.device))
    array = _single("copy_", self._array)
    _write("copy_", array, ..., to_device(other._array, device_of(array)))
    increment_version(self)
    return self


def fill_(self: Tensor, value: float) -> Tensor:
    """Overwrite every element with `value`."""
    if _recorded("fill_", self, value):
        return _put("fill_", self, ..., value)
    require_writable("fill_", self._array)
    self._array[...] = _raw("fill_", value, self.dtype)  # elements of one memory are equal after it
    increment_version(self)
    return self


def zero_(self: Tensor) -> Tensor:
    """Overwrite every element with 0."""
    return fill_(self, 0)


def in_place(function: Callable[..., Tensor], ufunc: Callable | None = None) -> Any:
    """The method that lets a tensor be what the function makes of it; NumPy's `ufunc` does the same
    and can write where it reads."""
    name = f"{function.__name__.strip('_')}_"

    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        if ufunc is None or options or _recorded(name, self, *args):
            return changed(name, function, self, *args, **options)
        array = _single(name, self._array)
        value = _raw(name, *args, array.dtype if array.dtype.kind in "iu" else None)
        try:
            ufunc(array, value, out=array)
        except TypeError as error:  # NumPy's speaks of casting rules
            raise TypeError(f"{name}: {array.dtype} cannot hold the result") from error
        except ValueError:
            raise _misfit(name, value, array) from None
        increment_version(self)
        return self

    method.__name__ = name
    method.__doc__ = f"`{function.__name__}`, whose result this tensor then is."
    return method


add_, sub_ = in_place(add, np.add), in_place(sub, np.subtract)
mul_, div_ = in_place(mul, np.multiply), in_place(div, np.divide)


def normal_(
    self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with numbers from N(mean, std²).

    Raises:
        ValueError: a negative std.
    """
    if not std >= 0:
        raise ValueError(f"normal_: std must not be negative, not {std}")
    stream = backend.stream_of(generator)
    return copy_(self, stream.normal(self.shape, self.dtype, self.device) * std + mean)


def uniform_(
    self: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with numbers from U[low, high).

    Raises:
        ValueError: high is below low, or infinitely far above it.
    """
    if not 0 <= high - low < math.inf:
        raise ValueError(f"uniform_: expected low ≤ high, both finite, not {low} and {high}")
    stream = backend.stream_of(generator)
    return copy_(self, stream.uniform(self.shape, self.dtype, self.device) * (high - low) + low)


def random_(
    self: Tensor, low: int = 0, high: int | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with whole numbers from [low, high), each equally probable; `random_(high)` begins
    at 0, and `random_()` goes as far as the dtype is exact."""
    if high is None:
        kind = self.dtype
        largest = 2 ** (np.finfo(kind).nmant + 1) if kind.kind == "f" else np.iinfo(kind).max
        low, high = 0, low or int(largest)
    stream = backend.stream_of(generator)
    steps = stream.uniform(self.shape, np.float64, self.device) * (high - low)
    return copy_(self, low + np.floor(steps))


def bernoulli_(
    self: Tensor, p: Tensor | float = 0.5, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with 1, each with probability p, and 0.

    Raises:
        ValueError: one is no probability.
        TypeError: they are no numbers.
    """
    chance = as_array(p.array if isinstance(p, Tensor) else p, np.float64)
    if on_host(chance) and not np.all((chance >= 0) & (chance <= 1)):
        raise ValueError("bernoulli: probabilities are from 0 to 1")
    uniform = backend.stream_of(generator).uniform(self.shape, np.float64, self.device)
    return copy_(self, uniform < to_device(chance, self.device))


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with numbers whose density is lambd · e^(−lambd · x).

    Raises:
        ValueError: lambd is not positive.
    """
    if not lambd > 0:
        raise ValueError(f"exponential_: lambd must be positive, not {lambd}")
    stream = backend.stream_of(generator)
    uniform = stream.uniform(self.shape, np.float64, self.device)
    return copy_(self, np.log1p(-uniform) / -lambd)
