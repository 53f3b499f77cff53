"""PyTorch's own samples of its operations (OpInfo), run on those operations that are here too.

    python tests/opinfo.py [--errors] [--reference] [--dtypes float64 ...] [NAME...]

prints, for each operation with a sample that fails, how many have PyTorch's value, dtype, shape,
gradient and second gradient (these two in float64), and what is wrong with the others; then the
count of all, and of those that are refused on purpose (`REFUSED`). A sample is tried as a
function, a method, an operator and in place, whatever there is. `--reference` takes the larger set
that PyTorch keeps for its slow tests. `--errors` tries calls that PyTorch refuses: they are to be
refused here in one line that names the operation. Exits with status 1 if anything fails.
"""

from __future__ import annotations

import argparse
import collections
import fnmatch
import importlib
import itertools
import re
import sys
import types
import unittest
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from operations import derivatives, numbers

import minigen
from minigen import Tensor

try:
    import torch
    from torch.overrides import TorchFunctionMode
except ImportError:  # a test skips then
    torch, TorchFunctionMode = None, object

DTYPES = "float64", "float32", "float16", "int64", "int32", "uint8", "bool"
# Operations that share no more than the last part of their name with those here.
OTHERS = "linalg.*", "masked.*", "sparse.*", "unfold*", "item*", "* triton_optimized", "mT*"
OTHERS += "bool*", "byte*", "char*", "double*", "float*", "half*", "int*", "long*", "short*"
OTHERS += (
    "allclose*",
    "equal",
    "normal in_place",
    "topk",
)  # a truth value of Python's; equals stand in any order
# Of these PyTorch has no second derivative, or one call hides the other; see operations.py.
OTHERS += "cdist", "nn.functional.hardsigmoid", "*scaled_dot_product_attention", "*.threshold"
OTHERS += "*.adaptive_max_pool2d", "logspace*"
ALIASES = {"log_sigmoid": "logsigmoid", "max_pool2d_with_indices": "max_pool2d"}
ALIASES["max_pool1d_with_indices"] = "max_pool1d"
# Of these, shape and dtype are PyTorch's.
RANDOM = {"bernoulli", "dropout", "dropout2d", "empty", "empty_like", "multinomial", "new_empty"}
RANDOM |= {
    "normal",
    "normal_",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
}


class Refusal(NamedTuple):
    """Samples refused on purpose: of the operations that fit the pattern `names`, with an error
    in which the expression `says` is found."""

    names: str
    says: str
    reason: str


NO_MEAN = "a mean of integers is none; PyTorch rounds without a word"
TOO_LARGE = "out of bounds for|cannot hold|is no u?int[0-9]+, which holds"
REFUSED = [
    Refusal("norm", "p='nuc'", "the nuclear norm needs singular values"),
    Refusal("to", "memory_format", "images are channels-last in memory, whatever is asked"),
    Refusal("clone", "memory_format", "as `to`"),
    Refusal("normal", "layout", "arrays have one"),
    Refusal("scatter", "reduce", "scatter_add adds"),
    Refusal("index_put", "accumulate", "index_add and scatter_add add"),
    Refusal("contiguous", "memory_format", "as `to`"),
    Refusal("interpolate", "mode='(bicubic|trilinear|area|nearest-exact)'", "no model needs it"),
    Refusal("interpolate", "needs floating-point", "PyTorch rounds bytes in fixed point"),
    Refusal("avg_pool?d", "needs floating-point", NO_MEAN),
    Refusal("cosine_embedding_loss", "needs floating-point", "whole numbers are no directions"),
    Refusal("*addbmm", "is no whole number", "PyTorch cuts it off without a word"),
    Refusal("*_loss", "unexpected keyword argument 'size_average'", "reduction says it"),
    Refusal("searchsorted", "sorter", "sort() what is searched"),
    Refusal("embedding", "max_norm|scale_grad_by_freq", "changes weights in the forward pass"),
    Refusal("batch_norm", r"expected input .*got \(0,\)", "there is no axis of channels"),
    Refusal("*pow*", "negative integer powers", "the result is no integer"),
    Refusal("*", "must be a Tensor", "two numbers need no tensor"),
    Refusal("*", TOO_LARGE, "a number that the dtype cannot hold"),
]  # fmt: skip

# What PyTorch refuses and this engine does not.
ACCEPTED = [
    Refusal("*", "invalid combination|must be Tensor|descriptor", "numbers may stand anywhere"),
    Refusal("flipud", "Input must be >= 1-d", "one element in reverse order is itself"),
    Refusal("max_pool1d", "optional 0 dim batch size", "an empty batch is none"),
    Refusal("narrow", "0-dim integral", "one element is a number, whatever its axes"),
]


def database() -> list[Any]:
    """PyTorch's operations that are here too, with their samples.

    Raises:
        ImportError: PyTorch is missing, or this version of it keeps them elsewhere.
    """
    try:
        importlib.import_module("expecttest")
    except ImportError:  # PyTorch's tests want it, its samples do not
        stand_in = types.ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase
        sys.modules["expecttest"] = stand_in
    where = "torch.testing._internal.common_methods_invocations"
    found = getattr(importlib.import_module(where), "op_db", None)
    if not found:
        raise ImportError(f"{where} has no op_db")
    torch.set_num_threads(1)  # beside other processes several take ten times as long
    return [
        op for op in found
        if ours(short(op)) and not any(fnmatch.fnmatch(full(op), pattern) for pattern in OTHERS)
    ]  # fmt: skip


def full(op: Any) -> str:
    return f"{op.name} {op.variant_test_name}".strip()


def short(op: Any) -> str:
    return op.name.rpartition(".")[2]


def ours(name: str) -> list[Callable]:
    """The function and the method of this name."""
    method = None if name in ("unfold", "where") else name  # which is another, or called otherwise
    found = [getattr(minigen.functional, name, None), method and getattr(Tensor, name, None)]
    if name == "T":
        found = [lambda x: x.T]
    return list(dict.fromkeys(f for f in found if f is not None))


class NotHere(Exception):
    """A dtype that NumPy or this engine does not have."""


def dtype_here(dtype: Any) -> np.dtype:
    if dtype.is_complex or dtype == torch.bfloat16:
        raise NotHere
    return torch.empty(0, dtype=dtype).numpy().dtype


class Call:
    """A call of PyTorch's function `name`, as it is here, taken down before it is computed.

    Attributes:
        args, kwargs: the arguments here.
        pairs: of each tensor among them PyTorch's, and the one here.
    """

    def __init__(self, name: str, args: tuple, kwargs: dict):
        self.name = name
        self.pairs: dict[int, tuple[Any, Tensor]] = {}
        self.args, self.kwargs = self._here(args), self._here(kwargs)

    def _here(self, x: Any) -> Any:
        if isinstance(x, dict):
            return {k: self._here(v) for k, v in x.items()}
        if isinstance(x, tuple | list):
            return (tuple if isinstance(x, tuple) else list)(self._here(v) for v in x)
        if isinstance(x, slice):
            return slice(*self._here((x.start, x.stop, x.step)))
        if isinstance(x, torch.dtype):
            return dtype_here(x)
        if isinstance(x, complex):
            raise NotHere
        if x in (torch.preserve_format, torch.contiguous_format, torch.strided) if isinstance(
            x, torch.layout | torch.memory_format) else False:  # fmt: skip
            return None
        if isinstance(x, torch.device | torch.layout | torch.memory_format):
            return str(x)
        if not isinstance(x, torch.Tensor):
            return x
        if id(x) not in self.pairs:
            dtype_here(x.dtype)
            if x.ndim > 64:
                raise NotHere
            # With the strides that it has there, in memory of its own.
            array = x.numpy(force=True)
            like = np.empty_like(array) if 0 in array.strides else array.copy("K")
            like[...] = array
            self.pairs[id(x)] = x, Tensor(like, requires_grad=x.requires_grad)
        return self.pairs[id(x)][1]


class Caught(TorchFunctionMode):
    """What PyTorch is called with: its samples go through wrappers, which change the order of
    arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_function__(self, f: Any, _: Any, args: tuple = (), kwargs: Any = None) -> Any:
        name = "T" if f == torch.Tensor.T.__get__ else getattr(f, "__name__", "")
        name = ALIASES.get(name, name)
        if ours(name) and "get_default_dtype" not in name:
            if self.calls and self.calls[-1].name == "clone":
                self.calls.pop()  # what is written to in place is a copy
            self.calls.append(Call(name, args, kwargs or {}))
        return f(*args, **(kwargs or {}))


def flat(y: Any) -> list[Any]:
    return [z for x in y for z in flat(x)] if isinstance(y, tuple | list) else [y]


def difference(what: str, a: Any, b: Any, values: bool = True) -> str | None:
    """How `a`, a tensor here, is not `b`, PyTorch's; None, "does not depend", is 0."""
    a, b = (x.numpy() if isinstance(x, Tensor) else x for x in (a, b))
    b = b.numpy(force=True) if isinstance(b, torch.Tensor) else b
    if a is None and b is None:
        return None
    a = np.asarray(np.zeros_like(b) if a is None else a)
    b = np.asarray(np.zeros_like(a) if b is None else b)
    if (a.shape, a.dtype) != (b.shape, b.dtype):
        return f"{what}: {a.dtype} {a.shape}, PyTorch {b.dtype} {b.shape}"
    if not (values and b.size):
        return None
    # Values are sums of up to some hundreds of terms, of the size of the largest number here. What
    # cancels in a derivative is larger, and not known: half of the digits are left for it.
    finite = np.abs(b[np.isfinite(b)].astype(float))
    eps = float(np.finfo(b.dtype).eps) if b.dtype.kind == "f" else 0.0
    error = eps**0.5 if "gradient" in what else 2.0**10 * eps
    size = max(1.0, finite.max(initial=0)) if error else 0.0
    near = np.isclose(a, b, rtol=error, atol=error * size, equal_nan=True)
    if near.all():
        return None
    at = tuple(int(i) for i in np.argwhere(~near)[0])
    return f"{what}: {a[at]} at {at}, PyTorch {b[at]}"


def attempts(op: Any, call: Call) -> Iterator[tuple[str, Callable]]:
    """The ways to make this call here."""
    for f in ours(call.name):
        yield "value", f
    if op.operator_variant is not None and not call.kwargs:
        yield "operator", op.operator_variant
    if in_place := getattr(Tensor, f"{call.name}_", None):
        yield "in place", lambda x, *args, **kwargs: in_place(x.detach().clone(), *args, **kwargs)


def check(op: Any, sample: Any, derive: bool) -> str | None:
    """What is wrong with this sample, or None.

    Raises:
        NotHere: a dtype that this engine does not have.
    """
    # Leaves of their own, that have the strides of the sample's.
    sample = sample.transform(
        lambda x: x.detach().requires_grad_(x.requires_grad) if isinstance(x, torch.Tensor) else x
    )
    with Caught() as caught:
        expected = flat(op.op(sample.input, *sample.args, **sample.kwargs))
    if len(caught.calls) != 1:
        return f"PyTorch is called {[c.name for c in caught.calls]}"
    (call,) = caught.calls
    for x in expected:
        dtype_here(x.dtype)
    exact = call.name not in RANDOM
    derive = derive and not call.name.endswith("_")  # what is written in place is not recorded
    outputs = None
    for what, f in attempts(op, call):
        if what == "in place" and difference("", call.args[0], expected[0], values=False):
            continue  # it broadcasts, or promotes
        with minigen.enable_grad() if derive and what != "in place" else minigen.no_grad():
            found = flat(f(*call.args, **call.kwargs))
        outputs = outputs or found
        if len(found) != len(expected):
            return f"{what}: {len(found)} results, PyTorch {len(expected)}"
        for y, z in zip(found, expected, strict=True):
            if wrong := difference(what, y, z, exact):
                return wrong
    for x, y in call.pairs.values():  # written to alike, or not at all
        if wrong := difference("argument afterwards", y, x):
            return wrong
    leaves = [(x, y) for x, y in call.pairs.values() if x.requires_grad]
    if not (derive and leaves and op.supports_autograd and exact):
        return None
    return wrong_gradients(op, outputs, expected, leaves)


def wrong_gradients(op: Any, outputs: list, expected: list, pairs: list) -> str | None:
    rng = np.random.default_rng(0)
    theirs, here = zip(*pairs, strict=True)
    keep = [i for i, z in enumerate(expected) if z.requires_grad]
    outputs, expected = ([ys[i] for i in keep] for ys in (outputs, expected))
    u, v = numbers(rng, expected), numbers(rng, theirs)
    found = derivatives(
        minigen.grad, outputs, list(here),
        [Tensor(a, requires_grad=True) for a in u], [Tensor(a) for a in v],
    )  # fmt: skip
    wanted = derivatives(
        torch.autograd.grad, expected, list(theirs),
        [torch.tensor(a).requires_grad_() for a in u], [torch.tensor(a) for a in v],
    )  # fmt: skip
    for i, (a, b) in enumerate(zip(found, wanted, strict=True)):
        if wrong := difference("gradient" if i < len(pairs) else "second gradient", a, b):
            return wrong
    return None


def samples(op: Any, dtype: str, derive: bool = False, reference: bool = False) -> Iterator[Any]:
    if getattr(torch, dtype) not in op.dtypes:
        return iter(())
    torch.manual_seed(0)
    # The methods without `_func` look through the whole stack for every sample.
    draw = (reference and op.reference_inputs_func) or op.sample_inputs_func
    return iter(draw(op, "cpu", getattr(torch, dtype), derive and op.supports_autograd))


def refused_by_pytorch(op: Any) -> Iterator[Any]:
    return iter(op.error_inputs_func(op, "cpu") if op.error_inputs_func else ())


def reason(table: list[Refusal], name: str, message: str) -> str | None:
    for entry in table:
        if fnmatch.fnmatch(name, entry.names) and re.search(entry.says, message):
            return entry.reason
    return None


def outcome(op: Any, sample: Any, derive: bool) -> tuple[str, str]:
    """ "right", "refused" or "wrong", and why."""
    if short(op) in ("sort", "argsort"):  # else equal elements may stand in any order
        given = dict(zip(("dim", "descending"), sample.args, strict=False))
        sample.args, sample.kwargs = (), {"stable": True, **given, **sample.kwargs}
    try:
        wrong = check(op, sample, derive)
    except NotHere:
        return "not here", ""
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
        if why := reason(REFUSED, short(op), str(error)):
            return "refused", why
    return ("wrong", wrong) if wrong else ("right", "")


def refusal(op: Any, wrong: Any) -> tuple[str, str]:
    """What becomes here of a call that PyTorch refuses."""
    sample, name = wrong.sample_input, short(op)
    with Caught() as caught:
        try:
            op.op(sample.input, *sample.args, **sample.kwargs)
        except NotHere:
            return "not here", ""
        except Exception as error:
            theirs = str(error).partition("\n")[0]
        else:
            return "not here", ""
    try:
        call = (caught.calls or [Call(name, (sample.input, *sample.args), sample.kwargs)])[0]
    except NotHere:
        return "not here", ""
    try:
        y = ours(call.name)[0](*call.args, **call.kwargs)
    except Exception as error:
        message = str(error)
        if "\n" in message or not re.match(r"\w+(\(.*\))?:|\w+ needs|\w+\(\) got", message):
            return "wrong", f"{type(error).__name__}: {message[:160]!r} for {theirs[:100]!r}"
        return "right", ""
    if why := reason(ACCEPTED, name, theirs):
        return "refused", why
    shape = getattr(y, "shape", "")
    return "wrong", f"gives {type(y).__name__} {shape} for {theirs!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--errors", action="store_true")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--dtypes", nargs="+", default=DTYPES, choices=DTYPES)
    parser.add_argument("--most", type=int, default=None, help="samples of an operation and dtype")
    flags = parser.parse_args()
    warnings.simplefilter("ignore")  # NumPy says where infinities meet
    total, reasons = collections.Counter(), collections.Counter()
    for op in database():
        if flags.names and short(op) not in flags.names:
            continue
        for dtype in ["errors"] if flags.errors else flags.dtypes:
            count, wrongs = collections.Counter(), collections.Counter()
            if flags.errors:
                found = (refusal(op, e) for e in refused_by_pytorch(op))
            else:
                derive = dtype == "float64"
                drawn = samples(op, dtype, derive and not flags.reference, flags.reference)
                found = (outcome(op, s, derive) for s in itertools.islice(drawn, flags.most))
            for verdict, why in found:
                count[verdict] += 1
                if verdict == "wrong":
                    wrongs[why.partition("\n")[0][:240]] += 1
                elif verdict == "refused":
                    reasons[f"{short(op)}: {why}"] += 1
            total += count
            if wrongs:
                tried = count["right"] + count["wrong"]
                print(f"{full(op):44}{dtype:8}{count['right']:6} of {tried}")
                for why, n in wrongs.most_common(12):
                    print(f"    {n} × {why}")
    print("\nrefused on purpose" if not flags.errors else "\naccepted on purpose")
    for why, n in sorted(reasons.items()):
        print(f"    {n:5} × {why}")
    print(f"\n{total['right']} of {total['right'] + total['wrong']} right")
    sys.exit(total["wrong"] > 0)


if __name__ == "__main__":
    main()
