"""People with imported passwords use their accounts at the same time, through two workers."""

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import psycopg2
import pytest
from end_to_end.staff import (
    API,
    MAX_FAILURES,
    REJECTED_WITHIN,
    EndedToken,
    Mailbox,
    Person,
    Staff,
    hire,
    write_people,
)
from process.server import Server
from roster_process import ROSTER
from waiting import until

CLIENTS = 8
SCALES = [
    pytest.param(70, id="70"),
    pytest.param(2_000, id="2000", marks=pytest.mark.long),
]
ADMIN, ADMIN_PASSWORD = "admin@example.org", "granite walrus sings at noon"
SETTINGS = {
    "ROSTER_ACCOUNTS": "on",
    "ROSTER_WORKERS": "2",
    "ROSTER_TRUSTED_PROXIES": "1",
    "ROSTER_ACCOUNT_RATE": "100000/minute",
    "ROSTER_LOGIN_FAILURES": f"{MAX_FAILURES}/15m",
}


@pytest.fixture(params=["sqlite_url", "postgresql_url"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    return {
        **SETTINGS,
        "ROSTER_DATABASE_URL": request.getfixturevalue(request.param),
        "ROSTER_MAIL_FOLDER": f"{tmp_path}/emails",
        "ROSTER_SIGNING_KEYS": f"{tmp_path}/keys.json",
    }


def run(settings: dict[str, str], *arguments: str, **options: Any) -> str:
    """Runs a command that succeeds, and returns its output."""
    done = subprocess.run(
        [ROSTER, *arguments],
        env=settings,
        check=False,
        capture_output=True,
        text=True,
        **options,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def people(
    request: pytest.FixtureRequest, settings: dict[str, str], tmp_path: Path
) -> list[Person]:
    """The imported people, on a database with an administrator."""
    hired = [hire(number) for number in range(request.param)]
    file = tmp_path / "people.csv"
    write_people(hired, file)
    run(settings, "db", "upgrade")
    run(settings, "keys", "new", settings["ROSTER_SIGNING_KEYS"])
    assert run(settings, "users", "import", str(file)).startswith(f"{len(hired)} created")
    run(settings, "accounts", "admin", ADMIN, "--stdin", input=f"{ADMIN_PASSWORD}\n")
    return hired


@pytest.fixture
def server(settings: dict[str, str], people: list[Person], tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path, **settings)
    running.wait_until_ready()
    yield running
    running.stop()


@pytest.mark.parametrize("people", SCALES, indirect=True)
def test_imported_people_use_their_accounts_at_the_same_time(
    settings: dict[str, str], people: list[Person], server: Server
) -> None:
    with (
        httpx.Client(base_url=server.url, timeout=60) as client,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        staff = Staff(client, Mailbox(Path(settings["ROSTER_MAIL_FOLDER"])), "")
        attributes = {"email": ADMIN, "password": ADMIN_PASSWORD}
        admin = staff.send("POST", "/sessions", attributes, status=201)["data"]["meta"]
        staff.admin_token = admin["access_token"]
        list(pool.map(staff.act, people))
        assert staff.ended
        list(pool.map(lambda each: assert_rejected(client, each), staff.ended))
        by_every_worker = max(each.time for each in staff.ended) + REJECTED_WITHIN
        until(lambda: monotonic() > by_every_worker, within=2 * REJECTED_WITHIN)
        for each in staff.ended:
            assert status_of(client, each.token) == 401
    assert_stored(settings, people)


def status_of(client: httpx.Client, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Connection": "close"}
    return client.get(f"{API}/me", headers=headers).status_code


def assert_rejected(client: httpx.Client, ended: EndedToken) -> None:
    remaining = max(0, ended.time + REJECTED_WITHIN - monotonic())
    until(lambda: status_of(client, ended.token) == 401, within=remaining + 0.1)


def assert_stored(settings: dict[str, str], people: list[Person]) -> None:
    """Everyone who logged in has a new hash, and nothing is left of those who were erased."""
    statement = (
        "SELECT u.email, a.password_hash FROM users u, accounts a "
        "WHERE a.user_id = u.id AND a.password_hash IS NOT NULL"
    )
    hashes: dict[str, str] = dict(query(settings, statement))
    for each in people:
        if each.logged_in and not each.erased:
            assert hashes[each.email].startswith("$argon2id$v=19$m=19456,t=2,p=1$"), each
    dump = content(settings)
    for each in people:
        is_stored = each.email.encode() in dump or each.name.encode() in dump
        assert is_stored is not each.erased, each
    assert query(settings, "SELECT count(*) FROM accounts WHERE user_id NOT IN "
                 "(SELECT id FROM users)") == [(0,)]  # fmt: skip
    shown = json.loads(run(settings, "accounts", "show", people[0].email, "--json"))
    assert shown["data"]["attributes"]["has_password"] is True


def query(settings: dict[str, str], statement: str) -> list[tuple[Any, ...]]:
    url = settings["ROSTER_DATABASE_URL"]
    connect = sqlite3.connect if url.startswith("sqlite") else psycopg2.connect
    with closing(connect(url.removeprefix("sqlite:///"))) as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall()


def content(settings: dict[str, str]) -> bytes:
    """The files of an SQLite database, or all rows of all tables of a PostgreSQL database."""
    url = settings["ROSTER_DATABASE_URL"]
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        return b"".join(each.read_bytes() for each in file.parent.glob(f"{file.name}*"))
    tables = query(settings, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = (query(settings, f'SELECT * FROM "{name}"') for (name,) in tables)
    return "\n".join(map(str, rows)).encode()
