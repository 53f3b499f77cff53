"""StyleGAN's networks, penalties and training step."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import Generator, Tensor, gradcheck, nn
from minigen import functional as F
from minigen.data import DataError
from minigen.models import stylegan as S
from minigen.models.networks import sizes_to
from minigen.models.stylegan_layers import blurred, doubled
from minigen.models.stylegan_networks import Mapping, ResidualBlock, deviations, members_of

WIDE = "float64"


def small(classes=0, size=8, **options):
    """A pair of networks of two channels, four where pictures are 4 × 4, in float64."""
    minigen.manual_seed(0)
    generator = S.Generator(2, size, 2, noise=3, style=4, classes=classes).to(WIDE)
    judge = S.Judge(2, size, 2, hidden=4, classes=classes).to(WIDE)
    return S.StyleGAN(generator, judge, noise=3, **options)


def images(count, channels=2, size=8):
    return minigen.randn(count, channels, size, size, dtype=WIDE)


@pytest.mark.parametrize("dtype", ["float64", "float16"])
@pytest.mark.parametrize("count", [1, 3, 4, 8])
def test_equal_images_deviate_by_the_root_of_epsilon(count, dtype):
    """And the judge's slope there is a number."""
    x = images(1).expand(count, -1, -1, -1).to(dtype).requires_grad_()
    seen = deviations(x)
    assert seen.shape == (count, 2) and seen.dtype == dtype
    assert np.allclose(seen.detach().numpy(), 1e-4, rtol=np.finfo(dtype).eps)
    (g,) = minigen.grad(seen.sum(), x)
    assert (g.numpy() == 0).all()


@given(st.integers(1, 40), st.integers(2, 8))
def test_groups_are_as_large_as_asked_for_or_as_can_be(count, group):
    """A batch of any size is told apart from one picture, repeated."""
    members = members_of(count, group)
    assert count % members == 0 and (members > 1 or count == 1)
    if count % group == 0:
        assert members == group
    for better in range(members + 1, group + 1):
        assert count % better


@pytest.mark.parametrize("count, members", [(2, 2), (5, 5), (6, 3), (8, 4), (9, 3)])
def test_deviations_are_those_of_each_channel_in_each_group(count, members):
    x = images(count).numpy()
    x[:, 1] *= 3
    seen = deviations(Tensor(x), 5).numpy()
    groups = count // members
    for first in range(groups):  # members of a group are as far apart as there are groups
        expected = x[first::groups].std(0).mean((1, 2))
        assert np.allclose(seen[first::groups], expected, rtol=1e-6) and (expected > 0.1).all()


def test_a_judge_sees_that_pictures_are_alike():
    """Of one picture it says something else among others than among its like."""
    for residual in False, True:
        judge = S.Judge(2, 8, 2, hidden=4, residual=residual).to(WIDE)
        x = images(4)
        alike = x[:1].expand(4, -1, -1, -1)
        assert abs(judge(x)[0] - judge(alike)[0]).item() > 1e-3


def test_truncated_to_nothing_all_styles_draw_one_picture():
    gan = small()
    generator = gan.generator
    for _ in range(3):
        generator.mapping(gan.sample_noise(8))  # moves the mean
    z = gan.sample_noise(4)
    generator.eval()
    one = generator(z, psi=0).detach().numpy()
    assert np.array_equal(one, one[:1].repeat(4, 0))
    assert np.ptp(generator(z).detach().numpy(), 0).max() > 0.01
    w = generator.mapping(z).detach().numpy()
    mean = generator.mapping.mean.numpy()
    assert abs(mean).max() > 0
    opposite = generator.styles(generator.mapping(z), -1).detach().numpy()
    np.testing.assert_allclose(opposite, (2 * mean - w)[:, None].repeat(4, 1))


def test_the_mean_of_styles_follows_them_in_training_alone():
    minigen.manual_seed(0)
    mapping = Mapping(3, 4)
    z = minigen.randn(16, 3)
    w = mapping(z).detach().numpy()
    np.testing.assert_allclose(mapping.mean.numpy(), 0.005 * w.mean(0), rtol=1e-5)
    mapping.eval()
    before = mapping.mean.numpy().copy()
    mapping(z)
    assert np.array_equal(mapping.mean.numpy(), before)
    np.testing.assert_allclose(mapping(7 * z).numpy(), mapping(z).numpy(), atol=1e-6)


def test_noise_is_drawn_anew_in_training_and_constant_when_drawing():
    gan = small()
    z = gan.sample_noise(2)
    for layer in gan.generator.layers:
        assert layer.strength.item() == 0
        nn.init.constant_(layer.strength, 0.5)
    a, b = (gan.generator(z).detach().numpy() for _ in range(2))
    assert not np.allclose(a, b)
    stream = minigen.default_generator.state_dict()
    assert np.array_equal(gan.draw(z).numpy(), gan.draw(z).numpy())
    assert minigen.default_generator.state_dict() == stream
    noise = gan.generator.draw_noise(2, Generator(1))
    a, b = (gan.generator(z, noise=noise).detach().numpy() for _ in range(2))
    assert np.array_equal(a, b)


def test_styles_are_mixed_from_a_random_layer_on():
    gan = small(mixing=0.5)
    styles = gan.mixed_styles(400).detach().numpy()
    same = (styles == styles[:, :1]).all(2)  # (N, layers), as the first layer
    assert same[:, 0].all() and (np.diff(same.astype(int), axis=1) <= 0).all()
    borders = np.bincount(same.sum(1), minlength=5)
    assert borders[0] == 0 and 150 < borders[4] < 250 and (borders[1:4] > 40).all()
    gan.mixing = 0.0
    styles = gan.mixed_styles(8).detach().numpy()
    assert (styles == styles[:, :1]).all()


def test_r1_is_the_squared_slope_at_real_pictures():
    gan = small()
    gan.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(2 * 64, 1)).to(WIDE)
    weight = gan.discriminator[1].weight.detach().numpy()
    assert gan.r1(images(3)).item() == pytest.approx((weight**2).sum())
    gan.augmentation = lambda x: 3 * x  # as the judge sees them
    assert gan.r1(images(3)).item() == pytest.approx(9 * (weight**2).sum())


def test_r1_is_of_the_pictures_that_are_given(monkeypatch):
    seen, gan, x = [], small(judge_every=1), images(3)

    def r1(self, *given):
        seen.append(given[0].numpy())
        return self.discriminator(given[0]).square().mean()

    monkeypatch.setattr(S.StyleGAN, "r1", r1)
    gan.step(x)
    assert len(seen) == 1 and np.array_equal(seen[0], x.numpy())


@pytest.mark.parametrize("often", [1, 4, 16])
def test_lazy_penalties_are_in_expectation_those_of_every_turn(often, monkeypatch):
    """What is descended in 16 turns adds up to 16 times the penalties."""
    found, of_judge, length = [], Tensor(np.array(2.0)), Tensor(np.array(7.0))
    monkeypatch.setattr(S, "descend", lambda optimiser, loss: found.append((optimiser, loss)))
    monkeypatch.setattr(S.GAN, "step", lambda self, *real: {})
    monkeypatch.setattr(S.StyleGAN, "r1", lambda *given: of_judge)
    monkeypatch.setattr(S.StyleGAN, "path_penalty", lambda *given: (length, length))
    every = {"judge_every": often, "path_every": often}
    gan = small(gamma=0.5, path_weight=3.0, **every)
    for _ in range(16):
        gan.step(images(4))
    assert len(found) == 2 * 16 / often
    for optimiser, penalty in (
        (gan.discriminator_optimiser, 0.5 / 2 * 2), (gan.generator_optimiser, 3 * 7)
    ):  # fmt: skip
        mine = [loss.item() for who, loss in found if who is optimiser]
        assert sum(mine) == pytest.approx(16 * penalty)


def test_lazy_adam_goes_as_far_and_forgets_as_much():
    (group,) = S.lazy_adam(1e-2, 4)([nn.Parameter(F.zeros(1))]).param_groups
    assert group["lr"] * 5 == pytest.approx(4 * 1e-2)
    assert group["betas"][0] == 0 and group["betas"][1] ** 5 == pytest.approx(0.99**4)


def test_path_lengths_are_those_of_the_jacobian():
    """E ‖Jᵀ·y‖² = ‖J‖² / (H·W), of each picture by itself."""
    gan = small()
    generator = gan.generator
    styles = generator.styles(generator.mapping(gan.sample_noise(1))).detach().requires_grad_()
    noise = generator.draw_noise(1)
    picture = generator.synthesis(styles, noise)
    rows = [
        minigen.grad(one, styles, retain_graph=True)[0].numpy().ravel()
        for one in picture.reshape(-1)
    ]
    exact = (np.array(rows) ** 2).sum() / 64 / generator.styles_count
    many = styles.expand(2000, -1, -1).detach().requires_grad_()
    planes = [plane.expand(2000, -1, -1, -1) for plane in noise]
    found = S.path_lengths(generator, many, planes).detach().numpy() ** 2
    assert found.mean() == pytest.approx(exact, rel=5 * found.std() / exact / math.sqrt(2000))


def test_a_generator_that_never_moves_has_a_length_of_0_and_a_slope():
    gan = small()
    for colours in gan.generator.colours:
        nn.init.zeros_(colours.weight)
    penalty, mean = gan.path_penalty(2)
    assert penalty.item() == mean.item() == 0
    slopes = minigen.grad(penalty, [colours.weight for colours in gan.generator.colours])
    assert all((g.numpy() == 0).all() for g in slopes)


def test_the_mean_length_is_a_constant():
    """The slope of (l − a)² is 2·(l − a)·l′: a, which l has a share in, is not differentiated."""
    gan = small(mixing=0.0)
    minigen.manual_seed(1)
    penalty, mean = gan.path_penalty(4)
    a = 0.01 * mean.item()
    assert gan.mean_length == pytest.approx(a)
    (got,) = minigen.grad(penalty, gan.generator.constant)
    minigen.manual_seed(1)
    styles = gan.mixed_styles(4)
    lengths = S.path_lengths(gan.generator, styles, gan.generator.draw_noise(4))
    (expected,) = minigen.grad((lengths - a).square().mean(), gan.generator.constant)
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-9, atol=1e-15)


def test_the_path_length_penalty_has_the_right_slope_through_the_whole_generator():
    """By all weights, mapping and styles included: a gradient of a gradient, in float64."""
    gan = small()
    generator = gan.generator
    generator.mapping.eval()  # its running mean would move
    for layer in generator.layers:
        nn.init.constant_(layer.strength, 0.3)
    z, noise = gan.sample_noise(2), generator.draw_noise(2, Generator(3))
    paths, weights = zip(*generator.named_parameters(), strict=True)

    def penalty(*values):
        for path, value in zip(paths, values, strict=True):
            owner, _, name = path.rpartition(".")
            vars(generator.get_submodule(owner))[name] = value
        styles = generator.styles(generator.mapping(z))
        return (S.path_lengths(generator, styles, noise) - 0.1).square().mean()

    assert gradcheck(penalty, [w.detach().numpy() for w in weights], rtol=1e-5)


def test_a_step_trains_both_and_goes_on_bit_for_bit():
    def train(gan, steps):
        for _ in range(steps):
            metrics = gan.step((images(4), Tensor([0, 1, 2, 1])))
        return metrics

    how = {"classes": 3, "judge_every": 2, "path_every": 3, "path_weight": 2.0}
    whole = small(**how)
    metrics = train(whole, 6)
    assert {"loss_d", "loss_g", "r1", "path length"} <= metrics.keys()
    half = small(**how)
    train(half, 3)
    random, state = minigen.default_generator.state_dict(), half.state_dict()
    resumed = small(**how)
    resumed.load_state_dict(state)
    minigen.default_generator.load_state_dict(random)
    train(resumed, 3)
    np.testing.assert_equal(arrays_of(whole), arrays_of(resumed))


def arrays_of(gan):
    networks = (gan.generator, gan.discriminator)
    return [{k: v.array for k, v in n.state_dict().items()} for n in networks]


def test_the_judge_is_told_the_class_by_a_product():
    gan = small(classes=3)
    judge, x = gan.discriminator, images(4)
    scores = np.stack([judge(x, Tensor([c] * 4)).detach().numpy() for c in range(3)])
    assert scores.shape == (3, 4, 1) and np.ptp(scores, 0).min() > 0
    z = gan.sample_noise(4)
    a, b = (gan.draw(z, Tensor([c] * 4)).numpy() for c in (0, 1))
    assert not np.allclose(a, b)


def test_a_network_that_is_told_the_class_wants_to_hear_it():
    gan = small(classes=3)
    for network, x in (gan.generator, gan.sample_noise(2)), (gan.discriminator, images(2)):
        with pytest.raises(ValueError, match="labels .N,. of 3 classes"):
            network(x)
        with pytest.raises(ValueError, match="3 classes"):
            network(x, Tensor([0, 3]))


def test_a_picture_is_the_bounded_sum_of_the_colours_of_all_sizes():
    """Those of a size in the style after its layers'."""
    generator, seen = small(size=16).generator, []
    for colours in generator.colours:
        colours.register_forward_hook(lambda _, given, out: seen.append((given[1], out)))
    styles = minigen.randn(2, generator.styles_count, 4, dtype=WIDE)
    made = generator.synthesis(styles).detach().numpy()
    expected = F.zeros(2, 2, 2, 2, dtype=WIDE)
    for i, (style, colours) in enumerate(seen):
        assert np.array_equal(style.numpy(), styles[:, 2 * i + 1].numpy())
        expected = doubled(expected) + colours
    assert len(seen) == 3
    np.testing.assert_allclose(made, np.tanh(expected.detach().numpy()), atol=1e-12)


def test_layers_keep_the_second_moment():
    """√2 makes up for what LeakyReLU takes, √½ for the sum of two ways."""
    gan, x = small(), images(2)
    styled, w = gan.generator.layers[-1], minigen.randn(2, 4, dtype=WIDE)
    expected = math.sqrt(2) * F.leaky_relu(styled.convolution(x, w), 0.2)
    np.testing.assert_allclose(styled(x, w).detach().numpy(), expected.detach().numpy())
    block = ResidualBlock(2, 2).to(WIDE)
    block.around = nn.Identity()
    nn.init.zeros_(block.second.weight)
    around = blurred(x, stride=2).numpy() / math.sqrt(2)
    np.testing.assert_allclose(block(x).detach().numpy(), around)


def test_sizes_are_doubled():
    assert sizes_to(32) == [4, 8, 16, 32] and sizes_to(28) == [7, 14, 28]
    assert sizes_to(8) == [4, 8] and sizes_to(64)[0] == 4
    for size in 7, 6, 9:
        with pytest.raises(DataError, match="8 or more"):
            S.Generator(size=size)
    for size in 8, 28:
        made = S.Generator(1, size, 2)(minigen.randn(3, 64))
        assert made.shape == (3, 1, size, size)
        for residual in False, True:
            assert S.Judge(1, size, 2, residual=residual)(made).shape == (3, 1)
