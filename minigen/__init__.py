"""minigen: a tiny autograd engine on NumPy or CuPy, and the generative models that stand on it."""

import numpy as _np

from minigen import functional
from minigen.backend import DeviceError, Generator, default_generator, manual_seed
from minigen.functional import *  # noqa: F403
from minigen.gradcheck import GradcheckError, gradcheck
from minigen.operation import operation, result_type
from minigen.tensor import Tensor, enable_grad, grad, increment_version, is_grad_enabled, no_grad

from minigen import nn, optim  # isort: skip  (they stand on all of the above)

float16, float32, float64 = _np.float16, _np.float32, _np.float64
int32, int64, uint8, bool = _np.int32, _np.int64, _np.uint8, _np.bool_

__version__ = "0.1.0"
__all__ = [
    "DeviceError", "Generator", "GradcheckError", "Tensor", "default_generator", "enable_grad",
    "functional", "grad", "gradcheck", "increment_version", "is_grad_enabled", "manual_seed",
    "nn", "no_grad", "operation", "optim", "result_type", *functional.__all__,
]  # fmt: skip
