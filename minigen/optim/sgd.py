"""Gradient descent, as PyTorch computes it."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.backend import Array
from minigen.functional.arguments import refuse
from minigen.kernels.cuda import optim as cuda
from minigen.optim.formulas import descent
from minigen.optim.optimizer import Optimizer, Params, Update
from minigen.sparse import SparseRows


class SGD(Optimizer):
    """Gradient descent: p ← p − lr·g; with momentum, by b ← momentum·b + (1 − dampening)·g
    instead of g, or, if `nesterov`, by g + momentum·b (Sutskever et al. 2013).

    The first b is g itself, as in PyTorch. Of a row-sparse gradient it moves those rows only; then
    momentum and weight decay are not supported.

    Args:
        params: tensors, or groups of them; see `Optimizer`.
        lr: the learning rate.
        momentum: how much of the last direction stays.
        dampening: how much of the gradient is left out.
        weight_decay: this times p is added to g.
        nesterov: look ahead; needs momentum and no dampening.
        maximize: climb.
        speed: PyTorch's foreach, fused and capturable, which change nothing.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **speed: Any,
    ):
        defaults = {
            "lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay,
            "nesterov": nesterov, "maximize": maximize,
        }  # fmt: skip
        super().__init__(params, defaults, **speed)

    def _check(self, options: dict[str, Any]) -> None:
        super()._check(options)
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError("SGD: nesterov=True needs a momentum, and no dampening")

    def _memory(self, options: dict[str, Any]) -> dict[str, bool]:
        return {"momentum_buffer": options["momentum"] != 0}

    def _update(
        self, data: Array, grad: Array, group: dict[str, Any], state: dict[str, Any]
    ) -> list[Update]:
        lr, momentum = float(group["lr"]), float(group["momentum"])
        share = 1 - float(group["dampening"]) if "momentum_buffer" in state else 1.0
        buffers = self._remembered(data, group, state)

        def update(p: Array, *others: Array) -> None:
            *buffer, g, a, out = others
            g = descent(group, p, g, out=a)  # ±g + weight_decay·p
            if buffer:
                (b,) = buffer
                b *= momentum  # b ← momentum·b + (1 − dampening)·g
                b += g if share == 1 else np.multiply(g, share, out=out)
                if group["nesterov"]:  # g + momentum·b
                    np.multiply(b, momentum, out=out)
                    g = np.add(out, g, out=out)
                else:
                    g = b
            p -= np.multiply(g, lr, out=out)  # p ← p − lr·g

        return [(update, [data, *buffers, grad])]

    def _update_rows(
        self, data: Array, grad: SparseRows, group: dict[str, Any], state: dict[str, Any]
    ) -> None:
        for name in ("momentum", "weight_decay"):  # they would move every row
            refuse("SGD with a row-sparse gradient", **{name: group[name] or None})
        rate = float(group["lr"])
        rate = -rate if group["maximize"] else rate
        if cuda.takes(data):
            cuda.sgd_rows(data, grad.rows, grad.values, -rate)
        else:
            data[grad.rows] -= rate * grad.values
