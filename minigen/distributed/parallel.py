"""What PyTorch's scripts for several processes use: modules and a sampler."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigen import nn
from minigen.backend import Array, namespace
from minigen.data.loader import Sampler
from minigen.distributed import group
from minigen.distributed.dealing import mean_of_all
from minigen.distributed.reducer import BUCKET, Reducer
from minigen.functional.normalization import move_running
from minigen.kernels import normalization as kernels
from minigen.operation import operation
from minigen.tape import is_grad_enabled
from minigen.tensor import Tensor, wrap

__all__ = ["DistributedDataParallel", "DistributedSampler", "SyncBatchNorm"]

TABLE = 16  # ranks, at most, whose means and variances travel beside each other


@operation(input=lambda g: sum_over_ranks(g))
def sum_over_ranks(input: Array) -> Array:
    """The sum of all ranks' tensors, on each of them. If the losses of all ranks are meant, as they
    are where gradients are averaged, its gradient is the sum of theirs: of every order, as long as
    all ranks walk back alike."""
    total = namespace(input).array(input, order="C")
    if group.get_world_size() > 1:
        group.the_group().all_reduce(total, group.ReduceOp.SUM).wait()
    return total


def _moments_of_all(mean: Array, variance: Array) -> tuple[Array, Array]:
    """Those of the whole batch, of equal parts: Chan, Golub and LeVeque (1979), equation 2.1."""
    xp, ranks = namespace(mean), group.get_world_size()
    if ranks > TABLE:  # two short messages instead of a long one
        middle = mean_of_all(mean)
        return middle, mean_of_all(variance + (mean - middle) ** 2)
    table = xp.zeros((ranks, 2, *mean.shape), mean.dtype)
    mine = table[group.get_rank()]
    mine[0], mine[1] = mean, variance
    group.the_group().all_reduce(table, group.ReduceOp.SUM).wait()
    middle, inside = xp.add.reduce(table) / ranks
    apart = table[:, 0] - middle
    return middle, inside + xp.add.reduce(apart * apart) / ranks


def _synced_pullback(
    g: Tensor, input: Tensor, weight: Tensor | None, parts, size, eps, moments
) -> tuple[Tensor, Tensor | None, Tensor]:
    """As `functional.normalization` has it; the means are those of all ranks."""
    if not is_grad_enabled():
        flat = None if weight is None else weight._array
        found = kernels.gradients_in(
            parts, g._array, input._array, flat, *moments, size, mean_of_all
        )
        return tuple(wrap(d) for d in found)
    over = (0, *range(2, input.ndim))
    wide = (1, -1, *[1] * (input.ndim - 2))

    def mean(x: Tensor) -> Tensor:
        return sum_over_ranks(x.mean(over, keepdim=True)) / group.get_world_size()

    centred = input - mean(input)
    rstd = (mean(centred * centred) + eps) ** -0.5
    normal = centred * rstd
    d_bias, d_weight = g.sum(over), (g * normal).sum(over)
    g = g if weight is None else g * weight.reshape(wide)
    return rstd * (g - mean(g) - normal * mean(g * normal)), d_weight, d_bias


@operation(joint=_synced_pullback)
def _synced(
    input: Array, weight: Array | None, bias: Array | None,
    *, parts: tuple[int, ...], size: tuple[int, ...], eps: float, moments: list,
) -> Array:  # fmt: skip
    """Batch norm by the moments of all ranks' parts, which are left in `moments`."""
    y, found = kernels.normalized_in(parts, input, weight, bias, eps, True, size, _moments_of_all)
    moments[:] = [found]
    return y


class DistributedDataParallel(nn.Module):
    """A module that each rank has alike, given a part of the batch each; gradients are averaged.

    When it is made, all take rank 0's parameters and buffers. From then on each `backward` that
    reaches a parameter leaves the mean of all ranks' gradients in `grad`, in buckets (see
    `reducer`): the gradient of the mean of their losses, and so that of the whole batch, if losses
    are means and parts are equal.

    A parameter without gradient on some rank counts as zero there; without one on any it keeps
    None. What `grad(…)` returns is this rank's own: a gradient penalty needs no more, for its terms
    are of single samples, and what `backward` then adds to the parameters is averaged. If all that
    a network's parameters do is to let the slope pass (`backward(inputs=…)`, or requires_grad_
    (False)), nothing of it is sent. Batch norm takes the statistics of its rank's part: see
    `SyncBatchNorm`.

    Args:
        module: whose parameters require gradients when this is made.
        bucket_cap_mb: MiB of a bucket.
        broadcast_buffers: whether each training forward takes rank 0's buffers, such as running
            statistics. Those of SyncBatchNorm are alike anyway.

    Raises:
        ValueError: no parameter requires a gradient, or one is averaged by another already.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        bucket_cap_mb: float = BUCKET / 2**20,
        broadcast_buffers: bool = True,
    ):
        super().__init__()
        self.module = module
        if not any(p.requires_grad for p in module.parameters()):
            raise ValueError("DistributedDataParallel: no parameter requires a gradient")
        self._buffers_too = broadcast_buffers
        take_from_rank_0(module)
        self._reducer = Reducer(module.parameters(), int(bucket_cap_mb * 2**20))

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module gives."""
        if self._buffers_too and self.training and group.get_world_size() > 1:
            for buffer in self.module.buffers():
                group.broadcast(buffer)
        return self.module(*inputs, **options)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Average nothing during a block: the walks' gradients add up, and the first walk after it
        averages their sum."""
        on, self._reducer.on = self._reducer.on, False
        try:
            yield
        finally:
            self._reducer.on = on


def take_from_rank_0(module: nn.Module) -> None:
    """Take rank 0's parameters and buffers."""
    for tensor in (*module.parameters(), *module.buffers()):
        group.broadcast(tensor)


class SyncBatchNorm(nn.BatchNorm2d):
    """Batch norm by mean and variance of all ranks' parts together, as `BatchNorm2d` is on the
    whole batch in one process; its arguments. Running statistics come out alike on all ranks.

    Each rank's part must have the same number of values a channel. All ranks send their means and
    variances, once forward and once back: m and s² of the whole follow from those of its parts
    (Chan et al. 1979) without the cancellation of a sum of squares.

    Shapes: (N, num_features) or (N, num_features, …) -> the same.
    """

    _shapes = {n: f"(N, {{}}{', …' * (n > 2)})" for n in range(2, 6)}

    def forward(self, input: Tensor) -> Tensor:
        """The shape stays.

        Raises:
            TypeError: of several ranks, input and parameters have different dtypes.
        """
        ranks = group.get_world_size()
        if ranks == 1 or not (self.training or self.running_mean is None):
            return super().forward(input)
        self._require_shape(input, 1)
        same = [t.dtype for t in (input, self.weight, self.bias) if t is not None]
        if len(set(same)) > 1:
            raise TypeError(f"SyncBatchNorm: dtypes differ: {', '.join(map(str, same))}")
        n, c, *pixels = input.shape
        moments: list = []
        y = _synced(
            input, self.weight, self.bias,
            parts=(n, c, 1, *pixels), size=(c,), eps=self.eps, moments=moments,
        )  # fmt: skip
        if self.track_running_stats and self.training:
            self.num_batches_tracked.add_(1)
            share = self.momentum
            if share is None:
                share = 1 / self.num_batches_tracked.item()
            count = ranks * input.numel() // c
            move_running(self.running_mean, self.running_var, moments[0], count, share)
        return y

    @classmethod
    def convert_sync_batchnorm(cls, module: nn.Module, process_group: Any = None) -> nn.Module:
        """The module with this in the place of each BatchNorm1d and BatchNorm2d, with their
        parameters and buffers themselves. There is one group, whatever `process_group` is."""
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            other = cls.__new__(cls)
            other.__dict__.update(module.__dict__)
            return other
        for name, child in module.named_children():
            if (other := cls.convert_sync_batchnorm(child)) is not child:
                setattr(module, name, other)
        return module


class DistributedSampler(Sampler):
    """A rank's part of an epoch's indices: every n-th of them, in a new order each epoch, the same
    on all ranks. A `sampler` for DataLoader.

    Args:
        dataset: has a length.
        num_replicas, rank: the group's, if not told otherwise.
        shuffle: in a new order each epoch, of which `set_epoch` tells the number.
        seed: of the orders.
        drop_last: leave the rest out that does not divide, instead of dealing some indices twice.

    Raises:
        ValueError: there is no such rank.
    """

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        super().__init__(dataset)
        self.num_replicas = num_replicas or group.get_world_size()
        self.rank = group.get_rank() if rank is None else rank
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(f"DistributedSampler: no rank {self.rank} of {self.num_replicas}")
        self.shuffle, self.seed, self.drop_last, self.epoch = shuffle, seed, drop_last, 0

    def __len__(self) -> int:
        """Return how many indices this rank gets."""
        share = len(self.data_source) / self.num_replicas
        return math.floor(share) if self.drop_last else math.ceil(share)

    def __iter__(self) -> Iterator[int]:
        count = len(self.data_source)
        order = np.arange(count)
        if self.shuffle:
            key = np.array([self.seed, self.epoch], np.uint64)
            order = np.random.Generator(np.random.Philox(key=key)).permutation(count)
        dealt = np.resize(order, len(self) * self.num_replicas)
        return iter(dealt[self.rank :: self.num_replicas].tolist())

    def set_epoch(self, epoch: int) -> None:
        """Which order the next iteration has."""
        self.epoch = epoch
