"""Ctrl-C anywhere ends a demo in one line, and what it says to go on with works as printed."""

import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
DEMOS = ROOT / "demos"
# Raises KeyboardInterrupt, as Ctrl-C would, when a module is about to be imported.
AT = """
import importlib.abc, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Finder())
"""


def start(script, *flags, cwd, prelude="", **options):
    """A demo in a process of its own, in which SIGINT is not ignored."""
    code = f"""
import signal, sys, runpy
signal.signal(signal.SIGINT, signal.default_int_handler)
{prelude}
sys.argv = {[str(DEMOS / script), *map(str, flags)]}
sys.path[0] = {str(DEMOS)!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    return subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, **options,
    )  # fmt: skip


def require_one_line(process, script):
    """All that it says besides how far it has come."""
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    *bars, last = said.splitlines()
    assert last == f"{script}: stopped" and all("steps/s" in bar or not bar for bar in bars), said


@pytest.mark.parametrize("module", ["argparse", "numpy", "minigen.training"])
def test_while_it_is_imported(tmp_path, module):
    at = AT.format(module=module) + f"sys.modules.pop({module!r}, None)\n"
    require_one_line(start("dcgan.py", "--quick", cwd=tmp_path, prelude=at), "dcgan.py")


@pytest.mark.parametrize("where", [
    "minigen.training.images.train_images", "minigen.training.figures.plot_metrics",
])  # fmt: skip
def test_while_data_are_read_or_pictures_are_drawn(tmp_path, pictures, where):
    module, _, name = where.rpartition(".")
    at = f"""
import {module}
def interrupt(*_, **__): raise KeyboardInterrupt
for module in list(sys.modules.values()):
    if getattr(module, "__name__", "").startswith("minigen") and hasattr(module, {name!r}):
        setattr(module, {name!r}, interrupt)
"""
    flags = ("--quick", "--data", pictures, "--size", 8, "--batch-size", 18)
    process = start("vae.py", *flags, cwd=tmp_path, prelude=at, stdout=subprocess.DEVNULL)
    require_one_line(process, "vae.py")


def test_while_it_waits_for_input(tmp_path):
    (tmp_path / "vectors.txt").write_text("2 2\na 1 0\nb 0 1\n")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = start("words.py", tmp_path / "vectors.txt", cwd=tmp_path, **pipes)
    process.stdin.write("a\n")
    process.stdin.flush()
    assert process.stdout.readline()  # so it waits, or is about to
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    require_one_line(process, "words.py")


def test_the_command_that_goes_on_works_as_printed(tmp_path, pictures):
    at = """
from minigen import training
log = training.Loop.log
def stop(loop, metrics):
    log(loop, metrics)
    if loop.step == 4:
        signal.raise_signal(signal.SIGINT)
training.Loop.log = stop
"""
    flags = ("--data", pictures, "--size", 8, "--batch-size", 4, "--quick")
    process = start("classifier.py", *flags, cwd=tmp_path, prelude=at, stdout=subprocess.PIPE)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 130 and "Traceback" not in errors
    (command,) = re.findall("to go on: (.*)", said)
    assert shlex.split(command)[0] == sys.executable
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "9 steps in" in done.stdout
