"""Phrases and their pictures: the grammar, what is held out, and what is drawn is what is read."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.data import DataError, Images, PhrasePictures
from minigen.data import phrases as P

EVERY = np.concatenate([P.combinations(split) for split in P.SPLITS])
LABELS = np.repeat(np.arange(10), 3)
DRAWN = np.random.default_rng(0).integers(130, 256, (30, 1, 28, 28)).astype(np.uint8)
DRAWN[:, :, :2] = (130 + 12 * LABELS)[:, None, None, None]  # the first rows say which it is


NAMES = tuple("0123456789")


def digits(name="few"):
    return Images(name, DRAWN, LABELS, NAMES)


def judge(cells):
    assert len(cells)  # a classifier reads something
    return ((cells[:, 0, 0] * 255 - 130) / 12).round().astype(int)


def test_each_combination_has_one_phrase():
    phrases = [P.phrase_of(combination) for combination in EVERY]
    assert len(set(phrases)) == 180 and "two red sixes" in phrases and "a blue four" in phrases
    for phrase, combination in zip(phrases, EVERY, strict=True):
        np.testing.assert_array_equal(P.combination_of(f"  {phrase.upper()} "), combination)
    np.testing.assert_array_equal(P.combination_of("one red six"), P.combination_of("a red six"))
    told = P.words_of(EVERY)
    words = [" ".join(P.WORDS[i] for i in row) for row in told]
    assert words[phrases.index("three white nines")] == "three white nine"
    assert len({tuple(row) for row in told}) == 180  # two threes are not three twos


@pytest.mark.parametrize("phrase, said", [
    ("two orange fives", "unknown 'orange'"),
    ("four red sevens", "expected a phrase as"),  # for four is a digit's word
    ("two red six", "expected a phrase as"),
    ("red two sixes", "expected a phrase as"),
    ("red sevens", "expected a phrase as"),
    ("", "expected a phrase as"),
    ("two green fives " * 9, "expected a phrase as"),
])  # fmt: skip
def test_what_is_no_phrase_is_refused(phrase, said):
    with pytest.raises(DataError, match=said) as error:
        P.combination_of(phrase)
    assert "\n" not in str(error.value) and len(str(error.value)) < 120


def test_held_out_are_combinations_of_which_all_words_were_seen():
    splits = {name: {tuple(c) for c in P.combinations(name)} for name in P.SPLITS}
    assert [len(splits[name]) for name in P.SPLITS] == [120, 30, 30]
    assert len(set().union(*splits.values())) == 180
    for split in splits.values():
        for part, words in enumerate(P.PARTS):
            assert {c[part] for c in split} == set(range(len(words)))
    seen = splits["train"]
    for other in 1, 2:  # each number with each colour and each digit
        pairs = itertools.product(range(3), range(len(P.PARTS[other])))
        assert {(c[0], c[other]) for c in seen} == set(pairs)
    for name in "validation", "test":  # but no number of red zeros
        assert not {c[1:] for c in splits[name]} & {c[1:] for c in seen}


@given(st.integers(0, 2**63 - 1))
def test_what_is_drawn_is_what_is_read(seed):
    rng = np.random.default_rng(seed)
    combos = EVERY[rng.integers(0, len(EVERY), 12)]
    pictures = PhrasePictures(digits()).draw(combos, rng)
    assert pictures.shape == (12, 3, 28, 28) and pictures.dtype == np.float32
    assert pictures.min() == -1 and pictures.max() <= 1
    np.testing.assert_array_equal(P.read_combinations(pictures, judge), combos)
    wrong = P.read_combinations(pictures, lambda cells: (judge(cells) + 1) % 10)
    np.testing.assert_array_equal(wrong, np.column_stack([combos[:, :2], (combos[:, 2] + 1) % 10]))


def in_all_cells(picture):
    """A picture of one digit, with that digit in each of the cells."""
    cells = picture.reshape(1, 3, 2, 14, 2, 14)
    return [np.roll(cells, (i // 2, i % 2), (2, 4)).reshape(picture.shape) for i in range(4)]


def test_a_picture_that_is_not_one_thing_is_not_read():
    drawn, rng = PhrasePictures(digits()), np.random.default_rng(1)
    seven, three = (drawn.draw(np.array([c]), rng) for c in ([0, 0, 7], [0, 2, 3]))
    in_cells = in_all_cells(seven)
    for pictures, expected in (
        (in_cells[:3], [2, 0, 7]),
        (in_cells, [P.NONE, 0, 7]),
        ([seven * 0 - 1], [P.NONE] * 3),
    ):
        found = P.read_combinations(np.maximum.reduce(pictures), judge)
        assert found.tolist() == [expected]
    for moved in in_all_cells(three):
        both = P.read_combinations(np.maximum(seven, moved), judge)[0]
        assert both[0] == 0 or both.tolist() == [1, P.NONE, P.NONE]


def test_batches_are_of_their_split_and_go_on_where_they_stood():
    whole, parts = PhrasePictures(digits(), seed=3), PhrasePictures(digits(), seed=3)
    batches = [whole.batch(16) for _ in range(6)]
    for _ in range(3):
        parts.batch(16)
    again = PhrasePictures(digits(), seed=3)
    again.load_state_dict(parts.state_dict())
    for expected in batches[3:]:
        for a, b in zip(expected, again.batch(16), strict=True):
            np.testing.assert_array_equal(a, b)
    train = {tuple(words) for words in P.words_of(P.combinations("train"))}
    seen = [tuple(words) for _, told in batches for words in told]
    assert set(seen) <= train and len(set(seen)) > 60
    assert not np.array_equal(batches[0][0], batches[1][0])
    assert not np.array_equal(batches[0][0], PhrasePictures(digits(), seed=4).batch(16)[0])
    held_out = {tuple(words) for words in whole.batch(40, "test")[1]}
    assert held_out <= {tuple(words) for words in P.words_of(P.combinations("test"))}
    other = Images("others", 255 - DRAWN, LABELS, NAMES)
    with pytest.raises(ValueError, match="other digits"):
        PhrasePictures(other).load_state_dict(parts.state_dict())


def test_pictures_are_made_of_all_ten_digits_and_of_nothing_else():
    clothes = ("shirt", *NAMES[1:])
    for name, images, names in ("wide", DRAWN[..., :20], NAMES), ("clothes", DRAWN, clothes):
        with pytest.raises(DataError, match=f"{name}: phrases are of digits"):
            PhrasePictures(Images(name, images, LABELS, names))
    for digit, name in enumerate(P.DIGITS):
        rest = digit != LABELS
        with pytest.raises(DataError, match=f"of its 27 images none is a {name}: take more"):
            PhrasePictures(Images("few", DRAWN[rest], LABELS[rest], NAMES))


def test_digits_stand_in_any_cell():
    ones = np.zeros((100, 3), int)
    pictures = PhrasePictures(digits()).draw(ones, np.random.default_rng(0))
    cells = pictures.max(1).reshape(100, 2, 14, 2, 14).max((2, 4)).reshape(100, 4) > -1
    assert (cells.sum(1) == 1).all() and (cells.sum(0) > 10).all()
