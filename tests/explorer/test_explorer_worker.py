"""The newest request wins, older ones are dropped, and nothing is lost."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.explorer.worker import DroppedError, Worker


class Held:
    """Work that shows its name, and then waits at a gate for each further picture."""

    def __init__(self, name, pictures=1):
        self.name, self.pictures = name, pictures
        self.began, self.gate = threading.Event(), threading.Semaphore(0)
        self.shown = []

    def __call__(self, show):
        self.began.set()
        for i in range(self.pictures):
            self.gate.acquire()
            self.shown.append(i)
            show((self.name, i))


def dropped(answers):
    """Reads to the end, which is that of a request that was dropped; in a thread, lest it wait."""
    ends = []

    def read():
        with pytest.raises(DroppedError):
            ends.extend(answers)
        ends.append("dropped")

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(10)
    assert ends == ["dropped"]


def test_of_those_that_wait_the_newest_is_worked_on():
    worker, first, newest = Worker(), Held("first"), Held("newest")
    shown = worker.answers(first)
    first.began.wait()
    waiting = [Held(i) for i in range(5)]
    older = [worker.answers(work) for work in waiting]
    last = worker.answers(newest)
    for answers in older:
        dropped(answers)  # at once, while the first is still at work
    first.gate.release()
    newest.gate.release()
    assert next(shown) == ("first", 0)  # what was begun shows its picture
    assert [*last] == [("newest", 0)]
    assert not any(work.began.is_set() for work in waiting)


def test_one_in_steps_stops_at_the_next_when_a_newer_comes():
    worker, chain = Worker(), Held("chain", 10)
    shown = worker.answers(chain)
    chain.began.wait()
    chain.gate.release(2)
    assert [next(shown), next(shown)] == [("chain", 0), ("chain", 1)]
    newest = Held("newest")
    newest.gate.release()
    last = worker.answers(newest)
    chain.gate.release(8)
    assert next(shown) == ("chain", 2)
    dropped(shown)
    assert [*last] == [("newest", 0)] and chain.shown == [0, 1, 2]


def test_one_that_nobody_reads_any_more_stops():
    worker, chain = Worker(), Held("chain", 10)
    shown = worker.answers(chain)
    chain.gate.release(1)
    next(shown)
    shown.close()
    chain.gate.release(9)
    assert [*worker.answers(lambda show: show("next"))] == ["next"]
    assert len(chain.shown) == 2


def test_an_error_is_the_askers_and_the_worker_goes_on():
    worker = Worker()

    def fails(show):
        show(1)
        raise ZeroDivisionError("of this request")

    shown = worker.answers(fails)
    assert next(shown) == 1
    with pytest.raises(ZeroDivisionError, match="of this request"):
        next(shown)
    assert [*worker.answers(lambda show: show(2))] == [2]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_every_request_ends_and_the_last_is_answered_in_full(lengths):
    worker, ends = Worker(), {}

    def read(number, answers):
        try:
            ends[number] = [*answers]
        except DroppedError:
            ends[number] = None

    readers = []
    for number, length in enumerate(lengths):

        def work(show, number=number, length=length):
            for i in range(length):
                show((number, i))

        answers = worker.answers(work)
        readers.append(threading.Thread(target=read, args=(number, answers)))
        readers[-1].start()
    for reader in readers:
        reader.join(10)
    assert ends.keys() == {*range(len(lengths))}
    last = len(lengths) - 1
    assert ends[last] == [(last, i) for i in range(lengths[last])]
