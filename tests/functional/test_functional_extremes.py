"""Means of nothing, infinite pixels, float16, numbers that do not fit, places that are none, and
whose memory a result has."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from operations import OPERATIONS, draws

import minigen
from minigen import Tensor, grad, optim
from minigen import functional as F

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of NumPy, where they meet

INF, NAN = math.inf, math.nan
BY_NAME = {entry.name: entry for entry in OPERATIONS}


def ints(*values):
    return Tensor(np.array(values, np.int64))


def halves(values, requires_grad=False):
    return Tensor(np.array(values, np.float16), requires_grad=requires_grad)


def gradient(f, x, u=1.0):
    """That of the elements of f(x), times u."""
    x = Tensor(np.array(x), requires_grad=True)
    y = f(x)
    (g,) = minigen.grad(y, x, Tensor(np.full(y.shape, u, y.dtype)))
    return g.numpy()


# Means of nothing


@pytest.mark.parametrize("weighted", [{}, {"weight": Tensor(np.array([0.0, 1.0, 0.0]))}])
@pytest.mark.parametrize("f, options", [
    (minigen.nll_loss, {}), (minigen.cross_entropy, {}),
    (minigen.cross_entropy, {"label_smoothing": 0.1}),
])  # fmt: skip
def test_the_mean_of_no_target_is_nan_and_moves_nothing(f, options, weighted):
    options = options | weighted
    x = Tensor(np.random.default_rng(0).standard_normal((2, 3)), requires_grad=True)
    # PyTorch's gradient is 0 too where targets are ignored, but NaN where their weights are 0.
    target = ints(0, 2) if "weight" in options else ints(-100, -100)
    with np.errstate(all="raise"):  # nor does NumPy have anything to say
        y = f(x, target, **options)
        y.backward()
    assert math.isnan(y.item())
    np.testing.assert_array_equal(x.grad.numpy(), np.zeros((2, 3)))


def test_losses_of_an_empty_batch_are_nan():
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    y = [minigen.cross_entropy(x, Tensor(np.zeros((0, 3)))), minigen.cross_entropy(x, ints())]
    y += [minigen.kl_div(x, x.detach(), reduction="batchmean"), minigen.mse_loss(x, x.detach())]
    assert all(math.isnan(loss.item()) for loss in y)
    minigen.grad(y, x)


# What has no part in a result does not spoil it

SIDES = st.integers(1, 9)


def resized(how, size):
    if how == "adaptive":
        return lambda x: minigen.adaptive_avg_pool2d(x, size)
    aligned = {"align_corners": True} if how == "aligned" else {}
    mode = "nearest" if how == "nearest" else "bilinear"
    return lambda x: minigen.interpolate(x, size=size, mode=mode, **aligned)


@given(
    st.sampled_from(["nearest", "bilinear", "aligned", "adaptive"]),
    st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES), st.sampled_from([INF, NAN]), st.data(),
)  # fmt: skip
def test_a_bad_pixel_reaches_only_what_it_has_a_weight_in(how, shape, size, bad, data):
    f = resized(how, size)
    for g, sides in [(f, shape), (lambda u: Tensor(gradient_of(f, u, shape)), size)]:
        x = np.random.default_rng(0).standard_normal((1, 2, *sides))
        place = (0, 1, *(data.draw(st.integers(0, n - 1)) for n in sides))
        y, more, spoilt = x.copy(), x.copy(), x.copy()
        more[place], spoilt[place] = 1e6, bad
        y, more, spoilt = (g(Tensor(a)).numpy() for a in (y, more, spoilt))
        reached = y != more
        assert not np.isfinite(spoilt[reached]).any()
        np.testing.assert_array_equal(spoilt[~reached], y[~reached])


def gradient_of(f, u, shape):
    x = Tensor(np.zeros((1, 2, *shape)), requires_grad=True)
    return minigen.grad(f(x), x, u)[0].numpy()


def test_one_infinite_pixel_reaches_four_of_sixty_four():
    x = np.zeros((1, 1, 4, 4))
    x[0, 0, 1, 2] = INF
    y = minigen.interpolate(Tensor(x), size=8).numpy()
    assert np.isfinite(y).sum() == 60 and np.isinf(y[0, 0, 2:4, 4:6]).all()


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_nearest_pixel_is_that_of_whole_numbers(axes):
    for n, out in [(n, out) for n in range(1, 41) for out in range(1, 41)] if axes == 1 else [
        (30, 22), (26, 22), (3, 7)]:  # fmt: skip
        x = np.arange(float(n)).reshape(1, 1, n, *[1] * (axes - 1))
        expected = np.arange(out) * n // out
        size = (out, *[1] * (axes - 1))
        y = minigen.interpolate(Tensor(x), size=size).numpy()
        np.testing.assert_array_equal(y.reshape(-1), expected)
    scale = 22 / 30
    y = minigen.interpolate(Tensor(np.arange(30.0).reshape(1, 1, 30)), scale_factor=scale).numpy()
    places = [math.floor(i / Fraction(22, 30)) for i in range(y.size)]
    np.testing.assert_array_equal(y.reshape(-1), places)


SPOILING = {
    "dropout of all": (lambda x: minigen.dropout(x, 1.0), [INF, NAN], [0, 0]),
    "dropout2d": (lambda x: minigen.isfinite(minigen.dropout2d(x, 1.0)),
                  np.full((2, 3, 2), INF), np.ones((2, 3, 2))),
    "leaky_relu": (lambda x: minigen.leaky_relu(x, 0.0), [INF, -INF, 1.0], [INF, 0, 1]),
    "kl_div": (lambda x: minigen.kl_div(x, Tensor(np.array([0.0, 1.0])), reduction="sum"),
               [-INF, 0.0], 0),
    "kl_div of logarithms": (lambda x: minigen.kl_div(
        x, Tensor(np.array([-INF, 0.0])), reduction="sum", log_target=True), [-INF, 0.0], 0),
    "an ignored target": (lambda x: minigen.nll_loss(x, ints(0, -100)), [[-1.0, 0], [-INF, 0]], 1),
    "a class of probability 0": (lambda x: minigen.cross_entropy(
        x, Tensor(np.array([[0.5, 0.5, 0.0]]))), [[0.0, 0.0, -INF]], math.log(2)),
}  # fmt: skip


def test_what_is_dropped_is_zero_though_it_was_infinite():
    y = minigen.dropout(Tensor(np.full((2, 3, 40, 40), -INF, np.float32))).numpy()
    assert 0.4 < (y == 0).mean() < 0.6 and np.isin(y, [0, -INF]).all()


@pytest.mark.parametrize("name", SPOILING)
def test_what_counts_for_nothing_spoils_nothing(name):
    f, x, expected = SPOILING[name]
    np.testing.assert_allclose(f(Tensor(np.array(x))).numpy(), expected, rtol=1e-12)


SLOPES = {  # f, x, the gradient that comes, the one expected
    "sign": (lambda x: x.sign(), [1.0], INF, [0]),
    "to the power 0": (lambda x: x**0, [2.0, INF], INF, [0, 0]),
    "to powers of 0": (lambda x: x ** Tensor(np.zeros(3)), [0.0, INF, NAN], 1, [0, 0, 0]),
    "dropout": (lambda x: minigen.dropout(x, 1.0), [1.0], INF, [0]),
    "amax": (lambda x: x.amax(), [1.0, 2.0], INF, [0, INF]),
    "amax of NaN": (lambda x: x.amax(), [1.0, NAN], 1, [0, 1]),
    "smooth_l1_loss": (lambda x: minigen.smooth_l1_loss(x, Tensor(np.zeros(3)), reduction="none"),
                       [INF, -INF, 0.5], 1, [1, -1, 0.5]),
    "maximum with NaN": (lambda x: minigen.maximum(x, Tensor(np.array([NAN, 0.0]))),
                         [1.0, -1.0], 1, [1, 0]),
    "an ignored target": (lambda x: minigen.nll_loss(x, ints(-100, 1)),
                          [[-INF, 0.0], [0.0, -2.0]], 1, [[0, 0], [0, -1]]),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOPES)
def test_a_gradient_of_zero_stays_zero(name):
    f, x, u, expected = SLOPES[name]
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(gradient(f, x, u), expected)


# float16 adds up in float32

HALF = 2.0**-11  # half of float16's last digit, relative


def results(entry, call, dtype):
    """Outputs, and gradients of their products with random covectors, all in this dtype."""
    call = call.map(lambda a, _: a.astype(dtype) if a.dtype.kind == "f" else a)
    leaves = [Tensor(a, requires_grad=True) for a in call.leaves()]
    minigen.manual_seed(0)
    outputs = call.of_leaves(entry.on(minigen, Tensor))(*leaves)
    normal = np.random.default_rng(0).standard_normal
    u = [Tensor(normal(y.shape).astype(np.float16).astype(dtype)) for y in outputs]
    pairs = [(y, v) for y, v in zip(outputs, u, strict=True) if y.requires_grad]
    gradients = ()
    if pairs:
        y, v = zip(*pairs, strict=True)
        gradients = minigen.grad(y, leaves, v, allow_unused=True)
    return [x.numpy() for x in (*outputs, *gradients) if x is not None]


@pytest.mark.parametrize("name", BY_NAME)
def test_float16_is_rounded_once_and_stays_float16(name):
    """Each result is off by its own rounding and, where it is made of several operations or read
    off a rounded output, by two more, of the largest number there."""
    for call in draws(BY_NAME[name], 3):
        call = call.map(
            lambda a, _: a.astype(np.float16).astype(float) if a.dtype.kind == "f" else a
        )
        rounded, exact = (results(BY_NAME[name], call, d) for d in (np.float16, np.float64))
        for x, y in zip(rounded, exact, strict=True):
            assert (x.dtype == np.float16) == (y.dtype == np.float64)
            if x.dtype == np.float16 and x.size:
                np.testing.assert_allclose(x, y, rtol=0, atol=4 * HALF * max(np.abs(y).max(), 1))


def test_sums_of_float16_go_beyond_float16():
    """Right within a rounding, where a sum of the terms in float16 overflows or stands still."""
    close = {"rtol": 2 * HALF, "atol": 2 * HALF}
    many = halves(np.full(65520, 0.5))
    assert many.mean().item() == 0.5 and many.var().item() == 0
    x = halves([-1000, 0, 1000, 2000])
    expected = np.array([-1.5, -0.5, 0.5, 1.5]) / math.sqrt(1.25)
    np.testing.assert_allclose(minigen.layer_norm(x, (4,)).numpy(), expected, **close)
    images = x.reshape(4, 1).expand(4, 2)
    np.testing.assert_allclose(
        minigen.batch_norm(images, None, None, training=True).numpy()[:, 0], expected, **close
    )
    np.testing.assert_allclose(x.std(correction=0).item(), 1000 * math.sqrt(1.25), **close)
    apart = halves(np.full(100, 30.0), requires_grad=True)
    loss = minigen.mse_loss(apart, halves(np.zeros(100)))
    loss.backward()
    assert loss.item() == 900
    np.testing.assert_allclose(apart.grad.numpy(), np.full(100, 0.6), **close)
    large = halves(np.full((1, 1, 4, 4), 60000.0))
    assert (minigen.avg_pool2d(large, 2).numpy() == halves([60000]).numpy()).all()
    assert many.reshape(65520, 1).cumsum(0).numpy()[-1, 0] == 32760
    assert (many.reshape(1, -1) @ many.reshape(-1, 1)).item() == 16384  # 16380, rounded
    for sparse in (False, True):
        table = halves(np.zeros((2, 1)), requires_grad=True)
        rows = ints(*[0] * 3000)
        (minigen.embedding(rows, table, sparse=sparse)).sum().backward()
        g = table.grad.to_dense() if sparse else table.grad.numpy()
        assert g[0, 0] == 3000 and g.dtype == np.float16


def test_a_pullback_of_float16_goes_beyond_float16():
    """The 3-norm's takes squares of 1,000, which float16 does not hold."""
    g = gradient(lambda x: x.norm(3), np.array([1000, 1000], np.float16))
    np.testing.assert_allclose(g, np.full(2, 0.5 ** (2 / 3)), rtol=2 * HALF)


def test_the_squares_of_small_float16_gradients_are_remembered():
    p = halves([1.0], requires_grad=True)
    optimizer = optim.Adam([p], lr=0.01)
    for step in range(1, 4):  # whose square is 0 in float16
        p.grad = halves([1e-4])
        optimizer.step()
        np.testing.assert_allclose(p.numpy(), [1 - 0.01 * step], atol=step * HALF)


# Numbers that do not fit, places that are none

BYTES = Tensor(np.array([1, 200], np.uint8))
UNFIT = {
    "where": lambda n: minigen.where(BYTES > 5, BYTES, n),
    "add": lambda n: BYTES + n,
    "sub": lambda n: n - BYTES,
    "mul": lambda n: BYTES * n,
    "maximum": lambda n: minigen.maximum(BYTES, Tensor(n)),
    "bitwise_and": lambda n: BYTES & n,
    "clamp": lambda n: BYTES.clamp(max=n),
    "full": lambda n: minigen.full((2,), n, dtype=np.uint8),
    "full of a scalar": lambda n: minigen.full((2,), np.int64(n), dtype=np.uint8),
    "full of a like": lambda n: minigen.full_like(BYTES, n),
    "arange": lambda n: minigen.arange(n, n + 1, dtype=np.uint8),
    "pad": lambda n: minigen.pad(BYTES, (1, 1), value=n),
    "fill_": lambda n: BYTES.clone().fill_(n),
    "fill_ by a tensor": lambda n: BYTES.clone().fill_(Tensor(n)),
    "add_": lambda n: BYTES.clone().add_(n),
    "setitem": lambda n: BYTES.clone().__setitem__(0, n),
    "setitem of an array": lambda n: BYTES.clone().__setitem__(0, np.array(n)),
}


@pytest.mark.parametrize("name", UNFIT)
@pytest.mark.parametrize("number", [300, -1])
def test_a_number_that_does_not_fit_is_refused(name, number):
    with pytest.raises(ValueError, match=rf"^{name.partition(' ')[0]}\b.*{number}.*uint8"):
        UNFIT[name](number)


def test_numbers_that_fit_pass_and_comparisons_compare_truly():
    assert (BYTES + 55).numpy().tolist() == [56, 255]
    assert (BYTES < 300).numpy().all() and (BYTES > -1).numpy().all()
    assert not (BYTES == 300).numpy().any() and not (halves([INF]) == 7e4).numpy().any()
    for number in (7e4, -1e300):
        with pytest.raises(ValueError, match="full.*float16"):
            minigen.full((1,), number, dtype=np.float16)
    assert minigen.full((1,), -INF, dtype=np.float16).item() == -INF
    for wrong in ([1.0, 300.5], [NAN]):
        with pytest.raises(TypeError, match="uint8|NaN"):
            minigen.tensor(wrong, dtype=np.uint8)
    with pytest.raises(ValueError, match="nan is no int64"):
        minigen.full((1,), NAN, dtype=np.int64)
    assert BYTES.to(np.int8).numpy().tolist() == [1, -56]  # a cast, as in PyTorch


PLACES = {
    "gather": lambda i: minigen.gather(BYTES, 0, i),
    "index_select": lambda i: minigen.index_select(BYTES, 0, i),
    "index_add": lambda i: minigen.index_add(Tensor(np.ones(2)), 0, i, Tensor(np.ones(1))),
    "embedding": lambda i: minigen.embedding(i, Tensor(np.ones((2, 3)))),
    "cross_entropy": lambda i: minigen.cross_entropy(Tensor(np.ones((1, 2))), i),
    "nll_loss": lambda i: minigen.nll_loss(Tensor(np.ones((1, 2))), i),
}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("place", [-1, 2])
def test_places_are_counted_from_the_start_and_none_is_beyond_the_end(name, place):
    with pytest.raises(IndexError, match=f"^{name}"):
        PLACES[name](ints(place))


def test_indexing_counts_from_the_end():
    assert BYTES[-1].item() == BYTES[ints(-1)].item() == 200
    assert minigen.take_along_dim(BYTES, ints(-1), 0).item() == 200  # as in PyTorch


# Whose memory a result has

VIEWS = {  # those of PyTorch's documentation; dropout where it does nothing
    "T", "atleast_1d", "atleast_2d", "broadcast_tensors", "broadcast_to", "chunk", "contiguous",
    "diagonal", "dropout", "dropout2d", "expand", "flatten", "index", "meshgrid", "movedim",
    "narrow", "permute", "reshape", "select", "split", "squeeze", "sum_to_size", "t",
    "tensor_split", "transpose", "unbind", "unflatten", "unsqueeze",
}  # fmt: skip


@pytest.mark.parametrize("name", BY_NAME)
def test_a_result_is_writable_and_shares_memory_only_as_a_view(name):
    entry = BY_NAME[name]
    for call in draws(entry, 8):
        leaves = [Tensor(np.array(a), requires_grad=True) for a in call.leaves()]
        outputs = call.of_leaves(entry.on(minigen, Tensor))(*leaves)
        for y in outputs:
            assert y.numpy().flags.writeable
            if name.partition(" ")[0] not in VIEWS:
                assert not any(np.shares_memory(y.numpy(), x.numpy()) for x in leaves)
        for y in outputs:
            if y.requires_grad:
                y.sum().backward(retain_graph=True)
        for x in leaves:  # which a step may write to
            assert x.grad is None or x.grad.numpy().flags.writeable


def test_trivial_copies_are_copies():
    x = Tensor(np.ones((1, 4, 2, 3)))
    for y in (x.repeat(1, 1, 1, 1), x[:, :1, :1, :1].repeat(2, 3, 1, 1), x.flip([0]), x.flip([]),
              minigen.pixel_shuffle(x, 1), minigen.interpolate(x, size=(2, 3)),
              Tensor(x.numpy()[0, 0, 0, 0:1].reshape(())).max(0).values):  # fmt: skip
        assert y.numpy().flags.writeable and not np.shares_memory(x.numpy(), y.numpy())


def test_an_expanded_tensor_is_written_row_by_row():
    x = Tensor(np.zeros((1, 3)))
    y = x.expand(2, 3)
    for write in (lambda: y.add_(1), lambda: y.copy_(y), lambda: y.__setitem__(slice(2), 1.0)):
        with pytest.raises(RuntimeError, match=r"expand\(\); clone\(\) it"):
            write()
    y[0].add_(1)
    y[1, 2:] = 5.0
    assert x.numpy().tolist() == [[1, 1, 5]]


@pytest.mark.parametrize("name, slope", [
    ("silu", lambda s, x: s * (1 + x * (1 - s))), ("elu", lambda s, x: np.exp(np.minimum(x, 0))),
])  # fmt: skip
def test_slopes_of_halves_are_rounded_once(name, slope):
    """They come from the output, of which float16 has too few digits: none of it near 0."""
    x = np.array([-8.2, -5.9, -3.3, -1e-4, -6e-8, 6e-8, 1e-4, 2.0], np.float16)
    t = Tensor(x, requires_grad=True)
    z = x.astype(np.float64)
    found = grad(getattr(F, name)(t).sum(), t)[0].numpy()
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, slope(1 / (1 + np.exp(-z)), z), rtol=2**-11, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_of_the_largest_number_is_the_number(dtype, approximate):
    x = np.array([0.9, -0.9], dtype) * np.finfo(dtype).max
    found = F.gelu(Tensor(x), approximate).numpy()
    np.testing.assert_array_equal(found, np.maximum(x, 0))


@pytest.mark.parametrize("f, factor", [
    (F.elu, 1.0), (lambda x: F.elu(x, 0.5), 0.5), (F.selu, 1.6732632423543772 * 1.0507009873554805),
])  # fmt: skip
def test_the_curvature_of_elu_at_0_is_0_as_in_pytorch(f, factor):
    x = Tensor(np.array([-1.0, -0.0, 0.0, 1.0]), requires_grad=True)
    (slope,) = grad(f(x).sum(), x, create_graph=True)
    (curvature,) = grad(slope.sum(), x)
    np.testing.assert_allclose(curvature.numpy(), [factor * np.exp(-1), 0, 0, 0])
