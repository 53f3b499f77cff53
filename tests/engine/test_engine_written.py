"""Operations written out do what the operation itself does."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import Tensor, engine
from minigen.operation import Operation, callable_of, save
from minigen.seams import Seam

OPERATIONS = {
    f.operation.name: f.operation
    for name, module in list(sys.modules.items())
    if name.startswith("minigen.functional.")
    for f in vars(module).values()
    if isinstance(getattr(f, "operation", None), Operation)
}
FLOATS = ["float16", "float32", "float64"]


@st.composite
def operands(draw):
    """Tensors, recorded or not, arrays and numbers."""
    made = []
    for _ in range(draw(st.integers(2, 3))):
        x = np.arange(1, 7).reshape(2, 3).astype(draw(st.sampled_from([*FLOATS, "int64", "bool"])))
        kind = draw(st.sampled_from(["tensor", "leaf", "row", "array", "number", "scalar"]))
        if kind == "leaf" and x.dtype.kind == "f":
            made.append(Tensor(x, requires_grad=True))
        else:
            row = Tensor(x[0])
            made.append(
                {"array": x, "number": 2.0, "scalar": x[0, 0], "row": row}.get(kind, Tensor(x))
            )
    return made


def outcome(f, arguments):
    try:
        y = f(*arguments)
    except Exception as error:
        return type(error), str(error)
    node = y._node
    if node is None:
        return y.dtype, y.numpy().tolist(), None
    kept = {
        name: (x[0].tolist() if hasattr(x[0], "tolist") else x[0]) for name, x in node.kept.items()
    }
    return y.dtype, y.numpy().tolist(), node.name, list(node.inputs), kept, node.options


@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(["add", "mul", "div", "pow", "maximum", "where", "eq", "matmul", "linear"]),
       operands(), st.booleans())  # fmt: skip
def test_a_written_operation_does_what_the_operation_does(name, arguments, recorded):
    op = OPERATIONS[name]
    arguments = (arguments * 2)[: len(op.inputs)]
    if name == "where":
        arguments[0] = Tensor(np.array([True, False, True]))
    mode = minigen.enable_grad if recorded else minigen.no_grad
    with mode():
        assert outcome(callable_of(op), arguments) == outcome(op, arguments)


def test_an_input_may_be_given_by_name_and_counts_as_one():
    for f in (callable_of.plain(OPERATIONS["mul"]), minigen.mul):
        x, w = Tensor([3.0], requires_grad=True), Tensor([2.0], requires_grad=True)
        for y in (f(x, other=w), f(other=w, input=x)):
            y.backward()
            assert x.grad.item() == 2 and w.grad.item() == 3
            x.grad = w.grad = None
        assert f(x, other=2.0).item() == 6
        with pytest.raises(TypeError, match="mul.*missing.* 'other'"):
            f(x)
        with pytest.raises(TypeError, match="mul.*multiple values for argument 'input'"):
            f(x, input=x)


def test_each_operation_can_be_read():
    for op in OPERATIONS.values():
        compile(engine.source(named(op)), op.name, "exec")
    assert "_kept['other']" in engine.source(minigen.mul)
    with pytest.raises(TypeError, match="an operation such as minigen.mul, not"):
        engine.source(minigen.no_grad)


def named(op):
    def f(): ...

    f.operation = op
    return f


def test_a_seam_has_a_plain_function_behind_it():
    assert isinstance(save, Seam) and save.now is not save.plain
    assert save.plain(2.0) == (2.0, False)
    x = Tensor([1.0])
    assert save.plain(x)[0] is x.array and save(x)[0] is x.array
