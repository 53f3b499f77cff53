"""Distributions beside PyTorch's: values and gradients; samples by their frequencies."""

import numpy as np
import pytest

import minigen.torch_names as ours

theirs = pytest.importorskip("torch")

LEFT, RIGHT = np.random.default_rng(0).uniform(0.2, 0.8, (2, 3, 4))
VALUE = np.random.default_rng(1).integers(0, 2, (3, 4)).astype(np.float64)
CLASS = np.array([0, 3, 1])
KINDS = {
    "Normal": (lambda d, x: d.Normal(x, x + 0.3), VALUE),
    "Bernoulli": (lambda d, x: d.Bernoulli(x), VALUE),
    "Bernoulli of logits": (lambda d, x: d.Bernoulli(logits=x), VALUE),
    "Categorical": (lambda d, x: d.Categorical(x), CLASS),
    "Categorical of logits": (lambda d, x: d.Categorical(logits=x), CLASS),
}


@pytest.mark.parametrize("name", KINDS)
def test_values_and_gradients_are_pytorchs(name):
    make, value = KINDS[name]
    found = []
    for torch in (theirs, ours):
        a, b = (torch.tensor(x).requires_grad_() for x in (LEFT, RIGHT))
        p, q = make(torch.distributions, a), make(torch.distributions, b)
        parts = [p.log_prob(torch.tensor(value)), p.entropy(), q.probs if "Cat" in name else p.mean]
        parts += [torch.distributions.kl_divergence(p, q)]
        parts += [p.mode + 0.0 * q.probs.sum()] if "Cat" in name else [p.stddev]
        parts += [p.cdf(torch.tensor(value)), p.mode] if name == "Normal" else []
        sum((y * y).sum() for y in parts).backward()
        found.append([t.detach().numpy() for t in (*parts, a.grad, b.grad)])
    for wanted, y in zip(*found, strict=True):
        np.testing.assert_allclose(y, wanted, rtol=1e-6)


SURE = np.array([[0.0, 1.0, 0.5], [0.2, 0.3, 0.5]])


@pytest.mark.parametrize("kind", ["Bernoulli", "Categorical"])
@pytest.mark.parametrize("i, j", [(0, 1), (1, 0), (0, 0)])
def test_what_never_happens_counts_for_nothing_and_what_cannot_for_infinity(kind, i, j):
    found = []
    for torch in (theirs, ours):
        d = torch.distributions
        p, q = (getattr(d, kind)(torch.tensor(SURE[row])) for row in (i, j))
        found.append([d.kl_divergence(p, q).numpy(), p.entropy().numpy()])
        if kind == "Categorical":
            certain = d.Categorical(logits=torch.tensor([0.0, -np.inf]))
            found[-1] += [certain.entropy().numpy(), certain.log_prob(torch.tensor(0.0)).numpy()]
    for wanted, y in zip(*found, strict=True):
        np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-12)


def test_what_is_no_parameter_is_refused():
    with pytest.raises(ValueError, match="Normal: scale must be positive"):
        ours.distributions.Normal(0.0, -1.0)
    with pytest.raises(ValueError, match="Bernoulli: probs must be from 0 to 1"):
        ours.distributions.Bernoulli(1.5)
    assert ours.distributions.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    action = ours.tensor(-1.0)
    with pytest.raises(ValueError, match="Bernoulli: values must be 0 or 1"):
        ours.distributions.Bernoulli(0.5).log_prob(action)
    ours.distributions.Bernoulli(0.5, validate_args=False).log_prob(action)


def test_samples_have_the_probabilities():
    from minigen.torch_names.distributions import Bernoulli, Categorical, Normal

    ours.manual_seed(0)
    n = 4000
    loc = ours.tensor([1.0, -2.0], requires_grad=True)
    x = Normal(loc, 0.5).rsample((n,))
    assert x.shape == (n, 2) and not Normal(loc, 0.5).sample().requires_grad
    assert np.abs(x.detach().mean(0).numpy() - [1, -2]).max() < 5 * 0.5 / n**0.5
    x.sum().backward()
    assert loc.grad.tolist() == [n, n]
    assert abs(Bernoulli(0.25).sample((n,)).mean().item() - 0.25) < 5 * 0.5 / n**0.5
    drawn = Categorical(ours.tensor([[0.0, 1.0, 3.0]])).sample((n,))
    assert drawn.shape == (n, 1) and drawn.dtype == ours.int64
    assert abs((drawn == 2).float().mean().item() - 0.75) < 5 * 0.5 / n**0.5
    with pytest.raises(NotImplementedError, match="kl_divergence: of a Normal and a Bernoulli"):
        ours.distributions.kl_divergence(Normal(0.0, 1.0), Bernoulli(0.5))
    with pytest.raises(AttributeError, match=r"minigen has no distributions.Normal.icdf; did you"):
        Normal(0.0, 1.0).icdf(0.5)
    with pytest.raises(AttributeError, match="minigen has no distributions.Gamma"):
        ours.distributions.Gamma(1.0, 1.0)
