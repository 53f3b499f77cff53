"""The GAN's losses, networks and training step."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import Tensor, gradcheck, nn, optim
from minigen.data import DataError
from minigen.models import gan as G
from minigen.models import networks as N
from minigen.models.adversaries import packed
from minigen.models.classifier import Classifier, accuracy, evaluate, step


def sizes(module):
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_of_the_tutorial():
    assert sizes(N.ConvDiscriminator()) == 41_857
    assert sizes(N.ConvGenerator()) == 1_176_835
    assert sizes(N.ConvDiscriminator(channels=1)) == 40_705
    assert sizes(N.ConvGenerator(channels=1)) == 1_164_289


@pytest.mark.parametrize("size", [8, 28, 32])
def test_networks_fit_each_other(size):
    z = minigen.randn(2, 100)
    images = N.ConvGenerator(1, width=4, size=size)(z)
    assert images.shape == (2, 1, size, size) and abs(images).array.max() <= 1
    assert N.ConvDiscriminator(1, width=4, size=size)(images).shape == (2, 1)
    images = N.MLPGenerator(hidden=8, size=size)(z)
    assert images.shape == (2, 1, size, size)
    assert N.MLPDiscriminator(hidden=6, pieces=3, size=size)(images).shape == (2, 1)
    images = N.DenseConvGenerator(3, width=2, size=size)(z)
    assert images.shape == (2, 3, size, size) and abs(images).array.max() <= 1
    judge = N.Conditional(N.DenseConvJudge(3 + 4, 2, size, "layer", outputs=5), 4)
    assert judge(images, Tensor([3, 0])).shape == (2, 5)


@pytest.mark.parametrize("size", [0, 30])
def test_images_are_halved_twice(size):
    for network in (N.ConvGenerator, N.DenseConvGenerator, N.DenseConvJudge):
        with pytest.raises(DataError, match="multiple of 4"):
            network(size=size)
    with pytest.raises(ValueError, match="'batch' or 'layer'"):
        N.DenseConvJudge(norm="instance")


def test_what_is_drawn_does_not_depend_on_its_neighbours():
    """Batch norm's running statistics are used, and left as they are."""
    minigen.manual_seed(0)
    network = N.Conditional(N.DenseConvGenerator(1, 2, noise=5 + 3, size=8), 3)
    gan = G.GAN(network, nn.Identity(), noise=5, optimiser=lambda _: None)
    z, y = gan.sample_noise(6), Tensor([0, 1, 2, 0, 1, 2])
    network(z, y)
    before = {name: value.array.copy() for name, value in network.state_dict().items()}
    drawn = gan.draw(z, y)
    np.testing.assert_allclose(gan.draw(z[:2], y[:2]).array, drawn.array[:2], atol=1e-6)
    assert not drawn.requires_grad and network.training
    for name, value in network.state_dict().items():
        assert np.array_equal(value.array, before[name])
    assert not np.allclose(network(z[:2], y[:2]).array, drawn.array[:2], atol=1e-3)


def surprise(logit):
    """−log σ(l), in another way than the package's."""
    return np.logaddexp(0, -logit)


def sigmoid(logit):
    return 1 / (1 + np.exp(-logit))


# Of outputs of D on real and on generated images, with plain arrays: J(D), J(G), and D itself.
CLOSED_FORMS = {
    "non-saturating": (lambda r, f: surprise(r).mean() + surprise(-f).mean(),
                       lambda f: surprise(f).mean(), sigmoid),
    "minimax": (lambda r, f: surprise(r).mean() + surprise(-f).mean(),
                lambda f: -surprise(-f).mean(), sigmoid),
    "least-squares": (lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
                      lambda f: ((f - 1) ** 2).mean() / 2, np.array),
    "hinge": (lambda r, f: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean(),
              lambda f: -f.mean(), np.array),
}  # fmt: skip
every_loss = pytest.mark.parametrize("name", G.LOSSES)


def logits(least, most):
    columns = st.lists(st.floats(least, most), min_size=1, max_size=6)
    return columns.map(lambda column: np.array(column)[:, None])


@every_loss
@given(real=logits(-15, 15), fake=logits(-15, 15))  # from 20 on PyTorch's softplus is rounded
def test_each_loss_is_its_closed_form(name, real, fake):
    discriminator, generator, shown = CLOSED_FORMS[name]
    loss, l_real, l_fake = G.LOSSES[name], Tensor(real), Tensor(fake)
    # Of six numbers up to 15, or to 256 where they are squared: rounding of 6·256·2⁻⁵³, 2e-13.
    exact = functools.partial(pytest.approx, rel=1e-13, abs=2e-13)
    assert loss.discriminator(l_real, l_fake).item() == exact(discriminator(real, fake))
    assert loss.generator(l_fake).item() == exact(generator(fake))
    found = {key: value.item() for key, value in loss.metrics(l_real, l_fake).items()}
    assert found == {"d_real": exact(shown(real).mean()), "d_fake": exact(shown(fake).mean())}


@every_loss
@given(real=logits(0.1, 0.9), fake=logits(0.1, 0.9))  # between what any loss draws them to
def test_each_loss_moves_both_the_right_way(name, real, fake):
    """D learns to say more of real images and less of generated ones, and G to make it say more;
    and the gradients of both orders are right."""
    loss = G.LOSSES[name]
    l_real, l_fake = (Tensor(l, requires_grad=True) for l in (real, fake))
    of_real, of_fake = minigen.grad(loss.discriminator(l_real, l_fake), (l_real, l_fake))
    (of_made,) = minigen.grad(loss.generator(l_fake), l_fake)
    assert (of_real.numpy() < 0).all() and (of_fake.numpy() > 0).all()
    assert (of_made.numpy() < 0).all()
    gradcheck(loss.discriminator, (real, fake), order=2)
    gradcheck(loss.generator, fake, order=2)


@every_loss
def test_no_loss_overflows(name):
    extreme = Tensor([[-1e4], [1e4]], requires_grad=True)
    loss = G.LOSSES[name]
    for value in (loss.generator(extreme), loss.discriminator(extreme, extreme)):
        (g,) = minigen.grad(value, extreme)
        assert math.isfinite(value.item()) and np.isfinite(g.numpy()).all()


def test_real_images_count_as_real_with_less_than_certainty():
    rng = np.random.default_rng(0)
    real, fake = rng.standard_normal((2, 5, 1))
    expected = (0.9 * surprise(real) + 0.1 * surprise(-real)).mean() + surprise(-fake).mean()
    got = G.discriminator_loss(Tensor(real), Tensor(fake), smoothing=0.1)
    assert got.item() == pytest.approx(expected)


def test_the_two_objectives_differ_where_the_discriminator_wins():
    sure = Tensor([[-8.0]], requires_grad=True)
    (flat,) = minigen.grad(G.LOSSES["minimax"].generator(sure), sure)
    (steep,) = minigen.grad(G.LOSSES["non-saturating"].generator(sure), sure)
    assert abs(flat).item() < 1e-3 and steep.item() < -0.99


def test_a_gan_takes_any_loss_of_the_table_or_ones_own():
    minigen.manual_seed(0)
    own = G.Loss(lambda real, fake: (fake - real).mean(), lambda fake: -fake.mean())
    for loss in (*G.LOSSES, own):
        metrics = G.GAN(N.mlp(2, 2), N.mlp(2, 1), noise=2, loss=loss).step(real_points(8))
        assert metrics.keys() == {"loss_d", "loss_g", "d_real", "d_fake"}
    with pytest.raises(ValueError, match="non-saturating, minimax.*not 'wasserstein'"):
        G.GAN(N.mlp(2, 2), N.mlp(2, 1), loss="wasserstein")
    for bad in (None, tuple(own), ["hinge"]):
        with pytest.raises(ValueError, match="or a Loss, not"):
            G.GAN(N.mlp(2, 2), N.mlp(2, 1), loss=bad)
    with pytest.raises(ValueError, match="normal, uniform, not 'cauchy'"):
        G.GAN(N.mlp(2, 2), N.mlp(2, 1), prior="cauchy")


@pytest.mark.parametrize("prior, low, high, deviation", [
    ("normal", -np.inf, np.inf, 1), ("uniform", -1, 1, 3**-0.5),
])  # fmt: skip
def test_noise_is_drawn_from_the_prior(prior, low, high, deviation):
    minigen.manual_seed(0)
    gan = G.GAN(N.mlp(50, 2), N.mlp(2, 1), noise=50, prior=prior)
    z = gan.sample_noise(400).numpy()
    # Of 20,000 numbers: five standard errors of mean and deviation are below 0.036.
    assert abs(z.mean()) < 0.036 and abs(z.std() - deviation) < 0.036
    assert low <= z.min() < z.max() <= high
    kept = [gan.sample_noise(3, minigen.Generator(5)).numpy() for _ in range(2)]
    assert np.array_equal(*kept) and not np.array_equal(kept[0], gan.sample_noise(3).numpy())


def test_maxout_is_the_largest_of_its_pieces():
    minigen.manual_seed(0)
    layer = N.Maxout(3, 2, pieces=4).to("float64")
    x = minigen.randn(5, 3, dtype="float64")
    assert np.array_equal(layer(x).array, layer.linear(x).array.reshape(5, 2, 4).max(2))
    gradcheck(layer, x, order=2)


def mixture(seed=0):
    """A GAN that learns N((2, −1), 0.5²) in the plane."""
    minigen.manual_seed(seed)
    act = functools.partial(nn.LeakyReLU, 0.2)
    return G.GAN(
        nn.Sequential(nn.Linear(2, 64), act(), nn.Linear(64, 2)),
        nn.Sequential(nn.Linear(2, 64), act(), nn.Linear(64, 64), act(), nn.Linear(64, 1)),
        noise=2,
        optimiser=functools.partial(optim.Adam, lr=2e-3, betas=(0.0, 0.999)),
    )


def real_points(count):
    return minigen.randn(count, 2) * 0.5 + Tensor([2.0, -1.0])


def test_training_moves_the_samples_onto_the_data():
    gan = mixture()

    def distance():
        with minigen.no_grad():
            points = gan.generator(gan.sample_noise(2000)).array
        return np.linalg.norm(points.mean(0) - [2, -1]) + np.abs(points.std(0) - 0.5).max()

    before = distance()
    average = optim.ExponentialMovingAverage(gan.generator, 0.99)  # G itself circles around them
    for _ in range(400):
        metrics = gan.step(real_points(64))
        average.update()
    with average.average_parameters():
        assert distance() < 0.35 < 1 < before
    assert metrics.keys() == {"loss_d", "loss_g", "d_real", "d_fake"}
    assert all(m.shape == () and not m.requires_grad for m in metrics.values())


def test_each_network_moves_only_in_its_own_step():
    gan = mixture()
    seen = []
    original = gan.discriminator_optimiser.step

    def spy():
        assert all(p.grad is None for p in gan.generator.parameters())
        original()
        seen.append([p.array.copy() for p in gan.discriminator.parameters()])

    gan.discriminator_optimiser.step = spy
    gan.step(real_points(8), real_points(8), real_points(8))
    assert len(seen) == 3  # k discriminator steps, then one of the generator
    for after, p in zip(seen[-1], gan.discriminator.parameters(), strict=True):
        assert np.array_equal(after, p.array)


def test_state_goes_on_bit_for_bit():
    def train(gan, steps):
        for _ in range(steps):
            gan.step(real_points(16))
        return gan

    whole = train(mixture(), 6)
    half = train(mixture(), 3)
    random, state = minigen.default_generator.state_dict(), half.state_dict()
    resumed = mixture(seed=5)
    resumed.load_state_dict(state)
    minigen.default_generator.load_state_dict(random)
    train(resumed, 3)
    for a, b in zip(whole.generator.parameters(), resumed.generator.parameters(), strict=True):
        assert np.array_equal(a.array, b.array)


def test_packs_are_neighbours_side_by_side():
    points, images = Tensor([[1, 2], [3, 4], [5, 6], [7, 8]]), minigen.randn(6, 2, 4, 4)
    assert packed(points, 2).array.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert np.array_equal(packed(images, 3).array[1, 2:4], images.array[4])
    assert packed(images, 1) is images
    with pytest.raises(ValueError, match="4 images do not make packs of 3"):
        packed(points, 3)
    with pytest.raises(ValueError, match="packing must be 1 or more"):
        G.GAN(N.mlp(2, 2), N.mlp(2, 1), packing=0)


def test_a_packed_discriminator_trains():
    minigen.manual_seed(0)
    gan = G.GAN(N.mlp(2, 8, 2), N.mlp(6, 8, 1), noise=2, packing=3)
    assert all(np.isfinite(m.item()) for m in gan.step(real_points(9)).values())
    with pytest.raises(ValueError, match="8 images"):
        gan.step(real_points(8))


@pytest.mark.parametrize("shape", [(5,), (2, 4, 4)])
def test_the_class_stands_beside_the_input(shape):
    told = N.Conditional(nn.Identity(), 3)
    x, y = minigen.randn(4, *shape), Tensor([2, 0, 1, 2])
    out = told(x, y)
    assert np.array_equal(out.array[:, : shape[0]], x.array)
    classes = out.array[:, shape[0] :].reshape(4, 3, -1)
    assert (classes == np.eye(3)[y.array][:, :, None]).all()
    flat = N.Conditional(told.network, 3, flat=True)(x, y)
    assert flat.shape == (4, math.prod(shape) + 3)


def two_classes(auxiliary):
    """A GAN of points near (2, 0), class 0, and (−2, 0), class 1, which is told or tells them."""
    minigen.manual_seed(0)
    act = functools.partial(nn.LeakyReLU, 0.2)
    judge = N.mlp(2 if auxiliary else 4, 64, 64, 3 if auxiliary else 1, activation=act)
    return (G.AuxiliaryGAN if auxiliary else G.GAN)(
        N.Conditional(N.mlp(4, 64, 2, activation=act), 2),
        judge if auxiliary else N.Conditional(judge, 2),
        noise=2,
        optimiser=functools.partial(optim.Adam, lr=2e-3, betas=(0.0, 0.999)),
    )


@pytest.mark.parametrize("auxiliary", [False, True], ids=["conditional", "auxiliary"])
def test_a_told_generator_draws_the_class_that_is_asked_for(auxiliary):
    gan = two_classes(auxiliary)
    labels = Tensor(np.arange(64) % 2)
    centres = Tensor(np.array([[2.0, 0], [-2, 0]], "f")[labels.array])
    for _ in range(200):
        metrics = gan.step((minigen.randn(64, 2) * 0.3 + centres, labels))
    with minigen.no_grad():
        x = gan.generated(64, labels).array[:, 0]
    assert ((x > 0) == (labels.array == 0)).mean() > 0.97
    assert 1 < abs(x).mean() < 3
    extra = {"class_real", "class_fake"} if auxiliary else set()
    assert metrics.keys() == {"loss_d", "loss_g", "d_real", "d_fake"} | extra
    assert not auxiliary or metrics["class_real"].item() < 0.3


def test_one_training_step_is_that_of_pytorch():
    """The convolutional pair from the same weights, noise and images, in float64."""
    torch = pytest.importorskip("torch")
    tn, bce = torch.nn, torch.nn.functional.binary_cross_entropy_with_logits
    width, size, images = 4, 8, np.random.default_rng(0).uniform(-1, 1, (5, 1, 8, 8))
    minigen.manual_seed(0)
    adam = functools.partial(optim.Adam, lr=1e-2)
    gan = G.GAN(
        N.ConvGenerator(1, width, noise=6, size=size).to("float64"),
        N.ConvDiscriminator(1, width, size=size, dropout=0.0).to("float64"),
        noise=6,
        optimiser=adam,
    )
    generator = tn.Sequential(
        tn.Linear(6, 16), tn.LeakyReLU(0.2), tn.Unflatten(1, (4, 2, 2)),
        tn.ConvTranspose2d(4, 4, 4, 2, 1), tn.LeakyReLU(0.2),
        tn.ConvTranspose2d(4, 4, 4, 2, 1), tn.LeakyReLU(0.2),
        tn.Conv2d(4, 1, 7, padding=3), tn.Tanh(),
    ).double()  # fmt: skip
    discriminator = tn.Sequential(
        tn.Conv2d(1, 4, 3, 2, 1), tn.LeakyReLU(0.2), tn.Dropout(0.0),
        tn.Conv2d(4, 4, 3, 2, 1), tn.LeakyReLU(0.2), tn.Dropout(0.0),
        tn.Flatten(), tn.Linear(16, 1),
    ).double()  # fmt: skip
    pairs = [(gan.generator, generator), (gan.discriminator, discriminator)]
    for mine, other in pairs:  # names and layouts agree, so that weights move both ways
        other.load_state_dict({k: torch.tensor(v.array) for k, v in mine.state_dict().items()})

    z = minigen.randn(5, 6, dtype="float64")
    gan.sample_noise = lambda count: z
    gan.step(Tensor(images))

    opt_g, opt_d = (torch.optim.Adam(n.parameters(), lr=1e-2) for n in (generator, discriminator))
    real, one = torch.tensor(images), torch.ones(5, 1, dtype=torch.float64)
    fake = generator(torch.tensor(z.array))
    loss = bce(discriminator(real), one) + bce(discriminator(fake.detach()), one * 0)
    loss.backward()
    opt_d.step()
    bce(discriminator(fake), one).backward(inputs=list(generator.parameters()))
    opt_g.step()
    for mine, other in pairs:
        for name, value in other.state_dict().items():
            np.testing.assert_allclose(mine.state_dict()[name].array, value.numpy(), atol=1e-9)


def test_classifier_learns_stripes():
    """Horizontal and vertical stripes: accuracy rises from chance to nearly all."""
    minigen.manual_seed(0)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 256)
    images = rng.normal(0, 0.3, (256, 1, 8, 8)).astype("f")
    images[labels == 0, :, ::2] += 1
    images[labels == 1, :, :, ::2] += 1
    x, y = Tensor(images), Tensor(labels)
    model = Classifier(classes=2, width=2, size=8)
    optimiser = optim.Adam(model.parameters(), lr=1e-2)
    before = evaluate(model, x, y)
    for _ in range(20):
        metrics = step(model, optimiser, x, y)
    assert before < 0.8 and evaluate(model, x, y) > 0.97
    assert model.training and metrics["accuracy"].item() > 0.9
    assert accuracy(Tensor(np.eye(2)), Tensor([0, 0])).item() == 0.5
