"""Autoencoders: an encoder f that makes a short code of an image, and a decoder g that makes the
image of its code, trained together so that g(f(x)) is near x.

    linear with sigmoid   g(f(x)) = σ(W'·(W·x + b) + b')        Bourlard and Kamp 1988: without the
                                                                σ it finds the principal components
    deep                  several layers on each side           Hinton and Salakhutdinov 2006
    convolutional         four layers on each side              Masci et al. 2011

A denoising autoencoder (Vincent et al. 2008) is shown a damaged image and has to give back the
clean one. From points with Gaussian noise of variance σ² the best that it can do is

    g(f(x)) = E[clean | x] = x + σ²·∇ log p(x)                  Alain and Bengio 2014, theorem 1

with p the density of the noisy points: its arrows g(f(x)) − x point to where data is dense.

Codes of new images are nowhere to be had: an autoencoder is no generator. The Gaussian that is
nearest to its codes (`DiagonalGaussian`) has its mass where no code is; a VAE (minigen.models.vae)
makes the codes Gaussian.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minigen
from minigen import Generator, Tensor, nn
from minigen import functional as F
from minigen.data.images import DataError, require_finite

LOG_2PI = math.log(2 * math.pi)


def checked_images(images: Any) -> np.ndarray:
    """Images (N, C, H, W) that can be learnt from: two or more, of numbers from 0 to 1.

    Raises:
        DataError: another shape, fewer images, NaN, or numbers outside [0, 1].
    """
    images = np.asarray(images.numpy() if hasattr(images, "numpy") else images)
    if images.ndim != 4 or 0 in images.shape[1:]:
        raise DataError(f"expected images (N, C, H, W), got {images.shape}")
    if len(images) < 2:
        raise DataError(f"expected two images or more, got {len(images)}: one has no distribution")
    require_finite("images", images, "image")
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 1:
        raise DataError(
            f"expected images from 0, black, to 1, white, got {low:.4g} to {high:.4g}: scale them,"
            " for example with Images.scaled(low=0)"
        )
    return images


class Autoencoder(nn.Module):
    """x -> g(f(x)).

    Args:
        encoder: f, (N, …) -> codes (N, latent).
        decoder: g, (N, latent) -> (N, …); for images any numbers, see `squash`.
        squash: put a sigmoid behind the decoder, so that images are in [0, 1].
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, squash: bool = True):
        super().__init__()
        self.encoder, self.decoder, self.squash = encoder, decoder, squash

    def decode(self, code: Tensor) -> Tensor:
        """g, of codes (N, latent)."""
        y = self.decoder(code)
        return F.sigmoid(y) if self.squash else y

    def forward(self, input: Tensor) -> Tensor:
        return self.decode(self.encoder(input))


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """‖output − target‖², summed over the numbers of an example and averaged over examples."""
    return F.mse_loss(output, target, reduction="sum") / len(target)


def step(
    model: nn.Module,
    optimiser: minigen.optim.Optimizer,
    images: Tensor,
    damage: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, Tensor]:
    """One training step. With `damage` the model sees damaged images, and has to give back the
    clean ones: a denoising autoencoder.

    Args:
        images: (N, …).
        damage: such as `lambda x: corrupted(x, "gaussian", 0.5)`.

    Returns:
        The loss, see `squared_error`.
    """
    loss = squared_error(model(damage(images) if damage else images), images)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return {"loss": loss.detach()}


def corrupted(
    images: Tensor, kind: str, amount: float, generator: Generator | None = None
) -> Tensor:
    """Damaged images, or points, of the same shape (Vincent et al. 2010, section 3.3).

    gaussian:          noise of standard deviation `amount` is added; not clipped, so its mean
                       squared error is amount².
    masking:           a share `amount` of the numbers is set to 0.
    salt-and-pepper:   a share `amount` of the numbers is set to 0 or 1, with equal probability.
    block:             a rectangle somewhere in each image (N, C, H, W), of a share `amount` of both
                       its sides, is set to 0 (as by Pathak et al. 2016, arXiv:1604.07379).

    Raises:
        ValueError: another kind, an amount out of range, or a block of what are no images.
    """
    top = 1 if kind in ("masking", "salt-and-pepper", "block") else math.inf
    if not 0 <= amount <= top:
        raise ValueError(f"corrupted: {kind} noise takes an amount from 0 to {top}, not {amount}")
    like = {"generator": generator, "dtype": images.dtype, "device": images.device}
    if kind == "gaussian":
        return images + amount * F.randn(*images.shape, **like)
    if kind == "block":
        if images.ndim != 4:
            raise ValueError(f"corrupted: a block is cut out of (N, C, H, W), not {images.shape}")
        inside = []
        for axis in 2, 3:
            side = images.shape[axis]
            length = round(amount * side)
            # The first pixel is the floor of u + 1: each place in which the block fits is equally
            # probable.
            u = F.rand(len(images), 1, 1, 1, **like) * (side - length + 1) - 1
            shape = (side, 1) if axis == 2 else (side,)
            pixel = F.arange(side, dtype=images.dtype, device=images.device).reshape(shape)
            inside.append((pixel > u) & (pixel <= u + length))
        return F.where(inside[0] & inside[1], 0.0, images)
    if kind not in ("masking", "salt-and-pepper"):
        raise ValueError(
            f"corrupted: expected gaussian, masking, salt-and-pepper or block, got {kind!r}"
        )
    u = F.rand(*images.shape, **like)
    value = 0.0 if kind == "masking" else (u < amount / 2).to(images.dtype)
    return F.where(u < amount, value, images)


class DiagonalGaussian(nn.Module):
    """The first generative model: fit a Gaussian, then sample m + s·ε with ε ~ N(0, I).

    Both numbers of a coordinate maximise the likelihood of the data, that is, minimise

        −log p(x) = ½·Σ_d ( (x_d − m_d)² / s_d² + log s_d² + log 2π )

    either by gradient descent on `nll`, or in closed form: where its derivatives are 0, m is the
    mean of the data and s² its mean squared distance from there.

    Args:
        dim: coordinates.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.mean = nn.Parameter(F.zeros(dim))
        self.log_var = nn.Parameter(F.zeros(dim))

    @classmethod
    def fitted(cls, points: np.ndarray) -> DiagonalGaussian:
        """The one of greatest likelihood, in closed form.

        Args:
            points: (N, dim), N > 1.

        Raises:
            ValueError: fewer points, or a coordinate that is the same in all.
        """
        points = np.asarray(points, np.float64)
        if points.ndim != 2 or len(points) < 2 or not (points.var(0) > 0).all():
            raise ValueError(
                f"DiagonalGaussian: expected two points or more that differ in every coordinate, "
                f"got {points.shape}"
            )
        model = cls(points.shape[1])
        with minigen.no_grad():
            model.mean.copy_(Tensor(points.mean(0)))
            model.log_var.copy_(Tensor(np.log(points.var(0))))
        return model

    def nll(self, points: Tensor) -> Tensor:
        """−log p of points (N, dim), (N,)."""
        apart = (points - self.mean) ** 2 * F.exp(-self.log_var)
        return 0.5 * (apart + self.log_var + LOG_2PI).sum(1)

    def sample(self, count: int, generator: Generator | None = None) -> Tensor:
        """m + s·ε, (count, dim)."""
        noise = F.randn(count, len(self.mean), generator=generator, device=self.mean.device)
        return self.mean + F.exp(0.5 * self.log_var) * noise
