"""StarGAN's losses, its networks, and the training step."""

import functools

import numpy as np
import pytest

import minigen
from minigen import Tensor, gradcheck, optim
from minigen.data import DataError
from minigen.models import stargan as S
from minigen.models import wgan
from minigen.models.networks import Conditional
from minigen.models.translators import ResNetTranslator
from minigen.training.builders import stargan as builder

STILL = functools.partial(optim.SGD, lr=0.0)  # nothing moves, and gradients stay


def small(each=False, **how):
    minigen.manual_seed(0)
    generator = S.translator(2, 3, width=2, blocks=1).to("float64")
    judge = S.StarJudge(2, 3, width=2, size=8, layers=2, each=each).to("float64")
    return S.StarGAN(generator, judge, **{"optimiser": STILL} | how)


def batch(seed=0, count=6):
    images = np.random.default_rng(seed).uniform(-1, 1, (count, 2, 8, 8))
    return Tensor(images), Tensor(np.arange(count) % 3)


def of_class(logits, domains):
    """−log of the softmax, in another way than the package's."""
    shares = np.exp(logits.numpy()) / np.exp(logits.numpy()).sum(1, keepdims=True)
    return -np.log(shares[np.arange(len(shares)), domains.numpy()]).mean()


def test_the_judge_has_a_value_for_each_patch_and_a_logit_for_each_domain():
    values, logits = S.StarJudge(3, 5, width=2, size=32, layers=3)(minigen.randn(2, 3, 32, 32))
    assert values.shape == (2, 1, 4, 4) and logits.shape == (2, 5)
    judge = S.StarJudge(3, 5, width=2, each=True)
    assert judge(minigen.randn(2, 3, 32, 32))[0].shape == (2, 5, 4, 4)
    with pytest.raises(DataError, match="28 pixels cannot be halved 3 times"):
        S.StarJudge(size=28)


@pytest.mark.parametrize("each", [False, True])
def test_a_step_is_the_equations(monkeypatch, each):
    def of_domain(values, domains):
        places = domains.numpy() * each
        return Tensor(np.eye(values.shape[1])[places][:, :, None, None]) * values * values.shape[1]

    gan = small(each, penalty=5.0, adversarial=3.0, classification=2.0, reconstruction=7.0)
    x, of = batch()
    order = np.array([3, 5, 0, 1, 4, 2])
    monkeypatch.setattr(S.F, "randperm", lambda n, **_: Tensor(order))
    share = np.random.default_rng(1).uniform(size=(6, 1, 1, 1))
    monkeypatch.setattr(wgan.F, "rand", lambda *_, **__: Tensor(share))
    found = {name: value.item() for name, value in gan.step((x, of)).items()}
    to = of[Tensor(order)]
    between = share * x.numpy() + (1 - share) * gan.draw(x, to).numpy()
    points = Tensor(between, requires_grad=True)
    (slope,) = minigen.grad(of_domain(gan.judge(points)[0], to).sum() / (3 if each else 1), points)
    with minigen.no_grad():
        made = gan.generator(x, to)
        (real, real_logits), (fake, fake_logits) = gan.judge(x), gan.judge(made)
        real, fake = of_domain(real, of), of_domain(fake, to)  # means of three, two of them 0
        again = abs(gan.generator(made, of) - x).numpy().mean()
    norms = np.sqrt((slope.numpy() ** 2).sum((1, 2, 3)))
    gap = real.numpy().mean() - fake.numpy().mean()
    expected = {
        "gap": gap,
        "penalty": ((norms - 1) ** 2).mean(),
        "domain_real": of_class(real_logits, of),
        "domain_made": of_class(fake_logits, to),
        "reconstruction": again,
    }
    d_loss = -3 * gap + 5 * expected["penalty"] + 2 * expected["domain_real"]
    g_loss = -3 * fake.numpy().mean() + 2 * expected["domain_made"] + 7 * again
    expected |= {"loss_d": d_loss, "loss_g": g_loss}
    assert found == {key: pytest.approx(value) for key, value in expected.items()}


def test_the_classifier_learns_from_real_images_alone():
    """Its gradient is that of equation 2, whatever is made."""
    gan = small()
    x, of = batch()
    gan.step((x, of))
    learned = gan.judge.domain.weight.grad.numpy().copy()
    gan.judge.zero_grad()
    minigen.functional.cross_entropy(gan.judge(x)[1], of).backward()
    np.testing.assert_allclose(learned, gan.judge.domain.weight.grad.numpy(), rtol=1e-9)


@pytest.mark.parametrize(("loss", "each"), [("loss_d", False), ("loss_d", True), ("loss_g", True)])
def test_both_losses_have_the_gradients_of_finite_differences(loss, each):
    """The judge's through the penalty, a second derivative; the generator's through instance norm,
    borders of zeros and a judge, twice."""
    gan = small(each)
    optimiser = gan.judge_optimiser if loss == "loss_d" else gan.generator_optimiser
    weights = optimiser.param_groups[0]["params"]

    def value(*values):
        for p, new in zip(weights, values, strict=True):
            p.data = new
        minigen.manual_seed(3)
        return gan.step(batch())[loss].item()

    def gradient(*values):
        value(*values)
        return [p.grad.numpy().copy() for p in weights]

    # So short a way that no rectified unit meets its kink on it.
    gradcheck(value, [p.numpy().copy() for p in weights], grad=gradient, eps=1e-8)


def test_the_domain_reaches_the_image_by_borders_of_zeros_alone():
    """Instance norm takes constant planes out again, and reflected borders leave them constant."""
    minigen.manual_seed(0)
    x, _ = batch(count=3)
    with_zeros = S.translator(2, 3, width=4, blocks=1).to("float64")
    reflecting = Conditional(
        ResNetTranslator(2 + 3, 2, 4, 1, norm="affine", padding="reflect"), 3
    ).to("float64")

    def largest_change(network):
        first, other = (network(x, Tensor(np.full(3, c))).numpy() for c in (0, 2))
        return abs(first - other).max()

    # The halvings of CycleGAN's, of 3 × 3, pad with zeros too: constants are taken out before.
    assert largest_change(reflecting) < 1e-9 < 1e-3 < largest_change(with_zeros)


@pytest.mark.parametrize("kind", ["added", "colours"])
def test_what_is_drawn_is_added_to_the_image_and_is_little_at_first(kind):
    minigen.manual_seed(0)
    x, of = minigen.rand(2, 3, 8, 8), Tensor([0, 1])
    generator = S.translator(3, 2, 8, 1, kind, depth=1, ends=3)
    with minigen.no_grad():
        assert 0 < abs(generator(x, of) - x).max().item() < 0.1
        last = generator.network.network[-2]
        last.weight.zero_(), last.bias.fill_(np.arctanh(0.25))
        np.testing.assert_allclose(generator(x, of).numpy(), (x + 0.5).numpy(), atol=1e-6)
    gan = S.StarGAN(generator, S.StarJudge(3, 2, 2, 8, 2))
    np.testing.assert_allclose(gan.draw(x, of).numpy(), (x + 0.5).numpy().clip(-1, 1), atol=1e-6)


def test_colours_are_told_by_a_pixel_alone():
    minigen.manual_seed(0)
    network = S.by_pixels(3, 2, 8)
    x = minigen.rand(1, 3, 8, 8)
    with minigen.no_grad():
        one = network(x[:, :, 2:3, 5:6])
        np.testing.assert_allclose(one.numpy(), network(x).numpy()[:, :, 2:3, 5:6], atol=1e-6)
    assert one.shape == (1, 2, 1, 1)


def test_flags_say_how_many_critics_and_waves_there_are():
    plain = ["--critics", "one", "--octaves", "0", "--layers", "1"]
    for said, critics, seen in (([], 6, 33), (plain, 1, 9)):
        args = builder.flags().settings(["--data", "emoji", *said])  # the generator sees pixels
        gan = builder.build(args, 3, 32)
        assert gan.judge.source.weight.shape[0] == critics
        assert next(iter(gan.generator.parameters())).shape[1] == seen  # 3 channels, 6 planes, 24


def test_fourier_features_are_waves_of_the_colours_beside_all_that_is_given():
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 2, 1))
    angles = np.pi / 2 * np.stack([x[:, :2], 2 * x[:, :2], 4 * x[:, :2]], 1)
    waves = np.stack([np.sin(angles), np.cos(angles)], 2).reshape(2, -1, 2, 1)
    seen = S.FourierFeatures(2, 3)
    np.testing.assert_allclose(seen(Tensor(x)).numpy(), np.concatenate([x, waves], 1), rtol=1e-12)
    gradcheck(seen, [x], order=2)


class Told(Conditional):
    """Keeps what it is told."""

    heard: list

    def forward(self, input, labels):
        self.heard = [*getattr(self, "heard", []), labels.numpy().tolist()]
        return super().forward(input, labels)


def test_images_go_to_domains_of_the_batch_and_back_to_their_own():
    minigen.manual_seed(0)
    generator = Told(ResNetTranslator(2 + 3, 2, 2, 1, norm="affine", padding="zeros"), 3)
    gan = S.StarGAN(generator, S.StarJudge(2, 3, 2, 8, 2), optimiser=STILL)
    x, of = batch()
    gan.step(*[(x.float(), of)] * 2)
    first, there, last, back = generator.heard  # two critic steps, then the generator's
    assert back == of.numpy().tolist() and there == last != back
    assert sorted(first) == sorted(there) == sorted(back)


def test_each_network_moves_only_in_its_own_step():
    gan = small(optimiser=functools.partial(optim.Adam, lr=1e-3))
    made = [p.numpy().copy() for p in gan.generator.parameters()]
    judged = [p.numpy().copy() for p in gan.judge.parameters()]
    seen, step = [], gan.generator_optimiser.step

    def spy():
        seen.append([p.numpy().copy() for p in gan.judge.parameters()])
        assert all(map(np.array_equal, made, (p.numpy() for p in gan.generator.parameters())))
        step()

    gan.generator_optimiser.step = spy
    gan.step(batch(), batch(1))
    assert not any(map(np.array_equal, judged, seen[0]))
    assert all(map(np.array_equal, seen[0], (p.numpy() for p in gan.judge.parameters())))
    assert not all(map(np.array_equal, made, (p.numpy() for p in gan.generator.parameters())))


def test_a_step_wants_images():
    with pytest.raises(ValueError, match="at least one batch"):
        small().step()
