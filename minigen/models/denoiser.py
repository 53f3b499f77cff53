"""Networks f(x, t, c) that say what is noise in x: a U-Net for pictures, a perceptron for points.

    sinusoids           a number as waves of many lengths
    PlaneDenoiser       points (N, 2)
    Denoiser            pictures (N, C, H, W): the U-Net of Ho et al. 2020 (arXiv:2006.11239)
    guided, dropped     classifier-free guidance (Ho and Salimans 2022, arXiv:2207.12598)

Both take the time t of each example, (N,), from 0 to 1000 however many steps a chain has, and, if
they are built with classes, what is asked for, c: a class of each, (N,), or the words of a phrase,
(N, W), or none. The last layer of each branch begins as 0: a block as x ↦ x, and the network as 0,
so that no branch speaks before it has learnt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from minigen import Generator, Tensor, nn
from minigen import functional as F
from minigen.data import DataError


def sinusoids(x: Tensor, width: int, fastest: float = 1.0, slowest: float = 1e-4) -> Tensor:
    """sin and cos of ω·x for width / 2 frequencies ω from `fastest` to `slowest`, each by one
    factor less than the one before: (…,) -> (…, width). The defaults are those of Vaswani et al.
    2017 (arXiv:1706.03762, section 3.5), for places or times up to some thousand.

    Raises:
        ValueError: the width is odd.
    """
    if width < 2 or width % 2:
        raise ValueError(f"sinusoids: width must be even, 2 or more, not {width}")
    waves = F.logspace(
        math.log10(fastest), math.log10(slowest), width // 2, dtype=x.dtype, device=x.device
    )
    angles = x.unsqueeze(-1) * waves
    return F.cat([angles.sin(), angles.cos()], -1)


class Told(nn.Module):
    """What a network is told besides x, as a vector: t, and what is asked for, which is a set of
    words: their vectors are added, so that they have no order. A class is one word, and none is
    the sum of no words, 0.

    Args:
        width: of the vector.
        classes: how many, or how many words there are.
        vectors: of the words, (classes, dim), from elsewhere: they stay, and a linear map of them
            is learnt, which keeps sums and 0; without, the vectors themselves are learnt.
    """

    def __init__(self, width: int, classes: int, vectors: Tensor | None = None):
        super().__init__()
        # The class that is told beyond the last one is none.
        self.label: nn.Module | None = None
        self.null = classes
        if vectors is not None:
            table = F.cat([vectors, F.zeros_like(vectors[:1])])
            known = nn.Embedding.from_pretrained(table, padding_idx=classes)
            self.label = nn.Sequential(known, nn.Linear(vectors.shape[1], width, bias=False))
        elif classes:
            self.label = nn.Embedding(classes + 1, width, padding_idx=classes)

    def with_class(self, told: Tensor, labels: Tensor | None) -> Tensor:
        """The vectors (N, width) and those of the classes (N,), or of all the words (N, W), or of
        none; or what lies between the classes, by weights of each, floats (N, classes)."""
        if self.label is None:
            return told
        if labels is not None and labels.dtype.kind == "f":
            return told + labels @ self.label.weight[: self.null]
        if labels is None:
            labels = F.full((len(told),), self.null, dtype="int64", device=told.device)
        return told + self.label(labels if labels.ndim > 1 else labels[:, None]).sum(1)


class PlaneDenoiser(Told):
    """Points (N, 2) and times (N,) -> (N, 2): a perceptron with SiLU, which sees the coordinates as
    waves, too, for of plain ones it learns sharp edges slowly (Tancik et al. 2020,
    arXiv:2006.10739).

    Args:
        width: units of each hidden layer.
        depth: hidden layers.
        classes: that it may be told; 0 for none.
        waves: numbers that stand for a coordinate, besides itself.
        fastest: radians that the fastest wave turns in a unit of length, and from t = 0 to 1000;
            the slowest turns half a radian.
    """

    def __init__(
        self,
        width: int = 256,
        depth: int = 3,
        classes: int = 0,
        waves: int = 16,
        fastest: float = 24.0,
    ):
        super().__init__(width, classes)
        self.waves, self.fastest = waves, fastest
        self.point = nn.Linear(2 + 2 * waves, width)
        self.time = nn.Linear(waves, width)
        layers = [[nn.SiLU(), nn.Linear(width, width)] for _ in range(depth - 1)]
        self.body = nn.Sequential(*sum(layers, []), nn.SiLU())
        self.last = zeroed(nn.Linear(width, 2))

    def forward(self, x: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        """The shape of x stays."""
        seen = sinusoids(x, self.waves, self.fastest, 0.5).flatten(1)
        told = self.time(sinusoids(time / 1000, self.waves, self.fastest, 0.5))
        h = self.point(F.cat([x, seen], 1)) + self.with_class(told, labels)
        return self.last(self.body(h))


class Denoiser(Told):
    """Pictures (N, channels, H, W) and times (N,) -> (N, outputs, H, W).

    On the way down each level has blocks and then halves the pictures; on the way up each block
    sees, beside what comes from below, what its partner on the way down saw.

    Args:
        channels: of the pictures.
        outputs: channels that come out, if others: twice as many where variances are learnt.
        width: channels of the first level, an even number: half tell the time by sines.
        multiples: channels of each level, in widths; H and W are halved after each but the last.
        blocks: on each level down; one more on the way up.
        attention: the levels whose blocks attend, besides the block in the middle.
        classes: that it may be told, or words; 0 for none.
        groups: that channels are normalised in, or the most that divides them.
        dropout: in each block.
        patch: so many pixels a side are one place of the first level, their numbers its channels:
            with 2 a quarter of the work, for strokes and edges that span some pixels anyway.
        vectors: of the words, (classes, dim), if they are not to be learnt; see `Told`.

    Raises:
        ValueError: the width is odd.
    """

    def __init__(
        self,
        channels: int = 1,
        outputs: int | None = None,
        width: int = 32,
        multiples: Sequence[int] = (1, 2, 2),
        blocks: int = 1,
        attention: Sequence[int] = (2,),
        classes: int = 0,
        groups: int = 8,
        dropout: float = 0.0,
        patch: int = 1,
        vectors: Tensor | None = None,
    ):
        super().__init__(4 * width, classes, vectors)
        if width < 2 or width % 2:
            raise ValueError(f"Denoiser: width must be even, 2 or more, not {width}")
        self.width, self.patch = width, patch
        self.time = nn.Sequential(
            nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width)
        )
        self.first = nn.Conv2d(channels * patch**2, width, 3, padding=1)

        def block(inputs: int, outputs: int, level: int) -> Block:
            attends = level in attention
            return Block(inputs, outputs, 4 * width, attends, groups, dropout)

        now, seen, deepest = width, [width], len(multiples) - 1
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, multiple in enumerate(multiples):
            for _ in range(blocks):
                self.down.append(block(now, now := multiple * width, level))
                seen.append(now)
            if level < deepest:
                self.down.append(Halved(now))
                seen.append(now)
        self.middle = nn.ModuleList(
            Block(now, now, 4 * width, attends, groups, dropout) for attends in (True, False)
        )
        for level in reversed(range(len(multiples))):
            for _ in range(blocks + 1):
                self.up.append(block(now + seen.pop(), now := multiples[level] * width, level))
            if level:
                self.up.append(Doubled(now))
        self.norm = nn.GroupNorm(math.gcd(groups, now), now)
        self.last = zeroed(nn.Conv2d(now, (outputs or channels) * patch**2, 3, padding=1))

    def forward(self, x: Tensor, time: Tensor, labels: Tensor | None = None) -> Tensor:
        """H and W stay.

        Raises:
            DataError: they cannot be halved so often.
        """
        halvings = sum(isinstance(part, Halved) for part in self.down)
        if any(side % (self.patch * 2**halvings) for side in x.shape[2:]):
            patches = f" in patches of {self.patch}" if self.patch > 1 else ""
            raise DataError(
                f"Denoiser: {x.shape[2:]} pixels{patches} cannot be halved {halvings} times"
            )
        told = F.silu(self.with_class(self.time(sinusoids(time, self.width)), labels))
        h = self.first(F.pixel_unshuffle(x, self.patch))
        seen = [h]
        for part in self.down:
            h = part(h, told)
            seen.append(h)
        for part in self.middle:
            h = part(h, told)
        for part in self.up:
            h = part(h if isinstance(part, Doubled) else F.cat([h, seen.pop()], 1), told)
        return F.pixel_shuffle(self.last(F.silu(self.norm(h))), self.patch)


class Block(nn.Module):
    """x + f(x, told), f two convolutions of 3 × 3, each after a norm and SiLU, between which what
    the network is told is added to each pixel; then attention, if wished: (N, inputs, H, W) and
    (N, told) -> (N, outputs, H, W)."""

    def __init__(
        self, inputs: int, outputs: int, told: int, attends: bool, groups: int, dropout: float
    ):
        super().__init__()
        self.norms = nn.ModuleList(
            nn.GroupNorm(math.gcd(groups, channels), channels) for channels in (inputs, outputs)
        )
        self.there = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.told = nn.Linear(told, outputs)
        self.dropout = nn.Dropout(dropout)
        self.back = zeroed(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)
        self.attention = Attention(outputs, groups) if attends else nn.Identity()

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """H and W stay."""
        h = self.there(F.silu(self.norms[0](x)))
        h = h + self.told(told)[:, :, None, None]
        h = self.back(self.dropout(F.silu(self.norms[1](h))))
        return self.attention(self.skip(x) + h)


class Attention(nn.Module):
    """x + attention(x): each pixel looks at all of its picture, (N, C, H, W) -> the same."""

    def __init__(self, channels: int, groups: int):
        super().__init__()
        self.norm = nn.GroupNorm(math.gcd(groups, channels), channels)
        self.asked = nn.Linear(channels, 3 * channels)
        self.last = zeroed(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """The shape stays."""
        rows = self.norm(x).flatten(2).transpose(1, 2)  # (N, H·W, C)
        found = F.scaled_dot_product_attention(*self.asked(rows).chunk(3, -1))
        return x + self.last(found).transpose(1, 2).reshape(*x.shape)


class Halved(nn.Module):
    """(N, C, H, W) -> (N, C, H / 2, W / 2)."""

    def __init__(self, channels: int):
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """It is not told anything."""
        return self.convolution(x)


class Doubled(nn.Module):
    """(N, C, H, W) -> (N, C, 2·H, 2·W): each pixel four times, then a convolution, which paints no
    chequered pattern as a transposed one may."""

    def __init__(self, channels: int):
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """It is not told anything."""
        return self.convolution(F.interpolate(x, scale_factor=2))


def zeroed(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """The layer with weights and biases 0."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def dropped(
    labels: Tensor, null: int, share: float = 0.1, generator: Generator | None = None
) -> Tensor:
    """Labels (N,) or phrases (N, W) of which each by itself, all its words, is replaced by `null`,
    none, with probability `share`, so that one network learns f(x, c) and f(x, ∅)."""
    u = F.rand(len(labels), generator=generator, device=labels.device)
    return F.where(u.reshape(-1, *[1] * (labels.ndim - 1)) < share, null, labels)


def guided(
    network: nn.Module,
    x: Tensor,
    time: Tensor,
    labels: Tensor | None = None,
    guidance: float = 0.0,
) -> Tensor:
    """(1 + w)·f(x, t, c) − w·f(x, t, ∅): away from what is so without the class (Ho and Salimans
    2022, equation 6). w = 0 is unguided; others call 1 + w the scale.

    A score is a slope: s(x, c) + w·(s(x, c) − s(x)) is that of log p(x|c) + w·log p(c|x) + a
    constant, by Bayes, so that pictures are sought whose class is beyond doubt. Channels beyond
    those of x, of which learnt variances are made, are not guided.
    """
    if labels is None:
        return network(x, time)
    if not guidance:
        return network(x, time, labels)
    none = F.full_like(labels, 0 if labels.dtype.kind == "f" else network.null)
    twice = network(F.cat([x, x]), F.cat([time, time]), F.cat([labels, none]))
    told, untold = twice.chunk(2)
    channels = x.shape[1]
    mean = told[:, :channels] + guidance * (told - untold)[:, :channels]
    return F.cat([mean, told[:, channels:]], 1) if told.shape[1] > channels else mean


def same_for_all(time: float, x: Tensor) -> Tensor:
    """A time for each example of x, (N,)."""
    return F.full((len(x),), time, dtype=x.dtype, device=x.device)
