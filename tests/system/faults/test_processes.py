"""The processes of the service are killed or terminated under load."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPException, HTTPResponse
from random import Random
from socket import create_connection
from time import monotonic
from typing import Self

import pytest
from faults.accounts import Outcome, Reply, Task
from faults.load import Load, classified, creation
from faults.service import Service
from roster_process import JSONAPI
from waiting import until

Serve = Callable[..., Service]
Hold = Callable[..., object]

_SLOW = 8


@pytest.fixture(params=["sqlite_url", pytest.param("postgresql_url", marks=pytest.mark.long)])
def service(request: pytest.FixtureRequest, serve: Serve) -> Service:
    return serve(request.getfixturevalue(request.param))


def test_killed_workers_lose_nothing(service: Service, hold: Hold) -> None:
    chance = Random(8)
    with Load(service, breaks=True) as load:
        for _ in range(6):
            until(lambda: len(service.workers()) == service.size)
            load.until_acknowledged(50)
            chance.choice(service.workers()).kill()
            load.recovered()
    hold(f"a worker killed, 6 times, {service.kind}", load)


@pytest.mark.long
def test_a_killed_server_loses_nothing(service: Service, hold: Hold) -> None:
    with Load(service, breaks=True) as load:
        for _ in range(3):
            load.until_acknowledged(50)
            service.kill()
            service.start()
        load.recovered()
    hold(f"the server killed, 3 times, {service.kind}", load)


@pytest.mark.long
def test_a_terminated_server_finishes_slow_bodies_and_ends(service: Service, hold: Hold) -> None:
    with ExitStack() as opened, Load(service, breaks=True) as load:
        slow = [opened.enter_context(SlowBody(service.port, number)) for number in range(_SLOW)]
        service.terminate()
        for each in slow[: _SLOW // 2]:  # the others never finish
            load.others.append(each.finished())
            assert load.others[-1].acknowledged
        assert service.ended() == 0
        service.start()
        load.recovered()
    hold(f"SIGTERM with slow bodies, {service.kind}", load)


class SlowBody:
    """A creation whose second half arrives later."""

    def __init__(self, port: int, number: int) -> None:
        self._task = creation(f"slow{number}@example.org", f"slow{number}")
        body = json.dumps(self._task.body).encode()
        self._rest = body[len(body) // 2 :]
        self._socket = create_connection(("127.0.0.1", port), timeout=20)
        head = (
            f"POST {self._task.path} HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: {JSONAPI}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._socket.sendall(head.encode() + body[: -len(self._rest)])

    def finished(self) -> Task:
        """Sends the rest, and returns the task with its reply."""
        began = monotonic()
        try:
            self._socket.sendall(self._rest)
            response = HTTPResponse(self._socket)
            response.begin()
            outcome, summary, document = classified(response, json.loads(response.read()))
        except (OSError, HTTPException) as error:
            outcome, summary, document = Outcome.UNKNOWN, repr(error), None
        self._task.replies.append(Reply(began, monotonic(), outcome, summary, document))
        return self._task

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
