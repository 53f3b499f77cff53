"""Copies and pickles of tensors, modules and what belongs to training."""

import copy
import multiprocessing
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import Tensor, data, nn, optim
from minigen.models.gan import GAN
from minigen.models.networks import MLPDiscriminator, MLPGenerator
from minigen.models.vae import VAE
from minigen.models.word2vec import Word2Vec
from minigen.sparse import SparseRows


def pickled(x):
    return pickle.loads(pickle.dumps(x))


class Marked(nn.Parameter):
    """A user's, with attributes."""


@given(
    kind=st.sampled_from([Tensor, nn.Parameter, Marked]),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
    order=st.permutations(range(3)),
    requires_grad=st.booleans(),
)
@pytest.mark.engine
def test_a_copied_leaf_is_a_leaf_of_its_own(kind, dtype, order, requires_grad):
    x = kind(np.arange(24).reshape(2, 3, 4).astype(dtype).transpose(order), requires_grad)
    x.grad = mg.ones(*x.shape, dtype=dtype)
    if kind is Marked:
        x.mark = ["mine"]
    for how in (copy.copy, copy.deepcopy, pickled):
        twin = how(x)
        assert type(twin) is kind and twin.is_leaf and twin.requires_grad == requires_grad
        assert twin.dtype is x.dtype and twin.numpy().strides == x.numpy().strides
        np.testing.assert_array_equal(twin.numpy(), x.numpy())
        assert np.shares_memory(twin.numpy(), x.numpy()) == (how is copy.copy)
        if how is copy.deepcopy and kind is Tensor:
            np.testing.assert_array_equal(twin.grad.numpy(), x.grad.numpy())
            assert not np.shares_memory(twin.grad.numpy(), x.grad.numpy())
        else:
            assert twin.grad is None
        if kind is Marked:
            assert twin.mark == ["mine"] and (twin.mark is x.mark) == (how is copy.copy)
        if requires_grad:
            twin.grad = None
            (twin * 3).sum().backward()
            assert (twin.grad.numpy() == 3).all() and (x.grad.numpy() == 1).all()
            y = (x * x).sum()
            with mg.no_grad():
                twin.add_(1)
            if how is copy.copy:
                with pytest.raises(RuntimeError, match="changed in place"):
                    y.backward()


def test_of_what_is_no_leaf():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    arrived = pickled(y)
    assert arrived.is_leaf and arrived.requires_grad and arrived.numpy().tolist() == [3, 6]
    copy.copy(y).sum().backward()  # the same history
    assert x.grad.numpy().tolist() == [3, 3]
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        copy.deepcopy(y)


@pytest.mark.engine
@pytest.mark.parametrize("how", [copy.deepcopy, pickled])
def test_what_is_shared_stays_shared(how):
    w = nn.Parameter(np.ones((3, 2), np.float32))
    again, detached, apart = how([w, w.detach(), w.clone().detach()])
    assert np.shares_memory(again.numpy(), detached.numpy())
    assert not np.shares_memory(again.numpy(), apart.numpy())
    y = (again * again).sum()
    detached.fill_(2)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def counted(module, args, output):
    module.calls = getattr(module, "calls", 0) + 1


def network():
    net = nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(),
        nn.utils.spectral_norm(nn.Linear(4, 3)), nn.ModuleList([nn.ReLU()])[0], nn.Linear(3, 4),
    )  # fmt: skip
    net[5].weight = net[0].weight
    net[0].register_forward_hook(counted)
    return net


def train(net, optimiser, scheduler, average):
    mg.manual_seed(1)
    for _ in range(3):
        optimiser.zero_grad()
        (net(mg.randn(5, 3)) ** 2).sum().backward()
        optimiser.step(), scheduler.step(), average.update()
    return [t.numpy().copy() for t in net.state_dict().values()]


@pytest.mark.parametrize("how", [copy.deepcopy, pickled])
def test_a_training_goes_on_in_the_copy_bit_for_bit(how):
    net = network()
    optimiser = optim.Adam(net.parameters())
    everything = net, optimiser, optim.lr_scheduler.StepLR(optimiser, 2), (
        optim.ExponentialMovingAverage(net, 0.9, use_buffers=True))  # fmt: skip
    train(*everything)
    twins = how(everything)
    assert twins[0][5].weight is twins[0][0].weight is twins[1].param_groups[0]["params"][0]
    before = [t.numpy().copy() for t in net.state_dict().values()]
    there = train(*twins)
    for value, kept in zip(net.state_dict().values(), before, strict=True):
        np.testing.assert_array_equal(value.numpy(), kept)
    for value, expected in zip(train(*everything), there, strict=True):
        np.testing.assert_array_equal(value, expected)
    assert twins[0][0].calls == net[0].calls


def test_a_copied_module_has_registers_of_its_own_on_the_same_parameters():
    net = network()
    twin = copy.copy(net)
    assert twin[0] is net[0] and twin.training
    twin.append(nn.ReLU())
    layer, other = net[1], copy.copy(net[1])
    assert other.weight is layer.weight
    other.register_buffer("extra", mg.ones(1))
    other.weight = nn.Parameter(np.ones(4, np.float32))
    del other.running_mean
    other.register_forward_hook(counted)
    first, second = net[0], copy.copy(net[0])
    second.register_forward_hook(counted)
    net(mg.ones(2, 3))
    assert len(net) == 6 and not hasattr(layer, "calls") and first.calls == 1
    assert list(layer.state_dict()) == list(nn.BatchNorm1d(4).state_dict())


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickled])
def test_everything_else_can_be_copied(how):
    stream = mg.Generator(3)
    stream.normal((2,))
    twin = how(stream)
    np.testing.assert_array_equal(twin.normal((3,)), stream.normal((3,)))
    for thing in (
        data.Batches(np.ones((6, 2)), batch_size=3), nn.MSELoss(), mg.default_generator,
        SparseRows(np.array([1]), np.ones((1, 2)), (3, 2)), VAE(nn.Flatten(), nn.Linear(2, 4), 2),
        GAN(MLPGenerator(2, 3, 4), MLPDiscriminator(2, 2, size=4)), Word2Vec(np.ones(5), dim=2),
    ):  # fmt: skip
        assert type(how(thing)) is type(thing)


def double(x):
    return x * 2


def test_another_process_gets_and_gives_tensors():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        y = pool.apply(double, (nn.Parameter(np.ones(3, np.float32)),))
    assert y.requires_grad and y.is_leaf and y.numpy().tolist() == [2, 2, 2]
