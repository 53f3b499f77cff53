"""The CUDA source of dropout, batch norm, Adam and sparse rows, run on the CPU, against NumPy's,
with every access to memory checked."""

import checked
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen
from minigen.kernels import normalization as on_numpy
from minigen.kernels import random as masks
from minigen.kernels.cuda import launch, normalization, optim, random
from minigen.sparse import SparseRows

pytestmark = [checked.needs_compiler, pytest.mark.usefixtures("compiled")]
DTYPES = st.sampled_from([np.float32, np.float64])
SEEDS = st.integers(0, 2**32 - 1)
KEYS = st.sampled_from([0, 1, 2**64 + 3, 2**128 - 1])
DRAWS = st.sampled_from([0, 5, 2**64 - 1])


launched = set()


@pytest.fixture(scope="module")
def compiled():
    """All kernels; and notes which are launched."""
    checked.compile_everything()

    def spy(file, name):
        launched.add(name)
        return launch.kernel(file, name)

    with pytest.MonkeyPatch.context() as patch:
        for module in (normalization, optim, random):
            patch.setattr(module, "kernel", spy)
        yield


# ---- random numbers: the very bits of the CPU's --------------------------------------------------


@given(
    KEYS, DRAWS, st.sampled_from([(), (1,), (9,), (3, 700), (0, 2), (2, 5, 3, 4)]), DTYPES, SEEDS,
    st.integers(0, 10),
)  # fmt: skip
def test_dropout(seed, draw, shape, dtype, numbers, tenths):
    """The mask of `minigen.dropout`, images pixel by pixel; and the same memory layout."""
    p = tenths / 10
    x = np.random.default_rng(numbers).standard_normal(shape).astype(dtype)
    images = len(shape) == 4
    last = x.transpose(0, 2, 3, 1) if images else x
    mask = masks.bernoulli(last.shape, p, seed, draw)
    with checked.device() as cupy:
        ours = random.dropout(cupy.asarray(x), p, 1.5, seed, draw)
        assert (ours.transpose(0, 2, 3, 1) if images else ours).flags.c_contiguous
    expected = last * mask * dtype(1.5)
    expected = expected.transpose(0, 3, 1, 2) if images else expected
    np.testing.assert_array_equal(ours.get(), expected)


def test_a_draw_beyond_the_counter():
    with checked.device() as cupy, pytest.raises(ValueError, match="2\\^64"):
        random.dropout(cupy.zeros(2, np.float32), 0.5, 2.0, 0, 2**64)


# ---- batch norm ----------------------------------------------------------------------------------

SHAPES = st.sampled_from(
    [(2, 1), (5, 3), (70, 33), (2, 3, 8, 4), (3, 3, 5, 5), (2, 64, 3, 3), (4, 40, 9), (9, 2, 16, 8)]
)


@settings(max_examples=15)
@given(SHAPES, DTYPES, SEEDS, st.integers(0, 1000), st.booleans())
def test_batch_norm(shape, dtype, numbers, order, with_weight):
    rng = np.random.default_rng(numbers)
    axes = (0, *range(2, len(shape)))
    far = rng.uniform(-100, 100, shape[1]).reshape(-1, *[1] * (len(shape) - 2))
    x, g = (
        (rng.standard_normal(shape) + far).astype(dtype),
        rng.standard_normal(shape).astype(dtype),
    )
    weight = rng.standard_normal(shape[1]).astype(dtype) if with_weight else None
    exact = x.astype(np.float64)
    mean, var = exact.mean(axes), exact.var(axes)
    rstd = 1 / np.sqrt(var + 0.1)
    with checked.device(order) as cupy:
        put = lambda a: None if a is None else cupy.asarray(a.astype(dtype))
        ours = normalization.moments(put(x))
        checked.close(ours[0], mean)
        checked.close(ours[1], var)
        y = normalization.affine(put(x), put(rstd), put(mean))
        wide = lambda v: v.astype(dtype).reshape(-1, *[1] * (len(shape) - 2))
        expected = exact * wide(rstd) + wide(mean)
        checked.close(y, expected, 1e3)
        assert y.transpose(*axes, 1).flags.c_contiguous
        ours = normalization.batch_norm_gradients(*map(put, (g, x, mean, rstd, weight)))
        # The means that were handed over are rounded: so is what they are subtracted from.
        rounded = (v.astype(dtype).astype(float)[None] for v in (mean, var, rstd))
        parts = (*shape[:2], 1, *shape[2:])
        in_parts = g.astype(float).reshape(parts), exact.reshape(parts)
        d_x, *others = on_numpy.gradients_by_formula(*in_parts, weight, on_numpy.Moments(*rounded))
        expected = d_x.reshape(shape), *others
        for a, b in zip(ours, expected, strict=True):
            checked.close(a, b, 10 * np.abs(g).sum())
        assert ours[0].transpose(*axes, 1).flags.c_contiguous


def test_sums_have_the_same_bits_every_time():
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((50, 40, 5, 5), np.float32) for _ in range(2))
    mean, rstd = np.zeros(40, np.float32), np.ones(40, np.float32)
    found = set()
    for seed in range(3):
        with checked.device(seed) as cupy:
            arrays = [*normalization.moments(cupy.asarray(x))]
            all_four = map(cupy.asarray, (g, x, mean, rstd))
            arrays += normalization.batch_norm_gradients(*all_four, None)
            found.add(b"".join(a.get().tobytes() for a in arrays))
    assert len(found) == 1


# ---- optimisers ----------------------------------------------------------------------------------


@settings(max_examples=15)
@given(
    st.sampled_from([(1,), (7, 300), (3, 2, 3, 3)]), DTYPES, SEEDS, st.booleans(),
    st.sampled_from([0.0, 0.1]),
)  # fmt: skip
def test_adam(shape, dtype, numbers, maximize, decay):
    """Three steps of the optimiser on NumPy; then the fourth on both."""
    rng = np.random.default_rng(numbers)
    p = minigen.Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)
    options = {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3}
    optimizer = minigen.optim.Adam([p], **options, weight_decay=decay, maximize=maximize)
    for step in range(4):
        p.grad = minigen.Tensor(rng.standard_normal(shape).astype(dtype))
        if step == 3:
            before = [a.copy() for a in (p.array, p.grad.array)]
            state = optimizer.state[p]
            before += [state[name].copy() for name in ("exp_avg", "exp_avg_sq")]
        optimizer.step()
    root = np.sqrt(1 - 0.9**4)
    rate, eps = 0.1 * root / (1 - 0.8**4), 1e-3 * root
    with checked.device() as cupy:
        ours = list(map(cupy.asarray, before))
        optim.adam(*ours, rate, options["betas"], eps, decay, maximize)
        for a, b in zip(
            (ours[0], *ours[2:]), (p.array, state["exp_avg"], state["exp_avg_sq"]), strict=True
        ):
            checked.close(a, b.astype(np.float64))


def rows_of_a_table(numbers, dtype, count):
    rng = np.random.default_rng(numbers)
    table = rng.standard_normal((9, 5)).astype(dtype)
    rows = rng.choice(9, count, replace=False).astype(np.int64)
    return rng, table, rows, rng.standard_normal((count, 5)).astype(dtype)


@given(SEEDS, DTYPES, st.integers(0, 9))
def test_sgd_rows(numbers, dtype, count):
    _, table, rows, values = rows_of_a_table(numbers, dtype, count)
    expected = table.astype(np.float64)
    expected[rows] -= 0.5 * values
    with checked.device() as cupy:
        ours = cupy.asarray(table)
        optim.sgd_rows(ours, cupy.asarray(rows), cupy.asarray(values), -0.5)
        checked.close(ours, expected)


@given(SEEDS, DTYPES, st.integers(1, 9), st.booleans())
def test_adam_rows(numbers, dtype, count, maximize):
    rng, table, rows, values = rows_of_a_table(numbers, dtype, count)
    p = minigen.Tensor(table.copy(), requires_grad=True)
    optimizer = minigen.optim.SparseAdam([p], 0.1, (0.8, 0.9), 1e-3, maximize=maximize)
    p.grad = SparseRows(np.sort(rows), values, table.shape)
    optimizer.step()
    state = optimizer.state[p]
    with checked.device() as cupy:
        ours = [cupy.asarray(a) for a in (table, np.zeros_like(table), np.zeros_like(table))]
        rate = 0.1 * np.sqrt(1 - 0.9) / (1 - 0.8)
        gradient = cupy.asarray(np.sort(rows)), cupy.asarray(values)
        optim.adam_rows(*ours, *gradient, rate, (0.8, 0.9), 1e-3, maximize)
        for a, b in zip(ours, (p.array, state["exp_avg"], state["exp_avg_sq"]), strict=True):
            checked.close(a, b.astype(np.float64))


@given(SEEDS, DTYPES, st.integers(0, 20), st.integers(1, 6))
def test_sum_rows(numbers, dtype, n, count):
    """A place that nobody names has the sum 0."""
    rng = np.random.default_rng(numbers)
    places = rng.integers(0, count, n)
    values = rng.standard_normal((n, 3)).astype(dtype)
    expected = np.zeros((count, 3))
    np.add.at(expected, places, values)
    with checked.device() as cupy:
        checked.close(optim.sum_rows(*map(cupy.asarray, (values, places)), count), expected, 10)


def test_a_parameter_that_would_be_copied_is_refused():
    with checked.device() as cupy:
        p, *others = (cupy.zeros((3, 4), np.float32) for _ in range(4))
        with pytest.raises(ValueError, match="C order"):
            optim.adam(p.T, *others, 0.1, (0.9, 0.99), 1e-8)


def test_every_kernel_of_these_files_was_run(request):
    """Stands last: the tests above leave a list of what they launched."""
    here = [item.originalname for item in request.session.items if item.module.__name__ == __name__]
    if missing := [name for name in globals() if name.startswith("test_") and name not in here]:
        pytest.skip(f"{missing[0]} was not asked for")
    files = (normalization.FILE, optim.FILE, random.FILE)
    assert launched == {name for file in files for name in launch.KERNELS[file]}
