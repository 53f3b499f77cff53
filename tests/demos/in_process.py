"""Runs a demo without starting a process for it."""

import contextlib
import io
import itertools
import json
import pathlib
import runpy
import sys

import numpy as np
import pytest
from PIL import Image

from minigen import training
from minigen.training import load_checkpoint
from minigen.training.loading import WITHOUT_MODEL
from minigen.training.trained import Drawing, DrawingAutoencoder
from minigen.training.trained_kinds import Plane, Translating

DEMOS = pathlib.Path(__file__).parents[2] / "demos"
FRAMES = "samples", "walk"


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
    for flag, folder in itertools.pairwise(flags):
        if flag in ("--out", "--resume"):
            require_captions(pathlib.Path(folder))
            if code == 0 and (pathlib.Path(folder) / "checkpoint.npz").exists():
                require_usable(folder)
    return said.getvalue()


def require_captions(folder):
    """Every picture of a run, but for the frames of its animations, says what is to be seen."""
    for path in folder.rglob("*.png"):
        if path.parent.name not in FRAMES:
            with Image.open(path) as image:
                assert image.info.get("Description", "").endswith("."), path


def require_usable(folder):
    """The model of a run is loaded from its folder, and does what it is for."""
    with contextlib.redirect_stdout(io.StringIO()):
        if training.Run.read(folder).config["demo"] in WITHOUT_MODEL:
            return
        found = training.load(folder)
    if isinstance(found, DrawingAutoencoder):
        found.draw(found.encode(np.zeros((1, *found.image_shape))))
    elif isinstance(found, Drawing):
        found.draw(found.noise(1))
    elif isinstance(found, Translating):
        found.translate(np.zeros((1, *found.image_shape)))
    elif isinstance(found, Plane):
        found.points(1)


def scores_of(folder):
    """What evaluate.py has found of a run."""
    return json.loads((folder / "scores.json").read_text())


def same_end(whole, parts):
    """Both runs have the same last state, bit for bit, whatever is nested inside; gives it."""
    a, b = (load_checkpoint(folder / "checkpoint.npz")["state"] for folder in (whole, parts))
    np.testing.assert_equal(a, b)
    return a
