"""BigGAN: its layers, what drawing with another truncation or other weights needs, its step."""

import functools
import math

import numpy as np
import pytest
from scipy import stats

import minigen
from minigen import Generator, Tensor, gradcheck, nn, optim
from minigen import functional as F
from minigen.data import DataError
from minigen.models import biggan as B
from minigen.models.networks import evaluating
from minigen.models.stylegan_layers import EqualConv2d


def small(size=8, classes=3, width=2, rate=2e-2, **options):
    minigen.manual_seed(0)
    networks = [kind(1, width, size, classes) for kind in (B.BigGenerator, B.BigJudge)]
    adam = functools.partial(B.ADAM, lr=rate)
    return B.BigGAN(*networks, optimiser=adam, discriminator_optimiser=adam, **options)


def real(count=8, size=8, classes=3):
    """Pictures as bright as their class says."""
    labels = np.arange(count) % classes
    bright = np.linspace(-0.8, 0.8, classes, dtype=np.float32)[labels][:, None, None, None]
    return minigen.randn(count, 1, size, size) * 0.1 + Tensor(bright), Tensor(labels)


def trained(steps=12, **options):
    gan = small(**options)
    average = optim.ExponentialMovingAverage(gan.generator, 0.9, use_buffers=True)
    for _ in range(steps):
        gan.step(real())
        average.update()
    return gan, average


def largest(weight):
    return np.linalg.svd(weight.detach().flatten(1).numpy(), compute_uv=False)[0]


@pytest.mark.parametrize("size, blocks", [(8, 1), (20, 2), (28, 2), (32, 3)])
def test_networks_fit_each_other(size, blocks):
    G, D = B.BigGenerator(3, 2, size, 5, 4, attention=True), B.BigJudge(3, 2, size, 5, True)
    z, y = minigen.randn(2, G.noise), Tensor([0, 4])
    images = G(z, y)
    assert images.shape == (2, 3, size, size) and abs(images).array.max() <= 1
    assert D(images, y).shape == (2, 1)
    assert len(G.blocks) == blocks and G.noise == 4 * (blocks + 1)
    assert np.array_equal(G.told(z, G.shared(y)).array, images.array)


def test_weights_in_use_have_singular_value_1_under_averaged_weights_too():
    """By SVD; u and v of the last step do not fit the average, and drawing leaves them alone."""
    gan, average = trained()
    layers = B.spectral_layers(gan.generator)
    gan.generator.eval()
    for weights in average.average_parameters, minigen.no_grad:
        with weights():
            before = {name: b.array.copy() for name, b in gan.generator.named_buffers()}
            gan.draw(gan.sample_noise(2), Tensor([0, 1]))
            for name, buffer in gan.generator.named_buffers():
                assert np.array_equal(buffer.array, before[name])
            assert all(abs(largest(layer.normed()) - 1) < 1e-5 for layer in layers)
            assert max(abs(largest(layer.weight) - 1) for layer in layers) > 0.1


@pytest.mark.parametrize("dtype, scale", [("float32", 1e-25), ("float32", 1e25), ("float16", 1)])
@pytest.mark.parametrize("sizes", [(5, 3), (3, 5), (1, 1)])
def test_the_singular_value_is_found_of_weights_of_any_size_and_dtype(sizes, dtype, scale):
    """σ is as exact as the dtype is, and the squares of W need not be numbers."""
    minigen.manual_seed(0)
    layer = B.SNLinear(*sizes).eval()
    layer.weight.data.normal_().mul_(scale)
    layer.to(dtype)
    with minigen.no_grad():
        found = largest(layer.normed().to("float64"))
        assert found == pytest.approx(1, abs=16 * float(np.finfo(dtype).eps))
        layer.weight.data.fill_(math.nan)
        assert np.isnan(layer.normed().array).all()


def test_the_smallest_picture_varies_about_its_mean():
    gan = small()
    G, z = gan.generator, gan.sample_noise(3000)
    nn.init.constant_(G.mean, 5.0)
    x = G.smallest(z[:, : G.piece])
    assert x.shape == (3000, 6, 4, 4) and abs(x.mean().item() - 5) < 0.05
    assert abs(x.var().item() - 1) < 0.05
    assert abs(G.smallest(z[:, : G.piece] * 0) - 5).max().item() == 0


def test_u_and_v_are_renewed_once_a_training_step():
    gan = small()
    layers = [layer for network in gan.networks() for layer in B.spectral_layers(network)]
    for _ in range(2):
        expected = []
        for layer in layers:
            w, u = layer.weight.flatten(1).numpy().astype(float), layer.u.numpy().astype(float)
            v = w.T @ u / np.linalg.norm(w.T @ u)
            expected.append((w @ v / np.linalg.norm(w @ v), v))
        gan.step(real(), real())
        for layer, (u, v) in zip(layers, expected, strict=True):
            np.testing.assert_allclose(layer.u.numpy(), u, atol=1e-5)
            np.testing.assert_allclose(layer.v.numpy(), v, atol=1e-5)


def test_the_slope_of_a_weight_flows_through_its_singular_value():
    """W / σ does not change with the length of W."""
    layer = B.SNLinear(4, 3, bias=False)
    (g,) = minigen.grad((layer(minigen.randn(5, 4)) ** 2).sum(), layer.weight)
    assert abs((g * layer.weight).sum().item()) < 1e-5 < abs(g).sum().item()


CONVOLUTIONS = [
    {"stride": 2}, {"padding": 1, "padding_mode": "reflect"}, {"dilation": 2}, {"groups": 2},
    {"padding": "same"}, {"stride": (2, 1), "padding": (0, 1)}, {"bias": False},
]  # fmt: skip


@pytest.mark.parametrize("options", CONVOLUTIONS)
@pytest.mark.parametrize("of", ["normed", "equal"])
def test_layers_with_another_weight_convolve_as_all_do(options, of):
    minigen.manual_seed(0)
    if of == "normed":
        layer = B.SNConv2d(2, 4, 3, **options)
        weight = layer.normed()
    else:
        layer = EqualConv2d(2, 4, 3, **options)
        weight = layer.weight / math.sqrt(layer.weight[0].numel())
    plain, x = nn.Conv2d(2, 4, 3, **options), minigen.randn(2, 2, 7, 6)
    with minigen.no_grad():
        plain.weight.copy_(weight)
        if plain.bias is not None:
            plain.bias.copy_(layer.bias.normal_())
        np.testing.assert_allclose(layer(x).numpy(), plain(x).numpy(), atol=1e-5)


def test_pictures_that_cannot_be_halved_are_refused():
    for kind in B.BigGenerator, B.BigJudge:
        for size in 4, 7, 9, 33:
            with pytest.raises(DataError, match=f"8 or more, not {size}"):
                kind(1, 2, size)


def test_the_judge_is_linear_in_the_vector_of_the_class():
    judge, (x, _) = B.BigJudge(1, 2, 8, 3), real(4)
    with minigen.no_grad():
        weight = judge.vectors.weight
        weight[2].copy_(0.3 * weight[0] + 0.7 * weight[1])
    first, second, between = (judge(x, Tensor([c] * 4)).numpy() for c in range(3))
    np.testing.assert_allclose(between, 0.3 * first + 0.7 * second, rtol=1e-5)
    assert abs(first - second).max() > 1e-3


def test_the_features_are_a_sum_over_pixels():
    judge = B.BigJudge(1, 2, 8, 3)
    judge.blocks = nn.ModuleList([nn.Identity()])
    assert judge.features(minigen.ones(1, 8, 4, 4)).array.tolist() == [[16.0] * 8]


def test_conditional_norm_shifts_and_scales_each_example():
    layer = B.ConditionalBatchNorm2d(2, 3)
    x, told = minigen.randn(6, 2, 4, 4), minigen.randn(6, 3)
    plain = nn.BatchNorm2d(2, affine=False)(x).numpy()
    gain, bias = (f.normed().numpy() @ told.numpy().T for f in (layer.gain, layer.bias))
    expected = plain * (1 + gain.T)[:, :, None, None] + bias.T[:, :, None, None]
    np.testing.assert_allclose(layer(x, told).detach().numpy(), expected, atol=1e-5)
    np.testing.assert_allclose(layer(x, told * 0).detach().numpy(), plain, atol=1e-6)


def test_attention_is_a_weighted_mean_that_begins_with_no_voice():
    minigen.manual_seed(0)
    layer, x = B.SelfAttention(8).eval(), minigen.randn(2, 8, 4, 4)
    assert np.array_equal(layer(x).array, x.array)
    nn.init.constant_(layer.gamma, 0.5)
    w = {name: getattr(layer, name).normed()[:, :, 0, 0].numpy() for name in "fghv"}

    def of(name, image):
        made = np.einsum("oc,chw->ohw", w[name], image)
        return made if name == "f" else made.reshape(-1, 2, 2, 2, 2).max((2, 4))

    for image, got in zip(x.array, layer(x).array, strict=True):
        f, g, h = (of(name, image).reshape(len(w[name]), -1) for name in "fgh")
        beta = np.exp(f.T @ g)
        o = h @ (beta / beta.sum(1, keepdims=True)).T
        np.testing.assert_allclose(got, image + 0.5 * (w["v"] @ o).reshape(8, 4, 4), atol=1e-5)


@pytest.mark.parametrize("truncation", [0.2, 0.5, 2.0, 12.0])
def test_truncated_noise_lies_within_and_follows_its_stream(truncation):
    """In order and sign it is the whole z of the same random numbers, and it is distributed as what
    is kept of N(0, 1) (Kolmogorov and Smirnov: 1.95 / √n is exceeded once in a thousand times)."""
    gan = small()
    whole, kept = (
        gan.sample_noise(500, Generator(1), t).numpy().ravel() for t in (None, truncation)
    )
    assert (abs(kept) <= np.minimum(abs(whole), truncation)).all()
    assert (np.diff(kept[np.argsort(whole)]) >= 0).all() and np.array_equal(kept < 0, whole < 0)
    truth = stats.truncnorm(-truncation, truncation)
    assert stats.kstest(kept.astype(float), truth.cdf).statistic < 1.95 / len(kept) ** 0.5


def test_a_truncation_is_not_negative():
    gan = small()
    assert gan.sample_noise(2, truncation=0.0).array.tolist() == [[0.0] * gan.noise] * 2
    for truncation in -1.0, float("nan"):
        with pytest.raises(ValueError, match="from 0 on"):
            gan.sample_noise(2, truncation=truncation)


def test_truncation_0_draws_one_picture_a_class():
    gan, _ = trained(rate=3e-3)
    gan.stand(0.0, Generator(0))
    drawn = gan.draw(gan.sample_noise(6, truncation=0.0), Tensor([0, 1, 2, 0, 1, 2])).numpy()
    np.testing.assert_allclose(drawn[:3], drawn[3:], atol=1e-6)
    assert min(abs(drawn[i] - drawn[i - 1]).max() for i in range(3)) > 1e-3


def test_statistics_are_those_of_the_truncation():
    """Of the first norm, by what comes in; and the networks are left as they were."""
    gan, _ = trained()
    norm = gan.generator.blocks[0].norm1.norm
    gan.generator.norm.eval()  # as someone may have frozen a part
    modes = {name: m.training for name, m in gan.generator.named_modules()}
    for truncation in (None, 0.3):
        gan.stand(truncation, Generator(0))
        with evaluating(gan.generator):
            first = gan.sample_noise(2000, truncation=truncation)[:, : gan.generator.piece]
            x = gan.generator.smallest(first).numpy()
        np.testing.assert_allclose(norm.running_var.numpy(), x.var((0, 2, 3)), rtol=0.1)
        np.testing.assert_allclose(norm.running_mean.numpy(), x.mean((0, 2, 3)), atol=0.1)
    assert norm.momentum == 0.1
    assert modes == {name: m.training for name, m in gan.generator.named_modules()}


def test_columns_are_to_be_orthogonal_whatever_their_length():
    minigen.manual_seed(0)
    G = B.BigGenerator(1, 2, 8, 3)
    assert B.non_orthogonality(G).item() < 1e-8  # as it begins
    G.first.weight.data.mul_(7)
    assert B.non_orthogonality(G).item() < 1e-6
    for shape in ((3, 5), (5, 3)):
        layer = B.SNLinear(*shape[::-1]).to("float64")
        w = minigen.randn(*shape, dtype="float64")
        layer.weight.data.copy_(w)
        rows = w.numpy() if shape[0] < shape[1] else w.numpy().T
        apart = (rows @ rows.T) * (1 - np.eye(3))
        value = B.non_orthogonality(layer)
        assert value.item() == pytest.approx((apart**2).sum())
        (g,) = minigen.grad(value, layer.weight)
        expected = 4 * apart @ rows
        np.testing.assert_allclose(g.numpy(), expected if shape[0] < shape[1] else expected.T)


def test_regularisation_is_a_part_of_the_generator_s_loss():
    losses = []
    for weight in (0.0, 1e3):
        gan = small(orthogonal=weight)
        gan.generator.first.weight.data.normal_(generator=Generator(0))
        expected = B.non_orthogonality(gan.generator).item()
        losses.append(gan.step(real())["loss_g"].item())
    assert losses[1] - losses[0] == pytest.approx(1e3 * expected, rel=1e-3)


def test_pictures_beyond_the_margin_do_not_count():
    loss = small().loss_given()
    l = Tensor([[-1.5], [-0.5], [0.5], [1.5]], requires_grad=True)
    (of_real,) = minigen.grad(loss.discriminator(l, l.detach()), l)
    (of_fake,) = minigen.grad(loss.discriminator(l.detach(), l), l)
    assert of_real.array.tolist() == [[-0.25], [-0.25], [-0.25], [0.0]]
    assert of_fake.array.tolist() == [[0.0], [0.25], [0.25], [0.25]]
    (of_made,) = minigen.grad(loss.generator(l), l)
    assert of_made.array.tolist() == [[-0.25]] * 4


def test_it_learns_to_draw_the_class_that_is_asked_for():
    gan, average = trained(50, rate=5e-3, width=4)
    with average.average_parameters():
        gan.stand(generator=Generator(0))
        drawn = gan.draw(gan.sample_noise(30), Tensor(np.arange(30) % 3)).numpy()
    dark, grey, bright = (drawn[i::3].mean() for i in range(3))
    assert dark < grey - 0.2 < bright - 0.4, (dark, grey, bright)


def test_real_and_made_pictures_are_judged_in_one_pass_as_in_two():
    gan, (x, y) = small(), real(6)
    made = gan.generated(6, y).detach()
    for once, alone in zip(gan.judged_both(x, made, y), (x, made), strict=True):
        np.testing.assert_allclose(
            once.detach().numpy(), gan.judged(alone, y).detach().numpy(), atol=1e-5
        )


class Minus(nn.Module):
    """Tells what is rectified before it from what is after; as a kernel it is of 1 × 1."""

    bias = None

    def forward(self, x, told=None):
        return -x

    def normed(self):
        return -minigen.eye(2)[:, :, None, None]


def test_blocks_are_those_of_the_figures():
    """Convolutions and norms replaced by minus: what is rectified, halved and doubled when."""
    x = minigen.randn(2, 2, 4, 4, generator=Generator(0))
    block = B.GeneratorBlock(2, 2, 3)
    block.norm1, block.norm2, block.conv1, block.conv2, block.skip = (Minus() for _ in range(5))
    h = F.relu(F.relu(-x))  # norm, ReLU, minus, norm, ReLU, minus
    expected = F.interpolate(-h - x, scale_factor=2)
    assert np.array_equal(block(x, None).array, expected.array)
    for first in False, True:
        for halves in False, True:
            block = B.JudgeBlock(2, 2, halves, first)
            block.conv1, block.conv2 = Minus(), Minus()
            expected = x - F.relu(-x) if first else x  # −ReLU(x) is rectified to 0
            expected = F.avg_pool2d(expected, 2) if halves else expected
            np.testing.assert_allclose(block(x).numpy(), expected.numpy(), atol=1e-6)


def test_each_block_is_told_the_class_and_a_piece_of_its_own():
    seen, G = [], B.BigGenerator(1, 2, 32, 3, piece=2, told=3)
    for block in G.blocks:
        block.register_forward_pre_hook(lambda _, given: seen.append(given[1].detach().numpy()))
    z, y = minigen.randn(2, G.noise), Tensor([2, 1])
    G(z, y)
    vectors, pieces = G.shared(y).detach().numpy(), z.numpy().reshape(2, -1, 2)
    for i, told in enumerate(seen, start=1):
        assert np.array_equal(told, np.concatenate([vectors, pieces[:, i]], 1))
    assert len(seen) == 3


def test_drawn_statistics_are_of_all_classes_and_rates_are_those_of_the_paper():
    gan, seen = B.BigGAN(B.BigGenerator(1, 2, 8, 3), B.BigJudge(1, 2, 8, 3)), []
    gan.generator.shared.register_forward_pre_hook(lambda _, given: seen.extend(given[0].tolist()))
    gan.stand(batches=2)
    assert set(seen) == {0, 1, 2} and len(seen) == 2 * 64
    rates = [optimiser.param_groups[0]["lr"] for optimiser in gan.optimisers()]
    assert rates == [1e-4, 4e-4]


def test_blocks_have_the_gradients_of_finite_differences():
    minigen.manual_seed(0)
    up, down = B.GeneratorBlock(2, 1, 3).to("float64"), B.JudgeBlock(2, 1).to("float64")
    x, told = (minigen.randn(*shape, dtype="float64") for shape in ((3, 2, 2, 2), (3, 3)))
    gradcheck(up, (x, told), order=2)
    gradcheck(down, x, order=2)
