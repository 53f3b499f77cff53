"""Made pictures beside few real ones: whose they are, what they add; pictures by sample.py."""

import argparse
import importlib

import numpy as np
import pytest
from in_process import DEMOS, run
from PIL import Image

from minigen import data, training


@pytest.fixture
def demo():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DEMOS)
        yield importlib.import_module("few_images")


@pytest.fixture(scope="module")
def images():
    return data.digits(300)


def told(**settings):
    small = {"device": "cpu", "seed": 0, "made": 20, "steps": 2, "width": 2}
    return argparse.Namespace(**small | settings)


def rows(images):
    return {image.tobytes() for image in images.images}


def test_draws_are_balanced_and_of_other_images_than_the_test(demo, images, monkeypatch):
    some = demo.few(images, 50, 0)
    assert (np.bincount(some.labels) == 5).all() and len(rows(some)) == 50
    assert rows(some) <= rows(images) and rows(some) == rows(demo.few(images, 50, 0))
    assert rows(some) != rows(demo.few(images, 50, 1))
    for count in 55, 500:
        with pytest.raises(data.DataError, match="are not there"):
            demo.few(images, count, 0)
    monkeypatch.setattr(data, "load", lambda name, split="train": data.digits(
        {"train": 120, "test": 30}[split], {"train": 0, "test": 1}[split]
    ))  # fmt: skip
    for held_out, sizes in (False, (100, 30)), (True, (10, 10)):
        train, test = demo.split(told(data="digits", held_out=held_out))
        assert (len(train), len(test)) == sizes and not rows(train) & rows(test)


def test_a_generator_sees_the_few_alone(demo, images, monkeypatch):
    """One that only copies tells whose images it was given, and what the classifier was shown."""

    def copies(some, args):
        return lambda labels: data_of(some)[: len(labels)]

    def data_of(some):
        import minigen

        return minigen.Tensor(some.scaled())

    shown = []
    monkeypatch.setitem(demo.MAKERS, "gan", copies)
    monkeypatch.setattr(demo, "accuracy", lambda sets, *_: shown.append(sets) or 0.5)
    found, made = demo.measured(demo.Cell(0, 50, "gan"), images, images, told())
    some = demo.few(images, 50, 0)
    assert rows(made) <= rows(some) and found.keys() == {*demo.WITH, "seconds"}
    for real, other in shown:
        assert rows(real) == rows(some) and other is made
    found, made = demo.measured(demo.Cell(0, 50, ""), images, images, told())
    assert found.keys() == {*demo.WITHOUT} and made is None and len(shown[-1]) == 1


def test_half_of_each_batch_is_made_and_all_four_take_as_many_steps(demo, images, monkeypatch):
    seen = []
    step = lambda model, optimiser, x, y: seen.append((x.numpy(), y.numpy()))  # noqa: E731
    monkeypatch.setattr(demo.C, "step", step)
    black = data.Images("made", images.images[:20] * 0, images.labels[:20], images.classes)
    for sets in [images], [images, black]:
        for turn in False, True:
            seen.clear()
            demo.accuracy(sets, turn, images, told(steps=3))
            dark = [(x.max((1, 2, 3)) <= -1).sum() for x, _ in seen]
            assert dark == [demo.BATCH // 2 * (len(sets) - 1)] * 3
            assert {x.shape for x, _ in seen} == {(demo.BATCH, 1, 28, 28)}


def test_turning_moves_the_ink_and_little_of_it(demo, images):
    x = images.scaled()[:50]
    found = demo.turned(x, np.random.default_rng(0))
    assert found.dtype == x.dtype and found.min() >= -1 and found.max() <= 1
    ink = [((v + 1) / 2).sum((1, 2, 3)) for v in (x, found)]
    np.testing.assert_allclose(ink[1], ink[0], rtol=0.15)

    def middles(v):
        v = (v[:, 0] + 1) / 2
        places = np.stack(np.meshgrid(range(28), range(28)), -1)
        return (v[..., None] * places).sum((1, 2)) / v.sum((1, 2))[:, None]

    moved = abs(middles(found) - middles(x))
    assert 0.5 < moved.mean() < 2 and moved.max() < 5


def test_differences_are_of_equal_draws(demo):
    a, b = np.array([0.8, 0.6, 0.7]), np.array([0.7, 0.5, 0.61])
    found = demo.paired(a, b)
    apart = np.array([0.1, 0.1, 0.09])
    assert found.mean == pytest.approx(apart.mean()) and found.verdict == "helps"
    assert found.error == pytest.approx(np.sqrt(((apart - apart.mean()) ** 2).sum() / 2 / 3))
    assert demo.paired(b, a).verdict == "harms"
    assert demo.paired(a, b[::-1]).verdict == "no difference seen"
    assert demo.paired(a[:1], b[:1]).verdict == "one draw"
    done = {}
    for draw, (plain, made) in enumerate(zip(b, a, strict=True)):
        done[demo.Cell(draw, 50, "")] = dict.fromkeys(demo.WITHOUT, plain)
        done[demo.Cell(draw, 50, "leak")] = dict.fromkeys(demo.WITH, made) | {"seconds": 3.0}
    said = demo.table(dict(reversed(done.items())), ["vae", "leak"])
    assert (
        "| 50 | leak | 3 | 60.3 | 60.3 | 70.0 | 70.0 | +9.7 ± 0.3 | +9.7 ± 0.3 | helps | 3 |"
        in said
    )
    assert "Warning" in said and "vae" not in said


def test_it_goes_on_where_it_stopped(tmp_path, demo, monkeypatch):
    monkeypatch.setattr(data, "load", lambda name, split="train": data.digits(120, split == "test"))
    small = ("--quick", "--data", "digits", "--images", 20, "--steps", 2, "--vae-steps", 2)
    small = (*small, "--models", "vae", "gan", "diffusion", "--gan-steps", 2, "--width", 4)
    small = (*small, "--diffusion-steps", 2, "--made", 10)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    said = run("few_images.py", *small, "--out", whole)
    assert "| 20 | diffusion | 2 |" in said and "leak" not in said
    said = run("few_images.py", *small, "--out", parts, "--draws", 1, "--minutes", 1e-6)
    assert "to go on" in said and len(training.Run.read(parts).metrics()) < 4
    run("few_images.py", "--resume", parts, "--draws", 2, "--minutes", 100)

    def numbers(folder):
        kept = training.Run.read(folder).metrics()
        return [{k: v for k, v in record.items() if k != "seconds"} for record in kept]

    assert numbers(whole) == numbers(parts) and len(numbers(whole)) == 8
    for name in "vae", "gan", "diffusion":
        assert Image.open(parts / "made" / f"20-{name}.png").size[0] > 100
    said = run("few_images.py", "--data", "digits", "--models", "leak", status=2)
    assert "is of mnist" in said


def test_sample_draws_by_the_model_that_ships_and_by_a_run(tmp_path, pictures, monkeypatch):
    monkeypatch.chdir(tmp_path)
    quick = ("--count", 3, "--steps", 2, "--sampler", "ddim")
    said = run("sample.py", "digits", "--class", 7, *quick, "--half", "again.npz")
    with Image.open("sample.png") as image:  # a grid of 2 by 2, and below it a caption
        assert "3 pictures" in said and image.height > 2 * 62
        assert (np.asarray(image.convert("L"))[: 2 * 62, 2 * 62 :] == 255).all()
    packaged = importlib.import_module("minigen.models.digits").WEIGHTS
    assert (tmp_path / "again.npz").stat().st_size == packaged.stat().st_size
    small = ("--data", pictures, "--size", 8, "--quick", "--chain", 3, "--steps-to-draw", 2)
    run("diffusion.py", *small, "--width", 2, "--steps", 1, "--patch", 2, "--out", "run")
    run("sample.py", "run", "--count", 4, "--out", "of_run.png")
    assert Image.open("of_run.png").height > 2 * 22
    for flags, reason, status in (
        (("digits", "--class", 10), "the classes 0 to 9, not [10]", 2),
        (("run", "--class", 1), "knows no classes", 2),
        (("run", "--guidance", 1), "--guidance has no effect", 2),
        (("run", "--sampler", "ddpm", "--steps", 9), "the chain has 3 alone", 2),
        (("nowhere",), "expected digits, or a run folder", 2),
        (("digits", "--half", "w.txt"), "ends in .npz", 2),
        ((tmp_path,), "it has no config.json", 1),
    ):
        said = run("sample.py", *flags, status=status)
        assert reason in said and said.count("\n") == 1, said


def test_numbers_that_cannot_be_drawn_are_refused_before_the_first_cell(tmp_path):
    flags = "--quick", "--data", "digits", "--images", 50, 55, "--out", tmp_path / "run"
    assert "55 images, as many of each of 10 classes" in run("few_images.py", *flags, status=1)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


@pytest.mark.parametrize("count, kinds", [(9, 2), (7, 3), (3, 3), (6, 3), (5, 1), (5, 0)])
def test_rows_of_samples_are_of_one_class(count, kinds, monkeypatch):
    monkeypatch.syspath_prepend(DEMOS)
    files = importlib.import_module("sampling.files")
    labels = training.rows_of(range(kinds), count, "cpu")
    labels = None if labels is None else labels.numpy()
    levels = np.zeros(count) if labels is None else labels / 8
    made = np.broadcast_to(levels[:, None, None, None], (count, 1, 2, 2)).astype("f")
    grid = files.rows_of_classes(made, labels, [""] * kinds)
    grid = grid[..., 0] if grid.ndim == 3 else grid
    assert (grid < 255).sum() == 4 * count
    if kinds > 1:
        rows = grid.reshape(kinds, 2 + 2 + 2, grid.shape[1])  # pixels, and white around them
        for kind, row in enumerate(rows):
            ink = row[row < 255]
            assert (ink == round((kind / 4) * 127.5)).all()
