"""minigen: a tiny autograd engine on NumPy or CuPy, and the generative models that stand on it."""

import numpy as _np

from minigen import functional
from minigen.anomaly import AnomalyError, detect_anomaly
from minigen.backend import (
    DeviceError,
    Generator,
    OutOfMemoryError,
    allow_tf32,
    default_generator,
    manual_seed,
)
from minigen.drawing import draw_graph, graph_to_dot
from minigen.functional import *  # noqa: F403
from minigen.gradcheck import GradcheckError, gradcheck
from minigen.operation import operation, result_type
from minigen.profile import profile
from minigen.serialization import load, save
from minigen.tensor import Tensor, enable_grad, grad, increment_version, is_grad_enabled, no_grad

from minigen import nn, optim  # isort: skip  (they stand on all of the above)

float16, float32, float64 = _np.float16, _np.float32, _np.float64
int32, int64, uint8, bool = _np.int32, _np.int64, _np.uint8, _np.bool_

__version__ = "0.1.0"
__all__ = [
    "AnomalyError", "DeviceError", "Generator", "GradcheckError", "OutOfMemoryError", "Tensor",
    "allow_tf32", "default_generator",
    "detect_anomaly", "draw_graph", "enable_grad", "functional", "grad", "gradcheck",
    "graph_to_dot", "increment_version", "is_grad_enabled", "load", "manual_seed", "nn",
    "no_grad", "operation", "optim", "profile", "result_type", "save", *functional.__all__,
]  # fmt: skip
