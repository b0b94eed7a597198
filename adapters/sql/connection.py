"""A pooled connection that runs compiled statements without SQLAlchemy Core."""

from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, Executable

from adapters.sql.connection_pool import DeadlinePool


class RawConnection:
    """A connection from the pool. Compiled statements need no more (see CompiledStatement)."""

    __slots__ = ("_core", "_pool", "connection", "dialect", "engine")

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect
        self._pool: DeadlinePool = engine.pool  # type: ignore[assignment]
        self.connection = self._pool.connect()
        self._core: Connection | None = None

    def execute(self, statement: Executable, values: Any = None) -> CursorResult[*tuple[Any, ...]]:
        """Compiles and runs a statement with SQLAlchemy Core. Raises SQLAlchemy's errors."""
        if self._core is None:
            self._core = Connection(self.engine, self.connection)
        return self._core.execute(statement, values)

    @property
    def is_invalid(self) -> bool:
        """True if the connection must not be used again."""
        return not self.connection.is_valid

    def close(self) -> None:
        """Returns the connection to the pool."""
        if self._core is None:
            self._pool.release(self.connection)
        else:  # also breaks the reference cycle between Core's connection and its transaction
            self._core.close()

    def invalidate(self, error: BaseException | None = None) -> None:
        """Discards the connection, for example because it is lost."""
        self.connection.invalidate(error)
