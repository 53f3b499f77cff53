"""Curves of a run, thinned: what they cost to keep and to draw does not grow with the run."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path

from minigen.training.common import read_json
from minigen.training.figures import LARGEST
from minigen.training.run import METRICS, record_of

COLUMNS = 600  # of a curve: about as many pixels as it is wide
ALL_COLUMNS = 6000  # of all curves of a page; each takes 42 bytes at most
MOST_CURVES = 60


class Curve:
    """One metric over the steps: its least, greatest and mean value in each column of steps.

    A column is a step at first. Whenever there are too many of them, each two become one, so that
    every peak stays where it is seen, and a value costs the same at any step.

    Attributes:
        width: steps of a column.
        columns: by their number, (values, sum of their steps, least, greatest, mean).
        left_out: values that are not finite.
    """

    def __init__(self) -> None:
        self.width = 1
        self.columns: dict[int, tuple[int, int, float, float, float]] = {}
        self.left_out = 0

    def add(self, step: int, value: float) -> None:
        """Add a value; those that a line cannot be drawn to are counted alone."""
        if not abs(value) < LARGEST:
            self.left_out += 1
            return
        self._join(step // self.width, (1, step, value, value, value))
        while len(self.columns) > COLUMNS:
            self._halve()

    def drawn(self, most: int = COLUMNS) -> dict[str, list[float]]:
        """At most so many columns, as lists: the mean step, least, greatest and mean value, with
        five digits."""
        curve = Curve()
        curve.width, curve.columns = self.width, dict(self.columns)
        while len(curve.columns) > most:
            curve._halve()
        rows = [curve.columns[c] for c in sorted(curve.columns)]
        lists: dict[str, list[float]] = {"x": [round(steps / n) for n, steps, *_ in rows]}
        for i, name in enumerate(("low", "high", "mean"), start=2):
            lists[name] = [float(f"{row[i]:.5g}") for row in rows]
        return lists

    def _halve(self) -> None:
        before, self.columns, self.width = self.columns, {}, 2 * self.width
        for column, values in before.items():
            self._join(column // 2, values)

    def _join(self, column: int, b: tuple[int, int, float, float, float]) -> None:
        if a := self.columns.get(column):
            n = a[0] + b[0]
            mean = a[4] + (b[4] - a[4]) * (b[0] / n)
            b = n, a[1] + b[1], min(a[2], b[2]), max(a[3], b[3]), mean
        self.columns[column] = b


class Metrics:
    """The curves of a run folder, which follow its metrics as they grow: each line is read once.

    Attributes:
        curves: by the names of the metrics.
        damaged: lines that are none of metrics.
    """

    def __init__(self, folder: Path):
        self._path = folder / METRICS
        self._begin()

    def follow(self) -> None:
        """Read what was added since; all of it where the file is another one by now, as that of a
        run which was resumed from an earlier step.

        Raises:
            OSError: the file cannot be read.
        """
        try:
            file = open(self._path, "rb")  # noqa: SIM115 - closed below
        except FileNotFoundError:
            return self._begin()
        with file:
            found = os.fstat(file.fileno())
            if found.st_ino != self._file or found.st_size < self._read:
                self._begin()
            self._file = found.st_ino
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # it is being written
                self._read += len(line)
                self._add(line)
        return None

    def drawn(self) -> dict[str, dict[str, list[float]]]:
        """All curves that have a value, as `Curve.drawn` gives them; together they are no longer
        than a page can hold."""
        shown = {k: c for k, c in self.curves.items() if c.columns}
        most = ALL_COLUMNS // max(len(shown), ALL_COLUMNS // COLUMNS)
        return {name: curve.drawn(most) for name, curve in shown.items()}

    def _begin(self) -> None:
        self.curves: dict[str, Curve] = {}
        self._more: set[str] = set()
        self.damaged = self._read = self._file = 0

    @property
    def unshown(self) -> int:
        """How many metrics have no curve, since there are too many."""
        return len(self._more)

    def _add(self, line: bytes) -> None:
        try:
            record = record_of(read_json(line))
        except ValueError:
            self.damaged += 1
            return
        step = record.pop("step")
        for name, value in record.items():
            if name in self.curves or len(self.curves) < MOST_CURVES:
                self.curves.setdefault(name, Curve()).add(step, value)
            elif len(self._more) < MOST_CURVES:
                self._more.add(name)


def last_values(curves: dict[str, dict[str, list[float]]]) -> dict[str, tuple[float, ...]]:
    """Of each drawn curve its first and last mean, and its least and greatest value."""
    return {
        name: (c["mean"][0], c["mean"][-1], min(c["low"]), max(c["high"]))
        for name, c in curves.items()
        if c["x"] and all(map(math.isfinite, c["mean"]))
    }


def in_charts(names: Sequence[str]) -> dict[str, list[str]]:
    """Metrics that belong into one chart, six at most, by its title: those whose names begin with
    the same word, as loss_d and loss_g do, "test" aside."""
    charts: dict[tuple[str, int], list[str]] = {}
    of_word: dict[str, int] = {}
    for name in names:
        word = re.split(r"[\W_]", name.removeprefix("test "), maxsplit=1)[0]
        number = of_word[word] = of_word.get(word, -1) + 1
        charts.setdefault((word, number // 6), []).append(name)
    return {", ".join(found): found for found in charts.values()}
