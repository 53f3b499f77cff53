"""Networks that turn pictures into pictures, what judges them, and the pool of earlier pictures."""

import numpy as np
import pytest

import minigen
from minigen import Tensor, gradcheck, nn
from minigen.data import DataError
from minigen.metrics.baselines import best_place
from minigen.models import translators as T


def sizes(module):
    return sum(p.numel() for p in module.parameters())


def test_parameter_counts_are_those_of_the_authors_code():
    assert sizes(T.PatchJudge(6, 64, 3, "batch")) == 2_768_705
    # Theirs, 11,378,179, has biases before each norm, which takes them out.
    biases = 64 + 128 + 256 + 2 * 9 * 256 + 128 + 64
    assert sizes(T.ResNetTranslator(3, 3, 64, 9)) == 11_378_179 - biases
    weights = [p for name, p in T.UNet(width=16).named_parameters() if p.ndim == 4]
    assert np.concatenate([w.numpy().ravel() for w in weights]).std() == pytest.approx(0.02, 0.02)


@pytest.mark.parametrize("size, depth, skips", [(32, None, True), (28, None, False), (8, 1, True)])
def test_networks_fit_each_other(size, depth, skips):
    x = minigen.randn(2, 4, size, size)
    for norm in T.NORMS:
        y = T.UNet(4, 3, 2, size, depth, norm, skips=skips)(x)
        assert y.shape == (2, 3, size, size) and abs(y).array.max() <= 1
    for padding, kernel in (("reflect", 3), ("zeros", 4)):
        y = T.ResNetTranslator(4, 1, 2, 1, padding=padding, kernel=kernel)(x)
        assert y.shape == (2, 1, size, size) and abs(y).array.max() <= 1


def test_the_unet_goes_down_to_one_pixel_and_has_skips():
    minigen.manual_seed(0)
    x = minigen.randn(2, 3, 16, 16)
    for skips in True, False:
        network = T.UNet(width=2, size=16, norm="none", dropout=0, skips=skips)
        seen = []
        for block in network.down:
            seen.append(block(seen[-1] if seen else x))
        assert [h.shape[2] for h in seen] == [8, 4, 2, 1]
        # What is at the bottom does not matter to a network without skips alone.
        network.down[-1].register_forward_hook(lambda *_, h=seen[-1]: 0 * h)
        y = network(x).numpy()
        assert np.allclose(y[0], y[1]) != skips


def test_what_is_drawn_is_a_change_of_the_picture_and_is_cut_when_looked_at():
    minigen.manual_seed(0)
    x = minigen.rand(2, 4, 8, 8) * 2 - 1  # a picture, and where it has a hole
    for change in T.UNet(4, 3, 2, 8, dropout=0), T.ResNetTranslator(4, 3, 2, 1):
        *_, last = (p for p in change.parameters() if p.ndim == 4)
        minigen.nn.init.normal_(last)
        made, expected = T.Changed(change, 3)(x).numpy(), (x[:, :3] + change(x)).numpy()
        assert np.array_equal(made, expected) and abs(made).max() > 1
        cut = T.drawn(T.Changed(change, 3), x).numpy()
        assert abs(cut).max() == 1
    grey = T.Changed(T.UNet(1, 3, 2, 8), 3)
    assert grey(x[:, :1]).shape == (2, 3, 8, 8)


def test_pictures_are_placed_by_matrices_that_a_run_keeps():
    minigen.manual_seed(0)
    x = minigen.zeros(2, 3, 8, 8, requires_grad=True)
    corner = np.zeros((2, 3, 8, 8), np.float32)
    corner[..., 1:4, 3:6] = 1
    place = T.Placed(8)
    assert np.array_equal(place(Tensor(corner)).numpy(), corner) and not [*place.parameters()]
    place.place(*best_place(corner, np.roll(corner, (2, -1), (2, 3))))
    again = T.Placed(8)
    again.load_state_dict(place.state_dict())
    made = again(x + Tensor(corner))
    assert abs(made.numpy() - np.roll(corner, (2, -1), (2, 3))).mean() < 0.02
    made.sum().backward()
    assert x.grad.numpy().any()


def test_what_is_blended_stays_as_far_as_the_network_says():
    x, last = minigen.rand(2, 3, 4, 4), minigen.rand(2, 1, 4, 4) * 2 - 1
    made = T.Blended(lambda x: minigen.cat([x - 1, last], 1))(x)
    np.testing.assert_allclose(made.numpy(), x.numpy() - (1 - last.numpy()) / 2, rtol=1e-5)


def test_of_a_mirrored_picture_the_mirrored_one_is_made():
    minigen.manual_seed(0)
    network = T.ResNetTranslator(2, 2, 2, 1, depth=1, ends=3).to("float64")
    x = minigen.rand(3, 2, 4, 6, dtype="float64")
    made, mirrored = T.Mirrored(network)(x).numpy(), x.flip(-1)
    np.testing.assert_allclose(T.Mirrored(network)(mirrored).numpy(), made[..., ::-1], atol=1e-12)
    one, other = network(x).numpy(), network(mirrored).numpy()[..., ::-1]
    np.testing.assert_allclose(made, (one + other) / 2, atol=1e-12)
    assert abs(one - other).max() > 1e-3
    gradcheck(T.Mirrored(lambda x: x.cumsum(3).sin()), [x.numpy()], order=2)


def test_what_cannot_be_is_refused():
    for bad in ({"size": 30, "depth": 2}, {"size": 15}, {"size": 32, "depth": 6}):
        with pytest.raises(DataError, match="pixels cannot be halved"):
            T.UNet(**bad)
    with pytest.raises(ValueError, match="batch, running.*not 'layer'"):
        T.UNet(norm="layer")
    with pytest.raises(ValueError, match="'reflect' or 'zeros'"):
        T.ResNetTranslator(padding="same")
    with pytest.raises(ValueError, match="3 or 4"):
        T.ResNetTranslator(kernel=5)


@pytest.mark.parametrize("layers, field", [(0, 1), (1, 16), (2, 34), (3, 70)])
def test_a_score_sees_its_patch_and_no_more(layers, field):
    """The published fields, and those pixels alone have a gradient."""
    minigen.manual_seed(0)
    x = minigen.randn(1, 1, 112, 112).requires_grad_()
    scores = T.PatchJudge(1, 2, layers, "none")(x)
    middle = scores.shape[2] // 2
    (g,) = minigen.grad(scores[0, 0, middle, middle], x)
    rows = np.flatnonzero(g.numpy()[0, 0].any(1))
    assert T.receptive_field(layers) == field == rows[-1] - rows[0] + 1


def test_gradients_pass_instance_norm_reflection_and_skips():
    minigen.manual_seed(0)
    for network in (
        T.ResNetTranslator(1, 1, 2, 1),
        T.UNet(1, 1, 2, 8, norm="instance", dropout=0.5),
        T.PatchJudge(1, 2, 1),
    ):
        network.to("float64")
        with minigen.no_grad():
            for p in network.parameters():
                p.mul_(20)  # from 0.02, so that gradients are no roundings
        gradcheck(network, minigen.randn(2, 1, 8, 8, dtype="float64"))


def test_a_norm_of_the_batch_alone_sees_the_neighbours():
    """And drawing changes nothing in the network."""
    minigen.manual_seed(0)
    x = minigen.randn(6, 1, 8, 8)
    for norm in T.NORMS:
        network = T.UNet(1, 1, 4, 8, norm=norm, dropout=0)
        network(x)
        before = {name: value.array.copy() for name, value in network.state_dict().items()}
        with T.drawing(network):
            all_of_them, two = network(x), network(x[:2])
        assert not two.requires_grad and network.training
        assert np.allclose(two.array, all_of_them.array[:2], atol=1e-6) == (norm != "batch")
        for name, value in network.state_dict().items():
            assert np.array_equal(value.array, before[name])


def test_dropout_is_the_noise_that_is_drawn_with():
    minigen.manual_seed(0)
    network, x = T.UNet(1, 1, 4, 16), minigen.randn(2, 1, 16, 16)
    network.eval()
    assert sum(isinstance(part, nn.Dropout) for part in network.modules()) == 3
    for noise in True, False:
        with T.drawing(network, noise):
            assert np.array_equal(network(x).array, network(x).array) != noise
    assert not any(part.training for part in network.modules())


def numbered(first, count):
    """Pictures of one number each."""
    return Tensor(np.arange(first, first + count, dtype="f").reshape(-1, 1, 1, 1))


def test_the_pool_fills_and_then_gives_half_of_them_from_before():
    pool, stream = T.ImagePool(50, seed=3), minigen.default_generator.state_dict()
    assert np.array_equal(pool.query(numbered(0, 50)).array, numbered(0, 50).array)
    given = np.concatenate([pool.query(numbered(50 + 8 * i, 8)).array for i in range(100)])
    new = given.ravel() == np.arange(50, 850)
    assert 0.43 < new.mean() < 0.57  # four standard deviations of 800 throws of a coin
    # Each picture is in the pool or was given, once.
    kept = [image.item() for image in pool.kept]
    assert sorted([*given.ravel(), *kept]) == [*range(850)]
    ages = np.arange(50, 850)[~new] - given.ravel()[~new]
    assert ages.min() > 0 and 60 < ages.mean() < 140  # each time one of 50 is taken: 100 in mean
    assert minigen.default_generator.state_dict() == stream


def test_the_pool_goes_on_bit_for_bit():
    pool, resumed = T.ImagePool(5), T.ImagePool(5, seed=9)
    pool.query(numbered(0, 8))
    resumed.load_state_dict(pool.state_dict())
    for i in range(4):
        images = numbered(10 * i, 7)
        assert np.array_equal(pool.query(images).array, resumed.query(images).array)
    with pytest.raises(ValueError, match="a pool of 4, got 5"):
        T.ImagePool(4).load_state_dict(pool.state_dict())
    images = numbered(0, 3).requires_grad_()
    assert np.array_equal(T.ImagePool(0).query(images).array, images.array)
    assert not pool.query(images).requires_grad
