"""The reason for a database failure, in one line for the operator's terminal and log.

The line contains the message of the driver or the operating system, and a remedy if one is known.
It contains no password and no value of a row. API clients do not get it.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final

import psycopg2
import pymysql

MAX_LENGTH: Final = 600
PRIMARY_CODE: Final = 0xFF
"""The mask of the primary code in an extended error code of SQLite."""
CONNECTION_LOST: Final = 0
"""The error number for a lost connection to MariaDB."""
DRIVER_NUMBERS: Final = range(2000, 3000)
"""The error numbers of MariaDB's driver. The server uses the others."""
_REMEDIES: Final[Mapping[str | int, str]] = {
    # PostgreSQL
    "42501": "Grant the privilege, or use the role that owns the tables.",
    "3F000": "The role's search_path names no schema that exists.",
    "42P07": "Use a database or a schema that no other application uses.",
    "2200H": "The ids of a table are exhausted.",
    "53100": "Free space on the database's disk.",
    # MariaDB
    1142: "Grant the privilege to the user.",
    1143: "Grant the privilege to the user.",
    1044: "Grant the user the privileges on the database.",
    1045: "Check the user and the password in ROSTER_DATABASE_URL.",
    1049: "Create the database, or check its name in ROSTER_DATABASE_URL.",
    1021: "Free space on the database's disk.",
    1114: "Free space on the database's disk.",
    167: "The ids of a table are exhausted.",
    1467: "The ids of a table are exhausted.",
    1644: "A trigger of the database rejected the change.",
    1109: "Use a separate database for Roster.",
    1267: "Convert Roster's tables to utf8mb4.",
    1271: "Convert Roster's tables to utf8mb4.",
    1366: "Convert Roster's tables to utf8mb4.",
    1665: "Set binlog_format to MIXED or ROW.",
    1047: "This node of Galera is not part of its cluster's majority, or not up to date yet.",
    1180: "If the limits of a transaction are exceeded, raise wsrep_max_ws_rows.",
}
_SQLITE_REMEDIES: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: "Another process is writing to the file: wait until it ends.",
    sqlite3.SQLITE_FULL: "Free space on the disk.",
    sqlite3.SQLITE_READONLY: "Allow Roster to write to the file, to its folder, and to the files "
    "with the endings -wal and -shm, if they exist.",
    sqlite3.SQLITE_PERM: "Allow Roster to read and write the file.",
    sqlite3.SQLITE_NOTADB: "Set ROSTER_DATABASE_URL to a file of Roster, or to a new one.",
    sqlite3.SQLITE_CORRUPT: "Restore the file from a backup.",
    sqlite3.SQLITE_IOERR: "Check the disk and the file system.",
    # SQLite reports a full disk in this way if it cannot create the file with the ending -shm.
    sqlite3.SQLITE_IOERR_SHMSIZE: "Free space on the disk.",
}
"""The remedies by primary or extended error code."""
_CONNECTION_REMEDIES: Final[Mapping[str, str]] = {
    "authentication failed": "Check the user and the password in ROSTER_DATABASE_URL.",
    "no password supplied": "Put the password into ROSTER_DATABASE_URL or a password file.",
    "does not exist": "Check ROSTER_DATABASE_URL, or create what is missing.",
    "does not support SSL": "Configure TLS on the server, or change sslmode in the URL.",
    "certificate": "Check sslmode and sslrootcert in ROSTER_DATABASE_URL.",
}
_CHECK_URL: Final = "Check ROSTER_DATABASE_URL, and that the server is running."
_REJECTED_BY_TRIGGER: Final = "A trigger of the database rejected the change"
_NO_RESPONSE: Final = "The database did not respond in time."

# A quoted host or database that contains @ may begin with a part of a password. MariaDB's
# 'user'@'host' does not match, because its @ is between two quoted texts.
_BEFORE_AT = re.compile(r"""(["'])[^"'\n]+@([^"'@\n]*)\1""")
_HINT = re.compile(r"\n\tIs the server running[^\n]*")
_USERINFO = re.compile(r"://[^/\s]*@")
_PASSWORD = re.compile(r"(?i)\b(password|passwd|sslpassword)\s*=\s*('[^']*'|\S+)")


def reason(error: BaseException) -> str:
    """The cause and the remedy if one is known, in one line of at most MAX_LENGTH characters."""
    cause, remedy = _cause_and_remedy(error)
    sentences = filter(None, (_sentence(redact(cause)), remedy))
    return " ".join(sentences)[:MAX_LENGTH]


def redact(text: str) -> str:
    """Puts the text on one line, and removes everything that may be a part of a password."""
    text = " ".join(text.split())
    text = _USERINFO.sub("://…@", text)
    text = _PASSWORD.sub(r"\1=…", text)
    return _BEFORE_AT.sub(r"\1…@\2\1", text)


def _sentence(text: str) -> str:
    return text if not text or text[-1] in ".!?" else f"{text}."


def _cause_and_remedy(error: BaseException) -> tuple[str, str]:
    if isinstance(error, psycopg2.Error):
        return _postgresql_cause(error)
    if isinstance(error, pymysql.Error):
        return _mariadb_cause(error)
    if isinstance(error, sqlite3.Error):
        if is_raised_by_trigger(error):
            return _REJECTED_BY_TRIGGER, ""
        code = getattr(error, "sqlite_errorcode", 0)
        primary = _SQLITE_REMEDIES.get(code & PRIMARY_CODE, "")
        return str(error), _SQLITE_REMEDIES.get(code, primary)
    if isinstance(error, TimeoutError):
        return _NO_RESPONSE, ""
    return type(error).__name__, ""


def _postgresql_cause(error: psycopg2.Error) -> tuple[str, str]:
    if error.pgcode is None:  # a message of libpq, which is about the connection, not about rows
        text = _HINT.sub("", str(error)).strip()
        if not text:
            return _NO_RESPONSE, _CHECK_URL
        remedies = (remedy for words, remedy in _CONNECTION_REMEDIES.items() if words in text)
        return text, next(remedies, _CHECK_URL)
    if is_raised_by_trigger(error):
        return f"{_REJECTED_BY_TRIGGER} ({error.pgcode})", ""
    return "; ".join(message_parts(error)) or error.pgcode, _REMEDIES.get(error.pgcode, "")


def is_raised_by_trigger(error: psycopg2.Error | sqlite3.Error) -> bool:
    """Returns True if a trigger or a PL/pgSQL function raised it, so its text may quote values."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_TRIGGER
    return error.diag.source_function == "exec_stmt_raise"


def message_parts(error: psycopg2.Error) -> Iterator[str]:
    """PostgreSQL's message, and the names of the table, the column and the constraint.

    Omits messages that may quote values of rows: those of class 22, of 42601 and of triggers.
    """
    diagnostics = error.diag
    quotes_values = (error.pgcode or "22")[:2] == "22" or error.pgcode == "42601"
    quotes_values |= is_raised_by_trigger(error)
    if diagnostics.message_primary and not quotes_values:
        yield diagnostics.message_primary
    names = diagnostics.table_name, diagnostics.column_name, diagnostics.constraint_name
    yield from filter(None, names)


# Error numbers of MariaDB whose messages quote no values of rows. The driver's messages quote none.
_WITHOUT_VALUES: Final = frozenset(
    {3, 1020, 1021, 1026, 1030, 1037, 1040, 1041, 1044, 1045, 1047, 1049, 1050, 1053, 1109, 1114}
    | {1129, 1130, 1142, 1143, 1146, 1180, 1203, 1205, 1213, 1226, 1227, 1290, 1317, 1665, 1698}
    | {1792, 1836, 1927, 1969, 3024}
)
_LOST: Final = "The connection to the database was lost."
_NOT_CONNECTED: Final = (2001, 2002, 2003, 2005)
_TOO_LARGE: Final = "Maximum writeset size exceeded"
"""The message of Galera at COMMIT. Its error number, 1105, also has other meanings."""


def mariadb_number(error: pymysql.Error) -> int:
    """Returns the error number. An unreadable response has none and counts as a lost connection."""
    number = error.args[0] if error.args else CONNECTION_LOST
    return number if isinstance(number, int) else CONNECTION_LOST


def exceeds_transaction_limit(error: pymysql.Error) -> bool:
    """Returns True if Galera rejected a transaction over wsrep_max_ws_size."""
    return error.args[:1] == (1105,) and str(error.args[-1]).startswith(_TOO_LARGE)


def _mariadb_cause(error: pymysql.Error) -> tuple[str, str]:
    number = mariadb_number(error)
    if isinstance(error.__cause__ or error.__context__, TimeoutError):
        return _NO_RESPONSE, _CHECK_URL
    if exceeds_transaction_limit(error):
        return _TOO_LARGE, "Raise wsrep_max_ws_size."
    if number == CONNECTION_LOST:
        return _LOST, ""
    if number not in _WITHOUT_VALUES and number not in DRIVER_NUMBERS:
        return f"{type(error).__name__} {number}", _REMEDIES.get(number, "")
    text = str(error.args[1]) if len(error.args) > 1 else f"error {number}"
    remedy = _REMEDIES.get(number, _CHECK_URL if number in _NOT_CONNECTED else "")
    return text, remedy
