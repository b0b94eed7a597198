"""Why a database failed, in one line for the operator's terminal and log.

The line has what the driver or the operating system said, and a remedy where one is known. It has
neither a password nor a value of a row: API clients never see it.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final

import psycopg2
import pymysql

MAX_LENGTH: Final = 600
_PRIMARY_CODE: Final = 0xFF
_REMEDIES: Final[Mapping[str | int, str]] = {
    # PostgreSQL
    "42501": "Grant the privilege, or use the role that owns the tables.",
    "3F000": "The role's search_path names no schema that exists.",
    "42P07": "Use a database or a schema that no other application uses.",
    "2200H": "The ids of a table are exhausted.",
    "53100": "Make room on the database's disk.",
    # MariaDB
    1142: "Grant the privilege to the user.",
    1143: "Grant the privilege to the user.",
    1044: "Grant the user the privileges on the database.",
    1045: "Check the user and the password in ROSTER_DATABASE_URL.",
    1049: "Create the database, or check its name in ROSTER_DATABASE_URL.",
    1021: "Make room on the database's disk.",
    1114: "Make room on the database's disk.",
    167: "The ids of a table are exhausted.",
    1467: "The ids of a table are exhausted.",
    1644: "A trigger of the database refused the change.",
    1109: "Use a database of Roster's own.",
    1267: "Convert Roster's tables to utf8mb4.",
    1271: "Convert Roster's tables to utf8mb4.",
    1366: "Convert Roster's tables to utf8mb4.",
    1665: "Set binlog_format to MIXED or ROW.",
}
_REMEDIES_OF_SQLITE: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_BUSY: "Another process is writing to the file: wait until it ends.",
    sqlite3.SQLITE_FULL: "Make room on the disk.",
    sqlite3.SQLITE_READONLY: "Allow Roster to write to the file and to its folder.",
    sqlite3.SQLITE_PERM: "Allow Roster to read and write the file.",
    sqlite3.SQLITE_NOTADB: "Name a file of Roster's in ROSTER_DATABASE_URL, or a new one.",
    sqlite3.SQLITE_CORRUPT: "Restore the file from a backup.",
    sqlite3.SQLITE_IOERR: "Check the disk and the file system.",
}
_OF_CONNECTING: Final[Mapping[str, str]] = {
    "authentication failed": "Check the user and the password in ROSTER_DATABASE_URL.",
    "no password supplied": "Put the password into ROSTER_DATABASE_URL or a password file.",
    "does not exist": "Check ROSTER_DATABASE_URL, or create what is missing.",
    "does not support SSL": "Configure TLS on the server, or change sslmode in the URL.",
    "certificate": "Check sslmode and sslrootcert in ROSTER_DATABASE_URL.",
}
_CHECK_URL: Final = "Check ROSTER_DATABASE_URL, and that the server is running."
_REFUSED_BY_TRIGGER: Final = "A trigger of the database refused the change"
_SILENT: Final = "The database did not respond in time."

# A host or database with @ may begin with a part of a password. 'user'@'host' has nothing between
# the quotation mark and @.
_BEFORE_AT = re.compile(r"""(["'])[^"'\n]+@([^"'@\n]*)\1""")
_HINT = re.compile(r"\n\tIs the server running[^\n]*")
_USERINFO = re.compile(r"://[^/\s]*@")
_PASSWORD = re.compile(r"(?i)\b(password|passwd|sslpassword)\s*=\s*('[^']*'|\S+)")


def reason(error: BaseException) -> str:
    """The cause in one line, and the remedy where one is known."""
    found, remedy = _cause_and_remedy(error)
    sentences = filter(None, (_sentence(redact(found)), remedy))
    return " ".join(sentences)[:MAX_LENGTH]


def redact(text: str) -> str:
    """The text on one line, without what could be a password or a part of one."""
    text = " ".join(text.split())
    text = _USERINFO.sub("://…@", text)
    text = _PASSWORD.sub(r"\1=…", text)
    return _BEFORE_AT.sub(r"\1…@\2\1", text)


def _sentence(text: str) -> str:
    return text if not text or text[-1] in ".!?" else f"{text}."


def _cause_and_remedy(error: BaseException) -> tuple[str, str]:
    if isinstance(error, psycopg2.Error):
        return _of_postgresql(error)
    if isinstance(error, pymysql.Error):
        return _of_mariadb(error)
    if isinstance(error, sqlite3.Error):
        if is_raised(error):
            return _REFUSED_BY_TRIGGER, ""
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
        return str(error), _REMEDIES_OF_SQLITE.get(code, "")
    if isinstance(error, TimeoutError):
        return _SILENT, ""
    return type(error).__name__, ""


def _of_postgresql(error: psycopg2.Error) -> tuple[str, str]:
    if error.pgcode is None:  # libpq's own words: about the connection, never about rows
        text = _HINT.sub("", str(error)).strip()
        if not text:
            return _SILENT, _CHECK_URL
        known = (remedy for words, remedy in _OF_CONNECTING.items() if words in text)
        return text, next(known, _CHECK_URL)
    if is_raised(error):
        return f"{_REFUSED_BY_TRIGGER} ({error.pgcode})", ""
    return "; ".join(message_parts(error)) or error.pgcode, _REMEDIES.get(error.pgcode, "")


def is_raised(error: psycopg2.Error | sqlite3.Error) -> bool:
    """Whether a trigger, or a function in PL/pgSQL, raised it. Its text may quote values."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_TRIGGER
    return error.diag.source_function == "exec_stmt_raise"


def message_parts(error: psycopg2.Error) -> Iterator[str]:
    """What PostgreSQL says, without values of rows: those are in messages of class 22 and 42601."""
    of = error.diag
    quotes_values = (error.pgcode or "22")[:2] == "22" or error.pgcode == "42601"
    quotes_values |= is_raised(error)
    if of.message_primary and not quotes_values:
        yield of.message_primary
    yield from filter(None, (of.table_name, of.column_name, of.constraint_name))


_QUOTE_NO_VALUES: Final = frozenset(
    # The driver's own errors have numbers from 2000 to 2999.
    {3, 1020, 1021, 1026, 1030, 1037, 1040, 1041, 1044, 1045, 1047, 1049, 1050, 1053, 1109, 1114}
    | {1129}
    | {1130, 1142, 1143, 1146, 1203, 1205, 1213, 1226, 1227, 1290, 1317, 1665, 1698, 1792, 1836}
    | {1927, 1969, 3024}
)


def _of_mariadb(error: pymysql.Error) -> tuple[str, str]:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if isinstance(error.__cause__ or error.__context__, TimeoutError):
        return _SILENT, _CHECK_URL
    if code not in _QUOTE_NO_VALUES and not 2000 <= code < 3000:
        return (f"{type(error).__name__} {code}" if code else _LOST), _REMEDIES.get(code, "")
    text = str(error.args[1]) if len(error.args) > 1 else f"error {code}"
    remedy = _REMEDIES.get(code, _CHECK_URL if code in _NOT_CONNECTED else "")
    return text, remedy


_LOST: Final = "The connection to the database was lost."
_NOT_CONNECTED: Final = (2001, 2002, 2003, 2005)
