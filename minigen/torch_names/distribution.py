"""The distributions that programs for generative models name; others are missing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigen
from minigen import functional as F
from minigen.missing import missing, missing_from
from minigen.tensor import Tensor

__path__: list[str] = []  # so that importing what is not here says so, see `names.Finder`
HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)


def _all(*values: Any) -> tuple[Tensor, ...]:
    """The values as tensors that broadcast."""
    tensors = [v if isinstance(v, Tensor) else F.tensor(v, dtype=minigen.float32) for v in values]
    return F.broadcast_tensors(*tensors)


def _ends(probs: Tensor) -> tuple[float, float]:
    """Between which logarithms of these probabilities are taken, as in PyTorch."""
    eps = float(np.finfo(probs.dtype).eps)
    return eps, 1 - eps


def _weighted(probs: Tensor, values: Tensor, impossible: Tensor | None = None) -> Tensor:
    """probs · values, but infinite where that is impossible, and 0 of what never happens."""
    if impossible is not None:
        values = F.where(impossible, math.inf, values)
    return probs * F.where(probs == 0, 0.0, values)


def _require(holds: Tensor, what: str, validate_args: bool | None) -> None:
    if validate_args is not False and not bool(holds.all()):
        raise ValueError(what)


class Distribution:
    """What all share; `batch_shape` is that of the parameters."""

    batch_shape: tuple[int, ...]

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Numbers without history, `sample_shape` of them for each parameter."""
        with minigen.no_grad():
            return self._drawn((*sample_shape, *self.batch_shape))

    @property
    def stddev(self) -> Tensor:
        """√variance"""
        return F.sqrt(self.variance)

    def __getattr__(self, name: str) -> Any:
        raise missing(name, lambda: dir(self), f"distributions.{type(self).__name__}")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.batch_shape})"


class Normal(Distribution):
    """N(loc, scale²)"""

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = _all(loc, scale)
        _require(self.scale > 0, "Normal: scale must be positive", validate_args)
        self.mean = self.mode = self.loc
        self.batch_shape, self.variance = self.loc.shape, self.scale * self.scale

    @property
    def stddev(self) -> Tensor:
        """scale"""
        return self.scale

    def _drawn(self, shape: tuple[int, ...]) -> Tensor:
        noise = F.randn(*shape, dtype=self.loc.dtype, device=self.loc.device)
        return self.loc + self.scale * noise

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """loc + scale · noise, through which gradients flow."""
        return self._drawn((*sample_shape, *self.batch_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density."""
        z = (value - self.loc) / self.scale
        return z * z * -0.5 - F.log(self.scale) - HALF_LOG_TAU

    def cdf(self, value: Tensor) -> Tensor:
        """How probable it is to be at most that: ½·(1 + erf(z / √2))"""
        return 0.5 * (1 + F.erf((value - self.loc) / (self.scale * math.sqrt(2))))

    def entropy(self) -> Tensor:
        """½ + ½·log 2π + log scale"""
        return F.log(self.scale) + (0.5 + HALF_LOG_TAU)


class Bernoulli(Distribution):
    """1 with probability `probs`, of which `logits` are the log-odds, and 0."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        if (probs is None) == (logits is None):
            raise ValueError("Bernoulli: give either probs or logits")
        (given,) = _all(logits if probs is None else probs)
        self.logits = given if probs is None else F.logit(given, _ends(given)[0])
        self.probs = F.sigmoid(given) if probs is None else given
        share = (self.probs >= 0) & (self.probs <= 1)
        _require(share, "Bernoulli: probs must be from 0 to 1", validate_args)
        self.mean, self.variance = self.probs, self.probs * (1 - self.probs)
        self.batch_shape, self._validate = given.shape, validate_args

    def _drawn(self, shape: tuple[int, ...]) -> Tensor:
        return F.bernoulli(self.probs.expand(*shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the probability."""
        _require((value == 0) | (value == 1), "Bernoulli: values must be 0 or 1", self._validate)
        return -self._surprise(value)

    def _surprise(self, value: Tensor) -> Tensor:
        logits, value = F.broadcast_tensors(self.logits, value)
        return F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        """−Σ p·log p"""
        return self._surprise(self.probs)


class Categorical(Distribution):
    """A class, whose probabilities are the last axis of `probs`, or of softmax(logits)."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        if (probs is None) == (logits is None):
            raise ValueError("Categorical: give either probs or logits")
        (given,) = _all(logits if probs is None else probs)
        if probs is None:
            self.logits = F.log_softmax(given, -1)
            self.probs = F.exp(self.logits)
        else:
            self.probs = given / given.sum(-1, keepdim=True)
            self.logits = F.log(F.clamp(self.probs, *_ends(given)))
        self.batch_shape = given.shape[:-1]

    @property
    def mode(self) -> Tensor:
        """The most probable class."""
        return self.probs.argmax(-1)

    def _drawn(self, shape: tuple[int, ...]) -> Tensor:
        rows = self.probs.expand(*shape, self.probs.shape[-1]).reshape(-1, self.probs.shape[-1])
        return F.multinomial(rows, 1, replacement=True).reshape(*shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the class's probability."""
        value = value.long()
        shape = (*F.broadcast_tensors(value, F.zeros(*self.batch_shape))[0].shape, 1)
        logits = self.logits.expand(*shape[:-1], self.logits.shape[-1])
        return F.gather(logits, -1, value.unsqueeze(-1).expand(*shape)).squeeze(-1)

    def entropy(self) -> Tensor:
        """−Σ p·log p"""
        return -_weighted(self.probs, self.logits).sum(-1)


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The Kullback–Leibler divergence of q from p.

    Raises:
        NotImplementedError: they are of two kinds.
    """
    if type(p) is not type(q):
        raise NotImplementedError(
            f"kl_divergence: of a {type(p).__name__} and a {type(q).__name__} minigen has none"
        )
    if isinstance(p, Normal):
        ratio, shift = p.scale / q.scale, (p.loc - q.loc) / q.scale
        return (ratio * ratio + shift * shift - 1) * 0.5 - F.log(ratio)
    if isinstance(p, Bernoulli):
        (yes, no), (q_yes, q_no) = ([F.logsigmoid(s * x.logits) for s in (1, -1)] for x in (p, q))
        never = _weighted(1 - p.probs, no - q_no, q.probs == 1)
        return _weighted(p.probs, yes - q_yes, q.probs == 0) + never
    return _weighted(p.probs, p.logits - q.logits, q.probs == 0).sum(-1)


__getattr__ = missing_from(globals(), "distributions")
