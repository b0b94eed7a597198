"""Which events an erasure rewrites. A user may have very many events without personal values."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from adapters.sql import schema
from adapters.sql.engine import make_engine
from adapters.sql.store import SqlStore
from adapters.sql.users import USERS_TABLE
from application.audit import EventAction, NewEvent
from application.bulk_commands import BulkCommands
from application.commands import Commands
from application.ports import Context, UnitOfWork
from application.units import retrying
from application.users import USER_TYPE
from domain.users import NewUser


@pytest.mark.slow
def test_only_events_with_personal_values_are_rewritten(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/roster.db")
    schema.upgrade(engine)
    run = retrying(SqlStore(engine, lambda: datetime.now(UTC), [USERS_TABLE]).begin)
    users = Commands(USER_TYPE, run)
    user_id = users.create(NewUser(email="ann@example.org", name="Ann"), Context()).id
    login = NewEvent(EventAction.LOGGED_IN.value, "users", user_id, None, {})

    def log_in(work: UnitOfWork) -> None:
        for _ in range(3):
            work.audit.add(login)

    run(Context(), log_in)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE rewritten (action TEXT)"))
        connection.execute(
            text(
                "CREATE TRIGGER rewriting AFTER UPDATE OF changes ON events "
                "BEGIN INSERT INTO rewritten VALUES (old.action); END"
            )
        )
    users.erase(user_id, Context())
    with engine.connect() as connection:
        actions = connection.execute(text("SELECT action FROM rewritten")).scalars().all()
    engine.dispose()
    assert actions == ["created", "deleted"]


def test_the_erasure_of_many_users_reads_the_log_once_for_all(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/roster.db", exclusive=True)
    schema.upgrade(engine)
    run = retrying(SqlStore(engine, lambda: datetime.now(UTC), [USERS_TABLE]).begin)
    ids = [
        Commands(USER_TYPE, run).create(NewUser(email=f"{n}@example.org", name="Ann"), Context()).id
        for n in range(30)
    ]
    statements: list[str] = []
    with engine.connect() as connection:
        session: Any = connection.connection.dbapi_connection
        session.set_trace_callback(statements.append)
    assert BulkCommands(USER_TYPE, run).erase(ids, Context()) == 30
    engine.dispose()
    searches = [each for each in statements if "LIKE" in each and "FROM events" in each]
    assert len(searches) == 2  # for the first events, and for those after them
