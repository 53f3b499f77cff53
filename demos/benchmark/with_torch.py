"""The models of the benchmark in PyTorch; nothing of minigen is imported here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def use(threads: int, tf32: bool = False) -> None:
    """Threads on the CPU, and on a GPU whether products may round to TF32."""
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32


def tensor(array: np.ndarray, device: str, requires_grad: bool = False) -> torch.Tensor:
    """A tensor in PyTorch's default layout."""
    return torch.tensor(np.array(array, order="C"), device=device, requires_grad=requires_grad)


def pair() -> tuple[nn.Module, nn.Module]:
    """The networks of `minigen.models.networks`: ConvGenerator and ConvDiscriminator."""
    generator = nn.Sequential(
        nn.Linear(100, 6272), nn.LeakyReLU(0.2), nn.Unflatten(1, (128, 7, 7)),
        nn.ConvTranspose2d(128, 128, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(128, 128, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(128, 3, 7, padding=3), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(3, 64, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout(0.4),
        nn.Conv2d(64, 64, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout(0.4),
        nn.Flatten(), nn.Linear(3136, 1),
    )  # fmt: skip
    return generator, discriminator


def dense_pair(width: int = 16) -> tuple[nn.Module, nn.Module]:
    """DenseConvGenerator and DenseConvJudge."""
    hidden, twice = 16 * width, 2 * width
    generator = nn.Sequential(
        nn.Linear(100, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(),
        nn.Linear(hidden, twice * 49, bias=False), nn.Unflatten(1, (twice, 7, 7)),
        nn.BatchNorm2d(twice), nn.ReLU(),
        nn.ConvTranspose2d(twice, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.ConvTranspose2d(width, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, width, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(width, twice, 4, 2, 1), nn.BatchNorm2d(twice), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(twice * 49, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(0.2),
        nn.Linear(hidden, 1),
    )  # fmt: skip
    return generator, discriminator


def dcgan(
    batch: int,
    threads: int,
    device: str,
    layout: Any = torch.contiguous_format,
    networks: Callable[[], tuple[nn.Module, nn.Module]] = pair,
    channels: int = 3,
) -> Callable[[], None]:
    """The training step of `minigen.models.gan.GAN` on one batch."""
    use(threads)
    generator, discriminator = (net.to(device, memory_format=layout) for net in networks())
    adam = functools.partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
    opt_g, opt_d = adam(generator.parameters()), adam(discriminator.parameters())
    bce = F.binary_cross_entropy_with_logits
    image = np.random.default_rng(0).uniform(-1, 1, (batch, channels, 28, 28)).astype("f")
    real = tensor(image, device).contiguous(memory_format=layout)
    one = torch.ones(batch, 1, device=device)

    def step() -> None:
        fake = generator(torch.randn(batch, 100, device=device))
        loss = bce(discriminator(real), one) + bce(discriminator(fake.detach()), one * 0)
        opt_d.zero_grad()
        loss.backward()
        opt_d.step()
        loss = bce(discriminator(fake), one)
        opt_g.zero_grad()
        loss.backward(inputs=list(generator.parameters()))
        opt_g.step()

    return step


def vae_training(threads: int, device: str) -> Callable[[torch.Tensor], None]:
    """What trains the networks of `sections.vae_training`."""
    use(threads)
    encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40)).to(device)
    decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784)).to(device)
    adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)

    def train(x: torch.Tensor) -> None:
        mean, log_var = encoder(x).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        nll = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum")
        kl = -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum()
        adam.zero_grad()
        ((nll + kl) / len(x)).backward()
        adam.step()

    return train


def vae(batch: int, threads: int, device: str) -> Callable[[], None]:
    """The training step of `sections.vae_step`."""
    x = tensor(np.random.default_rng(0).uniform(0, 1, (batch, 784)).astype("f"), device)
    return functools.partial(vae_training(threads, device), x)


def vae_epoch(images: np.ndarray, batch: int, threads: int, device: str) -> Callable[[], None]:
    """An epoch, with PyTorch's own loader as its example of a VAE uses it, but for reading image
    files: one by one, then stacked."""
    train = vae_training(threads, device)
    data = torch.utils.data.TensorDataset(torch.tensor(images))
    loader = torch.utils.data.DataLoader(data, batch_size=batch, shuffle=True)

    def epoch() -> None:
        for (some,) in loader:
            train(some.to(device))

    return epoch
