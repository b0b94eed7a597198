"""Statements of SQLAlchemy Core, compiled once for each database and run by its driver.

Core's own way of executing costs several times what the driver does, at each execution
(docs/decisions/0020-compiled-sql-statements.md).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import CompilerElement

from adapters.sql.connection import RawConnection
from adapters.sql.dialects import mariadb, postgresql

T = TypeVar("T")
Values = Mapping[str, Any]
Row = Sequence[Any]
Convert = Callable[[Any], Any]

_BOUNDED: Final[Mapping[str, Callable[[str], str]]] = {
    "postgresql": postgresql.with_timeout,
    "mariadb": mariadb.with_timeout,
}


class CompiledStatement:
    """A statement whose values are all named, and come with each execution.

    What goes in and comes out is converted by the types of its columns. Raises what the driver
    raises; a connection that broke is not used again.
    """

    def __init__(self, statement: CompilerElement) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: RawConnection, values: Values) -> list[Row]:
        """All rows."""
        return self._executed(connection, values, _Compiled.rows)

    def row(self, connection: RawConnection, values: Values) -> Row | None:
        """The first row; None if there is none."""
        return self._executed(connection, values, _Compiled.row)

    def count(self, connection: RawConnection, values: Values) -> int:
        """How many rows it concerned."""
        return self._executed(connection, values, _Compiled.count)

    def queue(self, connection: RawConnection, values: Values) -> None:
        """Run it at the latest with the next one: where one message may hold both, in that.

        A failure of this may then be raised by the next.
        """
        if connection.dialect.name != "postgresql":
            self.count(connection, values)
            return
        compiled = self._compiled_for(connection.dialect)
        postgresql.send_with_next(connection.connection, compiled.text(), compiled.write(values))

    def _compiled_for(self, dialect: Dialect) -> "_Compiled":
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self._statement, dialect)
        return compiled

    def _executed(
        self,
        connection: RawConnection,
        values: Values,
        result: Callable[["_Compiled", Any], T],
    ) -> T:
        dialect, pooled = connection.dialect, connection.connection
        compiled = self._compiled_for(dialect)
        cursor = pooled.cursor()
        try:
            cursor.execute(compiled.text(), compiled.write(values))
            return result(compiled, cursor)
        except dialect.loaded_dbapi.Error as error:
            if dialect.is_disconnect(error, pooled.dbapi_connection, cursor):
                connection.invalidate(error)
            raise
        finally:
            cursor.close()


class _Compiled:
    """A statement as one database's driver takes it."""

    def __init__(self, statement: CompilerElement, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        self._text = str(compiled)
        self._bounded = _BOUNDED.get(dialect.name)
        self._names = compiled.positiontup
        self._constants = {
            name: bind.effective_value
            for bind, name in compiled.bind_names.items()
            if not bind.required
        }
        self._writers = {
            name: write
            for bind, name in compiled.bind_names.items()
            if (write := bind.type.dialect_impl(dialect).bind_processor(dialect))
        }
        self._readers = [
            (position, read)
            for position, column in enumerate(getattr(statement, "exported_columns", ()))
            if (read := column.type.dialect_impl(dialect).result_processor(dialect, None))
        ]

    def text(self) -> str:
        return self._bounded(self._text) if self._bounded else self._text

    def write(self, values: Values) -> Values | Row:
        """The values as the driver takes them."""
        if self._writers or self._constants:
            values = {**self._constants, **values}
            for name, write in self._writers.items():
                values[name] = write(values[name])
        return values if self._names is None else [values[name] for name in self._names]

    def rows(self, cursor: Any) -> list[Row]:
        rows: list[Row] = cursor.fetchall()
        return list(map(self._read, rows)) if self._readers else rows

    def row(self, cursor: Any) -> Row | None:
        row: Row | None = cursor.fetchone()
        return self._read(row) if row is not None and self._readers else row

    def count(self, cursor: Any) -> int:
        return int(cursor.rowcount)

    def _read(self, row: Row) -> Row:
        """What the driver gave, as the columns' types have it."""
        values = list(row)
        for position, read in self._readers:
            values[position] = read(values[position])
        return values
