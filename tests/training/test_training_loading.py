"""A run's folder gives its model back: of every demo, damaged, hostile, older, or being written."""

import json
import sys
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_runs import SMALL, made_run, with_config

import minigen
from minigen import training
from minigen.data.phrases import combinations
from minigen.training import CheckpointError, RunError
from minigen.training.loading import DEMOS, WITHOUT_MODEL
from minigen.training.trained import Drawing, Trained
from minigen.training.trained_kinds import Plane, Reading, Translating

REFUSED = (RunError, CheckpointError)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of each kind, not to be changed."""
    parent = tmp_path_factory.mktemp("runs")
    return {name: made_run(parent / name, name) for name in SMALL}


def test_every_demo_is_here():
    assert {demo for demo, _ in SMALL.values()} == DEMOS.keys()
    assert not DEMOS.keys() & {*WITHOUT_MODEL}


@pytest.mark.parametrize("name", SMALL)
def test_every_model_is_loaded_and_does_what_it_does(runs, name):
    before = minigen.default_generator.state_dict()
    found = training.load(runs[name])
    assert minigen.default_generator.state_dict() == before  # as if nothing had been drawn
    assert found.demo == SMALL[name][0] and found.device == "cpu"
    did = False
    if isinstance(found, Drawing) and found.demo != "autoencoder":  # whose noise is of its data
        pictures = found.draw(found.noise(3, seed=1))
        np.testing.assert_array_equal(pictures, found.draw(found.noise(3, seed=1)))
        assert pictures.shape == (3, *found.image_shape) and pictures.dtype == np.float32
        assert 0 <= pictures.min() <= pictures.max() <= 1
        did = True
    if isinstance(found, Translating):
        given = np.random.default_rng(0).random((3, *found.image_shape))
        for to in found.domains or (None,):
            made = found.translate(given, to)
            assert made.shape == given.shape and 0 <= made.min() <= made.max() <= 1
        did = True
    if isinstance(found, Plane):
        assert found.points(5).shape == found.real(5).shape == (5, 2)
        did = True
    if isinstance(found, Reading):
        assert found.read(np.zeros((2, *found.image_shape))).sum(1) == pytest.approx(1)
        did = True
    assert did or name in ("autoencoder", "latents", "word2vec")


def test_averaged_weights_are_taken(runs):
    saved = training.load_checkpoint(runs["gan"] / "checkpoint.npz")["state"]
    plain, drawn = saved["gan"]["generator"], training.load(runs["gan"]).model.generator
    for name, weight in drawn.named_parameters():
        np.testing.assert_array_equal(weight.numpy(), 2 * plain[name])


def test_codes_are_those_of_pictures(runs):
    for name in "vae", "autoencoder":
        found = training.load(runs[name])
        codes = found.encode(np.zeros((4, 1, 8, 8)))
        assert codes.shape == (4, found.latents) and found.draw(codes).shape == (4, 1, 8, 8)


def test_a_truncation_has_its_own_statistics_after_another(runs):
    found = training.load(runs["biggan"])
    z = found.noise(3, seed=1)
    first, other, again = (found.draw(z, truncation=tau) for tau in (0.5, 2.0, 0.5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("name", ["gan", "auxiliary", "biggan", "stylegan", "diffusion"])
def test_weights_of_classes_lead_from_one_to_the_other(runs, name):
    """All weight on one class is the class; between two lie others."""
    found = training.load(runs[name])
    noise = found.noise(4, 3)
    dogs = found.draw(noise, [1] * 4)
    np.testing.assert_allclose(found.draw(noise, np.float32([[0, 1]] * 4)), dogs, atol=1e-6)
    assert found.classes == ("cat", "dog") and found.draw(noise, [0] * 4).shape == dogs.shape
    for wrong in [2] * 4, [-1] * 4, [0], np.float32([[1, 0, 0]] * 4):
        with pytest.raises(RunError, match="expected 4 of 0 to 1"):
            found.draw(noise, wrong)


def test_what_lies_between_noises_is_as_long_as_noise(runs):
    found = training.load(runs["diffusion"])
    a, b = found.noise(2, 1), found.noise(2, 2)
    np.testing.assert_allclose(found.between(a, b, 0.0).numpy(), a.numpy(), atol=1e-6)
    lengths = np.linalg.norm(found.between(a, b, 0.5).numpy().reshape(2, -1), axis=1)
    ends = [np.linalg.norm(x.numpy().reshape(2, -1), axis=1) for x in (a, b)]
    np.testing.assert_allclose(lengths, np.mean(ends, axis=0), rtol=1e-5)


def test_phrases_are_asked_for_in_words(runs):
    found = training.load(runs["phrases"])
    noise, first = found.noise(2), combinations("train")[:2]
    words = found.labels_for(["a red one", "two blue fives"], 2).numpy()
    assert words.shape == found.labels_for(first, 2).shape
    assert found.draw(noise, ["a red one", "two blue fives"], steps=2).shape == (2, 3, 28, 28)


def test_what_a_model_does_not_do_is_said(runs):
    for name, act, said in (
        ("gan", lambda t: t.encode(np.zeros((1, 1, 8, 8))), "cannot encode pictures"),
        ("vae", lambda t: t.draw(t.noise(1), [0]), "cannot be told a class"),
        ("wgan", lambda t: t.draw(t.noise(1), truncation=1), "cannot draw by truncation"),
        ("mixture_gan", lambda t: t.noise(1), "draws points of the plane: it cannot draw pictures"),
        ("word2vec", lambda t: t.points(1), "knows words: it cannot draw points"),
        ("cyclegan", lambda t: t.translate(np.zeros((1, 1, 8, 8)), "bold"), "to plain, serif"),
        ("diffusion", lambda t: t.draw(t.noise(1), steps=9), "4 steps alone, not 9"),
    ):
        with pytest.raises(RunError, match=said):
            act(training.load(runs[name]))


# Damaged and hostile folders


@pytest.mark.parametrize("demo", ["cats", "os", "../gan", "minigen.training.loop", 3, None, []])
def test_an_unknown_demo_imports_nothing(tmp_path, demo):
    (tmp_path / "config.json").write_text(json.dumps({"demo": demo}))
    known = {*sys.modules}
    with pytest.raises(RunError, match="expected a run of autoencoder"):
        training.load(tmp_path)
    assert {*sys.modules} == known


def test_demos_without_a_model_are_told_apart(tmp_path):
    for demo in WITHOUT_MODEL:
        (tmp_path / "config.json").write_text(json.dumps({"demo": demo}))
        with pytest.raises(RunError, match="keeps no model"):
            training.load(tmp_path)


@pytest.mark.parametrize("name, entries, said", [
    ("gan", {"image_shape": [1, 8]}, "image_shape: expected 1 or 3 channels and two equal sides"),
    ("gan", {"image_shape": [1, 8, 9]}, "two equal sides"),
    ("gan", {"image_shape": [2**40, 8, 8]}, "1 or 3 channels"),
    ("gan", {"image_shape": [1, 10**9, 10**9]}, "two equal sides"),
    ("gan", {"image_shape": [True, 8, 8]}, "1 or 3 channels"),
    ("gan", {"image_shape": "188"}, "1 or 3 channels"),
    ("gan", {"class_count": -1}, "class_count: expected a whole number from 1"),
    ("gan", {"class_names": ["cat"]}, "class_names: expected 2 names"),
    ("gan", {"class_names": ["cat", "d" * 10**4]}, "class_names: expected 2 names"),
    ("gan", {"class_names": ["cat", {"dog": 1}]}, "class_names: expected 2 names"),
    ("gan", {"width": "wide"}, "width: expected a whole number from 1 to 1,000,000, got 'wide'"),
    ("gan", {"objective": "__import__"}, "objective: expected non-saturating"),
    ("gan", {"auxiliary": True}, "are two kinds of GAN"),
    ("gan", {"width": 10**6}, "a larger model than that of the checkpoint"),
    ("gan", {"width": 3}, "another version of minigen: train it anew (this state does not fit"),
    ("vae", {"hidden": [10**6, 10**6]}, "a larger model"),
    ("stylegan", {"code": 10**6}, "a larger model"),
    ("biggan", {"piece": 10**6}, "a larger model"),
    ("cyclegan", {"blocks": 10**6}, "a larger model"),
    ("diffusion", {"width": 10**6}, "a larger model"),
    ("diffusion", {"chain": 10**9}, "chain: expected a whole number"),
    ("discogan_modes", {"width": 10**6}, "a larger model"),
    ("latents", {"latents": [10**6]}, "a larger model"),
    ("pix2pix", {"image_shape": None}, "image_shape: expected"),
])  # fmt: skip
def test_a_damaged_config_is_refused_in_a_line(tmp_path, name, entries, said):
    folder = made_run(tmp_path / "run", name)
    with_config(folder, **entries)
    tracemalloc.start()
    try:
        with pytest.raises(REFUSED) as error:
            training.load(folder)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert said in str(error.value) and "\n" not in str(error.value)
    assert peak < 2**26  # of what width 10⁶ asks for, not a part


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=3),
    max_leaves=4,
)
SIZES = st.integers(1, 10**6) | st.sampled_from([0, -1, 2, 3, 4, 5, 8, 16, 32, 64, 0.5, 1.0, True])


@settings(
    max_examples=40, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(st.data())
def test_no_setting_makes_it_take_memory_or_fall(runs, tmp_path, data):
    """Whatever settings say: a model, or a line, and no more memory than a small one needs."""
    name = data.draw(st.sampled_from([*SMALL]))
    config = json.loads((runs[name] / "config.json").read_text())
    some = st.sampled_from(sorted({*config} - {"demo", "device"}))
    for entry in data.draw(st.lists(some, min_size=1, max_size=3)):
        config[entry] = data.draw(JSON | SIZES | st.lists(SIZES, max_size=3))
    folder = tmp_path / "run"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    for file in folder.glob("*.*"):
        if file.name != "config.json":
            file.unlink()
    for file in ("checkpoint.npz", "vectors.bin"):
        if (runs[name] / file).exists():
            (folder / file).write_bytes((runs[name] / file).read_bytes())
    tracemalloc.start()
    try:
        assert isinstance(training.load(folder), Trained)
    except REFUSED as error:
        assert "\n" not in str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 2**27


@pytest.mark.parametrize("change, said", [
    (lambda state: state.pop("average"), "average is not of the model"),
    (lambda state: state.pop("gan"), "gan is not of the model"),
    (lambda state: state["gan"].pop("generator"), "gan is not of the model"),
    (lambda state: state.update(gan=[1, 2]), "gan is not of the model"),
    (lambda state: state["average"].update(averages=None), "average is not of the model"),
])  # fmt: skip
def test_a_checkpoint_of_something_else_is_refused(tmp_path, change, said):
    path = made_run(tmp_path / "run", "gan") / "checkpoint.npz"
    saved = training.load_checkpoint(path)
    change(saved["state"])
    training.save_checkpoint(path, saved)
    with pytest.raises(CheckpointError, match=said) as error:
        training.load(path.parent)
    assert "\n" not in str(error.value)


def test_a_run_that_never_began_or_diverged_is_said(tmp_path):
    folder = made_run(tmp_path / "run", "gan")
    path = folder / "checkpoint.npz"
    saved = training.load_checkpoint(path)
    next(iter(saved["state"]["gan"]["generator"].values()))[...] = np.nan
    training.save_checkpoint(path, saved)
    with pytest.raises(CheckpointError, match="holds NaN"):
        training.load(folder)
    training.save_checkpoint(path, {"step": "3", "state": {}})
    with pytest.raises(CheckpointError, match="no checkpoint of a training loop"):
        training.load(folder)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="damaged"):
        training.load(folder)
    path.unlink()
    with pytest.raises(RunError, match="never began"):
        training.load(folder)


# Runs as they are


def test_what_an_older_run_does_not_say_is_assumed(tmp_path, capsys):
    folder = made_run(tmp_path / "run", "gan", classes=tuple("0123456789"), data="mnist")
    with_config(folder, smoothing=None, decay=None, class_names=None)
    found = training.load(folder)
    assert "does not say, so it is assumed: decay 0.995" in capsys.readouterr().out
    assert found.settings.decay == 0.995 and found.classes == tuple("0123456789")
    folder = made_run(tmp_path / "other", "gan")
    with_config(folder, class_names=None)
    assert training.load(folder).classes == ("0", "1")
    folder = made_run(tmp_path / "third", "stargan", critics="one")
    with_config(folder, critics=None)  # the default was another then
    assert training.load(folder).settings.critics == "one"


def test_the_shape_of_an_older_run_is_that_of_its_data(tmp_path, capsys):
    folder = made_run(tmp_path / "run", "autoencoder", (1, 28, 28), limit=50)
    with_config(folder, image_shape=None, class_count=None, class_names=None)
    assert training.load(folder).image_shape == (1, 28, 28)
    assert "does not say the shape" in capsys.readouterr().out


def test_the_data_may_be_gone(tmp_path):
    gone = str(tmp_path / "pictures")
    folder = made_run(tmp_path / "run", "gan")
    with_config(folder, data=gone, size=8)
    found = training.load(folder)
    assert found.draw(found.noise(2)).shape == (2, 1, 8, 8)
    with pytest.raises(training.RunError, match="there is no folder"):  # to go on it is needed
        found.builder.flags().settings_of(found.run)


def test_a_run_is_read_while_it_is_written(tmp_path):
    """By whole files, each put in the place of the one before."""
    folder = made_run(tmp_path / "run", "vae")
    saved = training.load_checkpoint(folder / "checkpoint.npz")
    done = threading.Event()

    def write():
        step = 3
        while not done.is_set():
            step += 1
            training.save_checkpoint(folder / "checkpoint.npz", saved | {"step": step})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        steps = [training.load(folder).step for _ in range(20)]
    finally:
        done.set()
        writer.join()
    assert steps == sorted(steps) and steps[-1] > 3


def test_the_model_that_ships_is_loaded_by_its_name():
    found = training.load("digits")
    assert found.draw(found.noise(2), [7, 1], steps=2).shape == (2, 1, 28, 28)
    assert found.run is None and found.classes == tuple("0123456789")
