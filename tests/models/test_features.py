"""The features' classifier says what it knows, and one that knows nothing is refused."""

import numpy as np
import pytest

from minigen.data import DataError, Images
from minigen.models.features import feature_classifier


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path))


def images(names, brightness, side=8, count=50):
    """Noise of a brightness that depends on the class, or in each row of pixels on the row."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % len(names)
    noise = rng.integers(0, 100, (count, 1, side, side))
    return Images("pictures", (noise + brightness(labels)).astype(np.uint8), labels, names)


def test_it_states_its_task_its_accuracy_and_chance():
    told = feature_classifier(images(("dark", "bright"), lambda y: 100 * y[:, None, None, None]))
    assert told.accuracy == 1 and told.chance == 0.5 and told.tested == 5
    assert str(told) == (
        "a classifier that tells the 2 classes of pictures: 100.00% of 5 held-out images right,"
        " by chance 50.0%"
    )
    turned = feature_classifier(images(("",), lambda y: 15 * np.arange(8)[:, None]))
    assert turned.task == "quarter turns of pictures" and turned.chance == 0.25


def test_one_that_knows_nothing_is_refused():
    """Evenly grey pictures look the same when they are turned, so one of four answers is right."""
    grey = np.arange(50, dtype=np.uint8)[:, None, None, None].repeat(8, 2).repeat(8, 3)
    pictures = Images("grey", grey, np.zeros(50, np.int64), ("",))
    said = "measure nothing here.* 25.00% of 20 held-out images right, by chance 25.0%"
    with pytest.raises(DataError, match=said):
        feature_classifier(pictures)


def test_a_side_that_the_classifier_cannot_take_is_refused():
    with pytest.raises(DataError, match="multiple of 4, not 10"):
        feature_classifier(images(("a", "b"), lambda y: 0, side=10))
