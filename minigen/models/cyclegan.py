"""CycleGAN: pictures from pictures, learnt without pairs (Zhu et al. 2017, arXiv:1703.10593).

There are pictures x of a domain X and y of a domain Y, and no x belongs to a y. A generator
G : X → Y makes pictures that D_Y takes for real ones of Y; but that alone lets it draw any y for
any x. A second one, F : Y → X, has to find the way back, so that G(x) still says what x was:

    L_GAN(G, D_Y) = E log D_Y(y) + E log(1 − D_Y(G(x))), and L_GAN(F, D_X) alike     (equation 1)
    L_cyc(G, F) = E ‖F(G(x)) − x‖₁ + E ‖G(F(y)) − y‖₁                                (equation 2)
    L(G, F, D_X, D_Y) = L_GAN(G, D_Y) + L_GAN(F, D_X) + λ·L_cyc(G, F)                (equation 3)

In place of the logarithms stand least squares (section 4), and for paintings what is of a domain
already should stay as it is (section 5.2):

    L_identity(G, F) = E ‖G(y) − y‖₁ + E ‖F(x) − x‖₁

Not the paper's: `contrast` asks that G(x) be nearer to x than to other pictures, as Park et al. do
of patches' features (2020, arXiv:2007.15651).

What the equations leave open, and users meet:

- Any exchange of contents that F undoes costs nothing: all cats may become dogs of another pose,
  and digits other digits. Only the networks' habits, the identity loss and luck forbid it.
- G may hide x in what no eye sees of G(x), and F read it there (Chu et al. 2017, arXiv:1712.02950).
  Then L_cyc is small and the pictures wrong; noise on G(x) tells, see `cycle_error`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigen import Generator, Tensor, nn
from minigen import functional as F
from minigen.models.adversaries import Parts, descend
from minigen.models.gan import ADAM, LOSSES
from minigen.models.pix2pix import contrast, l1
from minigen.models.translators import ImagePool, drawn


class CycleGAN(Parts):
    """Both generators and judges, their optimisers, the pools, and the training step.

    Args:
        to_y, to_x: the generators G : X → Y and F : Y → X, pictures -> pictures.
        judge_y, judge_x: D_Y and D_X, pictures of Y, or of X -> l for each patch, (N, 1, h, w).
        loss: a key of LOSSES. That of its least squares has a ½, which the paper's has not: its
            λ = 10 is 5 here, or 10 with adversarial=2.
        cycle: λ of L_cyc.
        identity: the weight of L_identity, in units of λ: ½ in the authors' code. It needs pictures
            of as many channels in both domains.
        adversarial: the weight of both J(G).
        contrast: the weight of `contrast` between what G and F make and what they make it of, for
            which a step needs other pictures.
        starts: what G and F make of pictures before they are trained, which those that are made
            then are compared with, if not the pictures themselves.
        pool: how many earlier pictures of each domain the judges are shown in turn with new ones.
        seed: of the pools.
        optimiser: called with the parameters of both generators, and of both judges.

    Raises:
        ValueError: another loss, or a weight below 0.
    """

    def __init__(
        self,
        to_y: nn.Module,
        to_x: nn.Module,
        judge_y: nn.Module,
        judge_x: nn.Module,
        *,
        loss: str = "least-squares",
        cycle: float = 10.0,
        identity: float = 0.5,
        adversarial: float = 2.0,
        contrast: float = 0.0,
        starts: Sequence[Callable[[Tensor], Tensor]] = (lambda x: x, lambda y: y),
        pool: int = 50,
        seed: int = 0,
        optimiser: Callable[..., Any] = ADAM,
    ):
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, not {loss!r}")
        if not all(weight >= 0 for weight in (cycle, identity, adversarial, contrast)):
            raise ValueError(
                f"CycleGAN: expected weights of 0 or more, got cycle={cycle}, identity={identity},"
                f" adversarial={adversarial} and contrast={contrast}"
            )
        self.loss, self.cycle, self.identity = loss, cycle, identity
        self.adversarial, self.contrast, self.starts = adversarial, contrast, starts
        self.to_y, self.to_x = to_y, to_x
        self.judge_y, self.judge_x = judge_y, judge_x
        self.pool_y, self.pool_x = ImagePool(pool, 2 * seed), ImagePool(pool, 2 * seed + 1)
        self.generator_optimiser = optimiser([*to_y.parameters(), *to_x.parameters()])
        self.judge_optimiser = optimiser([*judge_y.parameters(), *judge_x.parameters()])

    def step(self, x: Tensor, y: Tensor, *others: Tensor) -> dict[str, Tensor]:
        """One step for both generators, then one for both judges, on pictures x of X and y of Y
        (N, C, H, W), which are no pairs.

        Args:
            others: more pictures of X, (M, C, H, W), and of Y, for `contrast`.

        Returns:
            0-d tensors: `cycle_x`, `cycle_y`, the terms of L_cyc; `identity` and `contrast` if they
            are weighted; `loss_g`, the sum of both J(G); `loss_d`; and the metrics of the loss,
            means of both judges.

        Raises:
            ValueError: `contrast` is weighted, and there are no others.
        """
        if self.contrast and len(others) != 2:
            raise ValueError("step: contrast is weighted: expected other pictures of X and of Y")
        loss = LOSSES[self.loss]
        made_y, made_x = self.to_y(x), self.to_x(y)  # G(x), F(y)
        # Equation 1, as the generators see it.
        g_loss = loss.generator(self.judge_y(made_y)) + loss.generator(self.judge_x(made_x))
        cycle_x = l1(x, self.to_x(made_y))  # equation 2: F(G(x)) ≈ x
        cycle_y = l1(y, self.to_y(made_x))  # equation 2: G(F(y)) ≈ y
        total = self.adversarial * g_loss + self.cycle * (cycle_x + cycle_y)  # equation 3
        found = {"cycle_x": cycle_x, "cycle_y": cycle_y, "loss_g": g_loss}
        if self.identity:
            found["identity"] = l1(y, self.to_y(y)) + l1(x, self.to_x(x))  # section 5.2
            total = total + self.identity * self.cycle * found["identity"]
        if self.contrast:
            (begin_y, begin_x), (other_x, other_y) = self.starts, others
            told_y = contrast(begin_y(x), made_y, begin_y(other_x))
            told_x = contrast(begin_x(y), made_x, begin_x(other_y))
            found["contrast"] = told_y + told_x
            total = total + self.contrast * found["contrast"]
        descend(self.generator_optimiser, total)

        real_y, fake_y = self.judge_y(y), self.judge_y(self.pool_y.query(made_y))
        real_x, fake_x = self.judge_x(x), self.judge_x(self.pool_x.query(made_x))
        # Equation 1, as the judges see it; halved, as in pix2pix.
        d_loss = 0.5 * (loss.discriminator(real_y, fake_y) + loss.discriminator(real_x, fake_x))
        descend(self.judge_optimiser, d_loss)
        both = loss.metrics(F.cat([real_y, real_x]), F.cat([fake_y, fake_x]))
        found |= {"loss_d": d_loss, **both}
        return {name: value.detach() for name, value in found.items()}

    def draw(self, x: Tensor) -> Tensor:
        """G(x), to look at."""
        return drawn(self.to_y, x)

    def draw_back(self, y: Tensor) -> Tensor:
        """F(y), to look at."""
        return drawn(self.to_x, y)


def cycle_error(
    there: Callable[[Tensor], Tensor],
    back: Callable[[Tensor], Tensor],
    x: Tensor,
    damage: Callable[[Tensor], Tensor] = lambda made: made,
) -> Tensor:
    """|F(G(x) + e) − x|, the mean over the pixels of each picture, (N,): how well x comes back
    where the picture on the way is damaged a little, as `rounded` and `noisy` do. An x that was
    hidden in G(x) does not come back.

    Args:
        there, back: G and F, such as `CycleGAN.draw` and `draw_back`.
        x: pictures (N, C, H, W) from −1 to 1.
        damage: what is done to G(x).
    """
    return (back(damage(there(x))) - x).abs().mean((1, 2, 3))


def rounded(pictures: Tensor) -> Tensor:
    """Pictures from −1 to 1 as a file holds them, in 256 levels."""
    return ((pictures + 1) * 127.5).round() / 127.5 - 1


def noisy(pictures: Tensor, deviation: float, generator: Generator | None = None) -> Tensor:
    """Pictures from −1 to 1 with noise of this standard deviation, where white is 1 and black 0."""
    noise = F.randn(*pictures.shape, generator=generator, device=pictures.device)
    return pictures + 2 * deviation * noise
