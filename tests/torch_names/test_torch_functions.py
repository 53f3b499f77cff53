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


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=4), st.sampled_from([Fraction, Separate]))
def test_gradients_of_both_orders_are_those_of_the_formula(x, function):
    y = np.linspace(1, 2, len(x))
    found, expected = derivatives(function.apply, x, y), derivatives(by_formula, x, y)
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
            rounded, marks = x.round(), x > 0
            ctx.mark_non_differentiable(marks)
            ctx.set_materialize_grads(False)
            return rounded, marks, bias

        @staticmethod
        def backward(ctx, g, of_marks, of_bias):
            assert ctx.wanted == (True, False) and of_marks is None
            return g, None

    x, bias = torch.tensor([0.6, -1.4], requires_grad=True), torch.ones(2)
    rounded, marks, same = Straight.apply(x, bias)
    assert rounded.tolist() == [1, -1] and marks.tolist() == [True, False]
    assert not np.shares_memory(same.detach().numpy(), bias.numpy()) and not marks.requires_grad
    rounded.sum().backward()
    assert x.grad.tolist() == [1, 1]
    with torch.no_grad():
        assert not Straight.apply(x, bias)[0].requires_grad


def test_a_saved_tensor_that_is_changed_is_noticed():
    x, y = torch.ones(2, requires_grad=True), torch.ones(2)
    a, _ = Fraction.apply(x, 1.0, y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="Fraction: .* changed in place"):
        a.sum().backward()


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
    with pytest.raises(TypeError, match="Number.forward: expected a tensor"):
        Number.apply(x)
    with pytest.raises(NotImplementedError, match="mark_dirty"):
        Dirty.apply(x)
