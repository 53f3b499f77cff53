"""The one line of a group that ends because one of its ranks does.

Whoever is the first on its machine to say what happened makes a file, the claim; the others end in
silence. A rank that is killed can say nothing: a watcher, another process, waits at the other end
of a pipe, and speaks if the rank ends without a goodbye. The launcher then ends all others. It ends
a rank, too, that was stopped and is not let go on while others run, which may wait for it in
patience (see `mpi`).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Waits until the rank is gone; says its line unless another was said; removes the claim when all
# who could ask for it are gone. It imports nothing that takes time. Ranks are all stopped where
# somebody suspends the whole.
WATCHER = """
import os, select, sys, time
rank, claim, seconds = sys.argv[1:]
pid = os.getppid()
line = "is gone without a word: it was killed, or there was no memory left for it"

def status(pid, place):
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[place]

def alone_is_stopped():
    try:
        parent = status(pid, 1)
        with open(f"/proc/{parent}/task/{parent}/children") as file:
            states = {other: status(other, 0) for other in file.read().split()}
        return states[str(pid)] == "T" and set(states.values()) > {"T"}
    except (OSError, KeyError, IndexError):
        return False

stopped = 0
while not select.select([0], [], [], 0.5)[0]:
    stopped = stopped + 0.5 if alone_is_stopped() else 0
    if stopped > float(seconds):
        line = f"was stopped, and not let go on for {stopped:.0f} s"
        os.kill(pid, 9)
        break
if not os.read(0, 1):
    try:
        os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.write(2, f"rank {rank} (process {pid}) {line}; all ranks end\\n".encode())
    except OSError:
        pass
    os.closerange(0, 3)
    time.sleep(5)
    try:
        os.unlink(claim)
    except OSError:
        pass
"""


def _claim() -> Path:
    """The file that all ranks of this machine's launcher know: named by it and when it began."""
    parent = os.getppid()
    began = ""
    with contextlib.suppress(OSError, IndexError):
        began = Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[19]
    return Path(tempfile.gettempdir(), f"minigen-{os.getuid()}-{parent}-{began}.ended")


class LastWords:
    """Those of this rank.

    Args:
        rank: its number.
        timeout: seconds, for half of which it may be stopped.
    """

    def __init__(self, rank: str, timeout: float):
        self._path = _claim()
        words = str(rank), str(self._path), str(timeout / 2)
        command = [sys.executable, "-I", "-S", "-c", WATCHER, *words]
        self._watcher = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def goodbye(self) -> None:
        """This rank ends in order."""
        with contextlib.suppress(OSError):
            self._watcher.stdin.write(b"!")
            self._watcher.stdin.close()
        self._watcher.wait()

    def say(self, line: str) -> bool:
        """Say why all end, unless somebody did; whether it was said now."""
        try:
            os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except OSError:
            return False
        with contextlib.suppress(OSError):
            os.write(2, line.encode() + b"\n")
        time.sleep(0.3)  # a launcher that is ending loses what it has not read yet
        return True
