"""What tensors can do: methods and operators (`tensor.py` knows no operation)."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen import functional as F
from minigen.backend import is_array, to_device
from minigen.differentiation import accumulate
from minigen.functional import inplace, moves, pointwise
from minigen.functional.arguments import asking_for_tensors, axis, refuse
from minigen.functional.compositions import ALIASES
from minigen.missing import missing
from minigen.operation import operation
from minigen.tensor import Tensor

METHODS = """
    abs acos acosh add addcdiv addcmul addmm all allclose amax amin any argmax argmin argsort
    argwhere asin asinh atan atan2 atanh baddbmm bernoulli bincount bitwise_and bitwise_not
    bitwise_or bitwise_xor bmm broadcast_to ceil chunk clamp clamp_max clamp_min clone cos cosh
    count_nonzero cross cumprod cumsum deg2rad diag diag_embed diagonal diff dist div dot eq equal
    erf erfc erfinv exp exp2 expand expm1 flatten flip fliplr flipud floor floor_divide fmod frac
    gather ge gt hardshrink histc index_add index_copy index_fill index_put index_select
    is_floating_point isclose isfinite isinf isnan le lerp log log10 log1p log2 log_softmax
    logaddexp logical_and logical_not logical_or logical_xor logit logsumexp lt masked_fill
    masked_select matmul max maximum mean median min minimum mm movedim mul multinomial mv
    nan_to_num nanmean nansum narrow ne neg nonzero norm numel outer permute pow prod quantile
    rad2deg reciprocal relu remainder repeat repeat_interleave reshape roll rot90 round rsqrt
    scatter scatter_add select sigmoid sign sin sinc sinh softmax sort split sqrt square squeeze std
    sub sum sum_to_size t take take_along_dim tan tanh tensor_split tile topk trace transpose tril
    triu trunc unbind unflatten unique unsqueeze var xlogy
"""
CHANGING = """
    abs acos addcdiv addcmul asin asinh atan atan2 ceil clamp clamp_max clamp_min cos cosh cumprod
    cumsum erf erfc erfinv exp exp2 expm1 floor floor_divide fmod frac index_add index_copy
    index_fill index_put lerp log log10 log1p log2 logit masked_fill nan_to_num neg pow reciprocal
    relu remainder round rsqrt scatter scatter_add sigmoid sign sin sinh sqrt square tan tanh tril
    triu trunc xlogy
"""
IN_PLACE = """
    add_ bernoulli_ copy_ div_ exponential_ fill_ mul_ normal_ random_ sub_ uniform_ zero_
"""
COMPARABLE = (Tensor, float, int, np.generic)  # and arrays
DTYPES = {
    "float": np.float32, "double": np.float64, "half": np.float16, "long": np.int64,
    "int": np.int32, "short": np.int16, "char": np.int8, "byte": np.uint8, "bool": np.bool_,
}  # fmt: skip


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


class Size(tuple):
    """What `size()` returns: a shape, which tells itself from a tuple of numbers."""

    __slots__ = ()

    def numel(self) -> int:
        """How many elements it has."""
        return math.prod(self)


def cuda(self: Tensor, device: int | str | None = None, non_blocking: bool = False) -> Tensor:
    """This tensor on a GPU.

    Raises:
        DeviceError: there is none.
    """
    return to(self, device=f"cuda:{device}" if isinstance(device, int) else device or "cuda")


def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Tensor | str:
    """PyTorch's old name of this tensor's kind, such as "torch.FloatTensor"; or this tensor with
    another dtype, or as such a kind."""
    where = "cuda." if self.is_cuda else ""
    if dtype is None:
        name = next(name for name, kind in DTYPES.items() if self.dtype == kind)
        return f"torch.{where}{name.title()}Tensor"
    if isinstance(dtype, str) and dtype.endswith("Tensor"):
        place, _, name = dtype.removeprefix("torch.").rpartition(".")
        return self.to(DTYPES[name.removesuffix("Tensor").lower()], device=place or "cpu")
    kind = getattr(dtype, "kind", None)  # of torch_names' classes dtype and device
    return self.to(dtype, device=kind[1] if isinstance(kind, tuple) else None)


def retain_grad(self: Tensor) -> None:
    """Let `backward` add up the gradient here too, as hooks have left it, though this tensor is no
    leaf. A second call changes nothing."""
    if not self.is_leaf and not any(getattr(hook, "last", False) for hook in self._node.hooks):
        this = weakref.ref(self)  # the node holds the hook, and the tensor the node

        def keep(gradient: Any) -> None:
            if (tensor := this()) is not None:
                accumulate(tensor, gradient)

        keep.last = True
        self.register_hook(keep)


def detach_(self: Tensor) -> Tensor:
    """Forget how this tensor was made: it is a leaf then, which requires no gradient."""
    self._node = None
    return self


def new(self: Tensor, *data: Any) -> Tensor:
    """A tensor of this dtype on this device: zeros of some sizes, or with a copy of the data.

    Raises:
        TypeError: a tuple of whole numbers, which may be a shape or data.
    """
    if len(data) == 1 and isinstance(data[0], Size):
        return self.new_zeros(data[0])
    if len(data) == 1 and isinstance(data[0], tuple):
        raise TypeError(f"new({data[0]}): write new_zeros{data[0]}, or give numbers as a list")
    if all(type(n) is int for n in data):
        return self.new_zeros(*data or (0,))
    return self.new_tensor(*data)


def windows(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """The windows of the axis `dimension`, `size` long and `step` apart, as a new last axis: a
    copy, where PyTorch gives a view.

    Raises:
        ValueError: the axis is shorter than a window, or a step is less than 1.
    """
    dimension = axis("unfold", dimension, self.ndim)
    if not (0 < size <= self.shape[dimension] and step > 0):
        raise ValueError(f"unfold: no windows of {size}, {step} apart, on axis {dimension} of "
                         f"{self.shape}")  # fmt: skip
    places = np.arange(0, self.shape[dimension] - size + 1, step)[:, None] + np.arange(size)
    y = F.index_select(self, dimension, Tensor(places.ravel()).to(self.device))
    return F.movedim(F.unflatten(y, dimension, places.shape), dimension + 1, -1)


def fill_diagonal_(self: Tensor, value: float) -> Tensor:
    """Overwrite the diagonal of a matrix.

    Raises:
        ValueError: it is no matrix.
    """
    if self.ndim != 2:
        raise ValueError(f"fill_diagonal_: expected a matrix, got {self.shape}")
    places = range(min(self.shape))
    inplace.setitem(self, (places, places), value)
    return self


def _reshaping(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    name = f"{function.__name__}_"

    def method(self: Tensor, *args: Any) -> Tensor:
        if self._node is not None or inplace.is_part(self):
            raise RuntimeError(
                f"{name}: this tensor has a history, or is a part of another; write "
                f"x = x.{function.__name__}(…)"
            )
        self._array = function(self.detach(), *args)._array
        return self

    method.__doc__ = f"`{function.__name__}`, whose result this tensor then is."
    return method


def _of_this_kind(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The method that makes a new tensor of the dtype and on the device of this one."""

    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        return make(*args, **{"dtype": self.dtype, "device": self.device} | options)

    method.__doc__ = f"`{make.__name__}` with the dtype and device of this tensor."
    return method


def _converting(dtype: Any) -> Callable[..., Tensor]:
    def method(self: Tensor) -> Tensor:
        return pointwise.converted(self, dtype)

    method.__doc__ = f"This tensor in {np.dtype(dtype)}; itself, if it is that already."
    return method


def _like_another(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The method that gives this tensor the shape of another."""

    def method(self: Tensor, other: Tensor) -> Tensor:
        return function(self, *other.shape)

    method.__name__ = f"{function.__name__}_as"
    method.__doc__ = f"`{function.__name__}` to the shape of `other`."
    return asking_for_tensors(method, 1)


def _comparing(compare: Callable) -> Callable:
    """The operator, which leaves to Python what is no number, such as None: it is not equal."""

    def method(self: Tensor, other: Any) -> Any:
        known = isinstance(other, COMPARABLE) or is_array(other)
        return compare(self, other) if known else NotImplemented

    return method


for name in METHODS.split():
    setattr(Tensor, name, asking_for_tensors(getattr(F, name), 1))
for other, name in ALIASES.items():
    if name not in ("cat", "interpolate"):
        setattr(Tensor, other, getattr(Tensor, name))
for name in CHANGING.split():
    setattr(Tensor, f"{name}_", inplace.in_place(getattr(Tensor, name)))
for name in IN_PLACE.split():
    setattr(Tensor, name, getattr(inplace, name))
OPERATORS = {
    "add": pointwise.add, "sub": pointwise.sub, "mul": F.mul, "truediv": pointwise.div,
    "pow": F.pow, "matmul": F.matmul, "and": F.bitwise_and, "or": F.bitwise_or,
    "eq": _comparing(F.eq), "ne": _comparing(F.ne), "lt": F.lt, "le": F.le, "gt": F.gt, "ge": F.ge,
    "neg": F.neg, "abs": F.abs, "invert": F.bitwise_not, "getitem": F.index,
    "setitem": inplace.setitem, "iadd": inplace.add_, "isub": inplace.sub_,
    "imul": inplace.mul_, "itruediv": inplace.div_,
    "radd": pointwise.add, "rmul": F.mul, "rand": F.bitwise_and, "ror": F.bitwise_or,
    "rsub": lambda self, other: pointwise.sub(other, self),
    "rtruediv": lambda self, other: pointwise.div(other, self),
    "rpow": lambda self, other: F.pow(other, self),
    "floordiv": F.floor_divide, "mod": F.remainder, "xor": F.bitwise_xor, "rxor": F.bitwise_xor,
    "rfloordiv": lambda self, other: F.floor_divide(other, self),
    "rmod": lambda self, other: F.remainder(other, self), "ifloordiv": Tensor.floor_divide_,
    "imod": Tensor.remainder_, "ipow": Tensor.pow_, "pos": lambda self: self,
    "iand": inplace.in_place(F.bitwise_and), "ior": inplace.in_place(F.bitwise_or),
    "ixor": inplace.in_place(F.bitwise_xor),
    "contains": lambda self, element: bool(F.eq(self, element).any()),
    "rmatmul": lambda self, other: F.matmul(
        other if isinstance(other, Tensor) else Tensor(other), self
    ),
}  # fmt: skip
for name, f in OPERATORS.items():
    setattr(Tensor, f"__{name}__", f)
Tensor.to, Tensor.view = to, F.reshape
Tensor.contiguous = lambda self, memory_format=None: moves.contiguous(self)
Tensor.T = property(lambda self: F.permute(self, *reversed(range(self.ndim))))
Tensor.size = lambda self, dim=None: Size(self.shape) if dim is None else self.shape[dim]
for name, dtype in DTYPES.items():
    setattr(Tensor, name, _converting(dtype))
for name in ["zeros", "ones", "full", "empty", "tensor"]:
    setattr(Tensor, f"new_{name}", _of_this_kind(getattr(F, name)))
Tensor.cuda, Tensor.type, Tensor.new = cuda, type_, new
Tensor.retain_grad, Tensor.detach_, Tensor.nelement = retain_grad, detach_, F.numel
Tensor.cpu = lambda self: self.to("cpu")
Tensor.dim = lambda self: self.ndim
Tensor.tolist = lambda self: self._array.tolist()
Tensor.view_as = _like_another(F.reshape)
Tensor.reshape_as, Tensor.expand_as = Tensor.view_as, _like_another(F.expand)
Tensor.type_as = lambda self, other: self.to(other)
Tensor.is_contiguous = lambda self: self._array.flags.c_contiguous
Tensor.element_size = lambda self: self.dtype.itemsize


def stride(self: Tensor, dim: int | None = None) -> tuple[int, ...] | int:
    """How many elements apart in memory neighbours along each axis lie, or those along `dim`."""
    steps = tuple(step // self.dtype.itemsize for step in self._array.strides)
    return steps if dim is None else steps[dim]


Tensor.stride = stride
Tensor.get_device = lambda self: int(self.device.partition(":")[2]) if self.is_cuda else -1
Tensor.data_ptr = lambda self: self._array.data.ptr if self.is_cuda else self._array.ctypes.data
Tensor.where = lambda self, condition, other: F.where(condition, self, other)
Tensor.unfold, Tensor.fill_diagonal_ = windows, fill_diagonal_
Tensor.unsqueeze_, Tensor.squeeze_ = _reshaping(F.unsqueeze), _reshaping(F.squeeze)
Tensor.transpose_, Tensor.t_ = _reshaping(F.transpose), _reshaping(F.t)
Tensor.clip_, Tensor.ndimension, Tensor.is_complex = Tensor.clamp_, Tensor.dim, lambda self: False
Tensor.pin_memory, Tensor.is_pinned = (
    lambda self, device=None: self,
    lambda self, device=None: False,
)
Tensor.itemsize = property(lambda self: self.dtype.itemsize)
Tensor.nbytes = property(lambda self: self._array.nbytes)
Tensor.is_cuda = property(lambda self: self.device != "cpu")
Tensor.is_mps = Tensor.is_xpu = Tensor.is_sparse = False
Tensor.mT = property(lambda self: F.transpose(self, -1, -2))
Tensor.__iter__ = lambda self: (self[i] for i in range(len(self)))


def _absent(self: Tensor, name: str) -> Any:
    if name[0] == "_":  # what Python and NumPy ask for, and slots that are empty
        raise AttributeError(name)
    raise missing(name, lambda: dir(Tensor), "Tensor")


Tensor.__getattr__ = _absent
