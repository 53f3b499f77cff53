"""Flow matching (Lipman et al. 2023, arXiv:2210.02747) on straight paths: rectified flow (Liu et
al. 2023, arXiv:2209.03003).

Noise x_0 ~ N(0, I) and data x_1 are paired, and joined by a line each. The network learns the mean
velocity of the lines that pass a place, and points that follow it are distributed as the lines are:

    x_t = (1 − t)·x_0 + t·x_1                   so ẋ_t = x_1 − x_0; x_t is drawn from p_t, say
    v(x, t) = E[x_1 − x_0 | x_t = x]            has the least E ‖v(x_t, t) − (x_1 − x_0)‖²: `loss`
    d/dt E f(x_t) = E ∇f(x_t)·(x_1 − x_0)       for any smooth f that vanishes far out: chain rule
    = E ∇f(x_t)·E[x_1 − x_0 | x_t]              the mean of means
    = ∫ ∇f·v·p_t dx = −∫ f·∇·(v·p_t) dx         by parts
    ∂p_t/∂t = −∇·(v·p_t)                        as this holds for all f: the continuity equation,
        which is that of points with dz/dt = v(z, t), see `ode.py`: if z_0 ~ N(0, I), then z_1 is
        distributed as data is

Lines cross, ways along v do not, so v bends. The fewer crossings, the less it bends, and the fewer
steps it takes (`straightness`). There are two ways to fewer: pair noise and data by optimal
transport within each batch (Tong et al. 2024, arXiv:2302.00482; `coupled`), or train anew on the
pairs that the flow itself has made of noise, which no transport cost rises by (reflow; Liu et al.,
theorem 3.5; `made_pairs`).

It is diffusion under other names: z = x_t / t = x_1 + σ·x_0 with σ = (1 − t) / t, and v says what ε
says, or x̂_1 = x_t + (1 − t)·v.
"""

from __future__ import annotations

import functools
import math

import numpy as np

import minigen
from minigen import Generator, Tensor, nn, optim
from minigen import functional as F
from minigen.backend import place
from minigen.metrics import optimal_assignment
from minigen.models import ode
from minigen.models.adversaries import descend
from minigen.models.denoiser import dropped, guided
from minigen.models.networks import evaluating


class Flow(nn.Module):
    """A network and what it moves.

    Args:
        network: x (N, …), times (N,) from 0, noise, to 1000, data, and maybe labels (N,) -> v.
        late: times to train at are 1 − u^late, u ~ U(0, 1]: with more than 1 the more often, the
            nearer to data, where v has the finest detail if data has edges. The least loss is at
            the same v.
    """

    def __init__(self, network: nn.Module, late: float = 1.0):
        super().__init__()
        self.network, self.late = network, late

    def velocity(
        self,
        x: Tensor,
        t: Tensor | float,
        labels: Tensor | None = None,
        guidance: float = 0.0,
    ) -> Tensor:
        """v(x, t) of x (N, …) and t, (N,) or one for all, from 0 to 1."""
        time = F.zeros(len(x), dtype=x.dtype, device=x.device) + 1000 * t
        return guided(self.network, x, time, labels, guidance)

    def loss(
        self,
        noise: Tensor,
        data: Tensor,
        labels: Tensor | None = None,
        t: Tensor | None = None,
    ) -> Tensor:
        """E ‖v(x_t, t) − (x_1 − x_0)‖², a mean over numbers, of pairs (N, …): a 0-d tensor.

        Args:
            t: (N,), if not drawn here.
        """
        t = 1 - (1 - stratified(len(data), data)) ** self.late if t is None else t
        at = t.reshape(-1, *[1] * (data.ndim - 1))
        x = (1 - at) * noise + at * data
        return ((self.velocity(x, t, labels) - (data - noise)) ** 2).mean()

    def sample(
        self,
        noise: Tensor,
        labels: Tensor | None = None,
        *,
        steps: int = 20,
        method: str = "heun",
        guidance: float = 0.0,
    ) -> Tensor:
        """Data from noise (N, …), along v; `method` is a key of `ode.METHODS`."""
        with evaluating(self.network):
            field = functools.partial(self.velocity, labels=labels, guidance=guidance)
            return ode.end(field, noise, np.linspace(0, 1, steps + 1), method)

    def log_density(self, points: Tensor, steps: int = 100) -> Tensor:
        """log p of points (N, d), (N,), in nats; see `ode.log_density`. Steps are the shorter, the
        nearer to data, where v bends most."""
        times = 1 - np.linspace(0, 1, steps + 1) ** 2
        return ode.log_density(self.velocity, points, times, ode.log_normal)


def stratified(count: int, like: Tensor, generator: Generator | None = None) -> Tensor:
    """Times (count,) of U[0, 1), one in each of as many equal parts, so that their mean loss varies
    less than that of independent ones (Kingma et al. 2021, arXiv:2107.00630, appendix I). Which
    part is the first row's is drawn, or rows that come in some order would each be shown at their
    own times alone."""
    how = {"generator": generator, "dtype": like.dtype, "device": like.device}
    before, whole = place(count)
    u, first = F.rand(count, **how), (whole * F.rand(1, **how)).floor()
    part = F.arange(before, before + count, dtype=like.dtype, device=like.device) + first
    return (F.where(part < whole, part, part - whole) + u) / whole


def coupled(noise: Tensor, data: Tensor, labels: Tensor | None = None) -> Tensor:
    """The noise (N, …) in the order in which Σ ‖x_0 − x_1‖² is least, paired with data.

    With labels (N,) within each class alone: across classes noise would say something about the
    class, and a network that is told another class than its noise's would be lost.
    """
    rows, order = np.arange(len(data)), np.empty(len(data), np.int64)
    kinds = np.zeros(len(data), int) if labels is None else labels.numpy()
    flat = len(data), math.prod(data.shape[1:])
    a, b = (x.detach().numpy().reshape(flat) for x in (noise, data))
    for kind in np.unique(kinds):
        own = rows[kinds == kind]
        order[own] = own[optimal_assignment(b[own], a[own])]
    return noise[Tensor(order, device=noise.device)]


def made_pairs(
    flow: Flow, noise: Tensor, labels: Tensor | None = None, steps: int = 50, rows: int = 5000
) -> Tensor:
    """What the flow makes of noise (N, …), row by row: the pairs to train anew on. Shuffle rows of
    both alike, or none."""
    parts = []
    for i in range(0, max(1, len(noise)), rows):  # of no noise, no data of its shape
        told = None if labels is None else labels[i : i + rows]
        parts.append(flow.sample(noise[i : i + rows], told, steps=steps))
    return F.cat(parts)


def straightness(
    flow: Flow, noise: Tensor, labels: Tensor | None = None, steps: int = 100
) -> float:
    """∫ E ‖(z_1 − z_0) − v(z_t, t)‖² dt over ways from noise (N, …): 0 where all are straight, so
    that one step of Euler's is exact (Liu et al. 2023, section 2.1)."""
    times = np.linspace(0, 1, steps + 1)
    with evaluating(flow.network):
        field = functools.partial(flow.velocity, labels=labels)
        places = list(ode.path(field, noise, times))
        way = places[-1] - places[0]
        bends = [
            float(((way - field(z, t)) ** 2).flatten(1).sum(1).mean())
            for z, t in zip(places[:-1], times[:-1], strict=True)
        ]
    return float(np.mean(bends))


def step(
    flow: Flow,
    optimiser: optim.Optimizer,
    data: Tensor,
    labels: Tensor | None = None,
    *,
    noise: Tensor | None = None,
    transport: bool = False,
    unlabelled: float = 0.1,
) -> dict[str, Tensor]:
    """One training step on data (N, …) and maybe labels (N,), of which a share is left out, each by
    itself; gives the loss.

    Args:
        noise: that the data is paired with, row by row, as in reflow; else it is drawn.
        transport: pair by `coupled`.
    """
    if noise is None:
        noise = F.randn_like(data)
    if transport:
        with minigen.no_grad():
            noise = coupled(noise, data, labels)
    if labels is not None and unlabelled:
        labels = dropped(labels, flow.network.null, unlabelled)
    loss = flow.loss(noise, data, labels)
    descend(optimiser, loss)
    return {"loss": loss.detach()}
