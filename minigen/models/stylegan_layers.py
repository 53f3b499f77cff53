"""The layers of StyleGAN's networks (Karras et al. 2019, arXiv:1812.04948, and 2020, "StyleGAN2",
arXiv:1912.04958).

    EqualLinear, EqualConv2d   layers whose weights all learn at one speed
    blurred, doubled           the filter before and after every change of size
    ModulatedConv2d            a convolution in a style; equations 1 to 3 of StyleGAN2
    StyledLayer                the same, noise, and LeakyReLU
    ClassCode                  a code of each class

Which of them follow one another, stylegan_networks.py says.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from minigen import Tensor, nn
from minigen import functional as F
from minigen.halves import in_float32

# What LeakyReLU takes from the second moment. It may be multiplied before, c·max(x, 0.2·x) being
# max(c·x, 0.2·c·x): where there are weights, these are the fewest numbers.
GAIN = math.sqrt(2)
activated = functools.partial(F.leaky_relu, negative_slope=0.2)


class EqualLinear(nn.Linear):
    """c·x·(λ·W/√inputs)ᵀ + c·λ·b: (…, inputs) -> (…, outputs), an equalised learning rate (Karras
    et al. 2018, arXiv:1710.10196, section 4.1).

    W is drawn from N(0, 1/λ²), and He's factor 1/√inputs stands in the formula, not in the initial
    value: Adam moves every weight by about its rate, which so is the same share of each.

    Args:
        inputs, outputs: numbers.
        gain: c, GAIN before an activation.
        rate: λ, by which this layer learns slower or faster than the others.
        bias: what b adds at first.
    """

    def __init__(
        self, inputs: int, outputs: int, *, gain: float = 1.0, rate: float = 1.0, bias: float = 0.0
    ):
        super().__init__(inputs, outputs)
        self.gain, self.rate = gain, rate
        nn.init.normal_(self.weight, std=1 / rate)
        nn.init.constant_(self.bias, bias / rate)

    def forward(self, input: Tensor) -> Tensor:
        factor = self.gain * self.rate
        weight = self.weight * (factor / math.sqrt(self.in_features))
        return F.linear(input, weight, self.bias * factor)


class EqualConv2d(nn.Conv2d):
    """The same of a convolution: `nn.Conv2d` with W ~ N(0, 1), divided by √(inputs·k²)."""

    def __init__(self, *sizes: int, gain: float = 1.0, **options: Any):
        super().__init__(*sizes, **options)
        self.gain = gain
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight * (self.gain / math.sqrt(self.weight[0].numel()))
        bias = None if self.bias is None else self.bias * self.gain
        return self._conv_forward(input, weight, bias)


@functools.cache
def _blur(size: int, padding: int, stride: int) -> np.ndarray:
    """The matrix (outputs, size) of the filter [1, 3, 3, 1] / 8 along one axis."""
    rows = range((size + 2 * padding - 4) // stride + 1)
    spread = np.array([np.eye(size + 2 * padding)[i * stride : i * stride + 4] for i in rows])
    return np.array([1, 3, 3, 1]) / 8 @ spread[:, :, padding : padding + size]


def blurred(x: Tensor, padding: int = 1, stride: int = 1) -> Tensor:
    """The filter [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 64 over square planes (N, C, H, H), zeros around:
    a convolution of each channel by itself, as two products B·x·Bᵀ. Before every `stride`-th
    pixel is taken it removes what these could not tell from something coarser (Zhang 2019,
    arXiv:1904.11486)."""
    b = Tensor(_blur(x.shape[-1], padding, stride).astype(x.dtype), device=x.device)
    return b @ x @ b.T


def doubled(x: Tensor) -> Tensor:
    """(N, C, H, H) -> (N, C, 2H, 2H): zeros between the pixels, then the filter, and 4 for the
    three zeros beside each pixel. That is the transpose of halving, Bᵀ·x·B."""
    b = Tensor(2 * _blur(2 * x.shape[-1], 1, 2).astype(x.dtype), device=x.device)
    return b.T @ x @ b


class ModulatedConv2d(nn.Module):
    """A convolution in a style: (N, inputs, H, H) and w (N, style) -> (N, outputs, H, H), or
    (N, outputs, 2H, 2H) with `up`.

    The style s = A·w + 1 scales the input channels, as if weights were scaled, sample by sample:

        w'_ijk = s_i·w_ijk                                                          (equation 1)
        σ_j = √(Σ_ik w'_ijk²),  w''_ijk = w'_ijk / √(Σ_ik w'_ijk² + ε)         (equations 2, 3)

    The second line, demodulation, gives back unit variance to output channels, if inputs have it:
    no style can shout down those that come later. Both factors of a weight belong to a whole
    channel, the first of the input and the second of the output, so they can be applied there, and
    one convolution serves all samples: scale, convolve, rescale.

    Args:
        inputs, outputs: channels.
        kernel: its side, odd; 5 at most with `up`.
        style: length of w.
        up: double the size, by a transposed convolution of stride 2 and a blur.
        demodulate: equation 3; colours go without, for theirs is the last word.

    Raises:
        ValueError: another kernel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        style: int,
        *,
        up: bool = False,
        demodulate: bool = True,
    ):
        super().__init__()
        if kernel % 2 == 0 or kernel > 5 and up:
            raise ValueError(
                f"ModulatedConv2d: expected an odd kernel, 5 at most with up, got {kernel}"
            )
        self.up, self.demodulate = up, demodulate
        self.affine = EqualLinear(style, inputs, bias=1.0)  # A: at first every style is about 1
        self.weight = nn.Parameter(F.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(F.zeros(outputs, 1, 1))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        s = self.affine(w)  # (N, inputs)
        weight = self.weight / math.sqrt(self.weight[0].numel())
        y = x * s[:, :, None, None]
        if self.up:
            y = F.conv_transpose2d(y, weight.transpose(0, 1), stride=2)  # 2H + kernel − 2 pixels
            y = 4 * blurred(y, (5 - weight.shape[-1]) // 2)  # and 4 as in `doubled`
        else:
            y = F.conv2d(y, weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            y = y * demodulation(s, weight)[:, :, None, None]
        return y + self.bias


@in_float32
def demodulation(s: Tensor, weight: Tensor) -> Tensor:
    """1 / √(Σ_ik s_i²·w_ijk² + ε) of styles (N, inputs) and weights (outputs, inputs, R, S):
    (N, outputs)."""
    squares = weight.square().sum((2, 3))  # Σ_k w_ijk², (outputs, inputs)
    return F.rsqrt(s.square() @ squares.T + 1e-8)


class StyledLayer(nn.Module):
    """A convolution in a style, noise, LeakyReLU: (N, inputs, H, H), w and noise (N, 1, size, size)
    -> (N, outputs, size, size).

    One plane of noise, of a strength that is learnt, serves all channels: for what no style should
    have to say, where exactly a stroke frays. Without noise given, training draws it anew and
    evaluation takes one plane for all pictures.
    """

    def __init__(self, inputs: int, outputs: int, size: int, style: int, up: bool = False):
        super().__init__()
        self.convolution = ModulatedConv2d(inputs, outputs, 3, style, up=up)
        self.strength = nn.Parameter(F.zeros(()))
        self.register_buffer("constant_noise", F.randn(1, 1, size, size))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None = None) -> Tensor:
        plane = self.constant_noise
        if noise is None and self.training:
            noise = F.randn(len(w), *plane.shape[1:], dtype=plane.dtype, device=plane.device)
        noise = plane if noise is None else noise
        return activated(GAIN * (self.convolution(x, w) + self.strength * noise))


@in_float32
def second_moment(x: Tensor) -> Tensor:
    """Rows (N, C) with a mean square of 1."""
    return x * F.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class ClassCode(EqualLinear):
    """Classes (N,) -> a code of each, (N, outputs), whose mean square is 1; `inputs` are how many
    classes there are."""

    def forward(self, labels: Tensor | None) -> Tensor:
        """Refuses None, which is what a network gets that is not told the class but should be."""
        if labels is None:
            raise ValueError(
                f"expected labels (N,) of {self.in_features} classes, for this network is told the"
                " class, got none"
            )
        rows = F.one_hot(labels, self.in_features).to(self.weight.dtype)
        return second_moment(super().forward(rows))
