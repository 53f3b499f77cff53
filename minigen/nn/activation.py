"""Activation functions as modules, for `Sequential`. They keep the shape."""

from __future__ import annotations

from typing import Any

from minigen import functional as F
from minigen.nn import init
from minigen.nn.module import Module, blank_parameter
from minigen.tensor import Tensor

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU",
    "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid",
    "Softmax", "Softmax2d", "Softmin", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink",
    "Threshold",
]  # fmt: skip


class _MayBeInPlace(Module):
    """With `inplace` the input itself becomes the result."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace
        if inplace:
            self._shown = (*self._shown, "inplace")


class ReLU(_MayBeInPlace):
    """max(0, input)"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.relu`."""
        return F.relu(input, self.inplace)


class LeakyReLU(_MayBeInPlace):
    """input where it is positive, else negative_slope · input (Maas et al. 2013)"""

    _shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.leaky_relu`."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class Tanh(Module):
    """The hyperbolic tangent"""

    forward = staticmethod(F.tanh)


class Sigmoid(Module):
    """1 / (1 + e^−input)"""

    forward = staticmethod(F.sigmoid)


class Softplus(Module):
    """log(1 + e^(beta·input)) / beta, and the input itself where beta·input > threshold"""

    _shown = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.softplus`."""
        return F.softplus(input, self.beta, self.threshold)


class _Exponential(_MayBeInPlace):
    _shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        super().__init__(inplace)
        self.alpha = alpha


class ELU(_Exponential):
    """input where it is positive, else alpha · (e^input − 1) (Clevert et al. 2016)"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.elu`."""
        return F.elu(input, self.alpha, self.inplace)


class SELU(_MayBeInPlace):
    """ELU, scaled so that mean 0 and variance 1 are kept (Klambauer et al. 2017)"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.selu`."""
        return F.selu(input, self.inplace)


class SiLU(_MayBeInPlace):
    """input · σ(input), also called swish (Elfwing et al. 2017)"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.silu`."""
        return F.silu(input, self.inplace)


class GELU(Module):
    """input · Φ(input), Φ the distribution function of N(0, 1) (Hendrycks and Gimpel 2016); with
    approximate="tanh" by their formula with a tanh"""

    _shown = ("approximate",)

    def __init__(self, approximate: str = "none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.gelu`."""
        return F.gelu(input, self.approximate)


class Hardtanh(_MayBeInPlace):
    """The input, but at least min_val and at most max_val"""

    _shown = ("min_val", "max_val")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False):
        super().__init__(inplace)
        self.min_val, self.max_val = min_val, max_val

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.hardtanh`."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class PReLU(Module):
    """input where it is positive, else weight · input, for a weight that is learned, of all
    channels or of each (He et al. 2015).

    Shapes: (N, num_parameters, …) -> the same, or any if it is 1; weight (num_parameters,).
    """

    _shown = ("num_parameters",)

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: str | None = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = blank_parameter(num_parameters, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start anew, with weight `init`."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.prelu`."""
        return F.prelu(input, self.weight)


class ReLU6(Hardtanh):
    """min(max(0, input), 6)"""

    _shown = ()

    def __init__(self, inplace: bool = False):
        super().__init__(0.0, 6.0, inplace)


class CELU(_Exponential):
    """input where it is positive, else alpha · (e^(input / alpha) − 1) (Barron 2017)"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.celu`."""
        return F.celu(input, self.alpha, self.inplace)


class Mish(_MayBeInPlace):
    """input · tanh(softplus(input)) (Misra 2019)"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.mish`."""
        return F.mish(input, self.inplace)


class Hardswish(_MayBeInPlace):
    """input · hardsigmoid(input) (Howard et al. 2019)"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.hardswish`."""
        return F.hardswish(input, self.inplace)


class Hardsigmoid(_MayBeInPlace):
    """input / 6 + 1/2, but at least 0 and at most 1"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.hardsigmoid`."""
        return F.hardsigmoid(input, self.inplace)


class Threshold(_MayBeInPlace):
    """The input where it is larger than the threshold, else value"""

    _shown = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False):
        super().__init__(inplace)
        self.threshold, self.value = threshold, value

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.threshold`."""
        return F.threshold(input, self.threshold, self.value, self.inplace)


class Softsign(Module):
    """input / (1 + |input|)"""

    forward = staticmethod(F.softsign)


class Tanhshrink(Module):
    """input − tanh(input)"""

    forward = staticmethod(F.tanhshrink)


class _Shrink(Module):
    _shown, _unnamed = ("lambd",), 1

    def __init__(self, lambd: float = 0.5):
        super().__init__()
        self.lambd = lambd


class Softshrink(_Shrink):
    """The input moved towards 0 by lambd, and 0 where it would pass it"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.softshrink`."""
        return F.softshrink(input, self.lambd)


class Hardshrink(_Shrink):
    """The input, and 0 where |input| ≤ lambd"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.hardshrink`."""
        return F.hardshrink(input, self.lambd)


class LogSigmoid(Module):
    """log(1 / (1 + e^−input))"""

    forward = staticmethod(F.logsigmoid)


class _AlongAxis(Module):
    _shown = ("dim",)

    def __init__(self, dim: int | None = None):
        super().__init__()
        self.dim = dim


class Softmax(_AlongAxis):
    """e^input, divided by its sum over the axis dim; without dim, which warns, over axis 0 of 0, 1
    or 3 axes and else 1"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.softmax`."""
        return F.softmax(input, self.dim)


class Softmin(_AlongAxis):
    """`Softmax` of −input"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.softmin`."""
        return F.softmin(input, self.dim)


class GLU(_AlongAxis):
    """a · σ(b) for the halves a and b of the axis dim (Dauphin et al. 2017)"""

    def __init__(self, dim: int = -1):
        super().__init__(dim)

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.glu`."""
        return F.glu(input, self.dim)


class LogSoftmax(_AlongAxis):
    """The logarithm of `Softmax`"""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.log_softmax`."""
        return F.log_softmax(input, self.dim)


class Softmax2d(Module):
    """`Softmax` over the channels.

    Shapes: (N, C, H, W) or (C, H, W) -> the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.softmax`."""
        if input.ndim not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input (N, C, H, W) or (C, H, W), got {input.shape}"
            )
        return F.softmax(input, -3)
