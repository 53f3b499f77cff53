"""Several ways to compute one map of a convolution, all right within rounding: the cheapest that
can is taken.

A new way is one object, named in one of the lists of `convolution.py`. The tests compare each way
that can with `simple.py`, not only the one that is taken.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from minigen import backend
from minigen.backend import Array
from minigen.kernels import limits
from minigen.kernels.limits import Limits
from minigen.kernels.problem import Map, Problem

# Functions that are called with the name of the way that gave a result (see `minigen.profile`).
told_of_ways: list[Callable[[str], None]] = []


class Way(NamedTuple):
    """One way to compute `conv2d` and `conv2d_input`, each a `Map`, or `conv2d_weight`, of a
    `Problem`.

    Attributes:
        can: whether it is right for these shapes; no measured constant has a say in it.
        cost: how long it takes, in multiply-adds of a product of a good shape, from `limits.py`.
        run: (map, x, w, bias) -> y, or (problem, x, g) -> w, with images N, H, W, C and filters
            O, C/G, R, S. None if what is in the arrays is not for this way, such as an infinity
            that would meet zeros of the margin.
    """

    name: str
    can: Callable[[Any], bool]
    cost: Callable[[Any], float]
    run: Callable[..., Array | None]


Ways = tuple[Way, ...]


@functools.lru_cache(maxsize=4096)
def by_cost(ways: Ways, what: Map | Problem, threads: int, now: Limits) -> Ways:
    """The ways that can, the cheapest first; of equals the first one."""
    return tuple(sorted((w for w in ways if w.can(what)), key=lambda way: way.cost(what)))


def cheapest(ways: Ways, what: Map | Problem, *arrays: Array | None) -> Array:
    """The result of the cheapest way that takes these arrays."""
    order = by_cost(ways, what, backend.threads(), limits.now)
    if _preferred:
        order = sorted(order, key=lambda way: way.name != _preferred[-1])
    for way in order:
        y = way.run(what, *arrays)
        if y is not None:
            break
    for tell in tuple(told_of_ways):
        tell(way.name)
    return y


_preferred: list[str] = []


@contextlib.contextmanager
def preferred(name: str) -> Iterator[None]:
    """Take the way of this name, whatever it costs, for each map that it can compute, the others
    as ever: in all threads, for tests and measurements. A name that no way has changes nothing."""
    _preferred.append(name)
    try:
        yield
    finally:
        _preferred.remove(name)
