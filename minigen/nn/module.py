"""Modules: objects that own parameters, and find those of the modules inside them.

A module's state is its attributes. Whatever attribute is a `Parameter` or a `Module` belongs to
it, under the attribute's name; a buffer, a tensor that is state but no parameter, is registered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple, Self

import numpy as np

from minigen.backend import as_array, class_name, device_of, is_array, is_writable, to_device
from minigen.functional import zeros
from minigen.functional.arguments import refuse, require_state, warn
from minigen.hooks import HookHandle
from minigen.missing import Missing
from minigen.modes import no_grad
from minigen.nn.hooks import watched
from minigen.sparse import SparseRows
from minigen.tensor import Tensor

__all__ = ["Module", "Parameter"]


class Parameter(Tensor):
    """A tensor that a module owns and an optimiser changes.

    Args:
        data: an array or a tensor, whose memory is shared, or numbers.
        requires_grad: whether its gradient is wanted.
    """

    __slots__ = ()
    _copies_grad = False

    def __init__(self, data: Any, requires_grad: bool = True):
        super().__init__(data, requires_grad)

    @Tensor.data.setter
    def data(self, data: Any) -> None:
        before = self.shape
        Tensor.data.fset(self, data)
        if self.shape != before:
            warn(
                f"data: a parameter of {before} becomes one of {self.shape}, which its module and "
                "its optimiser do not expect"
            )

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


def blank_parameter(*size: int, device: str | None, dtype: Any) -> Parameter:
    """A parameter of zeros, to be initialised."""
    return Parameter(zeros(*size, dtype=dtype, device=device or "cpu"))


def clear_gradients(tensors: Iterable[Tensor], set_to_none: bool) -> None:
    """Set every gradient to None, or to zeros (a row-sparse one always to None)."""
    for t in tensors:
        if set_to_none or isinstance(t.grad, SparseRows):
            t.grad = None
        elif t.grad is not None:
            t.grad = Tensor(np.zeros_like(t.grad.array))


class _Owned(MutableMapping):
    """What a module owns of one kind, by name: what is set or deleted here is so in the module."""

    def __init__(self, module: Module, found: Callable, register: Callable):
        self._module, self._found, self._register = module, found, register

    def __getitem__(self, name: str) -> Any:
        return dict(self._found())[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self:
            setattr(self._module, name, value)
        else:
            self._register(name, value)

    def __delitem__(self, name: str) -> None:
        self[name]  # or there is a KeyError
        delattr(self._module, name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._found()))

    def __len__(self) -> int:
        return len(dict(self._found()))


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` left alone."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        names = ", ".join(f"{name}={keys}" for name, keys in self._asdict().items())
        return f"IncompatibleKeys({names})" if any(self) else "<All keys matched successfully>"


class Module:
    """A part of a network; subclasses define `forward` and own parameters, buffers and modules.

        class Critic(nn.Module):
            def __init__(self):
                super().__init__()
                self.hidden = nn.Linear(784, 128)
                self.score = nn.Linear(128, 1)

            def forward(self, x):
                return self.score(self.hidden(x).relu())

    Attributes:
        training: whether dropout drops and batch norm uses the batch (`train()` and `eval()`).
    """

    training: bool
    _hooks: tuple[list[Callable], ...] | None = None  # before and after forward, and backward
    _takes_anything = False  # unlike other layers: it only hands on what it is given
    _shown: tuple[str, ...] = ()  # names of the options that stand in the module's line,
    _unnamed = 0  # the first so many of them without their names
    _vacant: frozenset[str] = frozenset()  # parameters and modules that are None, by name
    _unaveraged: tuple[str, ...] = ()  # buffers that a mean of several would not be one of

    def __init__(self):
        self._persistent: dict[str, bool] = {}  # name of a buffer -> whether it is saved
        self.training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for x in args:
            if not isinstance(x, Tensor) and is_array(x):
                self._require_own_forward(x)
        if self._hooks is None:
            return self.forward(*args, **kwargs)
        before, after, *backward = self._hooks
        for hook in list(before):
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        args, through = watched(self, args, *backward) if any(backward) else (args, None)
        output = self.forward(*args, **kwargs)
        for hook in list(after):
            changed = hook(self, args, output)
            if changed is not None:
                output = changed
        return output if through is None else through(output)

    def _require_own_forward(self, array: Any) -> None:
        """Refuse an array, which a user's module may take, and no layer of this package does."""
        ours = type(self).forward.__module__.startswith(("minigen.nn.", "minigen.functional."))
        if ours and not self._takes_anything:
            raise TypeError(
                f"{type(self).__name__}: expected a Tensor, got a {class_name(array)} "
                f"{array.dtype} {array.shape}; make one with minigen.tensor()"
            )

    def _hook(self, kind: int, hook: Callable) -> HookHandle:
        if self._hooks is None:
            self._hooks = ([], [], [], [])
        return HookHandle(self._hooks[kind], hook)

    def register_forward_pre_hook(
        self,
        hook: Callable[[Module, tuple], Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
    ) -> HookHandle:
        """Call `hook(module, args)` before each forward; what it returns, unless None, replaces
        the arguments."""
        refuse("register_forward_pre_hook", prepend=prepend, with_kwargs=with_kwargs)
        return self._hook(0, hook)

    def register_forward_hook(
        self,
        hook: Callable[[Module, tuple, Any], Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> HookHandle:
        """Call `hook(module, args, output)` after each forward; what it returns, unless None,
        replaces the output."""
        refuse(
            "register_forward_hook",
            prepend=prepend,
            with_kwargs=with_kwargs,
            always_call=always_call,
        )
        return self._hook(1, hook)

    def register_full_backward_pre_hook(
        self, hook: Callable[[Module, tuple], Any], prepend: bool = False
    ) -> HookHandle:
        """Call `hook(module, grad_output)` in each backward when the gradients of all outputs are
        there, a tuple; what it returns, unless None, replaces them."""
        refuse("register_full_backward_pre_hook", prepend=prepend)
        return self._hook(2, hook)

    def register_full_backward_hook(
        self, hook: Callable[[Module, tuple, tuple], Any], prepend: bool = False
    ) -> HookHandle:
        """Call `hook(module, grad_input, grad_output)` in each backward when the gradients of all
        inputs given by place are there, a tuple with None for what has none; what it returns,
        unless None, replaces them. If no input has one, it is called with those of the outputs.

        The forward then works on views of its inputs, which it must not change in place.
        """
        refuse("register_full_backward_hook", prepend=prepend)
        return self._hook(3, hook)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter | Module):
            self._require_init(name)
        attributes = vars(self)
        before, kind = attributes.get(name), None
        if name in attributes.get("_persistent", ()):
            kind = Tensor
        elif isinstance(before, Parameter | Module):
            kind = Parameter if isinstance(before, Parameter) else Module
        if kind is not None and value is not None and not isinstance(value, kind):
            raise TypeError(
                f"{type(self).__name__}.{name} is a {kind.__name__}, so it cannot become a "
                f"{type(value).__name__}; assign a {kind.__name__} or None, or delete it first"
            )
        if value is None and kind in (Parameter, Module):
            self._vacant |= {name}
        elif isinstance(value, Parameter | Module) and kind is None and name not in self._vacant:
            attributes.pop(name, None)  # so that it comes behind those that belong here already
        if isinstance(value, Parameter):
            self._persistent.pop(name, None)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._persistent.pop(name, None)
        self._vacant -= {name}

    def __getattr__(self, name: str) -> Any:
        # Python comes here only after it has found no such attribute.
        message = f"{type(self).__name__} has no attribute {name!r}"
        if "_persistent" not in vars(self):
            message += "; its __init__ must call super().__init__() first"
        elif name[:1] != "_":
            raise Missing(message, name, lambda: dir(self), "{!r}", self)
        raise AttributeError(message, name=name, obj=self)

    def _require_init(self, name: str) -> None:
        if "_persistent" not in vars(self):
            raise AttributeError(
                f"{type(self).__name__}.{name} is assigned too early; __init__ must call "
                "super().__init__() first",
                name=name,
                obj=self,
            )

    def _register(self, name: str, value: Any, kind: type) -> None:
        self._require_init(name)
        if not isinstance(name, str) or not name or "." in name:
            raise KeyError(f"the name must be a non-empty string without a dot, not {name!r}")
        before = vars(self).get(name, getattr(type(self), name, None))
        again = name in self._persistent if kind is Tensor else isinstance(before, kind)
        if before is not None and not again:
            raise KeyError(f"{type(self).__name__} already has an attribute {name!r}")
        if value is not None and not isinstance(value, kind):
            raise TypeError(
                f"{name!r} must be a {kind.__name__} or None, not {type(value).__name__}"
            )
        if value is None and kind is not Tensor:
            self._vacant |= {name}
        setattr(self, name, value)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Own a tensor that is no parameter, such as a running mean.

        Args:
            name: the attribute it becomes.
            tensor: the tensor; None for none.
            persistent: whether it belongs to `state_dict()`.

        Raises:
            KeyError: the name is taken, empty or has a dot.
            TypeError: `tensor` is no Tensor.
        """
        self._register(name, tensor, Tensor)
        self._persistent[name] = persistent

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Own a parameter (as an assignment does), or None in its place.

        Raises:
            KeyError: the name is taken, empty or has a dot.
            TypeError: `param` is no Parameter.
        """
        self._register(name, param, Parameter)

    def add_module(self, name: str, module: Module | None) -> None:
        """Own a module (as an assignment does), or None in its place.

        Raises:
            KeyError: the name is taken, empty or has a dot.
            TypeError: `module` is no Module.
        """
        self._register(name, module, Module)

    register_module = add_module

    def get_submodule(self, target: str) -> Module:
        """The module of that dotted name, as `named_modules()` gives it; "" for this one."""
        return self._found(target, Module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of that dotted name."""
        return self._found(target, Parameter)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of that dotted name."""
        return self._found(target, Tensor)

    def _found(self, target: str, kind: type) -> Any:
        found: Any = self
        for name in target.split(".") if target else ():
            found = getattr(found, name)
        if not isinstance(found, kind):
            what = type(found).__name__
            raise AttributeError(f"{target!r} is no {kind.__name__} but a {what}", name=target)
        return found

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all inside it, each before its children and once, with dotted names."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, value in self._inside():
            path = f"{prefix}.{name}" if prefix else name
            yield from value.named_modules(memo, path, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all inside it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside this one, each once, with their names."""
        seen = set()
        for name, value in self._inside():
            if value not in seen:
                seen.add(value)
                yield name, value

    def children(self) -> Iterator[Module]:
        """The modules directly inside this one, each once."""
        return (module for _, module in self.named_children())

    @property
    def _modules(self) -> _Owned:
        """What programs for PyTorch ask for by this name: the modules directly inside."""
        return _Owned(self, self._inside, self.add_module)

    @property
    def _parameters(self) -> _Owned:
        """This module's own parameters, likewise."""
        return _Owned(self, self._own_parameters, self.register_parameter)

    @property
    def _buffers(self) -> _Owned:
        """This module's own buffers, likewise."""
        return _Owned(self, self._own_buffers, self.register_buffer)

    def _inside(self) -> Iterator[tuple[str, Module]]:
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Module))

    def _own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        for name, value in vars(self).items():
            if isinstance(value, Parameter):
                yield name, value

    def _own_buffers(self) -> Iterator[tuple[str, Tensor]]:
        for name in self._persistent:
            if vars(self)[name] is not None:
                yield name, vars(self)[name]

    def _own_state(self) -> Iterator[tuple[str, Tensor]]:
        yield from self._own_parameters()
        yield from (item for item in self._own_buffers() if self._persistent[item[0]])

    def _named(
        self, own: Callable, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        """What `own` finds in each module, with dotted names."""
        modules = [(prefix, self)]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        seen = set()
        for path, module in modules:
            for name, value in own(module):
                if remove_duplicate and value in seen:
                    continue
                seen.add(value)
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters of this module and (unless `recurse` is False) of all inside it, each
        once, with dotted names."""
        return self._named(Module._own_parameters, prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and (unless `recurse` is False) of all inside it."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers, saved or not, as `named_parameters` gives the parameters."""
        return self._named(Module._own_buffers, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and (unless `recurse` is False) of all inside it."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def state_dict(
        self, destination: None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Tensor]:
        """Parameters and saved buffers by dotted name, detached (unless `keep_vars`); what is
        shared, under each name. Each name begins with `prefix`.

        The tensors share the module's memory. For a snapshot take `copy.deepcopy` of the dict.
        """
        refuse("state_dict", destination=destination)
        named = self._named(Module._own_state, "", recurse=True, remove_duplicate=False)
        return {prefix + name: t if keep_vars else t.detach() for name, t in named}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy a state, of tensors or arrays, into this module's own arrays.

        Args:
            state_dict: by dotted name, as `state_dict()` gives it.
            strict: whether missing and unexpected names are errors.

        Returns:
            The names that were missing and unexpected (both empty if `strict`).

        Raises:
            ValueError: the state does not fit; says all that does not, and nothing is loaded.
        """
        refuse("load_state_dict", assign=assign)
        require_state(type(self).__name__, state_dict)
        named = self._named(Module._own_state, "", recurse=True, remove_duplicate=False)
        own = dict(named)
        missing = [name for name in own if name not in state_dict]
        unexpected = [name for name in state_dict if name not in own]
        problems, found = [], {}
        if strict:
            problems += [f"missing: {name} {own[name].shape}" for name in missing]
            problems += [f"unexpected: {name}" for name in unexpected]
        for name in [name for name in own if name in state_dict]:
            value = state_dict[name]
            try:
                found[name] = value.array if isinstance(value, Tensor) else as_array(value)
            except TypeError as error:
                problems.append(f"not numbers: {name}: {error}")
                continue
            wanted, given = own[name].shape, found[name].shape
            if given != wanted:
                problems.append(f"of another shape: {name}: wanted {wanted}, given {given}")
            elif not is_writable(own[name].array):
                problems.append(f"in memory that cannot be written here: {name}")
        if problems:
            raise ValueError(
                f"this state does not fit {type(self).__name__}, so nothing was loaded:\n  "
                + "\n  ".join(problems)
            )
        with no_grad():
            for name, value in found.items():
                own[name].copy_(value)
        return IncompatibleKeys(missing, unexpected)

    def train(self, mode: bool = True) -> Self:
        """Switch all modules here to training, or (`mode` False) to evaluation.

        Gradients are recorded in both; `no_grad()` is what switches them off.

        Raises:
            ValueError: `mode` is neither True nor False.
        """
        if not isinstance(mode, bool):
            raise ValueError(f"train(mode): mode must be True or False, not {mode!r}")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self) -> Self:
        """Switch all modules here to evaluation. Gradients are still recorded."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze all parameters here (False), or unfreeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradient of every parameter to None, or to zeros (a row-sparse one always to
        None)."""
        clear_gradients(self.parameters(), set_to_none)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module here, children first."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(
        self,
        *targets: Any,
        dtype: Any = None,
        device: str | None = None,
        non_blocking: bool = False,
        memory_format: None = None,
    ) -> Self:
        """Move parameters, their gradients and buffers to a device (`to("cuda")`), or convert
        those of floating-point numbers to another such dtype (`to(np.float64)`).

        The Parameter objects stay the same and get other arrays, so optimisers stay valid.

        Raises:
            TypeError: the dtype is not one of floating-point numbers.
            DeviceError: the device cannot be used; nothing was moved.
        """
        refuse("to", memory_format=memory_format)

        def moved(tensor: Tensor | SparseRows) -> Any:
            if isinstance(tensor, SparseRows):
                values = moved(Tensor(tensor.values))
                return SparseRows(to_device(tensor.rows, device_of(values)), values, tensor.shape)
            other = tensor.detach().to(*targets, dtype=dtype, device=device)
            if tensor.dtype.kind != "f":  # a counter stays one
                return tensor.detach().to(device=other.device).array
            if other.dtype.kind != "f":
                raise TypeError(f"to: a module's dtype must be a floating one, not {other.dtype}")
            return other.array

        arrays = [(t, moved(t)) for t in (*self.parameters(), *self.buffers())]
        grads = [(p, moved(p.grad)) for p in self.parameters() if p.grad is not None]
        for tensor, array in arrays:
            if tensor.array is not array:
                tensor.data = array
        for parameter, array in grads:
            parameter.grad = array if isinstance(array, SparseRows) else Tensor(array)
        return self

    def float(self) -> Self:
        """`to(float32)`"""
        return self.to(np.float32)

    def double(self) -> Self:
        """`to(float64)`"""
        return self.to(np.float64)

    def half(self) -> Self:
        """`to(float16)`"""
        return self.to(np.float16)

    def type(self, dst_type: Any) -> Self:
        """`to(dst_type)`"""
        return self.to(dst_type)

    def cpu(self) -> Self:
        """`to("cpu")`"""
        return self.to("cpu")

    def cuda(self, device: int | str | None = None) -> Self:
        """`to("cuda")`, or to that card."""
        name = f"cuda:{device}" if isinstance(device, int) else device or "cuda"
        return self.to(name)

    def __copy__(self) -> Self:
        """A module on the same parameters, buffers and modules inside. Its registers are its own:
        what is assigned, registered or hooked to either is not to the other. (PyTorch's
        `copy.copy` shares the registers.)"""
        twin = type(self).__new__(type(self))
        attributes = vars(twin)
        attributes.update(vars(self))
        if "_persistent" in attributes:
            attributes["_persistent"] = dict(self._persistent)
        if self._hooks is not None:
            attributes["_hooks"] = tuple(map(list, self._hooks))
        return twin

    def extra_repr(self) -> str:
        """What stands in the parentheses of this module's line."""
        values = {name: getattr(self, name) for name in self._shown}
        if "bias" in values:
            values["bias"] = self.bias is not None
        alone = self._shown[: self._unnamed]
        return ", ".join(f"{v!r}" if n in alone else f"{n}={v!r}" for n, v in values.items())

    def __repr__(self) -> str:
        lines = self.extra_repr().split("\n") if self.extra_repr() else []
        inside = list(self._inside())
        if len(lines) <= 1 and not inside:
            return f"{type(self).__name__}({''.join(lines)})"
        lines += [f"({name}): {module}".replace("\n", "\n  ") for name, module in inside]
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"
