"""The floor: the fastest way to handle these requests with Flask and PostgreSQL.

This application serves the documents that the scenarios need, from Roster's tables. The documents
equal Roster's. One statement makes a change and records it in the audit log. The application
validates nothing, and takes every known shortcut:

- Each thread has its own connection with prepared statements. Each request executes one statement.
- PostgreSQL sends ids, booleans and timestamps as the text that JSON needs. This does not cost
  PostgreSQL more, and Python converts nothing.
- A document is one template. A cursor is an unprotected id.
- A query string is parsed once.
- Flask has only the parts that handle a request: `adapters.web.flask_app`.
"""

import gc
import os
import threading
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring as quoted
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import orjson
import psycopg2
from flask import Response

from adapters.web.flask_app import App, PreparedResponse, current_request
from domain.text import fold

USERS = "/api/v1/users"
FIELDS = (
    "id::text, email, name, is_active::text, role,"
    " to_json(creation_time AT TIME ZONE 'UTC')::text,"
    " to_json(update_time AT TIME ZONE 'UTC')::text"
)
COLUMNS = f"{FIELDS}, version"
NOW = "date_trunc('milliseconds', now())"
USER = (
    "INSERT INTO users (email, email_key, name, name_key, is_active, role,"
    f" creation_time, update_time, version) VALUES ($1, $2, $3, $4, $5, $6, {NOW}, {NOW}, 1)"
)
EVENT = "INSERT INTO events (time, action, subject_type, subject_id, version, changes)"
STATEMENTS = {
    "read(bigint)": f"SELECT {COLUMNS} FROM users WHERE id = $1",
    "list(bigint, bigint)": (
        f"SELECT {FIELDS} FROM users WHERE id > $1 ORDER BY users.id LIMIT $2"
    ),
    "list_by_email(text, bigint)": (
        f"SELECT {FIELDS} FROM users WHERE email_key = $1 ORDER BY users.id LIMIT $2"
    ),
    "add(text, text, text, text, boolean, text, text)": (
        f"WITH created AS ({USER} RETURNING *),"
        f" event AS ({EVENT} SELECT update_time, 'created', 'users', id, version, $7 FROM created)"
        f" SELECT {COLUMNS} FROM created"
    ),
    "rename(bigint, bigint, text, text)": (
        "WITH before AS (SELECT id, name FROM users WHERE id = $1 AND version = $2),"
        f" changed AS (UPDATE users SET name = $3, name_key = $4, update_time = {NOW},"
        " version = version + 1 WHERE id = $1 AND version = $2 RETURNING *),"
        f" event AS ({EVENT} SELECT changed.update_time, 'changed', 'users', id, version,"
        " json_build_object('name', json_build_object('from', before.name, 'to', changed.name))"
        f" FROM changed JOIN before USING (id)) SELECT {COLUMNS} FROM changed"
    ),
}
JSON_API = [("Content-Type", "application/vnd.api+json"), ("Vary", "Accept")]
NEW_OBJECTS = 20_000
"""The number of new objects between two garbage collections.

With the default, collections take 7 % of the time.
"""

Row = Sequence[Any]
app = App(__name__)


class Session(threading.local):
    """The connection of a thread, with its prepared statements and its cursor."""

    def __init__(self) -> None:
        connection = psycopg2.connect(os.environ["ROSTER_DATABASE_URL"])
        connection.autocommit = True
        self.cursor = connection.cursor()
        self.execute = self.cursor.execute
        for signature, statement in STATEMENTS.items():
            self.execute(f"PREPARE {signature} AS {statement}")

    def row(self, statement: str, values: Sequence[object] | None = None) -> Any:
        """Executes a statement. Returns the first row, or None."""
        self.execute(statement, values)
        return self.cursor.fetchone()


session = Session()


class Query(NamedTuple):
    """A parsed query string. `shared` is the part that is the same for all pages of a list."""

    size: int
    after: str | None
    email: str | None
    shared: str


@lru_cache(256)
def parse(query: str) -> Query:
    """Parses a query string."""
    size, after, email, shared = 25, None, None, []
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        name = unquote_plus(name)
        if name == "page[after]":
            after = value
            continue
        shared.append(part)
        if name == "page[size]":
            size = int(value)
        elif name == "filter[email]":
            email = unquote_plus(value)
    return Query(size, after, email, "&".join(shared))


def timestamp(quoted_text: str) -> str:
    """Adds the zeros and the Z that PostgreSQL omits to a timestamp in JSON."""
    if len(quoted_text) == 25:
        return f'{quoted_text[:-1]}Z"'
    seconds, _, fraction = quoted_text[:-1].partition(".")
    return f'{seconds}.{fraction:0<3}Z"'


def resource(row: Row) -> str:
    """The resource object without its closing brace. No character of a role needs an escape."""
    key, email, name, is_active, role, creation_time, update_time = row[:7]
    return (
        f'{{"type":"users","id":"{key}","attributes":{{"email":{quoted(email)},'
        f'"name":{quoted(name)},"is_active":{is_active},"role":"{role}",'
        f'"creation_time":{timestamp(creation_time)},"update_time":{timestamp(update_time)}}},'
        f'"relationships":{{"groups":{{"links":{{"self":"{USERS}/{key}/relationships/groups",'
        f'"related":"{USERS}/{key}/groups"}}}}}},"links":{{"self":"{USERS}/{key}"}}'
    )


def single(row: Row, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Response:
    """The response with one user."""
    body = (
        f'{{"jsonapi":{{"version":"1.1"}},"links":{{"self":"{USERS}/{row[0]}",'
        f'"describedby":"/openapi.json"}},"data":{resource(row)}}}}}'
    )
    etag = ("ETag", f'"{row[7]}"')
    return PreparedResponse(body.encode(), status, [*JSON_API, etag, *headers])


@app.get(f"{USERS}/<int:user_id>")
def read(user_id: int) -> Response:
    """Reads a user."""
    return single(session.row(f"EXECUTE read({user_id})"))


@app.get(USERS)
def list_users() -> Response:
    """Lists users by id, or finds a user by email."""
    query: str = current_request().environ["QUERY_STRING"]
    size, after, email, shared = parse(query)
    if email is None:
        session.execute(f"EXECUTE list({int(after or 0)}, {size + 1})")
    else:
        session.execute("EXECUTE list_by_email(%s, %s)", (fold(email), size + 1))
    rows = session.cursor.fetchall()
    following = rows[size - 1][0] if len(rows) > size else None
    del rows[size:]
    data = ",".join(
        [f'{resource(row)},"meta":{{"page":{{"cursor":"{row[0]}"}}}}}}' for row in rows]
    )
    preceding = rows[0][0] if after and rows else None
    body = (
        f'{{"jsonapi":{{"version":"1.1"}},"links":{{"self":{url(query)},"first":{url(shared)},'
        f'"prev":{link(shared, "before", preceding)},"next":{link(shared, "after", following)},'
        f'"describedby":"/openapi.json"}},"data":[{data}]}}'
    ).encode()
    etag = ("ETag", f'"{sha256(body, usedforsecurity=False).hexdigest()[:16]}"')
    return PreparedResponse(body, 200, [*JSON_API, etag])


def url(query: str) -> str:
    """The JSON of the URL of a list."""
    return quoted(f"{USERS}?{query}" if query else USERS)


def link(shared: str, direction: str, cursor: str | None) -> str:
    """The JSON of the URL of an adjacent page."""
    if cursor is None:
        return "null"
    joined = f"{shared}&" if shared else ""
    return url(f"{joined}page%5B{direction}%5D={cursor}")


def attributes() -> dict[str, Any]:
    """The attributes in the body of the request."""
    body = current_request().environ["wsgi.input"].read()
    sent: dict[str, Any] = orjson.loads(body)["data"]["attributes"]
    return sent


@app.post(USERS)
def create() -> Response:
    """Creates a user."""
    sent = attributes()
    email, name = sent["email"], sent["name"]
    is_active, role = sent.get("is_active", False), sent.get("role", "user")
    values = {"email": email, "name": name, "is_active": is_active, "role": role}
    changes = {attribute: {"from": None, "to": value} for attribute, value in values.items()}
    row = session.row(
        "EXECUTE add(%s, %s, %s, %s, %s, %s, %s)",
        (email, fold(email), name, fold(name), is_active, role, orjson.dumps(changes).decode()),
    )
    return single(row, 201, [("Location", f"{USERS}/{row[0]}")])


@app.patch(f"{USERS}/<int:user_id>")
def rename(user_id: int) -> Response:
    """Changes the name of a user if the version in If-Match is current."""
    name = attributes()["name"]
    version = int(current_request().environ["HTTP_IF_MATCH"].strip('"'))
    row = session.row(f"EXECUTE rename({user_id}, {version}, %s, %s)", (name, fold(name)))
    return single(row) if row else PreparedResponse(b"", 412, [])


gc.collect()
gc.freeze()
gc.set_threshold(NEW_OBJECTS)
