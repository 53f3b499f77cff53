"""Activation functions as modules, for `Sequential`. They keep the shape."""

from __future__ import annotations

from minigen import functional as F
from minigen.functional.arguments import refuse
from minigen.nn.module import Module
from minigen.tensor import Tensor


class ReLU(Module):
    """max(0, input)"""

    def __init__(self, inplace: bool = False):
        super().__init__()
        refuse("ReLU", inplace=inplace)

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.relu`."""
        return F.relu(input)


class LeakyReLU(Module):
    """input where it is positive, else negative_slope · input (Maas et al. 2013)"""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__()
        refuse("LeakyReLU", inplace=inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.leaky_relu`."""
        return F.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"negative_slope={self.negative_slope}"


class Tanh(Module):
    """The hyperbolic tangent"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.tanh`."""
        return F.tanh(input)


class Sigmoid(Module):
    """1 / (1 + e^−input)"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.sigmoid`."""
        return F.sigmoid(input)


class Softplus(Module):
    """log(1 + e^(beta·input)) / beta, and the input itself where beta·input > threshold"""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.softplus`."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The options."""
        return f"beta={self.beta}, threshold={self.threshold}"
