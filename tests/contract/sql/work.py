"""Measures the work of statements on each database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from psycopg2 import extensions
from sqlalchemy import Engine


class Work:
    """The cost of statements: SQLite's steps, PostgreSQL's buffers, or the rows that MariaDB reads.

    `count` is the number of statements.
    """

    amount = 0.0
    count = 0
    plans: Any = None


@contextmanager
def working(engine: Engine) -> Iterator[Work]:
    """Measures the statements in the block, on the only connection of the engine."""
    work = Work()
    with engine.connect() as connection:
        session: Any = connection.connection.dbapi_connection
    measuring = {
        "sqlite": _steps_of_sqlite,
        "postgresql": _buffers_of_postgresql,
        "mariadb": _rows_of_mariadb,
    }[engine.name]
    with measuring(session, work):
        yield work


@contextmanager
def _steps_of_sqlite(session: Any, work: Work) -> Iterator[None]:
    def step() -> None:
        work.amount += 1

    def begin(statement: str) -> None:
        work.count += statement.startswith("SELECT")

    session.set_progress_handler(step, 1)
    session.set_trace_callback(begin)
    try:
        yield
    finally:
        session.set_progress_handler(None, 0)
        session.set_trace_callback(None)


@contextmanager
def _buffers_of_postgresql(session: Any, work: Work) -> Iterator[None]:
    statements: list[str] = []

    class Noting(extensions.cursor):
        def execute(self, statement: Any, values: Any = None) -> None:
            text = self.mogrify(statement, values).decode()
            if text.partition("; ")[2]:  # after the time limit
                statements.append(text.partition("; ")[2])
            super().execute(statement, values)

    session.cursor_factory, before = Noting, session.cursor_factory
    try:
        yield
    finally:
        session.cursor_factory = before
    work.count = len(statements)
    work.plans = []
    with session.cursor() as cursor:
        for statement in statements:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
            ((plan,),) = cursor.fetchall()
            top = plan[0]["Plan"]
            work.plans.append(plan)
            work.amount += top["Shared Hit Blocks"] + top["Shared Read Blocks"]


@contextmanager
def _rows_of_mariadb(session: Any, work: Work) -> Iterator[None]:
    before = _status(session)
    yield
    after = _status(session)
    names = [name for name in after if name.startswith("handler_")]
    work.amount = sum(after[name] - before[name] for name in names)
    work.count = after["com_select"] - before["com_select"] - 1  # the one in _status


def _status(session: Any) -> dict[str, int]:
    with session.cursor() as cursor:
        cursor.execute(
            "SELECT variable_name, variable_value FROM information_schema.session_status"
            " WHERE (variable_name LIKE 'handler_read_%' OR variable_name = 'handler_icp_attempts')"
            " AND variable_name NOT LIKE '%\\_rnd%'"
            " AND variable_name NOT LIKE '%tmp%'"
        )
        found = {name.lower(): int(value) for name, value in cursor.fetchall()}
        cursor.execute("SHOW SESSION STATUS LIKE 'Com_select'")
        found["com_select"] = int(cursor.fetchone()[1])
        return found


def cost(engine: Engine, ask: Callable[[], object]) -> Work:
    ask()  # so that its statement is compiled and its pages are in memory
    with working(engine) as work:
        ask()
    return work
