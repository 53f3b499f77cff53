"""Adam and its relatives, as PyTorch computes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen.backend import Array
from minigen.kernels.cuda import optim as cuda
from minigen.optim.formulas import average, average_square, decayed_apart, descent, over_root
from minigen.optim.optimizer import Optimizer, Params, Update
from minigen.sparse import SparseRows


class Adam(Optimizer):
    """The mean of gradients divided by the root of their mean square, both corrected for having
    started at 0 (Kingma and Ba 2015):

    m ← β₁·m + (1 − β₁)·g,   v ← β₂·v + (1 − β₂)·g²,
    p ← p − lr·m̂ / (√v̂ + eps)   with   m̂ = m / (1 − β₁ᵗ),   v̂ = v / (1 − β₂ᵗ)

    Args:
        params: tensors, or groups of them; see `Optimizer`.
        lr: the learning rate.
        betas: how much of the mean, and of the mean square, stays.
        eps: is added to the root.
        weight_decay: this times p is added to g.
        amsgrad: divide by the largest v so far in place of v (Reddi et al. 2018).
        maximize: climb.
        speed: PyTorch's foreach, fused and capturable, which change nothing.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **speed: Any,
    ):
        defaults = {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults, **speed)

    def _memory(self, options: dict[str, Any]) -> dict[str, bool]:
        largest = bool(options.get("amsgrad"))
        return {"step": True, "exp_avg": True, "exp_avg_sq": True, "max_exp_avg_sq": largest}

    def _update(
        self, data: Array, grad: Array, group: dict[str, Any], state: dict[str, Any]
    ) -> list[Update]:
        beta1, beta2, rate, root = _next_step(group, state)
        eps = float(group["eps"]) * root
        arrays = self._remembered(data, group, state)
        if len(arrays) == 2 and cuda.takes(data, *arrays):
            decay, climb = float(group["weight_decay"]), bool(group["maximize"])
            cuda.adam(data, grad, *arrays, rate, (beta1, beta2), eps, decay, maximize=climb)
            return []

        def update(p: Array, m: Array, v: Array, *rest: Array) -> None:
            *largest, g, a, b = rest
            g = descent(group, p, g, out=a)  # ±g + weight_decay·p
            average(m, beta1, g, out=b)  # m ← β₁·m + (1 − β₁)·g
            average_square(v, beta2, g, out=b)  # v ← β₂·v + (1 − β₂)·g²
            for top in largest:  # of amsgrad
                v = np.maximum(top, v, out=top)
            move = over_root(m, v, eps, out=b)  # m / (√v + eps)
            move *= rate
            p -= move  # p ← p − rate·m / (√v + eps)

        return [(update, [data, *arrays, grad])]


def _next_step(group: dict[str, Any], state: dict[str, Any]) -> tuple[float, float, float, float]:
    """Count step t. Returns β₁, β₂ and both corrections, as factors of single numbers: r, the rate,
    and c with which lr·m̂ / (√v̂ + eps) = r·m / (√v + c·eps).

    So c = √(1 − β₂ᵗ) and r = lr·c / (1 − β₁ᵗ).
    """
    beta1, beta2 = map(float, group["betas"])
    state["step"] = t = state.get("step", 0) + 1
    root = math.sqrt(1 - beta2**t)
    return beta1, beta2, float(group["lr"]) * root / (1 - beta1**t), root


class AdamW(Adam):
    """Adam whose weight decay does not pass through the mean of gradients: before each step
    p ← p·(1 − lr·weight_decay) (Loshchilov and Hutter 2019).

    Args:
        weight_decay: that of the formula above.
        others: as for `Adam`.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **speed: Any,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, **speed)

    def _update(
        self, data: Array, grad: Array, group: dict[str, Any], state: dict[str, Any]
    ) -> list[Update]:
        return super()._update(data, grad, decayed_apart(group, data), state)


class SparseAdam(Optimizer):
    """Adam for row-sparse gradients: rows without a gradient keep their values, means and mean
    squares, so that a step costs as much as the rows that were used.

    As in PyTorch, t counts the parameter's steps, not the row's, and eps is added to √v and not
    to √v̂.

    Args:
        params, lr, betas, eps, maximize: as for `Adam`.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ):
        defaults = {"lr": lr, "betas": tuple(betas), "eps": eps, "maximize": maximize}
        super().__init__(params, defaults)

    _memory = Adam._memory

    def _update(
        self, data: Array, grad: Array, group: dict[str, Any], state: dict[str, Any]
    ) -> list[Update]:
        raise TypeError(
            f"SparseAdam: the gradient of a parameter {data.shape} is dense; use Adam for it, or "
            "make its embedding with sparse=True"
        )

    def _update_rows(
        self, data: Array, grad: SparseRows, group: dict[str, Any], state: dict[str, Any]
    ) -> None:
        beta1, beta2, rate, _ = _next_step(group, state)
        rows, g, eps, climb = grad.rows, grad.values, float(group["eps"]), bool(group["maximize"])
        mean, square = self._remembered(data, group, state)
        if cuda.takes(data, mean, square):
            cuda.adam_rows(data, mean, square, rows, g, rate, (beta1, beta2), eps, climb)
            return
        g = -g if climb else g
        m = mean[rows] = mean[rows] + (1 - beta1) * (g - mean[rows])
        v = square[rows] = square[rows] + (1 - beta2) * (g * g - square[rows])
        data[rows] -= rate * (m / (np.sqrt(v) + eps))
