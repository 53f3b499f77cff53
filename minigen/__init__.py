"""minigen: an autograd engine on NumPy or CuPy, and the generative models that stand on it."""

import sys as _sys

import numpy as _np

try:
    import minigen.engine as _  # fills the seams before the first operation is defined
    import minigen.notebook as _  # noqa: F811  gives tensors and profiles what notebooks ask for
    from minigen.anomaly import AnomalyError, detect_anomaly
    from minigen.profile import profile
except ModuleNotFoundError as error:  # the idea works without it, but nobody can look on
    if error.name != "minigen.engine":
        raise
except ValueError as error:  # nonsense in a variable of the environment, which a command got
    if _sys.argv[:1] != ["-m"] or not str(error).startswith("MINIGEN_"):
        raise
    _sys.exit(f"minigen: {error}")

from minigen import copies as _  # noqa: F401  gives tensors what `copy` and `pickle` call
from minigen import functional
from minigen.backend import (
    DeviceError,
    Generator,
    OutOfMemoryError,
    allow_tf32,
    default_generator,
    manual_seed,
)
from minigen.differentiation import grad
from minigen.drawing import draw_graph, graph_to_dot
from minigen.functional import *  # noqa: F403
from minigen.gradcheck import GradcheckError, gradcheck
from minigen.missing import missing_from as _missing_from
from minigen.modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from minigen.operands import result_type
from minigen.operation import operation
from minigen.serialization import load, save
from minigen.tape import is_grad_enabled
from minigen.tensor import Tensor, increment_version

from minigen import nn, optim  # isort: skip  (they stand on all of the above)

float16, float32, float64 = _np.float16, _np.float32, _np.float64
int32, int64, uint8, bool = _np.int32, _np.int64, _np.uint8, _np.bool_

__version__ = "0.1.0"
__all__ = [
    "AnomalyError", "DeviceError", "Generator", "GradcheckError", "OutOfMemoryError", "Tensor",
    "allow_tf32", "default_generator",
    "detect_anomaly", "draw_graph", "enable_grad", "functional", "grad", "gradcheck",
    "graph_to_dot", "increment_version", "inference_mode", "is_grad_enabled", "load",
    "manual_seed", "nn", "no_grad", "operation", "optim", "profile", "result_type", "save",
    "set_grad_enabled", *functional.__all__,
]  # fmt: skip
__getattr__ = _missing_from(globals())
