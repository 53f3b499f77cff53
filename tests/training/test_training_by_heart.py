"""D's scores of training and test pictures, and the nearest training pictures."""

import argparse
from types import SimpleNamespace

import numpy as np
import pytest

from minigen import nn
from minigen.data import Images
from minigen.training import by_heart


class Brightness(nn.Module):
    """A judge whose score is the mean of a picture, and the class if it is told it."""

    def forward(self, x, *labels):
        assert not self.training
        return x.mean((1, 2, 3))[:, None] + sum(y[:, None] for y in labels)


# Of one grey the mean is exact. From dark to bright, as a folder may be sorted, 512 of all scores,
# uniform from −1 to 1, have a mean with a deviation of 0.013.
@pytest.mark.parametrize("darkest, means, error", [(1, (1, -0.6), 1e-5), (0, (0, -0.8), 0.06)])
@pytest.mark.parametrize("labelled", [False, True])
def test_the_scores_are_of_each_split(monkeypatch, labelled, darkest, means, error):
    sets = {}
    for split, most in {"train": 255, "test": 51}.items():
        greys = np.linspace(darkest * most, most, 700).astype(np.uint8)[:, None, None, None]
        sets[split] = Images("grey", np.tile(greys, (1, 4, 4)), np.full(700, 3), tuple("abcd"))
    monkeypatch.setattr(by_heart, "load_images", lambda args, split: sets[split])
    watch = by_heart.watched(argparse.Namespace(device="cpu"), sets["train"], labelled)
    judge = Brightness()
    found = watch(SimpleNamespace(discriminator=judge))
    told = 3 if labelled else 0
    expected = {"d_train": means[0] + told, "d_test": means[1] + told}
    assert found == pytest.approx(expected, abs=error)
    assert judge.training


def test_the_nearest_training_picture_stands_below_each(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    levels = np.repeat(np.arange(256, dtype=np.uint8), 75).reshape(256, 3, 5, 5)
    images = Images("greys", levels, np.zeros(256), ())
    places = rng.integers(0, 256, 20)
    made = images.scaled()[places] + rng.uniform(-3e-3, 3e-3, (20, 3, 5, 5)).astype(np.float32)
    shown = {}
    monkeypatch.setattr(by_heart, "named_rows", shown.update)
    monkeypatch.setattr(by_heart, "save_image", lambda *args, **options: None)
    by_heart.draw_nearest(SimpleNamespace(path=tmp_path.joinpath), images, made)
    assert [*shown] == ["drawn 1", "nearest 1", "drawn 2", "nearest 2"]
    for i in "12":
        some = slice(10 * int(i) - 10, 10 * int(i))
        np.testing.assert_equal(shown[f"drawn {i}"], made[some])
        np.testing.assert_allclose(shown[f"nearest {i}"], images.scaled()[places[some]], atol=1e-6)
