"""Metrics as TensorBoard reads them, written by TensorBoard's own writer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from minigen.training.common import RunError
from minigen.training.run import Run


def require_tensorboard() -> tuple[Any, Any]:
    """What of TensorBoard writes events: the class of its writer, and its messages.

    Raises:
        RunError: it is not installed, or does not load.
    """
    try:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter
    except Exception as error:  # a broken installation fails in many ways
        if isinstance(error, ModuleNotFoundError) and f"{error.name}.".startswith("tensorboard."):
            reason = "it is not installed: pip install tensorboard, or leave the flag out"
        else:
            reason = f"it does not load ({error}): install it anew, or leave the flag out"
        raise RunError(f"--tensorboard needs TensorBoard, and {reason}") from error
    return RecordWriter, (event_pb2, summary_pb2)


class Events:
    """The metrics of a run as a file of events in its folder: `tensorboard --logdir runs`.

    All that the run has logged so far comes first, after a mark that it begins anew: so TensorBoard
    drops what a run had logged after the step from which it was resumed.
    """

    def __init__(self) -> None:
        self._writer: Any = None

    def __call__(self, run: Run, step: int, metrics: Mapping[str, Any]) -> None:
        """Write what a run has just logged.

        Raises:
            OSError: the file cannot be written.
        """
        if self._writer is None:
            self._begin(run.folder)
            records = run.metrics()  # the new one, too
        else:
            records = [{"step": step, **metrics}]
        for record in records:
            values = {name: float(v) for name, v in record.items() if name != "step"}
            self._write(step=record["step"], summary=self._summary(values))
        self._writer.flush()

    def _begin(self, folder: Path) -> None:
        writer, (self._event, self._messages) = require_tensorboard()
        names = (f"events.out.tfevents.{number}" for number in count(1))  # a host is not named
        path = next(p for name in names if not (p := folder / name).exists())
        self._writer = writer(open(path, "wb"))  # noqa: SIM115 - open as long as the run
        self._write(file_version="brain.Event:2")
        log = self._event.SessionLog
        self._write(step=0, session_log=log(status=log.START))

    def _summary(self, values: Mapping[str, float]) -> Any:
        value = self._messages.Summary.Value
        found = [value(tag=name, simple_value=number) for name, number in values.items()]
        return self._messages.Summary(value=found)

    def _write(self, **what: Any) -> None:
        event = self._event.Event(wall_time=time.time(), **what)
        self._writer.write(event.SerializeToString())
