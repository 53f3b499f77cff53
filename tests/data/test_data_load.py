"""Loading by name, from files at hand, from a server that is good or bad, or from nowhere."""

import gzip
import hashlib
import os
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from minigen.data import DataError, Images, download, load

GIVEN = os.environ.get("MINIGEN_DATA")
COUNTS = {"train": 7, "test": 4}


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes())


@pytest.fixture
def files(monkeypatch, tmp_path):
    """The four files of a tiny MNIST, whose checksums are the expected ones; no place has them."""
    rng, files = np.random.default_rng(0), {}
    for (split, names), count in zip(download.FILES["mnist"].items(), COUNTS.values(), strict=True):
        images, labels = names
        files[images] = idx(rng.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        files[labels] = idx(np.arange(count, dtype=np.uint8))
        sums = {name: hashlib.md5(files[name]).hexdigest() for name in names}
        monkeypatch.setitem(download.FILES["mnist"], split, sums)
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MINIGEN_DATA", raising=False)
    return files


@pytest.fixture
def server(monkeypatch, files):
    """An address with a folder for each way to serve, and a list of what was asked of it."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            _, way, file = self.path.split("/")
            if way == "missing":
                self.send_error(404)
                return
            body = files[file]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write({"good": body, "cut": body[:-5], "spoilt": body[::-1]}[way])

        def log_message(self, *_):
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{http.server_port}/", asked
        http.shutdown()


@pytest.fixture
def mirrors(monkeypatch, server):
    def choose(*ways):
        monkeypatch.setitem(download.MIRRORS, "mnist", [f"{server[0]}{way}/" for way in ways])

    return choose


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_download_is_kept_and_not_repeated(tmp_path, server, mirrors):
    mirrors("good")
    train = load("mnist")
    assert len(train) == 7 and train.labels.tolist() == list(range(7))
    assert len(server[1]) == 2
    again = load("mnist", download=False)
    np.testing.assert_array_equal(again.images, train.images)
    assert len(server[1]) == 2
    assert left(tmp_path) == [
        f"cache/mnist/{file}" for file in sorted(download.FILES["mnist"]["train"])
    ]


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("cut", r"broke off after \d+ of \d+ bytes"),
        ("spoilt", "expected the MD5 checksum .*, got "),
        ("missing", "404"),
    ],
)
def test_a_bad_mirror_is_named_leaves_nothing_and_the_next_is_tried(
    tmp_path, server, mirrors, way, message
):
    mirrors(way)
    with pytest.raises(DataError, match=f"{server[0]}{way}/: .*{message}"):
        load("mnist")
    assert left(tmp_path) == []
    mirrors(way, "good")
    assert len(load("mnist")) == 7
    assert [path.split("/")[1] for path in server[1]] == [way, way, "good", way, "good"]


def test_an_unreachable_mirror_is_an_error(monkeypatch, files):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setitem(download.MIRRORS, "mnist", ["http://127.0.0.1:1/"])
    with pytest.raises(DataError, match="train-images.* could not be downloaded .*127.0.0.1:1"):
        load("mnist")


def test_a_mirror_that_falls_silent_is_given_up(monkeypatch, server, mirrors):
    stop = threading.Event()
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    monkeypatch.setattr(BaseHTTPRequestHandler, "send_response", lambda *_: stop.wait(10))
    mirrors("good")
    with pytest.raises(DataError, match="timed out"):
        load("mnist")
    stop.set()


def test_a_cache_that_cannot_be_written_is_an_error(monkeypatch, tmp_path, mirrors):
    mirrors("good")
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written: .*MINIGEN_CACHE"):
        load("mnist")


def test_a_write_that_fails_leaves_nothing(monkeypatch, tmp_path, mirrors):
    def full(source, target):
        raise OSError(28, "No space left on device")

    mirrors("good")
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(DataError, match="cannot be written: No space left"):
        load("mnist")
    assert left(tmp_path) == []


def test_files_at_hand_come_first_and_are_checked(monkeypatch, tmp_path, files):
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path / "data"))
    with pytest.raises(DataError, match="data/mnist/t10k-images.* no .*cache/mnist/t10k-images"):
        load("mnist", "test", download=False)
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    for file, body in files.items():
        (tmp_path / "data" / "mnist" / file).write_bytes(body)
    test = load("mnist", "test", download=False)
    assert test.name == "mnist" and len(test) == 4 and test.images.shape == (4, 1, 28, 28)
    assert load("mnist", size=2, download=False).labels.tolist() == [0, 1]
    assert load("auto", download=False).name == "mnist"
    with pytest.raises(ValueError, match="7 images.*got size 8"):
        load("mnist", size=8, download=False)
    path = tmp_path / "data" / "mnist" / "train-labels-idx1-ubyte.gz"
    path.write_bytes(files["t10k-labels-idx1-ubyte.gz"])
    with pytest.raises(DataError, match=f"{path}: expected the MD5 .* Delete it"):
        load("mnist", download=False)


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MINIGEN_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert download.cache_folder() == tmp_path / ".cache" / "minigen"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/xdg")
    assert str(download.cache_folder()) == "/var/xdg/minigen"
    monkeypatch.setenv("MINIGEN_CACHE", "~/here")
    assert download.cache_folder() == tmp_path / "here"


def test_auto_says_in_one_line_why_it_takes_the_digits(capsys, files, server, mirrors):
    mirrors("missing")
    train = load("auto", size=30)
    (line,) = capsys.readouterr().out.splitlines()
    assert "digits instead of MNIST" in line and "404" in line
    assert train.name == "digits" and len(train) == 30


def test_auto_wants_both_splits(capsys, files, mirrors):
    mirrors("good")
    for file in download.FILES["mnist"]["test"]:
        del files[file]
    assert load("auto", size=10).name == "digits"


def test_the_splits_and_seeds_of_digits_share_no_image():
    sets = [load("digits", split, size=200, seed=s) for s in (0, 1) for split in ("train", "test")]
    every = np.concatenate([one.images for one in sets]).reshape(800, -1)
    assert len(np.unique(every, axis=0)) == 800


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "mnsit"},
            "mnist, fashion-mnist, digits, auto, .* or a folder of pictures, got 'mnsit'",
        ),
        ({"name": "digits", "split": "valid"}, "train, test, got 'valid'"),
        ({"name": "digits", "size": 0}, "size of 1 or more, got 0"),
    ],
)
def test_unknown_names_and_sizes_are_refused_with_the_choices(arguments, message):
    with pytest.raises(ValueError, match=message):
        load(**arguments)


def test_scaling_is_linear_and_meets_both_ends():
    every = np.arange(784, dtype=np.uint16).astype(np.uint8).reshape(1, 1, 28, 28)
    images = Images("all", every, np.zeros(1, np.int64), ("only",))
    for low, high in ((-1, 1), (0, 1), (2, -3)):
        scaled = images.scaled(low, high)
        assert scaled.dtype == np.float32 and scaled.flags.c_contiguous
        np.testing.assert_allclose(scaled, low + (high - low) * (every / 255), atol=1e-6)
        assert {scaled.min(), scaled.max()} == {low, high}


@pytest.mark.skipif(not GIVEN, reason="MINIGEN_DATA is not set")
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_sets(name):
    train, test = load(name, download=False), load(name, "test", download=False)
    assert (len(train), len(test)) == (60_000, 10_000)
    mean, deviation = {"mnist": (0.1307, 0.3081), "fashion-mnist": (0.2860, 0.3530)}[name]
    scaled = train.scaled(0, 1)
    assert scaled.mean(dtype=np.float64) == pytest.approx(mean, abs=1e-4)
    assert scaled.std(dtype=np.float64) == pytest.approx(deviation, abs=1e-4)
    first = {"mnist": "5041921314", "fashion-mnist": "9003027255"}[name]
    assert "".join(map(str, train.labels[:10])) == first
    assert len(train.classes) == 10
