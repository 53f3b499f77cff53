"""DiscoGAN's losses, its three forms, and the training step, on points and on pictures."""

import functools

import numpy as np
import pytest

import minigen
from minigen import Tensor, gradcheck, nn, optim
from minigen.models import discogan as D
from minigen.models.networks import mlp
from minigen.models.translators import PatchJudge, ResNetTranslator

STILL = functools.partial(optim.SGD, lr=0.0)  # nothing moves, and gradients stay


def test_reconstruction_is_a_mean_of_squares_and_features_are_matched_on_average():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 3, 2, 4, 4))
    assert D.distance(Tensor(x), Tensor(y)).item() == pytest.approx(((x - y) ** 2).mean())
    maps = [(3, 2, 4, 4), (3, 5)]
    real, made = ([rng.standard_normal(shape) for shape in maps] for _ in range(2))
    expected = sum(((r.mean(0) - m.mean(0)) ** 2).mean() for r, m in zip(real, made, strict=True))
    tensors = ([Tensor(f, requires_grad=True) for f in maps] for maps in (real, made))
    r, m = tensors
    loss = D.feature_matching(r, m)
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    assert r[0].grad is None and m[0].grad is not None  # real ones are what is to be met
    same = D.feature_matching(m, [f.flip(0) for f in m])  # in another order
    assert same.item() == pytest.approx(0, abs=1e-12)


def plane(optimiser=STILL, **how):
    minigen.manual_seed(0)
    networks = [mlp(2, 8, 8, 2), mlp(2, 8, 8, 2), *(D.PointJudge(2, [8] * 4) for _ in range(2))]
    return D.DiscoGAN(*(n.to("float64") for n in networks), optimiser=optimiser, **how)


def points(seed=1, count=6):
    return [Tensor(x) for x in np.random.default_rng(seed).standard_normal((2, count, 2))]


def surprise(logit):
    """−log σ(l)."""
    return np.logaddexp(0, -logit.numpy()).mean()


@pytest.mark.parametrize("form", D.FORMS)
def test_a_step_is_the_equations(form):
    gan = plane(form=form, reconstruction=3.0, matching=0.25)
    a, b = points()
    found = {name: value.item() for name, value in gan.step(a, b).items()}
    with minigen.no_grad():
        ways = [(a, b, gan.to_b, gan.to_a, gan.judge_b)]
        if form == "both":
            ways.append((b, a, gan.to_a, gan.to_b, gan.judge_a))
        made = [there(x) for x, _, there, _, _ in ways]
        judged = [(judge(y), judge(m)) for (_, y, _, _, judge), m in zip(ways, made, strict=True)]
        again = [((w[3](m) - w[0]).numpy() ** 2).mean() for w, m in zip(ways, made, strict=True)]
        features = [
            [((r.numpy().mean(0) - f.numpy().mean(0)) ** 2).mean() for r, f in layers]
            for layers in (
                zip(w[4].features(w[1]), w[4].features(m), strict=True)
                for w, m in zip(ways, made, strict=True)
            )
        ]
    expected = {
        "loss_d": sum(surprise(real) + surprise(-fake) for real, fake in judged),
        "gan": sum(surprise(fake) for _, fake in judged),
        "matching": np.sum(features),
    }
    total = 0.75 * expected["gan"] + 0.25 * expected["matching"]
    if form != "gan":
        expected["reconstruction"] = sum(again)
        total += 3 * sum(again)
    assert found == {key: pytest.approx(x) for key, x in (expected | {"loss_g": total}).items()}


@pytest.mark.parametrize("form", D.FORMS)
def test_what_a_form_leaves_out_learns_nothing(form):
    gan = plane(functools.partial(optim.Adam, lr=1e-3), form=form)
    before = {name: p.numpy().copy() for name, p in named(gan)}
    for seed in range(3):
        gan.step(*points(seed))
    moved = {name.partition("/")[0] for name, p in named(gan) if (p.numpy() != before[name]).any()}
    assert (
        moved
        == {
            "gan": {"to_b", "judge_b"},
            "one": {"to_b", "to_a", "judge_b"},
            "both": {"to_b", "to_a", "judge_b", "judge_a"},
        }[form]
    )


def named(gan):
    for name, network in vars(gan).items():
        if isinstance(network, nn.Module):
            yield from ((f"{name}/{key}", p) for key, p in network.named_parameters())


def pictures():
    """Through instance norm and reflected borders."""
    minigen.manual_seed(0)
    networks = [ResNetTranslator(2, 2, 2, blocks=1) for _ in range(2)]
    networks += [PatchJudge(2, 2, layers=1) for _ in range(2)]
    return D.DiscoGAN(
        *(n.to("float64") for n in networks), matching=0.5, loss="least-squares", optimiser=STILL
    )


@pytest.mark.parametrize("made", [functools.partial(plane, matching=0.5), pictures])
def test_both_losses_have_the_gradients_of_finite_differences(made):
    gan = made()
    shape = (2, 4, 2) if made is not pictures else (2, 2, 2, 16, 16)
    a, b = (Tensor(x) for x in np.random.default_rng(0).uniform(-1, 1, shape))
    for loss, optimiser in (
        ("loss_g", gan.generator_optimiser),
        ("loss_d", gan.judge_optimiser),
    ):
        weights = optimiser.param_groups[0]["params"]

        def value(*values, loss=loss, weights=weights):
            for p, new in zip(weights, values, strict=True):
                p.data = new
            return gan.step(a, b)[loss].item()

        def gradient(*values, value=value, weights=weights):
            value(*values)
            return [p.grad.numpy().copy() for p in weights]

        # So short a way that no rectified unit meets its kink on it.
        gradcheck(value, [p.numpy().copy() for p in weights], grad=gradient, eps=1e-8)


def test_training_finds_a_shift():
    minigen.manual_seed(0)
    adam = functools.partial(optim.Adam, lr=5e-3, betas=(0.5, 0.999))
    networks = [mlp(2, 32, 2) for _ in range(2)] + [D.PointJudge(2, [32] * 2) for _ in range(2)]
    gan = D.DiscoGAN(*networks, optimiser=adam)
    centre_a, centre_b = np.float32([-1, 0.5]), np.float32([1, 1])
    found = []
    for _ in range(150):
        a, b = (minigen.randn(64, 2) * 0.3 + Tensor(c) for c in (centre_a, centre_b))
        found.append({name: value.item() for name, value in gan.step(a, b).items()})
    assert np.linalg.norm(gan.draw(a).numpy().mean(0) - centre_b) < 0.5
    assert np.linalg.norm(gan.draw_back(b).numpy().mean(0) - centre_a) < 0.5
    assert found[-1]["reconstruction"] < found[0]["reconstruction"] / 5


@pytest.mark.parametrize("how, said", [
    ({"form": "two"}, "form must be one of gan, one, both"),
    ({"loss": "none"}, "loss must be one of"),
    ({"matching": 2}, "a share from 0 to 1, not 2"),
])  # fmt: skip
def test_another_form_is_refused(how, said):
    with pytest.raises(ValueError, match=said):
        plane(**how)
