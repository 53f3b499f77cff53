"""Random layers, batches and numbers of threads: values and gradients against the plain ones.

    python tests/sweep_threads.py [--count 5000] [--seed 0] [--only CASE]

A convolution, or a transposed one, is compared with `kernels/simple.py` to the second order; its
numbers are small and whole, so that every way to add them up is exact, and equal means equal. Other
operations are compared with themselves in one thread, in one piece. Where PyTorch is installed, it
has to agree on values and gradients, and on which arguments are refused. Exits with status 1 if a
case fails; `--only` repeats it.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np

import minigen
from minigen import Tensor, backend
from minigen import functional as F
from minigen.kernels import convolution, limits, simple
from minigen.kernels.problem import Problem
from minigen.kernels.ways import preferred

try:
    import torch
except ImportError:
    torch = None

BATCHES = (0, 1, 2, 3, 5)
THREADS = (1, 2, 3, 4, 8, 16, 64)
WAYS = sorted({way.name for way in (*convolution.IMAGES, *convolution.WEIGHTS)})
MOST = 4e6  # multiply-adds of a convolution, more often than not
Results = list[np.ndarray]


class Case(NamedTuple):
    """A call of `function(library's functional, *tensors)`.

    Attributes:
        arrays: those of floating-point numbers are differentiated.
        plain: value and gradients, if not those in one thread; an error where there are none.
        second: gradients of the second order too.
    """

    name: str
    function: Callable[..., Any]
    arrays: Results
    plain: Callable[[], Results] | None = None
    second: bool = False


@contextmanager
def shared_out(rng: np.random.Generator, count: int) -> Iterator[None]:
    """So many threads; half of the time for work of any size, and then in small buffers and any
    way of the convolutions too."""
    before = backend.threads()
    with ExitStack() as until_then:
        until_then.callback(backend.limit_threads, before)
        backend.limit_threads(count)
        if rng.random() < 0.5:
            buffer = int(rng.choice([1, 5000, 1 << 21]))
            until_then.enter_context(
                limits.use(
                    alone=0, shared=1, piece=int(rng.integers(5, 500)), by_pieces=1,
                    windows_at_a_time=buffer, products_at_a_time=buffer, tiles_at_a_time=buffer,
                    margins_at_a_time=buffer,
                )
            )  # fmt: skip
            until_then.enter_context(preferred(str(rng.choice(WAYS))))
        yield


@contextmanager
def alone() -> Iterator[None]:
    """One thread, and everything in one piece."""
    before = backend.threads()
    try:
        backend.limit_threads(1)
        with limits.use(piece=1 << 62, shared=1 << 62):
            yield
    finally:
        backend.limit_threads(before)


def derived(library: Any, case: Case) -> Results:
    """The value, its gradients for a random covector, and those of the second order."""
    ours = library is F
    grad = minigen.grad if ours else torch.autograd.grad
    tensor, rng = Tensor if ours else torch.tensor, covectors()
    inputs = [tensor(a, requires_grad=a.dtype.kind == "f") for a in case.arrays]

    def covector(like: Any, requires_grad: bool = False) -> Any:
        dtype = like.dtype if ours else like.detach().numpy().dtype
        return tensor(whole(rng, *like.shape, dtype=dtype), requires_grad=requires_grad)

    y = case.function(library, *inputs)
    wanted = [x for x in inputs if x.requires_grad]
    g = covector(y, True)
    first = list(grad([y], wanted, [g], create_graph=case.second, allow_unused=True))
    second = []
    if case.second:
        parts = [(d * covector(d)).sum() for d in first]
        second = list(grad(parts, [*wanted, g], allow_unused=True))
    kept = [*wanted, *wanted, g]
    gradients = [
        np.zeros(tuple(x.shape)) if d is None else d.numpy() if ours else d.detach().numpy()
        for x, d in zip(kept, [*first, *second], strict=False)
    ]
    return [y.numpy() if ours else y.detach().numpy(), *gradients]


def whole(rng: np.random.Generator, *shape: int, dtype: type = np.float64) -> np.ndarray:
    return rng.integers(-2, 3, shape).astype(dtype)


def convolutions(rng: np.random.Generator, n: int) -> Case:
    """Any geometry, in which a filter may also be too large, of any channels, now and then none."""
    number = lambda low, high: int(rng.integers(low, high + 1))
    pairs = lambda low, high: (number(low, high), number(low, high))
    few = lambda most: int(np.exp(rng.uniform(0, np.log(most + 0.99))))
    transposed, groups = rng.random() < 0.5, 1 if rng.random() < 0.7 else number(2, 4)
    while True:
        inputs, outputs = (few(70 // groups) for _ in "io")
        if rng.random() < 0.02:
            inputs = 0
        kernel, size = pairs(1, few(7)), pairs(1, few(40))
        stride, dilation = pairs(1, few(3)), pairs(1, few(3))
        padding = tuple(number(0, k) for k in kernel)
        cost = n * inputs * outputs * groups * np.prod(kernel) * np.prod(size)
        if cost < MOST * (1 if rng.random() < 0.9 else 20):
            break
    how = (stride, padding, dilation, groups)
    dtype = rng.choice([np.float32, np.float64])
    shape = (groups * inputs, outputs) if transposed else (groups * outputs, inputs)
    x = whole(rng, n, groups * inputs, *size, dtype=dtype)
    w, bias = whole(rng, *shape, *kernel, dtype=dtype), whole(rng, groups * outputs, dtype=dtype)
    layouts = rng.random(2) < 0.3
    x, w = (
        np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2) if last else a
        for a, last in zip((x, w), layouts, strict=True)
    )
    arrays = [x, w, bias][: number(2, 3)]
    if transposed:
        extra = tuple(number(0, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True))
        spans = zip(size, kernel, *how[:3], extra, strict=True)
        to = [(n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, k, s, p, d, e in spans]
        name = f"conv_transpose2d of {x.shape} and {w.shape}, {how}, {extra}"
        call = lambda library, x, w, b=None: library.conv_transpose2d(
            x, w, b, stride, padding, extra, groups, dilation
        )
    else:
        spans = zip(size, kernel, *how[:3], strict=True)
        to = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in spans]
        name = f"conv2d of {x.shape} and {w.shape}, {how}"
        call = lambda library, x, w, b=None: library.conv2d(x, w, b, *how)
    return Case(name, call, arrays, lambda: plain(arrays, how, tuple(to), transposed), second=True)


def plain(arrays: Results, how: tuple, size: tuple[int, ...], transposed: bool) -> Results:
    """What `derived` finds of a convolution, by the simple kernels."""
    if min(size) < (0 if transposed and not len(arrays[0]) else 1):
        raise ValueError("the filter is too large")
    (x, w, *bias), rng = arrays, covectors()
    ends = [x.shape, (len(x), w.shape[1] * how[3], *size)]
    forth, back, weight = simple.conv2d, simple.conv2d_input, simple.conv2d_weight
    if transposed:
        forth, back, weight = back, forth, lambda x, g, problem: simple.conv2d_weight(g, x, problem)
        ends.reverse()
    problem = Problem.of(ends[0], w.shape, ends[1][2:], *how)
    y = forth(x, w, problem)
    g, u, v, *t = (whole(rng, *a.shape, dtype=x.dtype) for a in (y, *arrays))
    return [
        y + sum(b[:, None, None] for b in bias),
        back(g, w, problem),
        weight(x, g, problem),
        *(g.sum((0, 2, 3)) for _ in bias),
        back(g, v, problem),
        weight(u, g, problem),
        *(np.zeros_like(b) for b in bias),
        forth(u, w, problem) + forth(x, v, problem) + sum(b[:, None, None] for b in t),
    ]


def others(rng: np.random.Generator, n: int) -> Case:
    """Any other operation that shares its work out, or whose values have to do with batches."""
    number = lambda low, high: int(rng.integers(low, high + 1))
    c, h, w = 2 * number(1, 20), number(1, 13), number(1, 13)
    k, s, d = number(1, 4), number(1, 3), number(1, 2)
    p = number(0, k // 2)
    normal = lambda *shape: rng.standard_normal(shape)
    image, rows = normal(n, c, h, w), normal(n, c)
    labels = rng.integers(0, c, n)
    channels = [normal(c), normal(c)]
    zeros, patches = np.zeros((1, c, h, w)), None
    try:
        patches = F.unfold(Tensor(zeros), k, d, p, s).shape[1:]
    except ValueError:
        patches = (c * k * k, 1)
    named = {
        "max_pool2d": (lambda f, x: f.max_pool2d(x, k, s, p, d), image),
        "avg_pool2d": (lambda f, x: f.avg_pool2d(x, k, s, p), image),
        "unfold": (lambda f, x: f.unfold(x, k, d, p, s), image),
        "fold": (lambda f, x: f.fold(x, (h, w), k, d, p, s), normal(n, *patches)),
        "interpolate": (lambda f, x: f.interpolate(x, (k + h, 2 * w), mode="bilinear"), image),
        "adaptive_avg_pool2d": (lambda f, x: f.adaptive_avg_pool2d(x, (k, s)), image),
        "batch_norm": (
            lambda f, x, w, b: f.batch_norm(x, None, None, w, b, training=True), image, *channels
        ),
        "batch_norm of rows": (
            lambda f, x, w, b: f.batch_norm(x, None, None, w, b, training=True), rows, *channels
        ),
        "group_norm": (lambda f, x, w, b: f.group_norm(x, 2, w, b), image, *channels),
        "instance_norm": (
            lambda f, x, w, b: f.instance_norm(x, None, None, w, b), image, *channels
        ),
        "layer_norm": (lambda f, x, w, b: f.layer_norm(x, (c,), w, b), rows, *channels),
        "linear": (lambda f, x, w, b: f.linear(x, w, b), rows, normal(h, c), normal(h)),
        "linear of rows of rows": (
            lambda f, x, w: f.linear(x, w), normal(n, h, c), normal(w * k, c)
        ),
        "matmul": (lambda f, a, b: a @ b, normal(n, h, c), normal(n, c, w)),
        "matmul of one": (lambda f, a, b: a @ b, normal(h, c), normal(n, c, w)),
        "embedding": (lambda f, w, i: f.embedding(i, w), normal(h, c), rng.integers(0, h, (n, w))),
        "conv1d": (lambda f, x, w: f.conv1d(x, w, None, s, p), normal(n, c, h), normal(w, c, k)),
        "sum": (lambda f, x: x.sum(), image),
        "sum over pixels": (lambda f, x: x.sum((0, 2, 3)), image),
        "mean": (lambda f, x: x.mean(1), image),
        "pad": (lambda f, x: f.pad(x, (k, p, s, 0)), image),
        "softmax": (lambda f, x: f.softmax(x, 1), image),
        "cross_entropy": (lambda f, x, y: f.cross_entropy(x, y), rows, labels),
        "mse_loss": (lambda f, a, b: f.mse_loss(a, b), image, normal(n, c, h, w)),
        "smooth_l1_loss": (lambda f, a, b: f.smooth_l1_loss(a, b), image, normal(n, c, h, w)),
        "bce": (
            lambda f, a, b: f.binary_cross_entropy_with_logits(a, b), rows, rng.random((n, c))
        ),
    }  # fmt: skip
    activations = ("relu", "leaky_relu", "gelu", "elu", "softplus", "silu", "sigmoid", "tanh")
    for activation in activations:
        named[activation] = (lambda f, x, name=activation: getattr(f, name)(x), image)
    name = str(rng.choice(list(named)))
    function, *arrays = named[name]
    shapes = [a.shape for a in arrays]
    return Case(f"{name} of {shapes}, k={k} s={s} p={p} d={d}", function, arrays)


def covectors() -> np.random.Generator:
    return np.random.default_rng(0)


def compared(case: Case, rng: np.random.Generator, count: int) -> str | None:
    """What is wrong with a case in `count` threads."""

    def tried(results: Callable[[], Results]) -> Results | Exception:
        try:
            return results()
        except Exception as error:
            return error

    with shared_out(rng, count):
        ours = tried(lambda: derived(F, case))
    if case.plain is None:
        with alone():
            plain_one = tried(lambda: derived(F, case))
    else:
        plain_one = tried(case.plain)
    refused, both = isinstance(ours, Exception), (ours, plain_one)
    if refused != isinstance(plain_one, Exception):
        here, there = (str(r)[:200] if isinstance(r, Exception) else "a result" for r in both)
        return f"here {here}, plainly {there}"
    if refused and type(ours) not in (ValueError, RuntimeError):
        return f"{ours!r}"
    # Sums of some 10⁴ numbers of size 1, times at most eps^-½ = 316: 10⁴ · 316 · 1e-16.
    if not refused and (wrong := apart(ours, plain_one, 0 if case.plain else 1e-9)):
        return f"not the plain one: {wrong}"
    if torch is None or case.second and not case.arrays[0].shape[1]:
        return None  # without channels PyTorch's output has none either, whatever the filters
    theirs = tried(lambda: derived(torch.nn.functional, case))
    if isinstance(theirs, Exception):
        empty = any(0 in a.shape for a in case.arrays)  # some of which PyTorch refuses
        return None if refused or empty else f"PyTorch refuses: {theirs}"
    if refused:
        return f"PyTorch does not refuse: {ours!r}"
    wrong = apart(ours, theirs, 1e-4 if ours[0].dtype == np.float32 else 1e-9)
    return wrong and f"not PyTorch's: {wrong}"


def apart(ours: Results, theirs: Results, tolerance: float) -> str | None:
    """Where two lists of arrays differ by more than so much of the largest number."""
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if a.shape != b.shape:
            return f"result {i} has the shape {a.shape}, not {b.shape}"
        scale = 1 + np.abs(b[np.isfinite(b)]).max(initial=0)
        if not np.allclose(a, b, rtol=0, atol=tolerance * scale, equal_nan=True):
            return f"result {i} is off by {np.abs(a - b).max():.2g} of {scale:.2g}"
    return None


def sweep(count: int, seed: int, only: int | None = None) -> list[str]:
    """What is wrong with the first so many cases of a seed, or with one of them."""
    found = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # means over nothing are NaN, as in PyTorch
        for i in range(count) if only is None else [only]:
            rng = np.random.default_rng([seed, i])
            n, many = int(rng.choice(BATCHES)), int(rng.choice(THREADS))
            case = (convolutions if rng.random() < 0.6 else others)(rng, n)
            if wrong := compared(case, rng, many):
                found.append(f"--seed {seed} --only {i}: {case.name}, {many} threads: {wrong}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=5000, help="cases (default: 5000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="CASE", help="a single case")
    args = parser.parse_args()
    start = time.perf_counter()
    found = sweep(args.count, args.seed, args.only)
    print(*found, sep="\n", end="\n" * bool(found))
    count = args.count if args.only is None else 1
    beside = "" if torch else " (without PyTorch)"
    took = time.perf_counter() - start
    print(f"{count - len(found):,} of {count:,} cases agree{beside}; {took:.0f} s")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
