"""Three services with different stores, which get the same requests."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from api_client import ApiClient
from findings import FINDINGS
from sqlalchemy import delete
from structlog.testing import capture_logs

from adapters.sql import schema
from adapters.sql.audit import EVENTS
from adapters.sql.idempotency import ANSWERS
from adapters.sql.users import USERS as TABLE
from entrypoints.container import Container
from entrypoints.settings import Settings

USERS = "/api/v1/users"
JSONAPI = "application/vnd.api+json"
ANONYMOUS = "9000000000000000000"
TOGETHER = "the same from memory, SQLite and PostgreSQL"


class Outcome(NamedTuple):
    """A response in a form that is the same for every store: handles for ids, versions for tags.

    `problems` has the status, code and source of each error. `data` has the users: the attributes
    of each, with its handle as `id`. `version` is that of the ETag, if there is one.
    """

    status: int
    problems: tuple[tuple[str, str, str], ...] = ()
    data: Any = None
    version: int | None = None
    page: Any = None


class Clock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 9, 30, 0, 123000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: int) -> None:
        self.now += timedelta(**by)

    def text(self) -> str:
        """The time as documents show it."""
        return self.now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.now.microsecond // 1000:03d}Z"


@dataclass
class Service:
    """A service, with the ids and entity tags of its responses."""

    name: str
    container: Container
    client: ApiClient
    ids: dict[int, str] = field(default_factory=dict)
    tags: dict[tuple[int, int], str] = field(default_factory=dict)
    used_ids: set[str] = field(default_factory=set)

    def empty(self) -> None:
        """Deletes all rows in the store. Ids are not reused."""
        self.ids.clear()
        self.tags.clear()
        if self.name == "memory":
            self._restart()
        else:
            with self.container.engine().begin() as connection:
                for table in (TABLE, ANSWERS, EVENTS):
                    connection.execute(delete(table))

    def _restart(self) -> None:
        self.used_ids.clear()
        settings, clock = self.container.settings(), self.container.clock()
        self.container = Container(settings=settings, clock=clock)
        self.client = ApiClient(self.container.app())

    def id(self, handle: int) -> str:
        return self.ids.get(handle, ANONYMOUS)

    def tag(self, handle: int, version: int) -> str:
        """The entity tag of a version, or an invented one if no response had that version."""
        if (handle, version) not in self.tags and handle in self.ids:
            self.outcome(self.send("GET", f"{USERS}/{self.id(handle)}"))
        return self.tags.get((handle, version), f'"{version}-0"')

    def send(self, method: str, url: str, document: Any = None, **headers: str) -> Any:
        """Sends a request, and returns the response."""
        body = None if document is None else json.dumps(document).encode()
        typed = {"Content-Type": JSONAPI} if body else {}
        return self.client.open(url, method=method, data=body, headers={**typed, **headers})

    def outcome(self, response: Any, created: Sequence[int] = ()) -> Outcome:
        """The response in a form that is the same for every store.

        `created` has the handles for new users.
        """
        status = response.status_code
        if not response.data:
            return Outcome(status)
        document = json.loads(response.data)
        if "errors" in document:
            return Outcome(status, tuple(sorted(map(_problem, document["errors"]))))
        handles = iter(created)
        if "atomic:results" in document:
            results = document["atomic:results"]
            return Outcome(status, data=[self._result(each, handles) for each in results])
        data = document["data"]
        if isinstance(data, list):
            links = document["links"]
            places = {name: links.get(name) is not None for name in ("prev", "next")}
            page = {**places, **document.get("meta", {}).get("page", {})}
            return Outcome(status, data=[self._user(each, handles) for each in data], page=page)
        user = self._user(data, handles)
        tag = response.headers["ETag"]
        version = int(tag[1:].partition("-")[0])
        self.tags.setdefault((user["id"], version), tag)
        if status == 201:
            assert response.headers["Location"] == data["links"]["self"]
        return Outcome(status, data=user, version=version)

    def _result(self, result: Any, handles: Iterator[int]) -> Any:
        if not result:
            return None
        return {**self._user(result["data"], handles), "version": result["meta"]["version"]}

    def _user(self, data: Any, handles: Iterator[int]) -> dict[str, Any]:
        known = {name: handle for handle, name in self.ids.items()}
        if data["id"] not in known:
            assert data["id"] not in self.used_ids, f"{self.name} reused an id"
            known[data["id"]] = next(handles)
            self.ids[known[data["id"]]] = data["id"]
            self.used_ids.add(data["id"])
        assert data["type"] == "users"
        assert data["links"] == {"self": f"{USERS}/{data['id']}"}
        return {"id": known[data["id"]], **data["attributes"]}


def _problem(error: Any) -> tuple[str, str, str]:
    assert re.fullmatch("[a-z][a-z0-9_]*", error["code"])
    return error["status"], error["code"], next(iter(error.get("source", {}).values()), "")


@dataclass
class Services:
    """The three services. Their requests differ only in ids and tags, their outcomes not at all."""

    clock: Clock
    each: list[Service]
    counts: Counter[tuple[str, str]]

    def empty(self) -> None:
        for service in self.each:
            service.empty()

    def send(self, send: Callable[[Service], Any], *, created: Sequence[int] = ()) -> Outcome:
        """Sends a request to each service, and returns the outcome, which must be the same."""
        first, *others = [(each.name, each.outcome(send(each), created)) for each in self.each]
        for name, outcome in others:
            assert outcome == first[1], f"{first[0]} and {name} respond differently"
        self.counts[TOGETHER, str(first[1].status)] += 1
        return first[1]


@pytest.fixture(scope="module")
def services(request: Any, tmp_path_factory: Any, postgresql_18: Any) -> Iterator[Services]:
    """The services over memory, SQLite and PostgreSQL, with one clock."""
    directory = tmp_path_factory.mktemp("model")
    urls = {
        "memory": "memory://",
        "SQLite": f"sqlite:///{directory}/roster.db",
        "PostgreSQL": postgresql_18.new_database(),
    }
    clock = Clock()
    with ExitStack() as stack, capture_logs():
        each = [stack.enter_context(_service(*named, clock)) for named in urls.items()]
        yield Services(clock, each, request.config.stash[FINDINGS].responses)


@contextmanager
def _service(name: str, url: str, clock: Clock) -> Iterator[Service]:
    container = Container(settings=Settings.of({"ROSTER_DATABASE_URL": url}), clock=clock)
    if name == "memory":
        yield Service(name, container, ApiClient(container.app()))
        return
    engine = container.engine()
    schema.upgrade(engine)
    yield Service(name, container, ApiClient(container.app()))
    engine.dispose()


@pytest.fixture(scope="session")
def outcome() -> type[Outcome]:
    return Outcome
