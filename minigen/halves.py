"""float16: computed in float32, and rounded once. Its own sums and products of several steps lose
what matters: a mean of 65,520 numbers overflows."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.backend import FLOAT16, FLOAT32
from minigen.tensor import Tensor


def is_half(x: Any) -> bool:
    """Whether x is an array or a tensor of float16."""
    return getattr(x, "dtype", None) == FLOAT16


@functools.lru_cache(256)
def of_halves(op: Any) -> Any:
    """The same operation, whose value and pullbacks compute in float32 what comes and goes as
    float16."""
    wide = copy.copy(op)
    if op.joint:
        wide.joint = (in_float32(op.joint[0]), op.joint[1])
    wide.pullbacks = {name: (in_float32(f), names) for name, (f, names) in op.pullbacks.items()}

    @functools.wraps(op.value)
    def value(*arrays: Any, **options: Any) -> Any:
        y = op.value(*[x.astype(FLOAT32) if is_half(x) else x for x in arrays], **options)
        return y.astype(FLOAT16) if y.dtype == FLOAT32 else y

    wide.value = value
    return wide


def in_float32(f: Callable) -> Callable:
    """`f`, computed in float32 where tensors among its arguments are float16; its results are
    rounded to that once. It is for formulas of several operations, each of which would round."""

    @functools.wraps(f)
    def apply(*args: Any, **options: Any) -> Any:
        if args and isinstance(args[0], Tensor) and args[0]._array.dtype is FLOAT32:
            return f(*args, **options)
        if not any(isinstance(x, Tensor) and is_half(x) for x in (*args, *options.values())):
            return f(*args, **options)
        y = f(*map(_widened, args), **{name: _widened(x) for name, x in options.items()})
        return _changed(y, FLOAT32, FLOAT16)

    return apply


def _widened(x: Any) -> Any:
    return FLOAT32 if isinstance(x, np.dtype) and x == FLOAT16 else _changed(x, FLOAT16, FLOAT32)


def _changed(x: Any, source: np.dtype, target: np.dtype) -> Any:
    """x, a tensor, a list or a tuple of tensors, with those of one dtype converted to the other."""
    if isinstance(x, Tensor):
        return x.to(target) if x.dtype == source else x
    if type(x) is tuple or type(x) is list:
        return type(x)([_changed(one, source, target) for one in x])
    return x
