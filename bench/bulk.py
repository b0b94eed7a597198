"""python -m bench.bulk: compares imports and exports with the databases alone."""

import csv
import json
import os
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import BinaryIO

import click
import psycopg2
from psycopg2.extensions import set_wait_callback

from adapters.files.csv_records import CsvRecords
from adapters.resources.users import USERS
from bench.database import Database, attributes, database
from bench.measuring import timed
from bench.servers import PROGRAM
from domain.attributes import new_entity
from domain.text import fold
from domain.users import NewUser

COLUMNS = (
    "email",
    "email_key",
    "name",
    "name_key",
    "is_active",
    "role",
    "creation_time",
    "update_time",
    "version",
)
USERS_INTO = f"users ({', '.join(COLUMNS)})"
EVENTS_INTO = "events (time, action, subject_type, subject_id, version, changes)"
EXPORTED = "id, email, name, is_active, role, creation_time, update_time"
TIMESTAMP = "2026-11-22 09:30:00.123"

Row = tuple[str | bool | int, ...]


@click.command()
@click.option("--lines", default=1_000_000, show_default=True)
@click.option("--rounds", default=1, show_default=True)
def main(lines: int, rounds: int) -> None:
    """Print the times of imports and exports of users, and their ratios to the databases alone."""
    with tempfile.TemporaryDirectory(prefix="roster-bulk-") as name:
        directory = Path(name)
        people = _people(directory, lines)
        click.echo(f"validation: {_validation_rate(people, lines):,.0f} lines per second and core")
        with database(1) as filled:
            _compare("PostgreSQL in, COPY", rounds, *_into_postgresql(filled, directory, people))
            _compare("PostgreSQL out, COPY", rounds, *_out_of_postgresql(filled, directory))
        _compare("SQLite in, executemany", rounds, *_into_sqlite(directory, people, lines))


def _compare(
    name: str, rounds: int, floor: Callable[[], float], roster: Callable[[], float]
) -> None:
    """Times both in turn, round by round, and prints the medians."""
    measured = [(floor(), roster()) for _ in range(rounds)]
    floors, rosters = zip(*measured, strict=True)
    ratio = median(ours / floor_time for floor_time, ours in measured)
    click.echo(f"{name}: {median(floors):.1f} s; roster: {median(rosters):.1f} s; × {ratio:.2f}")


def _rows(lines: int) -> Iterator[Row]:
    for number in range(1, lines + 1):
        user = attributes(number)
        email, name = user["email"], user["name"]
        keys = (fold(email), fold(name))
        active, role = user["is_active"], user["role"]
        yield (email, keys[0], name, keys[1], active, role, TIMESTAMP, TIMESTAMP, 1)


def _event(number: int, row: Row) -> Row:
    """The event for the creation of the user with that id."""
    values = {"email": row[0], "name": row[2], "is_active": row[4], "role": row[5]}
    changes = json.dumps(
        {name: {"from": None, "to": to} for name, to in values.items()}, ensure_ascii=False
    )
    return (TIMESTAMP, "created", "users", number, 1, changes)


def _people(directory: Path, lines: int) -> Path:
    """Writes the same users as CSV for Roster and as text for COPY, with their events."""
    people = directory / "people.csv"
    with (
        people.open("w", newline="") as file,
        (directory / "users.txt").open("w") as users,
        (directory / "events.txt").open("w") as events,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["email", "name", "is_active", "role"])
        for number, row in enumerate(_rows(lines), 1):
            writer.writerow([row[0], row[2], str(row[4]).lower(), row[5]])
            users.write("\t".join(map(str, row)) + "\n")
            events.write("\t".join(map(str, _event(number, row))).replace("\\", r"\\") + "\n")
    return people


def _validation_rate(people: Path, lines: int) -> float:
    """The number of users that the domain validates per second of CPU time."""
    with people.open("rb") as file:
        records = CsvRecords(file, USERS, ["email", "name"])
        users = [record.attributes for record, _ in zip(records, range(100_000), strict=False)]
    start = time.process_time()
    for each in users:
        new_entity(NewUser, each)
    return min(lines, len(users)) / (time.process_time() - start)


def _roster(url: str, *arguments: object) -> float:
    command = [str(PROGRAM), "users", *map(str, arguments)]
    return timed(
        lambda: subprocess.run(
            command,
            env=os.environ | {"ROSTER_DATABASE_URL": url},
            check=True,
            stdout=subprocess.DEVNULL,
        )
    )


def _into_postgresql(
    filled: Database, directory: Path, people: Path
) -> tuple[Callable[[], float], Callable[[], float]]:
    def empty() -> None:
        filled.execute("TRUNCATE users, events RESTART IDENTITY CASCADE", "CHECKPOINT")

    def floor() -> float:
        empty()
        with (directory / "users.txt").open("rb") as users:
            seconds = timed(lambda: _copy(filled, f"COPY {USERS_INTO} FROM STDIN", users))
        with (directory / "events.txt").open("rb") as events:
            return seconds + timed(lambda: _copy(filled, f"COPY {EVENTS_INTO} FROM STDIN", events))

    def roster() -> float:
        empty()
        return _roster(filled.url, "import", people)

    return floor, roster


def _copy(filled: Database, statement: str, file: BinaryIO) -> None:
    set_wait_callback(None)  # COPY does not work with Roster's callback
    with closing(psycopg2.connect(filled.url)) as connection, connection.cursor() as cursor:
        cursor.copy_expert(statement, file)
        connection.commit()


def _out_of_postgresql(
    filled: Database, directory: Path
) -> tuple[Callable[[], float], Callable[[], float]]:
    filled.execute("VACUUM ANALYZE users")
    out = directory / "out.csv"

    def floor() -> float:
        statement = (
            f"COPY (SELECT {EXPORTED} FROM users ORDER BY id) TO STDOUT (FORMAT csv, HEADER)"
        )
        with out.open("wb") as file:
            return timed(lambda: _copy(filled, statement, file))

    return floor, lambda: _roster(filled.url, "export", out)


def _into_sqlite(
    directory: Path, people: Path, lines: int
) -> tuple[Callable[[], float], Callable[[], float]]:
    file = directory / "roster.db"

    def empty() -> str:
        for each in directory.glob("roster.db*"):
            each.unlink()
        url = f"sqlite:///{file}"
        command = [str(PROGRAM), "db", "upgrade"]
        environment = os.environ | {"ROSTER_DATABASE_URL": url}
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        return url

    def floor() -> float:
        empty()
        rows = list(_rows(lines))
        events = [_event(number, row) for number, row in enumerate(rows, 1)]
        return timed(lambda: _insert(file, {USERS_INTO: rows, EVENTS_INTO: events}))

    return floor, lambda: _roster(empty(), "import", people)


def _insert(file: Path, tables: Mapping[str, list[Row]]) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        for into, rows in tables.items():
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {into} VALUES ({marks})", rows)
        connection.execute("COMMIT")


if __name__ == "__main__":
    main()
