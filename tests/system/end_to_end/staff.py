"""People with passwords that another system hashed, and what each of them does with an account."""

import base64
import csv
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from re import search
from threading import Lock
from time import monotonic
from typing import Any, Final

import argon2
import bcrypt
import httpx
from roster_process import JSONAPI
from waiting import until
from werkzeug.security import generate_password_hash

API: Final = "/api/v1"
REJECTED_WITHIN: Final = 5.0
"""The seconds after which every worker rejects the tokens of a session that has ended."""
MAX_FAILURES: Final = 10
"""The number of wrong passwords that one network may send for one address."""

Json = dict[str, Any]


def _argon2(password: str) -> str:
    return argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(password)


def _bcrypt(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()


def _django(password: str) -> str:
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), b"saltsalt", 1000)
    return f"pbkdf2_sha256$1000$saltsalt${base64.b64encode(key).decode()}"


def _werkzeug(password: str) -> str:
    return generate_password_hash(password, method="scrypt:1024:8:1")


def _passlib(password: str) -> str:
    def encode(value: bytes) -> str:
        return base64.b64encode(value).decode().rstrip("=").replace("+", ".")

    key = hashlib.pbkdf2_hmac("sha512", password.encode(), b"saltsaltsaltsalt", 1000)
    return f"$pbkdf2-sha512$1000${encode(b'saltsaltsaltsalt')}${encode(key)}"


_KINDS: Final = (_argon2, _bcrypt, _django, _werkzeug, _passlib)


@dataclass
class Person:
    """`password` is the present one, or None. `network` is the address of this person's client."""

    number: int
    password: str | None
    erased: bool = False
    logged_in: bool = False

    @property
    def email(self) -> str:
        return f"p{self.number:05}@staff.example.org"

    @property
    def name(self) -> str:
        return f"Surname{self.number:05} Given"

    @property
    def network(self) -> str:
        return f"10.1.{self.number // 250}.{self.number % 250 + 1}"

    @property
    def attacker(self) -> str:
        return f"10.2.{self.number // 250}.{self.number % 250 + 1}"


def hire(number: int) -> Person:
    """Every twentieth person has no password."""
    return Person(number, None if number % 20 == 19 else f"lavender tractor {number} hums")


def write_people(people: list[Person], file: Path) -> None:
    """Writes a file to import, with hashes of five kinds."""
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["email", "name", "role", "is_active", "password_hash"])
        for each in people:
            hashed = _KINDS[each.number % len(_KINDS)](each.password) if each.password else ""
            writer.writerow([each.email, each.name, "user", "true", hashed])


class Mailbox:
    """The emails in the folder of a service."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, EmailMessage] = {}
        self._lock = Lock()

    def link_token(self, address: str) -> str:
        """Waits for an email with a link to the address, and returns the token of the link."""
        found: list[str] = []

        def arrived() -> bool:
            found.extend(self._tokens_for(address))
            return bool(found)

        until(arrived, within=30)
        return found[0]

    def _tokens_for(self, address: str) -> Iterator[str]:
        with self._lock:
            for file in self._folder.glob("*.eml"):
                if file not in self._seen:
                    content = message_from_bytes(file.read_bytes(), policy=policy.default)
                    assert isinstance(content, EmailMessage)
                    self._seen[file] = content
            emails = list(self._seen.values())
        for email in emails:
            text = email.get_body(("plain",))
            assert text
            if email["To"] == address and (match := search(r"rlt_[\w-]{43}", text.get_content())):
                yield match[0]


@dataclass(frozen=True)
class EndedToken:
    """An access token, and the time at which its session ended."""

    token: str
    time: float


@dataclass
class Staff:
    """Uses the accounts of people. Each method is one person's way through the service."""

    client: httpx.Client
    mailbox: Mailbox
    admin_token: str
    ended: list[EndedToken] = field(default_factory=list)

    def act(self, person: Person) -> None:
        """Lets a person do what the number determines."""
        ways: tuple[Callable[[Person], None], ...] = (
            self._stay_logged_in,
            self._change_password,
            self._recover,
            self._be_deactivated,
            self._be_erased,
            self._be_attacked,
            self._log_out,
        )
        way = ways[person.number // len(_KINDS) % len(ways)]
        if person.password is None:
            self._log_in(person, "", 401)
            way = self._recover
        way(person)

    def send(
        self,
        method: str,
        path: str,
        attributes: Json | None = None,
        *,
        status: int,
        token: str | None = None,
        network: str = "10.0.0.1",
        type_: str | None = None,
        **members: str,
    ) -> Json:
        """Sends a request over a new connection, so that any worker responds to it."""
        headers = {"X-Forwarded-For": network, "Connection": "close"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        body = None
        if attributes is not None:
            headers["Content-Type"] = JSONAPI
            type_ = type_ or path.strip("/").partition("/")[0]
            body = json.dumps({"data": {"type": type_, "attributes": attributes, **members}})
        responses: list[httpx.Response] = []

        def is_accepted() -> bool:
            """A worker that cannot keep up with hashing responds with 503."""
            responses.append(
                self.client.request(method, f"{API}{path}", content=body, headers=headers)
            )
            return responses[-1].status_code != 503

        until(is_accepted, within=60)
        response = responses[-1]
        assert response.status_code == status, (method, path, response.status_code, response.text)
        return response.json() if response.content else {}

    def _log_in(self, person: Person, password: str, status: int = 201, network: str = "") -> Json:
        attributes = {"email": person.email.upper(), "password": password}
        network = network or person.network
        document = self.send("POST", "/sessions", attributes, status=status, network=network)
        if status != 201:
            return {}
        person.logged_in = True
        data = document["data"]
        return {**data["meta"], "session": data["id"]}

    def _begin(self, person: Person) -> Json:
        assert person.password
        tokens = self._log_in(person, person.password)
        me = self.send("GET", "/me", status=200, token=tokens["access_token"])
        assert me["data"]["attributes"]["name"] == person.name
        return tokens

    def _refresh(self, refresh_token: str, status: int = 200) -> Json:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        response = self.client.post("/oauth/token", data=form, headers={"Connection": "close"})
        assert response.status_code == status, response.text
        return response.json()

    def _expect_end(self, tokens: Json) -> None:
        """The session has ended: its refresh token is invalid now, and its access token soon."""
        self._refresh(tokens["refresh_token"], status=400)
        self.ended.append(EndedToken(tokens["access_token"], monotonic()))

    def _user_id(self, tokens: Json) -> str:
        me = self.send("GET", "/me", status=200, token=tokens["access_token"])
        return str(me["data"]["id"])

    # -- ways ----------------------------------------------------------------------------------

    def _stay_logged_in(self, person: Person) -> None:
        tokens = self._begin(person)
        for _ in range(3):
            tokens = {**tokens, **self._refresh(tokens["refresh_token"])}
        self.send("GET", "/me", status=200, token=tokens["access_token"])
        sessions = self.send("GET", "/sessions", status=200, token=tokens["access_token"])
        assert [each["id"] for each in sessions["data"]] == [tokens["session"]]

    def _log_out(self, person: Person) -> None:
        tokens, other = self._begin(person), self._begin(person)
        self.send("DELETE", "/sessions/current", status=204, token=tokens["access_token"])
        self._expect_end(tokens)
        self._refresh(other["refresh_token"])

    def _change_password(self, person: Person) -> None:
        own, other = self._begin(person), self._begin(person)
        passwords = {"current_password": person.password, "password": f"new{person.password}"}
        token = own["access_token"]
        self.send("POST", "/me/password", passwords, status=204, token=token, type_="passwords")
        self._expect_end(other)
        assert person.password
        self._log_in(person, person.password, 401)
        person.password = passwords["password"]
        self._refresh(own["refresh_token"])
        self._begin(person)

    def _recover(self, person: Person) -> None:
        tokens = self._begin(person) if person.password else None
        self.send("POST", "/recoveries", {"email": person.email}, status=202)
        link, password = self.mailbox.link_token(person.email), f"harbour {person.number} lantern"
        attributes = {"token": link, "password": password}
        self.send("POST", "/confirmations", {**attributes, "password": "password1234"}, status=422)
        self.send("POST", "/confirmations", attributes, status=204)
        self.send("POST", "/confirmations", attributes, status=403)
        if tokens:
            self._expect_end(tokens)
            self._log_in(person, person.password or "", 401)
        person.password = password
        self._begin(person)

    def _be_deactivated(self, person: Person) -> None:
        tokens = self._begin(person)
        user = self._user_id(tokens)
        self.send(
            "PATCH",
            f"/users/{user}",
            {"is_active": False},
            status=200,
            token=self.admin_token,
            id=user,
        )
        self._expect_end(tokens)
        assert person.password
        self._log_in(person, person.password, 401)

    def _be_erased(self, person: Person) -> None:
        tokens = self._begin(person)
        user = self._user_id(tokens)
        self.send("POST", "/recoveries", {"email": person.email}, status=202)
        path = f"/users/{user}?erase_history=true"
        self.send("DELETE", path, status=204, token=self.admin_token)
        person.erased = True
        self._expect_end(tokens)
        assert person.password
        self._log_in(person, person.password, 401)

    def _be_attacked(self, person: Person) -> None:
        tokens = self._begin(person)
        for number in range(MAX_FAILURES):
            self._log_in(person, f"guess {number}", 401, network=person.attacker)
        assert person.password
        self._log_in(person, person.password, 429, network=person.attacker)
        self._begin(person)
        self._refresh(tokens["refresh_token"])
