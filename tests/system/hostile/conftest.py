"""The real server under attack: whatever is sent to it, each answer is judged and counted."""

import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from io import BufferedReader
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import unquote_to_bytes

import jwt
import psutil
import pytest
from findings import FINDINGS

ROSTER = Path(sys.executable).with_name("roster")
JSONAPI = "application/vnd.api+json"
USERS = "/api/v1/users"
DEADLINE = 8 + 4
"""Seconds within which everything must be answered: a request's deadline, and a slow machine."""
SECRET = "hush" * 8
HOST = b"Host: localhost\r\n"

# What would tell of the inside: stacks, files, libraries and their words, SQL, versions.
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
# What may be told to a stranger: that there is no such URL or method, or that it is no HTTP.
_STRANGERS = {401, 404, 405, 400, 408, 431}


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

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
    """`roster serve` over a database, with a canary in it that nothing sent may change.

    A guarded one gets each request twice: by a stranger first, and then with a token.
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
        self.logged_unanswered = 0
        self._with_id = 0

    def start(self) -> None:
        settings = {"env": self._environment, "cwd": self._directory}
        subprocess.run([ROSTER, "db", "upgrade"], check=True, capture_output=True, **settings)
        with self._log.open("wb") as log:
            self.process = psutil.Popen(
                [ROSTER, "serve", "--port", "0"], stdout=log, stderr=subprocess.STDOUT, **settings
            )
        self.until(lambda: b'"listening"' in self._log.read_bytes())
        self.port = int(re.search(rb':(\d+)"', self._log.read_bytes())[1])  # type: ignore[index]
        self.until(self._is_ready)
        self.canary = self.new_user("canary@example.org")
        self._first = self.get(self.canary).body
        self.victim = self.new_user("victim@example.org")

    def until(self, what: Callable[[], object]) -> None:
        end = monotonic() + 20
        while not what():
            assert self.process.poll() is None, self.log()
            assert monotonic() < end, "it did not come to be in time"
            sleep(0.02)

    def _is_ready(self) -> bool:
        with suppress(OSError, HTTPException):
            return self.get("/readyz").status == 200
        return False

    def stop(self) -> None:
        with suppress(psutil.NoSuchProcess):
            self.process.terminate()
            self.process.wait(20)

    def log(self) -> str:
        return self._log.read_text()

    # -- sending -----------------------------------------------------------------------------------

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)

    def ask(
        self,
        method: str | bytes,
        target: str | bytes,
        body: bytes | None = None,
        *headers: str | bytes,
    ) -> Answer:
        """One request, its lines exactly as they are given, on a connection of its own."""
        lines = [b"%b %b HTTP/1.1" % (_bytes(method), _bytes(target)), b"Host: localhost"]
        lines += map(_bytes, headers)
        given = b"\n".join(lines[2:]).lower()
        if body is not None and b"content-length" not in given and b"chunked" not in given:
            lines.append(b"Content-Length: %d" % len(body))
        if body is not None and b"content-type" not in given:
            lines.append(b"Content-Type: application/vnd.api+json")
        return self.send(b"\r\n".join([*lines, b"", body or b""]), head=_bytes(method) == b"HEAD")

    def get(self, target: str | bytes, *headers: str | bytes) -> Answer:
        return self.ask("GET", target, None, *headers)

    def post(self, body: bytes, *headers: str | bytes, to: str = USERS) -> Answer:
        return self.ask("POST", to, body, *headers)

    def send(self, sent: bytes, *, head: bool = False, end: bool = False) -> Answer:
        """What is answered to bytes; `end`: no more will come, and the server is told so."""
        answers = self.send_all(sent, head=head, end=end, most=1)
        assert answers, "the connection was closed without a word"
        return answers[0]

    def send_all(
        self, sent: bytes, *, head: bool = False, end: bool = False, most: int = 9
    ) -> list[Answer]:
        """All that is answered on a connection, up to so many answers."""
        if self._credentials:
            for answer in self._exchange(sent, head=head, end=end, most=most):
                self._judge_before_a_stranger(answer, sent)
        return self._exchange(self.with_token(sent), head=head, end=end, most=most)

    def with_token(self, sent: bytes) -> bytes:
        """The bytes with a token in each request, if one is wanted."""
        return sent.replace(HOST, HOST + self._credentials)

    def _exchange(self, sent: bytes, *, head: bool, end: bool, most: int) -> list[Answer]:
        began = monotonic()
        answers: list[Answer] = []
        with closing(self.connect()) as connection, connection.makefile("rb", 0) as raw:
            with suppress(OSError):  # an answer may come before all is sent
                connection.sendall(sent)
                if end:
                    connection.shutdown(socket.SHUT_WR)
            incoming = _Incoming(raw)
            while len(answers) < most and (answer := _received(incoming, head=head)):
                answers.append(answer)
                self._judge(answer, sent)
                if (answer.header("connection") or "").lower() == "close":
                    break
        # What was sent may have been one request more, whose answer was lost as it ended.
        self.logged_unanswered += end or len(answers) < most
        assert monotonic() - began < DEADLINE, "it took too long to answer"
        return answers

    # -- judging -----------------------------------------------------------------------------------

    def _judge(self, answer: Answer, sent: bytes) -> None:
        self._counts[f"hostile input over {self._name}", str(answer.status)] += 1
        self._with_id += answer.header("x-request-id") is not None
        assert answer.status < 500, (answer, sent[:2000])
        names = {name.lower() for name, _ in answer.headers}
        assert names <= _HEADERS, names - _HEADERS
        assert not re.search(r"\d", answer.header("server") or ""), "a version is told"
        self._judge_words(answer, sent)
        if (answer.header("content-type") or "").startswith(JSONAPI) and answer.body:
            document = json.loads(answer.body.decode("utf-8"))
            json.dumps(document, ensure_ascii=False).encode("utf-8")  # no lone surrogate in it
            assert document.keys() & {"data", "errors", "meta", "atomic:results"}

    def _judge_before_a_stranger(self, answer: Answer, sent: bytes) -> None:
        """Nothing under the prefix is told, done or even judged."""
        _, target, *_ = [*sent.split(b"\r\n")[0].split(b" "), b"", b""]
        path = unquote_to_bytes(target.partition(b"?")[0])
        if b"/api" not in path or sent.startswith(b"OPTIONS "):
            return
        assert answer.status in _STRANGERS, (answer, sent[:2000])
        by_roster = answer.header("x-request-id") is not None
        assert by_roster or answer.status in (400, 408, 431)
        if answer.status == 401:
            assert (answer.header("www-authenticate") or "").startswith("Bearer")
            assert not answer.body or answer.codes <= {"missing_token", "invalid_token"}, answer
        elif by_roster and answer.body:
            assert answer.codes <= {"not_found", "method_not_allowed", "bad_request"}

    def _judge_words(self, answer: Answer, sent: bytes) -> None:
        """No word of the inside, but those that the client sent and got back."""
        told = [each for each in answer.headers if each[0].lower() != "server"]
        shown = answer.body + repr(told).encode()
        if answer.status < 400:  # what is shown was stored, by whomever
            shown = repr(told).encode()
        echo = (sent + unquote_to_bytes(sent)).lower()
        for found in LEAKS.finditer(shown):
            assert found[0].lower() in echo, (found[0], shown[:3000])

    def judge_the_whole(self) -> None:
        """The server lives, the canary is as it was, and the log has a line for each request."""
        assert self.get(self.canary).body == self._first
        assert self.get("/readyz").status == 200
        assert self.process.poll() is None
        answered = self._with_id
        self.until(lambda: self._count_requests() >= answered)
        events = Counter(json.loads(line)["event"] for line in self.log().splitlines())
        assert events.keys() <= {"listening", "request"}, events
        assert answered <= events["request"] <= answered + self.logged_unanswered

    def _count_requests(self) -> int:
        return self._log.read_bytes().count(b'"event":"request"')

    @property
    def is_guarded(self) -> bool:
        return bool(self._credentials)

    @property
    def id(self) -> str:
        """That of the victim, who may be changed."""
        return self.victim.rpartition("/")[2]

    def salt(self) -> int:
        """A number that was not given before."""
        return next(self._numbers)

    # -- material ----------------------------------------------------------------------------------

    def new_user(self, email: str) -> str:
        """Makes a user; gives its URL."""
        attributes = {"email": email, "name": email.partition("@")[0]}
        document = {"data": {"type": "users", "attributes": attributes}}
        answer = self.post(json.dumps(document).encode())
        assert answer.status == 201, answer
        location = answer.header("location")
        assert location
        return location

    def new_user_to_lose(self) -> str:
        """A user for whom it is no harm if a request that was hidden in another removes it."""
        return self.new_user(f"lost-{self.salt()}@example.org")


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


class _Incoming(BufferedReader):
    """What comes on a connection: one answer after the other, though each would close it."""

    def close(self) -> None:
        pass

    def makefile(self, _: str) -> "_Incoming":
        return self


def _received(incoming: _Incoming, *, head: bool) -> Answer | None:
    """The next answer; None where the connection ends before one."""
    response = HTTPResponse(incoming, method="HEAD" if head else "GET")  # type: ignore[arg-type]
    try:
        response.begin()
        return Answer(response.status, response.getheaders(), response.read())
    except (HTTPException, ConnectionError):
        return None


GUARDED = "SQLite, guarded"
TARGETS = [
    *("SQLite", "PostgreSQL", GUARDED),
    pytest.param("MariaDB", marks=pytest.mark.long),
]


@pytest.fixture(scope="session", params=TARGETS)
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """The server; what holds of it as a whole is judged at the end."""
    directory = tmp_path_factory.mktemp("hostile")
    url = f"sqlite:///{directory}/roster.db"
    if request.param == "PostgreSQL":
        url = request.getfixturevalue("postgresql_18").new_database()
    if request.param == "MariaDB":
        url = request.getfixturevalue("mariadb").new_database()
    counts = request.config.stash[FINDINGS].answers
    guarded = request.param == GUARDED
    started = Target(request.param, url, directory, counts, guarded=guarded)
    try:
        started.start()
        yield started
        started.judge_the_whole()
    finally:
        started.stop()
