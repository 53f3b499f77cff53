"""Modules that hold others, or parameters, in order or by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Self

from minigen.nn.module import Module, Parameter
from minigen.tensor import Tensor

__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]


class _Holder(Module):
    """Members by name: modules, or (`_kind`) parameters. One that is held twice counts twice here,
    though its parameters are found once."""

    _kind: type = Module
    _takes_anything = True

    def _items(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if isinstance(value, self._kind)}

    def _fill(self, named: Iterable[tuple[str, Any]]) -> None:
        for name, member in named:
            if self._kind is Parameter and type(member) is Tensor:
                member = Parameter(member, member.dtype.kind == "f")
            if not isinstance(member, self._kind):
                what = member.__name__ if isinstance(member, type) else type(member).__name__
                raise TypeError(
                    f"{type(self).__name__} holds {self._kind.__name__.lower()}s; {name} is {what}"
                    + (", a class: call it" if isinstance(member, type) else "")
                )
            self._register(name, member, self._kind)

    def __len__(self) -> int:
        return len(self._items())

    def extra_repr(self) -> str:
        """A line for each parameter."""
        line = "  ({}): Parameter containing: [{} of size {}]".format
        own = self._own_parameters()
        return "\n".join(line(name, p.dtype, "x".join(map(str, p.shape))) for name, p in own)


class _Ordered(_Holder):
    """Members by position."""

    def _part(self, named: dict[str, Any]) -> Any:
        return type(self)(named.values())

    def _renumber(self, members: Iterable[Any]) -> None:
        for name in self._items():
            delattr(self, name)
        self._fill((str(i), member) for i, member in enumerate(members))

    def append(self, module: Any) -> Self:
        """Add a member at the end."""
        self._fill([(str(len(self)), module)])
        return self

    def extend(self, modules: Iterable[Any]) -> Self:
        """Add members at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Any) -> None:
        """Add a member in front of that place; all are numbered anew."""
        members = list(self)
        members.insert(index, module)
        self._renumber(members)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items().values())

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self._part(dict(list(self._items().items())[index]))
        return vars(self)[self._name(index)]

    def __setitem__(self, index: int, module: Any) -> None:
        self._fill([(self._name(index), module)])

    def __delitem__(self, index: int | slice) -> None:
        members = list(self)
        del members[index]
        self._renumber(members)

    def _name(self, index: int) -> str:
        try:
            return list(self._items())[index]
        except IndexError:
            raise IndexError(
                f"{type(self).__name__} holds {len(self)} {self._kind.__name__.lower()}s; there is "
                f"no [{index}]"
            ) from None


class _Named(_Holder, MutableMapping):
    """Members by key."""

    __eq__, __hash__ = object.__eq__, object.__hash__  # as of all modules

    def __init__(self, members: Any = None):
        super().__init__()
        self.update(members or {})

    def __getitem__(self, key: str) -> Any:
        return self._items()[key]

    def __setitem__(self, key: str, member: Any) -> None:
        self._fill([(key, member)])

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        delattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items())


class Sequential(_Ordered):
    """Modules applied one after the other.

        Sequential(Linear(784, 128), ReLU(), Linear(128, 1))
        Sequential({"hidden": Linear(784, 128), "out": Linear(128, 1)})

    Slices are Sequentials of the same modules, under the same names.
    """

    def __init__(self, *args: Module | Mapping[str, Module]):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            self._fill(args[0].items())
        else:
            self._fill((str(i), module) for i, module in enumerate(args))

    def _part(self, named: dict[str, Module]) -> Sequential:
        return Sequential(named)

    def forward(self, input: Any) -> Any:
        """Each module's output is the next one's input."""
        for module in self:
            input = module(input)
        return input


class ModuleList(_Ordered):
    """A list of modules, whose parameters are found where those in a plain list are not."""

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        self.extend(modules or ())


class ParameterList(_Ordered):
    """A list of parameters; tensors become parameters."""

    _kind = Parameter

    def __init__(self, values: Iterable[Tensor] | None = None):
        super().__init__()
        self.extend(values or ())


class ModuleDict(_Named):
    """Modules by name, as attributes too.

    Raises:
        KeyError: a name has a dot, is empty, or is that of something that every module has.
    """


class ParameterDict(_Named):
    """Parameters by name, as attributes too; tensors become parameters. As in PyTorch those of a
    plain dict come in the order of their names."""

    _kind = Parameter

    def update(self, members: Any) -> None:
        """Take members, out of a mapping or pairs of keys and members."""
        super().update(sorted(members.items()) if type(members) is dict else members)
