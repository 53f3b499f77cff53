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
                ranks = ranks_below(launcher.pid)
                how = signal.SIGSTOP if rng.random() < args.stop else signal.SIGKILL
                if ranks:
                    killed += 1
                    os.kill(rng.choice(ranks), how)
                else:  # not begun, or over
                    launcher.send_signal(signal.SIGINT)
                began = time.monotonic()
                try:
                    launcher.wait(LIMIT)
                except subprocess.TimeoutExpired:
                    hanging += 1
                    for pid in (*ranks_below(launcher.pid), launcher.pid):
                        os.kill(pid, signal.SIGKILL)
                    launcher.wait()
                slowest = max(slowest, time.monotonic() - began)
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
