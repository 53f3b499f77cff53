"""The examples in PyTorch's own documentation, run with PyTorch and with minigen.

They are read from the docstrings of the installed PyTorch; what it says of the results is not used,
but each statement is run on both sides, in float64 and with the same random numbers, and what it
gives and assigns must be equal.

    python tests/test_pytorch_examples.py

says how many statements were compared, and why the others were not.
"""

from __future__ import annotations

import collections
import doctest
import inspect
import io
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import minigen
from minigen import Tensor

torch = pytest.importorskip("torch")
torch.set_num_threads(1)

DRAWS = "zeroes at random, by numbers of its own"
DEFAULT = "depends on the default dtype, which minigen does not let one set"

# By the name of what is documented: parts of statements, and why minigen is not to run them.
LEFT_OUT: dict[str, dict[str, str]] = {
    "Tensor.to": {"torch.device": "torch.device, which minigen does not have"},
    "Tensor.view": {"x.view(torch.": "a view as another dtype, which minigen does not have"},
    "nn.Dropout": {"m(input)": DRAWS},
    "nn.Dropout2d": {"m(input)": DRAWS},
    "nn.init.trunc_normal_": {"trunc_normal_": "draws by a way of its own"},
    "torch.einsum": {"[..., 0, 1]": "axes by numbers, which minigen does not have"},
    "Tensor.fill_diagonal_": {"wrap": "a diagonal that goes on below, which minigen does not have"},
    "lr_scheduler.OneCycleLR": {"data_loader": "loads data that are not there"},
    "lr_scheduler.SequentialLR": {"scheduler": "a second one begins from the first one's rate"},
    "torch.is_floating_point": {"complex64": "complex numbers, which minigen does not have"},
    "torch.nanmean": {"torch.nan": "torch.nan, which minigen does not have"},
    "torch.equal": {"torch.nan": "torch.nan, which minigen does not have"},
    "torch.fmod": {"-1.5": DEFAULT},
    "torch.logspace": {"torch.logspace": DEFAULT},
    "torch.meshgrid": {"dstack": "torch.dstack, which minigen does not have"},
    "torch.remainder": {"-1.5": DEFAULT},
    "torch.result_type": {"1.0)": DEFAULT},
    "torch.save": {"torch.save": "only named files, in formats that PyTorch's are not"},
    "torch.sort": {"x.sort()": "equals, which minigen leaves in their order and PyTorch does not"},
    "torch.where": {"1.0, 0.0": DEFAULT},
}  # fmt: skip

# Nothing but numbers of their own, or none.
DRAWN = {
    "F.gumbel_softmax",
    "Tensor.new_empty",
    "torch.bernoulli",
    "torch.multinomial",
    "torch.normal",
    "torch.randperm",
}

# Names that examples use and do not define. Weights are made equal after each of these parts.
PREAMBLE = (
    """
model, loss_fn = nn.Linear(3, 2), nn.MSELoss()
""",
    """
input, target = torch.randn(5, 3), torch.randn(5, 2)
weight, bias = [model.weight], [model.bias]
groups = [{"params": weight}, {"params": bias, "lr": 0.2}]
optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.5)
opt = torch.optim.SGD([model.weight], lr=0.1)
def train(*_):
    optimizer.zero_grad()
    loss_fn(model(input), target).backward()
    optimizer.step()
def validate(*_):
    pass
def preprocess(x):
    return x * 2
""",
)

DTYPES = {"float": "float64", "float32": "float64", "double": "float64", "long": "int64",
          "int": "int32"}  # fmt: skip


class Library:
    """A module in which some names mean something else."""

    def __init__(self, module: Any, **other: Any):
        self._module = module
        vars(self).update(other)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def documented() -> Iterator[tuple[str, str]]:
    """Names that both libraries have, and PyTorch's docstrings, each once."""
    nn, optim = minigen.nn, minigen.optim
    places = [
        ("torch", minigen, torch),
        ("F", minigen.functional, torch.nn.functional),
        ("Tensor", Tensor, torch.Tensor),
        ("nn", nn, torch.nn),
        ("nn.init", nn.init, torch.nn.init),
        ("nn.utils", nn.utils, torch.nn.utils),
        ("optim", optim, torch.optim),
        ("lr_scheduler", optim.lr_scheduler, torch.optim.lr_scheduler),
    ]
    seen = set()
    for place, ours, theirs in places:
        for name in sorted(set(getattr(ours, "__all__", dir(ours))) & set(dir(theirs))):
            hidden = name.startswith("_") or f"{place}.{name}" in DRAWN
            text = "" if hidden else inspect.getdoc(getattr(theirs, name)) or ""
            if ">>>" in text and text not in seen and not inspect.ismodule(getattr(theirs, name)):
                seen.add(text)
                yield f"{place}.{name}", text


def statements(text: str) -> list[str]:
    """The statements of a docstring's examples, without imports."""
    found: list[str] = []
    for example in doctest.DocTestParser().get_examples(text):
        source = example.source
        if source.startswith("import "):
            continue
        if found and (source[0].isspace() or source.startswith(")")):
            found[-1] += source  # some give the prompt, and not "...", to what goes on
        else:
            found.append(source)
    return found


class Stream:
    """Where the random numbers of both sides come from: begun anew for each statement."""

    def begin(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def normal(self, shape: Any) -> np.ndarray:
        return self.rng.standard_normal(tuple(shape))

    def uniform(self, shape: Any) -> np.ndarray:
        return self.rng.random(tuple(shape))

    def integers(self, shape: Any, low: int, high: int | None = None) -> np.ndarray:
        low, high = (0, low) if high is None else (low, high)
        return self.rng.integers(low, high, tuple(shape))


def sizes(size: tuple) -> tuple:
    return tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size


def factories(stream: Stream, tensor: Callable) -> dict[str, Callable]:
    """Random tensors and the like, made by NumPy, with PyTorch's arguments."""

    def floating(draw: Callable) -> Callable:
        return lambda *size, **options: tensor(draw(sizes(size)), **options)

    def randint(low: int, high: Any, size: Any = None, **options: Any) -> Any:
        low, high, size = (0, low, high) if size is None else (low, high, size)
        return tensor(stream.integers(size, low, high), **options)

    return {
        "randn": floating(stream.normal),
        "rand": floating(stream.uniform),
        "empty": floating(stream.uniform),
        "randint": randint,
        "linspace": lambda low, high, steps: tensor(np.linspace(low, high, steps)),
    }


def of_torch(stream: Stream, patch: pytest.MonkeyPatch) -> Library:
    """PyTorch, with the stream's random numbers."""
    named = {name: getattr(torch, dtype) for name, dtype in DTYPES.items()}

    def filled(draw: Callable) -> Callable:
        def fill(self: Any, *args: Any, generator: None = None) -> Any:
            with torch.no_grad():
                return self.copy_(torch.as_tensor(draw(tuple(self.shape), *args)))

        return fill

    patch.setattr(torch.Tensor, "random_", filled(stream.integers))
    patch.setattr(torch.Tensor, "normal_", filled(
        lambda shape, mean=0, std=1: mean + std * stream.normal(shape)))  # fmt: skip
    patch.setattr(torch.Tensor, "uniform_", filled(
        lambda shape, low=0, high=1: low + (high - low) * stream.uniform(shape)))  # fmt: skip
    return Library(torch, **named, **factories(stream, torch.tensor))


def of_minigen(stream: Stream, patch: pytest.MonkeyPatch) -> Library:
    """minigen under the name of PyTorch, in float64, with the stream's random numbers."""

    def in_float64(factory: Callable) -> Callable:
        def make(*args: Any, dtype: Any = None, **options: Any) -> Any:
            if dtype is None and factory(*args).dtype.kind == "f":
                dtype = np.float64
            return factory(*args, dtype=dtype, **options)

        return make

    def random_(self: Tensor, *ends: int) -> Tensor:
        return self.copy_(Tensor(stream.integers(self.shape, *ends)))

    patch.setattr(Tensor, "random_", random_, raising=False)
    for name in ("normal", "uniform"):
        draw = getattr(stream, name)
        patch.setattr(minigen.Generator, name, lambda self, shape, dtype, device="cpu", draw=draw:
                      draw(shape).astype(dtype))  # fmt: skip
    tensor = in_float64(minigen.tensor)
    made = {name: in_float64(getattr(minigen, name))
            for name in ("zeros", "ones", "full", "arange", "eye")}  # fmt: skip
    named = {name: np.dtype(dtype) for name, dtype in DTYPES.items()}
    return Library(
        minigen, **named, **made, **factories(stream, tensor),
        tensor=tensor, LongTensor=tensor, int8=np.dtype("int8"), int16=np.dtype("int16"),
        Size=tuple, nn=Library(minigen.nn, functional=minigen.functional),
    )  # fmt: skip


def names(library: Any) -> dict[str, Any]:
    """What an example finds defined."""
    nn, scheduler = library.nn, library.optim.lr_scheduler
    brought = {
        n: getattr(scheduler, n) for n in dir(minigen.optim.lr_scheduler) if n.endswith("LR")
    }
    return {
        **brought, "torch": library, "nn": nn, "F": nn.functional, "math": math, "io": io,
        "np": np, "spectral_norm": nn.utils.spectral_norm, "print": lambda *values: values,
    }  # fmt: skip


def execute(source: str, names: dict[str, Any]) -> Any:
    """The value of an expression; None if it is another statement."""
    try:
        code = compile(source, "<example>", "eval")
    except SyntaxError:
        return exec(compile(source, "<example>", "exec"), names)
    return eval(code, names)


def outcome(source: str, names: dict[str, Any]) -> tuple[Any, Exception | None]:
    try:
        return execute(source, names), None
    except Exception as error:
        return None, error


def array(x: Any) -> np.ndarray:
    return x.numpy(force=True) if isinstance(x, torch.Tensor) else x.numpy()


def compare(ours: Any, theirs: Any) -> int:
    """How many values were compared; a difference is an AssertionError."""
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, Tensor), f"PyTorch has a tensor, minigen {ours!r}"
        a, b = array(ours), array(theirs)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)
        assert ours.requires_grad == theirs.requires_grad
        if theirs.is_leaf and theirs.grad is not None:
            compare(ours.grad, theirs.grad)
        return 1
    if isinstance(theirs, torch.nn.Module):
        state = theirs.state_dict()
        assert ours.state_dict().keys() == state.keys()
        pairs = [(ours.state_dict()[name], value) for name, value in state.items()]
        grads = ([p.grad for p in module.parameters()] for module in (ours, theirs))
        pairs += zip(*grads, strict=True)
        return sum(compare(a, b) for a, b in pairs)
    if isinstance(theirs, torch.optim.Optimizer):
        return compare(*([group["lr"] for group in o.param_groups] for o in (ours, theirs)))
    if isinstance(theirs, torch.optim.lr_scheduler.LRScheduler):
        return compare(ours.get_last_lr(), theirs.get_last_lr())
    if isinstance(theirs, tuple | list):
        assert isinstance(ours, tuple | list) and len(ours) == len(theirs)
        return sum(compare(a, b) for a, b in zip(ours, theirs, strict=True))
    if isinstance(theirs, torch.dtype):
        assert f"torch.{np.dtype(ours)}" == str(theirs)
        return 1
    if isinstance(theirs, bool | int | float):
        assert type(ours) is type(theirs)
        assert ours == pytest.approx(theirs, rel=1e-8, abs=1e-8)
        return 1
    assert theirs is not None or ours is None
    return 0


def copy_weights(ours: Any, theirs: torch.nn.Module) -> None:
    ours.to(np.float64)
    ours.load_state_dict({name: array(value) for name, value in theirs.state_dict().items()})


class Examples:
    """One docstring's, run. `compared` counts values, `left` the reasons of what was not run."""

    def __init__(self, label: str, text: str, left_out: dict[str, str]):
        self.compared, self.ran = 0, 0
        self.left: collections.Counter[str] = collections.Counter()
        stream = Stream()
        default = torch.get_default_dtype()
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.set_default_dtype(torch.float64)
            try:
                libraries = of_minigen(stream, patch), of_torch(stream, patch)
                self.stream, self.sides = stream, [names(library) for library in libraries]
                if label.startswith(("optim", "lr_scheduler", "Tensor.requires_grad_")):
                    for source in PREAMBLE:
                        self.step(source)
                    self.compared = self.ran = 0
                for number, source in enumerate(statements(text)):
                    why = next((why for part, why in left_out.items() if part in source), None)
                    if why is None:
                        self.step(source, number)
                    else:
                        self.left[why] += 1
                self.compared += self.compare_names(self.sides[0].keys() & self.sides[1].keys())
            finally:
                torch.set_default_dtype(default)
                for library in minigen, torch:
                    library.set_grad_enabled(True)

    def step(self, source: str, seed: int = 0) -> None:
        """Run a statement on both sides, and compare what it gives and assigns."""
        before = dict(self.sides[1])
        results = []
        for side in self.sides:
            self.stream.begin(seed)
            value, error = outcome(source, side)
            if isinstance(error, NotImplementedError) and not results:
                self.left[f"minigen refuses: {error}"] += 1
                return
            results.append((value, error))
        (ours, our_error), (theirs, their_error) = results
        if their_error is not None:
            undefined = isinstance(their_error, NameError)
            self.left["a name that is not defined" if undefined else "PyTorch fails too"] += 1
            return
        if our_error is not None:
            raise AssertionError(f"minigen fails: {source}") from our_error
        changed = {n for n, value in self.sides[1].items() if before.get(n) is not value}
        for name in changed:
            if isinstance(self.sides[1][name], torch.nn.Module):
                copy_weights(self.sides[0][name], self.sides[1][name])
        try:
            self.compared += compare(ours, theirs) + self.compare_names(changed)
        except AssertionError as error:
            raise AssertionError(f"{source}{error}") from error
        self.ran += 1

    def compare_names(self, names: Any) -> int:
        names = [name for name in names if not name.startswith("__")]
        return sum(compare(*(side[name] for side in self.sides)) for name in names)


DOCUMENTED = dict(documented())


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    """Examples that save write here."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("label", DOCUMENTED)
def test_examples_give_what_pytorch_gives(label):
    examples = Examples(label, DOCUMENTED[label], LEFT_OUT.get(label, {}))
    if not examples.ran:
        pytest.skip(", ".join(examples.left))
    assert examples.compared, "nothing was compared"


@pytest.mark.parametrize("label", LEFT_OUT)
def test_what_is_left_out_must_be(label):
    if label not in DOCUMENTED:
        pytest.skip("this PyTorch has no such example")
    for part in LEFT_OUT[label]:
        others = {p: why for p, why in LEFT_OUT[label].items() if p != part}
        with pytest.raises(AssertionError):
            Examples(label, DOCUMENTED[label], others)


def test_the_documentation_was_found():
    assert len(DOCUMENTED) > 100


def main() -> None:
    ran, left = 0, collections.Counter()
    docs = collections.Counter()
    os.chdir(tempfile.mkdtemp())
    for label, text in DOCUMENTED.items():
        try:
            examples = Examples(label, text, LEFT_OUT.get(label, {}))
        except Exception as error:
            docs["failed"] += 1
            print(f"{label}: {error}"[:1200], "<-", repr(error.__cause__)[:300], "\n")
            continue
        docs["compared" if examples.compared else "skipped"] += 1
        ran += examples.ran
        left += examples.left
        for why, count in examples.left.items():
            print(f"{label}: {count} left out: {why}")
    print(dict(docs), f"{ran} statements compared; not run:")
    for why, count in left.most_common():
        print(f"{count:6}  {why}")


if __name__ == "__main__":
    main()
