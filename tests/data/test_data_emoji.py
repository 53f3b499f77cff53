"""Emoji: what is seen of them, who is whose sibling, and that no siblings are on two sides."""

import os

import numpy as np
import pytest

from minigen.data import DataError, emoji, load
from minigen.data.emoji import FILE, TONES, family

GIVEN = os.environ.get("MINIGEN_DATA")
real = pytest.mark.skipif(not GIVEN, reason="MINIGEN_DATA is not set")
# A runner in every tone and as a woman, two people of one and of two tones, faces, bare swatches.
POINTS = [
    "1f3c3", *(f"1f3c3-{t}" for t in TONES.values() if t), "1f3c3-1f3fd-200d-2640-fe0f",
    "1f468-1f3fb-200d-1f91d-200d-1f468-1f3fb", "1f468-1f3fb-200d-1f91d-200d-1f469-1f3fc",
    "1f600", "1f64f", "1f64f-1f3fd", "2640", "2642", "1f3fb", "1f3ff",
]  # fmt: skip


@pytest.fixture
def given(monkeypatch, tmp_path):
    """Writes a file of emoji, changed by keywords, and returns its arrays."""
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))

    def write(**changed):
        rng = np.random.default_rng(0)
        drawn = rng.integers(0, 256, (2, len(POINTS), 4, 4, 4), dtype=np.uint8)
        drawn[..., 3] = rng.choice([0, 1, 128, 254, 255], drawn.shape[:-1])
        arrays = {"noto": drawn[0], "twemoji": drawn[1], "codepoints": np.array(POINTS)} | changed
        (tmp_path / "emoji").mkdir(exist_ok=True)
        kept = {name: array for name, array in arrays.items() if array is not None}
        np.savez(tmp_path / "emoji" / FILE, **kept)
        return arrays

    return write


def test_siblings_are_one_family():
    assert len({family(p) for p in POINTS[:7]}) == 1
    assert family("1f469-1f3fb-200d-1f680") == family("1f9d1-200d-1f680") == "1f9d1-1f680"
    assert family("2640") == family("2642") == "" != family("1f600")


def test_what_is_transparent_is_white_or_zero(given):
    drawn = given()
    rgba = np.stack([drawn["noto"], drawn["twemoji"]], 1)[:-2]  # without the swatches
    colour, cover = np.moveaxis(rgba[..., :3] / 255, -1, 2), rgba[:, :, None, :, :, 3] / 255
    white, clear = emoji(), emoji(alpha=True)
    assert white.images.shape == (len(POINTS) - 2, 2, 3, 4, 4) and white.images.dtype == np.uint8
    np.testing.assert_array_equal(white.images, np.rint(255 * (colour * cover + 1 - cover)))
    np.testing.assert_array_equal(clear.images[:, :, :3], np.rint(255 * colour * cover))
    np.testing.assert_array_equal(clear.images[:, :, 3:], 255 * cover)
    np.testing.assert_array_equal(
        white.images, clear.images[:, :, :3] + (255 - clear.images[:, :, 3:])
    )


def test_kinds_and_hands(given):
    drawn = given()
    everything, faces, tones = (emoji(kind=kind) for kind in ("hands", "faces", "tones"))
    assert everything.domains == ("noto", "twemoji") and len(faces) == 2
    np.testing.assert_array_equal(faces.images, everything.images[[9, 10]])
    assert len(tones) == 1 and tones.domains[0] == "noto yellow"
    assert tones.domains[6:8] == ("twemoji yellow", "twemoji light")
    np.testing.assert_array_equal(tones.images[0, 6:], everything.images[:6, 1])
    for seed in range(4):  # a family is on one side in every kind
        known = {*emoji("train", seed=seed).families.tolist()}
        for kind in ("faces", "tones"):
            kept = {*emoji("train", kind, seed=seed).families.tolist()}
            assert kept == known & {*emoji(kind=kind).families.tolist()}
    one = emoji(kind="tones", hands=("twemoji",))
    assert one.domains == tuple(TONES) and np.array_equal(one.images, tones.images[:, 6:])
    assert tones.families[0] == everything.families[0] == everything.families[6]
    images = emoji(hands=("twemoji",)).pictures()
    assert images.classes == ("twemoji",) and len(images) == len(drawn["noto"]) - 2


def test_wrong_kinds_and_damaged_files(given, tmp_path):
    with pytest.raises(DataError, match=f"there is no .*emoji/{FILE} and no .*cache"):
        emoji()
    for wrong, message in (({"kind": "cats"}, "'cats'"), ({"hands": ("apple",)}, "apple"),
                           ({"hands": ()}, "noto")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            emoji(**wrong)
    drawn = given(twemoji=None)
    with pytest.raises(DataError, match="an array twemoji, found none"):
        emoji()
    for changed in ({"noto": drawn["noto"][1:]}, {"codepoints": drawn["codepoints"][:-1]},
                    {"twemoji": drawn["noto"][:, 1:]}):  # fmt: skip
        given(**changed)
        with pytest.raises(DataError, match="as many drawings in both hands"):
            emoji()
    given(noto=drawn["noto"].astype(float))
    with pytest.raises(DataError, match="noto: expected bytes"):
        emoji()
    given(codepoints=np.array(["é"] * len(POINTS)))
    with pytest.raises(DataError, match="code points in hexadecimal"):
        emoji()
    given(codepoints=np.array([None] * len(POINTS)))  # would be unpickled
    with pytest.raises(DataError, match="cannot be read"):
        emoji()
    (tmp_path / "emoji" / FILE).write_bytes(b"none")
    with pytest.raises(DataError, match="cannot be read"):
        emoji()


@real
def test_no_family_of_the_real_set_is_on_two_sides():
    sides = {split: emoji(split) for split in ("train", "validation", "test")}
    families = {split: {*side.families.tolist()} for split, side in sides.items()}
    assert len(set.union(*families.values())) == 1454 == sum(map(len, families.values()))
    assert sum(map(len, sides.values())) == 3410
    assert (len(sides["test"]), len(families["test"])) == (529, 145)
    for kind, count in (("faces", 80), ("tones", 305)):
        assert len(emoji(kind=kind)) == count
        for split, known in families.items():
            assert {*emoji(split, kind).families.tolist()} <= known
    assert not {*emoji("test", seed=1).families.tolist()} <= families["test"]


@real
def test_the_error_of_copying_is_the_known_one():
    test = emoji("test")
    noto, twemoji = test.scaled(0, 1).swapaxes(0, 1)
    errors = np.abs(noto - twemoji).mean((1, 2, 3))
    assert test.family_mean(errors) == pytest.approx(0.156, abs=5e-4)
    images = load("emoji-noto", "test")
    assert np.array_equal(images.images, test.images[:, 0]) and images.name == "emoji-noto"
