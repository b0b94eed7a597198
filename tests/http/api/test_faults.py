"""Responses and log entries for internal errors and temporary failures."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest
from api.conftest import CheckedClient
from api.constants import USERS
from api_client import ApiClient
from flask import Flask

from adapters.memory.store import MemoryStore
from application.ports import (
    Begin,
    ConcurrentUpdate,
    Context,
    OutcomeUnknown,
    Reader,
    Unavailable,
    UnitOfWork,
)
from application.search import Page, Search, ValueCounts
from application.units import retrying
from domain.users import User

Build = Callable[..., Flask]

NEW = {"data": {"type": "users", "attributes": {"email": "ann@example.org", "name": "Ann"}}}


class FailingReader(Reader[User]):
    """Raises the error for every read."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get(self, entity_id: int) -> User:
        raise self._error

    def get_many(self, entity_ids: Collection[int]) -> Sequence[User]:
        raise self._error

    def page(self, search: Search) -> Page[User]:
        raise self._error

    def count_by(self, search: Search, attribute: str, *, limit: int) -> ValueCounts:
        raise self._error


def failing(error: Exception) -> Begin:
    """Begins units of work that raise the error."""

    @contextmanager
    def begin(context: Context, *, for_update: bool = False) -> Iterator[UnitOfWork]:
        raise error
        yield

    return begin


def unavailable(reason: str | None, cause: Exception | None) -> Unavailable:
    error = Unavailable()
    error.reason = reason
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("url", [USERS, f"{USERS}/1", f"{USERS}?page[number]=1"])
def test_an_internal_error_shows_only_an_id_that_the_log_contains(
    build: Build, log: list[Any], url: str
) -> None:
    client = CheckedClient(build(readers=[FailingReader(RuntimeError("secret detail"))] * 2))
    response = client.get(url)
    assert response.status_code == 500
    (error,) = response.json["errors"]
    assert error.keys() == {"id", "status", "code", "title", "detail", "links"}
    assert (error["status"], error["code"]) == ("500", "internal_error")
    for word in ("secret", "RuntimeError", "Traceback", "FailingReader"):
        assert word not in response.text
    (fault,) = [entry for entry in log if entry["event"] == "fault"]
    assert fault["id"] == error["id"]
    assert str(fault["exc_info"]) == "secret detail"
    assert fault["request_id"] == response.headers["X-Request-ID"]


def test_each_internal_error_has_its_own_id(build: Build) -> None:
    client = CheckedClient(build(readers=[FailingReader(KeyError("x"))] * 2))
    ids = {client.get(USERS).json["errors"][0]["id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize(
    "error",
    [RuntimeError("secret"), ValueError("secret"), MemoryError("secret"), RecursionError("secret")],
)
def test_an_internal_error_of_a_change_is_500(build: Build, error: Exception) -> None:
    client = CheckedClient(build(run=retrying(failing(error))))
    response = client.post(USERS, json=NEW)
    assert response.status_code == 500
    assert "secret" not in response.text
    assert client.get(USERS).status_code == 200


@pytest.mark.parametrize(
    ("error", "code"), [(Unavailable(), "unavailable"), (ConcurrentUpdate(), "overtaken")]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_temporary_failure_is_503_with_retry_after(
    build: Build, method: str, error: Exception, code: str
) -> None:
    client = CheckedClient(build(readers=[FailingReader(error)] * 2, run=retrying(failing(error))))
    response = client.open(USERS, method=method, json=NEW if method == "POST" else None)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    (found,) = response.json["errors"]
    assert found["code"] == code
    assert "source" not in found


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (unavailable("The disk is full.", OSError("secret")), "The disk is full."),
        (unavailable(None, ConnectionError("secret")), "ConnectionError"),
        (unavailable(None, ConnectionError()), "ConnectionError"),
    ],
)
def test_the_reason_of_a_temporary_failure_is_logged_without_the_text_of_its_cause(
    build: Build, log: list[Any], error: Exception, reason: str
) -> None:
    response = CheckedClient(build(readers=[FailingReader(error)] * 2)).get(USERS)
    request_id = response.headers["X-Request-ID"]
    assert log[0] == {
        "event": "unavailable",
        "log_level": "warning",
        "code": "unavailable",
        "reason": reason,
        "request_id": request_id,
    }
    assert "secret" not in str(log)
    assert reason not in response.text


def test_a_commit_with_an_unknown_outcome_is_503(build: Build) -> None:
    client = CheckedClient(build(run=retrying(failing(OutcomeUnknown()))))
    response = client.post(USERS, json=NEW)
    assert response.status_code == 503
    assert response.json["errors"][0]["code"] == "outcome_unknown"
    assert response.headers["Retry-After"] == "1"


def test_readiness_is_503_if_the_store_is_not_ready(build: Build, clock: Any) -> None:
    class Unready(MemoryStore):
        def ready(self) -> None:
            raise Unavailable

    client = CheckedClient(build(memory_store=Unready(clock)))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.headers["Content-Type"] == "application/vnd.api+json"
    assert response.headers["Retry-After"] == "1"
    assert client.get("/healthz").status_code == 200


def test_a_flood_of_probes_checks_the_store_once_a_second(build: Build, clock: Any) -> None:
    checks: list[float] = []

    class Counting(MemoryStore):
        def ready(self) -> None:
            checks.append(monotonic())

    client = CheckedClient(build(memory_store=Counting(clock)))
    began = monotonic()
    for _ in range(200):
        assert client.get("/readyz").status_code == 200
    assert 1 <= len(checks) <= 1 + (monotonic() - began)


def test_the_response_to_head_for_an_internal_error_has_no_body(build: Build) -> None:
    client = CheckedClient(build(readers=[FailingReader(RuntimeError("secret"))] * 2))
    assert client.head(USERS).status_code == 500


def test_a_request_is_logged_once_without_query_and_body(client: ApiClient, log: list[Any]) -> None:
    response = client.post(f"{USERS}.json?fields[users]=secret", json=NEW)
    (line,) = log
    assert line.pop("duration_ms") > 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "route": USERS,
        "status": response.status_code,
        "request_id": response.headers["X-Request-ID"],
    }


@pytest.fixture
def behind_a_proxy(build: Build) -> ApiClient:
    return CheckedClient(build({"ROSTER_TRUSTED_PROXIES": "1"}))


@pytest.mark.parametrize("sent", ["abc-1.2_3", "x" * 128])
def test_a_valid_request_id_of_a_trusted_proxy_is_used(
    behind_a_proxy: ApiClient, log: list[Any], sent: str
) -> None:
    response = behind_a_proxy.get(USERS, headers={"X-Request-ID": sent})
    assert response.headers["X-Request-ID"] == log[0]["request_id"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", 'a"', "é"])
def test_any_other_request_id_is_replaced(behind_a_proxy: ApiClient, sent: str) -> None:
    response = behind_a_proxy.get(USERS, headers={"X-Request-ID": sent})
    assert response.headers["X-Request-ID"] not in ("", sent)


def test_the_request_id_of_an_untrusted_client_is_replaced(
    client: ApiClient, log: list[Any]
) -> None:
    response = client.get(USERS, headers={"X-Request-ID": "Bob.Secretive"})
    assert response.headers["X-Request-ID"] == log[0]["request_id"] != "Bob.Secretive"
