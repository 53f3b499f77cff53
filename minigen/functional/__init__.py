"""Differentiable operations under PyTorch's names, in files by kind, and the tensor's methods."""

from __future__ import annotations

import math
from typing import Any

from minigen.backend import to_device
from minigen.functional import inplace
from minigen.functional.activation import (
    elu,
    gelu,
    hardtanh,
    leaky_relu,
    log_softmax,
    logsigmoid,
    relu,
    selu,
    silu,
    softmax,
    softplus,
)
from minigen.functional.arguments import refuse
from minigen.functional.convolution import (
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
    max_pool2d,
)
from minigen.functional.embedding import embedding, one_hot
from minigen.functional.image import (
    adaptive_avg_pool2d,
    avg_pool2d,
    fold,
    interpolate,
    pad,
    pixel_shuffle,
    pixel_unshuffle,
    unfold,
)
from minigen.functional.linear import bilinear, bmm, einsum, linear, matmul
from minigen.functional.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    gaussian_nll_loss,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from minigen.functional.normalization import (
    batch_norm,
    group_norm,
    instance_norm,
    layer_norm,
    normalize,
)
from minigen.functional.pointwise import (
    _add,
    _div,
    _sub,
    abs,
    add,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    clamp,
    clone,
    converted,
    cos,
    div,
    eq,
    erf,
    exp,
    ge,
    gt,
    isfinite,
    le,
    log,
    log1p,
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
    rsqrt,
    sigmoid,
    sign,
    sin,
    sqrt,
    sub,
    tanh,
    where,
)
from minigen.functional.random import (
    arange,
    dropout,
    dropout2d,
    eye,
    full,
    full_like,
    ones,
    ones_like,
    rand,
    rand_like,
    randn,
    randn_like,
    tensor,
    zeros,
    zeros_like,
)
from minigen.functional.reduction import (
    amax,
    amin,
    argmax,
    argmin,
    broadcast_to,
    cumsum,
    expand,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    std,
    sum,
    sum_to_size,
    var,
)
from minigen.functional.shape import (
    cat,
    chunk,
    contiguous,
    flatten,
    flip,
    gather,
    index,
    index_add,
    index_select,
    permute,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    take_along_dim,
    transpose,
    unflatten,
    unsqueeze,
)
from minigen.operation import operation
from minigen.tensor import Tensor

__all__ = [
    "abs", "adaptive_avg_pool2d", "add", "amax", "amin", "arange", "argmax", "argmin",
    "avg_pool2d", "batch_norm", "bilinear", "binary_cross_entropy",
    "binary_cross_entropy_with_logits", "bitwise_and", "bitwise_not", "bitwise_or", "bmm",
    "broadcast_to", "cat", "chunk", "clamp", "clone", "conv1d", "conv2d", "conv_transpose1d",
    "conv_transpose2d", "cos", "cross_entropy", "cumsum", "div", "dropout", "dropout2d",
    "einsum", "elu", "embedding", "eq", "erf", "exp", "expand", "eye", "flatten", "flip",
    "fold", "full", "full_like", "gather", "gaussian_nll_loss", "ge", "gelu", "group_norm",
    "gt", "hardtanh", "index", "index_add", "index_select", "instance_norm", "interpolate",
    "isfinite", "kl_div", "l1_loss", "layer_norm", "le", "leaky_relu", "linear", "log", "log1p",
    "log_softmax", "logical_and", "logical_not", "logical_or", "logsigmoid", "logsumexp", "lt",
    "matmul", "max", "max_pool2d", "maximum", "mean", "min", "minimum", "mse_loss", "mul", "ne",
    "neg", "nll_loss", "norm", "normalize", "one_hot", "ones", "ones_like", "pad", "permute",
    "pixel_shuffle", "pixel_unshuffle", "pow", "prod", "rand", "rand_like", "randn",
    "randn_like", "relu", "repeat", "reshape", "roll", "rsqrt", "selu", "sigmoid", "sign",
    "silu", "sin", "smooth_l1_loss", "softmax", "softplus", "split", "sqrt", "squeeze", "stack",
    "std", "sub", "sum", "sum_to_size", "take_along_dim", "tanh", "tensor", "transpose",
    "unflatten", "unfold", "unsqueeze", "var", "where", "zeros", "zeros_like",
]  # fmt: skip


@operation(input=lambda g, source: _move(g, source=g.device, target=source))
def _move(input: Any, *, source: str, target: str) -> Any:
    return to_device(input, target)


def to(
    self: Tensor,
    *targets: Any,
    dtype: Any = None,
    device: str | None = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: None = None,
) -> Tensor:
    """This tensor with another dtype (`to("float64")`, `to(np.float64)`) or on another device
    (`to("cuda")`, `to("cpu")`), or with the dtype and device of another tensor; itself if nothing
    changes and no `copy` is wanted. Gradients are carried back. Transfers always wait."""
    refuse("to", memory_format=memory_format)
    flags = [t for t in targets if isinstance(t, bool)]  # non_blocking and copy, by place
    copy = copy or flags[1:] == [True]
    for target in targets[: len(targets) - len(flags)]:
        if isinstance(target, Tensor):
            dtype, device = target.dtype, target.device
        elif isinstance(target, str) and target.partition(":")[0] in ("cpu", "cuda"):
            device = target
        else:
            dtype = target
    y = self
    if device is not None and device not in (self.device, self.device.partition(":")[0]):
        y = _move(y, source=y.device, target=device)
    y = converted(y, dtype)
    return y.clone() if copy and y is self else y


def _attach() -> None:
    """Give `Tensor` its methods and operators (`tensor.py` knows no operation)."""
    for f in (
        abs, add, amax, amin, argmax, argmin, bmm, broadcast_to, chunk, clamp, clone,
        contiguous, cos, cumsum, div, eq, erf, exp, expand, flatten, flip, gather, ge, gt,
        index_add, index_select, isfinite, le, log, log1p, log_softmax, logsumexp, lt,
        matmul, max, maximum, mean, min, minimum, mul, ne, neg, norm, permute, pow, prod,
        relu, repeat, reshape, roll, rsqrt, sigmoid, sign, sin, softmax, split, sqrt,
        squeeze, std, sub, sum, sum_to_size, take_along_dim, tanh, to, transpose, unflatten,
        unsqueeze, var,
    ):  # fmt: skip
        setattr(Tensor, f.__name__, f)
    Tensor.view = reshape
    for name in ("copy_", "fill_", "zero_", "add_", "sub_", "mul_", "div_", "normal_", "uniform_"):
        setattr(Tensor, name, getattr(inplace, name))
    operators = {
        "add": _add, "sub": _sub, "mul": mul, "truediv": _div, "pow": pow, "matmul": matmul,
        "and": bitwise_and, "or": bitwise_or, "rand": bitwise_and, "ror": bitwise_or,
        "eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge,
        "neg": neg, "abs": abs, "invert": bitwise_not, "getitem": index,
        "setitem": inplace.setitem, "iadd": inplace.add_, "isub": inplace.sub_,
        "imul": inplace.mul_, "itruediv": inplace.div_, "radd": _add, "rmul": mul,
        "rsub": lambda self, other: _sub(other, self),
        "rtruediv": lambda self, other: _div(other, self),
        "rpow": lambda self, other: pow(other, self),
        "rmatmul": lambda self, other: matmul(
            other if isinstance(other, Tensor) else Tensor(other), self
        ),
    }  # fmt: skip
    for name, f in operators.items():
        setattr(Tensor, f"__{name}__", f)
    Tensor.T = property(lambda self: permute(self, *reversed(range(self.ndim))))
    Tensor.size = lambda self, dim=None: self.shape if dim is None else self.shape[dim]
    Tensor.numel = lambda self: math.prod(self.shape)
    Tensor.__iter__ = lambda self: (self[i] for i in range(len(self)))


_attach()
