"""Differentiable augmentation: what each policy does to a picture, and where a GAN looks through
it."""

import numpy as np
import pytest

import minigen
from minigen import Generator, Tensor, nn
from minigen import functional as F
from minigen.models import augment as A
from minigen.models import gan as G
from minigen.models import networks as N

ALL = tuple(A.POLICIES)


def pictures(count, channels=3, height=8, width=16):
    return minigen.rand(count, channels, height, width, generator=Generator(1)) * 2 - 1


def test_colours_are_moved_and_stretched_about_their_means():
    x = pictures(300, 3, 4, 4).array.astype(np.float64)
    y = A.colour(Tensor(x), Generator(0)).array
    level, moved = x.mean((1, 2, 3)), y.mean((1, 2, 3)) - x.mean((1, 2, 3))
    assert abs(moved).max() <= 0.5 and moved.min() < -0.45 and moved.max() > 0.45
    # Of the distance between a pixel and its picture's mean: its grey, and what is colour.
    grey, new_grey = x.mean(1), y.mean(1)
    contrast = (new_grey - (level + moved)[:, None, None]) / (grey - level[:, None, None])
    assert np.ptp(contrast.reshape(300, -1), 1).max() < 1e-9
    contrast = contrast[:, 0, 0]
    assert 0.5 <= contrast.min() < 0.55 and 1.45 < contrast.max() <= 1.5
    saturation = (y - new_grey[:, None]) / (x - grey[:, None])
    assert np.ptp(saturation.reshape(300, -1), 1).max() < 1e-9
    saturation = saturation[:, 0, 0, 0] / contrast
    assert 0 <= saturation.min() < 0.1 and 1.9 < saturation.max() <= 2


def test_a_translated_picture_is_a_part_of_the_padded_one():
    x, seen = pictures(200, 2), set()
    for before, after in zip(x.array, A.translation(x, Generator(0)).array, strict=True):
        wide = np.pad(before, ((0, 0), (1, 1), (2, 2)))
        places = [
            (row - 1, column - 2)
            for row in range(3)
            for column in range(5)
            if np.array_equal(after, wide[:, row : row + 8, column : column + 16])
        ]
        assert len(places) == 1
        seen |= {*places}
    assert len(seen) == 15  # every place: an eighth of 8 and of 16 pixels, either way


def test_a_rectangle_of_half_the_sides_is_cut_out():
    x = pictures(400)
    y = A.cutout(x, Generator(0)).array
    cut = (y == 0).all(1)
    assert np.array_equal(y[~cut[:, None].repeat(3, 1)], x.array[~cut[:, None].repeat(3, 1)])
    assert np.array_equal(cut, cut.any(2)[:, :, None] & cut.any(1)[:, None, :])
    assert cut.sum((1, 2)).max() == 4 * 8 and cut.sum((1, 2)).min() == 2 * 4
    assert cut.any((0,)).all()


@pytest.mark.parametrize("side", [4, 5, 7, 8])
@pytest.mark.parametrize("policy", ["translation", "cutout"])
def test_no_side_is_preferred(policy, side):
    """What the middle row of pixels can become is what is seen of it in a mirror. In 600
    draws one of the ten ways at most is missed once in 10¹³ times."""
    x = F.ones(600, 1, side, side)
    seen = {row.tobytes() for row in A.POLICIES[policy](x, Generator(0)).array[:, 0, side // 2]}
    mirrored = {np.frombuffer(row, np.float32)[::-1].tobytes() for row in seen}
    assert seen == mirrored and len(seen) > 1


@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient_is_that_of_what_is_seen(channels):
    """Of T, whose random numbers do not depend on x: ⟨u, T(x + dx) − T(x)⟩ = ⟨∂⟨u, T⟩/∂x, dx⟩, as
    T is affine."""
    x = pictures(5, channels).to("float64").requires_grad_()
    dx, u = (minigen.randn(*x.shape, dtype="float64") for _ in range(2))
    before, after = (
        A.Augmentation(*ALL, generator=Generator(2))(point) for point in (x, (x + dx).detach())
    )
    (g,) = minigen.grad((u * before).sum(), x)
    assert (g * dx).sum().item() == pytest.approx((u * (after - before)).sum().item())
    assert before.shape == x.shape and before.dtype == x.dtype


def test_the_stream_decides_and_pictures_differ():
    x = pictures(1).expand(6, 3, 8, 16)
    once, again = (A.Augmentation(*ALL, generator=Generator(3))(x).array for _ in range(2))
    assert np.array_equal(once, again)
    assert len({picture.tobytes() for picture in once}) == 6
    assert A.Augmentation()(x) is x
    with pytest.raises(ValueError, match="colour, translation, cutout, not 'mirror'"):
        A.Augmentation("colour", "mirror")


def test_a_gan_looks_through_it_at_real_and_made_pictures_in_both_steps():
    """T here makes of everything what the judge can tell: 10 of real pictures, which are 1, and of
    made ones 10·G(z)."""
    minigen.manual_seed(0)
    looked, judged = [], []

    class Spy(nn.Linear):
        def forward(self, x):
            judged.append(x.array.copy())
            return super().forward(x)

    def augmentation(x):
        looked.append(x.array.copy())
        return 10 * x

    gan = G.GAN(N.mlp(2, 2), Spy(2, 1), noise=2, augmentation=augmentation)
    before = gan.generator[0].bias.array.copy()
    gan.step(minigen.ones(4, 2))
    assert len(looked) == 3  # real and made ones in D's step, made ones in G's
    assert (looked[0] == 1).all() and np.array_equal(looked[1], looked[2])
    for seen, shown in zip(looked, judged, strict=True):
        assert np.array_equal(10 * seen, shown)
    assert not np.array_equal(before, gan.generator[0].bias.array)  # the slope reached it
