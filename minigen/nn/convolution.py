"""Convolution layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigen import functional as F
from minigen.functional.arguments import Pair, pair, refuse
from minigen.nn import init
from minigen.nn.module import Module, blank_parameter
from minigen.tensor import Tensor

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"]

MODES = ("zeros", "reflect", "replicate", "circular")


class _Convolution(Module):
    """What both directions share, in one dimension and in two."""

    _axes, _transposed = 2, False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair | str,
        output_padding: Pair,
        dilation: Pair,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: str | None,
        dtype: Any,
    ):
        super().__init__()
        name = type(self).__name__
        if padding_mode not in (("zeros",) if self._transposed else MODES):
            raise ValueError(f"{name}: padding_mode is one of {MODES}, not {padding_mode!r}; "
                             "transposed convolutions know the first alone")  # fmt: skip
        self.padding_mode = padding_mode
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{name}: groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = self._sizes("kernel_size", kernel_size, 1)
        self.stride = self._sizes("stride", stride, 1)
        named = padding in ("same", "valid") and not self._transposed
        self.padding = padding if named else self._sizes("padding", padding, 0)
        self.output_padding = self._sizes("output_padding", output_padding, 0)
        self.dilation = self._sizes("dilation", dilation, 1)
        if padding == "same" and max(self.stride) > 1:
            raise ValueError(f"{name}: padding='same' needs stride 1, not {stride}")
        ends = (in_channels, out_channels) if self._transposed else (out_channels, in_channels)
        shape = (ends[0], ends[1] // groups, *self.kernel_size)
        self.weight = blank_parameter(*shape, device=device, dtype=dtype)
        self.register_parameter(
            "bias", blank_parameter(out_channels, device=device, dtype=dtype) if bias else None
        )
        self.reset_parameters()

    def _sizes(self, argument: str, value: Any, least: int) -> tuple[int, ...]:
        """One whole number for each axis."""
        if self._axes == 1 and isinstance(value, Sequence) and len(value) != 1:
            raise ValueError(f"{type(self).__name__}: {argument} must be one number, not {value!r}")
        return pair(type(self).__name__, argument, value, least)[: self._axes]

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        init.default_(self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        for name, default in (("padding", 0), ("dilation", 1), ("output_padding", 0)):
            if getattr(self, name) != (default,) * self._axes:
                text += f", {name}={getattr(self, name)}"
        text += f", groups={self.groups}" if self.groups != 1 else ""
        text += ", bias=False" if self.bias is None else ""
        return text + (
            f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else ""
        )


class _Forward(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, 0, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H', W')"""
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The same with another weight and bias in place of this layer's."""
        convolve = F.conv1d if self._axes == 1 else F.conv2d
        padding = self.padding
        if self.padding_mode != "zeros" and padding != "valid":
            input, padding = F.pad(input, self._border(), self.padding_mode), 0
        return convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def _border(self) -> tuple[int, ...]:
        """How much `pad` adds before and after each axis, the last one first."""
        if self.padding != "same":
            return tuple(n for n in reversed(self.padding) for _ in "ab")
        rooms = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
        return tuple(n for room in reversed(rooms) for n in (room // 2, room - room // 2))


class Conv2d(_Forward):
    """Two-dimensional convolution; see `functional.conv2d` for formula and output size.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H', W'); weight (out_channels,
    in_channels/groups, R, S), bias (out_channels,), both from U(±1/√fan_in) at first.

    Raises:
        ValueError: groups that do not divide the channels, another padding_mode, or padding="same"
            with a stride.
    """


class Conv1d(_Forward):
    """One-dimensional convolution; see `functional.conv1d`.

    Shapes: (N, in_channels, L) -> (N, out_channels, L'); weight (out_channels,
    in_channels/groups, R), bias (out_channels,). Arguments and errors: as for `Conv2d`.
    """

    _axes = 1


class _Transposed(_Convolution):
    _transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        output_padding: Pair = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Pair = 1,
        padding_mode: str = "zeros",
        device: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, output_padding, dilation,
            groups, bias, padding_mode, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: None = None) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H', W')"""
        refuse(type(self).__name__, output_size=output_size)
        convolve = F.conv_transpose1d if self._axes == 1 else F.conv_transpose2d
        return convolve(
            input, self.weight, self.bias, self.stride, self.padding, self.output_padding,
            self.groups, self.dilation,
        )  # fmt: skip


class ConvTranspose2d(_Transposed):
    """Two-dimensional transposed convolution; see `functional.conv_transpose2d`.

    Shapes: (N, in_channels, H, W) -> (N, out_channels, H', W'); weight (in_channels,
    out_channels/groups, R, S), bias (out_channels,), both from U(±1/√fan_in) at first, where
    PyTorch takes out_channels/groups·R·S for fan_in.

    Raises:
        ValueError: groups that do not divide the channels, or another padding_mode.
    """


class ConvTranspose1d(_Transposed):
    """One-dimensional transposed convolution; see `functional.conv_transpose1d`.

    Shapes: (N, in_channels, L) -> (N, out_channels, L'); weight (in_channels,
    out_channels/groups, R), bias (out_channels,). Arguments and errors: as for
    `ConvTranspose2d`.
    """

    _axes = 1
