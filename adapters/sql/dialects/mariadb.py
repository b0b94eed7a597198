"""Connections to MariaDB, with deadlines that work even if the server no longer responds.

The variables of a session are set once, when it is opened (docs/decisions/0011-mariadb.md).
"""

import configparser
import re
import select
import socket
import ssl
import struct
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from errno import EAFNOSUPPORT
from typing import Any

from pymysql.connections import Connection as Session
from pymysql.constants import CR, ER
from pymysql.err import MySQLError, OperationalError
from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.engine import Dialect
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import asbool

from adapters.sql.database_urls import BadUrl
from adapters.sql.dialects import CONNECT_SECONDS, SERVER_SHARE
from adapters.sql.failures import UnsupportedServer
from application.deadlines import deadline, time_left

MIN_VERSION = (10, 11)
_MAX_PORT = 65_535
_SESSION = {
    "autocommit": True,
    "charset": "utf8mb4",
    # Each statement reads the committed rows, and locks the rows that it finds but not the gaps.
    "init_command": "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
}
# Makes sessions independent of the server's defaults. The server rejects text that is too long,
# does not truncate results, accepts every valid statement, and enforces unique indexes. COMMIT
# begins no new transaction.
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
# For a node of Galera. A read waits until the node has applied what other nodes have committed. A
# large transaction is sent to the other nodes in fragments, so that an import of any length stays
# below wsrep_max_ws_size (docs/decisions/0063-galera.md).
GALERA_VARIABLES = {
    "wsrep_sync_wait": "1",
    "wsrep_trx_fragment_unit": "'bytes'",
    "wsrep_trx_fragment_size": str(8 * 1024**2),
}


def _set_statement(variables: Mapping[str, str]) -> str:
    return "SET SESSION " + ", ".join(f"{name} = {value}" for name, value in variables.items())


_SET = _set_statement(_VARIABLES)
_SET_ON_GALERA = _set_statement(_VARIABLES | GALERA_VARIABLES)
_DESCRIBE_SERVER = "SELECT VERSION(), @@wsrep_on"
_DESCRIBE_SERVER_WITHOUT_GALERA = "SELECT VERSION(), 0"
_ON_GALERA = "galera"
"""The key in the dictionary `info` of a pooled connection: True for a node of Galera."""
_MALFORMED = (AssertionError, IndexError, ValueError, struct.error)
"""The errors of the driver while it reads a malformed greeting."""
_BOOLEAN_OPTIONS = ("ssl_disabled", "ssl_verify_cert", "ssl_verify_identity")


def url_of(text: str) -> URL:
    """The URL for SQLAlchemy. Raises BadUrl if it is invalid or has no database."""
    try:
        url = make_url(text).set(drivername="mariadb+pymysql")
    except (ArgumentError, ValueError):
        raise _unreadable() from None
    if url.port is not None and not 0 < url.port <= _MAX_PORT:
        raise BadUrl(f"The port must be a whole number from 1 to {_MAX_PORT}.")
    if not url.database:
        raise BadUrl("The URL must contain the name of the MariaDB database, as in …@host/roster.")
    return url


def _unreadable() -> BadUrl:
    """An error without the driver's message, which may contain the password."""
    return BadUrl("The URL of the MariaDB database can't be read.")


def prepare(engine: Engine) -> None:
    """Makes everything that the engine waits for end at the deadline.

    Raises BadUrl if the driver rejects the URL or cannot read a file of an option.
    """
    options = engine.dialect.create_connect_args(engine.url)[1]
    try:
        _unopened_session(options)
    except OSError:
        raise BadUrl(
            "Roster can't use ssl_cipher, ssl_key_password, or a file of ssl_ca, ssl_capath, "
            "ssl_cert or ssl_key."
        ) from None
    except (ValueError, configparser.Error):
        if "read_default_file" in options:
            raise BadUrl("The option file of read_default_file can't be read.") from None
        raise _unreadable() from None
    # The driver's executemany sends the rows one by one, because SET STATEMENT precedes INSERT.
    # So SQLAlchemy writes multi-row statements.
    engine.dialect.use_insertmanyvalues_wo_returning = True
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "checkout", _check_open)
    event.listen(engine, "before_cursor_execute", _add_timeout, retval=True)
    event.listen(engine, "handle_error", _keep_other_connections)


class _Socket(socket.socket):
    """A socket that stops sending and receiving at the deadline."""

    def recv_into(self, *arguments: Any) -> int:
        self.settimeout(_seconds_left())
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(_seconds_left())
        super().sendall(*arguments)


class _EncryptedSocket(_Socket, ssl.SSLSocket):
    """Such a socket with TLS."""


def _seconds_left() -> float | None:
    left = time_left()
    if left == 0:  # A timeout of 0 would make the socket non-blocking.
        raise TimeoutError
    return left


def _unopened_session(parameters: Mapping[str, Any]) -> Session:
    """A session that is not open yet.

    Raises ValueError, TypeError or OSError if a parameter is invalid.
    """
    options, tls = dict(parameters), dict(parameters.get("ssl", {}))
    disabled, verifies, checks_host = (_pop_boolean(options, name) for name in _BOOLEAN_OPTIONS)
    # SQLAlchemy puts other options into a dictionary. If the driver got these options as well, it
    # would ignore the dictionary. It also checks no host name without an authority in the URL.
    if checks_host is None:
        checks_host = tls.get("check_hostname")
    if verifies or checks_host:
        tls["verify_mode"] = "required"
    if "password" in options:  # the driver would encode a text in latin1
        options["password"] = options["password"].encode()
    key_password = options.pop("ssl_key_password", "")
    if "cert" in tls:
        tls["password"] = key_password  # without one, OpenSSL would read it from the terminal
    session = Session(
        **{**options, "ssl": tls, "ssl_disabled": disabled, **_SESSION}, defer_connect=True
    )
    if session.ssl:
        session.ctx.sslsocket_class = _EncryptedSocket
        if checks_host is not None:
            session.ctx.check_hostname = checks_host
        elif verifies is False:
            session.ctx.check_hostname = False
        if verifies is False and not checks_host:
            session.ctx.verify_mode = ssl.CERT_NONE
    return session


def _pop_boolean(options: dict[str, Any], name: str) -> bool | None:
    """Removes the option and returns its value, or None if it is not set."""
    value = options.pop(name, None)
    return None if value is None else asbool(value)


def _connect(
    _: Dialect, record: ConnectionPoolEntry, __: Any, parameters: dict[str, Any]
) -> Session:
    session = _unopened_session(parameters)
    address = session.unix_socket or f"{session.host}:{session.port}"
    with deadline(session.connect_timeout or CONNECT_SECONDS):
        try:
            connected_socket = _open_socket(session)
        except (OSError, UnicodeError) as error:  # UnicodeError: an invalid host name
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            message = f"Can't connect to '{address}': {reason}"
            raise OperationalError(CR.CR_CONN_HOST_ERROR, message) from error
        record.info["descriptor"] = connected_socket.fileno()
        try:
            session.connect(connected_socket)
            record.info[_ON_GALERA] = _check_server(session)
            session.query(_SET_ON_GALERA if record.info[_ON_GALERA] else _SET)
        except BaseException as error:
            connected_socket.close()
            if isinstance(error, _MALFORMED):
                message = f"The server at '{address}' does not speak MariaDB's protocol"
                raise OperationalError(CR.CR_MALFORMED_PACKET, message) from error
            raise
    return session


def _open_socket(session: Session) -> socket.socket:
    """Connects to the first of the server's addresses that accepts. Raises OSError if none does.

    The remaining time is shared equally between the remaining addresses.
    """
    if session.unix_socket:
        return _connect_socket(socket.AF_UNIX, session.unix_socket)
    addresses = socket.getaddrinfo(session.host, session.port, type=socket.SOCK_STREAM)
    failure: OSError | None = None
    for position, (family, _, _, _, address) in enumerate(addresses):
        try:
            with deadline((time_left() or 0.0) / (len(addresses) - position)):
                return _connect_socket(family, address)
        except OSError as error:
            if failure is None or error.errno != EAFNOSUPPORT:  # such as a system without IPv6
                failure = error
    raise failure or OSError("the host has no address")


def _connect_socket(family: int, address: Any) -> socket.socket:
    connection = _Socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(_seconds_left())
        connection.connect(address)
        if family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def is_on_galera(connection: PoolProxiedConnection) -> bool:
    """Returns True if the server is a node of a Galera cluster."""
    return bool(connection.info.get(_ON_GALERA))


def _check_server(session: Session) -> bool:
    """Returns True if the server is a node of Galera.

    Raises UnsupportedServer unless it is MariaDB 10.11 or newer. Queries the version, because the
    version in the handshake may be that of a proxy.
    """
    with session.cursor() as cursor:
        try:
            cursor.execute(_DESCRIBE_SERVER)
        except MySQLError as error:
            if error.args[0] != ER.UNKNOWN_SYSTEM_VARIABLE:
                raise
            cursor.execute(_DESCRIBE_SERVER_WITHOUT_GALERA)  # MariaDB was built without it
        version, on_galera = cursor.fetchone()
    match = re.match(r"(\d+)\.(\d+)\..*MariaDB", version)
    if not match or tuple(map(int, match.groups())) < MIN_VERSION:
        session.close()
        required = ".".join(map(str, MIN_VERSION))
        raise UnsupportedServer(f"The server is {version}. Use MariaDB {required} or newer.")
    return bool(on_galera)


def _check_open(session: Session, record: ConnectionPoolEntry, _: object) -> None:
    """Raises DisconnectionError, on which SQLAlchemy opens another connection, if this is closed.

    On an idle connection, a server sends something only when it closes the connection.
    """
    poll = select.poll()
    poll.register(record.info["descriptor"], select.POLLIN)
    if not session.open or poll.poll(0):
        raise DisconnectionError


def with_timeout(statement: str) -> str:
    """Makes the server cancel the statement shortly before the deadline, if there is one.

    Otherwise the server would continue after the client has given up.
    """
    left = time_left()
    if left is None:
        return statement
    seconds = max(0.001, SERVER_SHARE * left)
    return f"SET STATEMENT max_statement_time={seconds:.3f} FOR {statement}"


def _add_timeout(
    _: Connection, __: Any, statement: str, parameters: Any, ___: Any, ____: bool
) -> tuple[str, Any]:
    return with_timeout(statement), parameters


def _keep_other_connections(context: ExceptionContext) -> None:
    """Keeps the other connections of the pool if a response did not arrive before the deadline."""
    if isinstance(context.original_exception.__context__, TimeoutError):
        context.invalidate_pool_on_disconnect = False


class TransactionPolicy:
    """How a transaction begins. See adapters.sql.transactions.TransactionPolicy."""

    def begin(self, connection: PoolProxiedConnection) -> None:
        """Begins a transaction now."""
        connection.cursor().execute("START TRANSACTION")

    def write_lock(self) -> AbstractContextManager[None]:
        """No lock: the server synchronizes concurrent writers."""
        return nullcontext()
