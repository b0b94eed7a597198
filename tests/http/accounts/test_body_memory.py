"""The bodies of all requests share one memory."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread
from typing import Any

import pytest
from accounts.conftest import Build, Service, other_issuer
from accounts.table import PREFIX, WITH_BODY, Route
from api.constants import ATOMIC, JSONAPI, OPERATIONS, USERS
from api_client import ApiClient

LIMIT = 100_000
MEMORY = 8 * LIMIT + 1
"""The least memory that a service has: that of the longest body."""


class InterruptedBody(io.BytesIO):
    """A body that calls a function when most of it has been read."""

    def __init__(self, length: int, interrupt: Callable[[], None]) -> None:
        super().__init__(b" " * length)
        self._interrupt = interrupt
        self._is_interrupted = False

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 7 * LIMIT and not self._is_interrupted:
            self._is_interrupted = True
            other = Thread(target=self._interrupt)
            other.start()
            other.join(20)
        return super().read(size)


@pytest.mark.parametrize(
    ("url", "content_type"),
    [
        (USERS, JSONAPI),
        ("/api/v1/recoveries", JSONAPI),
        ("/oauth/revoke", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_takes_the_memory_of_a_larger_one(build: Build, url: str, content_type: str) -> None:
    service = build(ROSTER_BODY_BYTES=str(LIMIT), ROSTER_BODY_MEMORY=str(MEMORY))
    headers = other_issuer("users:read", "users:write")
    statuses = []

    def send_another() -> None:
        client = ApiClient(service.app)
        response: Any = client.post(
            url, headers=headers, data=b" " * LIMIT, content_type=content_type
        )
        statuses.append(response.status_code)

    body = InterruptedBody(MEMORY - LIMIT // 2, send_another)
    response = service.client.post(
        OPERATIONS,
        headers=headers,
        input_stream=body,
        content_length=MEMORY - LIMIT // 2,
        content_type=ATOMIC,
    )
    assert statuses == [400]
    assert response.problems == [("503", "overloaded", None)]
    assert response.headers["Retry-After"]


FORMS = ("/oauth/token", "/oauth/revoke")


class CallingClock:
    """Calls a function whenever it is read, which each unit of work does at its beginning."""

    call: Callable[[], None] | None = None

    def __call__(self) -> datetime:
        call, self.call = self.call, None
        if call:
            call()
            self.call = call
        return datetime.now(UTC)


def in_large_body(route: Route) -> Any:
    data = {**route.body["data"], **({"id": "1"} if route.method == "PATCH" else {})}
    return json.dumps({"data": data}) + " " * 20_000


WRITER = other_issuer("users:read", "users:write", "groups:read", "groups:write")


def send_meanwhile(service: Service, clock: CallingClock) -> list[int]:
    """Sends another large body whenever a unit of work begins, and appends the status."""
    statuses: list[int] = []

    def send() -> None:
        response: Any = ApiClient(service.app).post(
            USERS, headers=WRITER, data=" " * 20_000, content_type=JSONAPI
        )
        statuses.append(response.status_code)

    def send_and_wait() -> None:
        other = Thread(target=send)
        other.start()
        other.join(20)

    clock.call = send_and_wait
    return statuses


@pytest.mark.parametrize(
    "route", [*WITH_BODY, *FORMS], ids=lambda route: getattr(route, "url", route)
)
def test_a_large_body_holds_up_no_other_while_its_request_waits(
    build: Build, route: Route | str
) -> None:
    """Anyone can make requests wait: for the database, or for others that hash passwords."""
    clock = CallingClock()
    service = build(clock=clock, ROSTER_REQUEST_SECONDS="5")
    service.user()
    headers = service.access()
    statuses = send_meanwhile(service, clock)
    if isinstance(route, str):
        form = "grant_type=refresh_token&refresh_token=rrt_x&token=rrt_x&padding=" + "x" * 20_000
        content_type = "application/x-www-form-urlencoded"
        ApiClient(service.app).post(route, data=form, content_type=content_type)
    else:
        access = WRITER if route.access == "users:write" else headers
        service.client.open(
            PREFIX + route.url,
            method=route.method,
            headers=access,
            data=in_large_body(route),
            content_type=JSONAPI,
        )
    assert statuses
    assert set(statuses) == {400}


USER = {"type": "users", "id": "1"}
EVE = {"email": "eve@example.org", "name": "Eve"}


@pytest.mark.parametrize(
    ("method", "path", "data"),
    [
        ("POST", "/users", {"type": "users", "attributes": EVE}),
        ("PATCH", "/users/1", {**USER, "attributes": {"name": "Eve"}}),
        ("PATCH", "/groups/1/relationships/owner", USER),
        ("POST", "/groups/1/relationships/members", [USER]),
        ("PATCH", "/groups/1/relationships/members", [USER]),
        ("DELETE", "/groups/1/relationships/members", [USER]),
    ],
)
@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "a-key"}], ids=["", "with a key"])
def test_a_large_body_of_a_resource_holds_up_no_other(
    build: Build, method: str, path: str, data: Any, key: dict[str, str]
) -> None:
    clock = CallingClock()
    service = build(clock=clock, ROSTER_REQUEST_SECONDS="5")
    service.user()
    group = {"type": "groups", "attributes": {"name": "Staff"}}
    assert service.send("POST", "/groups", {"data": group}, WRITER).status_code == 201
    statuses = send_meanwhile(service, clock)
    response = service.client.open(
        PREFIX + path,
        method=method,
        headers=WRITER | key,
        data=json.dumps({"data": data}) + " " * 20_000,
        content_type=JSONAPI,
    )
    assert response.status_code in {200, 201, 204}, response.text
    assert statuses
    assert set(statuses) == {400}
