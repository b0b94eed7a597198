"""What MariaDB needs: deadlines that hold even if the server says nothing any more.

What a session must be is said once, as it is opened: see docs/decisions/0011-mariadb.md.
"""

import configparser
import re
import select
import socket
import ssl
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pymysql.connections import Connection as Session
from pymysql.constants import CR
from pymysql.err import OperationalError
from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import asbool

from adapters.sql.database_urls import BadUrl
from adapters.sql.failures import UnsupportedServer
from application.deadlines import deadline, time_left

MIN_VERSION = (10, 11)
_CONNECT_SECONDS = 10.0
_HIGHEST_PORT = 65_535
_SHARE_OF_SERVER = 0.95
_SESSION = {
    "autocommit": True,
    "charset": "utf8mb4",
    # Each statement sees what is committed, and locks what it finds rather than the gaps around.
    "init_command": "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
}
# Whatever the defaults of the server are: text that is too long is refused and never cut, no result
# is cut off, no statement is refused for its form, unique indexes are unique, and COMMIT only
# commits.
_VARIABLES = {
    "sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'",
    "sql_select_limit": "18446744073709551615",  # no limit
    "sql_safe_updates": "0",
    "sql_big_selects": "1",
    "sql_auto_is_null": "0",
    "unique_checks": "1",
    "foreign_key_checks": "1",
    "completion_type": "'NO_CHAIN'",
}
_SET = "SET SESSION " + ", ".join(f"{name} = {value}" for name, value in _VARIABLES.items())
_SWITCHES = ("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity")


def url_of(text: str) -> URL:
    """The URL for SQLAlchemy. Raises BadUrl if it can't be read or names no database."""
    try:
        url = make_url(text).set(drivername="mariadb+pymysql")
    except (ArgumentError, ValueError):
        raise _unreadable() from None
    if url.port is not None and not 0 < url.port <= _HIGHEST_PORT:
        raise BadUrl(f"The port must be a whole number from 1 to {_HIGHEST_PORT}.")
    if not url.database:
        raise BadUrl("The URL of the MariaDB database must name one, as …@host/roster")
    return url


def _unreadable() -> BadUrl:
    """Without the driver's words, which could hold the password."""
    return BadUrl("The URL of the MariaDB database can't be read.")


def prepare(engine: Engine) -> None:
    """Have everything that the engine waits for end with the deadline.

    Raises BadUrl if the driver refuses the URL, or can't read a file that it names.
    """
    options = engine.dialect.create_connect_args(engine.url)[1]
    try:
        _session(options)
    except OSError:
        raise BadUrl(
            "A file of ssl_ca, ssl_capath, ssl_cert or ssl_key, or ssl_cipher, can't be used."
        ) from None
    except (ValueError, configparser.Error):
        if "read_default_file" in options or "read_default_group" in options:
            raise BadUrl("The option file of read_default_file can't be read.") from None
        raise _unreadable() from None
    # The driver would join the rows of a batch only if nothing stood before INSERT.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "checkout", _still_open)
    event.listen(engine, "before_cursor_execute", _bound_at_server, retval=True)
    event.listen(engine, "handle_error", _keep_other_connections)


class _Socket(socket.socket):
    """Waits no longer than the deadline for what it sends or receives."""

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_seconds_left())
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(_seconds_left())
        super().sendall(*arguments)


class _EncryptedSocket(_Socket, ssl.SSLSocket):
    """The same under TLS."""


def _seconds_left() -> float | None:
    left = time_left()
    if left == 0:  # which would mean not to wait, and to be told so otherwise
        raise TimeoutError
    return left


def _session(parameters: Mapping[str, Any]) -> Session:
    """A session that is not open yet. ValueError, TypeError, OSError for a bad parameter."""
    switches = {name: asbool(parameters[name]) for name in _SWITCHES if name in parameters}
    session = Session(**{**parameters, **switches, **_SESSION}, defer_connect=True)
    if session.ssl:
        session.ctx.sslsocket_class = _EncryptedSocket
    return session


def _connect(
    _: Dialect, record: ConnectionPoolEntry, __: Any, parameters: dict[str, Any]
) -> Session:
    session = _session(parameters)
    with deadline(session.connect_timeout or _CONNECT_SECONDS):
        try:
            reached = _open_socket(session)
        except (OSError, UnicodeError) as error:  # a host name that is none is the latter
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            where = session.unix_socket or f"{session.host}:{session.port}"
            message = f"Can't connect to '{where}': {why}"
            raise OperationalError(CR.CR_CONN_HOST_ERROR, message) from error
        record.info["descriptor"] = reached.fileno()
        session.connect(reached)
        _refuse_others(session)
        session.query(_SET)
    return session


def _open_socket(session: Session) -> socket.socket:
    """A socket to the server: by the first of its addresses that takes it. OSError."""
    if session.unix_socket:
        return _connected(socket.AF_UNIX, session.unix_socket)
    found = socket.getaddrinfo(session.host, session.port, type=socket.SOCK_STREAM)
    for left, (family, _, _, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        try:
            with deadline((time_left() or 0.0) / left):
                return _connected(family, address)
        except OSError as error:
            failure = error
    raise failure


def _connected(family: int, address: Any) -> socket.socket:
    reached = _Socket(family, socket.SOCK_STREAM)
    try:
        reached.settimeout(_seconds_left())
        reached.connect(address)
        if family != socket.AF_UNIX:
            reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reached.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except BaseException:
        reached.close()
        raise
    return reached


def _refuse_others(session: Session) -> None:
    """Raises UnsupportedServer. A proxy greets in its own name, so the server is asked."""
    with session.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        (version,) = cursor.fetchone()
    found = re.match(r"(\d+)\.(\d+)\..*MariaDB", version)
    if not found or tuple(map(int, found.groups())) < MIN_VERSION:
        session.close()
        raise UnsupportedServer(f"It is {version}. Use MariaDB 10.11 or newer.")


def _still_open(session: Session, record: ConnectionPoolEntry, _: object) -> None:
    """A server says nothing on an idle connection but that it is closing it."""
    poll = select.poll()
    poll.register(record.info["descriptor"], select.POLLIN)
    if not session.open or poll.poll(0):
        raise DisconnectionError


def with_timeout(statement: str) -> str:
    """Have the server give up first, or it would go on with what nobody waits for."""
    left = time_left()
    if left is None:
        return statement
    seconds = max(0.001, _SHARE_OF_SERVER * left)
    return f"SET STATEMENT max_statement_time={seconds:.3f} FOR {statement}"


def _bound_at_server(
    _: Connection, __: Any, statement: str, parameters: Any, ___: Any, ____: bool
) -> tuple[str, Any]:
    return with_timeout(statement), parameters


def _keep_other_connections(context: ExceptionContext) -> None:
    """One answer that did not come is no reason to open every connection of the pool anew."""
    if isinstance(context.original_exception.__context__, TimeoutError):
        context.invalidate_pool_on_disconnect = False


class TransactionPolicy:
    """How a transaction is opened."""

    def begin(self, connection: PoolProxiedConnection) -> None:
        """As any transaction."""
        connection.cursor().execute("START TRANSACTION")

    def write_lock(self) -> AbstractContextManager[None]:
        """Writers need not line up."""
        return nullcontext()
