"""roster users export on PostgreSQL, which writes the same bytes as Roster does itself."""

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import repeat

import pytest
from click.testing import Result
from roster_process import ROSTER

from adapters.files.writing import WriteOptions, write_csv
from adapters.resources.users import USERS
from adapters.sql.engine import make_engine
from adapters.sql.repository import SqlReader
from adapters.sql.store import SqlStore
from adapters.sql.users import USERS_TABLE
from application.ports import Context
from application.search import Search, walk
from application.users import USER_TYPE
from domain.users import NewUser, User

Roster = Callable[..., Result]

NAMES = (
    "Ann",
    'Ann "A", Example',
    " Cid ",
    r"\N",
    r"\.",
    r"back\slash \t",
    "Bøb 👩‍🚀",
    "NULL",
    '"',
    ",",
    "'",
    "#",
    "-",
    "e\u0301",
    "\u2003x\u00a0",
    "'=1+1",
    "'' \u00a0＠x",
    "'68",
    "'true",
    "'68 x",
    "'t Hooft",
    "=1+1",
)
START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.fixture
def users(roster: Roster, postgresql_url: str) -> list[User]:
    """A user for each name, with times of different fractions."""
    assert roster("db", "upgrade", ROSTER_DATABASE_URL=postgresql_url).exit_code == 0
    engine = make_engine(postgresql_url)
    try:
        for number, name in enumerate(NAMES):
            now = START + timedelta(milliseconds=50 * number)
            with SqlStore(engine, repeat(now).__next__, [USERS_TABLE]).begin(Context()) as work:
                new = NewUser(email=f"u{number}@x.test", name=name, is_active=number % 2 == 0)
                work.repository(USER_TYPE).add(new, at=work.now)
        return list(walk(SqlReader(USERS_TABLE, engine).page, Search()))
    finally:
        engine.dispose()


def test_the_bytes_are_those_that_roster_writes_itself(
    roster: Roster, users: list[User], postgresql_url: str
) -> None:
    expected = b"".join(write_csv(users, USERS))
    assert len(users) == len(NAMES)
    assert [f",'{name},".encode() in expected for name in NAMES[-7:]] == [True] * 4 + [False] * 3
    for session in ("UTC", "Asia/Kolkata"):
        url = f"{postgresql_url}&options=-c%20TimeZone%3D{session.replace('/', '%2F')}"
        done = roster("users", "export", ROSTER_DATABASE_URL=url)
        assert done.exit_code == 0, done.stderr
        assert done.stdout_bytes == expected


@pytest.mark.usefixtures("users")
def test_the_database_writes_chosen_attributes_and_a_byte_order_mark(
    roster: Roster, users: list[User], postgresql_url: str
) -> None:
    fields = ("--fields", "is_active,name", "--bom")
    done = roster("users", "export", *fields, ROSTER_DATABASE_URL=postgresql_url)
    options = WriteOptions(fields={"name", "is_active"}, byte_order_mark=True)
    assert done.stdout_bytes == b"".join(write_csv(users, USERS, options))
    assert done.stdout_bytes.startswith(b"\xef\xbb\xbfid,name,is_active\n1,Ann,true\n")


@pytest.mark.usefixtures("users")
def test_filters_and_sort_orders_apply(roster: Roster, postgresql_url: str) -> None:
    for options, ids in (
        (["--sort", "-id"], [*range(len(NAMES), 0, -1)]),
        (["--filter", "is_active=false"], [*range(2, len(NAMES) + 1, 2)]),
    ):
        done = roster("users", "export", *options, ROSTER_DATABASE_URL=postgresql_url)
        assert [int(line.split(",")[0]) for line in done.stdout.splitlines()[1:]] == ids


@pytest.mark.usefixtures("users")
def test_a_file_that_cannot_be_written_is_one_line(roster: Roster, postgresql_url: str) -> None:
    result = roster(
        "users", "export", "/dev/full", "--format", "csv", ROSTER_DATABASE_URL=postgresql_url
    )
    assert result.exit_code == 1
    assert result.stderr == "Error: file_failed: /dev/full: No space left on device.\n"


def test_a_reader_that_stops_early_causes_no_error(roster: Roster, postgresql_url: str) -> None:
    assert roster("db", "upgrade", ROSTER_DATABASE_URL=postgresql_url).exit_code == 0
    assert roster("demo", "20000", ROSTER_DATABASE_URL=postgresql_url).exit_code == 0
    with subprocess.Popen(
        [ROSTER, "users", "export"],
        env=os.environ | {"ROSTER_DATABASE_URL": postgresql_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b"id,")
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_database_that_is_not_migrated_is_one_line(roster: Roster, postgresql_url: str) -> None:
    result = roster("users", "export", ROSTER_DATABASE_URL=postgresql_url)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: not_migrated: ")
