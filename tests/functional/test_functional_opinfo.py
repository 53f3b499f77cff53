"""PyTorch's own samples (tests/opinfo.py): all when that is run, a few of each operation here."""

import itertools

import opinfo
import pytest

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def database():
    try:
        return opinfo.database()
    except (ImportError, AttributeError) as error:
        pytest.skip(f"PyTorch's samples are a private module, which has moved: {error}")


@pytest.mark.filterwarnings("ignore")  # NumPy says where infinities meet
@pytest.mark.parametrize(("dtype", "most"), [("float64", 6), ("int64", 3)])
def test_pytorchs_samples_have_pytorchs_values_and_gradients(database, dtype, most):
    wrong = []
    for op in database:
        for sample in itertools.islice(opinfo.samples(op, dtype, dtype == "float64"), most):
            verdict, why = opinfo.outcome(op, sample, dtype == "float64")
            if verdict == "wrong":
                wrong.append(f"{opinfo.full(op)}: {why}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.filterwarnings("ignore")
def test_what_pytorch_refuses_is_refused_in_a_line_that_names_the_operation(database):
    wrong = []
    for op in database:
        for error in opinfo.refused_by_pytorch(op):
            verdict, why = opinfo.refusal(op, error)
            if verdict == "wrong":
                wrong.append(f"{opinfo.full(op)}: {why}")
    assert not wrong, "\n".join(wrong)
