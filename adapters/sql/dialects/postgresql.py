"""What PostgreSQL needs: deadlines that hold even if the server says nothing any more.

No setting of a session is used, so that a pooler in transaction mode may stand in between.
"""

import select
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import (
    POLL_OK,
    POLL_READ,
    TRANSACTION_STATUS_IDLE,
    make_dsn,
    parse_dsn,
    set_wait_callback,
)
from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from adapters.sql.database_urls import BadUrl
from adapters.sql.failures import UnsupportedEncoding, UnsupportedServer
from application.deadlines import deadline, time_left

MIN_VERSION = 15
_CONNECT_SECONDS = 10.0
_SECONDS_OF_MISTRUST = 30.0
_LISTS = ("host", "hostaddr", "port")
_SHARE_OF_SERVER = 0.95
_LEVEL = "ISOLATION LEVEL READ COMMITTED"
# Whatever the defaults of the database and the role are. Poolers take it over for each client.
_SESSION = {"client_encoding": "UTF8"}
_BOUND = "SET LOCAL statement_timeout="
_KEEPALIVES = {
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}


class DeadlinePassed(psycopg2.OperationalError):
    """The answer did not come in time. The driver gives the connection up."""


class Session(extensions.connection):
    """A session that can be told what to send before its next statement, in one message."""

    opening = ""
    level_is_set_by_default = True
    """Whether transactions are READ COMMITTED unless they say otherwise."""
    incoming: "select.poll | None" = None
    """Looks for what the server says, once the session is open."""

    def opened(self, statement: str, *, has_values: bool) -> str:
        """The statement after what was to be sent before it, which holds its values already."""
        opening, self.opening = self.opening, ""
        return (opening.replace("%", "%%") if has_values else opening) + statement


class _Cursor(extensions.cursor):
    connection: Session

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 (the driver names it so)
        if not self.connection.level_is_set_by_default and query.startswith(_BOUND):
            self._set_level()
        if self.connection.opening:
            query = self.connection.opened(query, has_values=vars is not None)
        super().execute(query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        self._open()
        super().executemany(query, vars_list)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        self._open()
        super().copy_expert(sql, file, size)

    def _set_level(self) -> None:
        """For the implicit transaction of a statement that stands alone, in its message.

        One without a deadline is left as it is: it may be one that allows no others in its message.
        """
        session = self.connection
        if not session.opening and session.get_transaction_status() == TRANSACTION_STATUS_IDLE:
            session.opening = f"SET TRANSACTION {_LEVEL}; "

    def _open(self) -> None:
        """By itself: COPY can't be sent together with anything else."""
        if self.connection.opening:
            self.execute("")


def _parse_timestamp(value: str | bytes | None, _: extensions.cursor) -> datetime | None:
    """In UTC, whatever the time zone of the session; three times as fast as the driver's own."""
    if value is None:
        return None
    moment = datetime.fromisoformat(value)  # type: ignore[arg-type]
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


_OID_OF_TIMESTAMPTZ = 1184
_INSTANT = extensions.new_type((_OID_OF_TIMESTAMPTZ,), "INSTANT", _parse_timestamp)


def url_of(text: str) -> URL:
    """The URL for SQLAlchemy, of all that libpq and SQLAlchemy understand, several hosts included.

    Raises BadUrl if neither can read it.
    """
    address = text.partition("://")[2]
    names = [name for name, _ in parse_qsl(address.partition("?")[2])]
    try:
        return _of_sqlalchemy(address) if "host" in names else _of_libpq(address)
    except (psycopg2.Error, ArgumentError, ValueError):
        raise _unreadable() from None


def _unreadable() -> BadUrl:
    """Without the driver's words, which could hold the password."""
    return BadUrl("The URL of the PostgreSQL database can't be read.")


def _of_sqlalchemy(address: str) -> URL:
    """?host=h1:5432&host=h2:5433: libpq would take the last one only."""
    return make_url(f"postgresql+psycopg2://{address}")


def _of_libpq(address: str) -> URL:
    """h1:5432,h2:5433 as one authority, which no one else can read."""
    dsn = parse_dsn(f"postgresql://{address}")
    who = {"username": dsn.pop("user", None), "password": dsn.pop("password", None)}
    return URL.create("postgresql+psycopg2", **who, database=dsn.pop("dbname", None), query=dsn)


def prepare(engine: Engine) -> None:
    """Have everything that the engine waits for end with the deadline.

    Raises BadUrl if the URL has an option that the installed libpq does not know.
    """
    try:
        make_dsn(**engine.dialect.create_connect_args(engine.url)[1])
    except psycopg2.Error:
        raise _unreadable() from None
    set_wait_callback(_wait)
    event.listen(engine, "do_connect", _Hosts().connect)
    event.listen(engine, "checkout", _still_open)
    event.listen(engine, "before_cursor_execute", _bound_at_server, retval=True)
    event.listen(engine, "handle_error", _keep_other_connections)


def _wait(connection: extensions.connection) -> None:
    """Called by the driver, of which it is a global setting, instead of blocking."""
    while (state := connection.poll()) != POLL_OK:
        incoming = getattr(connection, "incoming", None) if state == POLL_READ else None
        left = time_left()
        if not (incoming or _poll(connection, state)).poll(left and 1000 * left):
            raise DeadlinePassed


def _poll(connection: extensions.connection, state: int) -> "select.poll":
    """Looks whether there is something to read, or room to write."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
    return poll


@contextmanager
def blocking() -> Iterator[None]:
    """Without the wait callback, under which the driver refuses COPY.

    For a thread that is alone with the driver: another one that connects meanwhile would fail. A
    server that says nothing is waited for beyond the deadline; its own time-outs hold.
    """
    set_wait_callback(None)
    try:
        yield
    finally:
        set_wait_callback(_wait)


class _Hosts:
    """The hosts of one database, tried one at a time.

    libpq by itself would spend all the time that there is on the first one that is silent, and
    under a wait callback the driver ignores connect_timeout, so it is kept here.
    """

    def __init__(self) -> None:
        self._failures: dict[int, float] = {}

    def connect(
        self, _: Dialect, __: ConnectionPoolEntry, ___: Any, parameters: dict[str, Any]
    ) -> extensions.connection:
        """A connection to the first host that is as wanted; each gets its share of the time."""
        attempts = list(_attempts({**_KEEPALIVES, **parameters}))
        longest = float(parameters.get("connect_timeout") or _CONNECT_SECONDS)
        with deadline(longest * len(attempts)):
            for left, position in zip(
                range(len(attempts), 0, -1), self._order(len(attempts)), strict=True
            ):
                try:
                    with deadline((time_left() or 0.0) / left):
                        return _connected(attempts[position])
                except psycopg2.OperationalError as error:
                    self._failures[position] = monotonic()
                    failure = error
        raise failure

    def _order(self, count: int) -> list[int]:
        """As they are given, but last those that failed lately."""
        lately = monotonic() - _SECONDS_OF_MISTRUST
        return sorted(range(count), key=lambda position: self._failures.get(position, 0) > lately)


def _connected(parameters: dict[str, Any]) -> Session:
    try:
        connection: Session = psycopg2.connect(
            **{**parameters, **_SESSION}, connection_factory=Session
        )
    except psycopg2.OperationalError as error:
        raise _with_address(error, parameters) from error
    connection.cursor_factory = _Cursor
    connection.incoming = _poll(connection, POLL_READ)
    extensions.register_type(_INSTANT, connection)
    try:
        _refuse_unsupported(connection)
        _check_defaults(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _with_address(
    error: psycopg2.OperationalError, parameters: dict[str, Any]
) -> psycopg2.OperationalError:
    """The same error with the server's address, which libpq leaves out where it does not block."""
    message = str(error).strip() or "it did not respond in time"
    if "connection to server" in message:
        return error
    address = parameters.get("host") or parameters.get("hostaddr") or "the default socket"
    port = parameters.get("port") or "5432"
    return type(error)(f'connection to server at "{address}", port {port} failed: {message}')


def _refuse_unsupported(connection: Session) -> None:
    """Raises UnsupportedServer, UnsupportedEncoding. The server has message all this already."""
    version = connection.server_version
    if version < 10_000 * MIN_VERSION:
        raise UnsupportedServer(
            f"It is PostgreSQL {version // 10_000}. Use PostgreSQL {MIN_VERSION} or newer."
        )
    encoding = connection.get_parameter_status("server_encoding")
    if encoding not in (None, "UTF8"):
        raise UnsupportedEncoding(
            f"It is {encoding}. Create a database with ENCODING 'UTF8' TEMPLATE template0, "
            "and use that."
        )


def _check_defaults(connection: Session) -> None:
    """A statement outside a transaction has the isolation level that is the server's default.

    A standby refuses to run any at `serializable`, so those statements need to set their own.
    """
    with closing(connection.cursor()) as cursor:
        cursor.execute("SHOW default_transaction_isolation")
        (level,) = cursor.fetchone() or ("",)
    connection.level_is_set_by_default = level == "read committed"


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


def _still_open(connection: Session, *_: object) -> None:
    """A server says nothing on an idle connection but that it is closing it."""
    if connection.closed or connection.incoming is None or connection.incoming.poll(0):
        raise DisconnectionError


def with_timeout(statement: str) -> str:
    """Have the server give up first, or it would go on with what nobody waits for."""
    left = time_left()
    if left is None:
        return statement
    milliseconds = max(1, int(_SHARE_OF_SERVER * 1000 * left))
    return f"{_BOUND}{milliseconds}; {statement}"


def _bound_at_server(
    _: Connection, __: Any, statement: str, parameters: Any, ___: Any, ____: bool
) -> tuple[str, Any]:
    return with_timeout(statement), parameters


def _keep_other_connections(context: ExceptionContext) -> None:
    """One statement that was too slow is no reason to open every connection of the pool anew."""
    if isinstance(context.original_exception, DeadlinePassed):
        context.invalidate_pool_on_disconnect = False


def send_with_next(connection: PoolProxiedConnection, statement: str, values: Any) -> None:
    """Have the statement sent together with the next one, which saves a way there and back."""
    session = connection.dbapi_connection
    assert isinstance(session, Session)
    with closing(session.cursor()) as cursor:
        session.opening += cursor.mogrify(statement, values).decode() + "; "


class TransactionPolicy:
    """How a transaction is opened."""

    def begin(self, connection: PoolProxiedConnection) -> None:
        """In one message with the first statement, which saves a way to the server and back."""
        session = connection.dbapi_connection
        assert isinstance(session, Session)
        session.opening = f"BEGIN {_LEVEL}; "

    def write_lock(self) -> AbstractContextManager[None]:
        """Writers need not line up."""
        return nullcontext()
