"""A PostgreSQL primary with its replicas, and clients of a service over them."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any, NamedTuple

from faults.postgres import Postgres
from roster_process import JSONAPI, SECRET
from waiting import until

from adapters.tokens.issuer import sign

POSITION = "Roster-Position"
SCOPES = ["users:read", "users:write", "groups:read", "groups:write"]


@dataclass(frozen=True)
class Replication:
    """The servers. The first one is the primary, until a test promotes another."""

    primary: Postgres
    replicas: Sequence[Postgres]

    def read_url(self) -> str:
        """The URL that names the replicas."""
        hosts = (f"host={each.directory}" for each in self.replicas)
        return f"postgresql://roster@/roster?{'&'.join(hosts)}"

    def pause(self) -> None:
        """Waits until the replicas are up to date, then lets them lag."""
        self.wait()
        for each in self.replicas:
            each.execute("SELECT pg_wal_replay_pause()")
            _until_result(each, "SELECT pg_get_wal_replay_pause_state() = 'paused'")

    def resume(self) -> None:
        """Lets the replicas continue."""
        for each in self.replicas:
            each.execute("SELECT pg_wal_replay_resume()")

    def wait(self) -> None:
        """Waits until the replicas are up to date."""
        ((position,),) = self.primary.execute("SELECT pg_current_wal_insert_lsn()")
        for each in self.replicas:
            _until_result(each, f"SELECT pg_last_wal_replay_lsn() >= '{position}'")


def _until_result(server: Postgres, question: str) -> None:
    """Waits until the statement returns true."""
    until(lambda: server.execute(question) == [(True,)])


class Reply(NamedTuple):
    """A response. `position` is the header with the position of a change."""

    status: int
    position: str | None
    document: Any

    @property
    def id(self) -> str:
        assert self.status == 201, self
        return str(self.document["data"]["id"])

    @property
    def code(self) -> str:
        return str(self.document["errors"][0]["code"])


class Client:
    """A client with a token of its own. Each request has a connection of its own, so that any
    worker may get it."""

    def __init__(self, port: int, subject: str, scopes: Sequence[str] = SCOPES) -> None:
        self._port = port
        token = sign(SECRET, list(scopes), seconds=3600, subject=subject)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": JSONAPI}

    def send(
        self, method: str, path: str, data: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Sends a request under the prefix. `data` is the primary data of the document."""
        document = None if data is None else json.dumps({"data": data})
        return self.send_text(method, path, document, headers)

    def send_text(
        self,
        method: str,
        path: str,
        text: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=20)) as connection:
            connection.request(method, f"/api/v1{path}", text, {**self._headers, **(headers or {})})
            response = connection.getresponse()
            body = response.read()
        return Reply(
            response.status, response.getheader(POSITION), json.loads(body) if body else None
        )

    def get(self, path: str, position: str | None = None) -> Reply:
        return self.send("GET", path, headers={POSITION: position} if position else None)

    def create(self, name: str) -> Reply:
        attributes = {"email": f"{name}@example.org", "name": name}
        return self.send("POST", "/users", {"type": "users", "attributes": attributes})


def results(port: int) -> dict[str, int]:
    """The reads that the service counts, by result."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    prefix = 'roster_reads_total{result="'
    lines = [each.removeprefix(prefix) for each in text.splitlines() if each.startswith(prefix)]
    return {name: int(float(value)) for name, value in (each.split('"} ') for each in lines)}


def replicas_used(port: int) -> int:
    """The number of replicas that a worker uses."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    (line,) = [each for each in text.splitlines() if each.startswith("roster_replicas_used ")]
    return int(float(line.split()[1]))
