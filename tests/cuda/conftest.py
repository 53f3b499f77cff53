"""A GPU for the tests of this folder: a real one where there is one, else the stand-in."""

import importlib.util

import pytest
import standin


def real_cupy():
    """CuPy, if it is installed and finds a card."""
    if importlib.util.find_spec("cupy") is None:
        return None
    import cupy

    return cupy if cupy.cuda.is_available() else None


@pytest.fixture
def cupy():
    """CuPy, on a real card or standing in."""
    found = real_cupy()
    if found is not None:
        yield found
        return
    with standin.installed() as module:
        if not hasattr(module, "RawModule"):
            pytest.skip("g++ is not installed, which compiles the kernels where there is no GPU")
        yield module


@pytest.fixture
def cards():
    """`cards(n)` stands in for CuPy on a machine with n of them, until the test ends."""
    contexts = []

    def install(count):
        contexts.append(standin.installed(count))
        return contexts[-1].__enter__()

    yield install
    for context in reversed(contexts):
        context.__exit__(None, None, None)
