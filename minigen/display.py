"""What is shown while work goes on. Showing may fail, the work may not: a stream may be missing
(`pythonw`), closed, a pipe that nobody reads, a file on a full disk, or lack the characters."""

from __future__ import annotations

import codecs
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
SHORT = "{n_fmt}/{total_fmt}, {remaining} left{postfix}"
PLAINLY = "minigen.plainly"  # name of the error handler for what an encoding lacks
PLAIN = str.maketrans(
    {"…": "...", "→": "->", "±": "+-", "×": "x"}
    | dict.fromkeys("─—–−", "-")
    | dict.fromkeys("█▉▊▋▌▍▎▏", "#")
)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end].translate(PLAIN)
    return lost.encode("ascii", "replace").decode(), error.end


codecs.register_error(PLAINLY, _plainly)


class Screen:
    """A text stream, for whose sake nothing ends: what its encoding lacks is written plainly, and
    what cannot be written is dropped.

    Args:
        stream: sys.stdout or sys.stderr, which are None where there is no console.
    """

    def __init__(self, stream: TextIO | None):
        # tqdm's name for it; see `__eq__`, by which a Screen of a Screen would be another stream.
        self._wrapped = stream._wrapped if isinstance(stream, Screen) else stream
        self.errors = PLAINLY

    def write(self, text: str) -> int:
        if self._wrapped is not None:
            with suppress(OSError, ValueError):  # ValueError: it is closed
                try:
                    self._wrapped.write(text)
                except UnicodeEncodeError as error:
                    plain = text.encode(error.encoding, PLAINLY).decode(error.encoding)
                    self._wrapped.write(plain)
        return len(text)

    def flush(self) -> None:
        if self._wrapped is not None:
            with suppress(OSError, ValueError):
                self._wrapped.flush()

    def isatty(self) -> bool:
        try:
            return self._wrapped is not None and self._wrapped.isatty()
        except ValueError:
            return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def __eq__(self, other: object) -> bool:
        """By the stream, so that tqdm knows which bars to lift while a line is written."""
        return self._wrapped is getattr(other, "_wrapped", other)

    def __hash__(self) -> int:
        return hash(self._wrapped)


def in_notebook() -> bool:
    """Whether a notebook runs this that can show widgets."""
    IPython = sys.modules.get("IPython")
    shell = IPython and IPython.get_ipython()
    kernel = shell is not None and "IPKernelApp" in shell.config
    return kernel and importlib.util.find_spec("ipywidgets") is not None


class Bar(tqdm):
    """tqdm's bar on stderr, 80 columns wide where a terminal has no size (0 × 0); in a notebook
    tqdm's widget.

    Args:
        iterable, options: as for `tqdm.tqdm`.
    """

    def __new__(cls, iterable: Any = None, **options: Any) -> Any:
        if in_notebook():
            return importlib.import_module("tqdm.notebook").tqdm(iterable, **options)
        return super().__new__(cls)

    def __init__(self, iterable: Any = None, **options: Any):
        super().__init__(iterable, file=Screen(sys.stderr), ncols=80, nrows=24, **options)

    @staticmethod
    def format_meter(*values: Any, **options: Any) -> str:
        """tqdm's text, but "1.25 s/step" where it has "1.25s/ steps"; and without the bar where a
        line has not room for it and all numbers."""
        text, room = tqdm.format_meter(*values, **options), options.get("ncols")
        if room and (options.get("postfix") or "") not in text:
            text = tqdm.format_meter(*values, **options | {"bar_format": SHORT})[:room]
        return re.sub(r"s/ (\w+)s\b", r" s/\1", text)

    @property
    def format_dict(self) -> dict[str, Any]:
        try:
            columns = os.get_terminal_size(sys.stderr.fileno()).columns
        except (OSError, ValueError, AttributeError):  # no terminal, closed, no stream
            columns = 0
        self.ncols = columns or 80
        return super().format_dict


def progress(items: Iterable[Item], unit: str = "parts") -> Iterable[Item]:
    """The items, one after the other; on a terminal with a bar as soon as they have taken two
    seconds, which goes with the last of them.

    Args:
        unit: what they are, of which so many a second are done.
    """
    return Bar(items, unit=f" {unit}", delay=2, leave=False, disable=None)


@contextmanager
def forgiving_streams() -> Iterator[None]:
    """Let nothing that a block prints end it, nor the program after it."""
    for number in range(3):  # a closed one's number would go to the next file that is opened
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(Screen, before)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in before:
            try:
                if stream is not None:
                    stream.flush()
            except ValueError:
                pass
            except OSError:  # a pipe that nobody reads: Python would complain at its end
                with suppress(OSError, ValueError), open(os.devnull, "wb") as null:
                    os.dup2(null.fileno(), stream.fileno())
