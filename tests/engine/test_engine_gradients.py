"""Gradients of leaves by another thread, and first gradients without a copy."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import Tensor, functional, is_grad_enabled
from minigen.kernels import limits
from minigen.sparse import SparseRows

NEVER = 1e30  # multiply-adds


def leaf(*values):
    return Tensor(np.array(values), requires_grad=True)


def test_a_gradient_that_nobody_else_holds_is_not_copied():
    made = []

    def pullback(g):
        g = g * 2
        made.append(id(g.array))
        return g

    @minigen.operation(input=pullback)
    def twice(input):
        return input * 2

    x = leaf(1.0, 2.0)
    twice(x).backward(Tensor(np.ones(2)))
    assert id(x.grad.array) == made[0]


@pytest.mark.parametrize("held", [False, True])
def test_a_sum_lies_where_a_gradient_lay_that_nobody_else_holds(held):
    """In the walk back, and from one walk to the next."""
    made = []

    def pullback(g):
        g = g * 2
        made.append((id(g.array), g if held else None))
        return g

    @minigen.operation(input=pullback)
    def twice(input):
        return input * 2

    x = leaf(1.0, 2.0)
    for walk in range(2):
        (twice(x) + twice(x)).backward(Tensor(np.ones(2)))
        at, _ = made[0]
        assert (id(x.grad.array) == at) != held
        np.testing.assert_array_equal(x.grad.array, [4 + 4 * walk] * 2)
        made.append((0, x.grad if held else None))
    for (_, g), value in zip(made, (2, 2, 4, 2, 2, 8), strict=True):
        assert g is None or (g.numpy() == value).all()


def test_the_gradient_of_a_part_is_added_where_the_sum_lies():
    """Unless somebody else holds that, or a part is named by places that repeat."""
    held = []

    @minigen.operation(input=lambda g: held.append(g) or g)
    def same(input):
        return input * 1

    x = leaf(1.0, 2.0, 3.0, 4.0)
    y = x * 1
    parts = [*y.split(1), y[1:], y[[0, 0, 3]], y[2], y[::2]]
    whole = sum([(part * (i + 1)).sum() for i, part in enumerate(parts)], 0.0)
    (whole + (same(y) * 1).sum()).backward()
    # 1, 2, 3, 4 by themselves; 5 for all but the first; 6; 7 for the third; 8 for every other one
    np.testing.assert_array_equal(x.grad.array, [22, 8, 24, 16])
    np.testing.assert_array_equal(held[0].array, [1, 1, 1, 1])


def test_parts_of_a_whole_bring_no_zeros(monkeypatch):
    """But the first."""
    sizes, plain = [], functional.moves.index_add
    monkeypatch.setattr(
        functional.moves, "index_add", lambda *a, **o: sizes.append(o["size"]) or plain(*a, **o)
    )
    x = Tensor(np.ones((3, 6)), requires_grad=True)
    a, b, c = (x * 1).chunk(3, 1)
    (a * b + b * c).sum().backward()
    assert sizes == [(3, 6)]
    np.testing.assert_array_equal(x.grad.array, [[1, 1, 2, 2, 1, 1]] * 3)


@pytest.fixture
def everything_late(three_threads, limits_set):
    limits_set(late_from=0, late_numbers=1)


@pytest.mark.usefixtures("everything_late")
def test_another_thread_computes_the_gradient_of_a_leaf_while_the_walk_goes_on():
    begun, gone_on, two = threading.Event(), threading.Event(), leaf(2.0)

    def wait(g):
        begun.set()
        assert gone_on.wait(10), "the walk waits for a gradient that only its end needs"
        return two * g

    def go_on(g):
        assert begun.wait(10), "no other thread begins"
        gone_on.set()
        return 3 * g

    @minigen.operation(input=lambda g: g, other=wait)
    def add_doubled(input, other):
        return input + 2 * other

    @minigen.operation(input=go_on)
    def triple(input):
        return 3 * input

    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    add_doubled(triple(x.clone()), w).sum().backward()
    np.testing.assert_array_equal(x.grad.array, [3, 3])
    np.testing.assert_array_equal(w.grad.array, [2, 2])
    assert not w.grad.requires_grad and is_grad_enabled()


@pytest.mark.usefixtures("three_threads")
@given(st.lists(st.integers(0, 2), min_size=1, max_size=8), st.booleans())
def test_gradients_are_the_same(uses, repeated):
    """Of weights used once, or several times, and over two calls."""

    def gradients(late, create_graph):
        rng = np.random.default_rng(0)
        weights = [Tensor(rng.standard_normal((9, 9)), requires_grad=True) for _ in range(3)]
        x = Tensor(rng.standard_normal((5, 9)))
        with limits.use(late_from=0 if late else NEVER, late_numbers=1):
            for _ in range(2 if repeated else 1):
                y = x
                for i in uses:
                    y = functional.linear(y, weights[i]).tanh()
                (y * y).sum().backward(create_graph=create_graph)
        return [w.grad if w.grad is None else w.grad.array for w in weights]

    expected = gradients(late=False, create_graph=False)
    for create_graph in (False, True):
        np.testing.assert_equal(gradients(True, create_graph), expected)


@pytest.mark.usefixtures("everything_late")
def test_an_error_of_another_thread_arrives():
    def fail(g):
        raise ZeroDivisionError("in the pullback")

    @minigen.operation(input=lambda g: g, other=fail)
    def add(input, other):
        return input + other

    w = leaf(1.0)
    with pytest.raises(ZeroDivisionError, match="in the pullback"):
        add(leaf(1.0) * 1, w).backward()
    assert w.grad is None and is_grad_enabled()


@pytest.mark.usefixtures("everything_late")
@pytest.mark.parametrize("shape", [(3,), (4, 1), (1,), ()])
def test_a_late_gradient_of_a_leaf_that_broadcast_is_summed(shape):
    w, x = Tensor(np.full(shape, 2.0), requires_grad=True), Tensor(np.ones((4, 3)))
    late = []

    @minigen.operation(elementwise=True, other=lambda g, input: (late.append(1), g * input)[1])
    def times(input, other):
        return input * other

    (times(x, w) * 3).sum().backward()
    assert late and w.grad.shape == shape
    np.testing.assert_array_equal(w.grad.numpy(), np.full(shape, 36 / w.numel()))


@pytest.mark.usefixtures("everything_late")
@given(st.lists(st.sampled_from(["late", "now", "rows"]), min_size=1, max_size=9))
def test_shares_of_a_leaf_are_added_in_the_order_of_the_walk(kinds):
    """Floating-point sums depend on it: those of another thread, of this one and row-sparse."""
    rng = np.random.default_rng(0)
    shares = [Tensor((rng.standard_normal(3) * 10.0**i).astype(np.float32)) for i in range(9)]

    @minigen.operation(joint=lambda g, which, needs: (shares[which] * 1,))
    def now(input, *, which):
        return input.sum()

    @minigen.operation(input=lambda g, which: shares[which] * 1)
    def late(input, *, which):
        return input.sum()

    def rows_of(g, which):
        return SparseRows(np.arange(3), shares[which].numpy(), (3,))

    sparse = minigen.operation(joint=lambda g, which, needs: (rows_of(g, which),))
    kind_of = {"late": late, "now": now, "rows": sparse(now.operation.value)}

    def gradient(late_from):
        w = Tensor(np.zeros(3, np.float32), requires_grad=True)
        y = sum([kind_of[kind](w, which=i) for i, kind in enumerate(kinds)], 0.0)
        with limits.use(late_from=late_from):
            y.backward()
        return w.grad.to_dense() if isinstance(w.grad, SparseRows) else w.grad.numpy()

    np.testing.assert_array_equal(gradient(0), gradient(NEVER))
