from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from flask.testing import FlaskClient

from adapters.web import limits
from adapters.web.limits import BodyIncomplete, BodyTooLarge, BodyTooSlow, read_body


class Stingy:
    """A stream that gives a little at a time, as those of servers may."""

    def __init__(self, content: bytes) -> None:
        self._content = BytesIO(content)

    def read(self, size: int) -> bytes:
        return self._content.read(min(size, 3))

    def left(self) -> int:
        return len(self._content.read())


def environ(content: bytes, length: object = None, **more: str) -> dict[str, Any]:
    declared = {} if length is None else {"CONTENT_LENGTH": str(length)}
    return {"wsgi.input": Stingy(content), "wsgi.input_terminated": True, **declared, **more}


def read(environment: dict[str, Any], *, limit: int = 10, seconds: float = 60) -> bytes:
    return read_body(environment, limit=limit, seconds=seconds)


@pytest.mark.parametrize("content", [b"", b"1234567", b"1234567890"])
def test_a_body_within_the_limit_is_read_whole(content: bytes) -> None:
    assert read(environ(content, len(content))) == content
    assert read(environ(content)) == content


def test_no_more_than_the_content_length_is_read() -> None:
    assert read(environ(b"12345GET /", 5)) == b"12345"


def test_a_body_over_the_limit_is_refused_however_it_comes() -> None:
    for declared in (11, None):
        with pytest.raises(BodyTooLarge):
            read(environ(b"12345678901", declared))


@pytest.mark.parametrize("declared", [100, None])
def test_a_refused_body_is_taken_off_the_wire(declared: int | None) -> None:
    environment = environ(b"x" * 100, declared)
    with pytest.raises(BodyTooLarge):
        read(environment)
    assert environment["wsgi.input"].left() == 0


@pytest.mark.parametrize("declared", [1000, None])
def test_so_much_and_no_more_is_taken_off_the_wire(
    declared: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DISCARDED", 50)
    environment = environ(b"x" * 1000, declared)
    with pytest.raises(BodyTooLarge):
        read(environment)
    assert environment["wsgi.input"].left() >= 900


def test_nothing_is_read_of_a_refused_body_that_waits_for_permission() -> None:
    environment = environ(b"x" * 100, 100, HTTP_EXPECT="100-Continue")
    with pytest.raises(BodyTooLarge):
        read(environment)
    assert environment["wsgi.input"].left() == 100


def test_a_body_shorter_than_its_content_length_is_incomplete() -> None:
    with pytest.raises(BodyIncomplete):
        read(environ(b"1234", 5))


def test_a_body_that_broke_off_after_its_time_was_too_slow() -> None:
    with pytest.raises(BodyTooSlow):
        read(environ(b"1234", 5), seconds=0)


def test_a_body_that_came_whole_is_taken_even_if_late() -> None:
    assert read(environ(b"12345", 5), seconds=0) == b"12345"


@pytest.mark.parametrize("declared", ["", "-5", "+5", "five", "٥"])
def test_without_a_length_or_an_end_nothing_is_read(declared: str) -> None:
    """A server that doesn't end the stream would wait for more than there is."""

    class Endless:
        def read(self, _: int) -> Iterator[bytes]:
            raise AssertionError

    environment: dict[str, Any] = {"wsgi.input": Endless(), "CONTENT_LENGTH": declared}
    assert read(environment) == b""


def test_settings_say_how_long_a_body_and_a_query_may_be(
    service: Callable[..., FlaskClient],
) -> None:
    client = service(ROSTER_BODY_BYTES="100", ROSTER_QUERY_PARAMETERS="2")
    assert client.get("/api/v1/users?sort=name&page[size]=1").status_code == 200
    answer = client.get("/api/v1/users?sort=name&page[size]=1&filter[name]=Ann")
    assert answer.status_code == 400
    assert answer.get_json()["errors"][0]["code"] == "too_many_parameters"
    assert client.post("/api/v1/users", json="x" * 98).status_code == 400
    assert client.post("/api/v1/users", json="x" * 99).status_code == 413
