"""The CUDA source of the convolutions, run on the CPU: every template instance against the slow and
obvious kernels in float64, over random shapes, with every access to memory checked."""

import types

import checked
import numpy as np
import pytest
import runner
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen.kernels import simple
from minigen.kernels.cuda import convolution, launch
from minigen.kernels.phases import forward_phases, transposed_phases
from minigen.kernels.problem import Problem

pytestmark = [checked.needs_compiler, pytest.mark.usefixtures("compiled")]
FLOAT32 = np.dtype(np.float32)
PLAIN = (1, 1), (0, 0), (1, 1)  # stride, padding and dilation
MAPS = st.sampled_from(["forward", "input", "weight"])


@pytest.fixture(scope="module")
def compiled():
    checked.compile_everything()


@st.composite
def problems(draw, c, k, dtype=FLOAT32, largest=7, strides=3):
    """x, w, g, a bias for either map, and how they meet. Channels of a group come from the
    strategies c and k."""
    whole = lambda low, high: draw(st.integers(low, high))
    pair = lambda low, high: (whole(low, high), whole(low, high))
    groups, c, k = draw(st.sampled_from([1, 1, 2])), draw(c), draw(k)
    taps, stride, padding, dilation = pair(1, 4), pair(1, strides), pair(0, 3), pair(1, 3)
    spans = zip(pair(1, largest), taps, stride, padding, dilation, strict=True)
    # Some rows and columns at the end may meet no tap, as with output_padding.
    size = tuple(
        max(1, (out - 1) * s + 1 + d * (r - 1) - 2 * p + whole(0, s - 1))
        for out, r, s, p, d in spans
    )
    spans = zip(size, taps, stride, padding, dilation, strict=True)
    out = tuple((n + 2 * p - d * (r - 1) - 1) // s + 1 for n, r, s, p, d in spans)
    rng = np.random.default_rng(whole(0, 2**32 - 1))
    n, how = whole(1, 3), (stride, padding, dilation, groups)
    shapes = (n, c * groups, *size), (k * groups, c, *taps), (n, k * groups, *out)
    arrays = [rng.standard_normal(s).astype(dtype) for s in (*shapes, k * groups, c * groups)]
    return *arrays, how


def as_tf32(x):
    """Rounded to 10 bits of mantissa: what the tensor cores make of a factor."""
    bits = (x.view(np.uint32) + np.uint32(0x1000)) & np.uint32(0xFFFFE000)
    return bits.view(np.float32)


def check(cupy, problem, map):
    """One of the three maps against float64."""
    x, w, g, bias, bias_of_x, how = problem
    shapes = Problem.of(x.shape, w.shape, g.shape[2:], *how)
    exact = [a.astype(np.float64) for a in (x, w, g)]
    x, w, g, bias, bias_of_x = map_all(cupy.asarray, (x, w, g, bias, bias_of_x))
    if map == "forward":
        ours = convolution.conv2d(x, w, bias, shapes)
        formula = lambda x, w, g: simple.conv2d(x, w, shapes)
        plus = bias.get()[:, None, None]
    elif map == "input":
        ours = convolution.conv2d_input(g, w, bias_of_x, shapes)
        formula = lambda x, w, g: simple.conv2d_input(g, w, shapes)
        plus = bias_of_x.get()[:, None, None]
    else:
        ours = convolution.conv2d_weight(x, g, shapes)
        formula = lambda x, w, g: simple.conv2d_weight(x, g, shapes)
        plus = 0.0
        assert ours.flags.c_contiguous  # as optimisers want it
    checked.close(ours, formula(*exact) + plus, formula(*map_all(np.abs, exact)) + np.abs(plus))


def map_all(f, arrays):
    return [f(a) for a in arrays]


def channels(tile):
    """Strategies for the channels of a group that this kernel takes."""
    name, _, parameters = tile.name.partition("<")
    last = parameters.rstrip(">").split(", ")[-1]
    if name == "conv2d_few_outputs":
        most = int(parameters.split(",")[0])
        if last == "4":
            return st.sampled_from([4, 12, 40]), st.just(most)
        return st.integers(1, 40), st.integers(1, most)
    if name == "conv2d_few_inputs":
        return st.integers(1, 4), st.sampled_from([4, 12, 72] if last == "4" else [3, 10, 70])
    if tile.vector == 4:
        return st.sampled_from([4, 8, 20]), st.sampled_from([4, 12, 68, 132])
    return st.sampled_from([1, 3, 5, 9]), st.sampled_from([1, 3, 6, 70])


FEW = [
    convolution.Tile("conv2d_few.cu", name, *shape, 256, 1, 1.0, shared)
    for name, shape, shared in [
        *[(f"conv2d_few_outputs<{k}, {m}, {v}>", (8 * m, k), 0)
          for k, m in convolution.FEW for v in (1, 4)],
        *[(f"conv2d_few_inputs<{v}>", (64, 64), 64 * 64 * 4) for v in (1, 4)],
    ]
]  # fmt: skip
SIMPLE = convolution.Tile("conv2d_simple.cu", "conv2d_simple<float>", 1, 1, 256, 1, 1.0)
TILES = [checked.STEP_2, *convolution.GATHER, *convolution.GATHER_TF32, *FEW, SIMPLE]
WEIGHT = [checked.WEIGHT_STEP_2, *convolution.WEIGHT, *convolution.WEIGHT_TF32]


def test_no_instance_is_left_out():
    tested = {t.name for t in (*TILES, *WEIGHT)}
    tested |= {"conv2d_weight_sum", "conv2d_simple<double>", "conv2d_weight_simple<double>"}
    files = [f for f in launch.KERNELS if f.startswith("conv2d")]
    assert {name for f in files for name in launch.KERNELS[f]} == tested


PHASES = """
__global__ void all_phases(Axis axis, int transposed, int* found) {
  for (int i = 0; i < phases(axis, transposed); i++)
    ((Phase*)found)[i] = phase_of(axis, transposed, i);
}"""


@settings(max_examples=100)
@given(*[st.integers(1, n) for n in (9, 5, 4)], st.integers(0, 4), st.integers(1, 4))
def test_the_phases_of_an_axis_are_those_of_numpy(out, taps, stride, padding, dilation):
    """In the same order and with the same signs: a tap beyond the first is met by a later input."""
    code = launch.source("geometry.cuh") + PHASES
    run = runner.RawModule(code=code, name_expressions=["all_phases"]).get_function("all_phases")
    how = (taps, stride, padding, dilation)
    for transposed, phases in enumerate((forward_phases(out, *how), transposed_phases(out, *how))):
        step = convolution.tap_step(stride, dilation, transposed)
        axis = np.array((1, out, *how, step), convolution.AXIS)
        found = np.zeros((stride if transposed else 1, 9), np.int32)
        run((1,), (1,), (axis, np.int32(transposed), found))
        expected = [
            (p.first, p.every, p.count, t.start, t.step, len(t), p.start, p.hop, p.skip)
            for p in phases
            for t in [p.taps]
        ]
        assert [tuple(phase) for phase in found.tolist() if phase[5]] == expected


@pytest.mark.parametrize("tile", TILES, ids=lambda t: t.name)
def test_gather(tile, monkeypatch):
    usual = convolution.gather_tile

    def pinned(p, *others):
        # One pixel that grows to the size of the filter has R·S times as many outputs.
        few = tile.name.startswith("conv2d_few_outputs")
        return usual(p, *others) if few and p["K"] > tile.width else tile

    monkeypatch.setattr(convolution, "gather_tile", pinned)
    c, k = channels(tile)  # of the image that is read, and of the one that is made

    @settings(max_examples=15)
    @given(st.data(), st.sampled_from(["forward", "input"]), st.integers(0, 1000))
    def run(data, map, seed):
        problem = data.draw(problems(*((c, k) if map == "forward" else (k, c))))
        if tile.file == "conv2d_tf32.cu":
            problem = *map_all(as_tf32, problem[:3]), *problem[3:]
        with checked.device(seed) as cupy:
            check(cupy, problem, map)

    run()


@pytest.mark.parametrize("tile", WEIGHT, ids=lambda t: t.name)
def test_weight_gradient(tile, monkeypatch):
    """Cut into several pieces, the last one shorter."""

    @settings(max_examples=15)
    @given(problems(*channels(tile)), st.integers(0, 1000), st.integers(1, 60))
    def run(problem, seed, piece):
        if tile.file == "conv2d_tf32.cu":
            problem = *map_all(as_tf32, problem[:3]), *problem[3:]

        def plan(c, k, depth, pixels, *_):
            return tile, -(-pixels // piece), piece

        monkeypatch.setattr(convolution, "weight_plan", plan)
        with checked.device(seed) as cupy:
            check(cupy, problem, "weight")

    run()


@settings(max_examples=15)
@given(problems(st.sampled_from([9, 12]), st.integers(1, 4), largest=5, strides=1))
def test_weight_gradient_of_few_outputs(problem):
    """Windows of g times the pixels of x: the taps of a transposed convolution, the last first."""
    with checked.device() as cupy:
        check(cupy, problem, "weight")


@settings(max_examples=15)
@given(problems(st.integers(1, 5), st.integers(1, 5), np.float64, largest=4), MAPS)
def test_float64(problem, map):
    with checked.device() as cupy:
        check(cupy, problem, map)


CHANNELS = st.sampled_from([1, 3, 4, 12, 40])


@settings(max_examples=20)
@given(problems(CHANNELS, CHANNELS, largest=5), MAPS)
def test_what_the_launch_code_chooses(problem, map):
    with checked.device() as cupy:
        check(cupy, problem, map)


@settings(max_examples=4)
@given(
    st.integers(1, 3), st.integers(1, 40), st.integers(1, 9), st.integers(1, 4), st.integers(1, 4)
)
def test_one_pixel_grows_to_the_size_of_the_filter(n, o, c, rows, cols):
    rng = np.random.default_rng(n * o)
    g, w = rng.standard_normal((n, o, 1, 1)), rng.standard_normal((o, c, rows, cols))
    bias = rng.standard_normal(c)
    shapes = Problem.of((n, c, rows, cols), w.shape, (1, 1), (2, 3), (0, 0), (1, 1), 1)
    with checked.device() as cupy:
        put = lambda a: cupy.asarray(a.astype(np.float32))
        ours = convolution.conv2d_input(put(g), put(w), put(bias), shapes).get()
    exact = simple.conv2d_input(g, w, shapes) + bias[:, None, None]
    np.testing.assert_allclose(ours, exact, atol=1e-4)


@pytest.mark.parametrize(
    ("shape", "weight", "cards", "tf32", "capability", "name"),
    [
        ((64, 128, 28, 28), (128, 128, 3, 3), 8, False, 90, "conv2d_tile<128, 128, 8, 8, 8, 4, 2>"),
        ((64, 64, 28, 28), (64, 64, 3, 3), 16, False, 90, "conv2d_tile<128, 64, 16, 8, 4, 4, 2>"),
        ((2, 64, 8, 8), (64, 64, 3, 3), 132, False, 90, "conv2d_tile<64, 64, 16, 4, 4, 4, 2>"),
        ((2, 62, 8, 8), (62, 62, 3, 3), 132, False, 90, "conv2d_tile<64, 64, 16, 4, 4, 1, 2>"),
        ((64, 128, 28, 28), (128, 128, 3, 3), 16, True, 90, "conv2d_tf32<128, 128, 64, 32, 3>"),
        ((2, 64, 8, 8), (64, 64, 3, 3), 132, True, 80, "conv2d_tf32<64, 64, 32, 32, 3>"),
        ((2, 64, 8, 8), (64, 64, 3, 3), 132, True, 75, "conv2d_tile<64, 64, 16, 4, 4, 4, 2>"),
        ((2, 128, 8, 8), (3, 128, 7, 7), 132, True, 90, "conv2d_few_outputs<3, 8, 4>"),
        ((2, 128, 8, 8), (2, 128, 7, 7), 132, True, 90, "conv2d_few_outputs<3, 8, 1>"),
        ((2, 33, 8, 8), (1, 33, 7, 7), 132, True, 90, "conv2d_few_outputs<1, 8, 1>"),
        ((2, 32, 8, 8), (8, 32, 7, 7), 132, True, 90, "conv2d_few_outputs<8, 4, 4>"),
        ((2, 3, 8, 8), (64, 3, 4, 4), 132, True, 90, "conv2d_few_inputs<4>"),
        ((2, 3, 8, 8), (65, 3, 4, 4), 132, True, 90, "conv2d_few_inputs<1>"),
        ((2, 64, 8, 8), (64, 1, 3, 3), 132, True, 90, "conv2d_simple<float>"),  # depthwise
    ],
)  # fmt: skip
def test_the_kernel_that_fits_is_chosen(shape, weight, cards, tf32, capability, name, monkeypatch):
    used = []
    monkeypatch.setattr(
        convolution, "kernel", lambda _, name: used.append(name) or (lambda *_, **__: None)
    )
    monkeypatch.setattr(convolution, "multiprocessors", lambda _: cards)
    monkeypatch.setattr(convolution, "compute_capability", lambda _: capability)
    monkeypatch.setattr(convolution, "tf32_allowed", lambda: tf32)
    with checked.device() as cupy:
        x, w = cupy.zeros(shape, np.float32), cupy.zeros(weight, np.float32)
        size = tuple(n - r + 1 for n, r in zip(shape[2:], weight[2:], strict=True))
        groups = shape[1] // weight[1]
        convolution.conv2d(x, w, None, Problem.of(shape, weight, size, *PLAIN, groups))
    assert used == [name]


def test_weight_gradients_have_the_same_bits_every_time():
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal(s, np.float32) for s in ((5, 8, 13, 13), (5, 12, 13, 13)))
    found = set()
    for seed in range(3):
        with checked.device(seed) as cupy:
            shapes = Problem.of(x.shape, (12, 8, 3, 3), (13, 13), (1, 1), (1, 1), (1, 1), 1)
            dw = convolution.conv2d_weight(cupy.asarray(x), cupy.asarray(g), shapes)
            found.add(dw.get().tobytes())
    assert len(found) == 1


def test_memory_stays_channels_last():
    with checked.device() as cupy:
        x, w = cupy.zeros((2, 8, 5, 5), np.float32), cupy.zeros((12, 8, 3, 3), np.float32)
        shapes = Problem.of(x.shape, w.shape, (3, 3), *PLAIN, 1)
        y = convolution.conv2d(x, w, None, shapes)
        assert y.transpose(0, 2, 3, 1).flags.c_contiguous
        dx = convolution.conv2d_input(y, w, None, shapes)
        assert dx.transpose(0, 2, 3, 1).flags.c_contiguous


def test_a_slice_that_starts_between_two_lines_of_16_bytes_is_copied():
    rng = np.random.default_rng(0)
    flat, w = rng.standard_normal(1 + 4 * 25, np.float32), rng.standard_normal((4, 4, 3, 3))
    w = w.astype(np.float32)
    with checked.device() as cupy:
        x = cupy.asarray(flat)[1:].reshape(1, 5, 5, 4).transpose(0, 3, 1, 2)
        shapes = Problem.of(x.shape, w.shape, (3, 3), *PLAIN, 1)
        y = convolution.conv2d(x, cupy.asarray(w), None, shapes).get()
    image = flat[1:].reshape(1, 5, 5, 4).transpose(0, 3, 1, 2)
    exact = simple.conv2d(image, w, shapes)
    np.testing.assert_allclose(y, exact, atol=1e-5)


def test_empty_images():
    with checked.device() as cupy:
        x, w = cupy.zeros((0, 4, 5, 5), np.float32), cupy.zeros((6, 4, 3, 3), np.float32)
        shapes = Problem.of(x.shape, w.shape, (3, 3), *PLAIN, 1)
        y = convolution.conv2d(x, w, None, shapes)
        assert y.shape == (0, 6, 3, 3)
        assert not convolution.conv2d_weight(x, y, shapes).get().any()
        many, few = cupy.zeros((0, 12, 5, 5), np.float32), cupy.zeros((0, 4, 3, 3), np.float32)
        shapes = Problem.of(many.shape, (4, 12, 3, 3), (3, 3), *PLAIN, 1)
        assert convolution.conv2d_weight(many, few, shapes).shape == (4, 12, 3, 3)


def test_what_a_kernel_cannot_take():
    with checked.device() as cupy:
        x, w = cupy.zeros((1, 4, 5, 5), np.int64), cupy.zeros((6, 4, 3, 3), np.int64)
        with pytest.raises(TypeError, match="float32 and float64, not int64"):
            convolution.conv2d(x, w, None, Problem.of(x.shape, w.shape, (3, 3), *PLAIN, 1))
    large = types.SimpleNamespace(shape=(2**11, 2**10, 2**5, 2**5), size=2**31)
    with pytest.raises(ValueError, match="Split the batch"):
        convolution._check_size("conv2d", large)
