"""The first NaN or infinity is reported with the operation and the user's line, and only that."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operations import OPERATIONS

import minigen
from minigen import Tensor
from minigen.anomaly import AnomalyError, detect_anomaly
from minigen.engine.calls import onlookers

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's own, of log(0)
INF = np.inf


def tensor(*numbers, requires_grad=True):
    return Tensor(np.array(numbers, np.float32), requires_grad=requires_grad)


def anomaly(f, *args):
    """The error that f(*args) raises."""
    with detect_anomaly(), pytest.raises(AnomalyError) as caught:
        f(*args)
    return caught.value


def lines(error):
    place, source = str(error).splitlines()[1:]
    assert f'File "{error.file}", line {error.line}' in place and error.file == __file__
    return source.strip()


def test_a_value_is_reported_in_forward():
    def f(x):
        y = x * 2
        y = y.log()  # here
        return y.sum()

    error = anomaly(f, tensor(1, 0, 4))
    assert error.operation == "log" and lines(error) == "y = y.log()  # here"
    for part in ["-inf (1 of 3 elements, the first at (1,))", "finite input", "from 0 to 8"]:
        assert part in str(error)
    with minigen.no_grad():
        assert anomaly(f, tensor(1, -1)).operation == "log"


def test_a_gradient_is_reported_in_backward_with_the_line_that_recorded_it():
    def f(x):
        y = minigen.where(x > 0, x.sqrt(), x)  # here
        (y * 3).sum().backward()

    error = anomaly(f, tensor(0, 1))  # the famous 0·inf of a masked square root
    assert error.operation == "sqrt" and "its pullback made NaN" in str(error)
    assert lines(error) == "y = minigen.where(x > 0, x.sqrt(), x)  # here"


def test_a_gradient_of_a_gradient_is_reported_too():
    def f(x):
        y = (x**1.5).sum()  # here
        (g,) = minigen.grad(y, x, create_graph=True)
        g.sum().backward()

    error = anomaly(f, tensor(0.0, 1.0))
    assert "its pullback made inf" in str(error) and error.file == __file__


def test_what_was_not_finite_before_is_named_as_such():
    error = anomaly(lambda x: x + 1, tensor(1, np.nan))
    assert "its input 'input' already holds NaN" in str(error)
    y = tensor(1, 2) * 3
    error = anomaly(lambda: y.sum().backward(Tensor(np.float32(np.nan))))
    assert "the gradient that reached it already held NaN" in str(error)
    with np.errstate(all="ignore"):
        y = tensor(0).sqrt()
    error = anomaly(lambda: y.backward())
    assert "recorded outside detect_anomaly()" in str(error) and error.line is None


def test_masks_of_minus_infinity_pass_until_they_make_nan():
    mask = Tensor(np.array([True, False, True]))
    with detect_anomaly():
        scores = minigen.where(mask, tensor(1, 2, 3), -INF)
        minigen.softmax(scores, dim=0)[0].backward()
        y = minigen.log_softmax(tensor(-INF, 0, 1), dim=0)
        assert y.numpy()[0] == -INF
        y[1].backward()
        (tensor(INF, 1, requires_grad=False) * tensor(2, 2)).sum().backward()
    error = anomaly(lambda: tensor(INF, 1) - tensor(INF, 1))
    assert error.operation == "sub" and "from 1 to inf" in str(error)

    def f(x, w):
        minigen.where(mask, w, x * w).sum().backward()

    error = anomaly(f, tensor(INF, 1, 2, requires_grad=False), tensor(1, 1, 1))
    assert error.operation == "mul" and "its pullback made NaN" in str(error)  # 0·inf


@pytest.mark.parametrize("entry", OPERATIONS, ids=lambda entry: entry.name)
def test_no_operation_of_ours_raises_a_false_alarm(entry):
    @settings(max_examples=8)
    @given(st.data())
    def check(data):
        call = data.draw(entry.draw)
        f = call.of_leaves(entry.on(minigen, Tensor))
        with detect_anomaly():
            for y in f(*[Tensor(a, requires_grad=True) for a in call.leaves()]):
                if isinstance(y, Tensor) and y.requires_grad:
                    y.backward(minigen.ones(*y.shape, dtype=y.dtype), retain_graph=True)

    check()


def test_other_threads_are_left_alone_and_the_end_is_the_end():
    results = []

    def other():
        results.append((tensor(0).log()).item())

    with detect_anomaly(), pytest.raises(AnomalyError), detect_anomaly():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        tensor(0).log()
    assert results == [-INF] and not onlookers
    assert tensor(0).log().item() == -INF
