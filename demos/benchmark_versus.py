"""Whole networks, written once, trained by two libraries in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import benchmark_networks
import numpy as np
from benchmarking import FOLDER, TITLES, Bench

from minigen import backend
from minigen.units import human_bytes, human_seconds

# Before a block nobody computes for so many seconds. The threads of OpenMP (GNU's, with PyTorch)
# spin for a few milliseconds after the last piece of work, those of OpenBLAS for up to 26, then
# both sleep. Neither library's own way to wait is changed: told to sleep at once
# (OMP_WAIT_POLICY=passive), PyTorch takes longer for a step of small layers.
PAUSE = 0.03
SETTLE = 0.02  # seconds of steps, at least, at the beginning of a block that are not counted
BLOCK = 0.1  # seconds of steps, about, that are then counted
ROUNDS = (5, 25)  # at least, and at most
AGREE = 1e-3  # how much the first losses may differ, relative to one of them
MODULES = {"minigen": "minigen.torch_names", "torch": "torch"}
RANDOM = 1000  # networks drawn, at most
COLUMNS = "{0:24}  minigen{1:>9}  ratio  quartiles     products    ×   memory{1:>9}  ratio"


def names(random: int = RANDOM) -> list[str]:
    """The networks' names, with those of so many drawn by a seed."""
    drawn = [f"random-{i}" for i in range(random)]
    return [*benchmark_networks.ISSUE, *benchmark_networks.MORE, *drawn]


class Side:
    """A library in a process of its own."""

    def __init__(self, library: str, device: str = "cpu"):
        self.library = library
        command = [sys.executable, str(FOLDER / "benchmark_child.py"), MODULES[library]]
        self.process = subprocess.Popen(
            [*command, str(backend.threads()), device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )  # fmt: skip

    def hear(self) -> dict[str, Any]:
        """The next answer.

        Raises:
            RuntimeError: it says what failed, or there is none.
        """
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            raise RuntimeError(f"{TITLES.get(self.library, self.library)}: {answer['error']}")
        return answer

    def tell(self, **request: Any) -> None:
        """Write a request."""
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request."""
        self.tell(**request)
        return self.hear()

    def block(self, steps: int) -> dict[str, float]:
        """Seconds of a step, and how idle the process was until now."""
        time.sleep(PAUSE)
        return self.ask(steps=steps, settle=SETTLE)

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def alternating(
    sides: Mapping[str, Side], budget: float, rounds: int | None = None
) -> tuple[dict[str, np.ndarray], float]:
    """Seconds of a step of each side, block by block, and the most seconds of a core that a side
    took while it was idle: what its threads spun, less than `PAUSE`. The order is reversed after
    each round.

    Args:
        budget: about how many seconds to take.
    """
    start, order, idle = time.perf_counter(), list(sides), 0.0
    steps = {
        who: max(1, round(BLOCK / max(side.block(1)["seconds"], 1e-9)))
        for who, side in sides.items()
    }
    times: dict[str, list[float]] = {who: [] for who in sides}
    while True:
        for who in order:
            found = sides[who].block(steps[who])
            times[who].append(found["seconds"])
            idle = max(idle, found["idle"])
        order.reverse()
        done, late = len(times[order[0]]), time.perf_counter() - start > budget
        if done == rounds or (
            rounds is None and (done >= ROUNDS[1] or (late and done >= ROUNDS[0]))
        ):
            return {who: np.array(t) for who, t in times.items()}, idle


def one_network(
    bench: Bench, sides: Mapping[str, Side], name: str, seed: int, budget: float
) -> dict[str, Any]:
    """Measure a network and print its line."""
    for side in sides.values():  # both build at once
        side.tell(build=name, seed=seed)
    built = {who: side.hear() for who, side in sides.items()}
    times, idle = alternating(sides, budget, bench.rounds)
    flops = sides["minigen"].ask(products=True)["flops"]
    for side in sides.values():
        side.ask(end=True)
    mine, memory = times["minigen"], built["minigen"]["memory"]
    seconds, floor = float(np.median(mine)), flops / bench.speed.product
    row: dict[str, Any] = {
        "name": name, "seconds": seconds, "loss": built["minigen"]["loss"], "flops": flops,
        "floor": floor, "floor_ratio": seconds / floor if floor else None, "memory": memory,
        "idle": idle,
    }  # fmt: skip
    took = span = ratio_said = other = memory_ratio = ""
    warning = []
    if "torch" in sides:
        theirs = times["torch"]
        low, ratio, high = np.percentile(mine / theirs, [25, 50, 75])
        row["torch"] = {
            "seconds": float(np.median(theirs)), "ratio": ratio, "quartiles": [low, high],
            **built["torch"], "memory_ratio": memory / max(built["torch"]["memory"], 1),
        }  # fmt: skip
        took, ratio_said = human_seconds(row["torch"]["seconds"]), f"{ratio:.2f}"
        span, other = f"{low:.2f} to {high:.2f}", human_bytes(built["torch"]["memory"])
        memory_ratio = f"{row['torch']['memory_ratio']:.2f}"
        a, b = row["loss"], built["torch"]["loss"]
        if not abs(a - b) <= AGREE * abs(b):
            warning = [f"  the first losses differ: {a:.7g} here, {b:.7g} in PyTorch"]
    multiple = f"{row['floor_ratio']:5.1f}" if floor else "    -"
    print(
        f"{name:24}{human_seconds(seconds):>9}{took:>9}{ratio_said:>7}  {span:14}"
        f"{human_seconds(floor):>8}{multiple}{human_bytes(memory):>9}{other:>9}{memory_ratio:>7}",
        *warning,
        sep="\n",
        flush=True,
    )
    return row


def networks(
    bench: Bench, only: Sequence[str] = (), random: int = 30, seed: int = 0, budget: float = 3.0
) -> None:
    """Those of the issue on speed, ten more, and as many drawn by a seed.

    Args:
        only: names of those to measure; none for all.
        random: how many are drawn.
        budget: seconds for a network, about, without those to build it.
    """
    groups = {
        "the nine": list(benchmark_networks.ISSUE),
        "the ten": list(benchmark_networks.MORE),
        "the random ones": [f"random-{i}" for i in range(random)],
    }
    libraries = ("minigen", *(["torch"] if bench.torch is not None else []))
    sides = {library: Side(library, bench.device) for library in libraries}
    memory: list[float] = []
    try:
        for side in sides.values():
            side.hear()
        ratios: dict[str, list[float]] = {}
        for group, names in groups.items():
            for name in names:
                if only and name not in only:
                    continue
                row = one_network(bench, sides, name, seed, budget)
                bench.rows["networks"].append(row)
                if "torch" in row:
                    ratios.setdefault(group, []).append(row["torch"]["ratio"])
                    memory.append(row["torch"]["memory_ratio"])
    finally:
        for side in sides.values():
            side.close()
    for group, found in ({**ratios, "memory": memory} if memory else {}).items():
        median, worst = float(np.median(found)), max(found)
        text = f"{group}: median of {len(found)} ratios {median:.2f}, worst {worst:.2f}"
        bench.note(text, name=group, median=median, worst=worst)
