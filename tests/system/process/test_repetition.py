"""What is asked again under its key is done once, though workers are killed all the while."""

import json
import random
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

import httpx
import psutil
import pytest

from adapters.sql import schema
from adapters.sql.engine import make_engine

CLIENTS = 8
JSONAPI = "application/vnd.api+json"


@pytest.mark.parametrize("database", ["sqlite_url", "postgresql_url", "mariadb_url"])
@pytest.mark.parametrize("times", [40, pytest.param(1000, marks=pytest.mark.long)])
def test_creations_that_are_retried_through_kills_happen_exactly_once(
    serve: Callable[..., Any], request: pytest.FixtureRequest, database: str, times: int
) -> None:
    url = request.getfixturevalue(database)
    migrate(url)
    server = serve("--workers", "2", ROSTER_DATABASE_URL=url)
    numbers, chance = iter(range(times)), random.Random(4)
    answers: dict[int, bytes] = {}

    def ask_in_turn(_: int) -> None:
        for number in numbers:
            answers[number] = ask(server, number)

    killed = 0
    with ThreadPoolExecutor(CLIENTS) as threads:
        asking = [threads.submit(ask_in_turn, client) for client in range(CLIENTS)]
        while not all(each.done() for each in asking):
            # The next kill waits for answers, or a slow machine would never give any.
            until = len(answers) + chance.randint(1, 9)
            while len(answers) < until and not all(each.done() for each in asking):
                wait(asking, timeout=0.01, return_when=FIRST_EXCEPTION)
            killed += kill_a_worker(server, chance)
        assert [each.result() for each in asking] == [None] * CLIENTS
    assert killed >= times // 20
    ids = {json.loads(answer)["data"]["id"] for answer in answers.values()}
    assert len(ids) == len(answers) == times
    assert {
        number: ask(server, number) for number in range(0, times, 10)
    }.items() <= answers.items()
    page = server.get("/api/v1/users?page[number]=1").json()
    assert page["meta"]["page"]["total"] == times


def migrate(url: str) -> None:
    engine = make_engine(url)
    schema.upgrade(engine)
    engine.dispose()


def ask(server: Any, number: int) -> bytes:
    """The answer to a creation, asked for until there is one, and sometimes once more."""
    body = server.user(f"user{number}@example.org")
    headers = {"Content-Type": JSONAPI, "Idempotency-Key": f"creation {number}"}
    wanted = random.Random(number).choice((1, 1, 2))
    while True:
        with suppress(httpx.TransportError):
            answer = server.post(body, headers=headers)
            if answer.status_code != 503:
                assert answer.status_code == 201, answer.text
                wanted -= 1
                if not wanted:
                    return answer.content


def kill_a_worker(server: Any, chance: random.Random) -> bool:
    """Whether there was one."""
    # One that has just died, or none that has come up yet, is not killed.
    with suppress(psutil.NoSuchProcess, IndexError):
        chance.choice(server.workers()).kill()
        return True
    return False
