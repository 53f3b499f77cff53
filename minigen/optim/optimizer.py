"""What all optimisers share.

A step works in place and allocates nothing. It takes all parameters as one row of numbers, of
which each thread updates a range, piece by piece: NumPy's passes over a piece find it in a cache.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minigen.backend import (
    FLOAT16,
    FLOAT32,
    Array,
    as_array,
    device_of,
    is_array,
    namespace,
    out_of_memory,
    require_writable,
    to_device,
)
from minigen.functional.arguments import refuse, require_state, warn
from minigen.kernels import limits
from minigen.kernels.threads import over_images, ranges
from minigen.modes import enable_grad
from minigen.nn.module import clear_gradients
from minigen.seams import observed
from minigen.sparse import SparseRows
from minigen.tensor import Tensor, increment_version

BUFFER = 1 << 16  # elements that are brought into one order at a time

Params = Iterable[Tensor] | Iterable[dict[str, Any]]


class Optimizer:
    """What all optimisers share: groups of parameters with options, and a state for each.

    A subclass says in `_memory` what it remembers of a parameter, and in `_update` how that and
    the parameter change; or has a `step` of its own, as written for PyTorch, which keeps what it
    likes in `state`.

    Args:
        params: tensors, or dicts, each a group: tensors under `"params"`, and options of its own.
        defaults: the options of groups that do not set them.
        foreach, capturable, fused: PyTorch's, which change nothing; `differentiable` is refused.

    Attributes:
        param_groups: the groups, dicts of options and `"params"`; options may be changed between
            steps (`optimizer.param_groups[0]["lr"] *= 0.5`).
        state: what is remembered of each parameter that has been updated, by name; of others an
            empty dict is made where it is asked for.

    Raises:
        TypeError: `params` is no iterable of tensors or dicts.
        ValueError: there are no parameters, one is in two groups or is no leaf; an option is out
            of range.

    As in PyTorch a parameter that is twice in one group is updated twice with each step, and a
    warning says so.
    """

    def __init__(
        self,
        params: Params,
        defaults: dict[str, Any],
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ):
        refuse(type(self).__name__, differentiable=differentiable)
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        if isinstance(params, Tensor | set | str | Mapping) or not isinstance(params, Iterable):
            raise TypeError(
                f"{type(self).__name__} needs parameters in an order, or a list of groups, not a "
                f"{type(params).__name__}; pass for example module.parameters()"
            )
        params = list(params)
        grouped = bool(params) and isinstance(params[0], dict)
        for group in params if grouped else [{"params": params}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimise more parameters: a dict of `"params"` and options that differ from the
        defaults.

        Raises:
            TypeError, ValueError: as where an optimiser is made.
        """
        name = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(f"{name}: a group must be a dict with 'params', not {param_group!r}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(f"{name}: a set has no order; give the parameters as a list")
        group = {**self.defaults, **param_group}
        group["params"] = [params] if isinstance(params, Tensor) else list(params)
        if not group["params"]:
            raise ValueError(f"{name}: no parameters to optimise; is their iterator used up?")
        known = set(self._parameters())
        for i, p in enumerate(group["params"]):
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}: parameter {i} is a {type(p).__name__}, not a Tensor")
            if not p.is_leaf:
                raise ValueError(
                    f"{name}: parameter {i} {p.shape} is no leaf: {p.grad_fn.name} made it; "
                    "optimise what it was made of, or detach() it"
                )
            if p in known:
                raise ValueError(f"{name}: parameter {i} {p.shape} is given twice, in two groups")
        if len(set(group["params"])) < len(group["params"]):
            warn(f"{name}: a parameter is given twice in one group, and is updated twice each step")
        self._check(group)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set every parameter's gradient to None, or to zeros (a row-sparse one always to None)."""
        clear_gradients(self._parameters(), set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient, in place.

        Args:
            closure: is called first, with operations recorded: it makes new gradients, and returns
                the loss, which `step` returns then.

        Raises:
            ValueError: a gradient has another shape, dtype or device than its parameter.
            TypeError: a gradient is row-sparse (`minigen.sparse.SparseRows`), and this optimiser
                takes only dense ones; or the other way about.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        observed(self, self._step)
        return loss

    def _step(self) -> None:
        given = [(p, g) for g in self.param_groups for p in g["params"] if p._grad is not None]
        for p, _ in given:
            data, grad = p._array, p._grad
            g = grad._array if type(grad) is Tensor else grad
            usual = type(g) is type(data) is np.ndarray and data.flags.writeable
            if not (usual and g.shape == data.shape and g.dtype == data.dtype):
                self._require_fitting(data, grad)
        updates: list[Update] = []
        small: dict[tuple, list[Tensor]] = {}
        waiting: set[Tensor] = set()
        for p, group in given:
            if p in waiting:  # again: what threads would do at once comes one after the other
                self._finish(updates, small)
            waiting.add(p)
            state = self.state[p]
            # Not its `array`: nobody else comes to hold it, and there is none to look for.
            if isinstance(p._grad, SparseRows):
                self._update_rows(p._array, p._grad, group, state)
            elif _is_small(p._array):
                # What a formula does depends on the options, and on how far the state has come.
                alike = id(group), p._array.dtype, state.get("step"), *state
                small.setdefault(alike, []).append(p)
            else:
                updates += self._update(p._array, p._grad._array, group, state)
        self._finish(updates, small)
        for p, _ in given:
            increment_version(p)

    def _require_fitting(self, data: Array, grad: Tensor | SparseRows) -> None:
        device = device_of(grad.values if isinstance(grad, SparseRows) else grad._array)
        if (grad.shape, grad.dtype, device) != (data.shape, data.dtype, device_of(data)):
            raise ValueError(
                f"{type(self).__name__}: the gradient {grad.dtype} {grad.shape} on "
                f"{device} does not fit its parameter {data.dtype} {data.shape} on "
                f"{device_of(data)}; call zero_grad() after converting or moving a parameter"
            )
        require_writable(f"{type(self).__name__}: a parameter", data)

    def _finish(self, updates: list[Update], small: dict[tuple, list[Tensor]]) -> None:
        """Do what was found, which is forgotten then."""
        groups = {id(group): group for group in self.param_groups}
        run(updates)
        for (group, *_), some in small.items():
            self._update_together(some, groups[group])
        updates.clear()
        small.clear()

    def _update_together(self, some: list[Tensor], group: dict[str, Any]) -> None:
        """Update these parameters as one, of which each is a part: for few numbers a call of
        NumPy's takes longer than to copy them there and back."""
        first, *others = (self.state[p] for p in some)
        if not others:
            run(self._update(some[0]._array, some[0]._grad._array, group, first))
            return
        one = lambda arrays: np.concatenate([*arrays], axis=None)
        data, grad = one(p._array for p in some), one(p._grad._array for p in some)
        state = {
            name: value if name == "step" else one(self.state[p][name] for p in some)
            for name, value in first.items()
        }
        run(self._update(data, grad, group, state))
        step = {"step": state.pop("step")} if "step" in state else {}
        end = 0
        for p in some:
            x, own = p._array, self.state[p]
            start, end = end, end + x.size
            x[...] = data[start:end].reshape(x.shape)
            own |= step
            for name, value in state.items():
                kept = own.get(name)
                if type(kept) is not np.ndarray or kept.dtype != value.dtype:
                    kept = own[name] = np.empty_like(x, value.dtype)
                kept[...] = value[start:end].reshape(x.shape)

    def work(self) -> tuple[int, int]:
        """How many numbers a step with the present gradients updates, and how many bytes it reads
        and writes: each parameter and what is remembered of it twice, each gradient once."""
        numbers = traffic = 0
        for p in self._parameters():
            if p.grad is None:
                continue
            g = p.grad.values if isinstance(p.grad, SparseRows) else p.grad.array
            arrays = 1 + sum(isinstance(x, type(g)) for x in self.state.get(p, {}).values())
            numbers += g.size
            traffic += g.nbytes * (1 + 2 * arrays)
        return numbers, traffic

    def state_dict(self) -> dict[str, Any]:
        """The state in PyTorch's form, made of dicts with str keys, lists, numbers and arrays.

        `"param_groups"` lists the groups' options, and under `"params"` numbers; `"state"` has an
        entry for the number of each parameter that has been updated. Arrays on the CPU share the
        optimiser's memory.
        """
        number = {p: i for i, p in enumerate(self._parameters())}
        groups = [
            {
                **{k: list(v) if isinstance(v, tuple) else v for k, v in group.items()},
                "params": [number[p] for p in group["params"]],
            }
            for group in self.param_groups
        ]
        state = {
            str(i): {
                name: to_device(x, "cpu") if is_array(x := _bare(value)) else value
                for name, value in self.state[p].items()
            }
            for p, i in number.items()
            if self.state.get(p)
        }
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict()` was taken: its options replace the present ones, its arrays
        are copied.

        Raises:
            ValueError: the state does not fit; says all that does not, and nothing is loaded.
        """
        require_state(type(self).__name__, state_dict)
        if not {"state", "param_groups"} <= set(state_dict):
            self._misfit([f"it holds {list(state_dict)}, not 'state' and 'param_groups'"])
        groups = state_dict["param_groups"]
        options = self._saved_options(groups)
        owners = {
            str(number): (p, self._memory(option))
            for own, saved, option in zip(self.param_groups, groups, options, strict=True)
            for p, number in zip(own["params"], saved["params"], strict=True)
        }
        problems, state = [], {}
        for number, entry in state_dict["state"].items():
            if str(number) in owners:
                p, memory = owners[str(number)]
                who = f"parameter {number} {p.shape}"
                state[p], found = _saved_entry(who, p, memory, entry)
                problems += found
            else:
                problems.append(f"it has a state for parameter {number}, which is in no group")
        self._misfit(problems)
        self.state = defaultdict(dict, state)
        for group, option in zip(self.param_groups, options, strict=True):
            group.update(option)

    def _saved_options(self, groups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The options of saved groups; refuses any that the present ones cannot take."""
        sizes, own = ([len(g["params"]) for g in of] for of in (groups, self.param_groups))
        if sizes != own:
            self._misfit([f"its groups have {sizes} parameters, those of this one {own}"])
        options = [
            {k: tuple(v) if isinstance(v, list) else v for k, v in group.items() if k != "params"}
            for group in groups
        ]
        self._misfit(
            f"group {i} has no option {name!r}"
            for i, option in enumerate(options)
            for name in self.defaults
            if name not in option
        )
        for group, option in zip(self.param_groups, options, strict=True):
            for name in self.defaults:
                require_alike(f"{type(self).__name__}: {name}", option[name], group[name])
            self._check(option)
        return options

    def _misfit(self, problems: Iterable[str]) -> None:
        if text := "\n  ".join(problems):
            name = type(self).__name__
            raise ValueError(f"this state does not fit {name}, so nothing was loaded:\n  {text}")

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}: {len(group['params'])} tensors")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])

    def _parameters(self) -> Iterator[Tensor]:
        for group in self.param_groups:
            yield from group["params"]

    def _check(self, options: dict[str, Any]) -> None:
        """Refuse options out of range."""
        nonnegative = ("lr", "eps", "weight_decay", "momentum", "alpha", "lr_decay")
        for name in (*nonnegative, "initial_accumulator_value"):
            if name in options and not options[name] >= 0:
                raise ValueError(
                    f"{type(self).__name__}: {name} must not be negative, but is {options[name]}"
                )
        betas = options.get("betas", (0, 0))
        if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(
                f"{type(self).__name__}: betas must be two numbers in [0, 1), not {betas}"
            )

    def _memory(self, options: dict[str, Any]) -> dict[str, bool] | None:
        """What can be remembered of a parameter, and whether these options call for it: arrays of
        its shape by name, and `"step"`, how often it was updated. None for anything."""
        return None

    def _update(
        self, data: Array, grad: Array, group: dict[str, Any], state: dict[str, Any]
    ) -> list[Update]:
        """How the parameter's array `data` and its `state` change in place: what `run` then does,
        for all parameters at once."""
        raise NotImplementedError(f"{type(self).__name__} defines neither step() nor _update()")

    def _update_rows(
        self, data: Array, grad: SparseRows, group: dict[str, Any], state: dict[str, Any]
    ) -> None:
        """Change them at once, for a row-sparse gradient."""
        raise TypeError(
            f"{type(self).__name__}: the gradient of a parameter {data.shape} is row-sparse; use "
            "SparseAdam, or SGD without momentum, or leave sparse=True out of its embedding"
        )

    def _remembered(self, data: Array, group: dict[str, Any], state: dict[str, Any]) -> list[Array]:
        """The arrays that these options call for, made of zeros where new, and brought along
        where the parameter was moved or converted."""
        arrays, dtype, device = [], exact(data.dtype), device_of(data)
        for name, needed in self._memory(group).items():
            if not needed or name == "step":
                continue
            array = state.get(name)
            if array is None:
                try:
                    array = state[name] = np.zeros_like(data, dtype)
                except MemoryError as error:
                    what = f"{type(self).__name__}: {name} of a parameter {data.dtype} {data.shape}"
                    raise out_of_memory(what, error) from error
            elif array.dtype != dtype or device_of(array) != device:
                array = state[name] = like(data, array, dtype)
            arrays.append(array)
        return arrays


def _is_small(data: Array) -> bool:
    """Whether it is few numbers, which share their memory with no other parameter."""
    return type(data) is np.ndarray and data.size <= limits.now.as_one and data.base is None


def _bare(value: Any) -> Any:
    return value.array if isinstance(value, Tensor) else value


def _saved_entry(
    who: str, p: Tensor, memory: dict[str, bool] | None, entry: Mapping[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """What a saved state remembers of the parameter `who`, in its dtype, device and layout (where
    it may be anything, as tensors on its device); and what does not fit."""
    if memory is None:
        arrays = {name: x for name, value in entry.items() if is_array(x := _bare(value))}
        return {**entry, **{n: Tensor(x).clone().to(p.device) for n, x in arrays.items()}}, []
    problems = [f"{who} has no {name!r}" for name in memory if memory[name] and name not in entry]
    remembered = {}
    for name, value in entry.items():
        value = as_array(_bare(value))
        if name not in memory:
            problems.append(f"{who} has {name!r}, which this one does not know")
        elif value.shape != (() if name == "step" else p.shape):
            problems.append(f"{who} has {name!r} of shape {value.shape}")
        elif name != "step":
            remembered[name] = like(p.array, value, exact(p.dtype))
        elif value >= 0 and float(value).is_integer():
            remembered[name] = int(value)
        else:
            problems.append(f"{who} has done {value} steps")
    return remembered, problems


Update = tuple[Callable[..., None], Sequence[Array]]  # a formula, and the arrays that it is for


def run(updates: Iterable[Update]) -> None:
    """Call each formula on matching pieces of its arrays, which it changes but for the last one,
    and on two more of the same size to calculate in; threads share the pieces out.

    The arrays may lie in memory in different orders (a convolution's gradient does, compared
    with its weight). On a GPU there is one piece, of everything.
    """
    row, length = [], 0  # formulas, their arrays, flat, and how many numbers come before
    for formula, arrays in updates:
        first = arrays[0]
        if namespace(first) is not np:
            _apply(formula, arrays)
            continue
        flat = [x.ravel(order="K") for x in arrays]
        # If the first one is a view of its array, so are those with the same strides.
        if len({x.strides for x in arrays}) == 1 and not flat[0].flags.owndata:
            row.append((formula, flat, length))
            length += first.size
            continue
        access = [["readwrite"]] * (len(arrays) - 1) + [["readonly"]]
        flags = ["external_loop", "buffered", "zerosize_ok"]
        with np.nditer(list(arrays), flags, access, buffersize=BUFFER) as pieces:
            for piece in pieces:
                _apply(formula, piece)

    def work(_: int, first: int, last: int) -> None:
        for formula, flat, before in row:
            start, end = max(first - before, 0), min(last - before, flat[0].size)
            parts = -((start - end) // limits.now.piece)  # equal: a small one costs as many calls
            for i, j in ranges(end - start, parts):
                _apply(formula, [x[start + i : start + j] for x in flat])

    if length:
        over_images(work, length, 100.0 * length)


def _apply(formula: Callable[..., None], pieces: Sequence[Array]) -> None:
    first = pieces[0]
    dtype, wide = exact(first.dtype), pieces
    if dtype is not first.dtype:
        wide = [x.astype(dtype, copy=False) for x in pieces]
    formula(*wide, np.empty_like(wide[0]), np.empty_like(wide[0]))
    if wide is not pieces:
        for x, y in zip(pieces[:-1], wide[:-1], strict=True):
            if x is not y:
                x[...] = y


def exact(dtype: np.dtype) -> np.dtype:
    """What is remembered of parameters of this dtype, and calculated in: the squares of most
    gradients in float16 would be 0 there."""
    return FLOAT32 if dtype == FLOAT16 else dtype


def require_alike(who: str, saved: Any, own: Any) -> None:
    """Refuse a setting out of a file that is of another kind than the present one: a number, a
    truth value, text, or several of them.

    Raises:
        ValueError: it is.
    """

    def kinds(value: Any) -> set[str]:
        if isinstance(value, list | tuple):
            return {"several", *(f"several {kind}" for item in value for kind in kinds(item))}
        array = np.asarray(value)
        return {f"{array.ndim}-d {'number' if array.dtype.kind in 'iuf' else array.dtype.kind}"}

    if own is not None and not kinds(saved) <= kinds(own):
        raise ValueError(f"{who} was {own!r} and cannot become a {type(saved).__name__}")


def like(data: Array, value: Array, dtype: Any = None) -> Array:
    """A copy of `value` with the dtype (if not told otherwise), the device and the memory layout of
    `data`."""
    copy = np.empty_like(data, dtype)
    copy[...] = to_device(value, device_of(data))
    return copy
