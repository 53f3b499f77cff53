"""Nothing that is shown, or cannot be, ends the work."""

import io
import os
import pty
import select
import signal
import subprocess
import sys

import pytest

from minigen.display import Bar, Screen, forgiving_streams, progress
from minigen.training import Loop, Run

PROGRAM = """
import os, signal, sys
from minigen import data, nn, training
from minigen.display import Bar

@training.script
def main():
    print(nn.summary(nn.Linear(3, 2), (3,)), "λ")
    run = training.Run.create(sys.argv[1], {})
    loop = training.Loop(run, steps=3000, state={}, log_every=1, save_every=3000)
    for step in loop:
        if step % 100 == 0:
            loop.log({"Fréchet": 1.0})
            loop.say("─ " * 40)
            for _ in Bar(range(3), unit=" images"):
                pass
        if step == 2500 and len(sys.argv) > 2:
            os.kill(os.getpid(), int(sys.argv[2]))
    print("…", "interrupted" if loop.interrupted else "done")

main()
"""
WAYS = {  # shell commands, with what their environment says
    "cp1252": ('"$@"', {"PYTHONIOENCODING": "cp1252"}),
    "C": ('"$@"', {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "all closed": ('"$@" <&- >&- 2>&-', {}),
    "nobody reads": ('"$@" | true; exit ${PIPESTATUS[0]}', {}),
    "a full disk": ('"$@" >/dev/full 2>/dev/full', {}),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("program") / "train.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return str(path)


def test_a_script_trains_to_its_end_whatever_it_is_shown_on(tmp_path, program):
    ways = dict(WAYS)
    shell = ["bash", "-c", WAYS["all closed"][0], "bash"]
    if subprocess.run([*shell, sys.executable, "-c", "import scipy.ndimage"]).returncode:
        # SciPy 1.13 and NumPy 2.0 need a stderr.
        del ways["all closed"]
    started = {
        way: subprocess.Popen(
            ["bash", "-c", line, "bash", sys.executable, program, str(tmp_path / way)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **changes},
        )
        for way, (line, changes) in ways.items()
    }  # fmt: skip
    for way, process in started.items():
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, (way, err)
        assert b"Error" not in err and b"Traceback" not in err, (way, err)
        assert len(Run.read(tmp_path / way).metrics()) == 30, way
        assert (tmp_path / way / "checkpoint.npz").read_bytes()[:2] == b"PK", way
        if way == "C":
            assert b"-----" in out and b"... done" in out and b"?" in out, way


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_script_that_a_signal_ended_says_so_by_its_status(tmp_path, program, number, status):
    done = subprocess.run(
        [sys.executable, program, str(tmp_path / "run"), str(int(number))],
        capture_output=True, text=True, timeout=120,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    assert "interrupted" in done.stdout and "Traceback" not in done.stderr
    assert "stopping after this step\n" in done.stderr


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, closed()])
def test_a_loop_and_bars_need_no_stream(tmp_path, monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    loop = Loop(Run.create(tmp_path, {}), steps=40, state={})
    for step in loop:
        loop.log({"loss": 1.0})
        loop.say("─")
        if step == 30:
            handler = signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
            if handler is not signal.SIG_IGN:
                handler(signal.SIGINT, None)
    assert list(Bar(range(3), unit=" images")) == [0, 1, 2]
    assert loop.step in (30, 40)


def test_a_terminal_without_a_size_shows_the_bar(tmp_path, monkeypatch):
    ours, theirs = pty.openpty()  # 0 × 0, until somebody says otherwise
    assert os.get_terminal_size(theirs) == (0, 0)
    with open(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        loop = Loop(Run.create(tmp_path, {}), steps=40, state={})
        for _ in loop:
            loop.log({"loss": 1.0})
        monkeypatch.undo()
        terminal.flush()
        shown = b""
        while b"40/40" not in shown and select.select([ours], [], [], 10)[0]:
            shown += os.read(ours, 4096)  # it comes in pieces
    os.close(ours)
    assert b"| 40/40" in shown and b"loss 1" in shown


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("seconds", [0.01, 1.0])
def test_what_takes_more_than_two_seconds_has_a_bar_on_a_terminal(monkeypatch, seconds):
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", Terminal())
    seen = []
    for item in progress("abcdef", "letters"):
        now[0] += seconds
        seen.append(item)
    assert seen == [*"abcdef"]
    assert ("letters/s" in sys.stderr.getvalue()) == (seconds == 1.0)


def test_a_loop_says_what_it_draws_and_then_what_it_logs(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    loop = Loop(Run.create(tmp_path, {}), steps=4, state={}, log_every=1)
    said = []

    @loop.at_every(2)
    def draw(step):
        said.append("drawing" in sys.stderr.getvalue().rsplit("\r", 1)[-1])

    for _ in loop:
        loop.log({"loss": 1.0})
    assert said == [True] * 3
    assert "drawing" not in sys.stderr.getvalue().rsplit("\r", 1)[-1]


def test_what_a_loop_says_has_a_line_of_its_own(tmp_path, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdout", terminal)
    with forgiving_streams():
        loop = Loop(Run.create(tmp_path, {}), steps=2, state={})
        for _ in loop:
            loop.say("said")
    before, *after = terminal.getvalue().split("said")
    assert len(after) == 2 and before.endswith(" \r") and after[0].startswith("\n")


@pytest.mark.parametrize("room, kept", [(120, "|"), (80, "d_fake 0.453"), (30, "left, lo")])
def test_a_narrow_line_leaves_the_bar_out_before_its_numbers(room, kept):
    numbers = "loss_d 1.23, loss_g 0.873, d_real 0.564, d_fake 0.453"
    line = Bar.format_meter(1890, 4500, 70.0, ncols=room, unit=" steps", postfix=numbers)
    assert kept in line and len(line) <= room
    assert ("|" in line) == (room == 120)


def test_slow_steps_have_a_unit():
    assert "[00:05<00:02,  2.50 s/step" in Bar.format_meter(2, 3, 5.0, 0, unit=" steps")
    assert "2.00 steps/s" in Bar.format_meter(2, 3, 1.0, 0, unit=" steps")


def test_what_an_encoding_lacks_is_written_plainly():
    for encoding, plain in ("ascii", "-- ... -> # x?"), ("latin-1", "-- ... -> # ×?"):
        raw = io.BytesIO()
        screen = Screen(io.TextIOWrapper(raw, encoding=encoding))
        print("─– … → █ ×λ", end="", file=screen, flush=True)
        assert raw.getvalue().decode(encoding) == plain
