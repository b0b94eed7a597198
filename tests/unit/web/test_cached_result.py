"""Cached results, which may be a second old."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from adapters.web import cached_result
from adapters.web.cached_result import CachedResult

Advance = Callable[[float], None]


class Paused:
    """A function that returns each of the results, once it is resumed."""

    def __init__(self, results: list[str]) -> None:
        self._results = iter(results)
        self.started, self.resumed = Event(), Event()

    def __call__(self) -> str:
        self.started.set()
        assert self.resumed.wait(10)
        return next(self._results)

    def pause(self) -> None:
        self.started.clear()
        self.resumed.clear()


def paused_after_the_first_result() -> tuple[Paused, CachedResult[str]]:
    compute = Paused(["first", "second"])
    get = CachedResult(compute)
    compute.resumed.set()
    assert get() == "first"
    compute.pause()
    return compute, get


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Advance:
    """Advances the clock of the cached results."""
    now = [100.0]
    monkeypatch.setattr(cached_result, "monotonic", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def test_returns_the_same_result_for_a_second(advance: Advance) -> None:
    results = iter(range(10))
    get = CachedResult(lambda: next(results))
    assert [get(), get()] == [0, 0]
    advance(0.75)
    assert get() == 0
    advance(0.25)
    assert [get(), get()] == [1, 1]


def test_caches_and_replaces_a_failure_like_a_result(advance: Advance) -> None:
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


def test_other_threads_get_the_last_result_while_one_computes(advance: Advance) -> None:
    compute, get = paused_after_the_first_result()
    advance(1.5)
    with ThreadPoolExecutor(1) as threads:
        refreshed = threads.submit(get)
        assert compute.started.wait(10)
        assert [get() for _ in range(5)] == ["first"] * 5
        compute.resumed.set()
        assert refreshed.result(10) == "second"
    assert get() == "second"


def test_all_threads_wait_for_a_new_result_if_the_last_one_is_stale(advance: Advance) -> None:
    compute, get = paused_after_the_first_result()
    advance(3600)
    with ThreadPoolExecutor(5) as threads:
        waiting = [threads.submit(get) for _ in range(5)]
        assert compute.started.wait(10)
        assert not any(each.done() for each in waiting)
        compute.resumed.set()
        assert [each.result(10) for each in waiting] == ["second"] * 5


def test_computes_the_first_result_once_for_all_threads() -> None:
    compute = Paused(["first", "second"])
    get = CachedResult(compute)
    with ThreadPoolExecutor(5) as threads:
        waiting = [threads.submit(get) for _ in range(5)]
        assert compute.started.wait(10)
        compute.resumed.set()
        assert [each.result(10) for each in waiting] == ["first"] * 5
