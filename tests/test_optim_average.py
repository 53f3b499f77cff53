"""The running average, against its formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import nn, optim


def network():
    last = nn.utils.spectral_norm(nn.Linear(4, 2, bias=False))
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), last)


def change(net, rng):
    """A forward, which moves the buffers, and new parameters."""
    net(mg.Tensor(rng.normal(size=(5, 3)).astype(np.float32)))
    with mg.no_grad():
        for p in net.parameters():
            p.add_(mg.Tensor(rng.normal(size=p.shape).astype(np.float32)))


def values(net):
    return {n: t.array.copy() for n, t in net.state_dict().items()}


@given(st.sampled_from([0.0, 0.5, 0.99, 1.0]), st.booleans(), st.integers(0, 100))
def test_parameters_are_averaged_buffers_copied_and_everything_restored(decay, buffers, seed):
    rng, net = np.random.default_rng(seed), network()
    average = optim.ExponentialMovingAverage(net, decay, use_buffers=buffers)
    averaged = {name for name, _ in net.named_parameters()}
    averaged |= {"1.running_mean", "1.running_var"} if buffers else set()
    expected = values(net)
    for _ in range(3):
        change(net, rng)
        average.update()
        for name, value in values(net).items():
            new = decay * expected[name] + (1 - decay) * value
            expected[name] = new if name in averaged else value
    before, arrays = values(net), {n: t.array for n, t in net.state_dict().items()}
    with pytest.raises(KeyError), average.average_parameters():
        for name, value in values(net).items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)
        assert net[1].num_batches_tracked.item() == 3
        for vector in (net[2].weight_u, net[2].weight_v):
            np.testing.assert_allclose(vector.norm().item(), 1, rtol=1e-6)
        change(net, rng)
        raise KeyError
    for name, tensor in net.state_dict().items():
        np.testing.assert_array_equal(tensor.array, before[name])
        assert np.shares_memory(tensor.array, arrays[name])


def test_what_does_not_change_stays_bit_for_bit():
    """Frozen weights, and buffers that are constants."""
    net = network()
    average = optim.ExponentialMovingAverage(net, 0.97, use_buffers=True, warm_up=True)
    before = values(net)
    for _ in range(50):
        average.update()
    with average.average_parameters():
        for name, value in values(net).items():
            np.testing.assert_array_equal(value, before[name])


def test_it_is_saved_resumed_and_copied_to_another_network():
    rng, net, other = np.random.default_rng(0), network(), network()
    average = optim.ExponentialMovingAverage(net, 0.9)
    change(net, rng)
    average.update()
    resumed = optim.ExponentialMovingAverage(net, 0.5)
    resumed.load_state_dict(average.state_dict())
    change(net, rng)
    average.update(), resumed.update()
    average.copy_to(other)
    resumed.copy_to()
    for name, value in values(net).items():
        np.testing.assert_array_equal(value, other.state_dict()[name].array)
    with pytest.raises(ValueError, match=r"0.weight: \(4, 3\) is averaged, None came"):
        average.copy_to(nn.Sequential(nn.ReLU()))
    with pytest.raises(ValueError, match="1.running_var"):
        resumed.load_state_dict({"decay": 0.1, "averages": {}})
    assert resumed.decay == 0.9
    with pytest.raises(ValueError, match="decay"):
        optim.ExponentialMovingAverage(net, 1.5)


def test_averages_of_float16_are_kept_in_float32():
    w = nn.Parameter(np.zeros(2, np.float16))
    average = optim.ExponentialMovingAverage([w], 0.999)
    w.data = np.ones(2, np.float16)
    for _ in range(1000):  # in float16 a step of less than 1/2000 of the average is lost
        average.update()
    average.copy_to()
    assert w.dtype == np.float16  # whose rounding is 2⁻¹¹, that of 1000 steps in float32 1e-4
    np.testing.assert_allclose(w.numpy(), 1 - 0.999**1000, rtol=1e-3)


@pytest.mark.engine
def test_parameters_alone_and_the_tape_notices():
    w = nn.Parameter(np.zeros(2))
    average = optim.ExponentialMovingAverage(iter([w]), 0.5)
    w.array[...] = 1
    average.update()
    loss = (w * w).sum()
    average.copy_to()
    np.testing.assert_array_equal(w.array, [0.5, 0.5])
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


@given(st.sampled_from([0.0, 0.3, 0.999]), st.integers(1, 40))
def test_with_a_warm_up_the_decay_rises_to_what_it_is_to_be(decay, updates):
    p = mg.Tensor(np.zeros(1))
    average = optim.ExponentialMovingAverage([p], decay, warm_up=True)
    expected = 0.0
    for k in range(1, updates + 1):
        p.data = mg.Tensor(np.array([float(k)]))
        average.update()
        now = min(decay, (1 + k) / (10 + k))
        expected = now * expected + (1 - now) * k
    saved = average.state_dict()
    assert saved["averages"]["0"][0] == pytest.approx(expected) and saved["updates"] == updates
    resumed = optim.ExponentialMovingAverage([mg.Tensor(np.zeros(1))], decay, warm_up=True)
    resumed.load_state_dict(saved)
    assert resumed.updates == updates
    assert "updates" not in optim.ExponentialMovingAverage([p], decay).state_dict()
