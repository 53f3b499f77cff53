"""Work is shared out to threads, each part of it done once, and BLAS keeps to one meanwhile."""

import math
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from minigen import backend
from minigen.kernels import threads
from minigen.kernels.threads import Task


def blas_threads():
    return {lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"}


@pytest.mark.usefixtures("three_threads")
def test_the_limit_on_blas_threads_is_restored():
    with threadpool_limits(2, user_api="blas"):
        first, second = threads.single_threaded_blas(), threads.single_threaded_blas()
        first.__enter__()
        assert blas_threads() == {1}
        second.__enter__()
        first.__exit__(None, None, None)
        assert blas_threads() == {1}  # one is still inside
        second.__exit__(None, None, None)
        assert blas_threads() == {2}
        seen = []
        threads.over_images(lambda *_: seen.append(blas_threads()), 3, math.inf)
        assert seen == [{1}] * 3
        assert blas_threads() == {2}


def test_the_limit_holds_whichever_thread_comes_first_and_leaves_last():
    """(threadpoolctl by itself heeds one thread and ignores the others without a word.)"""
    with threadpool_limits(2, user_api="blas"):
        inside, leave = threading.Event(), threading.Event()

        def other():
            with threads.single_threaded_blas():
                inside.set()
                leave.wait(10)

        with threads.single_threaded_blas():  # so that this thread has set a limit before
            pass
        thread = threading.Thread(target=other)
        thread.start()
        assert inside.wait(10)
        assert blas_threads() == {1}
        with threads.single_threaded_blas():
            leave.set()
            thread.join()
            assert blas_threads() == {1}
        assert blas_threads() == {2}
        thread = threading.Thread(target=other)
        with threads.single_threaded_blas():
            thread.start()
            thread.join()  # leaves at once
        assert blas_threads() == {2}


@pytest.mark.usefixtures("three_threads")
def test_an_error_in_a_thread_arrives_and_restores_the_limit():
    def work(part, first, last):
        raise MemoryError(f"part {part}")

    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(MemoryError, match="part"):
            threads.over_images(work, 3, math.inf)
        assert blas_threads() == {2}


@pytest.mark.usefixtures("limit_restored")
@given(st.integers(1, 20), st.integers(1, 5))
def test_every_image_is_worked_on_once(count, limit):
    backend.limit_threads(limit)
    done = [0] * count

    def work(part, first, last):
        for i in range(first, last):
            done[i] += 1

    threads.over_images(work, count, math.inf)
    assert done == [1] * count


def finish_in_time(task, **how):
    """What the task's work returns; a failure if that takes 10 s."""
    found = []
    waiting = threading.Thread(target=lambda: found.append(task.finish(**how)), daemon=True)
    waiting.start()
    waiting.join(10)
    assert found, "a thread waits for what nobody does"
    return found[0]


def test_a_task_that_nobody_has_begun_is_done_by_whoever_needs_it():
    task = Task(pow, 10, 2)
    assert finish_in_time(task) == 100
    task.run()  # a worker comes too late


def test_a_task_is_begun_once():
    done, all_at_once = [], threading.Barrier(8)
    tasks = [Task(done.append, i) for i in range(200)]

    def run():
        all_at_once.wait()
        for task in tasks:
            task.run()

    runners = [threading.Thread(target=run) for _ in range(8)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert sorted(done) == list(range(200))


@pytest.mark.usefixtures("three_threads")
def test_workers_begin_with_what_is_offered():
    begun = threading.Event()
    task = Task(begun.set)
    threads.offer([task])
    assert begun.wait(10)
    finish_in_time(task)


@pytest.mark.usefixtures("limit_restored")
def test_a_lower_limit_sends_workers_home():
    def workers():
        return [t for t in threading.enumerate() if t.name == "minigen"]

    for limit in (6, 2):
        backend.limit_threads(limit)
        deadline = time.monotonic() + 10
        while len(workers()) != limit - 1 and time.monotonic() < deadline:
            threads.over_images(lambda *_: time.sleep(0.001), limit, math.inf)
        assert len(workers()) == limit - 1


@pytest.mark.usefixtures("limit_restored")
def test_who_waits_helps():
    """Two tasks, each of which ends when the other has begun: one worker cannot do both."""
    begun = [threading.Event(), threading.Event()]

    def begin(own):
        begun[own].set()
        return begun[1 - own].wait(10)

    backend.limit_threads(2)
    tasks = [Task(begin, i) for i in range(2)]
    threads.offer(tasks[:1])
    assert begun[0].wait(10)
    threads.offer(tasks[1:])
    assert finish_in_time(tasks[0], helping=True)
    assert finish_in_time(tasks[1])
