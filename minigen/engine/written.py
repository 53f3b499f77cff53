"""Operations written out: what `Operation.__call__` decides anew with every call was known when the
operation was defined. Which inputs have pullbacks, what these keep, whether inputs broadcast: here
that is decided once, and what remains is written down as a function of its own, as dataclasses are.
Calls take half the time. Where anything is out of the ordinary (somebody looks on, a GPU is in use,
dtypes differ) the function calls the operation itself.

`print(source(minigen.mul))` shows one.
"""

from __future__ import annotations

import keyword
import linecache
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.backend import BOOL, FLOAT16, FLOAT32, FLOAT64, INT64, cuda_in_use, is_array
from minigen.engine.calls import onlookers, told
from minigen.engine.versions import share_count, version_of
from minigen.kernels import limits
from minigen.kernels.pieces import spread
from minigen.operands import explained
from minigen.operation import Operation, callable_of, save
from minigen.tape import Node, mode
from minigen.tensor import Tensor, as_result

# What every function that is written out may name. Names of inputs do not begin with `_`.
SHARED = {
    "_Tensor": Tensor, "_Node": Node, "_mode": mode.get, "_new": Tensor.__new__,
    "_ndarray": np.ndarray, "_generic": np.generic, "_is_array": is_array,
    "_as_result": as_result, "_version_of": version_of,
    "_INDICES": {INT64, BOOL}, "_FLOAT16": FLOAT16, "_FLOAT32": FLOAT32, "_FLOAT64": FLOAT64,
    "_share_count": share_count, "_save": save, "_explained": explained, "_told": told,
    "_onlookers": onlookers, "_cuda_in_use": cuda_in_use, "_limits": limits,
}  # fmt: skip


@callable_of.fill
def written_out(op: Operation) -> Callable[..., Tensor]:
    """The operation as a function that does the same."""
    if op.variadic or any(name.startswith("_") for name in op.inputs):
        return _of_many(op)
    text, file = _text(op), f"{__file__}:{op.name}"
    linecache.cache[file] = len(text), None, text.splitlines(True), file  # for tracebacks
    names = {**SHARED, "_op": op, "_value": op.value, "_spread": spread(op.value)}
    names["_defaults"] = [p.default for p in op.signature.parameters.values()]
    exec(compile(text, file, "exec"), names)
    return names[_name(op)]


def source(f: Callable[..., Tensor]) -> str:
    """What was written for an operation, such as `minigen.mul`.

    Raises:
        TypeError: `f` is no operation.
    """
    if not isinstance(getattr(f, "operation", None), Operation):
        raise TypeError(f"source: expected an operation such as minigen.mul, not {f!r}")
    return _text(f.operation)


def _name(op: Operation) -> str:
    usable = op.name.isidentifier() and not keyword.iskeyword(op.name)
    return op.name if usable else "operation"


def _of_many(op: Operation) -> Callable[..., Tensor]:
    """Of any number of inputs, whose pullbacks are joint."""
    value, new, enabled, exact, ndarray = op.value, Tensor.__new__, mode.get, op.exact, np.ndarray
    usual = op.variadic and op.joint is not None and "y" not in op.joint[1] and not op.view
    keeps_inputs = usual and op.inputs[0] in op.joint[1]

    def apply(*inputs: Any, **options: Any) -> Tensor:
        if onlookers or cuda_in_use:
            return told(op, inputs, options)
        if not usual:
            return op(*inputs, **options)
        arrays, nodes = [], []
        try:
            for x in inputs:  # of few, a loop takes half the time of two comprehensions
                arrays.append(x._array)
                nodes.append(x._node)
        except AttributeError:  # not all are tensors
            return op(*inputs, **options)
        if not exact and FLOAT16 in [a.dtype for a in arrays]:
            return op(*inputs, **options)
        try:
            result = value(*arrays, **options)
        except Exception as error:
            raise explained(op, error, arrays, options) from error
        y = new(Tensor)
        y._array = result = result if type(result) is ndarray else as_result(result)
        y._node = y._version = y._grad = None
        if enabled()[0]:
            for node in nodes:
                if node is not None:
                    kept = {i: save(x) for i, x in enumerate(inputs)} if keeps_inputs else {}
                    y._node = Node(op, nodes, kept, options, result)
                    break
        return y

    return apply


def _tuple(names: Sequence[str]) -> str:
    return f"({', '.join(names)}{',' if len(names) == 1 else ''})"


def _text(op: Operation) -> str:
    """The function's source. Of input number 2, `_a2` is the array, `_n2` the node, `_d2` the
    dtype; `_result` is the value, `_y` its tensor."""
    parameters = [
        name if p.default is p.empty else f"{name}=_defaults[{i}]"
        for i, (name, p) in enumerate(op.signature.parameters.items())
    ]
    arrays = _tuple([f"_a{i}" for i in range(len(op.inputs))])
    lines = [
        f"def {_name(op)}({', '.join(parameters)}, **_options):",
        "    if _onlookers or _cuda_in_use:",
        f"        return _told(_op, {_tuple(op.inputs)}, _options)",
        *[line for place in range(len(op.inputs)) for line in _taking(op, place)],
        *(_agreeing(op) if op.elementwise else []),
        "    try:",
        f"        _result = {_how(op)}({arrays[1:-1].rstrip(',')}, **_options)",
        "    except Exception as error:",
        f"        raise _explained(_op, error, {arrays}, _options) from error",
        "    _y = _new(_Tensor)",
        "    _y._array = _result = _result if type(_result) is _ndarray else _as_result(_result)",
        "    _y._node = _y._version = _y._grad = None",
        *(_viewing(op.inputs[0]) if op.view else []),
        *_recording(op),
        "    return _y",
    ]
    return "\n".join([*lines, ""])


def _how(op: Operation) -> str:
    """The value; shared out, if it is one of each element, and an array is large."""
    if not op.each:
        return "_value"
    number = [f"_d{i} is not None and _a{i}.size" for i in range(len(op.inputs))]
    if not op.elementwise:
        number = [f"getattr(_a{i}, 'size', 0)" for i in range(len(op.inputs))]
    large = " or ".join(f"{n} > _limits.now.piece" for n in number)
    return f"(_spread if {large} else _value)"


def _otherwise(op: Operation) -> str:
    return f"return _op({', '.join(op.inputs)}, **_options)"


def _recorded(op: Operation) -> list[int]:
    return [i for i in range(len(op.inputs)) if op.differentiable(i)]


def _taking(op: Operation, i: int) -> list[str]:
    """The lines that take the array and the node of an input."""
    name = op.inputs[i]
    lines = [f"if isinstance({name}, _Tensor):", f"    _a{i}, _n{i} = {name}._array, {name}._node"]
    if op.elementwise:
        lines += [
            f"    _d{i} = _a{i}.dtype",
            f"elif type({name}) is float or type({name}) is int:",
            f"    _a{i}, _n{i}, _d{i} = {name}, None, None",
            "else:",
            f"    {_otherwise(op)}",
        ]
    else:
        if not op.exact:
            lines += [f"    if _a{i}.dtype is _FLOAT16:", f"        {_otherwise(op)}"]
        usual = f"type({name}) is _ndarray and {name}.dtype in _INDICES and {name}.flags.aligned"
        lines += [
            f"elif {name} is None or ({usual}):",
            f"    _a{i}, _n{i} = {name}, None",
            f"elif isinstance({name}, _generic) or _is_array({name}):",
            f"    {_otherwise(op)}",
            "else:",
            f"    _a{i}, _n{i} = {name}, None",
        ]
    if not op.differentiable(i):
        lines += [f"_n{i} = None"]
    return [f"    {line}" for line in lines]


def _agreeing(op: Operation) -> list[str]:
    """The lines that make sure that inputs are of one dtype, float32 or float64."""
    *others, last = _recorded(op)
    lines = [
        "    _d = " + "".join(f"_d{i} if _d{i} is not None else " for i in others) + f"_d{last}"
    ]
    unusual = ["_d is not _FLOAT32 and _d is not _FLOAT64"]
    if others:
        unusual += [f"_d{i} is not _d and _d{i} is not None" for i in (*others, last)]
    for condition in unusual:
        lines += [f"    if {condition}:", f"        {_otherwise(op)}"]
    return lines


def _viewing(name: str) -> list[str]:
    """The lines that let a view share the count of changes of the first input."""
    return [
        "    _base = _result.base",
        "    if _result is _a0 or (_base is not None and (_base is _a0 or _base is _a0.base)):",
        f"        _y._version = {name}._version or _version_of({name})",
        "    else:",
        f"        _share_count(_y, {name})",
    ]


def _recording(op: Operation) -> list[str]:
    """The lines that make the node, if an input has one."""
    recorded = _recorded(op)
    if not recorded:
        return []
    some = " or ".join(f"_n{i} is not None" for i in recorded)
    lines = [f"    if ({some}) and _mode()[0]:", "        _kept = {}"]
    for i, name in enumerate(op.inputs):
        lines += _keeping(op, name, name, f"_a{i}", recorded)
    lines += _keeping(op, "y", "_y", "_result", recorded)
    nodes = _tuple([f"_n{i}" for i in range(len(op.inputs))])
    return [*lines, f"        _y._node = _Node(_op, {nodes}, _kept, _options, _result)"]


def _keeping(op: Operation, name: str, x: str, array: str, recorded: list[int]) -> list[str]:
    """The lines that keep an input, or the output, if a pullback that will run names it."""
    users = [i for i in recorded if name in op.needed([op.inputs[i]])]
    if not users:
        return []
    lines = [
        f"_c = ({x}._version or _version_of({x}))[0]",
        f"_kept[{name!r}] = {array}, True, _c, _c[0]",
    ]
    if x == "_y" and not op.view:  # nobody has asked for its count
        lines[0] = "_y._version = [_c := [0]]"
    tensor_for_sure = x == "_y" or (len(recorded) == 1 and op.inputs[recorded[0]] == name)
    if not tensor_for_sure:
        lines = [
            f"if isinstance({x}, _Tensor):",
            *[f"    {line}" for line in lines],
            "else:",
            f"    _kept[{name!r}] = _save({x})",
        ]
    if users != recorded and not op.joint:
        some = " or ".join(f"_n{i} is not None" for i in users)
        lines = [f"if {some}:", *[f"    {line}" for line in lines]]
    return [f"        {line}" for line in lines]
