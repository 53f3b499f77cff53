"""What tensors can do: methods and operators (`tensor.py` knows no operation)."""

from __future__ import annotations

import math
from typing import Any

from minigen import functional as F
from minigen.backend import to_device
from minigen.functional import inplace, moves, pointwise
from minigen.functional.arguments import refuse
from minigen.operation import operation
from minigen.tensor import Tensor

METHODS = """
    abs add amax amin argmax argmin bmm broadcast_to chunk clamp clone cos cumsum div eq erf exp
    expand flatten flip gather ge gt index_add index_put index_select isfinite le log log1p
    log_softmax logsumexp lt matmul max maximum mean min minimum mul ne neg norm permute pow prod
    relu repeat reshape roll rsqrt sigmoid sign sin softmax split sqrt squeeze std sub sum
    sum_to_size take_along_dim tanh transpose unflatten unsqueeze var
"""
CHANGING = "abs clamp cos erf exp log log1p neg pow relu rsqrt sigmoid sign sin sqrt tanh"
IN_PLACE = "add_ copy_ div_ fill_ mul_ normal_ sub_ uniform_ zero_"


@operation(input=lambda g, source: _move(g, source=g.device, target=source), exact=True)
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
    y = pointwise.converted(y, dtype)
    return y.clone() if copy and y is self else y


for name in METHODS.split():
    setattr(Tensor, name, getattr(F, name))
for name in CHANGING.split():
    setattr(Tensor, f"{name}_", inplace.in_place(getattr(F, name)))
for name in IN_PLACE.split():
    setattr(Tensor, name, getattr(inplace, name))
OPERATORS = {
    "add": pointwise.add, "sub": pointwise.sub, "mul": F.mul, "truediv": pointwise.div,
    "pow": F.pow, "matmul": F.matmul, "and": F.bitwise_and, "or": F.bitwise_or,
    "eq": F.eq, "ne": F.ne, "lt": F.lt, "le": F.le, "gt": F.gt, "ge": F.ge,
    "neg": F.neg, "abs": F.abs, "invert": F.bitwise_not, "getitem": F.index,
    "setitem": inplace.setitem, "iadd": inplace.add_, "isub": inplace.sub_,
    "imul": inplace.mul_, "itruediv": inplace.div_,
    "radd": pointwise.add, "rmul": F.mul, "rand": F.bitwise_and, "ror": F.bitwise_or,
    "rsub": lambda self, other: pointwise.sub(other, self),
    "rtruediv": lambda self, other: pointwise.div(other, self),
    "rpow": lambda self, other: F.pow(other, self),
    "rmatmul": lambda self, other: F.matmul(
        other if isinstance(other, Tensor) else Tensor(other), self
    ),
}  # fmt: skip
for name, f in OPERATORS.items():
    setattr(Tensor, f"__{name}__", f)
Tensor.to, Tensor.contiguous, Tensor.view = to, moves.contiguous, F.reshape
Tensor.T = property(lambda self: F.permute(self, *reversed(range(self.ndim))))
Tensor.size = lambda self, dim=None: self.shape if dim is None else self.shape[dim]
Tensor.numel = lambda self: math.prod(self.shape)
Tensor.__iter__ = lambda self: (self[i] for i in range(len(self)))
