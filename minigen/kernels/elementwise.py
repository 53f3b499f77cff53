"""Formulas of each element that write where their result belongs, for `pieces.py` to share out.

NumPy's `where` and masked copies take 4 ns an element when the mask is irregular (mispredicted
branches). Arithmetic with the mask takes a seventh of that. SciPy's functions take 5 to 17 ns,
NumPy's `exp` and `tanh` half of one.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from minigen.backend import FLOAT32, Array, memory_order, special
from minigen.kernels import limits, threads
from minigen.kernels.blas import is_finite
from minigen.kernels.pieces import StandIn, formula

METHODS = {np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min"}


def over(ufunc: np.ufunc, x: Array, axes: int | tuple[int, ...], keepdims: bool = False) -> Array:
    """What arrays' methods give, which take longer to call."""
    if type(x) is np.ndarray:
        return ufunc.reduce(x, axes, None, None, keepdims)
    return getattr(x, METHODS[ufunc])(axis=axes, keepdims=keepdims)


def largest(x: Array, axes: int | tuple[int, ...], keepdims: bool = False) -> Array:
    """The maximum along axes; of a single axis by its place, which takes a third of the time."""
    if type(x) is np.ndarray and x.ndim == 1 and x.size and not keepdims:
        return x[x.argmax()]
    return over(np.maximum, x, axes, keepdims)


@functools.lru_cache(256)
def number(value: float, dtype: np.dtype) -> Array:
    """A number as an array, which NumPy need not convert each time: that takes as long as an
    operation on few elements."""
    return np.array(value, dtype)


def total(x: Array) -> Array:
    """The sum of all elements; those of pieces are added in their order."""
    if not (x.size and x.transpose(memory_order(x.strides)).flags.c_contiguous):
        return x.sum()
    flat = x.ravel(order="K")
    sums = threads.in_pieces(
        lambda i, j: np.add.reduce(flat[i:j]), x.size, 1, limits.now.of_a_sum * x.size
    )
    return np.add.reduce(sums)


def relu(x: Array) -> Array:
    """x where it is positive, else 0"""
    few = type(x) is np.ndarray and x.size < limits.now.clipped
    return np.maximum(x, number(0, x.dtype)) if few else _relu(x)


@formula(1)
def _relu(x: Array, y: Array) -> None:
    if x.dtype.kind != "f":
        np.maximum(x, 0, out=y)
    else:
        np.clip(x, 0.0, math.inf, out=y)  # NumPy's loop for this one takes a third of the time


def leaky_relu(x: Array, slope: float) -> Array:
    """x where it is positive, else slope·x"""
    if type(x) is np.ndarray and x.size < limits.now.clipped and 0 < slope <= 1:
        return np.maximum(x, x * number(slope, x.dtype))
    return _leaky_relu(x, slope=slope)


@formula(2)
def _leaky_relu(x: Array, y: Array, slope: float) -> None:
    if slope == 0:  # 0·(−∞) is NaN
        np.maximum(x, 0, out=y)
        return
    # One of the two is the answer: the larger one for a slope up to 1.
    choose = np.maximum if slope <= 1 else np.minimum
    slope = number(slope, x.dtype) if isinstance(x, np.ndarray) else slope
    choose(x, np.multiply(x, slope, y), out=y)


@formula(4)
def gate(g: Array, y: Array, out: Array, slope: float) -> None:
    """out = g where y is positive, else slope·g"""
    positive = y > 0
    if slope == 0:
        _where(positive, g, out)
        return
    bits = f"i{g.itemsize}"
    chosen = out.view(bits)
    chosen[...] = np.negative(positive.view("i1"))  # all bits or none
    one, low = np.array([1, slope], g.dtype).view(bits)
    chosen &= one ^ low
    chosen ^= low  # the bits of 1 or of the slope
    out *= g


@formula(5)
def inside(g: Array, y: Array, out: Array, low: float, high: float) -> None:
    """out = g where y lies between the bounds, else 0"""
    between = y > low
    between &= y < high
    _where(between, g, out)


@formula(3)
def dropout(x: Array, mask: Array, y: Array, scale: float) -> None:
    """y = scale·x where the mask is true, else 0"""
    _where(mask, x, y)
    y *= scale


def weighted(weight: Array, x: Array) -> Array:
    """weight·x, and 0 where the weight is 0, whatever x is"""
    with np.errstate(invalid="ignore"):
        if type(x) is np.ndarray and x.dtype.kind == "f" and is_finite(x.ravel(order="K")):
            return weight * x
        return np.where(weight == 0, 0, weight * x)


def _where(mask: Array, x: Array, y: Array) -> None:
    """y = x where the mask is true, else 0, of an infinite x too"""
    bits = f"i{x.itemsize}"
    chosen = y.view(bits)
    chosen[...] = np.negative(mask.view("i1"))  # all bits or none
    chosen &= x.view(bits)


def select(mask: Array, a: Array | float, b: Array | float) -> Array:
    """a where the mask is true, else b"""
    arrays = [x for x in (a, b) if isinstance(x, np.ndarray) and x.ndim]
    like = arrays[-1] if arrays else None
    if (
        like is None
        or like.size < limits.now.clipped
        or like.dtype.kind != "f"
        or any(x.shape != mask.shape or x.dtype != like.dtype for x in arrays)
    ):
        return np.where(mask, a, b)
    low, high = (x if isinstance(x, np.ndarray) else np.array(x, like.dtype) for x in (b, a))
    return _select(low, mask, high) if high.ndim else _select(high, ~mask, low)


@formula(6)
def _select(low: Array, mask: Array, high: Array, y: Array) -> None:
    bits = f"i{y.itemsize}"
    low, chosen = low.view(bits), y.view(bits)
    chosen[...] = np.negative(mask.view("i1"))  # all bits or none
    if not low.ndim and not low:
        chosen &= high.view(bits)
        return
    chosen &= low ^ high.view(bits)
    chosen ^= low


@functools.cache
def by_the_piece(name: str) -> bool:
    """Whether NumPy computes several numbers of this function of float32 at once on this processor.
    Of `expm1` and `log1p` it does with AVX-512 alone, and takes 10 ns a number without."""
    try:
        found = np.lib.introspect.opt_func_info(f"^{name}$", "float32")
    except AttributeError:  # NumPy 2.0
        return False
    return not any(of["current"].startswith("baseline") for of in found.get(name, {}).values())


def log1p(y: Array) -> Array:
    """log(1 + y), for y from 0 on, whose memory is used up"""
    if not (type(y) is np.ndarray and y.ndim and y.dtype == FLOAT32) or by_the_piece("log1p"):
        return np.log1p(y)
    u = y + 1
    lost = u - 1  # exactly
    lost -= y  # so much has rounding added to 1 + y: log(1 + y) ≈ log u − lost/u
    lost /= u
    y = np.log(u, out=u)
    y -= lost
    return y


def expm1(y: Array) -> Array:
    """e^y − 1, for y up to 0, whose memory is used up"""
    if not (type(y) is np.ndarray and y.ndim and y.dtype == FLOAT32) or by_the_piece("expm1"):
        return np.expm1(y)
    y *= 0.5
    t = np.tanh(y, out=y)  # = (e^y − 1) / (e^y + 1), of the whole y
    rest = 1 - t
    t += t
    t /= rest
    return t


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^−x)"""
    few = isinstance(x, np.ndarray) and x.size < limits.now.by_polynomials
    return special(x).expit(x) if few else _sigmoid(x)


@formula(8)
def _sigmoid(x: Array, y: Array) -> None:
    _logistic(1, x, y)


@formula(8)
def times_sigmoid(g: Array, x: Array, y: Array) -> None:
    """y = g / (1 + e^−x)"""
    _logistic(g, x, y)


@formula(8)
def silu(x: Array, y: Array) -> None:
    """y = x / (1 + e^−x)"""
    _logistic(x, x, y)


@formula(9)
@np.errstate(under="ignore", invalid="ignore", divide="ignore")
def silu_slope(g: Array, x: Array, y: Array, out: Array) -> None:
    """out = g·s·(1 + x·(1 − s)), for y = x·s and s = 1 / (1 + e^−x)"""
    s = _share(x, y, np.empty_like(y))
    np.subtract(1, s, out=out)
    out *= y
    out += s
    out *= g


def _share(x: Array, y: Array, out: Array) -> Array:
    """out = y / x, for y = x·s and an s that is ½ at 0: half a `exp` saved, or more."""
    np.abs(x, out=out)
    small = out < 1e-30  # y may have lost digits
    np.divide(y, x, out=out)
    np.copyto(out, 0.5, where=small)
    return out


@np.errstate(over="ignore", under="ignore")
def _logistic(height: Array | float, x: Array, y: Array) -> None:
    """y = height / (1 + e^−x)"""
    np.negative(x, out=y)
    np.exp(y, out=y)
    y += 1
    np.divide(height, y, out=y)


def softplus(x: Array) -> Array:
    """log(1 + eˣ), without overflow"""
    few = isinstance(x, np.ndarray) and x.size < limits.now.by_polynomials
    return np.logaddexp(np.zeros((), x.dtype), x) if few else _softplus(x)


@formula(12)
def _softplus(x: Array, y: Array) -> None:
    np.add(_log_of_both(x, y), relu(x), out=y)


@formula(12)
def logsigmoid(x: Array, y: Array) -> None:
    """y = −log(1 + e^−x), without overflow"""
    np.subtract(np.minimum(x, 0), _log_of_both(x, y), out=y)


@np.errstate(under="ignore")
def _log_of_both(x: Array, y: Array) -> Array:
    """log(1 + e^−|x|), for which y's memory is used up"""
    np.abs(x, out=y)
    np.negative(y, out=y)
    return log1p(np.exp(y, out=y))


@formula(10)
def elu(x: Array, y: Array, alpha: float) -> None:
    """y = x where it is positive, else α·(eˣ − 1): of the two terms one is 0"""
    np.clip(x, -math.inf, 0.0, out=y)
    np.multiply(expm1(y), alpha, out=y)
    y += relu(x)


@formula(5)
def elu_slope(g: Array, y: Array, out: Array, alpha: float) -> None:
    """out = g where y = elu(x) is positive, else g·(y + α), which is g·α·eˣ"""
    np.clip(y, -math.inf, 0.0, out=out)
    if alpha != 1:
        negative = (y <= 0).astype(y.dtype)
        negative *= alpha - 1
        out += negative
    out += 1
    out *= g


def erf(x: Array) -> Array:
    """The error function."""
    return _erf(x) if _by_polynomials(x) else special(x).erf(x)


def _by_polynomials(x: Array) -> bool:
    large = isinstance(x, np.ndarray | StandIn) and x.size >= limits.now.by_polynomials
    return large and x.dtype == FLOAT32


# erf x = tanh(x + x·P(x²) / Q(x²)) for |x| ≤ 4, from where on it is rounded to ±1, as tanh is. The
# quotient is the best one of its degrees, by Lawson's method: it puts erf off by 1.0·10⁻⁸ at most.
# `tests/kernels/test_kernels_elementwise.py` measures what float32 adds.
_P = 0.128379179, 0.119623174, 0.0157904761, 0.00138735466, -1.52145946e-05
_Q = 1.0, 0.13125927, 0.0195359333


@formula(26)
@np.errstate(under="ignore")
def _erf(x: Array, y: Array) -> None:
    t = np.clip(x, -4.5, 4.5)
    square = np.multiply(t, t, out=y)
    u = _polynomial(_P, square)
    u /= _polynomial(_Q, square)
    u *= t
    u += t
    np.tanh(u, out=y)


# Φ(x) = 1 / (1 + e^−x·S(x²)), for Φ the share of N(0, 1) below x. The polynomial is the best of its
# degree, by Lawson's method: it puts Φ off by 2.9·10⁻⁸ at most. Beyond 6 it only has to grow.
_S = (
    1.59576988, 0.0726661691, -6.5189945e-05, -0.00011061239, 7.92948944e-06, -2.64526733e-07,
    3.51234314e-09,
)  # fmt: skip
_MINUS_S = tuple(-s for s in _S)


@formula(24)
@np.errstate(over="ignore", under="ignore", divide="ignore")
def gelu(x: Array, y: Array) -> None:
    """y = x·Φ(x)"""
    if not _by_polynomials(x):
        np.multiply(x, -math.sqrt(0.5), out=y)
        y[...] = x * (special(x).erfc(y, out=y) / 2)  # in this order no x overflows
        return
    power = _polynomial(_MINUS_S, np.square(x, out=y))
    power *= x
    np.exp(power, out=y)
    y += 1
    np.divide(x, y, out=y)


@formula(15)
@np.errstate(under="ignore", invalid="ignore", divide="ignore")
def gelu_slope(g: Array, x: Array, y: Array, out: Array) -> None:
    """out = g·(Φ(x) + x·φ(x)), for y = x·Φ(x) and φ the density of N(0, 1)"""
    density = np.square(x, out=np.empty_like(y))
    density *= -0.5
    np.exp(density, out=density)
    density *= 1 / math.sqrt(2 * math.pi)
    density *= x
    _share(x, y, out)
    out += density
    out *= g


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """Σ c·xⁱ, by Horner's rule"""
    *rest, highest = coefficients
    y = x * highest
    for c in rest[:0:-1]:
        y += c
        y *= x
    y += rest[0]
    return y
