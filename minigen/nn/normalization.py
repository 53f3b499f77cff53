"""Normalisation: to mean 0 and variance 1, over a batch, an example or parts of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigen import functional as F
from minigen.backend import INT64
from minigen.functional import zeros
from minigen.functional.arguments import warn
from minigen.functional.normalization import count_batch
from minigen.nn import init
from minigen.nn.module import Module, blank_parameter
from minigen.tensor import Tensor

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "LayerNorm",
    "RMSNorm",
]  # fmt: skip


class _Affine(Module):
    """What all of them share: a weight and a bias, or none."""

    _unnamed = 1

    def _own(
        self, shape: tuple[int, ...], affine: bool, bias: bool, device: str | None, dtype: Any
    ) -> None:
        self.register_parameter(
            "weight", blank_parameter(*shape, device=device, dtype=dtype) if affine else None
        )
        has_bias = affine and bias
        self.register_parameter(
            "bias", blank_parameter(*shape, device=device, dtype=dtype) if has_bias else None
        )

    def _own_last(
        self, shape: int | Sequence[int], eps: float | None, affine: bool, *others: Any
    ) -> None:
        """As those of the last axes."""
        self.normalized_shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.eps, self.elementwise_affine = eps, affine
        self._own(self.normalized_shape, affine, *others)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start anew, with weight 1 and bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _Running(_Affine):
    """What is shared by those that can keep running statistics; arguments as for `BatchNorm2d`."""

    _shown = ("num_features", "eps", "momentum", "affine", "bias", "track_running_stats")
    _shapes: dict[int, str] = {}
    _any_channels = False  # of which there are parameters of neither kind

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
        self._own((num_features,), affine, bias, device, dtype)
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
        super().reset_parameters()

    def _require_shape(self, input: Tensor, channels: int) -> None:
        fits = input.ndim in self._shapes
        if fits and input.shape[channels] == self.num_features:
            return
        expected = " or ".join(self._shapes.values()).replace("{}", str(self.num_features))
        message = f"{type(self).__name__}: expected input {expected}, got {input.shape}"
        if not (fits and self._any_channels and self.weight is self.running_mean is None):
            raise ValueError(message)
        warn(f"{message}; num_features plays no part without affine")


class _BatchNorm(_Running):
    def forward(self, input: Tensor) -> Tensor:
        """The shape stays."""
        self._require_shape(input, 1)
        momentum = self.momentum
        if self.training and self.track_running_stats:
            count_batch(self.num_batches_tracked)
            if momentum is None:
                momentum = 1 / self.num_batches_tracked.item()
        running = (self.running_mean, self.running_var)
        if self.training and not self.track_running_stats:
            running = (None, None)
        use_batch = self.training or self.running_mean is None
        return F.batch_norm(
            input, *running, self.weight, self.bias, use_batch, momentum or 0.0, self.eps
        )


class BatchNorm2d(_BatchNorm):
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

    _shapes = {4: "(N, {}, H, W)"}


class BatchNorm1d(_BatchNorm):
    """Each feature of a batch of vectors, or channel of a batch of sequences, normalised as by
    `BatchNorm2d`, with its arguments.

    Shapes: (N, num_features) or (N, num_features, L) -> the same.
    """

    _shapes = {2: "(N, {})", 3: "(N, {}, L)"}


class _InstanceNorm(_Running):
    _any_channels = True

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: str | None = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """The shape stays."""
        single = input.ndim == min(self._shapes)
        self._require_shape(input, 0 if single else 1)
        use_own = self.training or not self.track_running_stats
        y = F.instance_norm(
            input.unsqueeze(0) if single else input, self.running_mean, self.running_var,
            self.weight, self.bias, use_own, self.momentum or 0.0, self.eps,
        )  # fmt: skip
        return y.squeeze(0) if single else y


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each image shifted and scaled to mean 0 and variance 1, then, if `affine`,
    by weight and bias (Ulyanov et al. 2016).

    Shapes: (N, num_features, H, W) or (num_features, H, W) -> the same; weight, bias, running_mean
    and running_var (num_features,).

    Args:
        num_features: the number of channels.
        eps: is added to the variance.
        momentum: the share by which the running statistics move.
        affine: whether there are weight and bias.
        track_running_stats: whether there are running statistics, the mean of the images' own,
            which are used when evaluating.
        bias: whether there is a bias, if `affine`.
    """

    _shapes = {4: "(N, {}, H, W)", 3: "({}, H, W)"}


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each sequence normalised as by `InstanceNorm2d`, with its arguments.

    Shapes: (N, num_features, L) or (num_features, L) -> the same.
    """

    _shapes = {3: "(N, {}, L)", 2: "({}, L)"}


class LayerNorm(_Affine):
    """The last axes of each example shifted and scaled to mean 0 and variance 1, then by weight
    and bias (Ba et al. 2016).

    Shapes: (…, *normalized_shape) -> the same; weight and bias normalized_shape.
    """

    _shown = ("normalized_shape", "eps", "elementwise_affine", "bias")

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ):
        super().__init__()
        self._own_last(normalized_shape, eps, elementwise_affine, bias, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """The shape stays."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(_Affine):
    """The last axes of each example divided by the root of their mean square, then scaled (Zhang
    and Sennrich 2019); see `functional.rms_norm`.

    Shapes: (…, *normalized_shape) -> the same; weight normalized_shape.
    """

    _shown = ("normalized_shape", "eps", "elementwise_affine")

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ):
        super().__init__()
        self._own_last(normalized_shape, eps, elementwise_affine, False, device, dtype)

    def forward(self, input: Tensor) -> Tensor:
        """The shape stays."""
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)


class GroupNorm(_Affine):
    """The channels of each example in groups, each shifted and scaled to mean 0 and variance 1,
    then each channel by weight and bias (Wu and He 2018).

    Shapes: (N, num_channels, …) -> the same; weight and bias (num_channels,).

    Raises:
        ValueError: num_groups does not divide num_channels.
    """

    _shown, _unnamed = ("num_groups", "num_channels", "eps", "affine", "bias"), 2

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: str | None = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}"
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        self._own((num_channels,), affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """The shape stays."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)
