"""The table of secrets, and the adapter that reads and creates them."""

from contextlib import suppress
from secrets import token_bytes

from sqlalchemy import Column, Engine, LargeBinary, Table, bindparam, insert, select

from adapters.sql.columns import Timestamp, text
from adapters.sql.compiled import CompiledStatement
from adapters.sql.failures import VIOLATIONS
from adapters.sql.metadata import MARIADB_TABLE, METADATA
from adapters.sql.transactions import Transactions, read_connection
from application.ports import SECRET_BYTES, Clock, ConcurrentUpdate, Secrets, Unavailable

SECRETS = Table(
    "secrets",
    METADATA,
    Column("name", text(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("creation_time", Timestamp, nullable=False),
    **MARIADB_TABLE,
)
_READ = CompiledStatement(select(SECRETS.c.value).where(SECRETS.c.name == bindparam("secret_name")))
_ADD = CompiledStatement(
    insert(SECRETS).values({column.name: bindparam(column.name) for column in SECRETS.c})
)


class SqlSecrets(Secrets):
    """The secrets in a database. They are not encrypted: anyone who can read the table has them."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._transactions = Transactions(engine)
        self._clock = clock

    def get_or_create(self, name: str) -> bytes:
        value = self._read(name)
        if value is None:  # Migrations create Roster's own secrets, because a standby cannot.
            self._create(name)
            value = self._read(name)
        if value is None:
            raise Unavailable
        return value

    def _read(self, name: str) -> bytes | None:
        with read_connection(self._engine) as connection:
            row = _READ.row(connection, {"secret_name": name})
        return bytes(row[0]) if row else None

    def _create(self, name: str) -> None:
        """Creates the secret, unless another caller creates it first.

        On a Galera cluster, that may become known at the commit only.
        """
        values = {"name": name, "value": token_bytes(SECRET_BYTES), "creation_time": self._clock()}
        with suppress(_Exists, ConcurrentUpdate), self._transactions.open() as connection:
            try:
                _ADD.execute(connection, values)
            except VIOLATIONS as error:
                raise _Exists from error  # rolls back


class _Exists(Exception):
    """Another caller has created the secret."""
