"""Measures the limits on this machine, for half a minute in which it should be idle."""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from minigen.backend import Array
from minigen.files import written_whole
from minigen.kernels import elementwise, limits, memory, pieces, random, threads
from minigen.kernels.convolution import IMAGES
from minigen.kernels.problem import Problem

Work = Callable[[], Any]
SECONDS = 0.05  # for which each thing is repeated


def seconds(work: Work) -> float:
    """The least time that the work takes."""
    work()
    best, end = math.inf, time.perf_counter() + SECONDS
    while (start := time.perf_counter()) < end or best == math.inf:
        work()
        best = min(best, time.perf_counter() - start)
    return best


def ones(*shape: int) -> Array:
    return np.ones(shape, np.float32)


def limited(work: Work, **others: float) -> Work:
    """The work under other limits, which are checked once: to check them takes longer than some
    work."""
    own = limits.changed(others)

    def call() -> Any:
        before, limits.now = limits.now, own
        try:
            return work()
        finally:
            limits.now = before

    return call


def of_layer(inputs: int, outputs: int) -> Problem:
    size, weight = (28, 28), (outputs, inputs, 3, 3)
    return Problem.of((16, inputs, *size), weight, size, (1, 1), (1, 1), (1, 1), 1)


def layer(name: str, inputs: int, outputs: int, transposed: bool = False) -> Work:
    """A 3×3 convolution of 16 images, computed in the way of this name."""
    problem, way = of_layer(inputs, outputs), next(way for way in IMAGES if way.name == name)
    what = problem.transposed if transposed else problem.forward
    return functools.partial(
        way.run, what, ones(16, 28, 28, what.inputs), ones(outputs, inputs, 3, 3), None
    )


def fastest(name: str, exponents: Iterable[int], work: Work) -> int:
    """The power of 2 that makes the work take the least time as this limit, if that is a tenth less
    than with the one that is shipped: the work is one of many that the limit is for."""
    taken = {1 << e: seconds(limited(work, **{name: 1 << e})) for e in exponents}
    best, shipped = min(taken, key=taken.__getitem__), getattr(limits.Limits, name)
    return best if taken[best] < 0.9 * taken[shipped] else shipped


def last(sizes: Iterable[int], better: Callable[[int], Work], worse: Callable[[int], Work]) -> int:
    """The last of these sizes in a row for which the one takes less time than the other."""
    some = itertools.takewhile(lambda n: seconds(better(n)) < seconds(worse(n)), sizes)
    return max(some, default=1)


def hand_over() -> float:
    """Seconds until another thread has begun its part."""
    a, found = ones(512, 512), []

    def work(part: int, first: int, last: int) -> None:
        if part:
            found.append(time.perf_counter() - start)
        else:
            np.matmul(a, a)

    with limits.use(alone=0):
        for _ in range(50):
            time.sleep(1e-3)  # and the others fall asleep
            start = time.perf_counter()
            threads.over_images(work, 2, math.inf)
    return float(np.median(found)) if found else 0.0


def measured() -> dict[str, float]:
    """The limits that can be measured, each in a second or so."""
    flat, (a, b, c) = ones(1 << 23), (ones(768, 768) for _ in "abc")
    with threads.single_threaded_blas():
        product = 768**3 / seconds(lambda: np.matmul(a, b, out=c))  # multiply-adds a second
    wake, part = hand_over() * product, flat[: 1 << 16]
    formula = pieces.spread(lambda x: np.exp(x) * x + np.tanh(x))
    element = lambda work, size: seconds(work) * product / size
    times = lambda slow, fast, *shape: seconds(layer(slow, *shape)) / seconds(layer(fast, *shape))
    gathered, scattered = (functools.partial(layer, way, 32) for way in ("gather", "few outputs"))
    sizes, sides = [1 << i for i in range(8, 18)], range(17, 24)
    of_planes = lambda short_row: lambda c: limited(layer("gather", c, 32), short_row=short_row)
    normal = np.random.default_rng(0).standard_normal(1 << 17, np.float32)  # SciPy's erf branches
    erf = lambda least: lambda n: limited(lambda: elementwise.erf(normal[:n]), by_polynomials=least)
    return {
        "alone": 6 * wake,
        "ahead": wake,
        "piece": fastest("piece", range(14, 22), lambda: formula(flat)),
        "of_a_sum": element(lambda: np.add.reduce(part), part.size),
        "of_a_pass": element(lambda: np.add(flat, 1, out=memory.empty_like(flat)), flat.size),
        "of_a_draw": element(lambda: random.bernoulli((1 << 20,), 0.5, 0, 0), 1 << 20),
        "clipped": last(sizes, lambda n: lambda: np.maximum(flat[:n], 0),
                        lambda n: lambda: flat[:n].clip(0.0, math.inf)),
        "by_polynomials": last(sizes, erf(1 << 60), erf(1)),
        "by_pieces": last(sizes, lambda n: lambda: flat[:n].sum(),
                          lambda n: lambda: elementwise.total(flat[:n])),
        "windows_at_a_time": fastest("windows_at_a_time", sides, gathered(32)),
        "products_at_a_time": fastest("products_at_a_time", range(17, 24), scattered(3)),
        "tiles_at_a_time": fastest("tiles_at_a_time", sides, layer("winograd", 64, 64)),
        "short_row": 3 * last(range(1, 17), of_planes(1 << 60), of_planes(1)),
        "few": last((1, 2, 3, 4, 6, 8, 12, 16, 24, 32), scattered, gathered),
        "many_planes": times("few outputs", "gather", 64, 12),
        "many_pixels": times("few pixels", "gather", 32, 64, True),
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m minigen.kernels.limits", description=__doc__)
    parser.add_argument("--write", metavar="FILE", type=Path, help="the measured ones, as JSON")
    args = parser.parse_args(argv)
    print("measuring …", flush=True)
    found, shipped = measured(), asdict(limits.Limits())
    whole = {name for name, value in shipped.items() if type(value) is int}
    found = {name: max(1, round(v)) if name in whole else v for name, v in found.items()}
    print(f"{'limit':20}{'shipped':>12}{'here':>12}  unit: how")
    for f in fields(limits.Limits):
        here = f"{found[f.name]:.4g}" if f.name in found else ""
        unit, how = f.metadata["unit"], f.metadata["how"]
        print(f"{f.name:20}{shipped[f.name]:12.4g}{here:>12}  {unit}: {how}")
    if args.write:
        try:
            with written_whole(args.write) as file:
                file.write(json.dumps({**shipped, **found}, indent=2).encode() + b"\n")
        except OSError as error:
            parser.error(f"--write: cannot write {args.write}: {error.strerror}")
        print(f"MINIGEN_LIMITS={args.write} in the environment uses them")
