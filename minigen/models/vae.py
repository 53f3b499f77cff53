"""Variational autoencoders (Kingma and Welling 2014, arXiv:1312.6114).

Latents z ~ p(z) = N(0, I) are made images by a decoder, p(x|z); an encoder guesses the latents of
an image, q(z|x) = N(μ(x), σ²(x)). How far the guess is from the truth says what to maximise:

    KL(q(z|x) ‖ p(z|x)) = E_q[ log q(z|x) − log p(z|x) ]             with z ~ q: `reparameterised`
    = E_q[ log q(z|x) − log p(z) − log p(x|z) ] + log p(x)           Bayes; −`log_weights` in [ ]
    = KL(q(z|x) ‖ p(z)) − E_q log p(x|z) + log p(x)                  `kl_to_standard_normal`, `nll`
    ≥ 0, so log p(x) ≥ E_q log p(x|z) − KL(q(z|x) ‖ p(z)) = ELBO     `loss` is −ELBO where β = 1
    log p(x) = log E_q[ p(x|z)·p(z) / q(z|x) ] ≥ E_q log mean_k […]  `importance_bound`

where the last bound takes k latents for an image, is the ELBO for k = 1, and never falls as k grows
(IWAE: Burda et al. 2016, arXiv:1509.00519, theorem 1). It tends to log p(x): the weights in [ ]
have the mean p(x), so that the mean of k of them is p(x)·(1 + δ) with δ of mean 0 and variance
Var(w) / (k·p(x)²), where that is finite, and by E log(1 + δ) ≈ E δ − ½·E δ² the bound falls short
by half of it. What is lost on the way is the encoder's gradient, for the better the bound, the less
it depends on q (Rainforth et al. 2018, arXiv:1802.04537).

A squared error with a weight λ on the KL is a Gaussian likelihood N(x; g(z), σ²·I) in disguise:
−log p(x|z) = ‖x − g(z)‖² / (2σ²) + a constant, and 2σ² times −ELBO is ‖x − g(z)‖² + 2σ²·KL + a
constant, so that λ = 2σ². A mean over pixels in the place of the sum is thus a large σ.

All likelihoods and KL terms here are sums over pixels and latents, in nats, one for each image;
what is averaged is the images.

Told the class y, encoder and decoder bound log p(x|y), by the same lines with y behind each bar but
that of p(z): latents of N(0, I) need not say the class, which is asked for (Sohn et al. 2015,
"Learning structured output representation using deep conditional generative models").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.special import logit

import minigen
from minigen import Generator, Tensor, nn
from minigen import functional as F
from minigen.models.autoencoder import LOG_2PI
from minigen.models.networks import Conditional, ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder


def kl_to_standard_normal(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, I)) = ½·Σ_d (μ_d² + σ_d² − log σ_d² − 1), (N, d) -> (N,) (Kingma and
    Welling 2014, appendix B)."""
    return 0.5 * (mean * mean + F.exp(log_var) - log_var - 1).sum(-1)


def reparameterised(mean: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    """z = μ + σ·ε: a sample of N(μ, σ²) whose gradient reaches μ and σ, since ε ~ N(0, I) depends
    on neither (section 2.4)."""
    return mean + F.exp(0.5 * log_var) * noise


def importance_bound(log_weights: Tensor) -> Tensor:
    """log (1/k)·Σ_i w_i of log-weights (k, N), (N,), in one piece however far weights are apart
    (Burda et al. 2016, equation 8)."""
    return F.logsumexp(log_weights, 0) - math.log(len(log_weights))


class Bernoulli(nn.Module):
    """p(x|z): each pixel is 1 with probability σ(l), l being the decoder's output. Pixels between 0
    and 1 count in proportion, as in the paper's experiments; it is then no density of such pixels,
    and bounds compare only among themselves."""

    def nll(self, output: Tensor, images: Tensor) -> Tensor:
        """−log p(x|z), (…, C, H, W) -> (…): summed over pixels."""
        images = images.expand(*output.shape)
        loss = F.binary_cross_entropy_with_logits(output, images, reduction="none")
        return loss.sum((-3, -2, -1))

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z]."""
        return F.sigmoid(output)


class Gaussian(nn.Module):
    """p(x|z) = N(x; l, σ²·I), l being the decoder's output.

    Args:
        variance: σ².
        learnt: whether σ² is a parameter, which maximum likelihood draws to the mean squared error
            of a pixel (Rybkin et al. 2021, arXiv:2006.13202).

    Raises:
        ValueError: a variance that is not above 0.
    """

    def __init__(self, variance: float = 1.0, learnt: bool = False):
        super().__init__()
        if not variance > 0:
            raise ValueError(f"Gaussian: variance must be above 0, not {variance}")
        self.log_var = nn.Parameter(F.full((1,), math.log(variance)))
        self.log_var.requires_grad_(learnt)

    def nll(self, output: Tensor, images: Tensor) -> Tensor:
        """−log p(x|z) = ½·Σ ((x − l)²/σ² + log σ² + log 2π), (…, C, H, W) -> (…)."""
        apart = images - output
        squared = (apart * apart).sum((-3, -2, -1))
        pixels = math.prod(images.shape[-3:])
        return 0.5 * (squared * F.exp(-self.log_var) + pixels * (self.log_var + LOG_2PI))

    def mean(self, output: Tensor) -> Tensor:
        """E[x|z]."""
        return output


class VAE(nn.Module):
    """An encoder, a decoder and the likelihood between them.

    Args:
        encoder: images (N, C, H, W) -> (N, 2·latent), μ and then log σ².
        decoder: (N, latent) -> (N, C, H, W), what the likelihood makes of it.
        latent: numbers that make z.
        likelihood: `Bernoulli()`, the default, or `Gaussian()`.

    Where both networks are `Conditional`, every method takes the images' labels (N,), too.

    Raises:
        ValueError: `latent` is less than 1.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        latent: int,
        likelihood: Bernoulli | Gaussian | None = None,
    ):
        super().__init__()
        if latent < 1:
            raise ValueError(f"VAE: latent must be 1 or more, not {latent}")
        self.encoder, self.decoder, self.latent = encoder, decoder, latent
        self.likelihood = likelihood or Bernoulli()

    def encode(self, images: Tensor, *labels: Tensor) -> tuple[Tensor, Tensor]:
        """μ and log σ² of q(z|x), (N, latent) each."""
        both = self.encoder(images, *labels)
        return both[:, : self.latent], both[:, self.latent :]

    def decode(self, z: Tensor, *labels: Tensor) -> Tensor:
        """E[x|z], images (N, C, H, W)."""
        return self.likelihood.mean(self.decoder(z, *labels))

    def terms(
        self, images: Tensor, generator: Generator | None = None, *labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """−log p(x|z) of one z ~ q(z|x), and KL(q(z|x) ‖ p(z)), (N,) each; minus their sum is the
        ELBO."""
        mean, log_var = self.encode(images, *labels)
        z = reparameterised(mean, log_var, self._noise(mean.shape, generator, mean))
        nll = self.likelihood.nll(self.decoder(z, *labels), images)
        return nll, kl_to_standard_normal(mean, log_var)

    def log_weights(
        self, images: Tensor, samples: int, generator: Generator | None = None, *labels: Tensor
    ) -> Tensor:
        """log w = log p(x|z) + log p(z) − log q(z|x) for `samples` z ~ q(z|x) of each image,
        (samples, N)."""
        mean, log_var = self.encode(images, *labels)
        noise = self._noise((samples, *mean.shape), generator, mean)
        z = reparameterised(mean, log_var, noise)  # (k, N, latent)
        labels = [y.repeat(samples) for y in labels]
        output = self.decoder(z.reshape(-1, self.latent), *labels)  # (k·N, C, H, W)
        output = output.reshape(samples, *images.shape)
        # log N(z; 0, I) − log N(z; μ, σ²): ε is (z − μ)/σ, and the factors of 2π cancel.
        prior_to_guess = 0.5 * (noise * noise - z * z + log_var).sum(-1)
        return prior_to_guess - self.likelihood.nll(output, images)

    def sample(self, count: int, generator: Generator | None = None, *labels: Tensor) -> Tensor:
        """E[x|z] of z ~ N(0, I): new images (count, C, H, W)."""
        like = next(iter(self.parameters()))
        return self.decode(self._noise((count, self.latent), generator, like), *labels)

    @staticmethod
    def _noise(shape: Sequence[int], generator: Generator | None, like: Tensor) -> Tensor:
        return F.randn(*shape, generator=generator, dtype=like.dtype, device=like.device)


def loss(
    reconstruction: Tensor, kl: Tensor, beta: float = 1.0, capacity: float | None = None
) -> Tensor:
    """What is minimised, a 0-d tensor: −E_q log p(x|z) + β·KL, averaged over images.

    β = 1 is −ELBO, β = 0 an autoencoder with noise, β > 1 presses latents to be few and
    independent (β-VAE, Higgins et al. 2017, equation 4). With a capacity C, in nats, it is
    −E_q log p(x|z) + β·|KL − C| (Burgess et al. 2018, arXiv:1804.03599, equation 8): the KL is held
    at C, which is raised slowly, so that latents are taken up one after the other.

    Args:
        reconstruction: −log p(x|z), (N,).
        kl: (N,).
    """
    if capacity is None:
        return (reconstruction + beta * kl).mean()
    return reconstruction.mean() + beta * (kl.mean() - capacity).abs()


def step(
    model: VAE,
    optimiser: minigen.optim.Optimizer,
    images: Tensor,
    *labels: Tensor,
    beta: float = 1.0,
    capacity: float | None = None,
    samples: int = 1,
) -> dict[str, Tensor]:
    """One training step on images (N, C, H, W), and maybe their labels (N,): on `loss`, or, with
    more than one sample, on the importance-weighted bound of so many.

    Returns:
        0-d tensors: loss, reconstruction −log p(x|z), KL and ELBO, averaged over images; with more
        samples only the loss and the bound, for there is no such split.

    Raises:
        ValueError: a beta or a capacity for the importance-weighted bound, which has no place for
            them.
    """
    if samples > 1:
        if beta != 1 or capacity is not None:
            raise ValueError("step: the importance-weighted bound takes beta = 1 and no capacity")
        bound = importance_bound(model.log_weights(images, samples, None, *labels)).mean()
        objective = -bound
        metrics = {"loss": objective.detach(), "bound": bound.detach()}
    else:
        terms = model.terms(images, None, *labels)
        objective = loss(*terms, beta, capacity)
        reconstruction, kl = (t.detach().mean() for t in terms)
        metrics = {"loss": objective.detach(), "reconstruction": reconstruction, "kl": kl}
        metrics["elbo"] = -(reconstruction + kl)
    optimiser.zero_grad()
    objective.backward()
    optimiser.step()
    return metrics


def start_at_mean(model: VAE, images: np.ndarray) -> None:
    """Set the decoder's last bias so that z = 0 with small weights makes the mean of the training
    images (N, C, H, W), from 0 to 1: the log-odds of each pixel, as in the code of Burda et al.

    From there each step is about what tells images apart, and pixels that are always black do not
    drive the weights.
    """
    mean = images.mean(0, dtype=np.float64).clip(1e-3, 1 - 1e-3)
    bias = [layer for layer in model.decoder.modules() if hasattr(layer, "bias")][-1].bias
    log_odds = logit(mean).astype(np.float32)
    with minigen.no_grad():
        bias.copy_(Tensor(log_odds.reshape(bias.shape), device=bias.device))


def evaluate(
    model: VAE, images: Tensor, batch_size: int = 500, generator: Generator | None = None
) -> dict[str, float]:
    """ELBO, −log p(x|z) and KL, averaged over images (N, C, H, W), by one z for each."""
    sums = [0.0, 0.0]
    with minigen.no_grad():
        for i in range(0, len(images), batch_size):
            for j, term in enumerate(model.terms(images[i : i + batch_size], generator)):
                sums[j] += float(term.sum())
    reconstruction, kl = (s / len(images) for s in sums)
    return {"elbo": -(reconstruction + kl), "reconstruction": reconstruction, "kl": kl}


def mlp_vae(
    latent: int = 20,
    hidden: Sequence[int] = (400,),
    size: int = 28,
    channels: int = 1,
    activation: Callable[[], nn.Module] = nn.ReLU,
    likelihood: Any = None,
    classes: int = 0,
) -> VAE:
    """The multilayer perceptrons of the paper, (400,) -> 20 as in PyTorch's example; Burda et al.
    take (200, 200) -> 50 with tanh. With classes both are told the class."""
    sizes = (hidden, size, channels, activation)
    encoder = MLPEncoder(2 * latent, *sizes, classes)
    decoder = MLPDecoder(latent + classes, *sizes)
    if classes:
        encoder, decoder = Conditional(encoder, classes, flat=True), Conditional(decoder, classes)
    return VAE(encoder, decoder, latent, likelihood)


def conv_vae(
    latent: int = 20, width: int = 32, size: int = 28, channels: int = 1, likelihood: Any = None
) -> VAE:
    """Four convolutions and four upconvolutions."""
    sizes = (width, size, channels)
    return VAE(ConvEncoder(2 * latent, *sizes), ConvDecoder(latent, *sizes), latent, likelihood)
