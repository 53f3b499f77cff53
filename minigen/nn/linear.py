"""Fully connected layers, and the one that does nothing."""

from __future__ import annotations

import math
from typing import Any

from minigen import functional as F
from minigen.nn import init
from minigen.nn.module import Module, blank_parameter
from minigen.tensor import Tensor

__all__ = ["Bilinear", "Identity", "Linear"]


class Linear(Module):
    """input · weightᵀ + bias, both from U(±1/√in_features) at first.

    Shapes: (…, in_features) -> (…, out_features); weight (out_features, in_features), bias
    (out_features,).
    """

    _shown = ("in_features", "out_features", "bias")

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
        self.register_parameter(
            "bias", blank_parameter(out_features, device=device, dtype=dtype) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        init.default_(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        """(…, in_features) -> (…, out_features)"""
        return F.linear(input, self.weight, self.bias)


class Bilinear(Module):
    """Output o is input1ᵀ · weight[o] · input2 + bias[o], both from U(±1/√in1_features) at first.

    Shapes: (…, in1_features) and (…, in2_features) -> (…, out_features); weight (out_features,
    in1_features, in2_features), bias (out_features,).
    """

    _shown = ("in1_features", "in2_features", "out_features", "bias")

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: str | None = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = blank_parameter(*shape, device=device, dtype=dtype)
        self.register_parameter(
            "bias", blank_parameter(out_features, device=device, dtype=dtype) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        bound = 1 / math.sqrt(self.in1_features)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """(…, in1_features) and (…, in2_features) -> (…, out_features)"""
        return F.bilinear(input1, input2, self.weight, self.bias)


class Identity(Module):
    """The input itself; arguments are ignored."""

    _takes_anything = True

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, input: Any) -> Any:
        """Nothing happens."""
        return input
