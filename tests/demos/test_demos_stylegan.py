"""StyleGAN runs, resumes bit for bit, draws what its styles do, and is measured."""

import importlib

import numpy as np
import pytest
from in_process import DEMOS, run, same_end, scores_of

from minigen import training
from minigen.models import stylegan as S
from minigen.training.builders import stylegan as builder


def test_a_run_is_resumed_drawn_and_measured(tmp_path, coloured, monkeypatch):
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(training, "save_gif", lambda path, *how, **more: path.write_bytes(b"GIF"))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    small = ("--data", coloured, "--size", 8, "--quick")
    told = (*small, "--conditional", "--path-weight", 2, "--augment", "translation", "colour")
    run("stylegan.py", *told, "--steps", 18, "--out", whole)
    run("stylegan.py", *told, "--steps", 9, "--out", parts)
    run("stylegan.py", "--resume", parts, "--steps", 18, "--border", 2)
    same_end(whole, parts)
    for name in "mixing.png", "truncation.png", "noise.png", "nearest.png", "samples.gif":
        assert (whole / name).stat().st_size > 500
    assert (whole / "walk.gif").read_bytes() == b"GIF"
    assert "d_test" in (whole / "metrics.jsonl").read_text()
    run("evaluate.py", whole, "--images", 40)
    scores = scores_of(whole)
    for name in "", "psi 0.5: ", "3 codes: ":
        assert scores[f"{name}Fréchet distance"] > 0
        assert 0 <= scores[f"{name}read as the class asked for"] <= 1
    apart = scores["squared distance of two random pictures"]
    for name in "z, full", "z, end", "w, full", "w, end":
        share = scores[f"path length in {name}, of random pairs'"]
        assert share * apart == pytest.approx(scores[f"path length in {name}"]) and share > 0
    assert "path length in w, full, epsilon 0.001" in scores
    shares = [v for k, v in scores.items() if "decides class" in k or "of the fine" in k]
    assert len(shares) == 4 + 3 and all(0 <= share <= 1 for share in shares)
    said = run("stylegan.py", "--resume", parts, "--border", 4, status=1)
    assert "--border 4: of 8 × 8 pixels the layers are 0 to 3" in said
    said = run("stylegan.py", "--data", coloured, "--size", 9, "--quick", status=2)
    assert "8 or more, not 9" in said


@pytest.mark.parametrize(
    "kind, block", [("strided", S.StridedBlock), ("residual", S.ResidualBlock)]
)
def test_the_judge_is_of_the_blocks_asked_for(kind, block):
    args = builder.flags().settings([], {"data": "digits", "judge": kind, "width": 2})
    judge = builder.build(args, 1, 8, 10).discriminator
    assert all(isinstance(part, block) for part in judge.blocks)


def test_slant_and_thickness_are_those_of_bars(monkeypatch):
    monkeypatch.syspath_prepend(DEMOS)
    scores = importlib.import_module("scoring.styles")
    y, x = np.indices((40, 40))
    for lean in -0.4, 0.0, 0.6:
        bar = (abs((x - 20) + lean * (y - 20)) < 2.5) & (abs(y - 20) < 10)
        assert scores.slant(bar[None].astype(float))[0] == pytest.approx(lean, abs=0.05)
    for width in 2, 4, 6:
        bar = (x >= 10) & (x < 10 + width)
        assert scores.thickness(bar[None].astype(float))[0] == pytest.approx(width)
    assert scores.thickness(np.zeros((1, 9, 9)))[0] == 0


def test_of_a_factor_in_which_no_pair_differs_nothing_is_said(monkeypatch):
    monkeypatch.syspath_prepend(DEMOS)
    scores = importlib.import_module("scoring.styles")

    def factors(model, images, classes):
        n = len(images)
        return {"class": np.zeros(n)}, {"slant": images.mean((1, 2, 3)), "thickness": np.ones(n)}

    monkeypatch.setattr(scores, "factors", factors)
    networks = S.Generator(1, 8, 2, noise=3, style=4), S.Judge(1, 8, 2)
    drawing = scores.Drawing(S.StyleGAN(*networks, noise=3), None, seed=0)
    found = scores.attribution(drawing, None, "ab", 4)
    decided = {name.partition("decides ")[2] for name in found if "decides" in name}
    assert decided == {"slant"}
