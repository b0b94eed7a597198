"""What PostgreSQL needs: deadlines that hold even if the server says nothing any more.

No setting of a session is used, so that a pooler in transaction mode may stand in between.
"""

import select
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import POLL_OK, POLL_READ, parse_dsn, set_wait_callback
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from application.deadlines import remaining, within

_CONNECT_SECONDS = 10.0
_KEEPALIVES = {
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}


class DeadlinePassed(psycopg2.OperationalError):
    """The answer did not come in time. The driver gives the connection up."""


def url_of(text: str) -> URL:
    """The URL for SQLAlchemy, of all that libpq understands, several hosts included."""
    dsn = parse_dsn("postgresql://" + text.partition("://")[2])
    return URL.create("postgresql+psycopg2", query=dsn)


def prepare(engine: Engine) -> None:
    """Have everything that the engine waits for end with the deadline."""
    set_wait_callback(_wait)
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "checkout", _still_open)
    event.listen(engine, "before_cursor_execute", _bound_at_server, retval=True)
    event.listen(engine, "handle_error", _keep_the_others)


def _wait(connection: extensions.connection) -> None:
    """Called by the driver, of which it is a global setting, instead of blocking."""
    while (state := connection.poll()) != POLL_OK:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
        left = remaining()
        if not poll.poll(None if left is None else 1000 * left):
            raise DeadlinePassed


def _connect(
    _: Dialect, __: ConnectionPoolEntry, ___: Any, parameters: dict[str, Any]
) -> extensions.connection:
    """Try the hosts one at a time: libpq would spend all the time there is on a silent one.

    The driver ignores connect_timeout where a wait callback is set, so it is kept here.
    """
    attempts = list(_attempts({**_KEEPALIVES, **parameters}))
    longest = float(parameters.get("connect_timeout") or _CONNECT_SECONDS)
    with within(longest * len(attempts)):
        for position, attempt in enumerate(attempts):
            try:
                with within((remaining() or 0.0) / (len(attempts) - position)):
                    connection: extensions.connection = psycopg2.connect(**attempt)
                    return connection
            except psycopg2.OperationalError as error:
                failure = error
    raise failure


def _attempts(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parameters for each host by itself."""
    lists = {name: str(parameters[name]).split(",") for name in _LISTS if parameters.get(name)}
    count = max((len(values) for values in lists.values()), default=1)
    wanted = parameters.get("target_session_attrs")
    for session in ("standby", "any") if wanted == "prefer-standby" else (wanted,):
        for position in range(count):
            # One port alone is the port of every host.
            own = {name: values[position % len(values)] for name, values in lists.items()}
            yield {**parameters, **own, **({"target_session_attrs": session} if session else {})}


_LISTS = ("host", "hostaddr", "port")


def _still_open(connection: extensions.connection, *_: object) -> None:
    """A server says nothing on an idle connection but that it is closing it."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if connection.closed or poll.poll(0):
        raise DisconnectionError


def _bound_at_server(
    _: Connection, __: Any, statement: str, parameters: Any, ___: Any, ____: bool
) -> tuple[str, Any]:
    """Have the server give up first, or it would go on with what nobody waits for."""
    left = remaining()
    if left is None:
        return statement, parameters
    milliseconds = max(1, int(_SHARE_OF_SERVER * 1000 * left))
    return f"SET LOCAL statement_timeout={milliseconds}; {statement}", parameters


_SHARE_OF_SERVER = 0.95


def _keep_the_others(context: ExceptionContext) -> None:
    """One statement that was too slow is no reason to open every connection of the pool anew."""
    if isinstance(context.original_exception, DeadlinePassed):
        context.invalidate_pool_on_disconnect = False


class Manners:
    """How a transaction is opened."""

    begin = "BEGIN"

    def turn(self) -> AbstractContextManager[None]:
        """Writers need not line up."""
        return nullcontext()
