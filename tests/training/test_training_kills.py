"""No kill loses, mixes or leaves anything; kill_runs.py does the same hundreds of times."""

import pathlib
import subprocess
import sys


def test_a_few_kills_lose_nothing():
    script = pathlib.Path(__file__).parents[1] / "kill_runs.py"
    done = subprocess.run(
        [sys.executable, str(script), "--count", "8", "--seed", "1"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 of 8 kills" in done.stdout
