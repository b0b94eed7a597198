"""Retries with an idempotency key happen once, even if workers are killed meanwhile."""

import json
import random
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress

import httpx
import psutil
import pytest
from process.server import Serve, Server
from roster_process import JSONAPI, USERS

from adapters.sql import schema
from adapters.sql.engine import make_engine

CLIENTS = 8


@pytest.mark.parametrize("database", ["sqlite_url", "postgresql_url", "mariadb_url"])
@pytest.mark.parametrize("times", [20, pytest.param(1000, marks=pytest.mark.long)])
def test_creations_that_are_retried_through_kills_happen_exactly_once(
    serve: Serve, request: pytest.FixtureRequest, database: str, times: int
) -> None:
    url = request.getfixturevalue(database)
    migrate(url)
    server = serve("--workers", "2", ROSTER_DATABASE_URL=url)
    numbers, chance = iter(range(times)), random.Random(4)
    responses: dict[int, bytes] = {}

    def create_in_turn(_: int) -> None:
        for number in numbers:
            responses[number] = create(server, number)

    killed = 0
    with ThreadPoolExecutor(CLIENTS) as threads:
        clients = [threads.submit(create_in_turn, client) for client in range(CLIENTS)]
        while not all(each.done() for each in clients):
            # The next kill waits for responses, because a slow machine might otherwise send none.
            until = len(responses) + chance.randint(1, 9)
            while len(responses) < until and not all(each.done() for each in clients):
                wait(clients, timeout=0.01, return_when=FIRST_EXCEPTION)
            killed += kill_a_worker(server, chance)
        assert [each.result() for each in clients] == [None] * CLIENTS
    assert killed >= times // 20
    ids = {json.loads(response)["data"]["id"] for response in responses.values()}
    assert len(ids) == len(responses) == times
    repeated = {number: create(server, number) for number in range(0, times, 10)}
    assert repeated.items() <= responses.items()
    page = server.get(f"{USERS}?page[number]=1").json()
    assert page["meta"]["page"]["total"] == times


def migrate(url: str) -> None:
    engine = make_engine(url)
    schema.upgrade(engine)
    engine.dispose()


def create(server: Server, number: int) -> bytes:
    """Creates a user, with retries until a response arrives. Sometimes repeats the request."""
    body = server.user(f"user{number}@example.org")
    headers = {"Content-Type": JSONAPI, "Idempotency-Key": f"creation {number}"}
    remaining = random.Random(number).choice((1, 1, 2))
    while True:
        with suppress(httpx.TransportError):
            response = server.post(body, headers=headers)
            if response.status_code != 503:
                assert response.status_code == 201, response.text
                remaining -= 1
                if not remaining:
                    return response.content


def kill_a_worker(server: Server, chance: random.Random) -> bool:
    """Returns True if there was a worker to kill."""
    # A worker may just have ended, and its successor may not have started yet.
    with suppress(psutil.NoSuchProcess, IndexError):
        chance.choice(server.workers()).kill()
        return True
    return False
