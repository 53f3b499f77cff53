"""How long a training step of a run would take on more ranks than there are here.

    python -m minigen.distributed.plan RUN          measured on two processes of this machine
    mpiexec -n 4 python -m minigen.distributed.plan RUN             on these four, wherever they are
    … --latency 50 --bandwidth 10        beyond this machine a network of 50 µs and 10 Gbit/s

A step on N ranks takes what a rank computes, and the sums that it waits for:

    step = work + Σ T(bytes of a message, N)

The work is a rehearsal, see `distributed.rehearsal`: a step of this model on a rank's part of the
batch, with its copies to buckets and the noise of the ranks before it, but nobody to wait for. It
is measured on all ranks here at once, for they share caches and memory. T is the α–β model, see
`distributed.network`, with what was measured between these ranks. Nothing is taken off for messages
that travel beside the work: MPI moves them on when it is asked, and that is while a rank waits for
them.

What a plan leaves out: ranks are never equally fast, and each message waits for the slowest;
reading data, drawing pictures and saving.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigen import distributed
from minigen.distributed import group
from minigen.distributed.network import Network, measured
from minigen.distributed.rehearsal import Rehearsal
from minigen.training.command import script
from minigen.training.flags import Flags, number, path, whole
from minigen.training.loading import load
from minigen.training.practice import practice
from minigen.training.ranks import Together, first, rows
from minigen.training.run import RunError

MOST = 1024  # ranks
SEVERAL = 64  # ranks of the rehearsal from which those of more are told
SECONDS = 1.0  # of each measurement
FEW = 16  # examples of the first step whose memory is measured
MPIEXEC = Path(sys.executable).parent / "mpiexec"


@dataclass(frozen=True)
class Work:
    """What a rank does in a step.

    Attributes:
        seconds: that it computes.
        sent: bytes of each message.
    """

    seconds: float
    sent: tuple[float, ...] = ()


@dataclass(frozen=True)
class Machines:
    """Machines like this one, and what is between them.

    Attributes:
        ranks: on each.
        inside: what messages take within one.
        between: what they take between two, which all ranks of a machine share.
    """

    ranks: int
    inside: Network
    between: Network

    def count(self, ranks: int) -> int:
        """How many there are with so many ranks."""
        return -(-ranks // self.ranks)

    def of_latency(self) -> Machines:
        """The same with messages of no length."""
        endless = (Network(net.latency, math.inf) for net in (self.inside, self.between))
        return Machines(self.ranks, *endless)

    def messages(self, work: Work, ranks: int) -> float:
        """Seconds that a step's messages take."""
        if ranks == 1:
            return 0.0
        alone = ranks <= self.ranks
        network = self.inside if alone else self.between.shared(min(self.ranks, ranks))
        return sum(network.all_reduce(size, ranks) for size in work.sent)


def tell(what: str) -> None:
    """Say what is measured now: steps of large batches take long, and processes of `mpiexec` have
    no terminal for a bar."""
    if first():
        print(what, file=sys.stderr, flush=True)


def counts(here: int, most: int = MOST) -> list[int]:
    """The numbers of ranks that are planned for: powers of two, and how many are here."""
    return sorted({2**i for i in range(most.bit_length())} | {here})


def lines(
    batch: int, alone: Work, same: Callable[[int], Work], parts: dict[int, Work], machines: Machines
) -> Iterator[tuple[str, ...]]:
    """The rows of the table.

    Args:
        batch: examples of one rank.
        alone: a step of one process on them.
        same: the work of a rank of N with as many examples.
        parts: that with an N-th of them, where it divides.
        machines: where the ranks are.
    """
    for ranks in counts(machines.ranks):
        row = [f"{ranks:,}", f"{machines.count(ranks):,}"]
        for work, examples in ((same(ranks), ranks * batch), (parts.get(ranks), batch)):
            if ranks == 1:
                work = alone
            if work is None:
                row += ["–"] * 3
                continue
            messages = machines.messages(work, ranks)
            step = work.seconds + messages
            row += [f"{1e3 * step:,.1f}", f"{messages / step:.0%}", f"{examples / step:,.0f}"]
        yield tuple(row)


def summary(
    batch: int, alone: Work, same: Callable[[int], Work], parts: dict[int, Work], machines: Machines
) -> str:
    """What the table comes to, and what limits it; the arguments are those of `lines`."""
    work = same(MOST)
    messages, waits = (m.messages(work, MOST) for m in (machines, machines.of_latency()))
    step, passed = work.seconds + messages, work.seconds - same(2).seconds
    parts_of_step = same(2).seconds, passed, waits, messages - waits
    own, others, latency, sending = (f"{part / step:.0%}" for part in parts_of_step)
    found = (
        f"With {batch} examples each, {MOST:,} ranks do {MOST * alone.seconds / step:,.0f} times"
        f" what one does. Of their step {own} is work, {others} drawing the noise of others,"
        f" passed over, {latency} the latency of {len(work.sent)} messages, and {sending}"
        f" their {sum(work.sent) / 1e6:.2f} MB."
    )
    if parts:
        steps = {n: work.seconds + machines.messages(work, n) for n, work in parts.items()}
        best = min(steps, key=steps.__getitem__)
        found += (
            f" {batch} examples in all are done fastest by {best:,} of {max(steps):,} ranks or"
            f" fewer: {alone.seconds / steps[best]:.1f} times as fast as by one."
        )
    return found


class Rehearsals:
    """Steps of a run's model.

    Args:
        trained: the run's model.
    """

    def __init__(self, trained: Any):
        self._trained = trained

    def alone(self, examples: int) -> Work:
        """A step of one process, while the other ranks sleep."""
        tell(f"measuring {examples:,} examples on one process …")
        group.barrier()
        seconds = 0.0
        if group.get_rank() == 0:
            seconds = self.rehearsed(1, examples).seconds
        return Work(max(group.all_gather_object(seconds)))

    def together(self, ranks: int, examples: int) -> Work:
        """What one of so many ranks does with so many examples: all ranks here try it at once."""
        tell(f"measuring {examples:,} examples on one of {ranks:,} ranks …")
        group.barrier()
        work = self.rehearsed(ranks, examples)
        return Work(float(np.mean(group.all_gather_object(work.seconds))), work.sent)

    def growing(self, two: Work, examples: int) -> Callable[[int], Work]:
        """The work of one of any number of ranks with as many examples as one of two. The noise
        that it passes over grows with their number; so do messages, but not beyond SEVERAL ranks.
        """
        several = self.together(SEVERAL, examples).seconds
        more = max(0.0, several - two.seconds) / (SEVERAL - 2)  # what is less is chance
        numbers = counts(2, SEVERAL)[1:]
        tell(f"counting the messages of up to {SEVERAL} ranks …")
        sent = {ranks: self.rehearsed(ranks, examples, 0.0).sent for ranks in numbers}

        def work(ranks: int) -> Work:
            known = min((n for n in sent if n >= ranks), default=SEVERAL)
            return Work(two.seconds + (ranks - 2) * more, sent[known])

        return work

    def in_earnest(self, examples: int) -> float:
        """Seconds of a step that the ranks here do together."""
        tell(f"trying {examples:,} examples on each rank here …")
        group.barrier()
        return float(np.mean(group.all_gather_object(self._step(examples, []).seconds)))

    def rehearsed(self, ranks: int, examples: int, seconds: float | None = None) -> Work:
        """What the last one of so many ranks does, in steps of so many seconds in all."""
        stage = Rehearsal(ranks)
        with group.in_place(stage):
            return self._step(examples, stage.sent, seconds)

    def _step(self, examples: int, sent: list[int], seconds: float | None = None) -> Work:
        """The median of many steps, and what one of them adds to `sent`."""
        seconds = SECONDS if seconds is None else seconds
        rows[:] = [examples]
        state, practised = practice(self._trained, examples)
        together = Together(state)

        def step() -> float:
            began = time.perf_counter()
            practised()
            together.agreed(None, 1)
            return time.perf_counter() - began

        with together.training():
            if (slow := step()) > 2:
                tell(f"  a step takes {slow:.0f} s, and {7 if seconds else 3} more follow")
            step()
            sent.clear()
            once = max(group.all_gather_object(step()))
            of_one = tuple(sent)
            took = [step() for _ in range(max(5, round(seconds / once)) if seconds else 1)]
        return Work(float(np.median(took)), of_one)


def peak(trained: Any, examples: int) -> int:
    """Bytes that a step of one process takes in memory."""
    tracemalloc.start()
    try:
        practice(trained, examples)[1]()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def needed(trained: Any, examples: int) -> Iterator[float]:
    """Bytes that a step would take, told from ever larger ones, at last of a quarter of it or more:
    for each example as much more as between the last two. In small steps what does not grow with
    the examples hides what does."""
    few, before = 0, 0
    size = FEW * getattr(trained.settings, "packing", 1)
    while size < examples:
        tell(f"measuring the memory of {size:,} examples …")
        now = peak(trained, size)
        if few:
            yield now + (examples - size) * (now - before) / (size - few)
        few, before, size = size, now, 4 * size


def free_memory() -> float:
    """Bytes that are free here, as far as a container may have them; infinite beside Linux."""
    found = []
    for file, pattern, unit in (
        ("/proc/meminfo", r"MemAvailable: +(\d+)", 1024),
        ("/sys/fs/cgroup/memory.max", r"(\d+)", 1),
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", r"(\d+)", 1),
    ):
        text = Path(file).read_text() if os.path.exists(file) else ""
        found += [unit * float(number) for number in re.findall(pattern, text)]
    return min(found, default=math.inf)


def require_room(trained: Any, examples: int, ranks: int) -> None:
    """Refuse more examples than so many ranks here have memory for: Linux would kill them, without
    a word.

    Raises:
        RunError: there are more.
    """
    if examples <= 4 * FEW or trained.device != "cpu":  # a GPU says what it has no room for
        return
    free = free_memory()
    for need in needed(trained, examples):
        if ranks * need > free:
            raise RunError(
                f"{ranks} processes with {examples:,} examples each take about"
                f" {ranks * need / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free: give a smaller"
                " --batch-size"
            )


@script
def command() -> None:
    """What `python -m minigen.distributed.plan` does."""
    args = flags().parse_args()
    given = None
    if args.latency is not None:
        given = Network(1e-6 * args.latency, 1e9 / 8 * args.bandwidth)
    if distributed.launched():
        distributed.init_process_group()
    if not first():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
    trained = load(args.run)
    batch = args.batch_size or getattr(trained.settings, "batch_size", 1)
    practice(trained, 1)  # what cannot be planned is said before anything is measured
    pair = not distributed.launched() and MPIEXEC.exists() and distributed.is_available()
    require_room(trained, batch, 2 if pair else group.get_world_size())
    if pair:
        words = [MPIEXEC, "-n", "2", sys.executable, "-m", "minigen.distributed.plan"]
        sys.exit(subprocess.run([*map(str, words), *sys.argv[1:]]).returncode)
    if given is None and not distributed.launched():
        sys.exit(
            "plan: how long a message takes is not known: pip install 'minigen[mpi-local]', with"
            " which it is measured here, or give --latency and --bandwidth"
        )
    report(trained, batch, given)


def report(trained: Any, batch: int, given: Network | None) -> None:
    """Measure, and print the plan.

    Args:
        batch: examples of one rank, and then of all.
        given: between machines; None for what is measured.
    """
    here = group.get_world_size()
    inside = measured() if here > 1 else given
    machines = Machines(here, inside, given or inside)
    rehearsals = Rehearsals(trained)
    rehearsals.together(2, batch)  # a process is slow at first
    two = rehearsals.together(2, batch)
    alone = rehearsals.alone(batch)
    same = rehearsals.growing(two, batch)
    packing = getattr(trained.settings, "packing", 1)
    parts = {
        ranks: rehearsals.together(ranks, batch // ranks)
        for ranks in counts(here, min(batch // packing, MOST))
        if batch % (ranks * packing) == 0 and ranks > 1
    }

    text = (
        f"{trained.name}, a run of {trained.demo}: a step of {batch} examples takes one process"
        f" {1e3 * alone.seconds:.1f} ms. One of several works {1e3 * two.seconds:.1f} ms, for they"
        f" share caches and memory, and sums {len(two.sent)} messages over all,"
        f" {sum(two.sent) / 1e6:.2f} MB."
    )
    print(textwrap.fill(text, 100))
    if here > 1:
        print(f"Measured between the {here} ranks here: {said(inside)} for a message.")
    if given is None:
        print("Machines are taken to be as near to each other: see --latency.")
    else:
        print(f"Between machines: {said(machines.between)}, which a machine's ranks share.")
    print(f"Each machine has {here} ranks, as here, on {os.cpu_count()} cores.\n")
    print_table(batch, [*lines(batch, alone, same, parts, machines)])
    print("\n" + textwrap.fill(summary(batch, alone, same, parts, machines), 100))
    if here > 1:
        found, told = rehearsals.in_earnest(batch), same(here)
        planned = told.seconds + machines.messages(told, here)
        print(
            f"Tried on the {here} ranks here with {batch} examples each: {1e3 * found:.1f} ms;"
            f" planned {1e3 * planned:.1f} ms, {planned / found - 1:+.0%}."
        )


def said(network: Network) -> str:
    """A network in words."""
    return f"{1e6 * network.latency:.1f} µs, {8e-9 * network.bandwidth:.2f} Gbit/s"


def print_table(batch: int, rows: list[tuple[str, ...]]) -> None:
    """The rows below what they are: the ranks have a batch each, or one is dealt out to them."""
    print(f"{'':17}{f'{batch} examples each':^30}  {f'{batch} examples in all':^30}")
    names = "ranks", "machines", *["step, ms", "messages", "examples/s"] * 2
    widths = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    for row in (names, *rows):
        print("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)))


def flags() -> Flags:
    """The command line."""
    parser = Flags(__doc__)
    add = parser.add_argument
    add("run", type=path, metavar="RUN", help="a run folder")
    add("--batch-size", type=whole(1, 10**6), help="examples, if not as many as the run has")
    add("--latency", type=number(above=0, most=1e7), metavar="µs",
        help="of a message between two machines")  # fmt: skip
    add("--bandwidth", type=number(above=0, most=1e5), metavar="Gbit/s", help="of a machine")
    parser.refuse(
        lambda args: (args.latency is None) != (args.bandwidth is None),
        "--latency and --bandwidth describe a network together: give both",
    )
    return parser
