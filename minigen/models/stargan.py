"""StarGAN: one generator for all domains (Choi et al. 2018, arXiv:1711.09020).

G(x, c) is the image x as domain c would have it. The judge D has two heads: D_src(x), a critic's
value for each patch, and D_cls(c|x), a classifier of domains. With c' the domain of x,

    L_adv = λ_adv·(E D_src(x) − E D_src(G(x, c))) − λ_gp·E (‖∇D_src(x̂)‖₂ − 1)²        (equation 8)
    L_cls^r = −E log D_cls(c'|x),  of real images                           (equation 2)
    L_cls^f = −E log D_cls(c|G(x, c)),  of made ones                        (equation 3)
    L_rec = E ‖x − G(G(x, c), c')‖₁                                         (equation 4)
    L_D = −L_adv + λ_cls·L_cls^r                                            (equation 5)
    L_G = L_adv + λ_cls·L_cls^f + λ_rec·L_rec                               (equation 6)

The classifier learns from real images alone. Were it shown made ones with the domain that they
should have, it would learn to read the domain from whatever G leaves there, a hidden mark say.

G is told c by planes that are 0 or 1 everywhere (`Conditional`). Its convolutions pad with zeros.
The planes add a constant to each channel, and instance norm takes a constant out again. With zeros
beyond the border the sum is smaller there than inside, so the mean that is taken out is not that of
the inside, and something of c is left. With borders that are reflected nothing is left, and G(x, c)
is the same for all c.

One D_src and D_cls together do not make colours exact: to D_src an image of any domain is as good,
to D_cls one that is likelier c than another. So the judge may have a D_src for each domain, as that
of StarGAN v2 (Choi et al. 2020, arXiv:1912.01865, section 2.1), which compares what is made for c
with real images of c alone. The penalty of D_src of c is taken between made images for c and real
ones of any domain, those of the batch.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import minigen
from minigen import Tensor, nn, optim
from minigen import functional as F
from minigen.backend import default_generator, mean_of_all, place
from minigen.data import DataError
from minigen.models.adversaries import Parts, descend
from minigen.models.networks import Conditional
from minigen.models.translators import MOST, Changed, ResNetTranslator, drawn
from minigen.models.wgan import critic_loss, generator_loss, gradient_penalty, mixed, slopes

KINDS = ("colours", "added", "plain")  # of generators
ADAM = functools.partial(optim.Adam, lr=1e-4, betas=(0.5, 0.999))  # as in the paper
SMALL = 0.0015  # deviation of the last weights of what is added to an image


class StarJudge(nn.Module):
    """(N, channels, size, size) -> D_src, a value for each patch, (N, 1, s, s), or with one for
    `each` domain (N, domains, s, s), and the logits of D_cls, (N, domains); s is the size halved
    `layers` times.

    There is no norm, with which the gradient penalty would not be of each image by itself.

    Args:
        channels: of the images.
        domains: how many.
        width: channels after the first convolution; twice as many after each, up to 8 times.
        size: of the images.
        layers: convolutions of 4 × 4 and stride 2: 6 for 128 pixels in the paper.
        each: whether each domain has a D_src of its own.

    Raises:
        DataError: the size cannot be halved so often.
    """

    def __init__(
        self,
        channels: int = 3,
        domains: int = 5,
        width: int = 32,
        size: int = 32,
        layers: int = 3,
        each: bool = False,
    ):
        if size < 1 or size % 2**layers:
            raise DataError(f"StarJudge: {size} pixels cannot be halved {layers} times")
        super().__init__()
        widths = [channels, *(width * min(2**i, MOST) for i in range(layers))]
        self.body = nn.Sequential()
        for i in range(layers):
            self.body.append(nn.Conv2d(widths[i], widths[i + 1], 4, stride=2, padding=1))
            self.body.append(nn.LeakyReLU(0.01))
        self.source = nn.Conv2d(widths[-1], domains if each else 1, 3, padding=1, bias=False)
        self.domain = nn.Conv2d(widths[-1], domains, size // 2**layers, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Both heads."""
        h = self.body(images)
        return self.source(h), self.domain(h).flatten(1)


class Added(Changed):
    """G(x, c) = x + 2·f(x, c), of a network's f in [−1, 1], nearly 0 at first: what need not change
    is there from the start, and is not drawn anew, for which it would take thousands of steps to
    learn; and what leaves [−1, 1] in training the judge can refuse. The paper has f alone.

    f has no norms. A norm of each picture takes out how dark it is in the whole, which is what
    tones differ in, and the planes that say c.

    Args:
        network: (N, channels + …, H, W) -> (N, channels, H, W), f.
        channels: of x, the first of the network's input.
    """

    def __init__(self, network: nn.Sequential, channels: int):
        super().__init__(network, channels, scale=2.0)
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight)  # without norms the layers must keep a scale
                nn.init.zeros_(module.bias)
        nn.init.normal_(network[-2].weight, 0.0, SMALL)


class FourierFeatures(nn.Module):
    """(N, C, H, W) -> the same with sin and cos of π/2·2^k·x beside it, for k from 0 to `octaves`
    − 1 and x the first channels: (N, C + 2·channels·octaves, H, W).

    A network learns late what changes fast with its input; what changes fast with x changes slowly
    with waves of x (Tancik et al. 2020, arXiv:2006.10739).
    """

    def __init__(self, channels: int, octaves: int):
        super().__init__()
        self.channels, self.octaves = channels, octaves

    def forward(self, input: Tensor) -> Tensor:
        """Of one picture too, (C, H, W)."""
        x = F.narrow(input, -3, 0, self.channels)
        angles = [math.pi / 2 * 2**k * x for k in range(self.octaves)]
        return F.cat([input, *(wave(a) for a in angles for wave in (F.sin, F.cos))], -3)


def by_pixels(
    inputs: int, outputs: int, width: int = 32, layers: int = 2, octaves: int = 4
) -> nn.Sequential:
    """(N, inputs, H, W) -> (N, outputs, H, W) in [−1, 1], each pixel by itself: a perceptron, shown
    waves of its colour, the first `outputs` channels, too (`FourierFeatures`).

    Where domains differ in colours alone it is all that is needed, and no more can go wrong: a
    generator that sees neighbours finds patterns which the classifier takes for a domain.
    """
    widths = [inputs + 2 * outputs * octaves, *[width] * layers]
    hidden = [m for a, b in pairwise(widths) for m in (nn.Conv2d(a, b, 1), nn.ReLU())]
    waves = [FourierFeatures(outputs, octaves)] if octaves else []
    return nn.Sequential(*waves, *hidden, nn.Conv2d(width, outputs, 1), nn.Tanh())


def translator(
    channels: int,
    domains: int,
    width: int = 32,
    blocks: int = 3,
    kind: str = "plain",
    layers: int = 2,
    octaves: int = 4,
    **how: int,
) -> Conditional:
    """The generator: images (N, channels, H, W) and domains (N,) -> images in [−1, 1].

    Args:
        kind: "plain", the paper's, which draws all anew; "added", where what it draws is added to
            the image, see `Added`; or "colours", where that is drawn `by_pixels`.
        blocks: residual ones; none of "colours".
        layers, octaves: hidden layers of "colours", and of the waves that it is shown.
        how: `depth` and `ends` of `ResNetTranslator`, likewise.
    """
    inputs, options = channels + domains, {"padding": "zeros", "kernel": 4}
    if kind == "colours":
        network = by_pixels(inputs, channels, width, layers, octaves)
        return Conditional(Added(network, channels), domains)
    options["norm"] = "affine" if kind == "plain" else "none"
    network = ResNetTranslator(inputs, channels, width, blocks, **options, **how)
    return Conditional(network if kind == "plain" else Added(network, channels), domains)


def of_domain(values: Tensor, domains: Tensor) -> Tensor:
    """D_src of the domains (N,) alone, (N, …), where a judge has one for each, (N, domains, …);
    values (N, 1, …) of one for all as they are."""
    if values.shape[1] == 1:
        return values
    return values[F.arange(len(values), device=values.device), domains]


def domain_loss(logits: Tensor, domains: Tensor) -> Tensor:
    """−E log D_cls(c|x), from the classifier's logits (N, domains) and c (N,): equation 2 of real
    images and the domains that they are of, equation 3 of made ones and those they should be of."""
    return F.cross_entropy(logits, domains)


def reconstruction(again: Tensor, x: Tensor) -> Tensor:
    """E ‖x − G(G(x, c), c')‖₁, a mean over pixels as in the authors' code: equation 4."""
    return abs(again - x).mean()


def in_another_order(domains: Tensor) -> Tensor:
    """The domains (N,) of a batch in random order: of one of several processes its part of those of
    the whole batch in theirs."""
    count = len(domains)
    before, whole = place(count)
    if whole == count:
        return domains[F.randperm(count, device=domains.device)]
    table = np.zeros((2, whole))
    mine = table[:, before : before + count]
    mine[:] = default_generator.uniform((count,), np.float64), domains.numpy()
    chances, of_all = mean_of_all(table) * (whole // count)  # where others have zeros
    order = chances.argsort(kind="stable")[before : before + count]
    return Tensor(of_all[order].round().astype(np.int64), device=domains.device)


class StarGAN(Parts):
    """The two networks, their optimisers, and a training step.

    Args:
        generator: images and domains (N,) -> images.
        judge: images -> D_src, (N, 1, …) or (N, domains, …), and the logits of D_cls, (N, domains).
        penalty: λ_gp. The slope is that of the sum of an image's patches, as in the authors' code.
        adversarial: λ_adv, 1 in the paper. D_src is a mean over n patches, whose sum has slope 1,
            so its own is 1 / n. The paper's judge has 4 patches. Of 16 a weight of 4 keeps the
            balance with λ_cls, without which G learns to fool the classifier: by patterns, or if
            it sees no neighbours, by colours that are nearly right, against which 10 is better.
        classification: λ_cls.
        reconstruction: λ_rec.
        optimiser: called with a network's parameters.
    """

    def __init__(
        self,
        generator: nn.Module,
        judge: nn.Module,
        *,
        penalty: float = 10.0,
        adversarial: float = 1.0,
        classification: float = 1.0,
        reconstruction: float = 10.0,
        optimiser: Callable[..., Any] = ADAM,
    ):
        self.generator, self.judge = generator, judge
        self.penalty, self.adversarial = penalty, adversarial
        self.classification, self.reconstruction = classification, reconstruction
        self.generator_optimiser = optimiser(generator.parameters())
        self.judge_optimiser = optimiser(judge.parameters())

    def step(self, *real: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """A step of the judge on each of n_critic batches of real images (N, C, H, W) and their
        domains (N,), then a step of the generator on the last one.

        The domains to translate to are those of the batch in another order.

        Returns:
            0-d tensors: `loss_d`, `loss_g`; `gap`, E D_src(x) − E D_src(G(x, c)); `penalty` before
            it is weighted; `domain_real`, `domain_made` and `reconstruction`: L_cls^r, L_cls^f and
            L_rec.

        Raises:
            ValueError: there is no batch.
        """
        if not real:
            raise ValueError("step: expected at least one batch of images and domains, got none")
        for x, of in real:
            to = in_another_order(of)
            with minigen.no_grad():
                made = self.generator(x, to)
            values, logits = self.judge(x)
            gap = -critic_loss(of_domain(values, of), self.source(made, to))
            source = functools.partial(self.source, domains=to)
            slope = slopes(source, mixed(x, made), create_graph=True)
            penalty = gradient_penalty(slope)
            domain_real = domain_loss(logits, of)  # equation 2: real images alone
            d_loss = self.penalty * penalty - self.adversarial * gap  # equation 8
            d_loss = d_loss + self.classification * domain_real
            descend(self.judge_optimiser, d_loss)  # equation 5

        made = self.generator(x, to)
        values, logits = self.judge(made)
        judged = generator_loss(of_domain(values, to))
        domain_made = domain_loss(logits, to)  # equation 3
        again = reconstruction(self.generator(made, of), x)  # equation 4
        g_loss = self.adversarial * judged + self.classification * domain_made
        g_loss = g_loss + self.reconstruction * again
        descend(self.generator_optimiser, g_loss)  # equation 6
        metrics = {
            "loss_d": d_loss,
            "loss_g": g_loss,
            "gap": gap,
            "penalty": penalty,
            "domain_real": domain_real,
            "domain_made": domain_made,
            "reconstruction": again,
        }
        return {name: value.detach() for name, value in metrics.items()}

    def source(self, images: Tensor, domains: Tensor) -> Tensor:
        """D_src of images, and where there are several, of these domains."""
        return of_domain(self.judge(images)[0], domains)

    def draw(self, images: Tensor, domains: Tensor) -> Tensor:
        """G(x, c), to look at."""
        return drawn(self.generator, images, domains)
