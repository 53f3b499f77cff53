"""The places of maxima against a loop over every window, and windows of images in pieces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operations import both, pooled

from minigen.kernels import limits, windows
from minigen.kernels.pooling import argmax_of_windows


@pytest.mark.parametrize("kind", ["different", "equals", "not a number", "-inf"])
@settings(max_examples=50)
@given(pooled(), st.sampled_from([1, 4]), st.sampled_from([1, 1 << 18]))
def test_the_place_of_each_windows_maximum(kind, call, planar, piece):
    (x, kernel, stride), how = call.args, call.options
    kernel, stride = both(kernel), both(kernel if stride is None else stride)
    padding, dilation = how["padding"], both(how["dilation"])
    if kind != "different":
        x = np.round(x)  # the first of equals counts
    if kind == "not a number":
        x[x == x.max()] = np.nan
    if kind == "-inf":  # padding does not win over it
        x[x < 1] = -np.inf
    spans = zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    size = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in spans)
    with limits.use(piece=piece, alone=piece, planar=planar):
        places = argmax_of_windows(x, kernel, size, stride, padding, dilation)
    assert places.shape == (*x.shape[:2], *size)
    for n, c, i, j in np.ndindex(places.shape):
        window = []
        for r, s in np.ndindex(kernel):
            y = i * stride[0] - padding[0] + r * dilation[0]
            z = j * stride[1] - padding[1] + s * dilation[1]
            if 0 <= y < x.shape[2] and 0 <= z < x.shape[3]:
                window.append((y, z))
        values = [x[n, c, y, z] for y, z in window]
        first = next((k for k, v in enumerate(values) if np.isnan(v)), np.argmax(values))
        y, z = window[first]
        if kind == "not a number" and np.isnan(values[first]):  # any NaN will do
            assert np.isnan(x[n, c].flat[places[n, c, i, j]])
        else:
            assert places[n, c, i, j] == y * x.shape[3] + z


@pytest.mark.usefixtures("three_threads")
def test_each_image_has_its_own_windows():
    size, shape, window, stride, padding = (4, 3), (7, 6), (3, 2), (2, 2), (1, 0)
    x, g, columns = (
        np.random.default_rng(0).standard_normal((5, *rest))
        for rest in ((3, *shape), (3, *size), (3 * 6, 12))
    )
    for f, a in (
        (lambda x: windows.sum_windows(x, size, window, stride, padding), x),
        (lambda g: windows.add_windows(g, shape, window, stride, padding), g),
        (lambda x: windows.patches(x, size, window, (1, 1), padding, stride), x),
        (lambda c: windows.add_patches(c, shape, size, window, (1, 1), padding, stride), columns),
    ):
        each = np.concatenate([f(a[i : i + 1]) for i in range(5)])
        with limits.use(alone=0, piece=1):
            np.testing.assert_array_equal(f(a), each)
        assert len(f(a[:0])) == 0
