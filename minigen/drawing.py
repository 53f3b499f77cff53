"""The recorded graph behind a tensor as a picture: operations, shapes, and the memory they keep.

Layers and order follow Sugiyama, Tagawa and Toda (1981): a node stands one layer above the highest
that uses it, edges that cross several layers get a place in each, shared by all edges from the same
node, and each layer is sorted by the mean place of its neighbours. No Graphviz is needed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minigen.backend import FLOAT32, Array, is_array
from minigen.files import StrPath, written_whole
from minigen.tape import Leaf, Node, after_their_uses
from minigen.tensor import Tensor
from minigen.units import human_bytes

ENDINGS = (".svg", ".png", ".pdf", ".dot")
HEIGHT, BETWEEN, BESIDE, MARGIN = 0.44, 0.34, 0.22, 0.3  # of boxes and the space around, in inches
CAPTION = 0.3  # inches below the graph
NAME_SIZE, DETAIL_SIZE = 9.0, 7.5  # points
DPI, MOST_PIXELS = 150, 30_000  # a PNG's resolution, and the longest side that Agg draws for sure
SWEEPS = 12  # over the layers; more changed no picture that we looked at
INK, GREY, LINE = "#222b38", "#5a6778", "#8a97a8"
OPERATION, FULL, LEAF, OUTPUT = "#f6f8fb", "#9cc3e6", "#dff0e6", "#fde6cf"
LEAF_EDGE, OUTPUT_EDGE = "#2f8f63", "#d0761c"


@dataclass
class _Box:
    """What is written about one node."""

    name: str
    shape: str
    memory: str  # empty if there is none
    kept: int  # bytes
    leaf: bool

    @property
    def details(self) -> str:
        return f"{self.shape} · {self.memory}" if self.memory else self.shape


class Picture(NamedTuple):
    """A PNG image, which a notebook shows."""

    png: bytes

    def _repr_png_(self) -> bytes:
        return self.png


def draw_graph(
    tensor: Tensor, path: StrPath | None = None, names: Mapping[str, Tensor] | None = None
) -> Picture | None:
    """Draw the graph behind a tensor, from the leaves at the top down to the tensor.

    Each operation shows its output's shape and how many bytes of arrays the graph keeps for its
    pullback: each array once, where it is first kept, and a leaf's own array at the leaf. The more
    it keeps, the darker it is. What requires no gradient is not recorded, and so not drawn.

    Args:
        tensor: what an operation made of tensors that require gradients; it is still drawn after a
            backward has freed what the graph kept.
        path: ends in .svg, .png, .pdf or .dot; a file of that name is replaced. Without one the
            picture is returned, for a notebook to show.
        names: of leaves, such as `dict(model.named_parameters())`.

    Raises:
        RuntimeError: the tensor has no history.
        ValueError: `path` has another ending.
        OSError: the file cannot be written; an older one stays as it was.
    """
    if path is None:
        figure, dpi = _figure(_history(tensor), names)
        shown = io.BytesIO()
        figure.savefig(shown, format="png", dpi=dpi)
        return Picture(shown.getvalue())
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"draw_graph: {os.fspath(path)!r} must end in one of {', '.join(ENDINGS)}")
    order = _history(tensor)
    if ending == ".dot":
        with written_whole(path) as file:
            file.write(_dot(order, names).encode())
        return None
    figure, dpi = _figure(order, names)
    with written_whole(path) as file:
        figure.savefig(file, format=ending[1:], dpi=dpi)
    return None


def graph_to_dot(tensor: Tensor, names: Mapping[str, Tensor] | None = None) -> str:
    """What `draw_graph` draws, in Graphviz' language: `dot -Tsvg graph.dot` draws it too.

    Raises:
        RuntimeError: the tensor has no history.
    """
    return _dot(_history(tensor), names)


def _history(tensor: Tensor) -> list[Node]:
    """All nodes behind the tensor, its own first, each after every node that uses it."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"a graph is drawn of a Tensor, not of a {type(tensor).__name__}")
    if tensor.is_leaf:
        raise RuntimeError(
            "this tensor has no history to draw: no recorded operation made it; give a result of "
            "tensors that require gradients, computed outside no_grad()"
        )
    return after_their_uses([tensor._node])


def _edges(order: Sequence[Node]) -> list[tuple[int, int]]:
    """Each pair of an input and the node that uses it once, by their places in `order`."""
    place = {node: i for i, node in enumerate(order)}
    pairs = ((place[p], i) for i, n in enumerate(order) for p in n.inputs if p is not None)
    return list(dict.fromkeys(pairs))


def _boxes(order: Sequence[Node], names: Mapping[str, Tensor] | None) -> list[_Box]:
    called = {t._node: name for name, t in (names or {}).items() if t._node is not None}
    seen: set[int] = set()
    boxes = {}
    for node in reversed(order):  # forwards: an array belongs to whoever held it first
        leaf = isinstance(node, Leaf)
        if leaf:
            tensor = node.tensor()
            held = [] if tensor is None else [tensor._array]
        else:
            held = [data for data, *_ in (node.kept or {}).values()] + [*node.options.values()]
        size = 0
        for array in held:
            owner = _owner(array) if is_array(array) else None
            if owner is not None and id(owner) not in seen:
                seen.add(id(owner))
                size += owner.nbytes
        shape = "×".join(map(str, node.shape)) or "0-d"
        shape += "" if node.dtype == FLOAT32 else f" {node.dtype}"
        # Arrays among the options stay when what the pullbacks need is freed.
        memory = human_bytes(size) if size else "freed" if node.kept is None else ""
        name = called.get(node, node.name)
        boxes[node] = _Box(name, shape, memory, size, leaf)
    return [boxes[node] for node in order]


def _owner(array: Array) -> Array:
    """The array whose memory this one views: all of it stays while one view does."""
    while is_array(array.base):
        array = array.base
    return array


def _dot(order: Sequence[Node], names: Mapping[str, Tensor] | None) -> str:
    lines = ["digraph {", '  node [shape=box, style="rounded,filled", fontname="sans-serif"]']
    for i, box in enumerate(_boxes(order, names)):
        text = f"{box.name}\\n{box.details}".replace('"', '\\"')
        fill = LEAF if box.leaf else OUTPUT if i == 0 else OPERATION
        lines.append(f'  n{i} [label="{text}", fillcolor="{fill}"]')
    lines += [f"  n{a} -> n{b}" for a, b in _edges(order)]
    return "\n".join([*lines, "}", ""])


@dataclass
class _Layout:
    """Where everything stands: places 0 … n-1 are the nodes, those after them are bends of edges.

    Attributes:
        layers: the places in each layer from left to right; the first layer is the lowest.
        routes: for each edge, the places from the input down to the node that uses it.
        x: the middle of each place, in inches, as the widths are.
    """

    widths: list[float]
    layers: list[list[int]] = field(default_factory=list)
    routes: list[list[int]] = field(default_factory=list)
    x: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @property
    def y(self) -> np.ndarray:
        """The middle of each place, from below."""
        y = np.zeros(len(self.widths))
        for level, layer in enumerate(self.layers):
            y[layer] = MARGIN + CAPTION + HEIGHT / 2 + level * (HEIGHT + BETWEEN)
        return y


def _layout(widths: Sequence[float], edges: Sequence[tuple[int, int]]) -> _Layout:
    """Places for nodes that are numbered so that each comes after all that use it."""
    count = len(widths)
    depth = [0] * count
    for parent, child in sorted(edges, key=lambda edge: edge[1]):
        depth[parent] = max(depth[parent], depth[child] + 1)
    layout = _Layout(list(widths), [[] for _ in range(max(depth) + 1)])
    for node in range(count):
        layout.layers[depth[node]].append(node)
    bends: dict[tuple[int, int], int] = {}
    for parent, child in edges:
        route = [parent]
        for level in range(depth[parent] - 1, depth[child], -1):
            if (parent, level) not in bends:
                bends[parent, level] = len(layout.widths)
                layout.layers[level].append(len(layout.widths))
                layout.widths.append(0.0)
            route.append(bends[parent, level])
        layout.routes.append([*route, child])
    above: list[list[int]] = [[] for _ in layout.widths]
    below: list[list[int]] = [[] for _ in layout.widths]
    steps = (step for route in layout.routes for step in zip(route, route[1:], strict=False))
    for high, low in dict.fromkeys(steps):
        below[high].append(low)
        above[low].append(high)
    _order(layout.layers, above, below)

    def straight(high: int, low: int) -> float:
        """How much a step wants to be vertical: along a trunk most, away from a leaf least."""
        if high >= count and low >= count:
            return 8.0
        return 0.5 if high >= count or not above[high] else 4.0

    _straighten(layout, above, below, straight)
    return layout


def _order(layers: list[list[int]], above: list[list[int]], below: list[list[int]]) -> None:
    """Sort each layer by the mean place of its neighbours, up and down; keep the best."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers, above)
    for sweep in range(SWEEPS):
        upwards = sweep % 2 == 0
        near = below if upwards else above
        moving = layers[1:] if upwards else layers[-2::-1]
        place = {v: i for layer in layers for i, v in enumerate(layer)}
        for layer in moving:
            means = {
                v: sum(place[u] for u in near[v]) / len(near[v]) if near[v] else place[v]
                for v in layer
            }
            layer.sort(key=means.__getitem__)
            place.update((v, i) for i, v in enumerate(layer))
        crossings = _crossings(layers, above)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    layers[:] = best


def _crossings(layers: list[list[int]], above: list[list[int]]) -> int:
    total = 0
    for low, high in zip(layers, layers[1:], strict=False):
        place = {v: i for i, v in enumerate(high)}
        ends = [(i, place[u]) for i, v in enumerate(low) for u in above[v]]
        a, b = np.array(ends).reshape(-1, 2).T
        total += int(((a[:, None] < a) & (b[:, None] > b)).sum())
    return total


def _straighten(
    layout: _Layout,
    above: list[list[int]],
    below: list[list[int]],
    straight: Callable[[int, int], float],
) -> None:
    """Move each place towards its neighbours' mean, as far as its layer has room.

    Within a layer this is least squares under x[i + 1] ≥ x[i] + distance, which without the
    distances is isotonic regression.
    """
    from scipy.optimize import isotonic_regression

    pulls = [
        [(u, straight(u, v)) for u in above[v]] + [(u, straight(v, u)) for u in below[v]]
        for v in range(len(layout.widths))
    ]
    weights = [sum(pull for _, pull in those) for those in pulls]
    width, x = np.array(layout.widths), np.zeros(len(layout.widths))
    offsets = []
    for layer in layout.layers:
        steps = (width[layer][1:] + width[layer][:-1]) / 2 + BESIDE
        offsets.append(np.concatenate([[0.0], np.cumsum(steps)]))
        x[layer] = offsets[-1] - offsets[-1][-1] / 2
    levels = range(len(layout.layers))
    for sweep in range(2 * SWEEPS):
        for level in levels if sweep % 2 else reversed(levels):
            layer = layout.layers[level]
            wish = [sum(x[u] * pull for u, pull in pulls[v]) / weights[v] for v in layer]
            weight = [weights[v] for v in layer]
            offset = offsets[level]
            x[layer] = isotonic_regression(np.array(wish) - offset, weights=weight).x + offset
    layout.x = x - (x - width / 2).min()


def _figure(order: Sequence[Node], names: Mapping[str, Tensor] | None) -> tuple[Any, float]:
    """The drawn figure, and the resolution for a PNG."""
    # Here, since importing matplotlib takes longer than importing all of minigen.
    from matplotlib.figure import Figure

    boxes = _boxes(order, names)
    widths = [
        max(0.7, 0.24 + _width(b.name, NAME_SIZE, True), 0.24 + _width(b.details, DETAIL_SIZE))
        for b in boxes
    ]
    layout = _layout(widths, _edges(order))
    caption = _caption(boxes)
    right = float((layout.x + np.array(layout.widths) / 2).max())
    across = max(right, _width(caption, DETAIL_SIZE)) + 2 * MARGIN
    up = len(layout.layers) * (HEIGHT + BETWEEN) - BETWEEN + 2 * MARGIN + CAPTION
    layout.x += (across - right) / 2
    figure = Figure(figsize=(across, up), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, across), ylim=(0, up))
    axes.axis("off")
    write = {"ha": "center", "va": "center", "zorder": 3, "parse_math": False}
    _draw_arrows(axes, layout)
    _draw_boxes(axes, layout, boxes, write)
    axes.text(across / 2, MARGIN, caption, size=DETAIL_SIZE, color=GREY, **write)
    return figure, min(DPI, MOST_PIXELS / max(across, up))


def _draw_arrows(axes: Any, layout: _Layout) -> None:
    """The routes, side by side where several arrive at one box."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    x, y = layout.x, layout.y
    arrivals: dict[int, list[int]] = {}
    for route in layout.routes:
        arrivals.setdefault(route[-1], []).append(route[-2])
    for route in layout.routes:
        child, rank = route[-1], sorted(arrivals[route[-1]], key=lambda v: x[v])
        step = min(0.18, 0.7 * layout.widths[child] / len(rank))
        port = x[child] + (rank.index(route[-2]) - (len(rank) - 1) / 2) * step
        vertices, codes = [(x[route[0]], y[route[0]] - HEIGHT / 2)], [Curve.MOVETO]
        for v in route[1:]:
            begin, end = vertices[-1], (port if v == child else x[v], y[v] + HEIGHT / 2)
            middle = (begin[1] + end[1]) / 2
            vertices += [(begin[0], middle), (end[0], middle), end]
            codes += [Curve.CURVE4] * 3
            if v != child:
                vertices.append((end[0], y[v] - HEIGHT / 2))
                codes.append(Curve.LINETO)
        style = {"arrowstyle": "-|>,head_length=3.5,head_width=1.8", "mutation_scale": 1}
        path = Curve(vertices, codes)
        axes.add_patch(FancyArrowPatch(path=path, color=LINE, linewidth=0.9, zorder=1, **style))


def _draw_boxes(axes: Any, layout: _Layout, boxes: Sequence[_Box], write: dict[str, Any]) -> None:
    """The nodes, written about with the options `write`: the darker, the more they keep."""
    from matplotlib.patches import FancyBboxPatch

    most = max(box.kept for box in boxes if not box.leaf)
    places = zip(boxes, layout.x, layout.y, layout.widths, strict=False)  # without the bends
    for i, (box, x, y, width) in enumerate(places):
        fill, edge = _blend(OPERATION, FULL, box.kept / most if most else 0.0), LINE
        if box.leaf:
            fill, edge = LEAF, LEAF_EDGE
        elif i == 0:
            fill, edge = OUTPUT, OUTPUT_EDGE
        style = f"round,pad=0,rounding_size={HEIGHT / 2 if box.leaf else 0.07}"
        corner, colours = (x - width / 2, y - HEIGHT / 2), {"fc": fill, "ec": edge}
        axes.add_patch(FancyBboxPatch(corner, width, HEIGHT, style, lw=0.9, zorder=2, **colours))
        axes.text(x, y + 0.085, box.name, size=NAME_SIZE, weight="bold", color=INK, **write)
        axes.text(x, y - 0.095, box.details, size=DETAIL_SIZE, color=GREY, **write)


def _caption(boxes: Sequence[_Box]) -> str:
    operations = [box for box in boxes if not box.leaf]
    kept, held = (sum(b.kept for b in boxes if b.leaf == leaf) for leaf in (False, True))
    rest = " (the rest was freed)" if any(box.memory == "freed" for box in operations) else ""
    leaves = len(boxes) - len(operations)
    return (
        f"operations: {len(operations)}, keeping {human_bytes(kept)}{rest}; "
        f"leaves: {leaves}, holding {human_bytes(held)}"
    )


def _width(text: str, size: float, bold: bool = False) -> float:
    """Of a line, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=size, weight="bold" if bold else "normal")
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] / 72


def _blend(light: str, dark: str, share: float) -> tuple[float, ...]:
    from matplotlib.colors import to_rgb

    return tuple(
        (1 - share) * a + share * b for a, b in zip(to_rgb(light), to_rgb(dark), strict=True)
    )
