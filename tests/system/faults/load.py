"""Clients that create, change and read users all the while, and take note of every answer."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection, HTTPException, HTTPResponse
from itertools import count, cycle
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Any, Self

from faults.accounts import Account, Answer, Outcome, Task, account
from faults.service import DEADLINE, Service
from faults.waiting import until

JSONAPI = "application/vnd.api+json"
ATOMIC = f'{JSONAPI};ext="https://jsonapi.org/ext/atomic"'
_CLIENTS = 6
_BEFORE = 200
_GRACE = 1.5  # beyond the deadline, for a machine that has more to do
_PAUSE = 0.02  # a client that is refused asks again, but not at once
_IN_A_ROW = 20
_UNTOLD = Answer(0, 0, Outcome.UNKNOWN, "not known at that time")


class Load:
    """Clients of services over one database, from entering until all are served well again.

    With `breaks`, connections may break and be refused: the fault is in the service's processes.
    Each client waits `pause` seconds between two requests.
    """

    def __init__(self, *services: Service, breaks: bool = False, pause: float = 0.0) -> None:
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
        self._mended = 0.0

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
        """Sooner than when all is well."""
        self._stop.set()
        self._pool.shutdown()

    def until_acknowledged(self, number: int) -> None:
        """So many more than there are now."""
        until(self._has(Outcome.DONE, self._count(Outcome.DONE) + number), within=30)

    def until_refused(self, rounds: int) -> None:
        """So often more each client."""
        until(lambda: all(client.refused_in_a_row >= rounds for client in self._clients), within=60)

    def until_told(self, code: str, times: int) -> None:
        """So often, on the whole."""
        until(lambda: sum(code in answer.told for answer in self.answers()) >= times)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Inside, nobody asks for anything."""
        self._pauses.set()
        try:
            until(lambda: all(client.idle for client in self._clients))
            yield
        finally:
            self._pauses.clear()

    def move(self, service: Service) -> None:
        """From their next requests on the clients ask another one."""
        self._service = service
        for client in self._clients:
            client.port = service.port

    def mended(self) -> None:
        """The fault is over from now on."""
        self._mended = monotonic()

    def answers(self) -> list[Answer]:
        return [answer for client in self._clients for answer in client.answers]

    def account(self) -> Account:
        """With what the service tells to be there."""
        makings = [*self.others, *(task for each in self._clients for task in each.makings)]
        changes = [client.changes for client in self._clients]
        users, events = self._service.users(), self._service.events()
        return account(makings, changes, self.answers(), users, events, self._mended)

    def acknowledged(self) -> frozenset[int]:
        """What is acknowledged by now, for `account_of`."""
        return frozenset(id(task) for task in self._tasks() if task.acknowledged)

    def account_of(self, known: frozenset[int], restored: Service) -> Account:
        """With what is told elsewhere, where only what was `known` must be."""

        def then(task: Task) -> Task:
            return task if id(task) in known else replace(task, answers=[_UNTOLD])

        makings = [then(task) for client in self._clients for task in client.makings]
        changes = [[then(task) for task in client.changes] for client in self._clients]
        return account(makings, changes, [], restored.users(), restored.events(), 0)

    def ids(self) -> list[int]:
        """All that were told."""
        return [int(each) for task in self._tasks() if task.acknowledged for each in task.ids]

    def _tasks(self) -> Iterator[Task]:
        for client in self._clients:
            yield from (*client.makings, *client.changes)

    def _has(self, outcome: Outcome, number: int) -> Callable[[], bool]:
        """Fails at once when a client has come to its end by a fault of its own."""

        def look() -> bool:
            for client in self._running:
                if client.done():
                    client.result()
            return self._count(outcome) >= number

        return look

    def _count(self, outcome: Outcome) -> int:
        return sum(answer.outcome is outcome for answer in self.answers())

    def _is_well(self) -> bool:
        return all(client.is_well(self._mended) for client in self._clients)


class _Client:
    """One connection, and the tasks that it sets itself."""

    def __init__(
        self,
        service: Service,
        name: str,
        stop: Event,
        pauses: Event,
        *,
        breaks: bool,
        pause: float,
    ) -> None:
        self.makings: list[Task] = []
        self.changes: list[Task] = []
        self.answers: list[Answer] = []
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
        """Until told to stop; a fault of the client's own ends it before, and is told."""
        own = replace(creation(f"{self._name}@example.org", "own", self._name), name=None)
        self.makings.append(own)
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
        last = self.answers[-_IN_A_ROW:]
        return len(last) == _IN_A_ROW and all(
            answer.began > since and answer.outcome is Outcome.DONE for answer in last
        )

    def _next(self, kind: str, number: int, own: str) -> None:
        name = f"{self._name}-{number}"
        key = name if number % 8 < 4 else None
        match kind:
            case "creation":
                self.makings.append(creation(f"{name}@example.org", name, key))
                self._do(self.makings[-1])
            case "batch":
                self.makings.append(_batch(name, key))
                self._do(self.makings[-1])
            case "change":
                self.changes.append(_change(f"{self._name}@example.org", name, own))
                self._do(self.changes[-1])
            case "read":
                self._read()

    def _do(self, task: Task) -> None:
        """Once, or with a key until it is done."""
        for _ in self._turns(task):
            headers = {"Idempotency-Key": task.key} if task.key else {}
            headers["Content-Type"] = ATOMIC if "operations" in task.path else JSONAPI
            task.answers.append(self._ask(task.method, task.path, json.dumps(task.body), headers))

    def _turns(self, task: Task) -> Iterator[None]:
        yield
        while task.key and not task.acknowledged and not self._stop.is_set():
            self._read()
            yield

    def _read(self) -> None:
        """The last that was acknowledged, if any: it must be there."""
        for task in reversed(self.makings):
            if task.acknowledged:
                self._ask("GET", f"/api/v1/users/{task.ids[0]}", None, {})
                break

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        began = monotonic()
        outcome, told, document = self._asked(method, path, body, headers)
        ended = monotonic()
        if ended - began > DEADLINE + _GRACE:
            outcome, told = Outcome.WRONG, f"{told} after {ended - began:.1f} s"
        answer = Answer(began, ended, outcome, f"{method} {told}", document)
        self.answers.append(replace(answer, document=None))
        self.refused_in_a_row += 1
        if outcome is Outcome.DONE:
            self.refused_in_a_row = 0
        self._stop.wait(self._pause if outcome is Outcome.DONE else _PAUSE)
        return answer

    def _asked(
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
            self._http.request(method, path, body, headers | self._headers)
            response = self._http.getresponse()
            return judged(response, json.loads(response.read()))
        except (OSError, HTTPException) as error:
            self._http.close()
            return Outcome.UNKNOWN if self._breaks else Outcome.WRONG, repr(error), None


def judged(response: HTTPResponse, document: Any) -> tuple[Outcome, str, Any]:
    """What it means, in words too, and its document where it matters."""
    if response.status < 300:
        return Outcome.DONE, str(response.status), document
    codes = {error["code"] for error in document["errors"]}
    told = f"{response.status} {codes}"
    if codes == {"idempotency_key_in_use"}:
        return Outcome.UNKNOWN, told, None
    if response.status != 503 or int(response.headers.get("Retry-After", 0)) < 1:
        return Outcome.WRONG, f"{told} Retry-After: {response.headers.get('Retry-After')}", document
    return Outcome.UNKNOWN if "outcome_unknown" in codes else Outcome.REFUSED, told, None


def _attributes(email: str, name: str) -> dict[str, Any]:
    return {"type": "users", "attributes": {"email": email, "name": name}}


def creation(email: str, name: str, key: str | None = None) -> Task:
    """Of one user."""
    body = {"data": _attributes(email, name)}
    return Task((email,), name, "POST", "/api/v1/users", body, key)


def _change(email: str, name: str, user_id: str) -> Task:
    data = {"type": "users", "id": user_id, "attributes": {"name": name}}
    return Task((email,), name, "PATCH", f"/api/v1/users/{user_id}", {"data": data})


def _batch(name: str, key: str | None) -> Task:
    """Three users, of whom the first is changed at the end."""
    emails = tuple(f"{name}-{letter}@example.org" for letter in "abc")
    operations: list[dict[str, Any]] = [
        {"op": "add", "data": {**_attributes(email, "half"), "lid": email}} for email in emails
    ]
    change = {"type": "users", "lid": emails[0], "attributes": {"name": name}}
    body = {"atomic:operations": [*operations, {"op": "update", "data": change}]}
    return Task(emails, name, "POST", "/api/v1/operations", body, key)
