"""RMSprop, as PyTorch computes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.backend import Array
from minigen.optim.formulas import average, average_square, descent, over_root
from minigen.optim.optimizer import Optimizer, Params, Update


class RMSprop(Optimizer):
    """Each number's gradient divided by its root mean square (Hinton 2012, lecture 6e):
    s ← alpha·s + (1 − alpha)·g²; p ← p − lr·g / (√s + eps).

    Args:
        params: tensors, or groups of them; see `Optimizer`.
        lr: the learning rate.
        alpha: how much of the mean square stays.
        eps: is added to the root.
        weight_decay: this times p is added to g.
        momentum: with it p moves by lr·b, b ← momentum·b + g / (√s + eps).
        centered: divide by the standard deviation instead (Graves 2013).
        maximize: climb.
        speed: PyTorch's foreach, fused and capturable, which change nothing.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **speed: Any,
    ):
        defaults = {
            "lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay,
            "momentum": momentum, "centered": centered, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults, **speed)

    def _memory(self, options: dict[str, Any]) -> dict[str, bool]:
        return {
            "step": True,
            "square_avg": True,
            "grad_avg": bool(options["centered"]),
            "momentum_buffer": options["momentum"] > 0,
        }

    def _update(
        self, data: Array, grad: Array, group: dict[str, Any], state: dict[str, Any]
    ) -> list[Update]:
        lr, alpha = float(group["lr"]), float(group["alpha"])
        eps, momentum = float(group["eps"]), float(group["momentum"])
        state["step"] = state.get("step", 0) + 1
        arrays = self._remembered(data, group, state)

        def update(p: Array, s: Array, *others: Array) -> None:
            *rest, g, a, b = others
            g = descent(group, p, g, out=a)  # ±g + weight_decay·p
            average_square(s, alpha, g, out=b)  # s ← α·s + (1 − α)·g²
            square = s
            if group["centered"]:
                mean, *rest = rest
                average(mean, alpha, g, out=b)
                np.multiply(mean, mean, out=b)
                square = np.subtract(s, b, out=b)  # the variance, s − mean²
                np.maximum(square, 0, out=square)  # rounding can push a variance of 0 below it
            move = over_root(g, square, eps, out=b)  # g / (√s + eps)
            if momentum > 0:
                (m,) = rest
                m *= momentum
                m += move  # b ← momentum·b + g / (√s + eps)
                move = np.multiply(m, lr, out=b)
            else:
                move *= lr
            p -= move

        return [(update, [data, *arrays, grad])]
