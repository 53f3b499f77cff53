"""Where the first NaN or infinity came from: the operation, and the line of the user's code."""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from minigen.backend import Array, is_array
from minigen.engine.calls import Onlooker, onlookers
from minigen.sparse import SparseRows
from minigen.tape import Node, walk_back
from minigen.tensor import Tensor

PACKAGE = str(Path(__file__).parent) + os.sep


class AnomalyError(RuntimeError):
    """A value or a gradient that is NaN or infinite, named where it first appeared.

    Attributes:
        operation: the name of the operation that made it, in its value or in its pullback.
        file, line: of the user's code that called the operation; None if nobody looked on then.
    """

    def __init__(self, operation: str, what: str, origin: Origin | None):
        self.operation = operation
        self.file, self.line = origin[:2] if origin else (None, None)
        where = "(recorded outside detect_anomaly(), so that its line is not known)"
        super().__init__(f"{operation}: {what}\n  {origin or where}")


class Origin(NamedTuple):
    """A line of the user's code."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        source = linecache.getline(self.file, self.line).strip()
        location = f'File "{self.file}", line {self.line}, in {self.function}'
        return f"{location}\n    {source}" if source else location


@contextlib.contextmanager
def detect_anomaly() -> Iterator[None]:
    """Raise where a value or a gradient first becomes NaN or infinite, in this thread.

        with minigen.detect_anomaly():
            loss = model(x)
            loss.backward()

    NaN is reported wherever it appears, an infinity where all that it was computed from was finite:
    masks of -inf pass. What already held NaN before is named as such. Every result is looked
    through, so that training takes up to about twice as long. The line that an error in backward
    names is the one that recorded the operation, which must have been inside this context too.

    Raises:
        AnomalyError: at once, in the operation or in backward.
    """
    watch = _Watch()
    onlookers.append(watch)
    try:
        yield
    finally:
        onlookers.remove(watch)


class _Watch(Onlooker):
    """Looks on at the operations and pullbacks of one thread."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def computed(
        self, operation: Any, inputs: Sequence[Any], options: Mapping[str, Any], output: Tensor
    ) -> None:
        """Called after each operation."""
        if threading.get_ident() != self.thread:
            return
        origin, backward = _origin(sys._getframe(2))
        if output._node is not None:
            output._node.origin = origin
        # What a pullback computes on its way is its own affair; `pulled` sees the result.
        if backward or (found := _strange(output._array)) is None:
            return
        names = [operation.name_of(i) for i in range(len(inputs))]
        given = {**dict(zip(names, inputs, strict=True)), **options}
        if operation.variadic:
            given = {f"{n}[{i}]": x for i, (n, x) in enumerate(zip(names, inputs, strict=True))}
        given = {name: x._array if isinstance(x, Tensor) else x for name, x in given.items()}
        before = {name: s for name, x in given.items() if (s := _strange(x)) is not None}
        if found.nan and any(s.nan for s in before.values()):
            name, s = next((name, s) for name, s in before.items() if s.nan)
            what = f"its input {name!r} already holds {s}, which no operation watched here made"
            raise AnomalyError(operation.name, what, origin)
        if found.nan or not before:
            ranges = ", ".join(f"{name} {_range(x)}" for name, x in given.items() if is_array(x))
            if not before:
                what = f"its value holds {found}, made from finite {ranges or 'numbers'}"
            else:
                what = f"its value holds {found}, made from {ranges}"
            raise AnomalyError(operation.name, what, origin)

    def pulled(self, node: Node, g: Tensor, parent: Node, gradient: Tensor | SparseRows) -> None:
        """Called after each pullback, for each gradient that it gave."""
        if threading.get_ident() != self.thread:
            return
        if (found := _strange(_values(gradient))) is None:
            return
        origin, before = getattr(node, "origin", None), _strange(_values(g))
        if before is not None and before.nan:
            what = f"the gradient that reached it already held {before}"
            raise AnomalyError(node.name, what, origin)
        arrays = [data for data, *_ in node.kept.values()] + list(node.options.values())
        if found.nan or (before is None and all(_strange(data) is None for data in arrays)):
            name = node.operation.name_of(node.inputs.index(parent))
            what = f"its pullback made {found} for {name!r} of a gradient {_range(_values(g))}"
            raise AnomalyError(node.name, what, origin)


class _Strange(NamedTuple):
    """What an array holds that is not finite."""

    nan: bool
    text: str

    def __str__(self) -> str:
        return self.text


def _strange(x: Any) -> _Strange | None:
    """What is not finite in an array or a number; None if all is, or if it is neither."""
    number = isinstance(x, float | np.floating)
    if not (number or (is_array(x) and x.dtype.kind == "f")):
        return None
    finite = np.isfinite(x)
    if finite.all():
        return None
    if number:
        return _Strange(bool(x != x), str(x))
    nan = np.isnan(x)
    some = bool(nan.any())
    these = nan if some else ~finite
    first = tuple(int(i) for i in np.unravel_index(int(these.argmax()), x.shape))
    kind = "NaN" if some else "-inf" if float(x[first]) < 0 else "inf"
    if not x.ndim:
        return _Strange(some, kind)
    return _Strange(some, f"{kind} ({int(these.sum())} of {x.size} elements, the first at {first})")


def _range(x: Array) -> str:
    """Shape and smallest and largest element, in words."""
    text = f"{x.dtype} {x.shape}"
    if not x.size or x.dtype.kind == "b":
        return text
    low, high = (f"{x.min().item():.4g}", f"{x.max().item():.4g}")
    return f"{text} of {low}" if low == high else f"{text} from {low} to {high}"


def _values(gradient: Tensor | SparseRows) -> Array:
    return gradient.values if isinstance(gradient, SparseRows) else gradient._array


def _origin(frame: FrameType | None) -> tuple[Origin | None, bool]:
    """The innermost line outside this package, and whether a backward is under way."""
    origin, backward = None, False
    while frame is not None:
        code = frame.f_code
        backward = backward or code is walk_back.__code__
        if origin is None and not code.co_filename.startswith(PACKAGE):
            origin = Origin(code.co_filename, frame.f_lineno, code.co_name)
        frame = frame.f_back
    return origin, backward
