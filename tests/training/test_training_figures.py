"""Grids place every pixel; pictures come back from their files; curves tolerate what runs log."""

import os
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from minigen.data.images import DataError, require_finite
from minigen.training import (
    figures,
    image_grid,
    named_rows,
    plane,
    plot_metrics,
    save_gif,
    save_image,
)

batches = st.tuples(
    st.integers(1, 7), st.sampled_from([1, 3]), st.integers(1, 5), st.integers(1, 5)
).flatmap(lambda shape: hnp.arrays(np.float32, shape, elements=st.floats(-2, 2, width=32)))


@settings(deadline=None)
@given(batches, st.none() | st.integers(1, 9), st.integers(0, 3))
def test_every_image_is_in_its_place_and_all_else_is_white(images, columns, padding):
    count, channels, height, width = images.shape
    grid = image_grid(images, columns, padding)
    assert grid.dtype == np.uint8 and grid.ndim == (2 if channels == 1 else 3)
    columns = min(columns or int(np.ceil(np.sqrt(count))), count)
    rows = (count + columns - 1) // columns
    assert grid.shape[0] == rows * height + (rows + 1) * padding
    assert grid.shape[1] == columns * width + (columns + 1) * padding
    grid = grid.reshape(*grid.shape[:2], channels).astype(int)
    for i, image in enumerate(images):
        top = padding + (i // columns) * (height + padding)
        left = padding + (i % columns) * (width + padding)
        cell = grid[top : top + height, left : left + width]
        wanted = (np.clip(image, -1, 1) + 1) * 127.5
        assert np.abs(cell - wanted.transpose(1, 2, 0)).max() <= 0.5001
        cell[:] = 255
    assert (grid == 255).all()


def test_low_is_black_and_high_is_white_and_tensors_are_taken():
    class Tensor:
        def numpy(self):
            return np.array([0.0, 0.5, 1.0, 7.0]).reshape(1, 1, 1, 4)

    assert image_grid(Tensor(), padding=0, low=0, high=1).tolist() == [[0, 128, 255, 255]]


@pytest.mark.parametrize(
    "images, options, error, message",
    [
        (np.zeros((2, 2, 4, 4)), {}, ValueError, r"\(2, 2, 4, 4\)"),
        (np.zeros((3, 4, 4)), {}, ValueError, r"\(3, 4, 4\)"),
        (np.zeros((0, 1, 4, 4)), {}, ValueError, r"\(0, 1, 4, 4\)"),
        (np.zeros((2, 1, 4, 4), np.uint8), {}, TypeError, "uint8"),
        (np.zeros((2, 1, 4, 4)), {"low": 1.0}, ValueError, "low < high"),
        (np.zeros((2, 1, 4, 4)), {"columns": 0}, ValueError, "columns >= 1"),
        (np.zeros((2, 1, 4, 4)), {"padding": -1}, ValueError, "padding >= 0"),
        (np.array([0, np.nan]).reshape(2, 1, 1, 1), {}, ValueError, "1 of 2 .* image 1 first"),
        (np.array([np.inf, 0]).reshape(2, 1, 1, 1), {}, ValueError, "1 of 2 .* image 0 first"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(images, options, error, message):
    with pytest.raises(error, match=message):
        image_grid(images, **options)


@given(st.integers(1, 5), st.integers(0, 3), st.sampled_from([np.nan, -np.inf]), st.data())
def test_one_number_that_is_not_finite_names_its_row(count, rank, value, data):
    rows = np.zeros((count, *[2] * rank))
    require_finite("made", rows, "row")
    place = data.draw(st.tuples(*(st.integers(0, side - 1) for side in rows.shape)))
    rows[place] = value
    said = f"made: 1 of {count} rows hold NaN or infinity, row {place[0]} first"
    with pytest.raises(DataError, match=said):
        require_finite("made", rows, "row")


pictures = st.tuples(st.integers(1, 6), st.integers(1, 6), st.sampled_from([(), (3,)])).flatmap(
    lambda s: hnp.arrays(np.uint8, (s[0], s[1], *s[2]))
)


@settings(deadline=None, max_examples=40)
@given(picture=pictures, scale=st.integers(1, 3))
def test_a_png_holds_each_pixel_as_a_square(tmp_path_factory, picture, scale):
    path = tmp_path_factory.getbasetemp() / "picture.png"
    save_image(path, picture, scale)
    with Image.open(path) as image:
        back = np.asarray(image)
    np.testing.assert_array_equal(back, picture.repeat(scale, 0).repeat(scale, 1))


@settings(deadline=None, max_examples=20)
@given(picture=pictures, words=st.lists(st.text("abψ−", min_size=1, max_size=9), max_size=90))
def test_a_caption_stands_below_the_whole_picture_and_in_the_file(tmp_path_factory, picture, words):
    assume((picture < 255).any())  # a white one looks like the margin above it
    path = tmp_path_factory.getbasetemp() / "told.png"
    caption = " ".join(words)
    save_image(path, picture, title="step 1", caption=caption)
    with Image.open(path) as image:
        told, description = np.asarray(image), image.info.get("Description", "")
    assert description == caption
    height, width = picture.shape[:2]
    top = next(i for i in range(len(told)) if same(told[i : i + height, :width], picture))
    assert bool(words) == (told[top + height :] < 128).any()  # there is ink
    assert (told[:, -1] == 255).all()  # and none runs over the border


def same(some, picture):
    return some.shape == picture.shape and (some == picture).all()


def read_gif(path):
    with Image.open(path) as gif:
        frames = []
        for i in range(gif.n_frames):
            gif.seek(i)
            frames.append((np.asarray(gif.convert("RGB")), gif.info["duration"]))
        return frames, gif.info.get("loop")


def test_a_gif_shows_the_frames_in_time_and_repeats(tmp_path):
    frames = [np.full((4, 6), level, np.uint8) for level in (0, 255)]
    frames.append(np.zeros((4, 6, 3), np.uint8) + np.array([200, 30, 90], np.uint8))
    save_gif(tmp_path / "a.gif", frames, seconds_per_frame=0.1, hold_last=1.5, scale=2)
    back, loop = read_gif(tmp_path / "a.gif")
    assert loop == 0
    assert [duration for _, duration in back] == [100, 100, 1500]
    for (image, _), frame in zip(back, frames, strict=True):
        assert image.shape == (8, 12, 3)
        difference = image.astype(int) - frame.reshape(4, 6, -1)[0, 0]
        assert np.abs(difference).max() <= (0 if frame.ndim == 2 else 4)


def test_black_and_white_stay_exact_in_a_gif(tmp_path):
    shades = np.random.default_rng(0).integers(0, 256, (8, 32, 32), np.uint8)
    shades[:, 0], shades[:, 1] = 255, 0
    save_gif(tmp_path / "a.gif", list(shades), colours=16)
    for image, _ in read_gif(tmp_path / "a.gif")[0]:
        assert (image[0] == 255).all() and (image[1] == 0).all()


def test_a_gif_of_png_files_is_the_gif_of_their_arrays(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path, frame in zip(paths, noise, strict=True):
        save_image(path, frame)
    save_gif(tmp_path / "arrays.gif", list(noise))
    save_gif(tmp_path / "files.gif", [str(paths[0]), *paths[1:]])
    assert (tmp_path / "arrays.gif").read_bytes() == (tmp_path / "files.gif").read_bytes()


ONE = np.zeros((4, 4), np.uint8)


@pytest.mark.parametrize(
    "frames, options, error, message",
    [
        ([], {}, ValueError, "at least one frame"),
        ([ONE, ONE[:3]], {}, ValueError, r"one size.*\(4, 3\), \(4, 4\)"),
        ([ONE.astype(float)], {}, TypeError, "float64"),
        ([ONE[None]], {}, ValueError, r"\(1, 4, 4\)"),
        ([ONE], {"seconds_per_frame": 0.0}, ValueError, "0.02 or more"),
        ([ONE], {"scale": 0}, ValueError, "scale should be 1 or more"),
        ([ONE], {"colours": 300}, ValueError, "3 to 256 colours, got 300"),
        (["gone.png"], {}, FileNotFoundError, "gone.png"),
    ],
)
def test_what_makes_no_gif_is_refused_and_nothing_is_written(
    tmp_path, frames, options, error, message
):
    with pytest.raises(error, match=message):
        save_gif(tmp_path / "a.gif", frames, **options)
    assert os.listdir(tmp_path) == []


RECORDS = [{"step": step, "a": 0.5, "b": float(step % 7)} for step in range(20, 3000, 20)]


def coloured(path, rgb):
    """Number of pixels of exactly this colour."""
    with Image.open(path) as image:
        return int((np.asarray(image.convert("RGB")) == rgb).all(-1).sum())


def test_curves_are_drawn_without_pyplot_and_alike_each_time(tmp_path, monkeypatch):
    panels = {"first": ["a"], "second": ["a", "b"]}
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    plot_metrics(tmp_path / "a.png", RECORDS, panels, title="two")
    plot_metrics(tmp_path / "b.png", RECORDS, panels, title="two")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]
    assert "matplotlib.pyplot" not in sys.modules
    plot_metrics(tmp_path / "none.png", [], panels)
    plot_metrics(tmp_path / "one.png", RECORDS[:1], panels)  # a dot
    blue = (0, 0x72, 0xB2)
    none, one, many = (coloured(tmp_path / f"{name}.png", blue) for name in ("none", "one", "a"))
    assert many > 2 * none and one > none > 0


def test_the_strong_line_averages_the_finite_values_only(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    lines, plot = [], Axes.plot
    monkeypatch.setattr(
        Axes, "plot", lambda *args, **kw: lines.append(args[1:]) or plot(*args, **kw)
    )
    values = [3.0] * 100
    values[10:50:10] = float("nan"), float("inf"), 1.7e308, -1.7e308
    records = [{"step": step, "a": value} for step, value in enumerate(values)]
    plot_metrics(tmp_path / "a.png", [*records, {"step": 50, "fid": 1.0}], {"p": ["a", "fid"]})
    (_, raw), (_, smooth), (fid_steps, fid) = lines
    for line in raw, smooth:
        assert np.flatnonzero(np.isnan(line)).tolist() == [10, 20, 30, 40]
        np.testing.assert_allclose(line[np.isfinite(line)], 3.0)
    assert (fid_steps.tolist(), fid.tolist()) == ([50.0], [1.0])


@pytest.mark.parametrize("panels", [{}, {"none": []}, {"many": list("abcdefg")}])
def test_panels_without_or_with_too_many_metrics_are_refused(tmp_path, panels):
    with pytest.raises(ValueError, match="1 to 6 metrics"):
        plot_metrics(tmp_path / "a.png", RECORDS, panels)
    assert os.listdir(tmp_path) == []


def test_rows_have_names_to_their_left():
    grey, red = np.zeros((3, 1, 20, 6), np.float32), np.full((3, 3, 20, 6), -1.0)
    red[:, 0] = 1
    grid = named_rows({"grey": grey, "made of it": red})
    assert grid.shape[0] == 2 * (20 + 4) and grid.dtype == np.uint8
    width = 3 * 6 + 4 * 2
    margin = grid[:, :-width]
    assert (margin.min(1).min(1) < 100).any() and (margin[:2] == 255).all()
    assert (margin[24:] < 255).sum() > (margin[:24] < 255).sum()  # the longer name
    assert np.array_equal(grid[24:, -width:], image_grid(red, 3))
    assert np.array_equal(grid[:24, -width:, 1], image_grid(grey, 3))
    assert len(named_rows([("same", grey), ("same", red)])) == len(grid)
    with pytest.raises(ValueError, match="rows of one length"):
        named_rows({"a": grey, "b": red[:2]})


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text("abψ−", max_size=12), min_size=1, max_size=6), st.integers(4, 30))
def test_columns_have_names_above_them_and_no_name_is_wider_than_its_column(names, side):
    rows = {"a row": np.zeros((len(names), 1, side, side), np.float32)}
    plain, named = named_rows(rows), named_rows(rows, columns=names)
    above = named[: -len(plain)]
    np.testing.assert_array_equal(named[-len(plain) :], plain)
    width = len(names) * (side + 2)
    assert (above[:, : -width - 2] == 255).all()  # nothing over the rows' names
    for i, name in enumerate(names):
        alone = ["" if j != i else name for j in range(len(names))]
        ink = (named_rows(rows, columns=[*alone])[: len(above)] < 255).any((0, 2))[-width - 2 :]
        places = np.flatnonzero(ink)
        if len(places):
            column = (side + 2 + 2 / len(names)) * np.array([i, i + 1])
            assert column[0] - 1.5 <= places[0] and places[-1] <= column[1] + 1.5
        assert len(places) or not name or side < 12


def test_as_many_columns_have_names_as_there_are():
    with pytest.raises(ValueError, match=r"rows of one length, got .*, and 2 columns"):
        named_rows({"a": np.zeros((3, 1, 8, 8), np.float32)}, columns=["1", "2"])


def test_letters_below_a_wide_picture_are_larger(tmp_path):
    heights = []
    for width in 400, 4000:
        save_image(tmp_path / "a.png", np.zeros((10, width), np.uint8), caption="one line")
        with Image.open(tmp_path / "a.png") as image:
            ink = (np.asarray(image)[11:] < 128).any(1)
        heights.append(int(ink.sum()))
    assert heights[1] > 3 * heights[0]


def test_first_values_far_off_do_not_flatten_a_curve(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    windows, window = [], Axes.set_ylim

    def seen(self, *args, **how):
        windows.extend([args] if not how else [])  # matplotlib's own calls have options
        return window(self, *args, **how)

    monkeypatch.setattr(Axes, "set_ylim", seen)
    values = [1e4, *np.sin(np.arange(400))]
    records = [{"step": step, "a": value} for step, value in enumerate(values)]
    plot_metrics(tmp_path / "a.png", records, {"p": ["a"]}, smoothing=0)
    ((low, high),) = windows
    assert -1.5 < low < -0.9 and 0.9 < high < 1.5
    plot_metrics(tmp_path / "a.png", records[1:], {"p": ["a"]}, smoothing=0)
    assert len(windows) == 1


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 40))
def test_the_legend_tells_how_many_points_are_out_of_sight(outside):
    points = np.zeros((40, 2))
    points[:outside, outside % 2] = 3.0
    labels = []

    def draw(axes):
        plane.draw_points(axes[0], np.zeros((1, 2)), points, (-1, 1, -1, 1))
        labels.extend(text.get_text() for text in axes[0].get_legend().get_texts())

    plane.frame(draw, size=3.0)
    said = f", {outside / 40:.0%} out of view" if outside else ""
    assert labels == ["real", f"generated{said}"]


@pytest.mark.parametrize("draw", [plane.draw_points, plane.draw_clusters])
def test_legends_stay_on_the_picture(draw):
    made, seen = np.full((5, 20, 2), 3.0), []
    first = made if draw is plane.draw_clusters else made[0]
    plane.frame(
        lambda axes: seen.append(draw(axes[0], first, made[0], (-1, 1, -1, 1)) or axes[0]), size=3.0
    )
    assert seen[0].get_legend().get_window_extent().x1 <= 300


def test_a_metric_without_values_is_said_to_have_none_yet():
    axes = figures.new_figure(2, 2).add_subplot()
    for name in "a", "b":
        figures.draw_curve(axes, [{"step": 1, "a": 0.5}], name, "black")
    assert [line.get_label() for line in axes.lines] == ["a", "b (none yet)"]
