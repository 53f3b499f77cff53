"""Kills a random rank of a small training at random times, and counts what hangs.

    python tests/kill_ranks.py --count 200 --seed 0 [--ranks 2]

Each start goes on from the checkpoint before. Most kills come once steps are done, others at any
time from MPI's own start on. After a kill (SIGKILL, or SIGSTOP: a rank that never answers) all
ranks have to be gone within 30 seconds, and the checkpoint has to be readable.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from minigen.training import CheckpointError, load_checkpoint  # noqa: E402

SCRIPT = Path(__file__).parent / "distributed/train_on_ranks.py"
MPIEXEC = Path(sys.executable).parent / "mpiexec"
STEPS, LIMIT = 4000, 30.0  # seconds from a kill to the end of all


def ranks_below(pid: int) -> list[int]:
    """The processes of the script that a launcher has started."""
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except OSError:
            continue
        for child in map(int, children):
            waiting.append(child)
            try:
                words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(SCRIPT).encode() in words and b"python" in words[0]:
                found.append(child)
    return found


def wait_for_steps(metrics: Path, launcher: subprocess.Popen) -> None:
    """Return when a line of metrics is written, or the launcher has ended."""

    def size() -> int:
        return metrics.stat().st_size if metrics.exists() else 0

    before = size()
    while size() <= before and launcher.poll() is None:
        before = min(before, size())  # a run that goes on drops lines first
        time.sleep(0.02)


def until_ended(launcher: subprocess.Popen, rank: int, how: signal.Signals) -> float:
    """Kill or stop a rank, if it is not 0, and wait until its launcher has ended, LIMIT seconds at
    most; how many it took. They are counted while this script runs: whoever stops it for a while
    stops the ranks too, and when they go on, the one that was stopped here does not."""
    naps = 0
    while launcher.poll() is None and naps < LIMIT / 0.1:
        with suppress(ProcessLookupError):
            if rank and (naps == 0 or how == signal.SIGSTOP):
                os.kill(rank, how)
        time.sleep(0.1)
        naps += 1
    return naps * 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--longest", type=float, default=2.0, help="seconds to a kill")
    parser.add_argument("--early", type=float, default=0.25, help="share killed at any time")
    parser.add_argument("--stop", type=float, default=0.05, help="share that is stopped instead")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    hanging = unreadable = saved = slowest = lines = killed = 0
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        for i in range(args.count):
            begun = (run / "checkpoint.npz").exists()
            if not begun:
                shutil.rmtree(run, ignore_errors=True)
            flags = ["--resume" if begun else "--out", str(run), "--steps", str(STEPS)]
            command = [MPIEXEC, "-n", str(args.ranks), sys.executable, SCRIPT, *flags]
            with open(Path(folder, "said"), "w+b") as said:
                launcher = subprocess.Popen(
                    list(map(str, command)),
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    env=os.environ | {"TMPDIR": folder},
                )
                if rng.random() > args.early:
                    wait_for_steps(run / "metrics.jsonl", launcher)
                time.sleep(rng.uniform(0, args.longest))
                while not (ranks := ranks_below(launcher.pid)) and launcher.poll() is None:
                    time.sleep(0.02)
                how = signal.SIGSTOP if rng.random() < args.stop else signal.SIGKILL
                # Of a training that is over none is left.
                chosen = rng.choice(ranks) if ranks else 0
                killed += chosen != 0
                seconds = until_ended(launcher, chosen, how)
                if launcher.poll() is None:
                    hanging += 1
                    said.seek(0)
                    print(f"start {i} hung after {how.name}: {said.read().decode()[-2000:]}")
                    for pid in (*ranks_below(launcher.pid), launcher.pid):
                        os.kill(pid, signal.SIGKILL)
                    launcher.wait()
                slowest = max(slowest, seconds)
                said.seek(0)
                lines += b"all ranks end" in said.read()
            if (run / "checkpoint.npz").exists():
                try:
                    saved = max(saved, load_checkpoint(run / "checkpoint.npz")["step"])
                except CheckpointError as error:
                    unreadable += 1
                    print(error)
                if saved >= STEPS - 100:
                    shutil.rmtree(run)
                    saved = 0
            if i % 20 == 19:
                print(f"{i + 1} starts, {killed} ranks killed: {hanging} hung, {unreadable}"
                      f" unreadable checkpoints, {lines} lines that say why; the slowest end took"
                      f" {slowest:.1f} s; at step {saved}", flush=True)  # fmt: skip
    sys.exit(hanging + unreadable > 0)


if __name__ == "__main__":
    main()
