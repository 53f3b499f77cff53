"""What no network is needed for."""

import numpy as np

from minigen.metrics.baselines import best_place, colour_reader, colour_table


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


def test_the_place_is_found_at_which_pictures_are_drawn():
    """By a factor of 1.2 down, 0.9 across, a pixel down and two to the left; nothing for copies."""
    y, x = np.mgrid[:24, :24] - 11.5
    rng = np.random.default_rng(0)
    middles, sizes = rng.uniform(-4, 4, (30, 2, 1, 1)), rng.uniform(2, 4, (30, 1, 1))

    def drawn(down, across, rows, columns):
        a = ((y - rows) / down - middles[:, 0], (x - columns) / across - middles[:, 1])
        return np.exp(-(a[0] ** 2 + a[1] ** 2) / sizes**2)[:, None]

    given, truth = drawn(1, 1, 0, 0), drawn(1.2, 0.9, 1, -2)
    rows, columns = best_place(given, truth)
    made = rows @ given @ columns.T
    assert abs(made - truth).mean() < 0.01 * abs(given - truth).mean()
    for same in best_place(given, given):
        np.testing.assert_allclose(same, np.eye(len(same)), atol=1e-3)


def test_a_class_is_read_by_a_few_pixels_of_its_colour():
    """All are white but for one pixel, whose colour alone tells; its like is in the same cell."""
    pictures = np.full((6, 3, 4, 4), 255, np.uint8)
    labels = np.arange(6) % 3
    pictures[np.arange(6), labels, 1, 2] = 40
    read = colour_reader(pictures, labels)
    assert read(pictures).tolist() == labels.tolist()
    alike = np.where(pictures == 40, 39, 255).astype(np.uint8)[::-1, :, ::-1]
    assert read(alike).tolist() == (2 - labels).tolist()
