"""The convolution triangle.

Convolution is linear in its input and in its weight. So the three maps

    conv2d(x, w) = y        its input gradient (g, w) -> x        its weight gradient (x, g) -> w

are each bilinear, ⟨conv2d(x, w), g⟩ is the same number seen from all three sides, and the
pullbacks of each are the other two. The input gradient is what is called a transposed
convolution. Three kernels serve gradients of every order.
"""

from __future__ import annotations

from typing import Any

from minigen.backend import Array
from minigen.functional.arguments import pair
from minigen.functional.linear import same_dtype
from minigen.functional.shape import _gather
from minigen.kernels import convolution as kernels
from minigen.kernels import pooling
from minigen.operation import operation
from minigen.tensor import Tensor

Pair = int | tuple[int, int]
Geometry = tuple  # stride, padding, dilation (pairs) and groups


def _bias_gradient(g: Tensor) -> Tensor:
    return g.sum((0, 2, 3))


@operation(
    input=lambda g, weight, shape, how: _conv2d_input(g, weight, None, size=shape[2:], how=how),
    weight=lambda g, input, shape, how: _conv2d_weight(input, g, kernel=shape[2:], how=how),
    bias=_bias_gradient,
)
def _conv2d(
    input: Array, weight: Array, bias: Array | None, *, size: tuple, how: Geometry
) -> Array:
    return kernels.conv2d(input, weight, bias, size, *how)


@operation(
    g=lambda h, weight, shape, how: _conv2d(h, weight, None, size=shape[2:], how=how),
    weight=lambda h, g, shape, how: _conv2d_weight(h, g, kernel=shape[2:], how=how),
    bias=_bias_gradient,
)
def _conv2d_input(
    g: Array, weight: Array, bias: Array | None, *, size: tuple, how: Geometry
) -> Array:
    return kernels.conv2d_input(g, weight, bias, size, *how)


@operation(
    input=lambda v, g, shape, how: _conv2d_input(g, v, None, size=shape[2:], how=how),
    g=lambda v, input, shape, how: _conv2d(input, v, None, size=shape[2:], how=how),
)
def _conv2d_weight(input: Array, g: Array, *, kernel: tuple, how: Geometry) -> Array:
    return kernels.conv2d_weight(input, g, kernel, *how)


def _check(
    name: str, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, transposed: bool
) -> None:
    """Shapes and dtypes of a convolution's operands."""
    if input.ndim != 4 or weight.ndim != 4:
        raise ValueError(
            f"{name}: expected input (N, C, H, W) and a weight of 4 axes, got {input.shape} and "
            f"{weight.shape}"
        )
    if not isinstance(groups, int) or groups < 1:
        raise ValueError(f"{name}: groups must be a whole number ≥ 1, not {groups!r}")
    channels, (first, second) = input.shape[1], weight.shape[:2]
    expected, outputs = (first, second * groups) if transposed else (second * groups, first)
    if channels != expected or first % groups or channels % groups:
        layout = "(in, out/groups, R, S)" if transposed else "(out, in/groups, R, S)"
        raise ValueError(
            f"{name}: a weight {layout} = {weight.shape} with groups={groups} takes {expected} "
            f"channels, the input has {channels} (shape {input.shape}); groups must divide both "
            "numbers of channels"
        )
    if bias is not None and bias.shape != (outputs,):
        raise ValueError(f"{name}: expected bias {(outputs,)}, got {bias.shape}")
    same_dtype(name, input=input, weight=weight, bias=bias)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Two-dimensional convolution (cross-correlation, as everywhere in deep learning).

    y[n, o, p] = bias[o] + Σ_c Σ_r input[n, c, p·stride − padding + r·dilation] · weight[o, c, r]

    Shapes: input (N, C, H, W), weight (O, C/groups, R, S), bias (O,) -> (N, O, H', W') with
    H' = ⌊(H + 2·padding − dilation·(R − 1) − 1) / stride⌋ + 1. Each of stride, padding and
    dilation is an integer or a pair for the two axes.

    Raises:
        ValueError: shapes do not fit, or the filter is larger than the padded input.
        TypeError: dtypes differ.
        NotImplementedError: padding="same" or "valid".
    """
    _check("conv2d", input, weight, bias, groups, transposed=False)
    how = (
        pair("conv2d", "stride", stride, 1),
        pair("conv2d", "padding", padding, 0),
        pair("conv2d", "dilation", dilation, 1),
    )
    spans = zip(input.shape[2:], weight.shape[2:], *how, strict=True)
    size = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in spans)
    if min(size) < 1:
        raise ValueError(
            f"conv2d: the filter {weight.shape[2:]} with dilation {how[2]} is larger than the "
            f"input {input.shape[2:]} with padding {how[1]}"
        )
    return _conv2d(input, weight, bias, size=size, how=(*how, groups))


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor:
    """Two-dimensional transposed convolution: the gradient of `conv2d` for its input.

    y[n, o, p·stride − padding + r·dilation] += input[n, c, p] · weight[c, o, r], plus bias[o]

    Shapes: input (N, C, H, W), weight (C, O/groups, R, S), bias (O,) -> (N, O, H', W') with
    H' = (H − 1)·stride − 2·padding + dilation·(R − 1) + output_padding + 1.

    Raises:
        ValueError: shapes do not fit, or output_padding is not smaller than stride or dilation.
        TypeError: dtypes differ.
    """
    name = "conv_transpose2d"
    _check(name, input, weight, bias, groups, transposed=True)
    how = (
        pair(name, "stride", stride, 1),
        pair(name, "padding", padding, 0),
        pair(name, "dilation", dilation, 1),
    )
    extra = pair(name, "output_padding", output_padding, 0)
    spans = zip(input.shape[2:], weight.shape[2:], *how, extra, strict=True)
    size = tuple((n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, d, e in spans)
    for e, s, d in zip(extra, how[0], how[2], strict=True):
        if e >= max(s, d):
            raise ValueError(
                f"{name}: output_padding {extra} must be smaller than stride {how[0]} or "
                f"dilation {how[2]}"
            )
    if min(size) < 1:
        raise ValueError(f"{name}: padding {how[1]} leaves nothing of the output: {size}")
    return _conv2d_input(input, weight, bias, size=size, how=(*how, groups))


def max_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of each window; its gradient goes there, to the first one of several.

    Shapes: (N, C, H, W) -> (N, C, H', W') with
    H' = ⌊(H + 2·padding − dilation·(kernel_size − 1) − 1) / stride⌋ + 1, or ⌈…⌉ if `ceil_mode`,
    where no window starts outside the padded input. Stride is kernel_size where left out. With
    `return_indices` also the places, as indices into H·W (int64).

    Raises:
        ValueError: shapes do not fit, or padding is more than half the window.
    """
    name = "max_pool2d"
    if input.ndim != 4:
        raise ValueError(f"{name}: expected input (N, C, H, W), got {input.shape}")
    kernel = pair(name, "kernel_size", kernel_size, 1)
    how = (
        pair(name, "stride", kernel if stride is None else stride, 1),
        pair(name, "padding", padding, 0),
        pair(name, "dilation", dilation, 1),
    )
    if any(2 * p > k for p, k in zip(how[1], kernel, strict=True)):
        raise ValueError(f"{name}: padding {how[1]} is more than half of the window {kernel}")
    size = []
    for n, k, s, p, d in zip(input.shape[2:], kernel, *how, strict=True):
        span = n + 2 * p - d * (k - 1) - 1
        out = (-(-span // s) if ceil_mode else span // s) + 1
        if ceil_mode and (out - 1) * s >= n + p:
            out -= 1
        size.append(out)
    if min(size) < 1:
        raise ValueError(f"{name}: the window {kernel} is larger than the input {input.shape[2:]}")
    places = pooling.argmax_of_windows(input.data, kernel, tuple(size), *how)
    n, c, h, w = input.shape
    # A pixel is a row: (N, H·W, C), from which rows are taken channel by channel.
    pixels = input.permute(0, 2, 3, 1).reshape(n, h * w, c)
    flat = places.transpose(0, 2, 3, 1).reshape(n, -1, c)
    y = _gather(pixels, flat, dim=1).reshape(n, *size, c).permute(0, 3, 1, 2)
    return (y, Tensor(places)) if return_indices else y
