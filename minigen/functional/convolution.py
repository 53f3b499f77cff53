"""The convolution triangle.

Convolution is linear in its input and in its weight. So the three maps

    conv2d(x, w) = y        its input gradient (g, w) -> x        its weight gradient (x, g) -> w

are each bilinear, ⟨conv2d(x, w), g⟩ is the same number seen from all three sides, and the
pullbacks of each are the other two, of the same problem. The input gradient is what is called a
transposed convolution. Three kernels serve gradients of every order.
"""

from __future__ import annotations

import math
from typing import Any

from minigen.backend import Array
from minigen.functional.arguments import Pair, pair, windows_along
from minigen.functional.image import batched, pad, pool_windows
from minigen.functional.linear import same_dtype
from minigen.kernels import convolution as kernels
from minigen.kernels import pooling
from minigen.kernels.problem import Problem
from minigen.operation import operation
from minigen.tensor import Tensor

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "max_pool2d"]


def _bias_gradient(g: Tensor) -> Tensor:
    return g.sum((0, 2, 3))


@operation(
    input=lambda g, weight, problem: _conv2d_input(g, weight, None, problem=problem),
    weight=lambda g, input, problem: _conv2d_weight(input, g, problem=problem),
    bias=_bias_gradient,
    flops=lambda y, weight: 2 * y.size * math.prod(weight.shape[1:]),
)
def _conv2d(input: Array, weight: Array, bias: Array | None, *, problem: Problem) -> Array:
    return kernels.conv2d(input, weight, bias, problem)


@operation(
    g=lambda h, weight, problem: _conv2d(h, weight, None, problem=problem),
    weight=lambda h, g, problem: _conv2d_weight(h, g, problem=problem),
    bias=_bias_gradient,
    flops=lambda y, g, weight: 2 * g.size * math.prod(weight.shape[1:]),
)
def _conv2d_input(g: Array, weight: Array, bias: Array | None, *, problem: Problem) -> Array:
    return kernels.conv2d_input(g, weight, bias, problem)


@operation(
    input=lambda v, g, problem: _conv2d_input(g, v, None, problem=problem),
    g=lambda v, input, problem: _conv2d(input, v, None, problem=problem),
    flops=lambda y, g: 2 * g.size * math.prod(y.shape[1:]),
)
def _conv2d_weight(input: Array, g: Array, *, problem: Problem) -> Array:
    return kernels.conv2d_weight(input, g, problem)


def _check(
    name: str, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, transposed: bool
) -> None:
    """Shapes and dtypes of a convolution's operands."""
    if input.ndim != 4 or weight.ndim != 4:
        raise ValueError(
            f"{name}: expected input (N, C, H, W) and a weight of 4 axes, got {input.shape} and "
            f"{weight.shape}"
        )
    if 0 in weight.shape[2:]:
        raise ValueError(f"{name}: a filter needs taps, the weight is {weight.shape}")
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
    dilation is an integer or a pair for the two axes; N may be missing. padding="same" pads so that
    the output has the input's size, "valid" not at all.

    Raises:
        ValueError: shapes do not fit, or the filter is larger than the padded input.
        TypeError: dtypes differ.
    """
    input, single = batched("conv2d", input, 4, "N, C, H, W")
    _check("conv2d", input, weight, bias, groups, transposed=False)
    if isinstance(padding, str):
        input, padding = _padded_by_name(input, weight, stride, padding, dilation)
    geometry = stride, padding, dilation = (
        pair("conv2d", "stride", stride, 1),
        pair("conv2d", "padding", padding, 0),
        pair("conv2d", "dilation", dilation, 1),
    )
    size = tuple(map(windows_along, input.shape[2:], weight.shape[2:], *geometry))
    if min(size) < 1:
        raise ValueError(
            f"conv2d: the filter {weight.shape[2:]} with dilation {dilation} is larger than the "
            f"input {input.shape[2:]} with padding {padding}"
        )
    problem = Problem.of(input.shape, weight.shape, size, *geometry, groups)
    y = _conv2d(input, weight, bias, problem=problem)
    return y.squeeze(0) if single else y


def _padded_by_name(
    input: Tensor, weight: Tensor, stride: Pair, padding: str, dilation: Pair
) -> tuple[Tensor, tuple[int, int]]:
    """padding="valid" is none; "same" gives an output of the input's size. Where that takes an odd
    number of zeros, the extra one is on the right, and is put there first."""
    if padding == "valid":
        return input, (0, 0)
    if padding != "same":
        raise ValueError(f"conv2d: padding must be 'same', 'valid' or integers, not {padding!r}")
    if pair("conv2d", "stride", stride, 1) != (1, 1):
        raise ValueError("conv2d: padding='same' needs stride 1")
    steps = pair("conv2d", "dilation", dilation, 1)
    total = [d * (k - 1) for d, k in zip(steps, weight.shape[2:], strict=True)]
    if any(n % 2 for n in total):
        input = pad(input, (0, total[1] % 2, 0, total[0] % 2))
    return input, (total[0] // 2, total[1] // 2)


def _one_axis(value: int | str | tuple[int], along: int) -> Any:
    """An argument for images of one row."""
    if isinstance(value, str):
        return value
    return (along, value if isinstance(value, int) else value[0])


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int | str = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """One-dimensional convolution: `conv2d` of images with one row.

    Shapes: input (N, C, L) or (C, L), weight (O, C/groups, R), bias (O,) -> (N, O, L').
    Errors: see `conv2d`.
    """
    input, single = batched("conv1d", input, 3, "N, C, L")
    _needs_axes("conv1d", weight, 3)
    one = (_one_axis(v, n) for v, n in ((stride, 1), (padding, 0), (dilation, 1)))
    y = conv2d(input.unsqueeze(2), weight.unsqueeze(2), bias, *one, groups).squeeze(2)
    return y.squeeze(0) if single else y


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    groups: int = 1,
    dilation: int = 1,
) -> Tensor:
    """One-dimensional transposed convolution: `conv_transpose2d` of images with one row.

    Shapes: input (N, C, L) or (C, L), weight (C, O/groups, R), bias (O,) -> (N, O, L').
    Errors: see `conv_transpose2d`.
    """
    name = "conv_transpose1d"
    input, single = batched(name, input, 3, "N, C, L")
    _needs_axes(name, weight, 3)
    one = (_one_axis(v, n) for v, n in ((stride, 1), (padding, 0), (output_padding, 0)))
    y = conv_transpose2d(
        input.unsqueeze(2), weight.unsqueeze(2), bias, *one, groups, _one_axis(dilation, 1)
    ).squeeze(2)
    return y.squeeze(0) if single else y


def _needs_axes(name: str, weight: Tensor, count: int) -> None:
    if weight.ndim != count:
        raise ValueError(f"{name}: expected a weight of {count} axes, got {weight.shape}")


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
    input, single = batched(name, input, 4, "N, C, H, W")
    _check(name, input, weight, bias, groups, transposed=True)
    geometry = stride, padding, dilation = (
        pair(name, "stride", stride, 1),
        pair(name, "padding", padding, 0),
        pair(name, "dilation", dilation, 1),
    )
    extra = pair(name, "output_padding", output_padding, 0)
    spans = zip(input.shape[2:], weight.shape[2:], *geometry, extra, strict=True)
    size = tuple((n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, d, e in spans)
    for e, s, d in zip(extra, stride, dilation, strict=True):
        if e >= max(s, d):
            raise ValueError(
                f"{name}: output_padding {extra} must be smaller than stride {stride} or "
                f"dilation {dilation}"
            )
    if min(size) < (1 if len(input) else 0):  # of no image nothing may be left, as in PyTorch
        raise ValueError(f"{name}: padding {padding} leaves nothing of the output: {size}")
    of = (len(input), weight.shape[1] * groups, *size)
    problem = Problem.of(of, weight.shape, input.shape[2:], *geometry, groups)
    y = _conv2d_input(input, weight, bias, problem=problem)
    return y.squeeze(0) if single else y


@operation(
    input=lambda g, places, shape, windows: _put_pixels(g, places, size=shape[2:], windows=windows),
    exact=True,
)
def _max_pool(input: Array, places: Array, *, windows: tuple) -> Array:
    """The pixels at the places of the largest ones in such windows."""
    return pooling.take_pixels(input, places)


# Its gradient takes pixels from the same places, whichever are the largest there.
@operation(g=lambda h, places, windows: _max_pool(h, places, windows=windows))
def _put_pixels(g: Array, places: Array, *, size: tuple, windows: tuple) -> Array:
    return pooling.put_pixels(g, places, size)


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
        ValueError: shapes do not fit, padding is more than half the window, or a window (with
            dilation) meets nothing but padding.
    """
    name = "max_pool2d"
    input, single = batched(name, input, 4, "N, C, H, W")
    size, window, *geometry = pool_windows(
        name, input.shape[2:], kernel_size, stride, padding, dilation, ceil_mode
    )
    for n, k, out, s, p, d in zip(input.shape[2:], window, size, *geometry, strict=True):
        if d > 1 and any(all(not 0 <= i * s - p + r * d < n for r in range(k)) for i in range(out)):
            raise ValueError(
                f"{name}: a window meets nothing but padding: {geometry[1]} is too much"
            )
    places = pooling.argmax_of_windows(input._array, window, size, *geometry)
    y = _max_pool(input, places, windows=(window, *geometry))
    y = y.squeeze(0) if single else y
    return (y, Tensor(places[0] if single else places)) if return_indices else y
