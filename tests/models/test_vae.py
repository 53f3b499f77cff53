"""The VAE: its terms against integration, sampling, and a model whose likelihood is known."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

import minigen
from minigen import Generator, Tensor, gradcheck, nn, optim
from minigen.models import vae as V

PIXELS, LATENT = 6, 2
parameters = st.tuples(st.floats(-3, 3), st.floats(-4, 2))


@given(parameters)
def test_kl_is_the_integral(mean_log_var):
    mean, log_var = mean_log_var
    sd = math.exp(log_var / 2)
    q = norm(mean, sd)
    expected, _ = quad(
        lambda z: q.pdf(z) * (q.logpdf(z) - norm.logpdf(z)), mean - 12 * sd, mean + 12 * sd
    )
    got = V.kl_to_standard_normal(Tensor([[mean]]), Tensor([[log_var]]))
    assert got.shape == (1,) and got.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_kl_is_the_mean_of_samples_and_a_sum_over_latents():
    rng = np.random.default_rng(0)
    mean, log_var = (Tensor(rng.standard_normal((1, 5))) for _ in range(2))
    noise = Tensor(rng.standard_normal((200_000, 5)))
    z = V.reparameterised(mean, log_var, noise).array
    sd = np.exp(0.5 * log_var.array)
    ratio = (norm.logpdf(z, mean.array, sd) - norm.logpdf(z)).sum(1)
    error = ratio.std() / math.sqrt(len(ratio))
    assert abs(V.kl_to_standard_normal(mean, log_var).item() - ratio.mean()) < 4 * error


def test_gradients():
    rng = np.random.default_rng(0)
    mean, log_var, noise = rng.standard_normal((3, 2, 3))
    gradcheck(V.kl_to_standard_normal, (mean, log_var), order=2)
    gradcheck(V.reparameterised, (mean, log_var, noise), order=2)
    gradcheck(V.importance_bound, mean, order=2)
    images = Tensor(rng.random((2, 1, 1, 3)))
    for likelihood in V.Bernoulli(), V.Gaussian(0.3):
        likelihood.to("float64")
        gradcheck(functools.partial(likelihood.nll, images=images), mean.reshape(2, 1, 1, 3))


def test_likelihoods_are_sums_over_pixels():
    rng = np.random.default_rng(0)
    output, images = rng.standard_normal((3, 2, 4, 4)), rng.random((3, 2, 4, 4))
    got = V.Bernoulli().nll(Tensor(output), Tensor(images))
    p = 1 / (1 + np.exp(-output))
    expected = -(images * np.log(p) + (1 - images) * np.log(1 - p)).sum((1, 2, 3))
    np.testing.assert_allclose(got.array, expected)
    for variance in 0.1, 1.0:
        likelihood = V.Gaussian(variance).to("float64")
        expected = -norm.logpdf(images, output, math.sqrt(variance)).sum((1, 2, 3))
        np.testing.assert_allclose(
            likelihood.nll(Tensor(output), Tensor(images)).array, expected, rtol=1e-6
        )
    with pytest.raises(ValueError, match="variance"):
        V.Gaussian(0.0)


def linear_gaussian(rng, variance=0.3, perfect=True):
    """A VAE p(x|z) = N(W·z + b, σ²·I) with orthogonal columns in W, so that the posterior is a
    diagonal Gaussian and a linear encoder can be perfect; images from it; log p of each; and the KL
    from the encoder's guess to the posterior."""
    columns, _ = np.linalg.qr(rng.standard_normal((PIXELS, LATENT)))
    w = columns * [0.5, 2.0]
    b = rng.standard_normal(PIXELS)
    cov = w @ w.T + variance * np.eye(PIXELS)
    x = rng.multivariate_normal(b, cov, 5)
    precision = (w * w).sum(0) / variance + 1  # of the posterior
    to_mean = (w / variance / precision).T  # (LATENT, PIXELS)
    log_var = -np.log(precision)
    shift, log_var_off = (0.0, 0.0) if perfect else rng.standard_normal((2, LATENT))

    encoder, decoder = nn.Linear(PIXELS, 2 * LATENT), nn.Linear(LATENT, PIXELS)
    encoder, decoder = encoder.to("float64"), decoder.to("float64")
    for parameter, values in (
        (encoder.weight, np.concatenate([to_mean, 0 * to_mean])),
        (encoder.bias, np.concatenate([shift - to_mean @ b, log_var + log_var_off])),
        (decoder.weight, w),
        (decoder.bias, b),
    ):
        parameter.array[...] = values
    model = V.VAE(
        nn.Sequential(nn.Flatten(), encoder),
        nn.Sequential(decoder, nn.Unflatten(1, (1, 1, PIXELS))),
        LATENT,
        V.Gaussian(variance),
    ).to("float64")
    model.likelihood.log_var.array[...] = math.log(variance)  # it was rounded to float32
    log_p = multivariate_normal(b, cov).logpdf(x)
    gap = 0.5 * (shift**2 * precision + np.exp(log_var_off) - log_var_off - 1).sum()
    return model, Tensor(x.reshape(-1, 1, 1, PIXELS)), log_p, gap


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_is_below_log_p_by_the_kl_to_the_posterior(seed):
    model, x, log_p, gap = linear_gaussian(np.random.default_rng(seed), perfect=False)
    many = x.expand(20_000, *x.shape).reshape(-1, *x.shape[1:])
    with minigen.no_grad():
        reconstruction, kl = model.terms(many, Generator(0))
    elbo = -(reconstruction + kl).array.reshape(20_000, len(x))
    error = elbo.std(0) / math.sqrt(len(elbo))
    assert gap > 0.05 and (abs(elbo.mean(0) - (log_p - gap)) < 5 * error).all()


def test_the_bounds_are_tight_where_the_encoder_is_the_posterior():
    model, x, log_p, gap = linear_gaussian(np.random.default_rng(0))
    assert gap == 0
    weights = model.log_weights(x, 7)
    assert weights.shape == (7, 5)
    np.testing.assert_allclose(weights.array, np.tile(log_p, (7, 1)), rtol=1e-6)
    np.testing.assert_allclose(V.importance_bound(weights).array, log_p, rtol=1e-6)


def test_training_reaches_the_likelihood_from_below():
    true, *_ = linear_gaussian(np.random.default_rng(1))
    minigen.manual_seed(0)
    with minigen.no_grad():
        x = true.decode(minigen.randn(2000, LATENT, dtype="float64"))
        x = x + math.sqrt(0.3) * minigen.randn(*x.shape, dtype="float64")
    b = true.decoder[0].bias.array
    w = true.decoder[0].weight.array
    exact = multivariate_normal(b, w @ w.T + 0.3 * np.eye(PIXELS)).logpdf(x.array.reshape(2000, -1))
    model, *_ = linear_gaussian(np.random.default_rng(2), perfect=False)
    optimiser = optim.Adam(model.parameters(), lr=0.03)
    for i in range(300):
        optimiser.param_groups[0]["lr"] = 0.03 * (1 - i / 300)
        V.step(model, optimiser, x)
    elbo = V.evaluate(model, x, generator=Generator(1))["elbo"]  # not the noise that made x
    assert exact.mean() - 0.1 < elbo < exact.mean() + 0.1


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_importance_bound_never_falls_as_samples_are_added(groups, size, seed):
    weights = 10 * np.random.default_rng(seed).standard_normal((groups, size, 3))
    each = np.mean([V.importance_bound(Tensor(w)).array for w in weights], 0)
    whole = V.importance_bound(Tensor(weights.reshape(-1, 3))).array
    single = weights.mean((0, 1))
    assert (single <= each + 1e-9).all() and (each <= whole + 1e-9).all()


def test_weights_far_apart_do_not_overflow():
    weights = Tensor([[-1000.0, 1000.0], [0.0, 0.0]], requires_grad=True)
    bound = V.importance_bound(weights)
    np.testing.assert_allclose(bound.array, [-math.log(2), 1000 - math.log(2)])
    (g,) = minigen.grad(bound.sum(), weights)
    np.testing.assert_allclose(g.array, [[0, 1], [1, 0]])


def test_loss_between_an_autoencoder_and_the_elbo():
    reconstruction, kl = Tensor([3.0, 5.0]), Tensor([1.0, 2.0])
    assert V.loss(reconstruction, kl, beta=0).item() == 4.0
    assert V.loss(reconstruction, kl).item() == 5.5
    assert V.loss(reconstruction, kl, beta=4).item() == 10.0
    assert V.loss(reconstruction, kl, beta=2, capacity=3.5).item() == 8.0  # 4 + 2·|1.5 − 3.5|
    assert V.loss(reconstruction, kl, beta=2, capacity=0.0).item() == 7.0


def test_a_squared_error_with_weight_lambda_is_a_gaussian_of_half_that_variance():
    rng = np.random.default_rng(0)
    model, x, *_ = linear_gaussian(rng, variance=0.2)
    parameters = list(model.encoder.parameters())
    reconstruction, kl = model.terms(x, Generator(0))
    by_bound = minigen.grad(2 * 0.2 * (reconstruction + kl).sum(), parameters)
    mean, log_var = model.encode(x)
    z = V.reparameterised(mean, log_var, minigen.randn(
        *mean.shape, dtype="float64", generator=Generator(0)))  # fmt: skip
    squared = ((x - model.decode(z)) ** 2).sum()
    by_error = minigen.grad(
        squared + 0.4 * V.kl_to_standard_normal(mean, log_var).sum(), parameters
    )
    for a, b in zip(by_bound, by_error, strict=True):
        # Each number is a sum of 5 images' terms, which may cancel: a rounding of the largest.
        error = 64 * np.finfo(np.float64).eps * abs(b.numpy()).max()
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=error)


@pytest.mark.parametrize("channels, size", [(1, 28), (3, 32)])
@pytest.mark.parametrize("samples", [1, 3])
def test_a_step_of_every_network_lowers_the_loss(channels, size, samples):
    minigen.manual_seed(0)
    x = minigen.rand(8, channels, size, size)
    for model in (
        V.mlp_vae(3, (16,), size, channels, nn.Tanh),
        V.conv_vae(3, 4, size, channels, V.Gaussian(0.1, learnt=True)),
    ):
        optimiser = optim.Adam(model.parameters(), lr=1e-3)
        first, *_, last = (
            V.step(model, optimiser, x, samples=samples)["loss"].item() for _ in range(20)
        )
        assert last < first
        assert model.sample(2).shape == (2, channels, size, size)


def test_told_the_class_each_image_is_by_itself_what_it_is_among_others():
    """Terms and weights of images of two classes, each with its own, and the class is seen."""
    minigen.manual_seed(0)
    model = V.mlp_vae(2, (8,), 4, 1, classes=3)
    x, y, both = minigen.rand(3, 1, 4, 4), Tensor(np.array([0, 2, 0])), []
    model._noise = lambda shape, generator, like: minigen.ones(*shape) * 0.5
    for told in y, Tensor(np.array([1, 1, 1])):
        found = [*model.terms(x, None, told), *model.log_weights(x, 4, None, told)]
        for i in range(3):
            alone = model.terms(x[i : i + 1], None, told[i : i + 1])
            weights = model.log_weights(x[i : i + 1], 4, None, told[i : i + 1])
            expected = [*alone, *weights]
            for a, b in zip(found, expected, strict=True):
                assert a[i].item() == pytest.approx(b.item(), rel=1e-5)
        both.append(np.stack([f.numpy() for f in found]))
    assert (abs(both[0] - both[1]) > 1e-4).all()
    made = [model.sample(1, None, Tensor(np.array([kind]))).numpy() for kind in range(3)]
    assert abs(made[0] - made[1]).max() > 1e-4 and made[0].shape == (1, 1, 4, 4)
    optimiser = optim.Adam(model.parameters(), lr=1e-2)
    for samples in 1, 3:
        losses = [V.step(model, optimiser, x, y, samples=samples)["loss"].item() for _ in range(9)]
        assert losses[-1] < losses[0]


def test_a_learnt_variance_is_the_squared_error_of_a_pixel():
    likelihood = V.Gaussian(1.0, learnt=True)
    output, images = Tensor(np.zeros((4, 1, 2, 2), "f4")), minigen.randn(4, 1, 2, 2)
    best = math.log((images.array**2).mean())
    likelihood.log_var.array[...] = best
    (g,) = minigen.grad(likelihood.nll(output, images).sum(), likelihood.log_var)
    assert abs(g.item()) < 1e-4


def test_without_latents_it_starts_at_the_mean_image():
    x = np.random.default_rng(0).random((50, 3, 4, 4))
    x[:, :, 0, 0], x[:, :, 3, 3] = 0, 1  # pixels that never change
    model = V.mlp_vae(2, (5,), 4, 3)
    V.start_at_mean(model, x)
    for parameter in list(model.decoder.parameters())[:-1]:
        parameter.array[...] = 0
    made = model.decode(minigen.randn(2, 2)).array
    np.testing.assert_allclose(made, np.tile(x.mean(0), (2, 1, 1, 1)), atol=1.1e-3)


def test_evaluate_takes_every_image_once():
    model, x, *_ = linear_gaussian(np.random.default_rng(0), perfect=False)
    whole = V.evaluate(model, x, batch_size=5, generator=Generator(3))
    assert whole["elbo"] == pytest.approx(-whole["reconstruction"] - whole["kl"])
    assert V.evaluate(model, x, batch_size=2)["kl"] == pytest.approx(whole["kl"])


def test_what_cannot_be_is_refused():
    model, x, *_ = linear_gaussian(np.random.default_rng(0))
    with pytest.raises(ValueError, match="beta = 1"):
        V.step(model, None, x, beta=2.0, samples=5)
    with pytest.raises(ValueError, match="latent"):
        V.mlp_vae(0)
    with pytest.raises(ValueError, match="multiple of 4"):
        V.conv_vae(size=30)
