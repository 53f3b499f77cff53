"""Autoencoders, damage, and the Gaussian that generation begins with."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import Generator, Tensor, data, nn, optim
from minigen.models import autoencoder as A
from minigen.models import networks as N


@pytest.mark.parametrize("channels, size", [(1, 28), (3, 32)])
def test_all_three_learn_to_copy(channels, size):
    minigen.manual_seed(0)
    x = minigen.rand(8, channels, size, size)
    for encoder, decoder in (
        (N.MLPEncoder(3, (), size, channels), N.MLPDecoder(3, (), size, channels)),
        (N.MLPEncoder(3, (9, 5), size, channels), N.MLPDecoder(3, (9, 5), size, channels)),
        (N.ConvEncoder(3, 4, size, channels), N.ConvDecoder(3, 4, size, channels)),
    ):
        model = A.Autoencoder(encoder, decoder)
        assert model(x).shape == x.shape and model.encoder(x).shape == (8, 3)
        assert model(x).array.min() >= 0 and model(x).array.max() <= 1
        optimiser = optim.Adam(model.parameters(), lr=1e-3)
        losses = [A.step(model, optimiser, x)["loss"].item() for _ in range(20)]
        assert losses[-1] < losses[0]
    four = nn.Conv2d, nn.ConvTranspose2d
    assert [sum(isinstance(m, four) for m in net) for net in (encoder, decoder)] == [4, 4]


def test_a_linear_autoencoder_finds_the_principal_components():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 4)) * [3.0, 2.0, 0.5, 0.1]
    x -= x.mean(0)
    minigen.manual_seed(0)
    model = A.Autoencoder(nn.Linear(4, 2), nn.Linear(2, 4), squash=False)
    optimiser = optim.Adam(model.parameters(), lr=0.02)
    for i in range(600):
        optimiser.param_groups[0]["lr"] = 0.02 * (1 - i / 600)
        loss = A.step(model, optimiser, Tensor(x.astype("f4")))["loss"].item()
    left = (np.linalg.svd(x, compute_uv=False)[2:] ** 2).sum() / len(x)  # what no plane explains
    assert left * (1 - 1e-5) < loss < 1.01 * left


def test_squared_error_is_summed_over_pixels_and_averaged_over_images():
    a, b = np.random.default_rng(0).standard_normal((2, 3, 1, 4, 4))
    expected = ((a - b) ** 2).sum((1, 2, 3)).mean()
    assert A.squared_error(Tensor(a), Tensor(b)).item() == pytest.approx(expected)


def test_damage_is_as_much_as_asked_for():
    x = Tensor(np.full((50, 1, 20, 20), 0.25, "f4"))
    noisy = A.corrupted(x, "gaussian", 0.5, Generator(0)).array - 0.25
    assert noisy.mean() == pytest.approx(0, abs=0.02) and noisy.std() == pytest.approx(0.5, 0.02)
    masked = A.corrupted(x, "masking", 0.3, Generator(0)).array
    assert set(np.unique(masked)) == {0, 0.25} and (masked == 0).mean() == pytest.approx(0.3, 0.05)
    salted = A.corrupted(x, "salt-and-pepper", 0.3, Generator(0)).array
    for value in 0, 1:
        assert (salted == value).mean() == pytest.approx(0.15, 0.05)
    for kind in "gaussian", "masking", "salt-and-pepper":
        np.testing.assert_array_equal(A.corrupted(x, kind, 0.0).array, x.array)
    assert (x.array == 0.25).all()


@given(st.floats(0, 1), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_a_block_is_one_rectangle_of_the_sides_asked_for(amount, height, width, seed):
    x = Tensor(np.ones((20, 2, height, width), "f4"))
    y = A.corrupted(x, "block", amount, Generator(seed)).array
    sides = round(amount * height), round(amount * width)
    for hole in y[:, 0] == 0:
        for axis, side in enumerate(sides):
            places = np.flatnonzero(hole.any(1 - axis))
            assert len(places) == (side if all(sides) else 0)
            assert not len(places) or places[-1] - places[0] == side - 1
        assert hole.sum() == math.prod(sides)
    assert (y[:, 0] == y[:, 1]).all()


def test_a_block_may_be_in_every_place():
    x = Tensor(np.ones((4000, 1, 4, 4), "f4"))
    corners = A.corrupted(x, "block", 0.5, Generator(0)).array[:, 0, ::3, ::3] == 0
    np.testing.assert_allclose(corners.mean(0), np.full((2, 2), 1 / 9), atol=0.02)
    with pytest.raises(ValueError, match="block"):
        A.corrupted(minigen.zeros(4, 4), "block", 0.5)


def test_denoising_is_shown_the_damaged_and_asked_for_the_clean():
    model = A.Autoencoder(nn.Linear(3, 2), nn.Linear(2, 3), squash=False)
    optimiser = optim.SGD(model.parameters(), lr=0.0)
    x = minigen.randn(4, 3)
    expected = A.squared_error(model(x * 0 + 5), x).item()
    loss = A.step(model, optimiser, x, lambda clean: clean * 0 + 5)["loss"].item()
    assert loss == pytest.approx(expected)


@pytest.mark.parametrize("kind, amount", [("blur", 0.1), ("masking", 1.1), ("gaussian", -1.0)])
def test_other_damage_is_refused(kind, amount):
    with pytest.raises(ValueError, match="corrupted"):
        A.corrupted(minigen.zeros(2, 2), kind, amount)


def test_what_denoising_learns_points_to_where_data_is_dense():
    # Of points N(0, I) with noise σ² = 1 the noisy density is N(0, 2·I), and σ²·∇ log p is −x/2.
    minigen.manual_seed(0)
    model = A.Autoencoder(N.mlp(2, 16), N.mlp(16, 2), squash=False)
    optimiser = optim.Adam(model.parameters(), lr=0.01)
    for i in range(300):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - i / 300)
        A.step(model, optimiser, minigen.randn(512, 2), lambda x: A.corrupted(x, "gaussian", 1.0))
    x = minigen.randn(200, 2)
    np.testing.assert_allclose((model(x) - x).array, -x.array / 2, atol=0.15)


def test_gaussian_by_descent_is_the_one_in_closed_form():
    x = np.random.default_rng(0).standard_normal((500, 3)) * [1.0, 2.0, 0.5] + [0.0, 3.0, -1.0]
    closed = A.DiagonalGaussian.fitted(x)
    np.testing.assert_allclose(closed.mean.array, x.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(np.exp(closed.log_var.array), x.var(0), rtol=1e-5)
    points = Tensor(x.astype("f4"))
    model = A.DiagonalGaussian(3)
    optimiser = optim.Adam(model.parameters(), lr=0.1)
    for i in range(600):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - i / 600)
        optimiser.zero_grad()
        model.nll(points).mean().backward()
        optimiser.step()
    for a, b in zip(model.parameters(), closed.parameters(), strict=True):
        np.testing.assert_allclose(a.array, b.array, atol=1e-3)
    bits = 0.5 * (np.log(2 * math.pi * x.var(0)) + 1).sum()
    assert closed.nll(points).mean().item() == pytest.approx(bits, rel=1e-5)
    made = closed.sample(20_000, Generator(0)).array
    np.testing.assert_allclose(made.mean(0), x.mean(0), atol=0.06)
    np.testing.assert_allclose(made.std(0), x.std(0), rtol=0.03)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.zeros((1, 2)), np.zeros(3)])
def test_no_gaussian_of_equal_points(points):
    with pytest.raises(ValueError, match="two points"):
        A.DiagonalGaussian.fitted(points)


@pytest.mark.parametrize("images, said", [
    (np.zeros((1, 1, 4, 4)), "two images"),
    (np.zeros((3, 4, 4)), "got .3, 4, 4"),
    (np.full((2, 1, 4, 4), -1.0), "from 0, black"),
    (np.full((2, 1, 4, 4), 255.0), "to 255"),
    (np.full((2, 1, 4, 4), np.nan), "NaN"),
])  # fmt: skip
def test_images_that_cannot_be_learnt_from(images, said):
    with pytest.raises(data.DataError, match=said):
        A.checked_images(images)


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(data.DataError, match="found none"):
        data.load(str(tmp_path))


def test_sizes_that_four_layers_do_not_halve():
    for network in N.ConvEncoder, N.ConvDecoder:
        with pytest.raises(data.DataError, match="multiple of 4"):
            network(3, size=30)
