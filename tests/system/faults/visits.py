"""Visitors that send valid, invalid and unfinished requests to all URLs."""

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

from faults.service import Service
from roster_process import JSONAPI, ROSTER, USERS

from adapters.tokens.issuer import sign

_TENANTS = 2000
_ADDRESSES = 250
_LINES = 500
_SECONDS_BETWEEN_IMPORTS = 30


@dataclass(frozen=True)
class Visit:
    """A request, and its expected status without a fault."""

    status: int
    method: str
    path: str
    body: bytes | None = None
    kind: str = JSONAPI
    known: bool = True


def user(email: str, **more: object) -> bytes:
    """A document that creates a user."""
    attributes = {"email": email, "name": "Visitor", **more}
    return json.dumps({"data": {"type": "users", "attributes": attributes}}).encode()


_ROUND = (
    Visit(200, "GET", f"{USERS}?page[size]=100&sort=-creation_time&fields[users]=email,name"),
    Visit(200, "GET", f"{USERS}?filter[email]=client1@example.org"),
    Visit(200, "GET", f"{USERS}?filter[name][contains]=client2-1&page[size]=10"),
    Visit(200, "GET", f"{USERS}?filter[role][in]=user,admin&sort=name&page[number]=2"),
    Visit(200, "HEAD", f"{USERS}/1"),
    Visit(200, "GET", "/api/v1"),
    Visit(200, "GET", "/openapi.json"),
    Visit(200, "GET", "/docs"),
    Visit(200, "GET", "/metrics"),
    Visit(200, "GET", "/healthz"),
    Visit(204, "OPTIONS", USERS),
    Visit(400, "GET", f"{USERS}?page[after]=damaged"),
    Visit(400, "POST", USERS, b'{"data": '),
    Visit(401, "GET", USERS, known=False),
    Visit(404, "GET", f"{USERS}/999999999999"),
    Visit(405, "PUT", USERS, b"{}"),
    Visit(409, "POST", USERS, user("client1@example.org")),
    Visit(415, "POST", USERS, b"{}", kind="text/plain"),
    Visit(422, "POST", USERS, user("invalid", role="No Role")),
    Visit(413, "POST", USERS, bytes(1024**2 + 1)),
)


class Visitor:
    """Repeats the visits, each with a random token and from a random address."""

    def __init__(self, name: str, service: Service, secret: str, stop: Event, pause: float) -> None:
        self._name = name
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._port = service.port
        self._stop = stop
        self._pause = pause
        self._chance = Random(8)
        self._addresses = [f"192.0.2.{number}" for number in range(_ADDRESSES)]
        self._tokens = [
            sign(secret, ["users:read", "users:write"], seconds=86400, subject=f"tenant {number}")
            for number in range(_TENANTS)
        ]
        self._http = HTTPConnection("127.0.0.1", self._port, timeout=20)

    def run(self) -> None:
        """Runs until the stop."""
        for number, visit in zip(count(), cycle(_ROUND)):
            if self._stop.wait(self._pause):
                break
            self._send(visit)
            if number % len(_ROUND) == 0:
                self._read_pages()
                self._create_and_delete(f"{self._name}-{number}@example.org")
                self._leave_early()
            if number % 3 == 0:
                self._http.close()
        self._http.close()

    def _read_pages(self) -> None:
        path: str | None = f"{USERS}?page[size]=50"
        for _ in range(5):
            page = self._send(Visit(200, "GET", path)) if path else None
            path = json.loads(page)["links"]["next"] if page else None

    def _create_and_delete(self, email: str) -> None:
        if created := self._send(Visit(201, "POST", USERS, user(email))):
            self._send(Visit(204, "DELETE", f"{USERS}/{json.loads(created)['data']['id']}"))

    def _leave_early(self) -> None:
        """Closes the connection in the middle of a body, as a killed client does."""
        with suppress(OSError), closing(create_connection(("127.0.0.1", self._port), 20)) as broken:
            head = f"POST {USERS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSONAPI}\r\n"
            broken.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())

    def _send(self, visit: Visit) -> bytes | None:
        """Returns the body if the response has the expected status."""
        headers = {"X-Forwarded-For": self._chance.choice(self._addresses)}
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
            self.counts["broken"] += 1
            return None
        self._record(visit, response)
        return body if response.status == visit.status else None

    def _record(self, visit: Visit, response: HTTPResponse) -> None:
        self.counts[str(response.status)] += 1
        refused = response.status == 503 and response.headers.get("Retry-After")
        if response.status != visit.status and not refused:
            self.wrong.append(f"{visit.method} {visit.path} {response.status}")


class Importer:
    """Imports and exports with the command line at intervals."""

    def __init__(self, service: Service, directory: Path, stop: Event) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._environment = service.environment
        self._file = directory / "import.csv"
        self._stop = stop

    def run(self) -> None:
        """Runs until the stop."""
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
        self.counts[f"{arguments[0]} {'done' if done.returncode == 0 else 'refused'}"] += 1
        if done.returncode > 1 or "Traceback" in done.stderr:
            self.wrong.append(done.stderr)
