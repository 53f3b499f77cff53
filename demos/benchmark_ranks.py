"""How fast several processes train on this machine, each with one thread:

    mpiexec -n 2 python demos/benchmark_ranks.py [--seconds 3] [--batch-size 64] [NAME...]

For each model samples a second of one rank while the others sleep, of all ranks at once but each by
itself (the ceiling: they share caches, memory and the power of the chip), and of all ranks training
one model, with the same batch a rank: medians of turns in alternating order, and of the shares of
so many times one, and of the ceiling. With --pytorch, gan's step of all ranks against that of
PyTorch with all cores, on 64 images in all. Run it on an idle machine: all ranks wait for
the slowest one.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmark.versus import Side

import minigen
from minigen import Tensor, backend, distributed, optim, training
from minigen.distributed import mpi
from minigen.distributed.group import go_apart, the_group
from minigen.models import denoiser, diffusion, gan, networks, vae
from minigen.models.adversaries import Parts
from minigen.training import ranks
from minigen.training.flags import number, one_of, whole

TURNS = 5  # of each mode
NAP = mpi.NAP
SETTLE = 0.05  # seconds of PyTorch's steps that are not counted
GAN_BATCH = 64  # images of the benchmark's gan


class One(Parts):
    """A network, its optimiser, and the step of its model file."""

    def __init__(self, network: Any, step: Callable[..., Any]):
        self.network, self._step = network, step
        self.optimiser = optim.Adam(network.parameters(), lr=1e-3)

    def step(self, x: Tensor) -> Any:
        """A training step on images (N, 1, 28, 28)."""
        return self._step(self.network, self.optimiser, x)


MODELS: dict[str, Callable[[], Any]] = {
    "dcgan": lambda: gan.GAN(networks.ConvGenerator(1, 64), networks.ConvDiscriminator(1, 64)),
    "gan": lambda: gan.GAN(networks.DenseConvGenerator(1, 16), networks.DenseConvJudge(1, 16)),
    "vae": lambda: One(
        vae.conv_vae(20, 32, 28, 1), lambda m, o, x: vae.step(m, o, (x + 1) / 2)
    ),
    "denoiser": lambda: One(
        diffusion.Diffusion(denoiser.Denoiser(1, 1, 16), diffusion.SCHEDULES["cosine"](1000)),
        diffusion.step,
    ),
}  # fmt: skip


class Course:
    """Turns of a model in alternating order.

    Args:
        name: the model's.
        count: images of a rank.
        seconds: of all turns of a mode.
        theirs: PyTorch's model, on which rank 0 waits.
    """

    def __init__(self, name: str, count: int, seconds: float, theirs: Side | None = None):
        minigen.manual_seed(0)
        rng = np.random.default_rng(distributed.get_rank())
        self._x = Tensor(rng.uniform(-1, 1, (count, 1, 28, 28)).astype(np.float32))
        self._model, self._theirs = MODELS[name](), theirs
        modes = ["one", "each", "together", *["pytorch"] * (theirs is not None)]
        modes = distributed.broadcast_object(modes)
        self.found: dict[str, list[float]] = {mode: [] for mode in modes}
        ranks.rows[:] = [count]
        with ranks.Together({"model": self._model}).training():
            for _ in range(3):
                self._model.step(self._x)
            once = distributed.broadcast_object(self._seconds(1))
            steps = max(2, round(seconds / TURNS / once))
            for turn in range(TURNS):
                for mode in modes[:: 1 - 2 * (turn % 2)]:
                    self._turn(mode, steps)

    def _turn(self, mode: str, steps: int) -> None:
        """Add the seconds of a step, a mean of those ranks that took part."""
        mpi.NAP = 0.02 if mode in ("one", "pytorch") else NAP  # who waits should not disturb
        the_group().barrier(patient=True)
        go_apart(mode != "together")
        took = None
        if mode == "pytorch" and ranks.first():
            took = self._theirs.ask("steps", steps=steps, settle=SETTLE)["seconds"]
        elif mode in ("each", "together") or mode == "one" and ranks.first():
            took = self._seconds(steps)
        go_apart(False)
        all_of_them = distributed.all_gather_object(took)
        self.found[mode].append(float(np.mean([s for s in all_of_them if s is not None])))

    def _seconds(self, steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            self._model.step(self._x)
        return (time.perf_counter() - began) / steps

    def median(self, mode: str, over: str | None = None) -> float:
        """The median of a mode's seconds, or of their ratio to another's."""
        below = self.found[over] if over else [1.0] * TURNS
        return float(np.median(np.divide(self.found[mode], below)))


def flags() -> training.Flags:
    """The command line."""
    parser = training.Flags(__doc__)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", type=one_of(*MODELS), default=[], help="all, or some")
    add("--seconds", type=number(above=0, most=600), default=3.0, help="of each measurement")
    add("--batch-size", type=whole(2, 10**5), default=64, help="images of a rank's part")
    add("--pytorch", action="store_true", help="gan's step against PyTorch's, which has to be here")
    return parser


@training.script
def main() -> None:
    args = flags().parse_args()
    distributed.init_process_group()
    size = distributed.get_world_size()
    if ranks.first():
        print(f"{size} ranks, {backend.threads()} thread(s) each, {args.batch_size} images a rank")
        print(f"{'':12}{'one':>8}{'each':>8}{'together':>10}  samples/s a rank")
    for name in MODELS:
        if args.names and name not in args.names:
            continue
        course = Course(name, args.batch_size, args.seconds)
        if ranks.first():
            speeds = [args.batch_size / course.median(m) for m in ("one", "each", "together")]
            print(
                f"{name:12}{speeds[0]:8.0f}{speeds[1]:8.0f}{speeds[2]:10.0f}"
                f"  {course.median('one', 'together'):.1%} of {size} times one,"
                f" {course.median('each', 'together'):.1%} of the ceiling",
                flush=True,
            )
    if args.pytorch:
        against_pytorch(args.seconds)


def against_pytorch(seconds: float) -> None:
    """Print gan's step on GAN_BATCH images in all against PyTorch's on all cores."""
    size, theirs = distributed.get_world_size(), None
    if ranks.first():
        theirs = Side("torch", threads=size * backend.threads())
        theirs.hear()
        theirs.ask("build", name="gan", seed=0)
    course = Course("gan", GAN_BATCH // size, seconds, theirs)
    if ranks.first():
        ours, pytorch = (1e3 * course.median(m) for m in ("together", "pytorch"))
        ratio = course.median("together", "pytorch")
        print(
            f"gan, {GAN_BATCH} images in all: {ours:.1f} ms, PyTorch {pytorch:.1f} ms: {ratio:.2f}"
        )
        theirs.close()


if __name__ == "__main__":
    main()
