"""Networks for the benchmark, each written once and built by either library: `torch` is PyTorch or
`minigen.torch_names`. Neither is imported here.

Weights, data and noise are NumPy's, so that both libraries compute the same loss. Each function
gives what is trained and a training step, whose value is a loss; its first argument but these two
is the batch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from benchmark.drawn import CLASSES, Drawn, drawn, module


class Training(NamedTuple):
    """What is trained, and one step of it, which gives a loss."""

    networks: list[Any]
    step: Callable[[], Any]


class Numbers:
    """Weights, data and noise: the same in both libraries for the same seed.

    Args:
        dtype: of all that is no integer.
    """

    def __init__(self, torch: Any, seed: int = 0, device: str = "cpu", dtype: str = "float32"):
        self.torch, self.device, self.dtype = torch, device, getattr(torch, dtype)
        self.rng = np.random.default_rng(seed)

    def tensor(self, array: np.ndarray) -> Any:
        """That array there."""
        tensor = self.torch.from_numpy(array).to(self.device)
        return tensor.to(self.dtype) if array.dtype.kind == "f" else tensor

    def normal(self, *shape: int) -> Any:
        """From the standard normal distribution."""
        return self.tensor(self.rng.standard_normal(shape, "f"))

    def images(self, *shape: int) -> Any:
        """Numbers in [−1, 1]."""
        return self.tensor(self.rng.uniform(-1, 1, shape).astype("f"))

    def integers(self, below: int, *shape: int) -> Any:
        """Classes, words or steps."""
        return self.tensor(self.rng.integers(0, below, shape))

    def weights(self, *networks: Any) -> list[Any]:
        """The networks with such weights that a signal keeps its size, on the device."""
        for network in networks:
            network.to(self.device).to(self.dtype)
            for name, p in sorted(network.named_parameters(), key=itemgetter(0)):
                values = self.rng.standard_normal(tuple(p.shape), "f")
                if p.dim() > 1:
                    values /= math.sqrt(math.prod(p.shape[1:]))
                else:
                    values = 0.1 * values + np.float32("weight" in name)
                p.data.copy_(self.tensor(values))
            for name, b in sorted(network.named_buffers(), key=itemgetter(0)):
                if name.endswith("_u"):  # where spectral norm's power iteration begins
                    values = self.rng.standard_normal(tuple(b.shape), "f")
                    b.data.copy_(self.tensor(values / np.linalg.norm(values)))
        return [*networks]


def descent(torch: Any, network: Any, loss: Callable[[], Any], lr: float = 1e-3) -> Training:
    """Adam's steps down that loss."""
    adam = torch.optim.Adam(network.parameters(), lr=lr)

    def step() -> Any:
        adam.zero_grad()
        value = loss()
        value.backward()
        adam.step()
        return value

    return Training([network], step)


def adversaries(
    torch: Any, generator: Any, judge: Any, real: Any, noise: Any, loss: Callable[[Any, Any], Any]
) -> Training:
    """A step of each of a pair, as in PyTorch's example of a DCGAN.

    Args:
        loss: of the judge's outputs and what they should be.
    """
    adam_g, adam_d = (
        torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999))
        for network in (generator, judge)
    )

    def step() -> Any:
        adam_d.zero_grad()
        out = judge(real)
        one, zero = torch.ones_like(out), torch.zeros_like(out)
        loss_real = loss(out, one)
        loss_real.backward()
        fake = generator(noise)
        loss_fake = loss(judge(fake.detach()), zero)
        loss_fake.backward()
        adam_d.step()
        adam_g.zero_grad()
        loss_g = loss(judge(fake), one)
        loss_g.backward()
        adam_g.step()
        return loss_real.detach() + loss_fake.detach()

    return Training([generator, judge], step)


# The first nine.


def denoiser(torch: Any, numbers: Numbers, batch: int = 32) -> Training:
    """A denoising U-Net (Ho et al. 2020) at 28×28: 32 and 64 channels, group norm, SiLU, attention
    at 7×7."""
    nn, F = torch.nn, torch.nn.functional

    class Residual(nn.Module):
        def __init__(self, inputs: int, outputs: int):
            super().__init__()
            self.norm1, self.norm2 = nn.GroupNorm(8, inputs), nn.GroupNorm(8, outputs)
            self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
            self.time = nn.Linear(128, outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
            self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

        def forward(self, x: Any, time: Any) -> Any:
            h = self.conv1(F.silu(self.norm1(x))) + self.time(time)[:, :, None, None]
            return self.skip(x) + self.conv2(F.silu(self.norm2(h)))

    class Attention(nn.Module):
        def __init__(self, channels: int):
            super().__init__()
            self.norm = nn.GroupNorm(8, channels)
            self.qkv, self.out = (
                nn.Conv2d(channels, 3 * channels, 1),
                nn.Conv2d(channels, channels, 1),
            )

        def forward(self, x: Any) -> Any:
            n, c, h, w = x.shape
            q, k, v = self.qkv(self.norm(x)).reshape(n, 3, c, h * w).unbind(1)
            a = torch.softmax(q.transpose(1, 2) @ k * c**-0.5, dim=-1)
            return x + self.out((v @ a.transpose(1, 2)).reshape(n, c, h, w))

    class Denoiser(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.time = nn.Sequential(nn.Linear(32, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU())
            self.first = nn.Conv2d(1, 32, 3, padding=1)
            self.down1, self.half1 = Residual(32, 32), nn.Conv2d(32, 32, 3, 2, 1)
            self.down2, self.half2 = Residual(32, 64), nn.Conv2d(64, 64, 3, 2, 1)
            self.deep1, self.attention, self.deep2 = (
                Residual(64, 64),
                Attention(64),
                Residual(64, 64),
            )
            self.twice1, self.up1 = nn.Conv2d(64, 64, 3, padding=1), Residual(128, 64)
            self.twice2, self.up2 = nn.Conv2d(64, 32, 3, padding=1), Residual(64, 32)
            self.norm, self.last = nn.GroupNorm(8, 32), nn.Conv2d(32, 1, 3, padding=1)

        def forward(self, x: Any, angles: Any) -> Any:
            t = self.time(torch.cat([torch.sin(angles), torch.cos(angles)], 1))
            a = self.down1(self.first(x), t)
            b = self.down2(self.half1(a), t)
            h = self.deep2(self.attention(self.deep1(self.half2(b), t)), t)
            h = self.twice1(F.interpolate(h, scale_factor=2.0))
            h = self.up1(torch.cat([h, b], 1), t)
            h = self.twice2(F.interpolate(h, scale_factor=2.0))
            h = self.up2(torch.cat([h, a], 1), t)
            return self.last(F.silu(self.norm(h)))

    (network,) = numbers.weights(Denoiser())
    images, noise = numbers.images(batch, 1, 28, 28), numbers.normal(batch, 1, 28, 28)
    steps = numbers.integers(1000, batch, 1).to(numbers.dtype)
    angles = steps * numbers.tensor(1e4 ** -np.linspace(0, 1, 16, dtype="f"))
    share = torch.cos(steps * (math.pi / 2000)).reshape(batch, 1, 1, 1)

    def loss() -> Any:
        x = share * images + (1 - share**2).sqrt() * noise
        return F.mse_loss(network(x, angles), noise)

    return descent(torch, network, loss)


def transformer(torch: Any, numbers: Numbers, batch: int = 8) -> Training:
    """A language model (Radford et al. 2019): 2 layers, 128 wide, 4 heads, 64 of 256 tokens."""
    nn, F = torch.nn, torch.nn.functional
    width, heads, length, kinds = 128, 4, 64, 256

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.dense = nn.Sequential(
                nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
            )

        def forward(self, x: Any, past: Any) -> Any:
            n, t, _ = x.shape
            q, k, v = (
                part.reshape(n, t, heads, width // heads).transpose(1, 2)
                for part in self.qkv(self.norm1(x)).chunk(3, dim=2)
            )
            scores = q @ k.transpose(2, 3) * (width // heads) ** -0.5
            a = torch.softmax(scores.masked_fill(past == 0, -math.inf), dim=-1)
            x = x + self.out((a @ v).transpose(1, 2).reshape(n, t, width))
            return x + self.dense(self.norm2(x))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.word, self.place = nn.Embedding(kinds, width), nn.Embedding(length, width)
            self.blocks = nn.ModuleList([Block() for _ in range(2)])
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, kinds, bias=False)

        def forward(self, words: Any, places: Any, past: Any) -> Any:
            x = self.word(words) + self.place(places)
            for block in self.blocks:
                x = block(x, past)
            return self.head(self.norm(x))

    (network,) = numbers.weights(Model())
    words, places = numbers.integers(kinds, batch, length + 1), numbers.tensor(np.arange(length))
    past = numbers.tensor(np.tri(length, dtype="f"))

    def loss() -> Any:
        out = network(words[:, :-1], places, past)
        return F.cross_entropy(out.reshape(-1, kinds), words[:, 1:].reshape(-1))

    return descent(torch, network, loss)


def translation(torch: Any, numbers: Numbers, batch: int = 4) -> Training:
    """CycleGAN's generator (Zhu et al. 2017) at 64×64: 32 channels, instance norm, reflection
    padding, 3 residual blocks."""
    nn, F = torch.nn, torch.nn.functional

    class Residual(nn.Module):
        def __init__(self, width: int):
            super().__init__()
            self.block = nn.Sequential(
                nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
                nn.ReLU(), nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3),
                nn.InstanceNorm2d(width),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            return x + self.block(x)

    network = nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, 32, 7), nn.InstanceNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2, 1), nn.InstanceNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 128, 3, 2, 1), nn.InstanceNorm2d(128), nn.ReLU(),
        *(Residual(128) for _ in range(3)),
        nn.ConvTranspose2d(128, 64, 3, 2, 1, 1), nn.InstanceNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), nn.InstanceNorm2d(32), nn.ReLU(),
        nn.ReflectionPad2d(3), nn.Conv2d(32, 3, 7), nn.Tanh(),
    )  # fmt: skip
    numbers.weights(network)
    x, y = numbers.images(batch, 3, 64, 64), numbers.images(batch, 3, 64, 64)
    return descent(torch, network, lambda: F.l1_loss(network(x), y))


def styled(torch: Any, numbers: Numbers, batch: int = 16) -> Training:
    """A generator by styles (Karras et al. 2020): scale, 3×3 convolution, rescale; 64 channels from
    4 to 32 pixels."""
    nn, F = torch.nn, torch.nn.functional
    width = 64

    class Styled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.style = nn.Linear(width, width)
            self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
            self.bias = nn.Parameter(torch.zeros(width, 1, 1))

        def forward(self, x: Any, w: Any) -> Any:
            s = self.style(w) + 1
            squares = (self.conv.weight**2).sum((2, 3))  # (outputs, inputs)
            rescale = torch.rsqrt(s**2 @ squares.t() + 1e-8)
            h = self.conv(x * s[:, :, None, None]) * rescale[:, :, None, None]
            return F.leaky_relu(h + self.bias, 0.2)

    class Generator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mapping = nn.Sequential(
                *(m for _ in range(4) for m in (nn.Linear(width, width), nn.LeakyReLU(0.2)))
            )
            self.start = nn.Parameter(torch.zeros(1, width, 4, 4))
            self.layers = nn.ModuleList([Styled() for _ in range(7)])
            self.rgb = nn.ModuleList([nn.Conv2d(width, 3, 1) for _ in range(4)])

        def forward(self, z: Any) -> Any:
            w = self.mapping(z)
            x = self.layers[0](self.start.expand(len(z), -1, -1, -1), w)
            image = self.rgb[0](x)
            for i in range(1, 4):
                x = F.interpolate(x, scale_factor=2.0)
                x = self.layers[2 * i](self.layers[2 * i - 1](x, w), w)
                image = self.rgb[i](x) + F.interpolate(image, scale_factor=2.0)
            return image

    (network,) = numbers.weights(Generator())
    z, y = numbers.normal(batch, width), numbers.images(batch, 3, 32, 32)
    return descent(torch, network, lambda: F.mse_loss(network(z), y))


def unet(torch: Any, numbers: Numbers, batch: int = 4) -> Training:
    """pix2pix's U-Net (Isola et al. 2017) of five 4×4 layers of stride 2, 64×64."""
    nn, F = torch.nn, torch.nn.functional
    down, up = (3, 32, 64, 128, 256, 256), (256, 256, 128, 64, 32)

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.up = nn.ModuleList(), nn.ModuleList()
            for i, (a, b) in enumerate(itertools.pairwise(down)):
                norm = [nn.BatchNorm2d(b)] if 0 < i < 4 else []
                first = [] if i == 0 else [nn.LeakyReLU(0.2)]
                self.down.append(nn.Sequential(*first, nn.Conv2d(a, b, 4, 2, 1), *norm))
            for i, (a, b) in enumerate(zip(up, (*up[1:], 3), strict=True)):
                inputs = a if i == 0 else 2 * a
                norm = [nn.BatchNorm2d(b)] if i < 4 else [nn.Tanh()]
                self.up.append(
                    nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(inputs, b, 4, 2, 1), *norm)
                )

        def forward(self, x: Any) -> Any:
            kept = []
            for layer in self.down:
                x = layer(x)
                kept.append(x)
            x = self.up[0](kept.pop())
            for layer in self.up[1:]:
                x = layer(torch.cat([x, kept.pop()], 1))
            return x

    (network,) = numbers.weights(UNet())
    x, y = numbers.images(batch, 3, 64, 64), numbers.images(batch, 3, 64, 64)
    return descent(torch, network, lambda: F.l1_loss(network(x), y))


def mnist(torch: Any, numbers: Numbers, batch: int = 64) -> Training:
    """PyTorch's example of a classifier of digits: 32 and 64 channels, 128 units."""
    nn, F = torch.nn, torch.nn.functional
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout(0.25), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(128, 10), nn.LogSoftmax(dim=1),
    )  # fmt: skip
    numbers.weights(network)
    x, y = numbers.images(batch, 1, 28, 28), numbers.integers(10, batch)
    return descent(torch, network, lambda: F.nll_loss(network(x), y))


def dcgan(torch: Any, numbers: Numbers, batch: int = 16) -> Training:
    """PyTorch's example of a DCGAN (Radford et al. 2016): 64×64, 64 to 512 channels."""
    nn = torch.nn
    widths = (512, 256, 128, 64)
    up, down = [nn.ConvTranspose2d(100, 512, 4, 1, 0, bias=False)], []
    for a, b in zip(widths, (*widths[1:], 3), strict=True):
        up += [nn.BatchNorm2d(a), nn.ReLU(), nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False)]
        norm = [] if b == 3 else [nn.BatchNorm2d(a)]
        down = [nn.Conv2d(b, a, 4, 2, 1, bias=False), *norm, nn.LeakyReLU(0.2), *down]
    generator = nn.Sequential(*up, nn.Tanh())
    judge = nn.Sequential(*down, nn.Conv2d(512, 1, 4, 1, 0, bias=False), nn.Sigmoid())
    numbers.weights(generator, judge)
    real, noise = numbers.images(batch, 3, 64, 64), numbers.normal(batch, 100, 1, 1)
    return adversaries(torch, generator, judge, real, noise, nn.BCELoss())


def gan(torch: Any, numbers: Numbers, batch: int = 64) -> Training:
    """The networks of demos/gan.py: dense layers and convolutions with batch norm."""
    nn = torch.nn
    generator = nn.Sequential(
        nn.Linear(100, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(),
        nn.Linear(256, 32 * 49, bias=False), nn.Unflatten(1, (32, 7, 7)),
        nn.BatchNorm2d(32), nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    judge = nn.Sequential(
        nn.Conv2d(1, 16, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(16, 32, 4, 2, 1), nn.BatchNorm2d(32), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(32 * 49, 256), nn.BatchNorm1d(256), nn.LeakyReLU(0.2),
        nn.Linear(256, 1),
    )  # fmt: skip
    numbers.weights(generator, judge)
    real, noise = numbers.images(batch, 1, 28, 28), numbers.normal(batch, 100)
    loss = nn.BCEWithLogitsLoss()
    return adversaries(torch, generator, judge, real, noise, loss)


def wgan_gp(torch: Any, numbers: Numbers, batch: int = 128) -> Training:
    """Multilayer perceptrons with a gradient penalty (Gulrajani et al. 2017), which is
    differentiated a second time: a step of the critic and one of the generator."""
    nn = torch.nn
    units = 512
    generator = nn.Sequential(
        nn.Linear(100, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU(),
        nn.Linear(units, 784), nn.Tanh(),
    )  # fmt: skip
    critic = nn.Sequential(
        nn.Linear(784, units), nn.LeakyReLU(0.2), nn.Linear(units, units), nn.LeakyReLU(0.2),
        nn.Linear(units, 1),
    )  # fmt: skip
    numbers.weights(generator, critic)
    real, noise = numbers.images(batch, 784), numbers.normal(batch, 100)
    share = numbers.tensor(numbers.rng.uniform(0, 1, (batch, 1)).astype("f"))
    adam_g, adam_c = (
        torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.5, 0.9))
        for network in (generator, critic)
    )

    def step() -> Any:
        fake = generator(noise).detach()
        between = (share * real + (1 - share) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        penalty = ((slope.norm(2, dim=1) - 1) ** 2).mean()
        loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
        adam_c.zero_grad()
        loss.backward()
        adam_c.step()
        adam_g.zero_grad()
        (-critic(generator(noise)).mean()).backward()
        adam_g.step()
        return loss

    return Training([generator, critic], step)


# Ten more, as people train them.


def vae(torch: Any, numbers: Numbers, batch: int = 64) -> Training:
    """A convolutional variational autoencoder (Kingma and Welling 2014) with batch norm, 32×32."""
    nn, F = torch.nn, torch.nn.functional
    encoder = nn.Sequential(
        nn.Conv2d(3, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.LeakyReLU(),
        nn.Conv2d(32, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.LeakyReLU(),
        nn.Conv2d(64, 128, 3, 2, 1), nn.BatchNorm2d(128), nn.LeakyReLU(),
        nn.Flatten(), nn.Linear(2048, 64),
    )  # fmt: skip
    decoder = nn.Sequential(
        nn.Linear(32, 2048), nn.Unflatten(1, (128, 4, 4)),
        nn.ConvTranspose2d(128, 64, 3, 2, 1, 1), nn.BatchNorm2d(64), nn.LeakyReLU(),
        nn.ConvTranspose2d(64, 32, 3, 2, 1, 1), nn.BatchNorm2d(32), nn.LeakyReLU(),
        nn.ConvTranspose2d(32, 3, 3, 2, 1, 1),
    )  # fmt: skip
    network = nn.ModuleList([encoder, decoder])
    numbers.weights(network)
    x, noise = numbers.images(batch, 3, 32, 32) / 2 + 0.5, numbers.normal(batch, 32)

    def loss() -> Any:
        mean, log_var = encoder(x).chunk(2, dim=1)
        out = decoder(mean + torch.exp(0.5 * log_var) * noise)
        nll = F.binary_cross_entropy_with_logits(out, x, reduction="sum")
        return (nll - 0.5 * (1 + log_var - mean**2 - log_var.exp()).sum()) / batch

    return descent(torch, network, loss)


def resnet(torch: Any, numbers: Numbers, batch: int = 16) -> Training:
    """ResNet-18 (He et al. 2016) at 32×32 with half its channels, SGD with momentum."""
    nn, F = torch.nn, torch.nn.functional

    class Residual(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.norm1, self.norm2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
            self.skip = nn.Sequential()
            if stride > 1:
                self.skip = nn.Sequential(
                    nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
                )

        def forward(self, x: Any) -> Any:
            h = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
            return F.relu(h + self.skip(x))

    widths = (32, 32, 64, 128, 256)
    blocks = [
        block
        for i, (a, b) in enumerate(itertools.pairwise(widths))
        for block in (Residual(a, b, 2 if i else 1), Residual(b, b, 1))
    ]
    network = nn.Sequential(
        nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), *blocks,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip
    numbers.weights(network)
    x, y = numbers.images(batch, 3, 32, 32), numbers.integers(10, batch)
    sgd = torch.optim.SGD(network.parameters(), lr=1e-2, momentum=0.9, weight_decay=5e-4)

    def step() -> Any:
        sgd.zero_grad()
        loss = F.cross_entropy(network(x), y)
        loss.backward()
        sgd.step()
        return loss

    return Training([network], step)


def spectral(torch: Any, numbers: Numbers, batch: int = 16) -> Training:
    """A residual discriminator with spectral norm and a class's projection (Miyato and Koyama 2018)
    at 32×32, 64 channels, hinge loss."""
    nn, F = torch.nn, torch.nn.functional
    norm = nn.utils.spectral_norm

    class Down(nn.Module):
        def __init__(self, inputs: int, width: int):
            super().__init__()
            self.conv1 = norm(nn.Conv2d(inputs, width, 3, padding=1))
            self.conv2 = norm(nn.Conv2d(width, width, 3, padding=1))
            self.skip = norm(nn.Conv2d(inputs, width, 1))

        def forward(self, x: Any) -> Any:
            h = self.conv2(F.relu(self.conv1(F.relu(x))))
            return F.avg_pool2d(h, 2) + self.skip(F.avg_pool2d(x, 2))

    class Judge(nn.Module):
        def __init__(self, width: int = 64):
            super().__init__()
            self.blocks = nn.Sequential(Down(3, width), Down(width, width), Down(width, width))
            self.linear, self.classes = norm(nn.Linear(width, 1)), norm(nn.Embedding(10, width))

        def forward(self, x: Any, y: Any) -> Any:
            h = F.relu(self.blocks(x)).sum((2, 3))
            return self.linear(h)[:, 0] + (self.classes(y) * h).sum(1)

    (network,) = numbers.weights(Judge())
    real, fake = numbers.images(batch, 3, 32, 32), numbers.images(batch, 3, 32, 32)
    y = numbers.integers(10, batch)

    def loss() -> Any:
        return F.relu(1 - network(real, y)).mean() + F.relu(1 + network(fake, y)).mean()

    return descent(torch, network, loss, lr=2e-4)


def patches(torch: Any, numbers: Numbers, batch: int = 4) -> Training:
    """pix2pix's judge of patches (Isola et al. 2017) with instance norm, 64×64, least squares."""
    nn, F = torch.nn, torch.nn.functional
    network = nn.Sequential(
        nn.Conv2d(6, 64, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1), nn.InstanceNorm2d(128), nn.LeakyReLU(0.2),
        nn.Conv2d(128, 256, 4, 1, 1), nn.InstanceNorm2d(256), nn.LeakyReLU(0.2),
        nn.Conv2d(256, 1, 4, 1, 1),
    )  # fmt: skip
    numbers.weights(network)
    real, fake = numbers.images(batch, 6, 64, 64), numbers.images(batch, 6, 64, 64)

    def loss() -> Any:
        out = network(real)
        return (F.mse_loss(out, torch.ones_like(out)) + (network(fake) ** 2).mean()) / 2

    return descent(torch, network, loss, lr=2e-4)


def segmentation(torch: Any, numbers: Numbers, batch: int = 4) -> Training:
    """A U-Net (Ronneberger et al. 2015) of pairs of convolutions, pooling and bilinear upsampling,
    with batch norm and dropout, 48×48, a class for each pixel."""
    nn, F = torch.nn, torch.nn.functional

    def pair(a: int, b: int) -> Any:
        return nn.Sequential(
            nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.Dropout(0.2),
            nn.Conv2d(b, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(),
        )  # fmt: skip

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down1, self.down2, self.deep = pair(3, 24), pair(24, 48), pair(48, 96)
            self.up2, self.up1, self.out = pair(144, 48), pair(72, 24), nn.Conv2d(24, 5, 1)

        def forward(self, x: Any) -> Any:
            a = self.down1(x)
            b = self.down2(F.max_pool2d(a, 2))
            h = self.deep(F.max_pool2d(b, 2))
            for up, kept in ((self.up2, b), (self.up1, a)):
                h = F.interpolate(h, scale_factor=2.0, mode="bilinear", align_corners=False)
                h = up(torch.cat([kept, h], 1))
            return self.out(h)

    (network,) = numbers.weights(UNet())
    x, y = numbers.images(batch, 3, 48, 48), numbers.integers(5, batch, 48, 48)
    return descent(torch, network, lambda: F.cross_entropy(network(x), y))


def perceptron(torch: Any, numbers: Numbers, batch: int = 128) -> Training:
    """A wide perceptron with layer norm and GELU, AdamW, the gradient's norm clipped."""
    nn, F = torch.nn, torch.nn.functional
    layers = []
    for a, b in ((784, 700), (700, 700), (700, 700)):
        layers += [nn.Linear(a, b), nn.LayerNorm(b), nn.GELU(), nn.Dropout(0.1)]
    network = nn.Sequential(*layers, nn.Linear(700, 10))
    numbers.weights(network)
    x, y = numbers.images(batch, 784), numbers.integers(10, batch)
    adam = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-2)

    def step() -> Any:
        adam.zero_grad()
        loss = F.cross_entropy(network(x), y, label_smoothing=0.1)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        adam.step()
        return loss

    return Training([network], step)


def sentences(torch: Any, numbers: Numbers, batch: int = 32) -> Training:
    """A classifier of sentences: words' vectors, attention with one head, the mean (Vaswani et al.
    2017); 50 of 5,000 words."""
    nn, F = torch.nn, torch.nn.functional
    width = 96

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.norm = nn.Embedding(5000, width), nn.LayerNorm(width)
            self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
            self.dense = nn.Sequential(nn.Linear(width, 200), nn.ReLU(), nn.Linear(200, width))
            self.out = nn.Linear(width, 4)

        def forward(self, words: Any) -> Any:
            x = self.words(words)
            scores = torch.bmm(self.q(x), self.k(x).transpose(1, 2)) / math.sqrt(width)
            x = self.norm(x + torch.bmm(torch.softmax(scores, dim=2), self.v(x)))
            return self.out((x + self.dense(x)).mean(1))

    (network,) = numbers.weights(Classifier())
    x, y = numbers.integers(5000, batch, 50), numbers.integers(4, batch)
    return descent(torch, network, lambda: F.cross_entropy(network(x), y))


def plane(torch: Any, numbers: Numbers, batch: int = 512) -> Training:
    """A diffusion model of points in the plane: waves of time and place, 4 layers of 128, SiLU."""
    nn, F = torch.nn, torch.nn.functional
    network = nn.Sequential(
        nn.Linear(96, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(),
        nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 2),
    )  # fmt: skip
    numbers.weights(network)
    points, noise = numbers.normal(batch, 2), numbers.normal(batch, 2)
    time = numbers.integers(1000, batch, 1).to(numbers.dtype) / 1000
    frequencies = numbers.tensor(2.0 ** np.linspace(0, 6, 16, dtype="f"))

    def loss() -> Any:
        share = torch.cos(time * (math.pi / 2))
        x = share * points + torch.sin(time * (math.pi / 2)) * noise
        angles = torch.cat([x, time], 1)[:, :, None] * frequencies
        waves = torch.cat([torch.sin(angles), torch.cos(angles)], 2).flatten(1)
        return F.mse_loss(network(waves), noise)

    return descent(torch, network, loss)


def depthwise(torch: Any, numbers: Numbers, batch: int = 16) -> Training:
    """MobileNet's blocks (Howard et al. 2017): 3×3 channel by channel, then 1×1, batch norm and
    ReLU6; 32×32."""
    nn, F = torch.nn, torch.nn.functional

    def block(a: int, b: int, stride: int) -> list[Any]:
        return [
            nn.Conv2d(a, a, 3, stride, 1, groups=a, bias=False), nn.BatchNorm2d(a), nn.ReLU6(),
            nn.Conv2d(a, b, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU6(),
        ]  # fmt: skip

    network = nn.Sequential(
        nn.Conv2d(3, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU6(),
        *block(32, 64, 1), *block(64, 128, 2), *block(128, 128, 1), *block(128, 256, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip
    numbers.weights(network)
    x, y = numbers.images(batch, 3, 32, 32), numbers.integers(10, batch)
    return descent(torch, network, lambda: F.cross_entropy(network(x), y))


def sharpener(torch: Any, numbers: Numbers, batch: int = 8) -> Training:
    """Superresolution with large filters (Dong et al. 2014): 7×7, 1×1, 5×5 on 33×33 pixels, twice
    as large by shuffling."""
    nn, F = torch.nn, torch.nn.functional
    network = nn.Sequential(
        nn.Conv2d(3, 64, 7, padding=3), nn.PReLU(), nn.Conv2d(64, 32, 1), nn.PReLU(),
        nn.Conv2d(32, 32, 5, padding=2), nn.PReLU(), nn.Conv2d(32, 12, 5, padding=2),
        nn.PixelShuffle(2),
    )  # fmt: skip
    numbers.weights(network)
    x, y = numbers.images(batch, 3, 33, 33), numbers.images(batch, 3, 66, 66)
    return descent(torch, network, lambda: F.smooth_l1_loss(network(x), y))


NINE = {
    f.__name__.replace("_", "-"): f
    for f in (denoiser, transformer, translation, styled, unet, mnist, dcgan, gan, wgan_gp)
}
MORE = {
    f.__name__: f
    for f in (
        vae, resnet, spectral, patches, segmentation, perceptron, sentences, plane, depthwise,
        sharpener,
    )
}  # fmt: skip


def build(name: str, torch: Any, seed: int = 0, device: str = "cpu", **options: Any) -> Training:
    """The network of that name; "random-3" is number 3 of those that the seed draws.

    Args:
        options: `dtype`, and the `batch` of those that were not drawn.
    """
    numbers = Numbers(torch, seed, device, options.pop("dtype", "float32"))
    if name.startswith("random-"):
        return random(torch, numbers, drawn(seed, int(name.removeprefix("random-"))))
    return (NINE | MORE)[name](torch, numbers, **options)


def random(torch: Any, numbers: Numbers, network: Drawn) -> Training:
    """A classifier that was drawn."""
    classifier = module(torch, network)
    numbers.weights(classifier)
    x = numbers.images(network.batch, *network.shape)
    y = numbers.integers(CLASSES, network.batch)
    cross_entropy = torch.nn.functional.cross_entropy
    return descent(torch, classifier, lambda: cross_entropy(classifier(x), y))
