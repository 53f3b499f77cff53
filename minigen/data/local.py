"""Sets that are read from the publisher's files where these are at hand, and not downloaded:
MNIST in black and white, CIFAR-10, and Quick, Draw!

Files are looked for in `$MINIGEN_DATA/<set>/` and then in the cache (see minigen.data.download), as
published or compressed with xz. Where a checksum is known it decides.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import os
from pathlib import Path

import numpy as np

from minigen.data.download import folders_of
from minigen.data.images import DataError, Images, reason

# The published files of each split; the first that is there is read, of CIFAR-10's training
# batches all that are there.
BINARIZED = {"train": "binarized_mnist_train.amat", "test": "binarized_mnist_test.amat"}
CIFAR = {
    "train": [f"data_batch_{i}.bin" for i in range(1, 6)],
    "test": ["test_batch.bin", "test_batch_first1000.bin"],
}
SOURCES = {
    "binarized-mnist": "http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",
    "cifar-10": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "quickdraw": "https://console.cloud.google.com/storage/browser/quickdraw_dataset/full/numpy_bitmap",
}
LONGEST = 50_000 * 1570  # bytes of a published file: a row of .amat may end with a blank and "\r\n"
# SHA-256 or MD5 of the files, uncompressed.
CHECKSUMS = {
    "binarized_mnist_train.amat": (
        "sha256", "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d"),
    "binarized_mnist_test.amat": (
        "sha256", "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"),
    "data_batch_1.bin": ("md5", "5dd7e06a14cb22eb9f671a540d1b7c25"),
    "data_batch_2.bin": ("md5", "5ea93a67294ea407fff1d09f752e9692"),
    "test_batch_first1000.bin": ("md5", "371f65da31ad652f5e24b3699a3e6515"),
}  # fmt: skip
CIFAR_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
SIDE, RECORD = 32, 1 + 3 * 32 * 32  # bytes of a record: the label, then three planes
PIXELS = 28 * 28


def binarized_mnist(split: str) -> Images:
    """MNIST with each pixel drawn once, black or white (Larochelle and Murray 2011): 50,000 images
    to train with, 10,000 to test, without labels.

    Raises:
        DataError: the file is missing, or damaged.
    """
    name = "binarized-mnist"
    file = BINARIZED[split]
    read = _read(name, file)
    if read is None:
        raise _missing(name, file)
    # Each row is 784 digits, 0 or 1, with a blank behind each or a line feed behind the last.
    text = np.frombuffer(read, np.uint8)
    bits = text[(text == ord("0")) | (text == ord("1"))] - ord("0")
    blanks = np.isin(text, np.frombuffer(b" \t\r\n", np.uint8)).sum()
    if not bits.size or bits.size % PIXELS or bits.size + blanks != text.size:
        raise DataError(f"{file}: expected rows of {PIXELS} digits 0 and 1; it is damaged")
    images = 255 * bits.reshape(-1, 1, 28, 28)
    return Images(name, images, np.zeros(len(images), np.int64), ("digit",))


def cifar10(split: str) -> Images:
    """CIFAR-10 (Krizhevsky 2009), (N, 3, 32, 32): as many of the five training batches of 10,000 as
    are there, and the test batch or the first 1,000 records of it.

    Raises:
        DataError: no file is there, or one is damaged.
    """
    name = "cifar-10"
    parts = []
    for file in CIFAR[split]:
        read = _read(name, file)
        if read is None:
            continue
        if not read or len(read) % RECORD:
            raise DataError(
                f"{file}: expected records of {RECORD} bytes, got {len(read)} bytes; it is damaged"
            )
        parts.append(np.frombuffer(read, np.uint8).reshape(-1, RECORD))
        if split == "test":
            break
    if not parts:
        raise _missing(name, CIFAR[split][0])
    records = np.concatenate(parts)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= len(CIFAR_CLASSES):
        raise DataError(f"{name}: a label is {labels.max()}, expected 0 to 9; a file is damaged")
    return Images(name, records[:, 1:].reshape(-1, 3, SIDE, SIDE), labels, CIFAR_CLASSES)


def quickdraw(split: str) -> Images:
    """Quick, Draw! (Google, CC BY 4.0), (N, 1, 28, 28): drawings of as many categories as there are
    in files of NumPy's, `<category>.npy` as published, or several in an .npz. The categories take
    turns; every tenth drawing of each is to test with.

    Raises:
        DataError: no file is there, or one is damaged.
    """
    name = "quickdraw"
    folders = folders_of(name)
    files = next(filter(None, (sorted(f.glob("*.np[yz]")) for f in folders)), None)
    if files is None:
        raise _missing(name, "*.npy")
    found = {}
    for file in files:
        for category, drawings in arrays(file).items():
            if drawings.dtype != np.uint8 or drawings.size % PIXELS or not drawings.size:
                raise DataError(
                    f"{file}: {category}: expected bytes, {PIXELS} a drawing, got {drawings.dtype}"
                    f" {drawings.shape}"
                )
            drawings = drawings.reshape(-1, 1, 28, 28)
            tenth = np.arange(len(drawings)) % 10 == 9
            found[category] = drawings[tenth == (split == "test")]
    classes = tuple(sorted(found))
    turns = np.concatenate([np.arange(len(found[category])) for category in classes])
    labels = np.repeat(np.arange(len(classes)), [len(found[category]) for category in classes])
    order = np.lexsort((labels, turns))
    images = np.concatenate([found[category] for category in classes])[order]
    return Images(name, images, labels[order], classes)


def at_hand(name: str, file: str, source: str) -> Path:
    """Return where a file of a set lies: in `$MINIGEN_DATA/<name>/`, or else in the cache.

    Raises:
        DataError: it is in neither; says what `source` is to be had.
    """
    paths = [folder / file for folder in folders_of(name)]
    for path in paths:
        if os.path.exists(path):
            return path
    raise DataError(f"{name}: there is no {' and no '.join(map(str, paths))}: {source}")


def arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file of NumPy's, by name; that of an .npy is named after the file.

    Raises:
        DataError: the file cannot be read, is damaged, or holds objects.
    """
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {path.stem: found}
        with found:  # an entry that is no array comes as its bytes
            found = {name: entry for name, entry in found.items() if isinstance(entry, np.ndarray)}
    except Exception as error:  # NumPy and zipfile raise all kinds, of damaged files
        raise DataError(f"{path}: cannot be read: {reason(error)}") from error
    if not found:
        raise DataError(f"{path}: expected arrays, found none")
    return found


def _missing(name: str, file: str) -> DataError:
    folders = " and no ".join(str(folder / file) for folder in folders_of(name))
    return DataError(
        f"{name}: there is no {folders}, nor one with .xz: get it from {SOURCES[name]} and put it"
        " there"
    )


def _read(name: str, file: str) -> bytes | None:
    """A file's uncompressed bytes, None where it is nowhere."""
    for path in (p / end for p in folders_of(name) for end in (file, f"{file}.xz")):
        try:
            data = path.read_bytes()
            if path.suffix == ".xz":
                data = _unpacked(data)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, EOFError, lzma.LZMAError) as error:
            raise DataError(f"{path}: cannot be read: {error}") from error
        if len(data) > LONGEST:
            raise DataError(f"{path}: is longer than what is published at {SOURCES[name]}")
        kind, expected = CHECKSUMS.get(file, (None, None))
        if kind:
            came = hashlib.new(kind, data, usedforsecurity=False).hexdigest()
            if came != expected:
                raise DataError(
                    f"{path}: expected the {kind} checksum {expected}, got {came}: the file is"
                    f" damaged or another one. Get it from {SOURCES[name]}"
                )
        return data
    return None


def _unpacked(data: bytes) -> bytes:
    """What xz has packed, or a little more than LONGEST of it."""
    unpacked = bytearray()
    with lzma.LZMAFile(io.BytesIO(data), format=lzma.FORMAT_XZ) as file:
        while len(unpacked) <= LONGEST and (piece := file.read(1 << 20)):
            unpacked += piece
    return bytes(unpacked)
