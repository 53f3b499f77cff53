"""One training step in a process of its own, since peak memory belongs to a process.

`benchmark.py` runs this file; it imports nothing but the module that it is told to measure.
"""

from __future__ import annotations

import importlib
import json
import pathlib
import statistics
import sys
import time


def peak_memory(device: str) -> int | None:
    """Bytes: the most that was resident at once, or on a GPU that the pool has taken."""
    if device == "cpu":
        status = pathlib.Path("/proc/self/status")
        if status.exists():
            return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
        import resource  # not on Windows; macOS counts in bytes

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if "torch" in sys.modules:
        return sys.modules["torch"].cuda.max_memory_reserved()
    return sys.modules["cupy"].get_default_memory_pool().total_bytes()


def main(module: str, model: str, batch: str, threads: str, device: str) -> None:
    """Print as JSON the seconds of a step and the peak memory: three steps or more, until half a
    second is over; the first, which sets things up, is not timed."""
    step = getattr(importlib.import_module(module), model)(int(batch), int(threads), device)
    step()
    times = []
    while len(times) < 2 or sum(times) < 0.5:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    print(json.dumps({"seconds": statistics.median(times), "peak": peak_memory(device)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
