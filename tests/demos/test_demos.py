"""The demos run from the command line, resume bit for bit, and speak clearly when they cannot."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from in_process import run, same_end

ROOT = pathlib.Path(__file__).parents[2]


def test_dcgan_resumed_is_dcgan_uninterrupted(tmp_path, pictures):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    small = ("--data", pictures, "--quick", "--batch-size", 8)
    said = run("dcgan.py", *small, "--steps", 12, "--out", whole)
    assert "ConvTranspose2d" in said and "samples.gif" in said and "next: " in said
    run("dcgan.py", *small, "--steps", 8, "--out", parts)
    run("dcgan.py", "--resume", parts, "--steps", 12)
    assert same_end(whole, parts).keys() == {"gan", "average", "batches", "random"}
    for name in ("config.json", "metrics.jsonl", "samples.gif", "curves.png", "samples/000000.png"):
        assert (parts / name).stat().st_size > 0
    assert json.loads((parts / "config.json").read_text())["data"] == str(pictures)
    page = (parts / "index.html").read_text("utf-8")
    assert "step 12 of 12, finished" in page and "parts" in page and str(pictures) not in page


def test_classifier_prints_its_test_accuracy(tmp_path):
    small = ("--data", "digits", "--limit", 1000, "--epochs", 2, "--width", 4, "--batch-size", 16)
    said = run("classifier.py", *small, "--out", tmp_path / "run")
    assert "epoch 1: test accuracy" in said
    accuracy = float(said.split("epoch 2: test accuracy ")[1].split("%")[0])
    assert accuracy > 50


@pytest.mark.parametrize("flags, reason, status", [
    (("--resume", "nowhere"), "no such folder", 1),
    (("--out", "README.md/run", "--quick", "--data", "digits"), "README.md", 1),
    (("--device", "cuda", "--quick", "--data", "digits"), "cuda", 1),
])  # fmt: skip
def test_what_the_user_can_mend_is_said_in_a_line(tmp_path, monkeypatch, flags, reason, status):
    monkeypatch.chdir(ROOT)
    if "--out" not in flags and "--resume" not in flags:
        flags = (*flags, "--out", tmp_path / "run")
    said = run("dcgan.py", *flags, status=status)
    assert reason in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_in_a_process_of_its_own_too(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "demos" / "dcgan.py"), "--data", "cats", "--quick"],
        capture_output=True, text=True, timeout=120, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2 and not list(tmp_path.iterdir())
    assert "'cats'" in done.stderr and done.stderr.count("\n") == 1
