"""Generative adversarial networks (Goodfellow et al. 2014, arXiv:1406.2661).

A generator G turns noise z into images. A discriminator D is shown real and generated images and
says how probable it thinks each one to be real. The two play

    min_G max_D V(D, G) = E_x log D(x) + E_z log(1 − D(G(z)))                     (equation 1)

D here returns the log-odds l (logits) and not the probability D = σ(l), since log σ(l) and
log(1 − σ(l)) = log σ(−l) can be had from l without overflow.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import minigen
from minigen import Tensor, nn, optim
from minigen import functional as F

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


class GAN:
    """The two networks, their optimisers, and the training step of algorithm 1.

    Args:
        generator: (N, noise) -> images.
        discriminator: images -> logits (N, 1).
        noise: how many numbers make z.
        prior: z from N(0, 1) ("normal") or U(−1, 1) ("uniform").
        objective, smoothing: see `generator_loss` and `discriminator_loss`.
        optimiser: called with a network's parameters.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        noise: int = 100,
        prior: str = "normal",
        objective: str = "non-saturating",
        smoothing: float = 0.0,
        optimiser: Callable[..., Any] = ADAM,
    ):
        if prior not in ("normal", "uniform"):
            raise ValueError(f"prior must be 'normal' or 'uniform', not {prior!r}")
        if objective not in ("minimax", "non-saturating"):
            raise ValueError(f"objective must be 'minimax' or 'non-saturating', not {objective!r}")
        self.generator, self.discriminator = generator, discriminator
        self.noise, self.prior = noise, prior
        self.objective, self.smoothing = objective, smoothing
        self.generator_optimiser = optimiser(generator.parameters())
        self.discriminator_optimiser = optimiser(discriminator.parameters())

    def sample_noise(self, count: int) -> Tensor:
        """z, (count, noise), on the generator's device."""
        like = next(iter(self.generator.parameters()))
        draw = F.randn if self.prior == "normal" else F.rand
        z = draw(count, self.noise, dtype=like.dtype, device=like.device)
        return z if self.prior == "normal" else z * 2 - 1

    def step(self, *real: Tensor) -> dict[str, Tensor]:
        """One turn of algorithm 1: a discriminator step on each of k batches of real images
        (N, C, H, W), then a generator step on the images generated last.

        Returns:
            Both losses and the mean of D on real images, D(x), and on generated ones, D(G(z)),
            as 0-d tensors.
        """
        if not real:
            raise ValueError("step: expected at least one batch of real images, got none")
        for images in real:
            fake = self.generator(self.sample_noise(len(images)))
            d_real = self.discriminator(images)
            d_fake = self.discriminator(fake.detach())
            d_loss = discriminator_loss(d_real, d_fake, self.smoothing)
            self.discriminator_optimiser.zero_grad()
            d_loss.backward()
            self.discriminator_optimiser.step()

        g_loss = generator_loss(self.discriminator(fake), self.objective)
        self.generator_optimiser.zero_grad()
        # Only towards G: D's weights are fixed here, and collect no gradient.
        g_loss.backward(inputs=list(self.generator.parameters()))
        self.generator_optimiser.step()
        with minigen.no_grad():
            return {
                "loss_d": d_loss.detach(),
                "loss_g": g_loss.detach(),
                "d_real": F.sigmoid(d_real).mean(),
                "d_fake": F.sigmoid(d_fake).mean(),
            }

    def state_dict(self) -> dict[str, Any]:
        """Both networks and both optimisers."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the state of a GAN of the same sizes."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        names = ("generator", "discriminator", "generator_optimiser", "discriminator_optimiser")
        return {name: getattr(self, name) for name in names}


def _glorot(network: nn.Module) -> None:
    """Glorot and Bengio's initialisation, that of Keras, in which the tutorial's pair is written.
    Without batch norm it matters: from PyTorch's smaller weights the generator turned black in the
    runs tried here, and a tanh at −1 passes no gradient."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


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
        if size % 4:
            raise ValueError(f"size must be a multiple of 4, not {size}")
        s = size // 4
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
        _glorot(self)


class ConvDiscriminator(nn.Sequential):
    """The convolutional discriminator of the WGAN tutorial: (N, channels, size, size) -> logits
    (N, 1). 41,857 parameters with its defaults, 40,705 with one channel.

    Args:
        channels: of the images.
        width: channels inside.
        size: of the images.
        dropout: the probability with which an element is dropped after each convolution.
    """

    def __init__(self, channels: int = 3, width: int = 64, size: int = 28, dropout: float = 0.4):
        halves = (((size + 1) // 2) + 1) // 2  # two convolutions of stride 2
        super().__init__(
            nn.Conv2d(channels, width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Conv2d(width, width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(width * halves * halves, 1),
        )
        _glorot(self)


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
    sigmoid: (N, noise) -> (N, 1, size, size) in [0, 1]."""

    def __init__(self, noise: int = 100, hidden: int = 1200, size: int = 28):
        super().__init__(
            nn.Linear(noise, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, size * size),
            nn.Sigmoid(),
            nn.Unflatten(1, (1, size, size)),
        )


class MLPDiscriminator(nn.Sequential):
    """The multilayer perceptron of Goodfellow et al. 2014 for MNIST: maxout units and dropout:
    (N, 1, size, size) -> logits (N, 1)."""

    def __init__(self, hidden: int = 240, pieces: int = 5, size: int = 28):
        super().__init__(
            nn.Flatten(),
            nn.Dropout(0.2),
            Maxout(size * size, hidden, pieces),
            nn.Dropout(0.5),
            Maxout(hidden, hidden, pieces),
            nn.Dropout(0.5),
            nn.Linear(hidden, 1),
        )
