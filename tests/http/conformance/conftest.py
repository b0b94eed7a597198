"""The tested servers.

By default, they are Roster on SQLite and on PostgreSQL. `--server URL --resource FILE` tests
another server.
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
    group.addoption("--server", metavar="URL", help="test this server instead of Roster")
    group.addoption("--resource", metavar="FILE", help="the description of its resource")
    group.addoption(
        "--proof", action="store_true", help="print the table, and write docs/conformance.md"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("proof", False):
        config.pluginmanager.register(Proof())


def pytest_itemcollected(item: pytest.Item) -> None:
    if isinstance(item, pytest.Function) and "server" in item.fixturenames:
        server = item.callspec.params["server"]
        item.user_properties += [("server", server), ("test", item.originalname)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        url = metafunc.config.getoption("server", None)
        metafunc.parametrize("server", [url] if url else DATABASES, scope="session")


@pytest.fixture(scope="session")
def base_url(
    request: pytest.FixtureRequest, server: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The URL of the server."""
    if server not in DATABASES:
        return server
    serve: Callable[[str], str] = request.getfixturevalue("serve_many")
    if server == "PostgreSQL":
        return serve(request.getfixturevalue("postgresql_18").new_database())
    return serve(f"sqlite:///{tmp_path_factory.mktemp('conformance')}/roster.db")


@pytest.fixture(scope="session")
def resource(request: pytest.FixtureRequest) -> Resource:
    """The description of the tested resource."""
    path = request.config.getoption("resource", None)
    return Resource.of(Path(path) if path else HERE / "users.toml")


@pytest.fixture(scope="session")
def http(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, timeout=20) as client:
        yield client


@pytest.fixture(scope="session")
def client(http: httpx.Client, resource: Resource) -> Client:
    """A client of the server for the tested resource."""
    return Client(http, resource)


@pytest.fixture(scope="session")
def responses(client: Client) -> Mapping[str, httpx.Response]:
    """A response of every kind, by its description."""
    return dict(each_kind(client))


def each_kind(client: Client) -> Iterator[tuple[str, httpx.Response]]:
    """A description and a response, for every kind of response."""
    collection, operations = client.resource.collection, client.resource.operations
    group = client.group(3)
    found = group.members[0]
    url = client.url(found)
    bad = {name: values[0] for name, values in client.resource.bad.items()}
    profile = {"Accept": f'{JSONAPI};profile="{CURSORS}"'}
    removed = {"op": "remove", "ref": {"type": found["type"], "id": client.deleted()["id"]}}
    taken = {client.resource.unique: found["attributes"][client.resource.unique]}

    yield "a collection", group.get()
    yield "a page", group.get(page_size=1)
    yield "an empty collection", client.group(0).get()
    yield "a collection by the profile", client.send("GET", group.url(), headers=profile)
    yield "a collection with included resources", group.get(include="")
    yield "a resource", client.get(url)
    yield "a resource without fields", client.get(f"{url}?fields[{found['type']}]=")
    yield "a head", client.send("HEAD", url)
    yield "an unmodified resource", client.get(url, **{"If-None-Match": "*"})
    yield "a creation", client.send("POST", collection, client.new())
    changed = client.create()
    change = client.change(changed, numbered(client.resource.changes))
    yield "a change", client.send("PATCH", client.url(changed), change)
    yield "a deletion", client.send("DELETE", client.url(client.create()))
    yield "operations", client.operate({"op": "add", **client.new()}, {"op": "add", **client.new()})
    yield "options", client.send("OPTIONS", collection)
    yield "no JSON", client.send("POST", collection, b"{")
    yield "no resource object", client.send("POST", collection, {"data": []})
    yield "two errors of structure", client.send("POST", collection, {"data": {"id": 5}})
    yield "an id from the client", client.send("POST", collection, client.new(id=str(uuid4())))
    yield "another type", client.send("POST", collection, client.new(type="others"))
    yield (
        "invalid attributes",
        client.send("POST", collection, client.new(client.attributes(**bad))),
    )
    yield "no attributes", client.send("POST", collection, client.new({}))
    yield "a conflict", client.send("POST", collection, client.new(client.attributes(**taken)))
    yield (
        "a read-only attribute",
        client.send("PATCH", url, client.change(found, dict(client.resource.read_only))),
    )
    yield "another id", client.send("PATCH", url, client.change(client.deleted(), {}))
    yield "a deleted resource", client.get(client.url(client.deleted()))
    yield "an unknown URL", client.get(f"{url}/unknown")
    yield "an unknown method", client.send("PUT", collection, client.new())
    yield "unknown parameters", client.get(f"{collection}?unknown=1&other=2")
    yield "an unknown sort", group.get(sort="unknown")
    yield "a page too large", group.get(page_size=client.resource.largest_size + 1)
    yield "a damaged cursor", group.get(page_after="damaged")
    yield "a type that is not acceptable", client.get(url, Accept="text/html")
    yield (
        "an unsupported type",
        client.send("POST", collection, b"x", {"Content-Type": "text/plain"}),
    )
    yield "no operations", client.operate()
    yield "a rejected operation", client.operate({"op": "add", **client.new()}, removed)
    yield "operations in plain JSON:API", client.send("POST", operations, {"atomic:operations": []})
