"""Ways along a velocity field, and how densities change on them.

Points follow dz/dt = v(z, t) from time to time: `path`, by Euler, Heun or Runge and Kutta. What the
density does is said by the continuity equation (Chen et al. 2018, arXiv:1806.07366, theorem 1):

    ∂p/∂t + ∇·(p·v) = 0                                        no point is made or lost
    d/dt p(z(t), t) = ∂p/∂t + v·∇p = −p·∇·v                    along a way: the chain rule
    d/dt log p(z(t), t) = −∇·v(z, t)                           divided by p
    log p(z₁, t₁) = log p(z₀, t₀) − ∫ from t₀ to t₁ of ∇·v dt  `log_density`

so a density that is known at t₀ is known at t₁, exactly but for the steps' error. It takes ∇·v, the
trace of ∂v/∂z: here exactly, a gradient for each coordinate (`divergence`), which suits few.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import minigen
from minigen import Tensor
from minigen import functional as F
from minigen.display import progress

Field = Callable[[Tensor, float], Tensor]  # z (N, …) and t -> v (N, …)


def euler(v: Field, z: Tensor, t: float, h: float) -> Tensor:
    """Along the slope at the beginning: an error of h² a step, h in all."""
    return z + h * v(z, t)


def heun(v: Field, z: Tensor, t: float, h: float) -> Tensor:
    """Along the mean of the slopes at the beginning and where Euler's step ends: h² in all."""
    first = v(z, t)
    return z + h / 2 * (first + v(z + h * first, t + h))


def runge_kutta(v: Field, z: Tensor, t: float, h: float) -> Tensor:
    """Four slopes, two of them in the middle: h⁴ in all."""
    k1 = v(z, t)
    k2 = v(z + h / 2 * k1, t + h / 2)
    k3 = v(z + h / 2 * k2, t + h / 2)
    k4 = v(z + h * k3, t + h)
    return z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


METHODS = {"euler": euler, "heun": heun, "runge-kutta": runge_kutta}


def path(v: Field, z: Tensor, times: Sequence[float], method: str = "heun") -> Iterator[Tensor]:
    """z at each of the times, the first of which it is given at. They rise, or fall, which walks
    the same way back.

    Raises:
        ValueError: another method.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    step = METHODS[method]
    yield z
    for now, then in progress([*itertools.pairwise(times)], "steps"):
        z = step(v, z, float(now), float(then) - float(now))
        yield z


def end(v: Field, z: Tensor, times: Sequence[float], method: str = "heun") -> Tensor:
    """z at the last of the times."""
    *_, last = path(v, z, times, method)
    return last


def divergence(v: Field, z: Tensor, t: float) -> tuple[Tensor, Tensor]:
    """v(z, t), (N, d), and ∇·v = Σ_i ∂v_i/∂z_i, (N,). Rows must not depend on one another."""
    with minigen.enable_grad():
        z = z.detach().requires_grad_()
        slope = v(z, t)
        trace = sum(
            minigen.grad(slope[:, i].sum(), z, retain_graph=True)[0][:, i]
            for i in range(z.shape[1])
        )
    return slope.detach(), trace.detach()


def log_density(
    v: Field,
    z: Tensor,
    times: Sequence[float],
    log_prior: Callable[[Tensor], Tensor],
    method: str = "runge-kutta",
) -> Tensor:
    """log p of points (N, d) at the first of the times, (N,), in nats, from that at the last.

    Halve the steps to see how exact it is; in float32 the trace's rounding adds up.

    Args:
        log_prior: log p at the last time, (N, d) -> (N,).
    """

    def both(state: Tensor, t: float) -> Tensor:
        slope, trace = divergence(v, state[:, :-1], t)
        return F.cat([slope, trace[:, None]], 1)

    nothing = F.zeros(len(z), 1, dtype=z.dtype, device=z.device)
    state = end(both, F.cat([z, nothing], 1), times, method)
    return log_prior(state[:, :-1]) + state[:, -1]


def log_normal(z: Tensor, sigma: float = 1.0) -> Tensor:
    """log N(z; 0, σ²·I), summed over all but the first axis: (N, …) -> (N,)."""
    z = z.flatten(1)
    constant = z.shape[1] * (math.log(sigma) + 0.5 * math.log(2 * math.pi))
    return -0.5 * (z * z).sum(1) / sigma**2 - constant
