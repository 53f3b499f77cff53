"""What a page costs does not grow with its run, and what is thinned hides no peak."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.training.pages.curves import COLUMNS, MOST_CURVES, Curve, Metrics, in_charts
from minigen.training.pages.pictures import thinned

values = st.floats(-1e6, 1e6, width=32)


@given(st.lists(st.tuples(st.integers(1, 5), values), min_size=1, max_size=50), st.integers(1, 99))
def test_a_curve_keeps_its_peaks_and_its_mean_in_few_columns(steps, times):
    curve, step, all_values = Curve(), 0, []
    for gap, value in steps * times:
        step += gap
        curve.add(step, value)
        all_values.append(value)
    assert len(curve.columns) <= COLUMNS
    for most in COLUMNS, 7:
        found = {name: np.array(v) for name, v in curve.drawn(most).items()}
        assert len(found["x"]) <= most and (np.diff(found["x"]) > 0).all()
        assert found["x"][0] > 0 and found["x"][-1] <= step
        rounding = 1e-4 * max(map(abs, all_values))  # five digits
        assert found["low"].min() == pytest.approx(min(all_values), abs=rounding)
        assert found["high"].max() == pytest.approx(max(all_values), abs=rounding)
        assert (found["low"] - rounding <= found["mean"]).all()
        assert (found["mean"] <= found["high"] + rounding).all()
    weighted = sum(n * mean for n, _, _, _, mean in curve.columns.values())
    assert weighted == pytest.approx(sum(all_values), abs=1e-9 * len(all_values) * 1e6)
    assert sum(n for n, *_ in curve.columns.values()) == len(all_values)


def test_few_values_are_drawn_as_they_are():
    curve = Curve()
    for step in range(10, 10 * COLUMNS + 1, 10):
        curve.add(step, step / 8)
    curve.add(11, float("nan"))
    curve.add(11, -1e308)
    found = curve.drawn()
    assert found["x"] == list(range(10, 10 * COLUMNS + 1, 10)) and curve.left_out == 2
    assert found["low"] == found["high"] == found["mean"] == [x / 8 for x in found["x"]]


LINES = [json.dumps({"step": s, "loss": s / 7}) + "\n" for s in range(1, 60)]


@given(st.lists(st.integers(1, 400), max_size=8))
def test_metrics_are_followed_as_they_are_written(tmp_path_factory, cuts):
    """In pieces of any length, each line once, and a line only when it has its end."""
    folder, text = tmp_path_factory.mktemp("run"), "".join([*LINES, "no metrics\n"])
    metrics, path, read = Metrics(folder), folder / "metrics.jsonl", []
    metrics.follow()  # nothing is there yet
    add = metrics._add
    metrics._add = lambda line: (read.append(line), add(line))
    for cut in [*np.cumsum(cuts), len(text)]:
        with open(path, "a") as file:
            file.write(text[path.stat().st_size : cut])
        metrics.follow()
    assert b"".join(read).decode() == text and metrics.damaged == 1
    assert metrics.drawn()["loss"]["x"] == [*range(1, 60)]


def test_a_run_that_went_back_is_read_anew(tmp_path):
    path, metrics = tmp_path / "metrics.jsonl", Metrics(tmp_path)
    path.write_text("".join(LINES))
    metrics.follow()
    (tmp_path / "new").write_text("".join(LINES[:20]) + "".join(LINES[:39]))
    (tmp_path / "new").replace(path)  # as long as before, and another file
    metrics.follow()
    assert metrics.drawn()["loss"]["x"][-1] == 39


def test_many_curves_share_the_columns_of_a_page(tmp_path):
    names = [f"m{i}" for i in range(MOST_CURVES + 5)]
    rows = ({"step": s, **dict.fromkeys(names, float(s))} for s in range(300))
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    metrics = Metrics(tmp_path)
    metrics.follow()
    found = metrics.drawn()
    assert len(found) == MOST_CURVES and all(50 < len(c["x"]) <= 120 for c in found.values())
    assert metrics.unshown == 5


@given(st.integers(0, 5000), st.integers(1, 5000), st.integers(2, 40))
def test_frames_that_are_kept_were_kept_before(count, more, most):
    before, after = (thinned(range(n), most) for n in (count, count + more))
    assert len(after) <= most and after[0] == 0 and after[-1] == count + more - 1
    assert set(after) & set(range(count - 1)) <= set(before)


def test_metrics_that_begin_alike_share_a_chart():
    names = ["loss_d", "d_real", "loss_g", "d_fake", "test loss", "kwords/s"]
    names += [f"a {i}" for i in range(7)]
    assert in_charts(names) == {
        "loss_d, loss_g, test loss": ["loss_d", "loss_g", "test loss"],
        "d_real, d_fake": ["d_real", "d_fake"],
        "kwords/s": ["kwords/s"],
        "a 0, a 1, a 2, a 3, a 4, a 5": [f"a {i}" for i in range(6)],
        "a 6": ["a 6"],
    }  # fmt: skip
