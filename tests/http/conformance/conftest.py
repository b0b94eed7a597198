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
from conformance.relationships import End, identifiers

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
def ends(request: pytest.FixtureRequest, client: Client) -> list[End]:
    """The relationships between the tested resource and the resources related to it."""
    path = request.config.getoption("resource", None)
    return End.of(client, Path(path) if path else HERE / "users.toml")


@pytest.fixture(scope="session", params=["to-many", "inverse"])
def many(request: pytest.FixtureRequest, ends: list[End]) -> End:
    """A to-many relationship, from each of its sides."""
    found = [end for end in ends if end.many]
    return found[0 if request.param == "to-many" else -1]


@pytest.fixture(scope="session")
def one(ends: list[End]) -> End:
    """A to-one relationship."""
    return next(end for end in ends if not end.many)


@pytest.fixture(scope="session")
def responses(client: Client, ends: list[End]) -> Mapping[str, httpx.Response]:
    """A response of every kind, by its description."""
    return {**dict(each_kind(client)), **dict(each_kind_with_relationships(ends))}


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


def each_kind_with_relationships(ends: list[End]) -> Iterator[tuple[str, httpx.Response]]:
    """A description and a response, for every kind of response about relationships."""
    for end in ends:
        what = f"{end.holders.resource.type} {end.name}"
        related = [end.others.create() for _ in range(3 if end.many else 1)]
        group = end.holders.group(0)
        in_group = {end.holders.resource.group: group.value}
        holder, empty = end.create(*related, **in_group), end.create(**in_group)
        changed = end.url(end.create())
        kind = "a collection" if end.many else "one"
        send, get = end.holders.send, end.holders.get
        yield f"{what}: {kind} of identifiers", get(end.url(holder))
        yield f"{what}: {kind} of no identifiers", get(end.url(empty))
        yield f"{what}: {kind} of related resources", get(end.related_url(holder))
        yield f"{what}: {kind} of no related resources", get(end.related_url(empty))
        included = f"include={end.name}"
        yield f"{what}: a compound document", get(f"{end.holders.url(holder)}?{included}")
        yield (
            f"{what}: a compound document of a collection",
            group.get(include=end.name),
        )
        yield (
            f"{what}: a compound document of {kind} of identifiers",
            get(f"{end.url(holder)}?{included}"),
        )
        new = end.holders.new(relationships={end.name: {"data": end.linkage(*related)}})
        yield (
            f"{what}: a creation with related resources",
            send("POST", f"{end.holders.resource.collection}?{included}", new),
        )
        yield f"{what}: a replacement", send("PATCH", changed, end.document(*related))
        yield f"{what}: no linkage", send("PATCH", changed, {})
        yield f"{what}: malformed linkage", send("PATCH", changed, {"data": 5})
        yield (
            f"{what}: an unknown related resource",
            send("PATCH", changed, end.document(end.others.deleted())),
        )
        yield f"{what}: an unknown path", get(f"{end.url(holder)}?include={end.name}.unknown")
        if end.many:
            both = {"data": identifiers(*related)}
            yield f"{what}: an addition", send("POST", changed, both)
            yield f"{what}: a removal", send("DELETE", changed, both)
            yield f"{what}: a collection by a page", get(f"{end.url(holder)}?page[size]=1")
        else:
            yield f"{what}: an addition to one", send("POST", changed, {"data": []})
