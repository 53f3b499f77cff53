"""Pullbacks against finite differences, of any order.

A pullback claims, for a covector u and a direction v, that ⟨u, f(x + εv) − f(x − εv)⟩ / 2ε is
⟨pullback(u), v⟩. Both sides are computed in float64 for random u and v: a covector of ones would be
blind to softmax, whose outputs always sum to 1. If the two differ, the input is searched
coordinate by coordinate, so that the error names a place.

The gradient of order n + 1 is the gradient of the function (x, u) -> pullback(u), which is checked
in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen import backend
from minigen.backend import FLOAT64, Array, is_array, to_device
from minigen.differentiation import grad as gradients_of
from minigen.modes import enable_grad
from minigen.tensor import Tensor


class GradcheckError(AssertionError):
    """A gradient that finite differences do not confirm."""


def gradcheck(
    f: Callable[..., Any],
    inputs: Any,
    order: int = 1,
    eps: float = 1e-6,
    atol: float = 1e-8,
    rtol: float = 1e-6,
    *,
    grad: Callable[..., Any] | None = None,
    seed: int = 0,
) -> bool:
    """Check the gradients of `f` at `inputs` up to `order`.

    Args:
        f: takes the inputs as tensors and returns a tensor or several. Before each call the
            default random stream is set back, so that dropout draws the same mask.
        inputs: a float64 tensor or array, or several. Of tensors those are checked that require
            gradients, all floating-point ones if none does.
        order: 1 for gradients, 2 for their gradients too, and so on.
        eps: half the step of the central difference, along a direction of N(0, 1) coordinates.
        atol, rtol: a difference up to atol + rtol · size is allowed, where size is the larger of
            the two numbers compared and of the gradient's norm, and 2⁻⁵⁰ Σ|u·f| / eps more: the
            rounding of the difference itself.
        grad: check this gradient instead, of a function `f` that works on NumPy arrays:
            `grad(*inputs)` for an f that returns one number, else `grad(*inputs, u)`, returns
            the gradient of ⟨u, f⟩ for each input.
        seed: of the directions and covectors.

    Returns:
        True.

    Raises:
        GradcheckError: a gradient is wrong, of the wrong shape, or not finite; the message names
            the order, the input, the index and both numbers, and says if there is a kink.
        TypeError: an input is not float64.
    """
    _check_orders(f, inputs, order, eps, atol, rtol, grad, seed)
    return True


def gradient_errors(
    f: Callable[..., Any],
    inputs: Any,
    order: int = 1,
    eps: float = 1e-6,
    *,
    grad: Callable[..., Any] | None = None,
    seed: int = 0,
) -> list[float]:
    """How far the gradients of `f` at `inputs` are from finite differences, order by order.

    Arguments and errors are those of `gradcheck`, but a wrong number is no error: it is measured.

    Returns:
        For each order from 1 to `order` the worst of its inputs' relative errors: the difference
        divided by size, or by Σ|u·f| / 1000 if that is more, since rounding is relative to it.
    """
    return _check_orders(f, inputs, order, eps, math.inf, 0.0, grad, seed)


def _check_orders(
    f: Callable[..., Any],
    inputs: Any,
    order: int,
    eps: float,
    atol: float,
    rtol: float,
    grad: Callable[..., Any] | None,
    seed: int,
) -> list[float]:
    given = [inputs] if isinstance(inputs, Tensor) or is_array(inputs) else list(inputs)
    values = [x.array if isinstance(x, Tensor) else np.asarray(x) for x in given]
    floating = [i for i, x in enumerate(values) if x.dtype.kind == "f"]
    checked = [i for i in floating if isinstance(given[i], Tensor) and given[i].requires_grad]
    checked = checked or floating
    for i in checked:
        if values[i].dtype != FLOAT64:
            raise TypeError(
                f"gradcheck: input {i} is {values[i].dtype}; finite differences need float64"
            )
    if not checked:
        raise TypeError("gradcheck: there is no floating-point input to check")
    if grad is not None and order != 1:
        raise ValueError("gradcheck: a gradient given as a function is checked to order 1 only")
    if grad is not None:
        trial = _Trial(f, values, checked, grad)
    else:
        trial = _Trial(_on_tensors(f, checked), values, checked, None)
    rng, errors = np.random.default_rng(seed), []
    for n in range(1, order + 1):
        if n > 1:
            trial = trial.next_order(n - 1, atol, rtol)
        errors.append(trial.check(n, rng, eps, atol, rtol))
    return errors


def _on_tensors(f: Callable[..., Any], checked: Sequence[int]) -> Callable[..., list[Tensor]]:
    """`f` on raw arrays, recorded for the inputs that are checked; always a list of tensors."""

    def call(*values: Array) -> tuple[list[Tensor], list[Tensor]]:
        tensors = [Tensor(x, requires_grad=i in checked) for i, x in enumerate(values)]
        state = backend.default_generator.state_dict()
        try:
            with enable_grad():
                y = f(*tensors)
        finally:
            backend.default_generator.load_state_dict(state)
        outputs = list(y) if isinstance(y, tuple | list) else [y]
        for out in outputs:
            if not isinstance(out, Tensor):
                raise TypeError(f"gradcheck: f returned a {type(out).__name__}, not a Tensor")
        return tensors, outputs

    return call


class _Trial:
    """One order: a function on arrays, its inputs, and which of them are checked."""

    def __init__(self, f: Callable, values: list[Array], checked: list[int], grad: Callable | None):
        self.f, self.values, self.checked, self.grad = f, values, checked, grad

    def outputs(self, values: Sequence[Array]) -> list[np.ndarray]:
        if self.grad is not None:
            return [np.asarray(self.f(*values), FLOAT64)]
        return [to_device(y.array, "cpu") for y in self.f(*values)[1]]

    def pull(self, covectors: list[np.ndarray]) -> list[np.ndarray]:
        """The gradients that are to be checked."""
        if self.grad is not None:
            scalar = covectors[0].ndim == 0
            result = self.grad(*self.values, *(() if scalar else covectors))
            result = list(result) if isinstance(result, tuple | list) else [result]
            if len(result) != len(self.values):
                raise GradcheckError(f"grad returned {len(result)} for {len(self.values)} inputs")
            scale = float(covectors[0]) if scalar else 1.0
            return [np.asarray(result[i]) * scale for i in self.checked]
        tensors, outputs = self.f(*self.values)
        pairs = [(y, u) for y, u in zip(outputs, covectors, strict=True) if y.requires_grad]
        wanted = [tensors[i] for i in self.checked]
        if not pairs:
            return [np.zeros(x.shape) for x in wanted]
        covectors = [Tensor(u.astype(y.dtype), device=y.device) for y, u in pairs]
        try:
            found = gradients_of([y for y, _ in pairs], wanted, covectors, allow_unused=True)
        except (RuntimeError, TypeError, ValueError) as error:
            raise GradcheckError(f"a pullback failed: {error}") from error
        return [
            np.zeros(x.shape) if g is None else g.numpy()
            for x, g in zip(wanted, found, strict=True)
        ]

    def next_order(self, order: int, atol: float, rtol: float) -> _Trial:
        """The function (x, u) -> pullback(u), to be checked in its turn. Its value must be the
        gradient of this `order`, which was checked without `create_graph`."""
        shapes = [y.shape for y in self.outputs(self.values)]
        rng = np.random.default_rng(len(self.values))
        device = backend.device_of(self.values[self.checked[0]])
        covectors = [to_device(rng.standard_normal(s), device) for s in shapes]
        count, f, checked = len(self.values), self.f, self.checked

        def pullback(*values: Array) -> tuple[list[Tensor], list[Tensor]]:
            tensors, outputs = f(*values[:count])
            u = [Tensor(x, requires_grad=True) for x in values[count:]]
            pairs = [(y, c) for y, c in zip(outputs, u, strict=True) if y.requires_grad]
            wanted = [tensors[i] for i in checked]
            found = [None] * len(wanted)
            if pairs:
                ys, cs = zip(*pairs, strict=True)
                found = gradients_of(ys, wanted, cs, create_graph=True, allow_unused=True)
            zeros = [Tensor(np.zeros_like(x.array)) for x in wanted]
            return [*tensors, *u], [
                z if g is None else g for g, z in zip(found, zeros, strict=True)
            ]

        recorded = pullback(*self.values, *covectors)[1]
        for i, a, b in zip(checked, self.pull(covectors), recorded, strict=True):
            difference = np.abs(a - b.numpy()).max(initial=0)
            if not difference <= atol + rtol * math.sqrt(np.square(a).sum()):
                raise GradcheckError(
                    f"gradient of order {order} for input {i}: with create_graph=True it is "
                    f"another one, by up to {difference:.9g}"
                )
        added = range(count, count + len(covectors))
        return _Trial(pullback, [*self.values, *covectors], [*checked, *added], None)

    def check(
        self, order: int, rng: np.random.Generator, eps: float, atol: float, rtol: float
    ) -> float:
        """The worst relative error; raises if a gradient is wrong beyond what is allowed."""
        error, before = 0.0, self.outputs(self.values)
        covectors = [rng.standard_normal(y.shape) for y in before]
        total = sum(float(np.abs(u * y).sum()) for u, y in zip(covectors, before, strict=True))
        noise = 2.0**-50 * total
        found = self.pull(covectors)

        def along(i: int, direction: np.ndarray, step: float) -> float:
            """⟨u, f⟩ with input i moved."""
            values = list(self.values)
            direction = to_device(direction, backend.device_of(values[i]))
            values[i] = values[i] + step * direction
            outputs = self.outputs(values)
            return sum(float((u * y).sum()) for u, y in zip(covectors, outputs, strict=True))

        for i, g in zip(self.checked, found, strict=True):
            x = self.values[i]
            where = f"gradient of order {order} for input {i}"
            if g.shape != x.shape:
                raise GradcheckError(f"{where}: its shape is {g.shape}, the input's {x.shape}")
            if not np.isfinite(g).all():
                at = tuple(int(k) for k in np.argwhere(~np.isfinite(g))[0])
                raise GradcheckError(f"{where}: {g[at]} at index {at}")

            def slope(direction: np.ndarray, i: int = i) -> float:
                return (along(i, direction, eps) - along(i, direction, -eps)) / (2 * eps)

            direction = rng.standard_normal(x.shape)
            ours, theirs = float((g * direction).sum()), slope(direction)
            size = max(abs(ours), abs(theirs), math.sqrt(np.square(g).sum()))
            difference = abs(ours - theirs)
            if difference <= atol + rtol * size + noise / eps:
                error = max(error, difference / (max(size, total / 1000) or 1))
                continue
            worst, where_worst = -1.0, ()
            for at in np.ndindex(x.shape):
                unit = np.zeros(x.shape)
                unit[at] = 1
                difference = abs(float(g[at]) - slope(unit))
                if not difference <= worst:
                    worst, where_worst, direction = difference, at, unit
            raise GradcheckError(
                f"{where}: at index {where_worst} it is {float(g[where_worst]):.9g}, finite "
                f"differences give {slope(direction):.9g}"
                + _kink(lambda step, i=i, d=direction: along(i, d, step), eps, noise)
            )
        return error


def _kink(along: Callable[[float], float], eps: float, noise: float) -> str:
    """A remark if the function has a kink within eps: the slopes to the left and to the right of a
    smooth point come together in proportion to the step, those at a kink do not."""
    middle = along(0.0)

    def sides(step: float) -> tuple[float, float]:
        return (middle - along(-step)) / step, (along(step) - middle) / step

    (left, right), (near_left, near_right) = sides(eps), sides(eps / 8)
    gap, near = abs(right - left), abs(near_right - near_left)
    if not math.isfinite(gap) or gap < 64 * noise / eps or gap / 12 < near < gap / 5:
        return ""
    return (
        f". There is a kink within {eps:g} of this point, with slope {left:.6g} to the left and "
        f"{right:.6g} to the right: no gradient is right there; move the point away from it"
    )
