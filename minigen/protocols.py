"""What Python asks of a tensor: its length, truth, number, text and array."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.backend import BOOL, FLOAT32, INT64, to_device


class Protocols:
    """Methods of `Tensor`."""

    __slots__ = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a 0-d tensor has no length")
        return self.shape[0]

    def __bool__(self) -> bool:
        if self._array.size != 1:
            raise ValueError(
                f"a tensor {self.shape} is neither true nor false; ask whether any() or all() of it"
            )
        return bool(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __format__(self, spec: str) -> str:
        if spec and self.ndim:
            raise TypeError(f"only a number has a format {spec!r}, not a tensor {self.shape}")
        return format(self.item(), spec) if not self.ndim else str(self)

    def __index__(self) -> int:
        if self.dtype.kind not in "iub":
            raise TypeError(f"only integers can be an index, not {self.dtype}")
        return int(self.item())

    def __repr__(self) -> str:
        body = np.array2string(to_device(self._array, "cpu"), separator=", ", prefix="tensor(")
        notes = "" if self.dtype in (FLOAT32, INT64, BOOL) else f", dtype={self.dtype}"
        notes += "" if self.device == "cpu" else f", device={self.device!r}"
        if self.requires_grad:
            notes += ", requires_grad=True" if self.is_leaf else f", grad_fn=<{self.grad_fn.name}>"
        return f"tensor({body}{notes})"
