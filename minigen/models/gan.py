"""Generative adversarial networks (Goodfellow et al. 2014, arXiv:1406.2661).

A generator G turns noise z into images. A discriminator D is shown real and generated images and
says how probable it thinks each one to be real. The two play

    min_G max_D V(D, G) = E_x log D(x) + E_z log(1 − D(G(z)))                     (equation 1)

D here returns the log-odds l (logits) and not the probability D = σ(l), since log σ(l) and
log(1 − σ(l)) = log σ(−l) can be had from l without overflow.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import minigen
from minigen import Tensor, nn, optim
from minigen import functional as F
from minigen.data import DataError

ADAM = functools.partial(optim.Adam, lr=2e-4, betas=(0.5, 0.999))  # as in the DCGAN paper


def discriminator_loss(real: Tensor, fake: Tensor, smoothing: float = 0.0) -> Tensor:
    """J(D) = −E_x log D(x) − E_z log(1 − D(G(z))), minus equation 1 as D sees it.

    It is the negative log-likelihood of a Bernoulli variable "the image is real", with outcome 1
    on real images and 0 on generated ones: maximising V over D is maximum likelihood.

    Args:
        real: logits of real images, (N, 1).
        fake: logits of generated images, (N, 1).
        smoothing: one-sided label smoothing (Salimans et al. 2016, section 3.4): real images count
            as real with probability 1 − smoothing, generated ones as before.
    """
    return F.binary_cross_entropy_with_logits(
        real, F.ones(*real.shape, dtype=real.dtype, device=real.device) * (1 - smoothing)
    ) + F.binary_cross_entropy_with_logits(fake, fake.detach() * 0)


def generator_loss(fake: Tensor, objective: str = "non-saturating") -> Tensor:
    """What G minimises, from the logits (N, 1) of generated images.

    minimax:         J(G) = E_z log(1 − D(G(z)))     equation 1. Its slope vanishes where D is
                                                     sure of itself, at the start of training.
    non-saturating:  J(G) = −E_z log D(G(z))         section 3: the same fixed point, and a
                                                     gradient that is large where D wins.

    Raises:
        ValueError: another objective.
    """
    if objective == "minimax":
        return -F.softplus(fake).mean()
    if objective == "non-saturating":
        return F.softplus(-fake).mean()
    raise ValueError(f"objective must be 'minimax' or 'non-saturating', not {objective!r}")


class Adversaries:
    """What every kind of GAN here has: a generator, a network that judges its images, an optimiser
    for each, and the noise that the generator starts from.

    Args:
        generator: (N, noise) -> images; or noise and labels -> images, see `Conditional`.
        judge: images -> (N, 1); or images and labels.
        judge_name: what the judge is called, such as "discriminator".
        noise: how many numbers make z.
        prior: z from N(0, 1) ("normal") or U(−1, 1) ("uniform").
        packing: how many images the judge sees at a time; see `packed`.
        optimiser: called with a network's parameters.
    """

    def __init__(
        self,
        generator: nn.Module,
        judge: nn.Module,
        judge_name: str,
        *,
        noise: int,
        prior: str,
        packing: int,
        optimiser: Callable[..., Any],
    ):
        if prior not in ("normal", "uniform"):
            raise ValueError(f"prior must be 'normal' or 'uniform', not {prior!r}")
        if packing < 1:
            raise ValueError(f"packing must be 1 or more images, not {packing}")
        self.noise, self.prior, self.packing = noise, prior, packing
        self.generator = generator
        self.generator_optimiser = optimiser(generator.parameters())
        setattr(self, judge_name, judge)
        setattr(self, f"{judge_name}_optimiser", optimiser(judge.parameters()))
        self._parts = [
            f"{name}{end}" for end in ("", "_optimiser") for name in ("generator", judge_name)
        ]

    def sample_noise(self, count: int) -> Tensor:
        """z, (count, noise), on the generator's device."""
        like = next(iter(self.generator.parameters()))
        draw = F.randn if self.prior == "normal" else F.rand
        z = draw(count, self.noise, dtype=like.dtype, device=like.device)
        return z if self.prior == "normal" else z * 2 - 1

    def generate(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """G(z), or G(z|y)."""
        return self.generator(z) if labels is None else self.generator(z, labels)

    @minigen.no_grad()
    def draw(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """`generate` to look at: unrecorded, and with batch norm's running statistics, so that no
        image depends on the others that are drawn with it."""
        was_training = self.generator.training
        self.generator.eval()
        images = self.generate(z, labels)
        self.generator.train(was_training)
        return images

    def state_dict(self) -> dict[str, Any]:
        """Both networks and both optimisers."""
        return {name: getattr(self, name).state_dict() for name in self._parts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the state of a GAN of the same sizes."""
        for name in self._parts:
            getattr(self, name).load_state_dict(state[name])


class GAN(Adversaries):
    """The two networks, their optimisers, and the training step of algorithm 1.

    With batches of (images, labels) it is a conditional GAN: G(z|y) and D(x|y) take the labels as
    well, the generated images being of the classes of the real ones. In its form with an auxiliary
    classifier (Odena et al. 2017, arXiv:1610.09585) D is not told the class but asked for it.

    Args:
        generator: (N, noise) -> images.
        discriminator: images -> logits (N, 1), or (N, 1 + classes) with an auxiliary classifier.
        noise: how many numbers make z.
        prior: z from N(0, 1) ("normal") or U(−1, 1) ("uniform").
        objective, smoothing: see `generator_loss` and `discriminator_loss`.
        packing: how many images D judges at a time; see `packed`.
        auxiliary: whether the logits of D after the first are those of the classes.
        optimiser: called with a network's parameters.
    """

    generator: nn.Module
    discriminator: nn.Module
    generator_optimiser: optim.Optimizer
    discriminator_optimiser: optim.Optimizer

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        noise: int = 100,
        prior: str = "normal",
        objective: str = "non-saturating",
        smoothing: float = 0.0,
        packing: int = 1,
        auxiliary: bool = False,
        optimiser: Callable[..., Any] = ADAM,
    ):
        if objective not in ("minimax", "non-saturating"):
            raise ValueError(f"objective must be 'minimax' or 'non-saturating', not {objective!r}")
        super().__init__(
            generator, discriminator, "discriminator",
            noise=noise, prior=prior, packing=packing, optimiser=optimiser,
        )  # fmt: skip
        self.objective, self.smoothing, self.auxiliary = objective, smoothing, auxiliary

    def step(self, *real: Tensor | tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """One turn of algorithm 1: a discriminator step on each of k batches of real images
        (N, C, H, W), or images and labels (N,), then a generator step on the images generated last.

        Returns:
            Both losses and the mean of D on real images, D(x), and on generated ones, D(G(z)), as
            0-d tensors; with an auxiliary classifier also the cross-entropy of its classes, on
            real and on generated images, which both losses contain.
        """
        if not real:
            raise ValueError("step: expected at least one batch of real images, got none")
        for batch in real:
            images, labels = batch if isinstance(batch, tuple) else (batch, None)
            fake = self.generate(self.sample_noise(len(images)), labels)
            d_real, c_real = self._discriminate(images, labels)
            d_fake, c_fake = self._discriminate(fake.detach(), labels)
            d_loss = discriminator_loss(d_real, d_fake, self.smoothing) + c_real + c_fake
            self.discriminator_optimiser.zero_grad()
            d_loss.backward()
            self.discriminator_optimiser.step()

        d_after, c_after = self._discriminate(fake, labels)
        g_loss = generator_loss(d_after, self.objective) + c_after
        self.generator_optimiser.zero_grad()
        # Only towards G: D's weights are fixed here, and collect no gradient.
        g_loss.backward(inputs=list(self.generator.parameters()))
        self.generator_optimiser.step()
        with minigen.no_grad():
            metrics = {
                "loss_d": d_loss.detach(),
                "loss_g": g_loss.detach(),
                "d_real": F.sigmoid(d_real).mean(),
                "d_fake": F.sigmoid(d_fake).mean(),
            }
            if self.auxiliary:
                metrics |= {"class_real": c_real.detach(), "class_fake": c_fake.detach()}
        return metrics

    def _discriminate(self, images: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor | float]:
        """The logits of D, (N, 1), and −E log p(y | x) by its auxiliary classifier (0 without)."""
        x = packed(images, self.packing)
        if not self.auxiliary:
            return self.discriminator(x) if labels is None else self.discriminator(x, labels), 0.0
        logits = self.discriminator(x)  # (N, 1 + classes)
        return logits[:, :1], F.cross_entropy(logits[:, 1:], labels)


def packed(images: Tensor, count: int) -> Tensor:
    """Each `count` images in a row as one with `count` times the channels (PacGAN, Lin et al. 2018,
    arXiv:1712.04086): (N, C, …) -> (N / count, count·C, …). A discriminator that sees several
    images at a time notices when generated ones are all alike, so that G cannot collapse.

    Raises:
        DataError: N is not a multiple of `count`.
    """
    if len(images) % count:
        raise DataError(
            f"packed: {len(images)} images do not make packs of {count}: take a batch size that is "
            f"a multiple of {count}"
        )
    if count == 1:
        return images
    return images.reshape(len(images) // count, count * images.shape[1], *images.shape[2:])


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


def glorot(network: nn.Module) -> None:
    """Glorot and Bengio's initialisation, that of Keras, in which the tutorial's pair is written.
    Without batch norm it matters: from PyTorch's smaller weights the generator turned black in the
    runs tried here, and a tanh at −1 passes no gradient."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


def quarter(size: int) -> int:
    """A quarter of the size of images, which two convolutions of stride 2 leave of it.

    Raises:
        DataError: it is no whole number.
    """
    if size < 4 or size % 4:
        raise DataError(f"the size of images must be a multiple of 4, not {size}")
    return size // 4


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


class MLPGenerator(nn.Sequential):
    """The multilayer perceptron of Goodfellow et al. 2014 for MNIST: rectified linear units, then
    sigmoid: (N, noise) -> (N, channels, size, size) in [0, 1]."""

    def __init__(self, noise: int = 100, hidden: int = 1200, size: int = 28, channels: int = 1):
        super().__init__(
            nn.Linear(noise, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, channels * size * size),
            nn.Sigmoid(),
            nn.Unflatten(1, (channels, size, size)),
        )


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


def mlp(*sizes: int, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """A multilayer perceptron for points in the plane: linear layers from size to size, and
    `activation` between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])
