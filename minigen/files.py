"""Files that are there whole or not at all, and locks that a process keeps while it lives."""

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where a file that is open is neither renamed nor removed
    import msvcrt

    fcntl = None

StrPath = str | os.PathLike[str]
UNFINISHED = re.compile(r"\.(.+)\.[0-9a-f]{8}\.tmp", re.DOTALL)
FAR = 1 << 30  # a byte beyond the content: Windows lets nobody read the one that is locked


@contextmanager
def written_whole(path: StrPath) -> Iterator[BinaryIO]:
    """Open a binary file that takes its place at `path` only when the block ends without an error.

    It is written beside `path`, so the renaming stays within one file system. After an error,
    Ctrl-C included, whatever stood at `path` still stands there and nothing lies beside it. What a
    writer of `path` that was killed left beside it goes. The new file is on the disk before it
    takes its place: a power cut leaves the old or the new one.

    Raises:
        OSError: the file cannot be written; names `path`, not the file beside it.
    """
    path = Path(path)
    try:
        remove_unfinished(path.parent, path.name)
        beside, file = _begun(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with file:
            yield file
            sync(file)
            if fcntl:  # while it is locked, so that nobody takes it for a dead writer's
                os.replace(beside, path)
        if not fcntl:
            os.replace(beside, path)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # of a full disk, say, which `write` does not name
        raise
    with suppress(OSError):  # Windows, and some file systems, know no such thing for a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def remove_unfinished(folder: StrPath, name: str | None = None) -> None:
    """Remove what killed writers of `written_whole` left in a folder, or left of one file in it.
    What a living process is writing stays, for it is locked, and what cannot be removed."""
    try:
        found = [entry for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
    except OSError:
        return
    for entry in found:
        match = UNFINISHED.fullmatch(entry.name)
        if match and name in (None, match[1]):
            with suppress(OSError):
                with open(entry.path, "r+b") as file:
                    lock(file)
                    if fcntl:
                        os.unlink(entry.path)
                if not fcntl:
                    os.unlink(entry.path)


def lock(file: IO[bytes], wait: bool = False) -> None:
    """Lock an open file for whoever has opened it, until it is closed or the process ends, however
    it ends.

    Raises:
        BlockingIOError: another has locked it, and `wait` is False.
        OSError: the file system has no locks.
    """
    if fcntl:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    file.seek(FAR)
    try:
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    except PermissionError as error:
        raise BlockingIOError(error.errno, error.strerror) from error
    finally:
        file.seek(0)


def is_at(file: IO[bytes], path: StrPath) -> bool:
    """Whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except OSError:
        return False


def sync(file: IO[bytes]) -> None:
    """Wait until an open file is on the disk.

    Raises:
        OSError: the disk is full, or failed.
    """
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):  # it knows no such thing
            raise


def _begun(path: Path) -> tuple[Path, BinaryIO]:
    """A new locked file beside `path`."""
    while True:
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        file = open(beside, "xb")  # noqa: SIM115 - closed by `written_whole`
        with suppress(OSError):  # no locks here
            lock(file, wait=True)
        if is_at(file, beside):
            return beside, file
        file.close()  # somebody tidied up between its opening and its locking
