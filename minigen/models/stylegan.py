"""StyleGAN: pictures made of styles, the coarse before the fine (Karras et al. 2019,
arXiv:1812.04948, and 2020, "StyleGAN2", arXiv:1912.04958, whose networks these are).

    z ─ Mapping ─ w ─ a style for each layer
                          ├─ scale ─ convolve ─ rescale ─ + noise ─ + bias ─ LeakyReLU ─ …
    a learnt constant ────┘                                  each size adds its colours ─ picture

z ~ N(0, I) must fill a ball, whatever the data are like; w need not, and so its axes can be what
the data vary in. Each layer is told w anew, and styles of two codes can be mixed: what comes from
the first layers is coarse, what from the last is fine.

    EqualLinear, EqualConv2d        layers whose weights all learn at one speed
    blurred                         the filter before and after every change of size
    ModulatedConv2d                 a convolution in a style; equations 1 to 3 of StyleGAN2
    Mapping, Generator, Judge       the networks
    StyleGAN.step                   one training step: non-saturating loss, styles mixed, and now
                                    and then the two penalties
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import minigen
from minigen import Generator as Stream
from minigen import Tensor, nn, optim
from minigen import functional as F
from minigen.backend import mean_of_all
from minigen.halves import in_float32
from minigen.models.adversaries import Batch, descend
from minigen.models.gan import GAN
from minigen.models.networks import sizes_to
from minigen.models.wgan import slopes

MOST = 8  # times the width are the channels at most


# What LeakyReLU takes from the second moment. It may be multiplied before, c·max(x, 0.2·x) being
# max(c·x, 0.2·c·x): where there are weights, these are the fewest numbers.
GAIN = math.sqrt(2)
activated = functools.partial(F.leaky_relu, negative_slope=0.2)


class EqualLinear(nn.Linear):
    """c·x·(λ·W/√inputs)ᵀ + c·λ·b: (…, inputs) -> (…, outputs), an equalised learning rate (Karras
    et al. 2018, arXiv:1710.10196, section 4.1).

    W is drawn from N(0, 1/λ²), and He's factor 1/√inputs stands in the formula, not in the initial
    value: Adam moves every weight by about its rate, which so is the same share of each.

    Args:
        inputs, outputs: numbers.
        gain: c, GAIN before an activation.
        rate: λ, by which this layer learns slower or faster than the others.
        bias: what b adds at first.
    """

    def __init__(
        self, inputs: int, outputs: int, *, gain: float = 1.0, rate: float = 1.0, bias: float = 0.0
    ):
        super().__init__(inputs, outputs)
        self.gain, self.rate = gain, rate
        nn.init.normal_(self.weight, std=1 / rate)
        nn.init.constant_(self.bias, bias / rate)

    def forward(self, input: Tensor) -> Tensor:
        factor = self.gain * self.rate
        weight = self.weight * (factor / math.sqrt(self.in_features))
        return F.linear(input, weight, self.bias * factor)


class EqualConv2d(nn.Conv2d):
    """The same of a convolution: `nn.Conv2d` with W ~ N(0, 1), divided by √(inputs·k²)."""

    def __init__(self, *sizes: int, gain: float = 1.0, **options: Any):
        super().__init__(*sizes, **options)
        self.gain = gain
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        weight = self.weight * (self.gain / math.sqrt(self.weight[0].numel()))
        bias = None if self.bias is None else self.bias * self.gain
        return self._conv_forward(input, weight, bias)


@functools.cache
def _blur(size: int, padding: int, stride: int) -> np.ndarray:
    """The matrix (outputs, size) of the filter [1, 3, 3, 1] / 8 along one axis."""
    rows = range((size + 2 * padding - 4) // stride + 1)
    spread = np.array([np.eye(size + 2 * padding)[i * stride : i * stride + 4] for i in rows])
    return np.array([1, 3, 3, 1]) / 8 @ spread[:, :, padding : padding + size]


def blurred(x: Tensor, padding: int = 1, stride: int = 1) -> Tensor:
    """The filter [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 64 over square planes (N, C, H, H), zeros around:
    a convolution of each channel by itself, as two products B·x·Bᵀ. Before every `stride`-th
    pixel is taken it removes what these could not tell from something coarser (Zhang 2019,
    arXiv:1904.11486)."""
    b = Tensor(_blur(x.shape[-1], padding, stride).astype(x.dtype), device=x.device)
    return b @ x @ b.T


def doubled(x: Tensor) -> Tensor:
    """(N, C, H, H) -> (N, C, 2H, 2H): zeros between the pixels, then the filter, and 4 for the
    three zeros beside each pixel. That is the transpose of halving, Bᵀ·x·B."""
    b = Tensor(2 * _blur(2 * x.shape[-1], 1, 2).astype(x.dtype), device=x.device)
    return b.T @ x @ b


class ModulatedConv2d(nn.Module):
    """A convolution in a style: (N, inputs, H, H) and w (N, style) -> (N, outputs, H, H), or
    (N, outputs, 2H, 2H) with `up`.

    The style s = A·w + 1 scales the input channels, as if weights were scaled, sample by sample:

        w'_ijk = s_i·w_ijk                                                          (equation 1)
        σ_j = √(Σ_ik w'_ijk²),  w''_ijk = w'_ijk / √(Σ_ik w'_ijk² + ε)         (equations 2, 3)

    The second line, demodulation, gives back unit variance to output channels, if inputs have it:
    no style can shout down those that come later. Both factors of a weight belong to a whole
    channel, the first of the input and the second of the output, so they can be applied there, and
    one convolution serves all samples: scale, convolve, rescale.

    Args:
        inputs, outputs: channels.
        kernel: its side, odd; 5 at most with `up`.
        style: length of w.
        up: double the size, by a transposed convolution of stride 2 and a blur.
        demodulate: equation 3; colours go without, for theirs is the last word.

    Raises:
        ValueError: another kernel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        style: int,
        *,
        up: bool = False,
        demodulate: bool = True,
    ):
        super().__init__()
        if kernel % 2 == 0 or kernel > 5 and up:
            raise ValueError(
                f"ModulatedConv2d: expected an odd kernel, 5 at most with up, got {kernel}"
            )
        self.up, self.demodulate = up, demodulate
        self.affine = EqualLinear(style, inputs, bias=1.0)  # A: at first every style is about 1
        self.weight = nn.Parameter(F.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(F.zeros(outputs, 1, 1))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        s = self.affine(w)  # (N, inputs)
        weight = self.weight / math.sqrt(self.weight[0].numel())
        y = x * s[:, :, None, None]
        if self.up:
            y = F.conv_transpose2d(y, weight.transpose(0, 1), stride=2)  # 2H + kernel − 2 pixels
            y = 4 * blurred(y, (5 - weight.shape[-1]) // 2)  # and 4 as in `doubled`
        else:
            y = F.conv2d(y, weight, padding=weight.shape[-1] // 2)
        if self.demodulate:
            y = y * demodulation(s, weight)[:, :, None, None]
        return y + self.bias


@in_float32
def demodulation(s: Tensor, weight: Tensor) -> Tensor:
    """1 / √(Σ_ik s_i²·w_ijk² + ε) of styles (N, inputs) and weights (outputs, inputs, R, S):
    (N, outputs)."""
    squares = weight.square().sum((2, 3))  # Σ_k w_ijk², (outputs, inputs)
    return F.rsqrt(s.square() @ squares.T + 1e-8)


class StyledLayer(nn.Module):
    """A convolution in a style, noise, LeakyReLU: (N, inputs, H, H), w and noise (N, 1, size, size)
    -> (N, outputs, size, size).

    One plane of noise, of a strength that is learnt, serves all channels: for what no style should
    have to say, where exactly a stroke frays. Without noise given, training draws it anew and
    evaluation takes one plane for all pictures.
    """

    def __init__(self, inputs: int, outputs: int, size: int, style: int, up: bool = False):
        super().__init__()
        self.convolution = ModulatedConv2d(inputs, outputs, 3, style, up=up)
        self.strength = nn.Parameter(F.zeros(()))
        self.register_buffer("constant_noise", F.randn(1, 1, size, size))

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None = None) -> Tensor:
        plane = self.constant_noise
        if noise is None and self.training:
            noise = F.randn(len(w), *plane.shape[1:], dtype=plane.dtype, device=plane.device)
        noise = plane if noise is None else noise
        return activated(GAIN * (self.convolution(x, w) + self.strength * noise))


class Mapping(nn.Module):
    """z (N, noise) -> w (N, style): a perceptron that learns a hundred times as slowly as the rest.
    In training it keeps a running mean of w, the middle to which styles can be drawn.

    With classes, these are a code beside z, and each half has length 1 times √its size.
    """

    def __init__(self, noise: int, style: int, depth: int = 2, classes: int = 0):
        super().__init__()
        self.embedding = ClassCode(classes, noise) if classes else None
        sizes = [noise * (2 if classes else 1), *[style] * depth]
        self.layers = nn.ModuleList(
            [
                EqualLinear(a, b, gain=GAIN, rate=0.01)
                for a, b in zip(sizes, sizes[1:], strict=False)
            ]
        )
        self.register_buffer("mean", F.zeros(style))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        x = second_moment(z)
        if self.embedding is not None:
            x = F.cat([x, self.embedding(labels)], 1)
        for layer in self.layers:
            x = activated(layer(x))
        if self.training:
            with minigen.no_grad():
                self.mean.copy_(F.lerp(self.mean, Tensor(mean_of_all(x.mean(0).array)), 0.005))
        return x


@in_float32
def second_moment(x: Tensor) -> Tensor:
    """Rows (N, C) with a mean square of 1."""
    return x * F.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class ClassCode(EqualLinear):
    """Classes (N,) -> a code of each, (N, outputs), whose mean square is 1; `inputs` are how many
    classes there are."""

    def forward(self, labels: Tensor | None) -> Tensor:
        """Refuses None, which is what a network gets that is not told the class but should be."""
        if labels is None:
            raise ValueError(
                f"expected labels (N,) of {self.in_features} classes, for this network is told the"
                " class, got none"
            )
        rows = F.one_hot(labels, self.in_features).to(self.weight.dtype)
        return second_moment(super().forward(rows))


class Generator(nn.Module):
    """z (N, noise) -> pictures (N, channels, size, size) in [−1, 1].

    From a learnt constant of `start_of(size)` pixels' side a layer makes the coarsest picture; each
    two further layers double the size, and all sizes' colours are added up. The papers leave the
    sum as it is; tanh, as in a DCGAN, makes pure black and white easy, of which digits consist.

    Args:
        channels: of the pictures.
        size: of the pictures.
        width: channels at the full size; four times as many at half of it, eight times below.
        noise: length of z.
        style: length of w.
        depth: layers of the mapping.
        classes: that it is told; 0 for none.

    Raises:
        DataError: the size cannot be halved.
    """

    def __init__(
        self,
        channels: int = 3,
        size: int = 32,
        width: int = 16,
        noise: int = 64,
        style: int = 64,
        depth: int = 2,
        classes: int = 0,
    ):
        super().__init__()
        sizes = sizes_to(size)
        widths = [width * min((size // s) ** 2, MOST) for s in sizes]
        self.mapping = Mapping(noise, style, depth, classes)
        self.constant = nn.Parameter(F.randn(1, widths[0], sizes[0], sizes[0]))
        self.layers = nn.ModuleList([StyledLayer(widths[0], widths[0], sizes[0], style)])
        for i in range(1, len(sizes)):
            up, same = (widths[i - 1], widths[i]), (widths[i], widths[i])
            self.layers.append(StyledLayer(*up, sizes[i], style, up=True))
            self.layers.append(StyledLayer(*same, sizes[i], style))
        self.colours = nn.ModuleList(
            [ModulatedConv2d(w, channels, 1, style, demodulate=False) for w in widths]
        )
        self.styles_count = len(self.layers) + 1

    def forward(
        self,
        z: Tensor,
        labels: Tensor | None = None,
        psi: float = 1.0,
        noise: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Pictures of z, of classes (N,) if it is told them; `psi` as in `styles`, `noise` as in
        `synthesis`."""
        return self.synthesis(self.styles(self.mapping(z, labels), psi), noise)

    def styles(self, w: Tensor, psi: float = 1.0) -> Tensor:
        """w (N, style) for every layer, (N, layers, style), drawn to the middle where ψ is below 1:
        w̄ + ψ·(w − w̄) (StyleGAN, appendix B). Towards it pictures resemble more what is frequent."""
        if psi != 1:
            w = self.mapping.mean + psi * (w - self.mapping.mean)
        return w[:, None].expand(-1, self.styles_count, -1)

    def synthesis(self, styles: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Pictures of styles (N, layers, style), and of planes of noise, one of each layer but the
        last, if they shall not be those that `StyledLayer` takes; see `draw_noise`."""
        x, picture = self.constant.expand(len(styles), -1, -1, -1), None
        for i, layer in enumerate(self.layers):
            x = layer(x, styles[:, i], None if noise is None else noise[i])
            if i % 2 == 0:  # the last layer of its size
                colours = self.colours[i // 2](x, styles[:, i + 1])
                picture = colours if picture is None else doubled(picture) + colours
        return F.tanh(picture)

    def draw_noise(self, count: int, stream: Stream | None = None) -> list[Tensor]:
        """Planes of noise for so many pictures."""
        like = [layer.constant_noise for layer in self.layers]
        return [
            F.randn(count, *x.shape[1:], generator=stream, dtype=x.dtype, device=x.device)
            for x in like
        ]


class StridedBlock(nn.Sequential):
    """(N, inputs, H, H) -> (N, outputs, H/2, H/2): one convolution, as in a DCGAN."""

    def __init__(self, inputs: int, outputs: int):
        convolution = EqualConv2d(inputs, outputs, 4, stride=2, padding=1, gain=GAIN)
        super().__init__(convolution, nn.LeakyReLU(0.2))


class ResidualBlock(nn.Module):
    """(N, inputs, H, H) -> (N, outputs, H/2, H/2): two convolutions and a way around them, each
    halved after a blur; √½ keeps the variance of their sum."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.first = EqualConv2d(inputs, inputs, 3, padding=1, gain=GAIN)
        self.second = EqualConv2d(inputs, outputs, 3, stride=2, gain=GAIN)
        self.around = EqualConv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = activated(self.second(blurred(activated(self.first(x)), padding=2)))
        return (y + self.around(blurred(x, stride=2))) * math.sqrt(0.5)


class Judge(nn.Module):
    """Pictures (N, channels, size, size) -> l, (N, 1); of classes (N,) it is told the score of the
    picture's being one of its class (projection, Miyato and Koyama 2018, arXiv:1802.05637).

    Beside what it sees of a picture it is told how much the pictures of a group differ. This is
    what keeps G from drawing few kinds of pictures: see `deviations`.

    Args:
        channels, size: of the pictures.
        width: channels at the full size; twice as many at each half of it, up to eight times.
        hidden: units of the last layer but one.
        classes: as in `Generator`.
        group: pictures whose deviation is measured.
        residual: with the blocks of StyleGAN2, which take more than twice the time.
    """

    def __init__(
        self,
        channels: int = 3,
        size: int = 32,
        width: int = 16,
        hidden: int = 256,
        classes: int = 0,
        group: int = 32,
        residual: bool = False,
    ):
        super().__init__()
        sizes = sizes_to(size)[::-1]
        widths = [channels, *[width * min(size // s, MOST) for s in sizes[1:]]]
        block: Callable[[int, int], nn.Module] = StridedBlock
        self.colours: nn.Module = nn.Identity()
        if residual:
            block, widths[0] = ResidualBlock, width
            self.colours = nn.Sequential(
                EqualConv2d(channels, width, 1, gain=GAIN), nn.LeakyReLU(0.2)
            )
        self.group = group
        self.blocks = nn.Sequential(*[block(a, b) for a, b in itertools.pairwise(widths)])
        self.hidden = EqualLinear(widths[-1] * (sizes[-1] ** 2 + 1), hidden, gain=GAIN)
        self.out = EqualLinear(hidden, hidden if classes else 1)
        self.embedding = ClassCode(classes, hidden) if classes else None

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        x = self.blocks(self.colours(images))
        x = F.cat([x.flatten(1), deviations(x, self.group)], 1)
        x = self.out(activated(self.hidden(x)))
        if self.embedding is None:
            return x
        return (x * self.embedding(labels)).sum(1, keepdim=True) / math.sqrt(x.shape[1])


@in_float32
def deviations(x: Tensor, group: int = 32) -> Tensor:
    """(N, C, H, W) -> (N, C): how much the pictures of each group differ in each channel, the mean
    over H, W of the standard deviation in it. So a judge sees it if pictures are all alike (Karras
    et al. 2018, section 3). Groups have `group` pictures, or as many as `members_of` says.

    The papers take groups of 4, and one mean of all channels, which a few colours can make as large
    as that of real pictures, though shapes are all alike: with it, or without batch norm in a
    DCGAN's judge, 60 kinds of coloured digits became one to twenty in the first 1,000 steps, and
    with these 58 stayed (demos/FIGURES.md)."""
    members = x.reshape(members_of(len(x), group), -1, *x.shape[1:])  # member, group, C, H, W
    variance = (members - members.mean(0)).square().mean(0)
    return (variance + 1e-8).sqrt().mean((2, 3)).repeat(len(members), 1)  # the groups take turns


def members_of(count: int, group: int) -> int:
    """How many of so many pictures are a group: the most that divide them, up to `group`. Of one
    nothing can be said, so where it would be one they are the fewest that divide them beyond."""
    divisors = [d for d in range(2, count + 1) if count % d == 0]
    return max((d for d in divisors if d <= group), default=min(divisors, default=1))


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
