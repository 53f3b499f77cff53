"""The loop that every training script shares: progress, logging, checkpoints, signals, resuming."""

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from minigen.display import Bar, Screen
from minigen.training import ranks
from minigen.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minigen.training.common import as_array, as_number, holds_nan, is_finite, is_step, short
from minigen.training.run import CHECKPOINT, Run, RunError, writing_in

HANG_UP = getattr(signal, "SIGHUP", None)  # Windows has none
SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
]
STOPPING, AGAIN = b"\nstopping after this step", b"; Ctrl-C again to stop at once"

ended_by: signal.Signals | None = None  # what ended the last loop of this process


class Stateful(Protocol):
    """What a checkpoint can hold: a network, an optimiser, batches, a random stream, ..."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


class DivergedError(ArithmeticError):
    """A logged number is NaN or infinite, so going on would only waste time."""


class Loop:
    """The steps of a training run, each with the same care.

        loop = Loop(run, steps=3000, state={"generator": G, "optimiser": opt, "batches": batches})

        @loop.at_save                            # beside each checkpoint, the last one included
        def draw():
            plot_metrics(run.path("curves.png"), run.metrics(), panels)

        @loop.at_every(200)                      # 0, 200, 400, ..., 3000
        def sample(step):
            save_image(...)

        for step in loop:                        # 1, 2, ..., 3000
            loop.log(train_step(...))            # named 0-d tensors, read every log_every steps
        if loop.interrupted:
            loop.say(f"to go on: ... --resume {run.folder}")

    If the run has a checkpoint, everything in `state` is restored from it at once, metrics of later
    steps are dropped, and the loop goes on after it: with deterministic objects, and all that
    changes from step to step in `state`, the run is bit for bit the uninterrupted one.

    A checkpoint is saved before the first step, so that a state that cannot be saved is found
    before hours of work, every `save_every` steps, and at the end. It holds "step", "seconds" and
    "state", the latter with one entry for each object. When the body of the loop raises, or breaks
    out, nothing is saved: the step may be half done.

    Ctrl-C (SIGINT), SIGTERM and SIGHUP let the current step finish, save, and end the loop; a
    second one takes effect at once: Ctrl-C raises KeyboardInterrupt, SIGTERM a SystemExit with
    status 143. SIGHUP is never the second, since a terminal that closes may send it twice. A signal
    that the process ignores (`nohup`, `&` in a script) stays ignored. Only in the main thread, for
    only there do signals arrive.

    Attributes:
        step: the current step, or the last one.
        steps: the step to end with.
        seconds: how long all steps up to the last whole one took, without the pauses between an
            interruption and resuming.
        interrupted: whether a signal ended the loop.
        signal: which one, or None.
    """

    def __init__(
        self,
        run: Run,
        *,
        steps: int,
        state: Mapping[str, Stateful],
        log_every: int = 20,
        save_every: int = 500,
    ):
        """Restore the run's checkpoint, if it has one.

        Args:
            run: the folder for metrics and checkpoint.
            steps: the step to end with; on resuming it may be another than before.
            state: all that changes from step to step, by name.
            log_every: steps between two lines of metrics.
            save_every: steps between two checkpoints.

        Raises:
            CheckpointError: the checkpoint is unreadable, or of another model.
            RunError: the metrics are unreadable, the run has done more steps already, or it was
                opened by `Run.read`, or is trained by another loop.
            TypeError, ValueError: an entry of `state` that has no state, or a number below 1.
        """
        for name, number in ("steps", steps), ("log_every", log_every), ("save_every", save_every):
            if number < 1:
                raise ValueError(f"{name} should be 1 or more, got {number}")
        for name, item in state.items():
            if not (hasattr(item, "state_dict") and hasattr(item, "load_state_dict")):
                raise TypeError(
                    f"state[{name!r}] is a {type(item).__name__}, but a checkpoint needs objects"
                    " with state_dict() and load_state_dict(): leave it out or give it both"
                )
        self.run = run
        self.steps = steps
        self.log_every = log_every
        self.save_every = save_every
        self.step = 0
        self.seconds = 0.0
        self.signal: signal.Signals | None = None
        self._caught: signal.Signals | None = None
        self._state = dict(state)
        self._ranks = ranks.Together(self._state)
        self._saved_step: int | None = None
        self._progress: _Progress | None = None
        self._metrics: Mapping[str, Any] = {}  # of the last step, read where they are needed
        self._shown = ""
        self._at_save: list[Callable[[], object]] = []
        self._at_every: list[tuple[int, bool, Callable[[int], object]]] = []
        with run.by_one_loop():
            if ranks.same((run.folder / CHECKPOINT).exists()):
                self._restore()
            again = self._saved_step == 0  # what is due then logs once more
            run.rewind(-1 if again else self.step)
            run.write_config()  # of a run that goes on otherwise than before: for more steps, say

    @property
    def interrupted(self) -> bool:
        return self.signal is not None

    def at_save(self, draw: Callable[[], object]) -> Callable[[], object]:
        """Call a function without arguments after each checkpoint but that of step 0, when a run is
        resumed, and at the end: what it draws is never older than the checkpoint.

        It should not touch the state, nor draw from a random stream of the training.

        Returns:
            The function, so that this may stand above it as a decorator.
        """
        self._at_save.append(draw)
        return draw

    def at_every(
        self, steps: int, from_start: bool = True
    ) -> Callable[[Callable[[int], object]], Callable[[int], object]]:
        """Call a function with the step's number at the end of each step that is a multiple of
        `steps`, and of the last one; and with 0 before the first one of a new run, so that what
        was learnt is seen beside what was there before. Of several processes the first alone
        calls it.

        It is not called with a value that was given to `log` and is not finite; the run ends
        there. A run that is resumed with more steps had another last one, so it should not touch
        the state, nor draw from a random stream of the training.

        Args:
            steps: from one call to the next.
            from_start: whether step 0 is due.

        Returns:
            A decorator, which gives the function back.
        """

        def register(draw: Callable[[int], object]) -> Callable[[int], object]:
            self._at_every.append((steps, from_start, draw))
            return draw

        return register

    def __iter__(self) -> Iterator[int]:
        """Yield the steps that are left to do.

        Raises:
            RunError: the folder cannot be written to, or another loop trains there.
        """
        global ended_by
        started = time.perf_counter() - self.seconds
        progress = self._progress = _Progress(self.step, self.steps)
        self.signal = self._caught = ended_by = None
        try:
            with self.run.by_one_loop(), self._signals_end_the_loop(), self._ranks.training():
                new = self._saved_step is None
                if new:
                    self._save()
                if self.step == 0:
                    self._draw_step()
                if new:
                    self.show()
                elif 0 < self.step < self.steps:
                    self._draw()  # a kill may have come between the checkpoint and this
                ended = self._is_ended()
                while self.step < self.steps and not ended:
                    self.step += 1
                    yield self.step
                    self._draw_step()
                    self.seconds = time.perf_counter() - started
                    progress.advance(self._shown)
                    if self.step < self.steps and self.step % self.save_every == 0:
                        self._meet()
                        if not self._caught:
                            self._save()
                            self._draw()
                    ended = self._is_ended()
                self._meet()
                if self._saved_step != self.step:
                    self._save()
                self._draw()
                self._is_ended()
            ended_by = self.signal
            self._ranks.leave(self.signal)
        finally:
            progress.close(finished=self.step == self._saved_step and not self.interrupted)

    def _meet(self) -> None:
        """Before a checkpoint: all processes come to this, whichever has caught a signal."""
        ranks.go_apart(False)
        self._ranks.meet(self.step)

    def _is_ended(self) -> bool:
        """Whether a signal has come, to any of the processes."""
        ranks.go_apart(False)
        number = self._ranks.agreed(self._caught, self.step)
        self.signal = number and signal.Signals(number)
        return self.interrupted

    def _draw_step(self) -> None:
        """Call what is due at this step.

        Raises:
            DivergedError: something is, and a value that was given to `log` is not finite.
        """
        due = [
            draw
            for steps, from_start, draw in self._at_every
            if (self.step % steps == 0 or self.step == self.steps) and (self.step or from_start)
        ]
        if due:
            self._require_finite(self._metrics)
        if due and ranks.first_alone():
            with self._progress.doing("drawing"):
                for draw in due:
                    draw(self.step)

    def log(self, metrics: Mapping[str, Any]) -> None:
        """Log named numbers: on every `log_every`-th step to the run's metrics and the display.

        On other steps the values are not touched, so that nothing waits for a device, but where
        something is drawn (see `at_every`) or saved.

        A value that is not finite ends the run, since networks do not recover from NaN, and the
        next checkpoint would replace the last good one; no state that holds NaN is saved. Numbers
        that may be infinite in good health can be given to `Run.log`.

        Args:
            metrics: 0-d Tensors, or numbers.

        Raises:
            DivergedError: a value is not finite; the line is logged nevertheless.
            ValueError: a value is no single number.
        """
        self._metrics = metrics
        if self.step % self.log_every:
            return
        numbers = {name: as_number(name, value) for name, value in metrics.items()}
        numbers = ranks.mean(numbers)
        self.run.log(self.step, numbers)
        self._shown = ", ".join(f"{name} {number:.3g}" for name, number in numbers.items())
        self._require_finite(numbers)

    def _require_finite(self, metrics: Mapping[str, Any]) -> None:
        numbers = {name: as_number(name, value) for name, value in metrics.items()}
        broken = [f"{name} is {x}" for name, x in numbers.items() if not math.isfinite(x)]
        if broken:
            raise self._diverged(" and ".join(broken))

    def _diverged(self, what: str) -> DivergedError:
        return DivergedError(
            f"{what} at step {self.step}: training has diverged. {self.run.folder} keeps the"
            f" checkpoint of step {self._saved_step}; resuming would end here again, so start a"
            " new run, with a smaller learning rate for example"
        )

    def say(self, text: str) -> None:
        """Print a line to stdout without tearing the progress bar."""
        Bar.write(text, file=Screen(sys.stdout))

    def show(self) -> None:
        """Call what the run is shown by, such as its page, with this loop: after each checkpoint,
        that of step 0 included, and what was drawn beside it, and once more was drawn at the end.

        Raises:
            RunError: the folder cannot be written to.
        """
        with writing_in(self.run.folder):
            for show in self.run.at_save:
                show(self)

    def _draw(self) -> None:
        if not ranks.first_alone():
            return
        with self._progress.doing("drawing"):
            with writing_in(self.run.folder):
                for draw in self._at_save:
                    draw()
            self.show()

    def _save(self) -> None:
        if not ranks.first_alone():
            self._saved_step = self.step
            return
        self.run.sync()  # first, so that no power cut leaves a checkpoint without its metrics
        state = {name: item.state_dict() for name, item in self._state.items()}
        if self._saved_step is not None:
            self._require_finite(self._metrics)
            if where := holds_nan(state):
                raise self._diverged(f"{where} holds NaN")
        with writing_in(self.run.folder):
            save_checkpoint(
                self.run.folder / CHECKPOINT,
                {"step": self.step, "seconds": self.seconds, "state": state},
            )
        self._saved_step = self.step

    def _saved(self, path: Path) -> dict[str, Any]:
        """What the checkpoint holds, if it is of a training loop, and not of more steps."""
        saved = load_checkpoint(path)
        if saved.keys() != {"step", "seconds", "state"}:
            raise CheckpointError(
                f"{path} is no checkpoint of a training loop: expected step, seconds and state,"
                f" got {', '.join(saved)}"
            )
        seconds = saved["seconds"]
        for name, right, wanted in (
            ("step", is_step(saved["step"]), "a whole number from 0 on"),
            ("seconds", is_finite(seconds) and 0 <= seconds < 1e18, "a number from 0 on"),
            ("state", isinstance(saved["state"], dict), "a dict"),
        ):
            if not right:
                raise CheckpointError(
                    f"{path} is damaged: {name} should be {wanted}, got {short(saved[name])};"
                    " copy it again from where it came, or delete it and start anew"
                )
        if saved["step"] > self.steps:
            raise RunError(
                f"{self.run.folder} has already done {saved['step']} steps, more than the"
                f" {self.steps} that it should end with: ask for as many or more"
            )
        return saved

    def _restore(self) -> None:
        path = self.run.folder / CHECKPOINT
        saved = self._saved(path)
        if saved["state"].keys() != self._state.keys():
            raise self._misfit(
                f"it holds the state of {', '.join(saved['state'])},"
                f" but this run has {', '.join(self._state)}"
            )
        for name, item in self._state.items():
            part = saved["state"][name]
            try:
                item.load_state_dict(part)
            except Exception as error:  # whatever an object makes of what stands in a file
                where = _misfit(part, item.state_dict(), name)
                said = " ".join(f"{name}: {error}".split())
                raise self._misfit(where or said) from error
            if where := _misfit(part, item.state_dict(), name):  # load_state_dict let it pass
                raise self._misfit(where)
        self.step = self._saved_step = saved["step"]
        self.seconds = saved["seconds"]

    def _misfit(self, where: str) -> CheckpointError:
        return CheckpointError(
            f"{self.run.folder / CHECKPOINT} does not fit: {where}. Settings, data or minigen have"
            " changed since it was saved: go on with what they were, or start a new run"
        )

    @contextmanager
    def _signals_end_the_loop(self) -> Iterator[None]:
        in_main_thread = threading.current_thread() is threading.main_thread()
        before = {n: signal.getsignal(n) for n in SIGNALS if in_main_thread}
        # None: not set from Python.
        before = {n: h for n, h in before.items() if h not in (None, signal.SIG_IGN)}

        def interrupt(number: int, frame: Any) -> None:
            if not self._caught:
                self._caught = signal.Signals(number)
                if not ranks.several():  # who agree on it at the end of the step
                    self.signal = self._caught
                with suppress(OSError, ValueError, AttributeError):  # there may be no stderr
                    # Not print: the signal may have come amid a print.
                    again = AGAIN if number == signal.SIGINT else b""
                    os.write(sys.stderr.fileno(), STOPPING + again + b"\n")
            elif number != HANG_UP:
                if callable(handler := before[signal.Signals(number)]):
                    handler(number, frame)
                if number == signal.SIGINT:
                    raise KeyboardInterrupt
                raise SystemExit(128 + number)

        try:
            for number in before:
                signal.signal(number, interrupt)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Progress:
    """A bar on a terminal; elsewhere, in a log file say, a line now and then."""

    SECONDS_BETWEEN_LINES = 15.0

    def __init__(self, first: int, last: int):
        self.first, self.step, self.last = first, first, last
        self.shown = ""
        self.bar = None
        self.started = time.perf_counter()
        self.next_line, self.printed = 0.0, first
        if Screen(sys.stderr).isatty():
            self.bar = Bar(total=last, initial=first, unit=" steps")

    def advance(self, shown: str) -> None:
        self.step += 1
        if self.bar is not None:
            if shown != self.shown:
                self.bar.set_postfix_str(shown, refresh=False)
            self.bar.update()
        self.shown = shown
        if self.bar is None and shown and time.perf_counter() - self.started >= self.next_line:
            self._print_line()

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say at the bar's end what is done meanwhile, for a block that may take some seconds."""
        if self.bar is None:
            yield
            return
        self.bar.set_postfix_str(", ".join(filter(None, (self.shown, what))))
        try:
            yield
        finally:
            self.bar.set_postfix_str(self.shown, refresh=False)

    def close(self, finished: bool) -> None:
        """End the display; the bar of a loop that did not finish is cleared."""
        if self.bar is not None:
            self.bar.leave = finished
            self.bar.close()
        elif self.step > self.printed:
            self._print_line()

    def _print_line(self) -> None:
        self.printed = self.step
        elapsed = time.perf_counter() - self.started
        self.next_line = elapsed + self.SECONDS_BETWEEN_LINES
        line = Bar.format_meter(
            self.step, self.last, elapsed, 0, unit=" steps", initial=self.first, postfix=self.shown
        )
        print(line.strip(), file=Screen(sys.stderr), flush=True)


def _misfit(saved: Any, held: Any, where: str) -> str | None:
    """Say at which entry two states first differ in names, shapes or dtypes, if they do."""
    if isinstance(saved, list) and isinstance(held, list):
        saved, held = dict(enumerate(saved)), dict(enumerate(held))
    if isinstance(saved, dict) and isinstance(held, dict):
        for key in [*saved, *held]:
            if key not in saved or key not in held:
                return f"{where}[{key!r}] is only in the {'model' if key in held else 'file'}"
            if misfit := _misfit(saved[key], held[key], f"{where}[{key!r}]"):
                return misfit
        return None
    in_file, in_model = _kind(saved), _kind(held)
    if in_file != in_model:
        return f"{where} is {in_file} in the file, but {in_model} in the model"
    return None


def _kind(value: Any) -> str:
    """What must agree between two entries: shape and dtype of an array, and no more of a value."""
    if isinstance(value, np.ndarray) or hasattr(value, "numpy"):
        array = as_array(value)
        return f"an array {array.shape} of {array.dtype}"
    return f"a {type(value).__name__}" if isinstance(value, dict | list) else "a single value"
