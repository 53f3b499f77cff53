"""How near are made pictures to the true ones, and how like them as a whole.

Pictures are (N, C, H, W) from 0 to 1, C 1 or 3. Of two sets of pictures of one content each, the
error of a pair and which partner is nearest; of two sets without pairs, the distance of their
features and histograms. The latter are what blurred pictures fail, whose error may be small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from minigen.kernels.product import matmul
from minigen.kernels.threads import single_threaded_blas
from minigen.metrics.points import as_pair

NOT_INK = 0.02  # how far a colour may be from the background's and still be background
BINS = 50
# The conversion of linear sRGB to CIE XYZ, over the white of D65 (IEC 61966-2-1).
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
XYZ = XYZ / XYZ.sum(1, keepdims=True)
LAB_RANGES = {"L": (0, 100), "a": (-110, 110), "b": (-110, 110)}


def absolute_error(made: np.ndarray, truth: np.ndarray, where: Any = None) -> np.ndarray:
    """The mean of |made − truth| over the pixels of each picture, (N,).

    Args:
        where: bool (N, H, W), over which pixels alone; a picture with none has NaN.
    """
    return _mean(abs(made - truth), where)


def squared_error(made: np.ndarray, truth: np.ndarray, where: Any = None) -> np.ndarray:
    """The same of (made − truth)²."""
    return _mean((made - truth) ** 2, where)


def _mean(values: np.ndarray, where: Any) -> np.ndarray:
    if where is None:
        return values.mean((1, 2, 3), dtype=np.float64)
    weight = np.broadcast_to(where[:, None], values.shape)
    with np.errstate(invalid="ignore"):
        return (values * weight).sum((1, 2, 3), dtype=np.float64) / weight.sum((1, 2, 3))


def ink(*pictures: np.ndarray) -> np.ndarray:
    """Where any of several sets of pictures of the same contents is not background, (N, H, W): the
    background is the colour that the corners of most pictures have."""
    found = np.zeros((len(pictures[0]), *pictures[0].shape[2:]), bool)
    for each in pictures:
        background = np.median(each[:, :, [0, 0, -1, -1], [0, -1, 0, -1]], axis=(0, 2))
        found |= (abs(each - background[:, None, None]) > NOT_INK).any(1)
    return found


def retrieval(made: np.ndarray, truth: np.ndarray) -> float:
    """The share of rows whose true partner is nearest, by Euclidean distance, of all true ones:
    row i of `made` belongs to row i of `truth`. By chance 1 / N.

    Args:
        made, truth: pictures, or features (N, d).
    """
    return float(is_nearest(made, truth).mean())


def is_nearest(made: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Whether that is so, of each row: bool (N,)."""
    apart = cdist(made.reshape(len(made), -1), truth.reshape(len(truth), -1))
    return apart.argmin(1) == np.arange(len(truth))


def paired_gain(a: np.ndarray, b: np.ndarray, draws: int = 2000, seed: int = 0) -> float:
    """The mean of a − b, values (N,) of the same families, in its standard errors: the deviation of
    the means of `draws` samples of N families each, drawn with replacement (Efron's bootstrap). NaN
    where all differences are equal, as of one family."""
    apart = a - b
    if len(apart) < 2 or np.ptp(apart) == 0:  # the deviation of equal means is rounding
        return float("nan")
    rows = np.random.default_rng(seed).integers(len(apart), size=(draws, len(apart)))
    return float(apart.mean() / apart[rows].mean(1).std())


@single_threaded_blas()
def kernel_distance(real: Any, generated: Any) -> float:
    """The squared maximum mean discrepancy of two sets of features (N, d) and (M, d) under the
    kernel k(x, y) = (x·y / d + 1)³, unbiased (Gretton et al. 2012, lemma 6; as the "KID" of
    Bińkowski et al. 2018, arXiv:1801.01401, section 4, where the features are those of Inception).

    In the mean it is 0 of two samples of one distribution, whatever their number, and so below 0
    about as often as above.

    Raises:
        ValueError: fewer than two rows, values that are not finite, features of different length.
    """
    real, generated = as_pair(real, generated, least=2)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (matmul(x, y.T) / x.shape[1] + 1) ** 3

    within = 0.0
    for x in real, generated:
        k = kernel(x, x)
        within += (k.sum() - np.trace(k)) / (len(x) * (len(x) - 1))  # no point with itself
    return float(within - 2 * kernel(real, generated).mean())


def histogram_distance(
    a: np.ndarray, b: np.ndarray, low: float, high: float, bins: int = BINS
) -> float:
    """Half the sum of |p − q| of two histograms: the share of the values that would have to move,
    from 0, alike, to 1, apart. (1 minus the "intersection" of Isola et al. 2017, table 5.)"""
    p, q = (np.histogram(x.clip(low, high), bins, (low, high))[0] / max(x.size, 1) for x in (a, b))
    return float(abs(p - q).sum() / 2)


def gradient_magnitude(pictures: np.ndarray) -> np.ndarray:
    """How steep each pixel's lightness is, (N, H − 1, W − 1): the length of its differences to the
    neighbours on the right and below."""
    grey = pictures.mean(1)
    return np.hypot(np.diff(grey, axis=2)[:, :-1], np.diff(grey, axis=1)[:, :, :-1])


def lab(pictures: np.ndarray) -> np.ndarray:
    """sRGB pictures as CIE L*a*b*, (N, 3, H, W): lightness from 0 to 100, green to red, blue to
    yellow, such that colours as different look as different."""
    linear = np.where(
        pictures > 0.04045, ((pictures + 0.055) / 1.055) ** 2.4, pictures / 12.92
    )  # the light that a level stands for
    xyz = np.einsum("kc,nchw->knhw", XYZ, linear)
    x, y, z = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
