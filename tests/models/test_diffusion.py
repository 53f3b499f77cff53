"""Diffusion: the chain against its own steps and Bayes' rule, the bound against a likelihood that
is known, the samplers against one another and against a distribution whose denoiser is known."""

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import norm

import minigen
from minigen import Generator, Tensor, gradcheck, nn, optim
from minigen.models import diffusion as D
from minigen.models.denoiser import Denoiser, PlaneDenoiser

names = st.sampled_from(sorted(D.SCHEDULES))


class Exact(nn.Module):
    """E[x_0|x_t], or what `predicts` says instead, of data N(m, s), (N, 1); and for learnt
    variances the v' that makes σ² the variance of q(x_{t−1}|x_t)."""

    def __init__(self, schedule, mean=0.0, spread=1.0, predicts="data", learnt=False):
        super().__init__()
        self.schedule, self.mean, self.spread = schedule, mean, spread
        self.predicts, self.learnt = predicts, learnt

    def posterior(self, x, alpha_bar):
        """Mean and variance of q(x_0|x_t): precisions add up."""
        precision = 1 / self.spread + alpha_bar / (1 - alpha_bar)
        pull = self.mean / self.spread + np.sqrt(alpha_bar) / (1 - alpha_bar) * x
        return pull / precision, 1 / precision

    def forward(self, x, time, labels=None):
        s = self.schedule
        t = np.interp(time.numpy(), s.times, np.arange(len(s)))
        log_sigma = np.interp(t, np.arange(len(s)), np.log(s.noise / s.signal))
        alpha_bar = 1 / (1 + np.exp(2 * log_sigma))[:, None]
        data, left = self.posterior(x.numpy(), alpha_bar)
        a, sd = np.sqrt(alpha_bar), np.sqrt(1 - alpha_bar)
        eps = (x.numpy() - a * data) / sd
        said = {"data": data, "noise": eps, "velocity": a * eps - sd * data}[self.predicts]
        if not self.learnt:
            return Tensor(said)
        t = t.round().astype(int)
        exact = s.posterior_variance[t] + s.of_data[t] ** 2 * left[:, 0]
        share = (np.log(exact) - s.log_small[t]) / (s.log_large[t] - s.log_small[t])
        return Tensor(np.concatenate([said, (2 * share - 1)[:, None]], 1))


def exact(steps=12, variance="small", schedule="linear", **of_data):
    table = D.SCHEDULES[schedule](steps)
    predicts = of_data.get("predicts", "data")
    network = Exact(table, learnt=variance == "learnt", **of_data)
    return D.Diffusion(
        network, table, predicts=predicts, variance=variance, clip=False, levels=None
    )


@given(names, st.integers(2, 60))
def test_noise_step_by_step_is_noise_at_once(name, steps):
    s = D.SCHEDULES[name](steps)
    mean, variance = 1.0, 0.0  # of x_t given x_0 = 1
    for t, beta in enumerate(s.beta):
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        assert (s.signal[t], s.noise[t]) == (
            pytest.approx(mean, rel=1e-9), pytest.approx(math.sqrt(variance), rel=1e-9)
        )  # fmt: skip
    x0, eps = np.random.default_rng(steps).standard_normal((2, steps, 3))
    model = D.Diffusion(nn.Identity(), s)
    x = model.noised(Tensor(x0), Tensor(np.arange(steps)), Tensor(eps))
    np.testing.assert_allclose(x.array, s.signal[:, None] * x0 + s.noise[:, None] * eps)
    one = model.noised(Tensor(x0), steps // 2, Tensor(eps))
    np.testing.assert_array_equal(one.array[steps // 2], x.array[steps // 2])


@pytest.mark.parametrize("name", D.SCHEDULES)
@pytest.mark.parametrize("steps", [50, 250, 1000])
def test_every_chain_ends_in_noise(name, steps):
    s = D.SCHEDULES[name](steps)
    assert s.signal[-1] < 0.01 and (np.diff(s.alpha_bar) < 0).all() and s.beta.max() <= 0.999
    few = s.respaced(10)
    assert (few.alpha_bar[0], few.alpha_bar[-1]) == (s.alpha_bar[0], s.alpha_bar[-1])
    for t, told in enumerate(few.times):  # the network is told the times that it knows
        assert few.alpha_bar[t] == s.alpha_bar[np.searchsorted(s.times, told)]
    np.testing.assert_allclose(np.cumprod(1 - few.beta), few.alpha_bar)
    with pytest.raises(ValueError, match="from 1 to"):
        s.respaced(steps + 1)


@given(names, st.integers(2, 30), st.floats(-2, 2), st.floats(-3, 3), st.data())
def test_the_posterior_is_bayes_on_a_grid(name, steps, x0, x, data):
    s = D.SCHEDULES[name](steps)
    t = data.draw(st.integers(1, steps - 1))
    model = D.Diffusion(nn.Identity(), s)
    mean, log_var = (p.item() for p in model.posterior(Tensor([[x0]]), Tensor([[x]]), t))
    sd = math.exp(log_var / 2)
    grid = mean + sd * np.linspace(-9, 9, 2001)  # of x_{t−1}; were it elsewhere, it would show
    log_p = norm.logpdf(x, math.sqrt(1 - s.beta[t]) * grid, math.sqrt(s.beta[t]))
    log_p += norm.logpdf(grid, s.signal[t - 1] * x0, s.noise[t - 1])
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    found = (p * grid).sum()
    assert found == pytest.approx(mean, abs=1e-5 * sd + 1e-6 * abs(mean))
    assert (p * (grid - found) ** 2).sum() == pytest.approx(sd**2, rel=1e-4)


@given(st.sampled_from(sorted(D.PREDICTIONS)), names)
def test_whatever_is_predicted_it_is_the_same_guess(predicts, name):
    s = D.SCHEDULES[name](9)
    x0, eps = (Tensor(v) for v in np.random.default_rng(0).uniform(-1, 1, (2, 9, 4)))
    t = Tensor(np.arange(9))
    a, sd = (Tensor(v)[:, None] for v in (s.signal, s.noise))
    target = D.PREDICTIONS[predicts].target(x0, eps, a, sd)
    model = D.Diffusion(Constant(target), s, predicts=predicts)
    x = model.noised(x0, t, eps)
    np.testing.assert_allclose(model.guess(x, t)[0].array, x0.array, atol=1e-6)
    np.testing.assert_allclose(model.loss(x0, t=t, noise=eps).item(), 0, atol=1e-12)
    off = D.Diffusion(Constant(target + 0.5), s, predicts=predicts)
    assert off.loss(x0, t=t, noise=eps).item() == pytest.approx(0.25)
    by_score = model.score(x, t).array
    np.testing.assert_allclose(by_score, -eps.array / s.noise[:, None], rtol=1e-6)


class Constant(nn.Module):
    """What it is told to say."""

    def __init__(self, said):
        super().__init__()
        self.said = said

    def forward(self, x, time, labels=None):
        return self.said


def bound_of(model, x0):
    """The bound of points (N,), in nats, exactly: its terms are quadratic in x_t, and so in ε, of
    which 1 and −1 have the mean, the variance and so the expectation."""
    x0 = Tensor(x0[:, None])
    terms = [
        sum(model.term(x0, Tensor(np.full(len(x0), t)), x0 * 0 + e).array for e in (1.0, -1.0)) / 2
        for t in range(len(model.schedule))
    ]
    return np.sum(terms, 0)


def prior_kl(s, x0, mean, spread):
    """KL(q(x_T|x_0) ‖ q(x_T)) of data N(mean, spread)."""
    m, v = s.signal[-1] * mean, s.alpha_bar[-1] * spread + 1 - s.alpha_bar[-1]
    own = 1 - s.alpha_bar[-1]
    return 0.5 * (np.log(v / own) + (own + (s.signal[-1] * x0 - m) ** 2) / v - 1)


@pytest.mark.parametrize("schedule", D.SCHEDULES)
@pytest.mark.parametrize("predicts", D.PREDICTIONS)
def test_the_bound_is_the_likelihood_where_the_reverse_chain_is_exact(schedule, predicts):
    x0 = np.array([-2.0, -0.3, 0.0, 1.5])
    model = exact(variance="large", schedule=schedule, predicts=predicts)  # of N(0, 1) it is β
    total = bound_of(model, x0) + model.prior(Tensor(x0[:, None])).array
    np.testing.assert_allclose(total, -norm.logpdf(x0), rtol=1e-7)
    data = {"mean": 0.7, "spread": 0.25}
    model = exact(variance="learnt", schedule=schedule, predicts=predicts, **data)
    total = bound_of(model, x0) + prior_kl(model.schedule, x0, **data)
    np.testing.assert_allclose(total, -norm.logpdf(x0, 0.7, 0.5), rtol=1e-7)


def test_another_variance_costs_its_divergence():
    """The mean over data of the gap is Σ KL(N(·, β) ‖ N(·, σ²)), here with σ² = β̃."""
    model = exact(variance="small")
    s = model.schedule
    x0 = np.array([1.0, -1.0])  # quadratic in x_0, too: these have its mean and variance
    gap = np.mean(bound_of(model, x0) + model.prior(Tensor(x0[:, None])).array) - norm().entropy()
    ratio = s.beta / np.exp(s.log_small)
    assert gap == pytest.approx(0.5 * (ratio - 1 - np.log(ratio)).sum()) and gap > 0.1


@given(st.floats(-1.2, 1.2), st.floats(-9, 1), st.sampled_from([2, 16, 256]))
@example(1.0, -9.0, 256)
def test_grey_levels_have_the_probability_of_their_bins(mean, log_var, levels):
    x = np.linspace(-1, 1, levels)
    edges = np.concatenate([[-np.inf], (x[1:] + x[:-1]) / 2, [np.inf]])
    sd = math.exp(log_var / 2)
    low, high = (edges[:-1] - mean) / sd, (edges[1:] - mean) / sd
    expected = np.where(low > 0, norm.sf(low) - norm.sf(high), norm.cdf(high) - norm.cdf(low))
    args = Tensor(np.full((levels, 1), mean)), Tensor(np.full((1, 1), log_var))
    found = D.discretised_log_likelihood(Tensor(x[:, None]), *args, levels).array
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-6, atol=2 * D.LEAST)
    assert np.exp(found).sum() == pytest.approx(1, abs=levels * D.LEAST + 1e-9)
    single = (a.to("float32") for a in (Tensor(x[:, None]), *args))
    rough = D.discretised_log_likelihood(*single, levels).array
    assert np.isfinite(rough).all()


class Linear(nn.Module):
    """What is said of images (N, 2, 1, 2), linear in all that is seen."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight  # (numbers that are said, 5)

    def forward(self, x, time, labels=None):
        seen = minigen.cat([x.flatten(1), time[:, None] / 1000], 1)
        return (seen @ self.weight.T).reshape(len(x), -1, 1, 2)


def tiny(variance="small", weight=None, **how):
    if weight is None:
        rows = 8 if variance == "learnt" else 4
        weight = Tensor(np.random.default_rng(0).standard_normal((rows, 5)) * 0.3)
    return D.Diffusion(Linear(weight), D.linear(8), variance=variance, **how)


def test_gradients():
    """To second order, for whoever penalises a slope."""
    rng = np.random.default_rng(0)
    x0, noise = rng.uniform(-0.5, 0.5, (2, 3, 2, 1, 2))
    t, weight = Tensor(np.array([0, 3, 7])), rng.standard_normal((8, 5)) * 0.3

    def loss(w, x, e):
        return tiny("small", w, clip=False).loss(x, t=t, noise=e)

    gradcheck(loss, (weight[:4], x0, noise), order=2)
    for levels in 4, None:  # whose bins are so wide that all of them are probable

        def term(w, x, e, levels=levels):
            return tiny("learnt", w, clip=False, levels=levels).term(x, t, e)

        gradcheck(term, (weight, x0, noise), order=2)

    def hybrid(rows):
        w = minigen.cat([Tensor(weight[:4]), rows])
        return tiny("learnt", w, clip=False).loss(Tensor(x0), t=t, noise=Tensor(noise))

    gradcheck(hybrid, weight[4:], order=2)
    gradcheck(lambda x: tiny(clip=False).prior(x), x0, order=2)
    gradcheck(lambda x: tiny(clip=False).score(x, t), x0, order=2)


def test_the_bound_teaches_variances_alone():
    rng = np.random.default_rng(0)
    x0, noise = (Tensor(v) for v in rng.uniform(-0.5, 0.5, (2, 6, 2, 1, 2)))
    t = Tensor(np.arange(6))
    slopes = []
    weight = Tensor(rng.standard_normal((8, 5)) * 0.3, requires_grad=True)
    for share in 0.0, 5.0:
        model = D.Diffusion(Linear(weight), D.linear(8), variance="learnt", weight=share)
        (slope,) = minigen.grad(model.loss(x0, t=t, noise=noise), weight)
        slopes.append(slope.array)
    without, with_bound = slopes
    np.testing.assert_allclose(with_bound[:4], without[:4], rtol=1e-12)  # of what is predicted
    assert (without[4:] == 0).all() and abs(with_bound[4:]).max() > 1e-3


def test_learnt_variances_lie_between_both():
    model = tiny("learnt")
    s, x = model.schedule, Tensor(np.zeros((8, 2, 1, 2)))
    t = Tensor(np.arange(8))
    for said, table in (
        (-1.0, s.log_small),
        (1.0, s.log_large),
        (0.0, (s.log_small + s.log_large) / 2),
    ):
        model.network = Constant(Tensor(np.full((8, 4, 1, 2), said)))
        _, log_var, _ = model.reverse(x, t)
        np.testing.assert_allclose(log_var.expand(8, 2, 1, 2).array[:, 0, 0, 0], table)


def test_all_steps_are_trained_and_each_as_often():
    model, seen = tiny(), []
    model._at = lambda name, t, like, at=model._at: (seen.append(t), at(name, t, like))[1]
    x = Tensor(np.zeros((4000, 2, 1, 2)))
    model.loss(x)
    counts = np.bincount(seen[0].numpy(), minlength=8)
    assert len(counts) == 8 and abs(counts - 500).max() < 100


def test_steps_drawn_from_strata_have_the_same_mean():
    model = exact(40, variance="large")
    x = Tensor(np.random.default_rng(0).standard_normal((3000, 1)))
    whole = D.bound(model, x, generator=Generator(0))
    some = D.bound(model, x, every=4, strata=6, generator=Generator(1))
    for found in whole, some:
        bits = norm().entropy() / math.log(2)
        error = found.total.std() / math.sqrt(len(x))
        assert found.total.mean() == pytest.approx(bits, abs=4 * error) and error < 0.05
    np.testing.assert_allclose(some.terms, whole.terms, rtol=0.5, atol=0.02)
    assert whole.steps.mean() == pytest.approx(np.nansum(whole.terms[1:]))
    assert whole.first.mean() == pytest.approx(whole.terms[0])


@given(st.booleans(), names, st.integers(1, 12), st.sampled_from(sorted(D.PREDICTIONS)))
def test_ddim_with_eta_1_is_ddpm(clip, name, steps, predicts):
    model = exact(12, schedule=name, mean=0.3, spread=2.0, predicts=predicts)
    model.clip = clip
    few = model.respaced(steps)
    assert few.clip == clip
    x = Tensor(np.random.default_rng(0).standard_normal((5, 1)))
    a = D.ddpm(few, x, generator=Generator(7))
    b = D.ddim(few, x, eta=1.0, generator=Generator(7))
    np.testing.assert_allclose(a.array, b.array, rtol=1e-6, atol=1e-7)
    assert not clip or abs(a.array).max() <= 1 + 1e-9  # the last step is a guess, unblurred


@pytest.mark.parametrize("sampler, off", [
    (D.ddpm, 0.015), (D.ddim, 0.04), (functools.partial(D.ddim, eta=0.5), 0.04),
])  # fmt: skip
def test_samples_have_the_mean_and_the_spread_of_the_data(sampler, off):
    """Exact denoisers of N(0.5, 0.3²) in 200 steps, and the exact variance for DDPM."""
    model = exact(200, "learnt", mean=0.5, spread=0.09)
    made = sampler(model, minigen.randn(20_000, 1, generator=Generator(0), dtype="float64"))
    assert made.array.mean() == pytest.approx(0.5, abs=0.01)
    assert made.array.std() == pytest.approx(0.3, rel=off)


def test_a_chain_is_looked_at_and_conditioned():
    model, seen = exact(9), []

    def half(t, x, data):
        seen.append((t, data.shape))
        return minigen.cat([x[:2], x[2:] * 0 + 3.0])

    for sampler in D.ddpm, D.ddim:
        seen.clear()
        made = sampler(model, Tensor(np.ones((4, 1))), each=half, generator=Generator(0))
        assert [t for t, _ in seen] == [*range(8, -1, -1)] and seen[0][1] == (4, 1)
        assert (made.array[2:] == 3).all() and (made.array[:2] != 3).all()


def test_encoding_comes_back_the_nearer_the_more_steps():
    model = exact(1000, spread=0.04, schedule="cosine")
    x = Tensor(np.linspace(-0.5, 0.5, 9)[:, None])
    errors = []
    for steps in 10, 40, 160:
        few = model.respaced(steps)
        noise = D.ddim_encode(few, x)
        errors.append(abs(D.ddim(few, noise) - x).mean().item())
    assert abs(noise.array.std() / x.array.std() - 5) < 0.5  # as wide as noise is
    assert all(a / b > 2.5 for a, b in itertools.pairwise(errors)) and errors[-1] < 0.02


def test_the_error_of_heun_falls_with_the_square_of_the_step():
    """For N(0, v) each z is (v + σ²)^½ times a constant."""
    v = 0.25
    model = exact(1000, spread=v, schedule="linear")
    x = Tensor(np.array([[0.5], [1.0]]))
    levels = D.noise_levels(model, 2)
    at_last = x.array * math.sqrt(
        (1 + levels[0] ** 2) * (v + levels[1] ** 2) / (v + levels[0] ** 2)
    )
    exactly = at_last * v / (v + levels[1] ** 2)  # Euler's last step, to σ = 0
    for method, order in ("euler", 1), ("heun", 2):
        errors = []
        for steps in 32, 64, 128:
            made = D.probability_flow(model, x, steps=steps + 1, method=method)
            errors.append(abs(made.array - exactly).max())
        for a, b in itertools.pairwise(errors):
            assert math.log2(a / b) == pytest.approx(order, abs=0.35)


@pytest.mark.parametrize("name", D.SCHEDULES)
def test_few_steps_along_the_flow_do_and_all_of_them_count(name):
    """Of cosine's σ up to 30,000 most steps would be spent where there is nothing to see."""
    model = exact(1000, spread=0.25, schedule=name)
    levels = D.noise_levels(model, 10)
    assert levels[0] == pytest.approx(80) and levels[-1] == pytest.approx(model.sigmas()[0])
    x = minigen.randn(2000, 1, generator=Generator(0), dtype="float64")
    made = D.probability_flow(model, x).array  # 18 steps, as in the paper
    np.testing.assert_allclose(made, 0.5 * x.array, rtol=0.06)


def test_densities_along_the_flow_are_those_of_the_data():
    v = 0.25
    table = D.linear(1000)
    points = np.random.default_rng(0).standard_normal((6, 2)) * 0.5
    model = D.Diffusion(Recorded(table, v), table, predicts="data", clip=False)
    found = D.log_density(model, Tensor(points), steps=60).array
    # The prior is N(0, I) where data would be N(0, 1 + (v − 1)·ᾱ_T), and the first step's noise is
    # there: both are small here.
    np.testing.assert_allclose(found, norm.logpdf(points, 0, 0.5).sum(1), atol=3e-3)


class Recorded(nn.Module):
    """E[x_0|x_t] of N(0, v·I) by recorded operations."""

    def __init__(self, table, v):
        super().__init__()
        self.table, self.v = table, v

    def forward(self, x, time, labels=None):
        log_sigma = np.interp(
            time.numpy(), self.table.times, np.log(self.table.noise / self.table.signal)
        )
        alpha_bar = 1 / (1 + np.exp(2 * log_sigma))
        return (
            x * Tensor(np.sqrt(alpha_bar) * self.v / (alpha_bar * self.v + 1 - alpha_bar))[:, None]
        )


def test_without_guidance_it_is_unguided_and_with_it_more_so():
    minigen.manual_seed(0)
    network = PlaneDenoiser(8, 2, classes=3)
    for p in network.parameters():
        p.data = minigen.randn(*p.shape) * 0.5
    model = D.Diffusion(network, D.linear(5), clip=False)
    x, labels = minigen.randn(4, 2), Tensor(np.array([0, 1, 2, 0]))
    alone = D.ddim(model, x, labels)
    np.testing.assert_array_equal(D.ddim(model, x, labels, guidance=0.0).array, alone.array)
    assert not np.allclose(D.ddim(model, x, labels, guidance=1.0).array, alone.array)


def test_nobody_averages_casts_or_saves_the_schedules_tables():
    model = D.Diffusion(PlaneDenoiser(8, 2), D.cosine(50), clip=False)
    names = {f"network.{name}" for name, _ in model.network.named_parameters()}
    assert set(model.state_dict()) == names
    average = optim.ExponentialMovingAverage(model, 0.5, use_buffers=True)
    assert set(average.state_dict()["averages"]) == names
    model.to("float64")
    assert model.schedule.alpha_bar.dtype == np.float64


@pytest.mark.parametrize("variance, predicts", [*zip(D.VARIANCES, D.PREDICTIONS, strict=True)])
def test_a_step_lowers_the_loss_of_a_small_network(variance, predicts):
    minigen.manual_seed(0)
    outputs = 2 if variance == "learnt" else 1
    network = Denoiser(1, outputs, 4, (1, 2), attention=(1,), classes=2, groups=2)
    model = D.Diffusion(network, D.cosine(9), predicts=predicts, variance=variance)
    x, y = minigen.rand(8, 1, 4, 4) * 2 - 1, Tensor(np.arange(8) % 2)
    optimiser = optim.Adam(model.parameters(), lr=1e-2)
    losses = [D.step(model, optimiser, x, y)["loss"].item() for _ in range(30)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])
    made = D.ddpm(model, minigen.randn(2, 1, 4, 4), y[:2], guidance=1.0)
    assert made.shape == (2, 1, 4, 4) and abs(made.array).max() <= 1
    assert np.isfinite(D.bound(model, x, y).total).all()


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="noise, data, velocity, not 'x'"):
        D.Diffusion(nn.Identity(), D.linear(5), predicts="x")
    with pytest.raises(ValueError, match="small, large, learnt, not 'other'"):
        D.Diffusion(nn.Identity(), D.linear(5), variance="other")
    for levels in 0, 1:
        with pytest.raises(ValueError, match=f"2 or more, or None, not {levels}"):
            D.Diffusion(nn.Identity(), D.linear(5), levels=levels)
    x = Tensor(np.zeros((2, 1)))
    with pytest.raises(ValueError, match="twice those of x, not 1"):  # else each term were 0
        D.Diffusion(Constant(x), D.linear(5), variance="learnt").loss(x)
    for eta in -0.1, 1.1, math.nan:
        with pytest.raises(ValueError, match=f"from 0 to 1, not {eta}"):
            D.ddim(exact(5), x, eta=eta)
    for how in {"every": 0}, {"strata": 0}:
        with pytest.raises(ValueError, match="must be 1 or more"):
            D.bound(exact(50), x, **how)


@given(st.integers(0, 7), st.sampled_from([None, 2]))
def test_images_are_bounded_some_at_a_time(count, strata):
    """Each by its own noise and its own class, and none lost."""
    seen = []
    model = exact(6, variance="large")
    model.network.forward = lambda x, time, labels: (seen.append((len(x), labels.array)), x)[1]
    x = Tensor(np.arange(float(count))[:, None])
    whole = D.bound(model, x, Tensor(np.arange(count)), every=2, strata=strata, rows=3)
    assert all(rows <= 3 for rows, _ in seen)
    assert whole.total.shape == (count,)
    np.testing.assert_array_equal(
        np.bincount(np.concatenate([np.zeros(0, int), *(told for _, told in seen)])),
        np.full(count, 6 if strata is None else 4),
    )
    first = [
        D.bound(model, x[:n], x[:n], every=2, rows=3, generator=Generator(0)) for n in (3, count)
    ]
    np.testing.assert_array_equal(first[1].total[:3], first[0].total[:count])
    np.testing.assert_allclose(whole.prior, D.in_bits(model.prior(x), x).array)
