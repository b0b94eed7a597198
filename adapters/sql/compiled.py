"""SQLAlchemy Core statements that are compiled once for each database and run by its driver.

Executing a statement through Core takes several times as long as the driver alone
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

_ADD_TIMEOUT: Final[Mapping[str, Callable[[str], str]]] = {
    "postgresql": postgresql.with_timeout,
    "mariadb": mariadb.with_timeout,
}


class CompiledStatement:
    """A statement with named parameters, which get their values at each execution.

    Parameters and results are converted by the types of their columns. Each method raises the
    driver's error, and invalidates a connection that is lost.
    """

    def __init__(self, statement: CompilerElement) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: RawConnection, values: Values) -> list[Row]:
        """Runs the statement. Returns all rows."""
        return self._run(connection, values, _Compiled.rows)

    def row(self, connection: RawConnection, values: Values) -> Row | None:
        """Runs the statement. Returns the first row, or None if there is no row."""
        return self._run(connection, values, _Compiled.row)

    def execute(self, connection: RawConnection, values: Values) -> int:
        """Runs the statement. Returns the number of affected rows."""
        return self._run(connection, values, _Compiled.affected)

    def queue(self, connection: RawConnection, values: Values) -> None:
        """Queues the statement.

        PostgreSQL gets it in one message with the next statement, which then raises any error.
        Other databases run it now.
        """
        if connection.dialect.name != "postgresql":
            self.execute(connection, values)
            return
        compiled = self._compiled_for(connection.dialect)
        parameters = compiled.parameters(values)
        postgresql.send_with_next(connection.connection, compiled.text(), parameters)

    def _compiled_for(self, dialect: Dialect) -> "_Compiled":
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _Compiled(self._statement, dialect)
        return compiled

    def _run(
        self,
        connection: RawConnection,
        values: Values,
        result: Callable[["_Compiled", Any], T],
    ) -> T:
        dialect, pooled = connection.dialect, connection.connection
        compiled = self._compiled_for(dialect)
        cursor = pooled.cursor()
        try:
            cursor.execute(compiled.text(), compiled.parameters(values))
            return result(compiled, cursor)
        except dialect.loaded_dbapi.Error as error:
            if dialect.is_disconnect(error, pooled.dbapi_connection, cursor):
                connection.invalidate(error)
            raise
        finally:
            cursor.close()


class _Compiled:
    """A statement that is compiled for the driver of one database."""

    def __init__(self, statement: CompilerElement, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        self._text = str(compiled)
        self._add_timeout = _ADD_TIMEOUT.get(dialect.name)
        self._positional_names = compiled.positiontup
        self._constants = {
            name: bind.effective_value
            for bind, name in compiled.bind_names.items()
            if not bind.required
        }
        self._bind_processors = {
            name: process
            for bind, name in compiled.bind_names.items()
            if (process := bind.type.dialect_impl(dialect).bind_processor(dialect))
        }
        self._result_processors = [
            (position, process)
            for position, column in enumerate(getattr(statement, "exported_columns", ()))
            if (process := column.type.dialect_impl(dialect).result_processor(dialect, None))
        ]

    def text(self) -> str:
        """The SQL. If there is a deadline, the SQL makes the server enforce it."""
        return self._add_timeout(self._text) if self._add_timeout else self._text

    def parameters(self, values: Values) -> Values | Row:
        """Converts the values for the driver: by name, or in a list if it binds by position."""
        if self._bind_processors or self._constants:
            values = {**self._constants, **values}
            for name, process in self._bind_processors.items():
                values[name] = process(values[name])
        names = self._positional_names
        return values if names is None else [values[name] for name in names]

    def rows(self, cursor: Any) -> list[Row]:
        rows: list[Row] = cursor.fetchall()
        return list(map(self._convert_row, rows)) if self._result_processors else rows

    def row(self, cursor: Any) -> Row | None:
        row: Row | None = cursor.fetchone()
        return self._convert_row(row) if row is not None and self._result_processors else row

    def affected(self, cursor: Any) -> int:
        return int(cursor.rowcount)

    def _convert_row(self, row: Row) -> Row:
        """Converts the values from the driver by the types of their columns."""
        values = list(row)
        for position, process in self._result_processors:
            values[position] = process(values[position])
        return values
