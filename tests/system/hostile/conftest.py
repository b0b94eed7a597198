"""The real server under attack. Each response is checked and counted."""

import json
import os
import re
import socket
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from io import BufferedReader
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any, Self
from urllib.parse import unquote_to_bytes

import jwt
import psutil
import pytest
from findings import FINDINGS
from roster_process import JSONAPI, ROSTER, SECRET, USERS
from waiting import until

DEADLINE = 8 + 4
"""The deadline of a request, and seconds for a slow machine."""
HOST = b"Host: localhost\r\n"

# Leaks: stack traces, files, libraries and their messages, SQL, versions.
LEAKS = re.compile(
    rb"Traceback|File \"|line \d+, in |site-packages|\.py\b|/(?:usr|home|root|tmp)/|roster\.db"
    rb"|sqlalchemy|psycopg|pymysql|sqlite3?\b|postgres|libpq|werkzeug|flask|marshmallow|orjson"
    rb"|granian|hyper|dependency.injector|alembic|email.validator|Expecting value|Extra data"
    rb"|JSONDecodeError|codec can't|int\(\)|NoneType|object has no|UnicodeDecodeError"
    rb"|SELECT |INSERT INTO|UPDATE users|DELETE FROM|syntax error|DETAIL:|LINE 1:|constraint"
    rb"|Python/|python3|Exception|Error:|0x[0-9a-f]{6}",
    re.IGNORECASE,
)
_HEADERS = {
    *("content-type", "content-length", "vary", "x-request-id", "etag", "location", "allow"),
    *("date", "connection", "transfer-encoding", "retry-after", "cache-control"),
    *("accept-encoding", "content-security-policy", "x-content-type-options", "referrer-policy"),
    *("x-frame-options", "cross-origin-resource-policy", "cross-origin-opener-policy"),
    *("server", "permissions-policy", "last-modified", "content-disposition", "traceparent"),
    "www-authenticate",
}
# The statuses of responses to clients without a token: unauthenticated, not found, or malformed.
_WITHOUT_TOKEN = {401, 404, 405, 400, 408, 431}


@dataclass(frozen=True)
class Response:
    """A response as it was received."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def codes(self) -> set[str]:
        return {error["code"] for error in self.document.get("errors", ())}


class Target:
    """`roster serve` over a database. No request may change its user `canary`.

    A guarded target gets each request twice: without a token, and then with one.
    """

    def __init__(
        self, name: str, url: str, directory: Path, counts: Any, *, guarded: bool = False
    ) -> None:
        self._name = name
        self._counts = counts
        self._credentials = b""
        self._log = directory / "server.log"
        self._environment = {"PATH": os.environ["PATH"], "ROSTER_DATABASE_URL": url}
        if "PYTHONPATH" in os.environ:
            self._environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
        if guarded:
            self._environment["ROSTER_JWT_SECRET"] = SECRET
            claims = {"exp": 2**40, "scope": "users:read users:write", "sub": "attacker"}
            self._credentials = f"Authorization: Bearer {jwt.encode(claims, SECRET)}\r\n".encode()
        self._directory = directory
        self._numbers = count(1)
        self.logged_without_response = 0
        self._with_id = 0

    def start(self) -> None:
        settings: dict[str, Any] = {"env": self._environment, "cwd": self._directory}
        subprocess.run([ROSTER, "db", "upgrade"], check=True, capture_output=True, **settings)
        with self._log.open("wb") as log:
            self.process = psutil.Popen(
                [ROSTER, "serve", "--port", "0"], stdout=log, stderr=subprocess.STDOUT, **settings
            )
        self._until(lambda: b'"listening"' in self._log.read_bytes())
        listening = re.search(rb':(\d+)"', self._log.read_bytes())
        assert listening
        self.port = int(listening[1])
        self._until(self._is_ready)
        self.canary = self.new_user("canary@example.org")
        self._first = self.get(self.canary).body
        self.victim = self.new_user("victim@example.org")

    def _until(self, condition: Callable[[], object]) -> None:
        """Waits until the condition is true. Fails with the log if the server has ended."""
        until(lambda: self.process.poll() is not None or condition(), within=60)
        assert self.process.poll() is None, self.log()

    def _is_ready(self) -> bool:
        with suppress(OSError, HTTPException):
            return self.get("/readyz").status == 200
        return False

    def stop(self) -> None:
        """Stops the server. Does nothing if the start has failed, so that its error is shown."""
        if hasattr(self, "process"):
            with suppress(psutil.NoSuchProcess):
                self.process.terminate()
                self.process.wait(20)

    def log(self) -> str:
        return self._log.read_text()

    # -- sending -----------------------------------------------------------------------------------

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)

    def request(
        self,
        method: str | bytes,
        target: str | bytes,
        body: bytes | None = None,
        *headers: str | bytes,
    ) -> Response:
        """Sends a request with exactly these lines on a new connection."""
        lines = [b"%b %b HTTP/1.1" % (_bytes(method), _bytes(target)), b"Host: localhost"]
        lines += map(_bytes, headers)
        sent = b"\n".join(lines[2:]).lower()
        if body is not None and b"content-length" not in sent and b"chunked" not in sent:
            lines.append(b"Content-Length: %d" % len(body))
        if body is not None and b"content-type" not in sent:
            lines.append(b"Content-Type: application/vnd.api+json")
        return self.send(b"\r\n".join([*lines, b"", body or b""]), head=_bytes(method) == b"HEAD")

    def get(self, target: str | bytes, *headers: str | bytes) -> Response:
        return self.request("GET", target, None, *headers)

    def post(self, body: bytes, *headers: str | bytes, to: str = USERS) -> Response:
        return self.request("POST", to, body, *headers)

    def send(self, sent: bytes, *, head: bool = False, end: bool = False) -> Response:
        """Returns the response to bytes. With `end`, the client closes its direction."""
        responses = self.send_all(sent, head=head, end=end, most=1)
        assert responses, "the server closed the connection without a response"
        return responses[0]

    def send_all(
        self, sent: bytes, *, head: bool = False, end: bool = False, most: int = 9
    ) -> list[Response]:
        """Returns the responses on a new connection, `most` at most."""
        if self._credentials:
            for response in self._exchange(sent, head=head, end=end, most=most):
                self._check_without_token(response, sent)
        return self._exchange(self.with_token(sent), head=head, end=end, most=most)

    def with_token(self, sent: bytes) -> bytes:
        """The bytes, with a token in each request if the target is guarded."""
        return sent.replace(HOST, HOST + self._credentials)

    def _exchange(self, sent: bytes, *, head: bool, end: bool, most: int) -> list[Response]:
        began = monotonic()
        responses: list[Response] = []
        with closing(self.connect()) as connection, connection.makefile("rb", 0) as raw:
            with suppress(OSError):  # a response may arrive before everything is sent
                connection.sendall(sent)
                if end:
                    connection.shutdown(socket.SHUT_WR)
            incoming = _Incoming(raw)
            while len(responses) < most and (response := _received(incoming, head=head)):
                responses.append(response)
                self._check(response, sent)
                if (response.header("connection") or "").lower() == "close":
                    break
        # The bytes may contain another request, whose response was lost with the connection.
        self.logged_without_response += end or len(responses) < most
        assert monotonic() - began < DEADLINE, "the response took too long"
        return responses

    # -- checks ------------------------------------------------------------------------------------

    def _check(self, response: Response, sent: bytes) -> None:
        self._counts[f"hostile input over {self._name}", str(response.status)] += 1
        self._with_id += response.header("x-request-id") is not None
        assert response.status < 500, (response, sent[:2000])
        names = {name.lower() for name, _ in response.headers}
        assert names <= _HEADERS, names - _HEADERS
        assert not re.search(r"\d", response.header("server") or ""), "the header has a version"
        self._check_for_leaks(response, sent)
        if (response.header("content-type") or "").startswith(JSONAPI) and response.body:
            document = json.loads(response.body.decode("utf-8"))
            json.dumps(document, ensure_ascii=False).encode("utf-8")  # without lone surrogates
            assert document.keys() & {"data", "errors", "meta", "atomic:results"}

    def _check_without_token(self, response: Response, sent: bytes) -> None:
        """Nothing under the prefix is shown, done or even validated."""
        _, target, *_ = [*sent.split(b"\r\n")[0].split(b" "), b"", b""]
        path = unquote_to_bytes(target.partition(b"?")[0])
        if b"/api" not in path or sent.startswith(b"OPTIONS "):
            return
        assert response.status in _WITHOUT_TOKEN, (response, sent[:2000])
        by_roster = response.header("x-request-id") is not None
        assert by_roster or response.status in (400, 408, 431)
        if response.status == 401:
            assert (response.header("www-authenticate") or "").startswith("Bearer")
            codes = response.codes if response.body else set()
            assert codes <= {"missing_token", "invalid_token"}, response
        elif by_roster and response.body:
            assert response.codes <= {"not_found", "method_not_allowed", "bad_request"}

    def _check_for_leaks(self, response: Response, sent: bytes) -> None:
        """The response has no internals, except for words that the client has sent."""
        headers = [each for each in response.headers if each[0].lower() != "server"]
        shown = response.body + repr(headers).encode()
        if response.status < 400:  # the body may show stored values of any client
            shown = repr(headers).encode()
        echo = (sent + unquote_to_bytes(sent)).lower()
        for found in LEAKS.finditer(shown):
            assert found[0].lower() in echo, (found[0], shown[:3000])

    def check_at_the_end(self) -> None:
        """The server runs, the canary is unchanged, and the log has an entry for each request."""
        assert self.get(self.canary).body == self._first
        assert self.get("/readyz").status == 200
        assert self.process.poll() is None
        responses = self._with_id
        self._until(lambda: self._count_requests() >= responses)
        events = Counter(json.loads(line)["event"] for line in self.log().splitlines())
        assert events.keys() <= {"listening", "request"}, events
        assert responses <= events["request"] <= responses + self.logged_without_response

    def _count_requests(self) -> int:
        return self._log.read_bytes().count(b'"event":"request"')

    @property
    def is_guarded(self) -> bool:
        return bool(self._credentials)

    @property
    def id(self) -> str:
        """The id of the victim, a user that requests may change."""
        return self.victim.rpartition("/")[2]

    def new_number(self) -> int:
        """Returns a number that no test has used."""
        return next(self._numbers)

    # -- material ----------------------------------------------------------------------------------

    def new_user(self, email: str) -> str:
        """Creates a user, and returns its URL."""
        attributes = {"email": email, "name": email.partition("@")[0]}
        document = {"data": {"type": "users", "attributes": attributes}}
        response = self.post(json.dumps(document).encode())
        assert response.status == 201, response
        location = response.header("location")
        assert location
        return location

    def new_user_to_delete(self) -> str:
        """Creates a user that a request hidden in another request may delete."""
        return self.new_user(f"lost-{self.new_number()}@example.org")


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


class _Incoming(BufferedReader):
    """The input of a connection. A response does not close it, so that others can follow."""

    def close(self) -> None:
        pass

    def makefile(self, _: str) -> Self:
        return self


def _received(incoming: _Incoming, *, head: bool) -> Response | None:
    """Returns the next response, or None if the connection ends first."""
    connection: Any = incoming  # HTTPResponse uses only its makefile()
    response = HTTPResponse(connection, method="HEAD" if head else "GET")
    try:
        response.begin()
        return Response(response.status, response.getheaders(), response.read())
    except (HTTPException, ConnectionError):
        return None


@contextmanager
def _running(
    name: str, url: str, directory: Path, config: pytest.Config, *, guarded: bool = False
) -> Iterator[Target]:
    """A target that is checked at the end of all tests."""
    target = Target(name, url, directory, config.stash[FINDINGS].responses, guarded=guarded)
    try:
        target.start()
        yield target
        target.check_at_the_end()
    finally:
        target.stop()


@pytest.fixture(scope="session")
def hostile_directory(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    return lambda: tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="session")
def sqlite_target(
    hostile_directory: Callable[[], Path], pytestconfig: pytest.Config
) -> Iterator[Target]:
    directory = hostile_directory()
    with _running("SQLite", f"sqlite:///{directory}/roster.db", directory, pytestconfig) as target:
        yield target


@pytest.fixture(scope="session")
def guarded_target(
    hostile_directory: Callable[[], Path], pytestconfig: pytest.Config
) -> Iterator[Target]:
    directory = hostile_directory()
    url = f"sqlite:///{directory}/roster.db"
    with _running("SQLite, guarded", url, directory, pytestconfig, guarded=True) as target:
        yield target


@pytest.fixture(scope="session")
def postgresql_target(
    postgresql_18: Any, hostile_directory: Callable[[], Path], pytestconfig: pytest.Config
) -> Iterator[Target]:
    url = postgresql_18.new_database()
    with _running("PostgreSQL", url, hostile_directory(), pytestconfig) as target:
        yield target


@pytest.fixture(scope="session")
def mariadb_target(
    mariadb: Any, hostile_directory: Callable[[], Path], pytestconfig: pytest.Config
) -> Iterator[Target]:
    with _running("MariaDB", mariadb.new_database(), hostile_directory(), pytestconfig) as target:
        yield target


@pytest.fixture(
    scope="session",
    params=[
        *("sqlite_target", "postgresql_target", "guarded_target"),
        pytest.param("mariadb_target", marks=pytest.mark.long),
    ],
    ids=["SQLite", "PostgreSQL", "SQLite, guarded", "MariaDB"],
)
def target(request: pytest.FixtureRequest) -> Target:
    """Each of the targets. A target starts once, in any order of the tests."""
    running: Target = request.getfixturevalue(request.param)
    return running
