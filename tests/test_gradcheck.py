"""The gradient checker must fail: on every planted error, and say where."""

import numpy as np
import pytest

import minigen
from minigen import GradcheckError, Tensor, gradcheck, is_grad_enabled, no_grad, operation
from minigen.differentiation import grad
from minigen.functional.moves import index_add
from minigen.gradcheck import gradient_errors, two_sides


def made(value, **pullbacks):
    """An operation of a function on arrays and its pullbacks."""
    value.__name__ = "planted"
    return operation(**pullbacks)(value)


def square(pullback):
    return made(lambda input: input * input, input=pullback)


def product(input, other):
    return made(lambda input, other: input @ other, input=input, other=other)


def softmax(pullback):
    def value(input):
        e = np.exp(input)
        return e / e.sum(-1, keepdims=True)

    return made(value, input=pullback)


def add_row(pullback):
    return made(lambda input, other: input + other, input=lambda g: g, other=pullback)


def twice(pullback):
    return made(lambda input: input[[0, 0, 2]], input=pullback)


def assigned(g):
    """What overlaps is overwritten, not added."""
    y = np.zeros(4)
    y[[0, 0, 2]] = g.array
    return Tensor(y)


def cube(second):
    """input³, whose second derivative is done by hand too."""
    slope = made(lambda input: 3 * input**2, input=second)
    return made(lambda input: input**3, input=lambda g, input: g * slope(input))


VECTOR, ROW = np.array([0.3, -1.2, 0.7, 2.0]), np.array([1.0, 2.0, 3.0])
SQUARE = np.eye(3) + 0.1 * np.arange(9.0).reshape(3, 3)
RIGHT = {
    "square": (square(lambda g, input: g * 2 * input), [VECTOR]),
    "product": (product(lambda g, other: g @ other.T, lambda g, input: input.T @ g), [SQUARE] * 2),
    "softmax": (softmax(lambda g, y: y * (g - (g * y).sum(-1, keepdim=True))), [SQUARE]),
    "broadcast": (add_row(lambda g: g.sum(0)), [SQUARE, ROW]),
    "repeated": (twice(lambda g: index_add(g, key=np.array([0, 0, 2]), size=(4,))), [VECTOR]),
    "cube": (cube(lambda g, input: g * 6 * input), [VECTOR]),
}
WRONG = {  # at order 1
    "sign": (square(lambda g, input: g * -2 * input), [VECTOR]),
    "factor": (square(lambda g, input: g * input), [VECTOR]),
    "small factor": (square(lambda g, input: g * 2.00001 * input), [VECTOR]),
    "zero": (square(lambda g, input: g * 0), [VECTOR]),
    "transposition": (
        product(lambda g, other: g @ other, lambda g, input: input.T @ g),
        [SQUARE, SQUARE + np.tri(3)],
    ),
    "second input": (
        product(lambda g, other: g @ other.T, lambda g, input: g.T @ input),
        [SQUARE, SQUARE + np.tri(3)],
    ),
    "missing broadcast sum": (add_row(lambda g: g[0]), [SQUARE, ROW]),
    "wrong shape": (add_row(lambda g: g), [SQUARE, ROW]),
    "wrong dtype": (square(lambda g, input: (g * input).to(np.float32)), [VECTOR]),
    "not a number": (square(lambda g, input: g * input * float("nan")), [VECTOR]),
    "infinite": (square(lambda g, input: g * input * float("inf")), [VECTOR]),
    "softmax without its sum": (softmax(lambda g, y: y * g), [SQUARE]),
    "softmax seen with ones": (softmax(lambda g, y: g * 0), [SQUARE]),
    "one element": (square(lambda g, input: g * 2 * input * ODD_ONE), [VECTOR]),
    "overlaps": (twice(assigned), [VECTOR]),
}
WRONG_LATER = {  # right before that order
    "constant": (2, square(lambda g, input: g * 2 * input.detach()), [VECTOR]),
    "another with a graph": (
        2,
        square(lambda g, input: g * (3 if is_grad_enabled() else 2) * input),
        [VECTOR],
    ),
    "covector lost": (2, square(lambda g, input: g.detach() * 2 * input), [VECTOR]),
    "cube": (2, cube(lambda g, input: g * 3 * input), [VECTOR]),
    "third order": (3, cube(lambda g, input: g * 6 * input.detach()), [VECTOR]),
}
ODD_ONE = Tensor(np.array([1.0, 1.0, 1.001, 1.0]))


def test_the_idea_alone_tells_right_from_wrong():
    """A function of one input: two numbers agree, or they do not."""
    for f, inputs in (case for case in RIGHT.values() if len(case[1]) == 1):
        pulled, differences = two_sides(f, inputs[0])
        # The difference of two numbers near 10 is rounded by some 1e-15, which 2ε divides.
        assert pulled == pytest.approx(differences, rel=1e-7, abs=1e-8)
    for name in ("sign", "factor", "zero", "softmax without its sum", "softmax seen with ones"):
        f, (x,) = WRONG[name]
        pulled, differences = two_sides(f, x)
        assert pulled != pytest.approx(differences, rel=1e-2)


@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_pass_at_every_order(name):
    f, inputs = RIGHT[name]
    assert gradcheck(f, inputs, order=3) is True


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("seed", range(3))
def test_planted_errors_are_rejected(name, seed):
    with pytest.raises(GradcheckError):
        gradcheck(*WRONG[name], seed=seed)


@pytest.mark.parametrize("name", WRONG_LATER)
@pytest.mark.parametrize("seed", range(3))
def test_errors_of_higher_order_are_rejected_there(name, seed):
    order, f, inputs = WRONG_LATER[name]
    assert gradcheck(f, inputs, order=order - 1, seed=seed)
    with pytest.raises(GradcheckError, match=f"order {order - ('another' in name)}"):
        gradcheck(f, inputs, order=order, seed=seed)


def test_the_message_names_the_order_the_input_the_index_and_both_numbers():
    f = square(lambda g, input: g * 2 * input * ODD_ONE)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda a, x: f(x).sum() * a, [np.array(1.0), VECTOR])
    words = str(caught.value)
    assert "order 1 for input 1: at index (2,) it is " in words
    ours, theirs = words.partition("it is ")[2].split(", finite differences give ")
    assert float(ours) == pytest.approx(1.001 * float(theirs), rel=1e-6)
    with pytest.raises(GradcheckError, match="order 2 for input 0: at index"):
        gradcheck(*WRONG_LATER["constant"][1:], order=2)
    with pytest.raises(GradcheckError, match="order 1 for input 0: nan at index"):
        gradcheck(*WRONG["not a number"])
    with pytest.raises(GradcheckError, match="a pullback failed: planted: a pullback returned"):
        gradcheck(*WRONG["wrong shape"])


# A plain function with a gradient of one's own


def test_a_numpy_function_with_a_gradient_of_ones_own():
    length = lambda x: np.sqrt((x * x).sum())
    assert gradcheck(length, VECTOR, grad=lambda x: x / length(x))
    assert gradcheck(np.exp, VECTOR, grad=lambda x, u: u * np.exp(x))
    both = lambda a, b, u: (u @ b.T, a.T @ u)
    assert gradcheck(np.matmul, [SQUARE, SQUARE + 1], grad=both)
    for f, inputs, mine in (
        (length, VECTOR, lambda x: -x / length(x)),
        (length, VECTOR, lambda x: x),
        (length, VECTOR, lambda x: x[:2]),
        (length, VECTOR, lambda x: x * np.nan),
        (np.exp, VECTOR, lambda x, u: np.exp(x)),
        (np.matmul, [SQUARE, SQUARE + np.tri(3)], lambda a, b, u: (u @ b, a.T @ u)),
        (np.matmul, [SQUARE, SQUARE], lambda a, b, u: u @ b.T),
    ):
        with pytest.raises(GradcheckError):
            gradcheck(f, inputs, grad=mine)
    with pytest.raises(ValueError, match="order 1 only"):
        gradcheck(length, VECTOR, grad=lambda x: x, order=2)


# Kinks, randomness, refusals


@pytest.mark.parametrize(
    "f, inputs",
    [
        (minigen.relu, [np.array([1.0, 1e-8, -2.0])]),
        (minigen.relu, [np.array([0.0])]),
        (minigen.abs, [np.array([-1.0, 1e-7])]),
        (lambda x: minigen.leaky_relu(x, 0.2), [np.array([3e-8, 1.0])]),
        (minigen.maximum, [np.array([1.0, 2.0]), np.array([1.0 + 1e-8, 5.0])]),
    ],
)
def test_a_kink_is_recognised_and_said(f, inputs):
    with pytest.raises(GradcheckError, match="There is a kink within 1e-06"):
        gradcheck(f, inputs)


@pytest.mark.parametrize("name", ["sign", "factor", "small factor", "softmax without its sum"])
def test_a_wrong_gradient_is_not_excused_as_a_kink(name):
    with pytest.raises(GradcheckError) as caught:
        gradcheck(*WRONG[name])
    assert "kink" not in str(caught.value)


def test_a_kink_of_a_function_of_ones_own():
    with pytest.raises(GradcheckError, match="kink"):
        gradcheck(lambda x: np.maximum(x, 0), np.zeros(2), grad=lambda x, u: u * (x > 0))


def test_dropout_draws_the_same_mask_in_each_call():
    minigen.manual_seed(3)
    state = minigen.default_generator.state_dict()
    masks = []

    def f(x):
        y = minigen.dropout(x, 0.5)
        masks.append((y.array != 0).tolist())
        return y * y

    assert gradcheck(f, np.arange(1.0, 20.0), order=2)
    assert all(mask == masks[0] for mask in masks)
    assert 0 < sum(masks[0]) < 19
    assert minigen.default_generator.state_dict() == state


def test_what_is_refused():
    with pytest.raises(TypeError, match="input 1 is float32; finite differences need float64"):
        gradcheck(minigen.add, [VECTOR, VECTOR.astype(np.float32)])
    with pytest.raises(TypeError, match="no floating-point input"):
        gradcheck(minigen.neg, np.arange(3))
    with pytest.raises(TypeError, match="returned a ndarray, not a Tensor"):
        gradcheck(lambda x: x.array, VECTOR)


def test_what_is_checked():
    """Tensors that require gradients, or everything of floating point."""
    f = product(lambda g, other: g @ other.T, lambda g, input: g)  # wrong in the second input
    a, b = SQUARE, SQUARE + 1
    with pytest.raises(GradcheckError, match="input 1"):
        gradcheck(f, [a, b])
    with pytest.raises(GradcheckError, match="input 1"):
        gradcheck(f, [Tensor(a), Tensor(b)])
    assert gradcheck(f, [Tensor(a, requires_grad=True), Tensor(b)])
    assert gradcheck(lambda x, i: x[i], [a, np.array([0, 0, 2])], order=2)
    assert gradcheck(lambda x: (x.exp(), x * 2, x > 0), a, order=2)  # several outputs
    with no_grad():
        assert gradcheck(minigen.exp, a)
    assert gradcheck(lambda x: Tensor(np.ones(2)), a)  # constant


def test_inputs_are_left_alone():
    x = Tensor(VECTOR.copy(), requires_grad=True)
    x.array.flags.writeable = False
    assert gradcheck(minigen.exp, x, order=2)
    assert x.grad is None
    np.testing.assert_array_equal(x.array, VECTOR)
    (g,) = grad(x.exp().sum(), x)
    np.testing.assert_allclose(g.array, np.exp(VECTOR))


def test_errors_are_measured():
    errors = gradient_errors(minigen.exp, VECTOR, order=3)
    assert len(errors) == 3 and max(errors) < 1e-8
    (error,) = gradient_errors(square(lambda g, input: g * input), VECTOR)
    assert error == pytest.approx(0.5, abs=0.4)
    (error,) = gradient_errors(np.exp, VECTOR, grad=lambda x, u: 1.0001 * u * np.exp(x))
    assert 1e-6 < error < 1e-3
    with pytest.raises(GradcheckError, match="nan"):
        gradient_errors(*WRONG["not a number"])
