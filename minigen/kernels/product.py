"""Matrix products, spread over the same threads as everything else.

BLAS has threads of its own, but after a product they go on spinning for a while, waiting for the
next one, on cores that the next kernel needs: a training step that mixed both took 1.4 times as
long.
"""

from __future__ import annotations

import numpy as np

from minigen.backend import Array
from minigen.kernels import limits, memory, threads
from minigen.kernels.blas import multiply, transposed_pays

_one_thread = threads.single_threaded_blas()  # one serves all calls: it has no state


def matmul(a: Array, b: Array, bias: Array | None = None) -> Array:
    """a (…, n, k) @ b (…, k, m) + bias (m,): leading axes broadcast."""
    cost = a.size * b.shape[-1]
    if cost <= limits.now.unshared or not isinstance(a, np.ndarray):
        if bias is None and a.ndim == b.ndim == 2:
            return a.dot(b)
        return _at_once(a, b, bias)
    if b.ndim == 2 < a.ndim and a.shape[-1] == len(b) and a.size:
        # One product of all rows: BLAS would copy b anew for each of the matrices.
        return matmul(a.reshape(-1, len(b)), b, bias).reshape(*a.shape[:-1], b.shape[1])
    if cost < limits.now.alone or a.shape[-1] != b.shape[-2]:
        with _one_thread:
            return _at_once(a, b, bias)
    lead = () if a.ndim == b.ndim == 2 else np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = memory.empty((*lead, a.shape[-2], b.shape[-1]), np.result_type(a, b))
    if lead:
        a, b = (np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))
    tall = bool(lead) or len(y) >= y.shape[1]

    def work(_: int, first: int, last: int) -> None:
        part = slice(first, last)
        if tall:
            multiply(a[part], b[part] if lead else b, y[part])
        else:
            multiply(a, b[:, part], y[:, part])
        if bias is not None:
            some = y[part] if tall else y[:, part]
            some += bias if tall else bias[part]

    threads.over_images(work, y.shape[0 if tall else 1], cost)
    return y


def _at_once(a: Array, b: Array, bias: Array | None) -> Array:
    if a.ndim != 2 or b.ndim != 2:
        y = np.matmul(a, b)
    elif _by_rows(a, b) and transposed_pays(*a.shape, b.shape[1]):
        y = memory.empty((len(a), b.shape[1]), a.dtype)
        multiply(a, b, y)
    else:  # of small matrices `dot` takes a third of the time
        y = a.dot(b)
    if bias is not None:
        y += bias
    return y


def _by_rows(a: Array, b: Array) -> bool:
    """Whether rows of NumPy's meet rows that lie as columns of b."""
    alike = isinstance(a, np.ndarray) and a.dtype == b.dtype and a.shape[1] == len(b)
    return alike and b.flags.f_contiguous
