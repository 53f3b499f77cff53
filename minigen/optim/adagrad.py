"""Adagrad and Adadelta, as PyTorch computes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.backend import Array
from minigen.optim.formulas import average_square, descent, over_root
from minigen.optim.optimizer import Optimizer, Params, Update


class Adagrad(Optimizer):
    """Each number's gradient divided by the root of the sum of all its squares so far (Duchi et al.
    2011): s ← s + g²; p ← p − lr / (1 + (t − 1)·lr_decay) · g / (√s + eps).

    Args:
        params: tensors, or groups of them; see `Optimizer`.
        lr: the learning rate.
        lr_decay: by how much the rate falls.
        weight_decay: this times p is added to g.
        initial_accumulator_value: what s is at first.
        eps: is added to the root.
        maximize: climb.
        speed: PyTorch's foreach, fused and capturable, which change nothing.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **speed: Any,
    ):
        defaults = {
            "lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults, **speed)

    def _memory(self, options: dict[str, Any]) -> dict[str, bool]:
        return {"step": True, "sum": True}

    def _update(
        self, data: Array, grad: Array, group: dict[str, Any], state: dict[str, Any]
    ) -> list[Update]:
        new, eps = "sum" not in state, float(group["eps"])
        (total,) = self._remembered(data, group, state)
        if new:
            total += group["initial_accumulator_value"]
        rate = float(group["lr"]) / (1 + state.get("step", 0) * float(group["lr_decay"]))
        state["step"] = state.get("step", 0) + 1

        def update(p: Array, s: Array, g: Array, a: Array, b: Array) -> None:
            g = descent(group, p, g, out=a)  # ±g + weight_decay·p
            s += np.multiply(g, g, out=b)  # s ← s + g²
            move = over_root(g, s, eps, out=b)  # g / (√s + eps)
            move *= rate
            p -= move

        return [(update, [data, total, grad])]


class Adadelta(Optimizer):
    """Each number's gradient divided by its root mean square, and multiplied by that of the moves
    before (Zeiler 2012):

    v ← rho·v + (1 − rho)·g²;   d = g · √(u + eps) / √(v + eps);   u ← rho·u + (1 − rho)·d²;
    p ← p − lr·d

    Args:
        params: tensors, or groups of them; see `Optimizer`.
        lr: the learning rate.
        rho: how much of the mean squares stays.
        eps: is added to them.
        weight_decay: this times p is added to g.
        maximize: climb.
        speed: PyTorch's foreach, fused and capturable, which change nothing.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **speed: Any,
    ):
        defaults = {
            "lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize
        }  # fmt: skip
        super().__init__(params, defaults, **speed)

    def _check(self, options: dict[str, Any]) -> None:
        super()._check(options)
        if not 0 <= options["rho"] <= 1:
            raise ValueError(f"Adadelta: rho must be in [0, 1], not {options['rho']}")

    def _memory(self, options: dict[str, Any]) -> dict[str, bool]:
        return {"step": True, "square_avg": True, "acc_delta": True}

    def _update(
        self, data: Array, grad: Array, group: dict[str, Any], state: dict[str, Any]
    ) -> list[Update]:
        lr, rho, eps = (float(group[name]) for name in ("lr", "rho", "eps"))
        state["step"] = state.get("step", 0) + 1

        def update(p: Array, v: Array, u: Array, g: Array, a: Array, b: Array) -> None:
            g = descent(group, p, g, out=a)  # ±g + weight_decay·p
            average_square(v, rho, g, out=b)
            np.sqrt(np.add(v, eps, out=b), out=b)
            d = np.divide(g, b, out=a)  # g / √(v + eps)
            d *= np.sqrt(np.add(u, eps, out=b), out=b)
            average_square(u, rho, d, out=b)
            d *= lr
            p -= d

        return [(update, [data, *self._remembered(data, group, state), grad])]
