"""Making operations: names, refusals, and the dtype of a result."""

import itertools
import operator

import numpy as np
import pytest

import minigen
from minigen import Tensor, operation, result_type

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="PyTorch is not installed")


def test_a_pullback_for_what_is_not_there_is_refused_when_it_is_defined():
    with pytest.raises(TypeError, match="cube: a pullback for 'x', which is no input"):

        @operation(x=lambda g: g)
        def cube(input):
            return input**3

    with pytest.raises(
        TypeError, match=r"cube: a pullback .*takes 'z'; it can take .*'input'.*'p'"
    ):

        @operation(input=lambda g, z: g)
        def cube(input, *, p):  # noqa: F811
            return input**p

    with pytest.raises(TypeError, match="cube: .*flops.* takes 'weight'; it can"):

        @operation(flops=lambda y, weight: y.size)
        def cube(input):  # noqa: F811
            return input**3


def test_an_operation_that_should_have_said_that_it_broadcasts_is_told_what_to_write():
    @operation(input=lambda g, other: g * other, other=lambda g, input: g * input)
    def times(input, other):
        return input * other

    x, w = (Tensor(np.ones(shape), requires_grad=True) for shape in ((3, 2), (2,)))
    with pytest.raises(RuntimeError, match=r"times: .*\(3, 2\) for .*\(2,\); .* elementwise=True"):
        times(x, w).sum().backward()


@pytest.mark.parametrize("name", ["y", "shape", "dtype", "needs", "view", "joint", "flops"])
def test_a_name_that_means_something_else_in_a_pullback_is_refused(name):
    value = eval(f"lambda {name}: {name}")
    with pytest.raises(TypeError, match=f"an input cannot be called '{name}'.* another name"):
        operation(**{name: lambda g: g})(value)


def test_a_gate_does_not_need_its_own_output():
    x, w = (Tensor([-1.0, 2.0], requires_grad=True) for _ in range(2))
    (g,) = minigen.grad((minigen.relu(x) * w).sum(), x, create_graph=True)
    assert g.grad_fn.name == "gate"
    g.detach().zero_()
    g.backward(Tensor([1.0, 1.0]))
    assert w.grad.numpy().tolist() == [0, 1]


def test_operations_have_names():
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    y = minigen.linear(x, x)
    assert y.grad_fn.name == "linear"
    assert [node.name for node in y.exp().grad_fn.inputs] == ["linear"]
    assert minigen.exp.operation.name == minigen.exp.__name__ == "exp"
    assert minigen.relu(x).grad_fn.name == "relu"
    assert y.grad_fn.inputs[0].name == "leaf"


def test_an_error_names_the_operation_and_its_operands():
    a, b = Tensor(np.ones((2, 3))), Tensor(np.ones((4, 5), np.float32))
    with pytest.raises(ValueError, match=r"add\(input float64 \(2, 3\), other float64 \(4, 5\)\)"):
        a + b
    with pytest.raises(ValueError, match=r"matmul: \(2, 3\) @ \(2, 3\): inner"):
        a @ a
    with pytest.raises(ValueError, match=r"reshape\(input float64 \(2, 3\), to=\(4,\)\): .*size 6"):
        a.reshape(4)
    with pytest.raises(
        IndexError, match=r"index\(input float64 \(2, 3\), key=\(5, .*out of bounds"
    ):
        a[5]
    with pytest.raises(TypeError, match="add: other is a NoneType, not a Tensor or a number"):
        a + None
    with pytest.raises(TypeError, match="mul: other is a str"):
        a * "text"
    with pytest.raises(TypeError, match="add: input must be a Tensor, not float"):
        minigen.add(1.0, 2.0)


def test_an_input_that_is_not_differentiable_is_not_recorded():
    x = Tensor([1.0, 2.0], requires_grad=True)
    for y in (x > 1, x == x, x.sign() > 0, minigen.logical_not(x), x.argmax()):
        assert not y.requires_grad
    picked = minigen.where(x > 1, Tensor([1.0, 1.0]), 0.0)
    assert not picked.requires_grad


# The dtype of a result

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
OPERATORS = [operator.add, operator.mul, operator.truediv, operator.pow]


def one(dtype, axes):
    return Tensor(np.ones((1,) * axes, dtype))


@needs_torch
@pytest.mark.parametrize("first", DTYPES)
def test_two_tensors_promote_as_in_pytorch(first):
    for second, a, b in itertools.product(DTYPES, (0, 1), (0, 1)):
        x, y = one(first, a), one(second, b)
        u, v = torch.from_numpy(x.array), torch.from_numpy(y.array)
        assert str(torch.result_type(u, v)) == f"torch.{result_type(x, y)}", (second, a, b)
        for f in OPERATORS:
            try:
                expected = f(u, v)
            except RuntimeError:  # such as powers of truth values
                continue
            if f is operator.pow and first == second == "bool":
                continue
            assert f"torch.{f(x, y).dtype}" == str(expected.dtype), (f, second, a, b)
        for f, g in ((minigen.maximum, torch.maximum), (minigen.minimum, torch.minimum)):
            assert f"torch.{f(x, y).dtype}" == str(g(u, v).dtype)
        expected = torch.where(torch.tensor([True]), u, v).dtype
        assert f"torch.{minigen.where(Tensor([True]), x, y).dtype}" == str(expected)
        if a and b:
            assert f"torch.{minigen.cat([x, y]).dtype}" == str(torch.cat([u, v]).dtype)


@needs_torch
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_and_a_number_promote_as_in_pytorch(dtype):
    for number, axes, f in itertools.product((True, 2, 2.5), (0, 1), OPERATORS):
        x = one(dtype, axes)
        for call in (lambda a, f=f, n=number: f(a, n), lambda a, f=f, n=number: f(n, a)):
            try:
                expected = call(torch.from_numpy(x.array))
            except RuntimeError:
                continue
            if f is operator.pow and dtype == "bool" and number is True:
                continue
            assert f"torch.{call(x).dtype}" == str(expected.dtype), (number, axes, f)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_scalars_never_promote_numpys_neither(dtype):
    x = Tensor(np.ones((2, 2), dtype), requires_grad=True)
    numbers = [True, 2, 2.5, np.float64(2.5), np.float32(2.5), np.int64(2), np.sqrt(2), np.bool_(1)]
    for number, f in itertools.product(numbers, OPERATORS):
        for y in (f(x, number), f(number, x)):
            assert y.dtype == dtype
            assert minigen.grad(y.sum(), x)[0].dtype == dtype
        assert minigen.where(x > number, x, number).dtype == dtype
        assert minigen.maximum(x, number).dtype == dtype
    assert (x + np.array(2.0)).dtype == dtype  # 0-d arrays do not promote either


def test_arrays_meet_tensors_as_tensors():
    x = Tensor([1.0, 2.0], requires_grad=True)
    a = np.array([3.0, 2.0], np.float32)
    for f in (*OPERATORS, operator.sub, minigen.maximum, minigen.minimum):
        for y, expected in ((f(x, a), f(x, Tensor(a))), (f(a, x), f(Tensor(a), x))):
            assert isinstance(y, Tensor)
            np.testing.assert_array_equal(y.array, expected.array)
            (g,), (h,) = (minigen.grad(z.sum(), x) for z in (y, expected))
            np.testing.assert_array_equal(g.array, h.array)
    mask = np.array([True, False])
    assert (mask & (x > 0)).array.tolist() == ((x > 0) & mask).array.tolist() == [True, False]


def test_promotion_carries_the_gradient_back():
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor(np.ones(2), requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.dtype == np.float32 and b.grad.dtype == np.float64
    (a * Tensor([2, 3])).sum().backward()
    assert a.grad.array.tolist() == [3, 4]
