"""Figures of points in the plane, as frames of an animation or as a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minigen.data.images import require_finite
from minigen.training.figures import COLOURS, INK, draw_curve, head, new_figure, pixels, quiet

REAL, MADE = COLOURS[0], COLOURS[1]
GRID = 61  # points along each side, where a surface is asked for its height


def frame(
    draw: Callable[[Sequence[Any]], None], panels: int = 1, size: float = 3.6, rows: int = 1
) -> np.ndarray:
    """Draw a figure of square panels, as pixels.

    Args:
        draw: is given the panels, matplotlib's axes, row by row, and draws on them.
        panels: how many side by side.
        size: side of a panel, in hundreds of pixels.
        rows: how many below one another.

    Returns:
        uint8 array (100·size·rows, 100·size·panels, 3).
    """
    figure = new_figure(size * panels, size * rows, dpi=100, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.1)  # or the last number of an axis is cut
    axes = [figure.add_subplot(rows, panels, i + 1) for i in range(rows * panels)]
    for each in axes:
        quiet(each, 8)
    draw(axes)
    return pixels(figure)


def draw_points(
    axes: Any, real: np.ndarray, made: np.ndarray, extent: Sequence[float], title: str = ""
) -> None:
    """Real and generated points (N, 2), or one of the two alone, in a window of (left, right,
    bottom, top).

    Raises:
        DataError: generated points that are not finite.
    """
    require_finite("generated", np.asarray(made), "point")
    if len(real):
        axes.scatter(*np.asarray(real).T, s=4, color=REAL, alpha=0.5, linewidths=0, label="real")
    if len(made):
        x, y = np.asarray(made).T
        outside = (x < extent[0]) | (extent[1] < x) | (y < extent[2]) | (extent[3] < y)
        far = f", {outside.mean():.0%} out of view" if outside.mean() > 0.01 else ""
        axes.scatter(x, y, s=4, color=MADE, alpha=0.7, linewidths=0, label=f"generated{far}")
    axes.set_xlim(*extent[:2])
    axes.set_ylim(*extent[2:])
    head(axes, title)


def draw_clusters(
    axes: Any, points: np.ndarray, marks: np.ndarray, extent: Sequence[float]
) -> None:
    """Generated points of several clusters (S, n, 2), each in a colour of its own and called A1,
    A2, …, and a cross at each of the marks (K, 2), called B.

    Args:
        extent: the window, (left, right, bottom, top).

    Raises:
        DataError: generated points that are not finite.
    """
    points = np.asarray(points)
    require_finite("generated", points.reshape(-1, points.shape[-1]), "point")
    for i, (cluster, colour) in enumerate(zip(points, COLOURS, strict=False)):
        axes.scatter(*cluster.T, s=4, color=colour, alpha=0.7, linewidths=0, label=f"A{i + 1}")
    axes.scatter(*np.asarray(marks).T, s=24, marker="x", color=INK, linewidths=1, label="B")
    axes.set_xlim(*extent[:2])
    axes.set_ylim(*extent[2:])
    head(axes, "")


def draw_surface(
    axes: Any,
    values: Callable[[np.ndarray], np.ndarray],
    extent: Sequence[float],
    levels: Any = 12,
) -> None:
    """The contours of a function of the plane, light below and dark above.

    Args:
        axes: where.
        values: points (N, 2) -> numbers (N,).
        extent: (left, right, bottom, top).
        levels: how many contours, or at which values.

    Raises:
        DataError: values that are not finite.
    """
    x, y = np.linspace(*extent[:2], GRID), np.linspace(*extent[2:], GRID)
    plane = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)
    heights = np.asarray(values(plane), np.float64).reshape(GRID, GRID)
    require_finite("surface", heights, "row")
    axes.contourf(x, y, heights, levels=levels, cmap="Greys", alpha=0.55, extend="both")


def draw_lines(
    axes: Any, records: Sequence[Mapping[str, float]], names: Sequence[str], steps: int
) -> None:
    """Metrics over the steps so far, in a window as wide as all steps."""
    for name, colour in zip(names, COLOURS, strict=False):
        draw_curve(axes, records, name, colour)
    axes.set_xlim(0, steps)
    axes.set_xlabel("step", color=INK, fontsize=8)
    head(axes, "losses")
