"""One process at a time trains in a run folder, whatever becomes of the one before it."""

import errno
import os
import signal
import subprocess
import sys
import threading

import pytest

from minigen import files
from minigen.files import written_whole
from minigen.training import Loop, Run, RunError
from minigen.training import lock as lock_module

HOLDER = """
import sys
from minigen.training import Run
run = Run.resume(sys.argv[1])
run.log(1, {"loss": 1.0})
print("holds", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path):
    Run.create(tmp_path / "run", {})
    return tmp_path / "run"


def test_a_second_process_is_told_who_trains_and_may_look(folder):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout.readline() == "holds\n"
    for enter in Run.resume, lambda folder: lock_module.hold(folder):
        with pytest.raises(RunError, match=f"in use by process {holder.pid} on .* since 2"):
            enter(folder)
    seen = Run.read(folder)
    assert seen.metrics() == [{"step": 1, "loss": 1.0}]
    with pytest.raises(RunError, match="not this process's to write to"):
        seen.log(2, {"loss": 1.0})
    with pytest.raises(RunError, match="not this process's to write to"):
        Loop(seen, steps=1, state={})
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert (folder / ".lock").exists()  # the file, but nobody holds it
    Run.resume(folder).log(2, {"loss": 1.0})
    assert sorted(os.listdir(folder)) == ["config.json", "limits.json", "metrics.jsonl"]


def test_a_process_may_open_its_run_twice_but_trains_with_one_loop(folder):
    first, second = Run.resume(folder), Run.resume(folder)
    first.close()
    second.log(1, {"loss": 1.0})
    with pytest.raises(RunError, match="not this process's"):
        first.log(2, {"loss": 1.0})
    said = []

    def train():
        try:
            list(Loop(Run.resume(folder), steps=9, state={}))
        except RunError as error:
            said.append(str(error))

    for _ in Loop(second, steps=1, state={}):
        thread = threading.Thread(target=train)
        thread.start()
        thread.join()
    assert len(said) == 1 and "in use by another loop of this process" in said[0]
    assert list(Loop(second, steps=3, state={})) == [2, 3]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of threads, by Python 3.12
def test_a_forked_child_neither_holds_nor_lets_go(folder):
    run = Run.resume(folder)
    child = os.fork()
    if not child:
        refused = 0
        for attempt in lambda: run.log(1, {}), lambda: Run.resume(folder):
            try:
                attempt()
            except RunError:
                refused += 1
        del run
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    run.log(1, {"loss": 1.0})
    assert (folder / ".lock").exists()


def test_a_folder_that_was_removed_and_made_again_is_another_one(folder):
    first = Run.resume(folder)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    second = Run.create(folder, {})
    with pytest.raises(RunError, match="not this process's"):
        first.log(1, {})
    del first
    second.log(1, {"loss": 1.0})
    assert sorted(os.listdir(folder)) == [".lock", "config.json", "limits.json", "metrics.jsonl"]


def test_where_there_are_no_locks_it_goes_on_with_a_line(folder, monkeypatch, capsys):
    def no_locks(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock_module, "lock", no_locks)
    monkeypatch.setattr(files, "lock", no_locks)
    list(Loop(Run.resume(folder), steps=2, state={}))
    assert "cannot be locked (No locks available)" in capsys.readouterr().err


def test_what_a_killed_writer_left_goes_and_what_is_written_stays(folder):
    (folder / "samples").mkdir()
    left = [folder / ".checkpoint.npz.0123abcd.tmp", folder / "samples" / ".1.png.0123abcd.tmp"]
    other = [folder / ".notes.tmp", folder / "a.0123abcd.tmp"]
    for path in left + other:
        path.write_bytes(b"half")
    with written_whole(folder / "scores.json") as file:
        file.write(b"{}")
        Run.resume(folder)
    assert (folder / "scores.json").read_bytes() == b"{}"
    assert not any(path.exists() for path in left) and all(path.exists() for path in other)


def test_a_file_is_cleared_of_its_own_unfinished_ones_wherever_it_lies(tmp_path):
    mine, other = tmp_path / ".w.npz.0123abcd.tmp", tmp_path / ".v.npz.0123abcd.tmp"
    for path in mine, other:
        path.write_bytes(b"half")
    with written_whole(tmp_path / "w.npz") as file:
        file.write(b"whole")
    assert sorted(os.listdir(tmp_path)) == [other.name, "w.npz"]


def test_the_file_and_its_folder_reach_the_disk_before_the_next_word(tmp_path, monkeypatch):
    """In this order: content on the disk, renamed, the folder on the disk."""
    done = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(number):
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{number}") else "file")
        fsync(number)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", lambda a, b: (done.append("rename"), replace(a, b)))
    with written_whole(tmp_path / "w") as file:
        file.write(b"whole")
    assert done == ["file", "rename", "folder"]
