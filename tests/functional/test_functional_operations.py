"""What holds for every operation of the table in tests/operations.py."""

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from operations import (
    LAYERS,
    OPERATIONS,
    TRUTH,
    WORST,
    Call,
    Entry,
    channels_last,
    derivatives,
    is_channels_last,
    numbers,
)

import minigen
from minigen import Tensor, gradcheck
from minigen.functional.compositions import ALIASES
from minigen.operation import Operation

CREATION = {"arange", "eye", "full", "ones", "rand", "randn", "tensor", "zeros"}
CREATION |= {"as_tensor", "bernoulli", "empty", "from_numpy", "linspace", "multinomial", "normal"}
CREATION |= {"randint", "randperm"}
LIKE = ("empty", "full", "ones", "rand", "randint", "randn", "zeros")
CREATION |= {f"{name}_like" for name in LIKE}
OTHER_VALUES = {"argmax", "argmin", "bitwise_and", "bitwise_not", "bitwise_or", "isfinite"}
OTHER_VALUES |= {"logical_not", "one_hot"}  # in test_functional_values.py
OTHER_VALUES |= {"allclose", "argsort", "bitwise_xor", "equal", "is_tensor", "nonzero", "numel"}
OTHER_VALUES |= {"argwhere", "bincount", "bucketize", "count_nonzero", "histc", "isclose", "isin"}
CREATION.add("logspace")
OTHER_VALUES |= {"is_floating_point", "searchsorted", "tril_indices", "triu_indices", "unique"}

torch = None
try:
    import torch
    import torch.nn.functional

    torch.set_num_threads(1)
except ImportError:
    pass

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")
every = pytest.mark.parametrize("entry", OPERATIONS, ids=lambda entry: entry.name)


def ours(entry: Entry) -> Any:
    return entry.on(minigen, Tensor)


def theirs(entry: Entry) -> Any:
    return entry.on(torch.nn.functional, torch, torch.Tensor)


def in_torch(array: np.ndarray) -> Any:
    return torch.from_numpy(np.array(array))


def run(call: Call, f: Any, dtype: Any = np.float64) -> tuple[list, list, list]:
    """Leaves, outputs and derivatives, as tensors."""
    call = call.map(lambda a, leaf: a.astype(dtype, order="K") if a.dtype.kind == "f" else a)
    leaves = [Tensor(a, requires_grad=True) for a in call.leaves()]
    outputs = call.of_leaves(f)(*leaves)
    rng = np.random.default_rng(0)
    u = [Tensor(a.astype(dtype), requires_grad=True) for a in numbers(rng, outputs)]
    v = [Tensor(a.astype(dtype)) for a in numbers(rng, leaves)]
    return leaves, outputs, derivatives(minigen.grad, outputs, leaves, u, v)


def test_the_table_has_every_operation():
    named = {entry.name.partition(" ")[0] for entry in OPERATIONS + TRUTH}
    offered = set(minigen.functional.__all__) - set(ALIASES)
    missing = offered - named - CREATION - OTHER_VALUES
    assert not missing, f"{missing}: write an Entry for each in tests/operations.py"
    assert offered - named >= CREATION | OTHER_VALUES
    with pytest.raises(AttributeError, match="unheard_of: .* `__all__` of its file"):
        ours(Entry("unheard_of", st.nothing()))


@pytest.mark.parametrize("entry", OPERATIONS + LAYERS, ids=lambda entry: entry.name)
def test_gradients_of_both_orders(entry):
    @given(entry.draw)
    def check(call):
        assert gradcheck(call.of_leaves(ours(entry)), call.leaves(), order=2, rtol=WORST)

    check()


@needs_torch
@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, of what is slow or will change
@pytest.mark.parametrize("entry", [e for e in OPERATIONS if e.torch], ids=lambda e: e.name)
def test_equal_to_pytorch(entry):
    @given(entry.draw)
    def check(call):
        _, outputs, found = run(call, ours(entry))
        leaves = [in_torch(a).requires_grad_() for a in call.leaves()]
        expected = call.of_leaves(theirs(entry), in_torch)(*leaves)
        rng = np.random.default_rng(0)
        u = [in_torch(a).requires_grad_() for a in numbers(rng, expected)]
        v = [in_torch(a) for a in numbers(rng, leaves)]
        try:
            wanted = derivatives(torch.autograd.grad, expected, leaves, u, v)
        except RuntimeError as error:  # PyTorch refuses a gradient of its own for a few weights
            assume("grad_weight must be contiguous" not in str(error))
            raise
        for a, b in zip([*outputs, *found], [*expected, *wanted], strict=True):
            close(a, b)

    check()


def close(a: Tensor | None, b: Any) -> None:
    """Equal; None, "does not depend", is 0."""
    a, b = None if a is None else a.numpy(), None if b is None else b.numpy(force=True)
    if a is None and b is None:
        return
    a, b = np.zeros(b.shape) if a is None else a, np.zeros(a.shape) if b is None else b
    assert (a.shape, a.dtype) == (b.shape, b.dtype)
    np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)


@every
def test_float32_stays_and_inputs_are_not_changed(entry):
    @given(entry.draw)
    def check(call):
        before = [a.copy() for a in call.leaves()]
        leaves, outputs, found = run(call, ours(entry), np.float32)
        for x in [*leaves, *outputs, *found]:
            assert x is None or x.dtype == np.float32 or x.dtype.kind in "ib"
            assert x is None or type(x.array) is np.ndarray
        for a, x, b in zip(call.leaves(), leaves, before, strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(x.numpy(), b.astype(np.float32))

    check()


def of_several(name: str) -> bool:
    """Whether a function is an operation on each element of several inputs."""
    op = getattr(getattr(minigen, name), "operation", None)  # or a module's import of that name
    return isinstance(op, Operation) and op.elementwise and len(op.inputs) > 1


@pytest.mark.parametrize("name", [name for name in dir(minigen) if of_several(name)])
@pytest.mark.parametrize("number", [0.5, 2, True])
def test_a_number_beside_a_tensor_has_no_say_in_the_dtype(name, number):
    for dtype in (np.float16, np.float32, np.float64):
        x = Tensor(np.array([0.25, 0.5], dtype))
        assert getattr(minigen, name)(x, number).dtype == dtype
        assert getattr(minigen, name)(number, x).dtype == dtype


@every
def test_integers_are_no_way_to_float64(entry):
    @given(entry.draw)
    def check(call):
        tensors = [Tensor(np.ceil(np.abs(a)).astype(int)) for a in call.leaves()]
        constant = lambda a: Tensor(a.astype(np.float32) if a.dtype.kind == "f" else a)
        try:
            outputs = call.of_leaves(ours(entry), constant)(*tensors)
        except (TypeError, ValueError):
            return
        assert all(y.dtype in (np.float32, np.int64, np.bool_) for y in outputs)

    check()


@pytest.mark.parametrize(
    "entry", [e for e in OPERATIONS if e.each or e.image], ids=lambda e: e.name
)
def test_images_stay_channels_last_in_memory(entry):
    """Values and gradients alike."""

    @given(entry.draw)
    def check(call):
        if entry.each:  # any shape will do: take an image of the same numbers
            call = call.map(lambda a, _: channels_last(np.resize(a, (2, 3, 4, 5))))
        else:
            assume(call.args[0].ndim == 4)
            call = call.map(lambda a, _: channels_last(a) if a.ndim == 4 else a)
        leaves = [Tensor(a, requires_grad=True) for a in call.leaves()]
        (y,) = call.of_leaves(ours(entry))(*leaves)
        assert is_channels_last(y)
        count = len(leaves) if entry.each else 1
        g = minigen.grad(y, leaves[:count], Tensor(channels_last(np.ones(y.shape))))
        assert all(is_channels_last(x) for x in g)

    check()


@needs_torch
@pytest.mark.parametrize("entry", TRUTH, ids=lambda entry: entry.name)
def test_truth_values_equal_pytorchs(entry):
    @given(entry.draw, st.booleans())
    def check(call, rounded):
        if rounded:  # so that some are equal
            call = call.map(lambda a, _: np.asarray(np.round(a)))
        (y,) = call.of_leaves(ours(entry))(*[Tensor(a) for a in call.leaves()])
        (expected,) = call.of_leaves(theirs(entry))(*[in_torch(a) for a in call.leaves()])
        close(y, expected)

    check()


@pytest.mark.parametrize("name", sorted(set(minigen.functional.__all__)))
def test_every_function_says_what_it_does(name):
    assert inspect.getdoc(getattr(minigen.functional, name))
