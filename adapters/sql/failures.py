"""Translates the errors of database drivers into the errors of the ports.

The error code decides. The message decides only if there is no code for the case. An error that is
not listed here is a defect of Roster (UnknownFailure).
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from threading import Lock

import psycopg2
import pymysql
import sqlalchemy.exc

from adapters.sql.error_reasons import (
    CONNECTION_LOST,
    DRIVER_NUMBERS,
    PRIMARY_CODE,
    exceeds_transaction_limit,
    is_raised_by_trigger,
    mariadb_number,
    message_parts,
    reason,
)
from application.ports import ConcurrentUpdate, OutcomeUnknown, Unavailable


class NotMigrated(Unavailable):
    """The database lacks tables or columns that this release needs."""

    code = "not_migrated"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("The database isn't migrated to this release (roster db upgrade).")
        self.reason = reason


class WritesRefused(Unavailable):
    """The database is read-only, such as a standby or a file without write permission."""

    code = "writes_refused"

    def __init__(self) -> None:
        super().__init__("The database is read-only now.")


class NotPermitted(Unavailable):
    """The database's user lacks a privilege that Roster needs."""

    code = "not_permitted"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("Roster lacks a privilege in the database.")
        self.reason = reason


class UnsupportedServer(Unavailable):
    """Roster does not support the database server or its version."""

    code = "unsupported_server"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("Roster does not support this database server.")
        self.reason = reason


class UnsupportedEncoding(Unavailable):
    """The database can't store every character."""

    code = "unsupported_encoding"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("The encoding of the database is not UTF-8.")
        self.reason = reason


class UnknownRevision(Unavailable):
    """The table with the schema's revision contains something that Roster does not write."""

    code = "unknown_revision"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("The revision of the database's tables is not one of Roster's.")
        self.reason = reason


class ForeignTable(Unavailable):
    """Another application has a table or an index with a name that Roster needs."""

    code = "foreign_table"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("Tables of another application conflict with the tables of Roster.")
        self.reason = reason


class UnknownFailure(Exception):
    """The database reported an error that Roster does not expect.

    It replaces the driver's error, which may quote values of rows that must not appear in a log.
    """


_NOT_IN_CLUSTER = 1047
"""ER_UNKNOWN_COM_ERROR of MariaDB: the node of Galera is not part of a majority."""
_MakeError = Callable[[], Unavailable]
_POSTGRESQL: Mapping[str, _MakeError] = {
    "40001": ConcurrentUpdate,  # serialization_failure
    "40P01": ConcurrentUpdate,  # deadlock_detected
    "23503": ConcurrentUpdate,  # foreign_key_violation: another unit deleted or related an entity
    "2200H": Unavailable,  # sequence_generator_limit_exceeded: exhausted ids
    "25006": WritesRefused,  # read_only_sql_transaction
    "42P01": NotMigrated,  # undefined_table
    "42P07": ForeignTable,  # duplicate_table
    "42501": NotPermitted,  # insufficient_privilege
    "3F000": Unavailable,  # invalid_schema_name: search_path names no schema
    "42703": NotMigrated,  # undefined_column
    "57014": Unavailable,  # query_canceled: statement_timeout
    "55P03": Unavailable,  # lock_not_available
    "25P03": Unavailable,  # idle_in_transaction_session_timeout
    "25P04": Unavailable,  # transaction_timeout
    "57P01": Unavailable,  # admin_shutdown
    "57P02": Unavailable,  # crash_shutdown
    "57P03": Unavailable,  # cannot_connect_now
    "57P05": Unavailable,  # idle_session_timeout
}
_POSTGRESQL_CLASSES: Mapping[str, _MakeError] = {
    "08": Unavailable,  # connection exception
    "53": Unavailable,  # insufficient resources: disk full, out of memory, too many connections
    "58": Unavailable,  # system error
}
_SQLITE: Mapping[int, _MakeError] = {
    sqlite3.SQLITE_BUSY: Unavailable,
    sqlite3.SQLITE_LOCKED: Unavailable,
    sqlite3.SQLITE_INTERRUPT: Unavailable,
    sqlite3.SQLITE_FULL: Unavailable,
    sqlite3.SQLITE_IOERR: Unavailable,
    sqlite3.SQLITE_CANTOPEN: Unavailable,
    sqlite3.SQLITE_NOMEM: Unavailable,
    sqlite3.SQLITE_PROTOCOL: Unavailable,
    sqlite3.SQLITE_CORRUPT: Unavailable,
    sqlite3.SQLITE_NOTADB: Unavailable,
    sqlite3.SQLITE_READONLY: WritesRefused,
    sqlite3.SQLITE_PERM: WritesRefused,
}
_MISSING_TABLE = re.compile("no such (table|column): |table .* has no column named ")
_MARIADB: Mapping[int, _MakeError] = {
    1020: ConcurrentUpdate,  # ER_CHECKREAD: changed since the snapshot was taken
    1213: ConcurrentUpdate,  # ER_LOCK_DEADLOCK
    1451: ConcurrentUpdate,  # ER_ROW_IS_REFERENCED_2: another unit related an entity
    1452: ConcurrentUpdate,  # ER_NO_REFERENCED_ROW_2: another unit deleted an entity
    1290: WritesRefused,  # ER_OPTION_PREVENTS_STATEMENT: --read-only
    1792: WritesRefused,  # ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
    1836: WritesRefused,  # ER_READ_ONLY_MODE
    1146: NotMigrated,  # ER_NO_SUCH_TABLE
    1050: ForeignTable,  # ER_TABLE_EXISTS_ERROR
    1142: NotPermitted,  # ER_TABLEACCESS_DENIED_ERROR
    1143: NotPermitted,  # ER_COLUMNACCESS_DENIED_ERROR
    1227: NotPermitted,  # ER_SPECIFIC_ACCESS_DENIED_ERROR
    1665: UnsupportedServer,  # ER_BINLOG_STMT_MODE_AND_ROW_ENGINE: binlog_format=STATEMENT
    1267: UnsupportedEncoding,  # ER_CANT_AGGREGATE_2COLLATIONS: a column is not in utf8mb4
    1271: UnsupportedEncoding,  # ER_CANT_AGGREGATE_NCOLLATIONS
    1366: UnsupportedEncoding,  # ER_TRUNCATED_WRONG_VALUE_FOR_FIELD: characters it can't store
    1054: NotMigrated,  # ER_BAD_FIELD_ERROR
    3: Unavailable,  # EE_WRITE: usually the disk is full
    1021: Unavailable,  # ER_DISK_FULL
    1026: Unavailable,  # ER_ERROR_ON_WRITE
    1030: Unavailable,  # ER_GET_ERRNO: an error of the storage engine
    1037: Unavailable,  # ER_OUTOFMEMORY
    1040: Unavailable,  # ER_CON_COUNT_ERROR
    1041: Unavailable,  # ER_OUT_OF_RESOURCES
    1044: Unavailable,  # ER_DBACCESS_DENIED_ERROR
    1045: Unavailable,  # ER_ACCESS_DENIED_ERROR
    _NOT_IN_CLUSTER: Unavailable,
    1049: Unavailable,  # ER_BAD_DB_ERROR
    1053: Unavailable,  # ER_SERVER_SHUTDOWN
    167: Unavailable,  # HA_ERR_AUTOINC_ERANGE: exhausted ids
    1109: Unavailable,  # ER_UNKNOWN_TABLE: in information_schema
    1467: Unavailable,  # ER_AUTOINC_READ_FAILED: exhausted ids
    1644: Unavailable,  # ER_SIGNAL_EXCEPTION: in a trigger
    1114: Unavailable,  # ER_RECORD_FILE_FULL
    1129: Unavailable,  # ER_HOST_IS_BLOCKED
    1130: Unavailable,  # ER_HOST_NOT_PRIVILEGED
    1203: Unavailable,  # ER_TOO_MANY_USER_CONNECTIONS
    1180: Unavailable,  # ER_ERROR_DURING_COMMIT
    1205: Unavailable,  # ER_LOCK_WAIT_TIMEOUT
    1226: Unavailable,  # ER_USER_LIMIT_REACHED
    1317: Unavailable,  # ER_QUERY_INTERRUPTED
    1698: Unavailable,  # ER_ACCESS_DENIED_NO_PASSWORD_ERROR
    1927: Unavailable,  # ER_CONNECTION_KILLED
    1969: Unavailable,  # ER_STATEMENT_TIMEOUT: max_statement_time
    3024: Unavailable,  # ER_QUERY_TIMEOUT (MySQL)
}
_COUNTED = (
    Unavailable,
    ConcurrentUpdate,
    OutcomeUnknown,
    ForeignTable,
    NotMigrated,
    NotPermitted,
    UnknownRevision,
    UnsupportedEncoding,
    UnsupportedServer,
    WritesRefused,
)
# Start at zero. A metric that first appears as 1 shows no increase.
_counts = Counter({failure.code: 0 for failure in _COUNTED})
_counts_lock = Lock()
# No connection became free in time, or the server closes new ones.
_POOL_ERRORS = (sqlalchemy.exc.TimeoutError, sqlalchemy.exc.DisconnectionError)
_DATABASE_ERRORS = (sqlalchemy.exc.DBAPIError, psycopg2.Error, pymysql.Error, sqlite3.Error)


def translate_errors() -> AbstractContextManager[None]:
    """Translates the database errors of a block.

    Raises Unavailable or a subclass, with a reason for the operator, or UnknownFailure.
    """
    return _TRANSLATE_ERRORS


class _TranslateErrors(AbstractContextManager[None]):
    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, _POOL_ERRORS):
            failure = _count(Unavailable())
            failure.reason = f"{error}."
            raise failure from error
        if isinstance(error, _DATABASE_ERRORS):
            if make_error := _translation(_cause(error)):
                raise _with_reason(make_error(), error) from error
            raise UnknownFailure(_description(error)).with_traceback(error.__traceback__) from None


_TRANSLATE_ERRORS = _TranslateErrors()


def translate_commit_errors() -> AbstractContextManager[None]:
    """Translates the database errors of a COMMIT.

    Raises OutcomeUnknown if the connection was lost. If the database rejected the commit, raises
    Unavailable or a subclass. It is ConcurrentUpdate if another transaction is the cause: Galera
    rejects a commit if another node has changed the same row.
    """
    return _TRANSLATE_COMMIT_ERRORS


class _TranslateCommitErrors(AbstractContextManager[None]):
    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, _DATABASE_ERRORS):
            raise _with_reason(_commit_translation(_cause(error))(), error) from error


_TRANSLATE_COMMIT_ERRORS = _TranslateCommitErrors()


_CONFLICTS = {"40001", "40P01", 1020, 1213}
"""The errors by which a database rolls back one of several conflicting transactions.

A violated foreign key is not among them: at COMMIT, it is a constraint of the operator.
"""


def _commit_translation(error: BaseException) -> _MakeError:
    """The error for a failed COMMIT, or for a queued statement that was sent with it."""
    if not _is_definite(error):
        return OutcomeUnknown
    code = getattr(error, "pgcode", None)
    if isinstance(error, pymysql.Error):
        code = mariadb_number(error)
    if code in _CONFLICTS:
        return ConcurrentUpdate
    make_error = _translation(error)
    return make_error if make_error and make_error in (NotMigrated, NotPermitted) else Unavailable


def failure_counts() -> Mapping[str, int]:
    """The number of database failures in this process, by error code."""
    with _counts_lock:
        return dict(_counts)


def _count(failure: Unavailable) -> Unavailable:
    with _counts_lock:
        _counts[failure.code] += 1
    return failure


def _with_reason(failure: Unavailable, error: BaseException) -> Unavailable:
    failure.reason = reason(_cause(error))
    return _count(failure)


def sqlstate(failure: BaseException) -> str | None:
    """The SQLSTATE of PostgreSQL behind a translated error. None if the connection failed."""
    error = failure.__cause__ or failure.__context__
    return None if error is None else getattr(_cause(error), "pgcode", None)


VIOLATIONS = (
    sqlalchemy.exc.IntegrityError,
    psycopg2.IntegrityError,
    pymysql.IntegrityError,
    sqlite3.IntegrityError,
)


def violated_constraint(error: BaseException) -> str | None:
    """The constraint that a row violates: its name, or "table.column" on SQLite."""
    cause = _cause(error)
    if isinstance(cause, psycopg2.Error):
        return cause.diag.constraint_name
    if isinstance(cause, pymysql.Error):
        return _last_quoted(str(cause.args[-1]))
    return str(cause).removeprefix("UNIQUE constraint failed: ")


def _description(error: BaseException) -> str:
    """A description without values of rows, and the statement with its placeholders if known."""
    cause = _cause(error)
    parts = [type(cause).__name__]
    if isinstance(cause, psycopg2.Error):
        parts += [cause.pgcode or "", *message_parts(cause)]
    elif isinstance(cause, pymysql.Error):
        parts += [str(mariadb_number(cause))]
    else:  # SQLite, whose message only names tables and columns
        parts += [str(cause)]
    parts += [str(getattr(error, "statement", None) or "")]
    return "; ".join(filter(None, parts))


_TIMEOUT_CODES = {"57014", "55P03", 1205, 1969, 3024}


def timed_out(error: sqlalchemy.exc.DBAPIError) -> bool:
    """Returns True if the database server canceled a statement because of a timeout."""
    cause = error.orig
    if isinstance(cause, psycopg2.Error):
        return cause.pgcode in _TIMEOUT_CODES
    return isinstance(cause, pymysql.Error) and mariadb_number(cause) in _TIMEOUT_CODES


def needs_new_connection(error: BaseException) -> bool:
    """Returns True if the connection is open, but a pool must discard it.

    Its server is read-only (see WritesRefused), or a node of Galera without a majority. After a
    failover, a new connection leads to a server that accepts statements.
    """
    if not isinstance(error, _DATABASE_ERRORS):
        return False
    cause = _cause(error)
    if isinstance(cause, pymysql.Error) and mariadb_number(cause) == _NOT_IN_CLUSTER:
        return True
    return _translation(cause) is WritesRefused


def _last_quoted(message: str) -> str | None:
    """The last quoted text, which is the index in MariaDB's messages of all languages."""
    quoted = message.split("'")
    return quoted[-2] if len(quoted) > 2 else None


def _cause(error: BaseException) -> BaseException:
    """The driver's error, without SQLAlchemy's wrapper."""
    wrapped = getattr(error, "orig", None)
    return wrapped if isinstance(wrapped, BaseException) else error


def _translation(error: BaseException) -> _MakeError | None:
    """The error that a driver's error is translated into, or None if it is not expected."""
    if isinstance(error, psycopg2.Error):
        return _translate_postgresql(error)
    if isinstance(error, pymysql.Error):
        return _translate_mariadb(error)
    if isinstance(error, sqlite3.Error):
        return _translate_sqlite(error)
    return None


def _translate_postgresql(error: psycopg2.Error) -> _MakeError | None:
    if error.pgcode is None:  # no connection, a lost connection, or a passed deadline
        is_lost = isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
        return Unavailable if is_lost or type(error) is psycopg2.DatabaseError else None
    make_error = _POSTGRESQL.get(error.pgcode) or _POSTGRESQL_CLASSES.get(error.pgcode[:2])
    return make_error or (Unavailable if is_raised_by_trigger(error) else None)


def _translate_sqlite(error: sqlite3.Error) -> _MakeError | None:
    if is_raised_by_trigger(error):
        return Unavailable
    if _MISSING_TABLE.match(str(error)):
        return NotMigrated
    if str(error).endswith(" already exists"):
        return ForeignTable
    # An error of Python's sqlite3 module has no code.
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:  # an entity does not exist, or is related
        return ConcurrentUpdate
    return _SQLITE.get(code & PRIMARY_CODE)


def _translate_mariadb(error: pymysql.Error) -> _MakeError | None:
    number = mariadb_number(error)
    is_lost = number == CONNECTION_LOST or number in DRIVER_NUMBERS
    if is_lost or exceeds_transaction_limit(error):
        return Unavailable
    return _MARIADB.get(number)


def _is_definite(error: BaseException) -> bool:
    """Returns True if the database reports that it did not commit."""
    if isinstance(error, psycopg2.Error):
        # With the severity FATAL, the server may have committed first.
        return error.pgcode is not None and error.diag.severity_nonlocalized == "ERROR"
    if isinstance(error, pymysql.Error):
        is_rejected = _MARIADB.get(mariadb_number(error)) in (ConcurrentUpdate, WritesRefused)
        return is_rejected or exceeds_transaction_limit(error)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & PRIMARY_CODE
    return bool(code != sqlite3.SQLITE_IOERR)
