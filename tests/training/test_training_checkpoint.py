"""Checkpoints come back exactly as they were; files that are none are refused by name."""

import errno
import io
import json
import os
import time
import zipfile
from enum import IntEnum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigen.training import CheckpointError, load_checkpoint, save_checkpoint
from minigen.training.command import script
from minigen.training.common import written_whole

dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(endianness="?"),
    hnp.complex_number_dtypes(),
    hnp.unicode_string_dtypes(),
)
arrays = dtypes.flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0)))
scalars = st.floats(allow_nan=True).flatmap(
    lambda x: st.sampled_from([np.float64(x), np.float16(1.5), np.bool_(True), np.int8(-3)])
)
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
keys = st.text() | st.sampled_from(["a.b", "a/b", "../a", "array", "dict", ""])
trees = st.recursive(
    arrays | scalars | plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
states = st.dictionaries(keys, trees, max_size=4)
file_settings = settings(deadline=None, max_examples=60)

STATE = {"w": np.arange(6.0).reshape(2, 3), "step": 3, "inner": {"0.bias": np.zeros(2, "f4")}}


def assert_same(a, b):
    """Equal in type, dtype, shape, every bit of every array, and order of keys."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, np.ndarray | np.generic):
        assert (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())
    else:
        assert repr(a) == repr(b)  # tells -0.0 from 0.0, and NaN equals NaN


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("checkpoints") / "checkpoint.npz"


@file_settings
@given(states)
def test_round_trip_is_exact(file, state):
    save_checkpoint(file, state)
    assert_same(load_checkpoint(file), state)


def test_state_of_a_random_generator_round_trips(file):
    generator = np.random.Generator(np.random.Philox(key=7))
    generator.random(5)
    save_checkpoint(file, generator.bit_generator.state)
    copy = np.random.Generator(np.random.Philox())
    copy.bit_generator.state = load_checkpoint(file)
    assert copy.random(9).tolist() == generator.random(9).tolist()


def test_what_has_a_numpy_method_comes_back_as_its_array(file):
    class Tensor:
        def numpy(self):
            return np.float32(2.5)  # a 0-d result that NumPy made a scalar of

    save_checkpoint(file, {"t": Tensor()})
    assert_same(load_checkpoint(file), {"t": np.array(2.5, np.float32)})


def test_equal_states_give_equal_files_that_numpy_reads(file, monkeypatch):
    save_checkpoint(file, STATE)
    first = file.read_bytes()
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(10**9))
    save_checkpoint(file, STATE)
    assert file.read_bytes() == first
    with np.load(file, allow_pickle=False) as npz:
        assert json.loads(npz["structure.json"])["version"] == 1
        np.testing.assert_array_equal(npz["0"], STATE["w"])


class Odd:
    pass


class Colour(IntEnum):
    RED = 1


@pytest.mark.parametrize(
    "state, where",
    [
        ({"a": {"b": [1, Odd()]}}, r"state\['a'\]\['b'\]\[1\] is of type Odd"),
        ({"betas": (0.5, 0.9)}, r"state\['betas'\] is of type tuple"),
        ({"colour": Colour.RED}, r"state\['colour'\] is of type Colour"),
        ({"a": {1: 2}}, r"state\['a'\] has the key 1"),
        ({"a": np.array([Odd()])}, r"state\['a'\] has dtype object"),
        ({"a": np.zeros(2, [("x", "O")])}, r"state\['a'\] has dtype"),
        ({"a": np.array(["x"], np.dtypes.StringDType())}, r"state\['a'\] has dtype StringDType"),
    ],
)
def test_what_cannot_be_kept_is_named_and_nothing_is_written(tmp_path, state, where):
    with pytest.raises(TypeError, match=where):
        save_checkpoint(tmp_path / "c.npz", state)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_amid_writing_leaves_the_old_checkpoint_alone(tmp_path, monkeypatch):
    path = tmp_path / "c.npz"
    save_checkpoint(path, STATE)
    write, calls = np.lib.format.write_array, []

    def write_then_fail(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        write(*args, **kwargs)

    monkeypatch.setattr(np.lib.format, "write_array", write_then_fail)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, {"new": np.zeros(9), "er": np.ones(9)})
    assert len(calls) == 2
    assert os.listdir(tmp_path) == ["c.npz"]
    assert_same(load_checkpoint(path), STATE)


def test_a_whole_file_is_there_only_after_its_block(tmp_path):
    path = tmp_path / "f"
    with written_whole(path) as file:
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"
    with pytest.raises(KeyboardInterrupt), written_whole(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["f"] and path.read_bytes() == b"new"
    with pytest.raises(FileNotFoundError, match="nowhere/f'"), written_whole("nowhere/f"):
        pass


def test_a_script_says_which_file_the_disk_has_no_room_for(tmp_path):
    @script
    def main():
        with written_whole(tmp_path / "f"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(SystemExit, match="cannot read or write .*/f: No space left on device"):
        main()
    assert not os.listdir(tmp_path)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damage_is_noticed_or_harmless(file, data):
    save_checkpoint(file, STATE)
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    try:
        loaded = load_checkpoint(file)
    except CheckpointError as error:
        assert str(file) in str(error)
    else:
        assert_same(loaded, STATE)


def test_a_damaged_header_is_not_taken_for_another_shape(tmp_path):
    path = tmp_path / "c.npz"
    save_checkpoint(path, {"w": np.ones((2, 9000))})
    path.write_bytes(path.read_bytes().replace(b"(2, 9000)", b"(1, 9000)"))
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


def npz_bytes(**entries) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **entries)
    return buffer.getvalue()


def zip_bytes(header, array: np.ndarray) -> bytes:
    buffer, npy = io.BytesIO(), io.BytesIO()
    np.save(npy, array, allow_pickle=True)
    with zipfile.ZipFile(buffer, "w") as archive:
        text = header if isinstance(header, bytes) else json.dumps(header)
        archive.writestr("structure.json", text)
        archive.writestr("0.npy", npy.getvalue())
    return buffer.getvalue()


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


def header(**changes) -> dict:
    tree = {"dict": {"a": {"array": 0}}}
    return {"format": "minigen checkpoint", "version": 1, "state": tree} | changes


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "no .npz file at all"),
        (b"a text file\n", "no .npz file at all"),
        (npz_bytes(w=np.ones(3)), "holds no structure.json"),
        (npz_bytes(w=np.array([Bomb()])), "holds no structure.json"),
        (zip_bytes(header(), np.array([Bomb()])), "damaged.*allow_pickle=False"),
        (zip_bytes(header(version=2), np.ones(1)), "version 2.* reads version 1"),
        (zip_bytes(header(format="other"), np.ones(1)), "calls itself 'other'"),
        (zip_bytes(header(state={"spell": 1}), np.ones(1)), "unknown entry 'spell'"),
        (zip_bytes({}, np.ones(1)), "damaged.*structure.json lacks format"),
        (zip_bytes([], np.ones(1)), "damaged.*structure.json lacks format"),
        (zip_bytes(header(version=[1]), np.ones(1)), "version .1."),
        (zip_bytes(header(state=[1, 2]), np.ones(1)), "should be a dict, but is a list"),
        (zip_bytes(header(state={"array": 0}), np.ones(1)), "should be a dict, but is a ndarray"),
        (zip_bytes(header(state={"dict": {"a": {"scalar": 0}}}), np.ones(1)), "entry 'scalar'"),
        (zip_bytes(header(state={"dict": []}), np.ones(1)), "unknown entry 'dict'"),
        (zip_bytes(header(state={"array": 0, "dict": {}}), np.ones(1)), "unknown entry"),
        (zip_bytes(b"[" * 100_000, np.ones(1)), "damaged.*nested too deeply"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "some file.npz"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint .*missing.npz"):
        load_checkpoint(tmp_path / "missing.npz")
    with pytest.raises(CheckpointError, match="cannot read the checkpoint"):
        load_checkpoint(tmp_path)
