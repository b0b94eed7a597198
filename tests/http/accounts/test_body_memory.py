"""The bodies of all requests share one memory."""

import io
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from accounts.conftest import Build, other_issuer
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
