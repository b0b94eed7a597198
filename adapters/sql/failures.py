"""What a database's failures mean for the directory.

A failure is judged by its code, never by its prose, save where a database has nothing else. What
is not known here is a fault of Roster's.
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

from adapters.sql.error_reasons import is_raised, message_parts, reason
from application.ports import ConcurrentUpdate, OutcomeUnknown, Unavailable


class NotMigrated(Unavailable):
    """The database lacks what this release needs."""

    code = "not_migrated"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("The database isn't migrated to this release (roster db upgrade).")
        self.reason = reason


class WritesRefused(Unavailable):
    """The database only lets itself be read: a standby, or a file without permission."""

    code = "writes_refused"

    def __init__(self) -> None:
        super().__init__("The database takes no writes now.")


class NotPermitted(Unavailable):
    """The database's user lacks a privilege that Roster needs."""

    code = "not_permitted"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("Roster lacks a privilege in the database.")
        self.reason = reason


class UnsupportedServer(Unavailable):
    """The database server is one that Roster does not support."""

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
    """The table of Roster's version contains what no release of Roster writes."""

    code = "unknown_revision"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("The version of the database's tables is none of Roster's.")
        self.reason = reason


class ForeignTable(Unavailable):
    """The database has a table, or an index, with a name that Roster needs for its own."""

    code = "foreign_table"

    def __init__(self, reason: str | None = None) -> None:
        super().__init__("Something of another application is in the way of Roster's tables.")
        self.reason = reason


class UnknownFailure(Exception):
    """What a database refused for a reason that Roster doesn't know of.

    In place of the driver's error, which may quote rows: they have no business in a log.
    """


_Meaning = Callable[[], Unavailable]
_POSTGRESQL: Mapping[str, _Meaning] = {
    "40001": ConcurrentUpdate,  # serialization_failure
    "40P01": ConcurrentUpdate,  # deadlock_detected
    "23503": ConcurrentUpdate,  # foreign_key_violation: another unit deleted or related an entity
    "2200H": Unavailable,  # sequence_generator_limit_exceeded: no ids are left
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
_POSTGRESQL_CLASSES: Mapping[str, _Meaning] = {
    "08": Unavailable,  # connection exception
    "53": Unavailable,  # insufficient resources: disk full, out of memory, too many connections
    "58": Unavailable,  # system error
}
_SQLITE: Mapping[int, _Meaning] = {
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
_PRIMARY_CODE = 0xFF
_MARIADB: Mapping[int, _Meaning] = {
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
    3: Unavailable,  # EE_WRITE: disk full, most likely
    1021: Unavailable,  # ER_DISK_FULL
    1026: Unavailable,  # ER_ERROR_ON_WRITE
    1030: Unavailable,  # ER_GET_ERRNO: what the storage engine met
    1037: Unavailable,  # ER_OUTOFMEMORY
    1040: Unavailable,  # ER_CON_COUNT_ERROR
    1041: Unavailable,  # ER_OUT_OF_RESOURCES
    1044: Unavailable,  # ER_DBACCESS_DENIED_ERROR
    1045: Unavailable,  # ER_ACCESS_DENIED_ERROR
    1047: Unavailable,  # ER_UNKNOWN_COM_ERROR: a node that has not joined its cluster
    1049: Unavailable,  # ER_BAD_DB_ERROR
    1053: Unavailable,  # ER_SERVER_SHUTDOWN
    167: Unavailable,  # HA_ERR_AUTOINC_ERANGE: no ids are left
    1109: Unavailable,  # ER_UNKNOWN_TABLE: in information_schema, where none can be created
    1467: Unavailable,  # ER_AUTOINC_READ_FAILED: no ids are left
    1644: Unavailable,  # ER_SIGNAL_EXCEPTION: a trigger refused it
    1114: Unavailable,  # ER_RECORD_FILE_FULL
    1129: Unavailable,  # ER_HOST_IS_BLOCKED
    1130: Unavailable,  # ER_HOST_NOT_PRIVILEGED
    1203: Unavailable,  # ER_TOO_MANY_USER_CONNECTIONS
    1205: Unavailable,  # ER_LOCK_WAIT_TIMEOUT
    1226: Unavailable,  # ER_USER_LIMIT_REACHED
    1317: Unavailable,  # ER_QUERY_INTERRUPTED
    1698: Unavailable,  # ER_ACCESS_DENIED_NO_PASSWORD_ERROR
    1927: Unavailable,  # ER_CONNECTION_KILLED
    1969: Unavailable,  # ER_STATEMENT_TIMEOUT: max_statement_time
    3024: Unavailable,  # the same, of MySQL's numbers
}
_OF_THE_DRIVER = range(2000, 3000)
_CONNECTION_LOST = 0
_KINDS = (
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
_counts = Counter({kind.code: 0 for kind in _KINDS})  # from zero on, or the first would go unseen
_counting = Lock()
_FAILURES = (sqlalchemy.exc.DBAPIError, psycopg2.Error, pymysql.Error, sqlite3.Error)


def translate_errors() -> AbstractContextManager[None]:
    """Say in the ports' words what the database could not do."""
    return _TRANSLATED


class _Translated(AbstractContextManager[None]):
    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, sqlalchemy.exc.TimeoutError):  # no connection became free in time
            failure = _count(Unavailable())
            failure.reason = f"{error}."
            raise failure from error
        if isinstance(error, _FAILURES):
            if meaning := _meaning(_cause(error)):
                raise _with_reason(meaning(), error) from error
            raise UnknownFailure(_constraint_text(error)).with_traceback(
                error.__traceback__
            ) from None


_TRANSLATED = _Translated()


def translate_commit_errors() -> AbstractContextManager[None]:
    """The same for a commit: a definite refusal, or a lost answer. Neither may be tried again."""
    return _TRANSLATED_AT_COMMIT


class _TranslatedAtCommit(AbstractContextManager[None]):
    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, _FAILURES):
            raise _with_reason(_meaning_at_commit(_cause(error))(), error) from error


_TRANSLATED_AT_COMMIT = _TranslatedAtCommit()


def _meaning_at_commit(error: BaseException) -> _Meaning:
    """A statement that is sent together with COMMIT may be what is refused."""
    if not _is_definite(error):
        return OutcomeUnknown
    meaning = _meaning(error)
    return meaning if meaning and meaning in (NotMigrated, NotPermitted) else Unavailable


def failure_counts() -> Mapping[str, int]:
    """How often each kind of failure was met in this process, by its code."""
    with _counting:
        return dict(_counts)


def _count(failure: Unavailable) -> Unavailable:
    with _counting:
        _counts[failure.code] += 1
    return failure


def _with_reason(failure: Unavailable, error: BaseException) -> Unavailable:
    failure.reason = reason(_cause(error))
    return _count(failure)


VIOLATIONS = (
    sqlalchemy.exc.IntegrityError,
    psycopg2.IntegrityError,
    pymysql.IntegrityError,
    sqlite3.IntegrityError,
)


def violated_constraint(error: BaseException) -> str | None:
    """The constraint that a row would break: its name, or SQLite's "table.column"."""
    cause = _cause(error)
    if isinstance(cause, psycopg2.Error):
        return cause.diag.constraint_name
    if isinstance(cause, pymysql.Error):
        return _last_quoted(str(cause.args[-1]))
    return str(cause).removeprefix("UNIQUE constraint failed: ")


def _constraint_text(error: BaseException) -> str:
    """What the error says, but for values; and the statement, if it is known, with its gaps."""
    cause = _cause(error)
    parts = [type(cause).__name__]
    if isinstance(cause, psycopg2.Error):
        parts += [cause.pgcode or "", *message_parts(cause)]
    elif isinstance(cause, pymysql.Error):
        parts += [str(_mariadb_code(cause))]
    else:  # the drivers' own, and SQLite's, which names tables and columns alone
        parts += [str(cause)]
    parts += [str(getattr(error, "statement", None) or "")]
    return "; ".join(filter(None, parts))


_GAVE_UP = {"57014", "55P03", 1205, 1969, 3024}


def timed_out(error: sqlalchemy.exc.DBAPIError) -> bool:
    """Whether the database itself ended a statement that had waited for too long."""
    cause = error.orig
    if isinstance(cause, psycopg2.Error):
        return cause.pgcode in _GAVE_UP
    return isinstance(cause, pymysql.Error) and _mariadb_code(cause) in _GAVE_UP


def _last_quoted(message: str) -> str | None:
    """Where MariaDB names the index, in whatever language it speaks."""
    quoted = message.split("'")
    return quoted[-2] if len(quoted) > 2 else None


def _cause(error: BaseException) -> BaseException:
    """The driver's own error."""
    wrapped = getattr(error, "orig", None)
    return wrapped if isinstance(wrapped, BaseException) else error


def _meaning(
    error: BaseException,
) -> _Meaning | None:
    if isinstance(error, psycopg2.Error):
        return _postgresql_meaning(error)
    if isinstance(error, pymysql.Error):
        return _mariadb_meaning(error)
    if isinstance(error, sqlite3.Error):
        return _sqlite_meaning(error)
    return None


def _postgresql_meaning(error: psycopg2.Error) -> _Meaning | None:
    if error.pgcode is None:  # the connection broke, could not be made, or the deadline passed
        lost = isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
        return Unavailable if lost or type(error) is psycopg2.DatabaseError else None
    known = _POSTGRESQL.get(error.pgcode) or _POSTGRESQL_CLASSES.get(error.pgcode[:2])
    return known or (Unavailable if is_raised(error) else None)


def _sqlite_meaning(error: sqlite3.Error) -> _Meaning | None:
    if is_raised(error):
        return Unavailable
    if _MISSING_TABLE.match(str(error)):
        return NotMigrated
    if str(error).endswith(" already exists"):
        return ForeignTable
    # An error of the module itself has no code.
    code = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:  # an entity does not exist, or is related
        return ConcurrentUpdate
    return _SQLITE.get(code & _PRIMARY_CODE)


def _mariadb_meaning(error: pymysql.Error) -> _Meaning | None:
    code = _mariadb_code(error)
    lost = code in _OF_THE_DRIVER or code == _CONNECTION_LOST
    return Unavailable if lost else _MARIADB.get(code)


def _mariadb_code(error: pymysql.Error) -> int:
    """Its number; that of a lost connection where what came could not be read."""
    code = error.args[0] if error.args else _CONNECTION_LOST
    return code if isinstance(code, int) else _CONNECTION_LOST


def _is_definite(error: BaseException) -> bool:
    """Whether the database itself parts that it did not commit."""
    if isinstance(error, psycopg2.Error):
        # A server that says FATAL may have committed before.
        return error.pgcode is not None and error.diag.severity_nonlocalized == "ERROR"
    if isinstance(error, pymysql.Error):
        return _MARIADB.get(_mariadb_code(error)) in (ConcurrentUpdate, WritesRefused)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & _PRIMARY_CODE
    return bool(code != sqlite3.SQLITE_IOERR)
