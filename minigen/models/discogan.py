"""DiscoGAN: relations between two domains, discovered without pairs (Kim et al. 2017,
arXiv:1703.05192).

Two generators translate, G_AB from A to B and G_BA back, and two discriminators tell what is
translated from what is real:

    x_AB = G_AB(x_A),  x_ABA = G_BA(x_AB)                                    (equations 1 and 2)
    L_CONST_A = d(x_ABA, x_A)                                                (equation 3)
    L_GAN_B = −E log D_B(x_AB)                                               (equation 4)
    L_G = (L_GAN_B + L_CONST_A) + (L_GAN_A + L_CONST_B)                      (equations 5 and 7)
    L_D = L_D_B + L_D_A,
    L_D_B = −E log D_B(x_B) − E log(1 − D_B(x_AB))                           (equations 6 and 8)

A GAN alone asks that all x_AB together look like B. Whole clusters of A may then fall on one of B.
With one reconstruction x_A can be told from x_AB, so that G_AB should be injective; but a G_BA that
may miss A answers two clusters on one place by a point between them, and parts of B stay empty.
With both reconstructions, and both discriminators, each side is to be covered and told apart.

What the authors' code does and the paper does not say is an option here: feature matching, which
has nine tenths of the weight of a GAN's loss there, and the weight λ of a reconstruction. Their
code minimises (1 − r)·L_GAN + r·L_CONST, r = 0.01 in the first 10,000 steps and 0.5 later: to Adam,
which does not mind a loss's scale, λ = r / (1 − r), 0.01 and 1. λ has the unit of 1 / x²: where all
numbers are a tenth, it has to be a hundred times as large.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import minigen
from minigen import Tensor, nn, optim
from minigen.models.adversaries import Parts, descend
from minigen.models.gan import LOSSES
from minigen.models.translators import drawn

ADAM = functools.partial(optim.Adam, lr=2e-4, betas=(0.5, 0.999), weight_decay=1e-5)
FORMS = ("gan", "one", "both")  # a GAN alone, with one reconstruction, with both


def distance(again: Tensor, x: Tensor) -> Tensor:
    """d(x_ABA, x_A), the mean of squares: equation 3, of images and of points (N, …)."""
    return ((again - x) ** 2).mean()


def feature_matching(real: Sequence[Tensor], made: Sequence[Tensor]) -> Tensor:
    """Σ over layers f of the mean of (E f(x_B) − E f(x_AB))², from what the layers of D_B made of
    real and of translated examples, (N, …) each. E is the mean over the batch (Salimans et al.
    2016, arXiv:1606.03498, section 3.1): no example needs to be like another."""
    pairs = zip(real, made, strict=True)
    return sum(((r.detach().mean(0) - m.mean(0)) ** 2).mean() for r, m in pairs)


class PointJudge(nn.Module):
    """A discriminator of points, of linear layers and rectified linear units: (N, inputs) -> l,
    (N, 1).

    Args:
        inputs: numbers that make a point.
        hidden: units of each layer but the last.
    """

    def __init__(self, inputs: int = 2, hidden: Sequence[int] = (64,) * 4):
        super().__init__()
        sizes = zip([inputs, *hidden], hidden, strict=False)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(*size), nn.ReLU()) for size in sizes)
        self.last = nn.Linear(hidden[-1], 1)

    def features(self, points: Tensor) -> list[Tensor]:
        """What each layer but the last makes of points."""
        found = [points]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found[1:]

    def forward(self, points: Tensor) -> Tensor:
        """l of each point."""
        return self.last(self.features(points)[-1])


class DiscoGAN(Parts):
    """Two generators, two discriminators, an optimiser for each pair, and a training step.

    Args:
        to_b, to_a: the generators, G_AB : A -> B and G_BA : B -> A.
        judge_b, judge_a: D_B and D_A, of examples -> l, log-odds of any shape.
        form: "both" is DiscoGAN; "one" leaves out D_A and the way from B to A and back; "gan" also
            G_BA. What is left out learns nothing.
        reconstruction: λ, the weight of L_CONST.
        matching: the share of feature matching in a GAN's loss: 0.9 in the authors' code. The
            discriminators then need methods `features`, of an input, whose last ones the layer
            `last` takes to l (see `PointJudge` and `PatchJudge`).
        loss: a key of LOSSES (see minigen.models.gan), for equations 4 and 6.
        optimiser: called with parameters.

    Raises:
        ValueError: another form or loss, or a share that is none.
    """

    def __init__(
        self,
        to_b: nn.Module,
        to_a: nn.Module,
        judge_b: nn.Module,
        judge_a: nn.Module,
        *,
        form: str = "both",
        reconstruction: float = 1.0,
        matching: float = 0.0,
        loss: str = "non-saturating",
        optimiser: Callable[..., Any] = ADAM,
    ):
        for name, value, known in ("form", form, FORMS), ("loss", loss, tuple(LOSSES)):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
        if not 0 <= matching <= 1:
            raise ValueError(f"matching must be a share from 0 to 1, not {matching}")
        self.to_b, self.to_a, self.judge_b, self.judge_a = to_b, to_a, judge_b, judge_a
        self.form, self.loss = form, LOSSES[loss]
        self.reconstruction, self.matching = reconstruction, matching
        generators = [to_b] if form == "gan" else [to_b, to_a]
        judges = [judge_b, judge_a] if form == "both" else [judge_b]
        self.generator_optimiser = optimiser([p for g in generators for p in g.parameters()])
        self.judge_optimiser = optimiser([p for d in judges for p in d.parameters()])

    def step(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        """A step of the discriminators, then one of the generators on the same translations, from
        examples of A and of B, (N, …), that are no pairs.

        Returns:
            0-d tensors: `loss_d` and `loss_g`, L_D and L_G; and what makes L_G, summed over the
            directions and not weighted: `gan`, `matching` and `reconstruction`.
        """
        # From what, to what, there, back, judged by.
        ways = [(a, b, self.to_b, self.to_a, self.judge_b)]
        if self.form == "both":
            ways.append((b, a, self.to_a, self.to_b, self.judge_a))
        made = [there(x) for x, _, there, _, _ in ways]  # equation 1

        d_loss = 0.0
        for (_, y, _, _, judge), x_there in zip(ways, made, strict=True):
            d_loss = d_loss + self.loss.discriminator(judge(y), judge(x_there.detach()))  # 6
        descend(self.judge_optimiser, d_loss)  # equation 8

        found = {"gan": 0.0, "matching": 0.0, "reconstruction": 0.0}
        for (x, y, _, back, judge), x_there in zip(ways, made, strict=True):
            if self.matching:
                features = judge.features(x_there)
                with minigen.no_grad():
                    real = judge.features(y)
                found["matching"] += feature_matching(real, features)
                output = judge.last(features[-1])
            else:
                output = judge(x_there)
            found["gan"] += self.loss.generator(output)  # equation 4
            if self.form != "gan":
                found["reconstruction"] += distance(back(x_there), x)  # equations 2 and 3
        g_loss = (
            (1 - self.matching) * found["gan"]
            + self.matching * found["matching"]
            + self.reconstruction * found["reconstruction"]
        )
        descend(self.generator_optimiser, g_loss)  # equation 7
        parts = {k: v.detach() for k, v in found.items() if isinstance(v, Tensor)}
        return {"loss_d": d_loss.detach(), "loss_g": g_loss.detach(), **parts}

    def draw(self, a: Tensor) -> Tensor:
        """G_AB(x_A), to look at."""
        return drawn(self.to_b, a)

    def draw_back(self, b: Tensor) -> Tensor:
        """G_BA(x_B), to look at."""
        return drawn(self.to_a, b)
