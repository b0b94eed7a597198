"""The meaning of the databases' errors, with hand-made errors."""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import psycopg2
import pymysql
import pytest

from adapters.sql.engine import make_engine
from adapters.sql.failures import (
    ForeignTable,
    NotMigrated,
    NotPermitted,
    UnknownFailure,
    UnsupportedEncoding,
    UnsupportedServer,
    WritesRefused,
    translate_commit_errors,
    translate_errors,
)
from adapters.sql.transactions import read_connection
from application.ports import ConcurrentUpdate, OutcomeUnknown, Unavailable

MARIADB = {
    ConcurrentUpdate: (1020, 1213),
    WritesRefused: (1290, 1792, 1836),
    NotMigrated: (1054, 1146),
    ForeignTable: (1050,),
    NotPermitted: (1142, 1143, 1227),
    UnsupportedServer: (1665,),
    UnsupportedEncoding: (1267, 1271, 1366),
    Unavailable: (
        *(3, 167, 1021, 1026, 1030, 1037, 1040, 1041, 1044, 1045, 1047, 1049, 1053, 1109, 1114),
        *(1129, 1130, 1180, 1203, 1205, 1226, 1317, 1467, 1644, 1698, 1927, 1969, 3024),
        *(0, 2003, 2006, 2013),  # errors of the driver: the connection is lost
    ),
}
POSTGRESQL = {
    ConcurrentUpdate: ("40001", "40P01"),
    WritesRefused: ("25006",),
    NotMigrated: ("42P01", "42703"),
    ForeignTable: ("42P07",),
    NotPermitted: ("42501",),
    Unavailable: (
        *("2200H", "3F000", "57014", "55P03", "25P03", "25P04", "57P01", "57P02", "57P03", "57P05"),
        *("08000", "08006", "53000", "53100", "53200", "53300", "58000", "58030"),  # by class
    ),
}
SQLITE = {
    WritesRefused: (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM),
    Unavailable: (
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT),
        *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN),
        *(sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_CORRUPT),
        *(sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_BUSY_SNAPSHOT),
    ),
}


class PostgresqlError(psycopg2.DatabaseError):
    """An error with a SQLSTATE, which psycopg2 sets only itself."""

    pgcode = ""


def postgresql_error(code: str, message: str = "text") -> psycopg2.Error:
    error = PostgresqlError(message)
    error.pgcode = code
    return error


def sqlite_error(code: int) -> sqlite3.Error:
    error = sqlite3.OperationalError("text")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        *(
            pytest.param(pymysql.err.OperationalError(code, "text"), meaning, id=f"mariadb {code}")
            for meaning, codes in MARIADB.items()
            for code in codes
        ),
        *(
            pytest.param(postgresql_error(code), meaning, id=f"postgresql {code}")
            for meaning, codes in POSTGRESQL.items()
            for code in codes
        ),
        *(
            pytest.param(sqlite_error(code), meaning, id=f"sqlite {code}")
            for meaning, codes in SQLITE.items()
            for code in codes
        ),
    ],
)
def test_translates_each_known_error(error: Exception, meaning: type[Exception]) -> None:
    with pytest.raises(Unavailable) as caught, translate_errors():
        raise error
    assert type(caught.value) is meaning


def mariadb_error(code: int, message: str = "text") -> pymysql.Error:
    return pymysql.err.OperationalError(code, message)


def test_the_reason_has_the_message_of_mariadb_unless_it_may_quote_values() -> None:
    without_message = []
    for code in (code for codes in MARIADB.values() for code in codes):
        with pytest.raises(Unavailable) as caught, translate_errors():
            raise mariadb_error(code, "the message")
        if not (caught.value.reason or "").startswith("the message"):
            without_message.append(code)
    assert without_message == [1054, 1267, 1271, 1366, 167, 1467, 1644, 0]


@pytest.mark.parametrize(
    "error",
    [
        pymysql.err.OperationalError(),
        pymysql.err.InterfaceError("x"),
        pymysql.err.InterfaceError(0, ""),
    ],
)
def test_an_error_of_mariadb_without_a_number_is_a_lost_connection(error: Exception) -> None:
    with pytest.raises(Unavailable) as caught, translate_errors():
        raise error
    assert caught.value.reason == "The connection to the database was lost."


TOO_LARGE = pymysql.err.InternalError(1105, "Maximum writeset size exceeded by 9: 90")


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (mariadb_error(1213), ConcurrentUpdate),  # Galera rolled it back: it failed certification
        (mariadb_error(1020), ConcurrentUpdate),
        (TOO_LARGE, Unavailable),
        (mariadb_error(1290), Unavailable),
        # The node may have sent the changes to the others before it failed.
        *((mariadb_error(code), OutcomeUnknown) for code in (1047, 1180, 1205, 1053, 1927)),
        *((mariadb_error(code), OutcomeUnknown) for code in (0, 1105, 2006, 2013)),
    ],
    ids=lambda value: str(value.args[0]) if isinstance(value, Exception) else value.__name__,
)
def test_translates_each_error_of_a_commit(error: Exception, meaning: type[Exception]) -> None:
    with pytest.raises(Unavailable) as caught, translate_commit_errors():
        raise error
    assert type(caught.value) is meaning


def test_the_reason_names_the_limit_that_a_transaction_exceeds() -> None:
    with pytest.raises(Unavailable) as caught, translate_commit_errors():
        raise TOO_LARGE
    assert caught.value.reason == ("Maximum writeset size exceeded. Raise wsrep_max_ws_size.")


@pytest.mark.parametrize(
    "error",
    [
        *(pymysql.err.OperationalError(code, "text") for code in (1028, 1031, 1064, 1131, 1318)),
        *map(postgresql_error, ("42601", "22001", "09000", "54000", "59000")),
        sqlite_error(sqlite3.SQLITE_ERROR),
    ],
    ids=lambda error: f"{type(error).__name__} {error.args}",
)
def test_another_error_is_unknown(error: Exception) -> None:
    with pytest.raises(UnknownFailure), translate_errors():
        raise error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (postgresql_error("42601", "syntax error at ann@example.org"), "42601"),
        (postgresql_error("22001", "value too long: ann@example.org"), "22001"),
        (pymysql.err.ProgrammingError(1064, "syntax error near ann@example.org"), "1064"),
    ],
)
def test_an_unknown_error_is_described_by_its_code_without_its_message(
    error: Exception, code: str
) -> None:
    with pytest.raises(UnknownFailure) as caught, translate_errors():
        raise error
    assert str(caught.value) == f"{type(error).__name__}; {code}"


def test_a_path_that_cannot_be_examined_is_unavailable_with_the_reason(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path}/{'folder' * 50}/roster.db")
    with pytest.raises(Unavailable) as caught, read_connection(engine):
        pass
    assert caught.value.reason is not None
    assert caught.value.reason.endswith("/roster.db: File name too long.")


@pytest.fixture
def rejecting_server() -> Iterator[Callable[[bytes], str]]:
    """Starts a server that rejects a session of PostgreSQL with a message.

    Returns the folder of its socket.
    """
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/.s.PGSQL.5432")
        listener.listen()
        threads = []

        def start(message: bytes) -> str:
            fields = b"SFATAL\0VFATAL\0C53300\0M" + message + b"\0\0"

            def run() -> None:
                with listener.accept()[0] as connection:
                    connection.recv(4096)
                    connection.sendall(b"E" + (len(fields) + 4).to_bytes(4) + fields)

            threads.append(Thread(target=run))
            threads[-1].start()
            return folder

        yield start
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        # The driver loses the message with Python 3.11.2.
        (
            "désolé, trop de clients".encode("latin-1"),
            ("d�sol�, trop de clients", "with a message that is not in UTF-8"),
        ),
        ("désolé, trop de clients".encode(), ("FATAL: désolé, trop de clients",)),
    ],
)
def test_a_rejection_in_the_encoding_of_the_server_is_unavailable(
    rejecting_server: Callable[[bytes], str], message: bytes, shown: tuple[str, ...]
) -> None:
    folder = rejecting_server(message)
    engine = make_engine(f"postgresql://ann:secret@/roster?host={folder}")
    with pytest.raises(Unavailable) as caught, read_connection(engine):
        pass
    reason = caught.value.reason or ""
    assert f'"{folder}", port 5432 failed: ' in reason
    assert any(f"{each}." in reason for each in shown)


def test_a_server_that_does_not_respond_is_reported_as_such() -> None:
    with TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/.s.PGSQL.5432")
        listener.listen()
        engine = make_engine(f"postgresql://ann:secret@/roster?host={folder}&connect_timeout=1")
        with pytest.raises(Unavailable) as caught, read_connection(engine):
            pass
    assert f'"{folder}", port 5432 failed: it did not respond in time.' in str(caught.value.reason)


@pytest.mark.parametrize("position", [0, 1])
def test_the_reason_is_that_of_an_address_that_the_system_supports(
    monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    """A host may have an IPv6 address, and the system no IPv6."""
    refused = socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1)
    addresses: list[object] = [refused]
    addresses.insert(position, (UNKNOWN_FAMILY, socket.SOCK_STREAM, 0, "", ("::1", 1)))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    engine = make_engine("mariadb+pymysql://ann:secret@database.example/roster")
    with pytest.raises(Unavailable) as caught, read_connection(engine):
        pass
    assert caught.value.reason is not None
    assert "Connection refused" in caught.value.reason


UNKNOWN_FAMILY = 255


@pytest.mark.parametrize(
    "greeting",
    [
        b"\x01\0\0\0\x0a",
        b"\x04\0\0\0\x09abc",
        b"\x15\0\0\0\x0a10.11.2-MariaDB\0abc!",
        b"SSH-2.0-server\r\n",
        b"",
    ],
)
def test_a_server_of_another_protocol_is_unavailable(greeting: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        with listener, listener.accept()[0] as connection:
            connection.sendall(greeting)

    server = Thread(target=greet)
    server.start()
    port = listener.getsockname()[1]
    engine = make_engine(f"mariadb+pymysql://ann:secret@127.0.0.1:{port}/roster")
    with pytest.raises(Unavailable) as caught, read_connection(engine):
        pass
    server.join(20)
    assert caught.value.reason
    assert "secret" not in caught.value.reason
