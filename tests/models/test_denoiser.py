"""The denoisers: what they are told, how they begin, and guidance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import Generator, Tensor, gradcheck
from minigen.data import DataError
from minigen.models.denoiser import (
    Attention,
    Block,
    Denoiser,
    PlaneDenoiser,
    dropped,
    guided,
    sinusoids,
)


def small(**how):
    return Denoiser(2, width=4, multiples=(1, 2), attention=(1,), groups=2, **how)


def shaken(network):
    """With random weights, so that what begins as 0 says something."""
    with minigen.no_grad():
        for p in network.parameters():
            p.copy_(minigen.randn(*p.shape) * 0.3)
    return network


def told_apart(network, x, *others):
    """Whether a network says something else of x when it is told something else."""
    first, *rest = (network(x, *other).numpy() for other in others)
    return all(abs(first - other).max() > 1e-3 for other in rest)


def test_sinusoids_are_those_of_the_papers():
    x = np.array([0.0, 1.0, 250.0])
    angles = x[:, None] * 10000.0 ** (-np.arange(4) / 3)
    expected = np.concatenate([np.sin(angles), np.cos(angles)], 1)
    np.testing.assert_allclose(sinusoids(Tensor(x), 8).array, expected, atol=1e-12)
    assert sinusoids(Tensor(np.zeros((2, 3))), 4).shape == (2, 3, 4)
    gradcheck(lambda x: sinusoids(x, 6, 8.0, 0.5), x[:2], order=2)
    with pytest.raises(ValueError, match="even"):
        sinusoids(Tensor(x), 3)


@pytest.mark.parametrize("make, shape", [(PlaneDenoiser, (3, 2)), (small, (3, 2, 8, 4))])
def test_networks_begin_as_0_and_see_all_that_they_are_told(make, shape):
    minigen.manual_seed(0)
    x, time = minigen.randn(*shape), Tensor(np.array([0.0, 500.0, 999.0], np.float32))
    labels = Tensor(np.array([0, 2, 1]))
    network = make(classes=3)
    assert (network(x, time, labels).array == 0).all()
    shaken(network)
    other = Tensor(np.array([1, 0, 2]))
    assert told_apart(network, x, (time, labels), (time.flip(0), labels), (time, other), (time,))
    for label in range(3):
        assert told_apart(network, x[:1], (time[:1],), (time[:1], Tensor(np.array([label]))))
    none = Tensor(np.full(3, network.null))
    np.testing.assert_array_equal(network(x, time).array, network(x, time, none).array)
    alone = network(x[1:2], time[1:2], labels[1:2]).array  # no row depends on another
    np.testing.assert_allclose(alone, network(x, time, labels)[1:2].array, rtol=1e-4, atol=1e-5)
    network(x, time, labels).sum().backward()
    assert all(p.grad is not None and abs(p.grad.array).max() > 0 for p in network.parameters())


def test_a_block_begins_as_its_input():
    x, told = minigen.randn(2, 4, 4, 4), minigen.randn(2, 8)
    np.testing.assert_array_equal(Block(4, 4, 8, True, 2, 0.0)(x, told).array, x.array)


def test_attention_looks_at_all_pixels_and_at_no_place():
    """Exchanging pixels exchanges what becomes of them, and nothing else."""
    minigen.manual_seed(0)
    attention = shaken(Attention(4, 2))
    x = minigen.randn(2, 4, 2, 3)
    order = np.random.default_rng(0).permutation(6)
    flat = lambda image: image.array.reshape(2, 4, 6)  # noqa: E731
    moved = Tensor(flat(x)[:, :, order].reshape(2, 4, 2, 3))
    np.testing.assert_allclose(flat(attention(moved)), flat(attention(x))[:, :, order], atol=1e-5)
    changed = x.clone()
    changed[:, :, 0, 0] += 1
    assert (abs(flat(attention(changed)) - flat(attention(x)))[:, :, 5] > 1e-6).any()


def test_pictures_that_cannot_be_halved_are_refused():
    with pytest.raises(DataError, match="cannot be halved 1 times"):
        small()(minigen.randn(1, 2, 7, 8), minigen.randn(1))


@pytest.mark.parametrize("width", [0, 1, 3])
def test_odd_widths_are_refused_before_a_picture_comes(width):
    with pytest.raises(ValueError, match=f"Denoiser: width must be even, 2 or more, not {width}"):
        Denoiser(width=width)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_labels_are_dropped_each_by_itself(seed, share):
    labels = Tensor(np.arange(2000) % 5)
    kept = dropped(labels, 5, share, Generator(seed)).array
    gone = kept == 5
    assert gone.mean() == pytest.approx(share, abs=0.06)
    np.testing.assert_array_equal(kept[~gone], labels.array[~gone])


@pytest.mark.parametrize("guidance", [-0.5, 0.0, 1.0, 3.0])
def test_guidance_is_the_formula(guidance):
    minigen.manual_seed(0)
    network = shaken(small(classes=3, outputs=4))
    x, time, labels = minigen.randn(2, 2, 4, 4), minigen.rand(2) * 1000, Tensor(np.array([1, 2]))
    told, untold = network(x, time, labels).array, network(x, time).array
    found = guided(network, x, time, labels, guidance).array
    expected = (1 + guidance) * told[:, :2] - guidance * untold[:, :2]
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[:, 2:], told[:, 2:], rtol=1e-4, atol=1e-5)  # variances
    np.testing.assert_array_equal(guided(network, x, time).array, untold)
