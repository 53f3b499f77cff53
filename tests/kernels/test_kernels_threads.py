"""Work is shared out to threads, each part of it done once, and BLAS keeps to one meanwhile."""

import math
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from minigen import backend
from minigen.kernels import limits, threads
from minigen.kernels.threads import Task

HERE = Path(__file__).parent


def blas_threads():
    """Of NumPy's own BLAS."""
    return {library.num_threads for library in threads.blas_libraries()}


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


def test_a_blas_with_a_limit_for_each_thread_is_held_in_each_thread(monkeypatch):
    """Such is OpenBLAS built with OpenMP."""
    own = threading.local()

    def limit(count):
        own.count = count

    switch = threads._Switch(lambda: getattr(own, "count", 4), limit)
    monkeypatch.setattr(threads, "_of_process", [])
    monkeypatch.setattr(threads, "_of_thread", [switch])
    seen = {}

    def work(part, first, last):
        with threads.single_threaded_blas(), threads.single_threaded_blas():
            seen[part] = switch.count()

    with threads.single_threaded_blas():
        thread = threading.Thread(target=work, args=(1, 0, 1))
        thread.start()
        thread.join()
        assert switch.count() == 1
    work(0, 0, 1)
    assert seen == {0: 1, 1: 1}
    assert switch.count() == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("held_by", ["the forking thread", "another one"])
def test_a_child_keeps_the_limit_of_the_forking_thread_alone(held_by):
    enter, leave = threading.Event(), threading.Event()

    def other():
        with threads.single_threaded_blas():
            enter.set()
            leave.wait(10)

    def fork():
        if child := os.fork():
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        status = 1
        try:
            inside = blas_threads()
            with threads.single_threaded_blas():
                within = blas_threads()
            own = held_by == "the forking thread"
            status = 0 if inside == ({1} if own else {2}) and within == {1} else 2
        finally:
            os._exit(status)

    with threadpool_limits(2, user_api="blas"):
        if held_by == "the forking thread":
            with threads.single_threaded_blas():
                assert fork() == 0
        else:
            thread = threading.Thread(target=other)
            thread.start()
            assert enter.wait(10)
            assert fork() == 0
            leave.set()
            thread.join()
        assert blas_threads() == {2}


def test_equal_calls_have_equal_bits_whoever_holds_the_limit():
    """With OpenBLAS's kernels for CPUs without AVX-512, which share out smaller products."""
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Haswell", "OPENBLAS_NUM_THREADS": "2"}
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); import equal_bits; equal_bits.main()"
    ended = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100
    )
    assert not ended.returncode, ended.stdout + ended.stderr


@pytest.mark.usefixtures("three_threads")
def test_an_error_in_a_thread_arrives_and_restores_the_limit():
    def work(part, first, last):
        raise MemoryError(f"part {part}")

    with threadpool_limits(2, user_api="blas"):
        with pytest.raises(MemoryError, match="part"):
            threads.over_images(work, 3, math.inf)
        assert blas_threads() == {2}


@pytest.mark.usefixtures("limit_restored")
@given(
    st.integers(0, 70),
    st.sampled_from([1, 2, 3, 4, 8, 16, 64]),
    st.sampled_from([0, limits.now.alone, 1.1 * limits.now.alone, 1e8, math.inf]),
)
def test_every_image_is_worked_on_once_and_no_range_is_empty(count, limit, cost):
    backend.limit_threads(limit)
    ranges = {}
    threads.over_images(lambda part, first, last: ranges.update({part: (first, last)}), count, cost)
    images = [i for part in sorted(ranges) for i in range(*ranges[part])]
    assert images == list(range(count))
    assert all(first < last for first, last in ranges.values())
    assert len(ranges) == (min(limit, count) if cost >= limits.now.alone else min(1, count))


def finish_in_time(task, **how):
    """What the task's work returns; a failure if that takes 10 s."""
    found = []
    waiting = threading.Thread(target=lambda: found.append(task.finish(**how)), daemon=True)
    waiting.start()
    waiting.join(10)
    assert found, "a thread waits for what nobody does"
    return found[0]


@given(*[st.integers(1, most) for most in (40, 9, 30, 12)])
def test_few_bands_are_shared_out_evenly_if_they_can_be(images, least, most, count):
    found = threads.bands(images, least, most, count)
    alike = [b for b in range(least, most + 1) if images * b % count == 0]
    few = least > 1 and images * least < 8 * count
    assert found == (alike[0] if few and alike else min(least, most))


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
