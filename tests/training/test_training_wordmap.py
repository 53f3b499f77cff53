"""Words in the plane."""

import numpy as np
import pytest
from PIL import Image

from minigen.training.wordmap import save_word_map, tsne


def groups(count=4, each=12, dim=20, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.normal(size=(count, dim)), each, axis=0)
    return centres + 0.3 * rng.normal(size=centres.shape)


def test_neighbours_stay_neighbours():
    places = tsne(groups(), perplexity=8)
    assert np.array_equal(places, tsne(groups(), perplexity=8))
    distance = ((places[:, None] - places) ** 2).sum(2)
    np.fill_diagonal(distance, np.inf)
    assert (distance.argmin(1) // 12 == np.arange(48) // 12).all()
    centres = places.reshape(4, 12, 2).mean(1)
    spread = np.sqrt(((places.reshape(4, 12, 2) - centres[:, None]) ** 2).sum(2)).max()
    between = np.sqrt(((centres[:, None] - centres) ** 2).sum(2))
    assert between[~np.eye(4, dtype=bool)].min() > spread


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("count", range(7))
def test_few_words_and_words_that_are_alike(tmp_path, count):
    for vectors in (np.ones((count, 3)), np.zeros((count, 3)), np.eye(6)[:count]):
        places = tsne(vectors)
        assert places.shape == (count, 2) and np.isfinite(places).all()
    words = ["$x$", "日", "<b>", "_", "a" * 99, "\ud800"][:count]
    save_word_map(tmp_path / "map.png", words, np.eye(6)[:count])
    with Image.open(tmp_path / "map.png") as image:
        assert image.width == 1320 and image.height > 990  # a caption is below
