"""Matrix products, spread over the same threads as everything else.

BLAS has threads of its own, but after a product they go on spinning for a while, waiting for the
next one, on cores that the next kernel needs: a training step that mixed both took 1.4 times as
long.
"""

from __future__ import annotations

import numpy as np

from minigen.backend import Array
from minigen.kernels import memory
from minigen.kernels.threads import over_images


def matmul(a: Array, b: Array) -> Array:
    """a (…, n, k) @ b (…, k, m): leading axes broadcast."""
    cost = float(a.size) * b.shape[-1]
    if cost < 1e6 or not isinstance(a, np.ndarray) or a.shape[-1] != b.shape[-2]:
        return np.matmul(a, b)
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = memory.empty((*lead, a.shape[-2], b.shape[-1]), np.result_type(a, b))
    if lead:
        a, b = (np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (a, b))

    def work(_: int, first: int, last: int) -> None:
        part = slice(first, last)
        if lead:
            np.matmul(a[part], b[part], out=y[part])
        elif len(y) >= y.shape[1]:
            np.matmul(a[part], b, out=y[part])
        else:
            np.matmul(a, b[:, part], out=y[:, part])

    over_images(work, lead[0] if lead else max(y.shape), cost)
    return y
