"""The page of a run, as training writes it, and of several runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from minigen.display import progress
from minigen.training.common import RunError, StrPath
from minigen.training.flags import Flags
from minigen.training.pages import about, sections
from minigen.training.pages.curves import in_charts
from minigen.training.pages.html import document, joined, replaced
from minigen.training.pages.runlist import RunList
from minigen.training.pages.seen import OWN, Folder, Seen
from minigen.training.run import Run

SECTIONS = {
    "Curves": sections.curves,
    "Samples": sections.samples,
    "Figures": sections.figures,
    "Scores": sections.scores,
    "Settings": sections.settings,
    "Machine": sections.machine,
    "How to go on": sections.resume,
    "Papers": sections.papers,
}
FRAMES = 60  # of a comparison


class RunPage:
    """The page of a run that is trained: RUN/index.html, and the list of runs beside it. Called
    with its loop, it writes both anew, at a cost that does not grow with the run.

    Args:
        folder: of the run.
        flags: of the demo that trains it.
        device: on which it is trained.
    """

    def __init__(self, folder: Path, flags: Flags, device: str = "cpu"):
        self.path, self.device = folder / OWN, device
        self._about = about.of_demo(flags, folder)
        self._folder = Folder(folder)
        self._list = RunList(folder.parent)
        self._told = False

    def __call__(self, loop: Any) -> None:
        """Write the page.

        Args:
            loop: the `Loop` of the run.

        Raises:
            OSError: it cannot be written.
        """
        if "machine" not in self._about:  # of a card it takes a while to ask
            self._about["machine"] = about.of_machine(self.device)
        about.write(self._folder.path, self._about | about.of_progress(loop))
        if not replaced(self.path, page([self._folder.see()])) and not self._told:
            self._told = True
            print(f"{self.path} is no page of a run: it stays as it is, and the run gets none")
        self._list.write()


def write_page(folder: StrPath) -> None:
    """Write the page of a run anew from its folder, after it was scored for example; where nothing
    may be written, it stays as it was."""
    folder = Path(folder)
    with suppress(OSError):
        replaced(folder / OWN, page([Folder(folder).see()]))
        RunList(folder.parent).write()


def write_comparison(folders: Sequence[StrPath], path: StrPath) -> None:
    """Write a page that puts runs side by side.

    Raises:
        RunError: a run cannot be read, or the page cannot be written, or is there and none of ours.
    """
    paths = [Run.read(folder).folder for folder in folders]
    most = max(6, FRAMES // len(paths))
    try:
        runs = [Folder(p).see(most) for p in progress(paths, "runs")]
        written = replaced(Path(path), page(_told_apart(runs, paths)))
    except OSError as error:
        raise RunError(f"{error.filename or path}: {error.strerror}") from error
    if not written:
        raise RunError(f"{path} is there, and no page of runs: give --out another name")


def _told_apart(runs: Sequence[Seen], paths: Sequence[Path]) -> list[Seen]:
    """Runs of one name are called by the folders above them, too, or by their place in the row."""
    names = [run.name for run in runs]
    longer = [f"{p.resolve().parent.name}/{p.resolve().name}" for p in paths]
    if len({*names}) < len(names):
        names = longer
    if len({*names}) < len(names):
        names = [f"{i}: {name}" for i, name in enumerate(names, start=1)]
    return [run._replace(name=name) for run, name in zip(runs, names, strict=True)]


def page(runs: Sequence[Seen]) -> bytes:
    """The page of a run, or of several side by side."""
    found = {heading: write(runs) for heading, write in SECTIONS.items()}
    found = {heading: inside for heading, inside in found.items() if inside}
    body = (sections.section(heading, inside) for heading, inside in found.items())
    data = {"charts": charts(runs), "frames": [frames(run) for run in runs]}
    title = " and ".join(run.name for run in runs)
    return document(title, joined(sections.head(runs, [*found]), *body), "page.js", data)


def charts(runs: Sequence[Seen]) -> list[dict[str, Any]]:
    """Of one run, metrics that belong together in each chart; of several, a chart for each metric
    and a line for each run."""
    if len(runs) == 1:
        curves = runs[0].curves
        return [
            {"title": title, "lines": [{"name": name, **curves[name]} for name in names]}
            for title, names in in_charts([*curves]).items()
        ]
    return [
        {
            "title": metric,
            "lines": [{"name": r.name, **r.curves[metric]} for r in runs if metric in r.curves],
        }
        for metric in dict.fromkeys(metric for run in runs for metric in run.curves)
    ]


def frames(run: Seen) -> dict[str, Any]:
    """The samples of a run, in the order of their steps."""
    shots = [{"step": step, **picture._asdict()} for step, picture in run.frames.items()]
    return {"name": run.name, "shots": shots}
