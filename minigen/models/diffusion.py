"""Denoising diffusion (Sohl-Dickstein et al. 2015; Ho et al. 2020, arXiv:2006.11239).

An image x_0 gets noisier in T steps, until nothing of it is left; a network learns the way back:

    q(x_t|x_{t−1}) = N(√α_t·x_{t−1}, β_t·I)                     α_t = 1 − β_t
    q(x_t|x_0) = N(√ᾱ_t·x_0, (1 − ᾱ_t)·I)                       `noised`; ᾱ_t = α_1·…·α_t
        for one step more makes ᾱ of α·ᾱ, and 1 − α·ᾱ of the variance: α·(1 − ᾱ) + β
    q(x_{t−1}|x_t, x_0) ∝ q(x_t|x_{t−1})·q(x_{t−1}|x_0)         Bayes: of x_{t−1} two parabolas
        1/β̃_t = α_t/β_t + 1/(1 − ᾱ_{t−1})                       their curvatures add up
        μ̃_t = β̃_t·(√α_t/β_t·x_t + √ᾱ_{t−1}/(1 − ᾱ_{t−1})·x_0)   `posterior`: the weighted mean
    p(x_{t−1}|x_t) = N(μ̃_t(x_t, x̂_0), σ_t²·I)                   `reverse`; x̂_0: the network's guess

It is a VAE with T latents x_1 … x_T as large as the image, and an encoder q that is fixed:

    −log p(x_0) ≤ E_q[ log q(x_1 … x_T|x_0) − log p(x_0 … x_T) ]         −ELBO, as in `vae.py`
    = E_q[ Σ_t log q(x_t|x_{t−1}) − Σ_t log p(x_{t−1}|x_t) − log p(x_T) ]
    = KL(q(x_T|x_0) ‖ p(x_T))                                            `prior`, nothing to learn
      + Σ_{t>1} E_q KL(q(x_{t−1}|x_t, x_0) ‖ p(x_{t−1}|x_t))             `term`: Gaussians both
      − E_q log p(x_0|x_1)                                               `term` of the first step

by q(x_t|x_{t−1}) = q(x_{t−1}|x_t, x_0)·q(x_t|x_0) / q(x_{t−1}|x_0), whose fractions cancel but for
the last. What the network says may be x_0, or, since x_t = √ᾱ·x_0 + √(1 − ᾱ)·ε, the noise ε, or
v = √ᾱ·ε − √(1 − ᾱ)·x_0 (Salimans and Ho 2022, arXiv:2202.00512). With ε a term is

    KL = ‖μ̃_t(x_t, x_0) − μ̃_t(x_t, x̂_0)‖² / (2σ_t²) + …         μ̃_t is linear in x_0, and so in ε
    = β_t² / (2σ_t²·α_t·(1 − ᾱ_t))·‖ε − ε̂‖² + …
    L_simple = E ‖ε − ε̂‖²                                       `loss`: the factor is left out

which weighs steps of much noise more, and draws better pictures, of less likelihood. A network that
learns σ_t, too, needs the bound itself (Nichol and Dhariwal 2021, arXiv:2102.09672, section 3.1):
L_simple + 0.001·Σ_t term_t, where the terms' slope does not reach the means.

Without noise on the way back (Song et al. 2021, arXiv:2010.02502, equation 12) the chain is a step
of Euler's along an equation, that of z = x_t / √ᾱ_t = x_0 + σ·ε with σ² = (1 − ᾱ) / ᾱ (Karras et
al. 2022, arXiv:2206.00364, equations 1 and 3):

    x̂_0 = E[x_0|z] = z + σ²·∇log p(z; σ)                        Tweedie: Gaussians' ∇ is −ε/σ
    dz/dσ = −σ·∇log p(z; σ) = (z − x̂_0) / σ                     `slope`: the same p at each σ

The code counts steps from 0, as tables do: its t is the paper's t − 1.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from minigen import Generator, Tensor, nn, optim
from minigen import functional as F
from minigen.display import progress
from minigen.models import ode
from minigen.models.adversaries import descend
from minigen.models.denoiser import dropped, guided, same_for_all
from minigen.models.networks import evaluating

MOST = 0.999  # of a β
LEAST = 1e-12  # probability of a grey level, as Ho et al. have it
WIDEST = 80.0  # σ that a way begins at, as Karras et al. have it


class Schedule:
    """How fast noise comes in: tables of T numbers each, in float64, for ᾱ is near 1 at first.

    Args:
        alpha_bar: ᾱ, falling.
        times: what the network is told, by default from 0 to 1000.
    """

    def __init__(self, alpha_bar: np.ndarray, times: np.ndarray | None = None):
        self.alpha_bar = np.asarray(alpha_bar, np.float64)
        steps = np.arange(len(self.alpha_bar))
        self.times = steps * 1000 / len(steps) if times is None else times
        self.before = np.concatenate([[1.0], self.alpha_bar[:-1]])  # ᾱ_{t−1}
        self.beta = 1 - self.alpha_bar / self.before
        self.posterior_variance = self.beta * (1 - self.before) / (1 - self.alpha_bar)  # β̃
        self.signal, self.noise = np.sqrt(self.alpha_bar), np.sqrt(1 - self.alpha_bar)
        # μ̃ = of_data·x_0 + of_state·x_t
        self.of_data = np.sqrt(self.before) * self.beta / (1 - self.alpha_bar)
        self.of_state = np.sqrt(1 - self.beta) * (1 - self.before) / (1 - self.alpha_bar)
        # β̃ is 0 at first, where there is but one x_0: its logarithm is that of the next.
        small = np.concatenate([self.posterior_variance[1:2], self.posterior_variance[1:]])
        self.log_large = np.log(self.beta)
        self.log_small = np.log(small) if len(steps) > 1 else self.log_large
        self._on: dict[tuple[str, str], Tensor] = {}

    def on(self, device: str, name: str) -> Tensor:
        """A table as a tensor on a device, taken there once."""
        if (device, name) not in self._on:
            self._on[device, name] = Tensor(getattr(self, name), device=device)
        return self._on[device, name]

    def __len__(self) -> int:
        return len(self.alpha_bar)

    def respaced(self, steps: int) -> Schedule:
        """A chain of fewer steps: ᾱ at some of the times, the first and the last among them.

        Raises:
            ValueError: there are not so many.
        """
        if not 1 <= steps <= len(self):
            raise ValueError(f"steps must be from 1 to {len(self)}, not {steps}")
        chosen = np.linspace(len(self) - 1, 0, steps).round().astype(int)[::-1]
        return Schedule(self.alpha_bar[chosen], self.times[chosen])


def linear(steps: int = 1000) -> Schedule:
    """β from 0.0001 to 0.02 (Ho et al. 2020, section 4), which is for 1,000 steps; of fewer each is
    as much larger, or the chain would not end in noise."""
    beta = np.linspace(1e-4, 0.02, steps) * 1000 / steps
    return Schedule(np.cumprod(1 - beta.clip(None, MOST)))


def cosine(steps: int = 1000) -> Schedule:
    """ᾱ = cos²(π/2·(t/T + s) / (1 + s)), s = 0.008, over its first value (Nichol and Dhariwal 2021,
    equation 17): noise comes in more slowly at both ends."""
    angle = (np.linspace(0, 1, steps + 1) + 0.008) / 1.008 * np.pi / 2
    alpha_bar = np.cos(angle) ** 2
    beta = 1 - alpha_bar[1:] / alpha_bar[:-1]
    return Schedule(np.cumprod(1 - beta.clip(None, MOST)))


SCHEDULES = {"linear": linear, "cosine": cosine}


class Prediction(NamedTuple):
    """What a network says: its target, of x_0, ε, √ᾱ and √(1 − ᾱ); and the guess of x_0, of what
    it said, x_t, √ᾱ and √(1 − ᾱ)."""

    target: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    data: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


PREDICTIONS = {
    "noise": Prediction(lambda x0, eps, a, s: eps, lambda eps, x, a, s: (x - s * eps) / a),
    "data": Prediction(lambda x0, eps, a, s: x0, lambda x0, x, a, s: x0),
    # v is ε turned on by a right angle, as x_t is x_0 turned on: a² + s² = 1.
    "velocity": Prediction(
        lambda x0, eps, a, s: a * eps - s * x0, lambda v, x, a, s: a * x - s * v
    ),
}
VARIANCES = ("small", "large", "learnt")  # σ²: β̃, β, or between them


class Diffusion(nn.Module):
    """A network and the chain that it denoises.

    The tables of the schedule are no buffers: nobody averages, casts or saves them.

    Args:
        network: x (N, C, …), times (N,) and maybe labels (N,) -> what it `predicts`, (N, C, …); of
            learnt variances twice as many channels.
        schedule: of T steps.
        predicts: a key of PREDICTIONS.
        variance: of VARIANCES.
        clip: hold guesses of x_0 within [−1, 1], where pictures lie.
        levels: grey levels of a pixel, whose probabilities the bound is then of; without, of a
            density.
        weight: of the bound's terms in the loss, where variances are learnt.

    Raises:
        ValueError: another prediction or variance, or a single level; and of learnt variances, when
            the network is called, if its channels are not twice those of x.
    """

    def __init__(
        self,
        network: nn.Module,
        schedule: Schedule,
        *,
        predicts: str = "noise",
        variance: str = "small",
        clip: bool = True,
        levels: int | None = 256,
        weight: float = 0.001,
    ):
        super().__init__()
        if predicts not in PREDICTIONS:
            raise ValueError(f"predicts must be one of {', '.join(PREDICTIONS)}, not {predicts!r}")
        if variance not in VARIANCES:
            raise ValueError(f"variance must be one of {', '.join(VARIANCES)}, not {variance!r}")
        if levels is not None and levels < 2:
            raise ValueError(f"levels must be 2 or more, or None, not {levels}")
        self.network, self.schedule, self.predicts = network, schedule, predicts
        self.variance, self.clip, self.levels, self.weight = variance, clip, levels, weight

    def respaced(self, steps: int) -> Diffusion:
        """The same network with a chain of fewer steps (Nichol and Dhariwal 2021, section 4)."""
        kept = ("predicts", "variance", "clip", "levels", "weight")
        options = {name: getattr(self, name) for name in kept}
        return Diffusion(self.network, self.schedule.respaced(steps), **options)

    def noised(self, data: Tensor, t: Tensor | int, noise: Tensor) -> Tensor:
        """x_t ~ q(x_t|x_0) of images x_0 (N, C, …), times t (N,) and ε ~ N(0, I)."""
        return self._at("signal", t, data) * data + self._at("noise", t, data) * noise

    def posterior(self, data: Tensor, x: Tensor, t: Tensor | int) -> tuple[Tensor, Tensor]:
        """μ̃, (N, C, …), and log β̃ of q(x_{t−1}|x_t, x_0)."""
        mean = self._at("of_data", t, x) * data + self._at("of_state", t, x) * x
        return mean, self._at("log_small", t, x)

    def guess(
        self, x: Tensor, t: Tensor | int, labels: Tensor | None = None, guidance: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """x̂_0 = E[x_0|x_t], and the channels of which variances are made."""
        said, more = self._said(x, t, labels, guidance)
        return self._data(said, x, t), more

    def reverse(
        self, x: Tensor, t: Tensor | int, labels: Tensor | None = None, guidance: float = 0.0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and log σ² of p(x_{t−1}|x_t), and x̂_0."""
        data, more = self.guess(x, t, labels, guidance)
        return *self._reverse(data, more, x, t), data

    def loss(
        self,
        data: Tensor,
        labels: Tensor | None = None,
        t: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """L_simple, a mean over pixels, with learnt variances L_simple + weight·T·term, the term in
        bits a dimension: a 0-d tensor.

        Args:
            data: images (N, C, …).
            labels: (N,).
            t, noise: if not drawn here; each step is as probable, the first one too.
        """
        if t is None:
            t = F.randint(0, len(self.schedule), (len(data),), device=data.device)
        noise = F.randn_like(data) if noise is None else noise
        x = self.noised(data, t, noise)
        said, more = self._said(x, t, labels)
        a, s = self._at("signal", t, x), self._at("noise", t, x)
        target = PREDICTIONS[self.predicts].target(data, noise, a, s)
        simple = ((said - target) ** 2).mean()
        if self.variance != "learnt":
            return simple
        term = self._term(data, x, t, said.detach(), more)
        return simple + self.weight * len(self.schedule) * in_bits(term, data).mean()

    def prior(self, data: Tensor) -> Tensor:
        """KL(q(x_T|x_0) ‖ N(0, I)) of images (N, C, …), (N,), in nats."""
        last = len(self.schedule) - 1
        log_var = 2 * F.log(self._at("noise", last, data))
        return gaussian_kl(self._at("signal", last, data) * data, log_var, data * 0, log_var * 0)

    def term(
        self,
        data: Tensor,
        t: Tensor,
        noise: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """The bound's term of step t (N,) of images (N, C, …), by one x_t ~ q(x_t|x_0) each, (N,),
        in nats: KL(q(x_{t−1}|x_t, x_0) ‖ p(x_{t−1}|x_t)), but of the first step −log p(x_0|x_1)."""
        noise = F.randn_like(data) if noise is None else noise
        x = self.noised(data, t, noise)
        return self._term(data, x, t, *self._said(x, t, labels))

    def score(self, x: Tensor, t: Tensor | int, labels: Tensor | None = None) -> Tensor:
        """∇log q(x_t) = (√ᾱ·x̂_0 − x_t) / (1 − ᾱ), (N, C, …)."""
        data, _ = self.guess(x, t, labels)
        a, s = self._at("signal", t, x), self._at("noise", t, x)
        return (a * data - x) / (s * s)

    def denoised(
        self, z: Tensor, sigma: float, labels: Tensor | None = None, guidance: float = 0.0
    ) -> Tensor:
        """x̂_0 of z = x_0 + σ·ε, at any σ: the network is told the time between two steps."""
        log_sigma = np.log(self.sigmas())
        time = float(np.interp(math.log(sigma), log_sigma, self.schedule.times))
        a = 1 / math.sqrt(1 + sigma**2)
        x, s = a * z, sigma * a
        output = guided(self.network, x, same_for_all(time, x), labels, guidance)
        said = output[:, : x.shape[1]]
        return self._clipped(PREDICTIONS[self.predicts].data(said, x, a, s))

    def slope(
        self, z: Tensor, sigma: float, labels: Tensor | None = None, guidance: float = 0.0
    ) -> Tensor:
        """dz/dσ = (z − x̂_0) / σ, a field for `minigen.models.ode`."""
        return (z - self.denoised(z, sigma, labels, guidance)) / sigma

    def sigmas(self) -> np.ndarray:
        """σ = √((1 − ᾱ) / ᾱ) of each step, (T,)."""
        return self.schedule.noise / self.schedule.signal

    def _at(self, name: str, t: Tensor | int, like: Tensor) -> Tensor:
        """A table of the schedule at t, to be multiplied with `like`."""
        values = self.schedule.on(like.device, name)[t].to(like.dtype)
        return values.reshape(-1, *[1] * (like.ndim - 1))

    def _said(
        self, x: Tensor, t: Tensor | int, labels: Tensor | None, guidance: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """What the network says, and its channels of which variances are made."""
        time = self._at("times", t, x).reshape(-1).expand(len(x))
        output = guided(self.network, x, time, labels, guidance)
        # No channels would pass for variances of no pixels, and a bound of 0.
        if self.variance == "learnt" and output.shape[1] != 2 * x.shape[1]:
            raise ValueError(
                f"Diffusion: learnt variances take {2 * x.shape[1]} channels of the network, twice"
                f" those of x, not {output.shape[1]}"
            )
        return output[:, : x.shape[1]], output[:, x.shape[1] :]

    def _clipped(self, data: Tensor) -> Tensor:
        return data.clamp(-1, 1) if self.clip else data

    def _data(self, said: Tensor, x: Tensor, t: Tensor | int) -> Tensor:
        a, s = self._at("signal", t, x), self._at("noise", t, x)
        return self._clipped(PREDICTIONS[self.predicts].data(said, x, a, s))

    def _reverse(
        self, data: Tensor, more: Tensor, x: Tensor, t: Tensor | int
    ) -> tuple[Tensor, Tensor]:
        mean, small = self.posterior(data, x, t)
        if self.variance == "small":
            return mean, small
        large = self._at("log_large", t, x)
        if self.variance == "large":
            return mean, large
        share = (more + 1) / 2  # equation 15 of Nichol and Dhariwal 2021
        return mean, share * large + (1 - share) * small

    def _term(self, data: Tensor, x: Tensor, t: Tensor, said: Tensor, more: Tensor) -> Tensor:
        mean, log_var = self._reverse(self._data(said, x, t), more, x, t)
        kl = gaussian_kl(*self.posterior(data, x, t), mean, log_var)
        if self.levels is not None:
            first = -discretised_log_likelihood(data, mean, log_var, self.levels)
        else:
            first = gaussian_nll(data, mean, log_var)
        return F.where(t == 0, first, kl)


def gaussian_kl(mean: Tensor, log_var: Tensor, of_mean: Tensor, of_log_var: Tensor) -> Tensor:
    """KL(N(m, s) ‖ N(μ, σ²)) = ½·Σ (log σ²/s + (s + (m − μ)²) / σ² − 1), (N, …) -> (N,)."""
    apart = (mean - of_mean) ** 2
    each = of_log_var - log_var + F.exp(log_var - of_log_var) + apart * F.exp(-of_log_var) - 1
    return 0.5 * each.flatten(1).sum(1)


def gaussian_nll(data: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """−log N(x; μ, σ²), summed over all but the first axis, (N, …) -> (N,)."""
    each = (data - mean) ** 2 * F.exp(-log_var) + log_var + math.log(2 * math.pi)
    return 0.5 * each.flatten(1).sum(1)


def discretised_log_likelihood(
    data: Tensor, mean: Tensor, log_var: Tensor, levels: int = 256
) -> Tensor:
    """log ∫ N(x; μ, σ²) over the bin of each level, of `levels` from −1 to 1, the outer ones open
    (Ho et al. 2020, equation 13), summed: (N, …) -> (N,)."""
    half = 1 / (levels - 1)
    apart, scale = data - mean, F.exp(-0.5 * log_var) / math.sqrt(2)
    # Φ(b) − Φ(a) = ½·(erfc(−b/√2) − erfc(−a/√2)). Where both are far above 0 these are 2 − 2: there
    # the mirrored bin, which is as probable, has small numbers with all their digits.
    side = F.where(apart > 0, -1.0, 1.0)
    low, high = (side * apart - half) * scale, (side * apart + half) * scale
    open_below = F.where(apart > 0, data > 1 - half, data < half - 1)
    open_above = F.where(apart > 0, data < half - 1, data > 1 - half)
    below = F.where(open_below, 0.0, F.erfc(-low))
    above = F.where(open_above, 2.0, F.erfc(-high))
    return (0.5 * (above - below)).clamp(LEAST).log().flatten(1).sum(1)


def in_bits(nats: Tensor, data: Tensor) -> Tensor:
    """Bits a dimension of images `data`."""
    return nats / (math.log(2) * math.prod(data.shape[1:]))


class Bound(NamedTuple):
    """The bound of −log p of each image, in bits a dimension, (N,) each: its parts, which add up,
    and the mean over images of each step's term, (T,), NaN where none was drawn."""

    prior: np.ndarray
    steps: np.ndarray  # all but the first
    first: np.ndarray
    terms: np.ndarray

    @property
    def total(self) -> np.ndarray:
        return self.prior + self.steps + self.first


def bound(
    model: Diffusion,
    images: Tensor,
    labels: Tensor | None = None,
    *,
    every: int = 20,
    strata: int | None = None,
    generator: Generator | None = None,
    rows: int = 500,
) -> Bound:
    """The bound of images (N, C, …), by one x_t for each term.

    Args:
        every: so many first steps are all taken, where terms are large; one at least.
        strata: the others are parted into so many runs, of each of which one step is drawn for an
            image, and stands for its run; all are taken without.
        rows: images at a time, so that memory does not grow with their number.

    Raises:
        ValueError: `every` or `strata` is less than 1.
    """
    if every < 1 or (strata is not None and strata < 1):
        raise ValueError(f"bound: every and strata must be 1 or more, not {every} and {strata}")
    steps = len(model.schedule)
    edges = np.arange(steps + 1)
    if strata is not None and strata < steps - every:
        edges = np.append(np.arange(every), np.linspace(every, steps, strata + 1).round())
    found, drawn = np.zeros((2, steps))
    prior, parts = np.zeros(len(images)), np.zeros((2, len(images)))
    with evaluating(model.network):
        for i in range(0, len(images), rows):
            own = slice(i, i + rows)
            x, told = images[own], None if labels is None else labels[own]
            prior[own] = in_bits(model.prior(x), x).numpy()
            for low, high in progress([*itertools.pairwise(edges.astype(int))], "steps"):
                u = F.rand(len(x), generator=generator, dtype="float64").numpy()
                t = low + (u * (high - low)).astype(int)
                term = model.term(x, Tensor(t, device=x.device), _noise(x, generator), told)
                bits = in_bits(term, x).numpy().astype(np.float64)
                parts[min(low, 1), own] += bits * (high - low)
                np.add.at(found, t, bits)
                np.add.at(drawn, t, 1)
    terms = np.divide(found, drawn, out=np.full(steps, np.nan), where=drawn > 0)
    return Bound(prior, parts[1], parts[0], terms)


Each = Callable[[int, Tensor, Tensor], Tensor]


def unchanged(t: int, x: Tensor, data: Tensor) -> Tensor:
    """x_{t−1}, as it was drawn."""
    return x


def ddpm(
    model: Diffusion,
    x: Tensor,
    labels: Tensor | None = None,
    *,
    guidance: float = 0.0,
    generator: Generator | None = None,
    each: Each = unchanged,
) -> Tensor:
    """Algorithm 2 of Ho et al. 2020: x_0 from x_T ~ N(0, I), a draw of p(x_{t−1}|x_t) each step.

    Args:
        model: `model.respaced(steps)` takes fewer.
        x: x_T, (N, C, …).
        labels: what to draw, (N,).
        guidance: w, see `guided`.
        generator: the stream of the noise, if not the common one.
        each: called with t, x_{t−1} and x̂_0; what it returns is gone on with. So chains are looked
            at, and conditioned: on part of a picture by putting `noised` known pixels in.
    """
    with evaluating(model.network):
        for t in progress(range(len(model.schedule))[::-1], "steps"):
            mean, log_var, data = model.reverse(x, t, labels, guidance)
            if t > 0:  # the last step is not blurred again
                mean = mean + F.exp(0.5 * log_var) * _noise(x, generator)
            x = each(t, mean, data)
    return x


def ddim(
    model: Diffusion,
    x: Tensor,
    labels: Tensor | None = None,
    *,
    eta: float = 0.0,
    guidance: float = 0.0,
    generator: Generator | None = None,
    each: Each = unchanged,
) -> Tensor:
    """Equation 12 of Song et al. 2021, for the same network: with η = 0 a picture is a function of
    its noise; η = 1 is `ddpm` with variance β̃. See there for the arguments.

    Raises:
        ValueError: η is not from 0 to 1; with more, noise would be more than there is at a step.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"ddim: eta must be from 0 to 1, not {eta}")
    s = model.schedule
    with evaluating(model.network):
        for t in progress(range(len(s))[::-1], "steps"):
            data, _ = model.guess(x, t, labels, guidance)
            noise = (x - s.signal[t] * data) / s.noise[t]  # ε of the guess, clipped or not
            sigma = eta * math.sqrt(s.posterior_variance[t])
            x = math.sqrt(s.before[t]) * data
            x = x + math.sqrt(max(0.0, 1 - s.before[t] - sigma**2)) * noise
            if sigma:
                x = x + sigma * _noise(x, generator)
            x = each(t, x, data)
    return x


def ddim_encode(model: Diffusion, x: Tensor, labels: Tensor | None = None) -> Tensor:
    """The noise x_T that `ddim` with η = 0 turns into these images (N, C, …), nearly, and the more
    nearly, the more steps: Euler's steps along the same equation, to the other side."""
    s = model.schedule
    with evaluating(model.network):
        for t in progress(range(len(s)), "steps"):
            seen = max(0, t - 1)  # no network knows images without noise: they pass for x_1
            data, _ = model.guess(x, seen, labels)
            noise = (x - s.signal[seen] * data) / s.noise[seen]
            x = s.signal[t] * (data if t else x) + s.noise[t] * noise
    return x


def noise_levels(model: Diffusion, steps: int, rho: float = 7.0) -> np.ndarray:
    """σ from that of the last step, or 80, to that of the first, dense where it is small (Karras et
    al. 2022, equation 5): (steps,). Beyond 80 nothing is seen of data of size 1, but cosine's last
    steps would take most of the way there."""
    sigmas = model.sigmas().clip(None, WIDEST) ** (1 / rho)
    return np.linspace(sigmas[-1], sigmas[0], steps) ** rho


def probability_flow(
    model: Diffusion,
    x: Tensor,
    labels: Tensor | None = None,
    *,
    steps: int = 18,
    method: str = "heun",
    rho: float = 7.0,
    guidance: float = 0.0,
) -> Tensor:
    """x_0 from x_T ~ N(0, I) along dz/dσ, a key of `ode.METHODS` (Karras et al. 2022, algorithm 1
    without churn): 2·steps − 1 calls of the network with Heun. The last step, to σ = 0, is Euler's,
    which leads to x̂_0. See `ddpm` for the arguments."""
    levels = noise_levels(model, steps, rho)
    with evaluating(model.network):
        slope = functools.partial(model.slope, labels=labels, guidance=guidance)
        z = ode.end(slope, x * math.sqrt(1 + levels[0] ** 2), levels, method)
        return model.denoised(z, float(levels[-1]), labels, guidance)


def log_density(
    model: Diffusion, points: Tensor, labels: Tensor | None = None, steps: int = 100
) -> Tensor:
    """log p of points (N, d) by the divergence of dz/dσ, (N,), in nats; see `ode.log_density`. It
    is that of points with the noise of the first step."""
    levels = noise_levels(model, steps)[::-1]
    slope = functools.partial(model.slope, labels=labels)
    log_prior = functools.partial(ode.log_normal, sigma=math.sqrt(1 + levels[-1] ** 2))
    return ode.log_density(slope, points, levels, log_prior)


def step(
    model: Diffusion,
    optimiser: optim.Optimizer,
    images: Tensor,
    labels: Tensor | None = None,
    unlabelled: float = 0.1,
) -> dict[str, Tensor]:
    """One training step on images (N, C, …) and maybe their labels (N,), of which a share is left
    out, each by itself; gives the loss."""
    if labels is not None and unlabelled:
        labels = dropped(labels, model.network.null, unlabelled)
    loss = model.loss(images, labels)
    descend(optimiser, loss)
    return {"loss": loss.detach()}


def _noise(x: Tensor, generator: Generator | None) -> Tensor:
    return F.randn(*x.shape, generator=generator, dtype=x.dtype, device=x.device)
