"""Reading IDX, the file format of MNIST (http://yann.lecun.com/exdb/mnist/).

A file is a magic number (two zero bytes, a type code, the number of dimensions), each dimension as
a big-endian 32-bit integer, then the items. Only type 0x08, unsigned bytes, is read here.
"""

import gzip
import io
import math
import sys
import zlib
from pathlib import Path

import numpy as np

from minigen.data.images import DataError

GZIP = b"\x1f\x8b"
UNSIGNED_BYTE = 0x08
MOST_DIMENSIONS = 64  # of NumPy's arrays
PIECE = 1 << 20  # bytes unpacked at a time
SIDE = 28
CLASSES = 10


def read_idx(path: str | Path, ndim: int | None = None) -> np.ndarray:
    """Read one IDX file of unsigned bytes, gzipped or plain, into a fresh uint8 array.

    With `ndim` the file must have that many dimensions. Raises DataError for a file that cannot be
    opened or unpacked, that is of another kind, or whose length is not what its header says.
    """
    path = Path(path)
    data = _read(path)
    if len(data) < 4 or data[:2] != b"\0\0":
        raise _damaged(path, "an IDX file, which begins with two zero bytes", _hex(data[:4]))
    if data[2] != UNSIGNED_BYTE:
        raise _damaged(path, "unsigned bytes, type 0x08", f"type {_hex(data[2:3])}")
    if not 0 < data[3] <= MOST_DIMENSIONS or ndim not in (None, data[3]):
        raise _damaged(path, f"{ndim or f'1 to {MOST_DIMENSIONS}'} dimensions", data[3])
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise _damaged(path, f"a header of {start} bytes", f"a file of {len(data)}")
    shape = tuple(np.frombuffer(data[4:start], ">u4").tolist())
    if math.prod(n for n in shape if n) > sys.maxsize:
        raise _damaged(path, "a shape that memory has addresses for", shape)
    expected, came = math.prod(shape), len(data) - start
    if came != expected:
        fault = "is cut short" if came < expected else "has trailing bytes"
        raise _damaged(path, f"{expected} bytes for the shape {shape}", f"{came}: it {fault}")
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()


def read_pair(images: str | Path, labels: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read MNIST-like images, uint8 (N, 1, 28, 28), and their labels in 0..9, int64 (N,).

    Raises DataError where one file is damaged or of another size, or they are not of one set.
    """
    pixels, classes = read_idx(images, ndim=3), read_idx(labels, ndim=1)
    if pixels.shape[1:] != (SIDE, SIDE):
        came = f"{pixels.shape[1]} x {pixels.shape[2]}"
        raise _damaged(images, f"images of {SIDE} x {SIDE}", came)
    if len(pixels) != len(classes):
        expected = f"as many labels as {images} has images, {len(pixels)}"
        raise _damaged(labels, expected, f"{len(classes)}: these are files of two different sets")
    if len(classes) and classes.max() >= CLASSES:
        raise _damaged(labels, f"labels in 0..{CLASSES - 1}", classes.max())
    return pixels[:, None], classes.astype(np.int64)


def _read(path: Path) -> bytes:
    """The file unpacked; of one that is longer than its header says, hardly more than it says."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if path.suffix != ".gz" and not data.startswith(GZIP):
        return data
    unpacked = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            while len(unpacked) <= _length(unpacked) and (piece := file.read(PIECE)):
                unpacked += piece
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, "a whole gzip file", f"{len(data)} bytes: {error}") from error
    return bytes(unpacked)


def _length(start: bytearray) -> int:
    """How long a file that begins so says that it is; of a beginning that says nothing, 0."""
    if not start.startswith(bytes([0, 0, UNSIGNED_BYTE])) or len(start) < 4:
        return 0
    header = 4 + 4 * start[3]
    if len(start) < header:
        return header
    return header + math.prod(np.frombuffer(start[4:header], ">u4").tolist())


def _damaged(path: str | Path, expected: object, came: object) -> DataError:
    return DataError(
        f"{path}: expected {expected}, got {came}. Replace the file, or delete it and let load() "
        f"download it again."
    )


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}" if data else "an empty file"
