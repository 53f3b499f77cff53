"""Every kind of model has a view, and what it shows is a function of the values alone."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import SMALL, made_run

from minigen import training
from minigen.data import DataError
from minigen.explorer import view_of
from minigen.explorer.answers import picture, to_json
from minigen.explorer.controls import Choice, Plane, Slider, Sliders, Text, ValuesError, checked

UNSEEN = ("latents",)  # compares several models
UNMOVED = ("classifier", "cyclegan", "discogan", "pix2pix", "stargan")  # are given pictures alone
TAKERS = (*UNMOVED, "autoencoder", "vae")


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    parent = tmp_path_factory.mktemp("somebody's folder")
    return {
        name: view_of(training.load(made_run(parent / name, name)))
        for name in SMALL
        if name not in UNSEEN
    }


def shown(view, **values):
    """All answers, as the page gets them."""
    answers = []
    view.draw(checked(view.controls, values), answers.append)
    return [json.loads(to_json(answer)) for answer in answers]


def some_value(control):
    """A strategy for values of a control."""
    match control:
        case Slider(whole=True):
            return st.integers(int(control.least), int(control.most))
        case Slider():
            return st.floats(control.least, control.most)
        case Sliders():
            number = st.floats(control.least, control.most)
            return st.lists(number, min_size=len(control.value), max_size=len(control.value))
        case Choice():
            return st.integers(0, len(control.options) - 1)
        case Plane():
            place = st.integers(0, control.count - 1)
            return st.tuples(place, place, st.integers(0, 1)).map(list)
        case Text(name="phrase"):
            return st.sampled_from(["a red one", "two blue sixes"])
        case Text():
            return st.sampled_from(["", "word3", "word1 - word2 + word3"])


@pytest.mark.parametrize("name", [name for name in SMALL if name not in (*UNSEEN, *UNMOVED)])
@settings(max_examples=4)
@given(data=st.data())
def test_a_picture_is_a_function_of_the_values(views, name, data):
    view = views[name]
    first, other = ({c.name: data.draw(some_value(c)) for c in view.controls} for _ in range(2))
    answers = shown(view, **first)
    assert answers and all("error" not in answer for answer in answers)
    shown(view, **other)
    assert shown(view, **first)[-1] == answers[-1]


def test_who_takes_pictures(views):
    assert {name for name, view in views.items() if view.takes} == {*TAKERS}


@pytest.mark.parametrize("name", TAKERS)
def test_a_picture_that_is_given_is_seen_as_the_model_sees_it(views, name):
    view = views[name]
    channels, side = view.takes
    image = np.random.default_rng(0).random((1, channels, side, side)).astype(np.float32)
    answer = json.loads(to_json(view.given(image)))
    if "values" in answer:
        z = view.trained.encode(image)
        expected = picture(view.trained.draw(z.round(3)))
        assert shown(view, **answer["values"])[0]["picture"] == expected
    else:
        assert answer["picture"].startswith("data:image/png;base64,") and answer["caption"]


def test_a_gan_draws_what_load_draws(views):
    for name in "gan", "auxiliary", "dcgan", "wgan":
        view, trained = views[name], views[name].trained
        z = trained.noise(1, 5).numpy().clip(-1, 1)
        values = {"z": z[0].tolist()}
        if trained.classes:
            values |= {"class": 1, "other": 0, "between": 0.0}
        expected = picture(trained.draw(z, [1] if trained.classes else None))
        assert shown(view, **values)[-1]["picture"] == expected


def test_layers_styles_are_those_of_one_code_or_of_the_other(views):
    view, trained = views["stylegan"], views["stylegan"].trained
    layers = trained.model.generator.styles_count
    z = trained.noise(1, 5).numpy().clip(-1, 1)
    values = {"z": z[0].tolist(), "class": 1, "psi": 0.5, "second": 7}
    for share, code in (0.0, z), (1.0, trained.noise(1, 7)):
        expected = picture(trained.draw(code, [1], truncation=0.5))
        assert shown(view, layers=[share] * layers, **values)[-1]["picture"] == expected
    pure = [shown(view, layers=[s] * layers, **values)[-1]["picture"] for s in (0.0, 1.0)]
    mixed = shown(view, layers=[0.0] + [1.0] * (layers - 1), **values)[-1]["picture"]
    assert mixed not in pure
    noisy = shown(view, noise=3, layers=[0.0] * layers, **values)[-1]["picture"]
    assert noisy == pure[0]  # its strength is 0 before any training


def test_truncation_takes_quantiles_and_statistics_of_its_own(views):
    view, trained = views["biggan"], views["biggan"].trained
    z = np.full(trained.latents, 1.5)
    drawn = [shown(view, z=z.tolist(), truncation=t)[-1]["picture"] for t in (3.0, 1.0, 0.2)]
    assert len({*drawn}) == 3
    again = shown(view, z=z.tolist(), truncation=1.0)
    assert [answer["picture"] for answer in again] == [drawn[1]]  # the statistics were taken


def test_a_chain_ends_with_the_picture_that_load_draws(views):
    view, trained = views["diffusion"], views["diffusion"].trained
    answers = shown(view, steps=3, first=4, guidance=2.0, **{"class": 1})
    expected = trained.draw(trained.noise(1, 4), [1], sampler="ddim", steps=3, guidance=2.0)
    assert [a["caption"] for a in answers] == ["step 1 of 3", "step 2 of 3", "step 3 of 3"]
    assert answers[-1]["picture"] == picture(expected)


def test_the_plane_is_drawn_where_it_is_wanted_with_its_place_in_the_middle(views):
    view, trained = views["vae"], views["vae"].trained
    z = [0.0, 0.0, 0.7]
    assert [*shown(view, z=z, plane=[0, 1, 0])[-1]] == ["picture"]
    across, up = np.meshgrid(np.linspace(-30, 30, 11) / 11, np.linspace(30, -30, 11) / 11)
    codes = np.stack([across, up, np.full((11, 11), 0.7)], -1).reshape(-1, 3)
    expected = picture(trained.draw(codes), columns=11)
    assert shown(view, z=z, plane=[0, 1, 1])[-1]["plane"] == expected


def test_points_follow_the_field_to_where_load_takes_them(views):
    for name in "diffusion_2d", "chain":
        view, trained = views[name], views[name].trained
        (answer,) = shown(view, time=1.0, steps=5, seed=3)
        noise = np.asarray([way[0] for way in answer["ways"]])
        assert abs(noise.mean()) < 0.5 and 0.6 < noise.std() < 1.4
        if trained.is_flow:
            made = trained.points(200, 3, steps=5, method="euler")
            np.testing.assert_allclose(answer["points"], made, atol=2e-3)
        (begun,) = shown(view, time=0.0, steps=5, seed=3)
        np.testing.assert_allclose([way[-1] for way in begun["ways"]], noise, atol=2e-3)


def test_words_are_asked_as_in_words_py(views):
    view = views["word2vec"]
    (answer,) = shown(view, words="word1 - word2 + word3")
    expected = view.trained.model.most_similar(["word1", "word3"], ["word2"], 12)
    assert [word for word, _ in answer["near"]] == [word for word, _ in expected]
    assert answer["asked"] == ["word1", "word3", "word2"]
    assert len(view.about()["points"]) == len(view.about()["words"]) == 12
    with pytest.raises(DataError, match="no vector for the word 'unheard'"):
        shown(view, words="unheard")


def test_the_page_shows_no_folder_of_its_owner(views):
    for name, view in views.items():
        told = to_json(view.about()).decode()
        assert view.about()["title"] == name and "somebody" not in told


def test_what_has_no_view_says_so_in_a_line(tmp_path):
    with pytest.raises(training.RunError, match="compares several models: it cannot be explored"):
        view_of(training.load(made_run(tmp_path / "run", "latents")))


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
CONTROLS = (
    Slider("share", "share", 0.0, 1.0, 0.5), Slider("seed", "seed", 0, 9, 0, whole=True),
    Sliders("z", "z", -1.0, 1.0, (0.0, 0.5)), Choice("class", "class", ("a", "b")),
    Plane("plane", "plane", "z", 2), Text("words", "words", longest=3),
)  # fmt: skip


@given(st.dictionaries(st.sampled_from([c.name for c in CONTROLS] + ["other"]), junk) | junk)
def test_values_are_checked_or_refused(values):
    try:
        found = checked(CONTROLS, values)
    except ValuesError:
        return
    assert found.keys() == {c.name for c in CONTROLS}
    assert 0 <= found["share"] <= 1 and type(found["share"]) is float
    assert found["seed"] in range(10) and type(found["seed"]) is int
    assert len(found["z"]) == 2 and all(-1 <= x <= 1 for x in found["z"])
    assert found["class"] in (0, 1) and type(found["class"]) is int
    assert len(found["words"]) <= 3


@pytest.mark.parametrize("name, wrong", [
    ("share", 1.1), ("share", -0.1),
    ("z", [0.0, -2.0]), ("share", float("nan")), ("share", True), ("share", 10**400), ("seed", 0.5),
    ("z", [0.0]), ("z", [0.0, 2.0]), ("z", [0.0, "1"]), ("z", 0.0), ("class", 2), ("class", -1),
    ("class", True), ("plane", [0, 2, 0]), ("plane", [0, 1]), ("words", "four"), ("words", 4),
    ("other", 0),
])  # fmt: skip
def test_wrong_values_are_refused_by_name(name, wrong):
    with pytest.raises(ValuesError, match=name):
        checked(CONTROLS, {name: wrong})
