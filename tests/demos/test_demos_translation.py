"""The demos that turn pictures into pictures run, resume, take folders, and are measured."""

import json
import shutil

import numpy as np
import pytest
from in_process import run, same_end, scores_of
from PIL import Image
from test_demos_gan import lose_weights

import minigen
from minigen import optim
from minigen.data.tasks import LUMA
from minigen.training import translation
from minigen.training.builders.pix2pix import as_light

FEW = {"train": 24, "validation": 6, "test": 6}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No emoji, few letters, and the classifiers of this test alone."""
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(translation, "LETTERS", FEW)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Coloured pairs side by side, in train and val, and the same in four folders."""
    root, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for split, count in ("train", 60), ("val", 12):
        for i in range(count):
            both = rng.integers(0, 256, (1, 2, 1, 3), np.uint8).repeat(8, 0).repeat(8, 2)
            both[2:6, :, 2:6] = rng.integers(0, 256, 3)
            for folder, picture in (
                (root / "both" / split, both.reshape(8, 16, 3)),
                (root / "two" / f"{split}A", both[:, 0]),
                (root / "two" / f"{split}B", both[:, 1]),
            ):
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.ascontiguousarray(picture)).save(folder / f"{i}.png")
    return root


def same_when_resumed(tmp_path, demo, *flags):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    flags = (*flags, "--quick", "--fall", 0)  # falls later in a run of more steps
    said = run(demo, *flags, "--steps", 4, "--out", whole)
    run(demo, *flags, "--steps", 2, "--out", parts)
    run(demo, "--resume", parts, "--steps", 4)
    same_end(whole, parts)  # the pools' pictures included
    for name in ("samples.gif", "curves.png", "samples/000004.png"):
        assert (parts / name).stat().st_size > 500
    return said


def test_pix2pix_needs_no_data_and_resumed_is_uninterrupted(tmp_path):
    said = same_when_resumed(tmp_path, "pix2pix.py", "--start", "blend", "--contrast", 2)
    for what in "24 pairs of glyphs, plain to serif", "Blended", "UNet", "PatchJudge":
        assert what in said


def test_cyclegan_needs_no_data_and_resumed_is_uninterrupted(tmp_path):
    flags = ("--start", "placed", "--symmetric", "--contrast", 2, "--others", 5)
    said = same_when_resumed(tmp_path, "cyclegan.py", *flags)
    assert "of plain and" in said and "Mirrored" in said and "ResNetTranslator" in said
    assert "cycle_y and contrast are the parts" in " ".join(said.split())


@pytest.mark.parametrize("demo", ["pix2pix.py", "cyclegan.py"])
def test_a_run_that_diverges_ends_in_a_line(tmp_path, monkeypatch, demo):
    lose_weights(monkeypatch, optim.Adam, 5)
    said = run(demo, "--quick", "--steps", 4, "--out", tmp_path / "run", status=1)
    assert "Traceback" not in said and "diverged" in said.splitlines()[-1]


def test_colours_are_changed_that_leave_a_picture_as_light_as_it_was():
    minigen.manual_seed(0)
    change = minigen.randn(4, 3, 8, 8)
    change = as_light(change, minigen.zeros(4, 1, 8, 8)).numpy()
    light = np.tensordot(LUMA, change, (0, 1))
    assert abs(light).max() < 1e-6 < abs(change).max()


BASELINES = {
    "style": "copy", "edges": "mean picture", "colour": "grey, mean chroma", "enlarge": "bicubic",
    "inpaint": "diffused border",
}  # fmt: skip


def test_each_task_takes_ones_own_pictures_and_is_measured(tmp_path, pairs):
    folders = []
    for task in BASELINES:
        data = pairs / ("both" if task == "style" else "two")
        flags = ("--task", task, "--data", data, "--size", 8, "--quick", "--steps", 2)
        run("pix2pix.py", *flags, "--adversarial", int(task == "style"), "--out", tmp_path / task)
        folders.append(tmp_path / task)
    said = run("evaluate.py", *folders)
    for (task, baseline), folder in zip(BASELINES.items(), folders, strict=True):
        scores = scores_of(folder)
        error = "error" if task == "style" else "squared error"
        assert 0 < scores[f"{error}: {baseline}"] < 1 and 0 < scores[error] < 1
        assert scores[f"partner first: {baseline}"] <= 1
        assert "colours, L" in scores and "steepness: nearest" in scores
    assert 0 < scores["squared error in the hole: diffused border"] < 0.5
    inside = scores["squared error in the hole"]  # of a quarter of the pixels, and no others
    assert scores["squared error"] == pytest.approx(inside / 4, rel=1e-4)
    assert scores_of(folders[0])["error over ink: nearest"] > 0
    assert "no more scores" in said or "kernel distance, floor" in scores_of(folders[0])


def test_a_cycle_is_measured_with_the_truth_or_without(tmp_path, pairs):
    unpaired = ("--data", pairs / "two", "--size", 8, "--layers", 1)
    letters = ("--domains", "bold", "plain", "--start", "placed")
    for name, flags in ("letters", letters), ("own", unpaired):
        run("cyclegan.py", *flags, "--quick", "--steps", 2, "--out", tmp_path / name)
    run("evaluate.py", tmp_path / "letters", tmp_path / "own")
    letters, own = scores_of(tmp_path / "letters"), scores_of(tmp_path / "own")
    for arrow in "to plain", "to bold":
        assert letters[f"{arrow}: cycle error, noise 0.05"] > 0
        assert letters[f"{arrow}: error back from the truth"] > 0
        assert min(letters[f"{arrow}: error{way}"] for way in ("", ": copy")) > 0
    assert own["to B: cycle error, 8 bits"] > 0 and "to B: error" not in own
    config = tmp_path / "own" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"domains": ["B", "A"]}))
    assert "was trained with other pictures" in run("evaluate.py", tmp_path / "own", status=1)


@pytest.mark.parametrize("demo, flags, reason", [
    ("pix2pix.py", ("--task", "colour"), "colour: the pictures are grey"),
    ("pix2pix.py", ("--data", "{odd}"), "pictures without one of the same name in"),
    ("cyclegan.py", ("--data", "{both}"), "both/train: expected folders of A and of B"),
    ("cyclegan.py", ("--data", "{two}", "--size", 8), "2 layers want pictures of 12 pixels"),
    ("cyclegan.py", ("--batch-size", 100), "--batch-size 100 is more than the"),
    ("cyclegan.py", ("--data", "{hollow}"), "valB: expected pictures"),
])  # fmt: skip
def test_what_the_user_can_mend_is_said_in_a_line(tmp_path, pairs, demo, flags, reason):
    for name in "A/1", "A/2", "B/2":
        (tmp_path / "odd" / f"train{name[0]}").mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8)).save(tmp_path / "odd" / f"train{name}.png")
    hollow = tmp_path / "hollow"  # val is there, but empty on one side: test is not taken for it
    shutil.copytree(pairs / "two", hollow)
    shutil.copytree(pairs / "two" / "valA", hollow / "testA")
    (hollow / "valB").rename(hollow / "testB")
    (hollow / "valB").mkdir()
    places = {name: pairs / name for name in ("both", "two")}
    flags = [str(f).format(odd=tmp_path / "odd", hollow=hollow, **places) for f in flags]
    said = run(demo, *flags, "--quick", "--out", tmp_path / "run", status=1)
    assert reason in said and "Traceback" not in said
    assert said.splitlines()[-1].startswith(f"{demo}: ")
