"""What an index names along an axis, against NumPy's indexing with an array for each axis."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import backend
from minigen.kernels import limits
from minigen.kernels.places import add, places, take


@pytest.mark.usefixtures("limit_restored")
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.integers(0, 3),
    st.integers(0, 5),
    st.integers(0, 10**6),
)
def test_elements_are_taken_and_added_to_where_the_index_says(shape, dim, length, seed):
    """In one piece and several, counted from the end or not, of all other places or the first."""
    rng, dim = np.random.default_rng(seed), dim % len(shape)
    x = rng.standard_normal(shape)
    fewer = [length if i == dim else rng.integers(1, n + 1) for i, n in enumerate(shape)]
    index = rng.integers(-shape[dim] * (seed % 2), shape[dim], fewer)
    g, total = rng.standard_normal(fewer), np.zeros(shape)
    np.add.at(total, places(index, dim), g)
    backend.limit_threads(3)
    for others in ({}, {"row": 1}, {"row": 1, "alone": 0, "piece": 2}):
        with limits.use(**others):
            np.testing.assert_array_equal(take(x, index, dim), x[places(index, dim)])
            turned = np.asfortranarray(x)
            np.testing.assert_array_equal(take(turned, index, dim), x[places(index, dim)])
            np.testing.assert_array_equal(add(g, index, dim, tuple(shape)), total)
