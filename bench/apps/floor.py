"""The floor: what Flask and PostgreSQL allow. One statement a request, nothing checked.

It answers the documents that Roster answers, from Roster's own tables, so far as the scenarios ask
for them, and tells of each change in the table of events, by the very statement that makes it.
Cursors are plain, without the digest that finds damaged ones.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import psycopg2
from flask import Flask, Response, request
from psycopg2.pool import ThreadedConnectionPool

from bench.apps.cursors import cursor_of, id_of
from domain.text import fold

USERS = "/api/v1/users"
COLUMNS = "id, email, name, is_active, role, creation_time, update_time, version"
GET = f"SELECT {COLUMNS} FROM users WHERE id = %s"
LIST = f"SELECT {COLUMNS} FROM users WHERE id > %s ORDER BY id LIMIT %s"
BY_EMAIL = f"SELECT {COLUMNS} FROM users WHERE email_key = %s ORDER BY id LIMIT %s"
EVENT = "INSERT INTO events (time, action, subject_type, subject_id, version, changes)"
ADD = (
    "WITH made AS (INSERT INTO users (email, email_key, name, name_key, is_active, role,"
    " creation_time, update_time, version) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 1)"
    f" RETURNING {COLUMNS}),"
    f" told AS ({EVENT} SELECT update_time, 'created', 'users', id, version, %s FROM made)"
    f" SELECT {COLUMNS} FROM made"
)
RENAME = (
    "WITH before AS (SELECT id, name FROM users WHERE id = %s AND version = %s),"
    " made AS (UPDATE users SET name = %s, name_key = %s, update_time = %s, version = version + 1"
    f" WHERE id = %s AND version = %s RETURNING {COLUMNS}),"
    f" told AS ({EVENT} SELECT made.update_time, 'changed', 'users', id, version,"
    " json_build_object('name', json_build_object('from', before.name, 'to', made.name))"
    f" FROM made JOIN before USING (id)) SELECT {COLUMNS} FROM made"
)

app = Flask(__name__, static_folder=None)


class Connection(psycopg2.extensions.connection):
    """One on which each statement stands alone."""

    def __init__(self, dsn: str, *options: Any, **more: Any) -> None:
        super().__init__(dsn, *options, **more)
        self.autocommit = True


pool = ThreadedConnectionPool(
    10, 10, os.environ["ROSTER_DATABASE_URL"], connection_factory=Connection
)


@contextmanager
def cursor() -> Iterator[Any]:
    connection = pool.getconn()
    try:
        with connection.cursor() as opened:
            yield opened
    finally:
        pool.putconn(connection)


def one(statement: str, values: Sequence[object]) -> Any:
    with cursor() as opened:
        opened.execute(statement, values)
        return opened.fetchone()


def instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")[:-6] + "Z"


def resource(row: Sequence[Any]) -> dict[str, Any]:
    return {
        "type": "users",
        "id": str(row[0]),
        "attributes": {
            "email": row[1],
            "name": row[2],
            "is_active": row[3],
            "role": row[4],
            "creation_time": instant(row[5]),
            "update_time": instant(row[6]),
        },
        "links": {"self": f"{USERS}/{row[0]}"},
    }


def document(data: object, links: dict[str, Any]) -> bytes:
    links["describedby"] = "/openapi.json"
    return orjson.dumps({"jsonapi": {"version": "1.1"}, "links": links, "data": data})


def answer(body: bytes, etag: object, status: int = 200, **headers: str) -> Response:
    headers |= {
        "Content-Type": "application/vnd.api+json",
        "ETag": f'"{etag}"',
        "Vary": "Accept",
    }
    return Response(body, status, headers)


def single(row: Sequence[Any], status: int = 200, **headers: str) -> Response:
    return answer(document(resource(row), {"self": f"{USERS}/{row[0]}"}), row[7], status, **headers)


@app.get(f"{USERS}/<int:user_id>")
def show(user_id: int) -> Response:
    return single(one(GET, (user_id,)))


@app.get(USERS)
def listed() -> Response:
    sent = request.args
    size = int(sent.get("page[size]", 25))
    after = sent.get("page[after]")
    email = sent.get("filter[email]")
    with cursor() as opened:
        if email is None:
            opened.execute(LIST, (id_of(after) if after else 0, size + 1))
        else:
            opened.execute(BY_EMAIL, (fold(email), size + 1))
        rows = opened.fetchall()
    more, rows = len(rows) > size, rows[:size]
    data = [{**resource(row), "meta": {"page": {"cursor": cursor_of(row[0])}}} for row in rows]
    kept = [pair for pair in sent.items() if pair[0] not in ("page[after]", "page[before]")]
    links = {
        "self": f"{USERS}?{quote(request.query_string, safe='%&=[],@')}",
        "first": link(kept),
        "prev": link([*kept, ("page[before]", cursor_of(rows[0][0]))]) if after else None,
        "next": link([*kept, ("page[after]", cursor_of(rows[-1][0]))]) if more else None,
    }
    body = document(data, links)
    return answer(body, blake2b(body, digest_size=8).hexdigest())


def link(pairs: list[tuple[str, str]]) -> str:
    return f"{USERS}?{urlencode(pairs)}"


@app.post(USERS)
def create() -> Response:
    sent = orjson.loads(request.get_data())["data"]["attributes"]
    email, name, now = sent["email"], sent["name"], datetime.now(UTC)
    active, role = sent.get("is_active", False), sent.get("role", "user")
    given = {"email": email, "name": name, "is_active": active, "role": role}
    changes = orjson.dumps({each: {"from": None, "to": to} for each, to in given.items()}).decode()
    row = one(ADD, (email, fold(email), name, fold(name), active, role, now, now, changes))
    return single(row, 201, Location=f"{USERS}/{row[0]}")


@app.patch(f"{USERS}/<int:user_id>")
def rename(user_id: int) -> Response:
    name = orjson.loads(request.get_data())["data"]["attributes"]["name"]
    version = int(request.headers["If-Match"].strip('"'))
    which = (user_id, version)
    row = one(RENAME, (*which, name, fold(name), datetime.now(UTC), *which))
    return single(row) if row else Response(status=412)
