"""Migrations go up, down and up again, and result in the declared tables."""

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from database_processes import in_processes, upgrade
from sqlalchemy import Connection, Engine, event, inspect, text

from adapters.sql import schema
from adapters.sql.engine import make_engine
from adapters.sql.failures import ForeignTable
from adapters.sql.idempotency import ANSWERS
from application.ports import Unavailable
from entrypoints.resources import RESOURCES

ROOT = Path(__file__).parents[3]
DROP_INDEX = "DROP INDEX ix_users_name_id"
KINDS = ("sqlite", "postgresql_18", "postgresql_15", "mariadb")
ROSTER_LOCK = 0x526F73746572
TRANSACTIONS_OF_OTHERS = """
SELECT xact_start FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
"""
every_kind = pytest.mark.parametrize("kind", KINDS)


def revisions() -> list[str]:
    """The ids of the revisions, the oldest first."""
    config = Config()
    config.set_main_option("script_location", "migrations:")
    return [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()][::-1]


@pytest.fixture
def new_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], Engine]]:
    """Creates an empty database, and returns its engine."""
    engines: list[Engine] = []

    def create_engine(kind: str) -> Engine:
        if kind == "sqlite":
            url = f"sqlite:///{tmp_path}/roster{len(engines)}.db"
        else:
            url = request.getfixturevalue(kind).new_database()
        engines.append(make_engine(url))
        return engines[-1]

    yield create_engine
    for engine in engines:
        engine.dispose()


CATALOGS = {
    # An added column has another position in the text of its table.
    "sqlite": (
        "SELECT type, name, CASE type WHEN 'index' THEN sql END FROM sqlite_master"
        " WHERE tbl_name <> 'roster_version' ORDER BY 1, 2",
        "SELECT m.name, c.* FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c"
        " WHERE m.type = 'table' AND m.name <> 'roster_version' ORDER BY 1, 2",
        'SELECT m.name, i.name, i."unique", i.origin, c.seqno, c.name, c."desc", c.coll'
        " FROM sqlite_master AS m, pragma_index_list(m.name) AS i, pragma_index_xinfo(i.name) AS c"
        " WHERE m.type = 'table' AND m.name <> 'roster_version' ORDER BY 1, 2, 5",
        "SELECT name, sql LIKE '%AUTOINCREMENT%' FROM sqlite_master WHERE type = 'table'"
        " AND name <> 'roster_version' ORDER BY 1",
    ),
    "postgresql": (
        "SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,"
        "  l.collname, pg_get_expr(d.adbin, d.adrelid)"
        " FROM pg_attribute a"
        " LEFT JOIN pg_collation l ON l.oid = a.attcollation"
        " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
        " WHERE a.attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r'"
        "   AND relnamespace = 'public'::regnamespace AND relname <> 'roster_version')"
        "  AND a.attnum > 0 AND NOT a.attisdropped"
        " ORDER BY a.attrelid::regclass::text, a.attnum",
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename <> 'roster_version'"
        "  AND indexdef NOT LIKE '%gin_trgm_ops%' AND schemaname = 'public' ORDER BY 1",
        "SELECT conname, contype::text, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r'"
        "  AND relnamespace = 'public'::regnamespace AND relname <> 'roster_version') ORDER BY 1",
        "SELECT s.seqtypid::regtype::text, s.seqstart, s.seqincrement, s.seqmax, s.seqcycle"
        " FROM pg_sequence s WHERE s.seqrelid = 'users_id_seq'::regclass",
    ),
    "mariadb": tuple(
        f"SELECT {what} FROM information_schema.{view} WHERE table_schema = DATABASE()"
        f" AND table_name <> 'roster_version' ORDER BY {order}"
        for view, what, order in (
            ("tables", "table_name, engine, row_format, table_collation", "1"),
            (
                "columns",
                "table_name, column_name, column_type, is_nullable, column_default, extra,"
                " character_set_name, collation_name",
                "1, ordinal_position",
            ),
            (
                "statistics",
                "table_name, index_name, seq_in_index, column_name, non_unique, collation,"
                " sub_part, index_type",
                "1, 2, 3",
            ),
            ("table_constraints", "table_name, constraint_name, constraint_type", "1, 2"),
        )
    ),
}


def catalog(engine: Engine) -> list[object]:
    """Everything that the database knows about its tables, except the order of columns."""
    with engine.connect() as connection:
        rows = [
            tuple(_normalized(value) for value in row)
            for question in CATALOGS[engine.name]
            for row in connection.execute(text(question))
        ]
    return list(rows)


def _normalized(value: object) -> object:
    """Ignores white space, and the position of a column that SQLite's ALTER TABLE added."""
    if not isinstance(value, str):
        return value
    value = re.sub(r"\s+", " ", value)
    if not value.startswith("CREATE TABLE"):
        return value
    name, _, body = value.rstrip(")").partition("(")
    return name, sorted(part.strip() for part in re.split(r",(?![^(]*\))", body))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "mariadb"])
def test_there_is_no_drift_between_declared_and_migrated_tables(
    new_engine: Callable[[str], Engine], kind: str
) -> None:
    engine = new_engine(kind)
    schema.upgrade(engine)
    assert schema.drift(engine) == []


@every_kind
def test_migrated_tables_equal_declared_tables_without_drift(
    new_engine: Callable[[str], Engine], kind: str
) -> None:
    migrated, declared = new_engine(kind), new_engine(kind)
    schema.upgrade(migrated)
    assert {each.table.table.metadata for each in RESOURCES} == {ANSWERS.metadata}
    ANSWERS.metadata.create_all(declared)
    assert catalog(migrated) == catalog(declared)
    assert len(catalog(migrated)) > 7


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "mariadb"])
@pytest.mark.parametrize("change", [DROP_INDEX, "ALTER TABLE users ADD COLUMN extra INTEGER"])
def test_detects_drift(new_engine: Callable[[str], Engine], kind: str, change: str) -> None:
    engine = new_engine(kind)
    schema.upgrade(engine)
    if change == DROP_INDEX and kind == "mariadb":
        change += " ON users"
    with engine.connect() as connection:
        connection.execute(text(change))
    assert len(schema.drift(engine)) == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "mariadb"])
def test_names_each_missing_table(new_engine: Callable[[str], Engine], kind: str) -> None:
    engine = new_engine(kind)
    schema.upgrade(engine)
    quote = engine.dialect.identifier_preparer.quote
    for name in ANSWERS.metadata.tables:
        with engine.connect() as connection:
            connection.execute(text(f"ALTER TABLE {quote(name)} RENAME TO hidden"))
            assert schema.drift(engine) == [f"there is no table {name}"]
            connection.execute(text(f"ALTER TABLE hidden RENAME TO {quote(name)}"))
    assert schema.drift(engine) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "mariadb"])
def test_names_each_missing_index(new_engine: Callable[[str], Engine], kind: str) -> None:
    engine = new_engine(kind)
    schema.upgrade(engine)
    quote = engine.dialect.identifier_preparer.quote
    missing = []
    for table in ("users", "groups"):
        indexes = ANSWERS.metadata.tables[table].indexes
        names = sorted(str(each.name) for each in indexes if not str(each.name).endswith("_trgm"))
        place = f" ON {quote(table)}" if kind == "mariadb" else ""
        with engine.connect() as connection:
            connection.execute(text("SET foreign_key_checks = 0" if place else "SELECT 1"))
            for name in names:
                connection.execute(text(f"DROP INDEX {name}{place}"))
        missing += [f"there is no index {name}" for name in names]
    assert len(missing) > 10
    assert sorted(schema.drift(engine)) == sorted(missing)


@every_kind
@pytest.mark.parametrize("revision", revisions())
def test_each_revision_goes_up_down_and_up_again(
    new_engine: Callable[[str], Engine], kind: str, revision: str
) -> None:
    engine, known = new_engine(kind), revisions()
    below = known[known.index(revision) - 1] if revision != known[0] else None
    if below:
        schema.upgrade(engine, below)
    before = tables(engine)
    schema.upgrade(engine, revision)
    assert schema.current(engine) == revision
    after = tables(engine)
    schema.downgrade(engine, below or "base")
    assert schema.current(engine) == below
    assert tables(engine) == before
    schema.upgrade(engine, revision)
    assert tables(engine) == after != before


def tables(engine: Engine) -> list[object]:
    return catalog(engine) if inspect(engine).has_table("users") else []


def test_the_release_needs_the_newest_revision() -> None:
    assert revisions()[-1] == schema.REVISION


def test_revisions_are_numbered_so_that_the_greater_is_the_newer() -> None:
    assert revisions() == sorted(revisions())
    assert all(re.fullmatch("[0-9]{4}", revision) for revision in revisions())


@pytest.mark.parametrize("path", sorted((ROOT / "migrations/versions").glob("[0-9]*.py")))
def test_a_revision_does_not_depend_on_the_code(path: Path) -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }
    assert imported <= {"alembic", "migrations", "sqlalchemy", *sys.stdlib_module_names}


@every_kind
def test_a_migration_creates_a_secret_of_each_database_and_keeps_it(
    new_engine: Callable[[str], Engine], kind: str
) -> None:
    engines = [new_engine(kind), new_engine(kind)]
    for engine in engines:
        schema.upgrade(engine)
    first, other = map(secrets_of, engines)
    assert [(name, len(value)) for name, value in first] == [("cursors", 32)]
    assert first != other
    schema.upgrade(engines[0])
    assert secrets_of(engines[0]) == first
    assert schema.drift(engines[0]) == []
    with engines[0].connect() as connection:
        connection.execute(text("ALTER TABLE secrets ADD COLUMN extra INTEGER"))
    (difference,) = schema.drift(engines[0])
    ((_, value),) = first
    assert value.hex() not in difference
    assert repr(value)[2:-1] not in difference


def secrets_of(engine: Engine) -> list[tuple[str, bytes]]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT name, value FROM secrets"))
        return [(row.name, bytes(row.value)) for row in rows]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql_18", "postgresql_15"])
def test_a_failed_migration_changes_nothing(new_engine: Callable[[str], Engine], kind: str) -> None:
    engine = new_engine(kind)
    with engine.connect() as connection:  # the last statement of the revision conflicts with it
        connection.execute(text("CREATE TABLE other (id INTEGER)"))
        connection.execute(text("CREATE INDEX ix_users_update_time_id ON other (id)"))
    with pytest.raises(ForeignTable) as caught:
        schema.upgrade(engine)
    assert "ix_users_update_time_id" in caught.value.explanation
    assert not inspect(engine).has_table("users")
    assert schema.current(engine) is None


def test_a_migration_that_fills_the_disk_reports_it_and_changes_nothing(small_disk: Path) -> None:
    """SQLite itself rolls back after this error, so that a ROLLBACK fails."""
    engine = make_engine(f"sqlite:///{small_disk}/roster.db")
    schema.upgrade(engine, "0006")
    with engine.connect() as connection:
        connection.execute(text(MANY_EVENTS))
    engine.dispose()  # removes the write-ahead log
    free = shutil.disk_usage(small_disk).free
    (small_disk / "ballast").write_bytes(bytes(free - 300_000))
    with pytest.raises(Unavailable) as caught:  # removing a column rewrites all events
        schema.downgrade(engine, "0005")
    assert "Free space on the disk." in caught.value.explanation
    assert schema.current(engine) == "0006"
    with engine.connect() as connection:
        kinds = connection.execute(text("SELECT count(actor_kind) FROM events"))
        assert kinds.scalar_one() == 10_000
    engine.dispose()


MANY_EVENTS = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000)
INSERT INTO events (time, action, subject_type, subject_id, version, changes, actor_kind)
SELECT 1, 'changed', 'users', 1, n, hex(zeroblob(130)), 'token' FROM numbers
"""
"""The events take more space than SQLite's cache, so a revision that rewrites them fills the disk
before its commit."""


@pytest.mark.parametrize("table", ["answers", "groups"])  # PostgreSQL creates groups with a lock
@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("postgresql_18", "terminating connection"),
        ("mariadb", "gone away"),
    ],
)
def test_a_migration_reports_why_it_lost_its_connection(
    new_engine: Callable[[str], Engine], kind: str, cause: str, table: str
) -> None:
    engine = new_engine(kind)

    def end_session(connection: Connection, _: object, statement: str, *__: object) -> None:
        if "CREATE TABLE" in statement and table in statement:
            with engine.connect() as other:
                other.exec_driver_sql(END_SESSION[kind].format(session_of(connection)))

    event.listen(engine, "before_cursor_execute", end_session)
    with pytest.raises(Unavailable) as caught:
        schema.upgrade(engine)
    assert cause in caught.value.explanation


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("postgresql_18", "terminating connection"),
        ("mariadb", "gone away"),
    ],
)
def test_a_comparison_of_the_tables_reports_why_it_lost_its_connection(
    new_engine: Callable[[str], Engine], kind: str, cause: str
) -> None:
    engine = new_engine(kind)
    schema.upgrade(engine)
    statements: list[str] = []

    def end_session(connection: Connection, _: object, statement: str, *__: object) -> None:
        statements.append(statement)
        if len(statements) == 10:
            with engine.connect() as other:
                other.exec_driver_sql(END_SESSION[kind].format(session_of(connection)))

    event.listen(engine, "before_cursor_execute", end_session)
    with pytest.raises(Unavailable) as caught:
        schema.drift(engine)
    assert cause in caught.value.explanation


END_SESSION = {"postgresql_18": "SELECT pg_terminate_backend({}, 10000)", "mariadb": "KILL {}"}


def session_of(connection: Connection) -> int:
    driver: Any = connection.connection.dbapi_connection
    is_postgresql = connection.dialect.name == "postgresql"
    return int(driver.info.backend_pid if is_postgresql else driver.thread_id())


@pytest.mark.parametrize(
    ("kind", "step"),
    [
        ("mariadb", 4),
        pytest.param("mariadb", 1, marks=pytest.mark.long),
        pytest.param("postgresql_18", 1, marks=pytest.mark.long),
    ],
)
def test_an_interrupted_migration_can_run_again(
    new_engine: Callable[[str], Engine], kind: str, step: int
) -> None:
    """If each statement is committed by itself, the repeated revision must accept its effects.

    Each revision is interrupted after every statement, or after every fourth one, on the way up and
    down. The first interruption is before the second statement.
    """
    engine, below = new_engine(kind), None
    for revision in revisions():
        before = tables(engine)
        schema.upgrade(engine, revision)
        expected = tables(engine)
        up = partial(schema.upgrade, engine, revision)
        down = partial(schema.downgrade, engine, below or "base")
        down()
        for done in count(1, step):
            was_interrupted = interrupted(engine, done, up)
            up()
            assert tables(engine) == expected
            if not was_interrupted:
                break
            down()
        assert done > 1
        for done in count(1, step):
            was_interrupted = interrupted(engine, done, down)
            down()
            assert tables(engine) == before
            up()
            if not was_interrupted:
                break
        assert done > 1
        below = revision


@pytest.mark.parametrize("kind", ["postgresql_18", "mariadb"])
def test_the_losses_of_an_interrupted_downgrade_are_those_that_remain(
    new_engine: Callable[[str], Engine], kind: str
) -> None:
    """Otherwise it could neither be finished nor undone: the revision is still recorded."""
    engine = new_engine(kind)
    schema.upgrade(engine)
    expected = schema.losses(engine, "0005")
    assert {("table outbox", 0), ("column actor_kind of events", 0)} <= {*expected}
    down = partial(schema.downgrade, engine, "0005")
    for done in (3, 20):
        assert interrupted(engine, done, down)
        engine.dispose()  # like the end of the process
        remaining = schema.losses(engine, "0005")
        assert {*remaining} < {*expected}
    down()
    assert schema.losses(engine, "0005") == []


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
def test_builds_an_index_again_after_an_interruption(
    new_engine: Callable[[str], Engine], kind: str
) -> None:
    engine, expected = new_engine(kind), new_engine(kind)
    schema.upgrade(expected, "0003")
    schema.upgrade(engine, "0002")
    name = "ix_users_name_desc_id"
    with engine.connect() as connection:  # an interrupted build leaves it empty
        connection.execute(text(f"CREATE INDEX {name} ON users (role)"))
        connection.execute(
            text(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")
        )
    schema.upgrade(engine, "0003")
    assert catalog(engine) == catalog(expected)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT bool_and(indisvalid) FROM pg_index")).scalar_one()


def interrupted(engine: Engine, done: int, migrate: Callable[[], None]) -> bool:
    """Interrupts the migration after `done` changing statements. Returns True if it did."""
    changes = 0

    def cut_off(_: Connection, __: object, statement: str, *___: object) -> None:
        nonlocal changes
        changes += statement.split()[0] in ("ALTER", "CREATE", "DROP", "INSERT", "UPDATE", "DELETE")
        if changes > done:
            raise InterruptedError

    event.listen(engine, "before_cursor_execute", cut_off)
    try:
        migrate()
    except InterruptedError:
        return True
    finally:
        event.remove(engine, "before_cursor_execute", cut_off)
    return False


TIME_OUTS = {
    "postgresql": (
        "ALTER DATABASE {database} SET {name} = 7777",
        ("statement_timeout", "lock_timeout"),
        "SELECT current_setting('{name}')",
    ),
    "mariadb": ("SET SESSION {name} = 7777", ("max_statement_time",), "SELECT @@SESSION.{name}"),
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sqlite"])
def test_a_migration_ignores_the_timeouts_of_requests(
    new_engine: Callable[[str], Engine], kind: str
) -> None:
    engine = new_engine(kind)
    bind, names, show = TIME_OUTS[engine.name]
    with engine.connect() as connection:
        for name in names:
            connection.execute(text(bind.format(database=engine.url.database, name=name)))
    if engine.name == "postgresql":
        engine.dispose()  # the setting applies to new sessions
    bounds: list[object] = []

    def note(connection: Connection, _: object, statement: str, *__: object) -> None:
        if statement.split()[0] == "CREATE":
            with closing(connection.connection.cursor()) as cursor:
                for name in names:
                    cursor.execute(show.format(name=name))
                    ((bound,),) = cursor.fetchall()
                    bounds.append(bound)

    event.listen(engine, "before_cursor_execute", note)
    schema.upgrade(engine)
    assert bounds
    # A statement that locks a table in use has its own timeout, and is retried.
    assert set(bounds) <= {"0", 0.0, "200ms"}


_UPGRADE = """
import sys
from adapters.sql import schema
from adapters.sql.engine import make_engine
from adapters.sql.failures import UnknownFailure
engine = make_engine(sys.argv[1])
schema.upgrade(engine)
print(schema.current(engine))
engine.dispose()
"""


@pytest.mark.parametrize("kind", ["postgresql_18", "postgresql_15"])
def test_a_waiting_migration_has_no_long_transaction(
    new_engine: Callable[[str], Engine], kind: str
) -> None:
    """An index that is built concurrently would wait for it, and it for the migration."""
    engine = new_engine(kind)
    starts: set[object] = set()
    with ThreadPoolExecutor(1) as pool, engine.connect() as holder:
        holder.exec_driver_sql("BEGIN")
        holder.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ROSTER_LOCK})")
        waiting = pool.submit(schema.upgrade, engine)
        end = monotonic() + 20
        while len(starts) < 3 and monotonic() < end:
            holder.exec_driver_sql("SELECT pg_stat_clear_snapshot()")
            starts |= set(holder.exec_driver_sql(TRANSACTIONS_OF_OTHERS).scalars())
        holder.exec_driver_sql("ROLLBACK")
        waiting.result()
    assert len(starts) >= 3
    assert schema.current(engine) == schema.REVISION


@every_kind
def test_concurrent_processes_can_migrate(new_engine: Callable[[str], Engine], kind: str) -> None:
    assert in_processes(upgrade, new_engine(kind), [()] * 4) == [schema.REVISION] * 4


def test_an_installed_wheel_migrates_outside_the_checkout(tmp_path: Path, sqlite_url: str) -> None:
    def run(*command: str | Path, **more: Any) -> str:
        done = subprocess.run(command, check=True, capture_output=True, text=True, **more)
        return done.stdout

    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    run(sys.executable, "-m", "zipfile", "-e", wheel, installed)
    # -P and -S exclude the checkout and its editable installation. The path adds the libraries.
    libraries = sysconfig.get_path("purelib")
    bootstrap = f"import sys; sys.path[:0] = [{str(installed)!r}]; sys.path.append({libraries!r})"
    script = f"{bootstrap}{_UPGRADE}print(schema.__file__)"
    revision, path = run(sys.executable, "-P", "-S", "-c", script, sqlite_url, cwd="/").split()
    assert revision == schema.REVISION
    assert Path(path).is_relative_to(installed)


def test_completes_a_revision_that_had_committed_its_tables(
    new_engine: Callable[[str], Engine],
) -> None:
    """On PostgreSQL, revision 0007 commits its tables before it builds the indexes."""
    expected, engine = new_engine("postgresql_18"), new_engine("postgresql_18")
    schema.upgrade(expected, "0007")
    for done in count():
        schema.upgrade(engine, "0006")
        was_interrupted = interrupted(engine, done, partial(schema.upgrade, engine, "0007"))
        engine.dispose()  # like the end of the process
        schema.upgrade(engine, "0007")
        assert catalog(engine) == catalog(expected)
        if not was_interrupted:
            break
        schema.downgrade(engine, "0006")
    assert done > 5
