"""Changes of an image's size and layout as modules, for `Sequential`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minigen import functional as F
from minigen.functional.arguments import Pair
from minigen.nn.module import Module
from minigen.tensor import Tensor

__all__ = [
    "CircularPad2d", "ConstantPad1d", "ConstantPad2d", "Fold", "PixelShuffle", "PixelUnshuffle",
    "ReflectionPad1d", "ReflectionPad2d", "ReplicationPad1d", "ReplicationPad2d", "Unfold",
    "Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d", "ZeroPad1d", "ZeroPad2d",
]  # fmt: skip


class Upsample(Module):
    """Another size, by size or by a factor; see `functional.interpolate`.

    Shapes: (N, C, …) -> (N, C, …).
    """

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale_factor: float | Sequence[float] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__()
        self.size, self.mode, self.align_corners = size, mode, align_corners
        if isinstance(scale_factor, Sequence):
            self.scale_factor = tuple(map(float, scale_factor))
        else:
            self.scale_factor = float(scale_factor) if scale_factor else None
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.interpolate`."""
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners,
            self.recompute_scale_factor,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """The size or the factor, and the mode."""
        name = "size" if self.scale_factor is None else "scale_factor"
        return f"{name}={getattr(self, name)}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """`Upsample` of images by mode="nearest"."""

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """`Upsample` of images by mode="bilinear" with aligned corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, "bilinear", True)


class PixelShuffle(Module):
    """(…, C·r², H, W) -> (…, C, H·r, W·r) for r = upscale_factor (Shi et al. 2016)."""

    _shown = ("upscale_factor",)

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.pixel_shuffle`."""
        return F.pixel_shuffle(input, self.upscale_factor)


class PixelUnshuffle(Module):
    """(…, C, H·r, W·r) -> (…, C·r², H, W) for r = downscale_factor."""

    _shown = ("downscale_factor",)

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.pixel_unshuffle`."""
        return F.pixel_unshuffle(input, self.downscale_factor)


class _Pad(Module):
    _mode, _sides, value = "constant", 4, None

    def __init__(self, padding: int | Sequence[int]):
        super().__init__()
        self.padding = (padding,) * self._sides if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.pad`."""
        return F.pad(input, self.padding, self._mode, self.value)

    def extra_repr(self) -> str:
        """The widths."""
        return str(self.padding)


class _ConstantPad(_Pad):
    def __init__(self, padding: int | Sequence[int], value: float):
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        """The widths and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad2d(_ConstantPad):
    """A border of one value: `padding` pixels on all sides, or (left, right, top, bottom).

    Shapes: (…, H, W) -> (…, H', W').
    """


class ZeroPad2d(ConstantPad2d):
    """A border of zeros; `padding` as for `ConstantPad2d`."""

    def __init__(self, padding: int | Sequence[int]):
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ReflectionPad2d(_Pad):
    """A border that mirrors the image at its outermost pixels; `padding` as for `ConstantPad2d`."""

    _mode = "reflect"


class ReplicationPad2d(_Pad):
    """A border that repeats the outermost pixels; `padding` as for `ConstantPad2d`."""

    _mode = "replicate"


class CircularPad2d(_Pad):
    """A border of the pixels at the opposite side; `padding` as for `ConstantPad2d`."""

    _mode = "circular"


class ConstantPad1d(_ConstantPad):
    """One value at both ends, `padding` times, or (left, right). Shapes: (…, L) -> (…, L')."""

    _sides = 2


class ZeroPad1d(ConstantPad1d):
    """Zeros at both ends; `padding` as for `ConstantPad1d`."""

    def __init__(self, padding: int | Sequence[int]):
        super().__init__(padding, 0.0)

    extra_repr = _Pad.extra_repr


class ReflectionPad1d(_Pad):
    """Both ends mirrored at their last element; `padding` as for `ConstantPad1d`."""

    _mode, _sides = "reflect", 2


class ReplicationPad1d(_Pad):
    """The last element of both ends repeated; `padding` as for `ConstantPad1d`."""

    _mode, _sides = "replicate", 2


class _Windows(Module):
    _shown = ("kernel_size", "dilation", "padding", "stride")

    def __init__(self, kernel_size: Pair, dilation: Pair = 1, padding: Pair = 0, stride: Pair = 1):
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride


class Unfold(_Windows):
    """Each window of an image as a column: (N, C, H, W) -> (N, C·R·S, windows)."""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.unfold`."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class Fold(_Windows):
    """Columns added up where their windows lie: (N, C·R·S, windows) -> (N, C, *output_size)."""

    _shown = ("output_size", *_Windows._shown)

    def __init__(
        self,
        output_size: Pair,
        kernel_size: Pair,
        dilation: Pair = 1,
        padding: Pair = 0,
        stride: Pair = 1,
    ):
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.fold`."""
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )
