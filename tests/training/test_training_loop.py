"""A resumed run is the uninterrupted run; signals end a loop in order; failures save nothing."""

import io
import os
import shutil
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen
from minigen import optim
from minigen.training import (
    CheckpointError,
    DivergedError,
    Loop,
    Run,
    RunError,
    load_checkpoint,
    save_checkpoint,
)
from minigen.training import loop as loop_module


@pytest.fixture(scope="module", autouse=True)
def signals_are_not_ignored():
    """As where the tests were not started by `nohup`, or by `&` in a script."""

    def exit(number, frame):
        raise SystemExit(128 + number)

    handlers = dict.fromkeys(SIGNALS, exit) | {signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Model:
    """Weights with a moment that is made at the first step, as optimisers do."""

    def __init__(self, size=3):
        self.w, self.m = np.zeros(size, np.float32), None

    def state_dict(self):
        return {"layer.0": {"weight": self.w}, "m": self.m}

    def load_state_dict(self, state):
        self.w, self.m = state["layer.0"]["weight"], state["m"]


class Stream:
    def __init__(self):
        self.generator = np.random.Generator(np.random.Philox(key=3))

    def state_dict(self):
        return self.generator.bit_generator.state

    def load_state_dict(self, state):
        self.generator.bit_generator.state = state


class Scalar:
    """A 0-d tensor that notes when it is read."""

    def __init__(self, value, reads=None):
        self.value, self.reads = value, reads

    def numpy(self):
        if self.reads is not None:
            self.reads.append(1)
        return np.array(self.value, np.float32)


SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Crash(Exception):
    pass


def open_run(folder):
    return Run.resume(folder) if (folder / "config.json").exists() else Run.create(folder, {})


def fresh_state():
    return {"model": Model(), "stream": Stream()}


def train(
    folder, steps, *, stop_at=None, number=signal.SIGINT, crash_at=None, log_every=2, save_every=5
):
    """Train the toy, resuming if there is something to resume; give the loop."""
    state = fresh_state()
    model, stream = state["model"], state["stream"]
    run = open_run(folder)
    loop = Loop(run, steps=steps, state=state, log_every=log_every, save_every=save_every)

    @loop.at_every(4)
    def measure(step):
        run.log(step, {"norm": float(np.abs(model.w).sum())})

    for step in loop:
        gradient = stream.generator.standard_normal(3, np.float32) + model.w
        model.m = gradient if model.m is None else 0.9 * model.m + gradient
        model.w = model.w - np.float32(0.1) * model.m
        loop.log({"loss": Scalar((gradient**2).mean())})
        if step == crash_at:
            raise Crash
        if step == stop_at:
            signal.raise_signal(number)
    return loop


def outcome(folder):
    """All that training left, bit for bit, but for the seconds it took."""
    saved = load_checkpoint(folder / "checkpoint.npz")
    assert saved["seconds"] > 0
    save_checkpoint(folder / "timeless.npz", saved | {"seconds": 0})
    return (folder / "timeless.npz").read_bytes(), (folder / "metrics.jsonl").read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(folder, 20)
    return outcome(folder)


@settings(deadline=None, max_examples=25)
@given(pauses=st.lists(st.tuples(st.integers(1, 19), st.booleans()), max_size=3))
def test_a_run_resumed_after_crashes_and_ctrl_c_is_the_uninterrupted_one(
    tmp_path_factory, uninterrupted, pauses
):
    folder = tmp_path_factory.mktemp("paused") / "run"
    for step, by_crash in sorted(pauses):
        with suppress(Crash):
            train(folder, 20, **{"crash_at" if by_crash else "stop_at": step})
    train(folder, 20)
    assert outcome(folder) == uninterrupted


def test_more_steps_on_resuming_continue_and_fewer_are_refused(tmp_path, uninterrupted):
    train(
        tmp_path / "run", 12
    )  # a multiple of the 4 of `at_every`, so its last step is no exception
    assert train(tmp_path / "run", 20).step == 20
    assert outcome(tmp_path / "run") == uninterrupted
    assert list(train(tmp_path / "run", 20)) == []
    with pytest.raises(RunError, match="already done 20 steps, more than the 8"):
        train(tmp_path / "run", 8)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_finishes_the_step_saves_and_restores_the_handler(tmp_path, number):
    before = signal.getsignal(number)
    loop = train(tmp_path / "run", 20, stop_at=7, number=number)
    assert loop.interrupted and loop.signal == number and loop.step == 7
    assert load_checkpoint(tmp_path / "run" / "checkpoint.npz")["step"] == 7
    assert signal.getsignal(number) is before
    assert not train(tmp_path / "run", 20).interrupted


def test_a_second_ctrl_c_stops_at_once_and_saves_nothing(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    loop = Loop(Run.create(tmp_path / "run", {}), steps=20, state={"model": Model()}, save_every=5)
    with pytest.raises(KeyboardInterrupt):
        for step in loop:
            if step == 7:
                signal.raise_signal(signal.SIGINT)
                signal.raise_signal(signal.SIGINT)
    assert load_checkpoint(tmp_path / "run" / "checkpoint.npz")["step"] == 5
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_sigterm_exits_at_once_but_a_terminal_hangs_up_twice(tmp_path):
    loop = Loop(Run.create(tmp_path / "run", {}), steps=20, state={"model": Model()}, save_every=5)
    with pytest.raises(SystemExit) as exit:
        for step in loop:
            if step == 7:
                for number in signal.SIGHUP, signal.SIGHUP, signal.SIGTERM:
                    signal.raise_signal(number)
    assert exit.value.code == 128 + signal.SIGTERM and loop.signal == signal.SIGHUP
    assert load_checkpoint(tmp_path / "run" / "checkpoint.npz")["step"] == 5


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_ignored_signals_stay_ignored_and_others_are_restored(tmp_path, number, handler):
    before = signal.signal(number, handler)
    try:
        loop = Loop(Run.create(tmp_path / "run", {}), steps=3, state={})
        for _ in loop:
            signal.raise_signal(number)
        assert loop.interrupted == (handler != signal.SIG_IGN)
        assert signal.getsignal(number) == handler
    finally:
        signal.signal(number, before)


def test_what_is_drawn_is_never_older_than_the_checkpoint(tmp_path):
    drawn, saved = [], []

    def start(steps, stop_at=None):
        loop = Loop(open_run(tmp_path), steps=steps, state={"model": Model()}, save_every=4)

        @loop.at_save
        def draw():
            drawn.append(loop.step)
            saved.append(load_checkpoint(tmp_path / "checkpoint.npz")["step"])

        for step in loop:
            if step == stop_at:
                signal.raise_signal(signal.SIGINT)
        return [drawn.pop(0) for _ in list(drawn)]

    assert start(10) == [4, 8, 10]
    assert start(10) == [10]
    assert start(20, stop_at=12) == [10, 12]  # at first what a kill may have left out
    assert start(16) == [12, 16]
    assert saved == [4, 8, 10, 10, 10, 12, 12, 16]


@settings(deadline=None, max_examples=20)
@given(every=st.integers(1, 9), from_start=st.booleans(), stop_at=st.integers(0, 9))
def test_what_is_due_is_called_from_step_0_of_a_new_run_to_its_last(every, from_start, stop_at):
    with tempfile.TemporaryDirectory() as folder:
        called = []

        def start(stop_at):
            loop = Loop(open_run(Path(folder)), steps=10, state={"model": Model()})

            @loop.at_every(every, from_start)
            def draw(step):
                called.append((step, loop.step, done[-1]))

            done = [loop.step]
            for step in loop:
                done.append(step)
                if step == stop_at:
                    signal.raise_signal(signal.SIGINT)

        start(stop_at)
        if stop_at:
            start(None)
    due = sorted({*range(0 if from_start else every, 10, every), 10})
    assert called == [(step, step, step) for step in due]


def test_a_disk_that_is_full_for_pictures_is_said_as_one_for_checkpoints(tmp_path):
    loop = Loop(Run.create(tmp_path, {}), steps=2, state={"model": Model()})

    @loop.at_save
    def draw():
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="cannot write to the run folder .*: No space left"):
        list(loop)
    assert load_checkpoint(tmp_path / "checkpoint.npz")["step"] == 2


def test_a_loop_in_another_thread_leaves_signals_alone(tmp_path):
    before, during = signal.getsignal(signal.SIGINT), []
    loop = Loop(Run.create(tmp_path / "run", {}), steps=3, state={"model": Model()})
    thread = threading.Thread(
        target=lambda: during.extend(signal.getsignal(signal.SIGINT) for _ in loop)
    )
    thread.start()
    thread.join()
    assert during == [before] * 3 and loop.step == 3


def test_an_exception_in_the_body_propagates_and_saves_nothing(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Crash):
        train(tmp_path / "run", 20, crash_at=10)
    assert load_checkpoint(tmp_path / "run" / "checkpoint.npz")["step"] == 5
    assert signal.getsignal(signal.SIGINT) is before
    assert sorted(os.listdir(tmp_path / "run")) == [
        "checkpoint.npz",
        "config.json",
        "limits.json",
        "metrics.jsonl",
    ]


def test_values_are_read_only_on_logged_steps_and_where_something_is_drawn(tmp_path):
    loop = Loop(Run.create(tmp_path / "run", {}), steps=11, state={}, log_every=3)
    reads, read_at = [], []
    loop.at_every(4)(lambda step: None)
    for step in loop:
        read_at += [step - 1] * len(reads)
        reads.clear()
        loop.log({"loss": Scalar(1.0, reads)})
    assert read_at == [3, 4, 6, 8, 9] and reads
    assert [record["step"] for record in loop.run.metrics()] == [3, 6, 9]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_neither_drawn_nor_saved(tmp_path, value):
    """A metric of a step that is not logged; and a state with NaN of a step whose metrics are
    finite, while infinity may belong to it, as to a mask."""
    lost = r"state\['model'\]\['layer.0'\]\['weight'\] holds NaN"
    for name, drawn_every, loss, weight, said in (
        ("drawn", 2, value, 0.0, f"loss is {value}"),
        ("saved", 100, value, 0.0, f"loss is {value}"),
        ("lost", 100, 1.0, np.nan, lost),
    ):
        model, run = Model(), Run.create(tmp_path / name, {})
        model.w[1] = -np.inf
        loop = Loop(run, steps=12, state={"model": model}, log_every=100, save_every=3)
        loop.at_every(drawn_every)(lambda step: None)
        with pytest.raises(DivergedError, match=f"^{said} at step 6: .*checkpoint of step 3"):
            for step in loop:
                loop.log({"loss": loss if step == 6 else 1.0})
                model.w[0] = weight if step == 6 else 0.0
        assert load_checkpoint(run.path("checkpoint.npz"))["step"] == 3


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint(tmp_path, value):
    run = Run.create(tmp_path / "run", {})
    loop = Loop(run, steps=9, state={"model": Model()}, log_every=1, save_every=3)
    message = rf"loss_g is {value} at step 6: .*run keeps the checkpoint of step 3"
    with pytest.raises(DivergedError, match=message):
        for step in loop:
            loop.log({"loss_d": 1.0, "loss_g": value if step == 6 else 1.0})
    assert load_checkpoint(run.path("checkpoint.npz"))["step"] == 3
    assert repr(run.metrics()[-1]["loss_g"]) == repr(float(value))


class Careless(Model):
    """Takes what it is given wherever it can, as `w[...] = saved` does."""

    def load_state_dict(self, state):
        self.w[...] = state.get("layer.0", {}).get("weight", 0.0)


class Listed(Model):
    """With its arrays in a list, and as careless."""

    def state_dict(self):
        return {"weights": [self.w]}

    def load_state_dict(self, state):
        self.w[...] = state["weights"][0]


class Strict(Model):
    def load_state_dict(self, state):
        if state["layer.0"]["weight"].shape != self.w.shape:
            raise ValueError("shapes differ")


@pytest.mark.parametrize("model", [Careless(5), Strict(5)])
def test_a_checkpoint_of_another_size_is_refused_by_file_and_entry(tmp_path, model):
    run = Run.create(tmp_path / "run", {})
    list(Loop(run, steps=1, state={"model": Model(1)}))
    run.log(2, {"after the checkpoint": 1.0})
    with pytest.raises(
        CheckpointError, match=r"model\['layer.0'\]\['weight'\].*\(1,\).*\(5,\)"
    ) as e:
        Loop(run, steps=9, state={"model": model})
    assert str(run.folder / "checkpoint.npz") in str(e.value)
    assert len(run.metrics()) == 1  # a run that is not resumed loses no metrics


def test_lists_of_arrays_are_compared_too(tmp_path):
    run = Run.create(tmp_path / "run", {})
    list(Loop(run, steps=1, state={"model": Listed(1)}))
    with pytest.raises(CheckpointError, match=r"model\['weights'\]\[0\].*\(1,\).*\(5,\)"):
        Loop(run, steps=9, state={"model": Listed(5)})


def test_a_checkpoint_of_other_names_is_refused(tmp_path):
    run = Run.create(tmp_path / "run", {})
    list(Loop(run, steps=1, state={"model": Model(), "stream": Stream()}))
    with pytest.raises(CheckpointError, match="the state of model, stream, but this run has model"):
        Loop(run, steps=9, state={"model": Model()})
    save_checkpoint(run.path("checkpoint.npz"), {"step": 1})
    with pytest.raises(CheckpointError, match="no checkpoint of a training loop"):
        Loop(run, steps=9, state={"model": Model()})


@pytest.mark.parametrize(
    "entry, value",
    [("eps", 10**400), ("maximize", np.zeros(2)), ("last_epoch", "x"), ("base_lrs", [[]]),
     ("decay", []), ("draws", -1)],
    ids=str.split("eps maximize last_epoch base_lrs decay draws"),
)  # fmt: skip
def test_a_setting_of_another_kind_is_refused(tmp_path, entry, value):
    weight = minigen.ones(2, requires_grad=True)
    optimiser = optim.Adam([weight])
    state = {
        "optimiser": optimiser,
        "scheduler": optim.lr_scheduler.StepLR(optimiser, 2),
        "average": optim.ExponentialMovingAverage([weight], 0.9),
        "random": minigen.Generator(0),
    }
    run = Run.create(tmp_path, {})
    list(Loop(run, steps=1, state=state))
    saved = load_checkpoint(run.path("checkpoint.npz"))
    holders = [*saved["state"].values(), saved["state"]["optimiser"]["param_groups"][0]]
    (holder,) = [each for each in holders if entry in each]
    holder[entry] = value
    save_checkpoint(run.path("checkpoint.npz"), saved)
    with pytest.raises(CheckpointError, match="does not fit: .*minigen have changed since"):
        Loop(run, steps=3, state=state)


ENTRIES = ("step", "seconds", "state", "model", "optimiser", "lr", "betas", "random")
ODD = (None, True, -1, 1.5, 10**40, 10**400, np.nan, -np.inf, "x", [], {}, [[]], np.ones(2))


@settings(deadline=None, max_examples=60)
@given(entry=st.sampled_from(ENTRIES), value=st.sampled_from(ODD))
def test_a_checkpoint_of_other_content_is_refused_or_trains(tmp_path_factory, entry, value):
    """No entry that a damaged file may hold ends in an error that speaks of the code."""

    def fresh():
        weight = minigen.ones(2, requires_grad=True)
        optimiser = optim.Adam([weight])
        return weight, {"model": Model(), "optimiser": optimiser, "random": minigen.Generator(0)}

    run = Run.create(tmp_path_factory.mktemp("odd"), {})
    list(Loop(run, steps=1, state=fresh()[1]))
    saved = load_checkpoint(run.path("checkpoint.npz"))
    holder = {
        "step": saved, "seconds": saved, "state": saved,
        "lr": (group := saved["state"]["optimiser"]["param_groups"][0]), "betas": group,
    }.get(entry, saved["state"])  # fmt: skip
    holder[entry] = value
    save_checkpoint(run.path("checkpoint.npz"), saved)
    try:
        weight, state = fresh()
        for _ in Loop(run, steps=3, state=state):
            (weight**2).sum().backward()
            state["optimiser"].step()
    except CheckpointError as error:
        assert str(run.folder) in str(error)
    else:
        assert entry not in ("step", "seconds", "state") or (entry, value) == ("seconds", 1.5)


def test_seconds_go_on_counting(tmp_path):
    train(tmp_path / "run", 2)
    path = tmp_path / "run" / "checkpoint.npz"
    save_checkpoint(path, load_checkpoint(path) | {"seconds": 1e6})
    assert Loop(Run.resume(tmp_path / "run"), steps=2, state=fresh_state()).seconds == 1e6
    assert train(tmp_path / "run", 3).seconds > 1e6
    assert load_checkpoint(path)["seconds"] > 1e6


def test_a_folder_that_can_no_longer_be_written_is_named(tmp_path):
    run = Run.create(tmp_path / "run", {})
    with pytest.raises(RunError, match="cannot write to the run folder .*run: No such file"):
        for _ in Loop(run, steps=1, state={}):
            shutil.rmtree(run.folder)


def test_what_cannot_be_saved_is_found_before_the_first_step(tmp_path):
    run = Run.create(tmp_path / "run", {})
    with pytest.raises(TypeError, match=r"state\['rate'\] is a float"):
        Loop(run, steps=9, state={"rate": 0.1})
    model = Model()
    model.m = (1, 2)
    with pytest.raises(TypeError, match=r"\['model'\]\['m'\] is of type tuple"):
        next(iter(Loop(run, steps=9, state={"model": model})))
    for wrong in {"steps": 0}, {"log_every": 0}, {"save_every": 0}:
        with pytest.raises(ValueError, match="should be 1 or more, got 0"):
            Loop(run, **{"steps": 1, "state": {}} | wrong)


class Screen(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_sees_a_bar_and_a_file_sees_lines(tmp_path, monkeypatch, terminal):
    # A process that is suspended for longer than that, as on a busy machine, writes a line more.
    monkeypatch.setattr(loop_module._Progress, "SECONDS_BETWEEN_LINES", 1e9)
    screen = Screen(terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    train(tmp_path / "run", 40)
    shown = screen.getvalue()
    assert "40/40" in shown and "steps/s" in shown and "loss " in shown
    assert ("\r" in shown) == terminal
    if not terminal:
        assert len(shown.splitlines()) == 2  # the first logged step and the last


def test_the_bar_is_cleared_when_ctrl_c_ends_the_loop(tmp_path, monkeypatch):
    screen = Screen(terminal=True)
    monkeypatch.setattr(sys, "stderr", screen)
    train(tmp_path / "run", 40, stop_at=9)
    assert screen.getvalue().rsplit("\r", 2)[1].strip() == ""  # a line of blanks over the bar
    assert screen.getvalue().endswith("\r")
