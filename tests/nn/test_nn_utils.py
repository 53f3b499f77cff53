"""Clipping, vectors, spectral norm, and the hooks it stands on."""

import copy
import math

import numpy as np
import pytest

import minigen as mg
from minigen import nn
from minigen.nn import utils
from minigen.sparse import SparseRows


def with_gradients(rng, scale=1.0):
    params = [nn.Parameter(np.ones(shape)) for shape in [(3, 4), (), (5,)]]
    for p in params:
        p.grad = mg.Tensor(np.asarray(scale * rng.normal(size=p.shape)))
    return [*params, nn.Parameter(np.ones(2))]  # the last one has none


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.5, math.inf])
@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_clipping_agrees_with_pytorch(norm_type, scale):
    torch = pytest.importorskip("torch")
    ours = with_gradients(np.random.default_rng(0), scale)
    theirs = [torch.nn.Parameter(torch.tensor(p.array)) for p in ours]
    for p, q in zip(ours[:-1], theirs[:-1], strict=True):
        q.grad = torch.tensor(p.grad.array)
    arrays = [p.grad.array for p in ours[:-1]]
    total = utils.clip_grad_norm_(iter(ours), 1.5, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, 1.5, norm_type)
    assert total.item() == pytest.approx(expected.item(), rel=1e-12)
    for clip in (lambda u, p: u.clip_grad_value_(p, 0.1), lambda u, p: None):
        for p, q, array in zip(ours[:-1], theirs[:-1], arrays, strict=True):
            np.testing.assert_allclose(p.grad.array, q.grad.numpy(), rtol=1e-12)
            assert p.grad.array is array
        clip(utils, ours), clip(torch.nn.utils, theirs)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.5, math.inf])
def test_clipping_is_its_formula(norm_type):
    for bound in (0.1, 1e3):
        params = with_gradients(np.random.default_rng(0))[:-1]
        before = [p.grad.numpy().copy() for p in params]
        whole = np.concatenate([g.ravel() for g in before])
        norm = np.linalg.norm(whole, norm_type)
        assert utils.clip_grad_norm_(params, bound, norm_type).item() == pytest.approx(norm)
        for p, g in zip(params, before, strict=True):
            np.testing.assert_allclose(p.grad.numpy(), g * min(1, bound / (norm + 1e-6)))


@pytest.mark.engine
def test_the_tape_notices_that_a_gradient_is_clipped():
    for clip in (utils.clip_grad_norm_, utils.clip_grad_value_):
        p = nn.Parameter(np.ones(3))
        p.grad = mg.ones(3, dtype=np.float64)
        loss = (p * p.grad).sum()
        clip(p, 0.5)
        with pytest.raises(RuntimeError, match="changed in place"):
            loss.backward()


def test_clipping_of_rows_of_nothing_and_of_infinities():
    p, table = nn.Parameter(np.ones(2)), nn.Parameter(np.zeros((9, 2)))
    assert utils.clip_grad_norm_([p], 1.0).item() == 0
    p.grad = mg.Tensor(np.array([2.0, 0.0]))
    table.grad = SparseRows(np.array([3, 5]), np.array([[2.0, 2.0], [0.0, 2.0]]), (9, 2))
    assert utils.clip_grad_norm_([p, table], 2.0).item() == pytest.approx(4)
    np.testing.assert_allclose(table.grad.to_dense()[[3, 5]], [[1, 1], [0, 1]], rtol=1e-5)
    p.grad = mg.Tensor(np.array([np.inf, 1.0]))
    with pytest.raises(RuntimeError, match="norm of order 2.0 is inf"):
        utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    assert p.grad.array[1] == 1


def test_parameters_go_through_a_vector_and_back():
    net = nn.Linear(3, 2)
    vector = utils.parameters_to_vector(net.parameters())
    vector.sum().backward()
    assert vector.shape == (8,) and (net.weight.grad.array == 1).all()
    arrays = [p.array for p in net.parameters()]
    utils.vector_to_parameters(vector * 2, net.parameters())
    np.testing.assert_array_equal(
        utils.parameters_to_vector(net.parameters()).array, 2 * vector.array
    )
    assert all(p.array is array for p, array in zip(net.parameters(), arrays, strict=True))
    with pytest.raises(ValueError, match=r"expected \(8,\), got \(7,\)"):
        utils.vector_to_parameters(mg.zeros(7), net.parameters())


@pytest.mark.parametrize(
    ("name", "args", "shape", "options"),
    [
        ("Linear", (6, 4), (5, 6), {}),
        ("Conv2d", (3, 4, 3), (2, 3, 6, 5), {"n_power_iterations": 3}),
        ("ConvTranspose2d", (3, 4, 3), (2, 3, 6, 5), {}),
        ("Conv1d", (3, 4, 3), (2, 3, 6), {"dim": 1}),
    ],
)
def test_spectral_norm_trains_as_in_pytorch(name, args, shape, options):
    torch = pytest.importorskip("torch")
    ours = utils.spectral_norm(getattr(nn, name)(*args, dtype=np.float64), **options)
    theirs = getattr(torch.nn, name)(*args, dtype=torch.float64)
    theirs = torch.nn.utils.spectral_norm(theirs, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({n: t.numpy().copy() for n, t in theirs.state_dict().items()})
    mine = mg.optim.SGD(ours.parameters(), lr=0.1)
    other = torch.optim.SGD(theirs.parameters(), lr=0.1)
    rng = np.random.default_rng(0)
    for training in (True, True, True, False):
        ours.train(training), theirs.train(training)
        mine.zero_grad(), other.zero_grad()
        real, fake = rng.normal(size=(2, *shape))  # two forwards before the backward
        y = ours(mg.Tensor(real)).tanh().sum() - (ours(mg.Tensor(fake)) ** 2).mean()
        z = theirs(torch.tensor(real)).tanh().sum() - (theirs(torch.tensor(fake)) ** 2).mean()
        y.backward(), z.backward()
        assert y.item() == pytest.approx(z.item(), rel=1e-9)
        mine.step(), other.step()
        for n, t in theirs.state_dict().items():
            np.testing.assert_allclose(ours.state_dict()[n].array, t.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "dim", "shape"),
    [
        (lambda: nn.Linear(6, 4, dtype=np.float64), 0, (5, 6)),
        (lambda: nn.ConvTranspose2d(3, 4, 3, dtype=np.float64), 1, (2, 3, 6, 5)),
    ],
)
def test_spectral_norm_is_its_formula(make, dim, shape):
    """Two forwards before the backward, and one evaluated, which leaves u and v as they are."""
    plain = make()
    net = utils.spectral_norm(copy.deepcopy(plain))
    weight = plain.weight.numpy().copy()
    rows = np.moveaxis(weight, dim, 0)
    matrix, slope = rows.reshape(len(rows), -1), 0
    u, loss = net.weight_u.numpy().copy(), 0
    for training in (True, True, False):
        x = mg.randn(*shape, dtype=np.float64)
        y = net.train(training)(x)
        if training:
            v = matrix.T @ u / np.linalg.norm(matrix.T @ u)
            u = matrix @ v / np.linalg.norm(matrix @ v)
        sigma = u @ matrix @ v
        plain.weight.data, plain.weight.grad = weight / sigma, None
        expected = plain(x)
        np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-9)
        (expected * expected).sum().backward()
        loss, g = loss + (y * y).sum(), plain.weight.grad.numpy()
        # W/σ moves by dW/σ − W·dσ/σ², and σ = uᵀ·W·v by uᵀ·dW·v.
        along = np.moveaxis(np.outer(u, v).reshape(rows.shape), 0, dim)
        slope = slope + g / sigma - (g * weight).sum() / sigma**2 * along
    loss.backward()
    np.testing.assert_allclose(net.weight_orig.grad.numpy(), slope, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(net.weight_u.numpy(), u, rtol=1e-9)


def test_spectral_norm_reaches_the_largest_singular_value_and_can_be_copied():
    net = utils.spectral_norm(nn.Linear(6, 4))
    for _ in range(100):
        net(mg.zeros(1, 6))
    assert np.linalg.norm(net.weight.array, 2) == pytest.approx(1, rel=1e-4)
    twin = copy.deepcopy(net)
    before = net.weight_u.array.copy()
    with mg.no_grad():
        twin.weight_orig[0].zero_()
    twin(mg.zeros(1, 6))
    np.testing.assert_array_equal(net.weight_u.array, before)
    assert (twin.weight_u.array != before).any() and not twin.weight.array[0].any()
    for make in (
        lambda: utils.spectral_norm(nn.ReLU()),
        lambda: utils.spectral_norm(net),  # twice
        lambda: utils.spectral_norm(nn.Linear(2, 2), n_power_iterations=0),
    ):
        with pytest.raises(ValueError, match="spectral_norm"):
            make()


def test_hooks_see_and_replace_until_they_are_removed():
    net, seen = nn.Identity(), []
    handles = [
        net.register_forward_pre_hook(lambda m, args: seen.append((m, args))),
        net.register_forward_pre_hook(lambda m, args: args[0] + 1),
        net.register_forward_hook(lambda m, args, output: (args, output)),
    ]
    assert net(1) == ((2,), 2) and seen == [(net, (1,))]
    for handle in handles:
        handle.remove(), handle.remove()
    assert net(1) == 1 and len(seen) == 1
    with pytest.raises(NotImplementedError, match="with_kwargs=True"):
        net.register_forward_hook(print, with_kwargs=True)


def test_the_norm_of_half_precision_gradients_does_not_overflow():
    p = nn.Parameter(np.zeros(4, np.float16))
    p.grad = mg.tensor([300.0] * 4, dtype=np.float16)  # whose squares are beyond float16
    assert utils.clip_grad_norm_([p], 60.0).item() == 600
    np.testing.assert_allclose(p.grad.numpy(), 30.0, rtol=1e-3)


def test_a_weights_lengths_may_be_of_an_axis_from_the_end():
    layer = utils.weight_norm(nn.Linear(3, 2), dim=-1)
    assert layer.weight_g.shape == (1, 3)
