"""What comes in where arrays are given: made plain, or refused in a line that says what to do."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import Tensor, data, metrics, nn, optim
from minigen.sparse import SparseRows

DTYPES = ["bool", "int8", "uint16", "int32", "int64", "float16", "float32", "float64"]


def unaligned(a):
    memory = np.empty(a.nbytes + 1, np.uint8)[1:]
    other = memory.view(a.dtype).reshape(a.shape)
    other[...] = a
    return other


class Holder:
    """Of a library that NumPy does not know."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


SORTS = {
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "little-endian": lambda a: a.astype(a.dtype.newbyteorder("<")),
    "not aligned": unaligned,
    "masked, but nowhere": lambda a: np.ma.array(a, mask=np.zeros(a.shape, bool)),
    "a record": lambda a: a.view(np.recarray),
    "of a dtype with notes": lambda a: a.view(np.dtype(a.dtype, metadata={"unit": "m"})),
    "backwards": lambda a: a[::-1].copy()[::-1],
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "expanded": lambda a: np.broadcast_to(a[:1], a.shape),
    "of another library": Holder,
}
DOORS = {
    "Tensor": Tensor,
    "tensor": mg.tensor,
    "Parameter": lambda a: nn.Parameter(a, requires_grad=False),
    "data": lambda a: _set(a),
    "copy_": lambda a: mg.zeros(2, 3, dtype=np.asarray(a).dtype.newbyteorder("=")).copy_(a),
    "an operand": lambda a: mg.zeros(2, 3, dtype=np.asarray(a).dtype.newbyteorder("=")) + a,
    "an operand's left": lambda a: np.asarray(a) + mg.zeros(2, 3, dtype="bool"),
    "a state": lambda a: _load(a),
    "batches": lambda a: Tensor(next(iter(data.Batches(a, batch_size=2, shuffle=False)))[0]),
    "rows": lambda a: Tensor(SparseRows(np.arange(2).astype(">i4"), a, (2, 3)).to_dense()),
}
FOREIGN = {"an operand"}  # an object of another library is no operand


def _set(array):
    tensor = Tensor(np.zeros((2, 3)))
    tensor.data = array
    return tensor


def _load(array):
    module = nn.Module()
    module.register_buffer("b", mg.zeros(2, 3, dtype=np.asarray(array).dtype.newbyteorder("=")))
    module.load_state_dict({"b": array})
    return module.b


@given(st.sampled_from(list(SORTS)), st.sampled_from(list(DOORS)), st.sampled_from(DTYPES))
def test_every_array_comes_in_as_a_plain_one(sort, door, dtype):
    plain = np.array([[1, 0, 1], [1, 0, 1]], dtype)
    given_one = SORTS[sort](plain)
    if sort == "of another library" and door in FOREIGN:
        return
    arrived = DOORS[door](given_one).numpy()
    assert type(arrived) is np.ndarray and arrived.flags.aligned
    assert arrived.dtype is np.dtype(dtype)
    np.testing.assert_array_equal(arrived, plain)


@given(st.sampled_from(list(SORTS)), st.sampled_from(["float16", "float32", "float64"]))
def test_gradients_flow_whatever_was_given(sort, dtype):
    plain = np.array([[1, 0, 2], [1, 0, 2]], dtype)
    x = Tensor(SORTS[sort](plain.copy()), requires_grad=True)
    factor = np.asarray(SORTS[sort](plain)) if sort == "of another library" else SORTS[sort](plain)
    (x * x * factor).backward(SORTS[sort](plain))
    np.testing.assert_array_equal(x.grad.numpy(), 2 * plain**3)
    if sort in ("read-only", "expanded"):
        with pytest.raises(ValueError, match="SGD: .* cannot be written"):
            optim.SGD([x], lr=1.0).step()
    else:
        optim.SGD([x], lr=1.0).step()
        np.testing.assert_array_equal(x.numpy(), plain - 2 * plain**3)


def test_a_matrix_multiplies_each_element():
    m = np.ones((2, 2), np.float32).view(np.matrix)
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    for y in (x * m, m * x, x * Tensor(m), x.copy_(x * m)):
        assert type(y.numpy()) is np.ndarray and y.numpy().tolist() == [[1, 2], [3, 4]]


REFUSED = [
    (np.ma.array([1.0, 2.0], mask=[0, 1]), r"1 entries of this array are masked; fill them"),
    (np.ma.masked, "masked"),
    (np.ones(2, complex), r"complex128 .*\.real or \.imag"),
    (np.ones(2, np.longdouble), r"longdouble|float128 .*astype\(np.float64\)"),
    (np.longdouble(1), r"longdouble|float128 .*astype\(np.float64\)"),
    (np.zeros(2, "M8[s]"), r"datetime64\[s\] .*astype\(np.int64\)"),
    (np.zeros(2, [("a", "f4")]), r"take one field"),
    (np.rec.array([(1.0,)], dtype=[("a", "f8")]), r"take one field"),
    (np.array(["1"]), "holds real numbers"),
    (np.array([1, None]), "holds real numbers"),
    ([[1], [1, 2]], "rectangular"),
    ([1, "2"], "holds real numbers"),
    ([2**70], "holds real numbers"),
    ({1: 2}, "holds real numbers"),
    ((i for i in range(3)), "holds real numbers"),
    (Holder(3), "a tensor needs an array"),
]


@pytest.mark.parametrize("value, words", REFUSED)
def test_what_no_tensor_holds_is_refused_with_what_to_do(value, words, tmp_path):
    doors = [Tensor, lambda a: setattr(Tensor([1.0]), "data", a), mg.ones(2).copy_]
    if isinstance(value, np.ndarray):
        doors.append(lambda a: mg.save({"a": a}, tmp_path / "a.npz"))
        doors.append(lambda a: mg.ones(2) + a)
    for door in doors:
        with pytest.raises(TypeError, match=words) as error:
            door(value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", ["complex64", np.longdouble, "M8[s]", object, "U3", "V4"])
def test_no_tensor_is_asked_for_in_such_a_dtype(dtype):
    for make in (lambda: Tensor([1.0], dtype=dtype), lambda: mg.ones(1).to(dtype),
                 lambda: mg.zeros(1, dtype=dtype)):  # fmt: skip
        with pytest.raises(TypeError, match="holds real numbers"):
            make()
    assert Tensor([1.0], dtype=">f8").dtype is mg.ones(1).to(">f8").dtype is np.dtype("f8")


@pytest.mark.parametrize("value", [[300], -1, [[-1]]])
def test_numbers_that_the_dtype_cannot_hold_are_refused(value):
    with pytest.raises(TypeError, match="out of bounds for uint8"):
        Tensor(value, dtype=np.uint8)


def test_a_torch_tensor_given_by_mistake():
    torch = pytest.importorskip("torch")
    for f in (lambda a, b: a + b, lambda a, b: b * a):
        with pytest.raises(TypeError, match=r"a torch\.Tensor, not a Tensor or a number"):
            f(mg.ones(2), torch.ones(2))
    assert Tensor(torch.ones(2, dtype=torch.float64)).dtype == np.float64
    with pytest.raises(TypeError, match=r"detach\(\).numpy\(\).* \(made of a torch.Tensor\)"):
        Tensor(torch.ones(2, requires_grad=True))


MASKED = np.ma.array([[0, 1], [2, 3], [4, 6]], mask=[[0, 1], [0, 0], [0, 0]])


@pytest.mark.parametrize(
    "f",
    [
        lambda a: metrics.frechet_distance(a, a),
        lambda a: metrics.wasserstein(a, a.filled(0)),
        lambda a: metrics.class_coverage(a[0], 8),
        lambda a: metrics.jensen_shannon(a[0], a[1], [0, 1]),
        lambda a: metrics.optimal_plan(a[0], [0, 1], np.zeros((2, 2))),
        lambda a: mg.zeros(9)[a[0]],
        lambda a: mg.zeros(9)[:, None][a[0], 0],
        lambda a: mg.zeros(9).__setitem__(a[0], 1),
    ],
)
def test_what_is_masked_is_no_number_for_a_metric_or_an_index(f):
    with pytest.raises(TypeError, match="1 entries of this array are masked"):
        f(MASKED)
    with contextlib.suppress(ValueError):  # these are no two distributions
        f(np.ma.array(MASKED.data))


def test_an_array_that_was_an_index_may_change():
    for key in np.array([1, 1, 2]), np.array([False, True, True, False]):
        x = Tensor(np.arange(4.0), requires_grad=True)
        y, expected = x[key], np.bincount(np.arange(4)[key], minlength=4)
        key[...] = 0
        y.sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), expected)


def test_data_that_require_a_gradient_are_floats_and_what_is_refused_changes_nothing():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    for tensor, wrong in (x, np.ones(2, int)), (y, np.ones(3, np.float32)):
        with pytest.raises(RuntimeError, match="data of"):
            tensor.data = wrong
        assert tensor.dtype == np.float32 and tensor.shape == (2,)


def test_a_gradient_fits_its_tensor():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(TypeError, match="grad must be a Tensor or None, not a ndarray"):
        x.grad = np.ones(2, np.float32)
    for wrong in (mg.ones(1), mg.ones(2, dtype=np.float64), mg.ones(1, 2)):
        with pytest.raises(ValueError, match=r"grad: the gradient .* does not fit"):
            x.grad = wrong
    x.grad = g = mg.ones(2)
    assert x.grad is g
    x.grad = None
    assert x.grad is None


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_files_in_another_byte_order(tmp_path, ending):
    path = tmp_path / f"w.{ending}"
    mg.save({"w": np.array([1.0, 2.0], ">f4")}, path)
    assert mg.load(path)["w"].dtype is np.dtype("f4") and mg.load(path)["w"].numpy()[1] == 2
    np.savez(tmp_path / "theirs.npz", w=np.array([1, 2], ">i8"), long=np.ones(2, ">f8"))
    assert mg.load(tmp_path / "theirs.npz")["w"].dtype is np.dtype("i8")
    np.savez(tmp_path / "theirs.npz", w=np.ones(2, np.longdouble))
    with pytest.raises(ValueError, match="'w' holds .*, which no tensor can"):
        mg.load(tmp_path / "theirs.npz")
