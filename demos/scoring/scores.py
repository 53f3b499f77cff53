"""The scores of a run, as they are found."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any

from minigen import training
from minigen.training.common import write_json


class Scores(dict[str, float]):
    """The scores of a run, printed and stored in its folder as they come.

    Args:
        run: the run.
        flags: of this program.
    """

    def __init__(self, run: training.Run, flags: argparse.Namespace):
        super().__init__()
        self.run, self.flags = run, flags

    def keep(self, found: Mapping[str, float]) -> None:
        """Print and store some; one that is not finite is printed alone."""
        for name, value in found.items():
            shown = f"{value:,}" if isinstance(value, Integral) else f"{value:.4f}"
            print(f"  {name:43} {shown}", flush=True)
            if math.isfinite(value):
                self[name] = float(value)
        write_json(self.run.path("scores.json"), self)


Score = Callable[[Any, Scores], None]  # of a model that is loaded, see `training.load`
