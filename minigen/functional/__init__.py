"""Differentiable operations under PyTorch's names, in files by kind, and the tensor's methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.backend import to_device
from minigen.functional import inplace
from minigen.functional.activation import leaky_relu, log_softmax, relu, softmax, softplus
from minigen.functional.convolution import conv2d, conv_transpose2d, max_pool2d
from minigen.functional.linear import linear, matmul
from minigen.functional.loss import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    mse_loss,
)
from minigen.functional.normalization import batch_norm
from minigen.functional.pointwise import (
    _cast,
    abs,
    add,
    clone,
    div,
    eq,
    exp,
    ge,
    gt,
    isfinite,
    le,
    log,
    logical_and,
    logical_not,
    logical_or,
    lt,
    maximum,
    minimum,
    mul,
    ne,
    neg,
    pow,
    sigmoid,
    sign,
    sqrt,
    sub,
    tanh,
    where,
)
from minigen.functional.random import dropout, ones, rand, randn, tensor, zeros
from minigen.functional.reduction import expand, mean, sum, sum_to_size
from minigen.functional.shape import (
    cat,
    contiguous,
    flatten,
    gather,
    index,
    permute,
    reshape,
    squeeze,
    stack,
    transpose,
    unflatten,
    unsqueeze,
)
from minigen.operation import operation
from minigen.tensor import Tensor

__all__ = [
    "abs", "add", "batch_norm", "binary_cross_entropy_with_logits", "cat", "clone", "conv2d",
    "conv_transpose2d", "cross_entropy", "div", "dropout", "eq", "exp", "expand", "flatten",
    "gather", "ge", "gt", "index", "isfinite", "le", "leaky_relu", "linear", "log", "log_softmax",
    "logical_and", "logical_not", "logical_or", "lt", "matmul", "max_pool2d", "maximum", "mean",
    "minimum", "mse_loss", "mul", "ne", "neg", "ones", "permute", "pow", "rand", "randn", "relu",
    "reshape", "sigmoid", "sign", "softmax", "softplus", "sqrt", "squeeze", "stack", "sub", "sum",
    "sum_to_size", "tanh", "tensor", "transpose", "unflatten", "unsqueeze", "where", "zeros",
]  # fmt: skip


@operation(input=lambda g, source: _move(g, source=g.device, target=source))
def _move(input: Any, *, source: str, target: str) -> Any:
    return to_device(input, target)


def to(self: Tensor, *targets: Any, dtype: Any = None, device: str | None = None) -> Tensor:
    """This tensor with another dtype (`to("float64")`, `to(np.float64)`) or on another device
    (`to("cuda")`, `to("cpu")`); itself if nothing changes. Gradients are carried back."""
    for target in targets:
        if isinstance(target, str) and target.partition(":")[0] in ("cpu", "cuda"):
            device = target
        else:
            dtype = target
    y = self
    if device is not None and device not in (self.device, self.device.partition(":")[0]):
        y = _move(y, source=y.device, target=device)
    if dtype is not None and np.dtype(dtype) != y.dtype:
        y = _cast(y, to=np.dtype(dtype))
    return y


def _attach() -> None:
    """Give `Tensor` its methods and operators (`tensor.py` knows no operation)."""
    for f in (
        abs, add, clone, contiguous, div, eq, exp, expand, flatten, gather, ge, gt, isfinite, le,
        log, log_softmax, lt, matmul, maximum, mean, minimum, mul, ne, neg, permute, pow, relu,
        reshape, sigmoid, sign, softmax, sqrt, squeeze, sub, sum, sum_to_size, tanh, transpose,
        unflatten, unsqueeze, to,
    ):  # fmt: skip
        setattr(Tensor, f.__name__, f)
    Tensor.view = reshape
    for name in ("copy_", "fill_", "zero_", "add_", "sub_", "mul_", "div_", "normal_", "uniform_"):
        setattr(Tensor, name, getattr(inplace, name))
    operators = {
        "add": add, "sub": sub, "mul": mul, "truediv": div, "pow": pow, "matmul": matmul,
        "and": logical_and, "or": logical_or, "eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt,
        "ge": ge, "neg": neg, "abs": abs, "invert": logical_not, "getitem": index,
        "setitem": inplace.setitem, "iadd": inplace.add_, "isub": inplace.sub_,
        "imul": inplace.mul_, "itruediv": inplace.div_, "radd": add, "rmul": mul,
        "rsub": lambda self, other: sub(other, self),
        "rtruediv": lambda self, other: div(other, self),
        "rpow": lambda self, other: pow(other, self),
        "rmatmul": lambda self, other: matmul(Tensor(other), self),
    }  # fmt: skip
    for name, f in operators.items():
        setattr(Tensor, f"__{name}__", f)
    Tensor.T = property(lambda self: permute(self, *reversed(range(self.ndim))))
    Tensor.size = lambda self, dim=None: self.shape if dim is None else self.shape[dim]
    Tensor.numel = lambda self: self._data.size
    Tensor.__iter__ = lambda self: (self[i] for i in range(len(self)))


_attach()
