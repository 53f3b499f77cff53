"""Whole networks, written once, trained by two libraries in processes of their own."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.measuring import FOLDER, TITLES, Bench
from benchmark.networks import MORE, NINE
from minigen import backend
from minigen.units import human_bytes, human_seconds

# Before a block nobody computes for so many seconds. The threads of OpenMP (GNU's, with PyTorch)
# spin for a few milliseconds after the last piece of work, those of OpenBLAS for up to 26, then
# both sleep. Neither library's own way to wait is changed: told to sleep at once
# (OMP_WAIT_POLICY=passive), PyTorch took 1.2 to 2 times as long for a step of small layers.
PAUSE = 0.03
SETTLE = 0.02  # seconds of steps, at least, at the beginning of a block that are not counted
BLOCK = 0.1  # seconds of steps, about, that are then counted
ROUNDS = (5, 25)  # at least, and at most
OTHERS = 0.15  # cores that other processes may take of a block, and
TICKS = 0.03  # seconds by which the system's account may be wrong
PATIENCE = 4  # times the budget: so long rounds in which others computed are repeated;
FEW = 3  # rounds without them then do
AGREE = 1e-3  # how much the first losses may differ, relative to one of them
MODULES = {"minigen": "minigen.torch_names", "torch": "torch"}
RANDOM = 1000  # networks drawn, at most
COLUMNS = "{0:24}  minigen{1:>9}  ratio  quartiles       products     ×   memory{1:>9}  ratio"


def names(random: int = RANDOM) -> list[str]:
    """The networks' names, with those of so many drawn by a seed."""
    drawn = [f"random-{i}" for i in range(random)]
    return [*NINE, *MORE, *drawn]


def busy() -> float:
    """Seconds that all cores have computed for anybody since the machine started; 0 where the
    system does not tell."""
    if not (path := pathlib.Path("/proc/stat")).exists():
        return 0.0
    user, nice, system = path.read_text().split(maxsplit=4)[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


class Side:
    """A library in a process of its own."""

    def __init__(self, library: str, device: str = "cpu", threads: int | None = None):
        self.library = library
        command = [sys.executable, str(FOLDER / "child.py"), MODULES[library]]
        self.process = subprocess.Popen(
            [*command, str(threads or backend.threads()), device],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            start_new_session=True,  # Ctrl-C is for who asks; the process ends with its requests
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

    def tell(self, do: str, **request: Any) -> None:
        """Write a request; see `child.py`."""
        self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        self.process.stdin.flush()

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """The answer to a request."""
        self.tell(do, **request)
        return self.hear()

    def block(self, steps: int) -> dict[str, float]:
        """Seconds of a step; seconds of a core that the process took since its last answer, and
        that others took meanwhile."""
        time.sleep(PAUSE)
        start, before = time.perf_counter(), busy()
        found = self.ask("steps", steps=steps, settle=SETTLE)
        others = busy() - before - found["cpu"]
        disturbed = others > TICKS + OTHERS * (time.perf_counter() - start)
        return found | {"disturbed": disturbed}

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def alternating(
    sides: Mapping[str, Side], budget: float, rounds: int | None = None
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Seconds of a step of each side, block by block. The order is reversed after each round. A
    round in which other processes computed is thrown away: PyTorch takes up to ten times as long
    beside them, which would be no merit of the other side.

    Args:
        budget: about how many seconds to take.

    Returns:
        The seconds; and the most seconds of a core that a side took while it was idle, "idle": what
        its threads spun, less than `PAUSE`; how many rounds were "disturbed", and of those "kept".
    """
    start, order = time.perf_counter(), list(sides)
    notes = {"idle": 0.0, "disturbed": 0, "kept": 0}
    steps = {
        who: max(1, round(BLOCK / max(side.block(1)["seconds"], 1e-9)))
        for who, side in sides.items()
    }
    times: dict[str, list[float]] = {who: [] for who in sides}
    while True:
        found = {who: sides[who].block(steps[who]) for who in order}
        order.reverse()
        passed = time.perf_counter() - start
        if any(block["disturbed"] for block in found.values()):
            notes["disturbed"] += 1
            if rounds is None and passed < PATIENCE * budget:
                continue
            if rounds is None and len(times[order[0]]) >= FEW:
                break
            notes["kept"] += 1
        for who, block in found.items():
            times[who].append(block["seconds"])
            notes["idle"] = max(notes["idle"], block["idle"])
        done = len(times[order[0]])
        enough = done >= ROUNDS[1] or (done >= ROUNDS[0] and passed > budget)
        if done == rounds or (rounds is None and enough):
            break
    return {who: np.array(t) for who, t in times.items()}, notes


def one_network(
    bench: Bench, sides: Mapping[str, Side], name: str, seed: int, budget: float
) -> dict[str, Any]:
    """Measure a network and print its line."""
    for side in sides.values():  # both build at once
        side.tell("build", name=name, seed=seed)
    row: dict[str, Any] = {who: side.hear() for who, side in sides.items()}
    times, notes = alternating(sides, budget, bench.rounds)
    flops = sides["minigen"].ask("products")["flops"]
    for who, side in sides.items():
        side.ask("end")
        row[who]["seconds"] = float(np.median(times[who]))
    floor = flops / bench.speed.product
    row |= {"name": name, **notes, "flops": flops, "floor": floor}
    row["floor_ratio"] = row["minigen"]["seconds"] / floor
    if "torch" in sides:
        low, ratio, high = np.percentile(times["minigen"] / times["torch"], [25, 50, 75])
        memory = row["minigen"]["memory"] / max(row["torch"]["memory"], 1)
        row |= {"ratio": ratio, "quartiles": [low, high], "memory_ratio": memory}
    print(line(row), flush=True)
    return row


def line(row: dict[str, Any]) -> str:
    """A network's figures as text; further lines where other processes never
    stopped, or the first losses differ."""
    ours, theirs = row["minigen"], row.get("torch")
    floor = f"{human_seconds(row['floor']):>10}{row['floor_ratio']:6.1f}"
    text = f"{row['name']:24}{human_seconds(ours['seconds']):>9}"
    memory = f"{human_bytes(ours['memory']):>9}"
    if theirs is None:
        return f"{text}{'':34}{floor}{memory}"
    low, high = row["quartiles"]
    text += f"{human_seconds(theirs['seconds']):>9}{row['ratio']:7.2f}  {low:.2f} to {high:<6.2f}"
    text += f"{floor}{memory}{human_bytes(theirs['memory']):>9}{row['memory_ratio']:7.2f}"
    if row["kept"]:
        text += f"\n  other processes computed in {row['kept']} rounds of this"
    a, b = ours["loss"], theirs["loss"]
    if not abs(a - b) <= AGREE * abs(b):
        text += f"\n  the first losses differ: {a:.7g}, and {b:.7g} in PyTorch"
    return text


def networks(
    bench: Bench, only: Sequence[str] = (), random: int = 30, seed: int = 0, budget: float = 2.5
) -> None:
    """Nine that were measured first, ten more, and as many drawn by a seed.

    Args:
        only: names of those to measure; none for all.
        random: how many are drawn.
        budget: seconds for a network, about, without those to build it.
    """
    groups = {
        "the first nine": [*NINE],
        "ten more": [*MORE],
        "random ones": [f"random-{i}" for i in range(random)],
    }
    rows = bench.rows["networks"]
    sides = {who: Side(who, bench.device) for who in MODULES if who == "minigen" or bench.torch}
    try:
        for side in sides.values():
            side.hear()
        for name in only or [name for members in groups.values() for name in members]:
            rows.append(one_network(bench, sides, name, seed, budget))
    finally:
        for side in sides.values():
            side.close()
    compared = [row for row in rows if "ratio" in row]
    for group, members in groups.items():
        summary(bench, group, [row["ratio"] for row in compared if row["name"] in members])
    summary(bench, "memory", [row["memory_ratio"] for row in compared])
    if compared:
        idle = max(row["idle"] for row in compared)
        bench.note(
            f"an idle side's threads took {human_seconds(idle)} at most, in a pause of "
            f"{human_seconds(PAUSE)} before each block", name="idle", seconds=idle,
        )  # fmt: skip


def summary(bench: Bench, what: str, ratios: Sequence[float]) -> None:
    """Print the median and the worst of ratios, if there are any."""
    if ratios:
        median, worst = float(np.median(ratios)), float(max(ratios))
        text = f"{what}: median of {len(ratios)} ratios {median:.2f}, worst {worst:.2f}"
        bench.note(text, name=what, median=median, worst=worst)
