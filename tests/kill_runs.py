"""Kills a small training at random moments, saving included, and checks that nothing is lost.

    python tests/kill_runs.py --count 300 --seed 0

A run is started again after each kill (SIGKILL) until it has done all its steps. Each start finds
the folder free and clears it of unfinished files; the outcome is bit for bit that of a run that
was never killed: checkpoint, metrics and pictures. Ends at the first difference.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402

from minigen import training  # noqa: E402

STEPS, SAVE_EVERY = 100, 10
LINGERING = 0.002  # seconds at most between two arrays of a checkpoint: kills are to come amid it
LONGEST = 0.25  # seconds from a start to its kill; a whole run takes about as long


class Trained:
    """Weights that follow a random stream, and the stream: small, but every bit counts."""

    def __init__(self):
        self.w = np.zeros((4, 3000), np.float32)
        self.stream = np.random.Generator(np.random.Philox(key=5))

    def state_dict(self):
        return {"w": list(self.w), "stream": self.stream.bit_generator.state}

    def load_state_dict(self, state):
        self.w[...] = state["w"]
        self.stream.bit_generator.state = state["stream"]

    def step(self) -> float:
        self.w += self.stream.standard_normal(self.w.shape, "f")
        return float((self.w**2).mean())


def train(folder: Path, pauses: random.Random) -> None:
    """One start of the training."""
    write = np.lib.format.write_array

    def write_slowly(file, array, **options):
        write(file, array, **options)
        time.sleep(pauses.uniform(0, LINGERING))

    np.lib.format.write_array = write_slowly
    there = (folder / "config.json").exists()
    run = training.Run.resume(folder) if there else training.Run.create(folder, {})
    left = list(folder.rglob("*.tmp"))
    assert not left, f"unfinished files outlive a start: {left}"
    model = Trained()
    loop = training.Loop(
        run, steps=STEPS, state={"model": model}, log_every=1, save_every=SAVE_EVERY
    )

    @loop.at_save
    def draw() -> None:
        picture = np.uint8(abs(model.w[:, :40]) * 5)
        training.save_image(run.path("samples", f"{loop.step:03d}.png"), picture)

    for _ in loop:
        loop.log({"loss": model.step()})


def start(folder: Path, rng: random.Random, kill: bool) -> bool:
    """Train in a child, which is killed at a random moment or may end; gives whether it was killed.

    Raises:
        AssertionError: it failed by itself.
    """
    pauses = random.Random(rng.random())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of BLAS's threads, which the child does not need
        child = os.fork()
    if not child:
        status = 1
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # its progress
            train(folder, pauses)
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.stdout)
            sys.stdout.flush()
        finally:
            os._exit(status)
    if kill:
        time.sleep(rng.uniform(0, LONGEST))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or not os.WEXITSTATUS(status), "a start failed"
    return os.WIFSIGNALED(status)


def outcome(folder: Path) -> dict[str, bytes]:
    """All that a run left, but for the seconds it took and the lock of one that was killed."""
    checkpoint = training.load_checkpoint(folder / "checkpoint.npz") | {"seconds": 0.0}
    training.save_checkpoint(folder / "checkpoint.npz", checkpoint)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.name != ".lock"}


def check(count: int, seed: int) -> None:
    """Kill `count` times, over as many runs as that takes.

    Raises:
        AssertionError: something was lost, mixed or left behind.
    """
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as parent:
        whole, parts = Path(parent, "whole"), Path(parent, "parts")
        start(whole, rng, kill=False)
        expected, kills, unfinished = outcome(whole), 0, 0
        assert len(expected) == 4 + STEPS // SAVE_EVERY, list(expected)
        while kills < count:
            while start(parts, rng, kill=kills < count):
                kills += 1
                unfinished += bool(list(parts.rglob("*.tmp")))
            got = outcome(parts)
            different = [n for n in got | expected if got.get(n) != expected.get(n)]
            assert not different, f"after {kills} kills {different} differ"
            shutil.rmtree(parts)
            print(f"{kills} of {count} kills, {unfinished} of them amid a save: nothing lost")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="kills")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    flags = parser.parse_args()
    check(flags.count, flags.seed)


if __name__ == "__main__":
    main()
