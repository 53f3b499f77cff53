"""What this machine offers: `python -m minigen.info`.

Each line says what was found, or in one sentence what is missing and what to install.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

import minigen
from minigen import backend
from minigen.backend import DeviceError
from minigen.display import forgiving_streams

KERNEL = """
__global__ void twice(float* x) { x[threadIdx.x] *= 2; }
"""


def report() -> Iterator[tuple[str, str]]:
    """What is asked, and what was found."""
    yield "minigen", f"{minigen.__version__}, Python {platform.python_version()}"
    yield "machine", f"{platform.system()} {platform.machine()}, {backend.threads()} threads used"
    yield "NumPy", f"{np.__version__}, {_blas()}"
    yield "SciPy", importlib.metadata.version("scipy")
    try:
        import cupy
    except ModuleNotFoundError:
        yield (
            "CuPy",
            "not installed, so there is no GPU: pip install 'minigen[cuda13]', or [cuda12]",
        )
        return
    except Exception as error:  # a broken installation fails in many ways
        yield "CuPy", f"is installed but does not load: {_first_line(error)}"
        return
    runtime = cupy.cuda.runtime
    yield "CuPy", f"{cupy.__version__}, built for CUDA {_version(runtime.runtimeGetVersion())}"
    yield "driver", _tried(lambda: _driver(runtime))
    yield "NVRTC", _tried(lambda: ".".join(map(str, cupy.cuda.nvrtc.getVersion())))
    if not cupy.cuda.is_available():
        yield "cards", "none that can be used"
    else:
        for i in range(runtime.getDeviceCount()):
            yield f"cuda:{i}", _tried(lambda i=i: _card(cupy, i))
    yield "kernel", _tried(_compiled_and_run)


def _blas() -> str:
    """Which libraries multiply matrices, and their threads."""
    found = [
        f"{lib['internal_api']} {lib.get('version') or ''} for {lib.get('architecture', '?')}"
        f" with {lib['num_threads']} threads"
        for lib in threadpoolctl.threadpool_info()
        if lib["user_api"] == "blas"
    ]
    return " and ".join(dict.fromkeys(found)) or "with a BLAS that does not say its name"


def _version(number: int) -> str:
    """13020 is 13.2."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _driver(runtime: Any) -> str:
    number = runtime.driverGetVersion()
    return f"for CUDA up to {_version(number)}" if number else "none found"


def _card(cupy: Any, i: int) -> str:
    card, properties = cupy.cuda.Device(i), cupy.cuda.runtime.getDeviceProperties(i)
    free, total = (f"{n / 2**30:.1f} GiB" for n in card.mem_info)
    digits = card.compute_capability
    return (
        f"{properties['name'].decode()}, compute capability {digits[:-1]}.{digits[-1]}, "
        f"{free} of {total} free"
    )


def _compiled_and_run() -> str:
    """Whether a trivial kernel compiles and gives the right numbers."""
    cupy = backend.require_cuda()
    module = cupy.RawModule(code=KERNEL, options=("-std=c++17",), name_expressions=("twice",))
    x = cupy.arange(32, dtype=np.float32)
    module.get_function("twice")((1,), (32,), (x,))
    right = (x.get() == 2 * np.arange(32)).all()
    return "compiled and ran" if right else "compiled and ran, but its numbers are wrong"


def card(device: str) -> str:
    """What the card of a device, "cuda" or "cuda:1", is."""
    number = int(device.partition(":")[2] or 0)
    return _tried(lambda: _card(backend.require_cuda(), number))


def processor() -> str:
    """The CPU's name, as far as the system tells it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _tried(f: Callable[[], str]) -> str:
    try:
        return f()
    except DeviceError as error:
        return f"not tried: {error}"
    except Exception as error:  # of the driver, the compiler, the card
        return f"failed: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().partition("\n")[0]


def main() -> None:
    with forgiving_streams():
        for name, found in report():
            print(f"{name:8} {found}")


if __name__ == "__main__":
    main()
