"""Diffusion and flows run, resume bit for bit, go on from another run, and are measured."""

import importlib
import math
import shutil

import numpy as np
import pytest
from in_process import DEMOS, run, same_end, scores_of
from PIL import Image

from minigen.training import load_checkpoint, plane, save_checkpoint


@pytest.fixture
def few(monkeypatch):
    """Scores of so small models as here need few points."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DEMOS)
        module = importlib.import_module("scoring.plane")
    monkeypatch.setattr(module, "MANY", 10)
    monkeypatch.setattr(module, "FINE", 8)
    monkeypatch.setattr(module, "POINTS", 200)
    monkeypatch.setattr(module, "ASSIGNED", 100)


def test_points_walk_resume_flow_anew_and_are_measured(tmp_path, few):
    whole, parts, again = (tmp_path / name for name in ("whole", "parts", "again"))
    small = ("--quick", "--width", 8, "--depth", 2)
    chain = (*small, "--fall", 0, "--model", "diffusion", "--chain", 20, "--data", "moons")
    run("diffusion_2d.py", *chain, "--steps", 4, "--out", whole)
    with pytest.MonkeyPatch.context() as patch:  # figures take most of the time
        patch.setattr(plane, "frame", lambda *how, **more: np.zeros((9, 9, 3), np.uint8))
        run("diffusion_2d.py", *chain, "--steps", 2, "--out", parts)
        run("diffusion_2d.py", "--resume", parts, "--steps", 4)
    same_end(whole, parts)
    for name in "walk.gif", "samples.gif", "paths.png", "scores.png", "curves.png":
        assert (whole / name).stat().st_size > 1000
    said = run("diffusion_2d.py", "--quick", "--reflow", parts, "--out", again, status=1)
    assert "has --data moons, and this run gaussians" in said
    flow = tmp_path / "flow"
    assert "nats off" in run("diffusion_2d.py", *small, "--steps", 3, "--out", flow, "--transport")
    checkpoint, steps = flow / "checkpoint.npz", load_checkpoint(flow / "checkpoint.npz")
    anew = ("diffusion_2d.py", *small, "--steps", 2, "--reflow", flow, "--out", again)
    save_checkpoint(checkpoint, {**steps, "step": 1})
    assert "has done 1 of 3 steps" in run(*anew, status=1)
    save_checkpoint(checkpoint, {**steps, "state": {"average": {"averages": {}}}})
    assert "not of the flow that config.json describes" in run(*anew, status=1).splitlines()[-1]
    save_checkpoint(checkpoint, steps)
    shutil.rmtree(again)
    run(*anew)
    run("evaluate.py", flow, parts)
    nats, other = scores_of(flow), scores_of(parts)
    assert nats["log p true − log p model, mean"] > 0
    assert nats["straightness, E ‖(z₁ − z₀) − ż‖²"] >= 0 and "points" not in other
    assert other["W1 to true points, Euler 1"] > other["W1 between true points"]


def test_pictures_are_drawn_resumed_and_measured(tmp_path, coloured, monkeypatch):
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    small = ("--data", coloured, "--size", 8, "--quick", "--chain", 3, "--steps-to-draw", 2)
    told = (*small, "--conditional", "--guidance", 1, "--variance", "learnt", "--fall", 0)
    told += ("--binarise",)
    run("diffusion.py", *told, "--steps", 4, "--out", whole)
    run("diffusion.py", *told, "--steps", 2, "--out", parts)
    run("diffusion.py", "--resume", parts, "--steps", 4, "--sampler", "heun")
    same_end(whole, parts)
    for name in "samples", "chain", "samplers", "interpolation", "inpainting", "colours":
        assert (parts / f"{name}.png").stat().st_size > 1000
    run("diffusion.py", "--resume", parts, "--sampler", "euler", "--steps-to-draw", 9)  # of 3
    drawn = [np.asarray(Image.open(folder / "samples.png")) for folder in (whole, parts)]
    assert (drawn[0] != drawn[1]).any()
    shown = np.asarray(Image.open(parts / "inpainting.png"))[4:20, -6 * 20 :]  # of the first row
    assert np.isin(shown, (0, 255)).all()  # as the model is shown them
    said = run("diffusion.py", "--resume", parts, "--sampler", "ddpm", status=2)
    assert "--steps-to-draw 9: the --chain has 3 alone" in said
    draws = ("--draw", "ddim:2", "euler:2", "ddim:3", "ddim:9")
    said = run("evaluate.py", parts, "--images", 5, *draws, "--teach")
    assert said.count("ddim:3: images") == 1 and "ddim:9" not in said  # the chain has no 9
    found = scores_of(parts)
    run("evaluate.py", whole, "--images", 2, "--likelihood-images", 1)
    assert not any("standard error" in name for name in scores_of(whole))  # of one image
    assert found["bits a dimension, bound"] > found["bits a dimension, first step"] > 0
    nats = found["bits a dimension, bound"] * math.log(2) * 8 * 8 * 3
    assert found["nats, bound"] == pytest.approx(nats, rel=1e-6)
    assert found["ddim:2: encoded and decoded, squared error of a pixel, 0 to 1"] > 0
    assert 0 <= found["euler:2: read as the class asked for"] <= 1
    assert 0 <= found["ddim:2: accuracy of a classifier of 5 made images on test images"] <= 1
    run("gan.py", "--data", coloured, "--size", 8, "--quick", "--steps", 1, "--out", whole / "gan")
    said = run("evaluate.py", whole / "gan", "--draw", "ddim:5", status=2)
    assert "--draw has no effect on runs of gan" in said


def test_what_cannot_be_is_said_before_hours_of_training(tmp_path, coloured):
    for folder in "few/bright", "few/dark":
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(coloured / "bright" / "0.png", tmp_path / "few/bright")
    few = ("diffusion.py", "--size", 8, "--quick", "--batch-size", 1, "--data", tmp_path / "few")
    said = run(*few, "--out", tmp_path / "run", status=1)
    assert "pictures to test with" in said and "steps" not in said
    assert "--width must be even, not 3" in run(*few, "--width", 3, status=2)
    for draw in "ddim", "ddim:1", "other:5", "heun:1e3":
        said = run("evaluate.py", tmp_path, "--draw", draw, status=2)
        assert f"ddpm, ddim, heun or euler and 2 to 100,000 steps, as ddim:50, got '{draw}'" in said
