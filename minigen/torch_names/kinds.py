"""Classes that stand for a dtype and a device, as old programs name them."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen import functional
from minigen.functional import methods
from minigen.functional.methods import Size
from minigen.tensor import Tensor as Base

DTYPES = {name.title(): dtype for name, dtype in methods.DTYPES.items()}


class Kind(type):
    """The class of `FloatTensor` and its kin, whose instances are minigen's tensors of a dtype on a
    device; of `Tensor` all are instances."""

    def __instancecheck__(cls, value: Any) -> bool:
        if not isinstance(value, Base) or "kind" not in vars(cls):  # a user's own class
            return type.__instancecheck__(cls, value)
        return cls.kind is None or cls.kind == (value.dtype, value.device.partition(":")[0])

    def __call__(cls, *given: Any, **options: Any) -> Any:
        """Zeros of this shape, or these data, converted; numbers and arrays are copied.

        Raises:
            TypeError: a tuple of whole numbers is given, which may mean a shape or numbers.
        """
        if "kind" not in vars(cls):
            return super().__call__(*given, **options)
        options = {"dtype": cls.dtype, "device": cls.kind[1] if cls.kind else "cpu"} | options
        if len(given) == 1 and isinstance(given[0], Size):
            (given,) = given
        if all(isinstance(n, int | np.integer) for n in given):
            return functional.zeros(*given or (0,), **options)
        (data,) = given
        if isinstance(data, tuple) and all(type(n) is int for n in data):
            raise TypeError(
                f"{cls.__name__}({data}): a shape or numbers? Give a shape as "
                f"{cls.__name__}(*shape), numbers as a list"
            )
        if isinstance(data, Base):
            return data.detach().to(options["dtype"]).to(options["device"])
        return functional.tensor(data, **options)


def kinds(device: str) -> dict[str, Kind]:
    """The classes on a device by their names. Their `dtype` makes `x.to(FloatTensor)` mean it."""
    return {
        f"{name}Tensor": Kind(
            f"{name}Tensor",
            (Base,),
            {"__slots__": (), "dtype": np.dtype(dtype), "kind": (np.dtype(dtype), device)},
        )
        for name, dtype in DTYPES.items()
    }


Tensor = Kind("Tensor", (Base,), {"__slots__": (), "dtype": np.dtype("f4"), "kind": None})


class _Variable(Kind):
    def __call__(cls, data: Any, requires_grad: bool = False, volatile: bool = False) -> Any:
        """A tensor without history in the data's memory."""
        return Base(data).detach().requires_grad_(requires_grad)


Variable = _Variable("Variable", (Base,), {"__slots__": (), "kind": None})
