"""The fast kernels against the slow and obvious ones, and those against SciPy's correlation."""

import math
import os
import signal
import threading
import time
from collections import Counter
from contextlib import ExitStack

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from operations import both, geometry
from scipy.signal import convolve2d, correlate2d

from minigen import backend
from minigen.kernels import blas, convolution, limits, pixels, simple
from minigen.kernels.convolution import IMAGES, WEIGHTS
from minigen.kernels.direct import windows_of
from minigen.kernels.pixels import of_images
from minigen.kernels.problem import Problem
from minigen.kernels.ways import preferred, told_of_ways

NAMES = sorted({way.name for way in (*IMAGES, *WEIGHTS)})


@st.composite
def problems(draw):
    """x, w and g of a convolution, and its shapes; now and then there is nothing of something."""
    image, weight, o, how = geometry(draw, transposed=False)
    how = (*map(both, (how["stride"], how["padding"], how["dilation"])), how["groups"])
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x, w, g, problem = arrays_of(rng, image, weight, how)
    missing = draw(st.sampled_from(["images", "inputs", "outputs", *[None] * 9]))
    if missing is None or problem.groups > 1:
        return x, w, g, problem
    n, c, o = (slice(0 if part == missing else None) for part in ("images", "inputs", "outputs"))
    x, w, g = x[n, c], w[o, c], g[n, o]
    return x, w, g, Problem.of(x.shape, w.shape, problem.out, *how)


@st.composite
def problems_of(draw, channels, sizes):
    """Filters of two or three taps, or with stride 2 of four or six, or of two or three that are
    as far apart as the windows: then every second output of the transposed map meets none."""
    number = lambda low, high: draw(st.integers(low, high))
    stride = number(1, 2)
    dilation = stride if number(0, 3) == 0 else 1
    taps = [stride // dilation * number(2, 3) for _ in "yx"]
    padding = [number(0, t - 1) for t in taps]
    size = [number(*sizes) for _ in "yx"]
    sides = [(n - 1) * stride + dilation * (t - 1) + 1 - 2 * p
             for n, t, p in zip(size, taps, padding, strict=True)]  # fmt: skip
    n, c, o = number(1, 4), number(*channels), number(*channels)
    rng = np.random.default_rng(number(0, 2**32 - 1))
    image, weight = (n, c, *(max(1, s) for s in sides)), (o, c, *taps)
    how = (stride, stride), tuple(padding), (dilation, dilation), 1
    return arrays_of(rng, image, weight, how)


@st.composite
def problems_of_channels(draw):
    """Each channel has a filter of its own."""
    both = lambda low, high: tuple(draw(st.integers(low, high)) for _ in "yx")
    taps, stride, dilation, size = both(1, 3), both(1, 2), both(1, 2), both(1, 5)
    padding = tuple(draw(st.integers(0, d * (t - 1))) for t, d in zip(taps, dilation, strict=True))
    axes = zip(size, taps, stride, padding, dilation, strict=True)
    sides = [max(1, (n - 1) * s + d * (t - 1) + 1 - 2 * p) for n, t, s, p, d in axes]
    n, c, seed = (draw(st.integers(*ends)) for ends in ((1, 4), (2, 9), (0, 2**32 - 1)))
    how = stride, padding, dilation, c
    return arrays_of(np.random.default_rng(seed), (n, c, *sides), (c, 1, *taps), how)


def arrays_of(rng, image, weight, how, dtype=float):
    """x, w and g of these shapes, and the problem."""
    spans = zip(image[2:], weight[2:], *how[:3], strict=True)
    size = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in spans)
    shapes = image, weight, (image[0], weight[0], *size)
    arrays = (rng.standard_normal(s).astype(dtype) for s in shapes)
    return *arrays, Problem.of(image, weight, size, *how)


ANY, TILES = problems(), problems_of(channels=(1, 12), sizes=(3, 9))
FEW_PIXELS = problems_of(channels=(9, 12), sizes=(1, 2))
DEPTHWISE = problems_of_channels()
KINDS = {"any": ANY, "tiles": TILES, "few pixels": FEW_PIXELS, "depthwise": DEPTHWISE}


def three_maps(module, x, w, g, problem):
    """The triangle: the convolution, its gradient for the input, and that for the weight."""
    bias = (None,) if module is convolution else ()
    return (
        module.conv2d(x, w, *bias, problem),
        module.conv2d_input(g, w, *bias, problem),
        module.conv2d_weight(x, g, problem),
    )


def rounding(terms, *factors):
    """What sums of so many products of two arrays may be apart, each in an order of its own.

    A product is at most the largest numbers of both, and a sum of k of them, in any order, is off
    by k·u times their sum (Higham 2002, section 3.1). Winograd's tiles add up before they
    multiply: the sums of the rows of |A|, |B| and |G| are 3, 2 and 1.5 for three taps, 2, 2 and 2
    for two, along both axes 81 in all, and are sums of up to four terms themselves.
    """
    largest = math.prod(np.abs(a).max(initial=0) for a in factors)
    return 2 * 81 * (terms + 24) * terms * np.finfo(factors[0].dtype).eps / 2 * largest


def spaced(a, gap):
    """A plane with gap − 1 zeros between neighbours."""
    wide = np.zeros([(n - 1) * s + 1 for n, s in zip(a.shape, gap, strict=True)])
    wide[:: gap[0], :: gap[1]] = a
    return wide


def by_scipy(x, w, g, problem):
    """The three maps, plane by plane."""
    stride, padding, dilation = problem.stride, problem.padding, problem.dilation
    groups = problem.groups
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


@pytest.mark.parametrize("drawn", KINDS.values(), ids=KINDS)
@pytest.mark.usefixtures("limit_restored")
def test_every_way_that_can_is_the_simple_kernels(monkeypatch, drawn):
    """In one thread or several, with one image in the buffer or all of them, and with products in
    pieces of any size. Numbers are finite, and no way may refuse them."""
    monkeypatch.setattr(blas, "takes_pieces", lambda: True)
    monkeypatch.setattr(pixels, "LOCKED", 0)  # so that the pixels of small images are items, too
    tried = Counter()

    @settings(max_examples=100)
    @given(
        drawn,
        st.sampled_from([1, 3]),
        st.sampled_from([1, 1 << 21]),
        st.sampled_from([300, 10**6]),
        st.booleans(),
    )
    def check(arrays, count, buffer, small, with_bias):
        backend.limit_threads(count)
        kinds = "windows", "products", "tiles", "margins"
        buffers = [f"{kind}_at_a_time" for kind in kinds]
        others = {"piece_products": small, "piece_depth": 1, "unshared": 1}
        with limits.use(alone=0, **dict.fromkeys(buffers, buffer), **others):
            every_way(*arrays, with_bias, tried)

    check()
    for kind, ways in ("forward", IMAGES), ("transposed", IMAGES), ("weight", WEIGHTS):
        for way in ways:
            never = kind == "forward" and way.name == "few pixels"  # its filters lie otherwise
            rare = drawn is ANY and way.name == "winograd"
            other = (drawn is DEPTHWISE) != (way.name == "depthwise")
            assert never or rare or other or tried[kind, way.name] >= 3, (kind, way.name)


def every_way(x, w, g, problem, with_bias, tried):
    """Compare each way that can with the simple kernels."""
    y, dx, dw = three_maps(simple, x, w, g, problem)
    taps = math.prod(problem.taps)
    cases = [
        ("forward", problem.forward, x, y, problem.inputs * taps),
        ("transposed", problem.transposed, g, dx, problem.outputs * taps),
    ]
    for kind, what, image, expected, terms in cases:
        bias = np.arange(expected.shape[1]) + 1.0 if with_bias else None
        expected = expected + (0 if bias is None else bias[:, None, None])
        apart = rounding(terms + 1, image, w) + np.finfo(float).eps * expected.shape[1]
        for way in IMAGES:
            if way.can(what):
                tried[kind, way.name] += 1
                ours = way.run(what, of_images(image), w, bias).transpose(0, 3, 1, 2)
                assert ours.shape == expected.shape, way.name
                np.testing.assert_allclose(ours, expected, 0, apart, err_msg=way.name)
    apart = rounding(problem.images * math.prod(problem.out), x, g)
    for way in WEIGHTS:
        if way.can(problem):
            tried["weight", way.name] += 1
            ours = way.run(problem, of_images(x), of_images(g))
            assert ours.shape == dw.shape and ours.flags.c_contiguous, way.name
            np.testing.assert_allclose(ours, dw, 0, apart, err_msg=way.name)


def test_strands_may_hop_otherwise_along_rows_than_along_columns():
    how = ((2, 1), (0, 0), (2, 1), 1)
    arrays = arrays_of(np.random.default_rng(0), (1, 2, 3, 2), (3, 2, 2, 2), how)
    every_way(*arrays, True, tried := Counter())
    assert tried["forward", "winograd"] == tried["weight", "winograd"] == 1


def test_the_cheapest_way_is_taken_whichever_its_place():
    """And another one if limits say so, or somebody prefers it."""
    rng = np.random.default_rng(0)
    x, w, g, problem = arrays_of(rng, (8, 12, 9, 9), (12, 12, 3, 3), ((1, 1), (1, 1), (1, 1), 1))
    taken = []
    with ExitStack() as until_then:
        until_then.callback(told_of_ways.remove, taken.append)
        told_of_ways.append(taken.append)
        three_maps(convolution, x, w, g, problem)
        with limits.use(addition=0):
            three_maps(convolution, x, w, g, problem)
        with preferred("few outputs"):
            three_maps(convolution, x, w, g, problem)
        three_maps(convolution, x, w, g, problem)
    direct = ["gather", "gather", "windows of x"]
    winograd = ["winograd"] * 3
    assert taken == [*direct, *winograd, "few outputs", "few outputs", "windows of x", *direct]


@pytest.mark.usefixtures("limit_restored")
def test_windows_are_cut_anew_for_other_limits_threads_and_dtypes():
    how = ((1, 1), (1, 1), (1, 1), 1)
    x, _, _, problem = arrays_of(np.random.default_rng(0), (6, 8, 9, 9), (8, 8, 3, 3), how)
    planned = lambda dtype=x.dtype: windows_of(problem.forward, of_images(x).astype(dtype), 0)
    backend.limit_threads(2)
    with limits.use(windows_at_a_time=3 * 8 * 8 * 9 * 81):  # three images of float64
        before = planned()
        assert planned() is before and (before.images, before.bands) == (3, 1)
        assert planned(np.float32).images == 6
        backend.limit_threads(12)
        assert planned().bands == 2
    with limits.use(windows_at_a_time=1):
        assert planned().images == 1


@pytest.mark.parametrize("where", ["x", "w", "g"])
@pytest.mark.parametrize("drawn", KINDS.values(), ids=KINDS)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.usefixtures("limit_restored")
def test_a_number_that_is_not_finite_reaches_what_its_windows_reach(limits_set, drawn, where):
    """And NaN comes where the simple kernels have it, whichever way is tried first."""
    limits_set(alone=0)

    @settings(max_examples=40)
    @given(
        drawn,
        st.sampled_from([math.inf, -math.inf, math.nan]),
        st.integers(0, 10**9),
        st.sampled_from(NAMES),
    )
    @np.errstate(invalid="ignore")
    def check(arrays, number, place, name):
        backend.limit_threads(1 + place % 3)
        x, w, g, problem = arrays
        bad = {"x": x, "w": w, "g": g}[where]
        if bad.size:
            bad[np.unravel_index(place % bad.size, bad.shape)] = number
        expected = three_maps(simple, *arrays)
        with preferred(name):
            found = three_maps(convolution, *arrays)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)

    check()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_few_outputs_of_an_infinite_filter():
    """The margin times infinity is NaN, also where few outputs make it worth leaving out."""
    how = ((1, 1), (1, 1), (1, 1), 1)
    x, w, g, problem = arrays_of(np.random.default_rng(0), (2, 12, 5, 5), (3, 12, 3, 3), how)
    w[1, 2, 0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        expected = three_maps(simple, x, w, g, problem)
    for ours, theirs in zip(three_maps(convolution, x, w, g, problem), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def test_sums_that_overflow_in_a_tile_alone_are_taken_the_direct_way():
    x, w = np.full((4, 8, 6, 6), 3e38, np.float32), np.zeros((8, 8, 3, 3), np.float32)
    x[:, :, ::2] *= -1  # differences of neighbours are infinite
    w[:, 0, 1, 1] = 1
    problem = Problem.of(x.shape, w.shape, (6, 6), (1, 1), (1, 1), (1, 1), 1)
    with preferred("winograd"):
        y = convolution.conv2d(x, w, None, problem)
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
    how = ((2, 2), (2, 1), (1, 1), 1)
    rng = np.random.default_rng(seed)
    return arrays_of(rng, (7, 12, 15, 14), (16, 12, 4, 3), how, np.float32)


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
    st.sampled_from([1, 64]),
    st.booleans(),
    st.booleans(),
)
@example((20, 30, 40), (2,), 3000, 1, False, False)
def test_products_in_pieces(sides, lead, small, columns, turn_a, turn_b):
    (m, k, n), rng = sides, np.random.default_rng(sum(sides))
    n = n if n % 3 else 64

    def matrix(rows, columns, turned):
        shape = (columns, rows) if turned else (rows, columns)
        drawn = rng.standard_normal((*lead, *shape))
        return drawn.swapaxes(-1, -2) if turned else drawn

    a, b, out = matrix(m, k, turn_a), matrix(k, n, turn_b), np.full((*lead, m, n + 3), np.nan)
    with (
        pytest.MonkeyPatch.context() as patch,
        limits.use(piece_products=small, piece_columns=columns, piece_depth=1),
    ):
        patch.setattr(blas, "takes_pieces", lambda: True)
        blas.multiply(a, b, out[..., :n])
    np.testing.assert_allclose(out[..., :n], a @ b, rtol=1e-12, atol=1e-12)


@given(st.lists(st.integers(0, 40), min_size=2, max_size=4), st.sampled_from(["f4", "f8"]))
def test_rows_begin_at_lines_of_the_cache(shape, dtype):
    y = blas.aligned(tuple(shape), np.dtype(dtype))
    assert y.shape == tuple(shape) and y.dtype == dtype
    if y.size:
        assert y.ctypes.data % blas.LINE == 0 and not any(s % blas.LINE for s in y.strides[:-1])
        y[...] = numbers = np.arange(y.size).reshape(shape)
        assert (y == numbers).all()


def test_a_product_adds_the_bias_unless_its_sums_have_pieces(monkeypatch):
    monkeypatch.setattr(blas, "takes_pieces", lambda: True)
    size, weight = (14, 14), (64, 64, 3, 3)
    what = Problem.of((8, 64, *size), weight, size, (1, 1), (1, 1), (1, 1), 1).forward
    for most, alone in (10**9, True), (10**5, False):
        with limits.use(piece_products=most):
            assert windows_of(what, np.zeros((8, *size, 64)), 1).ones == [alone]


def test_products_are_cut_by_the_limits_in_use(monkeypatch):
    monkeypatch.setattr(blas, "takes_pieces", lambda: True)
    cuts, cut = [], blas._multiply_cut
    monkeypatch.setattr(blas, "_multiply_cut", lambda *args: (cuts.append(args), cut(*args)))
    a, b = np.ones((60, 100)), np.ones((100, 16))
    for small in 10**6, 1000, 10**6:
        cuts.clear()
        with limits.use(piece_products=small, piece_depth=1):
            blas.multiply(a, b, y := np.empty((60, 16)))
        assert bool(cuts) == (small == 1000) and (y == 100).all()
