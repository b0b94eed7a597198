"""The servers that the suite judges, and what came of its tests.

Roster itself, on SQLite and on PostgreSQL; or any server, by `--server URL --resource FILE`.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from conformance.client import CURSORS, JSONAPI, Client, numbered
from conformance.description import Resource
from conformance.proof import Proof

HERE = Path(__file__).parent
DATABASES = ("SQLite", "PostgreSQL")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--server", metavar="URL", help="judge the server there, not Roster")
    group.addoption("--resource", metavar="FILE", help="the description of its resource")
    group.addoption("--proof", action="store_true", help="print the table, and write it down")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("proof", False):
        config.pluginmanager.register(Proof())


def pytest_itemcollected(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and "server" in item.fixturenames:
        server = item.callspec.params["server"]
        item.user_properties += [("server", server), ("test", item.originalname)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        given = metafunc.config.getoption("server", None)
        metafunc.parametrize("server", [given] if given else DATABASES, scope="session")


@pytest.fixture(scope="session")
def base_url(
    request: pytest.FixtureRequest, server: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Where the server answers."""
    if server not in DATABASES:
        return server
    serve: Callable[[str], str] = request.getfixturevalue("serve_many")
    if server == "PostgreSQL":
        return serve(request.getfixturevalue("postgresql_18").new_database())
    return serve(f"sqlite:///{tmp_path_factory.mktemp('conformance')}/roster.db")


@pytest.fixture(scope="session")
def resource(request: pytest.FixtureRequest) -> Resource:
    """The resource by which the server is judged."""
    given = request.config.getoption("resource", None)
    return Resource.of(Path(given) if given else HERE / "users.toml")


@pytest.fixture(scope="session")
def http(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def client(http: httpx.Client, resource: Resource) -> Client:
    """A client of the server."""
    return Client(http, resource)


@pytest.fixture(scope="session")
def answers(client: Client) -> Mapping[str, httpx.Response]:
    """An answer of every kind that the server gives, by what it answers."""
    return dict(each_kind(client))


def each_kind(client: Client) -> Iterator[tuple[str, httpx.Response]]:
    """An answer of every kind."""
    collection, operations = client.resource.collection, client.resource.operations
    group = client.group(3)
    found = group.members[0]
    url = client.url(found)
    bad = {name: values[0] for name, values in client.resource.bad.items()}
    profile = {"Accept": f'{JSONAPI};profile="{CURSORS}"'}
    removed = {"op": "remove", "ref": {"type": found["type"], "id": client.gone()["id"]}}
    taken = {client.resource.unique: found["attributes"][client.resource.unique]}

    yield "a collection", group.ask()
    yield "a page", group.ask(page_size=1)
    yield "an empty collection", client.group(0).ask()
    yield "a collection by the profile", client.ask("GET", group.url(), headers=profile)
    yield "a collection, related resources asked for", group.ask(include="")
    yield "a resource", client.get(url)
    yield "a resource without fields", client.get(f"{url}?fields[{found['type']}]=")
    yield "a head", client.ask("HEAD", url)
    yield "what was not modified", client.get(url, **{"If-None-Match": "*"})
    yield "a creation", client.ask("POST", collection, client.new())
    changed = client.create()
    change = client.change(changed, numbered(client.resource.changes))
    yield "a change", client.ask("PATCH", client.url(changed), change)
    yield "a deletion", client.ask("DELETE", client.url(client.create()))
    yield "operations", client.operate({"op": "add", **client.new()}, {"op": "add", **client.new()})
    yield "options", client.ask("OPTIONS", collection)
    yield "no JSON", client.ask("POST", collection, b"{")
    yield "no resource object", client.ask("POST", collection, {"data": []})
    yield "two problems of structure", client.ask("POST", collection, {"data": {"id": 5}})
    yield "an id of the client's", client.ask("POST", collection, client.new(id=str(uuid4())))
    yield "another type", client.ask("POST", collection, client.new(type="others"))
    yield "bad attributes", client.ask("POST", collection, client.new(client.attributes(**bad)))
    yield "no attributes", client.ask("POST", collection, client.new({}))
    yield "a conflict", client.ask("POST", collection, client.new(client.attributes(**taken)))
    yield (
        "a read-only attribute",
        client.ask("PATCH", url, client.change(found, dict(client.resource.read_only))),
    )
    yield "another id", client.ask("PATCH", url, client.change(client.gone(), {}))
    yield "a resource that is gone", client.get(client.url(client.gone()))
    yield "an unknown URL", client.get(f"{url}/unknown")
    yield "an unknown method", client.ask("PUT", collection, client.new())
    yield "unknown parameters", client.get(f"{collection}?unknown=1&other=2")
    yield "an unknown sort", group.ask(sort="unknown")
    yield "a page too large", group.ask(page_size=client.resource.largest_size + 1)
    yield "a damaged cursor", group.ask(page_after="damaged")
    yield "what is not acceptable", client.get(url, Accept="text/html")
    yield (
        "an unsupported type",
        client.ask("POST", collection, b"x", {"Content-Type": "text/plain"}),
    )
    yield "no operations", client.operate()
    yield "a refused operation", client.operate({"op": "add", **client.new()}, removed)
    yield "operations in plain JSON:API", client.ask("POST", operations, {"atomic:operations": []})
