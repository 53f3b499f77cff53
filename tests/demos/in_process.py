"""Runs a demo without starting a process for it."""

import contextlib
import io
import pathlib
import runpy
import sys

import pytest

DEMOS = pathlib.Path(__file__).parents[2] / "demos"


def run(script, *flags, status=0):
    """What the command prints; the test fails if its exit status is another."""
    said, code = io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(DEMOS / script), *map(str, flags)])
        patch.syspath_prepend(DEMOS)
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                runpy.run_path(sys.argv[0], run_name="__main__")
            except SystemExit as end:  # with a message, a command prints it and has status 1
                code = end.code or 0
    if isinstance(code, str):
        code = print(code, file=said) or 1
    assert code == status, said.getvalue()
    return said.getvalue()
