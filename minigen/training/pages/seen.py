"""What a page shows of a run, gathered from its folder, which may be half-written or damaged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from minigen.training.common import StrPath
from minigen.training.pages.about import ABOUT, read_object
from minigen.training.pages.curves import Metrics
from minigen.training.pages.pictures import (
    FIGURE_BYTES,
    FRAME_BYTES,
    MOST_FIGURES,
    MOST_FRAMES,
    Picture,
    Pictures,
    frames_of,
    thinned,
)
from minigen.training.run import CONFIG, METRICS

SCORES, OWN = "scores.json", "index.html"
ON_THE_PAGE = ("curves.png",)  # figures whose content the page shows itself


class Seen(NamedTuple):
    """What is known of a run."""

    name: str
    config: dict[str, Any]
    about: dict[str, Any]
    scores: dict[str, float]
    curves: dict[str, dict[str, list[float]]]  # see `Metrics.drawn`
    frames: dict[int, Picture]  # by their step
    figures: dict[str, Picture]  # by their file
    files: list[str]  # in the folder, not on the page
    notes: list[str]  # what could not be read


class Folder:
    """The folder of a run, looked at again and again: what has not changed is not read twice."""

    def __init__(self, path: StrPath):
        self.path = Path(path)
        self._metrics = Metrics(self.path)
        self._pictures = Pictures()

    def see(self, most_frames: int = MOST_FRAMES) -> Seen:
        """All that is there now, samples of at most so many steps.

        Raises:
            OSError: the metrics cannot be read.
        """
        config, *notes = read_object(self.path / CONFIG)
        about, wrong = read_object(self.path / ABOUT)
        scores, worse = read_object(self.path / SCORES)
        notes += [wrong, worse]
        self._metrics.follow()
        if self._metrics.damaged:
            notes.append(f"{METRICS}: {self._metrics.damaged:,} lines cannot be read")
        for name, curve in self._metrics.curves.items():
            if curve.left_out:
                notes.append(f"{name}: {curve.left_out:,} values are not finite")
        if more := self._metrics.unshown:
            notes.append(f"{METRICS}: {more:,} more metrics, or yet more, have no curve here")
        steps = frames_of(self.path)
        frames = {step: steps[step] for step in thinned([*steps], most_frames)}
        files = sorted(p for p in self.path.glob("[!.]*") if p.suffix in (".png", ".gif"))
        drawn = [p for p in files if p.suffix == ".png" and p.name not in ON_THE_PAGE]
        found = self._pictures.of(
            dict.fromkeys(frames.values(), FRAME_BYTES)
            | dict.fromkeys(drawn[:MOST_FIGURES], FIGURE_BYTES)
        )
        if lost := len(frames) - sum(p in found for p in frames.values()):
            notes.append(f"samples: {lost:,} pictures cannot be read")
        return Seen(
            name=self.path.resolve().name,
            config=config,
            about=about,
            scores=numbers(scores),
            curves=self._metrics.drawn(),
            frames={step: found[p] for step, p in frames.items() if p in found},
            figures={p.name: found[p] for p in drawn if p in found},
            files=[p.name for p in files if p not in found],
            notes=[note for note in notes if note],
        )


def numbers(scores: Mapping[str, Any], before: str = "") -> dict[str, float]:
    """The finite numbers among scores, and among those that they hold, by their names."""
    found = {}
    for name, value in scores.items():
        if isinstance(value, dict) and not before:
            found |= numbers(value, f"{name}: ")
        elif type(value) in (int, float) and abs(value) < math.inf:
            found[before + name] = value
    return found


def with_floors(scores: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Scores, each with those that stand beside it: "error, floor" and "error: copy" beside
    "error", by what is left of their names."""
    rows: dict[str, dict[str, float]] = {}
    for name in scores:
        for mark in ", ", ": ":
            parts = name.split(mark)
            bases = [mark.join(parts[:i]) for i in range(len(parts) - 1, 0, -1)]
            base = next((b for b in bases if b in scores), None)
            if base is not None:
                rows.setdefault(base, {})[name.removeprefix(base + mark)] = scores[name]
                break
        else:
            rows.setdefault(name, {})
    return rows
