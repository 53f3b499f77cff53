"""The summary's numbers, by hand, and that looking changes nothing."""

import copy
import re

import numpy as np
import pytest

import minigen as mg
from minigen import nn


class Sampler(nn.Module):
    """Two inputs, two outputs, random numbers also in evaluation, a frozen and a tied layer, and a
    tied parameter."""

    def __init__(self):
        super().__init__()
        self.image = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8))
        self.flat = nn.Flatten()
        self.mean = nn.Linear(8 * 4 * 4, 5)
        self.tied, self.shift = self.mean, self.mean.bias
        self.drop = nn.Dropout()
        self.spare = nn.Linear(2, 2)
        self.spare.requires_grad_(False)

    def forward(self, x, label):
        assert label.dtype == np.int64
        h = self.drop(self.flat(self.image(x)))
        return self.mean(h), self.tied(h) + mg.randn(len(h), 5)


def test_numbers_and_no_side_effects():
    net = Sampler()
    net.drop.eval()  # one flag unlike the others
    before = copy.deepcopy(net.state_dict())
    stream, flags = mg.default_generator.state_dict(), [m.training for m in net.modules()]
    summary = nn.summary(net, [(3, 8, 8), ()], dtype=[None, np.int64])
    found = {layer.name: (layer.type, layer.output, layer.parameters) for layer in summary.layers}
    assert found == {
        "": ("Sampler", "(N, 5), (N, 5)", 5),
        "image": ("Sequential", "(N, 8, 4, 4)", 0),
        "image.0": ("Conv2d", "(N, 8, 4, 4)", 8 * 3 * 16),
        "image.1": ("BatchNorm2d", "(N, 8, 4, 4)", 16),
        "flat": ("Flatten", "(N, 128)", 0),
        "mean": ("Linear", "(N, 5)", 128 * 5),
        "drop": ("Dropout", "(N, 128)", 0),
        "spare": ("Linear", "", 6),
    }
    assert summary.parameters == 384 + 16 + 645 + 6 and summary.trainable == 384 + 16 + 645
    assert summary.bytes == 4 * summary.parameters
    assert "1,051 parameters (4.1 KiB): 1,045 trainable, 6 frozen" in str(summary)
    assert re.search(r"\n    0: Conv2d +\(N, 8, 4, 4\) +384\n", str(summary))

    assert mg.default_generator.state_dict() == stream
    assert [m.training for m in net.modules()] == flags
    for name, t in net.state_dict().items():
        np.testing.assert_array_equal(t.array, before[name].array)
    assert not any(hooks for m in net.modules() for hooks in m._hooks)
    assert all(p.grad is None for p in net.parameters())


def test_a_vector_and_an_input_that_does_not_fit():
    net = nn.Linear(7, 2, dtype=np.float64)
    assert nn.summary(net, 7).layers == nn.summary(net, (7,)).layers
    with pytest.raises(ValueError) as caught:
        nn.summary(net, (6,))
    assert "zeros: float64 (2, 6)" in caught.value.__notes__[0]
    assert net.training
