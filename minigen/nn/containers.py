"""Modules that hold others in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from minigen.nn.module import Module

__all__ = ["ModuleList", "Sequential"]


class _Ordered(Module):
    """Modules by position. One that is held twice counts twice here, though its parameters are
    found once."""

    def _items(self) -> dict[str, Module]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def _fill(self, named: Iterable[tuple[str, Module]]) -> None:
        for name, module in named:
            if not isinstance(module, Module):
                what = module.__name__ if isinstance(module, type) else type(module).__name__
                raise TypeError(
                    f"{type(self).__name__} holds modules; {name} is {what}"
                    + (", a class: call it" if isinstance(module, type) else "")
                )
            setattr(self, name, module)

    def _part(self, named: dict[str, Module]) -> Any:
        raise NotImplementedError

    def append(self, module: Module) -> Self:
        """Add a module at the end."""
        self._fill([(str(len(self)), module)])
        return self

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[Module]:
        return iter(self._items().values())

    def __getitem__(self, index: int | slice) -> Any:
        named = list(self._items().items())
        if isinstance(index, slice):
            return self._part(dict(named[index]))
        try:
            return named[index][1]
        except IndexError:
            raise IndexError(
                f"{type(self).__name__} holds {len(named)} modules; there is no [{index}]"
            ) from None


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
        self._fill((str(i), module) for i, module in enumerate(modules or ()))

    def _part(self, named: dict[str, Module]) -> ModuleList:
        return ModuleList(named.values())
