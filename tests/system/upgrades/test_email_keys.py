"""Keys of emails that the previous release stored, and still stores during an upgrade."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event, insert, select, text, update

from adapters.sql import schema
from adapters.sql.email_keys import MAX_NAMED, count_outdated_keys, upgrade_database
from adapters.sql.engine import make_engine
from adapters.sql.failures import NotMigrated
from adapters.sql.repository import SqlReader
from adapters.sql.store import SqlStore
from adapters.sql.transactions import Transactions
from adapters.sql.users import USERS, USERS_TABLE, folded_if_different
from application.commands import Commands
from application.ports import Context
from application.search import Condition, Op, Search
from application.units import retrying
from application.users import USER_TYPE
from domain.text import email_key, fold
from domain.users import EmailTaken, NewUser, User, UserChanges

ANONYMOUS = Context()
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
REVISION = "0008"

SERVERS = ["postgresql_18", "postgresql_15", "mariadb"]


def revision_before() -> str:
    config = Config()
    config.set_main_option("script_location", "migrations:")
    before = ScriptDirectory.from_config(config).get_revision(REVISION).down_revision
    assert isinstance(before, str)
    return before


@pytest.fixture(params=["sqlite", *SERVERS])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def engine(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Iterator[Engine]:
    """A database at the previous revision."""
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/roster.db"
    else:
        url = request.getfixturevalue(kind).new_database()
    engine = make_engine(url)
    schema.upgrade(engine, revision_before())
    yield engine
    engine.dispose()


def old_row(email: str) -> dict[str, object]:
    """Stores a user like the previous release."""
    return {
        "email": email,
        "email_key": fold(email),
        "name": "Ann",
        "name_key": "ann",
        "is_active": True,
        "role": "user",
        "creation_time": NOON,
        "update_time": NOON,
        "version": 3,
    }


def fill(engine: Engine, *emails: str) -> None:
    with Transactions(engine).open() as connection:
        connection.execute(insert(USERS), [old_row(email) for email in emails])


def stored(engine: Engine) -> list[tuple[int, str, str, str | None]]:
    columns = (USERS.c.id, USERS.c.email, USERS.c.email_key, USERS.c.email_folded)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).order_by(USERS.c.id))]


def wrong(engine: Engine) -> list[int]:
    """The users whose key does not match their email."""
    return [
        row[0]
        for row in stored(engine)
        if (email_key(row[1]), folded_if_different(row[1])) != (row[2], row[3])
    ]


def find(engine: Engine, email: str) -> list[User]:
    condition = Condition("email_key", Op.EQ, (email_key(email),))
    return list(SqlReader(USERS_TABLE, engine).page(Search((condition,))).items)


def commands(engine: Engine) -> Commands[NewUser, User]:
    return Commands(USER_TYPE, retrying(SqlStore(engine, lambda: NOON, [USERS_TABLE]).begin))


EMAILS = (
    "Ann@Example.org",
    "ann@münchen.example",
    "fay\ufe0f@example.com",
    "bob@example。net",
    "élan@example.org",
    "ann@straße.example",
    "ann\ufe0f@strasse.example",
    "用户@例え.テスト",
)


def test_an_upgrade_updates_only_the_keys(engine: Engine) -> None:
    fill(engine, *EMAILS)
    shared = upgrade_database(engine)
    assert shared is not None
    assert (shared.count, shared.users) == (0, [])
    assert schema.current(engine) == schema.REVISION
    assert wrong(engine) == []
    assert count_outdated_keys(engine) == 0
    for number, email in enumerate(EMAILS, 1):
        (user,) = find(engine, email)
        assert (user.id, user.email, user.version, user.update_time) == (number, email, 3, NOON)
    (user,) = find(engine, "ANN@xn--mnchen-3ya.example")
    assert user.email == "ann@münchen.example"


def test_reports_how_many_keys_are_updated(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(engine, "ann@example.org", *(f"ü{number}\ufe0f@example.org" for number in range(401)))
    monkeypatch.setattr("adapters.sql.email_keys._REPORT_SECONDS", 0)
    lines: list[str] = []
    upgrade_database(engine, report=lines.append)
    assert [line for line in lines if "keys" in line] == [
        f"Updating the keys of emails: {count} so far." for count in (200, 400, 401)
    ]


def test_one_user_of_a_mailbox_gets_the_key_and_the_others_are_reported(
    engine: Engine,
) -> None:
    fill(
        engine,
        *("ann@münchen.example", "ann@xn--mnchen-3ya.example"),
        *("fay\ufe0f@x.test", "fay\ufe0e@x.test", "fay\u034f@x.test"),
        *("bob@example。org", "zoe@example.org"),
    )
    shared = upgrade_database(engine)
    assert shared is not None
    assert (shared.count, sorted(shared.users)) == (3, [(1, 2), (4, 3), (5, 3)])
    assert wrong(engine) == [1, 4, 5]
    assert count_outdated_keys(engine) == 3
    assert [user.id for user in find(engine, "ann@münchen.example")] == [2]
    assert [user.id for user in find(engine, "fay@x.test")] == [3]
    # The users without a key can still be changed, and the advice can be followed.
    changing = commands(engine)
    assert changing.change(1, UserChanges({"role": "admin"}), ANONYMOUS).role == "admin"
    assert wrong(engine) == [1, 4, 5]
    with pytest.raises(EmailTaken):
        changing.change(1, UserChanges({"email": "ANN@münchen.example"}), ANONYMOUS)
    changing.change(1, UserChanges({"email": "ann.2@münchen.example"}), ANONYMOUS)
    changing.delete(3, ANONYMOUS)
    changing.delete(5, ANONYMOUS)
    shared = upgrade_database(engine)
    assert shared is not None
    assert shared.count == 0
    assert wrong(engine) == []
    assert [user.id for user in find(engine, "fay@x.test")] == [4]


def test_the_report_has_a_limited_length(engine: Engine) -> None:
    many = MAX_NAMED + 20
    plain = [f"u{number}@x.test" for number in range(many)]
    fill(engine, *plain, *(email.replace("@", "\ufe0f@") for email in plain))
    shared = upgrade_database(engine)
    assert shared is not None
    assert shared.count == many
    assert shared.users == [(many + number, number) for number in range(1, MAX_NAMED + 1)]


def test_the_next_upgrade_updates_keys_of_the_previous_release(
    engine: Engine,
) -> None:
    fill(engine, "ann@münchen.example", "bob@köln.example", "cid@example.org")
    upgrade_database(engine)
    # It adds a user, and changes a name, and two emails: one to ASCII, one to other characters.
    fill(engine, "dan@bücher.example")
    with engine.connect() as connection:
        for number, email in ((1, "ann@münchen.example"), (2, "bob@example.org")):
            change = {"email": email, "email_key": fold(email), "version": 4}
            connection.execute(update(USERS).where(USERS.c.id == number).values(change))
    assert wrong(engine) == [1, 2, 4]
    assert count_outdated_keys(engine) == 3
    upgrade_database(engine)
    assert wrong(engine) == []
    assert [user.id for user in find(engine, "dan@xn--bcher-kva.example")] == [4]


def test_an_upgrade_to_an_older_revision_updates_no_keys(engine: Engine) -> None:
    fill(engine, "ann@münchen.example")
    assert upgrade_database(engine, revision_before()) is None
    assert schema.current(engine) == revision_before()


def test_completes_an_interrupted_update_of_keys(engine: Engine) -> None:
    emails = [f"u{number}@münchen.example" for number in range(700)]
    fill(engine, *emails)
    batches = 0

    def cut_off(_: Connection, __: object, statement: str, *___: object) -> None:
        nonlocal batches
        batches += "email_key IN" in statement
        if batches == 3:
            raise InterruptedError

    event.listen(engine, "before_cursor_execute", cut_off)
    with pytest.raises(InterruptedError):
        upgrade_database(engine)
    event.remove(engine, "before_cursor_execute", cut_off)
    assert 0 < len(wrong(engine)) < 700
    upgrade_database(engine)
    assert wrong(engine) == []


@pytest.mark.parametrize("kind", SERVERS)  # SQLite has one writer at a time
def test_other_keys_are_updated_when_another_writer_takes_one(engine: Engine) -> None:
    fill(engine, "ann@münchen.example", "bob@köln.example")
    is_free = True

    def take(_: Connection, __: object, statement: str, *___: object) -> None:
        nonlocal is_free
        if is_free and "email_key IN" in statement:
            is_free = False
            fill(engine, "ann@xn--mnchen-3ya.example")

    event.listen(engine, "after_cursor_execute", take)
    shared = upgrade_database(engine)
    assert shared is not None
    assert (shared.count, shared.users) == (1, [(1, 3)])
    assert wrong(engine) == [1]


def test_a_downgrade_restores_the_folded_keys(engine: Engine) -> None:
    fill(engine, *EMAILS)
    upgrade_database(engine)
    with Transactions(engine).open() as connection:  # only this release distinguishes the two users
        for email in ("eva@straße.example", "eva@strasse.example"):
            key, folded = email_key(email), folded_if_different(email)
            row = {**old_row(email), "email_key": key, "email_folded": folded}
            connection.execute(insert(USERS), [row])
    schema.downgrade(engine, revision_before())
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT email, email_key FROM users ORDER BY id")).all()
    assert [row[0] for row in rows if row[1] != fold(row[0])] == ["eva@straße.example"]
    upgrade_database(engine)
    assert wrong(engine) == []


def test_reports_that_an_upgrade_is_needed(engine: Engine) -> None:
    """Only requests that need the column fail."""
    fill(engine, "ann@example.org")
    reader = SqlReader(USERS_TABLE, engine)
    assert reader.get(1).email == "ann@example.org"
    parts = Search((Condition.folding("email", Op.CONTAINS, ("ann",)),))
    with pytest.raises(NotMigrated):
        reader.page(parts)
    with pytest.raises(NotMigrated):
        commands(engine).create(NewUser(email="bob@example.org", name="Bob"), ANONYMOUS)


MANY = 1_000


def test_the_previous_release_can_write_while_keys_are_updated(engine: Engine) -> None:
    domains = ("example.org", "münchen.example", "例え.example")
    fill(engine, *(f"u{number}@{domains[number % 3]}" for number in range(MANY)))
    if engine.name == "postgresql":  # otherwise, PostgreSQL 15 chooses a plan for a tiny table
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE users")
    stop, begun = Event(), Event()

    def write() -> int:
        """Adds users, some of them with the mailbox of another user, and changes others."""
        for number in range(800):
            if stop.is_set():
                break
            same = number % 3 == 0 and number < 300
            fill(engine, f"u{number}\ufe0f@example.org" if same else f"n{number}@ä.example")
            with engine.connect() as connection:
                one = (USERS.c.id == MANY - number) & (USERS.c.version == 3)
                email = f"changed{number}@ö.example"
                change = {"email": email, "email_key": fold(email), "version": 4}
                connection.execute(update(USERS).where(one).values(change))
            begun.set()
        return number

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        try:
            assert begun.wait(30)
            upgrade_database(engine)
        finally:
            stop.set()
        assert writing.result() > 0
    shared = upgrade_database(engine)
    assert shared is not None
    assert len(wrong(engine)) == shared.count
    rows = {row[0]: row for row in stored(engine)}
    for user, other in shared.users:
        assert rows[other][2] == email_key(rows[user][1])
    assert all(rows[user][2] == fold(rows[user][1]) for user in wrong(engine))
