"""StyleGAN: pictures made of styles, the coarse before the fine (Karras et al. 2019,
arXiv:1812.04948, and 2020, "StyleGAN2", arXiv:1912.04958, whose networks these are).

    z ─ Mapping ─ w ─ a style for each layer
                          ├─ scale ─ convolve ─ rescale ─ + noise ─ + bias ─ LeakyReLU ─ …
    a learnt constant ────┘                                  each size adds its colours ─ picture

z ~ N(0, I) must fill a ball, whatever the data are like; w need not, and so its axes can be what
the data vary in. Each layer is told w anew, and styles of two codes can be mixed: what comes from
the first layers is coarse, what from the last is fine.

    stylegan_layers.py      a convolution in a style; equations 1 to 3 of StyleGAN2
    stylegan_networks.py    the mapping, the generator, and the judge
    StyleGAN.step           one training step: non-saturating loss, styles mixed, and now and then
                            the two penalties
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import minigen
from minigen import Tensor, optim
from minigen import functional as F
from minigen.backend import mean_of_all
from minigen.models.adversaries import Batch, descend
from minigen.models.gan import GAN
from minigen.models.stylegan_networks import Generator, Judge
from minigen.models.wgan import slopes


def lazy_adam(lr: float, every: int | None) -> Callable[..., optim.Adam]:
    """Adam for a loss to which every k-th turn adds a step down a penalty: with c = k/(k + 1) its
    rate is c·lr and its β₂ 0.99^c, so that k + 1 steps go as far, and forget as much, as k would
    (StyleGAN2, appendix B). None for k: there is no penalty."""
    c = every / (every + 1) if every else 1.0
    return functools.partial(optim.Adam, lr=c * lr, betas=(0.0, 0.99**c), eps=1e-8)


def path_lengths(generator: Generator, styles: Tensor, noise: Sequence[Tensor]) -> Tensor:
    """‖Jᵀ·y‖ of each picture, (N,), J = ∂g(w)/∂w: how far it moves with w, seen along random
    directions y ~ N(0, I / (H·W)) of pictures; of a layer's styles the mean square counts.

    No J is needed, for Jᵀ·y = ∇_w (g(w)·y) (StyleGAN2, below equation 4). It can be differentiated
    by the weights.
    """
    images = generator.synthesis(styles, noise)
    area = images.shape[2] * images.shape[3]
    y = F.randn(*images.shape, dtype=images.dtype, device=images.device) / math.sqrt(area)
    (jacobian,) = minigen.grad((images * y).sum(), styles, create_graph=True)
    return jacobian.flatten(1).norm(dim=1) / math.sqrt(jacobian.shape[1])


class StyleGAN(GAN):
    """The two networks, their optimisers, and the training step.

    Args:
        generator: a `Generator`, told as many classes as the judge is.
        judge: a `Judge`.
        lr: Adam's rate of the generator.
        judge_lr: the judge's, if another.
        gamma: γ, the weight of R1.
        judge_every: turns from one R1 to the next.
        path_weight: of the path length; 0 leaves it out.
        path_every: turns from one to the next.
        mixing: the share of pictures that have styles of two codes.
        options: `augmentation`, `noise` and `prior`, see `GAN`.
    """

    def __init__(
        self,
        generator: Generator,
        judge: Judge,
        *,
        lr: float = 2e-3,
        judge_lr: float | None = None,
        gamma: float = 0.1,
        judge_every: int = 16,
        path_weight: float = 0.0,
        path_every: int = 8,
        mixing: float = 0.9,
        **options: Any,
    ):
        super().__init__(
            generator,
            judge,
            optimiser=lazy_adam(lr, path_every if path_weight else None),
            discriminator_optimiser=lazy_adam(judge_lr or lr, judge_every),
            **options,
        )
        self.gamma, self.judge_every = gamma, judge_every
        self.path_weight, self.path_every, self.mixing = path_weight, path_every, mixing
        self.turns, self.mean_length = 0, 0.0

    def step(self, *real: Batch) -> dict[str, Tensor]:
        """One turn of algorithm 1 (see `GAN`), and every k-th turn a step of D down k·γ/2·R1, of G
        down k times the path length's penalty: in expectation as if they were in every turn."""
        metrics = super().step(*real)
        self.turns += 1
        if self.turns % self.judge_every == 0:
            *_, (x, *y) = self.batches(real)
            penalty = self.r1(x, *y)
            descend(self.discriminator_optimiser, self.judge_every * self.gamma / 2 * penalty)
            metrics["r1"] = penalty.detach()
        if self.path_weight and self.turns % self.path_every == 0:
            *_, (x, *y) = self.batches(real)
            half = slice(max(len(x) // 2, 1))  # of a batch is enough
            penalty, length = self.path_penalty(len(x[half]), *(labels[half] for labels in y))
            descend(self.generator_optimiser, self.path_every * self.path_weight * penalty)
            metrics |= {"path length": length}
        return metrics

    def r1(self, images: Tensor, *labels: Tensor) -> Tensor:
        """R1 = E ‖∇D(x)‖² of real pictures (Mescheder et al. 2018, arXiv:1801.04406, equation 9,
        without γ/2): a judge that is flat where the data are leaves G in peace there."""
        slope = slopes(lambda x: self.judged(x, *labels), images, create_graph=True)
        return slope.square().mean()

    def path_penalty(self, count: int, *labels: Tensor) -> tuple[Tensor, Tensor]:
        """E (‖Jᵀ·y‖ − a)², and the mean length; a is a running mean of lengths (StyleGAN2, equation
        4): so equal steps in w are equal steps in pictures, wherever w is."""
        styles = self.mixed_styles(count, *labels)
        lengths = path_lengths(self.generator, styles, self.generator.draw_noise(count))
        mean = Tensor(mean_of_all(lengths.detach().mean().array))
        self.mean_length += 0.01 * (mean.item() - self.mean_length)
        return (lengths - self.mean_length).square().mean(), mean

    def generated(self, count: int, *labels: Tensor) -> Tensor:
        return self.generator.synthesis(self.mixed_styles(count, *labels))

    def mixed_styles(self, count: int, *labels: Tensor) -> Tensor:
        """Styles (N, layers, style) of random codes; a share `mixing` of them have those of another
        code from a random layer on (StyleGAN, section 3.1): so no layer can rely on what another
        was told."""
        generator = self.generator
        codes = [generator.mapping(self.sample_noise(count), *labels) for _ in range(2)]
        first, second = map(generator.styles, codes)
        layers = generator.styles_count
        chance, place = F.rand(2, count, 1, 1, dtype=first.dtype, device=first.device)
        border = F.where(chance < self.mixing, 1 + (place * (layers - 1)).floor(), layers)
        layer = F.arange(layers, dtype=first.dtype, device=first.device)[None, :, None]
        return F.where(layer < border, first, second)

    def state_dict(self) -> dict[str, Any]:
        """Of the networks and optimisers, and which turn it is."""
        return super().state_dict() | {"turns": self.turns, "mean_length": self.mean_length}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        super().load_state_dict(state)
        self.turns, self.mean_length = int(state["turns"]), float(state["mean_length"])
