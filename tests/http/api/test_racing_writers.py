"""If two clients change the same version, one succeeds, the other gets 412, and nothing is lost."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from api.conftest import CheckedClient
from api.constants import USERS
from flask import Flask

from adapters.sql import schema
from adapters.sql.engine import make_engine

ROUNDS = 100
ANN = f"{USERS}/1"
DATABASES = ("sqlite_url", "postgresql_url", "mariadb_url")


@pytest.fixture(params=["memory", *DATABASES])
def app(request: pytest.FixtureRequest, clock: Any, build: Callable[..., Flask]) -> Iterator[Flask]:
    """The service over each store."""
    if request.param == "memory":
        yield build()
        return
    url = request.getfixturevalue(request.param)
    engine = make_engine(url)
    schema.upgrade(engine)
    yield build({"ROSTER_DATABASE_URL": url}, engine=engine, clock=type(clock)())
    engine.dispose()


def test_exactly_one_of_two_concurrent_writers_succeeds(app: Flask) -> None:
    attributes = {"email": "ann@example.org", "name": "start"}
    CheckedClient(app).post(USERS, json={"data": {"type": "users", "attributes": attributes}})
    together = Barrier(2)

    def write(writer: int) -> list[tuple[int, str]]:
        client = CheckedClient(app)
        responses = []
        for number in range(ROUNDS):
            together.wait()
            read = {"If-Match": client.get(ANN).headers["ETag"]}
            together.wait()
            name = f"{writer}-{number}"
            document = {"data": {"type": "users", "id": "1", "attributes": {"name": name}}}
            responses.append((client.patch(ANN, json=document, headers=read).status_code, name))
        return responses

    with ThreadPoolExecutor(2) as threads:
        results = list(zip(*threads.map(write, range(2)), strict=True))
    assert [sorted(status for status, _ in each) for each in results] == [[200, 412]] * ROUNDS
    left = CheckedClient(app).get(ANN)
    assert left.headers["ETag"].startswith(f'"{1 + ROUNDS}-')
    assert (200, left.json["data"]["attributes"]["name"]) in results[-1]
