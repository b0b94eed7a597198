"""The HTTP contract through Flask's test client, over the memory store.

Whatever a test asks, the client checks the answer against what every answer must be.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from hypothesis import settings
from structlog.testing import capture_logs

from adapters.api import ApiConfig, api
from adapters.api.collection import ApiResource
from adapters.api.errors import error_codes
from adapters.api.relationships import ApiRelationships
from adapters.api.request import ApiRequest
from adapters.api.root import canonical
from adapters.jsonapi.cursors import Cursors
from adapters.memory.audit import MemoryEventReader
from adapters.memory.links import MemoryLinkReader, Pairs, RelatedEntities
from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from adapters.resources.groups import GROUPS as GROUP_DECLARATION
from adapters.resources.users import USERS as DECLARATION
from adapters.web.app import create_app
from adapters.web.bearer import Authenticate
from adapters.web.health import health
from adapters.web.hosts import OpenAccess
from adapters.web.metrics import Metrics, metrics
from adapters.web.rate_limit import RateLimiter
from adapters.web.security_headers import ResponseHeaders
from application.audit import Event, History
from application.commands import Commands
from application.entities import AnyType
from application.groups import GROUP_TYPE, MEMBERSHIPS, OWNER
from application.keys import Keys
from application.ports import Context, LinkReader, Reader, UnitOfWork
from application.queries import Queries
from application.relationship_commands import LINKS_AT_ONCE, RelationshipCommands
from application.relationship_queries import RelationshipQueries
from application.relationships import Association, Relationships
from application.units import retrying
from application.users import USER_TYPE

# Machines are slow at times; that is no fault of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

CODES = error_codes([USER_TYPE, GROUP_TYPE])
RELATIONSHIPS = Relationships(MEMBERSHIPS, OWNER)
JSONAPI = "application/vnd.api+json"
USERS = "/api/v1/users"
TOP_LEVEL = {"jsonapi", "links", "data", "errors", "meta", "included", "atomic:results"}
GROUPS = "/api/v1/groups"
LINKS = {"self", "related", "describedby", "first", "prev", "next", "last"}
ERROR = {"id", "links", "status", "code", "title", "detail", "source", "meta"}


class Answer(Response):
    """An answer as a client reads it."""

    @property
    def problems(self) -> list[tuple[str, str, str | None]]:
        """Status, code and pointer of each problem, in a fixed order."""
        errors = json.loads(self.data)["errors"]
        return sorted((e["status"], e["code"], e.get("source", {}).get("pointer")) for e in errors)


class CheckedClient(FlaskClient):
    """A client that finds fault with any answer that the contract does not allow."""

    def __init__(self, application: Flask, _: object, **options: Any) -> None:
        super().__init__(application, Answer, **options)

    def open(self, *args: Any, **kwargs: Any) -> Response:
        response = super().open(*args, **kwargs)
        sent = kwargs.get("json")
        _check_answer(response, sent)
        return response  # type: ignore[no-any-return]


def _check_answer(response: Any, sent: Any) -> None:
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
    elif "errors" not in document:
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


def _check_errors(response: Any, errors: Any, sent: Any) -> None:
    """JSON:API 1.1, Error Objects; and the contract's own rules of them."""
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
    """What the JSON Pointer (RFC 6901) points to; an error if there is nothing."""
    assert pointer == "" or pointer.startswith("/")
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        document = document[int(name) if isinstance(document, list) else name]
    return document


class TickingClock:
    """A clock that moves by a millisecond whenever somebody looks."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 9, 30, 0, 123000, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


class CurrentStore:
    """The store of the test that runs, so that one application can serve them all."""

    store: MemoryStore

    def begin(
        self, context: Context, *, for_update: bool = False
    ) -> AbstractContextManager[UnitOfWork]:
        return self.store.begin(context, for_update=for_update)

    def rows(self, entity_type: AnyType) -> Mapping[int, Any]:
        return self.store.rows(entity_type)

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
    """What the service logged."""
    with capture_logs() as entries:
        yield entries


@pytest.fixture
def clock() -> TickingClock:
    return TickingClock()


@pytest.fixture(scope="session")
def current() -> CurrentStore:
    return CurrentStore()


@pytest.fixture(autouse=True)
def store(clock: TickingClock, current: CurrentStore) -> MemoryStore:
    """The store of this test, with nothing in it."""
    current.store = MemoryStore(clock, relationships=RELATIONSHIPS)
    return current.store


@pytest.fixture(scope="session")
def build(current: CurrentStore) -> Build:
    """Makes an application over the current store; anything of it can be another."""

    def made(
        *,
        reader: Reader | None = None,
        group_reader: Reader | None = None,
        links: LinkReader | None = None,
        begin: Any = None,
        ready: Callable[[], None] = lambda: None,
        public_url: str = "",
        body_limit: int = 2**20,
        authenticate: Authenticate | None = None,
        limit: RateLimiter | None = None,
        kept: Metrics | None = None,
        dress: ResponseHeaders | None = None,
        openness: OpenAccess | None = None,
        trust_request_id: bool = False,
    ) -> Flask:
        terms = ApiConfig(
            public_url=public_url,
            body_limit=body_limit,
            body_seconds=5,
            request_seconds=8,
            most_parameters=1000,
        )
        cursors = Cursors(Keys(lambda: b"a secret"))
        run = retrying(begin or current.begin)
        readers: dict[AnyType, Reader[Any]] = {
            USER_TYPE: reader or MemoryReader(USER_TYPE, current),
            GROUP_TYPE: group_reader or MemoryReader(GROUP_TYPE, current),
        }
        resources = [
            ApiResource(
                each,
                declaration,
                Queries(each, readers[each], relationships=RELATIONSHIPS),
                History(each, MemoryEventReader(current), readers[each].get),
                partial(Commands, each, relationships=RELATIONSHIPS, replaceable=LINKS_AT_ONCE),
            )
            for each, declaration in ((USER_TYPE, DECLARATION), (GROUP_TYPE, GROUP_DECLARATION))
        ]
        queries = RelationshipQueries(readers, links or MemoryLinkReader(current), RELATIONSHIPS)
        related = ApiRelationships(RELATIONSHIPS, queries, RelationshipCommands)
        check_origin = openness.check_origin if openness else None
        inbound = api(resources, related, run, cursors, terms, authenticate, limit, check_origin)
        app = create_app(
            [*inbound.blueprints, health(ready), metrics(kept)],
            render_error=inbound.say,
            canonical=canonical,
            request_seconds=8,
            response_headers=dress,
            metrics=kept,
            check_host=openness.check_host if openness else None,
            trust_request_id=trust_request_id,
            request_class=ApiRequest,
        )
        app.test_client_class = CheckedClient
        return app

    return made


@pytest.fixture(scope="session")
def app(build: Build) -> Flask:
    return build()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def create(client: FlaskClient) -> Create:
    """Creates a user over HTTP and gives its resource object."""
    number = iter(range(10**6))

    def created(**attributes: Any) -> dict[str, Any]:
        unique = next(number)
        given = {"email": f"user{unique}@example.org", "name": f"User {unique}", **attributes}
        document = {"data": {"type": "users", "attributes": given}}
        response = client.post(USERS, json=document)
        assert response.status_code == 201, response.text
        return response.json["data"]  # type: ignore[no-any-return, index]

    return created


@pytest.fixture
def create_group(client: FlaskClient) -> Create:
    """Creates a group over HTTP, with members by their ids, and returns its resource object."""
    number = iter(range(10**6))

    def created(**attributes: Any) -> dict[str, Any]:
        members, owner = attributes.pop("members", ()), attributes.pop("owner", None)
        given = {"name": f"Group {next(number)}", **attributes}
        relationships: dict[str, Any] = {"members": {"data": identifiers("users", *members)}}
        if owner:
            relationships["owner"] = {"data": {"type": "users", "id": owner}}
        document = {"data": {"type": "groups", "attributes": given, "relationships": relationships}}
        response = client.post(GROUPS, json=document)
        assert response.status_code == 201, response.text
        return response.json["data"]  # type: ignore[no-any-return, index]

    return created


def identifiers(kind: str, *ids: str) -> list[dict[str, str]]:
    """Resource identifier objects."""
    return [{"type": kind, "id": each} for each in ids]
