"""The drawn digits: the same for the same seed, whole, and labelled with what they show."""

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from minigen.data import digits, load
from minigen.data.digits import CHUNK, _thin


@pytest.fixture(scope="module")
def drawn():
    return digits(2 * CHUNK, seed=3)


def test_they_are_images_as_mnist_has_them(drawn):
    assert drawn.images.dtype == np.uint8 and drawn.images.shape == (2 * CHUNK, 1, 28, 28)
    assert drawn.labels.dtype == np.int64 and drawn.labels.shape == (2 * CHUNK,)
    assert (drawn.labels.reshape(-1, 10)[:5] != np.arange(10)).any()
    assert (np.sort(drawn.labels.reshape(-1, 10), axis=1) == np.arange(10)).all()


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 2 * CHUNK - 1))
def test_a_smaller_set_is_the_beginning_of_a_larger_one(drawn, size):
    fewer = digits(size, seed=3)
    np.testing.assert_array_equal(fewer.images, drawn.images[:size])
    np.testing.assert_array_equal(fewer.labels, drawn.labels[:size])


def test_seeds_and_images_differ(drawn):
    other = digits(CHUNK, seed=4)
    assert (other.labels != drawn.labels[:CHUNK]).any()
    every = np.concatenate([other.images, drawn.images]).reshape(3 * CHUNK, -1)
    assert len(np.unique(every, axis=0)) == 3 * CHUNK


def test_ink_is_white_on_black_within_the_frame_and_mnist_sized(drawn):
    pixels = drawn.images[:, 0]
    assert 0.10 < pixels.mean() / 255 < 0.17  # MNIST: 0.13
    assert (pixels.max(axis=(1, 2)) == 255).all()
    frame = np.ones((28, 28), bool)
    frame[1:-1, 1:-1] = False
    assert (pixels[:, frame].max(axis=1) > 0).mean() < 0.02
    assert pixels[:, frame].sum() < 1e-3 * pixels.sum(dtype=np.int64)
    inked = (pixels > 127).any(axis=2)
    assert 18 < inked.sum(axis=1).mean() < 22


def test_a_digit_is_one_stroke_of_ink(drawn):
    """Thinning and bending tear nothing: ink that falls apart into pieces is the exception."""
    pieces = [label(image > 60, np.ones((3, 3)))[1] for image in drawn.images[:500, 0]]
    assert np.mean(np.array(pieces) == 1) > 0.97


def class_means(images):
    scaled = images.scaled().reshape(len(images), -1)
    return np.stack([scaled[images.labels == k].mean(axis=0) for k in range(10)])


def accuracy(means, images):
    distance = ((images.scaled().reshape(len(images), 1, -1) - means) ** 2).sum(axis=2)
    return (distance.argmin(axis=1) == images.labels).mean()


def test_digits_of_one_label_look_alike(drawn):
    """The nearest class mean, a poor classifier, is right far more often than one time in ten."""
    assert accuracy(class_means(drawn), digits(500, seed=5)) > 0.7


def test_a_label_is_the_digit_shown(drawn):
    """Holes tell: 8 has two, 0, 4, 6 and 9 have one, that of 6 lies below that of 9."""
    holes, rows = [[] for _ in range(10)], [[] for _ in range(10)]
    for image, k in zip(drawn.images[:500, 0], drawn.labels, strict=False):
        regions, count = label(image < 100)
        holes[k].append(count - 1)
        rows[k] += np.nonzero(regions > 1)[0].tolist()
    assert [round(np.median(h)) for h in holes] == [1, 0, 0, 0, 1, 0, 1, 0, 2, 1]
    assert np.mean(rows[6]) > 15 > 12 > np.mean(rows[9])


@pytest.mark.skipif(not os.environ.get("MINIGEN_DATA"), reason="MINIGEN_DATA is not set")
def test_they_resemble_mnist(drawn):
    assert accuracy(class_means(drawn), load("mnist", "test", size=1000, download=False)) > 0.35


def test_thinning_leaves_lines_and_their_topology():
    picture = np.zeros((2, 40, 40), bool)
    picture[0, 5:35, 18:23] = True
    picture[1, 5:35, 8:32] = True
    picture[1, 12:28, 14:26] = False
    bar, ring = _thin(picture)
    assert (bar.sum(axis=1) <= 1).all() and bar.sum() > 20
    assert label(ring, np.ones((3, 3)))[1] == 1 and label(~ring)[1] == 2


@pytest.mark.parametrize(("size", "seed"), [(0, 0), (-1, 0), (10, -1), (10, 2**64)])
def test_sizes_and_seeds_out_of_range_are_refused(size, seed):
    with pytest.raises(ValueError, match="digits: expected"):
        digits(size, seed)
