"""Generative adversarial networks (Goodfellow et al. 2014, arXiv:1406.2661).

A generator G turns noise z into images. A discriminator D is shown real and generated images and
says how probable it thinks each one to be real. The two play

    min_G max_D V(D, G) = E_x log D(x) + E_z log(1 − D(G(z)))                     (equation 1)

D here returns the log-odds l (logits) and not the probability D = σ(l), for from l both logarithms
can be had without overflow:

    −log σ(l) = −log 1 / (1 + e⁻ˡ) = log(1 + e⁻ˡ) = softplus(−l)
    −log(1 − σ(l)) = −log σ(−l) = softplus(l)

    LOSSES            what D and what G minimise, by name: a new one needs no more than its line
                      (and its test one in CLOSED_FORMS of tests/models/test_gan.py)
    GAN.step          algorithm 1
    AuxiliaryGAN      the form in which D has to tell the class
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import minigen
from minigen import Tensor, nn, optim
from minigen import functional as F
from minigen.models.adversaries import Adversaries, Batch, descend
from minigen.models.augment import Augmentation

ADAM = functools.partial(optim.Adam, lr=2e-4, betas=(0.5, 0.999))  # as in the DCGAN paper


def probabilities(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """The mean of D = σ(l) on real images, D(x), and on generated ones, D(G(z))."""
    return {"d_real": F.sigmoid(real).mean(), "d_fake": F.sigmoid(fake).mean()}


def outputs(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """The same of a D whose output l is no log-odds."""
    return {"d_real": real.mean(), "d_fake": fake.mean()}


class Loss(NamedTuple):
    """What the two minimise, 0-d tensors, and what is logged: functions of D's outputs l, (N, 1),
    on real and on generated images."""

    discriminator: Callable[[Tensor, Tensor], Tensor]  # J(D), of both
    generator: Callable[[Tensor], Tensor]  # J(G), of those on generated images
    metrics: Callable[[Tensor, Tensor], dict[str, Tensor]] = outputs


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


LOSSES = {
    # J(G) = −E_z log D(G(z)), section 3 of the paper: the same fixed point as equation 1, and a
    # gradient that is large where D wins.
    "non-saturating": Loss(
        discriminator_loss, lambda fake: F.softplus(-fake).mean(), probabilities
    ),
    # J(G) = E_z log(1 − D(G(z))), equation 1. Its slope vanishes where D is sure of itself, at the
    # start of training.
    "minimax": Loss(discriminator_loss, lambda fake: -F.softplus(fake).mean(), probabilities),
    # ½·E (l(x) − 1)² + ½·E l(G(z))² and ½·E (l(G(z)) − 1)²: Mao et al. 2017, arXiv:1611.04076,
    # equation 9. What D takes for all too real is drawn back too, so that the slope never vanishes.
    "least-squares": Loss(
        lambda real, fake: 0.5 * ((real - 1) ** 2).mean() + 0.5 * (fake**2).mean(),
        lambda fake: 0.5 * ((fake - 1) ** 2).mean(),
    ),
    # E max(0, 1 − l(x)) + E max(0, 1 + l(G(z))) and −E l(G(z)): Lim and Ye 2017, arXiv:1705.02894;
    # Miyato et al. 2018, arXiv:1802.05957, equations 16 and 17. As in a support vector machine,
    # images on the right side of the margin do not count.
    "hinge": Loss(
        lambda real, fake: F.relu(1 - real).mean() + F.relu(1 + fake).mean(),
        lambda fake: -fake.mean(),
    ),
}


class GAN(Adversaries):
    """The two networks, their optimisers, and the training step of algorithm 1.

    Args:
        generator: (N, noise) -> images; or noise and labels -> images.
        discriminator: images -> l, (N, 1); or images and labels.
        loss: a key of LOSSES, or a `Loss`.
        optimiser: called with a network's parameters.
        discriminator_optimiser: the same for D, if another.
        augmentation: T, through which D sees all images, real and generated; see `augment`.
        noise, prior, packing: see `Adversaries`.

    Raises:
        ValueError: another loss, prior or packing.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        loss: str | Loss = "non-saturating",
        optimiser: Callable[..., Any] = ADAM,
        discriminator_optimiser: Callable[..., Any] | None = None,
        augmentation: Callable[[Tensor], Tensor] | None = None,
        **options: Any,
    ):
        super().__init__(generator, **options)
        if not isinstance(loss, Loss) and (not isinstance(loss, str) or loss not in LOSSES):
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, or a Loss, not {loss!r}")
        self.loss = loss
        self.discriminator = discriminator
        self.augmentation = augmentation or Augmentation()
        self.generator_optimiser = optimiser(generator.parameters())
        optimiser = discriminator_optimiser or optimiser
        self.discriminator_optimiser = optimiser(discriminator.parameters())

    def step(self, *real: Batch) -> dict[str, Tensor]:
        """One turn of algorithm 1: a discriminator step on each of k batches of real images
        (N, C, H, W), or images and labels (N,), then a generator step on the images generated last.

        Returns:
            Both losses and the metrics of the loss, as 0-d tensors.
        """
        for x, *y in self.batches(real):
            fake = self.generated(len(x), *y)
            d_real, d_fake = self.judged_both(x, fake.detach(), *y)
            loss = self.loss_given(*y)
            d_loss = loss.discriminator(d_real, d_fake)
            descend(self.discriminator_optimiser, d_loss)

        g_loss = loss.generator(self.judged(fake, *y))
        descend(self.generator_optimiser, g_loss)
        with minigen.no_grad():
            metrics = loss.metrics(d_real, d_fake)
        return {"loss_d": d_loss.detach(), "loss_g": g_loss.detach(), **metrics}

    def judged(self, images: Tensor, *labels: Tensor) -> Tensor:
        """The output of D on images, or on images of these classes, as it sees them."""
        return self.discriminator(self.augmentation(images), *labels)

    def judged_both(self, real: Tensor, fake: Tensor, *labels: Tensor) -> tuple[Tensor, ...]:
        """The output of D on real and on generated images, each a batch by itself."""
        return self.judged(real, *labels), self.judged(fake, *labels)

    def loss_given(self, *labels: Tensor) -> Loss:
        """The loss of outputs on images of these classes."""
        return LOSSES[self.loss] if isinstance(self.loss, str) else self.loss


class AuxiliaryGAN(GAN):
    """The form with an auxiliary classifier (Odena et al. 2017, arXiv:1610.09585, section 3): D is
    not told the class but asked for it. Its outputs are (N, 1 + classes), the logits of the classes
    after l, and both losses contain −E log p(y | x), of real and of generated images, which the
    metrics give."""

    def judged(self, images: Tensor, *labels: Tensor) -> Tensor:
        return super().judged(images)

    def loss_given(self, *labels: Tensor) -> Loss:
        def of_class(output: Tensor) -> Tensor:
            return F.cross_entropy(output[:, 1:], *labels)

        def metrics(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
            classes = {"class_real": of_class(real), "class_fake": of_class(fake)}
            return {**loss.metrics(real[:, :1], fake[:, :1]), **classes}

        loss = super().loss_given()
        return Loss(
            lambda r, f: loss.discriminator(r[:, :1], f[:, :1]) + of_class(r) + of_class(f),
            lambda fake: loss.generator(fake[:, :1]) + of_class(fake),
            metrics,
        )
