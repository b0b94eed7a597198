"""Three services, each over a store of its own, that are asked the same side by side."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from findings import FINDINGS
from flask.testing import FlaskClient
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
NOBODY = "9000000000000000000"
TOGETHER = "the same from memory, SQLite and PostgreSQL"


class Told(NamedTuple):
    """An answer in words that are the same over every store: handles for ids, versions for tags.

    `problems` are status, code and source of each error; `data` the users, each a dict of its
    attributes with its handle under `id`; `version` that of the ETag, where it bears one.
    """

    status: int
    problems: tuple[tuple[str, str, str], ...] = ()
    data: Any = None
    version: int | None = None
    more: Any = None


class Clock:
    """A clock that moves when it is told to."""

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
    """One of them, and what its answers were called by: ids and entity tags are its own."""

    name: str
    container: Container
    client: FlaskClient
    ids: dict[int, str] = field(default_factory=dict)
    tags: dict[tuple[int, int], str] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)

    def empty(self) -> None:
        """Remove everything, beneath the service. Ids go on: none is given twice."""
        self.ids.clear()
        self.tags.clear()
        if self.name == "memory":
            self._start_anew()
        else:
            with self.container.engine().begin() as connection:
                for table in (TABLE, ANSWERS, EVENTS):
                    connection.execute(delete(table))

    def _start_anew(self) -> None:
        self.given.clear()
        settings, clock = self.container.settings(), self.container.clock()
        self.container = Container(settings=settings, clock=clock)
        self.client = self.container.app().test_client()

    def id(self, handle: int) -> str:
        return self.ids.get(handle, NOBODY)

    def tag(self, handle: int, version: int) -> str:
        """The entity tag of a version; an invented one if no response with it was seen."""
        if (handle, version) not in self.tags and handle in self.ids:
            self.told(self.ask("GET", f"{USERS}/{self.id(handle)}"))
        return self.tags.get((handle, version), f'"{version}-0"')

    def ask(self, method: str, url: str, sent: Any = None, **headers: str) -> Any:
        """The answer as it came."""
        body = None if sent is None else json.dumps(sent).encode()
        typed = {"Content-Type": JSONAPI} if body else {}
        return self.client.open(url, method=method, data=body, headers={**typed, **headers})

    def told(self, answer: Any, made: Sequence[int] = ()) -> Told:
        """The answer in words that are the same everywhere; `made` are handles for new users."""
        status = answer.status_code
        if not answer.data:
            return Told(status)
        document = json.loads(answer.data)
        if "errors" in document:
            return Told(status, tuple(sorted(map(_problem, document["errors"]))))
        handles = iter(made)
        if "atomic:results" in document:
            results = document["atomic:results"]
            return Told(status, data=[self._result(each, handles) for each in results])
        data = document["data"]
        if isinstance(data, list):
            links = document["links"]
            places = {name: links.get(name) is not None for name in ("prev", "next")}
            more = {**places, **document.get("meta", {}).get("page", {})}
            return Told(status, data=[self._user(each, handles) for each in data], more=more)
        user = self._user(data, handles)
        tag = answer.headers["ETag"]
        version = int(tag[1:].partition("-")[0])
        self.tags.setdefault((user["id"], version), tag)
        if status == 201:
            assert answer.headers["Location"] == data["links"]["self"]
        return Told(status, data=user, version=version)

    def _result(self, result: Any, handles: Iterator[int]) -> Any:
        if not result:
            return None
        return {**self._user(result["data"], handles), "version": result["meta"]["version"]}

    def _user(self, data: Any, handles: Iterator[int]) -> dict[str, Any]:
        known = {name: handle for handle, name in self.ids.items()}
        if data["id"] not in known:
            assert data["id"] not in self.given, f"{self.name} gave an id twice"
            known[data["id"]] = next(handles)
            self.ids[known[data["id"]]] = data["id"]
            self.given.add(data["id"])
        assert data["type"] == "users"
        assert data["links"] == {"self": f"{USERS}/{data['id']}"}
        return {"id": known[data["id"]], **data["attributes"]}


def _problem(error: Any) -> tuple[str, str, str]:
    assert re.fullmatch("[a-z][a-z0-9_]*", error["code"])
    return error["status"], error["code"], next(iter(error.get("source", {}).values()), "")


@dataclass
class Services:
    """All three. What is asked may differ in ids and tags only, what they tell not at all."""

    clock: Clock
    each: list[Service]
    counts: Counter[tuple[str, str]]

    def empty(self) -> None:
        for service in self.each:
            service.empty()

    def ask(self, ask: Callable[[Service], Any], *, made: Sequence[int] = ()) -> Told:
        """What all of them tell."""
        first, *others = [(each.name, each.told(ask(each), made)) for each in self.each]
        for name, told in others:
            assert told == first[1], f"{first[0]} and {name} tell different things"
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
        yield Services(clock, each, request.config.stash[FINDINGS].answers)


@contextmanager
def _service(name: str, url: str, clock: Clock) -> Iterator[Service]:
    container = Container(settings=Settings.of({"ROSTER_DATABASE_URL": url}), clock=clock)
    if name == "memory":
        yield Service(name, container, container.app().test_client())
        return
    engine = container.engine()
    schema.upgrade(engine)
    yield Service(name, container, container.app().test_client())
    engine.dispose()


@pytest.fixture(scope="session")
def told() -> type[Told]:
    return Told
