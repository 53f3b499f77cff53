"""Optimal transport, exactly: between point sets, and between distributions on a few places."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import eye_array, hstack, kron
from scipy.spatial.distance import cdist

from minigen.metrics.points import as_numbers, as_pair


def wasserstein(real: Any, generated: Any) -> float:
    """The Wasserstein-1 distance between two sets of as many points, (N, d) each: the mean distance
    in the best assignment of the one to the other, by `scipy.optimize.linear_sum_assignment`.

    Exact for the sets, but no estimate of the distance between the distributions they are drawn
    from: that is biased upwards by about N^(−1/d), so its value between two sets of real points,
    the floor, belongs beside it. In the units of the coordinates. N = 2,000 takes about a second,
    and minutes where most of the points coincide.

    Raises:
        ValueError: sets of different size or width, empty, or not finite.
    """
    cost = cdist(*_as_many("wasserstein", real, generated))
    return float(cost[linear_sum_assignment(cost)].mean())


def optimal_assignment(points: Any, others: Any) -> np.ndarray:
    """Which of the others (N, d) each of as many points goes to, (N,), so that the squares of the
    distances add up to least.

    Raises:
        ValueError: as `wasserstein`.
    """
    cost = cdist(*_as_many("optimal_assignment", points, others), "sqeuclidean")
    return linear_sum_assignment(cost)[1]


def _as_many(name: str, real: Any, generated: Any) -> tuple[np.ndarray, np.ndarray]:
    real, generated = as_pair(real, generated)
    if len(real) != len(generated):
        raise ValueError(
            f"{name}: expected sets of one size, got {len(real)} and {len(generated)} points: "
            "leave some out"
        )
    return real, generated


class Plan(NamedTuple):
    """What `optimal_plan` returns: the least cost, and what attains it."""

    value: float
    plan: np.ndarray


class Prices(NamedTuple):
    """What `optimal_prices` returns: the largest value, and the functions that attain it."""

    value: float
    f: np.ndarray
    g: np.ndarray


def optimal_plan(p: Any, q: Any, cost: Any) -> Plan:
    """The primal problem (Kantorovich 1942): the cheapest plan π ≥ 0 that moves p to q,

        min Σ π_ij·c_ij   so that   Σ_j π_ij = p_i,  Σ_i π_ij = q_j.

    Args:
        p: probabilities (n,).
        q: probabilities (m,).
        cost: c, (n, m), any numbers.

    Returns:
        The least cost, and the plan, (n, m).

    Raises:
        ValueError: shapes that do not fit, or p and q that are no probabilities.
    """
    p, q, cost = _problem(p, q, cost)
    marginals = _pairs(*cost.shape).T  # of the plan's rows and columns
    solved = linprog(cost.ravel(), A_eq=marginals, b_eq=np.concatenate([p, q]), bounds=(0, None))
    return Plan(_value(solved, 1), solved.x.reshape(cost.shape))


def optimal_prices(p: Any, q: Any, cost: Any) -> Prices:
    """The dual problem: the dearest prices f for loading and g for unloading that nobody can beat,

        max Σ f_i·p_i + Σ g_j·q_j   so that   f_i + g_j ≤ c_ij.

    In five lines, with a supremum in the place of the constraints on π:

        min_π≥0 of Σ π·c  +  sup_f Σ_i f_i·(p_i − Σ_j π_ij)  +  sup_g Σ_j g_j·(q_j − Σ_i π_ij)
        (the suprema are 0 where π has the marginals p and q, and else infinite)
        = sup_f,g of Σ f·p + Σ g·q + min_π≥0 Σ_ij π_ij·(c_ij − f_i − g_j)   (strong duality)
        (the minimum is 0 where f_i + g_j ≤ c_ij everywhere, and else −infinite)
        = the dual; where c is a metric on one set of places, g = −f is best, and f 1-Lipschitz

    The last line is what a WGAN's critic stands on: W = sup over 1-Lipschitz f of E_p f − E_q f.

    Returns:
        The largest value, f (n,) and g (m,).

    Raises:
        ValueError: as `optimal_plan`.
    """
    p, q, cost = _problem(p, q, cost)
    prices = _pairs(*cost.shape)
    solved = linprog(-np.concatenate([p, q]), A_ub=prices, b_ub=cost.ravel(), bounds=(None, None))
    return Prices(_value(solved, -1), solved.x[: len(p)], solved.x[len(p) :])


def _problem(p: Any, q: Any, cost: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    p, q, cost = map(as_numbers, (p, q, cost))
    if p.ndim != 1 or q.ndim != 1 or cost.shape != (len(p), len(q)) or not np.isfinite(cost).all():
        raise ValueError(
            f"expected p (n,), q (m,) and finite costs (n, m), got {p.shape}, {q.shape} and "
            f"{cost.shape}"
        )
    for name, x in ("p", p), ("q", q):
        if not (x >= 0).all() or not np.isclose(x.sum(), 1):
            raise ValueError(f"{name} must be probabilities that sum to 1, not {x}")
    return p, q, cost


def _pairs(n: int, m: int) -> Any:
    """The matrix (n·m, n + m) that takes f and g to all f_i + g_j, and whose transpose takes a plan
    to the sums of its rows and of its columns."""
    return hstack([kron(eye_array(n), np.ones((m, 1))), kron(np.ones((n, 1)), eye_array(m))], "csr")


def _value(solved: Any, sign: int) -> float:
    if solved.status != 0:
        raise ArithmeticError(f"scipy.optimize.linprog found no solution: {solved.message}")
    return sign * float(solved.fun)
