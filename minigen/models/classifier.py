"""A convolutional classifier after LeNet (LeCun et al. 1998): conv, pool, conv, pool, dense."""

from __future__ import annotations

import minigen
from minigen import Tensor, nn
from minigen import functional as F
from minigen.models.networks import evaluating, quarter


class Classifier(nn.Sequential):
    """(N, channels, size, size) -> logits (N, classes).

    Args:
        channels: of the images.
        classes: how many.
        width: channels after the first convolution; twice as many after the second.
        size: of the images, a multiple of 4.
        hidden: units of a dense layer before the last one; 0 for none. Its outputs, those of
            `classifier[:-2]`, are features of the images.
        dropout: the probability with which an input of a dense layer is dropped.

    Raises:
        DataError: another size.
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        width: int = 20,
        size: int = 28,
        hidden: int = 0,
        dropout: float = 0.5,
    ):
        inputs = 2 * width * quarter(size) ** 2
        dense = [nn.Dropout(dropout), nn.Linear(inputs, hidden), nn.ReLU()] if hidden else []
        super().__init__(
            nn.Conv2d(channels, width, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            *dense,
            nn.Dropout(dropout),
            nn.Linear(hidden or inputs, classes),
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
    right = 0.0
    with evaluating(model):
        for i in range(0, len(images), batch_size):
            part = slice(i, i + batch_size)
            right += float(accuracy(model(images[part]), labels[part])) * len(labels[part])
    return right / len(images)
