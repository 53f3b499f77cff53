"""A run folder gives back what was put in, protects what is there, and survives crashes."""

import json
import math
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen.kernels import limits
from minigen.training import Run, RunError, free_folder

names = st.text(min_size=1).filter(lambda name: name != "step")
records = st.lists(
    st.tuples(st.integers(0, 99), st.dictionaries(names, st.floats(), max_size=3)), max_size=6
)


@pytest.fixture
def run(tmp_path) -> Run:
    return Run.create(tmp_path / "run", {"seed": 1})


def test_config_comes_back_and_the_folders_on_the_way_are_made(tmp_path):
    folder = tmp_path / "runs" / "über" / "dcgan"
    run = Run.create(folder, {"lr": 2e-4, "betas": (0.5, 0.999), "name": "é", "clip": None})
    assert run.config == {"lr": 2e-4, "betas": [0.5, 0.999], "name": "é", "clip": None}
    assert Run.resume(folder).config == run.config
    before = (folder / "config.json").stat().st_ino
    run.write_config()
    assert (folder / "config.json").stat().st_ino == before  # equal, so it is left as it is
    assert sorted(os.listdir(folder)) == [".lock", "config.json", "limits.json"]
    assert run.path("samples", "1.png") == folder / "samples" / "1.png"
    assert (folder / "samples").is_dir()


@pytest.mark.parametrize("name", ["metrics.jsonl", "checkpoint.npz"])
def test_a_folder_that_holds_a_run_is_refused_and_left_alone(tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(RunError, match=f"--resume {tmp_path}.*--out"):
        Run.create(tmp_path, {})
    assert os.listdir(tmp_path) == [name] and (tmp_path / name).read_text() == "precious"


def test_a_folder_with_other_files_is_fine(tmp_path):
    (tmp_path / "log.txt").write_text("nohup")
    assert Run.create(tmp_path, {}).folder == tmp_path


def test_a_config_that_json_cannot_hold_makes_no_folder(tmp_path):
    with pytest.raises(TypeError, match="Path"):
        Run.create(tmp_path / "run", {"out": tmp_path})
    assert os.listdir(tmp_path) == []


def test_free_folder_never_gives_one_that_exists(tmp_path):
    (tmp_path / "dcgan-2").write_text("a file of that name")
    given_out = [free_folder(tmp_path, "dcgan").name for _ in range(3)]
    assert given_out == ["dcgan", "dcgan-3", "dcgan-4"]
    assert free_folder(tmp_path / "new" / "runs", "vae").is_dir()


def test_a_name_that_cannot_be_looked_into_is_taken(tmp_path, monkeypatch):
    (tmp_path / "gan").write_text("a file")
    (tmp_path / "gan-2").mkdir()

    def iterdir(folder):
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(Path, "iterdir", iterdir)  # root may look into every folder
    assert free_folder(tmp_path, "gan").name == "gan-3"


def test_no_writing_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    for make in (
        lambda: Run.create(tmp_path / "file" / "run", {}),
        lambda: Run.create(tmp_path / "file", {}),
        lambda: free_folder(tmp_path / "file" / "runs", "dcgan"),
        lambda: Run(tmp_path / "file", {}).path("samples", "1.png"),
    ):
        with pytest.raises(RunError, match=r"cannot write .*file.*--out"):
            make()


@pytest.mark.parametrize(
    "content, message",
    [
        (b'{"seed": 1', "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[1]", "should hold a JSON object, but it holds a list"),
        (b"[" * 100_000, "not valid JSON .it is nested too deeply"),
        (b'{"a":' * 100_000, "not valid JSON .it is nested too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not valid JSON"),
        (None, "it has no config.json"),
    ],
)
def test_a_broken_config_is_refused_by_name(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(RunError, match=message) as caught:
        Run.resume(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_folder_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="file holds no run, for it is a file"):
        Run.resume(tmp_path / "file")
    with pytest.raises(RunError, match="gone holds no run, for there is no such folder"):
        Run.resume(tmp_path / "gone")


@settings(deadline=None, max_examples=40)
@given(records, st.integers(0, 99))
def test_metrics_round_trip_and_rewind(lines, last):
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(folder, {})
        for step, metrics in lines:
            run.log(step, metrics)
        written = [{"step": step, **metrics} for step, metrics in lines]
        assert repr(Run.resume(folder).metrics()) == repr(written)  # NaN equals NaN in repr
        for line in run.path("metrics.jsonl").read_text().splitlines() if lines else []:
            json.loads(line, parse_constant=pytest.fail)  # no NaN or Infinity outside JSON
        run.rewind(last)
        assert repr(run.metrics()) == repr([r for r in written if r["step"] <= last])


def test_metrics_may_be_numbers_of_any_kind_but_single(run):
    class Tensor:
        def numpy(self):
            return np.array(0.5, np.float32)

    run.log(np.int64(1), {"a": Tensor(), "b": np.float32(-math.inf), "c": 3, "d": np.ones(1)})
    assert run.metrics() == [{"step": 1, "a": 0.5, "b": -math.inf, "c": 3.0, "d": 1.0}]
    with pytest.raises(ValueError, match=r"'a' should be one number, but it has shape \(2,\)"):
        run.log(2, {"a": np.ones(2)})
    with pytest.raises(ValueError, match="'a' should be one number"):
        run.log(2, {"a": None})
    with pytest.raises(ValueError, match='cannot be called "step"'):
        run.log(2, {"step": 1.0})
    for step in -1, 2**63:
        with pytest.raises(ValueError, match="a step should be a whole number from 0"):
            run.log(step, {"a": 1.0})
    assert len(run.metrics()) == 1


@given(st.integers(1, 17))
def test_a_line_cut_short_is_passed_over_and_then_replaced(cut):
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(folder, {})
        run.log(1, {"a": 0.25})
        run.log(2, {"a": 0.5})
        path = run.path("metrics.jsonl")
        path.write_bytes(path.read_bytes()[:-cut])
        run = Run.resume(folder)
        assert [r["step"] for r in run.metrics()] == [1]
        run.log(3, {"a": 0.75})
        assert [r["step"] for r in run.metrics()] == [1, 3]


WRONG_STEPS = ("1.5", "true", "-1", "1" + 40 * "0", "NaN", "null", '"2"', "[1]")
WRONG_NUMBERS = ("1" + 400 * "0", "1" * 5000, "1e999", "NaN", "true", "null", '"b"', '"1.5"', "{}")
WRONG_LINES = (
    "", "{", "[]", '{"a": 1}', "[" * 100_000, "\xff",
    *(f'{{"step": {step}, "a": 1.0}}' for step in WRONG_STEPS),
    *(f'{{"step": 1, "a": {number}}}' for number in WRONG_NUMBERS),
)  # fmt: skip


@pytest.mark.parametrize("line", WRONG_LINES, ids=lambda line: line[:30])
def test_a_broken_line_in_the_middle_is_named(run, line):
    run.log(1, {"a": 1.0})
    with open(run.path("metrics.jsonl"), "a", encoding="latin-1") as file:
        file.write(line + '\n{"step": 2}\n')
    with pytest.raises(RunError, match=r"metrics.jsonl, line 2") as caught:
        run.metrics()
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [".lock", "config.json", "limits.json"])
def test_a_folder_in_place_of_a_file_is_called_one(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(RunError, match="is a folder where a run keeps a file"):
        Run.create(tmp_path, {})


def test_a_run_goes_on_with_the_limits_it_was_started_with(tmp_path):
    with limits.use(piece=1000):
        Run.create(tmp_path / "run", {}).close()
    before = limits.now
    first, old = Run.resume(tmp_path / "run"), Run.create(tmp_path / "old", {})
    with first.by_one_loop():
        assert limits.now.piece == 1000
        with old.by_one_loop():
            assert limits.now.piece == before.piece
    assert limits.now is before
    old.close()
    (tmp_path / "old" / "limits.json").unlink()  # a version that kept none
    with limits.use(piece=2000), Run.resume(tmp_path / "old").by_one_loop():
        assert limits.now.piece == 2000
    first.close()
    (tmp_path / "run" / "limits.json").write_text('{"piece": 0}')
    with pytest.raises(RunError, match="limits.json holds no limits .* delete it to go on"):
        Run.resume(tmp_path / "run")


def test_a_number_of_thousands_of_digits_is_refused_in_the_users_words(tmp_path):
    (tmp_path / "config.json").write_text(f'{{"seed": {"9" * 5000}}}')
    with pytest.raises(RunError, match=r"\(a number in it has thousands of digits\): mend it"):
        Run.read(tmp_path)
