"""Layers against PyTorch's: names, shapes, output, text; and what they refuse."""

import numpy as np
import pytest

import minigen as mg
from minigen import nn

IMAGES, VECTORS = (4, 6, 9, 8), (4, 6)
LAYERS = [
    ("Linear", (6, 5), {}, VECTORS),
    ("Linear", (8, 5), {"bias": False}, IMAGES),
    ("Conv2d", (6, 4, 3), {}, IMAGES),
    ("Conv2d", (6, 4, (3, 2), (2, 1), (1, 0), 2, 2, False), {}, IMAGES),
    ("ConvTranspose2d", (6, 4, 4, 2, 1), {}, IMAGES),
    ("ConvTranspose2d", (6, 4, (3, 2), 2, (1, 0), 1, 2, False, 2), {}, IMAGES),
    ("BatchNorm2d", (6,), {}, IMAGES),
    ("BatchNorm2d", (6, 1e-3, None), {}, IMAGES),
    ("BatchNorm2d", (6, 1e-3, 0.5, False), {}, IMAGES),
    ("BatchNorm2d", (6,), {"track_running_stats": False}, IMAGES),
    ("BatchNorm2d", (6,), {"bias": False}, IMAGES),
    ("Dropout", (0.0,), {}, VECTORS),
    ("LeakyReLU", (0.2,), {}, VECTORS),
    ("ReLU", (), {}, VECTORS),
    ("Tanh", (), {}, VECTORS),
    ("Sigmoid", (), {}, VECTORS),
    ("Softplus", (2.0, 1.0), {}, VECTORS),
    ("Flatten", (), {}, IMAGES),
    ("Flatten", (2, 3), {}, IMAGES),
    ("Unflatten", (1, (2, 3)), {}, IMAGES),
    ("MaxPool2d", (2,), {}, IMAGES),
    ("MaxPool2d", ((3, 2), 2, 1), {"ceil_mode": True}, IMAGES),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), LAYERS)
def test_layers_agree_with_pytorch(name, args, kwargs, shape):
    torch = pytest.importorskip("torch")
    ours = getattr(nn, name)(*args, **kwargs)
    theirs = getattr(torch.nn, name)(*args, **kwargs)
    described = {n: (tuple(t.shape), str(t.dtype)) for n, t in ours.state_dict().items()}
    expected = {n: (tuple(t.shape), str(t.dtype)[6:]) for n, t in theirs.state_dict().items()}
    assert list(described.items()) == list(expected.items())
    ours.to(np.float64), theirs.double()
    ours.load_state_dict({n: t.numpy() for n, t in theirs.state_dict().items()})
    rng = np.random.default_rng(0)
    for training in (True, True, False):
        x = rng.normal(1, 2, shape)
        y = ours.train(training)(mg.Tensor(x))
        z = theirs.train(training)(torch.from_numpy(x))
        np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-9, atol=1e-9)
    for n, t in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[n].data, t.numpy(), rtol=1e-9)
    assert repr(nn.Sequential(ours, nn.Sequential())) == repr(
        torch.nn.Sequential(theirs, torch.nn.Sequential())
    )


def test_dropout_drops_only_when_training():
    layer, x = nn.Dropout(0.25), mg.ones(10000)
    y = layer(x).data
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)} and abs(y.mean() - 1) < 0.05
    assert layer.eval()(x) is x


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: nn.Conv2d(2, 2, 3, padding_mode="reflect"), "padding_mode='reflect'"),
        (lambda: nn.Conv2d(2, 2, 3, padding="same"), "padding='same'"),
        (lambda: nn.ReLU(inplace=True), "ReLU: inplace=True"),
        (lambda: nn.LeakyReLU(0.1, True), "LeakyReLU: inplace=True"),
        (lambda: nn.Dropout(0.5, True), "Dropout: inplace=True"),
    ],
)
def test_what_is_not_supported_is_named(make, part):
    with pytest.raises(NotImplementedError, match=part):
        make()


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match=r"expected input \(N, 3, H, W\), got \(2, 3\)"):
        nn.BatchNorm2d(3)(mg.zeros(2, 3))
    with pytest.raises(ValueError, match="groups=2"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ValueError, match="probability"):
        nn.Dropout(1.5)
