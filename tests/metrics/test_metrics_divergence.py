"""The Jensen–Shannon divergence, and what the best discriminator attains."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy, norm

from minigen.metrics import discriminator_value, jensen_shannon

X = np.linspace(-30, 30, 8001)
apart = st.floats(0, 6)


@given(apart)
def test_it_is_scipys_on_a_fine_grid(d):
    p, q = norm.pdf(X), norm.pdf(X, d)
    # Not SciPy's `jensenshannon`: it is the root of this, of a number below 0 by a rounding too.
    expected = (entropy(p, (p + q) / 2) + entropy(q, (p + q) / 2)) / 2
    assert jensen_shannon(p, q, X) == pytest.approx(expected, abs=1e-9)


@given(apart, st.floats(0.3, 3))
def test_theorem_1_of_the_gan_paper(d, sigma):
    """V(D*, G) = 2·JSD − log 4, and no other D attains as much."""
    p, q = norm.pdf(X), norm.pdf(X, d, sigma)
    best = np.clip(p / (p + q), 1e-13, 1 - 1e-13)  # a D of exactly 1 must never be wrong
    value = discriminator_value(p, q, X, best)
    assert value == pytest.approx(2 * jensen_shannon(p, q, X) - math.log(4), abs=1e-9)
    other = np.clip(best + 0.1 * np.sin(X), 0.01, 0.99)
    assert discriminator_value(p, q, X, other) < value
    assert value >= -math.log(4) - 1e-9


def test_equal_and_disjoint_densities():
    p = norm.pdf(X)
    assert jensen_shannon(p, p, X) == pytest.approx(0, abs=1e-12)
    left, right = (X < 0) * 1.0, (X > 0) * 1.0
    x = X / 30
    assert jensen_shannon(left, right, x) == pytest.approx(math.log(2), abs=1e-3)
    assert discriminator_value(left, right, x, left) == 0  # 0·log 0 is 0


@pytest.mark.parametrize("p, q, x, d", [
    ([1.0], [1.0], [0.0, 1.0], [0.5]),
    ([1.0, -1.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]),
    ([1.0, np.nan], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]),
    ([1.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.5, 0.5]),
    ([1.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.5, 1.5]),
])  # fmt: skip
def test_what_is_no_density_is_refused(p, q, x, d):
    with pytest.raises(ValueError, match="expected|density"):
        discriminator_value(p, q, x, d)
