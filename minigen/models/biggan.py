"""BigGAN (Brock, Donahue and Simonyan 2019, arXiv:1809.11096), at a size that a laptop trains.

Nothing in it is new by itself; together, and in such numbers, it drew pictures that nobody had seen
from a GAN before. From the bottom up:

    SNLinear, SNConv2d, SNEmbedding   weights of largest singular value 1: spectral norm (Miyato et
                                      al. 2018, arXiv:1802.05957)
    ConditionalBatchNorm2d            the class and a piece of z as gain and bias of batch norm
    SelfAttention                     each pixel looks at all others (Zhang et al. 2019, SAGAN,
                                      arXiv:1805.08318)
    BigGenerator, BigJudge            residual networks (figure 15); the judge compares what it sees
                                      with a vector of the class: projection (Miyato and Koyama
                                      2018, arXiv:1802.05637)
    BigGAN                            the hinge loss, orthogonal regularisation, and truncation: z
                                      nearer to 0 draws plainer pictures and fewer kinds of them

The hinge loss and the training step are those of models/gan.py.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import erf, erfinv

import minigen
from minigen import Generator, Tensor, nn, optim
from minigen import functional as F
from minigen.backend import namespace
from minigen.halves import is_half
from minigen.models.adversaries import Batch
from minigen.models.gan import GAN, Loss
from minigen.models.networks import evaluating, sizes_to
from minigen.models.resized import conv2d_of_doubled, doubled, halved_conv2d

# Appendix C, and the learning rates and ε of the authors' code.
ADAM = functools.partial(optim.Adam, lr=1e-4, betas=(0.0, 0.999), eps=1e-6)
JUDGE_ADAM = functools.partial(ADAM, lr=4e-4)
GROWTH, MOST = 3, 8  # channels from one level to the one below; times the width at most


class Spectral(nn.Module):
    """A layer that uses its weight W as W / σ(W), where σ(W) = max ‖W·h‖ / ‖h‖, the largest
    singular value (Miyato et al. 2018, equations 6 and 8): what it makes changes by no more than
    what it is given. W is taken as a matrix with a row for each output.

    σ ≈ uᵀ·W·v, with u and v from power iteration. While training they stand still but for `renew`,
    once a training step, for W moves little in one. An evaluated network may have another W in the
    same place, such as an average: there they are sought anew, and what is found is not kept.
    `nn.utils.spectral_norm`, as PyTorch's, renews them in each pass instead, of either network.
    """

    _unaveraged = ("u", "v")  # the average of unit vectors is none

    def __init__(self, *sizes: Any, **options: Any):
        super().__init__(*sizes, **options)
        nn.init.orthogonal_(self.weight)
        for name, size in zip("uv", self.weight.flatten(1).shape, strict=True):
            self.register_buffer(name, F.normalize(F.randn(size), dim=0))
        self.renew()

    @minigen.no_grad()
    def renew(self) -> None:
        """One power iteration (Miyato et al. 2018, algorithm 1, step 1)."""
        w = self.weight.flatten(1)
        self.v.copy_(F.normalize(w.t() @ self.u, dim=0))  # v ← Wᵀ·u / ‖Wᵀ·u‖
        self.u.copy_(F.normalize(w @ self.v, dim=0))  # u ← W·v / ‖W·v‖

    @minigen.no_grad()
    def sought(self) -> tuple[Tensor, Tensor]:
        """u and v of the W in place: where power iteration would end, an eigenvector of W·Wᵀ, or of
        Wᵀ·W where that is smaller. NaN, if W is not finite."""
        w = self.weight.flatten(1).to("float32" if is_half(self.weight) else self.weight.dtype)
        w = w / abs(w).max()  # whose squares neither overflow nor vanish
        wide = w.shape[0] <= w.shape[1]
        square = (w @ w.t() if wide else w.t() @ w).array
        if not namespace(square).isfinite(square).all():
            return self.u * math.nan, self.v * math.nan  # of which eigh knows nothing
        one = Tensor(namespace(square).linalg.eigh(square)[1][:, -1])
        other = F.normalize(w.t() @ one if wide else w @ one, dim=0)
        u, v = (one, other) if wide else (other, one)
        return u.to(self.weight.dtype), v.to(self.weight.dtype)

    def normed(self) -> Tensor:
        """W / σ. The slope flows through σ, with u and v constant."""
        u, v = (self.u, self.v) if self.training else self.sought()
        return self.weight / (u @ (self.weight.flatten(1) @ v))


class SNLinear(Spectral, nn.Linear):
    """`nn.Linear` with spectral norm."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, inputs) -> (N, outputs)."""
        return F.linear(input, self.normed(), self.bias)


class SNConv2d(Spectral, nn.Conv2d):
    """`nn.Conv2d` with spectral norm."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H', W')."""
        return self._conv_forward(input, self.normed(), self.bias)


class SNEmbedding(Spectral, nn.Embedding):
    """`nn.Embedding` with spectral norm; no row is one of padding."""

    def __init__(self, num_embeddings: int, embedding_dim: int):
        super().__init__(num_embeddings, embedding_dim)

    def forward(self, input: Tensor) -> Tensor:
        """Integers (…) -> (…, embedding_dim)."""
        return F.embedding(input, self.normed())


class ConditionalBatchNorm2d(nn.Module):
    """Batch norm whose gain and bias are linear in what it is told: (N, channels, H, W) and
    (N, told) -> (N, channels, H, W) (appendix B; De Vries et al. 2017, arXiv:1707.00683)."""

    def __init__(self, channels: int, told: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = SNLinear(told, channels, bias=False)
        self.bias = SNLinear(told, channels, bias=False)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """The shape of x stays. The gain is 1 of a `told` of 0."""
        gain, bias = 1 + self.gain(told), self.bias(told)
        return self.norm(x) * gain[:, :, None, None] + bias[:, :, None, None]


class SelfAttention(nn.Module):
    """x + γ·o(x), o a mean over all pixels, each weighed by how well it fits (Zhang et al. 2019,
    equations 1 to 3): (N, channels, H, W) -> the same. γ is 0 at first, so that the network learns
    what is near before what is far. Those that are looked at are pooled, as in the authors' code.
    """

    def __init__(self, channels: int):
        super().__init__()
        inner, seen = max(channels // 8, 1), max(channels // 2, 1)
        self.f = SNConv2d(channels, inner, 1, bias=False)
        self.g = SNConv2d(channels, inner, 1, bias=False)
        self.h = SNConv2d(channels, seen, 1, bias=False)
        self.v = SNConv2d(seen, channels, 1, bias=False)
        self.gamma = nn.Parameter(F.zeros())

    def forward(self, x: Tensor) -> Tensor:
        """The shape stays."""
        n, _, height, width = x.shape
        f = self.f(x).flatten(2)  # what a pixel looks for, (N, C / 8, H·W)
        g = F.max_pool2d(self.g(x), 2).flatten(2)  # what there is, (N, C / 8, H·W / 4)
        h = F.max_pool2d(self.h(x), 2).flatten(2)  # what is got from it, (N, C / 2, H·W / 4)
        beta = F.softmax(f.transpose(1, 2) @ g, -1)  # equation 1, (N, H·W, H·W / 4)
        o = h @ beta.transpose(1, 2)  # equation 2
        return x + self.gamma * self.v(o.reshape(n, -1, height, width))  # equation 3


class GeneratorBlock(nn.Module):
    """(N, inputs, H, W) and (N, told) -> (N, outputs, 2·H, 2·W) (figure 15b)."""

    def __init__(self, inputs: int, outputs: int, told: int):
        super().__init__()
        self.norm1 = ConditionalBatchNorm2d(inputs, told)
        self.conv1 = SNConv2d(inputs, outputs, 3, padding=1)
        self.norm2 = ConditionalBatchNorm2d(outputs, told)
        self.conv2 = SNConv2d(outputs, outputs, 3, padding=1)
        self.skip = SNConv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        """Both sides are doubled; of 1 × 1 pixels a convolution can as well come before."""
        h = F.relu(self.norm1(x, told))
        h = conv2d_of_doubled(h, self.conv1.normed(), self.conv1.bias)
        h = self.conv2(F.relu(self.norm2(h, told)))
        return h + doubled(self.skip(x))


class JudgeBlock(nn.Module):
    """(N, inputs, H, W) -> (N, outputs, H / 2, W / 2), or the same sides unless `halves` (figure
    15c). The `first` is given pictures, which no activation comes before."""

    def __init__(self, inputs: int, outputs: int, halves: bool = True, first: bool = False):
        super().__init__()
        self.halves, self.first = halves, first
        self.conv1 = SNConv2d(inputs, outputs, 3, padding=1)
        self.conv2 = SNConv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Identity() if inputs == outputs else SNConv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Each pixel of what comes out is the mean of four."""
        h = F.relu(self.conv1(x if self.first else F.relu(x)))
        if not self.halves:
            return self.conv2(h) + self.skip(x)
        h = halved_conv2d(h, self.conv2.normed(), self.conv2.bias)
        return h + self.skip(F.avg_pool2d(x, 2))


def widths(size: int, width: int) -> tuple[int, list[int]]:
    """The side of the smallest picture inside, from 4 to 7 unless the size is odd sooner, and the
    channels of each level, from the smallest to the whole one.

    Raises:
        DataError: the size cannot be halved; see `sizes_to`.
    """
    sizes = sizes_to(size)
    return sizes[0], [width * min(GROWTH**i, MOST) for i in reversed(range(len(sizes)))]


class BigGenerator(nn.Module):
    """z (N, noise) and labels (N,) -> pictures (N, channels, size, size) in [−1, 1].

    z is cut into pieces: the first makes the smallest picture, each other is told to one block
    beside the class, whose vector all blocks share (section 3; table 1, "Hier." and "Shared").

    Args:
        channels: of the pictures.
        width: channels at the full size; three times as many at half of it, then eight times, for
            few pixels are cheap, and products of many channels fast.
        size: of the pictures: 28, 32, or any other that is even and 8 or more.
        classes: how many.
        piece: numbers in each piece of z.
        told: numbers in a class's vector.
        attention: at half the size.

    Raises:
        DataError: the size is odd, or below 8.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 16,
        size: int = 28,
        classes: int = 10,
        piece: int = 16,
        told: int = 32,
        attention: bool = False,
    ):
        super().__init__()
        self.side, channels_of = widths(size, width)
        self.piece, self.noise = piece, piece * len(channels_of)
        self.shared = nn.Embedding(classes, told)  # without spectral norm, which cripples it
        pixels = channels_of[0] * self.side**2
        self.first = SNLinear(piece, pixels, bias=False)
        self.mean = nn.Parameter(F.zeros(pixels))
        self.blocks = nn.ModuleList(
            GeneratorBlock(*pair, told + piece) for pair in itertools.pairwise(channels_of)
        )
        self.attention = SelfAttention(channels_of[-2]) if attention else nn.Identity()
        self.norm = nn.BatchNorm2d(width)
        self.last = SNConv2d(width, channels, 3, padding=1)

    def forward(self, z: Tensor, labels: Tensor) -> Tensor:
        """G(z, y)."""
        return self.told(z, self.shared(labels))

    def told(self, z: Tensor, vectors: Tensor) -> Tensor:
        """The same, from the vectors of classes (N, told), or from what lies between them."""
        first, *pieces = z.split(self.piece, 1)
        x = self.smallest(first)
        for i, (block, piece) in enumerate(zip(self.blocks, pieces, strict=True), start=1):
            if i == len(self.blocks):
                x = self.attention(x)
            x = block(x, F.cat([vectors, piece], 1))
        return F.tanh(self.last(F.relu(self.norm(x))))

    def smallest(self, piece: Tensor) -> Tensor:
        """The picture that a first piece of z makes, (N, C, side, side): of variance 1 about a mean
        that is learnt. A vector that is not stretched would be small in so many pixels, and soon
        silenced by the mean; without a mean batch norm would undo what truncation does to it."""
        scale = (self.mean.numel() / self.piece) ** 0.5
        x = scale * self.first(piece) + self.mean
        return x.reshape(len(piece), -1, self.side, self.side)


class BigJudge(nn.Module):
    """Pictures (N, channels, size, size) and labels (N,) -> (N, 1); arguments as above.

    D(x, y) = ψ(φ(x)) + yᵀ·V·φ(x), with φ the blocks, ψ linear and V the vectors of the classes
    (Miyato and Koyama 2018, equation 3): linear in them, as log p(y | x) / q(y | x) is where both
    are softmax.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 16,
        size: int = 28,
        classes: int = 10,
        attention: bool = False,
    ):
        super().__init__()
        _, channels_of = widths(size, width)
        levels = [channels, *reversed(channels_of)]  # the last block leaves the sides as they are
        self.blocks = nn.ModuleList(
            JudgeBlock(*pair, halves=i < len(levels) - 2, first=i == 0)
            for i, pair in enumerate(itertools.pairwise(levels))
        )
        self.attention = SelfAttention(width) if attention else nn.Identity()
        self.psi = SNLinear(levels[-1], 1)
        self.vectors = SNEmbedding(classes, levels[-1])

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """D(x, y)."""
        return self.compared(self.features(images), self.vectors(labels))

    def features(self, images: Tensor) -> Tensor:
        """φ(x), a sum over the pixels that are left: (N, width)."""
        x = self.attention(self.blocks[0](images))
        for block in self.blocks[1:]:
            x = block(x)
        return F.relu(x).sum((2, 3))

    def compared(self, features: Tensor, vectors: Tensor) -> Tensor:
        """ψ(φ) + vᵀ·φ, (N, 1)."""
        return self.psi(features) + (vectors * features).sum(1, keepdim=True)


def non_orthogonality(network: nn.Module) -> Tensor:
    """Σ ‖Wᵀ·W ⊙ (1 − I)‖², squared inner products of different columns of each weight with
    spectral norm (equation 3 without β), or of rows where these are fewer, for there cannot be more
    than there are dimensions. The lengths are left alone."""

    def of(w: Tensor) -> Tensor:
        products = w @ w.t() if w.shape[0] <= w.shape[1] else w.t() @ w
        return (products.triu(1) ** 2).sum()  # each pair once

    return 2 * sum(of(layer.weight.flatten(1)) for layer in spectral_layers(network))


def spectral_layers(network: nn.Module) -> list[Spectral]:
    """Its layers with spectral norm."""
    return [layer for layer in network.modules() if isinstance(layer, Spectral)]


class BigGAN(GAN):
    """The two networks and their training step.

    Args:
        generator: a `BigGenerator`, or z and labels -> images of any other.
        discriminator: images and labels -> (N, 1).
        orthogonal: β, the weight of orthogonal regularisation; 1e-4 in the paper.
        optimiser: called with G's parameters.
        discriminator_optimiser: with D's.
        options: for `GAN`; the loss is the hinge.
    """

    def __init__(
        self,
        generator: BigGenerator,
        discriminator: nn.Module,
        *,
        orthogonal: float = 0.0,
        optimiser: Callable[..., Any] = ADAM,
        discriminator_optimiser: Callable[..., Any] = JUDGE_ADAM,
        **options: Any,
    ):
        options = {"loss": "hinge", "noise": generator.noise} | options
        options["discriminator_optimiser"] = discriminator_optimiser
        super().__init__(generator, discriminator, optimiser=optimiser, **options)
        self.orthogonal = orthogonal

    def step(self, *real: Batch) -> dict[str, Tensor]:
        """u and v of every weight renewed, then `GAN.step` on batches of images and labels."""
        for network in self.networks():
            for layer in spectral_layers(network):
                layer.renew()
        return super().step(*real)

    def judged_both(self, real: Tensor, fake: Tensor, *labels: Tensor) -> tuple[Tensor, ...]:
        """In one pass, for D looks at each image by itself."""
        twice = [F.cat([y, y]) for y in labels]
        return self.judged(F.cat([real, fake]), *twice).chunk(2)

    def loss_given(self, *labels: Tensor) -> Loss:
        """The hinge, and for G the regularisation."""
        loss = super().loss_given(*labels)
        if not self.orthogonal:
            return loss
        return loss._replace(
            generator=lambda fake: (
                loss.generator(fake) + self.orthogonal * non_orthogonality(self.generator)
            )
        )

    def sample_noise(
        self, count: int, generator: Generator | None = None, truncation: float | None = None
    ) -> Tensor:
        """z, (count, noise), as N(0, I); with a `truncation` τ as if numbers outside [−τ, τ] were
        drawn again (section 3.1). One stream gives the same z, nearer to 0 for a smaller τ: what is
        kept is the order, that is the share of the distribution that lies nearer to 0.

        Raises:
            ValueError: τ is below 0.
        """
        z = super().sample_noise(count, generator)
        if truncation is None:
            return z
        if not truncation >= 0:
            raise ValueError(f"sample_noise: a truncation is a number from 0 on, not {truncation}")
        whole, root = z.numpy().astype(np.float64), math.sqrt(2)  # P(|z| < x) = erf(x / √2)
        kept = root * erfinv(erf(whole / root) * math.erf(truncation / root))
        kept = np.where(np.isfinite(kept), kept, whole)  # beyond 8 its share rounds to 1
        return Tensor(np.clip(kept, -truncation, truncation).astype(z.dtype), device=z.device)

    def stand(
        self,
        truncation: float | None = None,
        generator: Generator | None = None,
        batches: int = 16,
        batch_size: int = 64,
    ) -> None:
        """Batch norm's statistics for drawing: the means over some batches of z of this truncation,
        of all classes ("standing statistics", appendix B). Those of the training are of whole z,
        and of weights that have moved on since, or of which there is an average."""
        norms = [m for m in self.generator.modules() if isinstance(m, nn.BatchNorm2d)]
        usual = [norm.momentum for norm in norms]
        classes = self.generator.shared.num_embeddings
        with evaluating(self.generator):
            for norm in norms:
                norm.reset_running_stats()
                norm.momentum, norm.training = None, True  # plain means over all batches
            for _ in range(batches):
                z = self.sample_noise(batch_size, generator, truncation)
                labels = F.randint(classes, (batch_size,), generator=generator, device=z.device)
                self.generator(z, labels)
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum
