"""Request bodies: limits of their size, their time and their memory."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Event
from typing import Any

import pytest
from api_client import ApiClient

from adapters.web import request_body
from adapters.web.request_body import (
    MAX_DRAINED_BYTES,
    SMALL,
    STEP,
    BodyIncomplete,
    BodyMemory,
    BodyMemoryExceeded,
    BodyTooLarge,
    BodyTooSlow,
    RequestLimits,
    begin_validation,
    can_be_discarded,
    discard,
    is_read,
    read_body,
    release_body,
)
from application.deadlines import deadline, time_left


class SlowStream:
    """A stream that returns at most 3 bytes at a time, as streams of servers may."""

    def __init__(self, content: bytes) -> None:
        self._content = BytesIO(content)

    def read(self, size: int) -> bytes:
        return self._content.read(min(size, 3))

    def remaining(self) -> int:
        return len(self._content.read())


def environ(content: bytes, length: object = None, **variables: str) -> dict[str, Any]:
    """The WSGI environment of a request with a body. `length` is its Content-Length."""
    declared = {} if length is None else {"CONTENT_LENGTH": str(length)}
    stream = {"wsgi.input": SlowStream(content), "wsgi.input_terminated": True}
    return {**stream, **declared, **variables}


def read(environment: dict[str, Any], *, limit: int = 10, seconds: float = 60) -> bytes | bytearray:
    return read_body(environment, limit=limit, seconds=seconds)


@pytest.mark.parametrize("content", [b"", b"1234567", b"1234567890"])
def test_reads_a_body_within_the_limit_completely(content: bytes) -> None:
    assert read(environ(content, len(content))) == content
    assert read(environ(content)) == content


def test_reads_at_most_the_content_length() -> None:
    assert read(environ(b"12345GET /", 5)) == b"12345"


def test_rejects_a_body_over_the_limit_with_and_without_a_length() -> None:
    for declared in (11, None):
        with pytest.raises(BodyTooLarge):
            read(environ(b"12345678901", declared))


def limits(**changed: Any) -> RequestLimits:
    values = {"body_bytes": 10, "body_seconds": 60, "seconds": 60, "parameters": 10}
    return RequestLimits(**{**values, "memory": BodyMemory(100), **changed})


def test_the_time_to_handle_a_request_begins_at_the_end_of_its_body() -> None:
    with deadline(5):
        assert limits(seconds=60).read_body(environ(b"1234567890", 10)) == b"1234567890"
        left = time_left()
    assert left is not None
    assert 5 < left <= 60


def test_a_url_can_have_its_own_limit_of_a_body() -> None:
    assert limits().read_body(environ(b"x" * 20, 20), max_bytes=20) == b"x" * 20
    with pytest.raises(BodyTooLarge):
        limits().read_body(environ(b"x" * 20, 20))


@pytest.mark.parametrize("declared", [100, None])
def test_discards_the_rest_of_a_rejected_body(declared: int | None) -> None:
    environment = environ(b"x" * 100, declared)
    with pytest.raises(BodyTooLarge):
        read(environment)
    discard(environment, seconds=60)
    assert environment["wsgi.input"].remaining() == 0


@pytest.mark.parametrize("declared", [100, None])
def test_discards_an_unread_body(declared: int | None) -> None:
    environment = environ(b"x" * 100, declared)
    discard(environment, seconds=60)
    assert environment["wsgi.input"].remaining() == 0


@pytest.mark.parametrize("declared", [1000, None])
def test_discards_at_most_the_limit(declared: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "MAX_DRAINED_BYTES", 50)
    environment = environ(b"x" * 1000, declared)
    discard(environment, seconds=60)
    assert environment["wsgi.input"].remaining() == 950


@pytest.mark.parametrize("declared", [1000, None])
def test_discards_a_body_for_a_limited_time(declared: int | None) -> None:
    environment = environ(b"x" * 1000, declared)
    discard(environment, seconds=0)
    assert environment["wsgi.input"].remaining() == 1000


def test_does_not_read_a_rejected_body_of_a_client_that_waits_for_100_continue() -> None:
    environment = environ(b"x" * 100, 100, HTTP_EXPECT="100-Continue")
    assert not can_be_discarded(environment)
    discard(environment, seconds=60)
    assert environment["wsgi.input"].remaining() == 100


def test_discards_a_body_over_the_limit_after_100_continue() -> None:
    environment = environ(b"x" * 100, HTTP_EXPECT="100-continue")
    with pytest.raises(BodyTooLarge):
        read(environment)
    discard(environment, seconds=60)
    assert environment["wsgi.input"].remaining() == 0


def test_does_not_wait_for_the_rest_of_an_incomplete_body() -> None:
    environment = environ(b"x" * 10, 100)
    with pytest.raises(BodyIncomplete):
        read(environment, limit=100)
    assert not can_be_discarded(environment)


@pytest.mark.parametrize(
    ("declared", "discardable"),
    [(MAX_DRAINED_BYTES, True), (MAX_DRAINED_BYTES + 1, False), (None, False)],
)
def test_can_discard_a_body_up_to_the_limit(declared: int | None, discardable: bool) -> None:
    assert can_be_discarded(environ(b"", declared)) is discardable


@pytest.mark.parametrize(
    ("headers", "complete"),
    [
        ({}, True),
        ({"CONTENT_LENGTH": "0"}, True),
        ({"CONTENT_LENGTH": ""}, True),
        ({"CONTENT_LENGTH": "5"}, False),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, False),
    ],
)
def test_reports_if_a_body_is_read(headers: dict[str, str], complete: bool) -> None:
    environment = environ(b"12345", **headers)
    assert is_read(environment) is complete
    read(environment)
    assert is_read(environment)


def test_rejects_a_body_shorter_than_its_content_length() -> None:
    with pytest.raises(BodyIncomplete):
        read(environ(b"1234", 5))


def test_an_incomplete_body_after_the_time_limit_is_too_slow() -> None:
    with pytest.raises(BodyTooSlow):
        read(environ(b"1234", 5), seconds=0)


@pytest.mark.parametrize("declared", [SMALL + 100, None])
def test_reads_a_large_body_for_a_limited_time(declared: int | None) -> None:
    environment = environ(b"x" * (SMALL + 100), declared)
    with pytest.raises(BodyTooSlow):
        read(environment, limit=2 * SMALL, seconds=0)
    assert not can_be_discarded(environment)


def test_accepts_a_complete_body_after_the_time_limit() -> None:
    assert read(environ(b"12345", 5), seconds=0) == b"12345"


@pytest.mark.parametrize("declared", ["", "-5", "+5", "five", "٥"])
def test_reads_nothing_without_a_length_or_an_end(declared: str) -> None:
    """If the server did not end the stream, reading would wait forever."""

    class Endless:
        def read(self, _: int) -> Iterator[bytes]:
            raise AssertionError

    environment: dict[str, Any] = {"wsgi.input": Endless(), "CONTENT_LENGTH": declared}
    assert read(environment) == b""


class PausedStream:
    """A stream that returns `size` bytes, and then waits until the test resumes it."""

    def __init__(self, size: int) -> None:
        self._remaining = size
        self.paused = Event()
        self.resumed = Event()

    def read(self, size: int) -> bytes:
        if self._remaining < size:
            self.paused.set()
            assert self.resumed.wait(20)
        part = b"x" * min(size, self._remaining)
        self._remaining -= len(part)
        return part


def large(size: int, stream: Any = None) -> dict[str, Any]:
    return {"wsgi.input": stream or BytesIO(b"x" * size), "CONTENT_LENGTH": str(size)}


def receive(environment: dict[str, Any], memory: BodyMemory) -> request_body.Body:
    return read_body(environment, limit=10**9, seconds=60, memory=memory)


def test_bodies_share_the_memory_until_they_are_released() -> None:
    memory = BodyMemory(4 * STEP)
    first, second, third = (large(2 * STEP) for _ in range(3))
    assert receive(first, memory) == b"x" * 2 * STEP
    receive(second, memory)
    assert memory.used == 4 * STEP
    with pytest.raises(BodyMemoryExceeded):
        receive(third, memory)
    release_body(third)
    release_body(first)
    assert memory.used == 2 * STEP
    assert receive(large(2 * STEP), memory) == b"x" * 2 * STEP


def test_the_later_of_two_bodies_of_one_size_is_rejected() -> None:
    memory = BodyMemory(3 * STEP)
    stream = PausedStream(2 * STEP)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(receive, large(8 * STEP, stream), memory)
        assert stream.paused.wait(20)
        with pytest.raises(BodyMemoryExceeded):
            receive(large(2 * STEP), memory)
        stream.resumed.set()
        with pytest.raises(BodyIncomplete):
            first.result(20)


def test_a_small_body_needs_no_shared_memory() -> None:
    memory = BodyMemory(2 * SMALL)
    receive(large(2 * SMALL), memory)
    assert receive(large(SMALL), memory) == b"x" * SMALL
    chunked = {"wsgi.input": BytesIO(b"{}"), "wsgi.input_terminated": True}
    chunked["HTTP_TRANSFER_ENCODING"] = "chunked"
    release_body(large(1))
    assert receive(chunked, BodyMemory(2)) == b"{}"


def test_only_received_bytes_take_memory() -> None:
    memory = BodyMemory(8 * STEP)
    environment = large(8 * STEP, stream := PausedStream(2 * STEP))
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(receive, environment, memory)
        assert stream.paused.wait(20)
        assert memory.used == 2 * STEP
        stream.resumed.set()
        with pytest.raises(BodyIncomplete):
            result.result(20)
    release_body(environment)
    assert memory.used == 0


def test_a_client_that_stops_sending_does_not_block_smaller_bodies() -> None:
    memory = BodyMemory(8 * STEP)
    stopped = large(8 * STEP, stream := PausedStream(7 * STEP))
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(receive, stopped, memory)
        assert stream.paused.wait(20)
        assert receive(large(4 * STEP), memory) == b"x" * 4 * STEP
        assert memory.used == 4 * STEP
        stream.resumed.set()
        with pytest.raises(BodyMemoryExceeded):
            result.result(20)


def test_only_the_largest_body_is_rejected_when_memory_is_used_up() -> None:
    memory = BodyMemory(8 * STEP)
    smaller = large(8 * STEP, stream := PausedStream(3 * STEP))
    with ThreadPoolExecutor(1) as threads:
        result = threads.submit(receive, smaller, memory)
        assert stream.paused.wait(20)
        with pytest.raises(BodyMemoryExceeded):
            receive(large(8 * STEP), memory)
        assert memory.used == 3 * STEP
        stream.resumed.set()
        with pytest.raises(BodyIncomplete):
            result.result(20)


def test_large_bodies_are_validated_one_at_a_time_and_within_the_deadline() -> None:
    memory = BodyMemory(8 * STEP)
    first, second, small = large(2 * STEP), large(2 * STEP), large(SMALL)
    for each in (first, second, small):
        receive(each, memory)
    begin_validation(first)
    begin_validation(small)
    with deadline(0.01), pytest.raises(BodyMemoryExceeded):
        begin_validation(second)
    release_body(first)
    begin_validation(second)
    release_body(second)


def test_settings_limit_the_length_of_a_body_and_of_a_query(
    service: Callable[..., ApiClient],
) -> None:
    client = service(ROSTER_BODY_BYTES="100", ROSTER_QUERY_PARAMETERS="2")
    assert client.get("/api/v1/users?sort=name&page[size]=1").status_code == 200
    response = client.get("/api/v1/users?sort=name&page[size]=1&filter[name]=Ann")
    assert response.status_code == 400
    assert response.get_json()["errors"][0]["code"] == "too_many_parameters"
    assert client.post("/api/v1/users", json="x" * 98).status_code == 400
    assert client.post("/api/v1/users", json="x" * 99).status_code == 413
