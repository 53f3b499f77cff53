"""Initial values: their distribution, and the stream they come from."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen import nn
from minigen.nn import init

LAYERS = [
    (lambda: nn.Linear(50, 80), 50),
    (lambda: nn.Conv2d(16, 32, (3, 5), groups=2), 8 * 15),
    (lambda: nn.ConvTranspose2d(16, 32, 4), 32 * 16),
]


def uniform_to(values, bound):
    """Whether the values fill [−bound, bound] evenly: extremes and standard deviation."""
    inside = np.abs(values).max() <= bound * (1 + 1e-6)
    return inside and values.max() > 0.9 * bound and values.min() < -0.9 * bound and (
        abs(values.std() / bound * math.sqrt(3) - 1) < 0.1
    )  # fmt: skip


@pytest.mark.parametrize(("make", "fan_in"), LAYERS)
def test_layers_start_uniform_as_in_pytorch(make, fan_in):
    mg.manual_seed(1)
    layer = make()
    assert uniform_to(layer.weight.array, 1 / math.sqrt(fan_in))
    assert np.abs(layer.bias.array).max() <= 1 / math.sqrt(fan_in)
    assert -layer.bias.array.min() > 0.6 / math.sqrt(fan_in) < layer.bias.array.max()
    mg.manual_seed(1)
    np.testing.assert_array_equal(make().bias.array, layer.bias.array)
    assert (make().bias.array != layer.bias.array).any()


@settings(max_examples=20, deadline=None)
@given(
    shape=st.sampled_from([(90, 100), (20, 30, 3, 5)]),
    mode=st.sampled_from(["fan_in", "fan_out"]),
    slope=st.floats(0, 2),
    gain=st.floats(0.1, 3),
)
def test_standard_deviations(shape, mode, slope, gain):
    into, out = (100, 90) if len(shape) == 2 else (30 * 15, 20 * 15)
    kaiming = math.sqrt(2 / (1 + slope**2) / (into if mode == "fan_in" else out))
    xavier = gain * math.sqrt(2 / (into + out))
    t = nn.Parameter(np.zeros(shape))
    stream = mg.Generator(3)
    before = mg.default_generator.state_dict()
    assert uniform_to(
        init.kaiming_uniform_(t, slope, mode, generator=stream).array, kaiming * 3**0.5
    )
    assert uniform_to(init.xavier_uniform_(t, gain, stream).array, xavier * 3**0.5)
    for values, std in (
        (init.kaiming_normal_(t, slope, mode, generator=stream).array.copy(), kaiming),
        (init.xavier_normal_(t, gain, stream).array.copy(), xavier),
    ):
        assert abs(values.std() / std - 1) < 0.1 and np.abs(values).max() > 3 * std
    assert mg.default_generator.state_dict() == before and t.requires_grad and t.is_leaf


@pytest.mark.parametrize("shape", [(4, 7), (6, 3), (4, 2, 3, 1)])
def test_orthogonal_rows_or_columns_and_truncated_normals(shape):
    mg.manual_seed(0)
    t = init.orthogonal_(nn.Parameter(np.zeros(shape)), gain=2)
    m = t.numpy().reshape(shape[0], -1)
    product = m @ m.T if len(m) <= m.shape[1] else m.T @ m
    # Householder's reflections are orthogonal to some ten roundings of 2⁻⁵³.
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-13)
    signs = [init.orthogonal_(nn.Parameter(np.zeros((1, 1)))).item() for _ in range(40)]
    assert set(signs) == {-1.0, 1.0} and t.requires_grad
    values = init.trunc_normal_(nn.Parameter(np.zeros(20000)), 1, 2, -1, 2).numpy()
    inside = np.random.default_rng(0).normal(1, 2, 200000)
    inside = inside[(inside >= -1) & (inside <= 2)]
    assert values.min() >= -1 and values.max() <= 2
    # The standard error of a mean of 20,000 is 0.8/√20,000 = 0.006, that of a spread less.
    assert abs(values.mean() - inside.mean()) < 0.03 and abs(values.std() - inside.std()) < 0.03


def test_constants_gains_and_errors():
    t = nn.Parameter(np.zeros((3, 4)))
    assert (init.ones_(t).array == 1).all() and (init.constant_(t, 2.5).array == 2.5).all()
    assert (init.zeros_(t).array == 0).all()
    assert init.normal_(nn.Parameter(np.zeros(10)), 10, 0.1).array.min() > 5
    assert init.uniform_(t, 2, 3).array.min() >= 2
    torch = pytest.importorskip("torch")
    for name in (
        "linear",
        "conv1d",
        "conv2d",
        "conv_transpose2d",
        "sigmoid",
        "tanh",
        "relu",
        "leaky_relu",
        "selu",
    ):
        assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    with pytest.raises(ValueError, match="'swish'"):
        init.calculate_gain("swish")
    with pytest.raises(ValueError, match="two or more axes"):
        init.xavier_normal_(nn.Parameter(np.zeros(3)))
    with pytest.raises(ValueError, match="fan_sideways"):
        init.kaiming_normal_(t, mode="fan_sideways")
