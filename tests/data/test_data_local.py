"""Sets that are read from files at hand: what is right, damaged, or nowhere."""

import lzma
import os

import numpy as np
import pytest

from minigen.data import DataError, load, local

GIVEN = os.environ.get("MINIGEN_DATA")


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGEN_DATA", str(tmp_path))
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(local, "CHECKSUMS", {})
    for name in local.SOURCES:
        (tmp_path / name).mkdir()
    return tmp_path


def test_cifar_batches_as_published_and_compressed(folder):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (5, 3, 32, 32)), rng.integers(0, 10, 5)
    records = np.concatenate([labels[:, None], images.reshape(5, -1)], 1).astype(np.uint8)
    (folder / "cifar-10" / "data_batch_1.bin").write_bytes(records[:3].tobytes())
    whole = lzma.compress(records[3:].tobytes())
    (folder / "cifar-10" / "data_batch_2.bin.xz").write_bytes(whole)
    got = load("cifar-10")
    np.testing.assert_array_equal(got.images, images)
    np.testing.assert_array_equal(got.labels, labels)
    assert got.classes[9] == "truck" and len(load("cifar-10", size=2)) == 2


def test_binarized_digits(folder):
    bits = np.random.default_rng(0).integers(0, 2, (3, 784))
    np.savetxt(folder / "binarized-mnist" / "binarized_mnist_test.amat", bits, fmt="%d")
    got = load("binarized-mnist", "test")
    np.testing.assert_array_equal(got.images.reshape(3, 784), 255 * bits)


def test_what_is_missing_or_damaged(folder, monkeypatch):
    with pytest.raises(DataError, match="there is no .*cifar-10"):
        load("cifar-10")
    with pytest.raises(DataError, match="there is no .*binarized_mnist_train"):
        load("binarized-mnist")
    file = folder / "cifar-10" / "test_batch.bin"
    file.write_bytes(bytes(3072))
    with pytest.raises(DataError, match="3073 bytes, got 3072"):
        load("cifar-10", "test")
    file.write_bytes(b"\x0a" + bytes(3072))
    with pytest.raises(DataError, match="label is 10"):
        load("cifar-10", "test")
    file.with_suffix(".bin.xz").write_bytes(b"no xz")
    file.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        load("cifar-10", "test")
    rows = folder / "binarized-mnist" / "binarized_mnist_train.amat"
    for damaged in ("0 1 0\n", "0 1 " * 391 + "0x1"):
        rows.write_text(damaged)
        with pytest.raises(DataError, match="rows of 784"):
            load("binarized-mnist")
    rows.unlink()
    rows.with_suffix(".amat.xz").write_bytes(lzma.compress(b"0 1 " * 20_000_000, preset=0))
    with pytest.raises(DataError, match="longer than what is published"):
        load("binarized-mnist")
    rows.write_text("0")
    monkeypatch.setitem(local.CHECKSUMS, rows.name, ("md5", "0" * 32))
    with pytest.raises(DataError, match="md5 checksum 000"):
        load("binarized-mnist")


def test_drawings_as_published_and_several_in_a_file(folder):
    with pytest.raises(DataError, match=r"there is no .*quickdraw/\*.npy"):
        load("quickdraw")
    cat, eye = (np.full((n, 784), v, np.uint8) for n, v in ((20, 1), (31, 2)))
    cat[:, 0], eye[:, 0] = range(20), range(31)
    np.save(folder / "quickdraw" / "eye.npy", eye)
    np.savez(folder / "quickdraw" / "others.npz", cat=cat[:, None])
    train, test = load("quickdraw"), load("quickdraw", "test")
    assert train.classes == test.classes == ("cat", "eye") and train.images.shape[1:] == (1, 28, 28)
    assert test.images[:, 0, 0, 0].tolist() == [9, 9, 19, 19, 29]
    assert test.labels.tolist() == [0, 1, 0, 1, 1] == (test.images[:, 0, 5, 5] - 1).tolist()
    assert train.images[:4, 0, 0, 0].tolist() == [0, 0, 1, 1] and len(train) == 18 + 28
    for damaged in (cat[:, 1:], cat.astype(float), cat[:0]):
        np.save(folder / "quickdraw" / "cat.npy", damaged)
        with pytest.raises(DataError, match="cat: expected bytes, 784 a drawing"):
            load("quickdraw")
    (folder / "quickdraw" / "cat.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match="cat.npy: cannot be read"):
        load("quickdraw")


@pytest.mark.skipif(not GIVEN, reason="MINIGEN_DATA is not set")
@pytest.mark.parametrize("name, count, shape, mean", [
    ("cifar-10", 1000, (3, 32, 32), 0.47), ("binarized-mnist", 10_000, (1, 28, 28), 0.13),
    ("quickdraw", 1800, (1, 28, 28), 0.16),
])  # fmt: skip
def test_the_published_files(name, count, shape, mean):
    images = load(name, "test")
    assert images.images.shape == (count, *shape)
    assert images.images.mean() / 255 == pytest.approx(mean, abs=0.02)


@pytest.mark.parametrize("name", ["MINIGEN_DATA", "MINIGEN_CACHE", "XDG_CACHE_HOME"])
@pytest.mark.parametrize("data_set", ["mnist", "cifar-10"])
def test_the_home_of_nobody_holds_no_files(monkeypatch, tmp_path, name, data_set):
    for variable in "MINIGEN_DATA", "MINIGEN_CACHE":
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(name, "~nobody-of-this-name/data")
    with pytest.raises(DataError, match="there is no"):
        load(data_set, download=False)
