"""Element by element and matrix products, in pieces and by threads, against one NumPy formula."""

import numpy as np
import pytest
import scipy.special
from hypothesis import example, given
from hypothesis import strategies as st

import minigen
from minigen import Tensor, functional
from minigen.kernels import elementwise, limits, pieces, pixels, product, rows, softmax
from minigen.testing import arrays, shapes


@pytest.fixture
def in_small_pieces(three_threads, limits_set):
    """Three threads, pieces of 5 elements, and nothing is short that has as many."""
    limits_set(alone=0, shared=1, piece=5, clipped=5)


@st.composite
def two(draw):
    """Arrays of one shape, each with a layout of its own or both with the same; the second may
    be whole, so that some numbers are 0."""
    shape = draw(shapes(2, 4, 2, 4))
    x, y = draw(arrays(shape)), draw(arrays(shape))
    y = np.round(y) if draw(st.booleans()) else y
    return (x, y) if draw(st.booleans()) else (x, np.copy(x) + y)


def channels_last(a):
    return a.ndim != 4 or a.transpose(0, 2, 3, 1).flags.c_contiguous


@pytest.mark.usefixtures("in_small_pieces")
@given(two(), st.sampled_from([0.0, 0.2, 1.0, 1.5]), st.sampled_from([np.float32, np.float64]))
def test_in_pieces_as_in_one(pair, slope, dtype):
    x, y = (a.astype(dtype, order="K") for a in pair)
    before = x.copy(), y.copy()
    mask = y > 0
    for found, expected in (
        (elementwise.relu(x), np.where(x > 0, x, 0)),
        (elementwise.leaky_relu(x, slope=slope), np.where(x > 0, x, x * dtype(slope))),
        (elementwise.gate(x, y, slope=slope), np.where(y > 0, x, x * dtype(slope))),
        (elementwise.dropout(x, mask, scale=2.5), np.where(mask, x * dtype(2.5), 0)),
    ):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    found = elementwise.elu_slope(x, elementwise.elu(y, alpha=slope), alpha=slope)
    expected = x * np.where(mask, 1, slope * np.exp(y))
    # The output is slope·(e^y − 1), rounded to a digit of slope.
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(x).max(initial=0))
    assert channels_last(elementwise.gate(x, y, slope=slope)) == channels_last(y)
    np.testing.assert_array_equal((x, y), before)


@given(arrays(shapes(3, 5, 0, 6)), st.booleans())
def test_pixels_are_those_of_the_images(x, last):
    x = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1) if last else x
    y = pixels.of_images(x)
    assert y.flags.c_contiguous
    np.testing.assert_array_equal(y, np.moveaxis(x, 1, -1))


@pytest.mark.usefixtures("in_small_pieces")
def test_pieces_of_an_image_that_is_channels_last():
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 3)).transpose(0, 3, 1, 2)
    y = elementwise.gate(x, x, slope=0.2)
    np.testing.assert_allclose(y, np.where(x > 0, x, 0.2 * x))
    assert channels_last(y) and not np.shares_memory(x, y)


@example(np.arange(64.0).reshape(8, 2, 2, 2), {1, 3}, False)  # an axis stands between
@given(arrays(shapes(1, 4, 1, 5)), st.sets(st.integers(0, 3), min_size=1), st.booleans())
def test_sums_by_products_are_sums(x, dims, last):
    dims = tuple(sorted({d % x.ndim for d in dims}))
    if last and x.ndim > 1:
        x = np.moveaxis(np.moveaxis(x, 1, -1).copy(), -1, 1)
    with limits.use(row=2, by_pieces=1 + x.size // 4):
        for keepdim in (True, False):
            y = minigen.sum(minigen.Tensor(x), dims, keepdim).numpy()
            expected = x.sum(axis=dims, keepdims=keepdim)
            assert y.shape == expected.shape
            np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12 * np.abs(x).sum())


@pytest.mark.usefixtures("in_small_pieces")
@pytest.mark.parametrize(
    "a, b",
    [
        ((400, 60), (60, 50)),
        ((50, 60), (60, 400)),
        ((1, 1000), (1000, 1000)),
        ((20, 300), (300, 200)),
        ((20, 30), (30, 40)),
        ((7, 50, 60), (60, 70)),
        ((50, 200), (7, 200, 30)),
        ((3, 1, 50, 60), (5, 60, 70)),
        ((1, 100, 100), (1, 100, 100)),
    ],
    ids=str,
)
def test_large_products(a, b):
    rng = np.random.default_rng(0)
    x, y, bias = (rng.standard_normal(shape) for shape in (a, b, b[-1:]))
    for left in (x, np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)):
        for right in (y, np.ascontiguousarray(y.swapaxes(-1, -2)).swapaxes(-1, -2)):
            z = product.matmul(left, right)
            assert z.shape == np.matmul(x, y).shape
            np.testing.assert_allclose(z, np.matmul(x, y), rtol=1e-10, atol=1e-10)
            np.testing.assert_array_equal(z, product.matmul(left, right))
            np.testing.assert_array_equal(z + bias, product.matmul(left, right, bias))
            with limits.use(alone=1e12, piece_products=1):  # by one thread
                np.testing.assert_allclose(z, product.matmul(left, right), 1e-10, 1e-10)
                assert product.matmul(left.astype(np.float32), right).dtype == float
    assert product.matmul(x.astype(np.float32), y.astype(np.float32)).dtype == np.float32


def test_products_of_factors_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="not aligned"):
        product.matmul(np.ones((16, 512)), np.ones((1000, 600)).T)


@pytest.mark.usefixtures("in_small_pieces")
@given(two())
def test_a_formula_is_spread_over_pieces(pair):
    x, y = pair
    formula = lambda x, y, *, power: np.abs(x) ** power + y
    found = pieces.spread(formula)(x, y, power=2)
    np.testing.assert_array_equal(found, formula(x, y, power=2))
    assert channels_last(found) == channels_last(y)
    row = y.reshape(-1)[: y.shape[-1]]  # broadcast
    np.testing.assert_array_equal(pieces.spread(formula)(x, row, power=2), formula(x, row, power=2))


# Last digits of float32 that a result may be off: NumPy's `exp` is up to 2.5, its `tanh` up to 1.4,
# its `log` of 1 to 2 up to 3.1.
# The processor decides which way `log1p` and `expm1` take; the long one is tested on all.
OFF = {"erf": 2.5, "sigmoid": 4.0, "silu": 4.0, "softplus": 5.5, "logsigmoid": 5.5, "elu": 4.0}


@pytest.mark.parametrize("name", OFF)
def test_functions_are_right_to_their_last_digits(name, monkeypatch):
    monkeypatch.setattr(elementwise, "by_the_piece", lambda name: False)
    every = np.arange(0, 1 << 32, 20011, dtype=np.uint32).view(np.float32)  # NaN and ±∞ too
    some = np.random.default_rng(0).uniform(-20, 20, 1 << 17).astype(np.float32)
    x = np.concatenate([every, some, np.float32([0, -0.0, np.inf, np.nan, 4.0, -4.0, -1e30])])
    with np.errstate(invalid="ignore", over="ignore"):
        z = x.astype(np.float64)
        true = {
            "erf": lambda: scipy.special.erf(z),
            "sigmoid": lambda: scipy.special.expit(z),
            "silu": lambda: z * scipy.special.expit(z),
            "softplus": lambda: np.logaddexp(0, z),
            "logsigmoid": lambda: -np.logaddexp(0, -z),
            "elu": lambda: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        }[name]()
        found = getattr(functional, name)(Tensor(x)).numpy()
        error = np.abs(found - true)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(true))
    known = (
        np.isfinite(true) & np.isfinite(found) & ((z > -87) | (name == "erf"))
    )  # below, e^−x is infinite
    digit = np.spacing(np.abs(true[known]).astype(np.float32))
    assert np.max(error[known] / digit) <= OFF[name]
    few = getattr(functional, name)(Tensor(some[:100])).numpy()  # SciPy's
    np.testing.assert_allclose(few, getattr(functional, name)(Tensor(some)).numpy()[:100], 1e-6)


def test_gelu_is_right_to_the_last_digits_of_its_input():
    x = np.linspace(-12, 12, 1 << 16, dtype=np.float32)
    x = np.concatenate([x, np.float32([-1e18, 1e18, 0])])
    z = x.astype(np.float64)
    normal = scipy.special.ndtr(z)
    slope = normal + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    # Half of the input is as large as the result is where it is not small.
    digit = np.spacing(np.maximum(np.abs(x) / 2, np.float32(2**-20)))
    ones, some = np.ones_like(x), slice(0, 100)
    y = elementwise.gelu(x)
    assert np.max(np.abs(y - z * normal) / digit) <= 4  # 2.5 of `exp`, and those of x·S
    np.testing.assert_allclose(elementwise.gelu_slope(ones, x, y), slope, rtol=0, atol=4e-7)
    y = elementwise.gelu(x[some])  # SciPy's
    np.testing.assert_allclose(y, (z * normal)[some], rtol=1e-4)
    few = elementwise.gelu_slope(ones[some], x[some], y)
    np.testing.assert_allclose(few, slope[some], rtol=1e-4)


def test_slope_of_silu_is_right_from_its_output():
    x = np.concatenate([np.linspace(-90, 90, 1 << 12), [0, -1e-40, 1e-35, -1e-20, 1e-3]])
    x = x.astype(np.float32)
    z = x.astype(np.float64)
    s = scipy.special.expit(z)
    found = elementwise.silu_slope(np.ones_like(x), x, elementwise.silu(x))
    # σ is off by a digit of 1 at most, and is multiplied by x.
    assert np.all(np.abs(found - s * (1 + z * (1 - s))) <= (2 + np.abs(x)) * 2.0**-23)


@pytest.mark.usefixtures("in_small_pieces")
@pytest.mark.parametrize(
    "other", [(), (6, 1, 1), (2, 1, 1, 1), (2, 6, 1, 1), (1, 1, 8, 5)], ids=str
)
def test_what_broadcasts_is_shared_out(other):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 8, 5, 6)).transpose(0, 3, 1, 2)
    v = rng.standard_normal(other)
    with limits.use(piece=200):
        for f in (lambda x, v: x * v, lambda x, v: np.exp(x) - v):
            found = pieces.spread(f)(x, v)
            np.testing.assert_array_equal(found, f(x, v))
            assert channels_last(found)


@pytest.mark.usefixtures("in_small_pieces")
@pytest.mark.parametrize("name", ["silu", "gelu", "softplus", "elu", "sigmoid", "hardtanh"])
def test_pullbacks_in_pieces_are_those_in_one(name):
    x = Tensor(np.linspace(-3, 3, 30).reshape(5, 6), requires_grad=True)
    f = lambda: minigen.grad(getattr(functional, name)(x).sum(), x)[0].numpy()
    found = f()
    with limits.use(piece=1 << 60, shared=1 << 60):
        np.testing.assert_allclose(found, f(), rtol=1e-14)


@pytest.mark.parametrize("many", [1, 1 << 20])
def test_rows_named_several_times_are_added(many):
    rng = np.random.default_rng(0)
    key, values = rng.integers(-4, 4, (40, 5)), rng.standard_normal((40, 5, 3))
    found, expected = np.zeros((2, 4, 3))
    with limits.use(by_pieces=many):  # from there on by a product
        rows.add_at(found, key, values)
    np.add.at(expected, key, values)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [1, 100])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_softmax_of_many_rows(scale, dim):
    x = np.random.default_rng(0).standard_normal((20, 20, 50)) * scale
    x[0, 0] -= 1e3
    x[0, 1, :2] = -np.inf
    x = np.moveaxis(x, -1, dim)  # its rows still lie side by side
    with np.errstate(divide="ignore"):
        inner = x - x.max(dim, keepdims=True)
        expected = inner - np.log(np.exp(inner).sum(dim, keepdims=True))
    found = [f(Tensor(x), dim).numpy() for f in (functional.softmax, functional.log_softmax)]
    assert all(y.strides == x.strides for y in found)
    np.testing.assert_allclose(found[0], np.exp(expected), rtol=1e-12)
    np.testing.assert_allclose(found[1], expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("largest", [7, 80])
def test_logarithms_of_shares_keep_their_digits(largest):
    x = np.full((2000, 10), largest - 30, np.float32)
    x[:, 0] = np.linspace(largest - 20, largest, 2000)  # with a share of nearly 1
    inner = x.astype(float) - x.max(1, keepdims=True)
    expected = inner - np.log(np.exp(inner).sum(1, keepdims=True))
    found = functional.log_softmax(Tensor(x), 1).numpy()
    assert found.max() <= 0
    np.testing.assert_allclose(found, expected, rtol=2e-7, atol=2e-7)


def test_softmax_of_a_number_and_of_long_rows():
    x = np.random.default_rng(0).standard_normal((3, 50))
    with limits.use(by_pieces=1):
        assert functional.softmax(Tensor(2.0), 0).item() == 1
        found = functional.softmax(Tensor(x), 1).numpy()
    np.testing.assert_allclose(found, np.exp(x) / np.exp(x).sum(1, keepdims=True), rtol=1e-12)


@pytest.mark.filterwarnings("error")
def test_what_has_no_weight_counts_for_nothing():
    weight, x = np.float32([0, np.inf, 0, 2]), np.float32([-3, 0, np.inf, 1])
    for some in (slice(0, 2), slice(0, 4)):
        found = elementwise.weighted(weight[some], x[some])
        np.testing.assert_array_equal(found, np.float32([0, np.nan, 0, 2])[some])


@given(
    st.sampled_from([(1,), (7,), (2, 5), (3, 1, 4), (2, 3, 4)]),
    st.sampled_from([1, 15, 100, 1000]),
    st.integers(-200, 200),
    st.sampled_from([1, 1 << 12]),
    st.integers(0, 99),
)
def test_softmax_of_few_numbers(shape, scale, shift, unshared, seed):
    x = np.random.default_rng(seed).standard_normal(shape) * scale + shift
    inner = x - x.max(-1, keepdims=True)
    expected = inner - np.log(np.exp(inner).sum(-1, keepdims=True))
    with limits.use(unshared=unshared), np.errstate(all="raise"):
        found = [f(Tensor(x), -1).numpy() for f in (functional.softmax, functional.log_softmax)]
    np.testing.assert_allclose(found[0], np.exp(expected), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(found[1], expected, rtol=1e-12, atol=1e-13)


@pytest.mark.usefixtures("in_small_pieces")
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_the_slope_of_softmax_in_pieces(dim):
    g, x = np.random.default_rng(dim).standard_normal((2, 4, 5, 6))
    y = softmax.softmax(x, dim)
    expected = y * (g - (g * y).sum(dim, keepdims=True))
    of_logs = g - y * g.sum(dim, keepdims=True)
    y = np.moveaxis(np.moveaxis(y, dim, -1).copy(), -1, dim)
    with limits.use(piece=20, by_pieces=1):  # several rows of the axis
        for other in (g, g.copy("F")):
            np.testing.assert_allclose(softmax.softmax_slope(other, y, dim), expected, rtol=1e-12)
            found = softmax.log_softmax_slope(other, np.log(y), dim)
            np.testing.assert_allclose(found, of_logs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("count", [5, 700, 40_000])
def test_what_vanishes_is_no_error_whatever_the_size(count):
    x = np.tile(np.float32([-150, -95, -1e-30, 0, 1e-30, 40, 95, 150]), (count, 1))
    with np.errstate(all="raise"):
        for f in (elementwise.sigmoid, elementwise.silu, elementwise.erf):
            assert np.isfinite(f(x)).all()
        assert np.isfinite(functional.softmax(Tensor(x), -1).numpy()).all()


@pytest.mark.usefixtures("in_small_pieces")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shared", [1, 1 << 20])
def test_no_function_warns_of_how_it_is_called_in_pieces(shared):
    x = Tensor(np.random.default_rng(0).random((40, 50)) + 0.1)
    with limits.use(shared=shared):
        for name in ("maximum", "minimum", "add", "div", "atan2", "pow"):
            function = getattr(minigen, name)
            y = function(x, x.flip(0))
            expected = [function(a, b) for a, b in zip(x, x.flip(0), strict=True)]
            np.testing.assert_allclose(y.numpy(), minigen.stack(expected).numpy(), rtol=1e-14)


def test_small_shares_of_low_rows_do_not_vanish():
    x = np.full((400, 50), -50, np.float32)
    x[:, 1:] -= 50
    found = functional.softmax(Tensor(x), 1).numpy()
    np.testing.assert_allclose(found[:, 1:], np.exp(-50), rtol=1e-6)


@pytest.mark.parametrize(
    "shape, dims", [((2, 300, 3), (1,)), ((30, 40, 2), (0, 1)), ((700,), (0,))]
)
def test_long_sums_keep_their_digits(shape, dims):
    x = np.random.default_rng(0).random(shape, np.float32) + 1e4
    x = x.astype(np.float32)
    with limits.use(by_pieces=16, row=1):
        for some in (x, np.repeat(x, 2, -1)[..., ::2], x[::-1]):
            found = minigen.sum(Tensor(some), dims).numpy()
            np.testing.assert_allclose(found, some.sum(dims, np.float64), rtol=3e-7)
    with limits.use(by_pieces=16):
        shares = functional.softmax(Tensor(np.zeros((5000, 2), np.float32)), 0).numpy()
        np.testing.assert_allclose(shares, 1 / 5000, rtol=3e-7)


@pytest.mark.usefixtures("in_small_pieces")
@given(shapes(1, 4, 1, 6).flatmap(arrays), st.booleans())
def test_sums_of_large_arrays(x, of_every_second):
    x = x[..., ::2] if of_every_second else x
    with limits.use(by_pieces=1):
        for dims in (None, 0, *([(0, 2, 3)] if x.ndim == 4 else [])):
            total = minigen.sum(minigen.Tensor(x), dims)
            assert total.shape == x.sum(dims).shape
            np.testing.assert_allclose(total.numpy(), x.sum(dims), rtol=1e-12, atol=1e-12)
            mean = minigen.mean(minigen.Tensor(x), dims).numpy()
            np.testing.assert_allclose(mean, x.mean(dims), rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("in_small_pieces")
@pytest.mark.parametrize("shape", [(0, 3), (2, 6)])
def test_the_gradient_of_a_sum_is_one_number_for_all(shape):
    x = minigen.randn(*shape, dtype=np.float64, requires_grad=True)
    t = minigen.randn(*shape, dtype=np.float64)
    (slope,) = minigen.grad(functional.leaky_relu(x, 0.2).sum(), x)
    np.testing.assert_allclose(slope.numpy(), np.where(x.numpy() > 0, 1, 0.2))
    (slope,) = minigen.grad(functional.mse_loss(x, t, reduction="sum"), x)
    np.testing.assert_allclose(slope.numpy(), 2 * (x - t).numpy())
