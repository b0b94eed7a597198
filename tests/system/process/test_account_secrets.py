"""Passwords, hashes and tokens of accounts appear only where they must."""

import base64
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy
from process.server import Serve
from roster_process import JSONAPI, ROSTER
from waiting import until

from adapters.sql import schema
from adapters.sql.engine import make_engine

FIRST = "wistful-otter-banjo-eclipse"
SECOND = "copper lantern under seven maples"
THIRD = "quietly humming velvet tractors"
WRONG = "this guess is wrong but secret"
SHORT = "zq-short"
GUESSABLE = "password1234"
SALT = "c2FsdHk"
TYPED = {"Content-Type": JSONAPI, "Idempotency-Key": "the-same-key"}


def imported_hash(password: str) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), SALT.encode(), 1000)
    return f"pbkdf2_sha256$1000${SALT}${base64.b64encode(digest).decode()}"


@pytest.fixture(params=[("sqlite_url", "json"), ("postgresql_url", "text")], ids=str)
def setting(request: pytest.FixtureRequest) -> tuple[str, str]:
    url, log_format = request.param
    return request.getfixturevalue(url), log_format


@pytest.fixture
def engine(setting: tuple[str, str]) -> Iterator[sqlalchemy.Engine]:
    engine = make_engine(setting[0])
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


class Visitor:
    """Sends requests, and keeps the responses, the passwords and the tokens."""

    def __init__(self, client: httpx.Client, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self.secrets: set[str] = set()
        self.responses: list[str] = []

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Sends a request whose response must not contain any secret."""
        response = self._client.request(method, path, **options)
        self.responses += [response.text, str(response.headers)]
        return response

    def post(
        self, kind: str, path: str | None = None, bearer: str | None = None, **attributes: str
    ) -> httpx.Response:
        document = {"data": {"type": kind, "attributes": attributes}}
        headers = {**TYPED, **({"Authorization": f"Bearer {bearer}"} if bearer else {})}
        return self.send("POST", f"/api/v1/{path or kind}", json=document, headers=headers)

    def tokens(self, response: httpx.Response) -> Mapping[str, str]:
        """Returns the tokens that a response creates. Only this response may contain them."""
        assert response.status_code in (200, 201), response.text
        body = response.json()
        tokens: Mapping[str, str] = body["data"]["meta"] if "data" in body else body
        self.secrets |= {tokens["access_token"], tokens["refresh_token"]}
        del self.responses[-2:]
        return tokens

    def refresh(self, token: str) -> httpx.Response:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return self.send("POST", "/oauth/token", data=form, headers={"Idempotency-Key": "k"})

    def link_token(self, recipient: str) -> str:
        """Waits for an email, and returns the token of its link."""
        found: list[str] = []

        def arrives() -> bool:
            found[:] = [
                token
                for file in self._folder.glob("*.eml")
                if recipient in (message := message_from_bytes(file.read_bytes()))["To"]
                if (token := _token(message)) and token not in self.secrets
            ]
            return bool(found)

        until(arrives)
        self.secrets.add(found[0])
        return found[0]


def _token(message: Message) -> str:
    text = "".join(str(part.get_payload()) for part in message.walk())
    found = re.search(r"rlt_[\w-]{43}", text.replace("=3D", "="))
    return found[0] if found else ""


def use_everything(visitor: Visitor, admin: str) -> None:
    """Uses each password and token where it belongs, and in all wrong places."""
    for password in (WRONG, FIRST * 300):
        assert visitor.post("sessions", email=admin, password=password).status_code == 401
    tokens = visitor.tokens(visitor.post("sessions", email=admin, password=FIRST))
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    for secret in (FIRST, refresh, access):
        in_wrong_places(visitor, secret, access)
    renewed = visitor.tokens(visitor.refresh(refresh))
    visitor.send("POST", "/oauth/introspect", data={"token": renewed["refresh_token"]})
    form = {"token": access, "token_type_hint": "access_token"}
    visitor.send(
        "POST", "/oauth/introspect", data=form, headers={"Authorization": f"Bearer {access}"}
    )
    for new in (SHORT, GUESSABLE, SECOND):
        visitor.post("passwords", "me/password", access, current_password=FIRST, password=new)
    visitor.post("passwords", "me/password", access, current_password=WRONG, password=THIRD)
    other = visitor.tokens(visitor.post("sessions", email="imported@example.org", password=SECOND))
    in_email = {"email": "new@example.org", "password": SECOND}
    visitor.post("emails", "me/email", other["access_token"], **in_email)
    visitor.post("recoveries", email=admin)
    visitor.post("signups", email="joe@example.org", name="Joe")
    visitor.send("POST", "/api/v1/users/2/invitations", headers={"Authorization": f"B {access}"})
    for recipient in ("new@example.org", "joe@example.org", admin):
        token = visitor.link_token(recipient)
        in_wrong_places(visitor, token, access)
        visitor.post("confirmations", token=token, password=SHORT)
    set_password = visitor.post("confirmations", token=token, password=THIRD)
    assert set_password.status_code == 204, set_password.text
    assert visitor.post("confirmations", token=token, password=THIRD).status_code == 403
    last = visitor.tokens(visitor.post("sessions", email=admin, password=THIRD))
    headers = {"Authorization": f"Bearer {last['access_token']}"}
    for path in ("users", "users/1", "users/1/history", "users/1/account", "users/1/sessions"):
        assert visitor.send("GET", f"/api/v1/{path}", headers=headers).status_code == 200
    for path in ("/metrics", "/openapi.json", "/.well-known/jwks.json", "/account", "/docs"):
        visitor.send("GET", path, headers=headers)


def in_wrong_places(visitor: Visitor, secret: str, access: str) -> None:
    """Sends a secret where it does not belong. No response quotes it."""
    user = {"Authorization": f"Bearer {access}"}
    visitor.post("sessions", email="unknown@example.org", password=secret)
    visitor.post("sessions", email=secret, password=secret)
    visitor.post("recoveries", email=secret)
    visitor.post("confirmations", token=secret)
    visitor.post("emails", "me/email", access, email=secret, password=secret)
    visitor.send("POST", "/api/v1/sessions", content=f'{{"data": "{secret}', headers=TYPED)
    visitor.send("POST", "/oauth/token", content=f'{{"refresh_token": "{secret}"}}')
    visitor.send("POST", "/oauth/token", data={"grant_type": secret, "refresh_token": secret})
    visitor.send("POST", "/oauth/introspect", data={"token": secret})
    for name in ("password", "token", "refresh_token", "access_token"):
        in_query = {"params": {name: secret}, "headers": {**user, **TYPED}}
        for path in ("/api/v1/sessions", "/oauth/token", "/oauth/revoke", "/api/v1/confirmations"):
            visitor.send("POST", path, **in_query)
        visitor.send("GET", "/account", **in_query)
        visitor.send("GET", "/api/v1/users", **in_query)
    visitor.send("GET", f"/api/v1/sessions/{secret}", headers=user)
    visitor.send("DELETE", f"/api/v1/users/2/sessions/{secret}", headers=user)
    visitor.send("GET", f"/{secret}")


def with_failing_tables(visitor: Visitor, engine: sqlalchemy.Engine, admin: str) -> None:
    """Databases quote values in their errors."""
    tokens = visitor.tokens(visitor.post("sessions", email=admin, password=THIRD))
    columns = {"refresh_tokens": "use_time", "sessions": "use_time", "accounts": "login_time"}
    for table, column in columns.items():
        with engine.begin() as connection:
            change = f"ALTER TABLE {table} RENAME COLUMN {column} TO renamed"
            connection.execute(sqlalchemy.text(change))
        assert visitor.refresh(tokens["refresh_token"]).status_code >= 400
        assert visitor.post("sessions", email=admin, password=THIRD).status_code >= 500
    visitor.post("confirmations", token="rlt_unknown", password=THIRD)


def stored(engine: sqlalchemy.Engine) -> bytes:
    """Everything in the database."""
    rows = []
    with engine.connect() as connection:
        for table in sqlalchemy.inspect(engine).get_table_names():
            for row in connection.execute(sqlalchemy.text(f'SELECT * FROM "{table}"')):
                rows += [repr(bytes(v) if isinstance(v, memoryview) else v) for v in row]
    files = Path(engine.url.database or "").parent.glob("*.db*")
    written = [file.read_bytes() for file in files] if engine.dialect.name == "sqlite" else []
    return "\n".join(rows).encode() + b"".join(written)


def roster(environment: Mapping[str, str], *command: str, text: str = "", status: int = 0) -> str:
    """Runs a command, and returns all of its output."""
    result = subprocess.run(
        [ROSTER, *command], env=environment, input=text, capture_output=True, text=True, check=False
    )
    assert result.returncode == status, result.stderr
    return result.stdout + result.stderr


def test_no_secret_is_anywhere_else(
    serve: Serve,
    collector: Any,
    setting: tuple[str, str],
    engine: sqlalchemy.Engine,
    stack: ExitStack,
    tmp_path: Path,
) -> None:
    url, log_format = setting
    admin, keys = "ann@example.org", tmp_path / "keys.json"
    environment = {
        "ROSTER_DATABASE_URL": url,
        "ROSTER_ACCOUNTS": "on",
        "ROSTER_SIGNUP": "on",
        "ROSTER_SIGNING_KEYS": str(keys),
        "ROSTER_MAIL_FOLDER": str(tmp_path / "mail"),
        "ROSTER_ARGON2": "m=7168,t=5,p=1",
        "ROSTER_LOGIN_FAILURES": "1000/1m",
        "ROSTER_ACCOUNT_RATE": "10000/minute",
        "ROSTER_LOG_FORMAT": log_format,
    }
    people, broken = tmp_path / "people.csv", tmp_path / "broken.csv"
    person_hash = imported_hash(SECOND)
    header = "email,name,is_active,password_hash\n"
    people.write_text(f"{header}imported@example.org,Imported,true,{person_hash}\n")
    broken.write_text(f"{header}broken@example.org,Broken,true,$unknown${WRONG}\n")
    output = [roster(environment, "keys", "new", str(keys))]
    output.append(roster(environment, "accounts", "admin", admin, "--stdin", text=FIRST))
    output.append(roster(environment, "users", "import", str(people)))
    output.append(roster(environment, "users", "import", str(broken), status=1))
    server = serve(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **environment)
    client = stack.enter_context(httpx.Client(base_url=server.url, timeout=20))
    visitor = Visitor(client, tmp_path / "mail")
    use_everything(visitor, admin)
    for kind in ("csv", "jsonl"):
        output.append(roster(environment, "users", "export", "--format", kind))
    output.append(roster(environment, "accounts", "show", admin))
    output.append(roster(environment, "keys", "list", str(keys)))
    in_database = stored(engine)
    with engine.connect() as connection:
        hashes = connection.execute(sqlalchemy.text("SELECT password_hash FROM accounts")).scalars()
        stored_hashes = {each for each in hashes if each} | {person_hash}
    with_failing_tables(visitor, engine, admin)
    server.terminate()
    private = {each["d"] for each in json.loads(keys.read_text())["keys"]}
    passwords = {FIRST, SECOND, THIRD, WRONG, SHORT}
    secrets = passwords | visitor.secrets | private
    published = {
        "log": server.log(),
        "responses": "\n".join(visitor.responses),
        "output": "\n".join(output),
        "traces": b"".join(collector.bodies).decode("latin-1"),
    }
    for place, text in published.items():
        assert [each for each in secrets | stored_hashes if each in text] == [], place
    assert [each for each in secrets if each.encode() in in_database] == []
    assert len(visitor.secrets) > 10
    assert any("sessions" in span.name for span in collector.spans())
