"""A convolutional classifier after LeNet (LeCun et al. 1998): conv, pool, conv, pool, dense."""

from __future__ import annotations

import minigen
from minigen import Tensor, nn
from minigen import functional as F


class Classifier(nn.Sequential):
    """(N, channels, size, size) -> logits (N, classes).

    Args:
        channels: of the images.
        classes: how many.
        width: channels after the first convolution; twice as many after the second.
        size: of the images, a multiple of 4.
    """

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 20, size: int = 28):
        if size % 4:
            raise ValueError(f"size must be a multiple of 4, not {size}")
        super().__init__(
            nn.Conv2d(channels, width, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(2 * width * (size // 4) ** 2, classes),
        )


def step(
    model: nn.Module, optimiser: minigen.optim.Optimizer, images: Tensor, labels: Tensor
) -> dict[str, Tensor]:
    """One training step: loss −E log p(label | image), and the share of images read rightly.

    Args:
        images: (N, C, H, W).
        labels: class indices, (N,).
    """
    logits = model(images)
    loss = F.cross_entropy(logits, labels)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return {"loss": loss.detach(), "accuracy": accuracy(logits.detach(), labels)}


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """The share of rows of `logits` (N, classes) that are largest at their label (N,)."""
    right = logits.array.argmax(1) == labels.array
    return Tensor(right.mean(dtype=logits.dtype))


def evaluate(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 500) -> float:
    """The share of images (N, C, H, W) that the model, in `eval` mode, reads rightly."""
    was_training, right = model.training, 0.0
    model.eval()
    with minigen.no_grad():
        for i in range(0, len(images), batch_size):
            part = slice(i, i + batch_size)
            right += float(accuracy(model(images[part]), labels[part])) * len(labels[part])
    model.train(was_training)
    return right / len(images)
