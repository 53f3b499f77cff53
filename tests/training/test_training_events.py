"""Metrics are there for TensorBoard, also of a run that went back."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import training
from minigen.training.events import Events, require_tensorboard


def read_back(folder):
    """What TensorBoard shows of a run: by its name, each curve as (step, value)."""
    reason = "TensorBoard is not installed: pip install tensorboard"
    module = "tensorboard.backend.event_processing.event_accumulator"
    reader = pytest.importorskip(module, reason=reason).EventAccumulator(
        str(folder), size_guidance={"scalars": 0}
    )
    reader.Reload()
    return {
        name: [(event.step, event.value) for event in reader.Scalars(name)]
        for name in reader.Tags()["scalars"]
    }


@given(st.lists(st.floats(width=32), min_size=4, max_size=20), st.data())
def test_tensorboard_shows_what_the_run_has_logged(tmp_path_factory, values, data):
    """Also what was logged before the flag was given, and nothing of steps that were undone."""
    folder, half = tmp_path_factory.mktemp("run"), len(values) // 2
    with_flag = data.draw(st.booleans())
    kept = data.draw(st.integers(0, half))
    run = training.Run.create(folder, {})
    if with_flag:
        run.at_log.append(Events())
    for step, value in enumerate(values[:half], start=1):
        run.log(step, {"loss": value, "odd": step} if step % 2 else {"loss": value})
    run.close()
    run = training.Run.resume(folder)
    run.rewind(kept)
    run.at_log.append(Events())
    for step, value in enumerate(values[half:], start=kept + 1):
        run.log(step, {"loss": np.float32(value)})
    found = read_back(folder)
    np.testing.assert_equal(found["loss"], [*enumerate(values[:kept] + values[half:], start=1)])
    assert found.get("odd", []) == [(s, s) for s in range(1, kept + 1) if s % 2]
    names = sorted(path.name for path in folder.glob("events*"))
    assert names == [f"events.out.tfevents.{i}" for i in range(1, 2 + with_flag)]  # of no host


@pytest.mark.parametrize("how, said", [(None, "pip install tensorboard"), ("", "install it anew")])
def test_without_tensorboard_the_flag_is_refused_in_a_line(monkeypatch, tmp_path, how, said):
    for name in [name for name in sys.modules if name.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    if how is None:
        monkeypatch.setitem(sys.modules, "tensorboard", None)
    else:
        (tmp_path / "tensorboard").mkdir()
        (tmp_path / "tensorboard/__init__.py").write_text("1 / 0")
        monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    parser = training.Parser("A demo.", name="demo", quick={})
    with pytest.raises(training.RunError, match=said) as error:
        parser.open_run(["--tensorboard"])
    assert "\n" not in str(error.value) and not (tmp_path / "runs").exists()


def test_the_flag_is_none_of_the_runs_settings(tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is not installed")
    require_tensorboard()
    parser = training.Parser("A demo.", name="demo", quick={})
    _, run = parser.open_run(["--tensorboard", "--out", str(tmp_path / "run")])
    run.log(1, {"loss": 2})
    assert "tensorboard" not in run.config
    assert read_back(run.folder) == {"loss": [(1, 2.0)]}
