"""Modes of the plane and pictures in several domains are translated, resumed and measured."""

import json
import os

import numpy as np
import pytest
from in_process import run, same_end, scores_of
from PIL import Image

from minigen.data.emoji import TONES


def test_modes_are_translated_resumed_and_counted(tmp_path):
    quick = ("--quick", "--form", "one")
    said = run("discogan_modes.py", *quick, "--steps", 4, "--out", tmp_path / "whole")
    assert "of 10 modes" in said and "share one" in said
    run("discogan_modes.py", *quick, "--steps", 2, "--out", tmp_path / "parts")
    run("discogan_modes.py", "--resume", tmp_path / "parts", "--steps", 4)
    same_end(tmp_path / "whole", tmp_path / "parts")
    with Image.open(tmp_path / "parts" / "samples.png") as image:
        assert image.width == 900  # steps 0, 2 and 4
    run("evaluate.py", tmp_path / "parts")
    names = "modes covered", "modes of A that share one", "share of points within 3σ"
    assert scores_of(tmp_path / "parts").keys() == {*names}


@pytest.fixture(scope="module")
def domains(tmp_path_factory):
    """Red, green and blue pictures of 8 × 8 pixels, a folder each."""
    folder, rng = tmp_path_factory.mktemp("domains"), np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir()
        for i in range(14):
            pixels = rng.integers(0, 60, (8, 8, 3), dtype=np.uint8)
            pixels[..., channel] += 180
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def small(domains, *flags):
    return ("--data", domains, "--size", 8, "--quick", "--steps", 4, *flags)


def test_stargan_resumed_is_stargan_uninterrupted_and_measured(tmp_path, domains, monkeypatch):
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run("stargan.py", *small(domains), "--out", whole)
    run("stargan.py", *small(domains), "--steps", 2, "--out", parts)
    run("stargan.py", "--resume", parts, "--steps", 4)
    same_end(whole, parts)
    assert json.loads((parts / "config.json").read_text())["domains"] == ["blue", "green", "red"]
    assert (parts / "samples.gif").stat().st_size > 1000
    run("evaluate.py", parts)
    assert (
        scores_of(parts)["domain read, real pictures"] == 1
        and 0 <= scores_of(parts)["domain read"] <= 1
    )


@pytest.fixture
def few_emoji(tmp_path, monkeypatch):
    """Twenty families in all tones of two hands, each picture of one colour."""
    rng = np.random.default_rng(0)
    base, points, noto = rng.integers(60, 200, 20), [], []
    for family in range(20):
        for tone, mark in enumerate(TONES.values()):
            points.append("-".join(filter(None, (f"2{family:02}0", mark))))
            colour = (base[family] // 2, 40 * tone, 250 - 40 * tone)
            noto.append(np.full((32, 32, 4), (*colour, 255), np.uint8))
    noto = np.stack(noto)
    twemoji = np.where(np.arange(4) == 0, noto // 2 + 127, noto).astype(np.uint8)
    (tmp_path / "data" / "emoji").mkdir(parents=True)
    np.savez(tmp_path / "data" / "emoji" / "emoji_pairs_32.npz", noto=noto, twemoji=twemoji,
             codepoints=np.array(points))  # fmt: skip
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))


def test_emoji_are_measured_against_the_truth(tmp_path, few_emoji):
    chosen = ("--domains", "noto yellow", "noto dark", "twemoji dark")
    run("stargan.py", "--quick", *chosen, "--steps", 1, "--out", tmp_path / "run")
    run("evaluate.py", tmp_path / "run")
    scores = scores_of(tmp_path / "run")
    for kind in "tone", "hand":
        assert scores[f"{kind}: error: table of colours"] < scores[f"{kind}: error: copy"]
        assert scores[f"{kind}: error"] > 0 and 0 <= scores[f"{kind}: domain read"] <= 1
    assert scores["tone: error: copy"] == pytest.approx(2 * 200 / 3 / 255)  # of two of three
    assert scores["test contents"] == scores["test families"] == 2


def test_discogan_is_a_model_of_pictures_too(tmp_path, domains):
    """Red ones as A and blue ones as B; no pairs, so that the cycle alone is measured."""
    folder = tmp_path / "unaligned"
    folder.mkdir()
    for side, name in ("A", "red"), ("B", "blue"):
        for split in "train", "test":
            os.symlink(domains / name, folder / f"{split}{side}")
    flags = ("--data", folder, "--size", 8, "--model", "discogan", "--layers", 1, "--quick")
    run("cyclegan.py", *flags, "--steps", 2, "--out", tmp_path / "run")
    run("evaluate.py", tmp_path / "run")
    assert scores_of(tmp_path / "run")["to B: cycle error"] > 0


@pytest.mark.parametrize("flags, reason, status", [
    (("--domains", "red", "red"), "two or more, each of them once", 2),
    (("--domains", "red", "pink"), "there is no folder pink", 1),
    (("--disjoint",), "--disjoint has no effect without emoji", 2),
    (("--size", 10), "a multiple of 4, not 10", 2),
    (("--batch-size", 100), "--batch-size 100 is more than the 36 pictures to train with", 1),
])  # fmt: skip
def test_what_the_user_can_mend_is_said_in_a_line(tmp_path, domains, flags, reason, status):
    said = run("stargan.py", *small(domains, *flags), "--out", tmp_path / "run", status=status)
    assert reason in said and said.count("\n") == 1


def test_folders_that_make_no_domains_are_refused(tmp_path, domains):
    def said(folder):
        return run("stargan.py", *small(folder), "--out", tmp_path / "run", status=1)

    one = tmp_path / "one"
    os.makedirs(one / "red")
    os.symlink(domains / "green", one / "green")
    assert "3 pictures or more in the folder red" in said(one) and "found 0" in said(one)
    (one / "red").rmdir()
    assert "a folder for each of two domains or more, found 1" in said(one)
