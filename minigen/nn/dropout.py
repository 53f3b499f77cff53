"""Dropout."""

from __future__ import annotations

from minigen import functional as F
from minigen.nn.module import Module
from minigen.tensor import Tensor

__all__ = ["Dropout", "Dropout2d"]


class _Dropout(Module):
    _shown = ("p", "inplace")

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}: p must be a probability from 0 to 1, not {p}")
        self.p, self.inplace = p, inplace


class Dropout(_Dropout):
    """When training, each element set to 0 with probability p and the others divided by 1 − p
    (Srivastava et al. 2014); the input itself when evaluating.

    Raises:
        ValueError: p is no probability.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The shape stays."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Dropout of whole channels (Tompson et al. 2015).

    Shapes: (N, C, …) -> the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The shape stays."""
        return F.dropout2d(input, self.p, self.training, self.inplace)
