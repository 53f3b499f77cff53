"""Masks: the stream that Philox makes, however threads share it out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.kernels import random


@pytest.fixture
def in_small_pieces(three_threads, limits_set):
    limits_set(alone=0, piece=16)


@pytest.mark.usefixtures("in_small_pieces")
@given(
    st.sampled_from([(), (1,), (9,), (3, 70), (0, 2)]),
    st.sampled_from([0.0, 1e-12, 0.3, 0.5, 1 - 1e-12, 1.0]),
    st.integers(0, 2**128 - 1),
    st.integers(0, 2**64 - 1),
)
def test_the_mask_is_the_stream_below_a_threshold(shape, p, seed, draw):
    stream = np.random.Generator(np.random.Philox(key=seed, counter=draw << 64))
    bits = stream.integers(0, 2**32, int(np.prod(shape)), np.uint32)
    expected = (bits < p * 2**32).reshape(shape)
    np.testing.assert_array_equal(random.bernoulli(shape, p, seed, draw), expected)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 9))
def test_any_part_of_a_draw_is_had_from_where_it_begins(before, count, draw):
    whole = random.bernoulli((before + count,), 0.4, 3, draw)
    part = random.bernoulli((count,), 0.4, 3, draw, before)
    np.testing.assert_array_equal(part, whole[before:])


def test_as_many_as_the_probability_says():
    for p in (0.1, 0.5, 0.9):
        mask = random.bernoulli((200_000,), p, 1, 0)
        assert mask.dtype == np.bool_ and abs(mask.mean() - p) < 0.005
