"""Pullbacks against finite differences, of any order.

A pullback claims, for a covector u and a direction v, that ⟨u, f(x + εv) − f(x − εv)⟩ / 2ε is
⟨pullback(u), v⟩. `two_sides` computes both for one u and one v, drawn at random, and that is the
whole idea: an error in any number of the pullback shows in the sum. A covector of ones would not
do: softmax, whose outputs always sum to 1, looks constant to it.

The rest is diagnosis. If the two sides differ, the input is searched coordinate by coordinate, so
that the error names a place. The gradient of order n + 1 is the gradient of the function
(x, u) -> pullback(u), which is checked in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen import backend
from minigen.backend import FLOAT64, Array, device_of, is_array, to_device
from minigen.differentiation import grad as gradients_of
from minigen.modes import enable_grad
from minigen.operation import operation
from minigen.tensor import Tensor


def two_sides(
    f: Callable[[Tensor], Tensor], x: Any, eps: float = 1e-6, seed: int = 0
) -> tuple[float, float]:
    """What the pullbacks of `f` say at x, and what finite differences say: two numbers that agree
    in eight digits or more if the pullbacks are right. x is a float64 array, or numbers."""
    rng = np.random.default_rng(seed)
    x = Tensor(x, requires_grad=True, dtype=FLOAT64)
    y = f(x)
    u, v = rng.standard_normal(y.shape), rng.standard_normal(x.shape)
    (pulled,) = gradients_of(y, x, Tensor(u))
    difference = central_difference(lambda array: f(Tensor(array)).numpy(), x.numpy(), u, v, eps)
    return float((pulled.numpy() * v).sum()), difference


def central_difference(f: Callable, x: np.ndarray, u: Any, v: np.ndarray, eps: float) -> float:
    """⟨u, f(x + εv) − f(x − εv)⟩ / 2ε, the slope of ⟨u, f⟩ at x in the direction v."""
    return (along(f, x, u, v, eps) - along(f, x, u, v, -eps)) / (2 * eps)


def along(f: Callable, x: np.ndarray, u: Any, v: np.ndarray, step: float) -> float:
    """⟨u, f⟩ a step from x in the direction v."""
    return float((u * f(np.asarray(x + step * v))).sum())


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
    gradient_errors(f, inputs, order, eps, atol, rtol, grad=grad, seed=seed)
    return True


def gradient_errors(
    f: Callable[..., Any],
    inputs: Any,
    order: int = 1,
    eps: float = 1e-6,
    atol: float = math.inf,
    rtol: float = 0.0,
    *,
    grad: Callable[..., Any] | None = None,
    seed: int = 0,
) -> list[float]:
    """How far the gradients of `f` at `inputs` are from finite differences, order by order.

    Arguments and errors are those of `gradcheck`, but with these tolerances a wrong number is no
    error: it is measured.

    Returns:
        For each order from 1 to `order` the worst of its inputs' relative errors: the difference
        divided by size, or by Σ|u·f| / 1000 if that is more, since rounding is relative to it.
    """
    if grad is not None and order != 1:
        raise ValueError("gradcheck: a gradient given as a function is checked to order 1 only")
    values, checked = _given(inputs)
    f = f if grad is None else _as_operation(f, grad)
    trial = _Trial(_on_tensors(f, checked), values, checked)
    rng, errors = np.random.default_rng(seed), []
    for n in range(1, order + 1):
        if n > 1:
            trial = trial.next_order(n - 1, atol, rtol)
        errors.append(trial.check(n, rng, eps, atol, rtol))
    return errors


def _given(inputs: Any) -> tuple[list[Array], list[int]]:
    """The inputs' arrays, and the places of those that are checked."""
    given = [inputs] if isinstance(inputs, Tensor) or is_array(inputs) else list(inputs)
    values = [x.array if isinstance(x, Tensor) else np.asarray(x) for x in given]
    floating = [i for i, x in enumerate(values) if x.dtype.kind == "f"]
    wanted = [i for i in floating if isinstance(given[i], Tensor) and given[i].requires_grad]
    checked = wanted or floating
    for i in checked:
        if values[i].dtype != FLOAT64:
            raise TypeError(
                f"gradcheck: input {i} is {values[i].dtype}; finite differences need float64"
            )
    if not checked:
        raise TypeError("gradcheck: there is no floating-point input to check")
    return values, checked


def _as_operation(f: Callable[..., Any], grad: Callable[..., Any]) -> Callable[..., Tensor]:
    """A function on arrays and a gradient of one's own, as an operation."""

    def value(*inputs: Array) -> Array:
        return np.asarray(f(*inputs), FLOAT64)

    def pullback(g: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
        arrays, scale = [x.array for x in inputs], 1.0
        if g.ndim:
            arrays.append(g.array)
        else:
            scale = g.item()
        with enable_grad():  # it may be had by a backward of its own
            found = grad(*arrays)
        found = list(found) if isinstance(found, tuple | list) else [found]
        if len(found) != len(inputs):
            raise GradcheckError(f"grad returned {len(found)} for {len(inputs)} inputs")
        return [Tensor(np.asarray(x, FLOAT64)) * scale for x in found]

    return operation(joint=pullback)(value)


def _on_tensors(f: Callable[..., Any], checked: Sequence[int]) -> Callable[..., tuple]:
    """`f` on raw arrays, recorded for the inputs that are checked: its inputs and its outputs, as
    lists of tensors."""

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

    def __init__(self, f: Callable[..., tuple], values: list[Array], checked: list[int]):
        self.f, self.values, self.checked = f, values, checked

    def outputs(self, values: Sequence[Array]) -> list[np.ndarray]:
        return [to_device(y.array, "cpu") for y in self.f(*values)[1]]

    def pulled(
        self, values: Sequence[Array], covectors: Sequence[Array], create_graph: bool
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The inputs and covectors as tensors, and the gradients for inputs that are checked."""
        tensors, outputs = self.f(*values)
        u = [Tensor(x, requires_grad=create_graph) for x in covectors]
        pairs = [(y, c.to(y.dtype)) for y, c in zip(outputs, u, strict=True) if y.requires_grad]
        wanted = [tensors[i] for i in self.checked]
        found: Sequence[Tensor | None] = [None] * len(wanted)
        if pairs:
            ys, cs = zip(*pairs, strict=True)
            try:
                found = gradients_of(ys, wanted, cs, create_graph=create_graph, allow_unused=True)
            except (RuntimeError, TypeError, ValueError) as error:
                raise GradcheckError(f"a pullback failed: {error}") from error
        pairs = zip(found, wanted, strict=True)
        gradients = [Tensor(np.zeros_like(x.array)) if g is None else g for g, x in pairs]
        return [*tensors, *u], gradients

    def next_order(self, order: int, atol: float, rtol: float) -> _Trial:
        """The function (x, u) -> pullback(u), to be checked in its turn. Its value must be the
        gradient of this `order`, which was checked without `create_graph`."""
        count, rng = len(self.values), np.random.default_rng(len(self.values))
        device = device_of(self.values[self.checked[0]])
        shapes = [y.shape for y in self.outputs(self.values)]
        covectors = [to_device(rng.standard_normal(s), device) for s in shapes]

        def pullback(*values: Array) -> tuple[list[Tensor], list[Tensor]]:
            return self.pulled(values[:count], values[count:], create_graph=True)

        plain = self.pulled(self.values, covectors, create_graph=False)[1]
        recorded = pullback(*self.values, *covectors)[1]
        for i, a, b in zip(self.checked, plain, recorded, strict=True):
            difference = np.abs(a.numpy() - b.numpy()).max(initial=0)
            if not difference <= atol + rtol * math.sqrt(np.square(a.numpy()).sum()):
                raise GradcheckError(
                    f"gradient of order {order} for input {i}: with create_graph=True it is "
                    f"another one, by up to {difference:.9g}"
                )
        added = range(count, count + len(covectors))
        return _Trial(pullback, [*self.values, *covectors], [*self.checked, *added])

    def check(
        self, order: int, rng: np.random.Generator, eps: float, atol: float, rtol: float
    ) -> float:
        """The worst relative error; raises if a gradient is wrong beyond what is allowed."""
        before = self.outputs(self.values)
        covectors = [rng.standard_normal(y.shape) for y in before]
        u = _in_a_row(covectors)
        total = float(np.abs(u * _in_a_row(before)).sum())
        noise, worst = 2.0**-50 * total, 0.0
        covectors = [to_device(c, device_of(self.values[self.checked[0]])) for c in covectors]
        pulled = self.pulled(self.values, covectors, create_graph=False)[1]
        for i, g in zip(self.checked, [g.numpy() for g in pulled], strict=True):
            where = f"gradient of order {order} for input {i}"
            f, x = self.of_input(i)
            if not np.isfinite(g).all():
                at = tuple(int(k) for k in np.argwhere(~np.isfinite(g))[0])
                raise GradcheckError(f"{where}: {g[at]} at index {at}")
            v = rng.standard_normal(x.shape)
            ours, theirs = float((g * v).sum()), central_difference(f, x, u, v, eps)
            size = max(abs(ours), abs(theirs), math.sqrt(np.square(g).sum()))
            error = abs(ours - theirs)
            if not error <= atol + rtol * size + noise / eps:
                raise GradcheckError(f"{where}: {_worst_place(f, x, u, g, eps, noise)}")
            worst = max(worst, error / (max(size, total / 1000) or 1))
        return worst

    def of_input(self, i: int) -> tuple[Callable[[np.ndarray], np.ndarray], np.ndarray]:
        """All outputs in a row as a function of input i alone, and that input, on the CPU."""
        before, after, device = self.values[:i], self.values[i + 1 :], device_of(self.values[i])

        def f(x: np.ndarray) -> np.ndarray:
            return _in_a_row(self.outputs([*before, to_device(x, device), *after]))

        return f, to_device(self.values[i], "cpu")


def _in_a_row(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0), *(x.ravel() for x in arrays)])


def _worst_place(
    f: Callable, x: np.ndarray, u: np.ndarray, g: np.ndarray, eps: float, noise: float
) -> str:
    """Where the gradient g is farthest from finite differences, both numbers, and whether there is
    a kink."""
    worst, place = -1.0, (0.0, (), 0.0, np.zeros(x.shape))
    for at in np.ndindex(x.shape):
        v = np.zeros(x.shape)
        v[at] = 1
        ours, theirs = float(g[at]), central_difference(f, x, u, v, eps)
        if not abs(ours - theirs) <= worst:
            worst, place = abs(ours - theirs), (ours, at, theirs, v)
    ours, at, theirs, v = place
    kink = _kink(lambda step: along(f, x, u, v, step), eps, noise)
    return f"at index {at} it is {ours:.9g}, finite differences give {theirs:.9g}{kink}"


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
