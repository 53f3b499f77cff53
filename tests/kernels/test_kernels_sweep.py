"""A short run of tests/sweep_threads.py."""

from sweep_threads import sweep


def test_random_layers_in_any_number_of_threads_are_the_plain_ones():
    assert not sweep(count=60, seed=0)
