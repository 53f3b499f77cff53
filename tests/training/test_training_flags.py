"""Flags are of a kind, have an effect, and are spoken of in one line; a run folder is the truth."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.training import CheckpointError, Loop, Parser, Run, RunError
from minigen.training.flags import data_set, decay, number, path, rate, seed, share, units, whole

ABSURD = ("0", "-1", "nan", "inf", "-inf", "1e400", "", " ", "x", str(10**30), "9" * 5000, "1.5")


class Counter:
    """A state that counts how often it was stepped."""

    def __init__(self):
        self.count = 0

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


def parser(name="counter"):
    found = Parser("Counts.", name=name, quick={"steps": 2})
    add = found.add_argument
    add("--steps", type=whole(), default=3)
    add("--width", type=units, default=lambda args: 2 if args.network == "conv" else 5)
    add("--network", choices=("conv", "mlp"), default="conv")
    add("--taps", type=whole(1, 9), default=3, only=("with --network mlp", is_conv))
    found.refuse(lambda args: args.width == args.taps, "--width {width} is that of --taps")
    return found


def is_conv(args):
    return args.network == "conv"


def train(*argv):
    """A run of these flags, as a demo is."""
    args, run = parser().open_run(list(argv))
    counter = Counter()
    for _ in Loop(run, steps=args.steps, state={"counter": counter}):
        counter.count += args.width
    return args, run


def config(run):
    return json.loads((run.folder / "config.json").read_text())


def refused(capsys, *argv):
    with pytest.raises(SystemExit) as end:
        parser().open_run(list(argv))
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("\n") == 1 and said.endswith("\n")
    return said


@given(st.integers())
def test_a_whole_number_is_within_its_bounds(n):
    for kind, least, most in (whole(), 1, 10**9), (units, 1, 10**6), (seed, 0, 2**63 - 1):
        try:
            assert kind(str(n)) == n and least <= n <= most
        except Exception as error:
            assert not least <= n <= most and "expected a whole number" in str(error)


@given(st.floats())
def test_a_number_is_finite_and_within_its_bounds(x):
    for kind, fits in (
        (rate, 0 < x <= 100), (share, 0 <= x <= 1), (decay, 0 <= x < 1),
        (number(least=-1e308, most=1e308), abs(x) <= 1e308),
    ):  # fmt: skip
        try:
            assert kind(repr(x)) == x and fits
        except Exception as error:
            assert not fits and "expected a number" in str(error)


@pytest.mark.parametrize("flag", ["--steps", "--width", "--taps"])
@pytest.mark.parametrize("text", ABSURD)
def test_nonsense_is_refused_in_a_line(capsys, tmp_path, monkeypatch, flag, text):
    monkeypatch.chdir(tmp_path)
    said = refused(capsys, flag, text)
    assert flag in said and len(said) < 120 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("argv, said", [
    (("--stpes", "3"), "unknown '--stpes': did you mean --steps?"),
    (("--network", "convs"), "unknown 'convs': did you mean conv?"),
    (("--network", "zebra"), "expected conv or mlp, got 'zebra'"),
    (("--steps",), "--steps: expected one argument"),
    (("--ste", "3"), "did you mean"),
    (("--network", "mlp", "--taps", "2"), "--taps has no effect with --network mlp: leave it out"),
    (("--width", "3"), "--width 3 is that of --taps"),
    (("--out", ""), "--out: expected a path"),
    (("--device", "gpu"), "--device: expected cpu, cuda or cuda:1"),
])  # fmt: skip
def test_what_is_wrong_is_said_with_the_flags_name(capsys, argv, said):
    assert said in refused(capsys, *argv)


def test_data_sets_and_folders_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert data_set()("mnist") == "mnist" and data_set("spiral")("spiral") == "spiral"
    assert data_set()("mine") == str(tmp_path / "mine")
    for text, said in ("minst", "did you mean mnist"), ("", "expected"), ("spiral", "expected"):
        with pytest.raises(Exception, match=said):
            data_set()(text)
    with pytest.raises(Exception, match="expected a path"):
        path("")


def test_the_config_holds_what_was_resolved(tmp_path):
    _, run = train("--out", str(tmp_path / "a"))
    assert config(run) == {
        "seed": 0, "device": "cpu", "steps": 3, "width": 2, "network": "conv", "taps": 3,
        "demo": "counter",
    }  # fmt: skip
    assert train("--out", str(tmp_path / "b"), "--network", "mlp")[0].width == 5
    assert train("--out", str(tmp_path / "c"), "--quick")[0].steps == 2
    assert train("--out", str(tmp_path / "d"), "--quick", "--steps", "4")[0].steps == 4


def test_a_run_that_goes_on_says_so_in_its_config(tmp_path):
    folder = str(tmp_path / "run")
    train("--out", folder, "--width", "7")
    args, run = train("--resume", folder, "--steps", "5")
    assert args.width == 7 and config(run)["steps"] == 5 and config(run)["width"] == 7
    assert train("--resume", folder, "--width", "7")[0].steps == 5  # it says what holds anyway
    before = (run.folder / "config.json").read_bytes()
    with pytest.raises(RunError, match="already done 5 steps"):
        train("--resume", folder, "--steps", "4")
    assert (run.folder / "config.json").read_bytes() == before


def test_what_would_make_another_run_is_refused_on_resuming(capsys, tmp_path):
    folder = str(tmp_path / "run")
    train("--out", folder)
    capsys.readouterr()
    for argv, said in (
        (("--width", "9"), "--width cannot change: the run was begun with --width 2"),
        (("--seed", "1"), "--seed cannot change"),
        (("--quick",), "--quick has no effect with --resume"),
        (("--out", "x"), "--out has no effect with --resume"),
    ):
        assert said in refused(capsys, "--resume", folder, *argv)


def test_another_demos_run_is_refused(tmp_path):
    train("--out", str(tmp_path / "run"))
    with pytest.raises(RunError, match="is a run of 'counter', not of other"):
        parser("other").open_run(["--resume", str(tmp_path / "run")])


def test_a_folder_without_a_checkpoint_is_free(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for out in ((), ("--out", "mine")):
        _, run = parser().open_run(list(out))
        folder = run.folder
        with pytest.raises(RunError, match="never began: start it without"):
            parser().open_run(["--resume", str(folder)])
        _, other = parser().open_run([])  # while the first is about to begin
        assert other.folder.name == "counter-2"
        del run, other
        assert train(*out)[1].folder == folder
    assert train()[1].folder.name == "counter-2"


def test_a_run_of_an_older_version_opens_with_a_word_on_what_is_assumed(tmp_path, capsys):
    _, run = train("--out", str(tmp_path / "run"))
    old = {k: v for k, v in config(run).items() if k not in ("taps", "demo")} | {"width": None}
    (run.folder / "config.json").write_text(json.dumps(old))
    args = parser().settings_of(Run.read(run.folder))
    assert args.taps == 3 and args.width == 2
    assert "does not say, so it is assumed: taps 3" in capsys.readouterr().out
    (run.folder / "config.json").write_text(json.dumps(old | {"network": "mlp"}))
    assert parser().settings_of(Run.read(run.folder)).width == 5
    assert capsys.readouterr().out == ""  # of what has no effect


def test_auto_is_a_data_set_in_the_config(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minigen.training.command.resolved", lambda name: "digits")
    images = parser()
    images.add_images()
    args, run = images.open_run(["--out", str(tmp_path / "run")])
    assert args.data == run.config["data"] == config(run)["data"] == "digits"
    run.config["data"] = "auto"  # as an older version wrote it
    assert images.settings_of(run).data == "digits"
    assert "does not say, so it is assumed: data digits" in capsys.readouterr().out


@pytest.mark.parametrize("value", ["x", -1, math.nan, [], {}, True, 1.5, "9" * 5000])
def test_a_damaged_setting_is_named(tmp_path, value):
    _, run = train("--out", str(tmp_path / "run"))
    (run.folder / "config.json").write_text(json.dumps(config(run) | {"steps": value}))
    with pytest.raises(RunError, match=r"run/config.json: steps: expected a whole number"):
        parser().open_run(["--resume", str(run.folder)])


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    _, run = train("--out", str(tmp_path / "run"))
    with pytest.raises(
        CheckpointError, match="fit: it holds the state of counter, but this run has other"
    ):
        Loop(Run.resume(run.folder), steps=9, state={"other": Counter()})


def test_what_a_run_calls_itself_is_shown_on_a_line(tmp_path):
    parser = Parser("", name="gan", quick={})
    with pytest.raises(RunError) as refused:
        parser.settings_of(Run(tmp_path, {"demo": "a\nb" * 1000}))
    assert len(said := str(refused.value).removeprefix(str(tmp_path))) < 100 and "\n" not in said
