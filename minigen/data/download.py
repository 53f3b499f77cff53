"""Finding the files of data sets, and downloading those that are not at hand.

A file is looked for in `$MINIGEN_DATA/<name>/`, then in `<cache>/<name>/`, where the cache is
`$MINIGEN_CACHE`, else `$XDG_CACHE_HOME/minigen`, else `~/.cache/minigen`. One that is in neither is
downloaded to the cache. Its checksum decides, wherever it comes from.
"""

import hashlib
import http.client
import io
import os
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from minigen.data.images import DataError, reason
from minigen.display import Bar
from minigen.files import written_whole

# Tried in turn. MNIST's are the copies that torchvision and the CVDF keep.
MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion-mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
}

# For each set and split, the images' file and the labels' with their published MD5.
FILES = {
    "mnist": {
        "train": {
            "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        },
        "test": {
            "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
        },
    },
    "fashion-mnist": {
        "train": {
            "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        },
        "test": {
            "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
        },
    },
}

TIMEOUT = 20.0  # seconds without a byte before a mirror is given up
PIECE = 1 << 16  # bytes read at a time


def find(name: str, split: str, download: bool = True) -> tuple[Path, Path]:
    """Return where a split's images and labels lie, downloading what is not at hand.

    `name` and `split` are keys of FILES. Raises DataError where a file at hand has another
    checksum, or where one is missing and cannot be downloaded or may not be.
    """
    images, labels = (
        obtained(name, file, MIRRORS[name], lambda content, md5=md5: _other(content, md5), download)
        for file, md5 in FILES[name][split].items()
    )
    return images, labels


def cache_folder() -> Path:
    """Return the folder that downloads are kept in; it need not exist."""
    if chosen := os.environ.get("MINIGEN_CACHE"):
        return Path(os.path.expanduser(chosen))
    return Path(os.path.expanduser(os.environ.get("XDG_CACHE_HOME") or "~/.cache")) / "minigen"


def folders_of(name: str) -> list[Path]:
    """Return the folders in which the files of a set are looked for, the cache's last; they need
    not exist."""
    given = os.environ.get("MINIGEN_DATA")
    folders = [Path(os.path.expanduser(given)), cache_folder()] if given else [cache_folder()]
    return [folder / name for folder in folders]


def obtained(
    name: str,
    file: str,
    mirrors: Sequence[str],
    complaint: Callable[[BinaryIO], str | None],
    download: bool = True,
) -> Path:
    """Return where a file of a set lies; one that is not at hand is downloaded to the cache.

    `mirrors` are folders on the web, tried in turn. `complaint` says what is wrong with a content,
    if anything; it is asked wherever a file comes from. Raises DataError as `find`.
    """
    paths = [folder / file for folder in folders_of(name)]
    for path in paths:
        if os.path.exists(path):
            try:
                with open(path, "rb") as content:
                    wrong = complaint(content)
            except OSError as error:
                raise DataError(f"{path}: cannot be read: {error.strerror}") from error
            if wrong:
                raise DataError(
                    f"{path}: {wrong}: the file is damaged or another one. Delete it, to have it "
                    "downloaded again."
                )
            return path
    if not download:
        raise DataError(
            f"{name}: {file} is missing: there is no {' and no '.join(map(str, paths))}. "
            f"Put it there, or allow the download."
        )
    failures = []
    for mirror in mirrors:
        try:
            data = fetch(mirror + file)
            wrong = complaint(io.BytesIO(data))
        except (OSError, http.client.HTTPException) as error:
            wrong = reason(error)
        if not wrong:
            with writing(paths[-1]), written_whole(paths[-1]) as file:
                file.write(data)
            return paths[-1]
        failures.append(f"{mirror}: {wrong}")
    raise DataError(
        f"{name}: {file} is not at hand and could not be downloaded ({'; '.join(failures)}). "
        f"Try again, or put {file} into {paths[-1].parent}."
    )


def fetch(url: str) -> bytes:
    """Return what is at an address; raises OSError or HTTPException where it does not all come."""
    data = bytearray()
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        total = answer.length
        with Bar(desc=url, total=total, unit="B", unit_scale=True, leave=False) as bar:
            while piece := answer.read(PIECE):
                data += piece
                bar.update(len(piece))
    if total is not None and len(data) != total:
        raise OSError(f"broke off after {len(data)} of {total} bytes")
    return bytes(data)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A block that writes a file of the cache, whose folder is made.

    Raises:
        DataError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise DataError(
            f"{path}: cannot be written: {error.strerror}. Set MINIGEN_CACHE to a folder that you "
            f"can write to."
        ) from error


def _other(content: BinaryIO, md5: str) -> str | None:
    """What is wrong with a file that should have this checksum, if anything."""
    came = hashlib.md5(content.read(), usedforsecurity=False).hexdigest()
    return None if came == md5 else f"expected the MD5 checksum {md5}, got {came}"
