"""StyleGAN's two networks (Karras et al. 2019, arXiv:1812.04948, and 2020, "StyleGAN2",
arXiv:1912.04958).

    Mapping       z -> w
    Generator     w, a style for each layer -> pictures
    Judge         pictures -> how real they look to it
    deviations    what it is told beside: how much the pictures of a group differ
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import minigen
from minigen import Generator as Stream
from minigen import Tensor, nn
from minigen import functional as F
from minigen.backend import mean_of_all
from minigen.halves import in_float32
from minigen.models.networks import sizes_to
from minigen.models.stylegan_layers import (
    GAIN,
    ClassCode,
    EqualConv2d,
    EqualLinear,
    ModulatedConv2d,
    StyledLayer,
    activated,
    blurred,
    doubled,
    second_moment,
)

MOST = 8  # times the width are the channels at most


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
