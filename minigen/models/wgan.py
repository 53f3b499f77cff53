"""Wasserstein GANs: with clipped weights (Arjovsky, Chintala and Bottou 2017, arXiv:1701.07875) and
with a gradient penalty (Gulrajani et al. 2017, arXiv:1704.00028).

The Wasserstein-1 distance between two distributions is, by Kantorovich and Rubinstein,

    W(P_r, P_g) = sup over all f with slope ≤ 1 of  E_x f(x) − E_z f(G(z))           (equation 2)

A critic f, a network without sigmoid, is trained towards that supremum, and G to make the distance
small. What differs is how f is kept from becoming steep: weights clipped to [−c, c] bound its slope
by some unknown K, so that the critic's gap E f(x) − E f(G(z)) estimates K·W; the penalty asks for
slope 1 between the samples, and gets a little more. Between a real and a generated point at
distance d a critic of slope s has the gap s·d, and its training maximises s·d − λ·(s − 1)², whose
derivative d − 2λ·(s − 1) is 0 at s = 1 + d / 2λ. The critic's slope is measured in both cases, and
the gap divided by it is an estimate of W in the units of the data.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import minigen
from minigen import Tensor, nn, optim
from minigen import functional as F
from minigen.models.adversaries import Adversaries, Batch, descend

RMSPROP = functools.partial(optim.RMSprop, lr=5e-5)  # algorithm 1 of WGAN
ADAM = functools.partial(optim.Adam, lr=1e-4, betas=(0.0, 0.9))  # algorithm 1 of WGAN-GP

Critic = Callable[[Tensor], Tensor]


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """J(f) = −(E_x f(x) − E_z f(G(z))), what the critic minimises, from its values (N, 1): minus
    the supremum's argument in equation 2 (WGAN, algorithm 1, line 5)."""
    return fake.mean() - real.mean()


def generator_loss(fake: Tensor) -> Tensor:
    """J(G) = −E_z f(G(z)), from the critic's values (N, 1) on generated images (WGAN, algorithm 1,
    line 10)."""
    return -fake.mean()


def mixed(real: Tensor, fake: Tensor) -> Tensor:
    """x̂ = ε·x + (1 − ε)·G(z), a random point on the line between each real image and a generated
    one, with one ε ~ U[0, 1) for each image (WGAN-GP, algorithm 1, lines 4 and 6): (N, …)."""
    share = F.rand(len(real), *[1] * (real.ndim - 1), dtype=real.dtype, device=real.device)
    return share * real.detach() + (1 - share) * fake.detach()


def slopes(critic: Critic, points: Tensor, create_graph: bool = False) -> Tensor:
    """‖∇f‖₂ at each of the points (N, …), the norm over all axes but the first: (N,).

    With `create_graph` it can be differentiated by the critic's weights. The norm's derivative at a
    slope of 0, which has none, is taken as 0.
    """
    points = points.detach().requires_grad_()
    with minigen.enable_grad():
        values = critic(points).sum()  # f(x) depends on x alone, so one gradient has all rows
        (g,) = minigen.grad(values, points, create_graph=create_graph)
    return g.flatten(1).norm(dim=1)


def gradient_penalty(slope: Tensor) -> Tensor:
    """E (‖∇f(x̂)‖₂ − 1)², from the slopes (N,): equation 3 of WGAN-GP without its weight λ."""
    return ((slope - 1) ** 2).mean()


@minigen.no_grad()
def clip_weights(network: nn.Module, bound: float) -> None:
    """w ← clip(w, −c, c), every parameter in place (WGAN, algorithm 1, line 7)."""
    for p in network.parameters():
        p.copy_(F.clamp(p, -bound, bound))


def critic_steps(step: int, usual: int = 5, warm_up: bool = False) -> int:
    """How many critic steps come before generator step 1, 2, …: n_critic, or, with `warm_up`, the
    100 of the authors' code for the first 25 and for every 500th generator step."""
    return 100 if warm_up and (step <= 25 or (step - 1) % 500 == 0) else usual


class WGAN(Adversaries):
    """The two networks, their optimisers, and the training step of algorithm 1 of both papers.

    Args:
        generator: (N, noise) -> images.
        critic: images -> (N, 1), no sigmoid. With the penalty it must treat each image by itself:
            no batch norm.
        clip: the bound c of the weights; RMSprop is then the default optimiser.
        penalty: λ, the weight of the gradient penalty, instead of `clip`; Adam is then the default.
        optimiser: called with a network's parameters.
        noise, prior, packing: see `Adversaries`.

    Raises:
        ValueError: not exactly one of `clip` and `penalty`, or one that is not positive.
    """

    def __init__(
        self,
        generator: nn.Module,
        critic: nn.Module,
        *,
        clip: float | None = None,
        penalty: float | None = None,
        optimiser: Callable[..., Any] | None = None,
        **options: Any,
    ):
        if (clip is None) == (penalty is None) or not (penalty if clip is None else clip) > 0:
            raise ValueError(
                "WGAN: give either clip, the bound of the weights, or penalty, the weight λ of the "
                f"gradient penalty, as a number above 0; got clip={clip} and penalty={penalty}"
            )
        super().__init__(generator, **options)
        self.critic, self.clip, self.penalty = critic, clip, penalty
        optimiser = optimiser or (ADAM if clip is None else RMSPROP)
        self.generator_optimiser = optimiser(generator.parameters())
        self.critic_optimiser = optimiser(critic.parameters())

    def step(self, *real: Batch) -> dict[str, Tensor]:
        """A critic step on each of n_critic batches of real images (N, C, H, W), or of images and
        labels (N,), then a generator step.

        Returns:
            0-d tensors: `loss_f`, `loss_g`; `gap`, E f(x) − E f(G(z)); `slope` and `steepest`, the
            mean and the largest slope at random points between real and generated images;
            `distance`, gap / slope; with the penalty, `penalty` before it is weighted.
        """
        for turn, (x, *y) in enumerate(self.batches(real), start=1):
            with minigen.no_grad():
                fake = self.generated(len(x), *y)
            f = functools.partial(self._judged, labels=y)
            loss = critic_loss(f(x), f(fake))  # −gap
            if self.penalty is not None:
                slope = slopes(f, mixed(x, fake), create_graph=True)
                total = loss + self.penalty * gradient_penalty(slope)
            else:
                total = loss
                if turn == len(real):  # to be logged, with the gap of the same weights
                    slope = slopes(f, mixed(x, fake))
            descend(self.critic_optimiser, total)
            if self.clip is not None:
                clip_weights(self.critic, self.clip)

        g_loss = generator_loss(f(self.generated(len(x), *y)))
        descend(self.generator_optimiser, g_loss)
        gap, slope = -loss.detach(), slope.detach()
        metrics = {
            "loss_f": total.detach(),
            "loss_g": g_loss.detach(),
            "gap": gap,
            "slope": slope.mean(),
            "steepest": slope.max(),
            "distance": gap / (slope.mean() + 1e-12),  # a critic of slope 0 has a gap of 0
        }
        return metrics | ({} if self.penalty is None else {"penalty": gradient_penalty(slope)})

    def _judged(self, images: Tensor, labels: list[Tensor]) -> Tensor:
        """f(x), or f(x|y)."""
        return self.critic(images, *labels)
