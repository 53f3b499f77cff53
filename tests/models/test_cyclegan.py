"""CycleGAN: what its step descends, its pools, and what a cycle hides."""

import functools

import numpy as np
import pytest
from slopes import SGD, assert_descended, put, steeper, taken, told, weights

import minigen
from minigen import Generator, optim
from minigen.models.cyclegan import CycleGAN, cycle_error, noisy, rounded
from minigen.models.translators import PatchJudge, ResNetTranslator


def small(seed=0, **options):
    """Of 8 × 8 pixels."""
    minigen.manual_seed(seed)
    generators = [ResNetTranslator(1, 1, 2, 1) for _ in range(2)]
    judges = [PatchJudge(1, 2, 1) for _ in range(2)]
    steeper(*generators, *judges)
    return CycleGAN(*generators, *judges, **{"optimiser": SGD, "pool": 0, **options})


def pictures():
    return (minigen.randn(n, 1, 8, 8, dtype="float64") for n in (2, 3))


def test_a_step_descends_equation_3():
    """Both generators at once, through instance norm and reflection; then both judges, by half
    their losses on the pictures that were made before. The domains are told apart: X has 2 pictures
    and Y 3, and no two networks are alike."""
    model = small(cycle=3.0, identity=0.4, adversarial=0.7)
    x, y = pictures()
    plain, both = (lambda t: t.numpy()), weights(model.to_y, model.to_x)
    generators, judges = taken(both), taken(weights(model.judge_y, model.judge_x))

    def apart(a, b):
        return abs(a.numpy() - b.numpy()).mean()

    def real(l):
        return ((plain(l) - 1) ** 2).mean() / 2

    @minigen.no_grad()
    def equation_3():
        there, back = model.to_y(x), model.to_x(y)
        fooled = real(model.judge_y(there)) + real(model.judge_x(back))
        cycle = apart(model.to_x(there), x) + apart(model.to_y(back), y)
        identity = apart(model.to_y(y), y) + apart(model.to_x(x), x)
        return 0.7 * fooled + 3 * cycle + 0.4 * 3 * identity

    with minigen.no_grad():
        made_y, made_x = model.to_y(x), model.to_x(y)

    @minigen.no_grad()
    def of_judges():
        told = real(model.judge_y(y)) + real(model.judge_x(x))
        for judge, made in (model.judge_y, made_y), (model.judge_x, made_x):
            told += (plain(judge(made)) ** 2).mean() / 2
        return told / 2

    found = model.step(x, y)
    moved = weights(model.judge_y, model.judge_x)
    assert_descended(moved, judges, of_judges)
    put(moved, judges)  # the generators were judged by those
    assert_descended(both, generators, equation_3)
    assert found.keys() == {
        "cycle_x", "cycle_y", "identity", "loss_g", "loss_d", "d_real", "d_fake",
    }  # fmt: skip
    assert all(value.shape == () and not value.requires_grad for value in found.values())


def test_without_identity_it_is_not_computed():
    model = small(identity=0)
    assert "identity" not in model.step(*pictures())


def test_contrast_asks_that_a_picture_be_told_by_what_it_was_made_of():
    """As the generators begin, which here make dark pictures light."""
    model = small(
        cycle=0, identity=0, adversarial=0, contrast=0.6, starts=[lambda x: -x, lambda y: y * 2]
    )
    x, y = pictures()
    more = [0.3 * minigen.randn(n, 1, 8, 8, dtype="float64") for n in (4, 5)]
    both = weights(model.to_y, model.to_x)
    before = taken(both)

    @minigen.no_grad()
    def apart():
        to_y, to_x = model.to_y(x).numpy(), model.to_x(y).numpy()
        of_x, of_y = (np.concatenate([a, b]) for a, b in ((x, more[0]), (y, more[1])))
        return 0.6 * (told(to_y, -of_x) + told(to_x, 2 * of_y))

    assert "contrast" in model.step(x, y, *more)
    assert_descended(both, before, apart)
    with pytest.raises(ValueError, match="expected other pictures of X and of Y"):
        model.step(x, y)


def test_the_judges_are_shown_earlier_pictures():
    """Each judge those of its own domain."""
    model = small(pool=4, seed=1, optimiser=functools.partial(optim.SGD, lr=1e-3))
    seen = {"judge_y": [], "judge_x": []}
    for name, shown in seen.items():
        getattr(model, name).register_forward_hook(
            lambda _, inputs, __, shown=shown: shown.append(inputs[0].numpy().copy())
        )
    made = {"judge_y": [], "judge_x": []}
    for _ in range(6):
        x, y = pictures()
        with minigen.no_grad():
            made["judge_y"].append(model.to_y(x).numpy())
            made["judge_x"].append(model.to_x(y).numpy())
        model.step(x, y)
    for name, shown in seen.items():
        asked = np.concatenate(shown[2::3])  # after the generator's step: real, then made ones
        own = np.concatenate(made[name])
        at = [np.flatnonzero([np.allclose(picture, one) for one in own]) for picture in asked]
        assert all(len(place) == 1 for place in at)  # made by this generator, at some time
        assert any(place[0] < i - 2 for i, place in enumerate(at))  # and not in this step


def test_state_goes_on_bit_for_bit():
    """The pools are part of it."""
    adam = functools.partial(optim.Adam, lr=1e-3)

    def trained(model, steps):
        for _ in range(steps):
            model.step(*pictures())
        return model

    whole = trained(small(pool=3, optimiser=adam), 6)
    half = trained(small(pool=3, optimiser=adam), 3)
    random, state = minigen.default_generator.state_dict(), half.state_dict()
    resumed = small(seed=5, pool=3, optimiser=adam)
    resumed.load_state_dict(state)
    minigen.default_generator.load_state_dict(random)
    trained(resumed, 3)
    for a, b in zip(weights(*whole.networks()), weights(*resumed.networks()), strict=True):
        assert np.array_equal(a.array, b.array)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="least-squares, hinge, not 'l2'"):
        small(loss="l2")
    for name, bad in ("cycle", -1), ("contrast", float("nan")):
        with pytest.raises(ValueError, match=f"weights of 0 or more, got .*{name}={bad}"):
            small(**{name: bad})


def test_what_is_hidden_in_a_picture_does_not_come_back_from_a_damaged_one():
    minigen.manual_seed(0)
    x = minigen.rand(5, 1, 8, 8) * 2 - 1
    hidden = (lambda x: x * 1e-3), (lambda y: y * 1e3)
    honest = (lambda x: -x), (lambda y: -y)
    for there, back in hidden, honest:
        assert cycle_error(there, back, x).numpy() == pytest.approx(0, abs=1e-5)
    assert cycle_error(*hidden, x, rounded).numpy().min() > 0.3
    assert cycle_error(*honest, x, rounded).numpy().max() < 1 / 255
    for deviation in 0.01, 0.05:
        damage = functools.partial(noisy, deviation=deviation, generator=Generator(1))
        # Of N(0, σ²) the mean of |e| is σ·√(2/π), and from −1 to 1 is twice as far as from 0 to 1.
        expected = 2 * deviation * np.sqrt(2 / np.pi)
        assert cycle_error(*honest, x, damage).numpy().mean() == pytest.approx(expected, rel=0.15)
    levels = rounded(minigen.tensor([-1.0, 1.0, 0.001]))
    assert levels.numpy() == pytest.approx([-1, 1, 2 * 128 / 255 - 1], abs=1e-6)


def test_colours_are_exchanged_without_pairs():
    """Dark pictures become light ones, and the other way; which shade becomes which is open."""
    minigen.manual_seed(0)
    adam = functools.partial(optim.Adam, lr=4e-3, betas=(0.5, 0.999))
    model = CycleGAN(
        *(ResNetTranslator(1, 1, 4, 1) for _ in range(2)),
        *(PatchJudge(1, 4, 1) for _ in range(2)),
        optimiser=adam, identity=0,
    )  # fmt: skip

    def stripes(level):
        x = minigen.randn(4, 1, 8, 8) * 0.05 + level
        x[:, :, ::2] += 0.3
        return x

    for _ in range(60):
        found = model.step(stripes(-0.7), stripes(0.3))
    assert model.draw(stripes(-0.7)).numpy().mean() > 0.1
    assert model.draw_back(stripes(0.3)).numpy().mean() < -0.2
    assert found["cycle_x"].item() < 0.25
