"""Pictures of words are learnt, resumed bit for bit, asked for, and counted."""

import numpy as np
from in_process import run, same_end, scores_of

from minigen.data.phrases import COLOURS, DIGITS
from minigen.data.vectors import Vectors
from minigen.training import load_checkpoint

SMALL = ("--data", "digits", "--limit", 300, "--quick", "--chain", 3, "--steps-to-draw", 2)


def test_phrases_are_learnt_resumed_asked_for_and_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    how = (*SMALL, "--fall", 0)
    run("phrases.py", *how, "--steps", 4, "--out", whole)
    run("phrases.py", *how, "--steps", 2, "--out", parts)
    said = run("phrases.py", "--resume", parts, "--steps", 4, "--ask", "Two green fives")
    assert "look at" in said and "asked.png" in said
    same_end(whole, parts)
    for name in "phrases.png", "asked.png", "curves.png", "samples.gif":
        assert name == "samples.gif" or (parts / name).stat().st_size > 1000
    said = run("phrases.py", "--resume", parts, "--ask", "two orange fives", status=2)
    assert "unknown 'orange'" in said and said.count("\n") == 1
    assert "digits are read by a classifier" in run("evaluate.py", parts, "--images", 60)
    found = scores_of(parts)
    for split in "train", "validation", "test":
        assert found[f"{split} phrases, real pictures, number"] == 1
        assert found[f"{split} phrases, real pictures, colour"] == 1
        assert found[f"{split} phrases, real pictures, all"] > 0.3
        assert found[f"{split} phrases, all"] < 0.2  # of so short a training


def test_words_have_the_vectors_of_a_text(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    names = ["single", "double", "triple", *COLOURS, *DIGITS]
    rng = np.random.default_rng(0)
    Vectors(names, rng.standard_normal((19, 5))).save(tmp_path / "vectors.bin")
    given = ("--words", tmp_path / "vectors.bin")
    run("phrases.py", *SMALL, *given, "--steps", 2, "--out", tmp_path / "run")
    (tmp_path / "vectors.bin").unlink()  # the run has its own
    run("phrases.py", "--resume", tmp_path / "run", "--steps", 3)
    state = load_checkpoint(tmp_path / "run" / "checkpoint.npz")["state"]
    assert state["model"]["network.label.0.weight"].shape == (20, 5)
    assert "test phrases, all" in run("evaluate.py", tmp_path / "run", "--images", 60)
    Vectors(names[1:], rng.standard_normal((18, 5))).save(tmp_path / "few.bin")
    said = run("phrases.py", *SMALL, "--words", tmp_path / "few.bin", status=1)
    assert "has no vector for single" in said and said.count("\n") == 1
