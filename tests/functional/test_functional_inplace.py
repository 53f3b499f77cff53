"""Changes in place that are recorded: values, gradients of both orders, who changes with whom."""

import contextlib
import functools
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import Tensor, gradcheck, nn
from minigen import functional as F

SHAPE = (3, 4)
KEYS = [
    0, -1, ..., slice(1, None), (slice(None), 2), (slice(None, None, 2), slice(1, 3)), (0, None),
    [0, 2, 0], (slice(None), [1, 1, 3]), np.eye(3, 4) > 0, (1, [0, 2]),
]  # fmt: skip


STEPS = {
    "+=": lambda x, b, c, key: operator.iadd(x, b),
    "*=": lambda x, b, c, key: operator.imul(x, b + c),
    "-= a row": lambda x, b, c, key: operator.isub(x, c),
    "/= a number": lambda x, b, c, key: operator.itruediv(x, 1.5),
    "exp_": lambda x, b, c, key: x.mul_(0.1).exp_(),
    "tanh_": lambda x, b, c, key: x.tanh_(),
    "[]=": lambda x, b, c, key: operator.setitem(x, key, b[key] * 2),
    "[]= a number": lambda x, b, c, key: operator.setitem(x, key, 0.5),
    "[]= one": lambda x, b, c, key: operator.setitem(x, key, c[1]),
    "[]= itself": lambda x, b, c, key: operator.setitem(x, key, x[key] * x[key]),
    "[] +=": lambda x, b, c, key: operator.setitem(x, key, operator.iadd(x[key], c[0])),
    "of a part": lambda x, b, c, key: x[1].mul_(c),
    "of a part of a part": lambda x, b, c, key: (lambda row: row[1:].add_(b[0, 1:]))(x[2]),
    "[]= another part": lambda x, b, c, key: operator.setitem(x, 0, x[1]),
    "[] += another part": lambda x, b, c, key: operator.setitem(x, 0, operator.iadd(x[0], x[1])),
    "+= a part of it": lambda x, b, c, key: operator.iadd(x, x[2]),
    "**=": lambda x, b, c, key: operator.ipow(x, 2),
    "copy_": lambda x, b, c, key: x.copy_(c * x[0]),
    "fill_": lambda x, b, c, key: x.fill_(2.0),
    "add_ with alpha": lambda x, b, c, key: x.add_(b, alpha=-0.5),
}


@given(st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(KEYS)), max_size=4),
       st.booleans(), st.integers(0, 9))  # fmt: skip
def test_gradients_of_both_orders_through_any_changes(steps, recorded, seed):
    def program(a, b, c):
        x = a.tanh() if recorded else mg.full(SHAPE, 0.3, dtype=np.float64)
        used = x.sin()  # keeps what x was
        for name, key in steps:
            STEPS[name](x, b, c, key)
        return x * b.sin() + used + a * c

    rng = np.random.default_rng(seed)
    gradcheck(program, [Tensor(rng.normal(size=s)) for s in (SHAPE, SHAPE, 4)], order=2)


@pytest.mark.parametrize("change", [s for s in STEPS if s not in ("[]=", "[]= itself")])
@pytest.mark.parametrize("key", [0, (slice(None), 2)], ids=str)
def test_the_tensor_itself_changes_as_it_does_unrecorded(change, key):
    b, c = mg.randn(*SHAPE), mg.randn(4)
    plain, leaf = mg.ones(*SHAPE), mg.ones(*SHAPE, requires_grad=True)
    x = same = leaf * 1
    STEPS[change](plain, b, c, key)
    STEPS[change](x, b, c, key)
    np.testing.assert_array_equal(x.detach().numpy(), plain.numpy())
    assert x is same and x.requires_grad and not x.is_leaf
    for whole in (leaf, leaf[:]):
        with pytest.raises(RuntimeError, match=r"a leaf that requires a gradient.*no_grad"):
            STEPS[change](whole, b, c, key)
    np.testing.assert_array_equal(leaf.detach().numpy(), 1)


def test_a_number_written_makes_the_whole_require_a_gradient():
    x, v = mg.zeros(3), Tensor([2.0], requires_grad=True)
    for i in range(3):
        x[i] = v[0] * (x[i - 1] if i else 1.0)
    assert x.detach().numpy().tolist() == [2, 4, 8]
    x.sum().backward()
    assert v.grad.item() == 1 + 4 + 12


def test_of_a_place_named_twice_the_last_value_counts_and_has_the_gradient():
    x, v = mg.zeros(2), Tensor([1.0, 2.0, 3.0], requires_grad=True)
    x[[0, 1, 0]] = v
    x.sum().backward()
    assert x.detach().numpy().tolist() == [3, 2] and v.grad.numpy().tolist() == [0, 1, 1]


@pytest.mark.engine
def test_arrays_outside_change_too_and_what_was_kept_of_them_is_noticed():
    array, w = np.ones(3, np.float32), Tensor([2.0, 3.0, 4.0], requires_grad=True)
    x = Tensor(array)
    y = x * w
    x[1] = w[1]
    assert array.tolist() == [1, 3, 1]
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()


SHARED = {
    "reshape": lambda x: x.reshape(-1),
    "detach": lambda x: x.detach(),
    "data": lambda x: x.data,
    "a part": lambda x: x[0],
    "T": lambda x: x.T,
    "chunk": lambda x: x.chunk(3),
}


@pytest.mark.engine
@pytest.mark.parametrize("way", SHARED)
def test_what_could_not_follow_is_refused_as_long_as_it_lives(way):
    x = mg.ones(*SHAPE, requires_grad=True) * 1
    other = SHARED[way](x)
    for name in ("+=", "[]= a number", "exp_", "fill_"):
        with pytest.raises(RuntimeError, match=r"another tensor shares.*clone\(\)"):
            STEPS[name](x, mg.ones(*SHAPE), mg.ones(4), 0)
    np.testing.assert_array_equal(x.detach().numpy(), 1)
    del other
    x += 1


LOOKS = {
    "text": repr,
    "place of the largest": lambda x: x.argmax(),
    "copy": lambda x: mg.tensor(x),
    "list": lambda x: x.tolist(),
    "order": lambda x: x.argsort(),
    "places": lambda x: x.nonzero(),
    "comparison": lambda x: mg.allclose(x, x),
    "profile": lambda x: mg.profile(),
    "anomaly": lambda x: mg.detect_anomaly(),
    "batch norm": lambda x: (
        F.batch_norm(x, None, None, training=True).sum().backward(retain_graph=True)
    ),
    "pooling": lambda x: F.max_pool2d(x.reshape(1, 1, *SHAPE), 2),
}


@pytest.mark.parametrize("change", [
    lambda data, w: data.add_(w),
    lambda data, w: data.copy_(data + w),
    lambda data, w: data[0].add_(w[0]) and data[1:].add_(w[1:]),
    lambda data, w: data.__setitem__(slice(None), data + w),
])  # fmt: skip
@pytest.mark.parametrize("of_leaf", [False, True])
def test_data_change_and_what_they_are_of_does_not_follow(change, of_leaf):
    x, w = (mg.tensor([1.0, 2.0], requires_grad=of_leaf), mg.ones(2, requires_grad=True))
    view, kept = x[:], x.detach()
    change(x.data, w)
    assert x.tolist() == view.tolist() == kept.tolist() == [2, 3]
    assert x.requires_grad is of_leaf and x.is_leaf
    data = x.data
    for _ in "ab":
        change(data, w)
    (data * data).sum().backward()
    assert x.tolist() == [4, 5] and w.grad.tolist() == [16, 20] and x.grad is None


@pytest.mark.engine
@pytest.mark.parametrize("look", LOOKS)
def test_who_only_looks_does_not_hold_the_array(look):
    leaf = mg.ones(*SHAPE, requires_grad=True)
    x = leaf * 1
    context = LOOKS[look](x)
    with context if hasattr(context, "__enter__") else contextlib.nullcontext():
        y = x.exp()
        LOOKS[look](y)
        y *= 2
        leaf.grad = None
        y.sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), 2 * np.exp(np.float32(1)))


CHANGES = {
    "mul_": (lambda x, w: x.mul_(w), lambda x, w: x * w),
    "of a part": (lambda x, w: x[:].mul_(w), lambda x, w: x * w),
    **{name: (functools.partial(lambda f, x, w: f(x, inplace=True), getattr(F, name)),
              functools.partial(lambda f, x, w: f(x), getattr(F, name)))
       for name in ("relu", "leaky_relu", "elu", "selu", "silu", "hardtanh")},
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_result_that_goes_into_an_array_outside_has_its_gradient(name):
    found = []
    for change in CHANGES[name]:
        w = Tensor([0.5, -0.25, 2.0], requires_grad=True)
        x = w * 1 if name in F.__all__ else Tensor(np.ones(3, np.float32))
        held = x.numpy()
        y = change(x, w)
        y.sum().backward()
        found.append((y.detach().numpy(), w.grad.numpy()))
        if y is x:
            np.testing.assert_array_equal(held, y.detach().numpy())
    np.testing.assert_array_equal(*found)


def test_expanded_memory_outside_is_not_written():
    x = (mg.ones(4, requires_grad=True) * 1).expand(*SHAPE)
    x.numpy()
    with pytest.raises(RuntimeError, match="several elements"):
        x += mg.randn(*SHAPE)


def test_a_part_lies_where_it_was_taken():
    w, place = mg.ones(4, requires_grad=True), Tensor(0)
    x = mg.zeros(*SHAPE)
    row = x[place]
    place += 1
    row += w
    np.testing.assert_array_equal(x.detach().numpy().sum(1), [4, 0, 0])
    x, others = mg.zeros(*SHAPE), mg.zeros(2)
    row = x[0]
    x.data = others
    row += w
    np.testing.assert_array_equal(x.numpy(), 0)
    np.testing.assert_array_equal(row.detach().numpy(), 1)


def test_a_part_that_is_given_follows():
    x = mg.ones(*SHAPE, requires_grad=True) * 1
    row = x[1]
    x[0] = row
    row *= 3
    assert x.detach().numpy()[:, 0].tolist() == [1, 3, 1]


@pytest.mark.engine
def test_a_part_that_changed_with_its_whole_is_not_written_again():
    x = mg.ones(*SHAPE, requires_grad=True) * 1
    with mg.profile() as p:
        x[0] += 1
    assert [row.calls for row in p.rows if row.name == "index_put"] == [1]


@pytest.mark.parametrize("of_leaf", [True, False])
def test_a_part_taken_unrecorded_does_not_change_its_whole_unnoticed(of_leaf):
    x = mg.ones(*SHAPE, requires_grad=True)
    x = x if of_leaf else x * 1
    with mg.no_grad():
        row = x[0]
        row += 1
    for change in (lambda: row.mul_(2), lambda: row.fill_(2), lambda: row.copy_(row),
                   lambda: row.__setitem__(0, 2.0), row.exp_):  # fmt: skip
        with pytest.raises(RuntimeError, match="nothing was recorded"):
            change()
    np.testing.assert_array_equal(x.detach().numpy()[0], 2)
    x.detach()[0].mul_(2)


@pytest.mark.parametrize("recorded", [False, True])
def test_numbers_that_are_written_are_as_exact_as_the_tensor(recorded):
    x = mg.ones(3, dtype=np.float64, requires_grad=recorded) * 1
    x[:2] = [0.1, 0.3]
    x[2:].copy_(0.7)
    assert x.detach().numpy().tolist() == [0.1, 0.3, 0.7]
    x.copy_((0.7, 0.1, 0.3))
    assert x.detach().numpy().tolist() == [0.7, 0.1, 0.3]


def test_operators_that_assign_change_the_tensor_itself():
    mask = same = Tensor([True, True, False])
    mask &= Tensor([True, False, True])
    mask |= Tensor([False, False, True])
    weight = p = nn.Parameter([3.0])
    with mg.no_grad():
        p **= 2
    assert same.numpy().tolist() == [True, False, True] and weight.numpy().tolist() == [9]


@pytest.mark.engine
def test_a_part_of_a_whole_that_is_gone_changes_alone():
    x = (mg.ones(*SHAPE, requires_grad=True) * 1)[0]
    x += 1
    whole = mg.ones(*SHAPE, requires_grad=True) * 1
    row = whole.reshape(12)[:4]  # a part of what is gone, in the memory of what is not
    with pytest.raises(RuntimeError, match="another tensor shares"):
        row += 1


@pytest.mark.parametrize("bad, error, message", [
    (lambda x: x.add_(mg.ones(2, 3, 4)), ValueError, r"add_: a result of \(2, 3, 4\)"),
    (lambda x: x.__setitem__(0, "a"), TypeError, "real numbers"),
    (lambda x: x.__setitem__(0, mg.ones(5)), ValueError, "index_put"),
    (lambda x: x.__setitem__(7, 1.0), IndexError, "index_put"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_and_changes_nothing(bad, error, message):
    x = mg.ones(*SHAPE, requires_grad=True) * 1
    with pytest.raises(error, match=message):
        bad(x)
    np.testing.assert_array_equal(x.detach().numpy(), 1)


@pytest.mark.parametrize("bad, error, message", [
    (lambda x: x.add_(mg.ones(2, 3, 4)), ValueError, r"add_: \(2, 3, 4\) does not broadcast to"),
    (lambda x: x.copy_(mg.ones(5)), ValueError, r"copy_: \(5,\) does not broadcast to"),
    (lambda x: x.__setitem__(0, mg.ones(5)), ValueError, r"setitem: \(5,\) does not broadcast to"),
    (lambda x: x.__setitem__([0, 1], [1.0] * 5), ValueError, r"setitem: \(5,\) does not broadcast"),
])  # fmt: skip
def test_what_does_not_fit_an_unrecorded_one_is_said_in_the_same_words(bad, error, message):
    x = mg.ones(*SHAPE)
    with pytest.raises(error, match=message):
        bad(x)
    np.testing.assert_array_equal(x.numpy(), 1)


@given(st.lists(st.integers(0, 255), min_size=3, max_size=3), st.booleans(), st.booleans())
def test_bytes_are_a_mask_as_in_pytorch(values, tensor, recorded):
    bytes_ = np.array(values, np.uint8)
    mask = bytes_ != 0
    whole, one = (mg.tensor(bytes_), mg.tensor(bytes_[0])) if tensor else (bytes_, mask[0])
    for key, same in [(whole, mask), (one, mask[0]), ((..., whole), (..., mask))]:
        x = mg.arange(9.0).reshape(3, 3).requires_grad_(recorded)
        y, wanted = x.clone(), x.detach().numpy().copy()
        np.testing.assert_array_equal(x[key].detach().numpy(), wanted[same])
        y[key], wanted[same] = -1.0, -1.0
        np.testing.assert_array_equal(y.detach().numpy(), wanted)


IN_PLACE = {
    "relu": lambda x: F.relu(x, inplace=True),
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1, True),
    "leaky_relu of a negative slope": lambda x: F.leaky_relu(x, -0.1, True),
    "elu": lambda x: F.elu(x, 0.5, True),
    "selu": lambda x: F.selu(x, True),
    "silu": lambda x: F.silu(x, True),
    "hardtanh": lambda x: F.hardtanh(x, -0.5, 0.5, True),
    "dropout": lambda x: F.dropout(x, 0.5, True, True),
    "dropout2d": lambda x: F.dropout2d(x, 0.5, True, True),
}


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_functions_change_their_input_if_told_to(name, dtype):
    leaf = mg.randn(*SHAPE).to(dtype).requires_grad_()
    results = []
    for x in (leaf * 1, leaf.detach().clone()):
        mg.manual_seed(0)
        y = IN_PLACE[name](x)
        assert y is x and not np.array_equal(x.detach().numpy(), leaf.detach().numpy())
        results.append(x.detach().numpy())
    np.testing.assert_array_equal(*results)
    with pytest.raises(RuntimeError, match="a leaf that requires a gradient"):
        IN_PLACE[name](leaf)


def test_dropout_that_drops_nothing_is_the_input_itself():
    x = mg.ones(3, requires_grad=True)
    assert F.dropout(x, 0.0, True, True) is x and F.dropout(x, 0.5, False, True) is x
