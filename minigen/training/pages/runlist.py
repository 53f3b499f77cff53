"""The list of a folder's runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from minigen.training.common import StrPath
from minigen.training.pages.about import ABOUT, read_object, setting
from minigen.training.pages.html import Markup, document, joined, replaced, tag
from minigen.training.pages.pictures import frames_of
from minigen.training.pages.sections import address, number, progress, reload_button, wide
from minigen.training.pages.seen import OWN, SCORES, numbers, with_floors
from minigen.training.run import CONFIG

HEADS = ("run", "model", "data", "progress", "scores", "newest samples")
SHOWN = 3  # scores of a run


class RunList:
    """runs/index.html, which lists all runs of a folder: only of a folder that is called runs, or
    that has such a list already, for in others a file of that name would surprise.

    Args:
        parent: the folder.
    """

    def __init__(self, parent: StrPath):
        self.parent = Path(parent).resolve()
        self._known: dict[str, tuple[tuple[int, ...], Markup]] = {}

    def write(self) -> None:
        """Write the list anew; only runs that have changed since the last time are read. It fails
        on nothing, so that what others have left in the folder does not end a training."""
        with suppress(OSError):
            if self.parent.name != "runs" and not (self.parent / OWN).exists():
                return
            self._known = dict(self._fresh())
            rows = sorted(self._known.values(), key=lambda row: row[0], reverse=True)
            replaced(self.parent / OWN, _page([row for _, row in rows]))

    def _fresh(self) -> Iterator[tuple[str, tuple[tuple[int, ...], Markup]]]:
        """Each run's row by its name, with the times when what it shows was changed."""
        for folder in self.parent.iterdir():
            changed = tuple(_changed(folder / name) for name in (ABOUT, SCORES, CONFIG))
            if changed[-1]:
                known = self._known.get(folder.name)
                current = known is not None and known[0] == changed
                yield folder.name, known if current else (changed, _row(folder))


def _page(rows: list[Markup]) -> bytes:
    said = f"{len(rows):,} run{'s' * (len(rows) != 1)}, the last changed first."
    how = tag("p", "To put some side by side: ", tag("code", "python demos/compare.py RUN RUN…"))
    tools = tag("nav", reload_button(), aria_label="page")
    top = tag("header", tag("h1", "Runs"), tag("p", said, class_="lead"), how, tools)
    return document("Runs", joined(top, tag("section", wide("run", HEADS, rows))), "page.js")


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _row(folder: Path) -> Markup:
    """A line of the list; of a damaged run what is left."""
    (config, wrong), (about, _), (scores, _) = (
        read_object(folder / name) for name in (CONFIG, ABOUT, SCORES)
    )
    found = numbers(scores)
    most_said = islice((name for name in with_floors(found) if name in found), SHOWN)
    link = f"./{address(folder.name)}/" + (OWN if (folder / OWN).exists() else "")
    cells = (
        tag("code", str(config.get("demo", "–"))),
        setting(config.get("data")),
        tag("span", wrong, class_="note") if wrong else progress(about, folder.name),
        joined(*(tag("small", f"{name} {number(found[name])}") for name in most_said)),
        _newest(folder),
    )
    name = tag("th", tag("a", folder.name, href=link), scope="row")
    return tag("tr", name, *(tag("td", cell) for cell in cells))


def _newest(folder: Path) -> Markup:
    frames = frames_of(folder)
    if not frames:
        return Markup("")
    step, file = frames.popitem()
    return tag(
        "img", src=f"./{address(folder.name)}/samples/{address(file.name)}", class_="small",
        alt=f"samples of {folder.name} at step {step:,}", loading="lazy",
    )  # fmt: skip
