"""Random numbers of a rank: its part of those of one process."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import functional as F
from minigen.distributed.dealing import dealing, groups
from minigen.distributed.group import in_place
from minigen.distributed.rehearsal import Rehearsal
from minigen.models.stargan import in_another_order

KINDS = {
    "normal": lambda count: minigen.randn(count, 3, 5),
    "uniform": lambda count: minigen.rand(count, 3, 5),
    "in double precision": lambda count: minigen.rand(count, 7, dtype="float64"),
    "in half": lambda count: minigen.randn(count, 3, dtype="float16"),
    "dropout": lambda count: F.dropout(minigen.ones(count, 2, 3, 3), 0.4),
    "a number for all": lambda count: minigen.rand(1),
}


@given(
    st.sampled_from([*KINDS]), st.integers(1, 5), st.integers(1, 4), st.data(), st.integers(0, 9)
)
def test_a_rank_has_its_part_of_what_one_process_draws(kind, count, ranks, data, seed):
    rank = data.draw(st.integers(0, ranks - 1))
    if kind == "a number for all":
        count += 1  # with one sample a rank it is taken for a batch
    stage = Rehearsal(ranks)
    stage.rank = rank
    minigen.manual_seed(seed)
    whole = [KINDS[kind](ranks * count).numpy() for _ in range(2)]
    minigen.manual_seed(seed)
    with in_place(stage), dealing(count):
        mine = [KINDS[kind](count).numpy() for _ in range(2)]
    part = slice(rank * count, (rank + 1) * count) if kind != "a number for all" else slice(None)
    for one, own in zip(whole, mine, strict=True):
        np.testing.assert_array_equal(own, one[part])


def test_several_batches_are_dealt_out_one_by_one():
    minigen.manual_seed(1)
    whole = minigen.rand(3 * 8, 2).numpy().reshape(3, 8, 2)
    stage = Rehearsal(4)
    minigen.manual_seed(1)
    with in_place(stage), dealing(2):
        mine = minigen.rand(3 * 2, 2).numpy().reshape(3, 2, 2)
    np.testing.assert_array_equal(mine, whole[:, 6:])


def test_a_rehearsal_is_of_the_last_rank_which_passes_over_all_noise():
    minigen.manual_seed(2)
    whole = minigen.randn(8, 2).numpy()
    minigen.manual_seed(2)
    with in_place(Rehearsal(4)), dealing(2):
        mine = minigen.randn(2, 2).numpy()
    np.testing.assert_array_equal(mine, whole[6:])


@pytest.mark.parametrize(
    "shape, rows, before",
    [
        ((4, 7), 4, 1),
        ((12, 7), 4, 3),  # three batches, one after the other
        ((3, 4, 1), 4, 3),
        ((2, 5), 4, 1),  # half a batch
        ((1,), 4, None),  # one number for all
        ((), 4, None),
        ((1, 9), 1, 1),
    ],
)
def test_which_numbers_are_dealt_out(shape, rows, before):
    assert groups(shape, rows) == before


def test_domains_in_another_order_are_those_of_the_batch():
    domains = minigen.tensor([0, 1, 2, 2, 1, 1])
    minigen.manual_seed(3)
    alone = in_another_order(domains)
    assert sorted(alone.tolist()) == [0, 1, 1, 1, 2, 2] and alone.dtype == domains.dtype
