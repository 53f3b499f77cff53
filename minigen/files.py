"""Files that are there whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

StrPath = str | os.PathLike[str]


@contextmanager
def written_whole(path: StrPath) -> Iterator[BinaryIO]:
    """Open a binary file that takes its place at `path` only when the block ends without an error.

    It is written beside `path`, so the renaming stays within one file system. After an error,
    Ctrl-C included, whatever stood at `path` still stands there and nothing lies beside it.

    Raises:
        OSError: the file cannot be written; names `path`, not the file beside it.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        file = open(beside, "xb")  # noqa: SIM115 - closed below, before it is renamed
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with file:
            yield file
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
