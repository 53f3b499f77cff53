"""The fully connected layer."""

from __future__ import annotations

from typing import Any

from minigen import functional as F
from minigen.nn import init
from minigen.nn.module import Module, blank_parameter
from minigen.tensor import Tensor


class Linear(Module):
    """input · weightᵀ + bias, both from U(±1/√in_features) at first.

    Shapes: (…, in_features) -> (…, out_features); weight (out_features, in_features), bias
    (out_features,).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = blank_parameter(out_features, in_features, device=device, dtype=dtype)
        self.bias = blank_parameter(out_features, device=device, dtype=dtype) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        init.default_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """(…, in_features) -> (…, out_features)"""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
