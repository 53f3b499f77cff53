"""Normalisation over a batch."""

from __future__ import annotations

from typing import Any

from minigen import functional as F
from minigen.backend import INT64
from minigen.functional import zeros
from minigen.nn import init
from minigen.nn.module import Module, blank_parameter
from minigen.tensor import Tensor


class BatchNorm2d(Module):
    """Each channel of a batch of images shifted and scaled to mean 0 and variance 1, then by
    weight and bias (Ioffe and Szegedy 2015).

    When training, mean and variance are the batch's own, and the running ones move towards them.
    When evaluating, the running ones are used.

    Shapes: (N, num_features, H, W) -> the same; weight, bias, running_mean and running_var
    (num_features,).

    Args:
        num_features: the number of channels.
        eps: is added to the variance.
        momentum: the share by which the running statistics move; None for plain averages over
            all batches so far.
        affine: whether there are weight and bias.
        track_running_stats: whether there are running statistics; without them the batch's own
            are used for evaluation too.
        bias: whether there is a bias, if `affine`.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: str | None = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = blank_parameter(num_features, device=device, dtype=dtype) if affine else None
        has_bias = affine and bias
        self.bias = blank_parameter(num_features, device=device, dtype=dtype) if has_bias else None
        for name, size, kind in (
            ("running_mean", (num_features,), dtype),
            ("running_var", (num_features,), dtype),
            ("num_batches_tracked", (), INT64),
        ):
            buffer = zeros(*size, dtype=kind, device=device or "cpu")
            self.register_buffer(name, buffer if track_running_stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the batches seen."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Start anew, with weight 1 and bias 0."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """(N, num_features, H, W) -> the same shape."""
        if input.ndim != 4 or input.shape[1] != self.num_features:
            raise ValueError(
                f"BatchNorm2d: expected input (N, {self.num_features}, H, W), got {input.shape}"
            )
        momentum = self.momentum
        if self.training and self.track_running_stats:
            self.num_batches_tracked.add_(1)
            if momentum is None:
                momentum = 1 / self.num_batches_tracked.item()
        running = (self.running_mean, self.running_var)
        if self.training and not self.track_running_stats:
            running = (None, None)
        use_batch = self.training or self.running_mean is None
        return F.batch_norm(
            input, *running, self.weight, self.bias, use_batch, momentum or 0.0, self.eps
        )

    def extra_repr(self) -> str:
        """The options."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )
