"""Pictures of graphs: nothing overlaps, everything is on them, and memory is counted once."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import minigen
from minigen import Tensor
from minigen.drawing import _layout, draw_graph, graph_to_dot


@st.composite
def graphs(draw):
    """Widths and edges; each node but the first, the output, is used by one before it."""
    count = draw(st.integers(2, 25))
    edges = {(i, draw(st.integers(0, i - 1))) for i in range(1, count)}
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    edges |= {(max(p), min(p)) for p in draw(st.lists(pairs, max_size=25)) if p[0] != p[1]}
    return draw(st.lists(st.floats(0.5, 3), min_size=count, max_size=count)), sorted(edges)


@given(graphs())
def test_boxes_do_not_overlap_and_every_edge_runs_down_layer_by_layer(graph):
    widths, edges = graph
    layout = _layout(widths, edges)
    level = {v: i for i, layer in enumerate(layout.layers) for v in layer}
    assert [(r[0], r[-1]) for r in layout.routes] == edges
    assert sorted(level) == list(range(len(layout.widths)))
    for route in layout.routes:
        assert [level[v] for v in route] == list(range(level[route[0]], level[route[-1]] - 1, -1))
    for layer in layout.layers:
        for a, b in zip(layer, layer[1:], strict=False):
            room = layout.x[b] - layout.x[a] - (layout.widths[a] + layout.widths[b]) / 2
            assert room > 0.2


def test_crossings_that_need_not_be_are_removed():
    edges = [(3, 0), (4, 0), (5, 0), (6, 5), (7, 4), (8, 3)]
    layout = _layout([1.0] * 9, [(i, 0) for i in (1, 2)] + edges)
    x = layout.x
    assert np.array_equal(np.argsort(x[[3, 4, 5]]), np.argsort(x[[8, 7, 6]]))


def example():
    w, b = minigen.randn(10, 4).requires_grad_(), minigen.zeros(4).requires_grad_()
    loss = ((minigen.randn(32, 10) @ w + b).sigmoid() ** 2).mean()
    return loss, {"weights $x_1": w, 'a "bias"': b}


def test_dot_names_shapes_and_counts_memory_once():
    loss, names = example()
    dot = graph_to_dot(loss, names)
    assert dot.count("->") == 7 - 1
    for label in [
        r"weights $x_1\n10×4 · 160 B",
        r"a \"bias\"\n4 · 16 B",
        r"matmul\n32×4 · 1.28 kB",  # its left operand; the right one is the leaf's
        r"sigmoid\n32×4 · 512 B",
        r'pow\n32×4"',  # sigmoid's output, which sigmoid keeps
        r"mean\n0-d",
    ]:
        assert label in dot
    assert len(re.findall(r"shape|label", dot)) == 1 + 7


@pytest.mark.parametrize("freed", [False, True])
@pytest.mark.parametrize("ending", ["svg", "png", "pdf", "dot"])
def test_every_format_is_written_whole_and_after_backward_too(tmp_path, ending, freed):
    loss, names = example()
    if freed:
        loss.backward()
        assert "pow\\n32×4 · freed" in graph_to_dot(loss)
    path = tmp_path / f"graph.{ending}"
    draw_graph(loss, path, names)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    content = path.read_bytes()
    if ending == "png":
        with Image.open(path) as image:
            width, height = image.size
        assert 300 < width < height < 1200
    else:
        assert content.startswith({"svg": b"<?xml", "pdf": b"%PDF", "dot": b"digraph"}[ending])


def test_a_deep_graph_and_one_with_a_shared_leaf_need_no_recursion(tmp_path):
    x = Tensor(np.ones(2), requires_grad=True)
    y = x
    for _ in range(1500):
        y = y * 1.0
    assert graph_to_dot(y).count("->") == 1500
    y = x
    for _ in range(60):
        y = y.sin() + x
    draw_graph(y, tmp_path / "graph.png")
    with Image.open(tmp_path / "graph.png") as image:
        width, height = image.size
    assert width < 1000 < height < 30_000


def test_errors_say_what_to_give(tmp_path):
    loss, _ = example()
    with pytest.raises(RuntimeError, match="no history to draw"):
        draw_graph(Tensor([1.0], requires_grad=True), tmp_path / "graph.svg")
    with pytest.raises(TypeError, match="not of a list"):
        graph_to_dot([loss])
    with pytest.raises(ValueError, match="must end in one of .svg, .png, .pdf, .dot"):
        draw_graph(loss, tmp_path / "graph.jpg")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        draw_graph(loss, tmp_path / "nowhere" / "graph.svg")
