"""Adam and its relatives, as PyTorch computes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen.backend import Array
from minigen.functional.arguments import refuse
from minigen.kernels.cuda import optim as cuda
from minigen.optim.optimizer import Optimizer, Params, Update, descent
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
        amsgrad: not supported.
        maximize: climb.
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
    ):
        defaults = {
            "lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay,
            "amsgrad": amsgrad, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults)

    def _check(self, options: dict[str, Any]) -> None:
        super()._check(options)
        refuse(type(self).__name__, amsgrad=options["amsgrad"])

    def _memory(self, options: dict[str, Any]) -> dict[str, bool]:
        return {"step": True, "exp_avg": True, "exp_avg_sq": True}

    def _update(
        self, data: Array, grad: Array, group: dict[str, Any], state: dict[str, Any]
    ) -> list[Update]:
        beta1, beta2 = map(float, group["betas"])
        state["step"] = t = state.get("step", 0) + 1
        # Both corrections as factors of single numbers: m̂ / (√v̂ + eps) is
        # √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + eps·√(1 − β₂ᵗ)).
        root = math.sqrt(1 - beta2**t)
        rate, eps = float(group["lr"]) * root / (1 - beta1**t), float(group["eps"]) * root
        arrays = self._remembered(data, group, state)
        if cuda.takes(data, *arrays):
            decay, climb = float(group["weight_decay"]), bool(group["maximize"])
            cuda.adam(data, grad, *arrays, rate, (beta1, beta2), eps, decay, maximize=climb)
            return []

        def update(p: Array, m: Array, v: Array, g: Array, a: Array, b: Array) -> None:
            g = descent(group, p, g, a)
            np.subtract(g, m, out=b)
            b *= 1 - beta1
            m += b
            v *= beta2
            np.multiply(g, g, out=b)
            b *= 1 - beta2
            v += b
            np.sqrt(v, out=b)
            b += eps
            np.divide(m, b, out=b)
            b *= rate
            p -= b

        return [(update, [data, *arrays, grad])]


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
    ):
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize)

    def _update(
        self, data: Array, grad: Array, group: dict[str, Any], state: dict[str, Any]
    ) -> list[Update]:
        data *= 1 - float(group["lr"]) * float(group["weight_decay"])
        return super()._update(data, grad, {**group, "weight_decay": 0}, state)


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

    def _memory(self, options: dict[str, Any]) -> dict[str, bool]:
        return {"step": True, "exp_avg": True, "exp_avg_sq": True}

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
        beta1, beta2 = map(float, group["betas"])
        state["step"] = t = state.get("step", 0) + 1
        mean, square = self._remembered(data, group, state)
        if cuda.takes(data, mean, square):
            root = math.sqrt(1 - beta2**t)
            rate, betas, eps = group["lr"] * root / (1 - beta1**t), (beta1, beta2), group["eps"]
            climb = bool(group["maximize"])
            cuda.adam_rows(data, mean, square, grad.rows, grad.values, rate, betas, eps, climb)
            return
        rows, g = grad.rows, -grad.values if group["maximize"] else grad.values
        m = mean[rows] = mean[rows] + (1 - beta1) * (g - mean[rows])
        v = square[rows] = square[rows] + (1 - beta2) * (g * g - square[rows])
        rate = float(group["lr"]) * math.sqrt(1 - beta2**t) / (1 - beta1**t)
        data[rows] -= rate * (m / (np.sqrt(v) + float(group["eps"])))
