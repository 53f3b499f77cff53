"""Batches: each epoch is a permutation, and a resumed run meets the batches it would have met."""

import json
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.data import Batches


@st.composite
def settings(draw):
    batch_size, drop_last = draw(st.integers(1, 8)), draw(st.booleans())
    return {
        "items": draw(st.integers(batch_size if drop_last else 1, 40)),
        "batch_size": batch_size,
        "drop_last": drop_last,
        "shuffle": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**64 - 1)),
    }


def make(items, **options):
    rows = np.arange(items)
    return Batches(rows, np.stack([rows, -rows], axis=1), **options)


def firsts(batches):
    return [batch[0].tolist() for batch in batches]


@given(settings())
def test_an_epoch_holds_each_item_once_and_arrays_stay_together(options):
    batches = make(**options)
    for epoch in range(2):
        assert batches.epoch == epoch
        seen = list(batches)
        assert len(seen) == len(batches)
        rows = np.concatenate([a for a, _ in seen])
        whole = len(batches) * options["batch_size"] if options["drop_last"] else options["items"]
        assert len(rows) == len(set(rows.tolist())) == whole
        assert set(rows.tolist()) <= set(range(options["items"]))
        assert all(np.array_equal(b, np.stack([a, -a], axis=1)) for a, b in seen)
        if not options["shuffle"]:
            assert rows.tolist() == list(range(whole))


@given(settings(), st.integers(0, 60))
def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(options, done):
    batches = make(**options)
    running = batches.forever()
    list(islice(running, done))
    state = json.loads(json.dumps(batches.state_dict()))
    resumed = make(**options)
    list(islice(resumed.forever(), 3))
    resumed.load_state_dict(state)
    assert firsts(islice(resumed.forever(), 30)) == firsts(islice(running, 30))


@given(settings(), st.data())
def test_the_rest_of_an_epoch_is_the_rest_of_its_iterator(options, data):
    batches = make(**options)
    list(batches)
    running = iter(batches)
    list(islice(running, data.draw(st.integers(0, len(batches)))))
    resumed = make(**options)
    resumed.load_state_dict(batches.state_dict())
    assert firsts(resumed) == firsts(running)
    assert resumed.state_dict() == batches.state_dict()
    assert (batches.epoch, batches.position) == (2, 0)


def test_a_running_iterator_goes_on_from_a_loaded_state():
    batches = make(20, batch_size=3)
    state = batches.state_dict()
    running = batches.forever()
    begun = firsts(islice(running, 8))
    batches.load_state_dict(state)
    assert firsts(islice(running, 8)) == begun


def test_seeds_and_epochs_give_different_orders():
    orders = []
    for seed in (0, 1):
        batches = make(50, batch_size=50, seed=seed)
        orders += [firsts(batches)[0] for _ in range(3)]
    assert len({tuple(order) for order in orders}) == 6


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_are_fresh_and_keep_the_memory_order(shuffle):
    planar, pixelwise = np.ones((6, 3, 4, 4)), np.ones((6, 4, 4, 3)).transpose(0, 3, 1, 2)
    options = {"batch_size": 2, "shuffle": shuffle}
    for a, b in Batches(planar, pixelwise, **options):
        assert a.flags.c_contiguous and b.transpose(0, 2, 3, 1).flags.c_contiguous
        a[:], b[:] = 0, 0
    assert planar.all() and pixelwise.all()
    (alone,) = next(iter(Batches(planar, **options)))
    assert alone.shape == (2, 3, 4, 4)


@pytest.mark.parametrize(
    ("lengths", "options", "message"),
    [
        ((), {}, "one length"),
        ((3, 4), {}, r"\[3, 4\]"),
        ((4,), {"batch_size": 0}, "1 or more, got 0"),
        ((4,), {"batch_size": 5}, "4 items make no batch of 5.*drop_last"),
        ((0,), {"drop_last": False}, "0 items"),
        ((4,), {"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_batched_is_refused(lengths, options, message):
    with pytest.raises(ValueError, match=message):
        Batches(*(np.zeros(n) for n in lengths), **{"batch_size": 2} | options)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"batch_size": 5},
        {"shuffle": False},
        {"drop_last": False},
        {"position": 6},
        {"position": -1},
        {"epoch": -1},
        {"data": make(21, batch_size=4).state_dict()["data"]},
        {"data": Batches(np.ones(20), batch_size=4).state_dict()["data"]},
    ],
    ids=str,
)
def test_a_state_of_something_else_is_refused_and_changes_nothing(change):
    batches = make(20, batch_size=4)
    next(iter(batches))
    before = batches.state_dict()
    with pytest.raises(ValueError, match=next(iter(change))):
        batches.load_state_dict(before | {"position": 3} | change)
    with pytest.raises(ValueError, match="lacks epoch"):
        batches.load_state_dict({k: v for k, v in before.items() if k != "epoch"})
    assert batches.state_dict() == before


def test_data_of_one_shape_are_told_apart_by_their_first_item():
    state = Batches(np.zeros((8, 2)), batch_size=2).state_dict()
    with pytest.raises(ValueError, match="data"):
        Batches(np.ones((8, 2)), batch_size=2).load_state_dict(state)
