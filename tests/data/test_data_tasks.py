"""What is left of a picture for a network to make it from."""

import numpy as np
import pytest

from minigen.data import DataError
from minigen.data import tasks as T

rng = np.random.default_rng(0)
PICTURES = rng.integers(0, 256, (40, 3, 8, 8), np.uint8)
HOLES = rng.random((40, 2))


@pytest.mark.parametrize("task", T.TASKS[1:])
@pytest.mark.parametrize("channels", [1, 3])
def test_inputs_lie_between_black_and_white(task, channels):
    if (task, channels) == ("colour", 1):
        with pytest.raises(DataError, match="the pictures are grey"):
            T.task_input(task, PICTURES[:, :1], HOLES)
        return
    given = T.task_input(task, PICTURES[:, :channels], HOLES)
    assert given.shape == (40, T.planes(task, channels), 8, 8) and given.dtype == np.float32
    assert -1 <= given.min() < -0.3 and 0.3 < given.max() <= 1


def test_an_edge_is_where_colours_jump():
    picture = np.zeros((1, 3, 4, 4), np.uint8)
    picture[0, 1, :, 2:] = T.JUMP + 1  # of green alone
    edges = T.task_input("edges", picture, HOLES[:1])
    assert np.array_equal(edges[0, 0], np.tile([-1, -1, 1, -1], (4, 1)))
    assert (T.task_input("edges", picture.swapaxes(2, 3), HOLES[:1])[0, 0, 2] == 1).all()
    for small in picture // 2, picture[..., ::-1] // 2:  # up, and down
        assert (T.task_input("edges", small, HOLES[:1]) == -1).all()


def test_grey_is_as_light_as_the_colour_and_small_is_the_mean():
    colours = np.array([[255, 255, 255], [255, 0, 0], [0, 0, 0]], np.uint8)[:, :, None, None]
    light = T.task_input("colour", colours, HOLES[:3]).ravel()
    assert light == pytest.approx([1, 2 * 0.299 - 1, -1], abs=1e-6)
    given = T.task_input("enlarge", PICTURES, HOLES)
    assert np.ptp(given[:, :, :4, :4], axis=(2, 3)).max() == 0
    mean = PICTURES[5, 2, 4:, :4].mean() / 127.5 - 1
    assert given[5, 2, 4:, :4] == pytest.approx(mean, abs=1e-6)
    with pytest.raises(DataError, match="multiples of 4, got 6 × 8"):
        T.small(PICTURES[:, :, :6])


@pytest.mark.parametrize("side", [4, 7, 8])
def test_a_hole_of_half_the_sides_may_lie_anywhere(side):
    chance = np.concatenate([HOLES, [[0, 0], [1 - 1e-9, 1 - 1e-9]]])
    masks = T.hole_masks(side, chance)
    assert (masks.sum((1, 2)) == (side // 2) ** 2).all()
    assert (masks.any(2).sum(1) == side // 2).all()  # a square, not scattered
    assert masks[-2, 0, 0] and masks[-1, -1, -1] and masks.any(0).all()


def test_all_but_the_hole_is_left():
    given, hole = T.task_input("inpaint", PICTURES, HOLES), T.hole_masks(8, HOLES)
    whole = T.from_levels(PICTURES)
    assert np.array_equal(np.where(hole[:, None], whole, given[:, :3]), whole)
    assert np.array_equal(given[:, 3] > 0, hole)
    other = np.where(hole[:, None], PICTURES[::-1], PICTURES)  # another picture in the hole
    assert np.array_equal(T.task_input("inpaint", other, HOLES), given)


@pytest.mark.parametrize("side", [2, 5, 8])
def test_heat_flows_in_from_the_border_until_each_pixel_is_the_mean_of_its_neighbours(side):
    pictures = rng.normal(size=(40, 2, side, side))
    filled, hole = T.diffused(pictures, HOLES), T.hole_masks(side, HOLES)[:, None]
    wide = np.pad(filled, [(0, 0)] * 2 + [(1, 1)] * 2, mode="edge")
    around = wide[..., 2:, 1:-1] + wide[..., :-2, 1:-1] + wide[..., 1:-1, 2:] + wide[..., 1:-1, :-2]
    np.testing.assert_allclose(np.where(hole, around / 4, pictures), filled, atol=1e-12)
    assert T.diffused(pictures[:0], HOLES[:0]).shape == (0, 2, side, side)


@pytest.mark.parametrize("axes", [(3,), (2,), (2, 3)])
def test_a_hole_in_a_symmetric_picture_is_filled_from_across(axes):
    some, heat = rng.uniform(-9, 9, (2, 40, 3, 8, 8))
    hole = T.hole_masks(8, HOLES)[:, None]
    across = hole & ~np.flip(hole, axes)
    whole = some + np.flip(some, axes)
    filled = T.mirrored_into(np.where(hole, heat, whole), HOLES)
    assert across.any() and np.allclose(np.where(across, filled, whole), whole)
    unknown = np.broadcast_to(hole & ~across, some.shape)  # there, too
    assert np.array_equal(filled[unknown], heat[unknown])
    # Of one that is not symmetric, nothing comes from there.
    unlike = T.mirrored_into(np.where(hole, heat, some), HOLES)
    assert np.array_equal(np.where(hole, heat, some), unlike)
