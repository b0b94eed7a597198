"""Locks that also exclude the other nodes of a Galera cluster.

A lock is known to one node only. Galera compares the rows that transactions write, and rejects the
later one of two that write the same row. A transaction that locks rows, and then writes others
because of what it has read, must therefore write a row that stands for the lock.
"""

from hashlib import sha256
from random import randrange

from sqlalchemy import text

from adapters.sql.compiled import CompiledStatement
from adapters.sql.connection import RawConnection
from adapters.sql.dialects import mariadb

_VALUES = 2**48
# The rows are in the table of counters. They have expired, so maintenance deletes them. A row that
# an update does not change is not compared, so each transaction writes another value.
_WRITE = CompiledStatement(
    text(
        "INSERT INTO counters (`key`, times, expiry_time) VALUES (:key, :times, '1970-01-01')"
        " ON DUPLICATE KEY UPDATE times = VALUES(times)"
    )
)


def certify(connection: RawConnection, *names: object) -> None:
    """Makes this transaction conflict with those on other nodes that certify the same names.

    Does nothing on other databases, where the transaction has a lock.
    """
    if connection.dialect.name == "mariadb" and mariadb.is_on_galera(connection.connection):
        key = sha256("\0".join(("galera", *map(str, names))).encode()).hexdigest()
        _WRITE.execute(connection, {"key": key, "times": f"[{randrange(_VALUES)}]"})
