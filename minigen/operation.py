"""Operations: a named value, what its derivative keeps, and its pullbacks.

A pullback turns the gradient of a loss with respect to the output into the gradient with respect to
one input. Value and pullback stand side by side:

    @operation(input=lambda g, y: g * y)
    def exp(input):
        return np.exp(input)

The value is computed on raw arrays. A pullback is written with operations on tensors, so a
gradient can be differentiated again. What a pullback names is what the tape keeps for it: here
the output `y` and not the input.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.backend import (
    BOOL,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    INT64,
    Array,
    DeviceError,
    as_array,
    class_name,
    cuda_in_use,
    device_of,
    in_memory_order,
    is_array,
    on_host,
    out_of_memory,
    require_fit,
)
from minigen.tensor import (
    OUTPUT,
    Node,
    Tensor,
    _array,
    _cell,
    _mode,
    _new_tensor,
    _observed,
    _onlookers,
)
from minigen.versions import owner_of, shared_cell


class Operation:
    """A named value and its pullbacks; made by the decorator `operation`.

    Attributes:
        name: for errors, profiles and drawings.
        value: the function on arrays.
        inputs: the names of its inputs.
        pullbacks: for each input the pullback and the names it takes after g, or None.
        joint: instead of `pullbacks`, one for all inputs.
        elementwise: whether inputs broadcast, so that the tape sums their gradients.
        each: whether the value works on each element by itself.
        exact: whether the value only moves or chooses elements.
        blind: the places of inputs without a pullback.
        places: of all that any pullback keeps: places of inputs, or OUTPUT.
    """

    def __init__(
        self,
        value: Callable,
        pullbacks: dict[str, Callable],
        joint: Callable | None,
        elementwise: bool,
        each: bool = False,
        exact: bool = False,
    ):
        self.name, self.value = value.__name__.strip("_"), value
        self.elementwise, self.each, self.exact = elementwise, each or elementwise, exact
        signature = inspect.signature(value).parameters.values()
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        self.inputs = [p.name for p in signature if p.kind in kinds]
        self.options = [p.name for p in signature if p.kind is inspect.Parameter.KEYWORD_ONLY]
        # `*tensors` is one name for all inputs; a joint pullback that takes it gets a tuple.
        self.variadic = any(p.kind is kinds[1] for p in signature)
        for name in pullbacks.keys() - set(self.inputs):
            raise TypeError(f"{self.name}: a pullback for {name!r}, which is no input of the value")
        self.joint = None if joint is None else (joint, self._parameters(joint))
        self.pullbacks = [
            (pullbacks[n], self._parameters(pullbacks[n])) if n in pullbacks else None
            for n in self.inputs
        ]
        self.blind = [] if joint else [i for i, p in enumerate(self.pullbacks) if p is None]
        self.place_names = [self.inputs[0]] if self.variadic else [*self.inputs, "y"]
        self.places = self._union(self.used([p is not None for p in self.pullbacks]))
        self._plans: dict[tuple[bool, ...], list[int]] = {}

    def _parameters(self, pullback: Callable) -> list[str]:
        """The names that a pullback takes after g."""
        parameters = list(inspect.signature(pullback).parameters)[1:]
        known = {*self.inputs, *self.options, "y", "shape", "dtype", "needs"}
        for name in set(parameters) - known:
            raise TypeError(
                f"{self.name}: a pullback takes {name!r}; it can take the inputs "
                f"{self.inputs}, the options {self.options}, y, shape and dtype (needs, if joint)"
            )
        return parameters

    def _places(self, entry: tuple[Callable, list[str]]) -> set[int]:
        """What this pullback keeps: places among the inputs, or OUTPUT."""
        places = {i for i, name in enumerate(self.inputs) if name in entry[1]}
        return places | ({OUTPUT} if "y" in entry[1] else set())

    def place_name(self, place: int) -> str:
        """The name of an input, or `y`."""
        return "y" if place == OUTPUT else self.inputs[0 if self.variadic else place]

    def keep(self, inputs: Sequence[Any], nodes: Sequence[Node | None], output: Tensor) -> dict:
        """What the pullbacks of those inputs that have nodes need."""
        kept = {}
        if self.variadic:
            places = range(len(inputs))
        else:
            places = self.places if None not in nodes else self._places_for(nodes)
        for place in places:
            x = output if place == OUTPUT else inputs[place]
            if isinstance(x, Tensor):
                cell = x._version
                if cell is None:  # `_cell`, without the call
                    cell = x._version = [0]
                kept[place] = (x._data, cell, cell[0], False)
            else:  # a number, an array or None
                cell = shared_cell(x) if is_array(x) else None
                kept[place] = (x, cell, cell and cell[0], True)
        return kept

    def _places_for(self, nodes: Sequence[Node | None]) -> list[int]:
        needed = tuple([n is not None for n in nodes])
        if needed not in self._plans:
            self._plans[needed] = self._union(self.used(needed))
        return self._plans[needed]

    def used(self, needed: Sequence[bool]) -> list[tuple]:
        """The pullbacks that run if gradients for these inputs are needed."""
        if self.joint:
            return [self.joint]
        return [p for p, need in zip(self.pullbacks, needed, strict=True) if need]

    def _union(self, entries: Sequence[tuple]) -> list[int]:
        return sorted(set().union(*[self._places(entry) for entry in entries]))

    def compute(self, arrays: Sequence[Any], options: dict[str, Any]) -> Any:
        """The value, where somebody looks on, a GPU is in use or numbers are not float32 or
        float64: of float16 it is computed in float32, and rounded once."""
        value = self.value
        halves = not self.exact and any(_is_half(x) for x in arrays)
        if halves:
            arrays = [x.astype(FLOAT32) if _is_half(x) else x for x in arrays]
        if cuda_in_use:
            # Not left to CuPy: it would copy an index to the GPU without a word.
            kinds = set(map(type, arrays))
            for x in options.values():
                kinds.update(map(type, x if type(x) is tuple else (x,)))
            if {np.ndarray, cuda_in_use[0].ndarray} <= kinds:
                raise self._mixture(self._named_arrays(arrays, options))
            if self.each:
                value = functools.partial(in_memory_order, value)
        call = functools.partial(_observed, self, value) if _onlookers else value
        y = call(*arrays, **options)
        return y.astype(FLOAT16) if halves and y.dtype == FLOAT32 else y

    @functools.cached_property
    def of_halves(self) -> Operation:
        """The same with pullbacks that compute in float32 what comes and goes as float16."""
        wide = copy.copy(self)
        if self.joint:
            wide.joint = (in_float32(self.joint[0]), self.joint[1])
        wide.pullbacks = [p and (in_float32(p[0]), p[1]) for p in self.pullbacks]
        return wide

    def _named_arrays(self, inputs: Sequence[Any], options: dict) -> list[tuple[str, Any]]:
        """The arrays among the arguments, with their parameters' names."""
        found = [(self.inputs[min(i, len(self.inputs) - 1)], x) for i, x in enumerate(inputs)]
        for name, x in options.items():
            found += [(name, part) for part in (x if isinstance(x, tuple) else (x,))]
        found = [(n, x._data if isinstance(x, Tensor) else x) for n, x in found]
        return [(n, x) for n, x in found if is_array(x)]

    def _mixture(self, arrays: list[tuple[str, Any]]) -> DeviceError | None:
        """The error if these arrays are not all on one device."""
        devices: dict[str, str] = {}
        for name, x in arrays:
            devices.setdefault(device_of(x), name)
        if len(devices) < 2:
            return None
        (a, first), (b, second) = list(devices.items())[:2]
        return DeviceError(
            f"{self.name}: {first} is on {a} and {second} on {b}; move one, for example "
            f"{first}.to({b!r})"
        )

    def explain(self, error: Exception, inputs: Sequence[Any], options: dict) -> Exception:
        """The error of a value function, in terms of the operation and its operands."""
        for key in options.keys() - set(self.options):
            return NotImplementedError(f"{self.name}: argument {key!r} is not supported")
        arrays = self._named_arrays(inputs, options)
        if mixture := self._mixture(arrays):
            return mixture
        if isinstance(error, DeviceError) or not isinstance(
            error, ValueError | TypeError | IndexError | MemoryError | OverflowError
        ):
            return error
        if str(error).startswith(f"{self.name}:"):
            return error
        operands = ", ".join(f"{n} {x.dtype} {tuple(x.shape)}" for n, x in arrays)
        if isinstance(error, MemoryError):
            return out_of_memory(f"{self.name}({operands})", error)
        known = (k for k in (IndexError, ValueError, TypeError) if isinstance(error, k))
        return next(known, ValueError)(f"{self.name}({operands}): {error}")


def operation(
    *,
    elementwise: bool = False,
    each: bool = False,
    floating: bool = False,
    view: bool = False,
    exact: bool = False,
    joint: Callable | None = None,
    **pullbacks: Callable,
) -> Callable[[Callable], Callable[..., Tensor]]:
    """Make an operation on tensors of a function on arrays.

    The decorated function takes arrays, its inputs, as positional parameters and whatever else it
    needs, its options, as keyword-only ones. It must not change its inputs.

    Args:
        pullbacks: for each differentiable input, by its name, a function `(g, …) -> Tensor` from
            the gradient with respect to the output to that with respect to the input, written
            with operations on tensors. After `g` it names what it needs: inputs, options, the
            output `y`, or the `shape` and `dtype` that its result must have. The gradient of a leaf
            may be computed in another thread.
        joint: instead, one function that returns a gradient (or None) for every input, where they
            share work; `needs` tells it which are wanted.
        elementwise: inputs broadcast and promote as in PyTorch; the tape sums gradients over the
            axes along which an input was broadcast.
        each: the value works on each element by itself, as it does if `elementwise`.
        floating: integers become float32 first.
        view: the output may share memory with the first input.
        exact: the value only moves or chooses elements, as a view does. Any other operation on
            float16 computes in float32, value and pullbacks.

    Raises:
        TypeError: a pullback for no input, or one that takes a name which is not there.
    """

    def define(value: Callable) -> Callable[..., Tensor]:
        op = Operation(value, pullbacks, joint, elementwise, each, exact or view)
        blind, places, plain = op.blind, op.places, op.exact and not elementwise

        @functools.wraps(value)
        def apply(*inputs: Any, **options: Any) -> Tensor:
            # Written for speed: this is what every operation costs.
            arrays, nodes, same = [], [], elementwise
            dtype, recorded, used = None, False, op
            for x in inputs:
                if isinstance(x, Tensor):
                    data, node = x._data, x._node
                    arrays.append(data)
                    nodes.append(node)
                    if node is not None:
                        recorded = True
                    if dtype is None:
                        dtype = data.dtype
                    elif data.dtype is not dtype:
                        same = False
                else:
                    if type(x) is not float and type(x) is not int:
                        same = False
                        if isinstance(x, np.generic):
                            x = x.item()
                        elif is_array(x) and (plain := as_array(x)) is not x:
                            return apply(*[plain if i is x else i for i in inputs], **options)
                    arrays.append(x)
                    nodes.append(None)
            if elementwise and not (same and (dtype is FLOAT32 or dtype is FLOAT64)):
                inputs = _promote(op, inputs, floating)
                arrays = [x._data if isinstance(x, Tensor) else x for x in inputs]
                nodes = [x._node if isinstance(x, Tensor) else None for x in inputs]
            try:
                if (dtype is FLOAT32 or dtype is FLOAT64) and not (_onlookers or cuda_in_use):
                    data = value(*arrays, **options)
                else:
                    data = op.compute(arrays, options)
                    if not op.exact and _is_half(data):
                        used = op.of_halves
            except Exception as error:
                raise op.explain(error, inputs, options) from error
            y = _new_tensor(Tensor)  # `_wrap`, without the call
            y._data = data if type(data) is np.ndarray else _array(data)
            y._node = y._version = y._grad = None
            if view and isinstance(inputs[0], Tensor) and _views(data, arrays[0]):
                y._version = _cell(inputs[0])
            if recorded and _mode.enabled:
                for i in blind:
                    nodes[i] = None
                if not blind or any(node is not None for node in nodes):
                    kept = op.keep(inputs, nodes, y) if places else {}
                    y._node = Node(used, nodes, kept, options, y._data)
            if _onlookers:
                for onlooker in tuple(_onlookers):
                    onlooker.computed(op, inputs, options, y)
            return y

        @functools.wraps(value)
        def apply_to_one(x: Any, **options: Any) -> Tensor:
            # `apply` for one input, when all is as usual: without lists an operation on a few
            # numbers takes three quarters of the time.
            if not isinstance(x, Tensor) or _onlookers or cuda_in_use:
                return apply(x, **options)
            source = x._data
            if not (plain or source.dtype is FLOAT32 or source.dtype is FLOAT64):
                return apply(x, **options)
            try:
                data = value(source, **options)
            except Exception as error:
                raise op.explain(error, (x,), options) from error
            y = _new_tensor(Tensor)
            y._data = data = data if type(data) is np.ndarray else _array(data)
            y._node = y._version = y._grad = None
            if view and _views(data, source):
                y._version = _cell(x)
            node = x._node
            if node is not None and _mode.enabled and not blind:
                kept = {}
                for place in places:  # `op.keep`, without the call
                    tensor = y if place == OUTPUT else x
                    cell = tensor._version
                    if cell is None:
                        cell = tensor._version = [0]
                    kept[place] = (tensor._data, cell, cell[0], False)
                y._node = Node(op, (node,), kept, options, data)
            return y

        one = len(op.inputs) == 1 and not op.variadic
        chosen = apply_to_one if one else apply
        chosen.operation = op
        return chosen

    return define


def in_float32(f: Callable) -> Callable:
    """`f`, computed in float32 where tensors among its arguments are float16; its results are
    rounded to that once. It is for formulas of several operations, each of which would round."""

    @functools.wraps(f)
    def apply(*args: Any, **options: Any) -> Any:
        if args and isinstance(args[0], Tensor) and args[0]._data.dtype is FLOAT32:
            return f(*args, **options)
        if not any(isinstance(x, Tensor) and _is_half(x) for x in (*args, *options.values())):
            return f(*args, **options)
        y = f(*map(_widened, args), **{name: _widened(x) for name, x in options.items()})
        return _changed(y, FLOAT32, FLOAT16)

    return apply


def _is_half(x: Any) -> bool:
    return getattr(x, "dtype", None) == FLOAT16


def _widened(x: Any) -> Any:
    return FLOAT32 if isinstance(x, np.dtype) and x == FLOAT16 else _changed(x, FLOAT16, FLOAT32)


def _changed(x: Any, source: np.dtype, target: np.dtype) -> Any:
    """x, a tensor, a list or a tuple of tensors, with those of one dtype converted to the other."""
    if isinstance(x, Tensor):
        return x.to(target) if x.dtype == source else x
    if type(x) is tuple or type(x) is list:
        return type(x)([_changed(one, source, target) for one in x])
    return x


def _views(data: Array, source: Array) -> bool:
    """Whether a result lies in the memory of what it was made of."""
    base = data.base
    if base is None:
        return data is source
    if base is source or base is source.base:
        return True
    return owner_of(data) is owner_of(source)


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


def _promote(op: Operation, inputs: Sequence[Any], floating: bool) -> list[Any]:
    """Inputs of one dtype; numbers stay numbers, which never promote."""
    if not any(isinstance(x, Tensor) for x in inputs):
        raise TypeError(f"{op.name} needs a Tensor, not {class_name(inputs[0])}")
    numbers = [x.item() if isinstance(x, np.generic) else x for x in inputs]
    for name, x in zip(op.inputs, numbers, strict=False):
        if not (isinstance(x, Tensor | float | int) or is_array(x)):
            raise TypeError(f"{op.name}: {name} is a {class_name(x)}, not a Tensor or a number")
    # A blind input, such as the condition of `where`, has no say in the result's type.
    dtype = result_type(*[x for i, x in enumerate(numbers) if i not in op.blind])
    if floating and dtype.kind != "f":
        dtype = FLOAT32
    same = []
    for i, x in enumerate(numbers):
        if dtype.kind in "iu" and i not in op.blind:
            _require_fit(op.name, x, dtype)
        if i not in op.blind and not isinstance(x, float | int) and x.dtype != dtype:
            x = x.to(dtype) if isinstance(x, Tensor) else x.astype(dtype)
        same.append(x)
    return same


def _require_fit(name: str, x: Any, dtype: np.dtype) -> None:
    """Refuse a number, or an array without axes, that wrapped around would meet other integers."""
    if isinstance(x, float | int):
        require_fit(name, x, dtype)
    elif not x.ndim and x.dtype != dtype:
        data = x._data if isinstance(x, Tensor) else x
        if on_host(data):  # a GPU is not waited for
            require_fit(name, data.item(), dtype)
