"""The networks that the models share: perceptrons, generators and the judges that belong to them,
encoders and decoders.

    mlp, MLPGenerator, MLPDiscriminator,            multilayer perceptrons
    MLPEncoder, MLPDecoder
    ConvGenerator, ConvDiscriminator                convolutions, of the WGAN tutorial
    DenseConvGenerator, DenseConvJudge              dense layers and convolutions, of InfoGAN
    ConvEncoder, ConvDecoder                        convolutions, for autoencoders
    Conditional                                     any of them, told a class
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import minigen
from minigen import Tensor, nn
from minigen import functional as F
from minigen.data import DataError


def mlp(*sizes: int, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """A multilayer perceptron: linear layers from size to size, and `activation` between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


class MLPEncoder(nn.Sequential):
    """(N, channels, size, size) -> (N, outputs): linear layers with `activation` between them.

    Args:
        outputs: how many numbers make a code.
        hidden: units of each layer in between, none for a linear encoder.
        classes: so many inputs more, for `Conditional(…, flat=True)`.
    """

    def __init__(
        self,
        outputs: int,
        hidden: Sequence[int] = (400,),
        size: int = 28,
        channels: int = 1,
        activation: Callable[[], nn.Module] = nn.ReLU,
        classes: int = 0,
    ):
        inputs = channels * size * size + classes
        super().__init__(nn.Flatten(), *mlp(inputs, *hidden, outputs, activation=activation))


class MLPDecoder(nn.Sequential):
    """(N, latent) -> (N, channels, size, size), any numbers: the mirror of `MLPEncoder`; `hidden`
    is given in the encoder's order."""

    def __init__(
        self,
        latent: int,
        hidden: Sequence[int] = (400,),
        size: int = 28,
        channels: int = 1,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ):
        layers = mlp(latent, *reversed(hidden), channels * size * size, activation=activation)
        super().__init__(*layers, nn.Unflatten(1, (channels, size, size)))


class MLPGenerator(nn.Sequential):
    """The multilayer perceptron of Goodfellow et al. 2014 for MNIST: rectified linear units, then
    sigmoid: (N, noise) -> (N, channels, size, size) in [0, 1]."""

    def __init__(self, noise: int = 100, hidden: int = 1200, size: int = 28, channels: int = 1):
        super().__init__(*MLPDecoder(noise, (hidden, hidden), size, channels), nn.Sigmoid())


class Maxout(nn.Module):
    """The largest of `pieces` linear maps, unit by unit (Goodfellow et al. 2013):
    (N, inputs) -> (N, units)."""

    def __init__(self, inputs: int, units: int, pieces: int):
        super().__init__()
        self.pieces = pieces
        self.linear = nn.Linear(inputs, units * pieces)

    def forward(self, input: Tensor) -> Tensor:
        h = self.linear(input).reshape(len(input), -1, self.pieces)  # (N, units, pieces)
        return functools.reduce(F.maximum, [h[:, :, i] for i in range(self.pieces)])


class MLPDiscriminator(nn.Sequential):
    """The multilayer perceptron of Goodfellow et al. 2014 for MNIST: maxout units and dropout:
    (N, channels, size, size) -> logits (N, outputs). Where it is told the class
    (`Conditional(…, flat=True)`) it has `classes` inputs more."""

    def __init__(
        self,
        hidden: int = 240,
        pieces: int = 5,
        size: int = 28,
        channels: int = 1,
        classes: int = 0,
        outputs: int = 1,
    ):
        super().__init__(
            nn.Flatten(),
            nn.Dropout(0.2),
            Maxout(channels * size * size + classes, hidden, pieces),
            nn.Dropout(0.5),
            Maxout(hidden, hidden, pieces),
            nn.Dropout(0.5),
            nn.Linear(hidden, outputs),
        )


class ConvGenerator(nn.Sequential):
    """The convolutional generator of the WGAN tutorial: (N, noise) -> (N, channels, size, size) in
    [−1, 1]. 1,176,835 parameters with its defaults, 1,164,289 with one channel.

    Args:
        channels: of the images.
        width: channels inside.
        noise: length of z.
        size: of the images, a multiple of 4.
    """

    def __init__(self, channels: int = 3, width: int = 128, noise: int = 100, size: int = 28):
        s = quarter(size)
        super().__init__(
            nn.Linear(noise, width * s * s),
            nn.LeakyReLU(0.2),
            nn.Unflatten(1, (width, s, s)),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(width, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, channels, 7, padding=3),
            nn.Tanh(),
        )
        glorot(self)


class ConvDiscriminator(nn.Sequential):
    """The convolutional discriminator of the WGAN tutorial: (N, channels, size, size) -> logits
    (N, 1). 41,857 parameters with its defaults, 40,705 with one channel.

    Args:
        channels: of the images.
        width: channels inside.
        size: of the images.
        dropout: the probability with which an element is dropped after each convolution.
        outputs: logits; more than one with an auxiliary classifier.
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 64,
        size: int = 28,
        dropout: float = 0.4,
        outputs: int = 1,
    ):
        halves = (((size + 1) // 2) + 1) // 2  # two convolutions of stride 2
        super().__init__(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(width * halves * halves, outputs),
        )
        glorot(self)


class DenseConvGenerator(nn.Sequential):
    """Dense layers, then convolutions, with batch norm: the generator of InfoGAN for MNIST (Chen et
    al. 2016, arXiv:1606.03657, table 1), by default at a quarter of its width:
    (N, noise) -> (N, channels, size, size) in [−1, 1].

    The dense layers place the strokes of a digit relative to each other, which convolutions of four
    pixels cannot, and they are cheap.

    Args:
        channels: of the images.
        width: channels of the last convolution but one; 16 times as many units in the first layer.
        noise: length of z.
        size: of the images, a multiple of 4.
    """

    def __init__(self, channels: int = 1, width: int = 16, noise: int = 100, size: int = 28):
        s, hidden = quarter(size), 16 * width
        super().__init__(  # no bias where batch norm would take it off again
            nn.Linear(noise, hidden, bias=False),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, 2 * width * s * s, bias=False),
            nn.Unflatten(1, (2 * width, s, s)),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )


class DenseConvJudge(nn.Sequential):
    """The discriminator that belongs to it, or a critic: (N, channels, size, size) -> (N, outputs).

    Args:
        channels: of the images.
        width: channels of the first convolution.
        size: of the images, a multiple of 4.
        norm: "batch", or "layer" for a gradient penalty, which is of each image by itself.
        outputs: numbers for each image; more than one with an auxiliary classifier.

    Raises:
        ValueError: another norm.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 16,
        size: int = 28,
        norm: str = "batch",
        outputs: int = 1,
    ):
        if norm not in ("batch", "layer"):
            raise ValueError(f"norm must be 'batch' or 'layer', not {norm!r}")
        s, hidden, batch = quarter(size), 16 * width, norm == "batch"
        super().__init__(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.BatchNorm2d(2 * width) if batch else nn.LayerNorm((2 * width, s, s)),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * width * s * s, hidden),
            nn.BatchNorm1d(hidden) if batch else nn.LayerNorm(hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, outputs),
        )


class ConvEncoder(nn.Sequential):
    """(N, channels, size, size) -> (N, outputs): four convolutions, the last over all that is left.

    Args:
        width: channels after the first convolution; twice as many from then on.
        size: of the images, a multiple of 4.
    """

    def __init__(self, outputs: int, width: int = 32, size: int = 28, channels: int = 1):
        super().__init__(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(2 * width, outputs, quarter(size)),  # (N, outputs, 1, 1)
            nn.Flatten(),
        )


class ConvDecoder(nn.Sequential):
    """(N, latent) -> (N, channels, size, size), any numbers: four upconvolutions (transposed
    convolutions), the mirror of `ConvEncoder`."""

    def __init__(self, latent: int, width: int = 32, size: int = 28, channels: int = 1):
        super().__init__(
            nn.Unflatten(1, (latent, 1, 1)),
            nn.ConvTranspose2d(latent, 2 * width, quarter(size)),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),
        )


class Conditional(nn.Module):
    """A network that is told the class y besides its input, G(z|y) or D(x|y) (Mirza and Osindero
    2014, arXiv:1411.1784, equation 2).

    y comes as zeros with a single 1: beside a vector as so many further numbers, beside an image
    as so many further planes. `network` therefore takes `classes` inputs more.

    Args:
        network: takes (N, inputs + classes), or (N, C + classes, H, W).
        classes: how many.
        flat: make images vectors first, for a multilayer perceptron.
    """

    def __init__(self, network: nn.Module, classes: int, flat: bool = False):
        super().__init__()
        self.network, self.classes, self.flat = network, classes, flat

    def forward(self, input: Tensor, labels: Tensor) -> Tensor:
        x = input.flatten(1) if self.flat else input
        y = F.one_hot(labels, self.classes).to(x.dtype)
        y = y.reshape(*y.shape, *[1] * (x.ndim - 2)).expand(*y.shape, *x.shape[2:])
        return self.network(F.cat([x, y], 1))


def quarter(size: int) -> int:
    """A quarter of the size of images, which two convolutions of stride 2 leave of it.

    Raises:
        DataError: it is no whole number.
    """
    if size < 4 or size % 4:
        raise DataError(f"the size of images must be a multiple of 4, not {size}")
    return size // 4


def sizes_to(size: int) -> list[int]:
    """The sizes from the coarsest to `size`, each twice the one before: 4, 8, 16, 32, or 7, 14, 28.

    Raises:
        DataError: the size cannot be halved without falling below 4.
    """
    sizes = [size]
    while sizes[0] % 2 == 0 and sizes[0] >= 8:
        sizes.insert(0, sizes[0] // 2)
    if not sizes[1:]:
        raise DataError(f"pictures must be of an even size, 8 or more, not {size}")
    return sizes


def glorot(network: nn.Module) -> None:
    """Glorot and Bengio's initialisation, that of Keras, in which the tutorial's pair is written.
    Without batch norm it matters: from PyTorch's smaller weights the generator turned black in the
    runs tried here, and a tanh at −1 passes no gradient."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """The network as it is to be looked at: unrecorded, without dropout, and with batch norm's
    running statistics, so that no image depends on the others beside it. Afterwards it, and each of
    its parts, is in the mode that it was in."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with minigen.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
