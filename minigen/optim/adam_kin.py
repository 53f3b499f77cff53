"""Adamax and RAdam, as PyTorch computes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen.backend import Array
from minigen.optim.formulas import average, average_square, decayed_apart, descent, over_root
from minigen.optim.optimizer import Optimizer, Params, Update


class Adamax(Optimizer):
    """Adam with the largest magnitude of the gradients, which fades, in place of the root of their
    mean square (Kingma and Ba 2015, section 7.1):

    m ← β₁·m + (1 − β₁)·g,   u ← max(β₂·u, |g| + eps),   p ← p − lr / (1 − β₁ᵗ) · m / u

    Args:
        params, lr, betas, eps, weight_decay, maximize: as for `Adam`.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **speed: Any,
    ):
        defaults = {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**defaults, "maximize": maximize}, **speed)

    def _memory(self, options: dict[str, Any]) -> dict[str, bool]:
        return {"step": True, "exp_avg": True, "exp_inf": True}

    def _update(
        self, data: Array, grad: Array, group: dict[str, Any], state: dict[str, Any]
    ) -> list[Update]:
        (beta1, beta2), eps = map(float, group["betas"]), float(group["eps"])
        state["step"] = t = state.get("step", 0) + 1
        rate = float(group["lr"]) / (1 - beta1**t)

        def update(p: Array, m: Array, u: Array, g: Array, a: Array, b: Array) -> None:
            g = descent(group, p, g, out=a)  # ±g + weight_decay·p
            average(m, beta1, g, out=b)
            u *= beta2
            np.maximum(u, np.add(np.abs(g, out=b), eps, out=b), out=u)
            move = np.divide(m, u, out=b)
            move *= rate
            p -= move

        return [(update, [data, *self._remembered(data, group, state), grad])]


class RAdam(Optimizer):
    """Adam whose step is m̂ alone as long as v̂ is a mean of few squares, and smaller by the factor r
    for a while after (Liu et al. 2020):

    p ← p − lr·r·m̂ / (√v + eps)·√(1 − β₂ᵗ)   with   r² = (ρₜ − 4)(ρₜ − 2)ρ / ((ρ − 4)(ρ − 2)ρₜ),
    ρ = 2 / (1 − β₂) − 1,   ρₜ = ρ − 2t·β₂ᵗ / (1 − β₂ᵗ)

    Args:
        params, lr, betas, eps, maximize: as for `Adam`.
        weight_decay: this times p is added to g; or with `decoupled_weight_decay`, as in `AdamW`.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **speed: Any,
    ):
        defaults = {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay}
        decoupled = {"decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, {**defaults, **decoupled, "maximize": maximize}, **speed)

    def _memory(self, options: dict[str, Any]) -> dict[str, bool]:
        return {"step": True, "exp_avg": True, "exp_avg_sq": True}

    def _update(
        self, data: Array, grad: Array, group: dict[str, Any], state: dict[str, Any]
    ) -> list[Update]:
        (beta1, beta2), eps = map(float, group["betas"]), float(group["eps"])
        state["step"] = t = state.get("step", 0) + 1
        rate, share = float(group["lr"]) / (1 - beta1**t), 1 - beta2**t
        rho = 2 / (1 - beta2) - 1
        rho_t = rho - 2 * t * beta2**t / share
        if few := not rho_t > 5:
            factor = rate
        else:
            r = (rho_t - 4) * (rho_t - 2) * rho / ((rho - 4) * (rho - 2) * rho_t)
            factor = rate * math.sqrt(r * share)
        if group["decoupled_weight_decay"]:
            group = decayed_apart(group, data)

        def update(p: Array, m: Array, v: Array, g: Array, a: Array, b: Array) -> None:
            g = descent(group, p, g, out=a)  # ±g + weight_decay·p
            average(m, beta1, g, out=b)
            average_square(v, beta2, g, out=b)
            move = np.multiply(m, factor, out=b) if few else over_root(m, v, eps, out=b)
            if not few:
                move *= factor
            p -= move

        return [(update, [data, *self._remembered(data, group, state), grad])]
