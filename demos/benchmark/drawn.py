"""Networks that nobody chose: drawn by a seed, and built by either library.

What is drawn knows no library, so that both build the same. Most are convolutional, some are
perceptrons; a step is to take about 1 to 300 ms where products run at 150 GFLOP/s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ACTIVATIONS = [
    "ReLU", "LeakyReLU", "ReLU6", "PReLU", "ELU", "SELU", "GELU", "SiLU", "Softplus", "Tanh",
    "Hardtanh", "Sigmoid", "LogSigmoid",
]  # fmt: skip
NORMS = ["batch", "group", "layer", "instance", "none"]
CONVOLUTIONS = ["conv", "transposed", "residual"]
CLASSES = 10
SECONDS = 1.5e-3, 0.2  # of a step, as far as the drawing can tell


@dataclass
class Drawn:
    """A network: layers, each a name and its numbers, for inputs of a shape.

    Attributes:
        flops: of the products forward.
        elements: numbers that layers give.
        weights: their number.
    """

    batch: int
    shape: tuple[int, ...]
    layers: list[tuple] = field(default_factory=list)
    flops: float = 0.0
    elements: int = 0
    weights: int = 0

    def seconds(self) -> float:
        """About how long a step takes: three products for each, twelve passes for each number."""
        return 3 * self.flops / 1.5e11 + self.elements * 6e-9 + self.weights * 2e-9


def drawn(seed: int, index: int) -> Drawn:
    """The network of that number: with three layers at least that learn."""
    rng = np.random.default_rng([seed, index])
    while True:
        network = _perceptron(rng) if rng.random() < 0.1 else _convolutional(rng)
        learning = sum(layer[0] in ("linear", *CONVOLUTIONS) for layer in network.layers)
        if learning > 2 and SECONDS[0] <= network.seconds() <= SECONDS[1]:
            return network


def _between(rng: np.random.Generator, low: int, high: int) -> int:
    """A whole number; each doubling is as likely as the next."""
    return int(round(math.exp(rng.uniform(math.log(low), math.log(high)))))


def _perceptron(rng: np.random.Generator) -> Drawn:
    width = _between(rng, 3, 1000)
    network = Drawn(_between(rng, 16, 512), (width,))
    for _ in range(rng.integers(2, 7)):
        outputs = _between(rng, 30, 1500)
        network.layers.append(("linear", width, outputs))
        network.flops += 2 * network.batch * width * outputs
        network.weights += width * outputs
        width = outputs
        if rng.random() < 0.7:
            network.layers.append((str(rng.choice(["batch", "layer"])), (width,)))
        network.layers.append((str(rng.choice(ACTIVATIONS)),))
        if rng.random() < 0.2:
            network.layers.append(("dropout",))
        network.elements += 3 * network.batch * width
    network.layers.append(("linear", width, CLASSES))
    return network


def _convolutional(rng: np.random.Generator) -> Drawn:
    channels, size = int(rng.choice([1, 3, _between(rng, 3, 300)])), int(rng.integers(5, 70))
    network = Drawn(_between(rng, 1, 100), (channels, size, size))
    for _ in range(rng.integers(2, 8)):
        if (layer := _layer(rng, channels, size)) is None:
            continue
        kind, _, outputs, kernel, stride, padding, groups, after = layer
        network.layers.append(layer[:-1])
        pixels = network.batch * (size if kind == "transposed" else after) ** 2
        weights = channels // groups * outputs * kernel**2
        if kind in CONVOLUTIONS:
            network.flops += 2 * pixels * weights
            network.weights += weights
        channels, size = outputs, after
        norm = str(rng.choice(NORMS))
        few = network.batch * size * size < 9 if norm == "batch" else size < 3
        if norm != "none" and not few:
            shape = (channels, size, size) if norm == "layer" else (channels,)
            network.layers.append((norm, shape))
        network.layers.append((str(rng.choice(ACTIVATIONS)),))
        if rng.random() < 0.15:
            network.layers.append(("dropout",))
        network.elements += 3 * network.batch * channels * size * size
    if rng.random() < 0.5:
        network.layers.append(("mean",))
        inputs = channels
    else:
        inputs = channels * size * size
    network.layers += [("flatten",), ("linear", inputs, CLASSES)]
    network.weights += inputs * CLASSES
    network.flops += 2 * network.batch * inputs * CLASSES
    return network


def _layer(rng: np.random.Generator, channels: int, size: int) -> tuple | None:
    """(kind, inputs, outputs, kernel, stride, padding, groups, size after it), or None where what
    was drawn does not fit."""
    kinds = ["conv", "transposed", "residual", "maximum", "average", "upsample"]
    kind = str(rng.choice(kinds, p=[0.6, 0.12, 0.1, 0.07, 0.05, 0.06]))
    kernel, stride = int(rng.integers(1, 8)), int(rng.integers(1, 3))
    padding, groups, outputs = int(rng.integers(0, kernel // 2 + 1)), 1, channels
    if kind in ("conv", "transposed"):
        outputs = _between(rng, 3, 300)
        if kind == "conv" and rng.random() < 0.1:
            groups = outputs = channels
    if kind == "residual":
        kernel, stride = int(rng.choice([1, 3, 5])), 1
        padding = kernel // 2
    if kind in ("maximum", "average"):
        kernel, stride, padding = int(rng.integers(2, 4)), 2, 0
    if kind == "transposed":
        after = (size - 1) * stride - 2 * padding + kernel
        fits = 1 <= after <= 70
    elif kind == "upsample":
        kernel, stride, padding, after = 1, 2, 0, 2 * size
        fits = after <= 70
    else:
        after = (size + 2 * padding - kernel) // stride + 1
        fits = size + 2 * padding >= kernel
    return (kind, channels, outputs, kernel, stride, padding, groups, after) if fits else None


def module(torch: Any, network: Drawn) -> Any:
    """The network, built of a library's modules."""
    nn = torch.nn

    class Residual(nn.Module):
        def __init__(self, inner: Any):
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            return x + self.inner(x)

    def one(name: str, *of: Any) -> Any:
        if name in ("conv", "residual"):
            conv = nn.Conv2d(*of[:5], groups=of[5])
            return conv if name == "conv" else Residual(conv)
        if name in ("batch", "group", "layer", "instance"):
            return norm(name, *of)
        if name in ACTIVATIONS:
            return getattr(nn, name)()
        make = {
            "transposed": lambda: nn.ConvTranspose2d(*of[:5]),
            "maximum": lambda: nn.MaxPool2d(of[2], of[3]),
            "average": lambda: nn.AvgPool2d(of[2], of[3]),
            "upsample": lambda: nn.Upsample(scale_factor=2),
            "linear": lambda: nn.Linear(*of),
            "dropout": lambda: nn.Dropout(0.2),
            "mean": lambda: nn.AdaptiveAvgPool2d(1),
            "flatten": nn.Flatten,
        }
        return make[name]()

    def norm(name: str, shape: tuple[int, ...]) -> Any:
        channels = shape[0]
        if name == "batch":
            return (nn.BatchNorm2d if len(network.shape) > 1 else nn.BatchNorm1d)(channels)
        if name == "group":
            groups = max(g for g in range(1, 33) if channels % g == 0)
            return nn.GroupNorm(groups, channels)
        return nn.LayerNorm(shape) if name == "layer" else nn.InstanceNorm2d(channels)

    return nn.Sequential(*(one(*layer) for layer in network.layers))
