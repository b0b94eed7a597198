"""Keys are derived from one secret, which is read once."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Barrier, BrokenBarrierError, Event

import pytest

from application.deadlines import deadline
from application.keys import Keys
from application.ports import Unavailable

THREADS = 12


class Source:
    """A secret whose first reads fail. Counts the reads."""

    def __init__(self, failures: int = 0) -> None:
        self.reads = 0
        self._failures = failures

    def __call__(self) -> bytes:
        self.reads += 1
        if self.reads <= self._failures:
            raise Unavailable
        return b"secret"


def test_each_purpose_has_its_own_key() -> None:
    keys = Keys(Source())
    derived = [keys.derive("log"), keys.derive("cursors"), keys.cursor_digest_key()]
    assert len(set(derived)) == 3
    assert [len(key) for key in derived] == [32] * 3
    assert len(keys.derive("log", size=64)) == 64


def test_the_same_secret_has_the_same_keys() -> None:
    assert Keys(Source()).derive("log") == Keys(lambda: b"secret").derive("log")
    assert Keys(Source()).derive("log") != Keys(lambda: b"another").derive("log")


def test_the_keys_are_those_of_earlier_releases() -> None:
    """Otherwise an upgrade would invalidate all cursors and change the hashes in logs."""
    keys = Keys(Source())
    derived, digest_key = keys.derive("log").hex(), keys.cursor_digest_key().hex()
    assert derived == "0120e5195448ed61d04fcd62bb5d151a063cc3dd42a194afbbc4f2b65e801fe8"
    assert digest_key == "ae4aafb3c7d8616b739f05a30d06b4e2236fdea712168159f346e8a3efd57d9e"


def test_accepts_a_secret_of_any_length() -> None:
    derived = {Keys(partial(bytes, length)).derive("log") for length in (1, 64, 5000)}
    assert len(derived) == 3


def test_the_secret_is_not_read_before_a_key_is_needed() -> None:
    source = Source()
    Keys(source)
    assert source.reads == 0


def test_concurrent_threads_read_the_secret_once() -> None:
    source, start, second = Source(), Barrier(THREADS), Barrier(2)

    def read() -> bytes:
        with suppress(BrokenBarrierError):
            second.wait(0.5)  # a second thread would read during this time
        return source()

    keys = Keys(read)

    def derive(number: int) -> bytes:
        start.wait()
        return keys.derive(f"purpose {number % 2}")

    with ThreadPoolExecutor(THREADS) as threads:
        derived = set(threads.map(derive, range(THREADS)))
    assert len(derived) == 2
    assert source.reads == 1


def test_reads_the_secret_again_after_a_failure() -> None:
    keys = Keys(Source(failures=2))
    for _ in range(2):
        with pytest.raises(Unavailable):
            keys.derive("log")
    assert keys.derive("log") == Keys(lambda: b"secret").derive("log")


def test_a_thread_waits_for_another_only_until_its_deadline() -> None:
    reading, done = Event(), Event()

    def read() -> bytes:
        reading.set()
        assert done.wait(20)
        return b"secret"

    keys = Keys(read)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(keys.derive, "log")
        assert reading.wait(20)
        with pytest.raises(Unavailable), deadline(0.05):
            keys.derive("log")
        done.set()
        assert first.result() == keys.derive("log")
