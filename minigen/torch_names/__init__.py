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
  of which come to lie on the CPU, or on the device that `map_location` names.
- Switches in `backends` do nothing; `set_float32_matmul_precision` asks for TF32. `compile` and
  `DataParallel` give what they are given, at its own speed. `autocast` casts nothing, so that
  `GradScaler` has nothing to scale. `channels_last` and its kin are None: images are so anyway.
- `spectral_norm` and `weight_norm` of `nn.utils.parametrizations` are the older ones of `nn.utils`,
  whose state has older names.
- An optimiser's `state` holds arrays, and its `state_dict()` numbers parameters by text. Functions
  of NumPy refuse tensors: write `x.sin()`, or `np.sin(x.numpy())`.
- Tensors hold real numbers: no complex, quantised, sparse or bfloat16 ones, no named axes.
- `Tensor.unfold` and windows of other kinds are copies, where PyTorch gives views.
- Missing altogether: recurrent and transformer layers, `linalg` but for norms, `fft`, `jit`,
  distributions but for Normal, Bernoulli and Categorical, `distributed`, which says that it is not
  available (see `minigen.distributed`), hooks on the whole of autograd.
  Whatever is missing says "minigen has no …" by its name in PyTorch, at the import or where it is
  used.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import ContextDecorator
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import minigen
from minigen import backend, serialization
from minigen.backend import Device as device
from minigen.backend import DeviceError
from minigen.data import loader
from minigen.differentiation import backward_of
from minigen.functional.methods import Size  # noqa: F401
from minigen.missing import missing
from minigen.torch_names import distribution as _distributions
from minigen.torch_names.function import Context, Function
from minigen.torch_names.kinds import DTYPES, Tensor, Variable, kinds  # noqa: F401
from minigen.torch_names.names import Names, files

# What is asked for in these says what is missing, not that there is no such module.
ABSENT = (
    "ao fft fx hub jit library mps multiprocessing nested "
    "onnx overrides profiler quantization random sparse testing xpu"
)
SPECIAL = "erf erfc erfinv exp2 expm1 log1p log_softmax logit sinc softmax xlogy"

__version__ = "2.13.0"  # of the PyTorch whose names these are: programs ask what it has
dtype, finfo, iinfo = np.dtype, np.finfo, np.iinfo
channels_last = contiguous_format = preserve_format = None  # see above
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
    """Write what `minigen.save` does, in .npz, to a file, whose name may end as it likes, or to an
    open one, such as `io.BytesIO`."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "file") if hasattr(f, "write") else f
        serialization.save(obj, path, ".npz")
        if path is not f:
            f.write(path.read_bytes())


def load(f: Any, map_location: Any = None, *_: Any, **__: Any) -> Any:
    """Read what `save` wrote, or PyTorch's `torch.save` of tensors and plain values. Tensors lie on
    the CPU, or on the device that is named; a function or dict of devices is not asked, since it is
    for what would come to lie elsewhere."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "file") if hasattr(f, "read") else f
        if path is not f:
            path.write_bytes(f.read())
        found = serialization.load(path)
    return _on(map_location, found) if isinstance(map_location, str) else found


def _on(device: str, value: Any) -> Any:
    if isinstance(value, dict):
        return type(value)((key, _on(device, item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return type(value)(_on(device, item) for item in value)
    return value.to(device) if isinstance(value, minigen.Tensor) else value


class autocast(ContextDecorator):
    """Nothing: all is calculated in the dtypes that it has."""

    def __init__(self, *_: Any, **__: Any):
        pass

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *_: Any) -> None:
        pass


class GradScaler:
    """Hands on losses and steps, which `autocast` leaves in float32."""

    def __init__(self, *_: Any, **__: Any):
        pass

    def scale(self, outputs: Any) -> Any:
        """The loss itself."""
        return outputs

    def step(self, optimizer: Any, *args: Any) -> Any:
        """The optimiser's step."""
        return optimizer.step(*args)

    def unscale_(self, optimizer: Any) -> None:
        """Nothing."""

    def update(self, new_scale: Any = None) -> None:
        """Nothing."""

    def get_scale(self) -> float:
        """1"""
        return 1.0

    def is_enabled(self) -> bool:
        """No."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing."""


def _norm(
    x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """The norm of a vector, of all elements if no axis is named; of matrices only Frobenius'.

    Raises:
        NotImplementedError: another norm of matrices.
    """
    axes = range(x.ndim) if dim is None else dim if isinstance(dim, list | tuple) else [dim]
    if len(axes) == 2 and ord not in (2, "fro", None):
        raise NotImplementedError(f"linalg.norm: minigen has no norm {ord!r} of matrices")
    return minigen.norm(x.to(dtype), 2 if ord in ("fro", None) else ord, dim, keepdim)


def get_default_dtype() -> Any:
    """float32"""
    return minigen.float32


def set_default_dtype(d: Any) -> None:
    """Leave it at float32.

    Raises:
        NotImplementedError: another one.
    """
    if d != minigen.float32:
        raise NotImplementedError(
            "set_default_dtype: minigen's default is float32; give dtype=, or convert a module "
            "by double()"
        )


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set NumPy's, by which tensors are shown."""
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems}
    given |= {"linewidth": linewidth, "suppress": None if sci_mode is None else not sci_mode}
    np.set_printoptions(**{name: value for name, value in given.items() if value is not None})


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Nothing: all of them are."""


def initial_seed() -> int:
    """The default stream's seed."""
    return minigen.default_generator.seed


def seed() -> int:
    """Seed the default stream with what the system draws."""
    return minigen.manual_seed(np.random.SeedSequence().entropy).seed


def get_rng_state() -> dict[str, int]:
    """Where the default stream is."""
    return minigen.default_generator.state_dict()


def set_rng_state(new_state: dict[str, int]) -> None:
    """Go on where that was taken."""
    minigen.default_generator.load_state_dict(new_state)


def _backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """`Tensor.backward` of one or several."""
    tensors = [tensors] if isinstance(tensors, minigen.Tensor) else list(tensors)
    given = [grad_tensors] if isinstance(grad_tensors, minigen.Tensor) else grad_tensors
    backward_of(tensors, given or [None] * len(tensors), retain_graph, create_graph)


def _of_length(n: int) -> Any:
    """A function that gives a tuple of n, of one thing n times."""
    return lambda x: tuple(x) if isinstance(x, Iterable) else (x,) * n


_init = minigen.nn.init
_bases = {
    "_BatchNorm": minigen.nn.BatchNorm2d.__base__,
    "_ConvNd": minigen.nn.Conv2d.__base__.__base__,
    "_Loss": minigen.nn.MSELoss.__base__,
}
_clip = {"clip_grad_norm": minigen.nn.utils.clip_grad_norm_}

for _name in ABSENT.split():
    globals()[_name] = Names(_name)
nn = Names(
    "nn",
    minigen.nn,
    functional=Names("nn.functional", minigen.functional),
    init=Names(
        "nn.init",
        _init,
        _calculate_fan_in_and_fan_out=_init.fans,
        **{name[:-1]: getattr(_init, name) for name in dir(_init) if name[-1] == "_" != name[-2]},
    ),
    modules=Names(
        "nn.modules",
        minigen.nn,
        utils=Names(
            "nn.modules.utils",
            _single=_of_length(1),
            _pair=_of_length(2),
            _triple=_of_length(3),
            _quadruple=_of_length(4),
        ),
        **files(
            "nn.modules",
            "activation batchnorm container conv distance dropout flatten fold"
            " instancenorm linear loss module normalization padding pixelshuffle pooling sparse"
            " upsampling",
            minigen.nn,
            **_bases,
        ),
    ),
    parameter=Names("nn.parameter", minigen.nn),
    attention=Names(
        "nn.attention",
        SDPBackend=Enum("SDPBackend", "MATH FLASH_ATTENTION EFFICIENT_ATTENTION CUDNN_ATTENTION"),
        sdpa_kernel=autocast,  # which of them, changes nothing either
    ),
    parallel=Names("nn.parallel", DataParallel=DataParallel),
    utils=Names(
        "nn.utils",
        minigen.nn.utils,
        **_clip,
        **files("nn.utils", "clip_grad convert_parameters", minigen.nn.utils, **_clip),
        parametrizations=Names(
            "nn.utils.parametrizations",
            spectral_norm=minigen.nn.utils.spectral_norm,
            weight_norm=minigen.nn.utils.weight_norm,
        ),
    ),
    DataParallel=DataParallel,
)
functional = Names("functional", minigen.functional)
_schedulers = minigen.optim.lr_scheduler
optim = Names(
    "optim",
    minigen.optim,
    lr_scheduler=Names("optim.lr_scheduler", _schedulers, _LRScheduler=_schedulers.LRScheduler),
    **files("optim", "adagrad adam adamw optimizer rmsprop sgd", minigen.optim),
)
utils = Names(
    "utils",
    data=Names(
        "utils.data",
        loader,
        sampler=Names("utils.data.sampler", loader),
        dataset=Names("utils.data.dataset", loader),
        dataloader=Names("utils.data.dataloader", loader),
    ),
)
special = Names(
    "special",
    expit=minigen.sigmoid,
    **{name: getattr(minigen, name) for name in SPECIAL.split()},
)
linalg = Names("linalg", norm=_norm, vector_norm=_norm)
distributions = Names(
    "distributions",
    _distributions,
    **files("distributions", "bernoulli categorical distribution kl normal", _distributions),
)
amp = Names("amp", autocast=autocast, GradScaler=GradScaler)
autograd = Names(
    "autograd",
    Function=Function,
    Variable=Variable,
    backward=_backward,
    function=Names(
        "autograd.function",
        Function=Function,
        FunctionCtx=Context,
        once_differentiable=lambda backward: backward,  # as often as it is made of operations
    ),
    variable=Names("autograd.variable", Variable=Variable),
    grad=minigen.grad,
    detect_anomaly=minigen.detect_anomaly,
    gradcheck=minigen.gradcheck,
)
distributed = Names(
    "distributed",
    is_available=lambda: False,
    is_initialized=lambda: False,
    ReduceOp=Enum("ReduceOp", "SUM AVG PRODUCT MIN MAX"),
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
    set_device=lambda device: None,
    amp=Names("cuda.amp", amp),
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
