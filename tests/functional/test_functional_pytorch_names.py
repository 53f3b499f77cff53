"""What PyTorch's users write in a line and find here, and what is said of what is not here."""

import warnings

import numpy as np
import pytest

import minigen as mg
from minigen import Tensor
from minigen import functional as F

MATRIX = np.array([[1.5, -2.0, 0.25], [4.0, 0.5, -1.0]], np.float32)


def matrix(**options):
    return mg.tensor(MATRIX, **options)


def shown(y):
    return y.numpy().tolist()


def test_python_asks_a_tensor():
    x, loss = matrix(), mg.tensor(2.5)
    assert f"{loss:.4f} {loss}" == "2.5000 2.5" and f"{x}" == str(x)
    with pytest.raises(TypeError, match="only a number has a format"):
        f"{x:.2f}"
    assert (x == None) is False and (x != None) is True and (x == "x") is False  # noqa: E711
    assert 0.25 in x and 7 not in x
    assert shown(x[range(2), (2, 0)]) == [0.25, 4.0] and shown(x[range(1)]) == [[1.5, -2, 0.25]]
    assert shown(x[np.array([False, True])]) == [[4, 0.5, -1]]


@pytest.mark.parametrize("divisor", [2, -2, 0.75, MATRIX[:, :1]])
def test_quotients_and_what_is_left_are_pythons(divisor):
    x, d = matrix(), divisor if isinstance(divisor, int | float) else Tensor(divisor)
    for y, expected in (
        (x // d, MATRIX // divisor), (x % d, MATRIX % divisor), (d // x, divisor // MATRIX),
        (d % x, divisor % MATRIX), (x.fmod(d), np.fmod(MATRIX, divisor)),
    ):  # fmt: skip
        np.testing.assert_array_equal(y.numpy(), expected)
        assert y.dtype == np.float32
    for change in ("//", "%", "**"):
        names = {"x": matrix(), "d": 2}
        y = names["x"]
        exec(f"x {change}= d", names)
        assert names["x"] is y and shown(y) == eval(f"x {change} d", {"x": MATRIX, "d": 2}).tolist()
    for f in (lambda a: a // 0, lambda a: a % 0, lambda a: a.fmod(0)):
        with pytest.raises(ZeroDivisionError):
            f(mg.tensor([1, 2]))


def test_numpys_names_of_axes():
    x = matrix()
    for f in ("sum", "mean", "std", "var", "amax", "argmax", "prod", "all", "any"):
        a = getattr(x, f)(axis=1, keepdims=True)
        b = getattr(mg, f)(x, dim=1, keepdim=True)
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert mg.cat([x, x], axis=1).shape == (2, 6) and x.softmax(axis=0).shape == x.shape
    assert mg.zeros(size=(2, 3)).shape == mg.rand(size=[2, 3]).shape == (2, 3)
    with pytest.raises(TypeError, match="sum.*'axis'"):
        x.sum(dim=0, axis=0)


def test_dtypes_devices_and_kinds():
    x = matrix()
    assert x.float() is x and x.cpu() is x and x.type(np.float32) is x
    kinds = {"double": "f8", "half": "f2", "long": "i8", "int": "i4", "short": "i2", "char": "i1",
             "byte": "u1", "bool": "?"}  # fmt: skip
    for name, dtype in kinds.items():
        y = getattr(x.abs(), name)()
        assert y.dtype == dtype and y.type() == f"torch.{name.title()}Tensor"
        assert x.abs().type(y.type()).dtype == y.dtype
    assert x.new_zeros(2).dtype == x.new([1, 2]).dtype == x.dtype
    assert x.double().new_full((2,), 3).dtype == np.float64
    assert x.new(x.size()).shape == x.shape and x.size().numel() == 6
    with pytest.raises(TypeError, match=r"new_zeros\(2, 3\)"):
        x.new((2, 3))
    assert not x.is_cuda and x.tolist() == MATRIX.tolist() and x.dim() == 2
    with pytest.raises(TypeError, match=r"write zeros\(2, 3\)"):
        Tensor(2, 3)


def test_gradients_along_the_way():
    x = matrix(requires_grad=True)
    y = x * 2
    y.retain_grad()
    for _ in range(2):
        (y * y).sum().backward(retain_graph=True)
    np.testing.assert_array_equal(y.grad.numpy(), 8 * MATRIX)
    assert y.detach_() is y and y.is_leaf and not y.requires_grad
    (g,) = mg.grad(x.sum(), x, only_inputs=True)
    assert shown(g) == np.ones((2, 3)).tolist()


def test_recording_is_switched():
    x = matrix(requires_grad=True)
    records = lambda: (x * 1).requires_grad
    with mg.set_grad_enabled(False):
        assert not records()
        with mg.set_grad_enabled(True):
            assert records()
        assert not records()
    assert records()
    with mg.no_grad():
        mg.set_grad_enabled(True)
        assert records()
    assert records() and not mg.inference_mode(records)() and mg.inference_mode(False)(records)()
    assert not mg.set_grad_enabled(False)(records)() and records()
    mg.set_grad_enabled(False)
    assert not records()
    mg.set_grad_enabled(True)
    assert records()


def test_random_numbers_are_where_they_should_be():
    mg.manual_seed(0)
    n = 6000  # a share of n has a standard deviation of at most 0.5 / √6000 < 0.0065
    whole = mg.randint(-2, 3, (n,)).numpy()
    assert whole.dtype == np.int64 and set(whole) == {-2, -1, 0, 1, 2}
    assert np.abs(np.bincount(whole + 2) / n - 0.2).max() < 5 * 0.0065
    assert mg.randint(high=5, size=(2,)).shape == mg.randint(5, (2,)).shape == (2,)
    assert sorted(mg.randperm(9).tolist()) == [*range(9)]
    p = mg.tensor([[0.5, 0.0, 1.5]])
    drawn = p.multinomial(n, replacement=True).numpy()
    assert not (drawn == 1).any() and abs((drawn == 2).mean() - 0.75) < 5 * 0.0065
    firsts = np.array([p.multinomial(2).numpy()[0] for _ in range(600)])
    assert (firsts.sum(1) == 2).all() and abs((firsts[:, 0] == 2).mean() - 0.75) < 5 * 0.018
    assert abs(mg.bernoulli(mg.full((n,), 0.25)).mean().item() - 0.25) < 5 * 0.0065
    assert abs(mg.normal(mg.full((n,), 3.0), 2.0).mean().item() - 3) < 5 * 2 / n**0.5
    assert set(mg.empty(n).random_(3).tolist()) == {0, 1, 2}
    assert abs(mg.empty(n).exponential_(2.0).mean().item() - 0.5) < 5 * 0.5 / n**0.5
    for f, said in (
        (lambda: mg.randint(3, 3, (1,)), "randint: no whole number is from 3 to below 3"),
        (lambda: p.multinomial(3), "multinomial: 3 of 2 places"),
        (lambda: mg.bernoulli(p), "bernoulli: probabilities are from 0 to 1"),
    ):
        with pytest.raises(ValueError, match=said):
            f()


def test_values_by_place():
    x, places = mg.zeros(2, 3), mg.tensor([[2, 2], [0, 1]])
    source = mg.tensor([[1.0, 2, 9], [3, 4, 9]])  # longer than the places
    assert shown(x.scatter(1, places, source)) == [[0, 0, 2], [3, 4, 0]]
    assert shown(x.scatter_add(1, places, source)) == [[0, 0, 3], [3, 4, 0]]
    assert shown(x.scatter_(1, places, 5.0)) == shown(x) == [[0, 0, 5], [5, 5, 0]]
    assert shown(mg.tensor([149.0, 1.25]).round(decimals=-1)) == [150, 0]
    assert shown(mg.tensor([1.75, -0.125]).round(decimals=1)) == np.float32([1.8, -0.1]).tolist()
    assert shown(mg.arange(1, 8).cumprod(0)) == np.cumprod(range(1, 8)).tolist()
    assert shown(mg.nonzero(x)) == [[0, 2], [1, 0], [1, 1]]
    assert [shown(i) for i in mg.nonzero(x, as_tuple=True)] == [[0, 1, 1], [2, 0, 1]]
    assert shown(mg.tensor([1.0, np.nan, 3, 3]).sort(descending=True).indices) == [1, 2, 3, 0]
    with pytest.raises(ValueError, match="scatter: index"):
        x.scatter(0, mg.tensor([[0, 1, 0, 1]]), 1.0)


def test_old_arguments_and_missing_axes_mean_what_they_mean_in_pytorch_and_warn():
    x, y = matrix(), matrix() * 2
    for options, reduction in (
        ({"size_average": False}, "sum"), ({"size_average": True}, "mean"),
        ({"reduce": False}, "none"), ({"size_average": False, "reduce": True}, "sum"),
    ):  # fmt: skip
        for loss in (F.mse_loss, F.l1_loss, F.smooth_l1_loss):
            with pytest.warns(UserWarning, match=f"reduction='{reduction}'"):
                found = loss(x, y, **options)
            np.testing.assert_array_equal(found.numpy(), loss(x, y, reduction=reduction).numpy())
    for shape, dim in (((3,), 0), ((2, 3), 1), ((2, 3, 2), 0), ((1, 2, 3, 2), 1)):
        z = mg.rand(*shape)
        for f in (F.softmax, F.log_softmax):
            with pytest.warns(UserWarning, match=f"dim={dim}"):
                np.testing.assert_array_equal(f(z).numpy(), f(z, dim).numpy())


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss])
def test_a_target_that_broadcasts_is_told(loss):
    with pytest.warns(UserWarning, match=r"input \(5, 1\) and target \(5,\) differ") as seen:
        loss(mg.ones(5, 1), mg.ones(5))
    assert seen[0].filename == __file__
    with pytest.warns(UserWarning, match="differ"):  # where no module has a name
        exec("loss(x, y)", {"loss": loss, "x": mg.ones(5, 1), "y": mg.ones(5)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(mg.ones(5), mg.ones(5))


@pytest.mark.parametrize(
    "ask, says",
    [
        (lambda: mg.ones(1).cholesky, "minigen has no Tensor.cholesky"),
        (lambda: mg.ones(1).unsqeeze, "Tensor.unsqeeze; did you mean Tensor.unsqueeze?"),
        (lambda: mg.lobpcg, "minigen has no lobpcg"),
        (lambda: mg.lin_space, "did you mean linspace?"),
        (lambda: F.softmaks, "minigen has no functional.softmaks; .* functional.softmax?"),
    ],
)
def test_what_is_missing_says_so(ask, says):
    with pytest.raises(AttributeError, match=says):
        ask()
    assert not any(hasattr(x, "lobpcg") for x in (mg, F, mg.ones(1)))
