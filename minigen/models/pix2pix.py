"""pix2pix: pictures from pictures, learnt from pairs (Isola et al. 2017, arXiv:1611.07004).

A generator G turns an input x into G(x, z), where the noise z is its dropout and nothing else. A
judge D is shown the input beside the picture: it asks not only "is this picture real?" but "does it
belong to this input?". Truth y and made pictures are also compared pixel by pixel:

    L_cGAN(G, D) = E log D(x, y) + E log(1 − D(x, G(x, z)))                          (equation 1)
    L_L1(G) = E ‖y − G(x, z)‖₁                                                       (equation 3)
    G* = arg min_G max_D  L_cGAN(G, D) + λ·L_L1(G)                                   (equation 4)

L1 alone draws the median of all that may be right, which is blurred and grey, squares their mean;
the judge, who never saw such a picture, asks for one of them. D judges patches (`PatchJudge`), for
that whole pictures fit their inputs is what L1 sees to. As D's l, and G's share of equation 1, are
those of any GAN, the losses are the table of minigen/models/gan.py. What is blurred is also near to
many true pictures, which `contrast`, not the paper's, forbids.

Each training step is algorithm 1 of the GAN, with one batch:

    draw pairs (x, y)
    make G(x, z)
    descend the slope of ½·J(D) by D's weights
    descend the slope of J(G) + λ·L_L1 by G's weights, for the same made pictures
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from minigen import Generator, Tensor, nn
from minigen import functional as F
from minigen.backend import drawing_from
from minigen.models.adversaries import Parts, descend
from minigen.models.gan import ADAM, LOSSES
from minigen.models.translators import drawing


def beside(x: Tensor, y: Tensor) -> Tensor:
    """What D is shown: an input and a picture, (N, C, H, W) and (N, C', H, W), as the channels of
    one, (N, C + C', H, W)."""
    return F.cat([x, y], 1)


def l1(y: Tensor, made: Tensor) -> Tensor:
    """‖y − G(x, z)‖₁, equation 3, as the mean over pixels and channels, so that λ means the same
    for pictures of any size."""
    return (y - made).abs().mean()


def contrast(y: Tensor, made: Tensor, others: Tensor, temperature: float = 0.05) -> Tensor:
    """−E log of how probable it is that G(x, z) (N, C, H, W) belongs to its own truth y, of all y
    and M other true pictures, if it belongs to each by e to the −d / temperature, d the mean square
    of what they are apart: the loss "InfoNCE" (van den Oord et al. 2018, arXiv:1807.03748, equation
    4), which asks that a picture be told from others, where L1 is content with what suits many. A
    truth that is twice among them counts twice.

    Of d = (|G|² − 2·G·y + |y|²) / pixels the first term is the same for all, and left out.

    Raises:
        ValueError: the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"contrast: temperature must be above 0, not {temperature}")
    logits, made = [], made.flatten(1)
    for of in y.flatten(1), others.flatten(1):
        near = (2 * made @ of.T - (of * of).sum(1)) / made.shape[1]
        logits.append(near / temperature)
    return F.cross_entropy(F.cat(logits, 1), F.arange(len(made), device=made.device))


# How far pictures are apart: the paper's, and squares, where errors are to be squared.
DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1, "mse": F.mse_loss}


class Pix2Pix(Parts):
    """Both networks, their optimisers, and the training step.

    Args:
        generator: inputs (N, C, H, W) -> pictures (N, C', H, W).
        judge: input and picture, (N, C + C', H, W) -> l for each patch, (N, 1, h, w).
        loss: a key of LOSSES.
        weight: λ of L_L1; 0 leaves it out.
        distance: a key of DISTANCES, in place of L_L1.
        contrast: the weight of `contrast`, for which a step needs other true pictures.
        adversarial: the weight of J(G); for 0 there is no judge.
        optimiser: called with a network's parameters.

    Raises:
        ValueError: another loss or distance, a weight below 0, or all 0.
    """

    def __init__(
        self,
        generator: nn.Module,
        judge: nn.Module | None,
        *,
        loss: str = "non-saturating",
        weight: float = 100.0,
        adversarial: float = 1.0,
        distance: str = "l1",
        contrast: float = 0.0,
        optimiser: Callable[..., Any] = ADAM,
    ):
        for name, value, table in ("loss", loss, LOSSES), ("distance", distance, DISTANCES):
            if value not in table:
                raise ValueError(f"{name} must be one of {', '.join(table)}, not {value!r}")
        weights = weight, adversarial, contrast
        if not all(w >= 0 for w in weights) or not any(weights):
            raise ValueError(
                f"Pix2Pix: expected weights of 0 or more, not all 0, got weight={weight},"
                f" adversarial={adversarial} and contrast={contrast}"
            )
        self.loss, self.weight, self.adversarial = loss, weight, adversarial
        self.distance, self.contrast = distance, contrast
        self.generator = generator
        self.generator_optimiser = optimiser(generator.parameters())
        if adversarial:
            self.judge = judge
            self.judge_optimiser = optimiser(judge.parameters())

    def step(self, x: Tensor, y: Tensor, others: Tensor | None = None) -> dict[str, Tensor]:
        """One step for each network, on inputs x (N, C, H, W) and their true pictures y.

        Args:
            others: true pictures (M, C', H, W) of other inputs, for `contrast`.

        Returns:
            0-d tensors: `l1` or `mse`; `contrast` if it is weighted; with a judge `loss_d`,
            `loss_g` and the metrics of the loss.

        Raises:
            ValueError: `contrast` is weighted, and there are no others.
        """
        if self.contrast and others is None:
            raise ValueError("step: contrast is weighted: expected other true pictures, got none")
        made = self.generator(x)  # G(x, z)
        found, g_loss = {}, 0.0
        if self.adversarial:
            loss = LOSSES[self.loss]
            real, fake = self.judge(beside(x, y)), self.judge(beside(x, made.detach()))
            # The paper halves it "to slow D": Adam, which divides by the slope's size, hardly sees.
            d_loss = 0.5 * loss.discriminator(real, fake)  # equation 1, as D sees it
            descend(self.judge_optimiser, d_loss)
            g_loss = loss.generator(self.judge(beside(x, made)))  # equation 1, as G sees it
            found = {"loss_d": d_loss, "loss_g": g_loss, **loss.metrics(real, fake)}
        apart = DISTANCES[self.distance](y, made)  # equation 3
        total = self.adversarial * g_loss + self.weight * apart  # equation 4
        if self.contrast:
            found["contrast"] = contrast(y, made, others)
            total = total + self.contrast * found["contrast"]
        descend(self.generator_optimiser, total)
        found[self.distance] = apart
        return {name: value.detach() for name, value in found.items()}

    def draw(self, x: Tensor, noise: bool = True, generator: Generator | None = None) -> Tensor:
        """G(x, z), to look at. As the paper has it (section 3.3), dropout stays on and batch norm
        takes the statistics of this batch; the network's norm decides on the latter, see NORMS.

        Args:
            noise: False leaves dropout out: always the same picture.
            generator: the stream that dropout is drawn from, if not the common one.
        """
        stream = drawing_from(generator) if generator else nullcontext()
        with drawing(self.generator, noise), stream:
            return self.generator(x)
