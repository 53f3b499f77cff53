"""What no network is needed for."""

import numpy as np

from minigen.metrics.baselines import colour_table


def test_a_table_of_colours_is_exact_where_colours_decide():
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (7, 3), dtype=np.uint8)
    others = rng.permutation(colours)
    which = rng.integers(0, 7, (5, 4, 6))
    given, truth = (np.moveaxis(c[which], -1, 1) for c in (colours, others))
    table = colour_table(given, truth, 256)
    new = rng.integers(0, 7, (2, 4, 6))
    made = table(np.moveaxis(colours[new], -1, 1))
    np.testing.assert_allclose(made, np.moveaxis(others[new], -1, 1) / 255, atol=1e-9)


def test_a_colour_that_was_not_seen_moves_as_the_nearest_does():
    given = np.array([[[[10, 200]]]], np.uint8)
    truth = np.array([[[[30, 150]]]], np.uint8)
    made = colour_table(given, truth, 64)(np.array([[[[14, 190, 255, 0]]]], np.uint8))
    np.testing.assert_allclose(made * 255, [[[[34, 140, 205, 20]]]])


def test_what_becomes_of_like_colours_is_their_mean():
    given = np.array([[[[10, 10, 11]]]], np.uint8)
    truth = np.array([[[[20, 10, 6]]]], np.uint8)
    made = colour_table(given, truth, 32)(given)
    np.testing.assert_allclose(made * 255, given + 5 / 3)
