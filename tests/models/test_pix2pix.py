"""pix2pix: what its step descends, its options, and how it draws."""

import numpy as np
import pytest
from slopes import SGD, assert_descended, steeper, taken, told, weights

import minigen
from minigen import Generator, Tensor, gradcheck, optim
from minigen.models.gan import LOSSES
from minigen.models.pix2pix import Pix2Pix, contrast
from minigen.models.translators import PatchJudge, UNet


def small(**options):
    """Of 8 × 8 pixels, two channels to one."""
    minigen.manual_seed(0)
    generator = UNet(2, 1, 2, 8, norm="instance", dropout=0)
    judge = PatchJudge(3, 2, 1)
    steeper(generator, judge)
    x, y = minigen.randn(3, 2, 8, 8, dtype="float64"), minigen.randn(3, 1, 8, 8, dtype="float64")
    return Pix2Pix(generator, judge, **{"optimiser": SGD, **options}), x, y


def softplus(l):
    return np.logaddexp(0, l)


# J(D) of outputs on real pairs and on made ones, J(G) of the latter.
FORMS = {
    "non-saturating": (lambda r, f: softplus(-r).mean() + softplus(f).mean(),
                       lambda f: softplus(-f).mean()),
    "least-squares": (lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
                      lambda f: ((f - 1) ** 2).mean() / 2),
}  # fmt: skip


@pytest.mark.parametrize("weight", [3, 0])
@pytest.mark.parametrize("name", FORMS)
def test_a_step_descends_equation_4(name, weight):
    """The judge first, by half its loss of pairs (x, y) and (x, G(x)); then the generator, whose
    pictures the new judge is shown, through instance norm, skips and patches."""
    model, x, y = small(loss=name, weight=weight, adversarial=0.7)
    of_judge, of_generator = FORMS[name]
    generator, judge = (taken(weights(n)) for n in (model.generator, model.judge))
    with minigen.no_grad():
        first = model.generator(x)

    def judged(pictures):
        with minigen.no_grad():
            shown = Tensor(np.concatenate([x.numpy(), pictures.numpy()], 1))
            return model.judge(shown).numpy()

    def equation_4():
        with minigen.no_grad():
            made = model.generator(x)
        return 0.7 * of_generator(judged(made)) + weight * abs(y.numpy() - made.numpy()).mean()

    found = model.step(x, y)
    assert_descended(weights(model.generator), generator, equation_4)
    assert_descended(weights(model.judge), judge, lambda: of_judge(judged(y), judged(first)) / 2)
    assert found["l1"].item() == pytest.approx(abs(y.numpy() - first.numpy()).mean())
    assert all(value.shape == () and not value.requires_grad for value in found.values())


def test_any_loss_of_the_table_takes_maps_of_patches():
    for loss in LOSSES:
        model, x, y = small(loss=loss)
        assert model.judge(minigen.randn(1, 3, 8, 8, dtype="float64")).shape == (1, 1, 2, 2)
        assert model.step(x, y).keys() == {"l1", "loss_d", "loss_g", "d_real", "d_fake"}


@pytest.mark.parametrize("distance, power", [("l1", 1), ("mse", 2)])
def test_a_distance_alone_has_no_judge(distance, power):
    model, x, y = small(adversarial=0, weight=2.0, distance=distance)
    before = taken(weights(model.generator))

    def apart():
        with minigen.no_grad():
            return 2 * (abs(y.numpy() - model.generator(x).numpy()) ** power).mean()

    assert model.step(x, y).keys() == {distance} and len(model.networks()) == 1
    assert_descended(weights(model.generator), before, apart)


def test_contrast_asks_that_a_picture_be_told_from_others():
    model, x, y = small(adversarial=0, contrast=0.5)
    others = 0.3 * minigen.randn(5, 1, 8, 8, dtype="float64")
    before = taken(weights(model.generator))

    def apart():
        with minigen.no_grad():
            made = model.generator(x).numpy()
        truths = np.concatenate([y.numpy(), others.numpy()])
        return 100 * abs(y.numpy() - made).mean() + 0.5 * told(made, truths)

    assert model.step(x, y, others).keys() == {"l1", "contrast"}
    assert_descended(weights(model.generator), before, apart)
    made = minigen.randn(3, 1, 8, 8, dtype="float64")
    gradcheck(lambda y, made: contrast(y, made, others, 1.0), (y, made), order=2)


def test_what_cannot_be_is_refused():
    nan = float("nan")
    for bad in {"weight": 0, "adversarial": 0}, {"contrast": -1}, {"contrast": nan}:
        with pytest.raises(ValueError, match="expected weights of 0 or more"):
            small(**bad)
    model, x, y = small(weight=0, adversarial=0, contrast=1)  # which is enough to learn from
    with pytest.raises(ValueError, match="expected other true pictures, got none"):
        model.step(x, y)
    for temperature in 0, nan:
        with pytest.raises(ValueError, match="must be above 0"):
            contrast(y, y, y, temperature)
    for wrong, known in {"loss": "non-saturating", "distance": "l1, mse"}.items():
        with pytest.raises(ValueError, match=f"{wrong} must be one of .*{known}.*not 'l2'"):
            small(**{wrong: "l2"})


def test_it_draws_with_its_noise_or_without():
    minigen.manual_seed(0)
    model = Pix2Pix(UNet(1, 1, 4, 8), None, adversarial=0)
    x = minigen.randn(4, 1, 8, 8)
    assert not np.array_equal(model.draw(x).array, model.draw(x).array)
    assert np.array_equal(model.draw(x, noise=False).array, model.draw(x, noise=False).array)
    before = minigen.default_generator.state_dict()
    one, two = (model.draw(x, generator=Generator(3)).array for _ in range(2))
    assert np.array_equal(one, two) and minigen.default_generator.state_dict() == before
    assert model.generator.training and not model.draw(x).requires_grad


def test_negatives_are_learnt_from_pairs():
    minigen.manual_seed(0)
    adam = lambda parameters: optim.Adam(parameters, lr=5e-3, betas=(0.5, 0.999))  # noqa: E731
    model = Pix2Pix(
        UNet(1, 1, 8, 8, dropout=0, norm="instance"), PatchJudge(2, 8, 1), optimiser=adam
    )
    apart = []
    for _ in range(80):
        x = minigen.rand(8, 1, 1, 1) * 2 - 1 + 0.2 * minigen.randn(8, 1, 8, 8)
        apart.append(model.step(x, -x.clamp(-1, 1))["l1"].item())
    assert np.mean(apart[-10:]) < 0.25 < 0.45 < apart[0]
