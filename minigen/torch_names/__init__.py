"""What programs for PyTorch write, in minigen's terms: change `import torch` to
`import minigen.torch_names as torch`, `torch.a.b` in other imports to `minigen.torch_names.a.b`,
`torchvision` to `minigen.torchvision_names`, and nothing else.

New programs write `import minigen` and need nothing of this room. What differs from PyTorch still:

- Random numbers. `manual_seed` makes a run repeat itself; no seed gives PyTorch's numbers.
- Threads. A loader's workers are threads (see `minigen.data.loader`); `worker_init_fn` is refused.
- A tensor's shape is a plain tuple, so `FloatTensor(x.shape)` is refused where PyTorch can tell a
  shape from numbers: write `FloatTensor(x.size())`. `FloatTensor(2, 3)` holds zeros.
- Devices are "cpu" and one "cuda" card; transfers wait. `torch.cuda` says yes where CuPy works.
- Files. `save` writes arrays and plain values, whatever the name's ending, and no code: of a module
  its `state_dict()`. `load` reads such files and, of PyTorch's own, tensors and plain values, all
  of which come to lie on the CPU.
- Switches in `backends` do nothing; `set_float32_matmul_precision` asks for TF32. `compile` and
  `DataParallel` give what they are given, at its own speed.
- Tensors hold real numbers: no complex, quantised, sparse or bfloat16 ones, no named axes.
- Missing altogether: recurrent and transformer layers, `distributions`, `linalg`, `fft`, `jit`,
  `amp`, `distributed` (see `minigen.distributed`), hooks on the whole of autograd, `Function` (see
  `minigen.operation`). Whatever is missing says "minigen has no …" by its name in PyTorch, at the
  import or where it is used.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import minigen
from minigen import backend, serialization
from minigen.backend import DeviceError
from minigen.data import loader
from minigen.functional.methods import Size  # noqa: F401
from minigen.missing import missing
from minigen.torch_names.kinds import DTYPES, Tensor, Variable, device, kinds  # noqa: F401
from minigen.torch_names.names import Names

# What is asked for in these says what is missing, not that there is no such module.
ABSENT = (
    "amp ao distributed distributions fft fx hub jit library linalg mps multiprocessing nested "
    "onnx overrides profiler quantization random sparse special testing xpu"
)

__version__ = minigen.__version__
dtype, finfo, iinfo = np.dtype, np.finfo, np.iinfo
inf, nan, pi, e = math.inf, math.nan, math.pi, math.e
set_num_threads, get_num_threads = backend.limit_threads, backend.threads
globals().update({np.dtype(kind).name: kind for kind in DTYPES.values()}, **kinds("cpu"))
globals().update({name.lower(): kind for name, kind in list(DTYPES.items())[:6]})


def _has_card() -> bool:
    try:
        backend.require_cuda()
    except DeviceError:
        return False
    return True


def _cards() -> int:
    return backend.require_cuda().cuda.runtime.getDeviceCount() if _has_card() else 0


def _wait(device: Any = None) -> None:
    if _has_card():
        backend.require_cuda().cuda.Device().synchronize()


class DataParallel(minigen.nn.Module):
    """The module itself, under the name `module`: a process works on one device."""

    def __init__(self, module: minigen.nn.Module, *_: Any, **__: Any):
        super().__init__()
        self.module = module

    def forward(self, *args: Any, **options: Any) -> Any:
        """What the module computes."""
        return self.module(*args, **options)


def compile(model: Any = None, **options: Any) -> Any:
    """The model or function itself."""
    return model if model is not None else lambda function: function


def Generator(device: str = "cpu") -> minigen.Generator:
    """A stream of random numbers, which knows no device."""
    return minigen.Generator()


def set_float32_matmul_precision(precision: str) -> None:
    """Allow TF32 or, for "highest", do not."""
    minigen.allow_tf32(precision != "highest")


def save(obj: Any, f: Any, *_: Any, **__: Any) -> None:
    """Write what `minigen.save` does, in .npz; the name may end as it likes."""
    serialization.save(obj, f, ".npz")


def load(f: Any, *_: Any, **__: Any) -> Any:
    """Read what `save` wrote, or PyTorch's `torch.save` of tensors and plain values. Tensors lie on
    the CPU, wherever they are mapped to; `load_state_dict` moves them to its module."""
    return serialization.load(f)


for _name in ABSENT.split():
    globals()[_name] = Names(_name)
nn = Names(
    "nn",
    minigen.nn,
    functional=Names("nn.functional", minigen.functional),
    modules=Names("nn.modules", minigen.nn),
    parameter=Names("nn.parameter", minigen.nn),
    parallel=Names("nn.parallel", DataParallel=DataParallel),
    DataParallel=DataParallel,
)
functional, optim = Names("functional", minigen.functional), Names("optim", minigen.optim)
utils = Names("utils", data=Names("utils.data", loader))
autograd = Names(
    "autograd",
    Variable=Variable,
    grad=minigen.grad,
    detect_anomaly=minigen.detect_anomaly,
    gradcheck=minigen.gradcheck,
)
accelerator = Names(
    "accelerator",
    is_available=_has_card,
    current_accelerator=lambda check_available=False: device("cuda") if _has_card() else None,
    device_count=_cards,
    synchronize=_wait,
)
cuda = Names(
    "cuda",
    accelerator,
    current_device=lambda: 0,
    manual_seed=minigen.manual_seed,
    manual_seed_all=minigen.manual_seed,
    empty_cache=lambda: None,
    **kinds("cuda"),
)
backends = Names(
    "backends",
    cudnn=Names("backends.cudnn", enabled=True, benchmark=False, deterministic=False),
    cuda=Names("backends.cuda", matmul=Names("backends.cuda.matmul", allow_tf32=False)),
    mps=Names("backends.mps", is_available=lambda: False, is_built=lambda: False),
)


def __getattr__(name: str) -> Any:
    if name in minigen.__all__:
        return getattr(minigen, name)
    raise missing(name, lambda: [*globals(), *minigen.__all__])


def __dir__() -> list[str]:
    return sorted({*globals(), *minigen.__all__})
