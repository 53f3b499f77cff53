"""Flow matching: its loss against the velocity that is known, its density, transport and reflow."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

import minigen
from minigen import Generator, Tensor, gradcheck, nn, optim
from minigen.models import flow_matching as FM
from minigen.models.denoiser import PlaneDenoiser

seeds = st.integers(0, 2**32 - 1)
MEAN, SPREAD = 0.7, 0.4


class Exact(nn.Module):
    """E[x_1 − x_0 | x_t] of data N(MEAN, SPREAD²·I): x_t and x_1 − x_0 are Gaussians together."""

    def forward(self, x, time, labels=None):
        t = (time / 1000)[:, None]
        covariance, variance = t * SPREAD**2 - (1 - t), (1 - t) ** 2 + t**2 * SPREAD**2
        return MEAN + covariance / variance * (x - t * MEAN)


def pairs(count, seed=0):
    noise, data = np.random.default_rng(seed).standard_normal((2, count, 2))
    return Tensor(noise), Tensor(MEAN + SPREAD * data)


def test_the_loss_is_the_formula_and_its_gradients_are_right():
    rng = np.random.default_rng(0)
    noise, data = rng.standard_normal((2, 3, 2))
    t, w = np.array([0.1, 0.5, 0.9]), rng.standard_normal((3, 2))

    class Linear(nn.Module):
        def __init__(self, weight):
            super().__init__()
            self.weight = weight

        def forward(self, x, time, labels=None):
            return minigen.cat([x, time[:, None] / 1000], 1).sin() @ self.weight

    def loss(w, noise, data):
        return FM.Flow(Linear(w)).loss(noise, data, t=Tensor(t))

    x = (1 - t)[:, None] * noise + t[:, None] * data
    said = np.sin(np.concatenate([x, t[:, None]], 1)) @ w
    expected = ((said - (data - noise)) ** 2).mean()
    assert loss(Tensor(w), Tensor(noise), Tensor(data)).item() == pytest.approx(expected)
    gradcheck(loss, (w, noise, data), order=2)


def test_no_velocity_has_less_loss_than_the_mean_of_the_lines():
    noise, data = pairs(200_000)
    t = FM.stratified(200_000, data, Generator(0))
    least = FM.Flow(Exact()).loss(noise, data, t=t).item()

    class Off(Exact):
        def forward(self, x, time, labels=None):
            return super().forward(x, time) + 0.1 * self.direction(x, time)

    for direction in (lambda x, t: 1, lambda x, t: x, lambda x, t: t[:, None] / 1000):
        off = Off()
        off.direction = direction
        assert FM.Flow(off).loss(noise, data, t=t).item() > least + 1e-3


def test_samples_and_densities_are_those_of_the_data():
    flow = FM.Flow(Exact())
    noise, _ = pairs(9)
    errors = []
    for steps in 10, 20, 40:
        made = flow.sample(noise, steps=steps)
        errors.append(abs(made.array - (MEAN + SPREAD * noise.array)).max())  # monotone: quantiles
    assert all(a / b > 3 for a, b in itertools.pairwise(errors)) and errors[-1] < 0.01
    points = np.random.default_rng(1).standard_normal((5, 2))
    expected = norm.logpdf(points, MEAN, SPREAD).sum(1)
    np.testing.assert_allclose(flow.log_density(Tensor(points), 40).array, expected, atol=1e-5)


def test_straight_ways_are_found_straight_and_others_are_not():
    noise, _ = pairs(500)
    assert FM.straightness(FM.Flow(Exact()), noise) > 0.05

    class Straight(nn.Module):
        """z_t = ((1 − t) + t·SPREAD)·z_0 + t·MEAN."""

        def forward(self, x, time, labels=None):
            t = (time / 1000)[:, None]
            return MEAN + (SPREAD - 1) * (x - t * MEAN) / (1 - t + t * SPREAD)

    flow = FM.Flow(Straight())
    assert FM.straightness(flow, noise) == pytest.approx(0, abs=1e-12)
    one = flow.sample(noise, steps=1, method="euler")
    np.testing.assert_allclose(one.array, MEAN + SPREAD * noise.array)


@given(seeds, st.integers(0, 5))
def test_no_pairing_is_cheaper(seed, count):
    noise, data = pairs(count, seed)
    paired = FM.coupled(noise, data).array
    assert sorted(map(tuple, paired)) == sorted(map(tuple, noise.array))
    cost = ((paired - data.array) ** 2).sum()
    orders = map(list, itertools.permutations(range(count)))
    assert cost <= min(((noise.array[o] - data.array) ** 2).sum() for o in orders) + 1e-12


@given(seeds, st.integers(0, 8))
def test_classes_keep_their_noise(seed, count):
    noise, data = pairs(count, seed)
    labels = np.random.default_rng(seed).integers(0, 2, count)
    paired = FM.coupled(noise, data, Tensor(labels)).array
    for kind in 0, 1:
        own = labels == kind
        best = FM.coupled(noise[Tensor(own)], data[Tensor(own)]) if own.any() else noise[:0]
        np.testing.assert_array_equal(paired[own], best.array)


@pytest.mark.parametrize("late", [1.0, 2.0])
def test_times_to_train_at_are_those_asked_for(late):
    seen = []
    flow = FM.Flow(Exact(), late)
    flow.velocity = lambda x, t, labels: (seen.append(t.array), x)[1]
    flow.loss(*pairs(10_000))
    np.testing.assert_allclose(np.quantile(1 - seen[0], 0.3), 0.3**late, atol=0.01)


@given(seeds, st.integers(1, 50))
def test_times_are_spread_evenly(seed, count):
    t = FM.stratified(count, Tensor(np.zeros(1)), Generator(seed)).array
    np.testing.assert_array_equal(np.sort(np.floor(t * count)), np.arange(count))


def test_no_row_has_times_of_its_own():
    t = np.array([FM.stratified(4, Tensor(np.zeros(1)), Generator(i)).array for i in range(400)])
    np.testing.assert_allclose(
        np.quantile(t, [0.25, 0.5, 0.75], axis=0).T, 4 * [[0.25, 0.5, 0.75]], atol=0.09
    )


def test_made_pairs_are_of_one_noise_and_one_class():
    minigen.manual_seed(0)
    network = PlaneDenoiser(8, 2, classes=2)
    with minigen.no_grad():
        for p in network.parameters():
            p.copy_(minigen.randn(*p.shape) * 0.3)
    flow, noise = FM.Flow(network), minigen.randn(7, 2)
    labels = Tensor(np.arange(7) % 2)
    made = FM.made_pairs(flow, noise, labels, steps=3, rows=3)
    np.testing.assert_allclose(made.array, flow.sample(noise, labels, steps=3).array, rtol=1e-5)
    assert abs(made.array - flow.sample(noise, 1 - labels, steps=3).array).max() > 1e-3
    assert FM.made_pairs(flow, noise[:0], labels[:0]).shape == (0, 2)


@pytest.mark.parametrize("transport", [False, True])
def test_a_step_lowers_the_loss_and_reflow_makes_ways_straighter(transport):
    """Two places, far apart: the lines to them cross."""
    minigen.manual_seed(0)

    def batch(count):
        side = minigen.randint(0, 2, (count, 1)).float() * 2 - 1
        return minigen.cat([2 * side, side * 0], 1) + 0.1 * minigen.randn(count, 2)

    def trained(flow, steps, **how):
        optimiser = optim.Adam(flow.parameters(), lr=5e-3)
        return [
            FM.step(flow, optimiser, batch(64), transport=transport, **how)["loss"].item()
            for _ in range(steps)
        ]

    flow = FM.Flow(PlaneDenoiser(32, 2))
    losses = trained(flow, 150)
    assert np.mean(losses[-20:]) < 0.75 * np.mean(losses[:5])
    noise = minigen.randn(512, 2, generator=Generator(1))
    before = FM.straightness(flow, noise, steps=20)
    made = FM.made_pairs(flow, noise, steps=20)
    optimiser = optim.Adam(flow.parameters(), lr=2e-3)
    for _ in range(150):
        FM.step(flow, optimiser, made, noise=noise)
    after = FM.straightness(flow, noise, steps=20)
    assert before < 0.3 if transport else after < before / 2
