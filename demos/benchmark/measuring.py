"""What `benchmark.py` measures with: alternating order, the roofline, peak memory, and tables."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import threadpoolctl

import minigen
from minigen import backend
from minigen.info import processor
from minigen.profile import machine_speed
from minigen.units import human_bytes, human_seconds

TITLES = {"torch": "PyTorch", "gensim": "gensim"}
FOLDER = pathlib.Path(__file__).parent
SETTLE = 0.02  # seconds of calls, at least, that are made but not measured when a turn begins
TURN = 0.02  # seconds of calls, about, that are then measured
TABLE = "{:34}   minigen{:>10}  ratio  quartiles     GFLOP/s roofline binds"
Call = Callable[[], object]


def set_tf32(on: bool) -> None:
    """Let products on a GPU round their factors to TF32, on both sides. This engine's own switch
    comes with its CUDA kernels; CuPy's products keep to float32 unless CUPY_TF32 is set."""
    os.environ["CUPY_TF32"] = str(int(on))
    if "benchmark.with_torch" in sys.modules:
        sys.modules["benchmark.with_torch"].use(backend.threads(), tf32=on)


def elapsed(who: str, device: str, f: Call, calls: int) -> float:
    """Seconds of one call; on a GPU between two events of the library that calls it."""
    if device == "cpu":
        start = time.perf_counter()
        for _ in range(calls):
            f()
        return (time.perf_counter() - start) / calls
    if who == "minigen":
        cuda = sys.modules["cupy"].cuda
        start, stop, between = cuda.Event(), cuda.Event(), cuda.get_elapsed_time
    else:
        cuda = sys.modules["torch"].cuda
        start, stop = (cuda.Event(enable_timing=True) for _ in range(2))
        between = cuda.Event.elapsed_time
    start.record()
    for _ in range(calls):
        f()
    stop.record()
    stop.synchronize()
    return between(start, stop) / 1e3 / calls  # both count milliseconds


def measured(
    sides: Mapping[str, Call], device: str = "cpu", budget: float = 0.5, rounds: int | None = None
) -> dict[str, np.ndarray]:
    """Seconds of a call of each side, in rounds. The order is reversed after each round, so that
    a disturbance meets all sides alike. A turn begins with calls that are not measured: the idle
    threads of OpenMP, PyTorch's among them, go on spinning for milliseconds and take the next
    side's cores, and threads that were asleep for long take milliseconds to wake.

    Args:
        budget: about how many seconds to take; there are 5 to 15 rounds in any case.
    """
    calls, settle = {}, {}
    for who, f in sides.items():
        f()
        once = elapsed(who, device, f, 1)
        calls[who] = max(1, round(TURN / once))
        # What takes ten times as long hardly notices, and need not be called for nothing.
        settle[who] = SETTLE if len(sides) > 1 and once < 10 * SETTLE else 0.0
    start, order = time.perf_counter(), list(sides)
    times: dict[str, list[float]] = {who: [] for who in sides}
    while True:
        for who in order:
            turn = time.perf_counter()
            while time.perf_counter() - turn < settle[who]:
                sides[who]()
            times[who].append(elapsed(who, device, sides[who], calls[who]))
        order.reverse()
        done = len(times[order[0]])
        late = time.perf_counter() - start > budget
        if done == rounds or (rounds is None and (done >= 15 or (late and done >= 5))):
            return {who: np.array(t) for who, t in times.items()}


def in_own_process(module: str, model: str, batch: int, device: str) -> dict[str, float]:
    """Seconds of a step of that model and the peak memory of a process that does nothing else."""
    command = [sys.executable, str(FOLDER / "process.py"), module, model, str(batch)]
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run(
        [*command, str(backend.threads()), device],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{done.stderr}")
    return json.loads(done.stdout)


class Bench:
    """Measures and prints rows, and remembers them.

    Args:
        device: `"cpu"` or `"cuda"`.
        against: packages that are installed and that to compare with is wished for.
        rounds: of each measurement; None for as many as are worth their time.

    Attributes:
        rows: all that was measured, as dicts of plain numbers, by section.
    """

    def __init__(
        self, device: str = "cpu", against: tuple[str, ...] = ("torch",), rounds: int | None = None
    ):
        self.device, self.against, self.rounds = device, against, rounds
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.torch = None
        if "torch" in against:
            from benchmark import with_torch

            self.torch = with_torch
            self.torch.use(backend.threads())
        set_tf32(False)
        self.speed = machine_speed("cpu" if device == "cpu" else "cuda:0", "float32")

    def section(self, name: str, columns: str = TABLE) -> None:
        """Begin a section: its head, in which stand its name and what it is compared with."""
        self.rows[name] = []
        other = " / ".join(TITLES[a] for a in self.against) or "—"
        print("\n" + columns.format(name, other))

    def row(
        self, name: str, ours: Call, theirs: Mapping[str, Call], *, budget: float = 0.5,
        traffic: int | None = None, roofline: bool = True,
    ) -> dict[str, Any]:  # fmt: skip
        """Measure a call against others and print a line for each of those.

        Args:
            theirs: by package, with a word about how it is used behind it: "torch channels-last".
            traffic: the bytes that the call must move at least; by default its FLOPs and bytes are
                counted by a profile, operation by operation.
            roofline: whether to compare with the roofline.
        """
        times = measured({"minigen": ours, **theirs}, self.device, budget, self.rounds)
        mine = times.pop("minigen")
        row: dict[str, Any] = {"name": name, "seconds": float(np.median(mine)), "against": {}}
        tail = ""
        if roofline:
            with minigen.profile() as p:
                ours()
            parts = [r.floors() for r in p.rows]
            product, copy = sum(a for a, _ in parts), sum(b for _, b in parts)
            if traffic is not None:
                product, copy = 0.0, traffic / self.speed.copy
            rate, share = p.flops / row["seconds"], (product + copy) / row["seconds"]
            binds = "products" if product > copy else "copies"
            row |= {"flops": p.flops, "bytes": p.bytes if traffic is None else traffic}
            row |= {"flops_per_second": rate, "roofline": share, "binds": binds}
            tail = f"{rate / 1e9:9.1f}{share:9.0%} {binds}"
        head = f"{name:34}{human_seconds(row['seconds']):>10}"
        if not times:
            print(f"{head}{'':33}{tail}")
        for who, t in times.items():
            low, ratio, high = np.percentile(mine / t, [25, 50, 75])
            row["against"][who] = {
                "seconds": float(np.median(t)), "ratio": ratio, "quartiles": [low, high]
            }  # fmt: skip
            if len(row["against"]) > 1:  # the same measurement against another
                package, _, usage = who.partition(" ")
                head, tail = f"  against {TITLES[package]} {usage}".ljust(44), ""
            span = f"{low:.2f} to {high:.2f}"
            took = human_seconds(float(np.median(t)))
            print(f"{head}{took:>10}{ratio:7.2f}  {span:14}{tail}".rstrip())
        self.rows[list(self.rows)[-1]].append(row)
        return row

    def note(self, text: str, **values: Any) -> None:
        """Print a line, and remember these values as a row."""
        print(text)
        if values:
            self.rows[list(self.rows)[-1]].append(values)

    def memory(self, model: str, batch: int) -> None:
        """The peak memory of a process that trains this model, and of one that does so with
        PyTorch."""
        ours = in_own_process("benchmark.sections", f"{model}_step", batch, self.device)["peak"]
        text = f"peak memory, batch {batch}: minigen {human_bytes(ours)}"
        values: dict[str, Any] = {"name": f"peak memory, batch {batch}", "minigen": ours}
        if self.torch is not None:
            theirs = in_own_process("benchmark.with_torch", model, batch, self.device)["peak"]
            text += f", PyTorch {human_bytes(theirs)}, ratio {ours / theirs:.2f}"
            values |= {"torch": theirs, "ratio": ours / theirs}
        self.note(text, **values)

    def machine(self) -> dict[str, Any]:
        """What was measured with, and on."""
        blas = [i for i in threadpoolctl.threadpool_info() if i["user_api"] == "blas"]
        versions = {name: importlib.metadata.version(name) for name in self.against}
        return {
            "python": platform.python_version(), "numpy": np.__version__, **versions,
            "blas": [f"{i['internal_api']} {i['version']}, {i['num_threads']} threads"
                     for i in blas if "numpy" in i["filepath"]],
            "processor": processor(), "threads": backend.threads(), "dtype": "float32",
            "device": self.device, "product_flops_per_second": self.speed.product,
            "copy_bytes_per_second": self.speed.copy,
        }  # fmt: skip

    def head(self) -> None:
        """Print what is measured with, and on."""
        m = self.machine()
        others = "".join(f", {TITLES[name]} {m[name]}" for name in self.against)
        print(f"Python {m['python']}, NumPy {m['numpy']} ({'; '.join(m['blas'])}){others}")
        tf32 = ", TF32 off" if self.device != "cpu" else ""
        print(f"{m['processor']}, {self.device}; {m['threads']} threads, float32{tf32}")
        print(
            f"Measured now: matrix products {self.speed.product / 1e9:.0f} GFLOP/s, copies "
            f"{self.speed.copy / 1e9:.1f} GB/s"
        )


def installed(package: str) -> bool:
    """Whether the package could be imported."""
    return importlib.util.find_spec(package) is not None
