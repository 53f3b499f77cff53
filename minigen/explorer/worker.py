"""One thread that computes: the newest request wins, and older ones are dropped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

Show = Callable[[Any], None]


class DroppedError(Exception):
    """Nobody waits for the answer any more."""


class _Job:
    def __init__(self, work: Callable[[Show], None]):
        self.work, self.wanted = work, True
        self.answers: SimpleQueue[Any] = SimpleQueue()

    def end(self, error: Exception | None = None) -> None:
        self.wanted = False
        self.answers.put(_End(error))


class _End:
    def __init__(self, error: Exception | None):
        self.error = error


class Worker:
    """A thread for all requests, so that one picture has all cores and no two change a model's mode
    at once. A request that waits is dropped when a newer one comes, one that is being worked on as
    soon as it shows something; so the first picture of each that was begun is seen.

    The thread ends with the program.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._now: _Job | None = None
        self._waiting: _Job | None = None
        threading.Thread(target=self._run, daemon=True, name="explorer").start()

    def answers(self, work: Callable[[Show], None]) -> Iterator[Any]:
        """What a piece of work shows, as it comes; the work is to begin at once. Whoever closes
        the iterator drops the work.

        Args:
            work: is given a function to show with, from which DroppedError comes if nobody waits.

        Raises:
            DroppedError: a newer request came.
            Exception: what the work raised.
        """
        job = _Job(work)
        with self._changed:
            if self._waiting:
                self._waiting.end(DroppedError())
            if self._now:
                self._now.wanted = False
            self._waiting = job
            self._changed.notify()
        return self._shown(job)

    @staticmethod
    def _shown(job: _Job) -> Iterator[Any]:
        try:
            while not isinstance(answer := job.answers.get(), _End):
                yield answer
            if answer.error is not None:
                raise answer.error
        finally:
            job.wanted = False

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                job, self._waiting = self._waiting, None
                self._now = job
            self._work(job)

    @staticmethod
    def _work(job: _Job) -> None:
        def show(answer: Any) -> None:
            job.answers.put(answer)
            if not job.wanted:
                raise DroppedError

        try:
            job.work(show)
        except Exception as error:  # it is the asker's, who gets it
            job.end(error)
        else:
            job.end()
