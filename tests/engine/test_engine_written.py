"""Operations written out do what the operation itself does."""

import sys

import numpy as np
import pytest
from hypothesis import example, given
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
SQUARE = np.arange(9, dtype=np.float32).reshape(3, 3) / 7 + np.float32(0.3)
LEAF, OTHER = Tensor(SQUARE, requires_grad=True), Tensor(SQUARE)


@st.composite
def operands(draw):
    """Tensors, recorded or not, arrays and numbers; of one dtype or of several."""
    one, made = draw(st.none() | st.sampled_from(FLOATS)), []
    for _ in range(3):
        dtype = one or draw(st.sampled_from([*FLOATS, "int64", "bool"]))
        x = (np.arange(9).reshape(3, 3) / 7 + 0.3).astype(dtype)
        kinds = {
            "tensor": Tensor(x), "row": Tensor(x[0]), "point": Tensor(x[1, 1:2].reshape(())),
            "array": x, "number": 0.7, "scalar": x[1, 1],
            "leaf": Tensor(x, requires_grad=x.dtype.kind == "f"),
        }  # fmt: skip
        made.append(kinds[draw(st.sampled_from(sorted(kinds)))])
    return made


def outcome(f, arguments, options):
    try:
        y = f(*arguments, **options)
    except Exception as error:
        return type(error), str(error)
    node, value = y._node, (y.dtype, y.shape, y.numpy().tobytes())
    if node is None:
        return value
    kept = {name: (getattr(x, "dtype", None), str(x)) for name, (x, *_) in node.kept.items()}
    return *value, node.name, [p and p.name for p in node.inputs], kept, node.options


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        "add",
        "mul",
        "div",
        "pow",
        "maximum",
        "where",
        "eq",
        "matmul",
        "linear",
        "exp",
        "cat",
        "gather",
    ],
)
@given(operands(), st.booleans())
@example([LEAF, OTHER, OTHER], True)  # what is kept depends on which of them is recorded
@example([OTHER, LEAF, OTHER], True)
def test_a_written_operation_does_what_the_operation_does(name, arguments, recorded):
    op, options = OPERATIONS[name], {}
    if name == "cat":
        options = {"dim": 0, "lengths": [3] * len(arguments)}
    elif name == "where":
        arguments[0] = Tensor(np.array([True, False, True]))
    elif name == "gather":
        arguments[1], options = np.array([[2, 0, 1]]), {"dim": 0}
    arguments = arguments[: 3 if op.variadic else len(op.inputs)]
    with minigen.enable_grad() if recorded else minigen.no_grad():
        expected = outcome(op, arguments, options)
        assert outcome(callable_of(op), arguments, options) == expected


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
