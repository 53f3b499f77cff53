"""The run folder: the configuration of a run, its metrics, its checkpoint, and its pictures."""

import json
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from minigen.files import remove_unfinished, sync
from minigen.kernels import limits
from minigen.training.common import RunError as RunError
from minigen.training.common import (
    StrPath,
    as_number,
    is_finite,
    is_step,
    read_json,
    short,
    write_json,
    written_whole,
)
from minigen.training.lock import Hold, hold, is_free

CONFIG, METRICS, CHECKPOINT = "config.json", "metrics.jsonl", "checkpoint.npz"
LIMITS = "limits.json"
# Strings in the metrics, for JSON has no such numbers.
NOT_FINITE = ("NaN", "Infinity", "-Infinity")


class Run:
    """A folder that holds all of one training run.

    `config.json` is what it was started with; `metrics.jsonl` has a line of JSON for each logged
    step; `checkpoint.npz` is the newest state (see `Loop`); `limits.json` are the kernels' limits
    that it was started with, with which it goes on, for other ones would round otherwise (see
    `minigen.kernels.limits`); further files go where `path` says.

    A run that is created or resumed is this process's alone, until it is closed, or nobody has the
    object any more, or the process ends, however it ends. `Run.read` opens one that may be another
    process's, to look at it.

    Attributes:
        folder: the folder.
        config: the configuration as JSON gives it back, so a tuple is a list here, in a new run
            as in a resumed one.
        at_save: what is called with the loop (see `Loop.show`) to show how far the run is.
        at_log: what is called with the run, the step and the metrics of each line that is logged.
    """

    def __init__(self, folder: StrPath, config: dict[str, Any]):
        """Use `Run.create`, `Run.resume` or `Run.read`; this reads and writes nothing."""
        self.folder = Path(folder)
        self.config = config
        self.at_save: list[Callable[[Any], object]] = []
        self.at_log: list[Callable[[Run, int, Mapping[str, Any]], object]] = []
        self._ends_with_newline = False
        self._hold: Hold | None = None
        self._limits: dict[str, float] = {}

    @classmethod
    def create(cls, folder: StrPath, config: dict[str, Any]) -> "Run":
        """Start a run in `folder`, which is made with its parents if need be.

        Raises:
            RunError: the folder already holds a run, is in use by another process, or cannot be
                written to.
            TypeError: the configuration holds what JSON cannot, such as a Path.
        """
        run = cls(folder, json.loads(json.dumps(config)))
        run._limits = asdict(limits.now)
        with writing_in(folder):
            run._refuse_another()  # before anything is made
            run.folder.mkdir(parents=True, exist_ok=True)
            run._begin()
            run._refuse_another()
            write_json(run.folder / LIMITS, run._limits)
        run.write_config()
        return run

    @classmethod
    def resume(cls, folder: StrPath) -> "Run":
        """Open the run in `folder`, to go on with it.

        Raises:
            RunError: there is no such folder, no run in it, its configuration or its limits are
                unreadable, it is in use by another process, or cannot be written to.
        """
        run = cls.read(folder)
        with writing_in(folder):
            run._begin()
        run.config = cls.read(folder).config  # another may have held the folder until now
        run._limits = run._stored_limits()
        return run

    @classmethod
    def read(cls, folder: StrPath) -> "Run":
        """Open the run in `folder` to look at it, which may be while it is trained.

        Raises:
            RunError: there is no such folder, no run in it, or its configuration is unreadable.
        """
        path = Path(folder) / CONFIG
        try:
            config = read_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            reason = "there is no such folder"
            if path.parent.exists():
                reason = f"it has no {CONFIG}" if path.parent.is_dir() else "it is a file"
            raise RunError(
                f"{folder} holds no run, for {reason}: pass the folder of an earlier run"
            ) from None
        except OSError as error:
            raise RunError(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise RunError(
                f"{path} is not valid JSON ({error}): mend it, or start a new run"
            ) from error
        if not isinstance(config, dict):
            raise RunError(
                f"{path} should hold a JSON object, but it holds a {type(config).__name__}:"
                " mend it, or start a new run"
            )
        return cls(folder, config)

    def close(self) -> None:
        """Let other processes have the folder; this run can only be read from now on."""
        self._hold = None

    @contextmanager
    def by_one_loop(self) -> Iterator[None]:
        """Let no other loop of this process train in the folder during a block, in which the run's
        limits are used.

        Raises:
            RunError: one is at it.
        """
        with self._held().by_one_loop(), limits.use(**self._limits):
            yield

    def sync(self) -> None:
        """Wait until all metrics are on the disk.

        Raises:
            RunError: the disk is full, or failed.
        """
        path = self.folder / METRICS
        with writing_in(self.folder), suppress(FileNotFoundError), open(path, "r+b") as file:
            sync(file)

    def write_config(self) -> None:
        """Write `config` to config.json, if it says something else.

        Raises:
            RunError: the file cannot be written.
        """
        text, path = json.dumps(self.config, indent=2).encode() + b"\n", self.folder / CONFIG
        with writing_in(self.folder):
            if not path.exists() or path.read_bytes() != text:
                with written_whole(path) as file:
                    file.write(text)

    def path(self, *parts: str) -> Path:
        """Give the path of a file in the run folder; the folders on the way are made.

        Raises:
            RunError: they cannot be made.
        """
        path = self.folder.joinpath(*parts)
        with writing_in(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Append one line of metrics, at once in the file.

        Floats come back exactly. NaN and the infinities, which JSON lacks, stand as the strings
        "NaN", "Infinity" and "-Infinity", so that every JSON reader can read the file.

        Args:
            step: the step they belong to.
            metrics: one number each: Python or NumPy numbers, or 0-d Tensors.

        Raises:
            ValueError: a metric that is no single number, or is called "step"; a step below 0.
            RunError: the file cannot be written, or the run was opened by `Run.read`.
        """
        self._held()
        if "step" in metrics:
            raise ValueError('a metric cannot be called "step", for the step itself is logged so')
        record: dict[str, Any] = {"step": operator.index(step)}
        if not is_step(record["step"]):
            raise ValueError(f"a step should be a whole number from 0 to 2^63 - 1, got {step}")
        for name, value in metrics.items():
            number = as_number(name, value)
            record[name] = number if math.isfinite(number) else json.dumps(number)
        line = json.dumps(record, allow_nan=False)
        if not self._ends_with_newline:
            self.rewind(math.inf)
        with writing_in(self.folder), open(self.folder / METRICS, "ab") as file:
            file.write(line.encode() + b"\n")
            file.flush()
            for look in self.at_log:
                look(self, step, metrics)

    def metrics(self) -> list[dict[str, Any]]:
        """Read all lines back: `{"step": int, name: float, ...}` each, in the order of writing.

        A last line without its end, which a crash may leave, is passed over.

        Raises:
            RunError: the file is unreadable, or a line is not what `log` writes.
        """
        return [record for record, _ in self._lines()]

    def rewind(self, step: float) -> None:
        """Drop the metrics of all steps after `step`, and a line that a crash has cut short.

        Raises:
            RunError: the file is broken, or cannot be written, or the run was opened by `Run.read`.
        """
        self._held()
        lines = b"".join(line for record, line in self._lines() if record["step"] <= step)
        if lines != self._read_metrics():
            with writing_in(self.folder), written_whole(self.folder / METRICS) as file:
                file.write(lines)
        self._ends_with_newline = True

    def _read_metrics(self) -> bytes:
        try:
            return (self.folder / METRICS).read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise RunError(f"cannot read {self.folder / METRICS}: {error.strerror}") from error

    def _lines(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Each whole line, as a record and as bytes."""
        for number, line in enumerate(self._read_metrics().split(b"\n")[:-1], start=1):
            try:
                record = record_of(read_json(line))
            except ValueError as error:
                raise RunError(
                    f"{self.folder / METRICS}, line {number}, is no line of metrics ({error}):"
                    " mend or delete that line"
                ) from error
            yield record, line + b"\n"

    def _stored_limits(self) -> dict[str, float]:
        path = self.folder / LIMITS
        try:
            return limits.read(path)
        except FileNotFoundError:  # a run of an older version
            return {}
        except OSError as error:
            raise RunError(f"cannot read {path}: {error.strerror}") from error
        except ValueError as error:
            raise RunError(f"{error}: delete it to go on with the limits in use") from error

    def _refuse_another(self) -> None:
        if any((self.folder / name).exists() for name in (METRICS, CHECKPOINT)):
            raise RunError(
                f"{self.folder} already holds a run: pass --resume {self.folder} to go on with it,"
                " or --out with another folder"
            )

    def _begin(self) -> None:
        """Hold the folder, and clear it of what a process that was killed left unfinished."""
        self._hold = hold(self.folder)
        remove_unfinished(self.folder)
        for inside in self.folder.iterdir():
            if inside.is_dir():
                remove_unfinished(inside)

    def _held(self) -> Hold:
        if self._hold is None or not self._hold.stands():
            raise RunError(
                f"{self.folder} is not this process's to write to: open it by Run.resume, in the"
                " process that trains"
            )
        return self._hold


def record_of(fields: Any) -> dict[str, Any]:
    """A line of metrics as `Run.log` took it.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(fields, dict):
        raise ValueError(f"expected a JSON object, got a {type(fields).__name__}")
    if not is_step(step := fields.pop("step", None)):
        raise ValueError(f"expected a step, a whole number from 0 on, got {short(step)}")
    record: dict[str, Any] = {"step": step}
    for name, value in fields.items():
        if not (value in NOT_FINITE if isinstance(value, str) else is_finite(value)):
            raise ValueError(f"{short(name)} should be a number, got {short(value)}")
        record[name] = float(value)
    return record


def free_folder(parent: StrPath, name: str) -> Path:
    """Make and give the first of parent/name, parent/name-2, parent/name-3, ... that is not there,
    or holds but the settings of a run that never began.

    Making the folder claims it: two programs that start together get two folders.

    Raises:
        RunError: the folder cannot be made.
    """
    parent = Path(parent)
    with writing_in(parent):
        parent.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            folder = parent / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                if not _never_began(folder):
                    continue
            return folder
    raise AssertionError("count() ends")


def _never_began(folder: Path) -> bool:
    """Whether nothing of a run is there but its settings, and nobody is about to begin it."""
    try:
        seen = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
        return set(seen) <= {CONFIG, LIMITS} and CONFIG in seen and is_free(folder)
    except OSError:  # it is a file, or another user's
        return False


@contextmanager
def writing_in(folder: StrPath) -> Iterator[None]:
    """Turn the OSError of a block that writes into a RunError that names the folder."""
    try:
        yield
    except IsADirectoryError as error:
        raise RunError(
            f"{error.filename} is a folder where a run keeps a file: remove it, or pass --out with"
            " another folder"
        ) from error
    except OSError as error:
        raise RunError(
            f"cannot write to the run folder {folder}: {error.strerror}; free the disk or allow"
            " writing there, or pass --out with another folder"
        ) from error
