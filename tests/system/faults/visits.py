"""Visitors who ask for all that there is, also for what is refused, and some who leave early."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from itertools import count, cycle
from pathlib import Path
from random import Random
from socket import create_connection
from threading import Event

from faults.load import JSONAPI
from faults.service import ROSTER, Service

from adapters.tokens.tokens import sign

_TENANTS = 2000
_PLACES = 250
_LINES = 500
_SECONDS_BETWEEN_IMPORTS = 30


@dataclass(frozen=True)
class Visit:
    """A request, and the only answer to it that is right while all is well."""

    status: int
    method: str
    path: str
    body: bytes | None = None
    kind: str = JSONAPI
    known: bool = True


def user(email: str, **more: object) -> bytes:
    """A document that creates one."""
    attributes = {"email": email, "name": "Visitor", **more}
    return json.dumps({"data": {"type": "users", "attributes": attributes}}).encode()


_USERS = "/api/v1/users"
_ROUND = (
    Visit(200, "GET", f"{_USERS}?page[size]=100&sort=-creation_time&fields[users]=email,name"),
    Visit(200, "GET", f"{_USERS}?filter[email]=client1@example.org"),
    Visit(200, "GET", f"{_USERS}?filter[name][contains]=client2-1&page[size]=10"),
    Visit(200, "GET", f"{_USERS}?filter[role][in]=user,admin&sort=name&page[number]=2"),
    Visit(200, "HEAD", f"{_USERS}/1"),
    Visit(200, "GET", "/api/v1"),
    Visit(200, "GET", "/openapi.json"),
    Visit(200, "GET", "/docs"),
    Visit(200, "GET", "/metrics"),
    Visit(200, "GET", "/healthz"),
    Visit(204, "OPTIONS", _USERS),
    Visit(400, "GET", f"{_USERS}?page[after]=damaged"),
    Visit(400, "POST", _USERS, b'{"data": '),
    Visit(401, "GET", _USERS, known=False),
    Visit(404, "GET", f"{_USERS}/999999999999"),
    Visit(405, "PUT", _USERS, b"{}"),
    Visit(409, "POST", _USERS, user("client1@example.org")),
    Visit(415, "POST", _USERS, b"{}", kind="text/plain"),
    Visit(422, "POST", _USERS, user("nobody", role="No Role")),
    Visit(413, "POST", _USERS, bytes(1024**2 + 1)),
)


class Visitor:
    """One who goes the round again and again, each time as somebody else and from elsewhere."""

    def __init__(self, name: str, service: Service, secret: str, stop: Event, pause: float) -> None:
        self._name = name
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._port = service.port
        self._stop = stop
        self._pause = pause
        self._chance = Random(8)
        self._places = [f"192.0.2.{number}" for number in range(_PLACES)]
        self._tokens = [
            sign(secret, ["users:read", "users:write"], seconds=86400, subject=f"tenant {number}")
            for number in range(_TENANTS)
        ]
        self._http = HTTPConnection("127.0.0.1", self._port, timeout=20)

    def run(self) -> None:
        """Until told to stop."""
        for number, visit in zip(count(), cycle(_ROUND)):
            if self._stop.wait(self._pause):
                break
            self._ask(visit)
            if number % len(_ROUND) == 0:
                self._ask_for_pages()
                self._make_and_delete(f"{self._name}-{number}@example.org")
                self._leave_early()
            if number % 3 == 0:
                self._http.close()
        self._http.close()

    def _ask_for_pages(self) -> None:
        path: str | None = f"{_USERS}?page[size]=50"
        for _ in range(5):
            answer = self._ask(Visit(200, "GET", path)) if path else None
            path = json.loads(answer)["links"]["next"] if answer else None

    def _make_and_delete(self, email: str) -> None:
        if made := self._ask(Visit(201, "POST", _USERS, user(email))):
            self._ask(Visit(204, "DELETE", f"{_USERS}/{json.loads(made)['data']['id']}"))

    def _leave_early(self) -> None:
        """In the middle of a body, as a client does that is killed."""
        with suppress(OSError), closing(create_connection(("127.0.0.1", self._port), 20)) as broken:
            head = f"POST {_USERS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSONAPI}\r\n"
            broken.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())

    def _ask(self, visit: Visit) -> bytes | None:
        """The body, if the answer is the one that is wanted."""
        headers = {"X-Forwarded-For": self._chance.choice(self._places)}
        if visit.known:
            headers["Authorization"] = f"Bearer {self._chance.choice(self._tokens)}"
        if visit.body is not None:
            headers["Content-Type"] = visit.kind
        try:
            self._http.request(visit.method, visit.path, visit.body, headers)
            response = self._http.getresponse()
            body = response.read()
        except (OSError, HTTPException):
            self._http.close()
            self.answers["broken"] += 1
            return None
        self._take_note(visit, response)
        return body if response.status == visit.status else None

    def _take_note(self, visit: Visit, response: HTTPResponse) -> None:
        self.answers[str(response.status)] += 1
        refused = response.status == 503 and response.headers.get("Retry-After")
        if response.status != visit.status and not refused:
            self.wrong.append(f"{visit.method} {visit.path} {response.status}")


class Importer:
    """One who imports and exports by the command line now and then."""

    def __init__(self, service: Service, directory: Path, stop: Event) -> None:
        self.answers: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._environment = service.environment
        self._file = directory / "import.csv"
        self._stop = stop

    def run(self) -> None:
        """Until told to stop."""
        for number in count():
            if self._stop.wait(_SECONDS_BETWEEN_IMPORTS):
                break
            self._file.write_text("".join(self._lines(number)))
            self._do("import", str(self._file))
            self._do("export", "-")

    def _lines(self, number: int) -> Iterator[str]:
        yield "email,name\n"
        for line in range(_LINES):
            yield f"import{number}-{line}@example.org,Imported\n"

    def _do(self, *arguments: str) -> None:
        command = [ROSTER, "users", *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True)
        self.answers[f"{arguments[0]} {'done' if done.returncode == 0 else 'refused'}"] += 1
        if done.returncode > 1 or "Traceback" in done.stderr:
            self.wrong.append(done.stderr)
