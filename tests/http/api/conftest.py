"""The HTTP contract through Flask's test client, over the in-memory store.

The client checks every response against the rules for all responses.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from api.constants import GROUPS, JSONAPI, USERS
from api.identifiers import users
from api.tokens import KEY_SET, SECRET
from api_client import ApiClient, ApiResponse
from flask import Flask
from structlog.testing import capture_logs

from adapters.api.errors import error_codes
from adapters.memory.links import Pairs, RelatedEntities
from adapters.memory.store import MemoryStore
from application.audit import Event
from application.entities import AnyType
from application.groups import GROUP_TYPE, MEMBERSHIPS, OWNER
from application.ports import Context, UnitOfWork
from application.relationships import Association, Relationships
from application.users import USER_TYPE
from entrypoints.container import Container
from entrypoints.settings import Settings

SETTINGS = {
    "ROSTER_DATABASE_URL": "memory://",
    "ROSTER_CURSOR_SECRET": "a secret",
    "ROSTER_METRICS": "off",
    "ROSTER_LOG_FORMAT": "text",
}
CODES = error_codes([USER_TYPE, GROUP_TYPE])
RELATIONSHIPS = Relationships(MEMBERSHIPS, OWNER)
TOP_LEVEL = {"jsonapi", "links", "data", "errors", "meta", "included", "atomic:results"}
LINKS = {"self", "related", "describedby", "first", "prev", "next", "last"}
ERROR = {"id", "links", "status", "code", "title", "detail", "source", "meta"}


class CheckedClient(ApiClient):
    """Checks that every response follows the contract."""

    def open(self, *args: Any, **kwargs: Any) -> ApiResponse:
        response = super().open(*args, **kwargs)
        _check_response(response, kwargs.get("json"))
        return response


def _check_response(response: ApiResponse, sent: Any) -> None:
    assert response.headers["Vary"] == "Accept"
    assert response.headers["X-Request-ID"]
    if response.status_code in (204, 304) or response.request.method == "HEAD":
        assert response.data == b""
        return
    mimetype = response.headers["Content-Type"].partition(";")[0]
    if mimetype == JSONAPI:
        document = json.loads(response.data)
        _check_document(document)
        if "errors" in document:
            _check_errors(response, document["errors"], sent)
    else:
        assert response.status_code == 200
        path = response.request.path
        assert mimetype == "application/json" or path == "/" or path.startswith("/docs")


def _check_document(document: Any) -> None:
    """JSON:API 1.1, Document Structure."""
    assert document.keys() <= TOP_LEVEL
    assert document["jsonapi"] == {"version": "1.1"}
    assert document.keys() & {"data", "errors", "meta", "atomic:results"}
    assert not {"data", "errors"} <= document.keys()
    assert "included" not in document or "data" in document
    if "atomic:results" in document:
        assert document.keys() == {"jsonapi", "atomic:results"}
    elif "errors" not in document and document.keys() != {"jsonapi", "meta"}:
        assert {"self", "describedby"} <= document["links"].keys() <= LINKS
        for link in document["links"].values():
            assert link is None or isinstance(link["href"] if isinstance(link, dict) else link, str)
    data = document.get("data", [])
    objects = data if isinstance(data, list) else [] if data is None else [data]
    resources = [each for each in objects if "attributes" in each]
    for found in objects:
        if "attributes" in found:
            _check_resource(found)
        else:
            assert {"type", "id"} <= found.keys() <= {"type", "id", "meta"}
    assert len({(o["type"], o["id"]) for o in objects}) == len(objects)
    if "included" in document:
        _check_included(resources, objects, document["included"])


def _check_resource(found: Any) -> None:
    assert {"type", "id", "attributes"} <= found.keys()
    assert found.keys() <= {"type", "id", "attributes", "relationships", "links", "meta"}
    assert isinstance(found["type"], str)
    assert isinstance(found["id"], str)
    fields = [*found["attributes"], *found.get("relationships", {})]
    assert len(fields) == len({*fields, "type", "id"}) - 2
    for name, related in found.get("relationships", {}).items():
        url = found["links"]["self"]
        assert related["links"]["self"] == f"{url}/relationships/{name}"
        assert related["links"]["related"] == f"{url}/{name}"
        assert ("next" in related["links"]) == isinstance(related.get("data"), list)


def _check_included(resources: Any, objects: Any, included: Any) -> None:
    """No resource twice, and each is linked to the primary data (#document-compound-documents)."""
    for found in included:
        _check_resource(found)
    names = [(each["type"], each["id"]) for each in (*resources, *included)]
    assert len(names) == len(set(names))
    linked = {(each["type"], each["id"]) for each in objects if "attributes" not in each}
    for each in (*resources, *included):
        for related in each.get("relationships", {}).values():
            data = related.get("data") or []
            linked |= {(i["type"], i["id"]) for i in (data if isinstance(data, list) else [data])}
    if all("relationships" in each for each in (*resources, *included)):
        for each in included:
            assert (each["type"], each["id"]) in linked or not resources


def _check_errors(response: ApiResponse, errors: Any, sent: Any) -> None:
    """JSON:API 1.1, Error Objects, and the contract's own rules."""
    assert errors
    for error in errors:
        assert {"status", "code", "title", "detail"} <= error.keys() <= ERROR
        assert error["status"] == str(response.status_code) or response.status_code == 400
        statuses, _ = CODES[error["code"]]
        assert error["status"] in statuses
        assert error["links"]["about"].endswith(f"/docs/errors#{error['code']}")
        assert all(isinstance(error[text], str) and error[text] for text in ("title", "detail"))
        source = error.get("source", {})
        assert source.keys() <= {"pointer", "parameter", "header"}
        assert len(source) == 1 or "source" not in error
        if "pointer" in source and sent is not None:
            _resolve(sent, source["pointer"])


def _resolve(document: Any, pointer: str) -> Any:
    """Resolves a JSON Pointer (RFC 6901). Fails if there is no value."""
    assert pointer == "" or pointer.startswith("/")
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        document = document[int(name) if isinstance(document, list) else name]
    return document


class TickingClock:
    """A clock that moves by a millisecond each time it is read."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 9, 30, 0, 123000, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


class CurrentStore:
    """Delegates to the store of the current test, so that one application serves all tests."""

    store: MemoryStore

    def begin(
        self, context: Context, *, for_update: bool = False
    ) -> AbstractContextManager[UnitOfWork]:
        return self.store.begin(context, for_update=for_update)

    def rows(self, entity_type: AnyType) -> Mapping[int, Any]:
        return self.store.rows(entity_type)

    def ready(self) -> None:
        self.store.ready()

    def related(self, entity_type: AnyType) -> RelatedEntities:
        return self.store.related(entity_type)

    def pairs(self, association: Association) -> Pairs:
        return self.store.pairs(association)

    @property
    def events(self) -> Mapping[int, Event]:
        return self.store.events


Build = Callable[..., Flask]
Create = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def log() -> Iterator[list[Any]]:
    """The log entries of the service."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture(scope="session")
def new_clock() -> Callable[[], TickingClock]:
    """Makes clocks that return the same times."""
    return TickingClock


@pytest.fixture
def clock(new_clock: Callable[[], TickingClock]) -> TickingClock:
    return new_clock()


@pytest.fixture(scope="session")
def current() -> CurrentStore:
    return CurrentStore()


@pytest.fixture(autouse=True)
def store(clock: TickingClock, current: CurrentStore) -> MemoryStore:
    """The store of this test, which is empty."""
    current.store = MemoryStore(clock, relationships=RELATIONSHIPS)
    return current.store


@pytest.fixture(scope="session")
def build(current: CurrentStore) -> Build:
    """Builds the application with the container of the service, over the current store.

    Takes settings by the names of their variables, and components by their names in the container.
    """

    def build(settings: Mapping[str, str] = MappingProxyType({}), **components: Any) -> Flask:
        container = Container(
            settings=Settings.of({**SETTINGS, **settings}),
            **{"memory_store": current, **components},
        )
        app: Flask = container.app()
        return app

    return build


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a service that accepts the tokens of `tokens.py`."""
    key_set = tmp_path_factory.mktemp("keys") / "keys.json"
    key_set.write_text(KEY_SET)
    return {
        "ROSTER_JWT_SECRET": SECRET,
        "ROSTER_JWT_JWKS": str(key_set),
        "ROSTER_JWT_ISSUER": "*",
        "ROSTER_JWT_AUDIENCE": "*",
    }


@pytest.fixture(scope="session")
def app(build: Build) -> Flask:
    return build()


@pytest.fixture
def client(app: Flask) -> ApiClient:
    return CheckedClient(app)


@pytest.fixture
def create(client: ApiClient) -> Create:
    """Creates a user over HTTP, and returns its resource object."""
    number = iter(range(10**6))

    def create(**attributes: Any) -> dict[str, Any]:
        unique = next(number)
        values = {"email": f"user{unique}@example.org", "name": f"User {unique}", **attributes}
        document = {"data": {"type": "users", "attributes": values}}
        response = client.post(USERS, json=document)
        assert response.status_code == 201, response.text
        return response.json["data"]

    return create


@pytest.fixture
def create_group(client: ApiClient) -> Create:
    """Creates a group over HTTP, with members by their ids, and returns its resource object."""
    number = iter(range(10**6))

    def create(**attributes: Any) -> dict[str, Any]:
        members, owner = attributes.pop("members", ()), attributes.pop("owner", None)
        values = {"name": f"Group {next(number)}", **attributes}
        relationships: dict[str, Any] = {"members": {"data": users(*members)}}
        if owner:
            relationships["owner"] = {"data": {"type": "users", "id": owner}}
        data = {"type": "groups", "attributes": values, "relationships": relationships}
        response = client.post(GROUPS, json={"data": data})
        assert response.status_code == 201, response.text
        return response.json["data"]

    return create
