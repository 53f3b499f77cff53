"""Functions with a gradient of their own: the gradients of both orders are those of the formula."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from minigen.torch_names.autograd import Function

import minigen.torch_names as torch
from minigen import gradcheck


class Fraction(Function):
    """x²/y and e to the x·scale: of what is saved two are inputs, one is an output."""

    @staticmethod
    def forward(ctx, x, scale, y):
        power = (x * scale).exp()
        ctx.save_for_backward(x, y, power)
        ctx.scale = scale
        return x * x / y, power

    @staticmethod
    def backward(ctx, g, h):
        x, y, power = ctx.saved_tensors
        return 2 * g * x / y + h * power * ctx.scale, None, -g * x * x / (y * y)


class Separate(Fraction):
    """The same in the newer style."""

    @staticmethod
    def forward(x, scale, y):
        return x * x / y, (x * scale).exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, ctx.scale, y = inputs
        ctx.save_for_backward(x, y, output[1])


class Both(Function):
    """x² and y·e to the x·scale: both outputs are saved, one with an input that is an output."""

    @staticmethod
    def forward(ctx, x, scale, y):
        square, power, ctx.scale = x * x, y * (x * scale).exp(), scale
        ctx.save_for_backward(square, x, None, power, y)
        return square, power, y, 7

    @staticmethod
    def backward(ctx, g, h, of_y, of_number):
        square, x, none, power, y = ctx.saved_tensors
        assert none is of_number is None
        return 2 * g * square / x + h * power * ctx.scale, None, h * power / y + of_y, None


def of_both(x, scale, y):
    square, power, same, seven = Both.apply(x, scale, y)
    return square / same, power / same + 0 * seven


def by_formula(x, scale, y):
    return x * x / y, (x * scale).exp()


def derivatives(function, x, y):
    """Of a sum of both outputs, and of the gradients' squares."""
    x, y = (torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in (x, y))
    a, b = function(x, 0.5, y)
    loss = (a * a + 3 * b * a + b).sum()
    first = torch.autograd.grad(loss, [x, y], create_graph=True)
    second = torch.autograd.grad(sum((g * g).sum() for g in first), [x, y])
    return [t.detach().numpy() for t in (a, b, *first, *second)]


WAYS = [Fraction.apply, Separate.apply, of_both]
AWAY_FROM_0 = st.floats(0.1, 2) | st.floats(-2, -0.1)


@given(st.lists(AWAY_FROM_0, min_size=1, max_size=4), st.sampled_from(WAYS))
def test_gradients_of_both_orders_are_those_of_the_formula(x, function):
    y = np.linspace(1, 2, len(x))
    found, expected = derivatives(function, x, y), derivatives(by_formula, x, y)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_gradients_of_both_orders_are_the_finite_differences():
    x, y = (torch.rand(2, 3, dtype=torch.float64) + 0.5 for _ in "xy")
    x.requires_grad_(), y.requires_grad_()
    assert gradcheck(lambda x, y: Fraction.apply(x, 0.5, y), (x, y), order=2)


def test_what_is_wanted_and_what_is_returned():
    class Straight(Function):  # the rounded value, and the gradient as if it were not
        @staticmethod
        def forward(ctx, x, bias):
            ctx.wanted = ctx.needs_input_grad
            ctx.mark_non_differentiable(x > 0)  # a temporary one: the next has its address
            rounded, apart = x.round(), x * 2
            ctx.mark_non_differentiable(apart)
            ctx.set_materialize_grads(False)
            return rounded, apart, x.argmax(), bias, x * 1

        @staticmethod
        def backward(ctx, g, *others):
            assert ctx.wanted == (True, False) and others == (None,) * 4
            return g, None, None  # one more, as for an argument that was not given

    x, bias = torch.tensor([0.6, -1.4], requires_grad=True), torch.ones(2)
    rounded, *others = Straight.apply(x, bias)
    assert rounded.tolist() == [1, -1] and others[1].item() == 0
    assert [y.requires_grad for y in (rounded, *others)] == [True, False, False, True, True]
    rounded.sum().backward()
    assert x.grad.tolist() == [1, 1]
    with torch.no_grad():
        assert not any(y.requires_grad for y in Straight.apply(x, bias))


def test_the_walk_back_is_one_for_all_outputs_and_fits_the_inputs():
    class Direction(Function):  # not linear in the gradients
        @staticmethod
        def forward(ctx, x, bias):
            return x + bias, x - bias

        @staticmethod
        def backward(ctx, g, h):
            length = (g * g + h * h).sqrt()
            return (g / length).double(), h / length

    x, bias = torch.ones(2, 3, requires_grad=True), torch.ones(3, requires_grad=True)
    a, b = Direction.apply(x, bias)
    (3 * a + 4 * b).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 0.6, rtol=1e-6)
    np.testing.assert_allclose(bias.grad.numpy(), 2 * 0.8, rtol=1e-6)
    assert x.grad.dtype == torch.float32


def test_an_input_that_is_handed_on_is_the_input_where_it_was_saved():
    class Bent(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * x * x

    class Place(Function):
        forward = staticmethod(lambda ctx, x: x.argmax())

    x = torch.tensor(3.0, requires_grad=True)
    (first,) = torch.autograd.grad(Bent.apply(x), x, create_graph=True)
    (second,) = torch.autograd.grad(first, x)
    assert (first.item(), second.item()) == (9, 6)
    assert not Place.apply(x).requires_grad


class Reversed(Function):
    """An input handed on as it is."""

    forward = staticmethod(lambda ctx, x: x.view_as(x))
    backward = staticmethod(lambda ctx, g: -g)


def test_a_change_is_noticed_of_what_is_needed_alone():
    x, y = torch.ones(2, requires_grad=True), torch.ones(2)
    a, _ = Fraction.apply(x, 1.0, y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="Fraction: .* changed in place"):
        a.sum().backward()
    h = x * 1
    k = h * h
    z = Reversed.apply(h)
    with torch.no_grad():
        z.add_(1)  # which lies where h does
    with pytest.raises(RuntimeError, match="mul: .* changed in place"):
        k.sum().backward()
    z.sum().backward()  # which needs nothing
    assert x.grad.tolist() == [-1, -1]


def test_what_is_wrong_with_a_function_is_said():
    class Few(Function):
        forward = staticmethod(lambda ctx, x, y: x * y)
        backward = staticmethod(lambda ctx, g: g)

    class Number(Function):
        forward = staticmethod(lambda ctx, x: 1.0)

    class Dirty(Function):
        forward = staticmethod(lambda ctx, x: ctx.mark_dirty(x))

    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"Few.backward: expected 2 gradients, .* got 1"):
        Few.apply(x, x).sum().backward()
    a, _ = Fraction.apply(x, 1.0, x)
    a.sum().backward()
    with pytest.raises(RuntimeError, match="Fraction: .* freed by an earlier backward"):
        a.sum().backward()
    with pytest.raises(TypeError, match="Number.forward: expected a tensor"):
        Number.apply(x)
    with pytest.raises(NotImplementedError, match="mark_dirty"):
        Dirty.apply(x)
