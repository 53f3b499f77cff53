"""Convolutions beside a change of size, in 4/9 of the products: those of equal pixels are added up
before they are multiplied, as in the code of Karras et al. (2018, arXiv:1710.10196).

    doubled               each pixel four times
    conv2d_of_doubled     a convolution of a doubled picture
    halved_conv2d         the mean of every four pixels of a convolution
"""

from __future__ import annotations

from minigen import Tensor
from minigen import functional as F


def doubled(x: Tensor) -> Tensor:
    """Each pixel four times: (N, C, H, W) -> (N, C, 2·H, 2·W)."""
    return F.interpolate(x, scale_factor=2)


def conv2d_of_doubled(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`conv2d(doubled(x), weight, bias, padding=k // 2)` of an odd kernel k × k, (O, C, k, k):
    (N, C, H, W) -> (N, O, 2·H, 2·W).

    A pixel of x adds to (k + 1)² others, to each by the sum of those up to four weights that meet
    a copy of it there.
    """
    half = weight.shape[-1] // 2
    sums = 4 * F.avg_pool2d(weight.flip((2, 3)), 2, stride=1, padding=1)
    return F.conv_transpose2d(x, sums.transpose(0, 1), bias, stride=2, padding=half)


def halved_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`avg_pool2d(conv2d(x, weight, bias, padding=k // 2), 2)` of an odd kernel k × k,
    (O, C, k, k): (N, C, H, W) -> (N, O, H / 2, W / 2).

    A mean of four pixels sees (k + 1)² others, each by a quarter of the sum of up to four weights.
    """
    half = weight.shape[-1] // 2
    means = F.avg_pool2d(weight, 2, stride=1, padding=1)
    return F.conv2d(x, means, bias, stride=2, padding=half)
