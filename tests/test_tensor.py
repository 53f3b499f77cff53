"""The tape: what is recorded, kept, freed and refused; and the tensor itself."""

import asyncio
import copy
import gc
import inspect
import operator
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import Tensor, enable_grad, grad, increment_version, is_grad_enabled, no_grad
from minigen.tape import Node
from minigen.testing import tensors


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def array_of(tensor):
    """A weak reference to a tensor's array."""
    return weakref.ref(tensor.array)


@minigen.operation(input=lambda g: 2 * g)
def double(input):
    return 2 * input


# Depth and memory


@pytest.mark.parametrize("step", [lambda y: y + 1, lambda y: y * 1.0001], ids=["add", "mul"])
def test_a_graph_20000_deep(step):
    """Walked, differentiated again and let go without recursion."""
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = step(y)
    (first,) = grad(y * y, x, create_graph=True)
    first.backward()
    expected = grad(step(x) - x, x)[0].item() + 1  # the derivative of one step
    assert x.grad.item() == pytest.approx(2 * expected**40_000)
    del y, first


def test_a_chain_of_additions_keeps_no_array():
    x = leaf(*range(100))
    y, arrays = x, []
    for _ in range(50):
        y = y + x - 1.0
        arrays.append(array_of(y))
    assert [a() is not None for a in arrays] == [False] * 49 + [True]


KEPT = {  # operation: whether it keeps its input, its output
    "exp": (minigen.exp, False, True),
    "sigmoid": (minigen.sigmoid, False, True),
    "tanh": (minigen.tanh, False, True),
    "relu": (minigen.relu, False, True),
    "sqrt": (minigen.sqrt, False, True),
    "softmax": (lambda h: minigen.softmax(h, 0), False, True),
    "log": (minigen.log, True, False),
    "mul by itself": (lambda h: h * h, True, False),
    "mul by a number": (lambda h: h * 3.0, False, False),
    "div by a number": (lambda h: h / 3, False, False),
    "sum": (lambda h: h.sum(0, keepdim=True), False, False),
    "cat": (lambda h: minigen.cat([h, h]), False, False),
    "index": (lambda h: h[[0, 0, 1]], False, False),
    "clone": (minigen.clone, False, False),
    "dropout": (minigen.dropout, False, False),
    "linear": (lambda h: minigen.linear(h, Tensor(np.ones((2, 3)))), False, False),
}


@pytest.mark.parametrize("name", KEPT)
def test_a_node_keeps_what_its_pullback_names_and_nothing_else(name):
    f, keeps_input, keeps_output = KEPT[name]
    h = leaf(1.0, 2.0, 3.0) + 0
    y = f(h)
    z = y + 0
    given_, result = array_of(h), array_of(y)
    del h, y
    assert (given_() is not None, result() is not None) == (keeps_input, keeps_output)
    assert z.requires_grad


def test_what_is_kept_is_freed_during_the_walk_unless_retained():
    alive = []

    @minigen.operation(input=lambda g: (alive.append(last() is not None), g)[1])
    def watch(input):
        return input + 0

    x = leaf(1.0, 2.0)
    y = watch(x).exp()
    last = array_of(y)
    z = y.sum()
    del y
    z.backward(retain_graph=True)
    z.backward()
    assert alive == [True, False]
    assert last() is None


def test_a_second_backward_needs_a_retained_graph_and_says_whose():
    x = leaf(1.0, 2.0)
    y = x.exp().sum()
    y.backward()
    with pytest.raises(RuntimeError, match=r"exp: .*retain_graph=True"):
        y.backward()
    with pytest.raises(RuntimeError, match="exp: .*freed"):
        grad(y, x)


def network(x, w):
    """A bit of everything."""
    image = minigen.conv2d(x.reshape(2, 1, 4, 4), w.reshape(1, 1, 2, 2), padding=1)
    image = minigen.batch_norm(image, None, None, training=True).relu()
    image = minigen.dropout(minigen.max_pool2d(image, 2), 0.1)
    parts = minigen.cat([image.flatten(1), image[:, 0, [0, 0]].flatten(1)], 1)
    return minigen.cross_entropy(parts, Tensor([0, 1])) + (x @ x.T).tanh().mean()


@pytest.mark.parametrize("create_graph", [None, False, True], ids=["forward", "first", "second"])
def test_reference_counts_alone_free_a_graph(create_graph):
    rng = np.random.default_rng(0)
    x, w = (Tensor(rng.standard_normal(s), requires_grad=True) for s in ((2, 16), (4,)))

    def nodes():
        return sum(issubclass(type(o), Node) for o in gc.get_objects())

    def run():
        loss = network(x, w)
        if create_graph is None:
            return
        loss.backward(create_graph=create_graph)
        if create_graph:
            (x.grad * x.grad).sum().backward()
        x.grad = w.grad = None

    gc.collect()
    gc.disable()
    try:
        before = nodes()
        run()
        assert nodes() == before
        y = network(x, w)  # something that would not be freed is counted
        assert nodes() > before
        del y
    finally:
        gc.enable()


def test_a_graph_keeps_no_tensor_alive_and_a_lost_leaf_gets_no_gradient():
    x = leaf(1.0, 2.0)
    tensor, y = weakref.ref(x), (x + x).sum()
    del x
    assert tensor() is None
    y.backward()


# Changes in place

CHANGES = {
    "copy_": lambda t: t.copy_(np.ones(t.shape)),
    "fill_": lambda t: t.fill_(1),
    "zero_": lambda t: t.zero_(),
    "add_": lambda t: t.add_(1),
    "sub_": lambda t: t.sub_(t),
    "mul_": lambda t: t.mul_(2.0),
    "div_": lambda t: t.div_(2),
    "normal_": lambda t: t.normal_(),
    "uniform_": lambda t: t.uniform_(),
    "+=": lambda t: operator.iadd(t, 1),
    "-=": lambda t: operator.isub(t, 1),
    "*=": lambda t: operator.imul(t, 2),
    "/=": lambda t: operator.itruediv(t, 2),
    "[]=": lambda t: operator.setitem(t, (0, ...), 5.0),
    "optimiser": lambda t: (np.add(t.array, 1, out=t.array), increment_version(t)),
}
VIEWS = {
    "itself": lambda t: t,
    "detach": lambda t: t.detach(),
    "Tensor": Tensor,
    "reshape": lambda t: t.reshape(-1),
    "permute": lambda t: t.permute(1, 0),
    "T": lambda t: t.T,
    "slice": lambda t: t[1:, ::2],
    "integer": lambda t: t[1],
    "one element": lambda t: t[1, 2],
    "None": lambda t: t[None],
    "iterated": lambda t: list(t)[0],
    "expand": lambda t: t.expand(4, 2, 3),
    "squeeze": lambda t: t.unsqueeze(0).squeeze(0),
    "contiguous": lambda t: t.contiguous(),
    "to": lambda t: t.to(np.float64),
    "view of a view": lambda t: t.reshape(3, 2)[1:].T,
}
COPIES = {
    "clone": lambda t: t.clone(),
    "list": lambda t: t[[0, 1]],
    "mask": lambda t: t[t == t],
    "reshape that copies": lambda t: t.T.reshape(-1),
    "contiguous": lambda t: t.T.contiguous(),
    "to": lambda t: t.to(np.float32),
    "deepcopy": copy.deepcopy,
}


def six():
    return Tensor(np.arange(1.0, 7.0).reshape(2, 3))


@pytest.mark.engine
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_what_a_pullback_needs_is_noticed(change):
    x, w = six().requires_grad_(), six()
    y = (x * w).sum()
    CHANGES[change](w)
    with pytest.raises(RuntimeError, match=r"mul: other float64 \(2, 3\).*changed in place"):
        y.backward()
    (x * w).sum().backward()  # and then all is well again
    np.testing.assert_array_equal(x.grad.array, w.array)


@pytest.mark.engine
@pytest.mark.parametrize("view", VIEWS)
def test_a_change_through_a_view_is_noticed_and_one_through_the_base_too(view):
    w = six()
    v = VIEWS[view](w)
    x = six().requires_grad_()
    y = (x * w).sum()
    z = (v * leaf(1.0)).sum()
    (v if v.array.flags.writeable else w).fill_(7)
    for changed in (y, z):
        with pytest.raises(RuntimeError, match="mul: .* changed in place"):
            changed.backward()
    v = VIEWS[view](w)
    z = (v * leaf(1.0)).sum()
    w.add_(1)
    with pytest.raises(RuntimeError, match="mul: .* changed in place"):
        z.backward()


@pytest.mark.parametrize("name", COPIES)
def test_a_change_of_a_copy_is_no_change(name):
    w, x = six(), six().requires_grad_()
    made = COPIES[name](w)
    y = (x * w).sum()
    made.zero_()
    y.backward()
    np.testing.assert_array_equal(x.grad.array, w.array)


@pytest.mark.engine
def test_a_changed_output_is_noticed_and_named():
    y = leaf(1.0, 2.0).exp()
    y.detach().zero_()
    with pytest.raises(RuntimeError, match=r"exp: y float64 \(2,\).*clone\(\) it before"):
        y.sum().backward()


@pytest.mark.engine
def test_a_changed_index_is_noticed_or_not_needed():
    x, index = leaf(1.0, 2.0, 3.0), Tensor([0, 1])
    y, z = x[index].sum(), x.gather(0, index).sum()
    index.add_(1)
    assert grad(y, x)[0].array.tolist() == [1, 1, 0]
    with pytest.raises(RuntimeError, match="gather: index int64"):
        grad(z, x)


@pytest.mark.engine
def test_a_change_between_the_first_and_the_second_derivative_is_noticed():
    x, u, w = six().requires_grad_(), six().requires_grad_(), six()
    (g,) = grad(x * w, x, u, create_graph=True)  # u·w, whose own pullback needs w
    w.add_(1)
    with pytest.raises(RuntimeError, match="mul: .* changed in place"):
        g.sum().backward()


def test_what_no_pullback_needs_may_change():
    x, w = leaf(1.0, 2.0), six()[0, :2]
    y = (x + w).sum()
    w.zero_()
    y.backward()
    assert x.grad.array.tolist() == [1, 1]


@pytest.mark.parametrize("change", sorted(CHANGES.keys() - {"optimiser"}))
def test_a_leaf_that_requires_a_gradient_is_changed_without_recording_alone(change):
    x = six().requires_grad_()
    before = x.array.copy()
    with pytest.raises(RuntimeError, match=r"a leaf.*no_grad"):
        CHANGES[change](x)
    np.testing.assert_array_equal(x.array, before)
    with no_grad():
        CHANGES[change](x)
    assert x.is_leaf and x.requires_grad and (x.array != before).any()


def test_in_place_results():
    t = six()
    array = t.array
    t.add_(1).sub_(six()).mul_(4).div_(2).copy_(t.array * 2)
    t += 1
    t[0] = Tensor([7.0, 8.0, 9.0])
    t[1, [0, 2]] = -1
    assert t.array is array
    assert array.tolist() == [[7, 8, 9], [-1, 5, -1]]


# Where gradients go


def test_gradients_alias_neither_each_other_nor_the_covector():
    a, b, u = leaf(1.0, 2.0), leaf(3.0, 4.0), Tensor(np.ones(2))
    (a + b.reshape(2)).backward(u)
    arrays = [a.grad.array, b.grad.array, u.array]
    for i, x in enumerate(arrays):
        assert not any(np.shares_memory(x, y) for y in arrays[:i])
    a.grad.zero_()
    assert b.grad.array.tolist() == u.array.tolist() == [1, 1]
    x = leaf(1.0, 2.0)
    x.sum().backward()
    assert x.grad.array.flags.writeable and x.grad.array.flags.owndata


def test_grad_holds_no_graph_unless_asked():
    x, u = leaf(1.0, 2.0), leaf(1.0, 1.0)
    h = x.exp()
    array, z = array_of(h), h * x
    del h
    z.backward(u)
    assert not x.grad.requires_grad
    del z
    assert array() is None
    x.grad = None
    (x * x).backward(u, create_graph=True)
    assert x.grad.requires_grad
    x.grad.sum().backward()
    assert x.grad.array.tolist() == [2 + 2, 4 + 2]
    assert u.grad.array.tolist() == [2, 4]


def test_gradients_add_up_over_calls_and_paths():
    x = leaf(1.0, 2.0)
    y = x * x
    (y + y * x).sum().backward(retain_graph=True)
    once = x.grad.array.copy()
    np.testing.assert_allclose(once, 2 * x.array + 3 * x.array**2)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.array, once + 2 * x.array)


def test_grad_of_any_tensor_of_the_graph():
    x = leaf(2.0)
    h = x * x
    y = h.exp() + h * x
    found = grad(y, [h, x, y, h])
    e = np.exp(4.0)
    np.testing.assert_allclose([g.item() for g in found], [e + 2, 4 * e + 12, 1, e + 2])
    assert x.grad is h.grad is y.grad is None


def test_grad_of_several_outputs():
    x, u = leaf(1.0, 2.0), Tensor(np.array([10.0, 1.0]))
    (g,) = grad([x * x, x.sum()], x, [u, None])
    assert g.array.tolist() == [21, 5]
    (g,) = grad([x.sum(), (3 * x).sum()], x)
    assert g.array.tolist() == [4, 4]


def test_grad_of_what_is_not_used():
    x, unused = leaf(1.0), leaf(1.0)
    y = x * 2
    with pytest.raises(RuntimeError, match=r"inputs\[1\].*allow_unused"):
        grad(y, [x, unused])
    zero = grad(x * 2, [x, unused], materialize_grads=True)[1]
    assert (zero.shape, zero.dtype, zero.numpy().any()) == (unused.shape, unused.dtype, False)
    first, second = grad(x * 2, [x, unused], allow_unused=True)
    assert first.item() == 2
    assert second is None


def test_grad_visits_only_what_leads_to_its_inputs():
    visited = []

    @minigen.operation(input=lambda g: (visited.append(1), g)[1])
    def visit(input):
        return input + 0

    @minigen.operation(input=lambda g: g, other=lambda g: (visited.append(2), g)[1])
    def join(input, other):
        return input + other

    x, other = leaf(1.0), leaf(1.0)
    grad(join(x * 2, visit(other)), x)
    join(x * 2, visit(other)).backward(inputs=x)
    assert not visited
    join(x * 2, visit(other)).backward()
    assert visited == [2, 1]


def test_backward_into_chosen_tensors():
    x, weight = leaf(1.0, 2.0), leaf(3.0, 4.0)
    h = x * weight
    h.sum().backward(inputs=[x], retain_graph=True)
    assert x.grad.array.tolist() == [3, 4]
    assert weight.grad is None  # as the critic's weights in the generator's step
    (h * h).sum().backward(inputs=h)
    assert h.grad.array.tolist() == [6, 16]
    assert weight.grad is None


def test_a_frozen_leaf_gets_no_gradient():
    x, w = leaf(1.0), leaf(2.0)
    before = x * w
    w.requires_grad_(False)
    (before + x * w).backward()
    assert x.grad.item() == 4
    assert w.grad is None


def test_infinite_values_have_finite_gradients():
    with np.errstate(divide="ignore", invalid="ignore"):
        x = leaf(0.0, 1.0)
        x.log().sum().backward()  # the sum is -inf
        assert x.grad.array.tolist() == [np.inf, 1]


def test_errors_of_backward_and_grad():
    x = leaf(1.0, 2.0)
    y = x * 2
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        Tensor(1.0).backward()
    with pytest.raises(RuntimeError, match=r"inputs\[0\] does not require"):
        grad(y.sum(), Tensor(1.0))
    with pytest.raises(TypeError, match=r"inputs\[0\] must be a Tensor, not float"):
        grad(y.sum(), [1.0])
    with pytest.raises(ValueError, match=r"must be given for an output of shape \(2,\)"):
        y.backward()
    with pytest.raises(ValueError, match=r"float64 \(3,\), the output float64 \(2,\)"):
        y.backward(Tensor(np.ones(3)))
    with pytest.raises(ValueError, match="float32"):
        y.backward(Tensor([1.0, 1.0]))
    with pytest.raises(ValueError, match="2 grad_outputs for 1 outputs"):
        grad(y, x, [None, None])
    assert x.grad is None and is_grad_enabled()


@pytest.mark.parametrize(
    "pullback, error",
    [
        (lambda g: g.sum(), RuntimeError),
        (lambda g: g.to(np.float32), RuntimeError),
        (lambda g: g.array, TypeError),
    ],
    ids=["shape", "dtype", "array"],
)
def test_a_pullback_that_returns_nonsense_is_named(pullback, error):
    @minigen.operation(input=pullback)
    def nonsense(input):
        return input + 1

    with pytest.raises(error, match="nonsense: a pullback returned"):
        nonsense(leaf(1.0, 2.0)).sum().backward()
    assert is_grad_enabled()


# Recording


def test_no_grad_and_enable_grad_nest_and_survive_errors():
    context = no_grad()
    with context:
        with context:  # the same object twice
            assert not is_grad_enabled()
        assert not is_grad_enabled()
        with enable_grad():
            assert is_grad_enabled()
            assert (leaf(1.0) * 2).requires_grad
        assert not (leaf(1.0) * 2).requires_grad
    assert is_grad_enabled()
    with pytest.raises(KeyError), context:
        raise KeyError
    assert is_grad_enabled()


def test_no_grad_decorates_a_recursive_function():
    @no_grad()
    def depth(n):
        assert not is_grad_enabled()
        return 0 if n == 0 else 1 + depth(n - 1)

    assert depth(5) == 5
    assert is_grad_enabled()


def test_each_thread_has_its_own_mode():
    inside, done, seen = threading.Event(), threading.Event(), []
    context = no_grad()

    def other():
        seen.append(is_grad_enabled())
        with context:
            inside.set()
            done.wait(10)
        seen.append(is_grad_enabled())

    with context:
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(10)
    seen.append(is_grad_enabled())  # while the other thread is still inside
    done.set()
    thread.join()
    assert seen == [True, True, True]


def test_backward_runs_in_no_grad_and_records_in_it_if_asked():
    x = leaf(2.0)
    y = x**3
    with no_grad():
        (g,) = grad(y, x, create_graph=True)
        (h,) = grad(g, x)
    assert (g.item(), h.item()) == (12, 12)


# The tensor itself


def test_an_array_is_shared_and_keeps_its_dtype():
    for dtype in ("float16", "float32", "float64", "int32", "int64", "uint8", "bool"):
        array = np.zeros((2, 3), dtype)
        t = Tensor(array)
        assert t.array is array and t.dtype == dtype and t.numpy() is array
    assert minigen.tensor(array).array is not array
    assert Tensor(np.float64(1)).dtype == np.float64


@pytest.mark.parametrize(
    "data, dtype",
    [(1.5, "float32"), (2, "int64"), (True, "bool"), ([1, 2], "int64"), ([1, 2.5], "float32"),
     ([[True], [False]], "bool"), ((1.0, 2.0), "float32"), (range(3), "int64"),
     ([np.float64(1), 2.0], "float64"), ([[1], [np.float64(2)]], "float64"),
     ([np.float32(1), 2.0], "float32"), ([np.int64(1), 2.5], "float32")],
)  # fmt: skip
def test_numbers_become_float32_and_int64_if_they_are_not_numpys(data, dtype):
    assert Tensor(data).dtype == dtype
    assert Tensor(data).array.tolist() == (list(data) if isinstance(data, tuple | range) else data)
    assert Tensor(data, dtype=np.float16).dtype == np.float16


@pytest.mark.parametrize("data", ["text", None, 1j, [None], [[1], [1, 2]], {}])
def test_other_things_are_no_tensors(data):
    with pytest.raises(TypeError, match="a tensor (holds real|needs a rectangular)"):
        Tensor(data)


def test_complex_numbers_are_not_to_be_had():
    for make in (lambda: Tensor([1.0], dtype="complex64"), lambda: leaf(1.0).to("complex128")):
        with pytest.raises(TypeError, match="real numbers"):
            make()


def test_only_floating_point_leaves_require_gradients():
    with pytest.raises(RuntimeError, match="only floating-point tensors.*int64"):
        Tensor([1, 2], requires_grad=True)
    x = leaf(1.0)
    assert x.requires_grad and x.is_leaf and x.grad_fn is None
    y = x * 2
    assert y.requires_grad and not y.is_leaf and y.grad_fn.name == "mul"
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        y.requires_grad_(False)
    x.requires_grad = False
    assert not (x * 2).requires_grad
    assert not y.to(np.int64).requires_grad and not (y > 0).requires_grad
    assert y.to(np.float32).requires_grad


def test_rebinding_data():
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    x.data = np.array([5.0, 6.0])
    y.backward()
    assert x.grad.array.tolist() == [2, 4]  # the values when the graph was made
    y = (x * 2).sum()
    x.data = Tensor(np.zeros(3, np.float32))
    with pytest.raises(RuntimeError, match=r"float64 \(2,\).*float32 \(3,\)"):
        y.backward()
    x.grad = None
    (x + 1).sum().backward()
    assert x.grad.array.tolist() == [1, 1, 1] and x.grad.dtype == np.float32
    h = x * 2
    h.data = np.ones(3, np.float32)
    with pytest.raises(RuntimeError, match="only be given to a leaf"):
        h.data = np.ones(4, np.float32)
    with pytest.raises(TypeError, match="real numbers"):
        x.data = "text"


@given(tensors())
def test_detach_and_clone(x):
    detached, cloned = x.detach(), x.clone()
    assert detached.array is x.array and not detached.requires_grad
    assert not np.shares_memory(cloned.array, x.array)
    np.testing.assert_array_equal(cloned.array, x.array)
    assert cloned.grad_fn.name == "clone"


def test_deepcopy():
    x = leaf(1.0, 2.0)
    made, again = copy.deepcopy([x, x])
    assert made is again and made.requires_grad and made.is_leaf
    assert not np.shares_memory(made.array, x.array)
    (made * 2).sum().backward()
    assert made.grad.array.tolist() == [2, 2] and x.grad is None
    with pytest.raises(RuntimeError, match=r"detach\(\)"):
        copy.deepcopy(x * 2)


def test_comparisons_are_of_elements_and_a_tensor_is_a_key():
    x = Tensor([1.0, 2.0, 3.0])
    for f in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        for other in (2, 2.0, np.float64(2), np.array(2.0), Tensor([3.0, 2.0, 1.0])):
            raw = other.array if isinstance(other, Tensor) else other
            assert f(x, other).array.tolist() == f(x.array, raw).tolist()
            assert f(raw, x).array.tolist() == f(raw, x.array).tolist()
            assert f(x, other).dtype == np.bool_
    assert {x: 1}[x] == 1 and len({x, x, Tensor([1.0, 2.0, 3.0])}) == 2


def test_a_numpy_scalar_compares_as_a_number():
    assert bool(Tensor(0.1) == np.float64(0.1))


def test_python_protocols():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    assert len(x) == 2 and x.size() == (2, 2) and x.size(1) == 2 and x.numel() == 4
    assert [row.array.tolist() for row in x] == [[1, 2], [3, 4]]
    assert x[1, 1].item() == float(x[1, 1]) == 4.0 and int(x[1, 0]) == 3
    assert isinstance(x[0, 0].item(), float) and isinstance(Tensor(3).item(), int)
    assert Tensor(True).item() is True
    assert bool(Tensor([0.5])) and not Tensor(0)
    assert [10, 20, 30][Tensor(1)] == 20
    assert np.asarray(x).tolist() == x.array.tolist() and np.asarray(x, np.float64).dtype == "f8"
    with pytest.raises(TypeError, match="0-d"):
        len(Tensor(1.0))
    with pytest.raises(TypeError, match="0-d"):
        iter(Tensor(1.0))
    for f in (float, int, bool, Tensor.item):
        with pytest.raises(ValueError, match=r"(exactly one element.*|a tensor )\(2, 2\)"):
            f(x)
    with pytest.raises(TypeError, match="only integers can be an index"):
        [10, 20][Tensor(1.7)]


def test_repr():
    assert repr(Tensor([1.0, 2.0])) == "tensor([1., 2.])"
    assert repr(Tensor([1, 2])) == "tensor([1, 2])"
    assert repr(leaf(1.0)) == "tensor([1.], dtype=float64, requires_grad=True)"
    x = Tensor(2.0, requires_grad=True)
    assert repr(x * x) == "tensor(4., grad_fn=<mul>)"
    assert repr(minigen.conv2d(x.reshape(1, 1, 1, 1), x.reshape(1, 1, 1, 1))).endswith("<conv2d>)")


def test_zero_dimensional_results_are_arrays():
    x = leaf(1.0, 2.0)
    for y in (x.sum(), x[0], x @ x, x.mean() * 2, x.sum().exp(), -x[1], Tensor(1.0) == 1.0):
        assert type(y.array) is np.ndarray and y.shape == ()


@given(st.sampled_from(["float16", "float32", "float64"]))
def test_to_converts_and_carries_the_gradient_back(dtype):
    x = leaf(1.0, 2.0)
    y = x.to(dtype)
    assert y.dtype == dtype and (y is x) == (dtype == "float64")
    (y * 3).sum().backward()
    assert x.grad.dtype == np.float64 and x.grad.array.tolist() == [3, 3]
    assert x.to("cpu") is x and x.to("cpu", dtype="float64") is x


@pytest.mark.parametrize("mode", [no_grad, enable_grad])
def test_a_mode_holds_while_a_generator_or_coroutine_runs_and_not_while_it_waits(mode):
    inside, seen = mode is enable_grad, []

    def states():
        seen.append(is_grad_enabled())

    @mode
    def generator(first):
        states()
        try:
            try:
                second = yield first
            except KeyError:
                states()
                second = yield "thrown"
            states()
            yield from (second, 5)
            return 7
        finally:
            states()

    @mode()
    async def coroutine(value):
        states()
        await asyncio.sleep(0)
        states()
        return value

    @mode()
    async def stream():
        try:
            for i in range(3):
                states()
                yield i
                await asyncio.sleep(0)
        finally:
            states()

    def delegated():
        return (yield from generator(1))

    async def run():
        task = asyncio.create_task(coroutine(3))
        await asyncio.sleep(0)
        assert is_grad_enabled() is not inside and await task == 3
        async for value in stream():
            assert is_grad_enabled() is not inside and value < 3
        left = stream()
        assert await left.asend(None) == 0
        await left.aclose()

    with (no_grad if inside else enable_grad)():
        steps = delegated()
        assert next(steps) == 1 and is_grad_enabled() is not inside
        assert steps.throw(KeyError()) == "thrown" and is_grad_enabled() is not inside
        assert steps.send(4) == 4 and next(steps) == 5
        with pytest.raises(StopIteration) as end:
            next(steps)
        assert end.value.value == 7
        left = generator(1)
        next(left)
        left.close()
        asyncio.run(run())
        assert is_grad_enabled() is not inside
    assert seen and set(seen) == {inside}
    assert inspect.isgeneratorfunction(generator) and inspect.isasyncgenfunction(stream)
    assert inspect.iscoroutinefunction(coroutine) and coroutine.__name__ == "coroutine"


def test_a_mode_decorates_no_class():
    with pytest.raises(TypeError, match=r"no_grad decorates functions, not .*; of a class decor"):
        no_grad(Tensor)
    with pytest.raises(TypeError, match="enable_grad decorates functions"):
        enable_grad()(type("Net", (), {}))
