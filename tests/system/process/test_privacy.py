"""No log, metric or trace contains an email, a name or the stored secret."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import jwt
import pytest
import sqlalchemy
from process.server import Serve
from roster_process import ATOMIC, JSONAPI, OPERATIONS, SECRET, USERS

from adapters.sql import schema
from adapters.sql.engine import make_engine

PEOPLE = [
    ("ann.private@example.org", "Ann Secretive"),
    ("o'brien+x@example.org", "Zoë Ünique"),
    ("jürgen@exämple.org", "Jürgen Größer"),
    ("ａwide@example.org", "Ｗide Person"),
]

DEPENDENT_TABLES = [
    "memberships",
    "groups",
    "refresh_tokens",
    "sessions",
    "accounts",
    "login_networks",
    "emailed_links",
    "outbox",
]
"""The tables that must be dropped before the table of users."""

# Databases quote values in their errors for a constraint that Roster does not know, and for
# missing columns.
CHANGES = [
    "CREATE UNIQUE INDEX names ON users (name)",
    "ALTER TABLE users RENAME COLUMN email_key TO mail_key",
    "ALTER TABLE users RENAME COLUMN email TO mail",
    *(f"DROP TABLE {name}" for name in DEPENDENT_TABLES),
    "DROP TABLE users",
]


def document(email: str, name: str, **more: Any) -> bytes:
    attributes = {"email": email, "name": name}
    return json.dumps({"data": {"type": "users", "attributes": attributes, **more}}).encode()


def operations(email: str, name: str) -> bytes:
    one = json.loads(document(email, name))["data"]
    added = {"op": "add", "href": USERS, "data": one}
    return json.dumps({"atomic:operations": [added, added]}).encode()


def requests(email: str, name: str) -> Iterator[tuple[str, str, bytes | None, dict[str, str]]]:
    """Valid and invalid requests with the email in every place: method, URL, body, headers."""
    in_url, users = quote(email), USERS
    typed = {"Content-Type": JSONAPI}
    yield "POST", users, document(email, name), typed
    yield "POST", users, document(email, name), typed
    yield "POST", users, document(email, name)[:-5], typed
    yield "POST", users, document(email, "\x00"), typed
    yield "POST", users, document(f"{email}@{email}", name), typed
    yield "POST", users, document(email, name, id="7"), typed
    yield "POST", users, document(email, name), {"Content-Type": f"text/{email}"}
    yield "POST", users, document(email, name), {**typed, "Idempotency-Key": f'"{in_url}"'}
    yield "POST", OPERATIONS, operations(email, name), {"Content-Type": ATOMIC}
    yield "PATCH", f"{users}/1", document(email, name, id="1"), typed
    yield "PATCH", f"{users}/1", document(email, name, id="2"), typed
    yield "PATCH", f"{users}/1", document(email, name, id="1"), {**typed, "If-Match": f'"{in_url}"'}
    for path in (f"/{in_url}", f"{users}/{in_url}", f"{users}/{in_url}.json", f"/docs/{in_url}"):
        yield "GET", path, None, {}
        yield "DELETE", quote(path), None, {}
    plain = name.encode("ascii", "ignore").decode().replace(" ", "-")
    for path in (f"{users}/{plain}", f"/reset-password/{plain}", f"/docs/{plain}"):
        yield "GET", path, None, {"X-Request-ID": plain}
    yield plain.upper(), users, None, {}
    for operation in ("", "[eq]", "[contains]", "[nonsense]", "[lt]"):
        yield "GET", f"{users}?filter[email]{operation}={in_url}", None, {}
    yield "GET", f"{users}?{in_url}={in_url}&sort={in_url}", None, {}
    yield "GET", f"{users}?page[after]={in_url}", None, {}
    yield "GET", users, None, {"Accept": f"text/{in_url}"}
    yield "GET", users, None, {"Authorization": f"Bearer {in_url}"}
    yield "GET", users, None, {"X-Request-ID": email.encode().decode("latin-1")}
    yield "GET", users, None, {"traceparent": in_url, "tracestate": f"a={in_url}"}
    yield "GET", users, None, {"User-Agent": in_url, "Referer": f"http://a/{in_url}"}
    yield f"X-{in_url.replace('%', '')}", users, None, {"Origin": f"http://{in_url}"}


def stored_secret(engine: sqlalchemy.Engine) -> set[bytes]:
    """The possible spellings of the key of cursors, in lower case."""
    with engine.connect() as connection:
        value = bytes(connection.execute(sqlalchemy.text("SELECT value FROM secrets")).scalar_one())
    written = (value.hex(), base64.b64encode(value).decode(), repr(value)[2:-1])
    return {form.lower().encode() for form in written} | {value.lower()}


def forms(email: str) -> set[bytes]:
    """The possible spellings of the email, in lower case."""
    local, _, domain = email.partition("@")
    written = {email, quote(email), quote(email, safe=""), quote(quote(email, safe=""))}
    written.add(email.encode("ascii", "ignore").decode().replace(" ", "-"))
    written |= {json.dumps(email)[1:-1], repr(email)[1:-1], f"{local}%40{domain}"}
    return {form.lower().encode() for form in written}


@pytest.fixture
def token() -> str:
    claims = {"exp": 2**40, "scope": "users:read users:write", "sub": "a-program"}
    return jwt.encode(claims, SECRET)


@pytest.fixture(params=["sqlite_url", "postgresql_url", "mariadb_url"])
def engine(request: pytest.FixtureRequest) -> Iterator[sqlalchemy.Engine]:
    """A migrated database, which the test can change while the service runs."""
    engine = make_engine(request.getfixturevalue(request.param))
    schema.upgrade(engine)
    yield engine
    engine.dispose()


def test_no_email_is_in_any_log_metric_or_trace(
    serve: Serve, collector: Any, token: str, engine: sqlalchemy.Engine
) -> None:
    server = serve(
        "--workers", "2",
        ROSTER_DATABASE_URL=engine.url.render_as_string(hide_password=False),
        ROSTER_JWT_SECRET=SECRET,
        ROSTER_RATE_LIMIT="5000/minute",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
    )  # fmt: skip
    statuses, typed = set(), {"Content-Type": JSONAPI}
    secret = stored_secret(engine)
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as client:
        for email, name in PEOPLE:
            for method, url, body, headers in requests(email, name):
                sent = {key.encode(): value.encode() for key, value in headers.items()}
                response = client.request(method, url, content=body, headers=sent)
                statuses.add(response.status_code)
        listed = client.get(USERS, params={"filter[email]": PEOPLE[0][0]}).json()
        assert client.get(USERS, params={"sort": "email"}).status_code == 200
        for change in CHANGES:
            with engine.begin() as connection:
                connection.execute(sqlalchemy.text(change))
            for path in (f"filter[email]={quote(PEOPLE[1][0])}", f"fields[users]={PEOPLE[0][1]}"):
                statuses.add(client.get(f"{USERS}?{path}").status_code)
            created = document("new@example.org", "Ann Secretive")
            response = client.post(USERS, content=created, headers=typed)
            statuses.add(response.status_code)
        metrics = client.get("/metrics").content
    assert listed["data"][0]["attributes"]["email"] == PEOPLE[0][0]  # the emails were stored
    faults = {500, 503} & statuses
    assert faults
    expected = {200, 201, 400, 401, 403, 404, 405, 406, 409, 412, 415, 422}
    assert statuses - faults == expected
    server.terminate()
    assert len(server.logged("request")) > len(PEOPLE) * 30
    assert any(span.name == f"POST {USERS}" for span in collector.spans())
    published = b"\n".join((server.log().encode(), metrics, *collector.bodies)).lower()
    for email, name in [*PEOPLE, ("new@example.org", "Ann Secretive")]:
        for form in forms(email) | forms(name) | secret:
            assert form not in published


def test_the_log_shows_routes_and_no_text_of_a_client(serve: Serve) -> None:
    server = serve(ROSTER_DATABASE_URL="memory://")
    for path in ("/api/v1/users/Ann-Secretive", "/reset-password/SECRET", "/api/v1/users/7"):
        server.get(path, headers={"X-Request-ID": "Bob.Secretive"})
    server.get("/docs/Ann-Secretive")
    httpx.request("ANN-SECRETIVE", f"{server.url}{USERS}", timeout=20)
    server.terminate()
    logged = [(line["method"], line["route"], line["status"]) for line in server.logged("request")]
    assert [line for line in logged if line[1] != "/readyz"] == [
        ("GET", "_OTHER", 404),
        ("GET", "_OTHER", 404),
        ("GET", "/api/v1/users/{user_id}", 404),
        ("GET", "/docs/{name}", 404),
        ("_OTHER", "_OTHER", 405),
    ]
    assert "secret" not in server.log().lower()
    assert all("principal" not in line for line in server.logged("request"))


def test_the_log_distinguishes_principals_without_their_names(serve: Serve) -> None:
    server = serve("--workers", "2", ROSTER_JWT_SECRET=SECRET, ROSTER_DATABASE_URL="sqlite:///a.db")
    subjects = ["ann.private@example.org", "bob", None]
    for subject in subjects * 8:
        claims = {"exp": 2**40, "scope": "users:read", **({"sub": subject} if subject else {})}
        headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET)}"}
        assert server.get(USERS, headers=headers).status_code == 200
    assert server.get(USERS).status_code == 401
    server.terminate()
    lines = [line for line in server.logged("request") if line["route"] == USERS]
    hashes: list[Any] = [line.get("principal") for line in lines]
    assert hashes == [*hashes[:3] * 8, None]  # the same in all workers
    assert len(set(hashes)) == 4
    assert all(re.fullmatch("[0-9a-f]{12}", each) for each in hashes[:-1])
    assert "ann.private" not in server.log()
