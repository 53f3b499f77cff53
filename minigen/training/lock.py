"""One process at a time trains in a run folder, by a lock of the operating system's: a process that
is killed lets go of it."""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from minigen.display import Screen
from minigen.files import is_at, lock
from minigen.training.common import RunError, StrPath

LOCK = ".lock"  # its content says who holds the folder


class Hold:
    """A run folder held by this process, until nobody has the object any more.

    A child that is forked holds nothing. Where the file system has no locks (some NFS), a line on
    stderr says so and the folder counts as held.

    Raises:
        RunError: another process holds it; says which.
        OSError: the folder cannot be written to.
    """

    def __init__(self, folder: Path):
        self.path = folder / LOCK
        self._looping = threading.Lock()
        while True:
            file = open(self.path, "a+b", buffering=0)  # noqa: SIM115 - see `_let_go`
            try:
                lock(file)
            except BlockingIOError:
                file.seek(0)
                said = file.read(200).decode(errors="replace").splitlines()[:1]
                file.close()
                raise RunError(
                    f"{folder} is in use by {said[0] if said else 'another process'}: wait until"
                    " it has ended, or pass --out with another folder"
                ) from None
            except OSError as error:
                print(
                    f"{folder} cannot be locked ({error.strerror}): see to it that nothing else"
                    " trains there",
                    file=Screen(sys.stderr),
                )
            if is_at(file, self.path):
                break
            file.close()  # the last holder removed it as this one opened it
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        with suppress(OSError):  # a full disk: it is locked nevertheless
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()} since {since}\n".encode())
        self._file = file
        self._let_go = weakref.finalize(self, _let_go, file, self.path)

    def stands(self) -> bool:
        """Whether this process still holds the folder: it was not forked since, nor was the folder
        removed."""
        return not self._file.closed and is_at(self._file, self.path)

    @contextmanager
    def by_one_loop(self) -> Iterator[None]:
        """Let no second loop of this process in.

        Raises:
            RunError: one is in already.
        """
        if not self._looping.acquire(blocking=False):
            raise RunError(
                f"{self.path.parent} is in use by another loop of this process: end that one first"
            )
        try:
            yield
        finally:
            self._looping.release()

    def forget(self) -> None:
        """In a forked child: leave the lock to the parent."""
        self._let_go.detach()
        self._file.close()

    def __reduce__(self) -> tuple:
        return type(None), ()  # a copy, or what arrives in another process, holds nothing


def hold(folder: StrPath) -> Hold:
    """Hold a run folder for this process; all that hold it in this process share one `Hold`.

    Raises:
        RunError: another process holds it.
        OSError: it cannot be written to.
    """
    key = os.path.realpath(folder)
    with _guard:
        held = _holds.get(key)
        if held is None or not held.stands():
            held = _holds[key] = Hold(Path(folder))
        return held


def is_free(folder: StrPath) -> bool:
    """Whether no process holds a folder, this one included."""
    held = _holds.get(os.path.realpath(folder))
    if held is not None and held.stands():
        return False
    try:
        hold(folder)  # for no longer than this line
    except RunError:
        return False
    return True


def _let_go(file: IO[bytes], path: Path) -> None:
    """Remove the file, then its lock, in this order: whoever locks a file that is no longer at its
    path tries again. Windows wants it the other way round."""
    with suppress(OSError):
        if is_at(file, path):
            os.unlink(path)
    file.close()
    if os.name == "nt":
        with suppress(OSError):
            os.unlink(path)


def _in_a_forked_child() -> None:
    global _guard
    _guard = threading.Lock()
    for held in list(_holds.values()):
        held.forget()
    _holds.clear()


_guard = threading.Lock()
_holds: weakref.WeakValueDictionary[str, Hold] = weakref.WeakValueDictionary()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_forked_child)
