"""Changes of shape as modules, for `Sequential`."""

from __future__ import annotations

from collections.abc import Sequence

from minigen import functional as F
from minigen.nn.module import Module
from minigen.tensor import Tensor

__all__ = ["Flatten", "Unflatten"]


class Flatten(Module):
    """The axes from start_dim to end_dim merged into one: (N, C, H, W) -> (N, C·H·W)."""

    _shown = ("start_dim", "end_dim")

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.flatten`."""
        return F.flatten(input, self.start_dim, self.end_dim)


class Unflatten(Module):
    """The axis dim split into axes of the lengths unflattened_size: Unflatten(1, (C, H, W)) maps
    (N, C·H·W) -> (N, C, H, W)."""

    _shown = ("dim", "unflattened_size")

    def __init__(self, dim: int, unflattened_size: Sequence[int]):
        super().__init__()
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.unflatten`."""
        return F.unflatten(input, self.dim, self.unflattened_size)
