"""After an erasure, no table and no file contains the person's values, on every store."""

import importlib
import json
import os
import pkgutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from threading import Event as Signal
from time import monotonic
from typing import Any

import pytest
from contract.stores.directories import ANONYMOUS, Directory
from sqlalchemy import Engine, event, inspect, text, update

import adapters.sql
from adapters.sql import schema
from adapters.sql.engine import make_engine
from adapters.sql.idempotency import ANSWERS
from adapters.sql.metadata import METADATA
from adapters.sql.purge import StillRead, TooLittleSpace
from adapters.sql.store import SqlStore
from application.access import Principal
from application.audit import Event, History
from application.bulk_commands import BulkCommands
from application.commands import Commands
from application.deadlines import deadline
from application.idempotency import IdempotentRequest, run_idempotently
from application.ports import (
    IDEMPOTENCY_TTL,
    Context,
    ResponseErased,
    StoredResponse,
    Unavailable,
    UnitOfWork,
    UnitRunner,
)
from application.search import Search
from application.units import retrying
from application.users import USER_TYPE
from domain.accounts import (
    Account,
    EmailedLink,
    Purpose,
    RefreshToken,
    Session,
    Template,
    WaitingEmail,
)
from domain.attributes import StaleVersion
from domain.users import EmailTaken, NewUser, User, UserChanges, UserNotFound

SCOPES = frozenset({"users:read", "users:write", "users:erase"})
EMAIL, FORMER = "Needle.Ünique@example.org", "former.needle@example.org"
NAME, FORMER_NAME = 'Needle "Ö" O\'Brien', "FormerNeedle"
SUBJECT, REQUEST = "subject-needle", "request-needle"
NEEDLE = "needle"

REGISTRY = {
    "users": "the row of the person",
    "events": "changes, actors and request ids of the person's events",
    "groups": "has the id of its owner; its texts are about the group",
    "memberships": "has ids only",
    "event_positions": "has numbers only",
    "answers": "bodies and headers of responses that contain the person",
    "answer_totals": "has digests and numbers only",
    "answer_subjects": "has digests, types and ids only",
    "secrets": "has the key of cursors only",
    "roster_version": "has a revision only",
    "accounts": "a password hash",
    "login_networks": "networks from which the person logged in",
    "sessions": "addresses and user agents of the person's clients",
    "refresh_tokens": "has digests, ids and times only",
    "emailed_links": "addresses and the name at sign-up",
    "outbox": "addresses and the name at sign-up",
    "counters": "has digests and times only",
    "revocations": "has ids and times only",
}
"""How values of a person get into each table, or why they can't. `write_person` writes the former
into all of them; extend it with each new table."""


def import_all_tables() -> None:
    for module in pkgutil.iter_modules(adapters.sql.__path__):
        importlib.import_module(f"adapters.sql.{module.name}")


def principal(subject: str) -> Context:
    return Context(Principal("key_set", "https://issuer.test/", subject, SCOPES), REQUEST)


def history(directory: Directory, user_id: int) -> tuple[Event, ...]:
    users = History(USER_TYPE, directory.events, directory.reader.get)
    return users.page(user_id, Search(users.about(user_id)), None).items


def send(
    directory: Directory, key: str, handler: Callable[[UnitRunner], StoredResponse]
) -> StoredResponse:
    run = retrying(directory.begin)
    rejected = StoredResponse(409, {"X": NAME}, NAME.encode(), frozenset())
    return run_idempotently(
        run, IdempotentRequest(key, "d", "o"), ANONYMOUS, handler, lambda _: rejected
    )


def containing(*users: User) -> StoredResponse:
    """A response that contains users, as documents are encoded."""
    document = json.dumps([user._asdict() for user in users], default=str, ensure_ascii=False)
    subjects = frozenset((USER_TYPE.name, user.id) for user in users)
    return StoredResponse(200, {"Location": users[0].email}, document.encode(), subjects)


def write_person(directory: Directory) -> tuple[int, int]:
    """Writes a person's values everywhere.

    Returns the ids of the person and of another user, which the person changed.
    """
    bystander = directory.add("bystander@example.org", "Bystander")

    def create(run: UnitRunner) -> StoredResponse:
        new = NewUser(email=FORMER, name=FORMER_NAME)
        return containing(Commands(USER_TYPE, run).create(new, principal(FORMER)))

    def read(run: UnitRunner) -> StoredResponse:
        """Returns two unchanged users in one response."""
        commands = Commands(USER_TYPE, run)
        users = (commands.change(each, UserChanges({}), ANONYMOUS) for each in (1 + person, person))
        return containing(*users)

    send(directory, "create", create)
    (person,) = (u.id for u in directory.reader.page(Search()).items if u.email == FORMER)
    another = directory.add("another@example.org", "Another")
    assert another.id == person + 1
    changes = UserChanges({"email": EMAIL, "name": NAME})
    directory.commands.change(person, changes, principal(EMAIL))
    send(directory, "read", read)
    for number, actor in enumerate((EMAIL.upper(), FORMER, NAME, SUBJECT)):
        role = UserChanges({"role": f"role{number}"})
        directory.commands.change(bystander.id, role, principal(actor))
    with directory.begin(ANONYMOUS) as work:
        write_account(work, person, bystander.id)
    return person, bystander.id


def write_account(work: UnitOfWork, person: int, other: int) -> None:
    """Writes the login data, a session, links and emails of the person.

    Another user has requested the address of the person, before the person had it.
    """
    now, expiry = work.now, work.now + timedelta(days=1)
    records = work.accounts
    records.accounts.save(Account(person, NEEDLE, now, now, now))
    records.accounts.remember_network(person, NEEDLE, at=now)
    session = Session(f"session-{person:08}", person, now, now, expiry, NEEDLE, NEEDLE)
    records.sessions.add(session)
    records.sessions.add_token(RefreshToken(bytes(32), session.id, now))
    purposes = {Purpose.RECOVERY: person, Purpose.SIGNUP: None, Purpose.EMAIL: other}
    for number, (purpose, user_id) in enumerate(purposes.items()):
        name = None if user_id else NAME
        link = EmailedLink(bytes([number]) * 32, purpose, user_id, EMAIL, name, now, expiry)
        records.links.add(link)
        template = Template(purpose.value)
        email = WaitingEmail(0, template, user_id, EMAIL, name, f"{number}@roster", now)
        records.outbox.add(email, at=now)
    write_signup(work, FORMER)


def write_signup(work: UnitOfWork, address: str) -> None:
    """Writes a link and an email of a sign-up with an address that no user has."""
    now, expiry = work.now, work.now + timedelta(days=1)
    digest = sha256(address.encode()).digest()
    records = work.accounts
    records.links.add(EmailedLink(digest, Purpose.SIGNUP, None, address, NAME, now, expiry))
    email = WaitingEmail(0, Template.SIGNUP, None, address, NAME, "signup@roster", now)
    records.outbox.add(email, at=now)


def contents(directory: Directory) -> dict[str, str]:
    """The whole content of the store, by table."""
    if directory.database is None:
        return {name: str(value) for name, value in vars(directory.store).items()}
    with directory.engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        return {
            table: str([tuple(map(readable, row)) for row in connection.execute(rows(table))])
            for table in tables
        }


def rows(table: str) -> Any:
    return text(f"SELECT * FROM {table}")


def readable(value: object) -> object:
    return bytes(value).decode(errors="replace") if isinstance(value, bytes | memoryview) else value


def files(directory: Directory) -> Iterator[bytes]:
    """The contents of SQLite's files."""
    if directory.database is not None and directory.engine.name == "sqlite":
        database = Path(directory.engine.url.database or "")
        for file in database.parent.glob(f"{database.name}*"):
            # In another process: closing a file here would release SQLite's locks (fcntl(2)).
            yield subprocess.run(["cat", file], check=True, capture_output=True).stdout


def occurrences(directory: Directory, needle: str = NEEDLE) -> list[str]:
    """The tables that contain the needle, and "file" if SQLite's files do."""
    tables = [name for name, text in contents(directory).items() if needle in text.lower()]
    in_files = any(needle.encode() in data.lower() for data in files(directory))
    return [*tables, *(["file"] if in_files else [])]


def test_every_table_is_registered(directory: Directory) -> None:
    import_all_tables()
    assert {*METADATA.tables, "roster_version"} == set(REGISTRY)
    if directory.database is not None:
        assert set(contents(directory)) == set(REGISTRY)


TABLES = [
    "accounts",
    "answers",
    "emailed_links",
    "events",
    "login_networks",
    "outbox",
    "sessions",
    "users",
]
PLACES = {
    "memory": ["_events", "_responses", "_rows", "account_tables"],
    "sqlite": sorted([*TABLES, "file"]),
    **dict.fromkeys(("postgresql_18", "postgresql_15", "mariadb"), TABLES),
}
"""The places with the values of a person before an erasure."""


@pytest.mark.parametrize("exists", [True, False], ids=["exists", "deleted before"])
def test_no_table_and_no_file_contains_an_erased_person(directory: Directory, exists: bool) -> None:
    person, bystander = write_person(directory)
    assert sorted(occurrences(directory)) == PLACES[directory.kind]
    if not exists:
        directory.commands.delete(person, principal(EMAIL))
        with directory.begin(ANONYMOUS) as work:
            write_signup(work, EMAIL)
    directory.commands.erase(person, principal(FORMER), subjects=[SUBJECT])
    assert occurrences(directory) == []
    events = [
        (event.action, event.actor_kind, event.request_id)
        for event in history(directory, bystander)
    ]
    assert events[:1] == [("created", None, None)]
    assert events[1:] == [("changed", "key_set", None)] * 4
    about = history(directory, person)
    actions = ["created", "changed", "session_ended", "deleted", "erased"]
    assert [each.action for each in about] == actions
    assert {each.request_id for each in about} == {None}
    for key in ("create", "read"):
        with pytest.raises(ResponseErased):
            send(directory, key, lambda _: pytest.fail("the request is handled again"))


def test_an_erasure_keeps_links_of_another_user_at_a_former_address(directory: Directory) -> None:
    person, _ = write_person(directory)
    heir = directory.add(FORMER, "Heir")
    with directory.begin(ANONYMOUS) as work:
        now, expiry = work.now, work.now + timedelta(days=1)
        link = EmailedLink(bytes([9]) * 32, Purpose.RECOVERY, heir.id, FORMER, None, now, expiry)
        work.accounts.links.add(link)
    directory.commands.erase(person, ANONYMOUS)
    with directory.begin(ANONYMOUS) as work:
        assert work.accounts.links.get(link.digest) == link


def test_the_request_ids_of_all_events_about_a_person_are_erased(directory: Directory) -> None:
    person = directory.add(EMAIL, NAME)
    role = UserChanges({"role": "admin"})
    directory.commands.change(person.id, role, principal("another client"))
    assert history(directory, person.id)[-1].request_id == REQUEST
    directory.commands.erase(person.id, ANONYMOUS)
    created, changed, *_ = history(directory, person.id)
    assert (created.request_id, changed.request_id) == (None, None)
    assert changed.actor == "another client"


def test_others_keep_their_values(directory: Directory) -> None:
    person = directory.add(EMAIL, NAME)
    other = directory.add("other@example.org", "Other")
    stored = send(directory, "other", lambda _: containing(other))
    role = UserChanges({"role": "admin"})
    directory.commands.change(other.id, role, principal("another client"))
    directory.commands.erase(person.id, ANONYMOUS)
    assert send(directory, "other", lambda _: containing(person)) == stored
    changed = history(directory, other.id)[-1]
    assert (changed.actor, changed.request_id) == ("another client", REQUEST)


def unexpected(error: Exception) -> StoredResponse:
    raise error


def test_the_key_of_an_erased_response_cannot_be_reused(directory: Directory) -> None:
    person = directory.add(EMAIL, NAME)
    send(directory, "key", lambda _: containing(person))
    directory.commands.erase(person.id, ANONYMOUS)
    run = retrying(directory.begin)
    with pytest.raises(ResponseErased):
        run_idempotently(
            run,
            IdempotentRequest("key", "other", "o"),
            ANONYMOUS,
            lambda _: containing(person),
            unexpected,
        )
    with directory.begin(ANONYMOUS) as work:  # until the key expires
        assert (
            work.idempotency.reserve("key", "d", owner="o", at=work.now + IDEMPOTENCY_TTL) is None
        )
        work.idempotency.store("key", containing(person))
    assert send(directory, "key", lambda _: pytest.fail("stored")).status == 200


def test_erases_an_error_response_about_the_person(directory: Directory) -> None:
    person = directory.add(EMAIL, NAME)
    about = StoredResponse(409, {}, NAME.encode(), frozenset([(USER_TYPE.name, person.id)]))

    def reject(_: UnitRunner) -> StoredResponse:
        raise EmailTaken

    run_idempotently(
        retrying(directory.begin),
        IdempotentRequest("key", "d", "o"),
        ANONYMOUS,
        reject,
        lambda _: about,
    )
    directory.commands.erase(person.id, ANONYMOUS)
    assert occurrences(directory) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "postgresql_15", "mariadb"])
def test_erases_a_response_of_an_earlier_release(directory: Directory) -> None:
    """Such a response does not state which resources it contains."""
    person = directory.add(EMAIL, NAME)
    send(directory, "key", lambda _: containing(person))
    with directory.engine.connect() as connection:
        connection.execute(text("DELETE FROM answer_subjects"))
        connection.execute(update(ANSWERS).values(owner=None))
    directory.commands.erase(person.id, ANONYMOUS)
    assert occurrences(directory) == []


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
def test_a_server_needs_no_purge(directory: Directory) -> None:
    person = directory.add(EMAIL, NAME)
    directory.commands.erase(person.id, ANONYMOUS)
    assert isinstance(directory.store, SqlStore)
    directory.store.purge()
    assert occurrences(directory) == []


def test_an_erasure_can_require_a_version(directory: Directory) -> None:
    person = directory.add(EMAIL, NAME)
    with pytest.raises(StaleVersion):
        directory.commands.erase(person.id, ANONYMOUS, expected={2})
    directory.commands.delete(person.id, ANONYMOUS, expected={1})
    with pytest.raises(StaleVersion):
        directory.commands.erase(person.id, ANONYMOUS, expected={1})
    with pytest.raises(UserNotFound):
        directory.commands.erase(person.id + 1, ANONYMOUS, expected={1})
    assert NEEDLE in str(history(directory, person.id)).lower()
    directory.commands.erase(person.id, ANONYMOUS)


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15", "mariadb"])
@pytest.mark.parametrize("changes", [{}, {"role": "admin"}], ids=["reads", "changes"])
def test_erases_a_response_that_is_stored_at_the_same_time(
    directory: Directory, changes: dict[str, str]
) -> None:
    """The erasure waits for the unit of work that has read the user."""
    person = directory.add(EMAIL, NAME)
    read, erasing = Signal(), Signal()

    def slow(run: UnitRunner) -> StoredResponse:
        user = Commands(USER_TYPE, run).change(person.id, UserChanges(changes), ANONYMOUS)
        read.set()
        assert erasing.wait(20)
        directory.wait_for_a_lock()
        return containing(user)

    with ThreadPoolExecutor(2) as threads, deadline(30):
        storing = threads.submit(send, directory, "key", slow)
        assert read.wait(20)
        erased = threads.submit(directory.commands.erase, person.id, ANONYMOUS)
        erasing.set()
        assert storing.result(30).status == 200
        erased.result(30)
    assert occurrences(directory) == []


def test_concurrent_erasures_and_changes_leave_no_personal_data(directory: Directory) -> None:
    people = [directory.add(f"needle{number}@example.org", NAME) for number in range(6)]
    store = retrying(directory.begin)

    def change(number: int) -> None:
        person = people[number % len(people)]

        def changing(run: UnitRunner) -> StoredResponse:
            name = UserChanges({"name": f"{NAME} {number}"})
            return containing(Commands(USER_TYPE, run).change(person.id, name, ANONYMOUS))

        def reject(_: Exception) -> StoredResponse:
            return StoredResponse(404, {}, b"")

        with suppress(ResponseErased), deadline(30):
            run_idempotently(
                store,
                IdempotentRequest(f"key{number % 30}", "d", "o"),
                ANONYMOUS,
                changing,
                reject,
            )

    def erase(person: User) -> None:
        with deadline(30):
            directory.commands.erase(person.id, principal(EMAIL))

    with ThreadPoolExecutor(6) as threads:
        changing = [threads.submit(change, number) for number in range(60)]
        erasing = [threads.submit(erase, person) for person in people]
        for each in (*changing, *erasing):
            each.result(60)
    for person in people:  # the actors of the erasures wrote the email again
        directory.commands.erase(person.id, ANONYMOUS, subjects=[EMAIL])
    assert occurrences(directory) == []


def keep_free_parts(connection: Any, *_: object) -> None:
    connection.execute("PRAGMA secure_delete=OFF")


def test_removes_earlier_values_from_free_parts_of_the_file(
    tmp_path: Path, directory_of: Callable[[Engine], Directory]
) -> None:
    """Deleted values remain in the file, unless SQLite is built to overwrite them."""
    engine = migrated(tmp_path)
    event.listen(engine, "checkout", keep_free_parts)
    directory = directory_of(engine)
    with directory.begin(ANONYMOUS) as work:
        people = [
            work.repository(USER_TYPE).add(
                NewUser(email=f"needle-{n * 79 % 401:03}@example.org", name="N" * (1 + n % 200)),
                at=work.now,
            )
            for n in range(400)
        ]
        for person in people:
            work.repository(USER_TYPE).remove(person)
    with directory.engine.connect() as connection:  # the tables contain only the last person
        connection.execute(text("DELETE FROM events WHERE subject_id <> :id"), {"id": person.id})
    assert occurrences(directory) == ["events", "file"]
    directory.commands.erase(person.id, ANONYMOUS)
    assert occurrences(directory) == []


@contextmanager
def snapshot(engine: Engine) -> Iterator[None]:
    """Another connection reads the database in a transaction, like a backup."""
    reader = make_engine(str(engine.url))
    with reader.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("SELECT * FROM users").fetchall()
        yield
        connection.exec_driver_sql("ROLLBACK")
    reader.dispose()


def test_a_reader_that_blocks_the_checkpoint_does_not_fail_an_erasure(
    tmp_path: Path, directory_of: Callable[[Engine], Directory]
) -> None:
    directory = directory_of(migrated(tmp_path))
    person = directory.add(EMAIL, NAME)
    with snapshot(directory.engine):
        directory.commands.erase(person.id, ANONYMOUS)
        assert occurrences(directory) == ["file"]
    assert isinstance(directory.store, SqlStore)
    directory.store.purge()
    assert occurrences(directory) == []


def test_a_purge_does_not_wait_long_for_a_reader(
    tmp_path: Path, directory_of: Callable[[Engine], Directory]
) -> None:
    """A backup reads for minutes, and no process can write while a checkpoint waits for it.

    A rewritten file would only make the log longer.
    """
    directory = directory_of(migrated(tmp_path))
    person = directory.add(EMAIL, NAME)
    with snapshot(directory.engine):
        directory.commands.erase(person.id, ANONYMOUS)
        before = [*files(directory)]
        assert isinstance(directory.store, SqlStore)
        start = monotonic()
        with deadline(20), pytest.raises(StillRead):
            directory.store.purge()
        assert monotonic() - start < 10
        assert [*files(directory)] == before
    with deadline(20):
        directory.store.purge()
    assert occurrences(directory) == []


def test_a_purge_does_not_fill_the_disk(
    small_disk: Path, directory_of: Callable[[Engine], Directory]
) -> None:
    """A full disk would make the service not ready, and fail changes."""
    directory = directory_of(migrated(small_disk))
    person = directory.add(EMAIL, NAME)
    with directory.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE other AS SELECT zeroblob(3000000)")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2_500_000))
    directory.commands.erase(person.id, ANONYMOUS)
    directory.ready()
    assert isinstance(directory.store, SqlStore)
    with pytest.raises(Unavailable) as caught:
        directory.store.purge()
    assert str(small_disk) in caught.value.explanation
    directory.ready()
    ballast.unlink()
    directory.store.purge()
    assert occurrences(directory) == []
    directory.engine.dispose()


@pytest.mark.parametrize("missing", [0, 1])
def test_a_purge_needs_the_space_of_the_log_and_of_a_temporary_file(
    tmp_path: Path,
    directory_of: Callable[[Engine], Directory],
    monkeypatch: pytest.MonkeyPatch,
    missing: int,
) -> None:
    """VACUUM writes the pages to both. 1 MiB remains free for changes."""
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    directory = directory_of(migrated(tmp_path))
    directory.add(EMAIL, NAME)
    with directory.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.exec_driver_sql("VACUUM")
        log = (tmp_path / "roster.db-wal").stat().st_size - 32  # without its own header
        connection.exec_driver_sql("PRAGMA user_version=1")  # the mark of an erasure
    free = 2 * log + 1024**2 - missing
    disk = os.statvfs_result((1, 1, free, free, free, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    assert isinstance(directory.store, SqlStore)
    with pytest.raises(TooLittleSpace) if missing else nullcontext():
        directory.store.purge()


def test_a_purge_keeps_the_mark_of_an_erasure_that_another_process_commits_meanwhile(
    tmp_path: Path, directory_of: Callable[[Engine], Directory], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process erases after the file was rewritten, and leaves its purge for later."""
    monkeypatch.setattr("adapters.sql.store._MAX_BYTES_TO_PURGE_NOW", 0)
    directory = directory_of(migrated(tmp_path))
    other = directory_of(make_engine(str(directory.engine.url)))
    first, second = directory.add("a@example.org", "A"), directory.add(EMAIL, NAME)
    directory.commands.erase(first.id, ANONYMOUS)
    statements: list[str] = []

    def erase_before_the_checkpoint(statement: str) -> None:
        if "wal_checkpoint" in statement and "VACUUM" in statements:
            other.commands.erase(second.id, ANONYMOUS)
        statements.append(statement)

    def trace(connection: sqlite3.Connection, *_: object) -> None:
        connection.set_trace_callback(None if statements else erase_before_the_checkpoint)

    event.listen(directory.engine, "checkout", trace)
    assert isinstance(directory.store, SqlStore)
    directory.store.purge()
    with pytest.raises(UserNotFound):
        directory.reader.get(second.id)
    with other.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA user_version").scalar_one() != 0
    directory.store.purge()
    with other.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA user_version").scalar_one() == 0
    other.engine.dispose()
    assert occurrences(directory) == []


def test_does_not_rewrite_a_file_without_deleted_values(
    tmp_path: Path, directory_of: Callable[[Engine], Directory]
) -> None:
    directory = directory_of(migrated(tmp_path))
    directory.add(EMAIL, NAME)
    with directory.engine.connect() as connection:
        # Pages that a rewritten file would not have.
        connection.exec_driver_sql("CREATE TABLE other AS SELECT zeroblob(100000)")
        connection.exec_driver_sql("DROP TABLE other")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    before = [*files(directory)]
    assert isinstance(directory.store, SqlStore)
    directory.store.purge()
    assert [*files(directory)] == before


def migrated(tmp_path: Path) -> Engine:
    engine = make_engine(f"sqlite:///{tmp_path}/roster.db")
    schema.upgrade(engine)
    return engine


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "postgresql_15", "mariadb"])
def test_erases_an_actor_among_many(directory: Directory) -> None:
    person = directory.add(EMAIL, NAME)
    bystander = directory.add("bystander@example.org", "Bystander")
    for number in range(200):
        subject = f"{number}@example.org" if number % 50 else EMAIL.swapcase()
        role = UserChanges({"role": f"r{number}"})
        directory.commands.change(bystander.id, role, principal(subject))
    directory.commands.erase(person.id, ANONYMOUS)
    with directory.engine.connect() as connection:
        count = connection.execute(text("SELECT count(DISTINCT actor) FROM events"))
        assert count.scalar_one() == 196


def test_expired_responses_are_deleted_in_batches(directory: Directory) -> None:
    for number in range(120):
        send(directory, f"key{number}", lambda _: StoredResponse(200, {}, b""))
    counts = []
    with directory.begin(ANONYMOUS) as work:
        until = work.now - timedelta(days=1)
        assert work.idempotency.delete_expired(until) == 0
        while count := work.idempotency.delete_expired(work.now):
            counts.append(count)
    assert sum(counts) == 120


@pytest.mark.parametrize(
    ("email", "actor"),
    [
        ("needle@bücher.example", "Needle@XN--Bcher-kva.example"),
        ("needle@xn--bcher-kva.example", "needle@BÜCHER.example"),
        ("needle@example.org", "ne\ufe0fedle@example.org"),
    ],
)
def test_an_actor_is_erased_in_every_spelling_of_the_mailbox(
    directory: Directory, email: str, actor: str
) -> None:
    person = directory.add(email, NAME)
    other = directory.add("other@example.org", "Other")
    directory.commands.change(other.id, UserChanges({"role": "admin"}), principal(actor))
    directory.commands.erase(person.id, ANONYMOUS)
    assert history(directory, other.id)[-1].actor is None


@pytest.mark.parametrize(
    ("actor", "left"),
    [
        ("mailto:Needle@example.org", None),
        ("google-oauth2|needle@example.org", None),
        ("CN=Needle <needle@example.org>", None),
        ("urn:x:needle@bücher.example/admin", None),
        ("mailto:needle@example.org".rjust(1000, ":"), None),
        ("not-needle@example.org", "not-needle@example.org"),
        ("mailto:needle@example.org.example", "mailto:needle@example.org.example"),
        ("needle", "needle"),
        # Folding makes it too long to be an address.
        ("\ufdfa" * 60 + "\u3164@example.org", "\ufdfa" * 60 + "\u3164@example.org"),
    ],
)
def test_an_actor_that_contains_the_email_is_erased(
    directory: Directory, actor: str, left: str | None
) -> None:
    person = directory.add("needle@xn--bcher-kva.example", NAME)
    directory.commands.change(person.id, UserChanges({"email": "needle@example.org"}), ANONYMOUS)
    other = directory.add("other@example.org", "Other")
    directory.commands.change(other.id, UserChanges({"role": "admin"}), principal(actor))
    directory.commands.erase(person.id, ANONYMOUS)
    assert history(directory, other.id)[-1].actor == left


def erase_with_others(directory: Directory, user_id: int, number: int) -> None:
    """Erases the user and others in one unit of work: `number` users in total."""
    bulk = BulkCommands(USER_TYPE, retrying(directory.begin))
    ids = [directory.add(f"other{each}@example.org", "Other").id for each in range(number - 1)]
    assert bulk.erase([user_id, *ids], ANONYMOUS) == number


@pytest.mark.parametrize(
    ("former", "email"),
    [
        ("needle@example.org", "needle@example.org"),
        ("Needle@Example.ORG", "needle@example.org"),
        ("needle@BÜCHER.example", "needle@xn--bcher-kva.example"),
        ("NEEDLE-Ü%_@example.org", "needle-ü%_@example.org"),
    ],
)
@pytest.mark.parametrize("exists", [True, False], ids=["exists", "deleted before"])
@pytest.mark.parametrize("number", [1, 12])
def test_earlier_deleted_users_with_the_same_mailbox_are_erased_as_well(
    directory: Directory, former: str, email: str, exists: bool, number: int
) -> None:
    """A person whose user was deleted and created again is one person."""
    stored = []

    def create(run: UnitRunner) -> StoredResponse:
        stored.append(
            Commands(USER_TYPE, run).create(NewUser(email=former, name=NAME), principal("x"))
        )
        return containing(stored[-1])

    send(directory, "former", create)
    directory.commands.delete(stored[0].id, ANONYMOUS)
    person = directory.add(email, FORMER_NAME)
    if not exists:
        directory.commands.delete(person.id, ANONYMOUS)
    erase_with_others(directory, person.id, number)
    assert occurrences(directory) == []
    about = history(directory, stored[0].id)
    assert [each.action for each in about] == ["created", "deleted", "erased"]
    with pytest.raises(ResponseErased):
        send(directory, "former", lambda _: pytest.fail("the request is handled again"))


@pytest.mark.parametrize("number", [1, 12])
def test_users_with_another_mailbox_and_those_that_exist_are_not_erased(
    directory: Directory, number: int
) -> None:
    others = [
        directory.add(email, "Other")
        for email in ("aneedle@example.org", "needle@example.com", "needl_@example.org")
    ]
    for other in others:
        directory.commands.delete(other.id, ANONYMOUS)
    person = directory.add("needle@example.org", NAME)
    directory.commands.change(person.id, UserChanges({"email": "second@example.org"}), ANONYMOUS)
    successor = directory.add("needle@example.org", "Successor")
    erase_with_others(directory, person.id, number)
    for other in (*others, successor):
        created = history(directory, other.id)[0]
        assert created.changes["email"]["to"] == other.email
    assert directory.reader.get(successor.id) == successor
