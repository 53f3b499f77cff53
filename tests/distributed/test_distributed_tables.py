"""What each rank changes by itself, and meets: tables, parts of a text, checkpoints."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import Tensor, training
from minigen.distributed.group import in_place
from minigen.distributed.rehearsal import Rehearsal
from minigen.distributed.tables import Tables, share_of_sum
from minigen.models.word2vec import Word2Vec, steps_a_word

COUNTS = 1000 // np.arange(1, 41)
TEXT = np.random.default_rng(0).choice(40, 60_000, p=COUNTS / COUNTS.sum()).astype(np.int32)


@given(st.integers(1, 30), st.integers(1, 60), st.floats(1e-4, 3))
def test_ranks_that_meet_come_where_one_process_would(ranks, steps, slope):
    """Down a bowl, of which a step goes 1 − e^(−slope) of what is left."""
    alone, each = (1 - math.exp(-slope * n) for n in (ranks * steps, steps))
    together = share_of_sum(np.array([slope * steps]), ranks)[0] * ranks * each
    assert abs(together - alone) < 1e-9


class Alike(Rehearsal):
    """Two ranks that do the same."""

    def all_reduce(self, array, op, lane=None):
        array *= 2
        return super().all_reduce(array, op)


@given(st.integers(0, 50), st.integers(1, 4))
def test_rows_that_do_not_meet_stay_apart(rows, dim):
    table = np.zeros((50, dim))
    with in_place(Alike(2)):
        tables = Tables([table])
        table += 1  # on both ranks
        tables.meet(np.full(rows, 1e9))
        assert (table == 1).all()  # the mean, and what did not meet
        table += 1
        tables.meet(np.zeros(50))
    # The sum: 1 + 1 + 1 of what met before, else 2 + 2.
    assert np.allclose(table[:rows], 3) and np.allclose(table[rows:], 4)


@pytest.mark.parametrize("ranks", [2, 3])
def test_the_ranks_parts_make_up_the_text(ranks):
    def pairs(stage, workers, rank=0):
        stage.rank = rank
        with in_place(stage):
            model = Word2Vec(COUNTS, dim=2, workers=workers, sample=0)
            return model.step(TEXT[:20_000], 1, 0.0, 0.5)["pairs"]

    each = [pairs(Rehearsal(ranks), 1, rank) for rank in range(ranks)]
    assert sum(each) == pairs(Rehearsal(1), ranks)
    assert min(each) > 0


def test_frequent_rows_meet_more_often(monkeypatch):
    met = []
    monkeypatch.setattr(Tables, "meet", lambda tables, x: met.append(x))
    with in_place(Rehearsal(2)):
        model = Word2Vec(COUNTS, dim=2, lr=3e-5, sample=0)
        for number in range(1, 5):
            model.step(TEXT, number, 0.0, 0.0)  # 2 pieces each
        model.meet()
        model.meet()  # nothing to do
    rows = [len(x) for x in met]
    assert rows[-1] == 40 and len(set(rows[:-1])) > 1 and min(rows) < 40
    # Each row's steps are counted once.
    total = np.zeros(40)
    for x in met:
        total[: len(x)] += x
    expected = steps_a_word(COUNTS, np.ones(40), 5) * 3e-5 * 4 * len(TEXT) / 2 / 3.0
    assert np.allclose(total, expected, rtol=1e-6)


class Part:
    """What a loop has for its state, and notes when it met."""

    def __init__(self, loop):
        self.loop, self.met = loop, []

    def meet(self):
        self.met.append(self.loop[0].step)

    def state_dict(self):
        return {"met": Tensor(np.array(self.met, np.float64))}

    def load_state_dict(self, state):
        self.met = state["met"].tolist()


def test_ranks_meet_before_each_checkpoint(tmp_path):
    loops, stage = [], Rehearsal(2)
    stage.rank = 0
    part = Part(loops)
    with in_place(stage):
        run = training.Run.create(tmp_path / "run", {})
        loops.append(training.Loop(run, steps=5, state={"part": part}, save_every=2))
        for _ in loops[0]:
            pass
    assert part.met == [2, 4, 5]
    saved = training.load_checkpoint(tmp_path / "run/checkpoint.npz")
    assert saved["state"]["part"]["met"].tolist() == [2, 4, 5]
