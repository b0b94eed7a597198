"""Connections to PostgreSQL, with deadlines that work even if the server no longer responds.

No statement changes settings of the session, so a pooler in transaction mode can be used.
"""

import select
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from datetime import UTC, datetime
from random import shuffle
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
from adapters.sql.dialects import CONNECT_SECONDS, SERVER_SHARE
from adapters.sql.failures import UnsupportedEncoding, UnsupportedServer
from application.deadlines import deadline, time_left

MIN_VERSION = 15
_FAILED_HOST_SECONDS = 30.0
"""The number of seconds for which a host that failed is tried last."""
_HOST_PARAMETERS = ("host", "hostaddr", "port")
_CREDENTIALS = {"username": "user", "password": "password", "database": "dbname"}
"""The parts of a URL in SQLAlchemy and in the driver."""
_LEVEL = "ISOLATION LEVEL READ COMMITTED"
# Overrides the defaults of the database and the role. Poolers apply it to each client.
_SESSION = {"client_encoding": "UTF8"}
_SET_TIMEOUT = "SET LOCAL statement_timeout="
# pg_stat_get_wal_receiver() takes 60 µs less than the view pg_stat_wal_receiver. A server that
# receives nothing remains on its timeline.
_IS_RECENT = (
    "coalesce(pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= '{lsn}'::pg_lsn AND "
    "coalesce((pg_stat_get_wal_receiver()).received_tli, {timeline}) = {timeline}, false)"
)
_KEEPALIVES = {
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}


class DeadlinePassed(psycopg2.OperationalError):
    """The response did not arrive before the deadline. The driver closes the connection."""


class Session(extensions.connection):
    """A connection that can queue statements and send them in one message with the next one."""

    queued = ""
    """Statements that contain their values, each followed by a semicolon and a space."""
    has_default_level = True
    """True if transactions are READ COMMITTED by default."""
    incoming: "select.poll | None" = None
    """Polls for data from the server, after the connection is open."""

    def take_queued(self, statement: str, *, has_values: bool) -> str:
        """Empties the queue. Returns the queued statements followed by this one.

        `has_values` is true if the driver inserts values into the text, so that % must be escaped.
        """
        queued, self.queued = self.queued, ""
        return (queued.replace("%", "%%") if has_values else queued) + statement


class _Cursor(extensions.cursor):
    connection: Session

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 (the driver's name)
        if not self.connection.has_default_level and query.startswith(_SET_TIMEOUT):
            self._queue_level()
        if self.connection.queued:
            query = self.connection.take_queued(query, has_values=vars is not None)
        super().execute(query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        self._send_queued()
        super().executemany(query, vars_list)

    def copy_expert(self, sql: Any, file: Any, size: int = 8192) -> None:
        self._send_queued()
        super().copy_expert(sql, file, size)

    def _queue_level(self) -> None:
        """Sets the isolation level of a statement outside a transaction, in the same message.

        A statement without a deadline keeps the default level, because some statements must be
        alone in their message.
        """
        session = self.connection
        if not session.queued and session.get_transaction_status() == TRANSACTION_STATUS_IDLE:
            session.queued = f"SET TRANSACTION {_LEVEL}; "

    def _send_queued(self) -> None:
        """Sends the queued statements in their own message, because COPY needs one for itself."""
        if self.connection.queued:
            self.execute("")


def _parse_timestamp(value: str | bytes | None, _: extensions.cursor) -> datetime | None:
    """Converts a timestamp to UTC. Three times as fast as the driver's conversion."""
    if value is None:
        return None
    timestamp = datetime.fromisoformat(value)  # type: ignore[arg-type]
    return timestamp if timestamp.tzinfo is UTC else timestamp.astimezone(UTC)


_TIMESTAMPTZ_OID = 1184
_TIMESTAMPTZ = extensions.new_type((_TIMESTAMPTZ_OID,), "TIMESTAMPTZ", _parse_timestamp)


def url_of(text: str) -> URL:
    """The URL for SQLAlchemy. Accepts the forms of libpq and of SQLAlchemy, with several hosts.

    Raises BadUrl if the URL is invalid.
    """
    address = text.partition("://")[2]
    names = [name for name, _ in parse_qsl(address.partition("?")[2])]
    try:
        return _parse_sqlalchemy(address) if "host" in names else _parse_libpq(address)
    except (psycopg2.Error, ArgumentError, ValueError):
        raise _unreadable() from None


def _unreadable() -> BadUrl:
    """An error without the driver's message, which may contain the password."""
    return BadUrl("The URL of the PostgreSQL database can't be read.")


def _parse_sqlalchemy(address: str) -> URL:
    """Parses ?host=h1:5432&host=h2:5433, of which libpq would use only the last host."""
    return make_url(f"postgresql+psycopg2://{address}")


def _parse_libpq(address: str) -> URL:
    """Parses //h1:5432,h2:5433/database, which only libpq can."""
    dsn = parse_dsn(f"postgresql://{address}")
    credentials = {"username": dsn.pop("user", None), "password": dsn.pop("password", None)}
    database = dsn.pop("dbname", None)
    return URL.create("postgresql+psycopg2", **credentials, database=database, query=dsn)


def single_hosts(text: str) -> dict[str, URL]:
    """Returns a URL for each host of a URL, by host and port. Raises BadUrl if it is invalid."""
    url = url_of(text)
    parameters = url.get_dialect()().create_connect_args(url)[1]
    urls = {}
    for single in _attempts({name: str(value) for name, value in parameters.items()}):
        host = single.get("host") or single.get("hostaddr") or "localhost"
        name = f"{host}:{single.get('port') or 5432}"
        credentials = {key: single.pop(part, None) for key, part in _CREDENTIALS.items()}
        query = {key: value for key, value in single.items() if value}  # a port may be empty
        urls[name] = URL.create("postgresql+psycopg2", **credentials, query=query)
    return urls


def prepare(engine: Engine) -> None:
    """Makes everything that the engine waits for end at the deadline.

    Raises BadUrl if the installed libpq does not support an option of the URL.
    """
    try:
        make_dsn(**engine.dialect.create_connect_args(engine.url)[1])
    except psycopg2.Error:
        raise _unreadable() from None
    set_wait_callback(_wait)
    event.listen(engine, "do_connect", _Hosts().connect)
    event.listen(engine, "checkout", _check_open)
    event.listen(engine, "before_cursor_execute", _add_timeout, retval=True)
    event.listen(engine, "handle_error", _keep_other_connections)


def _wait(connection: extensions.connection) -> None:
    """The driver's wait callback, which it calls instead of blocking. Applies to all connections.

    Raises DeadlinePassed.
    """
    while (state := connection.poll()) != POLL_OK:
        incoming = getattr(connection, "incoming", None) if state == POLL_READ else None
        left = time_left()
        if not (incoming or _poll(connection, state)).poll(left and 1000 * left):
            raise DeadlinePassed


def _poll(connection: extensions.connection, state: int) -> "select.poll":
    """An object that polls whether the connection can be read, or written."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN if state == POLL_READ else select.POLLOUT)
    return poll


@contextmanager
def blocking() -> Iterator[None]:
    """Runs the block without the wait callback, with which the driver does not support COPY.

    No other thread may use the driver meanwhile: its connections would fail. The deadline then
    applies only through the timeouts of the server.
    """
    set_wait_callback(None)
    try:
        yield
    finally:
        set_wait_callback(_wait)


class _Hosts:
    """The hosts of one database, which are tried one after another.

    libpq would spend all the time on the first host that does not respond. With a wait callback,
    the driver ignores connect_timeout, so this class enforces it.
    """

    def __init__(self) -> None:
        self._failures: dict[int, float] = {}

    def connect(
        self, _: Dialect, __: ConnectionPoolEntry, ___: Any, parameters: dict[str, Any]
    ) -> extensions.connection:
        """Connects to the first host that accepts. Raises psycopg2.OperationalError if none does.

        The remaining time is shared equally between the remaining hosts.
        """
        attempts = list(_attempts({**_KEEPALIVES, **parameters}))
        seconds_per_host = float(parameters.get("connect_timeout") or CONNECT_SECONDS)
        with deadline(seconds_per_host * len(attempts)):
            for number, position in enumerate(self._order(attempts)):
                try:
                    with deadline((time_left() or 0.0) / (len(attempts) - number)):
                        return _connect(attempts[position])
                except psycopg2.OperationalError as error:
                    self._failures[position] = monotonic()
                    failure = error
        raise failure

    def _order(self, attempts: Sequence[Mapping[str, Any]]) -> list[int]:
        """The positions of the attempts: the hosts that failed recently last.

        Otherwise the order is that of the URL, or random within each target, as in libpq.
        """
        recent = monotonic() - _FAILED_HOST_SECONDS
        positions = list(range(len(attempts)))
        if attempts[0].get("load_balance_hosts") == "random":
            shuffle(positions)
            targets = [each.get("target_session_attrs") for each in attempts]
            positions.sort(key=lambda position: targets.index(targets[position]))
        return sorted(positions, key=lambda position: self._failures.get(position, 0) > recent)


def _connect(parameters: dict[str, Any]) -> Session:
    try:
        connection: Session = psycopg2.connect(
            **{**parameters, **_SESSION}, connection_factory=Session
        )
    except psycopg2.OperationalError as error:
        raise _with_address(error, parameters) from error
    except UnicodeDecodeError as error:
        # Until a session has begun, the messages have the encoding of the server's locale.
        rejection = psycopg2.OperationalError(bytes(error.object).decode(errors="replace"))
        raise _with_address(rejection, parameters) from error
    connection.cursor_factory = _Cursor
    connection.incoming = _poll(connection, POLL_READ)
    extensions.register_type(_TIMESTAMPTZ, connection)
    try:
        _check_server(connection)
        _read_default_level(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _with_address(
    error: psycopg2.OperationalError, parameters: dict[str, Any]
) -> psycopg2.OperationalError:
    """Adds the server's address to the error. libpq omits it from non-blocking connections."""
    message = str(error).strip() or _reason_without_message(error)
    if "connection to server" in message:
        return error
    address = parameters.get("host") or parameters.get("hostaddr") or "the default socket"
    port = parameters.get("port") or "5432"
    return type(error)(f'connection to server at "{address}", port {port} failed: {message}')


def _reason_without_message(error: psycopg2.OperationalError) -> str:
    if isinstance(error, DeadlinePassed):
        return "it did not respond in time"
    # With Python 3.11.2, the driver raises this instead of the UnicodeDecodeError.
    return "it rejected the session, with a message that is not in UTF-8"


def _check_server(connection: Session) -> None:
    """Raises UnsupportedServer or UnsupportedEncoding.

    This takes no query: the server sends its version and encoding when a connection begins.
    """
    version = connection.server_version
    if version < 10_000 * MIN_VERSION:
        raise UnsupportedServer(
            f"The server is PostgreSQL {version // 10_000}. Use PostgreSQL {MIN_VERSION} or newer."
        )
    encoding = connection.get_parameter_status("server_encoding")
    if encoding not in (None, "UTF8"):
        raise UnsupportedEncoding(
            f"The encoding is {encoding}. "
            "Create a database with ENCODING 'UTF8' TEMPLATE template0, and use it."
        )


def _read_default_level(connection: Session) -> None:
    """Finds out whether the default isolation level is READ COMMITTED.

    Statements outside a transaction use the default. A standby rejects every statement at the level
    `serializable`, so these statements must then set their own level.
    """
    with closing(connection.cursor()) as cursor:
        cursor.execute("SHOW default_transaction_isolation")
        (level,) = cursor.fetchone() or ("",)
    connection.has_default_level = level == "read committed"


def _attempts(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parameters of each connection attempt, one for each host.

    "prefer-standby" tries each host as a standby first, and then each host as any server.
    """
    lists = {
        name: str(parameters[name]).split(",") for name in _HOST_PARAMETERS if parameters.get(name)
    }
    count = max((len(values) for values in lists.values()), default=1)
    setting = parameters.get("target_session_attrs")
    for target in ("standby", "any") if setting == "prefer-standby" else (setting,):
        for position in range(count):
            # A single port applies to every host.
            host = {name: values[position % len(values)] for name, values in lists.items()}
            yield {**parameters, **host, **({"target_session_attrs": target} if target else {})}


def _check_open(connection: Session, *_: object) -> None:
    """Raises DisconnectionError, on which SQLAlchemy opens another connection, if this is closed.

    On an idle connection, a server sends something only when it closes the connection.
    """
    if connection.closed or connection.incoming is None or connection.incoming.poll(0):
        raise DisconnectionError


def with_timeout(statement: str) -> str:
    """Makes the server cancel the statement shortly before the deadline, if there is one.

    Otherwise the server would continue after the client has given up.
    """
    left = time_left()
    if left is None:
        return statement
    milliseconds = max(1, int(SERVER_SHARE * 1000 * left))
    return f"{_SET_TIMEOUT}{milliseconds}; {statement}"


def _add_timeout(
    _: Connection, __: Any, statement: str, parameters: Any, ___: Any, ____: bool
) -> tuple[str, Any]:
    return with_timeout(statement), parameters


def _keep_other_connections(context: ExceptionContext) -> None:
    """Keeps the other connections of the pool if a response did not arrive before the deadline."""
    if isinstance(context.original_exception, DeadlinePassed):
        context.invalidate_pool_on_disconnect = False


def send_with_next(connection: PoolProxiedConnection, statement: str, values: Any) -> None:
    """Queues the statement to send it with the next one, which saves a round trip."""
    session = connection.dbapi_connection
    assert isinstance(session, Session)
    with closing(session.cursor()) as cursor:
        session.queued += cursor.mogrify(statement, values).decode() + "; "


@contextmanager
def only_on_replica(
    connection: PoolProxiedConnection, *, timeline: int, lsn: str
) -> Iterator[None]:
    """Checks in the first message of the block that the server is a replica and has replayed `lsn`.

    It must be on the timeline, as far as the role may see it. If the server is something else, the
    check divides by zero (22012), and the server ignores the rest of the message.
    """
    session = connection.dbapi_connection
    assert isinstance(session, Session)
    level = "" if session.has_default_level else f"SET TRANSACTION {_LEVEL}; "
    session.queued = f"{level}SELECT 1 / {_IS_RECENT.format(timeline=timeline, lsn=lsn)}::int; "
    try:
        yield
    finally:
        session.queued = ""


class TransactionPolicy:
    """How a transaction begins. See adapters.sql.transactions.TransactionPolicy."""

    def begin(self, connection: PoolProxiedConnection) -> None:
        """Begins a transaction together with its first statement, which saves a round trip."""
        session = connection.dbapi_connection
        assert isinstance(session, Session)
        session.queued = f"BEGIN {_LEVEL}; "

    def write_lock(self) -> AbstractContextManager[None]:
        """No lock: the server synchronizes concurrent writers."""
        return nullcontext()
