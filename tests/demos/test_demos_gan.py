"""The demos of GANs run, resume, take a folder of pictures, and are measured by evaluate.py."""

import functools
import importlib
import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_process import DEMOS, run, same_end, scores_of
from PIL import Image
from scipy.optimize import linear_sum_assignment

from minigen import data, nn, optim, training
from minigen.metrics import transport
from minigen.metrics.neighbours import nearest
from minigen.models.biggan import BigGAN
from minigen.models.gan import LOSSES
from minigen.training import load_checkpoint
from minigen.training.adversarial import networks_of
from minigen.training.builders import biggan, gan
from minigen.training.common import holds_nan


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Bright and dark pictures of many sizes, in two subfolders, and a file that is none."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for i in range(60):
        kind = ("bright", "dark")[i % 2]
        (folder / kind).mkdir(exist_ok=True)
        height, width = rng.integers(8, 30, 2)
        noise = rng.normal(200 - 150 * (i % 2), 20, (height, width, 3))
        Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(folder / kind / f"{i}.png")
    (folder / "broken.png").write_text("no picture")
    return folder


@given(st.lists(st.integers(0, 99), unique=True, max_size=9), st.integers(0, 50))
def test_as_many_are_of_each_class_as_can_be(classes, count):
    rows = training.rows_of(classes, count, "cpu")
    if not classes:
        assert rows is None
        return
    each = [int((rows.numpy() == kind).sum()) for kind in classes]
    assert sum(each) == len(rows) == count and max(each) - min(each) <= 1
    assert np.array_equal(rows.numpy(), np.repeat(classes, each))


def small(pictures, *flags):
    return ("--data", pictures, "--size", 8, "--quick", "--steps", 4, *flags)


def test_wgan_resumed_is_wgan_uninterrupted(tmp_path, pictures):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    said = run("wgan.py", *small(pictures, "--penalty", 10), "--out", whole)
    assert "LayerNorm" in said and "skipped 1 unreadable" in said and "broken.png" in said
    run("wgan.py", *small(pictures, "--penalty", 10), "--steps", 2, "--out", parts)
    run("wgan.py", "--resume", parts, "--steps", 4)
    same_end(whole, parts)
    with Image.open(parts / "samples" / "000004.png") as image:
        assert image.mode == "RGB"


def test_a_loss_of_ones_own_is_an_objective_of_the_demo(tmp_path, pictures, monkeypatch):
    said = run("gan.py", *small(pictures, "--objective", "logistic"), status=2)
    assert "non-saturating, minimax, least-squares or hinge" in said
    own = LOSSES["hinge"]._replace(metrics=lambda real, fake: {"margin": (real - fake).mean()})
    monkeypatch.setitem(LOSSES, "logistic", own)
    flags = small(pictures, "--objective", "logistic", "--steps", 10)
    run("gan.py", *flags, "--out", tmp_path / "run")
    assert '"margin"' in (tmp_path / "run" / "metrics.jsonl").read_text()
    assert json.loads((tmp_path / "run" / "config.json").read_text())["objective"] == "logistic"
    said = run("gan.py", *small(pictures, "--objective", "hinge", "--smoothing", 0.1), status=2)
    assert "--smoothing has no effect with an --objective that is no" in said


@pytest.mark.parametrize("demo, last, flags", [
    ("mixture_gan.py", 9, ("--steps", 8)),  # between two steps that are logged
    ("mixture_gan.py", 16, ("--steps", 8)),  # in the last one, whose losses were finite
    ("parabola_gan.py", 16, ("--steps", 8)),
    ("discogan_modes.py", 16, ("--steps", 8)),
    ("critic_vs_discriminator.py", 10, ("--steps", 3)),
    ("gan.py", 8, ()), ("wgan.py", 9, ()), ("stargan.py", 8, ()), ("stylegan.py", 8, ()),
    ("vae.py", 3, ()),
    ("autoencoder.py", 3, ()),
    ("latents.py", 12, ()), ("classifier.py", 3, ()),
])  # fmt: skip
def test_a_run_that_diverges_ends_in_a_line(tmp_path, pictures, monkeypatch, demo, last, flags):
    """Whatever meets the NaN first: a metric, a picture, a checkpoint or a score. The weights are
    lost in the optimiser's step of that number and in all after it."""
    if not flags:
        length = ("--steps", 4) if "gan" in demo else ("--epochs", 1)
        flags = ("--data", pictures, "--size", 8, "--batch-size", 16, *length)
    for kind in optim.Adam, optim.RMSprop:
        lose_weights(monkeypatch, kind, last)
    said = run(demo, *flags, "--quick", "--out", tmp_path / "run", status=1)
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith(f"{demo}: ") and "diverged" in said.splitlines()[-1]
    for value in load_checkpoint(tmp_path / "run" / "checkpoint.npz")["state"].values():
        assert holds_nan(value) is None


def lose_weights(monkeypatch, kind, last):
    steps, step = itertools.count(1), kind.step

    def losing(self):
        step(self)
        if next(steps) >= last:
            for group in self.param_groups:
                for p in group["params"]:
                    p.data.fill_(np.nan)

    monkeypatch.setattr(kind, "step", losing)


def test_runs_of_all_kinds_are_measured(tmp_path, pictures, monkeypatch):
    """The classifier of the data set is trained once."""
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    kinds = {
        "conditional": ("gan.py", "--conditional", "--classes", 1),
        "auxiliary": ("gan.py", "--auxiliary", "--network", "mlp"),
        "packed": ("gan.py", "--packing", 2),
        "warm": ("wgan.py", "--conditional", "--warm-up", "--steps", 1),
    }
    for name, (demo, *flags) in kinds.items():
        run(demo, *small(pictures, *flags), "--out", tmp_path / name)
    folders = [tmp_path / name for name in kinds]
    said = run("evaluate.py", *folders, "--images", 30)
    assert said.count("training the classifier") == 1 and "runs of" not in said
    for folder in folders:
        scores = scores_of(folder)
        assert scores["Fréchet distance"] > scores["Fréchet distance, floor"] >= 0
        assert scores["accuracy of the classifier"] > 0.9
        assert "<small>floor " in (folder / "index.html").read_text("utf-8")
        assert ("read as the class asked for" in scores) == (folder.name != "packed")
    before = scores_of(folders[0])
    said = run("evaluate.py", folders[0], folders[0], "--images", 30)
    assert "training the classifier" not in said
    assert "over 2 runs of gan: device cpu, steps 4," in said
    assert scores_of(folders[0]) == before
    others = tmp_path / "others"
    others.mkdir()
    for i in range(40):
        Image.new("L", (8, 8), i).save(others / f"{i}.png")
    config = folders[0] / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"data": str(others)}))
    assert "was trained with other images" in run("evaluate.py", folders[0], status=1)


def test_points_in_the_plane_are_drawn_and_measured(tmp_path, monkeypatch):
    """Points of a G of six steps are nearly one, of which a thousand take seconds to assign: here
    W1 is of the first hundred."""
    monkeypatch.setattr(
        transport, "linear_sum_assignment", lambda cost: linear_sum_assignment(cost[:100, :100])
    )
    kinds = {
        "share of points of high quality": (
            "mixture_gan.py",
            "--model",
            "wgan-gp",
            "--packing",
            2,
            "--data",
            "grid",
        ),
        "reverse KL of the modes": ("mixture_gan.py", "--model", "wgan"),
        "modes covered": ("mixture_gan.py", "--collapse"),
        "W1 to true points": ("parabola_gan.py",),
    }
    for score, (demo, *flags) in kinds.items():
        run(demo, *flags, "--quick", "--steps", 6, "--out", tmp_path / score)
        assert (tmp_path / score / "samples.gif").stat().st_size > 1000
    with Image.open(tmp_path / "modes covered" / "samples.png") as image:
        assert image.width == 600  # steps 0 and 6
    run("evaluate.py", *(tmp_path / score for score in kinds))
    assert all(score in scores_of(tmp_path / score) for score in kinds)


def test_critic_and_discriminator_are_drawn_and_the_theory_holds(tmp_path):
    run("critic_vs_discriminator.py", "--quick", "--steps", 3, "--out", tmp_path / "run")
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    for d in (0, 2, 4, 8):
        assert scores[f"d = {d}: V(D*, G) − (2·JSD − log 4)"] == pytest.approx(0, abs=1e-6)
    primal, dual = (scores[f"transport with a general cost, {k}"] for k in ("primal", "dual"))
    assert primal == pytest.approx(dual)
    for name in ("gaussians.png", "lines.png", "clouds.png", "moving.gif"):
        assert (tmp_path / "run" / name).stat().st_size > 1000


@pytest.mark.parametrize("demo, flags, reason, status", [
    ("gan.py", ("--classes", 1), "--classes has no effect without --conditional", 2),
    ("gan.py", ("--conditional", "--classes", 5), r"not [5]", 1),
    ("gan.py", ("--batch-size", 100), "--batch-size 100 is more than the 54 images", 1),
    ("wgan.py", ("--conditional", "--packing", 2), "leave one of them out", 2),
    ("wgan.py", ("--packing", 3), "a --batch-size that is a multiple of it, not 16", 2),
])  # fmt: skip
def test_what_the_user_can_mend_is_said_in_a_line(tmp_path, pictures, demo, flags, reason, status):
    said = run(demo, *small(pictures, *flags), "--out", tmp_path / "run", status=status)
    assert reason in said and "Traceback" not in said


def test_evaluate_wants_a_run_that_it_knows(tmp_path):
    (tmp_path / "config.json").write_text('{"demo": "cats"}')
    said = run("evaluate.py", tmp_path, status=1)
    assert "expected a run of" in said and "'cats'" in said and "Traceback" not in said
    assert "no such folder" in run("evaluate.py", tmp_path / "nowhere", status=1)


def test_a_biggan_goes_on_and_is_measured_over_truncation(tmp_path, pictures, monkeypatch):
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    few = functools.partialmethod(BigGAN.stand, batches=1)
    monkeypatch.setattr(BigGAN, "stand", few)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    flags = small(pictures, "--augment", "colour", "cutout", "--width", 2, "--attention")
    said = run("biggan.py", *flags, "--out", whole)
    assert "samples.gif" in said and "BigJudge" in said
    run("biggan.py", *flags, "--steps", 2, "--out", parts)
    run("biggan.py", "--resume", parts, "--steps", 4)
    same_end(whole, parts)
    for name in ("truncation", "classes", "interpolation", "nearest", "curves"):
        with Image.open(whole / f"{name}.png") as image:
            assert image.mode == "RGB" or name == "curves"
    logged = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    assert {"d_train", "d_test"} <= logged[-1].keys()
    run("evaluate.py", whole, "--images", 6)
    scores = scores_of(whole)
    assert abs(scores["singular value in use"] - 1) < 1e-4
    for name in ("Fréchet distance", "read as the class asked for"):
        assert {name, f"z within 2: {name}", f"z within 0.2: {name}"} <= scores.keys()
    assert 0 <= scores["recall falls, of 7 such steps"] <= 7


def test_biggan_draws_the_nearest_training_picture(pictures):
    """Of a training picture itself, and of one that is a little darker."""
    args = biggan.flags().settings([], {"data": str(pictures), "size": 8, "limit": None})
    images = training.load_images(args).scaled()
    made = images[[7, 3, 5]] - np.array([0, 0.01, 0.02], "f")[:, None, None, None]
    assert nearest(made, images).tolist() == [7, 3, 5]


@pytest.mark.parametrize("flags", [(), ("--conditional",), ("--auxiliary",)])
def test_both_networks_are_printed_whatever_they_are_told(flags):
    args = gan.flags().settings(["--data", "digits", "--width", "2", *flags])
    images = data.Images("two", np.zeros((2, 1, 8, 8), np.uint8), np.zeros(2, np.int64), ("0", "1"))
    for network in networks_of(gan.build(args, 1, 8, 2), images, [0, 1] if flags else []):
        assert nn.summary(*network).layers[0].output


def test_biggan_draws_every_class_though_their_names_begin_alike(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(DEMOS)
    demo = importlib.import_module("biggan")

    class Folder:
        path = staticmethod(tmp_path.joinpath)

    heights = []
    monkeypatch.setattr(
        training, "save_image", lambda path, image, **how: heights.append(len(image))
    )
    names = tuple(f"a name that is cut here {i}" for i in range(3))
    flags = ["--data", "digits", "--piece", "2", "--width", "2"]
    args = biggan.flags().settings(flags)
    demo.draw_classes(Folder, args, biggan.build(args, 1, 8, len(names)), names)
    assert heights == [len(names) * (8 + 4)] * 2
    demo.draw_classes(Folder, args, biggan.build(args, 1, 8, 1), names[:1])  # no way, no rows
    assert len(heights) == 2
