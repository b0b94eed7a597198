"""Clients that continuously create, change and read users, and record every reply."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPException, HTTPResponse
from itertools import count, cycle
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Any, Protocol, Self

from faults.accounts import Account, Outcome, Reply, Task, account
from faults.service import DEADLINE, Service
from roster_process import ATOMIC, JSONAPI, USERS
from waiting import until

_CLIENTS = 6
_BEFORE = 200
_GRACE = 1.5  # seconds beyond the deadline, for a busy machine
_PAUSE = 0.02  # seconds before a client retries
_IN_A_ROW = 20
_UNKNOWN = Reply(0, 0, Outcome.UNKNOWN, "not known at that time")


class Target(Protocol):
    """A service, or what forwards requests to one."""

    @property
    def port(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def users(self) -> Callable[[], list[dict[str, Any]]]: ...

    @property
    def events(self) -> Callable[[], list[dict[str, Any]]]: ...


class Load:
    """Clients of services over one database. At its end, all clients must succeed again.

    With `breaks`, connections may break or be refused, because the processes of the service fail.
    Each client waits `pause` seconds between two requests.
    """

    def __init__(self, *services: Target, breaks: bool = False, pause: float = 0.0) -> None:
        self.others: list[Task] = []
        self._service = services[0]
        self._stop = Event()
        self._pauses = Event()
        self._clients = [
            _Client(
                services[number % len(services)],
                f"client{number}",
                self._stop,
                self._pauses,
                breaks=breaks,
                pause=pause,
            )
            for number in range(_CLIENTS)
        ]
        self._pool = ThreadPoolExecutor(_CLIENTS)
        self._recovered_at = 0.0

    def __enter__(self) -> Self:
        self._running = [self._pool.submit(client.run) for client in self._clients]
        self.until_acknowledged(_BEFORE)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: TracebackType | object) -> None:
        try:
            if kind is None and not self._stop.is_set():
                until(self._is_well, within=30)
        finally:
            self.stop()
        for client in self._running:
            client.result()

    def stop(self) -> None:
        """Stops the clients, even if some requests still fail."""
        self._stop.set()
        self._pool.shutdown()

    def until_acknowledged(self, number: int) -> None:
        """Waits for this number of further acknowledged requests."""
        until(self._has(Outcome.DONE, self._count(Outcome.DONE) + number), within=30)

    def until_refused(self, rounds: int) -> None:
        """Waits until each client was rejected this number of times in a row."""
        until(lambda: all(client.refused_in_a_row >= rounds for client in self._clients), within=60)

    def until_received(self, code: str, times: int) -> None:
        """Waits until the replies to all clients contain the code this number of times."""
        until(lambda: sum(code in reply.summary for reply in self.replies()) >= times)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """In the block, the clients send no requests."""
        self._pauses.set()
        try:
            until(lambda: all(client.idle for client in self._clients))
            yield
        finally:
            self._pauses.clear()

    def move(self, service: Target) -> None:
        """The next requests go to another service."""
        self._service = service
        for client in self._clients:
            client.port = service.port

    def recovered(self) -> None:
        """Marks the end of the fault."""
        self._recovered_at = monotonic()

    def replies(self) -> list[Reply]:
        return [reply for client in self._clients for reply in client.replies]

    def wrong_replies(self) -> list[str]:
        return [each.summary for each in self.replies() if each.outcome is Outcome.WRONG]

    def account(self) -> Account:
        """Returns the account with the users and events that the service has."""
        creations = [*self.others, *(task for each in self._clients for task in each.creations)]
        changes = [client.changes for client in self._clients]
        users, events = self._service.users(), self._service.events()
        return account(creations, changes, self.replies(), users, events, self._recovered_at)

    def acknowledged(self) -> frozenset[int]:
        """Identifies the tasks that are acknowledged now, for `account_of`."""
        return frozenset(id(task) for task in self._tasks() if task.acknowledged)

    def account_of(self, known: frozenset[int], restored: Service) -> Account:
        """Returns the account of a restored service, which must have the `known` tasks."""

        def then(task: Task) -> Task:
            return task if id(task) in known else replace(task, replies=[_UNKNOWN])

        creations = [then(task) for client in self._clients for task in client.creations]
        changes = [[then(task) for task in client.changes] for client in self._clients]
        return account(creations, changes, [], restored.users(), restored.events(), 0)

    def ids(self) -> list[int]:
        """The ids in all replies."""
        return [int(each) for task in self._tasks() if task.acknowledged for each in task.ids]

    def _tasks(self) -> Iterator[Task]:
        for client in self._clients:
            yield from (*client.creations, *client.changes)

    def _has(self, outcome: Outcome, number: int) -> Callable[[], bool]:
        """Returns a condition on the number of replies, which fails if a client has failed."""

        def has() -> bool:
            for client in self._running:
                if client.done():
                    client.result()
            return self._count(outcome) >= number

        return has

    def _count(self, outcome: Outcome) -> int:
        return sum(reply.outcome is outcome for reply in self.replies())

    def _is_well(self) -> bool:
        return all(client.is_well(self._recovered_at) for client in self._clients)


class _Client:
    """A connection, and its tasks."""

    def __init__(
        self,
        service: Target,
        name: str,
        stop: Event,
        pauses: Event,
        *,
        breaks: bool,
        pause: float,
    ) -> None:
        self.creations: list[Task] = []
        self.changes: list[Task] = []
        self.replies: list[Reply] = []
        self.refused_in_a_row = 0
        self.idle = False
        self._name = name
        self._stop = stop
        self._pauses = pauses
        self._breaks = breaks
        self._pause = pause
        self._headers = service.headers
        self.port = service.port
        self._http = HTTPConnection("127.0.0.1", self.port, timeout=10 * DEADLINE)

    def run(self) -> None:
        """Sends requests until the stop. Raises the exception of a failed client."""
        own = replace(creation(f"{self._name}@example.org", "own", self._name), name=None)
        self.creations.append(own)
        self._do(own)
        for number, kind in zip(count(), cycle(["creation", "batch", "change", "read"])):
            while self._pauses.is_set() and not self._stop.is_set():
                self.idle = True
                self._stop.wait(_PAUSE)
            self.idle = False
            if self._stop.is_set():
                break
            self._next(kind, number, own.ids[0])
        self._http.close()

    def is_well(self, since: float) -> bool:
        last = self.replies[-_IN_A_ROW:]
        return len(last) == _IN_A_ROW and all(
            reply.began > since and reply.outcome is Outcome.DONE for reply in last
        )

    def _next(self, kind: str, number: int, own: str) -> None:
        name = f"{self._name}-{number}"
        key = name if number % 8 < 4 else None
        match kind:
            case "creation":
                self.creations.append(creation(f"{name}@example.org", name, key))
                self._do(self.creations[-1])
            case "batch":
                self.creations.append(_batch(name, key))
                self._do(self.creations[-1])
            case "change":
                self.changes.append(_change(f"{self._name}@example.org", name, own))
                self._do(self.changes[-1])
            case "read":
                self._read()

    def _do(self, task: Task) -> None:
        """Sends the task once, or with a key until it is acknowledged."""
        for _ in self._turns(task):
            headers = {"Idempotency-Key": task.key} if task.key else {}
            headers["Content-Type"] = ATOMIC if "operations" in task.path else JSONAPI
            task.replies.append(
                self._request(task.method, task.path, json.dumps(task.body), headers)
            )

    def _turns(self, task: Task) -> Iterator[None]:
        yield
        while task.key and not task.acknowledged and not self._stop.is_set():
            self._read()
            yield

    def _read(self) -> None:
        """Reads the last acknowledged user, which must exist."""
        for task in reversed(self.creations):
            if task.acknowledged:
                self._request("GET", f"{USERS}/{task.ids[0]}", None, {})
                break

    def _request(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Reply:
        began = monotonic()
        outcome, summary, document = self._send(method, path, body, headers)
        ended = monotonic()
        if ended - began > DEADLINE + _GRACE:
            outcome, summary = Outcome.WRONG, f"{summary} after {ended - began:.1f} s"
        reply = Reply(began, ended, outcome, f"{method} {summary}", document)
        self.replies.append(replace(reply, document=None))
        self.refused_in_a_row += 1
        if outcome is Outcome.DONE:
            self.refused_in_a_row = 0
        self._stop.wait(self._pause if outcome is Outcome.DONE else _PAUSE)
        return reply

    def _send(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> tuple[Outcome, str, Any]:
        if self._http.port != self.port:
            self._http.close()
            self._http = HTTPConnection("127.0.0.1", self.port, timeout=10 * DEADLINE)
        try:
            if self._http.sock is None:
                self._http.connect()
        except OSError as error:
            return Outcome.REFUSED if self._breaks else Outcome.WRONG, repr(error), None
        try:
            self._http.request(method, path, body, {**headers, **self._headers})
            response = self._http.getresponse()
            return classified(response, json.loads(response.read()))
        except (OSError, HTTPException) as error:
            self._http.close()
            return Outcome.UNKNOWN if self._breaks else Outcome.WRONG, repr(error), None


def classified(response: HTTPResponse, document: Any) -> tuple[Outcome, str, Any]:
    """Returns the outcome of a response, a summary, and the document if it is needed."""
    if response.status < 300:
        return Outcome.DONE, str(response.status), document
    codes = {error["code"] for error in document["errors"]}
    summary = f"{response.status} {codes}"
    if codes == {"idempotency_key_in_use"}:
        return Outcome.UNKNOWN, summary, None
    if response.status != 503 or int(response.headers.get("Retry-After", 0)) < 1:
        retry_after = response.headers.get("Retry-After")
        return Outcome.WRONG, f"{summary} Retry-After: {retry_after}", document
    return Outcome.UNKNOWN if "outcome_unknown" in codes else Outcome.REFUSED, summary, None


def _attributes(email: str, name: str) -> dict[str, Any]:
    return {"type": "users", "attributes": {"email": email, "name": name}}


def creation(email: str, name: str, key: str | None = None) -> Task:
    """The task that creates a user."""
    body = {"data": _attributes(email, name)}
    return Task((email,), name, "POST", "/api/v1/users", body, key)


def _change(email: str, name: str, user_id: str) -> Task:
    data = {"type": "users", "id": user_id, "attributes": {"name": name}}
    return Task((email,), name, "PATCH", f"/api/v1/users/{user_id}", {"data": data})


def _batch(name: str, key: str | None) -> Task:
    """The task that creates three users, and changes the first of them."""
    emails = tuple(f"{name}-{letter}@example.org" for letter in "abc")
    operations: list[dict[str, Any]] = [
        {"op": "add", "data": {**_attributes(email, "half"), "lid": email}} for email in emails
    ]
    change = {"type": "users", "lid": emails[0], "attributes": {"name": name}}
    body = {"atomic:operations": [*operations, {"op": "update", "data": change}]}
    return Task(emails, name, "POST", "/api/v1/operations", body, key)
