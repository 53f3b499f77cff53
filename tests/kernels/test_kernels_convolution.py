"""The fast kernels against the slow and obvious ones, and those against SciPy's correlation."""

import math
import os
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operations import both, geometry
from scipy.signal import convolve2d, correlate2d

from minigen import backend
from minigen.kernels import blas, convolution, scatter, simple, threads, winograd


@st.composite
def problems(draw):
    """x, w and g of a convolution, and how they meet: stride, padding, dilation and groups."""
    image, weight, o, how = geometry(draw, transposed=False)
    how = (*map(both, (how["stride"], how["padding"], how["dilation"])), how["groups"])
    spans = zip(image[2:], weight[2:], *how[:3], strict=True)
    size = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in spans)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, w, g = (rng.standard_normal(s) for s in (image, weight, (image[0], o, *size)))
    return x, w, g, how


@st.composite
def problems_of(draw, channels, sizes):
    """Filters of two or three taps, or of four or six with stride 2."""
    number = lambda low, high: draw(st.integers(low, high))
    stride = number(1, 2)
    taps = [stride * number(2, 3) for _ in "yx"]
    padding = [number(0, t - 1) for t in taps]
    size = [number(*sizes) for _ in "yx"]
    sides = [(n - 1) * stride + t - 2 * p for n, t, p in zip(size, taps, padding, strict=True)]
    n, c, o = number(1, 4), number(*channels), number(*channels)
    rng = np.random.default_rng(number(0, 2**32 - 1))
    shapes = (n, c, *(max(1, s) for s in sides)), (o, c, *taps)
    x, w = (rng.standard_normal(s) for s in shapes)
    spans = zip(x.shape[2:], taps, padding, strict=True)
    size = [(s + 2 * p - t) // stride + 1 for s, t, p in spans]
    how = ((stride, stride), tuple(padding), (1, 1), 1)
    return x, w, rng.standard_normal((n, o, *size)), how


def three_maps(module, x, w, g, how):
    """The triangle: the convolution, its gradient for the input, and that for the weight."""
    bias = (None,) if module is convolution else ()
    return (
        module.conv2d(x, w, *bias, g.shape[2:], *how),
        module.conv2d_input(g, w, *bias, x.shape[2:], *how),
        module.conv2d_weight(x, g, w.shape[2:], *how),
    )


def spaced(a, gap):
    """A plane with gap − 1 zeros between neighbours."""
    wide = np.zeros([(n - 1) * s + 1 for n, s in zip(a.shape, gap, strict=True)])
    wide[:: gap[0], :: gap[1]] = a
    return wide


def by_scipy(x, w, g, how):
    """The three maps, plane by plane."""
    stride, padding, dilation, groups = how
    (top, left), (height, width), (rows, columns) = padding, x.shape[2:], w.shape[2:]
    margins = [(0, 0), (0, 0), (top, top), (left, left)]
    padded, y, dx, dw = np.pad(x, margins), *(np.zeros_like(a) for a in (g, x, w))
    for n, o, c in np.ndindex(len(x), *w.shape[:2]):
        i = o // (len(w) // groups) * w.shape[1] + c  # the input channel
        taps = spaced(w[o, c], dilation)
        all_places = correlate2d(padded[n, i], taps, "valid")
        y[n, o] += all_places[:: stride[0], :: stride[1]]

        pixels = spaced(g[n, o], stride)
        seen = np.zeros(padded.shape[2:])  # the last rows and columns meet no tap
        share = convolve2d(pixels, taps, "full")
        seen[: share.shape[0], : share.shape[1]] = share
        dx[n, i] += seen[top : top + height, left : left + width]

        share = correlate2d(padded[n, i], pixels, "valid")
        share = share[:: dilation[0], :: dilation[1]]
        dw[o, c] += share[:rows, :columns]
    return y, dx, dw


@settings(max_examples=100)
@given(problems())
def test_the_simple_kernels_are_scipys_correlation(problem):
    for ours, expected in zip(three_maps(simple, *problem), by_scipy(*problem), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("drawn", "paths"),
    [
        (problems(), {"gather", "scatter", "correlate", "correlate swapped"}),
        (problems_of(channels=(1, 5), sizes=(3, 9)), {"winograd.gather", "winograd.correlate"}),
        (problems_of(channels=(9, 12), sizes=(1, 2)), {"scatter_pixels"}),
    ],
    ids=["any", "tiles", "few pixels"],
)
@pytest.mark.usefixtures("limit_restored")
def test_the_fast_kernels_are_the_simple_ones(monkeypatch, drawn, paths):
    """On every path, in one thread or several, with one image in the buffer or all of them, and
    with products in pieces of any size."""
    reached = set()

    def spy(module, name):
        kernel = getattr(module, name)

        def call(*arguments, **options):
            # The taps of the transposed map run backwards.
            swapped = name == "correlate" and arguments[3][0].taps.step < 0
            reached.add("winograd." * (module is winograd) + name + " swapped" * swapped)
            return kernel(*arguments, **options)

        monkeypatch.setattr(module, name, call)

    for name in ("gather", "scatter", "scatter_pixels", "correlate"):
        spy(convolution, name)
    for name in ("gather", "correlate"):
        spy(winograd, name)
    monkeypatch.setattr(threads, "ALONE", 0)
    monkeypatch.setattr(blas, "takes_pieces", lambda: True)
    monkeypatch.setattr(blas, "SHORT", 1)

    @settings(max_examples=100)
    @given(
        drawn,
        st.sampled_from([1, 3]),
        st.sampled_from([1, 1 << 21]),
        st.sampled_from([0, 45]),
        st.sampled_from([300, 10**6]),
        st.booleans(),
    )
    def check(problem, count, buffer, addition, small, with_bias):
        backend.limit_threads(count)
        monkeypatch.setattr(convolution, "BUFFER", buffer)
        monkeypatch.setattr(scatter, "BUFFER", buffer)
        monkeypatch.setattr(winograd, "BUFFER", buffer)
        monkeypatch.setattr(winograd, "ADDITION", addition)
        monkeypatch.setattr(blas, "SMALL", small)
        expected = three_maps(simple, *problem)
        for ours, theirs in zip(three_maps(convolution, *problem), expected, strict=True):
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
        if with_bias:
            x, w, g, how = problem
            for map, image, size, y in (
                (convolution.conv2d, x, g.shape[2:], expected[0]),
                (convolution.conv2d_input, g, x.shape[2:], expected[1]),
            ):
                bias = np.arange(y.shape[1]) + 1.0
                theirs = y + bias[:, None, None]
                np.testing.assert_allclose(map(image, w, bias, size, *how), theirs, atol=1e-12)

    check()
    assert reached >= paths


@pytest.mark.parametrize("where", ["x", "w", "g"])
@pytest.mark.parametrize(
    "drawn",
    [
        problems(),
        problems_of(channels=(1, 12), sizes=(3, 9)),
        problems_of(channels=(9, 12), sizes=(1, 2)),
    ],
    ids=["any", "tiles", "few pixels"],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.usefixtures("limit_restored")
def test_a_number_that_is_not_finite_reaches_what_its_windows_reach(monkeypatch, drawn, where):
    """And NaN comes where the simple kernels have it."""
    monkeypatch.setattr(threads, "ALONE", 0)
    monkeypatch.setattr(winograd, "ADDITION", 0)

    @settings(max_examples=40)
    @given(drawn, st.sampled_from([math.inf, -math.inf, math.nan]), st.integers(0, 10**9))
    @np.errstate(invalid="ignore")
    def check(problem, number, place):
        backend.limit_threads(1 + place % 3)
        x, w, g, how = problem
        bad = {"x": x, "w": w, "g": g}[where]
        bad.reshape(bad.size)[place % bad.size] = number
        expected = three_maps(simple, x, w, g, how)
        for ours, theirs in zip(three_maps(convolution, x, w, g, how), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)

    check()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_few_outputs_of_an_infinite_filter():
    """The margin times infinity is NaN, also where few outputs make it worth leaving out."""
    rng, how = np.random.default_rng(0), ((1, 1), (1, 1), (1, 1), 1)
    x, w, g = (rng.standard_normal(s) for s in ((2, 12, 5, 5), (3, 12, 3, 3), (2, 3, 5, 5)))
    w[1, 2, 0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        expected = three_maps(simple, x, w, g, how)
    for ours, theirs in zip(three_maps(convolution, x, w, g, how), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_sums_that_overflow_in_a_tile_alone_are_taken_the_direct_way(monkeypatch):
    monkeypatch.setattr(winograd, "ADDITION", 0)
    x, w = np.full((4, 8, 6, 6), 3e38, np.float32), np.zeros((8, 8, 3, 3), np.float32)
    x[:, :, ::2] *= -1  # differences of neighbours are infinite
    w[:, 0, 1, 1] = 1
    how = ((1, 1), (1, 1), (1, 1), 1)
    y = convolution.conv2d(x, w, None, (6, 6), *how)
    np.testing.assert_array_equal(y, x)


@settings(max_examples=100)
@given(problems())
def test_adjoint_identities(problem):
    """⟨conv(x, w), g⟩ = ⟨x, convᵀ(g, w)⟩ = ⟨w, conv_w(x, g)⟩"""
    x, w, g, _ = problem
    y, dx, dw = three_maps(convolution, *problem)
    number, scale = np.vdot(y, g), np.abs(y * g).sum() + 1
    assert abs(np.vdot(x, dx) - number) < 1e-12 * scale
    assert abs(np.vdot(w, dw) - number) < 1e-12 * scale


def large_problem(seed=0):
    """Enough work for several threads, in float32."""
    rng = np.random.default_rng(seed)
    shapes = (7, 12, 15, 14), (16, 12, 4, 3), (7, 16, 8, 7)
    x, w, g = (rng.standard_normal(s, np.float32) for s in shapes)
    return x, w, g, ((2, 2), (2, 1), (1, 1), 1)


@pytest.mark.usefixtures("three_threads")
def test_the_same_bits_each_time_and_from_several_threads_at_once():
    expected = [three_maps(convolution, *large_problem(i)) for i in range(4)]
    for ours, theirs in zip(expected[0], three_maps(simple, *large_problem()), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    found = {}

    def work(i):
        for _ in range(5):
            found.setdefault(i, []).append(three_maps(convolution, *large_problem(i)))

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for i, theirs in enumerate(expected):
        assert len(found[i]) == 5
        for ours in found[i]:
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_threads_are_there_after_a_fork():
    expected = three_maps(convolution, *large_problem())  # the parent has its threads now
    child = os.fork()
    if not child:
        status = 1
        try:
            same = zip(three_maps(convolution, *large_problem()), expected, strict=True)
            status = 0 if all((a == b).all() for a, b in same) else 2
        finally:
            os._exit(status)
    deadline = time.monotonic() + 30
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            pytest.fail("the child waits for threads that it does not have")
        time.sleep(0.01)
    assert os.waitstatus_to_exitcode(ended[1]) == 0


@given(
    st.tuples(*[st.integers(0, 80)] * 3),
    st.sampled_from([(), (2,), (2, 3)]),
    st.sampled_from([30, 3000, 10**6]),
    st.booleans(),
    st.booleans(),
)
def test_products_in_pieces(sides, lead, small, turn_a, turn_b):
    (m, k, n), rng = sides, np.random.default_rng(sum(sides))
    n = n if n % 3 else 64

    def matrix(rows, columns, turned):
        shape = (columns, rows) if turned else (rows, columns)
        drawn = rng.standard_normal((*lead, *shape))
        return drawn.swapaxes(-1, -2) if turned else drawn

    a, b, out = matrix(m, k, turn_a), matrix(k, n, turn_b), np.full((*lead, m, n + 3), np.nan)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"SMALL": small, "SHORT": 1, "takes_pieces": lambda: True}.items():
            patch.setattr(blas, name, value)
        blas.multiply(a, b, out[..., :n])
    np.testing.assert_allclose(out[..., :n], a @ b, rtol=1e-12, atol=1e-12)
