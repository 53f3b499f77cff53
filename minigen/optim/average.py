"""A running average of a network's parameters, which often draws better than the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigen.backend import Array, as_array, device_of, require_writable, to_device
from minigen.optim.formulas import average
from minigen.optim.optimizer import Update, exact, like, require_alike, run
from minigen.tensor import Tensor, increment_version


class ExponentialMovingAverage:
    """average ← decay·average + (1 − decay)·value, of every parameter; buffers are copied (Polyak
    and Juditsky 1992; in GANs, Yazıcı et al. 2019).

        average = optim.ExponentialMovingAverage(G, 0.999)
        optimizer.step(); average.update()
        with average.average_parameters():
            images = G(z)

    Args:
        source: a module, or parameters.
        decay: how much of the average stays with each update; from 0 to 1.
        use_buffers: average floating-point buffers too: the running statistics of batch norm, for
            a network that is evaluated with them. Still copied are integers, which count something,
            and the unit vectors of spectral norm.
        warm_up: the k-th update's decay is (1 + k) / (10 + k) while that is less, for the decay of
            a long training would keep a short one's network as it began.

    Raises:
        ValueError: decay is out of range.
    """

    def __init__(self, source: Any, decay: float, use_buffers: bool = False, warm_up: bool = False):
        if not 0 <= decay <= 1:
            raise ValueError(f"ExponentialMovingAverage: decay must be in [0, 1], not {decay}")
        self.decay, self.use_buffers = decay, use_buffers
        self.updates = 0 if warm_up else None
        self._source = source if hasattr(source, "named_parameters") else list(source)
        self._averages = {
            n: like(t.array, t.array, exact(t.dtype)) for n, t in _tensors(self._source).items()
        }

    def update(self) -> None:
        """Take the present values into the average."""
        if self.updates is not None:
            self.updates += 1
        updates: list[Update] = []
        copied = self._copied()
        for name, tensor, mean in self._pairs(self._source):
            value = tensor.array
            dtype = exact(value.dtype)
            if mean.dtype != dtype or device_of(mean) != device_of(value):
                mean = self._averages[name] = like(value, mean, dtype)
            if value.dtype.kind == "f" and name not in copied:
                updates.append((self._move, [mean, value]))
            else:
                mean[...] = value
        run(updates)

    def _copied(self) -> set[str]:
        """The names of buffers that are not averaged."""
        if not hasattr(self._source, "named_buffers"):
            return set()
        if not self.use_buffers:
            return {name for name, _ in self._source.named_buffers()}
        modules = self._source.named_modules(remove_duplicate=False)
        return {f"{path}.{n}".lstrip(".") for path, m in modules for n in m._unaveraged}

    def _move(self, mean: Array, value: Array, share: Array, _: Array) -> None:
        decay, k = self.decay, self.updates
        if k is not None:
            decay = min(decay, (1 + k) / (10 + k))
        average(mean, decay, value, out=share)  # exact, where a value does not change

    def copy_to(self, module: Any = None) -> None:
        """Write the averages into a module of the same kind (or into parameters as many; default:
        those averaged).

        Raises:
            ValueError: names or shapes differ.
        """
        for _, tensor, mean in self._pairs(self._source if module is None else module):
            _write(tensor, mean)

    @contextmanager
    def average_parameters(self) -> Iterator[None]:
        """Within this context the averages are in their places; afterwards everything is as it
        was before."""
        before = [(t, t.array.copy()) for t in _tensors(self._source).values()]
        self.copy_to()
        try:
            yield
        finally:
            for tensor, value in before:
                _write(tensor, value)

    def state_dict(self) -> dict[str, Any]:
        """`"decay"`, and the arrays `"averages"` by name, which share this object's memory where
        they are on the CPU; with a warm-up, how many `"updates"` there were."""
        averages = {name: to_device(array, "cpu") for name, array in self._averages.items()}
        counted = {} if self.updates is None else {"updates": self.updates}
        return {"decay": self.decay, "averages": averages, **counted}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict()` was taken; the arrays are copied.

        Raises:
            ValueError: names or shapes differ; nothing is loaded.
        """
        arrays = {n: as_array(a) for n, a in state_dict["averages"].items()}
        _require_same(self._averages, arrays)
        require_alike("ExponentialMovingAverage: decay", state_dict["decay"], self.decay)
        self.decay = state_dict["decay"]
        if self.updates is not None:
            self.updates = state_dict["updates"]
        self._averages = {n: like(own, arrays[n]) for n, own in self._averages.items()}

    def _pairs(self, source: Any) -> list[tuple[str, Tensor, Array]]:
        tensors = _tensors(source)
        _require_same(self._averages, tensors)
        return [(name, tensor, self._averages[name]) for name, tensor in tensors.items()]


def _tensors(source: Any) -> dict[str, Tensor]:
    """A module's parameters and buffers by name, parameters given otherwise by number."""
    if hasattr(source, "named_parameters"):
        return {**dict(source.named_parameters()), **dict(source.named_buffers())}
    tensors: Iterable[Tensor] = source
    return {str(i): tensor for i, tensor in enumerate(tensors)}


def _require_same(averages: Mapping[str, Array], others: Mapping[str, Any]) -> None:
    expected, given = ({n: x.shape for n, x in named.items()} for named in (averages, others))
    if expected != given:
        names = sorted(n for n in {**expected, **given} if expected.get(n) != given.get(n))
        differences = [f"{n}: {expected.get(n)} is averaged, {given.get(n)} came" for n in names]
        raise ValueError("ExponentialMovingAverage: does not fit:\n  " + "\n  ".join(differences))


def _write(tensor: Tensor, value: Array) -> None:
    require_writable("ExponentialMovingAverage", tensor.array)
    np.copyto(tensor.array, to_device(value, tensor.device))
    increment_version(tensor)
