"""The key of cursors: a setting, or a random one that the processes of a database share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from api_client import ApiClient
from sqlalchemy import text

from adapters.sql import schema
from adapters.sql.engine import make_engine
from entrypoints.container import Container
from entrypoints.settings import Settings

USERS = "/api/v1/users"
LISTS = ("", "sort=email", "sort=-name,role", "filter[role]=user")
CURSOR_OF_FORMER_DEFAULT = "DUt0815VyS_JWzFd"

Process = Callable[..., ApiClient]


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    """Creates a client of a new process over a database with one user."""
    with ExitStack() as stack:

        def new_process(database: str = "roster", **environment: str) -> ApiClient:
            url = f"sqlite:///{tmp_path}/{database}.db"
            engine = make_engine(url)
            schema.upgrade(engine)
            engine.dispose()
            settings = Settings.of({"ROSTER_DATABASE_URL": url, **environment})
            container = Container(settings=settings)
            stack.callback(container.engine().dispose)
            client = ApiClient(container.app())
            user = {"email": "ann@example.org", "name": "Ann"}
            client.post(USERS, json={"data": {"type": "users", "attributes": user}})
            return client

        yield new_process


def cursor(client: ApiClient, query: str) -> Any:
    return client.get(f"{USERS}?{query}").json["data"][0]["meta"]["page"]["cursor"]


def cursors(client: ApiClient) -> list[str]:
    return [cursor(client, query) for query in LISTS]


def drop_secrets(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/roster.db")
    with engine.connect() as connection:
        connection.execute(text("DROP TABLE secrets"))
    engine.dispose()


def test_processes_with_the_same_database_create_the_same_cursors(process: Process) -> None:
    one, other = process(), process()
    assert cursors(one) == cursors(other)
    for query, created in zip(LISTS, cursors(one), strict=True):
        assert other.get(f"{USERS}?{query}&page[after]={created}").status_code == 200


def test_cursors_of_another_database_differ(process: Process) -> None:
    mine, theirs = cursors(process()), cursors(process("other"))
    assert all(one != other for one, other in zip(mine, theirs, strict=True))


def test_cursors_with_the_former_default_secret_are_rejected(process: Process) -> None:
    refused = process().get(f"{USERS}?page[after]={CURSOR_OF_FORMER_DEFAULT}")
    assert refused.status_code == 400
    assert refused.json["errors"][0]["code"] == "invalid_cursor"
    explicit = process(ROSTER_CURSOR_SECRET="roster")
    assert explicit.get(f"{USERS}?page[after]={CURSOR_OF_FORMER_DEFAULT}").status_code == 200


def test_a_configured_secret_replaces_the_stored_one(process: Process, tmp_path: Path) -> None:
    mine = process(ROSTER_CURSOR_SECRET="hush")
    drop_secrets(tmp_path)
    assert cursors(mine) == cursors(process("other", ROSTER_CURSOR_SECRET="hush"))
    assert cursors(mine) != cursors(process("other", ROSTER_CURSOR_SECRET="husk"))


def test_a_secret_may_have_bytes_that_are_not_utf_8(process: Process) -> None:
    assert len(cursors(process(ROSTER_CURSOR_SECRET="hush\udcff"))) == len(LISTS)


def test_the_stored_secret_is_read_once_by_each_process(process: Process, tmp_path: Path) -> None:
    client = process()
    before = cursors(client)
    drop_secrets(tmp_path)
    assert cursors(client) == before


def test_without_the_stored_secret_lists_are_503_and_other_requests_work(
    process: Process, tmp_path: Path
) -> None:
    client = process()
    drop_secrets(tmp_path)
    for query in (*LISTS, "page[after]=AAAA"):
        response = client.get(f"{USERS}?{query}")
        assert (response.status_code, response.json["errors"][0]["code"]) == (503, "not_migrated")
        assert response.headers["Retry-After"] == "1"
    assert client.get(f"{USERS}/1").status_code == 200
    assert client.get(f"{USERS}?page[size]=0").status_code == 400
