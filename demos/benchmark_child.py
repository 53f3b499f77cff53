"""A process that trains networks with one library, when it is told to and only then.

`benchmark_versus.py` starts it with the library's module, threads and device, and writes a request
a line, as JSON; each is answered by a line. For each network the process forks, so that the time
of importing is spent once, and yet each network has a process of its own, whose memory is its own.
Where there is no fork, all networks share one.

    {"build": name, "seed": 0}      its first loss, without dropout; the peak memory of three steps,
                                    above what the import takes
    {"steps": 3, "settle": 0.02}    seconds of a step, after so many seconds of steps not counted
    {"products": true}              FLOPs of its convolutions and matrix products, by a profile
    {"end": true}                   forget that network
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import benchmark_networks
from benchmark_process import peak_memory

# Operations whose FLOPs are those of products; names as in a profile.
PRODUCTS = ["conv2d", "conv2d_input", "conv2d_weight", "matmul", "linear", "einsum"]


def code_in_memory() -> int:
    """Bytes of files, the library's code above all, that are resident: pages of it come in when a
    function is called for the first time. 0 where the system does not tell."""
    status = pathlib.Path("/proc/self/status")
    text = status.read_text() if status.exists() else ""
    return int(text.split("RssFile:")[1].split()[0]) * 1024 if "RssFile:" in text else 0


def used_memory(device: str) -> int:
    """The peak without the code."""
    return (peak_memory(device) or 0) - (code_in_memory() if device == "cpu" else 0)


def without_dropout(torch: Any, training: benchmark_networks.Training) -> float:
    """The loss of a step without dropout, whose random numbers are each library's own."""
    kinds = (torch.nn.Dropout, torch.nn.Dropout2d)
    layers = [m for net in training.networks for m in net.modules() if isinstance(m, kinds)]
    for layer in layers:
        layer.eval()
    loss = float(training.step().item())
    for layer in layers:
        layer.train()
    return loss


def products() -> Callable[[Any], int]:
    """What counts the FLOPs of a step's products."""
    import minigen

    def count(step: Callable[[], object]) -> int:
        with minigen.profile() as p:
            step()
        parts = [part for row in p.rows for part in (row, *row.parts.values())]
        # A row counts its parts' as well.
        return sum(
            flops * calls
            for part in parts
            if part.name in PRODUCTS
            for (flops, *_), calls in part._work.items()
        )

    return count


class Child:
    """Answers requests about one network."""

    def __init__(self, torch: Any, device: str):
        self.torch, self.device = torch, device
        self.memory = used_memory(device)
        self.training: Any = None
        self.rested = time.process_time()

    def wait(self) -> None:
        """Until the device has done all."""
        if self.device != "cpu":
            self.torch.cuda.synchronize()

    def build(self, build: str, seed: int) -> dict[str, Any]:
        """See above."""
        self.training = benchmark_networks.build(build, self.torch, seed, self.device)
        loss = without_dropout(self.torch, self.training)
        for _ in range(2):
            self.training.step()
        self.wait()
        return {"loss": loss, "memory": used_memory(self.device) - self.memory}

    def steps(self, steps: int, settle: float) -> dict[str, float]:
        """See above; and for how long the process computed while it had nothing to do."""
        start, idle = time.perf_counter(), time.process_time() - self.rested
        while time.perf_counter() - start < settle:
            self.training.step()
            self.wait()
        start = time.perf_counter()
        for _ in range(steps):
            self.training.step()
        self.wait()
        return {"seconds": (time.perf_counter() - start) / steps, "idle": idle}

    def products(self, products: bool) -> dict[str, int]:
        """See above."""
        count = globals()["products"]()
        return {"flops": count(self.training.step)}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer, or what went wrong."""
        try:
            found = getattr(self, next(iter(request)))(**request)
        except Exception:
            return {"error": traceback.format_exc()}
        self.rested = time.process_time()
        return found


def requests() -> Iterator[dict[str, Any]]:
    """Those that come, until there are no more."""
    while line := sys.stdin.readline():
        yield json.loads(line)


def say(answer: dict[str, Any]) -> None:
    """Write an answer."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main(module: str, threads: str, device: str) -> None:
    """Answer until no more requests come."""
    torch = importlib.import_module(module)
    # The first optimiser imports half of PyTorch.
    torch.optim.Adam(torch.nn.Linear(1, 1).parameters())
    say({"ready": True})
    for request in requests():
        own = os.fork() if hasattr(os, "fork") else 0
        if own:
            _, status = os.waitpid(own, 0)
            say({"error": f"the process ended with status {status}"} if status else {"ended": True})
            continue
        torch.set_num_threads(int(threads))
        child = Child(torch, device)
        say(child.answer(request))
        for further in requests():
            if "end" in further:
                break
            say(child.answer(further))
        if hasattr(os, "fork"):
            os._exit(0)
        say({"ended": True})


if __name__ == "__main__":
    main(*sys.argv[1:])
