"""IDX files: what was written is read, and whatever is wrong with a file is an error naming it."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from minigen.data import DataError
from minigen.data.idx import read_idx, read_pair


def idx(array, kind=8):
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


WHOLE = idx(np.arange(24, dtype=np.uint8).reshape(4, 3, 2))


@given(arrays(np.uint8, array_shapes(max_dims=4, min_side=0, max_side=5)), st.booleans())
def test_what_was_written_is_read(tmp_path_factory, array, zipped):
    path = tmp_path_factory.getbasetemp() / ("some-idx.gz" if zipped else "some-idx")
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    read = read_idx(path, ndim=array.ndim)
    assert read.dtype == np.uint8 and read.flags.writeable
    np.testing.assert_array_equal(read, array)


@given(st.integers(0, len(WHOLE) - 1), st.booleans())
def test_no_file_cut_short_is_read(tmp_path_factory, length, zipped):
    path = tmp_path_factory.getbasetemp() / ("cut-idx.gz" if zipped else "cut-idx")
    path.write_bytes(gzip.compress(WHOLE[:length], mtime=0) if zipped else WHOLE[:length])
    with pytest.raises(DataError, match="cut-idx"):
        read_idx(path)


def spoilt(data, place):
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


@pytest.mark.parametrize(
    ("file", "data", "message"),
    [
        ("a", b"", "an empty file"),
        ("a", b"<!DOCTYPE html>", "two zero bytes, got 0x3c21444f"),
        ("a", idx(np.zeros((2, 2, 2), np.uint8), kind=0x0D), "unsigned bytes.*0x0d"),
        ("a", idx(np.zeros((2, 2), np.uint8)), "3 dimensions, got 2"),
        ("a", b"\0\0\x08\0", "3 dimensions, got 0"),
        ("a", b"\0\0\x08\3" + bytes(4) + b"\xff" * 8, "addresses for, got .0, 4294967295, 4294"),
        ("a", WHOLE[:9], "header of 16 bytes, got a file of 9"),
        ("a", WHOLE[:-1], r"24 bytes for the shape \(4, 3, 2\), got 23: it is cut short"),
        ("a", WHOLE + b"\0", "got 25: it has trailing bytes"),
        ("a", spoilt(WHOLE, 4), "cut short"),
        ("a.gz", WHOLE, "whole gzip file"),
        ("a.gz", gzip.compress(WHOLE, mtime=0)[:-9], "whole gzip file"),
        ("a.gz", gzip.compress(WHOLE, mtime=0)[:10] + b"\xff" * 30, "whole gzip file"),
        ("a.gz", spoilt(gzip.compress(WHOLE, mtime=0), -5), "whole gzip file"),
        ("a.gz", gzip.compress(WHOLE, mtime=0) + b"more", "whole gzip file"),
        ("a", gzip.compress(WHOLE, mtime=0)[:-9], "whole gzip file"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, file, data, message):
    path = tmp_path / file
    path.write_bytes(data)
    with pytest.raises(DataError, match=f"{path}: .*{message}"):
        read_idx(path, ndim=3)


def test_more_dimensions_than_numpy_has_are_refused(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(idx(np.zeros((1,) * 64, np.uint8)))
    assert read_idx(path).ndim == 64
    path.write_bytes(b"\0\0\x08\x41" + struct.pack(">65I", *[1] * 65) + b"\0")
    with pytest.raises(DataError, match="1 to 64 dimensions, got 65"):
        read_idx(path)


@pytest.mark.parametrize("start", [WHOLE, b"no IDX file"], ids=["idx", "other"])
def test_what_unpacks_without_end_is_given_up(tmp_path, start):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(start + bytes(100_000_000), 1))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="trailing bytes|begins with two zero bytes"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere.gz: cannot be read: No such file"):
        read_idx(tmp_path / "nowhere.gz")


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        ((5, 28, 28), [1, 2, 3, 4], "images has images, 5, got 4"),
        ((2, 28, 27), [1, 2], "28 x 28, got 28 x 27"),
        ((2, 28, 28), [1, 10], r"0\.\.9, got 10"),
        ((2, 28, 28), None, "1 dimensions, got 3"),
    ],
)
def test_images_and_labels_must_belong_together(tmp_path, images, labels, message):
    pixels = np.zeros(images, np.uint8)
    (tmp_path / "images").write_bytes(idx(pixels))
    (tmp_path / "labels").write_bytes(idx(pixels if labels is None else np.uint8(labels)))
    with pytest.raises(DataError, match=message):
        read_pair(tmp_path / "images", tmp_path / "labels")


def test_a_pair_is_read_as_images_of_one_channel_and_whole_labels(tmp_path):
    pixels = np.arange(3 * 28 * 28, dtype=np.uint64).astype(np.uint8).reshape(3, 28, 28)
    (tmp_path / "images").write_bytes(idx(pixels))
    (tmp_path / "labels").write_bytes(idx(np.uint8([0, 9, 4])))
    images, labels = read_pair(tmp_path / "images", tmp_path / "labels")
    np.testing.assert_array_equal(images, pixels[:, None])
    assert labels.dtype == np.int64 and labels.tolist() == [0, 9, 4]
