"""Every operation of the engine, once: how its arguments are drawn, and its name in PyTorch.

    python tests/operations.py

prints how far the gradients of each are from finite differences, at order 1 and 2.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import valid_tuple_axes

import minigen
from minigen import Generator, Tensor
from minigen import functional as F
from minigen.gradcheck import gradient_errors
from minigen.models import biggan
from minigen.models import stylegan_layers as S
from minigen.models.augment import POLICIES
from minigen.models.stylegan_networks import deviations
from minigen.testing import arrays, broadcastable, shapes

WORST = 1e-6  # the largest relative error that a gradient may have


class Constant:
    """An array of floating-point numbers that is not to be differentiated."""

    def __init__(self, array: np.ndarray):
        self.array = array


class Call(NamedTuple):
    """Arguments, with arrays where tensors are to be."""

    args: tuple
    options: dict[str, Any]

    def map(self, change: Callable[[np.ndarray, bool], Any]) -> Call:
        """Each array replaced by change(array, whether it is to be differentiated)."""

        def put(x: Any) -> Any:
            if isinstance(x, Constant):
                y = change(x.array, False)
                return Constant(y) if isinstance(y, np.ndarray) else y
            if isinstance(x, np.ndarray):
                return change(x, x.dtype.kind == "f")
            return type(x)(put(v) for v in x) if isinstance(x, tuple | list) else x

        return Call(put(self.args), {k: put(v) for k, v in self.options.items()})

    def leaves(self) -> list[np.ndarray]:
        """The arrays to differentiate with respect to."""
        found = []
        self.map(lambda a, differentiable: found.append(a) if differentiable else None)
        return found

    def of_leaves(self, f: Callable, constant: Callable = Tensor) -> Callable[..., list[Any]]:
        """`f` as a function of the leaves alone, that returns a list of tensors."""

        def call(*tensors: Any) -> list[Any]:
            rest = iter(tensors)
            args, options = self.map(lambda a, leaf: next(rest) if leaf else constant(a))
            y = f(*args, **options)
            return list(y) if isinstance(y, tuple | list) else [y]

        return call


@dataclass(frozen=True)
class Entry:
    """An operation.

    Attributes:
        draw: the strategy for a `Call`.
        function: what is called, if not the function `name`; it must work on both libraries.
        torch: PyTorch has it, and the same result.
        each: it works on each element by itself.
        image: it takes an image first and returns one: both are channels-last in memory.
    """

    name: str
    draw: st.SearchStrategy[Call]
    function: Callable | None = None
    torch: bool = True
    each: bool = False
    image: bool = False

    def on(self, *libraries: Any) -> Callable:
        """The function in the first of these modules or classes that has it."""
        name = self.name.partition(" ")[0]  # what follows says how it is called
        found = [getattr(m, name) for m in libraries if hasattr(m, name)]
        if not (self.function or found):
            raise AttributeError(
                f"no function or method {name}: here its name stands in `__all__` of its file in "
                "minigen/functional, and a method's in METHODS of methods.py"
            )
        return self.function or found[0]


# Domains: keyword arguments of `arrays`.
ANY, POSITIVE, NONZERO = {}, {"low": 0.2}, {"away_from": 0.0}
HALVES = {"low": 2.2, "high": 2.8}  # away from where they are rounded the other way


@st.composite
def elements(draw: Any, domains: tuple, options: dict[str, Any]) -> Call:
    """Tensors whose shapes broadcast."""
    found = draw(broadcastable(len(domains)))
    args = (draw(arrays(s, **domain)) for s, domain in zip(found, domains, strict=True))
    return Call(tuple(args), {k: draw(v) for k, v in options.items()})


def each(name: str, *domains: dict, f: Callable | None = None, **options: Any) -> Entry:
    """An operation on each element of tensors that broadcast, one from each domain."""
    return Entry(name, elements(domains or (ANY,), options), f, each=True)


@st.composite
def apart(draw: Any, count: int = 2) -> Call:
    """Tensors whose shapes broadcast and whose numbers are all different: no ties."""
    found = draw(broadcastable(count))
    ends = np.cumsum([math.prod(s) for s in found])
    parts = np.split(draw(arrays((int(ends[-1]),), layouts=False)), ends[:-1])
    return Call(tuple(p.reshape(s) for p, s in zip(parts, found, strict=True)), {})


def call(make: Callable) -> Callable[..., st.SearchStrategy[Call]]:
    """A strategy of a function (draw, …) that returns arguments; options in a dict at the end."""

    @st.composite
    @functools.wraps(make)
    def strategy(draw: Any, *values: Any) -> Call:
        *args, last = made if isinstance(made := make(draw, *values), tuple) else (made,)
        return Call(tuple(args), last) if isinstance(last, dict) else Call((*args, last), {})

    return strategy


def one_of(draw: Any, *values: Any) -> Any:
    return draw(st.sampled_from(values))


def whole(draw: Any, low: int, high: int) -> int:
    return draw(st.integers(low, high))


def a_dim(draw: Any, ndim: int) -> int:
    return whole(draw, -max(ndim, 1), max(ndim, 1) - 1)


def some_dims(draw: Any, ndim: int, *names_of_all: Any) -> Any:
    """One axis, several, or one of the ways to say all."""
    several = draw(valid_tuple_axes(max(ndim, 1), min_size=1))
    return one_of(draw, *names_of_all, a_dim(draw, ndim), several)


def ints(draw: Any, shape: tuple, high: int, low: int = 0) -> np.ndarray:
    """Integers from [low, high)."""
    seed = whole(draw, 0, 2**32 - 1)
    return np.random.default_rng(seed).integers(low, high, shape)


@call
def alone(draw, *shape):
    return draw(arrays(shapes(*shape)))


@call
def reduced(draw, *names_of_all):
    x = draw(arrays())
    return x, {"dim": some_dims(draw, x.ndim, *names_of_all), "keepdim": draw(st.booleans())}


@call
def along(draw):
    x = draw(arrays())
    return x, {"dim": a_dim(draw, x.ndim)}


@call
def extreme(draw):
    x = draw(arrays(shapes(1)))
    return x, one_of(draw, {}, {"dim": a_dim(draw, x.ndim), "keepdim": draw(st.booleans())})


@call
def spread(draw):
    x = draw(arrays(shapes(1, min_side=2)))
    options = {"dim": some_dims(draw, x.ndim, None), "correction": one_of(draw, 0, 1)}
    return x, {**options, "keepdim": draw(st.booleans())}


@call
def normed(draw):
    x = draw(arrays(shapes(1), **NONZERO))
    p, dim = one_of(draw, 0, 1, 2, 3, 1.5, math.inf, -math.inf), some_dims(draw, x.ndim, None)
    p = "fro" if dim is None and p == 2 else p
    return x, {"p": p, "dim": dim, "keepdim": draw(st.booleans())}


@call
def reshaped(draw):
    a, b, c = (whole(draw, 1, 3) for _ in range(3))
    forms = [(a, b, c), (a * b, c), (c, -1), (a * b * c,), (1, a, b * c), (b, a, c)]
    return draw(arrays(one_of(draw, *forms[:2], *forms[3:]))), one_of(draw, *forms)


@call
def flattened(draw):
    x = draw(arrays())
    first, last = sorted(a_dim(draw, x.ndim) % max(x.ndim, 1) for _ in range(2))
    return x, first, one_of(draw, last, last - max(x.ndim, 1))


@call
def unflattened(draw):
    a, b, lead = whole(draw, 1, 3), whole(draw, 1, 3), draw(shapes(0, 2))
    return draw(arrays((*lead, a * b, 2))), one_of(draw, len(lead), -2), (a, one_of(draw, b, -1))


@call
def permuted(draw):
    x = draw(arrays())
    return x, tuple(draw(st.permutations(range(x.ndim))))


@call
def swapped(draw):
    x = draw(arrays())
    return x, a_dim(draw, x.ndim), a_dim(draw, x.ndim)


@call
def squeezed(draw):
    x = draw(arrays(shapes(max_side=2)))
    return x, one_of(draw, {}, {"dim": a_dim(draw, x.ndim)})


@call
def unsqueezed(draw):
    x = draw(arrays(shapes(0, 3)))
    return x, a_dim(draw, x.ndim + 1)


@call
def expanded(draw):
    small = draw(shapes(0, 3, 1, 2))
    lead = draw(shapes(0, 2, 1, 3))
    return draw(arrays(small)), (*lead, *(whole(draw, 1, 3) if n == 1 else n for n in small))


@call
def summed_to(draw):
    full, small = draw(shapes(0, 4, 1, 3)), []
    for n in full[whole(draw, 0, len(full)) :]:
        small.append(one_of(draw, 1, n))
    return draw(arrays(full)), tuple(small)


@call
def joined(draw, along_new_axis):
    shape = draw(shapes(0 if along_new_axis else 1, 3, 1, 3))
    dim = a_dim(draw, len(shape) + along_new_axis)
    lengths = [list(shape) for _ in range(whole(draw, 1, 3))]
    for s in [] if along_new_axis else lengths:
        s[dim] = whole(draw, 1, 3)
    if not along_new_axis and draw(st.booleans()):
        lengths.insert(whole(draw, 0, len(lengths)), [0])  # which fits any
    return [draw(arrays(tuple(s))) for s in lengths], dim


@call
def pieces(draw, sections):
    x = draw(arrays(shapes(1, 3, 1, 5)))
    dim = a_dim(draw, x.ndim)
    first = whole(draw, 0, x.shape[dim])
    counts = [first, x.shape[dim] - first]
    return x, one_of(draw, whole(draw, 1, 4), *([counts] if sections else [])), dim


@call
def ordered(draw, how, k=False):
    x = draw(arrays(shapes(1)))
    n = math.prod(x.shape)
    x = x + np.arange(n).reshape(x.shape) * 1e-2  # no ties
    dim = a_dim(draw, x.ndim)
    first = (whole(draw, 1, x.shape[dim]),) if k else ()
    return x, *first, {"dim": dim, **{name: draw(value) for name, value in how.items()}}


@call
def scattered(draw, repeats=False):
    """Places along one axis, no two equal unless they may be."""
    shape = draw(shapes(1, 3, 1, 4))
    dim = a_dim(draw, len(shape))
    index = np.argsort(draw(arrays(shape, layouts=False)), axis=dim)
    index = index[tuple(slice(whole(draw, 1, n)) for n in shape)]
    index = ints(draw, index.shape, shape[dim]) if repeats else index
    return draw(arrays(shape)), index, draw(arrays(index.shape)), dim


@call
def triangle(draw):
    return draw(arrays(shapes(2))), {"diagonal": whole(draw, -2, 2)}


@call
def shortened(draw):
    x = draw(arrays(shapes(1)))
    dim = a_dim(draw, x.ndim)
    start = whole(draw, 0, x.shape[dim])
    return x, dim, start, whole(draw, 0, x.shape[dim] - start)


@call
def turned_one(draw):
    x = draw(arrays(shapes(1)))
    return x, a_dim(draw, x.ndim)


@call
def vectors(draw, count):
    return tuple(draw(arrays((whole(draw, 1, 3),))) for _ in range(count)) + ({},)


@call
def spanned(draw):
    return *(draw(arrays((whole(draw, 1, 3),))) for _ in range(2)), {"indexing": "xy"}


@call
def plain_products(draw, *ndims):
    n, k, m = (whole(draw, 1, 3) for _ in range(3))
    left, right = {2: (n, k), 1: (k,)}[ndims[0]], {2: (k, m), 1: (k,)}[ndims[1]]
    return draw(arrays(left)), draw(arrays(right))


@call
def turned(draw):
    x = draw(arrays(shapes(1)))
    return x, draw(valid_tuple_axes(x.ndim, min_size=1))


@call
def rolled(draw):
    x = draw(arrays(shapes(1)))
    dims = draw(valid_tuple_axes(x.ndim, min_size=1))
    several = (tuple(whole(draw, -5, 5) for _ in dims), dims)
    return x, *one_of(draw, (whole(draw, -5, 5),), (whole(draw, -5, 5), dims[0]), several)


@call
def repeated(draw):
    x = draw(arrays(shapes(0, 3, 1, 3)))
    return x, tuple(whole(draw, 1, 3) for _ in range(x.ndim + whole(draw, 0, 1)))


@call
def keyed(draw):
    """x[key], with keys of all kinds."""
    shape = draw(shapes(1, 4, 2, 4))
    length = whole(draw, 1, 3)
    x, key, axes = draw(arrays(shape)), [], list(shape)
    while axes and one_of(draw, True, True, False):
        n = axes.pop(0)
        kinds = ["integer", "slice", "list", "integers", "mask", "none"]
        kind = one_of(draw, *kinds) if not any(k is ... for k in key) else "slice"
        if kind == "integer":
            key.append(whole(draw, -n, n - 1))
        elif kind == "slice":
            start = whole(draw, 0, n - 1)
            key.append(slice(start, one_of(draw, None, n, -1 if start < n - 1 else n), 1 + n % 2))
        elif kind == "list":
            key.append(ints(draw, (length,), n, -n).tolist())
        elif kind == "integers":
            key.append(ints(draw, one_of(draw, (length,), (2, 1), ()), n, -n))
        elif kind == "mask" and not any(isinstance(k, list | np.ndarray) for k in key):
            key.append(np.arange(n) % 2 == 0)
            break
        elif kind == "none":
            key += [None, slice(None)]
        else:
            key.append(slice(None))
    if one_of(draw, True, False):
        key.append(...)
    return x, tuple(key) if len(key) != 1 or one_of(draw, True, False) else key[0]


@call
def gathered(draw, broadcast):
    shape = draw(shapes(1, 3, 1, 3))
    dim = a_dim(draw, len(shape))
    index = list(shape) if broadcast else [whole(draw, 1, n) for n in shape]
    index[dim] = whole(draw, 1, 4)
    if broadcast and len(shape) > 1:
        index[(dim - 1) % len(shape)] = 1
    return draw(arrays(shape)), ints(draw, tuple(index), shape[dim]), dim


@call
def selected(draw):
    x = draw(arrays(shapes(1)))
    dim = a_dim(draw, x.ndim)
    return x, dim, ints(draw, (whole(draw, 1, 5),), x.shape[dim])


@call
def added_at(draw):
    shape = list(draw(shapes(1)))
    dim, count = a_dim(draw, len(shape)), whole(draw, 1, 5)
    x, index = draw(arrays(tuple(shape))), ints(draw, (count,), shape[dim])
    shape[dim] = count
    return x, dim, index, draw(arrays(tuple(shape))), {"alpha": one_of(draw, 1, -2.5)}


@call
def put(draw):
    shape = draw(shapes(1))
    dim, count = a_dim(draw, len(shape)), whole(draw, 1, 4)
    key = (*(slice(None),) * (dim % len(shape)), ints(draw, (count,), shape[dim]).tolist())
    values = draw(arrays(np.zeros(shape)[key].shape))
    return draw(arrays(shape)), key, values, {}


@call
def products(draw):
    n, k, m = (whole(draw, 1, 3) for _ in range(3))
    a, b = draw(broadcastable(2, max_dims=2))
    row, column = one_of(draw, True, False), one_of(draw, True, False)
    left, right = (k,) if row else (*a, n, k), (k,) if column else (*b, k, m)
    return draw(arrays(left)), draw(arrays(right))


@call
def batched_products(draw):
    n, i, k, j = (whole(draw, 1, 3) for _ in range(4))
    return draw(arrays((n, i, k))), draw(arrays((n, k, j)))


@call
def summed_products(draw):
    equation = one_of(
        draw, "ij,jk->ik", "ij,jk", "bij,bjk->bik", "i,j->ij", "ij->ji", "ij->", "ii->i", "ii",
        "ij,ij->i", "...i,ij->...j", "bi,oij,bj->bo", "ij,k->k", "ij, j -> i", "i,i,i",
    )  # fmt: skip
    lengths = dict(zip("ijkbo", (whole(draw, 1, 3) for _ in range(5)), strict=True))
    terms = equation.replace(" ", "").partition("->")[0].replace("...", "b").split(",")
    return equation, *[draw(arrays(tuple(lengths[c] for c in t))) for t in terms]


@call
def affine(draw):
    rows, n, m = draw(shapes(0, 3, 1, 3)), whole(draw, 1, 3), whole(draw, 1, 3)
    bias = one_of(draw, None, draw(arrays((m,))))
    return draw(arrays((*rows, n))), draw(arrays((m, n))), bias


@call
def twice_linear(draw):
    rows, i, j, o = draw(shapes(0, 2, 1, 3)), *(whole(draw, 1, 3) for _ in range(3))
    bias = one_of(draw, None, draw(arrays((o,))))
    return draw(arrays((*rows, i))), draw(arrays((*rows, j))), draw(arrays((o, i, j))), bias


def pair(draw: Any, low: int, high: int) -> Any:
    """An integer or two."""
    return one_of(draw, whole(draw, low, high), (whole(draw, low, high), whole(draw, low, high)))


def both(value: Any) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def geometry(draw: Any, transposed: bool) -> tuple[tuple, tuple, int, dict[str, Any]]:
    """Shapes of an image and a weight, the number of outputs, and how they meet.

    Some have so many channels and so few outputs that the kernels take their other paths.
    """
    groups, c, o = one_of(draw, (1, 2, 3), (1, 9, 1), (1, 1, 9), (1, 10, 2), (2, 4, 2), (3, 3, 6))
    kernel = whole(draw, 1, 3), whole(draw, 1, 3)
    how = {
        "stride": one_of(draw, 1, pair(draw, 1, 3)),
        "padding": pair(draw, 0, 2),
        "dilation": pair(draw, 1, 2),
    }
    size = []
    for k, s, p, d in zip(kernel, *map(both, how.values()), strict=True):
        # Large enough that one pixel at least comes out.
        least = -(-(2 * p - d * (k - 1)) // s) + 1 if transposed else d * (k - 1) + 1 - 2 * p
        size.append(max(1, least) + whole(draw, 0, 3))
    weight = (c, o // groups) if transposed else (o, c // groups)
    return (whole(draw, 1, 2), c, *size), (*weight, *kernel), o, {**how, "groups": groups}


@call
def convolved(draw, transposed):
    image, weight, o, how = geometry(draw, transposed)
    if transposed:
        limits = zip(both(how["stride"]), both(how["dilation"]), strict=True)
        how["output_padding"] = tuple(whole(draw, 0, max(limit) - 1) for limit in limits)
    bias = one_of(draw, None, draw(arrays((o,))))
    return draw(arrays(image)), draw(arrays(weight)), bias, how


@call
def pooled(draw):
    kernel, dilation = pair(draw, 1, 3), pair(draw, 1, 2)
    padding = tuple(k // 2 - whole(draw, 0, k // 2) for k in both(kernel))
    spans = zip(both(kernel), both(dilation), strict=True)
    size = [d * (k - 1) + 1 + whole(draw, 0, 4) for k, d in spans]
    how = {"padding": padding, "dilation": dilation, "ceil_mode": draw(st.booleans())}
    x = draw(arrays((whole(draw, 1, 2), whole(draw, 1, 3), *size)))
    return x, kernel, one_of(draw, None, pair(draw, 1, 3)), how


@call
def normalised(draw, training):
    shape = (whole(draw, 3, 5), whole(draw, 1, 3), *draw(shapes(0, 2, 1, 3)))
    c = shape[1:2]
    weight, bias = one_of(draw, (None, None), (draw(arrays(c)), draw(arrays(c))))
    seen = None, None
    if not training:
        seen = Constant(draw(arrays(c))), Constant(draw(arrays(c, **POSITIVE)))
    return draw(arrays(shape)), *seen, weight, bias, training, 0.1, one_of(draw, 1e-5, 0.1)


REDUCTIONS = "mean", "sum", "none"


@call
def distances(draw):
    a, b = (draw(arrays(s)) for s in draw(broadcastable(2)))
    a, b = np.broadcast_arrays(a, b)
    return a.copy(), b.copy(), {"reduction": one_of(draw, *REDUCTIONS)}


@call
def coins(draw):
    shape = draw(shapes())
    x, target = draw(arrays(shape, low=-9, high=9, **NONZERO)), draw(arrays(shape, low=0, high=1))
    options = {"weight": Constant(draw(arrays(shape, low=0)))} if draw(st.booleans()) else {}
    if draw(st.booleans()):
        options["pos_weight"] = Constant(draw(arrays(shape[-1:], low=0.2)))
    return x, target, {**options, "reduction": one_of(draw, *REDUCTIONS)}


@call
def classes(draw):
    c, rest = whole(draw, 1, 4), draw(shapes(0, 2, 1, 3))
    shape = (whole(draw, 1, 3), c, *rest) if one_of(draw, True, False) else (c,)
    if one_of(draw, True, False):
        target, options = draw(arrays(shape, low=0)), {}
    else:
        target = ints(draw, shape[:1] + shape[2:] if len(shape) > 1 else (), c)
        target.flat[1:2] = -1
        options = {"ignore_index": -1}
    if draw(st.booleans()):
        options["weight"] = Constant(draw(arrays((c,), low=0.1)))
    options["label_smoothing"] = one_of(draw, 0.0, 0.3)
    return draw(arrays(shape)), target, {**options, "reduction": one_of(draw, *REDUCTIONS)}


@call
def masked(draw):
    """A condition and what to choose from."""
    found = draw(broadcastable(3))
    mask = ints(draw, found[0], 2).astype(bool)
    return mask, draw(arrays(found[1])), draw(arrays(found[2]))


@call
def slopes(draw):
    """Channels, and the slope of all or of each; with another sign than 0, where the kink is."""
    x = draw(arrays((whole(draw, 1, 2), whole(draw, 1, 3), *draw(shapes(0, 2))), **NONZERO))
    return x, draw(arrays((one_of(draw, 1, x.shape[1]),)))


@call
def convolved_1d(draw, transposed):
    groups, c, o = one_of(draw, (1, 2, 3), (2, 4, 2))
    k, d, stride = whole(draw, 1, 3), whole(draw, 1, 2), whole(draw, 1, 3)
    how = {
        "stride": stride,
        "padding": whole(draw, 0, min(k - 1, 1)),
        "dilation": d,
        "groups": groups,
    }
    if transposed:
        how["output_padding"] = whole(draw, 0, max(stride, d) - 1)
    shape = (whole(draw, 1, 2), c, d * (k - 1) + 2 + whole(draw, 0, 3))
    x = draw(arrays(shape if draw(st.booleans()) else shape[1:]))
    weight = draw(arrays(((c, o // groups) if transposed else (o, c // groups)) + (k,)))
    return x, weight, one_of(draw, None, draw(arrays((o,)))), how


@call
def convolved_by_name(draw):
    x, weight = draw(arrays((1, 2, 5, 6))), draw(arrays((3, 2, whole(draw, 1, 4), 3)))
    return x, weight, {"padding": one_of(draw, "same", "valid"), "dilation": 1}


def picture(draw: Any, channels: int = 0) -> np.ndarray:
    shape = (whole(draw, 1, 2), channels or whole(draw, 1, 3), whole(draw, 2, 6), whole(draw, 2, 6))
    return draw(arrays(shape))


@call
def averaged(draw):
    x, kernel = picture(draw), pair(draw, 1, 2)
    how = {"ceil_mode": draw(st.booleans()), "count_include_pad": draw(st.booleans())}
    how["divisor_override"] = one_of(draw, None, 3)
    padding = tuple(whole(draw, 0, k // 2) for k in both(kernel))
    return x, kernel, one_of(draw, None, pair(draw, 1, 3)), {**how, "padding": padding}


@call
def adapted(draw):
    return picture(draw), one_of(draw, whole(draw, 1, 7), (whole(draw, 1, 7), None))


@call
def resized(draw):
    x = picture(draw)
    if draw(st.booleans()):
        how = {"mode": "nearest"}
    else:
        how = {"mode": "bilinear", "align_corners": draw(st.booleans())}
    if draw(st.booleans()):
        return x, {**how, "size": (whole(draw, 1, 7), whole(draw, 1, 7))}
    return x, {**how, "scale_factor": one_of(draw, 2, 0.5, 1.7, (2.0, 0.6))}


@call
def shuffled(draw, back):
    r = whole(draw, 1, 3)
    shape = (2, 2, 2 * r, r) if back else (2, 2 * r * r, 2, 3)
    return draw(arrays(shape)), r


@call
def surrounded(draw, crops=True):
    x, mode = picture(draw), one_of(draw, "constant", "reflect", "replicate", "circular")
    low, high = -1 if crops else 0, 3 if mode == "constant" else 1
    sizes = tuple(whole(draw, low, high) for _ in range(4))
    assume(all(n + sizes[i] + sizes[i + 1] > 0 for n, i in zip(x.shape[2:], (2, 0), strict=True)))
    return x, sizes, {"mode": mode, "value": 1.5 if mode == "constant" else None}


@call
def patched(draw, back):
    kernel, how = pair(draw, 1, 2), {"padding": pair(draw, 0, 1), "stride": pair(draw, 1, 2)}
    size = whole(draw, 3, 5), whole(draw, 3, 5)
    if not back:
        return draw(arrays((2, 2, *size))), kernel, how
    spans = zip(size, both(kernel), both(how["padding"]), both(how["stride"]), strict=True)
    count = math.prod((n + 2 * p - k) // s + 1 for n, k, p, s in spans)
    return draw(arrays((2, 2 * math.prod(both(kernel)), count))), size, kernel, how


@call
def standardised(draw, kind):
    shape = (2, 4, whole(draw, 2, 3), whole(draw, 1, 3))
    first = {"layer": (shape[2:],), "group": (one_of(draw, 1, 2),), "instance": (None, None)}[kind]
    size = shape[2:] if kind == "layer" else shape[1:2]
    affine = one_of(draw, (None, None), (draw(arrays(size)), draw(arrays(size))))
    if kind == "instance" and draw(st.booleans()):
        seen = (draw(arrays(size, layouts=False, **how)).copy() for how in (ANY, POSITIVE))
        first = tuple(map(Constant, seen))  # written to
        affine = *affine, draw(st.booleans())
    return draw(arrays(shape)), *first, *affine


@call
def made_unit(draw):
    # Two at least: a number by itself becomes ±1, and its gradient nothing but rounding.
    x = draw(arrays(shapes(2, min_side=2), **NONZERO))
    return x, {"p": one_of(draw, 1.0, 2.0, 3.0), "dim": a_dim(draw, x.ndim)}


@call
def looked_up(draw):
    rows = whole(draw, 1, 4)
    table = draw(arrays((rows, whole(draw, 1, 3))))
    return ints(draw, draw(shapes(0, 2)), rows), table


@call
def probabilities(draw):
    shape = draw(shapes())
    a, b = (draw(arrays(shape, low=0.1, high=0.9)) for _ in range(2))
    return a, b, {"reduction": one_of(draw, *REDUCTIONS)}


@call
def near_and_far(draw):
    """Distances away from the kinks at 0 and at beta."""
    shape, beta = draw(shapes()), 0.3
    a, step = draw(arrays(shape)), draw(arrays(shape, away_from=beta))
    step = np.where(np.abs(step) < 0.05, 0.1, step)
    return a, np.asarray(a + np.abs(step)), {"beta": beta, "reduction": one_of(draw, *REDUCTIONS)}


@call
def apart_pair(draw):
    a = draw(arrays(draw(shapes())))
    step = draw(arrays(a.shape, **NONZERO, layouts=False))
    return a, np.asarray(a + step), {"reduction": one_of(draw, *REDUCTIONS)}


@call
def divergences(draw):
    shape = draw(shapes(1))
    a, b = (draw(arrays(shape, low=0.1, high=0.9)) for _ in range(2))
    how = {"log_target": draw(st.booleans())}
    return np.log(a), b, {**how, "reduction": one_of(draw, *REDUCTIONS, "batchmean")}


@call
def likelihoods(draw):
    shape = draw(shapes(1))
    variance = draw(arrays(one_of(draw, shape, (*shape[:-1], 1)), low=0.2))
    how = {"full": draw(st.booleans()), "reduction": one_of(draw, *REDUCTIONS)}
    return draw(arrays(shape)), draw(arrays(shape)), variance, how


@call
def named_classes(draw):
    c = whole(draw, 1, 4)
    weight = one_of(draw, None, Constant(draw(arrays((c,), low=0.1))))
    x, target = draw(arrays((3, c, *draw(shapes(0, 1))))), None
    target = ints(draw, x.shape[:1] + x.shape[2:], c)
    return x, target, weight, {"reduction": one_of(draw, *REDUCTIONS)}


@call
def of(draw, *parts):
    """Tensors of these shapes, or [of this shape, from this domain]; what else is given, drawn if
    it is a strategy; options in a dict."""
    made = []
    for i, part in enumerate(parts):
        if isinstance(part, tuple):
            part = np.asarray(draw(arrays(part)) + 0.03 * i)  # which differs from those before
        elif isinstance(part, list):
            part = draw(arrays(part[0], **part[1]))
        elif isinstance(part, dict):
            part = {k: draw(v) if isinstance(v, st.SearchStrategy) else v for k, v in part.items()}
        made.append(draw(part) if isinstance(part, st.SearchStrategy) else part)
    return *made, *([] if made and isinstance(made[-1], dict) else [{}])


def listed(name: str, *shapes_: tuple) -> Entry:
    """An operation on a list of tensors."""
    return Entry(name, of(*shapes_), lambda *x: getattr(library_of(x[0]), name)(list(x)))


def library_of(x: Any) -> Any:
    """minigen or PyTorch, whose tensor it is."""
    return minigen if isinstance(x, Tensor) else sys.modules["torch"]


REDUCED = {"reduction": st.sampled_from(REDUCTIONS)}
UNIT, SIGNS = {"low": -0.8, "high": 0.8}, Constant(np.array([1.0, -1.0, 1.0]))

OPERATIONS = [
    # On each element
    each("add", ANY, ANY),
    each("sub", ANY, ANY),
    each("add scaled", ANY, ANY, alpha=st.sampled_from([2, -0.5])),
    each("sub scaled", ANY, ANY, alpha=st.sampled_from([2, -0.5])),
    each("mul", ANY, ANY),
    each("div", ANY, NONZERO),
    each("pow", POSITIVE, ANY),
    each("numbers", NONZERO, f=lambda x: 3 - 2.0 * x / 4 + (1 - x) * 2 - 5 / x),
    each("powers", ANY, f=lambda x: x**3 - x**2 + x**1 + x**0 + 2.5**x),
    each("real powers", POSITIVE, f=lambda x: x**0.5 + x**-1.5 + x**2.0 + x**-1),
    each("neg"),
    each("abs", NONZERO),
    each("sign", NONZERO),
    each("exp"),
    each("log", POSITIVE),
    each("log1p", {"low": -0.7}),
    each("log2", POSITIVE),
    each("log10", POSITIVE),
    each("expm1"),
    each("reciprocal", NONZERO),
    each("square"),
    each("tan", {"low": -1.0, "high": 1.0}),
    each("atan"),
    each("floor", HALVES),
    each("ceil", HALVES),
    each("trunc", HALVES),
    each("round", HALVES),
    Entry(
        "floor_divide", elements((HALVES, {"low": 0.9, "high": 1.1}), {}), torch=False, each=True
    ),
    each("remainder", HALVES, {"low": 0.95, "high": 1.05}),
    each("fmod", HALVES, {"low": 0.95, "high": 1.05}),
    each("lerp", ANY, ANY, ANY),
    each("addcmul", ANY, ANY, ANY, value=st.sampled_from([1, -0.5])),
    each("addcdiv", ANY, ANY, NONZERO, value=st.sampled_from([1, -0.5])),
    each("clamp_min", NONZERO, min=st.just(0)),
    each("clamp_max", NONZERO, max=st.just(0.0)),
    Entry("masked_fill", masked(), lambda mask, x, y: (x + 0 * y).masked_fill(mask, 2), each=True),
    each("asin", UNIT),
    each("acos", UNIT),
    each("sinh"),
    each("cosh"),
    each("asinh"),
    each("acosh", {"low": 1.3, "high": 3.0}),
    each("atanh", UNIT),
    each("atan2", POSITIVE, ANY),
    each("erfc"),
    each("erfinv", UNIT),
    each("exp2"),
    each("logaddexp", ANY, ANY),
    each("sinc", {"low": 0.3}),
    each("xlogy", NONZERO, POSITIVE),
    each("frac", HALVES),
    each("logit", {"low": 0.2, "high": 0.8}, eps=st.sampled_from([None, 0.1])),
    each("nan_to_num"),
    each("deg2rad"),
    each("rad2deg"),
    each("relu6", NONZERO),
    # PyTorch has no second derivative of these two; its samples (opinfo.py) have their values.
    Entry("hardsigmoid", elements(({"low": -2.5, "high": 2.5},), {}), torch=False, each=True),
    each("hardswish", {"low": -2.5, "high": 2.5}),
    each("mish"),
    each("softsign", NONZERO),
    each("tanhshrink"),
    each("softshrink", {"low": 0.6}),
    each("hardshrink", {"low": 0.6}),
    each("threshold", {"away_from": 0.5}, threshold=st.just(0.5), value=st.just(0.2)),
    each("celu", NONZERO, alpha=st.sampled_from([1.0, 0.5])),  # PyTorch has 1/α in float32
    each("sqrt", POSITIVE),
    each("rsqrt", POSITIVE),
    each("sin"),
    each("cos"),
    each("erf"),
    each("sigmoid"),
    each("logsigmoid"),
    each("tanh"),
    each("relu", NONZERO),
    each("leaky_relu", NONZERO, negative_slope=st.sampled_from([0.0, 0.01, 0.2, 1.5, -0.3])),
    each("softplus", {"away_from": 1.5}, beta=st.just(2.0), threshold=st.sampled_from([3.0, 20.0])),
    Entry("prelu", slopes()),
    each("elu", NONZERO, alpha=st.sampled_from([1.0, 0.3])),
    each("selu", NONZERO),
    each("silu"),
    each("gelu", approximate=st.sampled_from(["none", "tanh"])),
    each("hardtanh low", {"away_from": -0.5}, min_val=st.just(-0.5), max_val=st.just(9.0)),
    each("hardtanh high", {"away_from": 0.5}, min_val=st.just(-9.0), max_val=st.just(0.5)),
    each("clamp", NONZERO, min=st.sampled_from([None, 0.0]), max=st.sampled_from([3.0, 0])),
    Entry("clamp by tensors", apart(3), lambda x, a, b: (x + 0 * a + 0 * b).clamp(a, b), each=True),
    Entry("maximum", apart(), each=True),
    Entry("minimum", apart(), each=True),
    Entry("where", masked(), each=True),
    each("clone", f=lambda x: x.clone()),
    Entry("dropout", elements((ANY,), {"p": st.sampled_from([0, 0.3, 1])}), torch=False, each=True),
    # Sums and extremes
    Entry("sum", reduced(None, (), [])),
    Entry("mean", reduced(None, (), [])),
    Entry("var", spread()),
    Entry("std", spread()),
    Entry("norm", normed()),
    Entry("amax", reduced(())),
    Entry("amin", reduced(())),
    Entry("max", extreme()),
    Entry("min", extreme()),
    Entry("max of two", apart()),
    Entry("prod", extreme()),
    Entry("logsumexp", reduced()),
    Entry("cumsum", along()),
    Entry("cumprod", along()),
    Entry("sort", ordered({"descending": st.booleans()})),
    Entry("topk", ordered({"largest": st.booleans()}, k=True)),
    Entry("softmax", along()),
    Entry("log_softmax", along()),
    Entry("expand", expanded()),
    Entry("broadcast_to", expanded()),
    Entry("sum_to_size", summed_to()),
    Entry("glu", of((2, 4), {"dim": st.sampled_from([0, 1, -1])})),
    Entry("softmin", along()),
    Entry("gumbel_softmax", of((2, 3), {"tau": 2.0}), torch=False),
    Entry("std_mean", spread()),
    Entry("var_mean", spread()),
    Entry("nansum", reduced(None)),
    Entry("nanmean", reduced(None)),
    Entry("diff", of((3, 4), {"n": st.integers(0, 2), "dim": st.sampled_from([0, -1])})),
    Entry("median", ordered({"keepdim": st.booleans()})),
    Entry("median of all", of((3, 4))),
    Entry(
        "quantile",
        of(
            (3, 4),
            {
                "q": st.sampled_from([0.0, 0.3, 1.0]),
                "keepdim": st.booleans(),
                "dim": st.sampled_from([None, 0, -1]),
            },
        ),
    ),
    Entry("dist", apart()),
    Entry("pairwise_distance", of((3, 2), (3, 2), {"keepdim": st.booleans()})),
    Entry("cdist", of((2, 3, 2), (4, 2), {"p": st.sampled_from([2.0, 3.0])}), torch=False),
    Entry("cosine_similarity", of((2, 3), (1, 3), {"dim": st.sampled_from([0, -1])})),
    # Moving elements about
    Entry("reshape", reshaped()),
    Entry("flatten", flattened()),
    Entry("unflatten", unflattened()),
    Entry("permute", permuted()),
    Entry("transpose", swapped()),
    Entry("T", alone(2, 2), lambda x: x.T),
    Entry("contiguous", alone()),
    Entry("squeeze", squeezed()),
    Entry("unsqueeze", unsqueezed()),
    Entry("cat", joined(False)),
    Entry("stack", joined(True)),
    Entry("split", pieces(True)),
    Entry("chunk", pieces(False)),
    Entry("flip", turned()),
    Entry("roll", rolled()),
    Entry("repeat", repeated()),
    Entry("index", keyed(), lambda x, key: x[key]),
    Entry("gather", gathered(False), lambda x, index, dim: x.gather(dim, index)),
    Entry("take_along_dim", gathered(True)),
    Entry("index_select", selected()),
    Entry("index_add", added_at()),
    Entry("index_put", put(), torch=False),
    Entry("scatter", scattered(), lambda x, index, y, dim: x.scatter(dim, index, y)),
    Entry("scatter_add", scattered(True), lambda x, index, y, dim: x.scatter_add(dim, index, y)),
    Entry("tril", triangle()),
    Entry("triu", triangle()),
    Entry("t", alone(0, 2)),
    Entry("narrow", shortened()),
    Entry("unbind", turned_one()),
    Entry("masked_select", masked(), lambda mask, x, y: (x + y).masked_select(mask)),
    listed("hstack", (2, 1, 3), (2, 2, 3)),
    listed("hstack", (2,), (1,)),
    listed("vstack", (3,), (2, 3)),
    listed("dstack", (2, 3), (2, 3, 2)),
    listed("column_stack", (2,), (2, 3)),
    Entry("broadcast_tensors", of((2, 1), (3,))),
    Entry("atleast_1d", of(())),
    Entry("atleast_2d", of((2,), ())),
    Entry("tile", repeated()),
    Entry("repeat_interleave", of((2, 3), 2, {"dim": st.sampled_from([None, 0, -1])})),
    Entry("tensor_split", of((5, 2), st.sampled_from([3, (1, 3)]))),
    Entry("select", of((2, 3), st.sampled_from([0, -1]), st.sampled_from([1, -1]))),
    Entry("movedim", of((2, 3, 1, 2), st.sampled_from([0, -1]), st.sampled_from([1, -2]))),
    Entry("flipud", alone(1)),
    Entry("fliplr", alone(2)),
    Entry(
        "rot90", of((2, 3, 2), {"k": st.integers(-3, 5), "dims": st.sampled_from([[0, 1], [2, 1]])})
    ),
    Entry(
        "diagonal", of((2, 3, 4), {"offset": st.integers(-2, 3), "dim1": st.sampled_from([0, 2])})
    ),
    Entry(
        "diag_embed", of((2, 3), {"offset": st.integers(-2, 2), "dim2": st.sampled_from([0, -1])})
    ),
    Entry("diag", of((3,), {"diagonal": st.integers(-2, 2)})),
    Entry("diag of a matrix", of((3, 2), {"diagonal": st.integers(-2, 2)})),
    Entry("trace", of((2, 3))),
    Entry("take", of((2, 3), np.array([[0, 5], [2, 2]]))),
    Entry("index_fill", of((3, 2), 0, np.array([0, 2]), 1.5)),
    Entry("index_copy", of((2, 3), -1, np.array([0, 2]), (2, 2))),
    Entry("windows", of((2, 5), -1, 2, st.integers(1, 3)), lambda x, *how: x.unfold(*how)),
    Entry("meshgrid", vectors(3)),
    Entry("meshgrid xy", spanned()),
    # Products
    Entry("matmul", products()),
    Entry("bmm", batched_products()),
    Entry("mm", plain_products(2, 2)),
    Entry("mv", plain_products(2, 1)),
    Entry("dot", plain_products(1, 1)),
    Entry("outer", vectors(2)),
    Entry("einsum", summed_products()),
    Entry("linear", affine()),
    Entry("bilinear", twice_linear()),
    Entry("addmm", of((3,), (2, 4), (4, 3), {"beta": 0.5, "alpha": st.sampled_from([1, 2.0])})),
    Entry("baddbmm", of((2, 2, 3), (2, 2, 4), (2, 4, 3), {"beta": st.sampled_from([1, 2.0])})),
    Entry("cross", of((2, 3), (1, 3), {"dim": st.just(-1)})),
    Entry("tensordot", of((2, 3, 4), (4, 3), {"dims": ([1, 2], [1, 0])})),
    Entry(
        "scaled_dot_product_attention",
        of((2, 3, 4), (2, 5, 4), (2, 5, 2), {"is_causal": st.booleans()}),
    ),
    Entry("scaled_dot_product_attention with a mask", of((2, 3), (2, 3), (2, 3), (2, 2))),
    Entry("conv2d", convolved(False), image=True),
    Entry("conv_transpose2d", convolved(True), image=True),
    Entry("conv1d", convolved_1d(False)),
    Entry("conv_transpose1d", convolved_1d(True)),
    Entry("conv2d by name", convolved_by_name(), image=True),
    # Images
    Entry("avg_pool2d", averaged(), image=True),
    Entry("adaptive_avg_pool2d", adapted()),
    Entry("adaptive_avg_pool1d", of((2, 1, 7), 3)),
    Entry("avg_pool1d", of((2, 1, 7), 3, 2, st.integers(0, 1), {"ceil_mode": st.booleans()})),
    Entry("adaptive_max_pool2d", of((1, 2, 4, 6), st.sampled_from([1, 2, (4, 3)]))),
    Entry("max_pool1d", of((2, 1, 7), 3, 2, st.integers(0, 1))),
    Entry("interpolate", resized()),
    Entry("pixel_shuffle", shuffled(False)),
    Entry("pixel_unshuffle", shuffled(True)),
    Entry("pad", surrounded()),
    Entry("unfold", patched(False)),
    Entry("fold", patched(True)),
    # Layers and losses
    Entry("layer_norm", standardised("layer")),
    Entry("group_norm", standardised("group")),
    Entry("instance_norm", standardised("instance")),
    Entry("normalize", made_unit()),
    Entry("dropout2d", elements(({},), {}), lambda x: minigen.dropout2d(x.reshape(-1, 1)), False),
    Entry("embedding", looked_up()),
    Entry("max_pool2d", pooled(), image=True),
    Entry("batch_norm training", normalised(True), image=True),
    Entry("batch_norm", normalised(False), image=True),
    Entry("mse_loss", distances()),
    Entry("binary_cross_entropy_with_logits", coins()),
    Entry("cross_entropy", classes()),
    Entry("nll_loss", named_classes()),
    Entry("l1_loss", apart_pair()),
    Entry("smooth_l1_loss", near_and_far()),
    Entry("binary_cross_entropy", probabilities()),
    Entry("kl_div", divergences()),
    Entry("gaussian_nll_loss", likelihoods()),
    Entry("rms_norm", of((2, 3), st.just([3]), (3,))),
    Entry("huber_loss", of((4,), (4,), {"delta": st.sampled_from([0.5, 2.0]), **REDUCED})),
    Entry("soft_margin_loss", of((3,), SIGNS, REDUCED)),
    Entry("hinge_embedding_loss", of((3,), SIGNS, REDUCED)),
    Entry("margin_ranking_loss", of((3,), (3,), SIGNS, {"margin": 0.3, **REDUCED})),
    Entry("cosine_embedding_loss", of((3, 2), (3, 2), SIGNS, {"margin": 0.2, **REDUCED})),
    Entry("triplet_margin_loss", of((3, 2), (3, 2), (3, 2), {"swap": st.booleans(), **REDUCED})),
    Entry("poisson_nll_loss", of([(3,), POSITIVE], (3,), {"log_input": st.booleans(), **REDUCED})),
]


def augmented(name: str) -> Entry:
    """A policy of `models.augment`, with the same random numbers in every call."""
    return Entry(name, of((2, 3, 8, 9)), lambda x: POLICIES[name](x, Generator(0)))


@call
def normal(draw, *shapes_):
    """Tensors of these shapes, whose numbers no two draws have in common."""
    rng = np.random.default_rng(whole(draw, 0, 2**32 - 1))
    return *(rng.standard_normal(shape) for shape in shapes_), {}


def with_weight(kind: type[biggan.Spectral], *sizes: Any, **options: Any) -> Callable:
    """A layer with spectral norm as a function of what it is given and of W; u and v are constants,
    as they are for its gradient."""
    minigen.manual_seed(0)
    layer = kind(*sizes, **options).to("float64")
    u, v = layer.sought()

    def f(x: Tensor, weight: Tensor) -> Tensor:
        del layer.weight
        layer.weight = weight + 3 * F.outer(u, v).reshape(*weight.shape)  # σ is not near 0
        return layer(x)

    return f


def conditional() -> Callable:
    minigen.manual_seed(0)
    return biggan.ConditionalBatchNorm2d(2, 2).to("float64")


def attention() -> Callable:
    """With γ given, too."""
    minigen.manual_seed(0)
    layer = biggan.SelfAttention(4).to("float64")

    def f(x: Tensor, gamma: Tensor) -> Tensor:
        del layer.gamma
        layer.gamma = gamma
        return layer(x)

    return f


def of_module(name: str, build: Callable[[], Any], *shapes_: tuple) -> Entry:
    """A layer as a function of its inputs and of all its parameters, at random ones."""
    paths, weights = zip(*build().named_parameters(), strict=True)

    shapes = [*shapes_, *(tuple(w.shape) for w in weights)]

    def call(*tensors: Tensor) -> Tensor:
        layer = build().to("float64")
        for path, value in zip(paths, tensors[len(shapes_) :], strict=True):
            owner, _, parameter = path.rpartition(".")
            vars(layer.get_submodule(owner))[parameter] = value
        return layer(*tensors[: len(shapes_)])

    return Entry(name, normal(*shapes), call)


# Of models: gradients of both orders, as of the operations.
LAYERS = [
    *(augmented(name) for name in POLICIES),
    Entry("SNLinear", normal((2, 3), (4, 3)), with_weight(biggan.SNLinear, 3, 4)),
    Entry(
        "SNConv2d", normal((1, 2, 3, 4), (2, 2, 3, 3)),
        with_weight(biggan.SNConv2d, 2, 2, 3, padding=1),
    ),
    Entry(
        "SNEmbedding", normal((2, 3), (4, 3)),
        lambda x, w: x + with_weight(biggan.SNEmbedding, 4, 3)(Tensor([3, 1]), w),
    ),
    Entry("ConditionalBatchNorm2d", normal((3, 2, 2, 2), (3, 2)), conditional()),
    Entry("SelfAttention", normal((1, 4, 4, 4), ()), attention()),
    Entry("projection", normal((2, 6), (2, 6)), biggan.BigJudge(1, 2, 8).to("float64").compared),
    of_module("EqualLinear", lambda: S.EqualLinear(3, 2, rate=0.5), (4, 3)),
    of_module("EqualConv2d", lambda: S.EqualConv2d(2, 3, 3, padding=1), (2, 2, 4, 4)),
    of_module("ModulatedConv2d", lambda: S.ModulatedConv2d(2, 3, 3, 4), (2, 2, 4, 4), (2, 4)),
    of_module("ModulatedConv2d up", lambda: S.ModulatedConv2d(2, 2, 3, 3, up=True),
              (2, 2, 4, 4), (2, 3)),
    of_module("ModulatedConv2d of colours", lambda: S.ModulatedConv2d(2, 3, 1, 4, demodulate=False),
              (2, 2, 3, 3), (2, 4)),
    Entry("blurred", normal((2, 2, 5, 5)), lambda x: S.blurred(x, padding=2)),
    Entry("doubled", normal((2, 2, 4, 4)), S.doubled),
    Entry("deviations", normal((4, 2, 3, 3)), deviations),
    Entry("second_moment", normal((3, 4)), S.second_moment),
]  # fmt: skip

TRUTH = [each(name, ANY, ANY) for name in ("eq", "ne", "lt", "le", "gt", "ge")]
TRUTH += [each(name, NONZERO, ANY) for name in ("logical_and", "logical_or", "logical_xor")]
TRUTH += [Entry(name, reduced(None)) for name in ("all", "any")]
TRUTH += [each(name) for name in ("isnan", "isinf")]


def draws(entry: Entry, count: int) -> list[Call]:
    """The first `count` calls that hypothesis draws, the same each time."""
    found = []

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(entry.draw)
    def collect(drawn: Call) -> None:
        found.append(drawn)

    collect()
    return found


def derivatives(grad: Any, outputs: list, leaves: list, covectors: list, others: list) -> list:
    """Gradients of ⟨u, outputs⟩ for the leaves, then those of ⟨v, gradients⟩ for leaves and u."""
    pairs = [(y, u) for y, u in zip(outputs, covectors, strict=True) if y.requires_grad]
    y, u = zip(*pairs, strict=True) if pairs else ((), ())
    first = [None] * len(leaves)
    if pairs:
        first = grad(y, leaves, u, create_graph=True, allow_unused=True)
    parts = [(g * v).sum() for g, v in zip(first, others, strict=True) if g is not None]
    parts = [part for part in parts if part.requires_grad]
    wanted = [*leaves, *covectors]
    return [*first, *(grad(parts, wanted, allow_unused=True) if parts else [None] * len(wanted))]


def numbers(rng: np.random.Generator, like: list) -> list[np.ndarray]:
    return [rng.standard_normal(tuple(x.shape)) for x in like]


def channels_last(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def is_channels_last(x: Tensor) -> bool:
    return x.array.transpose(0, 2, 3, 1).flags.c_contiguous


def worst_errors(entry: Entry, count: int = 25) -> list[float]:
    """The worst relative errors of the gradient at order 1 and 2."""
    f = entry.on(minigen, Tensor)
    errors = [gradient_errors(c.of_leaves(f), c.leaves(), order=2) for c in draws(entry, count)]
    return np.max(errors, axis=0).tolist()


def main() -> None:
    print(f"{'operation':34}{'order 1':>12}{'order 2':>12}   worst relative error")
    worst = 0.0
    for entry in OPERATIONS + LAYERS:
        errors = worst_errors(entry)
        worst = max(worst, *errors)
        print(f"{entry.name:34}" + "".join(f"{e:12.1e}" for e in errors))
    print(f"\n{len(OPERATIONS + LAYERS)} operations, worst {worst:.1e}; allowed {WORST:.0e}")
    sys.exit(worst > WORST)


if __name__ == "__main__":
    main()
