"""StyleGAN's layers."""

import math

import numpy as np
import pytest

import minigen
from minigen import Generator, Tensor
from minigen import functional as F
from minigen.models import stylegan_layers as S

WIDE = "float64"


def test_demodulated_outputs_have_variance_1():
    """Whatever the style: of N(0, 1) at each place, by the linearity of variances."""
    minigen.manual_seed(0)
    layer = S.ModulatedConv2d(5, 6, 3, 4).to(WIDE)
    w = 3 * minigen.randn(2, 4, dtype=WIDE)
    x = minigen.randn(2, 5, 128, 128, dtype=WIDE)
    inside = layer(x, w).detach().numpy()[:, :, 1:-1, 1:-1]
    # Places two apart share no input, so there are more than 126² / 9 independent ones.
    error = 4 * math.sqrt(2 / (126**2 / 9))
    np.testing.assert_allclose(inside.var((2, 3)), 1, atol=error)
    layer.demodulate = False
    assert not np.allclose(layer(x, w).detach().numpy().var((2, 3)), 1, atol=10 * error)


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("side", [2, 7])
def test_scale_convolve_rescale_is_a_convolution_of_modulated_weights(up, kernel, side):
    """Equations 1 to 3 as they are written, with weights of its own for each picture."""
    minigen.manual_seed(0)
    layer = S.ModulatedConv2d(3, 4, kernel, 5, up=up).to(WIDE)
    x, w = minigen.randn(2, 3, side, side, dtype=WIDE), minigen.randn(2, 5, dtype=WIDE)
    s = w.numpy() @ layer.affine.weight.detach().numpy().T / math.sqrt(5) + 1
    for n in range(2):
        weight = layer.weight.detach().numpy() / math.sqrt(3 * kernel**2)
        weight = weight * s[n][None, :, None, None]
        weight /= np.sqrt((weight**2).sum((1, 2, 3), keepdims=True) + 1e-8)
        picture = x[n : n + 1]
        if up:
            whole = F.conv_transpose2d(picture, Tensor(weight).transpose(0, 1), stride=2)
            border = (5 - kernel) // 2
            expected = 4 * S.blurred(whole, border)
        else:
            expected = F.conv2d(picture, Tensor(weight), padding=kernel // 2)
        got = layer(x, w)[n : n + 1].detach().numpy()
        assert got.shape == (1, 4, side * (1 + up), side * (1 + up))
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-6, atol=1e-9)  # ε


@pytest.mark.parametrize("kernel, up", [(2, False), (4, True), (7, True)])
def test_kernels_without_a_middle_are_refused(kernel, up):
    with pytest.raises(ValueError, match=f"an odd kernel, 5 at most with up, got {kernel}"):
        S.ModulatedConv2d(1, 1, kernel, 2, up=up)


@pytest.mark.parametrize("padding, stride", [(1, 1), (2, 1), (1, 2)])
def test_blur_is_the_filter_and_keeps_a_constant_away_from_the_border(padding, stride):
    x = minigen.randn(2, 3, 9, 9, dtype=WIDE, generator=Generator(0))
    taps = np.array([1, 3, 3, 1]) / 8
    kernel = Tensor(np.outer(taps, taps)[None, None].repeat(3, 0))
    expected = F.conv2d(x, kernel, stride=stride, padding=padding, groups=3)
    np.testing.assert_allclose(S.blurred(x, padding, stride).numpy(), expected.numpy(), atol=1e-12)
    flat = S.blurred(F.ones(1, 1, 9, 9), padding, stride).numpy()[0, 0]
    assert np.allclose(flat[2:-2, 2:-2], 1) and (flat[0] < 1).all()


def test_doubling_is_the_transpose_of_halving():
    x, y = minigen.randn(1, 1, 8, 8, dtype=WIDE), minigen.randn(1, 1, 4, 4, dtype=WIDE)
    assert (S.doubled(y) * x).sum().item() == pytest.approx(
        4 * (S.blurred(x, stride=2) * y).sum().item()
    )
    flat = S.doubled(F.ones(1, 1, 8, 8)).numpy()[0, 0]
    assert flat.shape == (16, 16) and np.allclose(flat[1:-1, 1:-1], 1)


def test_weights_learn_at_one_speed():
    """He's factor stands in the formula; a slow layer computes the same, with a smaller slope."""
    minigen.manual_seed(0)
    slow, x = S.EqualLinear(4, 3, rate=0.01, bias=1.0), minigen.randn(5, 4)
    assert slow.weight.numpy().std() > 50 and np.allclose(slow.bias.numpy(), 100)
    expected = x.numpy() @ slow.weight.numpy().T * 0.01 / 2 + 1
    np.testing.assert_allclose(slow(x).numpy(), expected, rtol=1e-4)
    convolution = S.EqualConv2d(2, 8, 3, bias=False)
    y = minigen.randn(1, 2, 5, 5)
    expected = F.conv2d(y, convolution.weight).numpy() / math.sqrt(18)
    np.testing.assert_allclose(convolution(y).numpy(), expected, atol=1e-6)
