"""Processes that use one database at the same time.

They are forked from a process that has imported the store, which takes most of the time of a start.
"""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from typing import Any

from sqlalchemy import Engine

from adapters.sql import schema
from adapters.sql.engine import make_engine
from adapters.sql.secrets import SqlSecrets
from adapters.sql.store import SqlStore
from adapters.sql.users import USERS_TABLE
from application.commands import Commands
from application.deadlines import deadline
from application.ports import Context
from application.units import retrying
from application.users import USER_TYPE
from domain.users import NewUser, UserChanges

_STORE = ["adapters.sql.store", "adapters.sql.users", "alembic.command", "alembic.autogenerate"]


def in_processes(work: Callable[..., Any], engine: Engine, calls: Sequence[Sequence[Any]]) -> Any:
    """Calls `work` in a process for each call, and returns the results in the same order.

    `calls` has the arguments of each call. The first argument of `work` is the engine of the
    process, on the same database. A warning is an error.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(_STORE)
    url = engine.url.render_as_string(hide_password=False)
    with ProcessPoolExecutor(len(calls), mp_context=context) as processes:
        running = [processes.submit(_run, work, url, arguments) for arguments in calls]
        return [each.result(60) for each in running]


def _run(work: Callable[..., Any], url: str, arguments: Sequence[Any]) -> Any:
    warnings.simplefilter("error")
    engine = make_engine(url)
    try:
        return work(engine, *arguments)
    finally:
        engine.dispose()


def upgrade(engine: Engine) -> str | None:
    """Migrates the database, and returns its revision."""
    schema.upgrade(engine)
    return schema.current(engine)


def write(engine: Engine, name: str, user_id: int, times: int) -> None:
    """Changes the user and creates another, several times."""
    store = SqlStore(engine, _now, [USERS_TABLE])
    commands = Commands(USER_TYPE, retrying(store.begin))
    for number in range(times):
        with deadline(20):
            commands.change(user_id, UserChanges({"name": f"{name}-{number}"}), Context())
            commands.create(NewUser(email=f"{name}-{number}@example.org", name=name), Context())


def read_secret(engine: Engine, name: str) -> bytes:
    """Returns the secret, which is created if it does not exist."""
    return SqlSecrets(engine, _now).get_or_create(name)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
