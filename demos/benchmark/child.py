"""A process that trains networks with one library, when it is told to and only then.

`versus.py` starts it with the library's module, threads and device, and writes a request
a line, as JSON; each is answered by a line. For each network the process forks, so that the time
of importing is spent once, and yet each network has a process of its own, whose memory is its own.
Where there is no fork, all networks share one.

    {"do": "build", "name": "gan", "seed": 0}       the loss of a first step without dropout, and
                                                    the peak memory of three steps above what the
                                                    import takes
    {"do": "steps", "steps": 3, "settle": 0.02}     seconds of a step, after so many seconds of
                                                    steps that are not counted
    {"do": "products"}                              FLOPs of a step's convolutions and matrix
                                                    products, by minigen's profile
    {"do": "end"}                                   forget the network
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from benchmark import networks
from benchmark.process import peak_memory

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


def without_dropout(torch: Any, training: networks.Training) -> float:
    """The loss of a step without dropout, whose random numbers are each library's own."""
    kinds = (torch.nn.Dropout, torch.nn.Dropout2d)
    layers = [m for net in training.networks for m in net.modules() if isinstance(m, kinds)]
    for layer in layers:
        layer.eval()
    loss = float(training.step().item())
    for layer in layers:
        layer.train()
    return loss


def product_flops(step: Callable[[], object]) -> int:
    """FLOPs of the products in a step of minigen's."""
    import minigen

    with minigen.profile() as p:
        step()
    flops = 0
    for row in p.rows:
        parts = row.parts.values()
        flops += sum(part.flops for part in parts if part.name in PRODUCTS)
        if row.name in PRODUCTS:
            flops += row.flops - sum(part.flops for part in parts)
    return flops


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

    def build(self, name: str, seed: int) -> dict[str, Any]:
        """See above."""
        self.training = networks.build(name, self.torch, seed, self.device)
        loss = without_dropout(self.torch, self.training)
        for _ in range(2):
            self.training.step()
        self.wait()
        return {"loss": loss, "memory": used_memory(self.device) - self.memory}

    def steps(self, steps: int, settle: float) -> dict[str, float]:
        """See above; and seconds of a core that the process took in it, and before it, while it
        had nothing to do."""
        start, cpu = time.perf_counter(), time.process_time()
        idle = cpu - self.rested
        while time.perf_counter() - start < settle:
            self.training.step()
            self.wait()
        start = time.perf_counter()
        for _ in range(steps):
            self.training.step()
        self.wait()
        seconds = (time.perf_counter() - start) / steps
        return {"seconds": seconds, "cpu": time.process_time() - cpu, "idle": idle}

    def products(self) -> dict[str, int]:
        """See above."""
        return {"flops": product_flops(self.training.step)}

    def answer(self, do: str, **request: Any) -> dict[str, Any]:
        """The answer, or what went wrong."""
        try:
            found = getattr(self, do)(**request)
        except Exception:
            return {"error": traceback.format_exc()}
        self.rested = time.process_time()
        return found


def requests() -> Iterator[dict[str, Any]]:
    """Those that come, until there are no more."""
    while line := sys.stdin.readline():
        yield json.loads(line)


def say(answer: dict[str, Any]) -> None:
    """Write an answer, or end where who asked is gone."""
    try:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(1)


def main(module: str, threads: str, device: str) -> None:
    """Answer until no more requests come."""
    torch = importlib.import_module(module)
    # The first optimiser imports half of PyTorch.
    torch.optim.Adam(torch.nn.Linear(1, 1).parameters())
    say({"ready": True})
    forks = hasattr(os, "fork")
    # Python warns of threads that a fork leaves behind; OpenBLAS stops its own before each, and
    # nothing was computed yet that starts others.
    warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
    for request in requests():
        if forks and (process := os.fork()):
            _, status = os.waitpid(process, 0)
            say({"error": f"the process ended with status {status}"} if status else {"ended": True})
            continue
        torch.set_num_threads(int(threads))
        child = Child(torch, device)
        say(child.answer(**request))
        for further in requests():
            if further["do"] == "end":
                break
            say(child.answer(**further))
        if forks:
            os._exit(0)
        say({"ended": True})


if __name__ == "__main__":
    main(*sys.argv[1:])
