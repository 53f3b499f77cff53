"""`python -m minigen.info` reads well whatever is missing."""

import subprocess
import sys
import types

import numpy as np
import pytest

from minigen import info


def test_without_cupy():
    code = "import sys; sys.modules['cupy'] = None; from minigen import info; info.main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stderr
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["NumPy"].startswith(np.__version__) and "threads" in lines["NumPy"]
    assert lines["CuPy"].startswith("not installed") and "pip install" in lines["CuPy"]
    assert list(lines) == ["minigen", "machine", "NumPy", "SciPy", "CuPy"]


def no_card(driver):
    """CuPy as it is without a card: most of its calls raise."""

    def fails(*_):
        raise RuntimeError("cudaErrorInsufficientDriver: too old\nand more")

    runtime = types.SimpleNamespace(
        driverGetVersion=lambda: driver, runtimeGetVersion=lambda: 13020, getDeviceCount=fails
    )
    nvrtc = types.SimpleNamespace(getVersion=fails)
    cuda = types.SimpleNamespace(is_available=lambda: False, runtime=runtime, nvrtc=nvrtc)
    return types.SimpleNamespace(
        cuda=cuda, __version__="14.2.0", ndarray=types.new_class("ndarray")
    )


@pytest.mark.parametrize(
    ("driver", "words", "advice"),
    [
        (0, "none found", "no NVIDIA driver: install one"),
        (12040, "for CUDA up to 12.4", "update the driver, or pip install 'minigen[cuda12]'"),
        (13020, "for CUDA up to 13.2", "no NVIDIA card that it can use"),
    ],
)
def test_without_a_card(driver, words, advice, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", no_card(driver))
    found = dict(info.report())
    assert found["CuPy"] == "14.2.0, built for CUDA 13.2" and found["driver"] == words
    assert found["NVRTC"] == "failed: RuntimeError: cudaErrorInsufficientDriver: too old"
    assert found["cards"] == "none that can be used" and advice in found["kernel"]
    assert all("\n" not in line for line in found.values())


def test_a_cupy_that_does_not_load(monkeypatch, tmp_path):
    (tmp_path / "cupy.py").write_text("raise ImportError('libcudart is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    found = dict(info.report())
    assert found["CuPy"] == "is installed but does not load: ImportError: libcudart is missing"


def test_main_prints_a_line_for_each(capsys, monkeypatch):
    monkeypatch.setattr(info, "report", lambda: iter([("NumPy", "2.0"), ("cuda:0", "a card")]))
    info.main()
    assert capsys.readouterr().out == "NumPy    2.0\ncuda:0   a card\n"
