"""Services with books, over every store."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from api_client import ApiClient
from click.testing import CliRunner, Result
from contract.books.resource import BOOK_RESOURCE
from contract.books.sources import SOURCE_RESOURCES
from contract.books.table import METADATA
from dependency_injector import providers

from adapters.sql import schema
from entrypoints.cli.main import main
from entrypoints.container import Container
from entrypoints.resources import RESOURCES
from entrypoints.settings import Settings

SQL = ("sqlite", "postgresql_18", "postgresql_15", "mariadb")
ALL = (*RESOURCES, BOOK_RESOURCE, *SOURCE_RESOURCES)
JSONAPI = "application/vnd.api+json"

Send = Callable[..., Any]
Roster = Callable[..., Result]


@pytest.fixture(scope="session")
def urls(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """A database of each kind with the tables of users and books."""
    urls: dict[str, str] = {}

    def url_of(kind: str) -> str:
        if kind not in urls:
            if kind == "sqlite":
                urls[kind] = f"sqlite:///{tmp_path_factory.mktemp('books')}/roster.db"
            else:
                urls[kind] = request.getfixturevalue(kind).new_database()
            engine = container_of(urls[kind]).engine()
            schema.upgrade(engine)
            METADATA.create_all(engine)
            engine.dispose()
        return urls[kind]

    return url_of


def container_of(url: str) -> Container:
    return Container(settings=Settings.of({"ROSTER_DATABASE_URL": url}), resources=ALL)


def empty(container: Container) -> None:
    with container.engine().connect() as connection:
        quote = connection.dialect.identifier_preparer.quote
        connection.exec_driver_sql("UPDATE notes SET about = NULL")
        for table in (
            *(each.name for each in reversed(METADATA.sorted_tables)),
            "memberships",
            "groups",
            "users",
            "events",
            "answers",
            "answer_totals",
        ):
            connection.exec_driver_sql(f"DELETE FROM {quote(table)}")


@pytest.fixture(scope="session")
def containers(urls: Callable[[str], str]) -> Iterator[Callable[[str], Container]]:
    """A service with books over each database, for the whole run."""
    by_kind: dict[str, Container] = {}

    def of_kind(kind: str) -> Container:
        if kind not in by_kind:
            by_kind[kind] = container_of(urls(kind))
        return by_kind[kind]

    yield of_kind
    for each in by_kind.values():
        each.engine().dispose()


@pytest.fixture(params=["memory", *SQL])
def container(request: pytest.FixtureRequest, containers: Callable[[str], Container]) -> Container:
    """A service with books over each store, which is empty."""
    if request.param == "memory":
        return container_of("memory://")
    found = containers(request.param)
    empty(found)
    return found


@pytest.fixture
def client(container: Container) -> ApiClient:
    return ApiClient(container.app())


@pytest.fixture
def send(client: ApiClient) -> Send:
    """Sends a request under the API's prefix, and returns the response."""

    def send(
        method: str, path: str, document: Any = None, *, media: str = JSONAPI, **headers: str
    ) -> Any:
        typed = {"content_type": media} if document is not None else {}
        return client.open(f"/api/v1{path}", method=method, json=document, headers=headers, **typed)

    return send


@pytest.fixture(params=SQL)
def roster(
    request: pytest.FixtureRequest,
    urls: Callable[[str], str],
    containers: Callable[[str], Container],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Roster]:
    """Runs a command over each database, which is empty, with books in the list of resources."""
    url = urls(request.param)
    empty(containers(request.param))
    monkeypatch.setattr("entrypoints.resources.RESOURCES", ALL)
    environment = {"ROSTER_DATABASE_URL": url, "NO_COLOR": "1"}

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(
            main, arguments, env=environment, prog_name="roster", catch_exceptions=False
        )

    with Container.resources.override(providers.Object(ALL)):
        yield run
