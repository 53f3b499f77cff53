"""Arrays, devices and random streams."""

import subprocess
import sys
import threading
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import DeviceError, Generator, Tensor, backend


class ElsewhereArray:
    """As much of CuPy's array as it takes to be one."""

    __array_ufunc__ = None
    dtype, shape, ndim, size, base = np.dtype(np.float32), (2,), 1, 2, None
    nbytes, data = 8, types.SimpleNamespace(ptr=8)
    device = types.SimpleNamespace(id=1)


@pytest.fixture
def elsewhere(monkeypatch):
    """A tensor on a device `cuda:1` that is not there."""
    cupy = types.SimpleNamespace(ndarray=ElsewhereArray)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    yield Tensor(ElsewhereArray())
    backend.cuda_in_use.clear()


def test_an_array_says_where_it_is(elsewhere):
    assert elsewhere.device == "cuda:1"
    assert Tensor([1.0]).device == "cpu"
    assert backend.namespace(elsewhere.array) is sys.modules["cupy"]
    assert backend.namespace(np.zeros(1)) is np


@pytest.mark.parametrize("f", [minigen.add, minigen.mul, minigen.maximum, minigen.gt])
def test_mixing_devices_names_both_operands_and_the_way_out(f, elsewhere):
    here = Tensor([1.0, 2.0])
    with pytest.raises(
        DeviceError, match=r"input is on cpu and other on cuda:1; .*input.to\('cuda:1'\)"
    ):
        f(here, elsewhere)


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_no_cupy_is_said_in_one_sentence(device, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # importing it fails
    for make in (
        lambda: Tensor([1.0], device=device),
        lambda: Tensor([1.0]).to(device),
        lambda: minigen.randn(2, device=device),
    ):
        with pytest.raises(DeviceError, match=r"CuPy, which is not installed: pip install 'min"):
            make()


def test_no_card_is_said_too(monkeypatch):
    runtime = types.SimpleNamespace(
        getDeviceCount=lambda: 1, driverGetVersion=lambda: 13000, runtimeGetVersion=lambda: 13000
    )
    cuda = types.SimpleNamespace(is_available=lambda: False, runtime=runtime)
    monkeypatch.setitem(
        sys.modules, "cupy", types.SimpleNamespace(cuda=cuda, ndarray=ElsewhereArray)
    )
    with pytest.raises(DeviceError, match="no NVIDIA card"):
        Tensor([1.0], device="cuda")
    cuda.is_available = lambda: True
    with pytest.raises(DeviceError, match=r"'cuda:3': this machine has 1 card"):
        Tensor([1.0], device="cuda:3")


@pytest.mark.parametrize("device", ["tpu", "cpu:1", "cuda:x", "cuda:-1", "", "CPU"])
def test_the_name_of_no_device(device):
    with pytest.raises(ValueError, match="device must be 'cpu', 'cuda' or 'cuda:N'"):
        Tensor([1.0], device=device)
    with pytest.raises(ValueError, match=f"not '{device}'"):
        backend.Device(device)


def test_minigen_does_not_import_cupy():
    code = "import sys, minigen; minigen.randn(2).exp(); sys.exit('cupy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("count", [0, -1, 10**9])
def test_threads_are_one_or_more_but_not_any_number(count):
    with pytest.raises(ValueError, match=f"from 1 to 4,096, not {count}"):
        backend.limit_threads(count)


# Random streams

draws = {
    "normal": lambda g: g.normal((3, 4)),
    "uniform": lambda g: g.uniform((3, 4), np.float64),
}


@given(st.integers(0, 2**128 - 1), st.lists(st.sampled_from(sorted(draws)), max_size=4))
def test_a_draw_depends_on_the_seed_and_its_number_alone(seed, before):
    a, b, c = Generator(seed), Generator(), Generator(5)
    for name in before:
        draws[name](a)
        b.normal((7,))  # another draw, but as many
    b.load_state_dict({"seed": seed, "draws": len(before)})
    c.load_state_dict(a.state_dict())
    for draw in draws.values():
        x = draw(a)
        np.testing.assert_array_equal(x, draw(b))
        np.testing.assert_array_equal(x, draw(c))
        assert (x != draw(a)).any()  # the next one is another
        draw(b), draw(c)


def test_it_is_philox():
    found = Generator(7)
    found.uniform((2,))
    expected = np.random.Generator(np.random.Philox(key=7, counter=1 << 64))
    np.testing.assert_array_equal(found.normal((5,)), expected.standard_normal(5, np.float32))


@pytest.mark.parametrize("seed", [-1, 2**128, 1.5, "1", None])
def test_what_is_no_seed(seed):
    with pytest.raises(ValueError, match="a seed is a whole number"):
        minigen.manual_seed(seed)


def test_distributions():
    g, n = Generator(1), 200_000
    x, u = g.normal((n,), np.float64), g.uniform((n,))
    assert x.dtype == np.float64 and u.dtype == np.float32
    assert abs(x.mean()) < 0.01 and abs(x.var() - 1) < 0.02 and abs((x**4).mean() - 3) < 0.15
    assert abs(u.mean() - 0.5) < 0.005 and u.min() >= 0 and u.max() < 1
    assert g.normal(()).shape == ()


def test_threads_draw_different_numbers():
    g, found = Generator(2), []
    workers = [
        threading.Thread(target=lambda: found.extend(g.uniform((2,))[0] for _ in range(50)))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    expected = Generator(2)
    assert sorted(found) == sorted(expected.uniform((2,))[0] for _ in range(200))


@pytest.mark.parametrize("make", [minigen.randn, minigen.rand])
def test_random_tensors(make):
    minigen.manual_seed(4)
    x, y = make(2, 3), make((2, 3), dtype=np.float64, requires_grad=True)
    assert x.dtype == np.float32 and y.dtype == np.float64 and y.requires_grad
    assert x.shape == y.shape == (2, 3) and make().shape == () and (x.array != y.array).all()
    minigen.manual_seed(4)
    assert (make(2, 3).array == x.array).all()
    a, b = (make(5, generator=Generator(9)) for _ in range(2))
    assert (a.array == b.array).all()
    with pytest.raises(TypeError, match="generator must be a minigen.Generator or None, not Gen"):
        make(5, generator=np.random.default_rng(0))


def test_filled_tensors():
    assert minigen.zeros(2, 3).array.tolist() == [[0, 0, 0]] * 2
    assert minigen.ones((2,), dtype=np.int64, device="cpu").array.tolist() == [1, 1]
    assert minigen.ones(2, requires_grad=True).requires_grad
    with pytest.raises(TypeError, match="zeros: sizes must be integers"):
        minigen.zeros(2.5)
    source = np.ones(2)
    assert minigen.tensor(source).array is not source
    assert not np.shares_memory(minigen.tensor(Tensor(source)).array, source)
    x = minigen.zeros(400)
    x.normal_(5, 2, generator=Generator(1))
    assert abs(x.array.mean() - 5) < 0.5 and abs(x.array.std() - 2) < 0.3
    x.uniform_(-3, -1)
    assert -3 <= x.array.min() < -2.9 and -1.1 < x.array.max() < -1
