"""Tables that each rank changes by itself, and that are brought together now and then.

Where a step changes a few rows of a large table, as with word vectors, to send the whole of it
after each step would take longer than the steps. So each rank goes on alone for a while. Then a row
differs from what all had before by its own changes, d₁ … d_N, and it becomes

    before + f·(d₁ + … + d_N),        f from 1/N, their mean, to 1, their sum.

A rare row was changed by one rank, or a few times: the sum is where one process would be that takes
the same steps one after the other, and the mean would lose most of them. A frequent row has come
near to where all steps lead on each rank alone: the mean is there, and the sum far beyond. In
between each rank has gone a share of the way, 1 − e⁻ˣ, as down a bowl in x times the number of
steps that take it from 1 to 1/e; N times as many steps go 1 − e^(−N·x). So

    f = (1 − e^(−N·x)) / (N·(1 − e⁻ˣ))
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigen.backend import Array, namespace
from minigen.distributed import group

PIECE = 1 << 18  # numbers of a message, so that their changes stay in the cache


class Tables:
    """Those of one model, alike on all ranks when this is made.

    Args:
        tables: arrays (rows, …), changed in place by whoever has them.
    """

    def __init__(self, tables: Sequence[Array]):
        self._tables = [*tables]
        self._before = [table.copy() for table in tables]

    def meet(self, x: np.ndarray) -> None:
        """Bring the first rows together, which are alike on all ranks then. All have to call this.

        Args:
            x: how far down its bowl each rank has taken each of them, (rows,), see above.
        """
        shares = share_of_sum(x, group.get_world_size())
        for table, before in zip(self._tables, self._before, strict=True):
            rows = max(1, PIECE * len(table) // max(table.size, 1))
            for first in range(0, len(x), rows):
                some = slice(first, min(first + rows, len(x)))
                change = table[some] - before[some]
                group.the_group().all_reduce(change, group.ReduceOp.SUM).wait()
                share = shares[some].reshape(-1, *[1] * (table.ndim - 1))
                change *= namespace(table).asarray(share, table.dtype)
                before[some] += change
                table[some] = before[some]


def share_of_sum(x: np.ndarray, ranks: int) -> np.ndarray:
    """f, from 1 where x is 0 to 1 / ranks where it is large."""
    x = np.maximum(x, 1e-9)  # where f differs from 1 by less than a float32 shows
    return np.expm1(-ranks * x) / (ranks * np.expm1(-x))
