"""Long computations in a bounded number of threads."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event, Thread

import pytest
from waiting import until

from adapters.passwords.bounded_threads import BoundedThreads
from application.deadlines import deadline
from application.ports.passwords import Busy

PATIENT = 30.0
LIMIT = 0.5
"""Enough time for a thread to begin."""


def nothing() -> None:
    """Is computed at once."""


def test_computations_begin_in_the_order_of_their_arrival() -> None:
    threads = BoundedThreads(1, seconds=PATIENT)
    finish = Event()
    order: list[int] = []

    def compute(number: int) -> None:
        order.append(number)
        finish.wait(PATIENT)

    callers = [Thread(target=threads.run, args=[partial(compute, n)]) for n in range(6)]
    for number, caller in enumerate(callers):
        caller.start()
        until(partial(lambda number: threads.submitted == number + 1, number))
    until(lambda: order == [0])
    finish.set()
    for caller in callers:
        caller.join(PATIENT)
    assert order == [*range(6)]
    until(lambda: threads.submitted == 0)


def test_the_configured_number_is_computed_concurrently() -> None:
    threads = BoundedThreads(3, seconds=PATIENT)
    together = Barrier(3, timeout=PATIENT)
    with ThreadPoolExecutor(3) as callers:
        running = [callers.submit(threads.run, together.wait) for _ in range(3)]
        assert {each.result() for each in running} == {0, 1, 2}


def test_computations_beyond_the_limit_are_refused_at_once() -> None:
    threads = BoundedThreads(1, waiting=2, seconds=PATIENT)
    finish = Event()
    with ThreadPoolExecutor(3) as callers:
        running = [callers.submit(threads.run, partial(finish.wait, PATIENT)) for _ in range(3)]
        until(lambda: threads.submitted == 3)
        with pytest.raises(Busy):
            threads.run(nothing)
        finish.set()
        assert [each.result() for each in running] == [True] * 3
    until(lambda: threads.submitted == 0)
    threads.run(nothing)


@pytest.mark.parametrize(("limit", "deadline_after"), [(LIMIT, PATIENT), (PATIENT, 0.01)])
def test_waiting_ends_after_the_limit_or_at_the_deadline(
    limit: float, deadline_after: float
) -> None:
    threads = BoundedThreads(1, seconds=limit)
    finish, has_run = Event(), Event()
    with ThreadPoolExecutor(1) as callers:
        running = callers.submit(threads.run, partial(finish.wait, PATIENT))
        until(lambda: threads.submitted == 1)
        with deadline(deadline_after), pytest.raises(Busy):
            threads.run(has_run.set)
        assert threads.submitted == 1
        finish.set()
        assert running.result()
    threads.run(nothing)
    assert not has_run.is_set()


def test_a_computation_that_has_begun_is_finished() -> None:
    threads = BoundedThreads(1, seconds=LIMIT)
    begun, finish = Event(), Event()

    def compute() -> str:
        begun.set()
        finish.wait(PATIENT)
        return "done"

    with ThreadPoolExecutor(1) as callers:
        running = callers.submit(threads.run, compute)
        assert begun.wait(PATIENT)
        with pytest.raises(Busy):  # so the limit of the first one is also over
            threads.run(nothing)
        finish.set()
        assert running.result() == "done"


def test_a_computation_that_takes_too_long_ends_the_wait_at_the_deadline() -> None:
    threads = BoundedThreads(1, waiting=0)
    begun, finish = Event(), Event()

    def compute() -> None:
        begun.set()
        finish.wait(PATIENT)

    with deadline(LIMIT), pytest.raises(Busy):
        threads.run(compute)
    assert begun.is_set()
    with pytest.raises(Busy):  # the thread is still in use
        threads.run(nothing)
    finish.set()
    until(lambda: threads.submitted == 0)
    threads.run(nothing)


def test_a_failure_frees_the_thread() -> None:
    threads = BoundedThreads(1, waiting=0)
    with pytest.raises(ZeroDivisionError):
        threads.run(lambda: 1 // 0)
    until(lambda: threads.submitted == 0)
    threads.run(nothing)


def cannot_start(thread: Thread) -> None:
    """Fails as Thread.start does if the system permits no more threads."""
    raise RuntimeError("can't start new thread")


def test_nothing_is_queued_for_a_thread_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = BoundedThreads(1, waiting=0)
    computed: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", cannot_start)
        for _ in range(3):
            with pytest.raises(Busy) as refused:
                threads.run(lambda: computed.append("refused"))
    assert refused.value.reason == "no thread can be started"
    assert threads.submitted == 0
    threads.run(lambda: computed.append("accepted"))
    assert computed == ["accepted"]


def test_a_thread_that_runs_computes_what_another_one_cannot_start_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = BoundedThreads(2, waiting=0, seconds=PATIENT)
    begun, finish = Event(), Event()

    def compute() -> bool:
        begun.set()
        return finish.wait(PATIENT)

    with ThreadPoolExecutor(2) as callers:
        # The callers start their threads before threads cannot be started.
        together = Barrier(2, timeout=PATIENT)
        for started in [callers.submit(together.wait) for _ in range(2)]:
            started.result()
        running = callers.submit(threads.run, compute)
        assert begun.wait(PATIENT)
        with monkeypatch.context() as patched:
            patched.setattr(Thread, "start", cannot_start)
            waiting = callers.submit(threads.run, lambda: "computed")
            until(lambda: threads.submitted == 2)
            finish.set()
            assert running.result()
            assert waiting.result() == "computed"
    until(lambda: threads.submitted == 0)


def test_admits_as_many_as_can_compute_or_wait() -> None:
    threads = BoundedThreads(2, waiting=1)
    with threads.admission(), threads.admission():
        with threads.admission(), pytest.raises(Busy), threads.admission():
            pass
        with threads.admission():  # a place is free again
            pass
