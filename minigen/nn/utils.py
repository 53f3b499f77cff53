"""Tools around a module's parameters: clipped gradients, one long vector, spectral norm."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from minigen import functional as F
from minigen.backend import FLOAT16, FLOAT32, Array, namespace, require_writable
from minigen.functional.arguments import refuse
from minigen.kernels.threads import single_threaded_blas
from minigen.missing import missing_from
from minigen.modes import no_grad
from minigen.nn.convolution import ConvTranspose2d
from minigen.nn.module import Module, Parameter
from minigen.sparse import SparseRows
from minigen.tensor import Tensor, increment_version


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[tuple[Tensor | SparseRows, Array]]:
    """Each gradient that there is, and the array of its numbers."""
    parameters = [parameters] if isinstance(parameters, Tensor) else parameters
    grads = [p.grad for p in parameters if p.grad is not None]
    return [(g, g.values if isinstance(g, SparseRows) else g.array) for g in grads]


def _changed(grad: Tensor | SparseRows) -> None:
    if isinstance(grad, Tensor):
        increment_version(grad)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: None = None,
) -> Tensor:
    """Scale all gradients by one factor, in place, so that the norm of them together is at most
    `max_norm`.

    Args:
        parameters: whose gradients, dense or row-sparse; those without are left out.
        max_norm: the bound.
        norm_type: p of the p-norm, `inf` for the largest magnitude.
        error_if_nonfinite: refuse gradients with an infinity or NaN, which would all become NaN.

    Returns:
        The norm before, a tensor without axes.

    Raises:
        RuntimeError: the norm is not finite, and `error_if_nonfinite`.
    """
    refuse("clip_grad_norm_", foreach=foreach)
    grads = _gradients(parameters)
    if not grads:
        return Tensor(np.zeros((), np.float32))
    xp = namespace(grads[0][1])
    with single_threaded_blas():
        wide = ((a.astype(FLOAT32) if a.dtype == FLOAT16 else a).reshape(-1) for _, a in grads)
        norms = [xp.linalg.norm(a, norm_type) for a in wide]
    if xp is np:
        total = float(np.linalg.norm(list(map(float, norms)), norm_type))
    else:  # a GPU is not waited for
        total = xp.linalg.norm(xp.stack(norms), norm_type)
    if error_if_nonfinite and not math.isfinite(float(total)):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of order {norm_type} is {total}, so the gradients cannot "
            "be clipped; look for the operation that overflowed, or leave error_if_nonfinite out"
        )
    factor = max_norm / (total + 1e-6)
    if xp is not np:
        factor = xp.minimum(factor, 1)
    if xp is not np or not factor >= 1:  # NaN too
        for grad, array in grads:
            require_writable("clip_grad_norm_", array)
            array *= factor
            _changed(grad)
    return Tensor(xp.asarray(total, grads[0][1].dtype))


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: None = None
) -> None:
    """Bring every number of the gradients, in place, into [−clip_value, clip_value]."""
    refuse("clip_grad_value_", foreach=foreach)
    for grad, array in _gradients(parameters):
        require_writable("clip_grad_value_", array)
        np.clip(array, -clip_value, clip_value, out=array)
        _changed(grad)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters one after the other, as one vector. Gradients flow through it."""
    return F.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the numbers of a vector into parameters, in the order of `parameters_to_vector`.

    Raises:
        ValueError: it has not as many numbers as the parameters; none is changed.
    """
    parameters = list(parameters)
    counts = [p.numel() for p in parameters]
    if vec.shape != (sum(counts),):
        raise ValueError(f"vector_to_parameters: expected ({sum(counts)},), got {vec.shape}")
    with no_grad():
        for p, part in zip(parameters, F.split(vec.detach(), counts), strict=True):
            p.copy_(part.reshape(p.shape))


@dataclass(frozen=True)
class _Made:
    """The hook that makes a module's weight from other parameters before each forward."""

    name: str
    dim: int | None

    def forget(self, module: Module, args: tuple, output: object) -> None:
        """After the forward: a weight that remembers its graph could not be deep-copied."""
        setattr(module, self.name, getattr(module, self.name).detach())

    def take(self, function: str, module: Module) -> Parameter:
        """The parameter of which it is made, which the module then has no more."""
        weight = vars(module).get(self.name)
        if not isinstance(weight, Parameter) or weight.ndim < 2:
            raise ValueError(
                f"{function}: {type(module).__name__}.{self.name} must be a parameter of two or "
                f"more axes, but is {weight!r}"
            )
        delattr(module, self.name)
        return weight

    def begin(self, module: Module, weight: Parameter) -> Module:
        """Make it from now on."""
        setattr(module, self.name, weight.detach())
        module.register_forward_pre_hook(self)
        module.register_forward_hook(self.forget)
        return module


@dataclass(frozen=True)
class _SpectralNorm(_Made):
    n_power_iterations: int
    eps: float

    def matrix(self, weight: Tensor) -> Tensor:
        """The weight with `dim` as its first axis and the others merged into the second."""
        others = [d for d in range(weight.ndim) if d != self.dim]
        return weight.permute(self.dim, *others).reshape(weight.shape[self.dim], -1)

    def __call__(self, module: Module, args: tuple) -> None:
        weight = getattr(module, f"{self.name}_orig")
        u, v = getattr(module, f"{self.name}_u"), getattr(module, f"{self.name}_v")
        matrix = self.matrix(weight)
        if module.training:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(matrix.transpose(0, 1) @ u, dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix @ v, dim=0, eps=self.eps))
        # The next forward may change u and v before this one's backward comes.
        u, v = u.clone(), v.clone()
        setattr(module, self.name, weight / (u @ (matrix @ v)))


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a module's weight by its largest singular value (Miyato et al. 2018).

    The parameter is then `weight_orig`. The singular value is estimated by σ = uᵀ·W·v, where u and
    v are buffers, `weight_u` and `weight_v`, that each training forward improves by power
    iteration; the gradient flows through σ with u and v constant. `weight` is made anew with every
    forward; between forwards it is a plain tensor without gradient.

    Args:
        module: the module, changed in place.
        name: which of its parameters.
        n_power_iterations: how many for each forward.
        eps: the least norm by which u and v are divided.
        dim: the axis of outputs: 0, or 1 for transposed convolutions.

    Returns:
        The module itself.

    Raises:
        ValueError: there is no such parameter, or no iterations.
    """
    if n_power_iterations < 1:
        raise ValueError(f"spectral_norm: n_power_iterations is {n_power_iterations}, less than 1")
    if dim is None:
        dim = 1 if isinstance(module, ConvTranspose2d) else 0
    norm = _SpectralNorm(name, dim, n_power_iterations, eps)
    weight = norm.take("spectral_norm", module)
    setattr(module, f"{name}_orig", weight)
    for side, size in zip("uv", norm.matrix(weight).shape, strict=True):
        start = F.randn(size, dtype=weight.dtype, device=weight.device)
        module.register_buffer(f"{name}_{side}", F.normalize(start, dim=0, eps=eps))
    module._unaveraged = (*module._unaveraged, f"{name}_u", f"{name}_v")
    return norm.begin(module, weight)


class _WeightNorm(_Made):
    def length(self, v: Tensor) -> Tensor:
        """The norm of each entry of the axis `dim`, or of all."""
        others = [d for d in range(v.ndim) if self.dim is None or d != self.dim % v.ndim]
        return F.norm(v, 2, others, keepdim=self.dim is not None)

    def __call__(self, module: Module, args: tuple) -> None:
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        setattr(module, self.name, v * (g / self.length(v)))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Learn a weight's lengths and directions apart (Salimans and Kingma 2016).

    The parameters are then `weight_g`, the norms of the entries of the axis `dim` (None for one
    norm of all), and `weight_v`; the weight g·v/‖v‖ is made anew with every forward, and between
    forwards is a plain tensor without gradient.

    Returns:
        The module itself, changed in place.

    Raises:
        ValueError: there is no such parameter.
    """
    norm = _WeightNorm(name, dim)
    weight = norm.take("weight_norm", module)
    setattr(module, f"{name}_g", Parameter(norm.length(weight.detach())))
    setattr(module, f"{name}_v", weight)
    return norm.begin(module, weight)


__getattr__ = missing_from(globals(), "nn.utils")
