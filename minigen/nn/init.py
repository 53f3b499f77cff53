"""Initial values of parameters, drawn into the tensors given.

Nothing here is recorded. Random numbers come from `generator`, or the default stream.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erfinv

from minigen.backend import Generator, to_device
from minigen.missing import missing_from
from minigen.modes import no_grad
from minigen.tensor import Tensor


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which a nonlinearity wants its input's standard deviation scaled.

    Args:
        nonlinearity: the name of a function in PyTorch's `nn.functional`.
        param: the negative slope of `leaky_relu` (default 0.01).

    Raises:
        ValueError: an unknown name.
    """
    slope = 0.01 if param is None else param
    axes = ("1d", "2d", "3d")
    linear = [*(f"conv{n}" for n in axes), *(f"conv_transpose{n}" for n in axes)]
    gains = dict.fromkeys(("linear", *linear, "sigmoid"), 1.0)
    gains |= {"tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4}
    gains["leaky_relu"] = math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in gains:
        known = ", ".join(map(repr, gains))
        raise ValueError(f"nonlinearity must be one of {known}, not {nonlinearity!r}")
    return gains[nonlinearity]


@no_grad()
def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers from U[a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill with numbers from N(mean, std²)."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with `val`."""
    return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return constant_(tensor, 1.0)


def fans(tensor: Tensor) -> tuple[int, int]:
    """How many numbers flow into and out of each unit: shape (out, in, …) gives in·… and out·….

    PyTorch's convention: for the weight of a transposed convolution, (in, out, R, S), the two
    come out exchanged.

    Raises:
        ValueError: the tensor has fewer than two axes.
    """
    if tensor.ndim < 2:
        raise ValueError(
            f"fan in and fan out need a weight of two or more axes, not {tensor.shape}; fill "
            "a bias with zeros_ or uniform_"
        )
    receptive = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive, tensor.shape[0] * receptive


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2 / max(1, sum(fans(tensor))))


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode must be 'fan_in' or 'fan_out', not {mode!r}")
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / math.sqrt(max(1, fan))


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fill uniformly, with variance gain²·2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""
    bound = math.sqrt(3) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fill normally, with variance gain²·2 / (fan_in + fan_out) (Glorot and Bengio 2010)."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill uniformly, with variance gain² / fan (He et al. 2015).

    Args:
        a: the negative slope, for `leaky_relu`.
        mode: `"fan_in"` keeps the variance of what flows forward, `"fan_out"` of gradients.
        nonlinearity: for `calculate_gain`.

    Raises:
        ValueError: another mode or nonlinearity, or the tensor has fewer than two axes.
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fill normally, with variance gain² / fan (He et al. 2015); arguments as above."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fill with numbers from N(mean, std²), of which none lies outside [a, b]."""
    low, high = (math.erf((bound - mean) / std / math.sqrt(2)) for bound in (a, b))
    tensor.uniform_(low, high, generator=generator)  # the distribution function, of which follows
    values = mean + std * math.sqrt(2) * erfinv(tensor.numpy().astype(np.float64))
    return tensor.copy_(to_device(np.clip(values, a, b), tensor.device))


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with a matrix (outputs, all else) whose rows, or columns if these are fewer, are
    orthogonal and of length `gain` (Saxe et al. 2014).

    Raises:
        ValueError: the tensor has fewer than two axes.
    """
    fans(tensor)
    if not tensor.numel():
        return tensor
    shape = tensor.shape[0], tensor.numel() // tensor.shape[0]
    normal = normal_(tensor, generator=generator).numpy().astype(np.float64).reshape(shape)
    q, r = np.linalg.qr(normal if shape[0] >= shape[1] else normal.T)
    q *= gain * np.sign(np.diagonal(r))  # else not all orthogonal matrices were equally likely
    q = (q if shape[0] >= shape[1] else q.T).reshape(tensor.shape)
    return tensor.copy_(to_device(q, tensor.device))


def default_(weight: Tensor, bias: Tensor | None) -> None:
    """Fill as PyTorch's linear and convolution layers do: both from U(±1/√fan_in)."""
    kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        bound = 1 / math.sqrt(max(1, fans(weight)[0]))
        uniform_(bias, -bound, bound)


__getattr__ = missing_from(globals(), "nn.init")
