"""A run of several processes: what rank 0 does alone, and what all have to agree on.

Under mpiexec `Parser.open_run` makes the group. Rank 0 opens the run folder, and says to all what
the run is; the others have a `Spectator` of it. --batch-size is the whole batch: each rank's
`args.batch_size` is its part, `Batches` deals parts out, and while the loop goes the default stream
of random numbers deals out too (`distributed.dealing`). The loop finds the model and its optimisers
in its `state`: gradients are averaged as they come, batch norm takes the whole batch's statistics.
So N ranks do the steps that one process does, but for rounding.

Rank 0 alone logs (the means over ranks), draws and saves; where the loop ends, so do the others.
Alone, a process is rank 0 of 1, and none of this costs anything.
"""

from __future__ import annotations

import os
import signal as signals
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from minigen import Tensor, distributed, nn
from minigen.backend import Generator
from minigen.data import batches
from minigen.distributed import group
from minigen.distributed.group import the_group
from minigen.kernels import limits
from minigen.optim import Optimizer
from minigen.training.run import Run

CHECK_EVERY = 100  # steps between two comparisons of all ranks' weights

rows = [1]  # samples of this rank's part of a batch


class Spectator(Run):
    """A run that rank 0 writes: here nothing is logged, and what is drawn is thrown away."""

    def __init__(self, folder: Path, config: dict[str, Any], known_limits: dict[str, float]):
        super().__init__(folder, config)
        self._limits = known_limits
        self._scratch: tempfile.TemporaryDirectory | None = None

    @contextmanager
    def by_one_loop(self) -> Iterator[None]:
        """Rank 0 sees to it."""
        with limits.use(**self._limits):
            yield

    def path(self, *parts: str) -> Path:
        """The path of a file that nobody will see."""
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="minigen-rank-")
        path = Path(self._scratch.name, *parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, step: int, metrics: Mapping[str, Any]) -> None:
        """Nothing."""

    def rewind(self, step: float) -> None:
        """Nothing."""

    def sync(self) -> None:
        """Nothing."""

    def write_config(self) -> None:
        """Nothing."""


def opened(
    open_alone: Callable[[], tuple[Any, Run]], argv: Sequence[str] | None
) -> tuple[Any, Run]:
    """What `open_alone` gives, settings and run folder; under mpiexec rank 0 calls it for all."""
    if not distributed.launched():
        return open_alone()
    distributed.init_process_group()
    given = list(sys.argv[1:] if argv is None else argv)
    found: Any = None
    the_group().patient = True
    if first():
        try:
            args, run = open_alone()
        except BaseException as error:  # the others end in silence
            code = getattr(error, "code", 1)
            distributed.broadcast_object(code if isinstance(code, int) else 1)
            raise
        found = args, str(run.folder), run.config, run._limits, given
    found = distributed.broadcast_object(found)
    if isinstance(found, int):
        sys.exit(found)
    args, folder, config, known_limits, theirs = found
    _require_one_script(given, theirs)
    if not first():
        run = Spectator(Path(folder), config, known_limits)
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    if hasattr(args, "batch_size"):
        args.batch_size //= distributed.get_world_size()
        rows[:] = [args.batch_size]
    batches.share = distributed.get_rank(), distributed.get_world_size()
    return args, run


def _require_one_script(given: list[str], first_given: list[str]) -> None:
    """End all if a rank was started as another."""
    scripts = distributed.all_gather_object((Path(sys.argv[0]).name, given))
    for rank, (script, words) in enumerate(scripts):
        if (script, words) != scripts[0]:
            end(
                f"rank {rank} was started as {' '.join([script, *words])}, rank 0 as"
                f" {' '.join([scripts[0][0], *first_given])}: start all ranks alike; all ranks end"
            )


def require_same(what: str, value: Any) -> None:
    """End all if a rank has another value than rank 0; `what` is what has it, such as a text."""
    if not several():
        return
    the_group().patient = True
    if (other := _other(value)) is not None:
        end(f"rank {other} has another {what} than rank 0: give all the same; all ranks end")


def _other(value: Any) -> int | None:
    """The first rank that has another value than rank 0; all have to call this."""
    values = distributed.all_gather_object(value)
    return next((rank for rank, its in enumerate(values) if its != values[0]), None)


def undealt(settings: Any, by_model: bool) -> str | None:
    """Why these settings cannot be trained by so many ranks, if so.

    Args:
        by_model: whether the model deals its data out by itself.
    """
    ranks = distributed.get_world_size()
    if ranks == 1 or by_model:
        return None
    whole = getattr(settings, "batch_size", None)
    if whole is None:
        return f"{ranks} ranks have no batches to deal out here: start it without mpiexec"
    if whole % ranks:
        return f"--batch-size {whole} cannot be dealt out to {ranks} ranks: take a multiple of it"
    return None


def first() -> bool:
    """Whether this is rank 0, which logs, draws and saves."""
    return not several() or the_group().rank == 0


def same(value: Any) -> Any:
    """Rank 0's value; some ranks may be long, reading data, before they come to this."""
    if several():
        the_group().patient = True
    return distributed.broadcast_object(value)


def end(line: str, status: int = 1) -> None:
    """End with one line on stderr: this process, or all ranks of its group."""
    if several():
        if not first():
            time.sleep(1)  # what all ranks meet is said by rank 0
        the_group().fail(line, status)
    sys.exit(line if status == 1 else status)


def several() -> bool:
    """Whether this is one of several ranks, apart from the others now or not."""
    return distributed.is_initialized() and the_group().size > 1


def go_apart(apart: bool) -> None:
    """Do what follows as if alone, or come back."""
    if several():
        group.go_apart(apart)


def first_alone() -> bool:
    """Whether this is rank 0, which then does the rest of the step as if alone: draws and saves.
    The others wait for it in their next message, long if need be."""
    if not several():
        return True
    if the_group().rank == 0:
        go_apart(True)
        return True
    the_group().patient = True
    return False


def mean(numbers: dict[str, float]) -> dict[str, float]:
    """Named numbers, averaged over all ranks."""
    if distributed.get_world_size() == 1:
        return numbers
    values = np.array([*numbers.values()], np.float64) / distributed.get_world_size()
    the_group().all_reduce(values, "sum").wait()
    return dict(zip(numbers, values.tolist(), strict=True))


class Together:
    """All ranks of a loop.

    Args:
        state: of the loop: where models, optimisers, batches and streams are found.
    """

    def __init__(self, state: Mapping[str, Any]):
        self.alone = distributed.get_world_size() == 1
        self._parts = [] if self.alone else list(_parts(state.values()))

    @contextmanager
    def training(self) -> Iterator[None]:
        """Average gradients, take statistics of whole batches and deal random numbers out during a
        block, which begins with rank 0's weights on all."""
        if self.alone:
            yield
            return
        from minigen.distributed.dealing import dealing
        from minigen.distributed.parallel import SyncBatchNorm, take_from_rank_0
        from minigen.distributed.reducer import Reducer

        for network in self._of(nn.Module):
            take_from_rank_0(network)
            SyncBatchNorm.convert_sync_batchnorm(network)
        self._reducers = [
            Reducer(p for some in optimiser.param_groups for p in some["params"])
            for optimiser in self._of(Optimizer)
        ]
        batches.share = (0, 1)  # what is cut into batches from now on is for pictures
        try:
            with dealing(rows[0], *self._of(Generator)):
                yield
        finally:
            self._reducers = []

    def agreed(self, signal: int | None, step: int) -> int | None:
        """The signal that ends the loop on all ranks, if one has come to any. Now and then all
        compare their weights, too.

        Ends all ranks if weights or running statistics differ.
        """
        if self.alone:
            return signal
        if step % CHECK_EVERY == 0:
            networks = self._of(nn.Module)
            _require_alike([t for n in networks for t in (*n.parameters(), *n.buffers())], step)
        number = np.array([signal or 0], np.int64)
        the_group().all_reduce(number, "max").wait()
        return int(number[0]) or None

    def meet(self, step: int) -> None:
        """Before something is saved: bring together what each rank has changed by itself, such as
        tables of word vectors, by their method `meet`.

        Ends all ranks if it differs then.
        """
        for part in self._parts:
            if hasattr(part, "meet"):
                part.meet()
                _require_alike(part.state_dict().values(), step)

    def leave(self, signal: int | None) -> None:
        """End this process where the loop ends, if it is not rank 0, which goes on to draw."""
        if not first_alone():
            with suppress(ValueError):  # in another thread than the main one
                signals.signal(signals.SIGINT, signals.SIG_IGN)  # rank 0 ends by it, or not
            sys.exit(128 + signal if signal else 0)

    def _of(self, kind: type) -> list[Any]:
        return [part for part in self._parts if isinstance(part, kind)]


def _require_alike(tensors: Iterable[Tensor], step: int) -> None:
    """End all if a rank has other ones than rank 0, by a number that others have almost surely
    not."""
    code = 0
    for tensor in tensors:
        code = zlib.crc32(np.ascontiguousarray(tensor.numpy()), code)
    if (other := _other(code)) is not None:
        end(f"rank {other} has other weights than rank 0 at step {step}; all ranks end")


def _parts(values: Any) -> Iterator[Any]:
    """Networks, optimisers and streams among objects, and in what these are made of."""
    seen: set[int] = set()
    waiting = list(values)[::-1]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or not hasattr(part, "state_dict"):
            continue
        seen.add(id(part))
        yield part
        if not isinstance(part, nn.Module | Optimizer | Generator) and hasattr(part, "__dict__"):
            waiting += [*vars(part).values()][::-1]
