"""How fast several processes train on this machine, each with one thread:

    mpiexec -n 2 python demos/benchmark_ranks.py [--seconds 3] [--batch-size 64] [NAME...]

For each model samples a second of one rank while the others sleep, of all ranks at once but each by
itself (the ceiling: they share caches, memory and the power of the chip), and of all ranks training
one model, with the same batch a rank. The shares are of so many times one, and of the ceiling.
Run it on an
idle machine: all ranks wait for the slowest one.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import minigen
from minigen import Tensor, backend, distributed, optim, training
from minigen.distributed.group import go_apart, the_group
from minigen.models import denoiser, diffusion, gan, networks, vae
from minigen.models.adversaries import Parts
from minigen.training import ranks
from minigen.training.flags import number, one_of, whole


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


def speed(model: Any, x: Tensor, seconds: float) -> float:
    """Samples a second of this process: as many steps on all ranks."""
    for _ in range(3):
        model.step(x)
    began = time.perf_counter()
    model.step(x)
    once = ranks.mean({"s": time.perf_counter() - began})["s"]
    steps = max(3, round(seconds / once))
    began = time.perf_counter()
    for _ in range(steps):
        model.step(x)
    return steps * len(x) / (time.perf_counter() - began)


def flags() -> training.Flags:
    """The command line."""
    parser = training.Flags(__doc__)
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", type=one_of(*MODELS), default=[], help="all, or some")
    add("--seconds", type=number(above=0, most=600), default=3.0, help="of each measurement")
    add("--batch-size", type=whole(2, 10**5), default=64, help="images of a rank's part")
    return parser


@training.script
def main() -> None:
    args = flags().parse_args()
    distributed.init_process_group()
    size, first = distributed.get_world_size(), ranks.first()
    if first:
        print(f"{size} ranks, {backend.threads()} thread(s) each, {args.batch_size} images a rank")
        print(f"{'':12}{'one':>8}{'each':>8}{'together':>10}  samples/s a rank")
    rng = np.random.default_rng(distributed.get_rank())
    ranks.rows[:] = [args.batch_size]
    for name, build in MODELS.items():
        if args.names and name not in args.names:
            continue
        minigen.manual_seed(0)
        x = Tensor(rng.uniform(-1, 1, (args.batch_size, 1, 28, 28)).astype(np.float32))
        one = each = 0.0
        go_apart()
        if first:
            one = speed(build(), x, args.seconds)
        go_apart(False)
        the_group().barrier(patient=True)
        go_apart()
        each = speed(build(), x, args.seconds)
        go_apart(False)
        each = ranks.mean({"each": each})["each"]
        the_group().barrier(patient=True)
        model = build()
        with ranks.Together({"model": model}).training():
            together = ranks.mean({"together": speed(model, x, args.seconds)})["together"]
        if first:
            print(
                f"{name:12}{one:8.0f}{each:8.0f}{together:10.0f}"
                f"  {together / one:.1%} of {size} times one, {together / each:.1%} of the ceiling",
                flush=True,
            )


if __name__ == "__main__":
    main()
