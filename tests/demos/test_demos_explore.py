"""explore.py serves a run, says in a line what is wrong, and ends in one with Ctrl-C."""

import http.client
import pathlib
import re
import signal
import socket
import subprocess
import sys
import webbrowser

import pytest
from in_process import DEMOS, run
from made_runs import made_run, with_config

from minigen.explorer import Server


@pytest.fixture
def folder(tmp_path):
    return made_run(tmp_path / "run", "vae")


@pytest.fixture
def not_served(monkeypatch):
    """The server ends at once; gives the addresses that a browser was to open."""
    opened = []
    monkeypatch.setattr(Server, "serve_forever", lambda self: None)
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or False)
    return opened


def test_the_address_is_printed_and_opened(folder, not_served):
    said = run("explore.py", folder)
    assert re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}\n", said)
    assert "no browser could be opened here" in said and len(not_served) == 1
    assert not_served[0] not in said  # what other users may read is not what stays


def test_no_browser_is_opened_if_none_is_wanted(folder, not_served):
    run("explore.py", folder, "--no-browser")
    assert not not_served


def test_a_port_that_is_taken_is_a_line(folder, not_served):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = run("explore.py", folder, "--port", port, "--no-browser", status=1)
    assert f"cannot use port {port}" in said and "Traceback" not in said


def test_what_is_no_run_or_cannot_be_explored_is_a_line(tmp_path, not_served):
    said = run("explore.py", tmp_path / "nowhere", status=1)
    assert "holds no run, for there is no such folder" in said
    made_run(tmp_path / "latents", "latents")
    assert "it cannot be explored" in run("explore.py", tmp_path / "latents", status=1)
    begun = made_run(tmp_path / "begun", "dcgan")
    (begun / "checkpoint.npz").unlink()
    assert "holds no checkpoint, for its run never began" in run("explore.py", begun, status=1)


def test_a_run_of_an_older_version_is_shown_with_a_line(folder, not_served):
    with_config(folder, likelihood=None, class_names=None)
    said = run("explore.py", folder, "--no-browser")
    assert "does not say, so it is assumed: likelihood bernoulli" in said and "token=" in said


def test_it_serves_while_the_run_is_written_and_ctrl_c_ends_it_in_a_line(folder):
    command = [sys.executable, str(DEMOS / "explore.py"), str(folder), "--no-browser"]
    code = f"""
import runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.argv, sys.path[0] = {command[1:]!r}, {str(DEMOS)!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
    root = str(pathlib.Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=root,
    )  # fmt: skip
    address = next(line for line in process.stdout if "token=" in line).strip()
    (folder / "checkpoint.npz").write_bytes(b"half")  # as if another version were being written
    host, _, query = address.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=60)
    connection.request("GET", f"/{query}")
    assert connection.getresponse().status == 200
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said.split() == ["explore.py:", "stopped"]
