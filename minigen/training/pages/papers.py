"""The papers that the demos build, from papers.toml."""

from __future__ import annotations

import functools
import tomllib
from typing import NamedTuple

from minigen.training.pages.html import resource


class Paper(NamedTuple):
    """A paper."""

    authors: str
    year: int
    title: str
    link: str


@functools.cache
def papers() -> dict[str, tuple[Paper, ...]]:
    """The papers of each demo, by its name."""
    table = tomllib.loads(resource("papers.toml"))
    known = {name: Paper(**fields) for name, fields in table["papers"].items()}
    return {demo: tuple(known[name] for name in names) for demo, names in table["demos"].items()}
