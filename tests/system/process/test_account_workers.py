"""Accounts with two workers, on each kind of database."""

import json
import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import httpx
import jwt
import pytest
from process.server import Server
from roster_process import JSONAPI
from waiting import until

from adapters.passwords.bounded_threads import BoundedThreads
from adapters.passwords.hasher import Argon2Hasher

PASSWORD = "correct horse battery staple"
SECONDS_UNTIL_REJECTED = 5.0
"""The contract: every worker rejects the tokens of an ended session within this time."""
SECONDS_UNTIL_NEW_KEY = 60.0
SECONDS_UNTIL_FIRST_ATTEMPT = 5.0
SECONDS_OF_COMMAND = 10.0
"""The time that a command may take on a busy computer before its commit."""
_NO_TLS = ssl.create_default_context()  # without it, each request loads the certificates again
REQUESTS = 40
"""The number of requests, each on a connection of its own, that reach both workers."""
CONSECUTIVE = 12
"""The number of consecutive requests that reach both workers."""
USERS = ("ann", "bob", "eve", *(f"user{number}" for number in range(12)))


class Service(NamedTuple):
    """A running service, its directory, and a function that runs commands with its settings."""

    server: Server
    directory: Path
    run: Callable[..., None]

    def send(self, method: str, path: str, token: str = "", **options: Any) -> httpx.Response:
        """Sends a request on a connection of its own, which either worker accepts."""
        headers = {"Content-Type": JSONAPI} if "content" in options else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        url = self.server.url + path
        return httpx.request(method, url, headers=headers, timeout=20, verify=_NO_TLS, **options)

    def post(self, kind: str, attributes: dict[str, str], token: str = "") -> httpx.Response:
        document = {"data": {"type": kind, "attributes": attributes}}
        return self.send("POST", f"/api/v1/{kind}", token, content=json.dumps(document))

    def log_in(self, email: str, password: str = PASSWORD) -> httpx.Response:
        return self.post("sessions", {"email": email, "password": password})

    def tokens(self, email: str) -> dict[str, Any]:
        response = self.log_in(email)
        assert response.status_code == 201, response.text
        tokens: dict[str, Any] = response.json()["data"]["meta"]
        return tokens

    def refresh(self, refresh_token: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self.send("POST", "/oauth/token", data=form)

    def times(self, token: str, number: int = REQUESTS) -> list[tuple[float, int]]:
        """Sends requests with the token. Returns when each was sent, and its status."""

        def request(_: int) -> tuple[float, int]:
            return monotonic(), self.send("GET", "/api/v1/me", token).status_code

        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(request, range(number)))

    def statuses(self, token: str) -> set[int]:
        return {status for _, status in self.times(token)}

    def last_accepted(self, token: str) -> float:
        """Sends requests until both workers reject the token. Returns when it was last accepted."""
        last = monotonic()

        def rejected() -> bool:
            nonlocal last
            accepted = [time for time, status in self.times(token) if status != 401]
            last = max([last, *accepted])
            return not accepted

        until(rejected, within=60)
        return last


def sqlite(_: pytest.FixtureRequest, directory: Path) -> str:
    return f"sqlite:///{directory}/roster.db"


def postgresql(request: pytest.FixtureRequest, _: Path) -> str:
    url: str = request.getfixturevalue("postgresql_18").new_database()
    return url


def mariadb(request: pytest.FixtureRequest, _: Path) -> str:
    url: str = request.getfixturevalue("mariadb").new_database()
    return url


@pytest.fixture(scope="module", params=[sqlite, postgresql, mariadb])
def service(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    roster_program: Path,
) -> Iterator[Service]:
    """A service with two workers and active users, which the tests share."""
    directory = tmp_path_factory.mktemp("accounts")
    settings = {
        "ROSTER_DATABASE_URL": request.param(request, directory),
        "ROSTER_ACCOUNTS": "on",
        "ROSTER_SIGNING_KEYS": f"{directory}/keys.json",
        "ROSTER_MAIL_FOLDER": f"{directory}/mail",
        "ROSTER_ARGON2": "m=7168,t=5,p=1",
        "ROSTER_ACCOUNT_RATE": "10000/minute",
    }

    def run(*arguments: str) -> None:
        environment = os.environ | settings
        subprocess.run([roster_program, *arguments], cwd=directory, env=environment, check=True)

    run("keys", "new", f"{directory}/keys.json")
    run("db", "upgrade")
    hasher = Argon2Hasher(memory=7168, passes=5, lanes=1, threads=BoundedThreads(1))
    password_hash = hasher.hash(PASSWORD)
    lines = [
        {
            "email": f"{name}@example.org",
            "name": name,
            "is_active": True,
            "role": "admin",
            "password_hash": password_hash,
        }
        for name in USERS
    ]
    (directory / "users.jsonl").write_text("\n".join(map(json.dumps, lines)))
    run("users", "import", "users.jsonl")
    server = Server(directory, "--workers", "2", **settings)
    try:
        server.wait_until_ready()
        until(lambda: len(server.workers()) == 2)
        yield Service(server, directory, run)
    finally:
        server.stop()


def test_no_worker_accepts_the_tokens_of_an_ended_session(service: Service) -> None:
    tokens = service.tokens("ann@example.org")
    other = service.tokens("ann@example.org")["access_token"]
    assert service.statuses(tokens["access_token"]) == {200}
    ended = service.send("DELETE", "/api/v1/sessions/current", tokens["access_token"])
    done = monotonic()
    assert ended.status_code == 204
    assert service.last_accepted(tokens["access_token"]) < done + SECONDS_UNTIL_REJECTED
    assert service.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert service.statuses(other) == {200}


def test_a_change_of_role_reaches_all_workers(service: Service) -> None:
    tokens = service.tokens("bob@example.org")
    assert "users:write" in tokens["scope"].split()
    assert service.statuses(tokens["access_token"]) == {200}
    service.run("users", "update", "bob@example.org", "--role", "user")
    done = monotonic()
    assert service.last_accepted(tokens["access_token"]) < done + SECONDS_UNTIL_REJECTED
    refreshed = service.refresh(tokens["refresh_token"])
    assert (refreshed.status_code, refreshed.json()["scope"]) == (200, "me")
    assert service.statuses(refreshed.json()["access_token"]) == {200}


def test_wrong_passwords_are_counted_across_workers(service: Service) -> None:
    logins = [service.log_in("eve@example.org", "wrong").status_code for _ in range(10)]
    assert logins == [401] * 10
    with ThreadPoolExecutor(8) as pool:
        blocked = set(pool.map(lambda _: service.log_in("eve@example.org").status_code, range(16)))
    assert blocked == {429}
    service.run("accounts", "unlock", "eve@example.org")
    assert service.log_in("eve@example.org").status_code == 201


def test_a_new_key_is_used_by_all_workers_and_old_tokens_stay_valid(service: Service) -> None:
    """Workers look at the file every 3 seconds."""
    tokens = service.tokens("ann@example.org")
    old = key_of(tokens)
    service.run("keys", "rotate", f"{service.directory}/keys.json")
    keys = []

    def published() -> set[str]:
        """Returns the keys that one of the workers publishes."""
        key_set = service.send("GET", "/.well-known/jwks.json").json()
        return {key["kid"] for key in key_set["keys"]}

    def refresh() -> bool:
        nonlocal tokens
        tokens = service.refresh(tokens["refresh_token"]).json()
        keys.append(key_of(tokens))
        assert keys[-1] in published()
        return len(keys) >= CONSECUTIVE and old not in keys[-CONSECUTIVE:]

    first = tokens["access_token"]
    until(refresh, within=SECONDS_UNTIL_NEW_KEY)
    assert service.statuses(first) == service.statuses(tokens["access_token"]) == {200}
    assert {old, keys[-1]} == published()


def test_no_race_of_refreshes_ends_the_session(service: Service) -> None:
    tokens = service.tokens("ann@example.org")
    with ThreadPoolExecutor(16) as pool:
        responses = list(pool.map(service.refresh, [tokens["refresh_token"]] * 32))
    assert {response.status_code for response in responses} == {200}
    refreshed = {response.json()["refresh_token"] for response in responses}
    assert len(refreshed) == 32
    with ThreadPoolExecutor(16) as pool:
        again = list(pool.map(service.refresh, sorted(refreshed)))
    assert {response.status_code for response in again} == {200}
    assert service.statuses(again[-1].json()["access_token"]) == {200}


def test_each_email_is_sent_once_and_soon(service: Service) -> None:
    """One command and both workers store emails, and both workers send them."""
    recovering = USERS[3:]
    began = monotonic()
    service.run("accounts", "invite", "ann@example.org")
    for name in recovering:
        accepted = service.post("recoveries", {"email": f"{name}@example.org"})
        assert accepted.status_code == 202
    number = len(recovering) + 1
    folder = service.directory / "mail"
    until(lambda: len([*folder.glob("*.eml")]) == number)
    assert monotonic() - began < SECONDS_OF_COMMAND + SECONDS_UNTIL_FIRST_ATTEMPT
    published = partial(service.send, "GET", "/metrics")
    until(lambda: f'roster_emails_total{{result="sent"}} {number}.0' in published().text)
    until(lambda: "roster_emails_waiting 0.0" in published().text)
    addresses = [line for file in folder.glob("*.eml") for line in to_lines(file)]
    assert sorted(addresses) == sorted(f"To: {name}@example.org" for name in ("ann", *recovering))


def key_of(tokens: dict[str, Any]) -> str:
    """The id of the key that signed the access token."""
    key_id: str = jwt.get_unverified_header(tokens["access_token"])["kid"]
    return key_id


def to_lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line.startswith("To: ")]
