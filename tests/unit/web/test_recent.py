"""Results that may be a second old."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from adapters.web import recent
from adapters.web.recent import CachedResult

Advance = Callable[[float], None]


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Advance:
    """Moves the clock that results are dated by."""
    now = [100.0]
    monkeypatch.setattr(recent, "monotonic", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def test_a_result_holds_for_a_second(advance: Advance) -> None:
    results = iter(range(10))
    get = CachedResult(lambda: next(results))
    assert [get(), get()] == [0, 0]
    advance(0.9)
    assert get() == 0
    advance(0.2)
    assert [get(), get()] == [1, 1]


def test_a_failure_is_a_result_and_is_replaced_like_one(advance: Advance) -> None:
    outcomes: list[Exception | None] = [ValueError("broken"), None, ValueError("again")]

    def check() -> None:
        if error := outcomes.pop(0):
            raise error

    get = CachedResult(check)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken") as caught:
            get()
        assert len(caught.traceback) < 6  # it does not grow
    advance(1.1)
    get()
    advance(1.1)
    with pytest.raises(ValueError, match="again"):
        get()


def test_while_one_thread_computes_others_get_the_last_result(advance: Advance) -> None:
    computing, go_on = Event(), Event()
    results = iter(("first", "second"))

    def compute() -> str:
        result = next(results)
        if result == "second":
            computing.set()
            assert go_on.wait(10)
        return result

    get = CachedResult(compute)
    assert get() == "first"
    advance(1.5)
    with ThreadPoolExecutor(1) as threads:
        one = threads.submit(get)
        assert computing.wait(10)
        assert [get() for _ in range(5)] == ["first"] * 5
        go_on.set()
        assert one.result(10) == "second"
    assert get() == "second"


def test_nobody_gets_a_result_of_long_ago_and_all_wait_for_one(advance: Advance) -> None:
    computing, go_on = Event(), Event()
    results = iter(("first", "second"))

    def compute() -> str:
        result = next(results)
        if result == "second":
            computing.set()
            assert go_on.wait(10)
        return result

    get = CachedResult(compute)
    assert get() == "first"
    advance(3600)
    with ThreadPoolExecutor(5) as threads:
        waiting = [threads.submit(get) for _ in range(5)]
        assert computing.wait(10)
        assert not any(each.done() for each in waiting)
        go_on.set()
        assert [each.result(10) for each in waiting] == ["second"] * 5


def test_the_first_result_is_computed_once_for_all_who_wait() -> None:
    computing, go_on = Event(), Event()
    calls: list[int] = []

    def compute() -> int:
        calls.append(1)
        computing.set()
        assert go_on.wait(10)
        return len(calls)

    get = CachedResult(compute)
    with ThreadPoolExecutor(5) as threads:
        waiting = [threads.submit(get) for _ in range(5)]
        assert computing.wait(10)
        go_on.set()
        assert [each.result(10) for each in waiting] == [1] * 5
