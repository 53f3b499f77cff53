"""Words as points in the plane, near each other where their vectors are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import entr

from minigen.display import progress
from minigen.files import StrPath
from minigen.kernels.threads import single_threaded_blas
from minigen.training.figures import COLOURS, INK, new_figure, pixels, save_image


@single_threaded_blas()
def tsne(
    vectors: np.ndarray, perplexity: float = 15.0, steps: int = 400, seed: int = 0
) -> np.ndarray:
    """Lay out points in the plane so that neighbours stay neighbours (t-SNE, van der Maaten and
    Hinton 2008), for a thousand points at most: it compares all pairs in each step.

    Args:
        vectors: (n, dim); cosines count, not lengths.
        perplexity: about how many neighbours a point has.

    Returns:
        (n, 2), centred; the same for the same arguments.
    """
    x = np.asarray(vectors, np.float64)
    x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    n = len(x)
    if n < 3:
        return np.stack([np.arange(n) - (n - 1) / 2, np.zeros(n)], axis=1)
    p = _neighbours(2 - 2 * x @ x.T, max(1.5, min(perplexity, (n - 1) / 3)))
    p = (p + p.T) / (2 * n)
    # From the plane of the largest variance, so that distant groups begin where they belong.
    centred = x - x.mean(0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    y = 1e-2 * u[:, :2] * s[:2] / max(s[0], 1e-12) + 1e-4 * np.random.default_rng(seed).normal(
        size=(n, 2)
    )
    velocity, gain = np.zeros_like(y), np.ones_like(y)
    for i in progress(range(steps), "steps"):
        early = i < steps // 4
        near = 1 / (1 + cdist(y, y, "sqeuclidean"))  # (n, n), Student's t
        np.fill_diagonal(near, 0)
        force = (p * (12 if early else 1) - near / near.sum()) * near
        slope = 4 * (force.sum(1, keepdims=True) * y - force @ y)
        gain = np.maximum(np.where(slope * velocity < 0, gain + 0.2, gain * 0.8), 0.01)
        velocity = (0.5 if early else 0.8) * velocity - n / 8 * gain * slope
        y = y + velocity
        y -= y.mean(0)
    return y


def _neighbours(distance: np.ndarray, perplexity: float) -> np.ndarray:
    """p(j | i) ∝ exp(−β_i·distance_ij), with β_i such that each row has the perplexity."""
    distance = distance + np.diag(np.full(len(distance), np.inf))
    low, high = np.zeros(len(distance)), np.full(len(distance), np.inf)
    beta = np.ones(len(distance))
    for _ in range(50):
        # Relative to the nearest neighbour, so that a large β does not make all of them 0.
        p = np.exp(-beta[:, None] * (distance - distance.min(1, keepdims=True)))
        p /= p.sum(1, keepdims=True)
        wide = entr(p).sum(1) > np.log(perplexity)
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        beta = np.where(np.isinf(high), beta * 2, (low + high) / 2)
    return p


def save_word_map(path: StrPath, words: Sequence[str], vectors: np.ndarray) -> None:
    """Draw words where `tsne` puts their vectors, as a PNG file. A word that finds no room beside
    those before it is left out.

    Raises:
        OSError: the file cannot be written.
    """
    points = tsne(vectors)
    with warnings.catch_warnings():
        # A script that the font lacks is drawn as boxes, and not worth a line for each letter.
        warnings.simplefilter("ignore", UserWarning)
        figure = new_figure(12, 9, dpi=110)
        canvas = figure.canvas
        axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
        dots = axes.scatter(*points.T, s=5, color=COLOURS[0], alpha=0.5, linewidths=0)
        axes.margins(0.04)
        axes.autoscale_view()
        axes.axis("off")
        taken, named = np.zeros((0, 4)), []
        for word, point in zip(words, points, strict=True):
            word = word.encode(errors="replace").decode()  # half a surrogate pair is no text
            for offset, align in ((2, "bottom"), (-3, "top")):  # above the point, else below it
                label = axes.annotate(
                    word, point, xytext=(0, offset), textcoords="offset points", ha="center",
                    va=align, color=INK, fontsize=8, parse_math=False,
                )  # fmt: skip
                box = label.get_window_extent(canvas.get_renderer())
                overlap = (
                    (taken[:, 0] < box.x1) & (box.x0 < taken[:, 2])
                    & (taken[:, 1] < box.y1) & (box.y0 < taken[:, 3])
                )  # fmt: skip
                if not overlap.any():
                    taken = np.vstack([taken, [box.x0, box.y0, box.x1, box.y1]])
                    named.append(point)
                    break
                label.remove()
        dots.set_offsets(np.reshape(named, (-1, 2)))
        picture = pixels(figure)
    save_image(
        path, picture,
        caption=f"The {len(words):,} most frequent words, but those that found no room: a dot and"
        " its word, words with similar vectors near each other. In good vectors words that are used"
        " alike stand together, as numbers, or a word and its plural; directions, and distances"
        " across the map, mean nothing.",
    )  # fmt: skip
