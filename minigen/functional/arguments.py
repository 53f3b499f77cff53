"""Arguments: axes, pairs, and what PyTorch has and this engine has not."""

from __future__ import annotations

import functools
import inspect
import math
import operator
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral
from typing import Any

from minigen.backend import Array, class_name, is_array, on_host
from minigen.operands import a_tensor_not
from minigen.tensor import Tensor

Dims = int | Sequence[int] | None
Pair = int | tuple[int, int]
LEAST = 512  # numbers that a tensor counts as, for `at_most`
_left: ContextVar[list[int] | None] = ContextVar("_left", default=None)
TENSORS = ("Tensor", "Tensor | None", "Sequence[Tensor]")  # annotations, for `asking_for_tensors`
SEQUENCES = (tuple, list)  # to make `tuple | list` anew takes as long as the rest of `sizes`


def refuse(name: str, **arguments: Any) -> None:
    """Refuse what is there in PyTorch and not here. What costs a microsecond itself looks first
    whether anything came, and calls this only then.

    Raises:
        NotImplementedError: an argument is neither None nor False.
    """
    for argument, value in arguments.items():
        if value is not None and value is not False:
            shown = argument if hasattr(value, "shape") else f"{argument}={value!r}"
            raise NotImplementedError(f"{name}: {shown} is not supported")


def require_state(who: str, state: Any) -> None:
    """Refuse what is no state, such as the name of its file.

    Raises:
        TypeError: it is no dict.
    """
    if not isinstance(state, Mapping):
        raise TypeError(
            f"{who}.load_state_dict: expected a dict, as state_dict() and load(file) give it, got "
            f"a {type(state).__name__}"
        )


def warn(message: str) -> None:
    """A warning that shows the line outside minigen which called."""
    level, frame = 1, sys._getframe()
    # What `exec` was given as its names may lack the one of a module.
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith("minigen."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def _whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def under_all_names(f: Callable) -> Callable:
    """The function, which may be told NumPy's `axis` and `keepdims` for `dim` and `keepdim`, and
    by name what it takes as several arguments, as in `zeros(size=(2, 3))`. A number in the place of
    `keepdim` or `unbiased` is refused: it was meant as another axis.

    Raises:
        TypeError: says how several axes are given.
    """
    parameters = inspect.signature(f).parameters
    flag = next((i for i, p in enumerate(parameters) if p in ("keepdim", "unbiased")), math.inf)
    others = [(n, p) for n, p in (("axis", "dim"), ("keepdims", "keepdim")) if p in parameters]
    several = [p.name for p in parameters.values() if p.kind is p.VAR_POSITIONAL]
    if not (others or several):
        return f

    @functools.wraps(f)
    def named(*args: Any, **options: Any) -> Any:
        if len(args) > flag and _whole(args[flag]):
            raise TypeError(
                f"{f.__name__}: {[*parameters][flag]} must be True or False, not {args[flag]}; "
                "several axes are one argument, as in dim=(0, 1)"
            )
        if not options:
            return f(*args)
        for other, name in others:
            if other in options and name not in options:
                options[name] = options.pop(other)
        for name in several:
            if name in options:
                args = (*args, options.pop(name))
        return f(*args, **options)

    return named


def asking_for_tensors(f: Callable, first: int = 0) -> Callable:
    """The function, which says so where it failed because something else than a tensor was given
    for one, from the parameter `first` on. Nobody looks before it fails, so that a call costs no
    more for it.

    Raises:
        TypeError: names the argument, and what came.
    """
    signature = inspect.signature(f)
    tensors = [p for p in [*signature.parameters.values()][first:] if p.annotation in TENSORS]
    if not tensors:
        return f

    @functools.wraps(f)
    def asking(*args: Any, **options: Any) -> Any:
        try:
            return f(*args, **options)
        except (AttributeError, TypeError) as error:
            name, value, what = _no_tensor(signature, tensors, args, options)
            foreign = hasattr(value, "dtype") and not is_array(value)
            # The function's own error says more, but of what is foreign.
            if not what or str(error).startswith(f"{f.__name__}: ") and not foreign:
                raise
            raise TypeError(f"{f.__name__}: {name} must be {what}") from None

    return asking


def _no_tensor(
    signature: inspect.Signature, tensors: list[inspect.Parameter], args: tuple, options: dict
) -> tuple[str, Any, str]:
    """The first of those arguments that should be a tensor and is none: its name, what it is, and
    what it should be. Nothing, if there is none, or an argument too many or too few."""
    try:
        given = signature.bind(*args, **options).arguments
    except TypeError:
        given = {}
    for p in tensors:
        value = given.get(p.name)
        left_out = p.name not in given or value is None and p.annotation.endswith("None")
        several = p.kind is p.VAR_POSITIONAL or p.annotation == "Sequence[Tensor]"
        if not left_out and (what := lacking(value, several)):
            return p.name, value, what
    return "", None, ""


def lacking(value: Any, several: bool) -> str:
    """What a value should be that is no tensor, or are no tensors; nothing if it is."""
    if not several:
        return "" if isinstance(value, Tensor) else a_tensor_not(value)
    if not isinstance(value, SEQUENCES):
        return f"a list or tuple of tensors, not {class_name(value)}"
    others = [class_name(x) for x in value if not isinstance(x, Tensor)]
    return f"tensors, not {others[0]}" if others else ""


def require_floating(name: str, input: Any) -> None:
    """Refuse a tensor of integers or truth values.

    Raises:
        TypeError: says how to convert it.
    """
    if input.dtype.kind != "f":
        raise TypeError(
            f"{name}: needs floating-point numbers, not {input.dtype}; convert with to()"
        )


def require_integers(name: str, **tensors: Any) -> None:
    """Refuse tensors of other numbers, given by what they are called.

    Raises:
        TypeError: names the first.
    """
    for what, x in tensors.items():
        if x.dtype.kind not in "iu":
            raise TypeError(f"{name}: {what} must hold integers, not {x.dtype}")


def require_axes(name: str, *tensors: Tensor) -> None:
    """Refuse tensors of which one has more axes: (N, 1) and (N,) would broadcast to (N, N).

    Raises:
        ValueError: names the shapes.
    """
    if len({x.ndim for x in tensors}) > 1:
        shapes = ", ".join(str(x.shape) for x in tensors)
        raise ValueError(f"{name}: expected as many axes of each, got {shapes}; reshape() them")


def out_of_range(places: Array, length: int) -> bool:
    """Whether one is no place on an axis of that length, counted from 0. On a GPU, where looking
    would mean waiting, nobody looks."""
    some = on_host(places) and places.size
    return bool(some and not 0 <= places.min() <= places.max() < length)


def axis(name: str, dim: int, ndim: int) -> int:
    """A non-negative axis; a 0-d tensor has the axes 0 and −1, as in PyTorch.

    Raises:
        IndexError: there is no such axis.
        TypeError: `dim` is no whole number.
    """
    if type(dim) is int and -ndim <= dim < ndim:  # as nearly always: every operation pays for this
        return dim % ndim
    try:
        dim = operator.index(dim)
    except TypeError:
        raise TypeError(f"{name}: dim must be an integer, not {type(dim).__name__}") from None
    count = max(ndim, 1)
    if not -count <= dim < count:
        raise IndexError(f"{name}: dim {dim} is out of range for a tensor of {ndim} axes")
    return dim % count


def axes(name: str, dim: Dims, ndim: int) -> tuple[int, ...]:
    """The axes to reduce, ascending; None, () and [] mean all of them.

    Raises:
        IndexError: there is no such axis.
        ValueError: an axis is named twice.
    """
    if dim is None:
        return tuple(range(ndim))
    if type(dim) is int and -ndim <= dim < ndim:
        return (dim % ndim,)
    if isinstance(dim, Sequence) and not dim:
        return tuple(range(ndim))
    dims = [axis(name, d, ndim) for d in (dim if isinstance(dim, Sequence) else [dim])]
    if len(set(dims)) < len(dims):
        raise ValueError(f"{name}: an axis is named twice in dim={dim}")
    return tuple(sorted(dims)) if ndim else ()


def sizes(name: str, arguments: Sequence[Any]) -> tuple[int, ...]:
    """Sizes given as `f(2, 3)` or `f((2, 3))`.

    Raises:
        TypeError: a size is no whole number.
    """
    if len(arguments) == 1 and isinstance(arguments[0], SEQUENCES):
        arguments = arguments[0]
    try:
        return tuple(map(operator.index, arguments))
    except TypeError:
        raise TypeError(f"{name}: sizes must be integers, not {tuple(arguments)!r}") from None


def lengths(name: str, arguments: Sequence[Any]) -> tuple[int, ...]:
    """The lengths of a new tensor's axes, given as `f(2, 3)` or `f((2, 3))`.

    Raises:
        TypeError, ValueError: one is no whole number, or negative.
        MemoryError: see `at_most`.
    """
    shape = sizes(name, arguments)
    if min(shape, default=0) < 0:
        raise ValueError(f"{name}: an axis cannot have a negative length: {shape}")
    if (left := _left.get()) is not None:
        left[0] -= max(math.prod(shape), LEAST)
        if left[0] < 0:
            raise MemoryError(f"{name}: {shape} is more than there should be")
    return shape


@contextmanager
def at_most(numbers: int) -> Iterator[None]:
    """Let tensors that are made in this context, and in this thread, have so many numbers together,
    for networks whose sizes come from a file that nobody vouches for; small tensors count as LEAST.
    What is computed from tensors does not count."""
    token = _left.set([numbers])
    try:
        yield
    finally:
        _left.reset(token)


def windows_along(n: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """At how many places a window fits on an axis of length n:
    ⌊(n + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1."""
    return (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def pair(name: str, argument: str, value: Any, least: int) -> tuple[int, int]:
    """An integer for both axes, or a pair of integers.

    Raises:
        TypeError, ValueError: neither, or less than `least`.
    """
    usual = (value, value) if type(value) is int else value
    if type(usual) is tuple and [*map(type, usual)] == [int, int] and min(usual) >= least:
        return usual
    if isinstance(value, str):
        raise NotImplementedError(f"{name}: {argument}={value!r} is not supported")
    values = tuple(value) if isinstance(value, Sequence) else (value,)
    try:
        values = tuple(operator.index(v) for v in values)
    except TypeError:
        raise TypeError(f"{name}: {argument} must be an integer or a pair, not {value!r}") from None
    if len(values) not in (1, 2) or min(values) < least:
        raise ValueError(
            f"{name}: {argument} must be an integer ≥ {least} or a pair of them, not {value!r}"
        )
    return values if len(values) == 2 else values * 2
