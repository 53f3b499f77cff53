"""The same contents in several domains: splits by family, halves without pairs, known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.data import DataError, Domains, Images, coloured, dealt, glyphs, load, variants
from minigen.data.glyphs import FAMILIES, FONTS

PARTS = st.integers(3, 12)
THREE = ("train", "validation", "test")


def numbered(families, domains=("a", "b")):
    """A set whose every pixel says which content and domain it is of."""
    families = np.asarray(families)
    values = 10 * np.arange(len(families))[:, None] + np.arange(len(domains))
    images = np.broadcast_to(values[:, :, None, None, None], (*values.shape, 1, 2, 3))
    return Domains("numbers", images.astype(np.uint8), domains, families.astype(np.int64))


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=60), st.integers(0, 99), PARTS)
def test_no_family_is_on_two_sides_and_none_is_left_out(families, seed, parts):
    families = np.array(families)
    many = len(np.unique(families))
    if many < 3:
        with pytest.raises(DataError, match=f"3 pictures or more, to train, .* got {many}"):
            dealt(families, "train", seed)
        return
    sides = [dealt(families, split, seed, parts=parts) for split in THREE]
    assert (sum(side.astype(int) for side in sides) == 1).all()
    train, *others = ({*families[side].tolist()} for side in sides)
    assert all(len(other) == max(many // parts, 1) for other in others)
    assert not train & others[0] and not train & others[1] and not others[0] & others[1] and train


def test_the_seed_selects_the_split():
    families = np.arange(100)
    assert np.array_equal(dealt(families, "test", 1), dealt(families, "test", 1))
    assert not np.array_equal(dealt(families, "test", 1), dealt(families, "test", 2))
    with pytest.raises(ValueError, match="train, validation, test, got 'val'"):
        dealt(families, "val")
    numbers = numbered(np.arange(100) // 5)
    test = numbers.split("test", 1)
    assert np.array_equal(test.families, (np.arange(100) // 5)[dealt(numbers.families, "test", 1)])
    assert np.array_equal(test.images[:, 0, 0, 0, 0], numbers.images[:, 0, 0, 0, 0][
        dealt(numbers.families, "test", 1)])  # fmt: skip


@given(st.lists(st.integers(0, 9), min_size=2, max_size=25), st.integers(0, 99))
def test_unpaired_domains_share_no_family(families, seed):
    numbers = numbered(families)
    many = len(np.unique(families))
    if many < 2:
        with pytest.raises(DataError, match="1 families cannot be dealt to 2 domains"):
            numbers.unpaired(seed)
        return
    alone = numbers.unpaired(seed)
    contents, domains = np.divmod(alone.images[:, 0, 0, 0], 10)
    assert contents.tolist() == [*range(len(families))]  # each content once
    assert np.array_equal(domains, alone.labels) and alone.classes == ("a", "b")
    a, b = ({*numbers.families[alone.labels == label].tolist()} for label in (0, 1))
    assert not a & b and abs(len(a) - len(b)) <= 1


def test_unpaired_halves_follow_the_seed():
    numbers = numbered(range(20))
    assert np.array_equal(numbers.unpaired(1).labels, numbers.unpaired(1).labels)
    assert not np.array_equal(numbers.unpaired(1).labels, numbers.unpaired(2).labels)


def test_pictures_of_domains_by_name():
    numbers = numbered([0, 1, 1], ("a", "b", "c"))
    both = numbers.pictures("c", "a")
    assert both.images[:, 0, 0, 0].tolist() == [2, 12, 22, 0, 10, 20]
    assert both.labels.tolist() == [0, 0, 0, 1, 1, 1] and both.classes == ("c", "a")
    assert len(numbers.pictures()) == 9 and both.images.shape == (6, 1, 2, 3)
    with pytest.raises(DataError, match="got 'd'"):
        numbers.pictures("d")


def test_values_scale_and_means_are_over_families():
    numbers = numbered([3, 7, 7])
    np.testing.assert_allclose(numbers.scaled(0, 1), numbers.images / 255, atol=1e-6)
    assert numbers.scaled().dtype == np.float32 and numbers.scaled().min() == -1
    assert numbers.family_mean(np.array([1.0, 4.0, 6.0])) == (1 + 5) / 2
    with pytest.raises(ValueError, match=r"\(3, 3, C, H, W\).*got \(3, 2, 1, 2, 3\)"):
        Domains("wrong", numbers.images, ("a", "b", "c"), numbers.families)


def test_variants_are_what_their_names_say():
    grey = np.arange(2 * 9, dtype=np.uint8).reshape(2, 1, 3, 3)
    images = Images("grey", grey, np.array([4, 2]), tuple("01234"))
    all_six = variants(images)
    assert all_six.images.shape == (2, 6, 3, 3, 3) and all_six.families.tolist() == [0, 1]
    white, red, _, blue, inverted, turned = all_six.images.swapaxes(0, 1)
    assert (white == grey).all() and (inverted == 255 - grey).all()
    assert (red[:, 0] == grey[:, 0]).all() and not red[:, 1:].any()
    assert (blue[:, 2] == grey[:, 0]).all() and not blue[:, :2].any()
    assert turned[0, 0].tolist() == [[2, 5, 8], [1, 4, 7], [0, 3, 6]]
    two = variants(images, ("white", "inverted"))
    assert two.images.shape == (2, 2, 1, 3, 3) and two.domains == ("white", "inverted")


def test_variants_are_of_grey_images():
    def images(*shape):
        return Images("x", np.zeros(shape, np.uint8), np.zeros(shape[0], np.int64), ("x",))

    with pytest.raises(ValueError, match="expected grey images"):
        variants(images(2, 3, 4, 4))
    with pytest.raises(ValueError, match="square images to turn"):
        variants(images(2, 1, 4, 5))
    assert variants(images(2, 1, 4, 5), ("red",)).images.shape == (2, 1, 3, 4, 5)
    for wrong in (("pink",), ()):
        with pytest.raises(ValueError, match="domains of white, red"):
            variants(images(2, 1, 4, 4), wrong)


def test_glyphs_of_one_letter_lie_in_one_place():
    letters = glyphs(200, domains=tuple(FONTS))
    assert letters.images.shape == (200, 6, 1, 32, 32) and letters.domains == tuple(FONTS)
    ink = letters.images[:, :, 0].astype(np.float64)
    plain, bold, slanted = ink.sum((2, 3)).mean(0)[:3]
    assert bold > 1.25 * plain and abs(slanted / plain - 1) < 0.1
    centres = (ink * np.arange(32)).sum((2, 3)) / ink.sum((2, 3))
    assert np.abs(centres - centres[:, :1]).max() < 5 < np.ptp(centres[:, 0])
    edges = np.concatenate([ink[..., 0, :], ink[..., -1, :], ink[..., 0], ink[..., -1]], axis=-1)
    assert (edges < 128).all()  # whole letters
    ends = (ink.sum(3) > 0).cumsum(2).argmax(2)  # the last row with ink
    assert np.median(np.abs(ends - ends[:, :1])) <= 1  # on one line


def test_glyphs_are_split_by_letter():
    sides = {split: glyphs(400, split) for split in THREE}
    families = [{*one.families.tolist()} for one in sides.values()]
    assert not families[0] & families[1] | families[0] & families[2] | families[1] & families[2]
    assert [len(one) for one in families] == [39, 13, 13]
    assert len({*"".join(FAMILIES)}) == sum(map(len, FAMILIES))  # no letter twice
    pictures = [{one.tobytes() for one in side.images} for side in sides.values()]
    assert not pictures[0] & pictures[1] | pictures[0] & pictures[2]


def test_fewer_glyphs_are_the_beginning_of_more():
    many, few = glyphs(40, "train", seed=3), glyphs(10, "train", seed=3)
    assert np.array_equal(many.images[:10], few.images)
    assert not np.array_equal(glyphs(10, "train", seed=4).images, few.images)
    for arguments, message in (
        ({"size": 0}, "size and a side of 1"), ({"size": 1, "side": 0}, "a side of 1"),
        ({"size": 1, "seed": -1}, "seed in 0"), ({"size": 1, "domains": ("thin",)}, "got .'thin'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            glyphs(**arguments)
    assert glyphs(2, side=1).images.shape == (2, 2, 1, 1, 1)


def test_coloured_images_have_two_factors():
    grey = load("digits", size=240)
    got = load("coloured-digits", size=240)
    digit, hue = np.divmod(got.labels, 6)
    assert np.array_equal(digit, grey.labels) and got.classes[6 * 7 + 2] == "7 green"
    assert np.array_equal(got.images.max(1), grey.images[:, 0])
    assert not got.images[hue == 2][:, [0, 2]].any()  # green has neither red nor blue
    assert (np.bincount(hue, minlength=6) > 20).all()
    assert len(set(hue[digit == 7])) > 3  # of 24 sevens, in colours of their own
    few = coloured(Images("few", grey.images[:50], grey.labels[:50], grey.classes))
    assert np.array_equal(few.labels, got.labels[:50])  # whatever comes after
    other = load("coloured-digits", "test", size=240)
    assert not np.array_equal(other.labels % 6, hue)
    with pytest.raises(ValueError, match="coloured: expected grey images"):
        coloured(got)
