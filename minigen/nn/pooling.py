"""Pooling: windows of an image reduced to one number each."""

from __future__ import annotations

from typing import Any

from minigen import functional as F
from minigen.functional.arguments import Pair
from minigen.nn.module import Module
from minigen.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool2d", "AvgPool1d", "AvgPool2d",
    "MaxPool1d", "MaxPool2d",
]  # fmt: skip


class _MaxPool(Module):
    _shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode


class MaxPool2d(_MaxPool):
    """The largest element of each window; see `functional.max_pool2d`.

    Shapes: (N, C, H, W) -> (N, C, H', W').
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) -> (N, C, H', W'), and the indices if asked for."""
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip


class AvgPool2d(Module):
    """The mean of each window; see `functional.avg_pool2d`.

    Shapes: (N, C, H, W) -> (N, C, H', W').
    """

    _shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding, self.ceil_mode = padding, ceil_mode
        self.count_include_pad, self.divisor_override = count_include_pad, divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')"""
        return F.avg_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip


class _AdaptivePool(Module):
    _shown = ("output_size",)

    def __init__(self, output_size: int | None | tuple[int | None, int | None]):
        super().__init__()
        self.output_size = output_size


class AdaptiveAvgPool2d(_AdaptivePool):
    """The means of output_size[0] · output_size[1] parts of an image, as equal as they can be;
    None keeps an axis. See `functional.adaptive_avg_pool2d`.

    Shapes: (N, C, H, W) -> (N, C, *output_size).
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, *output_size)"""
        return F.adaptive_avg_pool2d(input, self.output_size)


class MaxPool1d(_MaxPool):
    """The largest element of each window; see `functional.max_pool1d`.

    Shapes: (N, C, L) -> (N, C, L').
    """

    def forward(self, input: Tensor) -> Any:
        """(N, C, L) -> (N, C, L'), and the indices if asked for."""
        return F.max_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip


class AdaptiveMaxPool2d(_AdaptivePool):
    """The largest elements of parts of one size; see `functional.adaptive_max_pool2d`.

    Shapes: (N, C, H, W) -> (N, C, *output_size).
    """

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, *output_size)"""
        return F.adaptive_max_pool2d(input, self.output_size)


class AvgPool1d(Module):
    """The mean of each window; see `functional.avg_pool1d`.

    Shapes: (N, C, L) -> (N, C, L').
    """

    _shown = ("kernel_size", "stride", "padding")

    def __init__(
        self,
        kernel_size: int,
        stride: int | None = None,
        padding: int = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__()
        sizes = kernel_size, kernel_size if stride is None else stride, padding
        self.kernel_size, self.stride, self.padding = ((n,) for n in sizes)  # as PyTorch shows them
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, L')"""
        window = self.kernel_size, self.stride, self.padding
        return F.avg_pool1d(input, *window, self.ceil_mode, self.count_include_pad)


class AdaptiveAvgPool1d(_AdaptivePool):
    """The means of output_size parts. Shapes: (N, C, L) -> (N, C, output_size)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) -> (N, C, output_size)"""
        return F.adaptive_avg_pool1d(input, self.output_size)
