"""A connection as the pool has it."""

from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, Executable


class RawConnection:
    """A connection as the pool has it: enough for a statement that is compiled already."""

    __slots__ = ("_by_core", "connection", "dialect", "engine")

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect
        self.connection = engine.raw_connection()
        self._by_core: Connection | None = None

    def execute(self, statement: Executable, values: Any = None) -> CursorResult[*tuple[Any, ...]]:
        """A statement that isn't compiled yet, by SQLAlchemy and as it raises."""
        if self._by_core is None:
            self._by_core = Connection(self.engine, self.connection)
        return self._by_core.execute(statement, values)

    @property
    def is_invalid(self) -> bool:
        """Whether it is not to be used again."""
        return not self.connection.is_valid

    def close(self) -> None:
        """Give it back to the pool."""
        if self._by_core is None:
            self.connection.close()
        else:  # it and the transaction that Core believes in would hold each other for long
            self._by_core.close()

    def invalidate(self, error: BaseException | None = None) -> None:
        """It broke; it is not to be used again."""
        self.connection.invalidate(error)
