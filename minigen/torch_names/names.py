"""Modules that exist by their PyTorch names alone, and are filled from minigen's own."""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from minigen.missing import missing

ROOTS = ("minigen.torch_names.", "minigen.torchvision_names.")


class Names(ModuleType):
    """The module `torch.name`: what is given by keyword, then what is public in the sources.

    What is in neither says so. Assigned attributes, such as flags, are kept.
    """

    __path__: list[str] = []  # modules have no others inside but by their attributes

    def __init__(self, name: str, *sources: Any, root: str = ROOTS[0], **own: Any):
        super().__init__(root + name, f"What PyTorch calls {name}, as far as minigen has it.")
        vars(self).update(own, _sources=sources, _short=name, _root=root)

    def __getattr__(self, name: str) -> Any:
        for source in self._sources:
            if name in _public(source):
                found = getattr(source, name)
                if isinstance(found, ModuleType):  # not itself: importing renames a module
                    found = Names(f"{self._short}.{name}", found, root=self._root)
                setattr(self, name, found)
                return found
        raise missing(name, lambda: dir(self), self._short)

    def __dir__(self) -> list[str]:
        return sorted({*vars(self)}.union(*map(_public, self._sources)))


def files(folder: str, names: str, *sources: Any, **own: Any) -> dict[str, Names]:
    """PyTorch's files in a folder of its, by their names: programs import from them, too, what the
    folder has."""
    return {name: Names(f"{folder}.{name}", *sources, **own) for name in names.split()}


def _public(source: Any) -> list[str]:
    return getattr(source, "__all__", None) or [name for name in dir(source) if name[0] != "_"]


class Finder(MetaPathFinder, Loader):
    """Lets `import minigen.torch_names.a.b` and `from minigen.torch_names.a import b` find what is
    the attribute `a.b`, and says what is missing where it is not there."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The module of that name, if it is below one of the roots."""
        below = fullname.startswith(ROOTS)
        return ModuleSpec(fullname, self, is_package=True) if below else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The attribute.

        Raises:
            ImportError: there is none, or it is no module.
        """
        parent, _, name = spec.name.rpartition(".")
        try:
            found = getattr(sys.modules[parent], name)
        except AttributeError as error:
            raise ImportError(str(error), name=spec.name) from None
        if not isinstance(found, Names):
            kind = "" if isinstance(found, ModuleType) else f" but a {type(found).__name__}"
            raise ImportError(f"{spec.name} is no module{kind}", name=spec.name)
        return found

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: it is there already."""


sys.meta_path.append(Finder())  # behind all others, so that real files come first
